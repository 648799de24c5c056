//! Whether the agent's question to people is open: then the end of its turn is not its end, and once its turn is over, the
//! time that passes is not its own.

use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<u32>,
    answered: BTreeSet<u32>,
    /// The agent does nothing.
    waits: bool,
}

impl Asked {
    /// Which question is open, as the control plane knows it; it may not know yet that this one was answered.
    pub(crate) fn question(&self, open: Option<u32>) {
        self.state.send_modify(|state| state.open = open.filter(|number| !state.answered.contains(number)));
    }

    /// An answer came; false when it did before.
    pub(crate) fn answer(&self, number: u32) -> bool {
        let mut is_new = false;
        self.state.send_modify(|state| {
            is_new = state.answered.insert(number);
            state.open = state.open.filter(|open| *open != number);
        });
        is_new
    }

    /// Whether the agent waits, for whatever.
    pub(crate) fn waits(&self, waits: bool) {
        self.state.send_modify(|state| state.waits = waits);
    }

    /// Whether people are asked.
    pub(crate) fn is_open(&self) -> bool {
        self.state.borrow().open.is_some()
    }

    /// Returns when that much time has passed, without the time in which the agent waited for people.
    pub(crate) async fn limit(&self, limit: Duration) {
        let mut state = self.state.subscribe();
        let mut left = limit;
        loop {
            let rests = {
                let now = state.borrow_and_update();
                now.waits && now.open.is_some()
            };
            let began = tokio::time::Instant::now();
            tokio::select! {
                () = tokio::time::sleep(left), if !rests => return,
                // The sender is borrowed for as long, so the channel cannot close.
                _ = state.changed() => {}
            }
            if !rests {
                left = left.saturating_sub(began.elapsed());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Asked;
    use futures_util::FutureExt as _;
    use std::time::Duration;

    #[test]
    fn an_answer_counts_once_and_closes_its_question() {
        let asked = Asked::default();
        asked.question(Some(1));
        assert!(asked.is_open());
        assert!(asked.answer(1) && !asked.is_open());
        assert!(!asked.answer(1), "told again after a connection broke");
        asked.question(Some(1));
        assert!(!asked.is_open(), "the control plane has not heard yet that it was told");
        asked.question(Some(2));
        assert!(asked.is_open() && !asked.answer(1) && asked.is_open());
        asked.question(None);
        assert!(!asked.is_open());
    }

    #[tokio::test]
    async fn the_time_limit_stands_still_while_people_are_waited_for() {
        let asked = Asked::default();
        let over = async || asked.limit(Duration::ZERO).await;
        asked.question(Some(1));
        // Asked, and going on meanwhile: that is the agent's own time.
        over().await;
        asked.waits(true);
        assert!(over().now_or_never().is_none());
        asked.answer(1);
        over().await;
        asked.question(Some(2));
        assert!(over().now_or_never().is_none());
        asked.waits(false);
        over().await;
    }
}
