//! The real Claude Code CLI asks for its task and tells of it by the tools of the control plane.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use strawboss_testkit::{World, WorldOptions};

const SCRIPT: &str = r#"
rules:
  - name: by the tools
    when: { prompt: Write the greeting }
    turns:
      - tools: [{ name: mcp__strawboss__get_task, input: {} }]
      - tools: [{ name: Bash, input: { description: Write, command: "cat > greeting.txt <<'END'\n{{result}}\nEND" } }]
      - tools: [{ name: mcp__strawboss__report_progress, input: { text: "The greeting is written", percent: 80 } }]
      - tools: [{ name: mcp__strawboss__create_task, input: { action: "Translate the greeting" } }]
      - tools: [{ name: mcp__strawboss__complete_task, input: { summary: "It greets people." } }]
      - text: Bye.
"#;

async fn tools(mode: &str) -> Result<()> {
    let mut world = World::new(WorldOptions { model_script: Some(SCRIPT.to_owned()), ..WorldOptions::default() })?;
    let more = format!("mode: {mode}\nchecks: [\"test -s greeting.txt\"]\n");
    world.project("Greetings", &[("README.md", "x\n")], &more)?;
    world.backlog().append("Greetings", "1", "Pending", "Write the greeting", ",,")?;
    world.start().await?;
    let task = world.until_task("Write the greeting", "review").await?;
    let (id, run) = (task["id"].as_str().context("no id")?, &task["run"]);
    assert_eq!((&run["progress"]["text"], &run["progress"]["percent"]), (&json!("The greeting is written"), &json!(80)));
    let detail = world.get(&format!("/api/v1/runs/{}", run["id"].as_str().context("no run")?)).await?;
    assert_eq!((&detail["summary"], &detail["run"]["green"]), (&json!("It greets people."), &json!(true)));
    let branch = format!("refs/heads/{}", run["branch"].as_str().context("no branch")?);
    let told: Value = serde_json::from_str(&world.mirror_file(&branch, "greeting.txt")?.context("nothing was written")?)?;
    assert_eq!((&told["id"], &told["mode"]), (&json!(id), &json!(mode)));
    assert_eq!((&told["text"], &told["checks"]), (&json!("Write the greeting"), &json!(["test -s greeting.txt"])));
    let asked = world.task_by_action("Translate the greeting").await?;
    assert_eq!(asked["state"], "pending", "no agent's word starts an agent");
    world.stop().await
}

#[tokio::test]
async fn an_agent_that_works_by_itself_asks_and_tells() -> Result<()> {
    tools("headless").await
}

#[tokio::test]
async fn an_agent_in_its_own_interface_asks_and_tells_and_hands_over() -> Result<()> {
    tools("interactive").await
}

const QUESTION: &str =
    r#"{ name: mcp__strawboss__ask_human, input: { question: "Which tongue?", choices: ["Latin", "Greek"] } }"#;

async fn until_asked(world: &World) -> Result<String> {
    let asked = async |world: &World| {
        let run = world.task_by_action("Write the greeting").await?["run"].clone();
        let is_open = run["state"] == "waiting" && run["question"]["text"] == "Which tongue?";
        Ok(run["id"].as_str().filter(|_| is_open).map(str::to_owned))
    };
    world.until("the question", asked).await
}

async fn greeting(world: &World, run: &str) -> Result<String> {
    let branch = world.get(&format!("/api/v1/runs/{run}")).await?["run"]["branch"].clone();
    let branch = format!("refs/heads/{}", branch.as_str().context("no branch")?);
    world.mirror_file(&branch, "greeting.txt")?.context("nothing was written")
}

/// What the agent was given of people's words: as results of tools, and as lines.
async fn given(world: &World, run: &str) -> Result<(usize, usize)> {
    let page = world.get(&format!("/api/v1/runs/{run}/events?limit=1000")).await?;
    let events: Vec<Value> = page["items"].as_array().into_iter().flatten().map(|item| item["body"]["event"].clone()).collect();
    let count = |kind: &str| {
        let is_one = |event: &&Value| {
            event["event"] == kind && event["text"].as_str().is_some_and(|text| text.contains("to your question 1:"))
        };
        events.iter().filter(is_one).count()
    };
    Ok((count("tool_result"), count("told")))
}

