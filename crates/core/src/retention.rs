//! What is kept for how long: a pure choice of what may go, by age and by size, the oldest first.
//!
//! It knows nothing of what the things are. Whoever asks says of each whether it may go at all.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// How much of one kind of thing is kept. None: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keep {
    /// What is older goes, in milliseconds.
    pub age_ms: Option<i64>,
    /// When all of it together is larger, the oldest goes, in bytes.
    pub bytes: Option<u64>,
}

/// The limits of every kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Recordings of terminals, from the run's end.
    pub recordings: Keep,
    /// Reports (events) of runs in the store, from the last one.
    pub reports: Keep,
    /// Volumes of runs that nothing will go on with and whose work is in a ref, from the run's end.
    pub workspaces: Keep,
    /// Folders kept between a project's runs, from the project's last run.
    pub caches: Keep,
    /// Copies of the supervisor and of agents that no configured tool is any more, from when they were made.
    pub tools: Keep,
    /// Refs in mirrors whose work landed or was discarded, from the task's end.
    pub branches: Keep,
}

const DAY_MS: i64 = 24 * 3_600_000;

impl Default for Retention {
    fn default() -> Self {
        let days = |days: i64| Keep { age_ms: Some(days * DAY_MS), bytes: None };
        Self {
            recordings: Keep { bytes: Some(20 << 30), ..days(90) },
            reports: Keep { bytes: Some(5 << 30), ..days(180) },
            workspaces: days(0),
            caches: days(30),
            tools: days(30),
            branches: days(30),
        }
    }
}

/// One thing that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Since when it is of no use.
    pub since: Timestamp,
    /// How large it is, when that is known; what is not known counts as nothing.
    pub bytes: Option<u64>,
    /// Whether it may go at all.
    pub free: bool,
}

/// Why something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is older than is kept.
    Age,
    /// All of its kind together is larger than is kept.
    Size,
}

impl Cause {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
        }
    }
}

impl Keep {
    /// What goes: positions in `things` with the cause, the oldest first. What is not free counts towards the size and stays.
    ///
    /// What is dated later than now (the clock was set back) has no age yet, and is the youngest.
    pub fn surplus(&self, things: &[Kept], now: Timestamp) -> Vec<(usize, Cause)> {
        let mut order: Vec<usize> = (0..things.len()).filter(|at| things[*at].free).collect();
        order.sort_by_key(|at| (things[*at].since, *at));
        let mut total = things.iter().fold(0_u64, |sum, thing| sum.saturating_add(thing.bytes.unwrap_or(0)));
        let mut going = Vec::new();
        for at in order {
            let thing = things[at];
            let old = self.age_ms.is_some_and(|age| now.ms_since(thing.since) >= age);
            let large = self.bytes.is_some_and(|most| total > most) && thing.bytes.is_some_and(|bytes| bytes > 0);
            let cause = if old { Cause::Age } else { Cause::Size };
            if old || large {
                total = total.saturating_sub(thing.bytes.unwrap_or(0));
                going.push((at, cause));
            }
        }
        going
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Keep, Kept};
    use crate::Timestamp;
    use proptest::prelude::*;

    fn kept(since: i64, bytes: u64) -> Kept {
        Kept { since: Timestamp(since), bytes: Some(bytes), free: true }
    }

    #[test]
    fn the_old_goes_and_then_the_oldest_until_the_rest_fits() {
        let things = [kept(50, 10), kept(10, 10), kept(90, 10), kept(30, 10)];
        let keep = Keep { age_ms: Some(80), bytes: Some(25) };
        assert_eq!(keep.surplus(&things, Timestamp(100)), [(1, Cause::Age), (3, Cause::Size)]);
        assert_eq!(Keep::default().surplus(&things, Timestamp(i64::MAX)), []);
    }

    #[test]
    fn what_may_not_go_counts_and_stays() {
        let busy = Kept { free: false, ..kept(0, 100) };
        let keep = Keep { age_ms: None, bytes: Some(100) };
        assert_eq!(keep.surplus(&[busy, kept(1, 1), kept(2, 0)], Timestamp(3)), [(1, Cause::Size)]);
        // What has no known size frees nothing that is known of.
        let unknown = Kept { bytes: None, ..kept(0, 0) };
        assert_eq!(keep.surplus(&[busy, unknown, kept(1, 1)], Timestamp(3)), [(2, Cause::Size)]);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_old() {
        let keep = Keep { age_ms: Some(0), bytes: None };
        assert_eq!(keep.surplus(&[kept(100, 1)], Timestamp(99)), []);
        assert_eq!(keep.surplus(&[kept(100, 1)], Timestamp(100)), [(0, Cause::Age)]);
    }

    proptest! {
        #[test]
        fn what_stays_fits_or_may_not_go(
            things in proptest::collection::vec((0i64..100, 0u64..100, any::<bool>()), 0..20),
            most in 0u64..500,
            age in 0i64..120,
        ) {
            let things: Vec<Kept> = things.into_iter().map(|(since, bytes, free)| Kept { free, ..kept(since, bytes) }).collect();
            let going = Keep { age_ms: Some(age), bytes: Some(most) }.surplus(&things, Timestamp(100));
            let gone = |at: usize| going.iter().any(|(gone, _)| *gone == at);
            prop_assert!(going.iter().all(|(at, _)| things[*at].free));
            let staying: Vec<Kept> = (0..things.len()).filter(|at| !gone(*at)).map(|at| things[at]).collect();
            let rest: u64 = staying.iter().filter_map(|thing| thing.bytes).sum();
            prop_assert!(rest <= most || staying.iter().all(|thing| !thing.free || thing.bytes == Some(0)));
            prop_assert!(staying.iter().all(|thing| !thing.free || 100 - thing.since.0 < age));
        }
    }
}
