//! Compares what the store says with what is there: adopts what lives, marks what is lost, saves work, removes the rest.
//!
//! It runs at start and now and then; it may run at any time, twice, or after a crash.

use crate::sandbox;
use crate::shared::{Shared, lock};
use crate::{drive, rescue, retention};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
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
        // Whatever of it is cut short is found again at the next start.
        let done = tokio::select! {
            () = shared.stop.cancelled() => return,
            done = once(&shared) => done,
        };
        if let Err(why) = done {
            tracing::warn!(why, "reconciliation did not succeed; it is tried again");
            shared.left_behind.notify_one();
        }
    }
}

/// Compares once.
pub(crate) async fn once(shared: &Arc<Shared>) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // Order matters: rows are written before anything is made, and runs before their rows. What is there is listed before
    // what is known of it, and that before what is live: so nothing that is just being made is taken for a stray.
    let found = shared.parts.runner.sandboxes().await.map_err(|error| text(&error))?;
    let volumes = shared.parts.runner.run_volumes().await.map_err(|error| text(&error))?;
    let doors = shared.parts.doors.list().await.map_err(|error| text(&error))?;
    let rows = shared.parts.store.sandbox_list_present().await.map_err(|error| text(&error))?;
    let live: HashSet<RunId> =
        shared.parts.store.run_list_live().await.map_err(|error| text(&error))?.into_iter().map(|run| run.id).collect();
    let landing: HashSet<RunId> = landing_runs(shared).await?;
    let busy = |run: &RunId| live.contains(run) || landing.contains(run);
    for run in &live {
        drive::spawn(shared, run);
    }
    let known: HashSet<SandboxId> = rows.iter().map(|row| row.id.clone()).collect();
    for row in rows.iter().filter(|row| !busy(&row.run)) {
        // A run that is over is not live again, but its work may be landed at any moment.
        if !landing_runs(shared).await?.contains(&row.run) {
            sandbox::lower_or_leave(shared, &row.id).await;
        }
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
        // One that cannot go now holds up no other.
        if let Err(why) = release(shared, volume).await {
            tracing::warn!(run.id = %volume, why, "a volume stays for now: its work could not be saved; it is tried again later");
        }
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

/// Lets a volume go that nothing will go on with, its work pushed first if it is in no ref.
async fn release(shared: &Arc<Shared>, volume: &RunId) -> Result<(), String> {
    if shared.parts.store.run(volume).await.map_err(|error| error.to_string())?.is_none() {
        tracing::warn!(run.id = %volume, "a volume belongs to no known run; it is left alone, remove it by hand when you do not need it");
        return Ok(());
    }
    let Some(released) = rescue::releasable(shared, volume).await.map_err(|error| error.to_string())? else { return Ok(()) };
    if let Some(run) = released.unsaved {
        if !rescue::is_due(shared, &run.id).await.map_err(|error| error.to_string())? {
            return Ok(());
        }
        let project = shared.project(&run.project).ok_or_else(|| format!("the project `{}` is not configured", run.project))?;
        let saved = rescue::save(shared, &run, &project).await;
        shared.hub.end(&run.id);
        let reference = saved.map_err(|error| error.to_string())?;
        let writer = shared.write().await;
        let Some(mut fresh) = shared.parts.store.run(&run.id).await.map_err(|error| error.to_string())? else { return Ok(()) };
        rescue::Saved { reference, whole: true, problem: None }.note(&mut fresh);
        let changes = strawboss_core::store::ChangeSet { runs: vec![fresh], ..Default::default() };
        writer.commit_silently(&changes).await.map_err(|error| error.to_string())?;
    }
    if !retention::keeps_workspace(shared, &released.volume).await.map_err(|error| error.to_string())? {
        rescue::remove(shared, &released.volume).await;
    }
    Ok(())
}
