//! When a remote source is asked: at an interval with jitter, less often while it fails, and not before it allows it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The longest wait after failures, however many there were: a person who mends it should not wait for long.
const LONGEST: Duration = Duration::from_mins(10);
/// The longest that a server's own word is taken for: limits reset each hour, and a larger number is a mistake.
const LONGEST_ASKED: Duration = Duration::from_hours(2);

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: Instant,
    failures: u32,
    /// The server allows nothing before.
    closed_until: Option<Instant>,
}

/// From 0 to 1: many services started at once shall not ask at once.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// How long to wait after so many failures in a row.
fn wait(interval: Duration, failures: u32, jitter: f64) -> Duration {
    let doubled = interval.saturating_mul(1 << failures.min(16)).min(LONGEST.max(interval));
    doubled.mul_f64(0.9 + jitter * 0.2)
}

impl Pace {
    /// For a source that is asked this often.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { next: Instant::now(), failures: 0, closed_until: None }) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reading went well.
    pub(crate) fn went_well(&self) {
        let mut state = self.state();
        state.failures = 0;
        state.next = Instant::now() + wait(self.interval, 0, jitter());
    }

    /// A reading failed.
    pub(crate) fn failed(&self) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.next = Instant::now() + wait(self.interval, state.failures, jitter());
    }

    /// The server asks to be left alone for this long.
    pub(crate) fn close(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST_ASKED);
        let mut state = self.state();
        state.closed_until = Some(state.closed_until.map_or(until, |known| known.max(until)));
    }

    /// How long the server is still to be left alone.
    pub(crate) fn closed_for(&self) -> Option<Duration> {
        let mut state = self.state();
        let left = state.closed_until?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        if left.is_none() {
            state.closed_until = None;
        }
        left
    }

    /// Returns when it is time to ask again. Cancel-safe.
    pub(crate) async fn due(&self) {
        let at = {
            let state = self.state();
            state.closed_until.map_or(state.next, |closed| closed.max(state.next))
        };
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Pace, wait};
    use std::time::Duration;

    #[test]
    fn failures_double_the_wait_up_to_a_bound_and_jitter_spreads_it() {
        let minute = Duration::from_mins(1);
        assert_eq!(wait(minute, 0, 0.5), minute);
        assert_eq!(wait(minute, 2, 0.5), Duration::from_mins(4));
        assert_eq!(wait(minute, 1000, 0.5), LONGEST);
        assert!(wait(minute, 0, 0.0) < minute && wait(minute, 0, 1.0) > minute);
        let hour = Duration::from_hours(1);
        assert_eq!(wait(hour, 5, 0.5), hour, "a rare look does not become a more frequent one");
    }

    #[tokio::test]
    async fn what_the_server_asked_for_holds_over_the_interval() {
        let pace = Pace::new(Duration::from_millis(1));
        pace.due().await;
        pace.went_well();
        pace.due().await;
        pace.close(Duration::from_hours(1));
        pace.close(Duration::from_millis(1));
        pace.went_well();
        assert!(pace.closed_for().is_some_and(|left| left > Duration::from_mins(59)));
        assert!(tokio::time::timeout(Duration::ZERO, pace.due()).await.is_err());
        let other = Pace::new(Duration::from_millis(1));
        other.close(Duration::from_millis(1));
        other.due().await;
        assert_eq!(other.closed_for(), None);
    }
}