async fn answered_at_once(mode: &str) -> Result<()> {
    let script = format!(
        r#"
rules:
  - name: asks
    when: {{ prompt: Write the greeting }}
    turns:
      - tools: [{QUESTION}]
      - tools: [{{ name: Bash, input: {{ description: Write, command: "cat > greeting.txt <<'END'\n{{{{result}}}}\nEND" }} }}]
      - tools: [{{ name: mcp__strawboss__complete_task, input: {{ summary: "It greets people." }} }}]
      - text: Bye.
"#
    );
    let mut world = World::new(WorldOptions { model_script: Some(script), ..WorldOptions::default() })?;
    world.project("Greetings", &[("README.md", "x\n")], &format!("mode: {mode}\nchecks: [\"test -s greeting.txt\"]\n"))?;
    world.backlog().append("Greetings", "1", "Pending", "Write the greeting", ",,")?;
    world.start().await?;
    let run = until_asked(&world).await?;
    assert!(world.done(&["status"])?.contains(&format!("{run} waits for an answer")));
    let shown = world.done(&["run", "show", &run])?;
    assert!(shown.contains("Which tongue?") && shown.contains("- Greek"), "{shown}");
    assert!(world.done(&["run", "answer", &run, "Latin"])?.contains("is answered"));
    let (code, why) = world.refused(&["run", "answer", &run, "--question", "1", "Greek"])?;
    assert!(code == 6 && why.contains("already"), "{code}: {why}");
    world.until_task("Write the greeting", "review").await?;
    let written = greeting(&world, &run).await?;
    assert!(written.contains("Answer of the admin token to your question 1:") && written.contains("Latin"), "{written}");
    assert_eq!(given(&world, &run).await?, (1, 0), "once, as the result of its call");
    let answer = world.get(&format!("/api/v1/runs/{run}")).await?["questions"][0]["answer"].clone();
    assert!(answer["told_at"].is_i64() && answer["by"] == "the admin token", "{answer}");
    world.stop().await
}

#[tokio::test]
async fn a_persons_answer_is_the_result_of_the_call() -> Result<()> {
    answered_at_once("headless").await
}

#[tokio::test]
async fn a_persons_answer_is_the_result_of_the_call_in_its_own_interface() -> Result<()> {
    answered_at_once("interactive").await
}

/// The call is cut off with the control plane; the agent ends its turn, and the run waits all the same.
#[tokio::test]
async fn an_answer_outlives_the_control_plane_that_was_asked() -> Result<()> {
    let script = format!(
        r#"
rules:
  - name: has the answer
    when: {{ prompt: Write the greeting, said: "to your question 1:" }}
    turns:
      - tools: [{{ name: Bash, input: {{ description: Write, command: "cat > greeting.txt <<'END'\n{{{{said}}}}\nEND" }} }}]
      - text: It greets in that tongue.
  - name: asks
    when: {{ prompt: Write the greeting }}
    turns:
      - tools: [{QUESTION}]
      - text: I wait for the answer.
"#
    );
    let mut world = World::new(WorldOptions { model_script: Some(script), ..WorldOptions::default() })?;
    world.project("Greetings", &[("README.md", "x\n")], "checks: [\"test -s greeting.txt\"]\n")?;
    world.backlog().append("Greetings", "1", "Pending", "Write the greeting", ",,")?;
    world.start().await?;
    let run = until_asked(&world).await?;
    world.kill()?;
    world.start().await?;
    // Its turn has ended, its run has not.
    let ended = async |world: &World| {
        let page = world.get(&format!("/api/v1/runs/{run}/events?limit=1000")).await?;
        Ok(page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|item| item["body"]["event"]["event"] == "turn_ended")
            .then_some(()))
    };
    world.until("the turn's end", ended).await?;
    let task = world.task_by_action("Write the greeting").await?;
    assert_eq!((&task["state"], &task["run"]["state"]), (&json!("running"), &json!("waiting")));
    assert_eq!(task["run"]["question"]["choices"], json!(["Latin", "Greek"]));
    // Killed once more between the answer and whoever is to hear it.
    world.done(&["run", "answer", &run, "Greek"])?;
    world.kill()?;
    world.start().await?;
    world.until_task("Write the greeting", "review").await?;
    let written = greeting(&world, &run).await?;
    assert!(written.contains("Greek"), "{written}");
    assert_eq!(given(&world, &run).await?, (0, 1), "once, as a line");
    let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
    assert_eq!((&detail["summary"], &detail["run"]["green"]), (&json!("It greets in that tongue."), &json!(true)));
    world.stop().await
}

/// Any program can use the tools: this one is a shell that speaks HTTP by hand.
#[tokio::test]
async fn a_shell_uses_the_tools_by_the_address_in_its_environment() -> Result<()> {
    let tool = r#"#!/bin/bash
set -eu
address=${STRAWBOSS_MCP#http://}
host=${address%%/*}
body='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"'$1'","arguments":'$2'}}'
exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
printf 'POST /%s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: %s\r\n\r\n%s' \
  "${address#*/}" "$host" "${#body}" "$body" >&3
cat <&3
"#;
    let shell = r#"bash tool.sh ask_human '{"question":"Which tongue?","choices":["Latin"]}' > greeting.txt"#;
    let mut world = World::new(WorldOptions { shell: shell.to_owned(), ..WorldOptions::default() })?;
    world.project("Greetings", &[("tool.sh", tool)], "agent: shell\n")?;
    world.backlog().append("Greetings", "1", "Pending", "Write the greeting", ",,")?;
    world.start().await?;
    let run = until_asked(&world).await?;
    world.done(&["run", "answer", &run, "Latin, \"please\""])?;
    world.until_task("Write the greeting", "review").await?;
    let written = greeting(&world, &run).await?;
    assert!(written.starts_with("HTTP/1.1 200") && written.contains(r#"Latin, \"please\""#), "{written}");
    world.stop().await
}
