//! How a command ends: exit codes, and errors that say what was tried, why it failed and what to do.

use std::fmt;
use std::process::ExitCode;

/// What the program's exit code means. docs/cli.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// It was done, and the answer is yes.
    Success,
    /// It was not done, or the answer is no: not healthy, a run that did not succeed.
    Failure,
    /// The command line or the configuration is wrong; nothing was done.
    Usage,
    /// The service, or something that it needs, does not answer.
    Unreachable,
    /// The token is missing, wrong, or does not allow it.
    Denied,
    /// There is no such thing.
    NotFound,
    /// Its state does not allow it now.
    Conflict,
    /// Interrupted by a second signal, or by Ctrl-C.
    Interrupted,
}

impl ExitStatus {
    /// Every one, with what it means, for the documentation.
    #[cfg(test)]
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (Self::Success, "It was done, and the answer is yes."),
        (
            Self::Failure,
            "It was not done, or the answer is no: `status` found the service unhealthy, `doctor` found a FAIL, the run that `run logs --follow` followed did not succeed.",
        ),
        (Self::Usage, "The command line or the configuration is wrong; nothing was done."),
        (Self::Unreachable, "The service, or something that it needs, does not answer."),
        (Self::Denied, "The token is missing, wrong, or does not allow it."),
        (Self::NotFound, "There is no such task, run, project, plan, token."),
        (Self::Conflict, "The state of what was named does not allow it now."),
        (Self::Interrupted, "Interrupted before it was done."),
    ];

    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Denied => 4,
            Self::NotFound => 5,
            Self::Conflict => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// Why a command failed, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What was tried, and why it failed.
    pub(crate) message: String,
    /// What to do.
    pub(crate) fix: Option<String>,
    /// How the program ends.
    pub(crate) status: ExitStatus,
    /// Whether the message is a finished report, with places and colours of its own.
    pub(crate) report: bool,
}

impl Failure {
    /// With [`ExitStatus::Failure`].
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), fix: None, status: ExitStatus::Failure, report: false }
    }

    /// With what to do.
    #[must_use]
    pub(crate) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Ending the program so.
    #[must_use]
    pub(crate) fn status(self, status: ExitStatus) -> Self {
        Self { status, ..self }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).status(ExitStatus::Usage)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        use crate::config::ConfigError as E;
        match error {
            E::NoFile { .. } => Self::usage(error.to_string())
                .fix("Run `strawboss init` in your repository's folder to write one, or name one with `--config`."),
            E::Unreadable { .. } => Self::usage(error.to_string()).fix("Name another file with `--config`."),
            E::Wrong(report) => Self { report: true, ..Self::usage(report.render(crate::output::style::stderr())) },
        }
    }
}

/// What went wrong with a system call, as a failure that says what was tried.
pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Failure {
    move |error| Failure::new(format!("could not {what}: {error}"))
}
