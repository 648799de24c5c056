//! What hangs on a task, on the wire.

use serde::{Deserialize, Serialize};

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PullRequestView {
    /// Its number in its repository.
    pub number: u64,
    /// Where people look at it.
    pub url: String,
    /// `open`, `merged` or `closed`, as it was last seen.
    pub state: String,
}

/// A task that another one depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DependencyView {
    /// By which name the source has it.
    pub name: String,
    /// The task's key; none: there is none of that name.
    pub task: Option<String>,
}
