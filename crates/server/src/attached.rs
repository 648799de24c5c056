//! A terminal that somebody looks at: of a run, from its recording on, or of the host. What the sockets have in common.

use crate::auth::{Caller, Scope};
use crate::error::ApiError;
use crate::state::AppState;
use bytes::Bytes;
use strawboss_core::terminals::{HostFrame, HostTerminal};
use strawboss_core::{IdError, RunId, SessionId};
use strawboss_engine::{Refused, Viewer, ViewerFrame};

/// Which session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Session {
    /// A run's.
    Run(RunId),
    /// One of the host.
    Host(SessionId),
}

impl std::str::FromStr for Session {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        RunId::parse(text).map(Self::Run).or_else(|_| SessionId::parse(text).map(Self::Host))
    }
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(run) => run.fmt(f),
            Self::Host(id) => id.fmt(f),
        }
    }
}

impl Session {
    /// What typing in it takes. Whoever may type on the host may do there whatever its user may.
    pub(crate) fn typing(&self) -> Scope {
        match self {
            Self::Run(_) => Scope::Write,
            Self::Host(_) => Scope::Admin,
        }
    }

    /// Attaches, at a byte of a run's recording or at a window of the host's session.
    pub(crate) async fn attach(
        self,
        state: &AppState,
        caller: &Caller,
        from: Option<u64>,
        window: Option<u32>,
    ) -> Result<Attached, ApiError> {
        let view = match &self {
            Self::Run(run) => View::Run(state.engine.session_attach(run, from).await?),
            Self::Host(id) => {
                caller.demand(Scope::Admin)?;
                View::Host(state.engine.host_session_attach(id, window).await?)
            }
        };
        Ok(Attached { session: self, view })
    }
}

enum View {
    Run(Viewer),
    Host(Box<dyn HostTerminal>),
}

/// A session with a terminal on it. Dropping it detaches.
pub(crate) struct Attached {
    pub(crate) session: Session,
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
            Session::Host(_) => self.input(format!("{line}\r").into()),
        }
    }
}
