//! Twenty agents at work while everything around them is restarted, ten times each: none is interrupted, nothing is lost,
//! nothing happens twice, and no byte of a terminal is missing.

use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use strawboss_testkit::{OwnEngine, Postgres, Repository, RunnerKind, Stop, World, WorldOptions};

const RUNS: usize = 20;
const TIMES: usize = 10;

/// Counts aloud until a person types a line, then leaves its row's mark.
fn action(row: usize) -> String {
    format!(
        "( i=0; while :; do i=$((i+1)); echo \"row {row} counts $i\"; sleep 0.1; done ) & read -r word; kill $!; \
         wait; echo \"row {row} heard $word\"; echo row-{row} >> row-{row}.txt"
    )
}

async fn twenty_at_work(server: &Arc<Postgres>) -> Result<(World, Vec<Repository>)> {
    let options = WorldOptions {
        runner: RunnerKind::Docker,
        slots: u32::try_from(RUNS)?,
        more: format!("database: '{}'\n", server.database()?),
        ..WorldOptions::default()
    };
    let mut world = World::new(options)?;
    let mut repositories = Vec::new();
    for project in 0..4 {
        let more = "agent: shell\nreview: auto\nmax_concurrent: 20\nlimits: { memory: 64m, pids: 64 }\n";
        repositories.push(world.project(&format!("P{project}"), &[("README.md", "one\n")], more)?);
    }
    for row in 0..RUNS {
        world.backlog().append(&format!("P{}", row % 4), "1", "Pending", &action(row), ",,")?;
    }
    world.start().await?;
    Ok((world, repositories))
}

/// The run of each row, in the order of rows.
async fn runs(world: &World) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for row in 0..RUNS {
        let task = world.task_by_action(&action(row)).await?;
        found.push(task["run"]["id"].as_str().with_context(|| format!("row {row} has no run: {task}"))?.to_owned());
    }
    Ok(found)
}

/// How far each agent has counted; an error when its terminal lacks a line or has one twice.
async fn counts(world: &World, runs: &[String]) -> Result<Vec<usize>> {
    let mut counts = Vec::new();
    for (row, run) in runs.iter().enumerate() {
        let shown = world.terminal(run).await?;
        let start = format!("row {row} counts ");
        // The last line may still be on its way.
        let whole = shown.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let counted: Vec<usize> = whole.lines().filter_map(|line| line.trim().strip_prefix(&start)?.parse().ok()).collect();
        ensure!(counted.iter().copied().eq(1..=counted.len()), "row {row} counted {counted:?}");
        counts.push(counted.len());
    }
    Ok(counts)
}

/// Waits until every agent has gone on counting.
async fn all_go_on(world: &World, runs: &[String], since: &[usize]) -> Result<Vec<usize>> {
    world
        .until("every agent to go on", async |world| {
            let now = counts(world, runs).await?;
            Ok(now.iter().zip(since).all(|(now, then)| *now > then + 2).then_some(now))
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_agents_work_on_while_control_plane_and_database_are_restarted_ten_times() -> Result<()> {
    let server = Arc::new(Postgres::start(&[])?);
    let (mut world, repositories) = twenty_at_work(&server).await?;
    let began = world.until("twenty agents at work", async |world| Ok(runs(world).await.ok())).await?;
    let mut counted = all_go_on(&world, &began, &[0; RUNS]).await?;
    for round in 0..TIMES {
        // Replaced as by an upgrade, or killed.
        if round % 2 == 0 {
            world.stop().await?;
        } else {
            world.kill()?;
        }
        world.start().await?;
        counted = all_go_on(&world, &began, &counted).await?;
        server.stop(if round % 2 == 0 { Stop::Fast } else { Stop::Immediate })?;
        server.again()?;
        counted = all_go_on(&world, &began, &counted).await?;
        ensure!(runs(&world).await? == began, "the same runs go on");
    }
    for run in &began {
        world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "enough" })).await?;
    }
    world.until_statuses(&["Completed"; RUNS]).await?;
    assert_eq!(runs(&world).await?, began, "each row had one run");
    counts(&world, &began).await?;
    for row in 0..RUNS {
        let repository = &repositories[row % 4];
        assert_eq!(repository.file("main", &format!("row-{row}.txt")).as_deref(), Some(format!("row-{row}").as_str()));
        ensure!(world.terminal(&began[row]).await?.contains(&format!("row {row} heard enough")), "row {row}");
    }
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}

/// An agent that is begun again goes on with what it had.
fn resumable(row: usize) -> String {
    format!("echo begun >> begun-{row}.txt; echo \"row {row} is at work\"; read -r word; echo row-{row} >> row-{row}.txt")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_agents_go_on_after_each_of_ten_restarts_of_the_engine() -> Result<()> {
    let mut engine = OwnEngine::start()?;
    let options = WorldOptions {
        runner: RunnerKind::Docker,
        slots: u32::try_from(RUNS)?,
        engine: Some(engine.host()),
        ..WorldOptions::default()
    };
    let mut world = World::new(options)?;
    let more = "agent: shell\nreview: auto\nmax_concurrent: 20\nlimits: { memory: 64m, pids: 64 }\n";
    let repository = world.project("One", &[("README.md", "one\n")], more)?;
    for row in 0..RUNS {
        world.backlog().append("One", "1", "Pending", &resumable(row), ",,")?;
    }
    world.start().await?;
    let mut tasks = Vec::new();
    for round in 0..=TIMES {
        if round > 0 {
            if round % 2 == 0 {
                engine.kill()?
            } else {
                engine.stop()?
            }
            engine.again("")?;
        }
        tasks = world
            .until("every agent at work again", async |world| {
                let tasks = world.tasks().await?;
                for task in &tasks {
                    let run = task["run"]["id"].as_str().unwrap_or_default();
                    let at_work = task["attempts"] == round + 1 && task["run"]["state"] == "working";
                    if !at_work || !world.terminal_has(run, "is at work").await? {
                        return Ok(None);
                    }
                }
                Ok((tasks.len() == RUNS).then_some(tasks))
            })
            .await?;
    }
    for task in &tasks {
        let run = task["run"]["id"].as_str().context("no run")?;
        world.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": "enough" })).await?;
    }
    world.until_statuses(&["Completed"; RUNS]).await?;
    for row in 0..RUNS {
        let begun = repository.file("main", &format!("begun-{row}.txt")).unwrap_or_default();
        assert_eq!(begun, ["begun"; TIMES + 1].join("\n"), "row {row} lost what it had, or did it twice");
        assert_eq!(repository.file("main", &format!("row-{row}.txt")).as_deref(), Some(format!("row-{row}").as_str()));
    }
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}
