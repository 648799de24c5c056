//! The main job by the command line alone: the service, a row, a run that is watched, talked to and accepted. With the
//! process runner and the real supervisor.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::Path;
use std::process::Output;
use std::time::Duration;
use strawboss_testkit::world::FIRST_LINE_AGENT;
use strawboss_testkit::{Person, World, WorldOptions, programs};
use tokio::io::AsyncReadExt as _;

/// How long anything may take; machines are shared, and it only ends what hangs.
const DEADLINE: Duration = Duration::from_mins(2);

/// A command on a world's configuration.
async fn strawboss(world: &World, args: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_strawboss"));
    command.args(args).current_dir(world.path()).env_remove("STRAWBOSS_TOKEN").env_remove("STRAWBOSS_SERVER").kill_on_drop(true);
    tokio::time::timeout(DEADLINE, command.output()).await.unwrap_or_else(|_| panic!("{args:?} hangs:\n{}", world.log())).unwrap()
}

/// What a command that must succeed printed.
async fn said(world: &World, args: &[&str]) -> String {
    let output = strawboss(world, args).await;
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?} ended with {}: {err}\nlog:\n{}", output.status, world.log());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn json(world: &World, args: &[&str]) -> Value {
    let text = said(world, args).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
}

/// A person at a terminal with a command.
fn sit_down(world: &World, args: &[&str]) -> Person {
    let command = pty_process::Command::new(env!("CARGO_BIN_EXE_strawboss"));
    // Pages are drawn as for a person: without colours words stand apart by movements of the cursor.
    let command = command.args(args).current_dir(world.path()).env("TERM", "xterm").env_remove("NO_COLOR");
    Person::sit_down(command).unwrap()
}

async fn world_with(more: &str, options: WorldOptions, action: &str) -> World {
    let mut world = World::new(options).unwrap();
    world.project("Greeter", &[("README.md", "hi\n")], more).unwrap();
    world.backlog().append("Greeter", "1", "Pending", action, ",,").unwrap();
    world.start().await.unwrap();
    world
}

/// The run of the only task, once it works.
async fn working(world: &World, action: &str) -> String {
    world
        .until("the agent at work", async |world| {
            let task = world.task_by_action(action).await?;
            Ok((task["run"]["state"] == "working").then(|| task["run"]["id"].as_str().unwrap_or_default().to_owned()))
        })
        .await
        .unwrap()
}

