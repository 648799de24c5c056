//! kill -9 at any moment, and at every step of the saga: each row is Completed exactly once, and nothing is left behind.

use anyhow::Result;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;
use strawboss_testkit::{RunnerKind, World, WorldOptions};

/// Every point at which the program can be made to crash on the way of one row.
const POINTS: [&str; 18] = [
    "run.committed",
    "mirror.synced",
    "agent.row",
    "agent.door",
    "agent.created",
    "agent.stored",
    "agent.started",
    "token.granted",
    "agent.ended",
    "checks.row",
    "checks.door",
    "checks.created",
    "checks.stored",
    "checks.started",
    "sandbox.removed",
    "run.ended",
    "landing.merged",
    "landing.landed",
];

/// The agent's work: a line of its own in a file of its own, so that work that is done twice shows.
fn action(row: usize) -> String {
    format!("echo row-{row} >> row-{row}.txt; echo row-{row} >> log-{row}.txt")
}

async fn completed_once(world: &World, repositories: &[strawboss_testkit::Repository], rows: usize) -> Result<()> {
    let expected = vec!["Completed"; rows];
    world.until_statuses(&expected).await?;
    let tasks = world.tasks().await?;
    assert_eq!(tasks.len(), rows, "one task a row");
    assert!(tasks.iter().all(|task| task["state"] == "done"));
    for row in 0..rows {
        let repository = &repositories[row % repositories.len()];
        let name = format!("row-{row}.txt");
        assert_eq!(repository.file("main", &name).as_deref(), Some(format!("row-{row}").as_str()), "row {row} landed once");
        let landed = repository.git(&["log", "--oneline", "--no-merges", "main", "--", &name])?;
        assert_eq!(landed.lines().count(), 1, "row {row} was committed once:\n{landed}");
    }
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await
}

async fn crash_at_each_step(runner: RunnerKind, points: &[&str]) -> Result<()> {
    for point in points {
        eprintln!("crash at {point}");
        let mut world = World::new(WorldOptions { runner, ..WorldOptions::default() })?;
        let repository =
            world.project("One", &[("README.md", "one\n")], "agent: shell\nreview: auto\nchecks: [\"test -f row-0.txt\"]\n")?;
        world.backlog().append("One", "1", "Pending", &action(0), ",,")?;
        world.crash_at(point);
        world.start().await?;
        world.until("the crash", async |world| Ok(world.has_crashed().then_some(()))).await?;
        world.kill()?;
        world.start().await?;
        completed_once(&world, &[repository], 1).await?;
        world.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_crash_at_any_step_loses_and_repeats_nothing_with_processes() -> Result<()> {
    crash_at_each_step(RunnerKind::Process, &POINTS).await
}

#[tokio::test]
async fn a_crash_at_any_step_loses_and_repeats_nothing_with_containers() -> Result<()> {
    crash_at_each_step(RunnerKind::Docker, &POINTS).await
}

#[tokio::test]
async fn a_crash_at_the_end_of_a_failed_run_loses_no_word_to_the_backlog_and_leaves_no_sandbox() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    world.project("One", &[("a", "a\n")], "agent: shell\nchecks: [\"true\"]\n")?;
    world.backlog().append("One", "1", "Pending", "false", ",,")?;
    // What is still to be said and to be removed is known from what was stored with the end, or not at all.
    world.crash_at("run.ended");
    world.start().await?;
    world.until("the crash", async |world| Ok(world.has_crashed().then_some(()))).await?;
    world.kill()?;
    world.start().await?;
    world.until_statuses(&["Blocked"]).await?;
    assert_eq!(world.task_by_action("false").await?["attempts"], 1);
    // Its home stays: a person may retry it.
    let left = |world: &World| Ok::<_, anyhow::Error>(world.leftovers()?.into_iter().filter(|left| !left.contains("/homes/")));
    world.until("no sandbox is left", async |world| Ok(left(world)?.next().is_none().then_some(()))).await?;
    world.stop().await
}

#[tokio::test]
async fn a_merge_that_a_crash_cut_short_lands_once() -> Result<()> {
    for point in ["landing.merged", "landing.landed"] {
        eprintln!("crash at {point}");
        let mut world = World::new(WorldOptions::default())?;
        let repository = world.project("One", &[("a", "a\n")], "agent: shell\nchecks: [\"true\"]\n")?;
        world.backlog().append("One", "1", "Pending", &action(0), ",,")?;
        world.crash_at(point);
        world.start().await?;
        let task = world.until_task("echo row-0", "review").await?;
        repository.commit(&[("b", "b\n")], "A person's work")?;
        let id = task["id"].as_str().unwrap_or_default();
        // The crash may come before the answer.
        let _ = world.post(&format!("/api/v1/reviews/{id}/approve"), serde_json::json!({})).await;
        world.until("the crash", async |world| Ok(world.has_crashed().then_some(()))).await?;
        world.kill()?;
        world.start().await?;
        completed_once(&world, std::slice::from_ref(&repository), 1).await?;
        assert_eq!(repository.git(&["rev-list", "--merges", "--count", "main"])?, "1");
        assert_eq!(repository.git(&["status", "--porcelain"])?, "");
        world.stop().await?;
    }
    Ok(())
}

async fn thirty_rows(runner: RunnerKind) -> Result<()> {
    let seed = RandomState::new().build_hasher().finish();
    eprintln!("seed: {seed}");
    let mut random = seed;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut world = World::new(WorldOptions { runner, slots: 4, ..WorldOptions::default() })?;
    let mut repositories = Vec::new();
    for project in 0..5 {
        let more = "agent: shell\nreview: auto\nchecks: [\"true\"]\nmax_concurrent: 2\n";
        repositories.push(world.project(&format!("Project {project}"), &[("README.md", "x\n")], more)?);
    }
    for row in 0..30 {
        world.backlog().append(&format!("Project {}", row % 5), &(row % 4 + 1).to_string(), "Pending", &action(row), ",,")?;
    }
    world.start().await?;
    let mut kills = 0;
    loop {
        // Longer each time: a machine that needs all of one to start again would come to no end.
        let pause = Duration::from_millis(1500 + next(2500) + 50 * kills);
        let done = tokio::time::timeout(pause, world.until_statuses(&["Completed"; 30])).await;
        if let Ok(done) = done {
            done?;
            break;
        }
        assert!(kills < 200, "it does not come to an end");
        kills += 1;
        world.kill()?;
        world.start().await?;
    }
    eprintln!("killed {kills} times");
    completed_once(&world, &repositories, 30).await?;
    world.stop().await
}

#[tokio::test]
async fn thirty_rows_over_five_projects_are_completed_once_while_the_program_is_killed_with_processes() -> Result<()> {
    thirty_rows(RunnerKind::Process).await
}

#[tokio::test]
async fn thirty_rows_over_five_projects_are_completed_once_while_the_program_is_killed_with_containers() -> Result<()> {
    thirty_rows(RunnerKind::Docker).await
}
