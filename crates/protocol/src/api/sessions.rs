//! Sessions: `/api/v1/sessions`, and what is said at `/ws/sessions/{id}`.

use serde::{Deserialize, Serialize};

/// A session that can be attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    /// Its id: the run's, or the name of one that stands free of runs.
    pub id: String,
    /// Its run; none: it stands free of runs.
    pub run: Option<String>,
    /// Where it comes from.
    pub source: SessionSource,
    /// What runs in it: an agent, or a command; empty: a shell.
    pub command: String,
    /// Whether more than a recording is to come.
    pub live: bool,
    /// People attached now.
    pub viewers: u32,
    /// Terminal bytes so far; none: nobody counts them.
    pub bytes: Option<u64>,
    /// Its project; none: it has none.
    pub project: Option<String>,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at: i64,
    /// How its container is; none: it has none of its own.
    pub state: Option<SessionState>,
    /// Why it is so, as a sentence, where there is something to say.
    pub detail: Option<String>,
    /// Its image where one was named.
    pub image: Option<String>,
    /// Who opened its container: an account's name, or what stands for a token.
    pub owner: Option<String>,
    /// Whether only its owner and admins may attach to it.
    pub private: bool,
    /// The ref of the project's mirror that holds what was on its volume when it stopped last.
    pub saved_ref: Option<String>,
}

/// Where a session comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionSource {
    /// A run has it.
    Run,
    /// It was made here, on the host.
    Made,
    /// Somebody else made it on the host.
    Discovered,
    /// It is a shell in a container of its own.
    Container,
}

/// How the container of a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Its container is being made.
    Starting,
    /// Somebody can type.
    Running,
    /// It was asked to stop; what is on its volume is being saved.
    Stopping,
    /// Its container is gone, its volume is there: it can be started again.
    Stopped,
    /// It cannot run until a person does what the detail says.
    Failed,
}

impl SessionState {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// A session to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// What it is asked for by: letters, digits, dashes and underscores, 64 at most.
    pub name: String,
    /// Where it runs.
    pub kind: NewSessionKind,
    /// The project whose repository it begins in.
    #[serde(default)]
    pub project: Option<String>,
    /// The image of a container: its project's when left out. Without a project it is needed.
    #[serde(default)]
    pub image: Option<String>,
    /// What runs in it: a shell when left out.
    #[serde(default)]
    pub command: Option<String>,
    /// Where it begins, on the host: the project's folder or the home folder when left out.
    #[serde(default)]
    pub folder: Option<String>,
    /// Whether only its owner and admins may attach to it (containers only).
    #[serde(default)]
    pub private: bool,
}

/// Where a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NewSessionKind {
    /// In a container of its own.
    Container,
    /// On the host, in its tmux.
    Host,
}

/// A session that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemovedSession {
    /// Which.
    pub id: String,
    /// Whether its container and its volume are gone; false: they go by themselves, as soon as what is on them is saved.
    pub gone: bool,
    /// The ref that holds what was on its volume; none: there was nothing that its project does not have.
    pub saved_ref: Option<String>,
    /// The repository that has that ref.
    pub repository: Option<String>,
}

/// The WebSocket subprotocol of `/ws/sessions/{id}`: who offers it speaks with the messages below. Others are taken for
/// clients of the terminal service that Strawboss replaces.
pub const SESSION_PROTOCOL: &str = "strawboss.v1";

/// Text frames of `/ws/sessions/{id}` from the server. Binary frames are terminal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionServerMessage {
    /// First: the next binary frame starts at this offset of the session's bytes.
    Ready {
        /// The session.
        session: String,
        /// The offset of the first byte that will be sent.
        offset: u64,
        /// Whether the run is live.
        live: bool,
    },
    /// Bytes were passed over (a slow viewer, a trimmed recording): the next frame starts here. Clear the screen.
    Skipped {
        /// The offset of the next byte.
        offset: u64,
    },
    /// No more bytes will come.
    Ended {},
    /// Something that was asked for was not done.
    Error {
        /// Why.
        message: String,
    },
}

/// Text frames of `/ws/sessions/{id}` from the viewer. Binary frames are terminal input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SessionClientMessage {
    /// A line for the agent.
    Say {
        /// What.
        text: String,
    },
    /// The viewer's size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
}
