//! Points at which tests end the program, as a crash would: nothing is flushed, nothing is cleaned.
//!
//! Only builds with debug assertions have them. `STRAWBOSS_CRASH_AT` names the point, `STRAWBOSS_CRASH_ONCE` a file that is
//! made first, so that the program crashes there only once.

/// Ends the program here when a test asked for it.
pub(crate) fn point(name: &str) {
    if !cfg!(debug_assertions) || std::env::var_os("STRAWBOSS_CRASH_AT").is_none_or(|at| at != name) {
        return;
    }
    let Some(marker) = std::env::var_os("STRAWBOSS_CRASH_ONCE") else { return };
    if std::fs::OpenOptions::new().write(true).create_new(true).open(marker).is_ok() {
        std::process::abort();
    }
}
