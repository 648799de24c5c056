//! What is kept, what goes, and why: `GET /api/v1/retention`, `POST /api/v1/retention/apply`.

use serde::{Deserialize, Serialize};

/// What retention would remove now, or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionView {
    /// When this was found, milliseconds since 1970 UTC.
    pub at: i64,
    /// Whether it was removed; else it only would be.
    pub applied: bool,
    /// Each kind of thing.
    pub kinds: Vec<RetentionKind>,
}

/// One kind of thing that is kept for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionKind {
    /// `recordings`, `reports`, `workspaces`, `caches`, `tools`, `branches`.
    pub kind: String,
    /// What is older goes, milliseconds; none: nothing goes for its age.
    pub age_ms: Option<i64>,
    /// How large all of it may be, bytes; none: nothing goes for its size.
    pub most_bytes: Option<u64>,
    /// How many there were.
    pub count: u64,
    /// How large they were together, as far as that is known.
    pub bytes: Option<u64>,
    /// What goes, the oldest first.
    pub remove: Vec<RetentionItem>,
    /// How large that is together, as far as that is known.
    pub remove_bytes: Option<u64>,
    /// Why they could not be looked at: then nothing of them goes.
    pub problem: Option<String>,
}

/// A thing that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionItem {
    /// What it is: a run, a cache, a ref.
    pub id: String,
    /// How large it is, where that is known.
    pub bytes: Option<u64>,
    /// Since when it is of no use, milliseconds since 1970 UTC.
    pub since: i64,
    /// `age` or `size`.
    pub cause: String,
    /// Why it is still there, when it should have been removed.
    pub problem: Option<String>,
}
