//! Why the engine did not do what it was asked to.

use strawboss_core::run::RunStepError;
use strawboss_core::runner::RunnerError;
use strawboss_core::store::StoreError;
use strawboss_core::{BlockReason, TransitionError};

/// A command or a query that was not carried out. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// There is no such thing.
    #[error("there is no {what} `{id}`")]
    NotFound {
        /// `task`, `run`, `project`, …
        what: &'static str,
        /// What was asked for.
        id: String,
    },
    /// Its state does not allow it now.
    #[error("{message}")]
    Conflict {
        /// What was tried and why it failed.
        message: String,
        /// What to do.
        fix: Option<String>,
    },
    /// What was asked makes no sense.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// What to do.
        fix: Option<String>,
    },
    /// The credentials do not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// Something it needs does not answer now; try again.
    #[error("{0}")]
    Unavailable(String),
    /// A defect or damage; the text is for the log, not for strangers.
    #[error("{0}")]
    Internal(String),
}

impl Refused {
    /// A [`Refused::NotFound`].
    pub fn not_found(what: &'static str, id: impl std::fmt::Display) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    /// A [`Refused::Invalid`] with what to do.
    pub fn invalid(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), fix: Some(fix.into()) }
    }

    /// A [`Refused::Conflict`] with what to do.
    pub fn conflict(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Conflict { message: message.into(), fix: Some(fix.into()) }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Conflict { message: error.to_string(), fix: Some("Try again.".to_owned()) },
            StoreError::LiveRunExists { .. } => Self::Conflict { message: error.to_string(), fix: None },
            StoreError::Unavailable { .. } => Self::Unavailable(error.to_string()),
            StoreError::Refused { .. } => Self::Invalid { message: error.to_string(), fix: None },
            StoreError::Corrupt { .. } => Self::Internal(error.to_string()),
        }
    }
}

impl From<TransitionError> for Refused {
    fn from(error: TransitionError) -> Self {
        Self::Conflict { message: error.to_string(), fix: None }
    }
}

impl From<RunStepError> for Refused {
    fn from(error: RunStepError) -> Self {
        Self::Conflict { message: error.to_string(), fix: None }
    }
}

impl From<RunnerError> for Refused {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Unreachable { .. } => Self::Unavailable(error.to_string()),
            RunnerError::Image { .. } => Self::Conflict { message: error.to_string(), fix: None },
            RunnerError::Failed { .. } => Self::Internal(error.to_string()),
        }
    }
}

impl From<BlockReason> for Refused {
    fn from(reason: BlockReason) -> Self {
        Self::Conflict { message: reason.message, fix: Some(reason.fix) }
    }
}
