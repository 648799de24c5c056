//! What people ask of sessions in sandboxes.

use super::{NO_PROJECT, Visitor};
use crate::engine::Engine;
use crate::error::Refused;
use crate::session::Viewer;
use crate::shared::Shared;
use std::time::Duration;
use strawboss_core::store::{StoreError, TaskFilter};
use strawboss_core::task::Task;
use strawboss_core::{Run, RunState, SessionId, TaskState};
use strawboss_protocol::api::{SessionSource, SessionState, SessionView};

/// How long whoever attaches waits for a session that is just being started.
const START_WAIT: Duration = Duration::from_secs(20);
/// How often it is looked whether it is there.
const LOOK: Duration = Duration::from_millis(50);

/// Sessions that are not deleted, in order of making.
pub(super) async fn all(shared: &Shared) -> Result<Vec<Task>, StoreError> {
    let states = TaskState::ALL.into_iter().filter(|state| !state.is_over()).collect();
    shared.parts.store.task_list(&TaskFilter { states, sessions: true, ..TaskFilter::default() }).await
}

/// The names of somebody's sessions that are not deleted.
pub(crate) async fn owned_by(shared: &Shared, owner: &str) -> Result<Vec<String>, StoreError> {
    let sessions = all(shared).await?.into_iter().filter_map(|task| task.session);
    Ok(sessions.filter(|session| session.owner == owner).map(|session| session.name.to_string()).collect())
}

pub(super) async fn find(shared: &Shared, name: &SessionId) -> Result<Option<Task>, StoreError> {
    Ok(all(shared).await?.into_iter().find(|task| task.session.as_ref().is_some_and(|session| session.name == *name)))
}

/// The session, if whoever asks may attach to it.
pub(super) async fn open(shared: &Shared, name: &SessionId, who: &Visitor) -> Result<Task, Refused> {
    let task = find(shared, name).await?.ok_or_else(|| Refused::not_found("session", name))?;
    match &task.session {
        Some(session) if session.private && session.owner != who.name && !who.admin => {
            Err(Refused::Forbidden(format!("The session `{name}` is private to {}.", session.owner)))
        }
        _ => Ok(task),
    }
}

/// Whether it is theirs: who deletes a session ends what others may have begun in it.
pub(super) fn owned(task: &Task, who: &Visitor) -> Result<(), Refused> {
    match &task.session {
        Some(session) if session.owner != who.name && !who.admin => Err(Refused::Forbidden(format!(
            "The session `{}` belongs to {}: only they and admins may delete it.",
            session.name, session.owner
        ))),
        _ => Ok(()),
    }
}

async fn last_run(shared: &Shared, task: &Task) -> Result<Option<Run>, StoreError> {
    match &task.run {
        Some(run) => shared.parts.store.run(run).await,
        None => Ok(None),
    }
}

fn state_of(task: &Task, run: Option<&Run>) -> SessionState {
    match (task.state, run) {
        (TaskState::Blocked, _) => SessionState::Failed,
        (TaskState::Running, Some(run)) if run.is_live() && run.stop_requested.is_some() => SessionState::Stopping,
        (TaskState::Running, Some(run)) if matches!(run.state, RunState::Starting | RunState::Preparing) => {
            SessionState::Starting
        }
        (TaskState::Running, _) => SessionState::Running,
        (TaskState::Queued | TaskState::Pending, _) => SessionState::Starting,
        _ => SessionState::Stopped,
    }
}

pub(super) async fn view(shared: &Shared, task: &Task) -> Result<Option<SessionView>, StoreError> {
    let Some(session) = &task.session else { return Ok(None) };
    let run = last_run(shared, task).await?;
    let state = state_of(task, run.as_ref());
    let counted = run.as_ref().and_then(|run| shared.hub.count(&run.id));
    let (bytes, viewers) = counted.unwrap_or_default();
    let detail = match &task.block {
        Some(block) => Some(format!("{} {}", block.message, block.fix)),
        None if state == SessionState::Running => None,
        None => run.as_ref().and_then(|run| run.outcome_detail.clone()),
    };
    Ok(Some(SessionView {
        id: session.name.to_string(),
        run: None,
        source: SessionSource::Container,
        command: session.command.clone().unwrap_or_default(),
        live: run.as_ref().is_some_and(Run::is_live) || state == SessionState::Starting,
        viewers,
        bytes: counted.map(|_| bytes),
        project: (task.project.as_str() != NO_PROJECT).then(|| task.project.to_string()),
        created_at: task.created_at.0,
        state: Some(state),
        detail,
        image: session.image.clone(),
        owner: Some(session.owner.clone()),
        private: session.private,
        saved_ref: run.and_then(|run| run.saved_ref),
    }))
}

impl Engine {
    /// Sessions in sandboxes, in order of making. Those that are private are shown to be there.
    pub async fn shell_list(&self) -> Result<Vec<SessionView>, Refused> {
        let mut views = Vec::new();
        for task in all(&self.shared).await? {
            views.extend(view(&self.shared, &task).await?);
        }
        Ok(views)
    }

    /// One, if whoever asks may attach to it.
    pub async fn shell(&self, name: &SessionId, who: &Visitor) -> Result<SessionView, Refused> {
        let task = open(&self.shared, name, who).await?;
        view(&self.shared, &task).await?.ok_or_else(|| Refused::not_found("session", name))
    }

    /// Whether there is one of that name.
    pub async fn has_shell(&self, name: &SessionId) -> Result<bool, Refused> {
        Ok(find(&self.shared, name).await?.is_some())
    }

    /// Whether sandboxes are walled off from this machine. Where they are not, a shell in one is a shell of the user that
    /// this service runs as.
    pub async fn shells_have_walls(&self) -> Result<bool, Refused> {
        Ok(self.shared.parts.runner.info().await?.isolated)
    }

    /// Attaches a viewer from an offset (or from what a newcomer should see). One that is just being started is waited for.
    pub async fn shell_attach(&self, name: &SessionId, who: &Visitor, from: Option<u64>) -> Result<Viewer, Refused> {
        let shared = &self.shared;
        let started = async {
            loop {
                let task = open(shared, name, who).await?;
                match (last_run(shared, &task).await?, task.state) {
                    (Some(run), state) if run.is_live() || state != TaskState::Queued => return Ok::<_, Refused>(run),
                    (None, state) if state != TaskState::Queued => return Err(Refused::not_found("terminal of session", name)),
                    _ => tokio::time::sleep(LOOK).await,
                }
            }
        };
        let run = match tokio::time::timeout(START_WAIT, started).await {
            Ok(run) => run?,
            Err(_) => {
                return Err(Refused::Unavailable(format!("The session `{name}` has not started yet. Try again in a moment.")));
            }
        };
        self.attach_run(&run, from).await
    }
}
