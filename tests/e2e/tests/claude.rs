//! The real Claude Code CLI, in a sandbox, against the mock model.

use anyhow::Result;
use serde_json::json;
use strawboss_testkit::{RunnerKind, World, WorldOptions};

const SCRIPT: &str = r#"
rules:
  - name: sent back
    when: { prompt: Write the greeting, said: in Latin }
    turns:
      - tools: [{ name: Bash, input: { description: Write, command: "echo salve > greeting.txt && git commit -qam Latin" } }]
      - text: Salve.
  - name: at first
    when: { prompt: Write the greeting }
    turns:
      - text: I write it.
        tools: [{ name: Bash, input: { description: Write, command: "echo hello > greeting.txt; curl -s -m 5 http://169.254.169.254/ ; curl -s -m 5 https://forbidden.example/; echo" } }]
        usage: { input_tokens: 100, output_tokens: 20 }
      - text: The greeting says hello.
        usage: { input_tokens: 150, output_tokens: 10 }
"#;

async fn a_task_goes_the_whole_way(runner: RunnerKind) -> Result<()> {
    let mut world = World::new(WorldOptions { runner, model_script: Some(SCRIPT.to_owned()), ..WorldOptions::default() })?;
    let more = "checks: [\"test -s greeting.txt\"]\nnetwork: { allow: [allowed.example] }\n";
    let repository = world.project("Greetings", &[("README.md", "x\n")], more)?;
    world.backlog().append("Greetings", "1", "Pending", "Write the greeting", ",,")?;
    world.start().await?;
    let task = world.until_task("Write the greeting", "review").await?;
    let (id, run) = (task["id"].as_str().unwrap_or_default(), task["run"]["id"].as_str().unwrap_or_default());
    let detail = world.get(&format!("/api/v1/runs/{run}")).await?;
    assert_eq!(detail["summary"], "The greeting says hello.");
    assert_eq!(detail["run"]["green"], true);
    assert!(detail["run"]["usage"]["input_tokens"].as_u64().is_some_and(|tokens| tokens >= 250), "{detail}");
    assert!(world.terminal_has(run, "Bash").await?, "the transcript shows the tool call");
    assert!(world.terminal_has(run, "I write it.").await?);
    let events = world.get(&format!("/api/v1/runs/{run}/events?limit=1000")).await?;
    let kinds: Vec<&str> =
        events["items"].as_array().into_iter().flatten().filter_map(|event| event["body"]["event"]["event"].as_str()).collect();
    for kind in ["session", "message", "tool_call", "tool_result", "turn_ended", "exited"] {
        assert!(kinds.contains(&kind), "{kind} is among {kinds:?}");
    }
    if runner == RunnerKind::Docker {
        let refusals = detail["refusals"].as_array().cloned().unwrap_or_default();
        let refused =
            |host: &str| refusals.iter().any(|refusal| refusal["target"].as_str().is_some_and(|target| target.contains(host)));
        assert!(refused("169.254.169.254") && refused("forbidden.example"), "{refusals:?}");
    }
    world.post(&format!("/api/v1/reviews/{id}/reject"), json!({ "comment": "Say it in Latin" })).await?;
    world
        .until("the second attempt", async |world| {
            let task = world.get(&format!("/api/v1/tasks/{id}")).await?;
            Ok((task["state"] == "review" && task["attempts"] == 2).then_some(()))
        })
        .await?;
    let second = world.get(&format!("/api/v1/tasks/{id}")).await?["run"]["id"].as_str().unwrap_or_default().to_owned();
    assert_eq!(world.get(&format!("/api/v1/runs/{second}")).await?["resumes"], run);
    world.post(&format!("/api/v1/reviews/{id}/approve"), json!({})).await?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "greeting.txt").as_deref(), Some("salve"));
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}

#[tokio::test]
async fn a_task_goes_the_whole_way_in_a_container() -> Result<()> {
    a_task_goes_the_whole_way(RunnerKind::Docker).await
}

#[tokio::test]
async fn a_task_goes_the_whole_way_as_a_process() -> Result<()> {
    a_task_goes_the_whole_way(RunnerKind::Process).await
}
