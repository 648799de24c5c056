//! A better row takes the place of a worse one, whose work is kept and goes on by itself.

use anyhow::{Result, ensure};
use serde_json::json;
use strawboss_testkit::{RunnerKind, World, WorldOptions};

const PROJECT: &str = "agent: shell\nreview: auto\n";
/// Begun a second time it sees what it left, and ends.
const WORSE: &str = "echo begun >> begun.txt; if [ $(wc -l <begun.txt) = 1 ]; then echo waiting; read -r word; fi";

fn one_slot(runner: RunnerKind, more: &str) -> Result<World> {
    World::new(WorldOptions { runner, slots: 1, more: more.to_owned(), ..WorldOptions::default() })
}

async fn at_work(world: &World, action: &str) -> Result<String> {
    world
        .until("the agent at work", async |world| {
            let task = world.task_by_action(action).await?;
            let run = task["run"]["id"].as_str().unwrap_or_default().to_owned();
            Ok((task["run"]["state"] == "working" && world.terminal_has(&run, "waiting").await?).then_some(run))
        })
        .await
}

async fn a_better_row_goes_first(runner: RunnerKind) -> Result<()> {
    let mut world = one_slot(runner, "")?;
    let worse = world.project("Worse", &[("a", "a\n")], PROJECT)?;
    let better = world.project("Better", &[("a", "a\n")], PROJECT)?;
    world.backlog().append("Worse", "5", "Pending", WORSE, ",,")?;
    world.start().await?;
    let first = at_work(&world, WORSE).await?;
    // Its equal waits.
    world.backlog().append("Better", "5", "Pending", "echo equal > equal.txt", ",,")?;
    world.until_task("echo equal", "queued").await?;
    let action = "echo waiting; read -r word; echo $word > better.txt";
    world.backlog().append("Better", "1", "Pending", action, ",,")?;
    world.until_statuses(&["Paused", "Queued", "In Progress"]).await?;
    let stopped = world.get(&format!("/api/v1/runs/{first}")).await?["run"].clone();
    assert_eq!(
        (&stopped["outcome"], &stopped["outcome_detail"]),
        (&json!("stopped"), &json!("A task of better priority took its place."))
    );
    let paused = world.task_by_action(WORSE).await?;
    assert_eq!((&paused["state"], &paused["attempts"]), (&json!("paused"), &json!(1)));
    ensure!(paused["waits_for"].as_str().is_some_and(|why| why.contains("goes on by itself")), "{paused}");

    // Killed in between, it is the same afterwards.
    world.kill()?;
    world.start().await?;
    let run = at_work(&world, action).await?;
    world.post(&format!("/api/v1/runs/{run}/say"), json!({ "text": "better" })).await?;
    world.until_statuses(&["Completed"; 3]).await?;
    assert_eq!(better.file("main", "better.txt").as_deref(), Some("better"));
    assert_eq!(worse.file("main", "begun.txt").as_deref(), Some("begun\nbegun"), "it went on with what it had");
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}

#[tokio::test]
async fn a_better_row_takes_the_place_of_a_process() -> Result<()> {
    a_better_row_goes_first(RunnerKind::Process).await
}

#[tokio::test]
async fn a_better_row_takes_the_place_of_a_container() -> Result<()> {
    a_better_row_goes_first(RunnerKind::Docker).await
}

#[tokio::test]
async fn who_was_preempted_once_is_left_in_peace_for_a_while() -> Result<()> {
    let mut world = one_slot(RunnerKind::Process, "scheduler: { preempt_interval: 1h }\n")?;
    world.project("Worse", &[("a", "a\n")], PROJECT)?;
    world.project("Better", &[("a", "a\n")], PROJECT)?;
    let worse = "echo waiting; read -r word; echo $word > worse.txt";
    world.backlog().append("Worse", "5", "Pending", worse, ",,")?;
    world.start().await?;
    at_work(&world, worse).await?;
    world.backlog().append("Better", "1", "Pending", "echo one > one.txt", ",,")?;
    world.until_task("echo one", "done").await?;
    let run = at_work(&world, worse).await?;
    world.backlog().append("Better", "1", "Pending", "echo two > two.txt", ",,")?;
    world
        .until("the second better one waits", async |world| {
            let task = world.task_by_action("echo two").await?;
            Ok(task["waits_for"].as_str().is_some_and(|why| why.starts_with("Waits for a free slot")).then_some(()))
        })
        .await?;
    world.post(&format!("/api/v1/runs/{run}/say"), json!({ "text": "done" })).await?;
    world.until_statuses(&["Completed"; 3]).await?;
    assert_eq!(world.task_by_action(worse).await?["attempts"], 2, "it was preempted once");
    world.stop().await
}

#[tokio::test]
async fn turned_off_a_better_row_waits() -> Result<()> {
    let mut world = one_slot(RunnerKind::Process, "scheduler: { preempt: false }\n")?;
    world.project("Worse", &[("a", "a\n")], PROJECT)?;
    world.project("Better", &[("a", "a\n")], PROJECT)?;
    let worse = "echo waiting; read -r word; echo $word > worse.txt";
    world.backlog().append("Worse", "5", "Pending", worse, ",,")?;
    world.start().await?;
    let run = at_work(&world, worse).await?;
    world.backlog().append("Better", "1", "Pending", "echo one > one.txt", ",,")?;
    world
        .until("the better one waits", async |world| {
            let task = world.task_by_action("echo one").await?;
            Ok(task["waits_for"].as_str().is_some_and(|why| why.starts_with("Waits for a free slot")).then_some(()))
        })
        .await?;
    world.post(&format!("/api/v1/runs/{run}/say"), json!({ "text": "done" })).await?;
    world.until_statuses(&["Completed"; 2]).await?;
    assert_eq!(world.task_by_action(worse).await?["attempts"], 1);
    world.stop().await
}
