//! Compares what the store says with what is there: adopts what lives, marks what is lost, saves work, removes the rest.
//!
//! It runs at start and now and then; it may run at any time, twice, or after a crash.

use crate::git::mirror;
use crate::sandbox;
use crate::shared::{Shared, lock};
use crate::{drive, rescue};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::project::Project;
use strawboss_core::store::{ChangeSet, StoreError};
use strawboss_core::{RunId, SandboxId};

/// How often it runs.
const LOOK: Duration = Duration::from_mins(1);
/// How soon it runs again when something could not be done; the wait doubles up to [`LOOK`] while that stays so.
const AGAIN: Duration = Duration::from_secs(2);

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut again = AGAIN;
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = look.tick() => again = AGAIN,
            () = shared.left_behind.notified() => {
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    () = tokio::time::sleep(again) => again = (again * 2).min(LOOK),
                }
            }
        }
        if let Err(why) = once(&shared).await {
            tracing::warn!(why, "reconciliation did not succeed; it is tried again");
            shared.left_behind.notify_one();
        }
    }
}

/// Compares once.
pub(crate) async fn once(shared: &Arc<Shared>) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // Order matters: what is there is listed before what is known, since rows are written before anything is made.
    let found = shared.parts.runner.sandboxes().await.map_err(|error| text(&error))?;
    let volumes = shared.parts.runner.run_volumes().await.map_err(|error| text(&error))?;
    let doors = shared.parts.doors.list().await.map_err(|error| text(&error))?;
    let live: HashSet<RunId> =
        shared.parts.store.run_list_live().await.map_err(|error| text(&error))?.into_iter().map(|run| run.id).collect();
    let landing: HashSet<RunId> = landing_runs(shared).await?;
    let busy = |run: &RunId| live.contains(run) || landing.contains(run);
    for run in &live {
        drive::spawn(shared, run);
    }
    let rows = shared.parts.store.sandbox_list_present().await.map_err(|error| text(&error))?;
    let known: HashSet<SandboxId> = rows.iter().map(|row| row.id.clone()).collect();
    for row in rows.iter().filter(|row| !busy(&row.run)) {
        sandbox::lower_or_leave(shared, &row.id).await;
    }
    for stray in found.iter().filter(|found| !known.contains(&found.id) && !busy(&found.id.run())) {
        tracing::info!(sandbox.id = %stray.id, "a sandbox without a live run is removed; its volume stays until its work is saved");
        if let Err(error) = shared.parts.runner.remove(&stray.handle).await {
            tracing::warn!(sandbox.id = %stray.id, error = %error, "a sandbox could not be removed now; it is tried again");
            shared.left_behind.notify_one();
        }
    }
    for door in doors.iter().filter(|door| !known.contains(door) && !lock(&shared.present).contains_key(*door)) {
        if let Err(error) = shared.parts.doors.close(door).await {
            tracing::warn!(sandbox.id = %door, error = %error, "a door could not be closed now; it is tried again");
        }
    }
    for volume in volumes.iter().filter(|volume| !busy(volume)) {
        release(shared, volume).await?;
    }
    Ok(())
}

async fn landing_runs(shared: &Shared) -> Result<HashSet<RunId>, String> {
    let tasks = lock(&shared.landing).clone();
    let mut runs = HashSet::new();
    for task in tasks {
        let task = shared.parts.store.task(&task).await.map_err(|error| error.to_string())?;
        runs.extend(task.and_then(|task| task.run));
    }
    Ok(runs)
}

/// Lets a volume go that nothing will go on with, its work pushed first if it never was.
async fn release(shared: &Arc<Shared>, volume: &RunId) -> Result<(), String> {
    let text = |error: StoreError| error.to_string();
    let Some(first) = shared.parts.store.run(volume).await.map_err(text)? else {
        tracing::warn!(run.id = %volume, "a volume belongs to no known run; it is left alone, remove it by hand when you do not need it");
        return Ok(());
    };
    // Later runs of its task may have gone on with it: what counts is what the last one left there.
    let runs = shared.parts.store.run_list(&first.task).await.map_err(text)?;
    let run = runs.into_iter().rfind(|run| run.volume == *volume).unwrap_or(first);
    if rescue::releasable(shared, &run.id).await.map_err(text)?.is_none() {
        return Ok(());
    }
    if !rescue::is_saved(&run) {
        let mirrored = |project: &Project| mirror::path_of(shared.data_dir(), project).is_dir();
        let Some(project) = shared.project(&run.project).filter(mirrored) else {
            tracing::warn!(run.id = %run.id, project = %run.project, "a volume holds work that was never pushed, and its project is not configured as it was; it is left alone: configure the project again, or remove the volume by hand");
            return Ok(());
        };
        let saved = rescue::save(shared, run.clone(), &project).await.map_err(|error| error.to_string())?;
        if saved.is_some() {
            let writer = shared.write().await;
            if let Some(mut fresh) = shared.parts.store.run(&run.id).await.map_err(text)? {
                fresh.saved_ref = saved;
                let changes = ChangeSet { runs: vec![fresh], ..ChangeSet::default() };
                writer.commit_silently(&changes).await.map_err(text)?;
            }
        }
    }
    rescue::let_go(shared, &run.id).await;
    Ok(())
}
