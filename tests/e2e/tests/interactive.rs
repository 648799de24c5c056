//! The real Claude Code CLI in its own interface: people type beside it, its hooks say what it does, `/complete` ends it.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use strawboss_testkit::{RunnerKind, World, WorldOptions};

const SCRIPT: &str = r#"
rules:
  - name: by itself
    when: { prompt: Greet by yourself }
    turns:
      - tools: [{ name: Bash, input: { description: Write, command: "echo ave > greeting.txt; echo It greets. > $STRAWBOSS_COMPLETION; sleep 1; echo late > late.txt" } }]
      - text: I have handed it over.
  - name: in Latin
    when: { prompt: Write the greeting, said: in Latin }
    turns:
      - tools: [{ name: Bash, input: { description: Write, command: "echo salve > greeting.txt" } }]
      - text: Salve.
  - name: at first
    when: { prompt: Write the greeting }
    turns:
      - text: I write it.
        tools: [{ name: Bash, input: { description: Write, command: "echo hello > greeting.txt" } }]
      - text: The greeting says hello.
"#;

async fn events(world: &World, run: &str) -> Result<Vec<Value>> {
    let page = world.get(&format!("/api/v1/runs/{run}/events?limit=1000")).await?;
    let events = page["items"].as_array().into_iter().flatten();
    Ok(events.filter(|event| event["body"]["kind"] == "agent").map(|event| event["body"]["event"].clone()).collect())
}

/// Waits until the agent has ended so many turns and waits for people.
async fn waits_after(world: &World, run: &str, turns: usize) -> Result<()> {
    let waits = async |world: &World| {
        let state = world.get(&format!("/api/v1/runs/{run}")).await?["run"]["state"].clone();
        let ended = events(world, run).await?.iter().filter(|event| event["event"] == "turn_ended").count();
        Ok((state == "waiting" && ended == turns).then_some(()))
    };
    if let Err(error) = world.until(&format!("the agent to wait after {turns} turns"), waits).await {
        bail!("{error:#}\n{:?}\n{:?}", events(world, run).await?, world.terminal(run).await?);
    }
    Ok(())
}

async fn run_of(world: &World, action: &str) -> Result<String> {
    let run = async |world: &World| Ok(world.task_by_action(action).await?["run"]["id"].as_str().map(str::to_owned));
    world.until("a run", run).await
}

