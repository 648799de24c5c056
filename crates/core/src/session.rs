//! Sessions that are shells in sandboxes of their own: what a person who opens one says of it.

use crate::SessionId;
use serde::{Deserialize, Serialize};

/// A shell that a person opened in a sandbox of its own.
///
/// It is kept as a task with runs, so that all that holds for these holds for it: one live run, a volume that stays until
/// its work is in a ref, a door, and that a restart finds it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellSession {
    /// What it is asked for by; unique among the sessions that are not deleted.
    pub name: SessionId,
    /// Who opened it: an account's name, or what stands for a token.
    pub owner: String,
    /// Whether only its owner and admins may attach to it.
    pub private: bool,
    /// The image; none: its project's.
    pub image: Option<String>,
    /// What runs in it, by `sh -c`; none: a shell.
    pub command: Option<String>,
}
