//! Nothing that was not pushed is ever destroyed: saves a lost run's work from its volume, and lets volumes go.

use crate::git::mirror;
use crate::link::{GitAccess, Reach};
use crate::sandbox::{self, Over, Plan, RaiseError};
use crate::shared::Shared;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::project::Project;
use strawboss_core::run::Run;
use strawboss_core::runner::{Purpose, RunnerError, SandboxVolume};
use strawboss_core::{RunId, TaskState};
use strawboss_protocol::supervisor::{End, GitOrders, Orders};

/// How long a rescue may take.
const LIMIT: Duration = Duration::from_mins(10);

/// Pushes what is on a run's volume to the run's saved ref; the ref, when something is there.
pub(crate) async fn save(shared: &Arc<Shared>, run: Run, project: &Project) -> Result<Option<String>, RaiseError> {
    let volumes = shared.parts.runner.run_volumes().await?;
    let mirror = mirror::path_of(shared.data_dir(), project);
    let (Some(base), true, true) = (run.base_commit.clone(), volumes.contains(&run.volume), mirror.is_dir()) else {
        return Ok(None);
    };
    let saved_ref = run.id.saved_ref();
    let target_ref = format!("refs/heads/{}", run.target);
    let plan = Plan {
        run: run.id.clone(),
        purpose: Purpose::Rescue,
        project: project.clone(),
        volume: SandboxVolume::OfRun(run.volume.clone()),
        tools: vec![shared.config.supervisor.clone()],
        git: GitAccess {
            mirror,
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
    let pushed = raised.present.progress().pushed.contains_key(&saved_ref);
    lower(shared, &run.id).await?;
    match over {
        Ok(Over::End(End::Complete { .. })) => Ok(pushed.then_some(saved_ref)),
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

/// Whether what a run did is in a ref, or it never began.
pub(crate) fn is_saved(run: &Run) -> bool {
    run.base_commit.is_none() || run.head_commit.is_some() || run.saved_ref.is_some()
}

/// Lets a run's volume go when nothing will go on with it: its task is over, or has moved on to another volume. What was
/// never pushed is left to reconciliation, which saves it first.
pub(crate) async fn release_volume(shared: &Shared, id: &RunId) {
    match shared.parts.store.run(id).await {
        Ok(Some(run)) if !is_saved(&run) => {
            if !matches!(releasable(shared, id).await, Ok(None)) {
                shared.left_behind.notify_one();
            }
        }
        _ => let_go(shared, id).await,
    }
}

/// The same, whatever is on it.
pub(crate) async fn let_go(shared: &Shared, id: &RunId) {
    match releasable(shared, id).await {
        Ok(Some(volume)) => {
            if let Err(error) = shared.parts.runner.run_volume_remove(&volume).await {
                tracing::warn!(run.id = %volume, error = %error, "a volume could not be removed now; it is tried again");
                shared.left_behind.notify_one();
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(run.id = %id, error = %error, "whether a volume may go could not be found out now"),
    }
}

/// The volume of this run, if it may go.
pub(crate) async fn releasable(shared: &Shared, id: &RunId) -> Result<Option<RunId>, strawboss_core::store::StoreError> {
    let Some(run) = shared.parts.store.run(id).await? else { return Ok(None) };
    let Some(task) = shared.parts.store.task(&run.task).await? else { return Ok(None) };
    if run.is_live() {
        return Ok(None);
    }
    let goes_on = match &task.state {
        TaskState::Done | TaskState::Cancelled => false,
        // A task in review may be sent back, a blocked or paused one resumed: each goes on with its last run's volume.
        _ => {
            let last = match task.resume.as_ref().map(|resume| &resume.run).or(task.run.as_ref()) {
                Some(last) => shared.parts.store.run(last).await?,
                None => None,
            };
            last.is_some_and(|last| last.volume == run.volume)
        }
    };
    Ok((!goes_on).then_some(run.volume))
}
