//! What an agent may try in its container, and what comes of it. Each test fails when the guard that it is about is removed.

use anyhow::Result;
use std::process::Command;
use strawboss_testkit::{RunnerKind, World, WorldOptions, programs};

const CHECKED: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";

fn containers(slots: u32) -> Result<World> {
    World::new(WorldOptions { runner: RunnerKind::Docker, slots, ..WorldOptions::default() })
}

/// Runs one task to the end of its run; its run in detail.
async fn one_run(world: &mut World, action: &str, more: &str) -> Result<serde_json::Value> {
    world.project("One", &[("a", "a\n")], more)?;
    world.backlog().append("One", "1", "Pending", action, ",,")?;
    world.start().await?;
    let task = world
        .until("the end of the run", async |world| {
            let tasks = world.tasks().await?;
            let task = tasks.first().cloned().unwrap_or_default();
            Ok((task["run"]["state"] == "finished" && task["state"] != "running").then_some(task))
        })
        .await?;
    world.get(&format!("/api/v1/runs/{}", task["run"]["id"].as_str().unwrap_or_default())).await
}

/// What the agent wrote into a file that its run pushed.
fn written(world: &World, run: &serde_json::Value, name: &str) -> Result<String> {
    let branch = format!("refs/heads/{}", run["run"]["branch"].as_str().unwrap_or_default());
    Ok(world.mirror_file(&branch, name)?.unwrap_or_default())
}

#[tokio::test]
async fn it_reaches_nothing_but_its_door() -> Result<()> {
    let mut world = containers(1)?;
    // A server of ours on every address of this machine: what the sandbox must not reach.
    let bait = std::net::TcpListener::bind("0.0.0.0:0")?;
    let port = bait.local_addr()?.port();
    let gateway = programs::run(Command::new("docker").args([
        "network",
        "inspect",
        "bridge",
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
    ]))?;
    let gateway = gateway.trim();
    let try_tcp = |host: &str| format!("(timeout 3 bash -c '</dev/tcp/{host}/{port}' && echo REACHED {host}) 2>/dev/null");
    let action = [
        "{ ls /sys/class/net".to_owned(),
        try_tcp("127.0.0.1"),
        try_tcp(gateway),
        try_tcp("10.0.0.1"),
        "ls -la /var/run/docker.sock 2>/dev/null && echo SOCKET".to_owned(),
        "id -u; grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status".to_owned(),
        "(touch /usr/x && echo WROTE-ROOT) 2>/dev/null; (touch /run/strawboss/x && echo WROTE-DOOR) 2>/dev/null; true; } > seen.txt".to_owned(),
    ]
    .join("; ");
    let run = one_run(&mut world, &action, CHECKED).await?;
    let seen = written(&world, &run, "seen.txt")?;
    assert!(seen.starts_with("lo\n"), "{seen}");
    for never in ["REACHED", "SOCKET", "WROTE", "eth0"] {
        assert!(!seen.contains(never), "{never}: {seen}");
    }
    assert!(
        seen.contains("\n10001\n") && seen.contains("NoNewPrivs:\t1") && seen.contains("CapEff:\t0000000000000000"),
        "{seen}"
    );
    Ok(())
}

#[tokio::test]
async fn it_finds_no_key_in_environment_files_or_processes() -> Result<()> {
    let mut world = World::new(WorldOptions {
        runner: RunnerKind::Docker,
        model_script: Some("rules: []\n".to_owned()),
        ..WorldOptions::default()
    })?;
    let action = "{ env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; ls -l /proc/1/fd 2>&1; grep -rs 'sk-test' $HOME /opt /tmp /run /etc 2>/dev/null; true; } > seen.txt";
    let run = one_run(&mut world, action, CHECKED).await?;
    let seen = written(&world, &run, "seen.txt")?;
    assert!(!seen.contains("sk-test-of-this-world-only"), "the provider's key is inside");
    let token = std::fs::read_to_string(world.data_dir().join("admin-token"))?;
    assert!(!seen.contains(token.trim()), "the admin token is inside");
    assert!(seen.contains("Permission denied"), "PID 1's memory is closed to the agent: {seen}");
    Ok(())
}

