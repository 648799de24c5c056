//! The port to terminals that stand free of runs and outlive this program: sessions of a multiplexer on the host.

use crate::Timestamp;
use crate::id::SessionId;
use std::path::PathBuf;

/// The longest command that a session is started with, in bytes.
pub const MAX_COMMAND_BYTES: usize = 3000;

/// A session on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSession {
    /// What it is asked for by.
    pub id: SessionId,
    /// The project that it was made for; empty: nobody said.
    pub project: String,
    /// What it was started with, or for a discovered one what runs in it; empty: a shell.
    pub command: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something happened in it last, or it was asked to be kept.
    pub updated_at: Timestamp,
    /// Whether somebody else made it.
    pub discovered: bool,
    /// How many terminals are attached to it, by whatever way.
    pub attached: u32,
}

/// A window of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostWindow {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is the one that is shown.
    pub active: bool,
}

/// A session that shall be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHostSession {
    /// Its id.
    pub id: SessionId,
    /// The project that it is for; empty: none.
    pub project: String,
    /// A command and its arguments as a person writes them, quoted where needed. It is cut into words and started without a
    /// shell. Empty: the host's shell.
    pub command: String,
    /// Where it begins; none: at home.
    pub directory: Option<PathBuf>,
}

/// What an attached terminal shows next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostFrame {
    /// Terminal bytes, 64 KiB at most.
    Bytes(Vec<u8>),
    /// The terminal is detached or its session has ended; no more will come.
    Ended {
        /// The exit status of what was attached.
        exit_code: i32,
        /// The signal that ended it.
        signal: Option<i32>,
    },
}

/// Why a terminal of the host cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TerminalsError {
    /// There is no such session.
    #[error("there is no session `{id}`")]
    NotFound {
        /// Which.
        id: SessionId,
    },
    /// What was asked for makes no sense.
    #[error("{why}")]
    Invalid {
        /// Why.
        why: String,
    },
    /// The host's terminals do not answer now.
    #[error("{what} failed: {why}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// Why.
        why: String,
    },
}

/// Terminals of the host.
#[async_trait::async_trait]
pub trait Terminals: Send + Sync {
    /// Every session that there is, whoever made it.
    async fn list(&self) -> Result<Vec<HostSession>, TerminalsError>;
    /// Makes a session; false: one of that id is there already, and was left as it is.
    async fn create(&self, new: &NewHostSession) -> Result<(HostSession, bool), TerminalsError>;
    /// Notes that somebody wants a session kept, and for which project if that is said.
    async fn keep(&self, id: &SessionId, project: Option<&str>, now: Timestamp) -> Result<HostSession, TerminalsError>;
    /// Ends a session with everything in it; false: there is none.
    async fn remove(&self, id: &SessionId) -> Result<bool, TerminalsError>;
    /// A session's windows.
    async fn windows(&self, id: &SessionId) -> Result<Vec<HostWindow>, TerminalsError>;
    /// Attaches to a session, at a window or at the one that it shows.
    async fn attach(&self, id: &SessionId, window: Option<u32>) -> Result<Box<dyn HostTerminal>, TerminalsError>;
}

/// A terminal that is attached to a session of the host. Dropping it detaches; the session goes on.
#[async_trait::async_trait]
pub trait HostTerminal: Send + Sync {
    /// What it shows next. Cancel-safe.
    async fn next(&mut self) -> HostFrame;
    /// Types.
    fn input(&self, bytes: Vec<u8>) -> Result<(), TerminalsError>;
    /// Takes another size, of 1 to 1000 columns and rows.
    fn resize(&self, cols: u16, rows: u16) -> Result<(), TerminalsError>;
}
