//! What goes wrong, on standard error, for whoever reads the sandbox's log.

use std::io::Write as _;

/// Writes one line. Nobody may be there to read it any more, which is no reason to end (`eprintln!` would).
pub(crate) fn complain(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "strawboss-supervisor: {text}");
}
