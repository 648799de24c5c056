//! A pull request on the wire.

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
