//! The Docker runner against a real engine: what a sandbox's wall holds, and that each call converges when repeated.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod calls;
mod doors;
mod engine;
mod lab;
/// The runner dials the engine itself. The tests of the proxy run the same suites with one between the two.
mod line {
    pub(crate) const LISTS_TOOLS: bool = true;

    pub(crate) struct Line {
        pub(crate) host: String,
    }

    pub(crate) fn open(_dir: &std::path::Path) -> Line {
        Line { host: super::lab::host() }
    }
}
mod volumes;
mod wall;

use std::time::Duration;
use strawboss_core::runner::SandboxStatus;

const GRACE: Duration = Duration::from_secs(20);

fn exited(code: i64) -> SandboxStatus {
    SandboxStatus::Exited { code: Some(code), out_of_memory: false }
}
