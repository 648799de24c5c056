//! What people tell sessions in sandboxes.

use super::ask::{all, find, open, owned};
use super::{NO_PROJECT, Visitor};
use crate::commands::blank_task;
use crate::drive;
use crate::engine::Engine;
use crate::error::Refused;
use crate::git::{Git, mirror};
use crate::rescue;
use crate::shared::Shared;
use std::time::Duration;
use strawboss_core::run::StopReason;
use strawboss_core::session::ShellSession;
use strawboss_core::store::ChangeSet;
use strawboss_core::task::Task;
use strawboss_core::terminals::MAX_COMMAND_BYTES;
use strawboss_core::{ProjectName, Run, SessionId, TaskId, TaskState};
use strawboss_protocol::api::{RemovedSession, SessionView};

/// The longest name of an image, in bytes.
const IMAGE_BYTES: usize = 255;
/// How long whoever deletes a session waits for its work to be saved and its volume to go.
const REMOVE_WAIT: Duration = Duration::from_secs(20);
/// How often it is looked whether that is so.
const LOOK: Duration = Duration::from_millis(100);
/// What the keys of sessions begin with.
const KEYS: &str = "session";

/// A session in a sandbox, to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShell {
    /// What it is asked for by.
    pub name: SessionId,
    /// The project whose repository is cloned; none: an empty folder.
    pub project: Option<String>,
    /// The image; none: the project's.
    pub image: Option<String>,
    /// What runs in it; none: a shell.
    pub command: Option<String>,
    /// Whether only its owner and admins may attach to it.
    pub private: bool,
}

fn checked_image(image: &str) -> Result<String, Refused> {
    let image = image.trim();
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b);
    if image.len() <= IMAGE_BYTES && image.bytes().all(sound) && image.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(image.to_owned());
    }
    Err(Refused::invalid("That is no image's name.", "Write it as `docker pull` takes it: `debian:12`."))
}

fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn is_open(task: &Task) -> bool {
    matches!(task.state, TaskState::Queued | TaskState::Running)
}

impl Shared {
    /// Whether another session may be open.
    async fn has_room(&self) -> Result<(), Refused> {
        let most = self.config.shells.most;
        let open = all(self).await?.iter().filter(|task| is_open(task)).count();
        if open < most as usize {
            return Ok(());
        }
        Err(match most {
            0 => Refused::conflict(
                "Sessions in containers are not served here.",
                "Whoever runs this service can allow them with `sessions: { containers: { max: 8 } }` in strawboss.yaml.",
            ),
            most => Refused::conflict(
                format!("{most} sessions in containers are open, as many as `sessions.containers.max` allows."),
                "Stop or delete one: `strawboss session list` shows them.",
            ),
        })
    }

    /// The project that a new session is of.
    fn project_of_new(&self, name: Option<&str>, has_image: bool) -> Result<ProjectName, Refused> {
        let Some(name) = name else {
            if has_image {
                return ProjectName::parse(NO_PROJECT).map_err(|error| Refused::Internal(error.to_string()));
            }
            return Err(Refused::invalid("A session in a container needs a project or an image.", "Name one of both."));
        };
        let catalog = self.catalog();
        let wanted =
            |project: &&strawboss_core::Project| project.name.as_str() == name.trim() || project.name.slug() == name.trim();
        let project = catalog.projects.values().find(wanted).ok_or_else(|| {
            let shown = name.chars().take(80).collect::<String>();
            Refused::invalid(
                format!("There is no project `{}`.", shown.escape_debug()),
                "See the configured ones with `strawboss project list`.",
            )
        })?;
        match &project.unusable {
            Some(unusable) => Err(Refused::conflict(unusable.message.clone(), unusable.fix.clone())),
            None => Ok(project.name.clone()),
        }
    }
}

impl Engine {
    /// Opens a session in a sandbox of its own. It is there at once, and starts by itself.
    pub async fn shell_create(&self, new: NewShell, who: &Visitor) -> Result<SessionView, Refused> {
        let shared = &self.shared;
        let image = said(new.image).map(|image| checked_image(&image)).transpose()?;
        let command = said(new.command);
        if command.as_ref().is_some_and(|command| command.len() > MAX_COMMAND_BYTES || command.contains('\0')) {
            return Err(Refused::invalid(format!("A command has {MAX_COMMAND_BYTES} bytes at most."), "Put it into a script."));
        }
        let project = shared.project_of_new(said(new.project).as_deref(), image.is_some())?;
        let taken =
            || Refused::conflict(format!("There is a session `{}` already.", new.name), "Attach to it, or choose another name.");
        if self.has_host_sessions() && self.host_session_list().await?.iter().any(|host| host.id == new.name) {
            return Err(taken());
        }
        let number = shared.parts.store.task_numbers_next(KEYS, 1).await?;
        let id = TaskId::parse(&format!("{KEYS}-{number}")).map_err(|error| Refused::Internal(error.to_string()))?;
        let action = format!("Work in progress of the session {}", new.name);
        let session = ShellSession { name: new.name.clone(), owner: who.name.clone(), private: new.private, image, command };
        let task = Task { state: TaskState::Queued, session: Some(session), ..blank_task(id, project, action, shared.now()) };
        let writer = shared.write().await;
        if find(shared, &new.name).await?.is_some() {
            return Err(taken());
        }
        shared.has_room().await?;
        writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await?;
        drop(writer);
        tracing::info!(session.id = %new.name, owner = who.name, "a session in a container is opened");
        self.shell(&new.name, who).await
    }

