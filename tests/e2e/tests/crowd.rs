//! Ten thousand tasks, and more sessions than the usual limit of open files allows: all are found again at a start.

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fmt::Write as _;
use strawboss_testkit::{RunnerKind, World, WorldOptions};

const TASKS: usize = 10_000;
/// Each takes about four open files.
const SESSIONS: usize = 80;
/// What a program of this test may open unless it asks for more.
const FILES: u64 = 256;

/// A figure of `/metrics`.
async fn figure(world: &World, name: &str) -> Result<usize> {
    let (_, text) = world.call("GET", "/metrics", None).await?;
    let line = text.as_str().unwrap_or_default().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name}"))?.parse()?)
}

/// Each at its own work.
async fn all_at_work(world: &World) -> Result<()> {
    world
        .until("every session there", async |world| {
            let there = figure(world, "strawboss_supervisors").await? == SESSIONS
                && figure(world, "strawboss_runs{state=\"working\"}").await? == SESSIONS;
            Ok(there.then_some(()))
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_tasks_and_many_sessions_are_found_again() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, FILES, most)?;
    let slots = u32::try_from(SESSIONS)?;
    let mut world = World::new(WorldOptions { runner: RunnerKind::Process, slots, ..WorldOptions::default() })?;
    let more = format!("agent: shell\nreview: auto\nmax_concurrent: {SESSIONS}\n");
    let repository = world.project("One", &[("README.md", "one\n")], &more)?;
    let mut rows = world.backlog().text()?;
    for row in 0..TASKS {
        let priority = if row < SESSIONS { 1 } else { 2 };
        writeln!(rows, "One,{priority},Pending,,,read -r word; echo $word > row-{row}.txt,,,")?;
    }
    world.backlog().write(&rows)?;
    world.start().await?;
    all_at_work(&world).await?;
    let states = world.get("/api/v1/status").await?["tasks"].clone();
    world.kill()?;
    world.start().await?;
    all_at_work(&world).await?;
    world.stop().await?;
    world.start().await?;
    all_at_work(&world).await?;
    assert_eq!(world.get("/api/v1/status").await?["tasks"], states, "no task was lost, begun twice or blocked");
    ensure!(!world.log().contains("tasks may not run"));

    // And they are the same ones: the oldest takes a line, and its work lands.
    let first = world.task_by_action("read -r word; echo $word > row-0.txt").await?;
    let run = first["run"]["id"].as_str().context("no run")?;
    world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "enough" })).await?;
    world
        .until(
            "its work on main",
            async |_| Ok((repository.file("main", "row-0.txt").as_deref() == Some("enough")).then_some(())),
        )
        .await
}
