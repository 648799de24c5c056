//! One file a measurement. Each gives rows, bounds its loops, and says on stderr what it is at.

pub(crate) mod decisions;
pub(crate) mod gateway;
pub(crate) mod idle;
pub(crate) mod repository;
pub(crate) mod start;
pub(crate) mod system;
pub(crate) mod terminal;

use std::time::{Duration, Instant};

/// Says what is being measured now.
macro_rules! say {
    ($($words:tt)*) => { eprintln!("bench: {}", format_args!($($words)*)) };
}
pub(crate) use say;

/// How much to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Only whether it works.
    pub(crate) quick: bool,
}

impl Size {
    /// One of two.
    pub(crate) fn of<T>(self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How long something took, in milliseconds, and what it gave.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let made = work();
    (ms(began.elapsed()), made)
}

/// Whether a Docker engine answers and has the sandboxes' image.
pub(crate) fn docker_image() -> Option<String> {
    let image = "strawboss/sandbox:latest";
    let found = std::process::Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", image]).output();
    found.is_ok_and(|found| found.status.success()).then(|| image.to_owned())
}
