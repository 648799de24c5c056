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