#[tokio::test]
async fn it_cannot_speak_for_its_supervisor() -> Result<()> {
    let mut world = containers(1)?;
    // It opens the door itself, asks for a token, claims success, then fails.
    let action = concat!(
        "{ curl -s -o /dev/null -w 'token %{http_code}\\n' --unix-socket /run/strawboss/door.sock -X POST http://door/control/token; ",
        "curl -s -o /dev/null -w 'control %{http_code}\\n' --unix-socket /run/strawboss/door.sock http://door/control ",
        "-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' ",
        "-H 'Authorization: Bearer 0000000000000000000000000000000000000000000000000000000000000000'; } > seen.txt; exit 3"
    );
    let run = one_run(&mut world, action, CHECKED).await?;
    let seen = written(&world, &run, "seen.txt")?;
    assert!(seen.contains("token 409"), "{seen}");
    assert!(seen.contains("control 401") || seen.contains("control 403"), "{seen}");
    assert_eq!(run["run"]["outcome"], "failed");
    world.until_statuses(&["Blocked"]).await
}

#[tokio::test]
async fn it_pushes_to_nothing_but_its_own_refs() -> Result<()> {
    let mut world = containers(1)?;
    let push = |spec: &str| format!("git push -q -f origin {spec} 2>&1 && echo PUSHED {spec}");
    let action = format!(
        "{{ git commit -q --allow-empty -m x 2>&1; git rev-list --count HEAD; {}; {}; {}; {}; true; }} > seen.txt; git ls-remote origin > refs.txt",
        push("HEAD:refs/heads/main"),
        push("HEAD:refs/heads/strawboss/other-1"),
        push("HEAD:refs/strawboss/saved/other-1.1"),
        push(":refs/heads/main"),
    );
    let run = one_run(&mut world, &action, CHECKED).await?;
    let seen = written(&world, &run, "seen.txt")?;
    assert!(!seen.contains("PUSHED"), "{seen}");
    assert!(seen.starts_with("2\n"), "there was something to push: {seen}");
    let refs = written(&world, &run, "refs.txt")?;
    assert!(refs.contains("refs/heads/main") && !refs.contains("saved") && refs.lines().count() <= 3, "{refs}");
    Ok(())
}

#[tokio::test]
async fn limits_hold_for_processes_memory_and_output() -> Result<()> {
    let mut world = containers(3)?;
    let limits = format!("{CHECKED}limits: {{ cpus: 1, memory: 256m, pids: 64, disk: 1g, timeout: 10m }}\n");
    world.project("Forks", &[("a", "a\n")], &limits)?;
    world.project("Eats", &[("a", "a\n")], &limits)?;
    world.project("Prints", &[("a", "a\n")], &limits)?;
    // What comes after the storm is the shell's own: a program could not be started beside it.
    let storm = "f() { f | f & }; f 2>/dev/null; i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; echo forks > done.txt";
    world.backlog().append("Forks", "1", "Pending", storm, ",,")?;
    world.backlog().append("Eats", "1", "Pending", "python3 -c 'x = bytearray(1 << 30)'; echo \"eats $?\" > done.txt", ",,")?;
    world.backlog().append(
        "Prints",
        "1",
        "Pending",
        "head -c 300000000 /dev/zero | tr '\\0' 'x'; echo prints > done.txt",
        ",,",
    )?;
    world.start().await?;
    world
        .until("all three over", async |world| {
            let tasks = world.tasks().await?;
            Ok((tasks.len() == 3 && tasks.iter().all(|task| task["state"] != "running" && task["state"] != "queued"))
                .then_some(()))
        })
        .await?;
    world.until_task("f()", "done").await?;
    world.until_task("python3", "done").await?;
    world.until_task("head", "done").await?;
    let printed = world.task_by_action("head").await?["run"]["id"].as_str().unwrap_or_default().to_owned();
    let kept: u64 = walk(&world.data_dir().join("runs").join(printed))?;
    assert!(kept < 100 << 20, "the recording is bounded: {kept} bytes");
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}

