//! With the control plane a process of this machine.

use super::{PROJECT, RUNS, action, at_work, counts, enough, gone_on, resumable, runs};
use anyhow::{Result, ensure};
use std::sync::Arc;
use strawboss_testkit::{OwnEngine, Postgres, Repository, RunnerKind, Stop, World, WorldOptions};

/// The ten rounds are those of Compose, where people have it; here is what a control plane without a container does differently.
const TIMES: usize = 3;

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
        repositories.push(world.project(&format!("P{project}"), &[("README.md", "one\n")], PROJECT)?);
    }
    for row in 0..RUNS {
        world.backlog().append(&format!("P{}", row % 4), "1", "Pending", &action(row), ",,")?;
    }
    world.start().await?;
    Ok((world, repositories))
}

/// Waits until every agent has gone on counting.
async fn all_go_on(world: &World, runs: &[String], since: &[usize]) -> Result<Vec<usize>> {
    world.until("every agent to go on", async |world| gone_on(world, runs, since).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_agents_work_on_while_control_plane_and_database_are_restarted() -> Result<()> {
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
    enough(&world, &began).await?;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_agents_go_on_after_each_restart_of_the_engine() -> Result<()> {
    let mut engine = OwnEngine::start()?;
    let options = WorldOptions {
        runner: RunnerKind::Docker,
        slots: u32::try_from(RUNS)?,
        engine: Some(engine.host()),
        ..WorldOptions::default()
    };
    let mut world = World::new(options)?;
    let repository = world.project("One", &[("README.md", "one\n")], PROJECT)?;
    for row in 0..RUNS {
        world.backlog().append("One", "1", "Pending", &resumable(row), ",,")?;
    }
    world.start().await?;
    let mut working = world.until("twenty agents at work", async |world| at_work(world, 1).await).await?;
    for round in 1..=TIMES {
        if round % 2 == 0 {
            engine.kill()?
        } else {
            engine.stop()?
        }
        engine.again("")?;
        working = world.until("every agent at work again", async |world| at_work(world, round + 1).await).await?;
    }
    enough(&world, &working).await?;
    world.until_statuses(&["Completed"; RUNS]).await?;
    for row in 0..RUNS {
        let begun = repository.file("main", &format!("begun-{row}.txt")).unwrap_or_default();
        assert_eq!(begun, ["begun"; TIMES + 1].join("\n"), "row {row} lost what it had, or did it twice");
        assert_eq!(repository.file("main", &format!("row-{row}.txt")).as_deref(), Some(format!("row-{row}").as_str()));
    }
    world.until("nothing is left behind", async |world| Ok(world.leftovers()?.is_empty().then_some(()))).await?;
    world.stop().await
}
