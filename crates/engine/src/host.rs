//! Sessions of the host: terminals that stand free of runs. What there is, the host itself knows; here it is looked at,
//! asked and told, and nothing of it is kept but what was seen last.

use crate::engine::Engine;
use crate::error::Refused;
use crate::shared::{Shared, lock};
use crate::views;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::project::Repository;
use strawboss_core::terminals::{HostSession, HostTerminal, HostWindow, NewHostSession, Terminals, TerminalsError};
use strawboss_core::{SessionId, Timestamp};
use strawboss_protocol::api::{SessionSource, SessionView};

/// Where the host's terminals are reached, and how often they are looked at.
#[derive(Clone)]
pub struct HostTerminals {
    /// The host.
    pub terminals: Arc<dyn Terminals>,
    /// How often it is looked what came and what went.
    pub look: Duration,
}

/// What was seen of the host last.
#[derive(Default)]
pub(crate) struct HostSeen(Mutex<Option<Vec<HostSession>>>);

impl From<TerminalsError> for Refused {
    fn from(error: TerminalsError) -> Self {
        match error {
            TerminalsError::NotFound { id } => Self::not_found("session", id),
            TerminalsError::Invalid { why } => Self::Invalid { message: why, fix: None },
            TerminalsError::Unavailable { .. } => Self::Unavailable(format!("{error}.")),
        }
    }
}

fn reach(shared: &Shared) -> Result<&HostTerminals, Refused> {
    shared.config.host.as_ref().ok_or_else(|| {
        Refused::conflict(
            "Sessions of the host are not served here.",
            "Whoever runs this service can allow them with `sessions: { tmux: true }` in strawboss.yaml.",
        )
    })
}

/// Looks at the host, and says what came and went since.
async fn look(shared: &Shared) -> Result<Vec<HostSession>, TerminalsError> {
    let Some(host) = &shared.config.host else { return Ok(Vec::new()) };
    let found = host.terminals.list().await?;
    let before = lock(&shared.host.0).replace(found.clone()).unwrap_or_default();
    let ids = |sessions: &[HostSession]| sessions.iter().map(|one| one.id.clone()).collect::<HashSet<_>>();
    let (old, new) = (ids(&before), ids(&found));
    for one in found.iter().filter(|one| !old.contains(&one.id)) {
        tracing::info!(session.id = %one.id, discovered = one.discovered, "a session of the host is there");
    }
    for gone in old.difference(&new) {
        tracing::info!(session.id = %gone, "a session of the host is gone");
    }
    Ok(found)
}

/// Looks at the host again and again, from the start on.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let Some(every) = shared.config.host.as_ref().map(|host| host.look) else { return };
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    while shared.stop.run_until_cancelled(timer.tick()).await.is_some() {
        match look(&shared).await {
            Ok(_) => failing = false,
            Err(error) => {
                // Once: it is tried again and again.
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "the host's sessions cannot be looked at");
                }
            }
        }
    }
}

impl Engine {
    /// Whether sessions of the host are served.
    pub fn has_host_sessions(&self) -> bool {
        self.shared.config.host.is_some()
    }

    /// Sessions of the host as they are now, or as they were last seen when it does not answer.
    pub async fn host_session_list(&self) -> Result<Vec<HostSession>, Refused> {
        match look(&self.shared).await {
            Ok(found) => Ok(found),
            Err(error) => match lock(&self.shared.host.0).clone() {
                Some(seen) => {
                    tracing::warn!(%error, "the host's sessions are shown as they were last seen");
                    Ok(seen)
                }
                None => Err(error.into()),
            },
        }
    }

    /// The same, as the API says them.
    pub async fn host_session_views(&self) -> Result<Vec<SessionView>, Refused> {
        let view = |one: HostSession| {
            let source = if one.discovered { SessionSource::Discovered } else { SessionSource::Made };
            SessionView {
                command: one.command,
                live: true,
                viewers: one.attached,
                project: (!one.project.is_empty()).then_some(one.project),
                ..views::session(one.id.to_string(), source, one.created_at)
            }
        };
        Ok(self.host_session_list().await?.into_iter().map(view).collect())
    }

    /// One session of the host.
    pub async fn host_session(&self, id: &SessionId) -> Result<HostSession, Refused> {
        reach(&self.shared)?;
        let found = look(&self.shared).await?.into_iter().find(|one| one.id == *id);
        found.ok_or_else(|| Refused::not_found("session", id))
    }

    /// Makes a session of the host, in the folder of the project that is named, if there is one of that name. False: one of
    /// that id was there already.
    pub async fn host_session_create(&self, id: SessionId, project: &str, command: &str) -> Result<(HostSession, bool), Refused> {
        self.host_session_begin(id, project, command, None).await
    }

    /// The same, in a folder of its own.
    pub async fn host_session_begin(
        &self,
        id: SessionId,
        project: &str,
        command: &str,
        folder: Option<PathBuf>,
    ) -> Result<(HostSession, bool), Refused> {
        let host = reach(&self.shared)?;
        if folder.as_ref().is_some_and(|folder| !folder.is_absolute() || !folder.is_dir()) {
            return Err(Refused::invalid("There is no such folder on the host.", "Write the whole path of one that is there."));
        }
        if self.has_shell(&id).await? {
            return Err(Refused::conflict(format!("There is a session `{id}` in a container."), "Choose another name."));
        }
        let new = NewHostSession {
            id,
            project: project.to_owned(),
            command: command.to_owned(),
            directory: folder.or_else(|| self.project_folder(project)),
        };
        let made = host.terminals.create(&new).await?;
        // What is seen of it is a help, not a need.
        let _ = look(&self.shared).await;
        Ok(made)
    }

    fn project_folder(&self, name: &str) -> Option<PathBuf> {
        let catalog = self.shared.catalog();
        let named = |project: &&strawboss_core::Project| project.name.as_str() == name || project.name.slug() == name;
        let project = catalog.projects.values().find(named)?;
        match &project.repository {
            Repository::Directory(folder) => Some(folder.clone()),
            Repository::Url(_) => None,
        }
    }

    /// Notes that somebody wants a session of the host kept.
    pub async fn host_session_keep(&self, id: &SessionId, project: Option<&str>) -> Result<HostSession, Refused> {
        let now: Timestamp = self.shared.now();
        Ok(reach(&self.shared)?.terminals.keep(id, project, now).await?)
    }

    /// Ends a session of the host with all that runs in it.
    pub async fn host_session_remove(&self, id: &SessionId) -> Result<(), Refused> {
        let removed = reach(&self.shared)?.terminals.remove(id).await?;
        let _ = look(&self.shared).await;
        if removed { Ok(()) } else { Err(Refused::not_found("session", id)) }
    }

    /// The windows of a session of the host.
    pub async fn host_session_windows(&self, id: &SessionId) -> Result<Vec<HostWindow>, Refused> {
        Ok(reach(&self.shared)?.terminals.windows(id).await?)
    }

    /// Attaches to a session of the host.
    pub async fn host_session_attach(&self, id: &SessionId, window: Option<u32>) -> Result<Box<dyn HostTerminal>, Refused> {
        Ok(reach(&self.shared)?.terminals.attach(id, window).await?)
    }
}
