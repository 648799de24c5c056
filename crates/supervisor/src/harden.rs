//! What the process does to itself before it learns any secret.

use nix::sys::prctl;

/// Shuts processes of the same user out of this one's memory, environment and open files (`PR_SET_DUMPABLE` 0), and
/// takes in the orphans of its descendants, which PID 1 gets anyway.
pub(crate) fn harden() -> nix::Result<()> {
    prctl::set_dumpable(false)?;
    if nix::unistd::getpid().as_raw() != 1 {
        prctl::set_child_subreaper(true)?;
    }
    Ok(())
}
