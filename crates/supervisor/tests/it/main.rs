//! The real program against a small control plane.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod claude;
mod faults;
mod first;
mod git;
mod orders;
mod plane;
mod shell;
