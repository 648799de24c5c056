//! Drives a run from its row to its end.
//!
//! A run's state and its sandboxes' reports say what comes next, so a driver may be ended at any point and another one
//! goes on from what is stored. Each live run has exactly one driver.

mod agent;
mod checks;
mod ending;

pub(crate) use agent::{note_stop, request_stop, request_stop_held};
pub(crate) use checks::{Subject, run as run_checks};
pub(crate) use ending::{clean, row_blocked};

use crate::sandbox::RaiseError;
use crate::shared::{Shared, lock};
use crate::shells;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::project::Project;
use strawboss_core::run::{Run, RunStepError};
use strawboss_core::runner::RunnerError;
use strawboss_core::store::StoreError;
use strawboss_core::task::Task;
use strawboss_core::{RunId, RunState, TransitionError};
use tokio::sync::Notify;

/// Why a step of a run did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The world does not answer now; the same step is tried again.
    #[error("{0}")]
    Later(String),
    /// The machinery failed; the task is tried again with a new run.
    #[error("{0}")]
    Machinery(String),
    /// A person must change something.
    #[error("{}", .0.message)]
    Person(strawboss_core::BlockReason),
    /// A defect: a transition that its own state forbids.
    #[error("{0}")]
    Defect(String),
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } | StoreError::Unavailable { .. } => Self::Later(error.to_string()),
            _ => Self::Defect(error.to_string()),
        }
    }
}

impl From<TransitionError> for StepError {
    fn from(error: TransitionError) -> Self {
        Self::Defect(error.to_string())
    }
}

impl From<RunStepError> for StepError {
    fn from(error: RunStepError) -> Self {
        Self::Defect(error.to_string())
    }
}

impl From<RaiseError> for StepError {
    fn from(error: RaiseError) -> Self {
        match error {
            RaiseError::Runner(RunnerError::Unreachable { .. }) => Self::Later(error.to_string()),
            RaiseError::Runner(RunnerError::Image { ref fix, .. }) => Self::Person(strawboss_core::BlockReason::new(
                strawboss_core::BlockCode::ImageUnusable,
                error.to_string(),
                fix.clone(),
            )),
            RaiseError::Store(error) => error.into(),
            RaiseError::Recording(ref why) if why.kind() == std::io::ErrorKind::StorageFull => Self::Later(error.to_string()),
            RaiseError::Runner(_) | RaiseError::Door(_) | RaiseError::Recording(_) | RaiseError::Ended(_) => {
                Self::Machinery(error.to_string())
            }
        }
    }
}

/// A run with what it belongs to.
struct Work {
    run: Run,
    task: Task,
    project: Project,
}

/// Starts a driver for a run, unless it has one.
pub(crate) fn spawn(shared: &Arc<Shared>, id: &RunId) {
    let wake = Arc::new(Notify::new());
    {
        let mut driven = lock(&shared.driven);
        if driven.contains_key(id) {
            return;
        }
        driven.insert(id.clone(), Arc::clone(&wake));
    }
    let driven = Driven { shared: Arc::clone(shared), id: id.clone() };
    shared.tracker.spawn(async move {
        let Driven { shared, id } = &driven;
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = drive(shared, id, &wake) => {}
        }
    });
}

/// A run with a driver. However that ends, the run may be given another.
struct Driven {
    shared: Arc<Shared>,
    id: RunId,
}

impl Drop for Driven {
    fn drop(&mut self) {
        lock(&self.shared.driven).remove(&self.id);
        self.shared.nudge.notify_one();
    }
}

async fn drive(shared: &Arc<Shared>, id: &RunId, wake: &Notify) {
    let mut wait = shared.config.backoff;
    loop {
        match Box::pin(step(shared, id, wake)).await {
            Ok(true) => wait = shared.config.backoff,
            Ok(false) => return,
            Err(StepError::Later(why)) => {
                tracing::warn!(run.id = %id, why, "a step of a run is tried again");
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = wake.notified() => {}
                }
                wait = (wait * 2).min(Duration::from_secs(30));
            }
            Err(error) => {
                if let Err(again) = ending::give_up(shared, id, error).await {
                    tracing::error!(run.id = %id, error = %again, "a run cannot be ended now; trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(30));
                }
            }
        }
    }
}

/// Does the next thing; false when the run is over.
async fn step(shared: &Arc<Shared>, id: &RunId, wake: &Notify) -> Result<bool, StepError> {
    let Some(run) = shared.parts.store.run(id).await? else { return Ok(false) };
    if !run.is_live() {
        ending::clean(shared, id).await;
        return Ok(false);
    }
    let Some(task) = shared.parts.store.task(&run.task).await? else {
        return Err(StepError::Defect(format!("its task {} is not there", run.task)));
    };
    let Some(project) = shared.project(&run.project) else {
        return Err(StepError::Machinery(format!("the project `{}` is no longer configured", run.project)));
    };
    let project = match &task.session {
        Some(session) => shells::of_session(session, project),
        None => project,
    };
    let work = Work { run, task, project };
    match work.run.state {
        RunState::Checking => checks::step(shared, work, wake).await?,
        _ => Box::pin(agent::step(shared, work, wake)).await?,
    }
    Ok(true)
}

/// Does `work` until the run is asked to stop. What was being done is dropped then, and with it every lock that it held:
/// ending the run must not wait for it. `None`: it is to stop.
async fn unless_stopped<T>(
    shared: &Shared,
    run: &RunId,
    wake: &Notify,
    work: impl Future<Output = T>,
) -> Result<Option<T>, StoreError> {
    let asked = async {
        loop {
            wake.notified().await;
            if shared.parts.store.run(run).await?.is_some_and(|run| run.stop_requested.is_some()) {
                return Ok(());
            }
        }
    };
    tokio::select! {
        done = work => Ok(Some(done)),
        asked = asked => asked.map(|()| None),
    }
}
