//! The control channel between a supervisor and the engine, as frames: the server carries them over a WebSocket.

use bytes::Bytes;
use tokio::sync::mpsc;

/// A frame from the supervisor. The carrier enforces the protocol's frame sizes before it passes one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromLink {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Bytes),
}

/// A frame to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLink {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Bytes),
}

/// One connection of a supervisor. The carrier moves frames both ways until either side ends: when `outgoing` is closed,
/// it closes the socket; when the socket closes, it drops `incoming`.
#[derive(Debug)]
pub struct SupervisorLink {
    /// Frames from the supervisor go in here.
    pub incoming: mpsc::Sender<FromLink>,
    /// Frames to the supervisor come out here.
    pub outgoing: mpsc::Receiver<ToLink>,
}

/// What a sandbox may do with its mirror, enforced by whoever serves git to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitAccess {
    /// The bare repository.
    pub mirror: std::path::PathBuf,
    /// Refs that it may see: full names. Everything else is hidden.
    pub visible: Vec<String>,
    /// Refs that it may create or move: full names. Never delete.
    pub writable: Vec<String>,
    /// The largest pack that is taken, in bytes.
    pub max_pack_bytes: u64,
}

/// What a sandbox may reach beyond git and control.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// The providers whose gateway it may use, by name; empty: none (checks, rescue).
    pub providers: Vec<String>,
    /// Host names and presets that it may reach through the proxy; empty: none.
    pub allow: Vec<String>,
    /// `host:port` that it may reach although its address is private.
    pub internal: Vec<String>,
    /// Whether an agent is in it, which may ask for its task and tell of it.
    pub has_agent: bool,
}
