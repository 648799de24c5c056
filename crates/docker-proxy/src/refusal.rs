//! What was refused, by which rule, and why: the one word that a caller gets instead of the engine's.

use http::StatusCode;
use std::fmt;

/// As much of a caller's text as is repeated to it and to the log.
const QUOTED_MAX: usize = 120;

/// A request that does not pass. Holds names of keys, never values of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The row of docs/deploy/docker-proxy.md.
    pub(crate) rule: &'static str,
    pub(crate) why: String,
}

impl Refusal {
    pub(crate) fn new(rule: &'static str, why: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, rule, why: why.into() }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (rule `{}`)", self.why, self.rule)
    }
}

/// A caller's text, safe to repeat.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", short.escape_debug())
}
