//! Nothing that was not pushed is ever destroyed: saves a lost run's work from its volume, and lets volumes go.

use crate::git::{Git, GitError, mirror};
use crate::link::{GitAccess, Reach};
use crate::retention;
use crate::sandbox::{self, Over, Plan, Progress, RaiseError};
use crate::shared::Shared;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::project::Project;
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::runner::{Purpose, RunnerError, SandboxVolume};
use strawboss_core::store::StoreError;
use strawboss_core::{RunId, TaskState};
use strawboss_protocol::supervisor::{End, GitOrders, Orders};

/// How long a rescue may take.
const LIMIT: Duration = Duration::from_mins(10);
/// How often a lost run's rescue is tried before the run ends without it, its volume kept.
const TRIES: usize = 3;
/// Between two tries to rescue the work of a run that is over: the first wait, which doubles, and the longest.
const AGAIN_MS: i64 = 60_000;
const AGAIN_LIMIT_MS: i64 = 24 * 3_600_000;

/// What is known of the work on a run's volume when the run ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Saved {
    /// The ref that holds work in progress.
    pub(crate) reference: Option<String>,
    /// Whether all of it is in a ref.
    pub(crate) whole: bool,
    /// What a person must know of it.
    pub(crate) problem: Option<String>,
}

impl Saved {
    /// Writes itself into the run.
    pub(crate) fn note(&self, run: &mut Run) {
        run.saved_ref = self.reference.clone().or(run.saved_ref.take());
        run.work_saved |= self.whole;
    }
}

/// What the mirror has of what a sandbox says that it pushed to `references`: whole when one of them is there.
pub(crate) async fn confirm(mirror: &Path, progress: &Progress, run: &Run, references: &[&str]) -> Result<Saved, GitError> {
    let mut saved = Saved::default();
    for reference in references {
        let Some(pushed) = progress.pushed.get(*reference) else { continue };
        if Git::at(mirror).commit(reference).await?.as_ref() == Some(pushed) {
            saved.whole = true;
            saved.reference = (*reference == run.id.saved_ref()).then(|| (*reference).to_owned()).or(saved.reference);
        }
    }
    Ok(saved)
}

/// Whether the run had a sandbox that an agent may have worked in.
pub(crate) async fn has_begun(shared: &Shared, run: &RunId) -> Result<bool, StoreError> {
    let rows = shared.parts.store.sandbox_list(run).await?;
    Ok(rows.iter().any(|row| row.purpose == Purpose::Agent && row.handle.is_some()))
}

/// Saves a lost run's work. When that has failed too often the run shall end all the same: its volume keeps the work, and
/// the next run goes on with it.
pub(crate) async fn save_or_keep(shared: &Arc<Shared>, run: &Run, project: &Project) -> Result<Saved, RaiseError> {
    let error = match save(shared, run, project).await {
        Ok(reference) => return Ok(Saved { reference, whole: true, problem: None }),
        Err(error) => error,
    };
    let again = matches!(error, RaiseError::Store(_) | RaiseError::Runner(RunnerError::Unreachable { .. }));
    if again && tries(shared, &run.id).await?.len() < TRIES {
        return Err(error);
    }
    let problem = format!(
        "Its work could not be saved ({error}); it is kept on the volume of the run {}, and the task goes on with it when it is started again.",
        run.volume
    );
    Ok(Saved { problem: Some(problem), ..Saved::default() })
}

/// The sandboxes that were made to rescue a run's work.
async fn tries(shared: &Shared, run: &RunId) -> Result<Vec<Sandbox>, StoreError> {
    let rows = shared.parts.store.sandbox_list(run).await?;
    Ok(rows.into_iter().filter(|row| row.purpose == Purpose::Rescue).collect())
}

/// Whether the work of a run that is over may be rescued again already.
pub(crate) async fn is_due(shared: &Shared, run: &RunId) -> Result<bool, StoreError> {
    let tries = tries(shared, run).await?;
    let Some(last) = tries.last() else { return Ok(true) };
    let wait = AGAIN_MS.saturating_mul(1 << (tries.len() - 1).min(16)).min(AGAIN_LIMIT_MS);
    let now = shared.now();
    // A try that is still to come was dated by a clock that has been set back since.
    Ok(now >= last.created_at.plus_ms(wait) || now < last.created_at)
}

