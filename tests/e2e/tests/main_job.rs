//! A row in priorities.csv becomes a finished, checked, merged branch.

use anyhow::Result;
use strawboss_testkit::{RunnerKind, World, WorldOptions};

async fn a_row_is_completed(runner: RunnerKind) -> Result<()> {
    let mut world = World::new(WorldOptions { runner, ..WorldOptions::default() })?;
    let repository = world.project(
        "Greeter",
        &[("README.md", "# Greeter\n"), ("check.sh", "test \"$(cat greeting)\" = hello\n")],
        "agent: shell\nreview: auto\nchecks: [\"sh check.sh\"]\n",
    )?;
    world.backlog().append("Greeter", "1", "Pending", "echo hello > greeting", ",,")?;
    world.start().await?;
    world.until_statuses(&["Completed"]).await?;
    assert_eq!(repository.file("main", "greeting").as_deref(), Some("hello"));
    assert_eq!(std::fs::read_to_string(repository.path().join("greeting"))?, "hello\n", "a clean checkout follows");
    let task = world.until_task("echo hello", "done").await?;
    assert_eq!(task["attempts"], 1);
    let run = world.get(&format!("/api/v1/runs/{}", task["run"]["id"].as_str().unwrap_or_default())).await?;
    assert_eq!(run["checks"][0]["exit_code"], 0);
    assert_eq!(run["run"]["green"], true);
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}

#[tokio::test]
async fn a_row_is_completed_by_a_process() -> Result<()> {
    a_row_is_completed(RunnerKind::Process).await
}

#[tokio::test]
async fn a_row_is_completed_in_a_container() -> Result<()> {
    a_row_is_completed(RunnerKind::Docker).await
}
