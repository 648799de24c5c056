//! Removes one thing, after asking once more whether it may go: since it was surveyed, a person may have started its task.

use super::{Branch, Target, Thing, survey};
use crate::git::Git;
use crate::rescue::{self, Released};
use crate::shared::Shared;
use strawboss_core::run::Run;
use strawboss_core::store::ChangeSet;
use strawboss_core::{RunId, Timestamp};

const TAKEN_UP: &str = "it is needed again";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) async fn thing(shared: &Shared, thing: &Thing, now: Timestamp) -> Result<(), String> {
    match &thing.target {
        Target::Recording(run) => recording(shared, run, now).await,
        Target::Reports(run) => {
            let forget = |changes: &mut ChangeSet| changes.reports_removed.push(run.clone());
            note(shared, run, |run| run.reports_removed_at = Some(now), forget).await
        }
        Target::Workspace(volume) => workspace(shared, volume).await,
        Target::Folder(key) => match shared.parts.runner.kept_remove(key).await {
            Ok(true) => Ok(()),
            Ok(false) => Err("a sandbox has it now".to_owned()),
            Err(error) => Err(text(error)),
        },
        Target::Branch(found) => branch(shared, found).await,
    }
}

/// Changes a settled run, and what belongs to the same transaction.
async fn note(
    shared: &Shared,
    id: &RunId,
    change: impl FnOnce(&mut Run),
    more: impl FnOnce(&mut ChangeSet),
) -> Result<(), String> {
    let writer = shared.write().await;
    let Some(mut run) = survey::settled(shared, id).await.map_err(text)? else { return Err(TAKEN_UP.to_owned()) };
    change(&mut run);
    let mut changes = ChangeSet { runs: vec![run], ..ChangeSet::default() };
    more(&mut changes);
    writer.commit_silently(&changes).await.map_err(text)
}

/// First it is said, then it goes: cut short in between, it is found and removed the next time.
async fn recording(shared: &Shared, id: &RunId, now: Timestamp) -> Result<(), String> {
    note(shared, id, |run| run.recording_removed_at = Some(now), |_| {}).await?;
    let folder = shared.data_dir().join("runs").join(id.as_str());
    let removed = tokio::task::spawn_blocking(move || {
        std::fs::remove_dir_all(folder.join("terminal"))?;
        // Whatever else lies there stays, and the folder with it.
        let _ = std::fs::remove_dir(&folder);
        Ok::<_, std::io::Error>(())
    });
    removed.await.map_err(text)?.map_err(|error| format!("its files cannot be removed: {error}"))
}

async fn workspace(shared: &Shared, volume: &RunId) -> Result<(), String> {
    match rescue::releasable(shared, volume).await.map_err(text)? {
        Some(Released { volume, unsaved: None }) => rescue::try_remove(shared, &volume).await,
        _ => Err(TAKEN_UP.to_owned()),
    }
}

/// Removes a ref, if it still leads where it led: what was pushed since was never looked at.
async fn branch(shared: &Shared, branch: &Branch) -> Result<(), String> {
    let guard = shared.mirror_lock(&branch.project);
    let _held = guard.lock().await;
    // Nobody starts its task while the ref goes.
    let _writer = shared.write().await;
    let Some(id) = survey::task_of(&branch.reference) else { return Err(TAKEN_UP.to_owned()) };
    let task = shared.parts.store.task(&id).await.map_err(text)?;
    let spent = match &task {
        Some(task) => survey::is_spent(shared, task, branch).await?,
        None => false,
    };
    if !spent {
        return Err(TAKEN_UP.to_owned());
    }
    let removed = Git::at(&branch.mirror).run(&["update-ref", "-d", &branch.reference, &branch.commit]).await;
    removed.map(drop).map_err(text)
}
