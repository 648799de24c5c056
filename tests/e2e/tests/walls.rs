//! The walls between a run and the net, and between two runs.

use anyhow::{Context as _, Result};
use std::net::{TcpListener, ToSocketAddrs as _};
use strawboss_testkit::{RunnerKind, World, WorldOptions};

const CHECKED: &str = "agent: shell\nreview: auto\nchecks: [\"true\"]\n";

fn containers() -> Result<World> {
    World::new(WorldOptions { runner: RunnerKind::Docker, ..WorldOptions::default() })
}

/// What a file of the branch of this row's run says.
async fn written(world: &World, action: &str, name: &str) -> Result<(serde_json::Value, String)> {
    let task = world.until_task(action, "done").await?;
    let run = world.get(&format!("/api/v1/runs/{}", task["run"]["id"].as_str().unwrap_or_default())).await?;
    let branch = format!("refs/heads/{}", run["run"]["branch"].as_str().unwrap_or_default());
    let text = world.mirror_file(&branch, name)?.context("the run pushed it")?;
    Ok((run, text))
}

/// A name that the machine itself resolves inward, whatever a project allows.
fn inward_name() -> String {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_lowercase();
    let leads_inward = |name: &str| {
        (name, 1).to_socket_addrs().is_ok_and(|mut found| found.next().is_some_and(|address| address.ip().is_loopback()))
    };
    if !own.is_empty() && leads_inward(&own) { own } else { "localhost".to_owned() }
}

#[tokio::test]
async fn nothing_but_the_allowed_hosts_is_reached_by_name_by_address_or_by_a_name_that_leads_inward() -> Result<()> {
    let mut world = containers()?;
    let bait = TcpListener::bind("0.0.0.0:0")?;
    bait.set_nonblocking(true)?;
    let port = bait.local_addr()?.port();
    let name = inward_name();
    // Allowed by name and by address: still the host's own, so refused when it is looked at where they lead.
    let more = format!("{CHECKED}network: {{ allow: [\"{name}:{port}\", \"127.0.0.1:{port}\", allowed.example] }}\n");
    world.project("One", &[("a", "a\n")], &more)?;
    let targets = [
        format!("{name}:{port}"),
        format!("127.0.0.1:{port}"),
        "denied.example:80".into(),
        "169.254.169.254:80".into(),
        format!("10.0.0.1:{port}"),
    ];
    let tries: Vec<String> = targets
        .iter()
        .map(|target| {
            let curl = format!(
                "curl -s -o /dev/null -m 20 --noproxy '' -x \"$HTTP_PROXY\" -w '%{{http_code}} %{{http_connect}} {target}\\n'"
            );
            format!("{curl} http://{target}/; {curl} --proxytunnel http://{target}/; ")
        })
        .collect();
    let action = format!("{{ {}true; }} > seen.txt", tries.concat());
    world.backlog().append("One", "1", "Pending", &action, ",,")?;
    world.start().await?;
    let (run, seen) = written(&world, "{ curl", "seen.txt").await?;
    assert_eq!(seen.lines().count(), 2 * targets.len(), "{seen}");
    assert!(seen.lines().all(|line| line.starts_with("403 ") || line.starts_with("000 403 ")), "each is refused: {seen}");
    assert!(bait.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "nobody knocked");
    let refusals = run["refusals"].as_array().cloned().unwrap_or_default();
    for target in &targets {
        let host = target.split(':').next().unwrap_or_default();
        let refusal = refusals.iter().find(|refusal| refusal["target"].as_str().is_some_and(|shown| shown.starts_with(host)));
        let refusal = refusal.with_context(|| format!("{target} is shown: {refusals:?}"))?;
        assert!(
            refusal["count"].as_u64() >= Some(2) && refusal["reason"].as_str().is_some_and(|why| !why.is_empty()),
            "{refusal}"
        );
    }
    let why = refusals.iter().find(|refusal| refusal["target"].as_str().is_some_and(|shown| shown.starts_with(&name)));
    let why = why.and_then(|refusal| refusal["reason"].as_str()).unwrap_or_default();
    assert!(why.contains("inward") || why.contains("own") || why.contains("loopback"), "it says where the name leads: {why}");
    world.stop().await
}

#[tokio::test]
async fn two_runs_side_by_side_cannot_reach_each_other() -> Result<()> {
    let mut world = containers()?;
    world.project("One", &[("a", "a\n")], CHECKED)?;
    world.project("Two", &[("a", "a\n")], CHECKED)?;
    let server = concat!(
        "mkdir -p $HOME/neighbour-secret && touch /tmp/neighbour-secret; ",
        "python3 -m http.server --bind 0.0.0.0 7777 >/dev/null 2>&1 & ",
        "until curl -s -o /dev/null http://127.0.0.1:7777/; do sleep 0.1; done; echo LISTENING; while :; do sleep 0.2; done"
    );
    world.backlog().append("One", "1", "Pending", server, ",,")?;
    world.start().await?;
    let run = world
        .until("the neighbour", async |world| {
            let task = world.task_by_action("mkdir").await?;
            let run = task["run"]["id"].as_str().unwrap_or_default().to_owned();
            Ok((!run.is_empty() && world.terminal_has(&run, "LISTENING").await?).then_some(run))
        })
        .await?;
    let snoop = concat!(
        "{ for host in 127.0.0.1 localhost 172.17.0.2 172.17.0.3; do curl -s -o /dev/null -m 2 http://$host:7777/ && echo REACHED $host; done; ",
        "find / -name neighbour-secret 2>/dev/null; ",
        "test -S /run/strawboss/door.sock && echo OWN; ls /run/strawboss 2>/dev/null; find / -name 'door*' -type s 2>/dev/null; true; ",
        "grep -l -s 777[7]/ /proc/[0-9]*/cmdline | sed 's/^/OF /'; ls /proc | grep -c '^[0-9]'; true; } > seen.txt"
    );
    world.backlog().append("Two", "1", "Pending", snoop, ",,")?;
    let (_, seen) = written(&world, "{ for", "seen.txt").await?;
    assert_eq!(world.task_by_action("mkdir").await?["run"]["state"], "working", "the neighbour was there all the time");
    assert!(!seen.contains("REACHED") && !seen.contains("neighbour-secret") && !seen.contains("NEIGHBOUR"), "{seen}");
    assert!(seen.contains("OWN") && !seen.contains("door") && !seen.contains("OF /"), "its own door and no other: {seen}");
    // What the machine mounts into the two: nothing that both have and either may write.
    let mut writable: Vec<String> = Vec::new();
    for container in world.containers()? {
        let mounts = "{{range .Mounts}}{{if .RW}}{{.Source}}{{\"\\n\"}}{{end}}{{end}}";
        writable.extend(
            world
                .docker(&["inspect", "--format", mounts, &container])?
                .lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned),
        );
    }
    let all = writable.len();
    writable.sort();
    writable.dedup();
    assert_eq!(writable.len(), all, "{writable:?}");
    world.post(&format!("/api/v1/runs/{run}/stop"), serde_json::json!({})).await?;
    world.until_task("mkdir", "paused").await?;
    world.stop().await
}
