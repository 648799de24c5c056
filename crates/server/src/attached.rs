//! A terminal that somebody looks at: of a run or of a container, from its recording on, or of the host. What the sockets
//! have in common.

use crate::auth::{Caller, Scope};
use crate::error::ApiError;
use crate::state::AppState;
use bytes::Bytes;
use strawboss_core::terminals::{HostFrame, HostTerminal};
use strawboss_core::{RunId, SessionId};
use strawboss_engine::{Refused, Viewer, ViewerFrame, Visitor};

/// Which session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Session {
    /// A run's.
    Run(RunId),
    /// A shell in a container of its own.
    Shell(SessionId),
    /// One of the host.
    Host(SessionId),
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(run) => run.fmt(f),
            Self::Shell(id) | Self::Host(id) => id.fmt(f),
        }
    }
}

impl Session {
    /// Which one an id means: a run's has a dot; a container's goes before one of the host.
    pub(crate) async fn of(state: &AppState, text: &str) -> Result<Self, ApiError> {
        if let Ok(run) = RunId::parse(text) {
            return Ok(Self::Run(run));
        }
        let id = SessionId::parse(text).map_err(|error| ApiError::invalid(error.to_string(), "Take the id from a list."))?;
        Self::free(state, id).await
    }

    /// The one of this id that stands free of runs.
    pub(crate) async fn free(state: &AppState, id: SessionId) -> Result<Self, ApiError> {
        Ok(if state.engine.has_shell(&id).await? { Self::Shell(id) } else { Self::Host(id) })
    }

    /// What typing in it takes. Whoever may type on the host may do there whatever its user may, and so it is in a
    /// container that is none.
    pub(crate) async fn typing(&self, state: &AppState) -> Result<Scope, ApiError> {
        Ok(match self {
            Self::Run(_) => Scope::Write,
            Self::Shell(_) if state.engine.shells_have_walls().await? => Scope::Write,
            Self::Shell(_) | Self::Host(_) => Scope::Admin,
        })
    }

    /// Attaches, at a byte of a run's recording or at a window of the host's session.
    pub(crate) async fn attach(
        self,
        state: &AppState,
        caller: &Caller,
        from: Option<u64>,
        window: Option<u32>,
    ) -> Result<Attached, ApiError> {
        let typing = self.typing(state).await?;
        let view = match &self {
            Self::Shell(id) => View::Run(state.engine.shell_attach(id, &visitor(caller), from).await?),
            Self::Run(run) => View::Run(state.engine.session_attach(run, from).await?),
            Self::Host(id) => {
                caller.demand(Scope::Admin)?;
                View::Host(state.engine.host_session_attach(id, window).await?)
            }
        };
        Ok(Attached { session: self, typing, view })
    }
}

/// Who somebody is to sessions.
pub(crate) fn visitor(caller: &Caller) -> Visitor {
    Visitor::of_token(&caller.token.id, caller.may(Scope::Admin))
}

enum View {
    Run(Viewer),
    Host(Box<dyn HostTerminal>),
}

/// A session with a terminal on it. Dropping it detaches.
pub(crate) struct Attached {
    pub(crate) session: Session,
    /// What typing in it takes.
    pub(crate) typing: Scope,
    view: View,
}

/// What a terminal shows next.
pub(crate) enum Shown {
    /// Terminal bytes.
    Bytes(Bytes),
    /// Bytes were passed over; the next ones start here.
    Skipped(u64),
    /// No more will come. How what ran ended, where that is known.
    Ended { exit_code: Option<i32>, signal: Option<i32> },
}

impl Attached {
    /// The offset of the first byte that will come. The host's terminals have none before: tmux draws them anew.
    pub(crate) fn offset(&self) -> u64 {
        match &self.view {
            View::Run(viewer) => viewer.offset(),
            View::Host(_) => 0,
        }
    }

    /// Whether more than a recording is to come.
    pub(crate) fn live(&self) -> bool {
        match &self.view {
            View::Run(viewer) => viewer.live(),
            View::Host(_) => true,
        }
    }

    /// What it shows next. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Shown {
        match &mut self.view {
            View::Run(viewer) => match viewer.next().await {
                ViewerFrame::Bytes { bytes, .. } => Shown::Bytes(bytes),
                ViewerFrame::Skipped { offset } => Shown::Skipped(offset),
                ViewerFrame::Ended => Shown::Ended { exit_code: None, signal: None },
            },
            View::Host(terminal) => match terminal.next().await {
                HostFrame::Bytes(bytes) => Shown::Bytes(bytes.into()),
                HostFrame::Ended { exit_code, signal } => Shown::Ended { exit_code: Some(exit_code), signal },
            },
        }
    }

    /// Types, 64 KiB at most.
    pub(crate) fn input(&self, bytes: Bytes) -> Result<(), Refused> {
        match &self.view {
            View::Run(viewer) => viewer.input(bytes),
            View::Host(terminal) => Ok(terminal.input(bytes.into())?),
        }
    }

    /// Takes the size of a window that looks at it. Windows send theirs also to a run that has ended or is just restarting:
    /// that is no mistake of a person.
    pub(crate) fn resize(&self, cols: u16, rows: u16) -> Result<(), Refused> {
        let resized = match &self.view {
            View::Run(viewer) => viewer.resize(cols, rows),
            View::Host(terminal) => terminal.resize(cols, rows).map_err(Refused::from),
        };
        match resized {
            Err(Refused::Unavailable(why)) => {
                tracing::debug!(session.id = %self.session, why, "a viewer's size was not passed on");
                Ok(())
            }
            resized => resized,
        }
    }

    /// A line for a run's agent; on the host, a line that is typed.
    pub(crate) async fn say(&self, state: &AppState, line: &str) -> Result<(), Refused> {
        match &self.session {
            Session::Run(run) => state.engine.run_say(run, line).await,
            Session::Shell(_) | Session::Host(_) => self.input(format!("{line}\r").into()),
        }
    }
}
