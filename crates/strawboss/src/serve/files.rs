//! How many files may be open: each session takes a few, and the usual limit is meant for small programs.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a session takes at most: its door, its supervisor's connection, its recording, a viewer, a program that is started.
const PER_SESSION: u64 = 8;
/// What everything else takes.
const BESIDE: u64 = 256;

/// Raises the limit as far as this user may, and says when so many runs do not fit into it.
pub(super) fn allow(sessions: u32) {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => return tracing::warn!(%error, "the limit of open files cannot be read"),
    };
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, files.limit = soft, "the limit of open files cannot be raised");
            soft
        }
    };
    let wanted = u64::from(sessions) * PER_SESSION + BESIDE;
    if limit < wanted {
        tracing::warn!(
            files.limit = limit,
            files.wanted = wanted,
            "{sessions} runs at once may need more open files than this process may have: raise the hard limit (`LimitNOFILE=` of \
             a unit, `ulimits:` in Compose), or lower `runner.max_concurrent`"
        );
    }
}