async fn people_and_agent(runner: RunnerKind) -> Result<()> {
    let mut world = World::new(WorldOptions { runner, model_script: Some(SCRIPT.to_owned()), ..WorldOptions::default() })?;
    let repository =
        world.project("Greetings", &[("README.md", "x\n")], "mode: interactive\nchecks: [\"test -s greeting.txt\"]\n")?;
    world.backlog().append("Greetings", "1", "Pending", "Write the greeting", ",,")?;
    world.start().await?;
    let run = run_of(&world, "Write the greeting").await?;
    waits_after(&world, &run, 1).await?;
    world.until("its interface is drawn", async |world| Ok(world.terminal_has(&run, "hello.").await?.then_some(()))).await?;
    // The service may go while nobody types; the agent stays as it is.
    world.kill()?;
    world.start().await?;
    waits_after(&world, &run, 1).await?;
    // Refused until the supervisor is there again.
    let said = async |world: &World| {
        let line = json!({ "text": "Say it in Latin" });
        Ok((world.call("POST", &format!("/api/v1/runs/{run}/say"), Some(line)).await?.0 < 300).then_some(()))
    };
    world.until("the line to be taken", said).await?;
    waits_after(&world, &run, 2).await?;
    let seen = events(&world, &run).await?;
    let has = |kind: &str, field: &str, text: &str| {
        seen.iter().any(|event| event["event"] == kind && event[field].as_str().is_some_and(|found| found.contains(text)))
    };
    assert!(has("session", "id", "-") && has("told", "text", "Write the greeting") && has("told", "text", "Say it in Latin"));
    assert!(has("tool_call", "input", "echo salve") && has("turn_ended", "text", "Salve."), "{seen:?}");
    // Keys of a person at the terminal, as the browser sends them.
    world.type_into(&run, "/complete It greets \"you\" in $(Latin)\r").await?;
    let task = world.until_task("Write the greeting", "review").await?;
    let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
    assert_eq!(detail["summary"], "It greets \"you\" in $(Latin)");
    assert_eq!((&detail["run"]["green"], &detail["run"]["mode"]), (&json!(true), &json!("interactive")));
    // Sent back, the same session opens again in its interface.
    let id = task["id"].as_str().context("no id")?;
    world.post(&format!("/api/v1/reviews/{id}/reject"), json!({ "comment": "Once more in Latin" })).await?;
    let second = async |world: &World| {
        let task = world.get(&format!("/api/v1/tasks/{id}")).await?;
        Ok((task["attempts"] == 2).then(|| task["run"]["id"].as_str().unwrap_or_default().to_owned()))
    };
    let second = world.until("the second run", second).await?;
    waits_after(&world, &second, 1).await?;
    let session = async |run: &str| {
        let session = events(&world, run).await?.into_iter().find(|event| event["event"] == "session");
        anyhow::Ok(session.context("no session")?["id"].clone())
    };
    assert_eq!(session(&run).await?, session(&second).await?);
    world.post(&format!("/api/v1/runs/{second}/say"), json!({ "text": "/complete" })).await?;
    world.until_task("Write the greeting", "review").await?;
    assert_eq!(
        world.get(&format!("/api/v1/runs/{second}")).await?["summary"],
        "Salve.",
        "its last words, since nobody had others"
    );
    world.post(&format!("/api/v1/reviews/{id}/approve"), json!({})).await?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "greeting.txt").as_deref(), Some("salve"));
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}

#[tokio::test]
async fn people_type_beside_the_agent_in_a_container() -> Result<()> {
    people_and_agent(RunnerKind::Docker).await
}

#[tokio::test]
async fn people_type_beside_the_agent_as_a_process() -> Result<()> {
    people_and_agent(RunnerKind::Process).await
}

#[tokio::test]
async fn an_agent_that_is_alone_hands_over_by_the_file_of_completion_and_ends_its_turn() -> Result<()> {
    let mut world = World::new(WorldOptions { model_script: Some(SCRIPT.to_owned()), ..WorldOptions::default() })?;
    let more = "mode: interactive\nreview: auto\nchecks: [\"test -s late.txt\"]\n";
    let repository = world.project("Greetings", &[("README.md", "x\n")], more)?;
    world.backlog().append("Greetings", "1", "Pending", "Greet by yourself", ",,")?;
    world.start().await?;
    world.until_statuses(&["Completed"]).await?;
    let run = run_of(&world, "Greet by yourself").await?;
    assert_eq!(world.get(&format!("/api/v1/runs/{run}")).await?["summary"], "It greets.");
    assert_eq!(repository.file("main", "greeting.txt").as_deref(), Some("ave"));
    world.stop().await
}

#[tokio::test]
async fn an_interface_that_is_closed_without_a_word_hands_nothing_over() -> Result<()> {
    let mut world = World::new(WorldOptions { model_script: Some(SCRIPT.to_owned()), ..WorldOptions::default() })?;
    world.project("Greetings", &[("README.md", "x\n")], "mode: interactive\n")?;
    world.backlog().append("Greetings", "1", "Pending", "Write the greeting", ",,")?;
    world.start().await?;
    let run = run_of(&world, "Write the greeting").await?;
    waits_after(&world, &run, 1).await?;
    world.type_into(&run, "/exit\r").await?;
    let task = world.until_task("Write the greeting", "blocked").await?;
    assert!(task["block"]["message"].as_str().is_some_and(|why| why.contains("/complete")), "{task}");
    let branch = format!("refs/heads/{}", task["run"]["branch"].as_str().context("no branch")?);
    assert_eq!(world.mirror_file(&branch, "greeting.txt")?.as_deref(), Some("hello"), "its work is pushed all the same");
    world.stop().await
}
