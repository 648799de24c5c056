//! What a token or an account allows, as it is named on the command line.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scope {
    /// May look
    Read,
    /// May also steer tasks, runs, reviews and sessions in containers
    Write,
    /// May also make accounts and tokens, and use the host's sessions
    Admin,
}

impl Scope {
    /// The API's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}