fn walk(path: &std::path::Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { walk(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}

#[tokio::test]
async fn a_full_disk_ends_the_run_with_its_work_saved() -> Result<()> {
    let mut world = containers(1)?;
    let limits = format!("{CHECKED}limits: {{ cpus: 1, memory: 512m, pids: 64, disk: 200m, timeout: 10m }}\n");
    let action = "echo early > early.txt; git add early.txt; git commit -q -m Early; while :; do head -c 50000000 /dev/urandom > $HOME/big-$(date +%N); sleep 0.5; done";
    let run = one_run(&mut world, action, &limits).await?;
    assert_eq!(run["run"]["outcome"], "failed");
    assert!(run["run"]["outcome_detail"].as_str().is_some_and(|why| why.contains("disk") || why.contains("200")), "{run}");
    world.until_statuses(&["Blocked"]).await
}

#[tokio::test]
async fn an_agent_that_ignores_sigterm_and_leaves_daemons_is_ended_and_its_work_saved() -> Result<()> {
    let mut world = containers(1)?;
    world.project("One", &[("a", "a\n")], CHECKED)?;
    let action = "trap '' TERM INT HUP; (setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &) ; echo begun > begun.txt; echo written; while :; do sleep 0.2; done";
    world.backlog().append("One", "1", "Pending", action, ",,")?;
    world.start().await?;
    let task = world
        .until("the agent at work", async |world| {
            let task = world.task_by_action("trap").await?;
            let run = task["run"]["id"].as_str().unwrap_or_default();
            Ok((task["run"]["state"] == "working" && world.terminal_has(run, "written").await?).then_some(task))
        })
        .await?;
    let run = task["run"]["id"].as_str().unwrap_or_default().to_owned();
    world.post(&format!("/api/v1/runs/{run}/stop"), serde_json::json!({})).await?;
    world.until_task("trap", "paused").await?;
    let saved = world.mirror_file(&format!("refs/strawboss/saved/{run}"), "begun.txt")?;
    assert_eq!(saved.as_deref(), Some("begun"));
    world.until("no container", async |world| Ok(world.containers()?.is_empty().then_some(()))).await
}

#[tokio::test]
async fn what_the_agent_leaves_behind_proves_nothing_in_the_checks() -> Result<()> {
    let mut world = containers(1)?;
    // A shim first in PATH, dotfiles, a file that is not committed: the checks see none of it.
    let action = "mkdir -p $HOME/bin $HOME/.local/bin; printf '#!/bin/sh\\nexit 0\\n' | tee $HOME/bin/judge > $HOME/.local/bin/judge; chmod +x $HOME/bin/judge $HOME/.local/bin/judge; echo 'export PATH=$HOME/bin:$PATH' | tee $HOME/.profile > $HOME/.bashrc; echo x > ignored.txt; echo ignored.txt > .gitignore";
    // Nor do they reach more than the commit: they push nothing over what they check, and ask no model.
    let push = "! git push -q -f origin HEAD^:refs/heads/strawboss/one-1";
    let model = r"relay=$(git remote get-url origin); test $(curl -s -o answer -w '%{http_code}' -X POST ${relay%%/git/*}/gateway/anthropic/v1/messages) = 403; grep 'no model API' answer";
    let checks = serde_json::json!(["judge", "test -e ignored.txt", "test -z \"$ANTHROPIC_BASE_URL\"", push, model]);
    let run = one_run(&mut world, action, &format!("agent: shell\nreview: auto\nchecks: {checks}\n")).await?;
    assert_eq!(run["checks"][0]["exit_code"], 127, "{run}");
    assert_eq!(run["checks"][1]["exit_code"], 1, "{run}");
    for check in 2..5 {
        assert_eq!(run["checks"][check]["exit_code"], 0, "{run}");
    }
    world.until_statuses(&["In Review"]).await
}

#[tokio::test]
async fn a_supervisor_that_is_killed_is_known_lost_and_its_work_goes_on() -> Result<()> {
    let mut world = containers(1)?;
    let repository = world.project("One", &[("a", "a\n")], CHECKED)?;
    let gate = "test -e second.txt || { echo first > first.txt; echo second > second.txt; while :; do sleep 0.2; done; }";
    world.backlog().append("One", "1", "Pending", gate, ",,")?;
    world.start().await?;
    world
        .until("the agent's files", async |world| {
            let task = world.task_by_action("test -e").await?;
            if task["run"]["state"] != "working" {
                return Ok(None);
            }
            let Some(container) = world.containers()?.into_iter().next() else { return Ok(None) };
            let there = programs::run(Command::new("docker").args([
                "exec",
                &container,
                "test",
                "-e",
                "/home/agent/workspace/second.txt",
            ]))
            .is_ok();
            Ok(there.then_some(()))
        })
        .await?;
    for container in world.containers()? {
        programs::run(Command::new("docker").args(["kill", &container]))?;
    }
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "first.txt").as_deref(), Some("first"), "what the lost run had done went on");
    assert_eq!(world.task_by_action("test -e").await?["attempts"], 2);
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await
}