/// Pushes what is on a run's volume to the run's saved ref; the ref, when something is there.
pub(crate) async fn save(shared: &Arc<Shared>, run: &Run, project: &Project) -> Result<Option<String>, RaiseError> {
    let volumes = shared.parts.runner.run_volumes().await?;
    let (Some(base), true) = (run.base_commit.clone(), volumes.contains(&run.volume)) else { return Ok(None) };
    let mirror = mirror::path_of(shared.data_dir(), project);
    if !mirror.is_dir() {
        // The project may be another repository by now; work is pushed all the same.
        let guard = shared.mirror_lock(&project.name);
        let _held = guard.lock().await;
        mirror::sync(shared.data_dir(), project).await.map_err(|error| failed(error.to_string()))?;
    }
    let saved_ref = run.id.saved_ref();
    let target_ref = format!("refs/heads/{}", run.target);
    let plan = Plan {
        run: run.id.clone(),
        purpose: Purpose::Rescue,
        project: project.clone(),
        volume: SandboxVolume::OfRun(run.volume.clone()),
        tools: vec![shared.config.supervisor.clone()],
        git: GitAccess {
            mirror: mirror.clone(),
            visible: vec![target_ref.clone(), format!("refs/heads/{}", run.branch), saved_ref.clone()],
            writable: vec![saved_ref.clone()],
            max_pack_bytes: project.limits.disk_bytes,
        },
        reach: Reach::default(),
    };
    let raised = sandbox::raise(shared, plan, |id| Orders {
        sandbox: id.clone(),
        run: run.id.clone(),
        purpose: Purpose::Rescue,
        git: GitOrders {
            commit: base.clone(),
            fetch_ref: target_ref,
            base,
            branch: Some(run.branch.clone()),
            saved_ref: Some(saved_ref.clone()),
            keep_workspace: true,
            user_name: "Strawboss".to_owned(),
            user_email: "strawboss@localhost".to_owned(),
            message: "Work in progress, saved when the run was lost".to_owned(),
        },
        setup: Vec::new(),
        checks: Vec::new(),
        agent: None,
        env: std::collections::BTreeMap::new(),
        proxy: false,
        timeout_ms: u64::try_from(LIMIT.as_millis()).unwrap_or(u64::MAX),
        disk_bytes: project.limits.disk_bytes,
        terminal: (120, 36),
    })
    .await;
    let raised = match raised {
        Ok(raised) => raised,
        Err(RaiseError::Ended(why)) => {
            lower(shared, &run.id).await?;
            return Err(failed(why));
        }
        Err(error) => return Err(error),
    };
    let over = tokio::time::timeout(LIMIT, sandbox::until_over(shared, &raised)).await;
    let progress = raised.present.progress();
    lower(shared, &run.id).await?;
    match over {
        Ok(Over::End(End::Complete { .. })) if progress.pushed.is_empty() => Ok(None),
        Ok(Over::End(End::Complete { .. })) => {
            let saved = confirm(&mirror, &progress, run, &[&saved_ref]).await.map_err(|error| failed(error.to_string()))?;
            saved.reference.map(Some).ok_or_else(|| failed("what it pushed is not in the mirror".to_owned()))
        }
        Ok(Over::End(end)) => Err(failed(format!("{end:?}"))),
        Ok(Over::Lost(why)) => Err(failed(why)),
        Err(_) => Err(failed(format!("it took longer than {} seconds", LIMIT.as_secs()))),
    }
}

fn failed(why: String) -> RaiseError {
    // Tried again as long as it takes: the volume stays until its work is pushed.
    RaiseError::Runner(RunnerError::Unreachable { what: "saving a lost run's work".to_owned(), why })
}

async fn lower(shared: &Shared, run: &RunId) -> Result<(), RaiseError> {
    for row in shared.parts.store.sandbox_list(run).await?.iter().filter(|row| row.purpose == Purpose::Rescue && !row.removed) {
        sandbox::lower(shared, &row.id).await?;
    }
    Ok(())
}

