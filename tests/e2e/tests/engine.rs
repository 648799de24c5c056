//! The Docker engine goes away and comes back: no run is lost, none is done twice.

use anyhow::{Context as _, Result};
use std::process::Command;
use strawboss_testkit::{OwnEngine, Repository, RunnerKind, World, WorldOptions, programs};

const CHECKED: &str = "agent: shell\nreview: auto\nchecks: [\"test -e first.txt\"]\n";

/// Begins, and works on until it is begun again on top of its own work.
const RESUMED: &str =
    "test -e first.txt && { echo second >> second.txt; exit; }; echo first > first.txt; while :; do sleep 0.1; done";

/// Works until somebody says that it may end, which needs no engine.
const UNTIL_TOLD: &str = "echo first >> first.txt; read -r told; echo second >> second.txt";

fn world(engine: &OwnEngine) -> Result<(World, [Repository; 2])> {
    let options = WorldOptions { runner: RunnerKind::Docker, engine: Some(engine.host()), ..WorldOptions::default() };
    let mut world = World::new(options)?;
    let one = world.project("One", &[("a", "a\n")], CHECKED)?;
    let two = world.project("Two", &[("a", "a\n")], CHECKED)?;
    Ok((world, [one, two]))
}

/// Waits until both agents have written their first file.
async fn both_at_work(world: &World) -> Result<()> {
    world
        .until("both agents at work", async |world| {
            let containers = world.containers()?;
            let begun = containers
                .iter()
                .filter(|id| world.docker(&["exec", id, "test", "-e", "/home/agent/workspace/first.txt"]).is_ok());
            // Known to us as well: lines are for agents that work.
            let working = world.tasks().await?.iter().filter(|task| task["run"]["state"] == "working").count();
            Ok((begun.count() == 2 && working == 2).then_some(()))
        })
        .await
}

async fn completed(world: &World, repositories: &[Repository], attempts: u64) -> Result<()> {
    world.until_statuses(&["Completed", "Completed"]).await?;
    for repository in repositories {
        for (name, text) in [("first.txt", "first"), ("second.txt", "second")] {
            assert_eq!(repository.file("main", name).as_deref(), Some(text), "{name} in {}", repository.path().display());
        }
    }
    let tasks = world.tasks().await?;
    assert!(tasks.iter().all(|task| task["attempts"] == attempts), "{tasks:?}");
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await
}

async fn restarted(engine: &mut OwnEngine, end: fn(&OwnEngine) -> Result<()>) -> Result<()> {
    let (mut world, repositories) = world(engine)?;
    world.backlog().append("One", "1", "Pending", RESUMED, ",,")?;
    world.backlog().append("Two", "1", "Pending", RESUMED, ",,")?;
    world.start().await?;
    both_at_work(&world).await?;
    end(engine)?;
    engine.again("")?;
    completed(&world, &repositories, 2).await?;
    world.stop().await
}

/// With live-restore containers outlive the engine: the same runs go on, and their checks wait for it.
async fn outlived(engine: &mut OwnEngine) -> Result<()> {
    engine.stop()?;
    engine.again("--live-restore")?;
    let (mut world, repositories) = world(engine)?;
    world.backlog().append("One", "1", "Pending", UNTIL_TOLD, ",,")?;
    world.backlog().append("Two", "1", "Pending", UNTIL_TOLD, ",,")?;
    world.start().await?;
    both_at_work(&world).await?;
    engine.kill()?;
    for task in world.tasks().await? {
        let run = task["run"]["id"].as_str().unwrap_or_default();
        world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "enough" })).await?;
    }
    world
        .until("both agents' ends", async |world| {
            let tasks = world.tasks().await?;
            Ok(tasks.iter().all(|task| task["run"]["state"] == "checking").then_some(()))
        })
        .await?;
    let tried = |world: &World| world.log().matches("a step of a run is tried again").count();
    let before = tried(&world);
    world.until("that the checks wait for it", async |world| Ok((tried(world) > before).then_some(()))).await?;
    engine.again("--live-restore")?;
    completed(&world, &repositories, 1).await?;
    world.stop().await?;
    engine.stop()?;
    engine.again("")
}

async fn away_at_start(engine: &mut OwnEngine) -> Result<()> {
    engine.stop()?;
    let (mut world, repositories) = world(engine)?;
    let both = "echo first > first.txt; echo second > second.txt";
    world.backlog().append("One", "1", "Pending", both, ",,")?;
    world.backlog().append("Two", "1", "Pending", both, ",,")?;
    world.start().await?;
    world.until_statuses(&["Queued", "Queued"]).await?;
    let status = world.get("/api/v1/status").await?;
    assert_eq!(status["runner"]["ok"], false, "{status}");
    let why = status["runner"]["detail"].as_str().unwrap_or_default();
    assert!(why.contains("engine.sock") && why.contains("Docker"), "it says what does not answer: {why}");
    let tasks = world.tasks().await?;
    let waits = tasks.iter().map(|task| task["waits_for"].as_str().unwrap_or_default()).collect::<Vec<_>>();
    assert!(waits.iter().all(|why| !why.is_empty()), "each task says that it waits: {tasks:?}");
    let shown = Command::new(programs::strawboss()?).arg("status").arg("--config").arg(world.write_config()?).output()?;
    assert!(!shown.status.success(), "`strawboss status` says so too: {}", String::from_utf8_lossy(&shown.stdout));
    engine.again("")?;
    completed(&world, &repositories, 1).await?;
    let status = world.get("/api/v1/status").await?;
    assert_eq!(status["runner"]["ok"], true, "{status}");
    world.stop().await
}

#[tokio::test]
async fn an_engine_that_goes_and_comes_back_loses_and_repeats_nothing() -> Result<()> {
    // One engine for all: filling it with the image costs more than everything else.
    let mut engine = OwnEngine::start()?;
    away_at_start(&mut engine).await.context("away at start")?;
    restarted(&mut engine, OwnEngine::stop).await.context("restarted")?;
    restarted(&mut engine, OwnEngine::kill).await.context("killed")?;
    outlived(&mut engine).await.context("outlived")
}