fn file(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn a_project_that_goes_at_a_reload_stays_until_its_runs_are_over() {
    let options = WorldOptions { shell: FIRST_LINE_AGENT.to_owned(), ..WorldOptions::default() };
    let mut world = world_with("agent: shell\n", options, "read go; echo done > done").await;
    let run = working(&world, "read go").await;
    world.forget("Greeter");
    world.write_config().unwrap();
    let said_of = json(&world, &["config", "reload", "--json"]).await;
    assert_eq!((&said_of["kept"], &said_of["changed"]), (&serde_json::json!(["Greeter"]), &serde_json::json!([])), "{said_of}");
    said(&world, &["run", "say", &run, "go"]).await;
    world.until_task("read go", "review").await.unwrap();
    let again = json(&world, &["config", "reload", "--json"]).await;
    assert_eq!(
        (&again["kept"], &again["changed"]),
        (&serde_json::json!([]), &serde_json::json!(["projects.Greeter"])),
        "{again}"
    );
}

#[tokio::test]
async fn the_story_of_a_run_is_told_to_its_end() {
    let options = WorldOptions { shell: FIRST_LINE_AGENT.to_owned(), ..WorldOptions::default() };
    let world = world_with("agent: shell\n", options, "read go; echo done > done").await;
    let run = working(&world, "read go").await;
    let mut follower = tokio::process::Command::new(env!("CARGO_BIN_EXE_strawboss"))
        .args(["logs", &run, "--follow", "--json"])
        .current_dir(world.path())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    said(&world, &["run", "say", &run, "go"]).await;
    world.until_task("read go", "review").await.unwrap();
    let mut story = String::new();
    let read = follower.stdout.take().unwrap();
    let mut read = tokio::io::BufReader::new(read);
    tokio::time::timeout(DEADLINE, read.read_to_string(&mut story)).await.expect("it hangs").unwrap();
    assert!(follower.wait().await.unwrap().success());
    let entries: Vec<Value> = story.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(entries.iter().any(|entry| entry["message"] == "a run starts"), "{story}");
    assert!(entries.iter().any(|entry| entry["message"] == "a run ended"), "{story}");
    assert!(entries.iter().any(|entry| entry["body"]["kind"] == "done"), "{story}");
    assert!(entries.iter().all(|entry| entry["seq"].is_null() || entry["run"] == run.as_str()), "only of this run: {story}");
    let shown = said(&world, &["logs", &run]).await;
    assert!(shown.contains("a run starts") && shown.contains("\"kind\":\"done\""), "{shown}");
}

#[tokio::test]
async fn a_row_is_worked_off_watched_and_accepted() {
    let action = "printf 'who? '; read who; stty size; echo \"hello $who\" > greeting; cat greeting";
    let options = WorldOptions { shell: FIRST_LINE_AGENT.to_owned(), ..WorldOptions::default() };
    let mut world = world_with("agent: shell\nchecks: [\"test -s greeting\"]\n", options, action).await;
    let run = working(&world, "printf").await;
    let task = run.trim_end_matches(".1").to_owned();

    let mut person = sit_down(&world, &["run", "attach", &run]);
    person.see("who? ").await.unwrap();
    person.press("wor\x10").await.unwrap();
    person.press("\x7f\x10\x11").await.unwrap();
    person.see("detached").await.unwrap();
    let (status, _) = person.leave().await.unwrap();
    assert!(status.success(), "detaching is no failure");

    // What was typed before is there still, with the Ctrl-P that was no detaching.
    let mut person = sit_down(&world, &["run", "attach", "--detach-keys", "ctrl-]", &run]);
    person.see("who? ").await.unwrap();
    person.press("\x15world\r").await.unwrap();
    person.see("hello world").await.unwrap();
    person.see(&format!("{run} succeeded")).await.unwrap();
    let (status, seen) = person.leave().await.unwrap();
    assert!(status.success(), "{seen}");
    assert!(seen.contains("24 100"), "the terminal's size reached the agent: {seen}");

    let logs = strawboss(&world, &["run", "logs", "--follow", &run]).await;
    assert!(logs.status.success(), "the run succeeded");
    assert!(String::from_utf8_lossy(&logs.stdout).contains("hello world"));

    world.until_task("printf", "review").await.unwrap();
    let reviews = json(&world, &["review", "list", "--json"]).await;
    assert_eq!(reviews[0]["task"]["id"], task);
    let shown = said(&world, &["review", "show", &task]).await;
    assert!(shown.contains("test -s greeting") && shown.contains("1 file +1 -0"), "{shown}");
    let diff = said(&world, &["review", "diff", &task]).await;
    assert!(diff.contains("+hello world"), "{diff}");

    said(&world, &["review", "reject", &task, "-m", "echo better > greeting"]).await;
    world
        .until("the second attempt", async |world| Ok((world.task_by_action("printf").await?["attempts"] == 2).then_some(())))
        .await
        .unwrap();
    said(&world, &["task", "stop", &task]).await;
    world.until_task("printf", "paused").await.unwrap();
    let stopped = strawboss(&world, &["run", "logs", "--follow", &format!("{task}.2")]).await;
    assert_eq!(stopped.status.code(), Some(1), "a run that was stopped did not succeed");
    said(&world, &["task", "block", &task, "--reason", "Waits for a test"]).await;
    let blocked = json(&world, &["task", "show", &task, "--json"]).await;
    assert_eq!(blocked["block"]["message"], "Waits for a test");

    let added = json(&world, &["task", "add", "--project", "Greeter", "--json", "echo salve > salve"]).await;
    let added = added["id"].as_str().unwrap_or_default().to_owned();
    world
        .until("the added task in review", async |world| {
            Ok((world.task_by_action("echo salve").await?["state"] == "review").then_some(()))
        })
        .await
        .unwrap();
    // Its checks are red: there is no greeting. A person may accept it all the same.
    let red = said(&world, &["review", "show", &added]).await;
    assert!(red.contains("exit code 1"), "{red}");
    said(&world, &["review", "approve", &added]).await;
    world.until_task("echo salve", "done").await.unwrap();
    assert_eq!(file(&world.path().join("repositories/Greeter/salve")), "salve\n");
    assert_eq!(strawboss(&world, &["review", "approve", &added]).await.status.code(), Some(6));
    let events = said(&world, &["run", "logs", "--events", &format!("{added}.1")]).await;
    assert!(events.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()) && events.contains("\"pushed\""), "{events}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_attached_person_comes_back_after_a_restart_of_the_service() {
    let gate = "until test -e \"$PWD/../../release\" -o -e /nonexistent; do read line && echo \"heard $line\" && break; done; echo x > y";
    let options = WorldOptions { shell: FIRST_LINE_AGENT.to_owned(), ..WorldOptions::default() };
    let mut world = world_with("agent: shell\nchecks: [\"true\"]\nreview: auto\n", options, gate).await;
    let run = working(&world, "until").await;
    let mut person = sit_down(&world, &["run", "attach", &run]);
    person.see("attached").await.unwrap();
    world.kill().unwrap();
    person.see("making it again").await.unwrap();
    world.start().await.unwrap();
    world
        .until("the supervisor back", async |world| {
            let run = world.get(&format!("/api/v1/runs/{run}")).await?;
            Ok((run["run"]["state"] == "working").then_some(()))
        })
        .await
        .unwrap();
    // Typed until it arrives: while the supervisor is on its way back, what is typed is refused and said to be.
    let mut tries = 0;
    while !person.sees_within("heard again", Duration::from_millis(300)).await {
        tries += 1;
        assert!(tries < 400, "{:?}", person.leave().await);
        person.press("again\r").await.unwrap();
    }
    person.see(&format!("{run} succeeded")).await.unwrap();
    assert!(person.leave().await.unwrap().0.success());
    world.stop().await.unwrap();
}

const SCRIPT: &str = r#"
rules:
  - when: { prompt: Write the greeting }
    turns:
      - text: I write it.
        tools: [{ name: Bash, input: { description: Write, command: "echo hello > greeting; until test -e GATE; do sleep 0.05; done" } }]
      - text: Written.
"#;

#[tokio::test]
async fn a_line_typed_at_claude_is_a_message_in_its_session() {
    programs::claude_tool().expect("the Claude Code CLI is needed");
    let gate = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let open = gate.path().join("open");
    let script = SCRIPT.replace("GATE", &open.to_string_lossy());
    let options = WorldOptions { model_script: Some(script), ..WorldOptions::default() };
    let mut world = world_with("checks: [\"true\"]\n", options, "Write the greeting").await;
    let run = working(&world, "Write the greeting").await;
    let mut person = sit_down(&world, &["run", "attach", &run]);
    person.see("type a line").await.unwrap();
    person.see("I write it.").await.unwrap();
    person.press("please in Latim\x7fn").await.unwrap();
    person.see("Latin").await.unwrap();
    person.press("\r").await.unwrap();
    person.see("please in Latin\u{1b}[0m").await.unwrap();
    std::fs::write(&open, "").unwrap();
    person.see(&format!("{run} succeeded")).await.unwrap();
    let (status, seen) = person.leave().await.unwrap();
    assert!(status.success(), "{seen}");
    let said = said(&world, &["run", "logs", &run]).await;
    assert!(said.contains("please in Latin"), "{said}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn the_page_of_plans_looks_on_at_the_agent_of_a_phase() {
    let options = WorldOptions { shell: FIRST_LINE_AGENT.to_owned(), ..WorldOptions::default() };
    let mut world = World::new(options).unwrap();
    world.project("Greeter", &[("README.md", "hi\n")], "agent: shell\nreview: auto\nchecks: [\"true\"]\n").unwrap();
    let action = "printf 'who? '; read who; echo \"hello $who\" > greeting; cat greeting";
    let plan = serde_json::json!([{ "id": "greet", "todos": [{ "text": action, "done": false }] }]);
    std::fs::write(world.path().join("plans.json"), plan.to_string()).unwrap();
    world.add_backlog("{ type: plan, file: ./plans.json, project: Greeter, watch_interval: 1s }");
    world.start().await.unwrap();
    let run = working(&world, "printf").await;
    let mut person = sit_down(&world, &["plan"]);
    person.see(&run).await.unwrap();
    person.press("w").await.unwrap();
    person.see("who? ").await.unwrap();
    said(&world, &["run", "say", &run, "world"]).await;
    person.see("hello world").await.unwrap();
    person.see("Press Enter to go back").await.unwrap();
    // The file follows the run, and the page the file.
    world.until_task("printf", "done").await.unwrap();
    world
        .until("the phase is ticked", async |world| {
            Ok(std::fs::read_to_string(world.path().join("plans.json"))?.contains(r#""done":true"#).then_some(()))
        })
        .await
        .unwrap();
    person.press("\r").await.unwrap();
    // Only the cells that change are drawn.
    person.see("✔").await.unwrap();
    person.press("q").await.unwrap();
    assert!(person.leave().await.unwrap().0.success());
    world.stop().await.unwrap();
}