    /// Starts a session that was stopped, on its volume.
    pub async fn shell_start(&self, name: &SessionId, who: &Visitor) -> Result<SessionView, Refused> {
        let shared = &self.shared;
        let writer = shared.write().await;
        let mut task = open(shared, name, who).await?;
        if !is_open(&task) {
            shared.has_room().await?;
            task.queue(shared.now())?;
            task.machinery_failures = 0;
            // It failed before it was stopped: what is on its volume goes on all the same.
            let last = task.run.clone().map(|run| strawboss_core::task::Resume { run, comment: None });
            task.resume = task.resume.or(last);
            writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await?;
        }
        drop(writer);
        self.shell(name, who).await
    }

    /// Stops a session: what is on its volume is saved, and the volume stays.
    pub async fn shell_stop(&self, name: &SessionId, who: &Visitor) -> Result<SessionView, Refused> {
        let shared = &self.shared;
        // Whether it runs is sure only while nobody else changes it.
        let writer = shared.write().await;
        let mut task = open(shared, name, who).await?;
        match (&task.run, task.state) {
            (Some(run), TaskState::Running) => drive::request_stop_held(shared, writer, run, StopReason::Person).await?,
            (_, TaskState::Queued) => {
                task.pause(None, shared.now())?;
                writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await?;
            }
            _ => drop(writer),
        }
        self.shell(name, who).await
    }

    /// Deletes a session. What its project does not have of what is on its volume is saved to a ref before that goes.
    pub async fn shell_remove(&self, name: &SessionId, who: &Visitor) -> Result<RemovedSession, Refused> {
        let shared = &self.shared;
        let writer = shared.write().await;
        let mut task = find(shared, name).await?.ok_or_else(|| Refused::not_found("session", name))?;
        owned(&task, who)?;
        let id = task.id.clone();
        let run = match &task.run {
            Some(run) => shared.parts.store.run(run).await?,
            None => None,
        };
        if let Some(mut run) = run.filter(Run::is_live) {
            // Also where it was asked to stop before: it shall not stay now.
            run.stop_requested = Some(StopReason::Withdrawn);
            let live = run.id.clone();
            writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
            drop(writer);
            shared.wake(&live);
        } else {
            task.cancel(shared.now())?;
            let last = task.run.clone();
            writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await?;
            drop(writer);
            if let Some(run) = last {
                rescue::release_volume(shared, &run).await;
            }
        }
        tracing::info!(session.id = %name, by = who.name, "a session in a container is deleted");
        let gone = async {
            while !self.is_gone(&id).await? {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, Refused>(())
        };
        let gone = match tokio::time::timeout(REMOVE_WAIT, gone).await {
            Ok(gone) => gone.map(|()| true)?,
            Err(_) => false,
        };
        let (saved_ref, repository) = self.left_of(&id).await?.unzip();
        Ok(RemovedSession { id: name.to_string(), gone, saved_ref, repository })
    }

    async fn is_gone(&self, id: &TaskId) -> Result<bool, Refused> {
        let shared = &self.shared;
        let over = shared.parts.store.task(id).await?.is_none_or(|task| task.state.is_over());
        Ok(over && !shared.parts.runner.run_volumes().await?.iter().any(|volume| volume.task() == *id))
    }

    /// The ref that holds what a session left, and the repository that has it; none when it is no more than it began with.
    async fn left_of(&self, id: &TaskId) -> Result<Option<(String, String)>, Refused> {
        let shared = &self.shared;
        let runs = shared.parts.store.run_list(id).await?;
        let Some((run, saved)) = runs.iter().rev().find_map(|run| run.saved_ref.clone().map(|saved| (run, saved))) else {
            return Ok(None);
        };
        let Some(project) = shared.project(&run.project) else { return Ok(None) };
        let mirror = mirror::path_of(shared.data_dir(), &project);
        let commit = Git::at(&mirror).commit(&saved).await.map_err(|error| Refused::Internal(error.to_string()))?;
        Ok((commit.is_some() && commit != run.base_commit).then(|| (saved, mirror.display().to_string())))
    }
}