/// A volume that nothing will go on with.
pub(crate) struct Released {
    pub(crate) volume: RunId,
    /// The last run that worked on it and whose work is not saved yet.
    pub(crate) unsaved: Option<Run>,
}

/// Lets a run's volume go when nothing will go on with it: its task is over, or has moved on to another volume. Work that
/// is in no ref is rescued first, by reconciliation.
pub(crate) async fn release_volume(shared: &Shared, id: &RunId) {
    let found = async {
        let Some(run) = shared.parts.store.run(id).await? else { return Ok::<_, StoreError>(None) };
        let released = releasable(shared, &run.volume).await?;
        match released {
            Some(Released { unsaved: None, .. }) if retention::keeps_workspace(shared, &run.volume).await? => Ok(None),
            released => Ok(released),
        }
    };
    match found.await {
        Ok(Some(Released { unsaved: Some(_), .. })) => shared.left_behind.notify_one(),
        Ok(Some(Released { volume, unsaved: None })) => remove(shared, &volume).await,
        Ok(None) => {}
        Err(error) => tracing::warn!(run.id = %id, error = %error, "whether a volume may go could not be found out now"),
    }
}

/// Removes a volume whose work is saved; what cannot go now is tried again.
pub(crate) async fn remove(shared: &Shared, volume: &RunId) {
    if let Err(why) = try_remove(shared, volume).await {
        tracing::warn!(run.id = %volume, why, "a volume could not be removed now; it is tried again");
        shared.left_behind.notify_one();
    }
}

/// The same, once. The volume goes last: as long as it is there, the rest is found again.
pub(crate) async fn try_remove(shared: &Shared, volume: &RunId) -> Result<(), String> {
    forget_session(shared, volume).await?;
    shared.parts.runner.run_volume_remove(volume).await.map_err(|error| error.to_string())
}

/// What was printed in a session that is deleted may have been meant for few, and is of no use to anybody. One that goes
/// on elsewhere keeps it.
async fn forget_session(shared: &Shared, volume: &RunId) -> Result<(), String> {
    let found = async {
        let Some(task) = shared.parts.store.task(&volume.task()).await? else { return Ok(Vec::new()) };
        if !task.state.is_over() {
            return Ok(Vec::new());
        }
        let mut runs = shared.parts.store.run_list(&task.id).await?;
        runs.retain(|run| run.session);
        Ok::<_, StoreError>(runs)
    };
    for run in found.await.map_err(|error| error.to_string())? {
        let folder = shared.data_dir().join("runs").join(run.id.as_str());
        match tokio::fs::remove_dir_all(&folder).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("the recording {} could not be removed: {error}", folder.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The volume that is named after this run, if nothing will go on with it.
pub(crate) async fn releasable(shared: &Shared, volume: &RunId) -> Result<Option<Released>, StoreError> {
    let Some(task) = shared.parts.store.task(&volume.task()).await? else { return Ok(None) };
    let mut runs = shared.parts.store.run_list(&task.id).await?;
    let goes_on = match &task.state {
        TaskState::Done | TaskState::Cancelled => false,
        // A task in review may be sent back, a blocked or paused one resumed: each goes on with its last run's volume.
        _ => {
            let last = task.resume.as_ref().map(|resume| &resume.run).or(task.run.as_ref());
            runs.iter().any(|run| Some(&run.id) == last && run.volume == *volume)
        }
    };
    runs.retain(|run| run.volume == *volume);
    if goes_on || runs.is_empty() || runs.iter().any(Run::is_live) {
        return Ok(None);
    }
    // The last one that worked on it: what an earlier one pushed says nothing of what was done since.
    while let Some(run) = runs.pop() {
        if has_begun(shared, &run.id).await? {
            let unsaved = (!run.work_saved).then_some(run);
            return Ok(Some(Released { volume: volume.clone(), unsaved }));
        }
    }
    Ok(Some(Released { volume: volume.clone(), unsaved: None }))
}
