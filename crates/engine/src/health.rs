//! How store, engine, gateway and runner are: looked at, and remembered with the time and since when they are so.
//!
//! A look never hangs: a part that takes too long to answer does not answer.

use crate::engine::Engine;
use crate::shared::{Shared, lock};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strawboss_core::Timestamp;
use strawboss_protocol::api::{PartState, PartView};

/// How long a part may take to say how it is.
const ANSWER: Duration = Duration::from_secs(5);
/// An observation that is older says nothing about now, in milliseconds. Looks are 15 seconds apart.
const STALE_MS: i64 = 60_000;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Store,
    Engine,
    Gateway,
    Runner,
}

/// The parts as last observed.
#[derive(Default)]
pub(crate) struct Health {
    seen: Mutex<BTreeMap<Part, PartView>>,
    /// How many looks that callers asked for have begun.
    begun: AtomicU64,
    /// Held during such a look: the number of the last one that came to its end.
    ended: tokio::sync::Mutex<u64>,
}

impl Health {
    /// Notes how a part is; true when it answers again.
    pub(crate) fn note(&self, part: Part, name: &str, observed: Result<String, String>, now: Timestamp) -> bool {
        let mut seen = lock(&self.seen);
        let state = if observed.is_ok() { PartState::Ok } else { PartState::Failing };
        let old = seen.get(&part);
        let since = old.filter(|old| old.state == state).map_or(now.0, |old| old.since);
        let came_back = state == PartState::Ok && old.is_some_and(|old| !old.ok);
        let (Ok(detail) | Err(detail)) = observed;
        let ok = state == PartState::Ok;
        seen.insert(part, PartView { name: name.to_owned(), state, ok, detail, since, observed_at: Some(now.0) });
        came_back
    }

    /// Whether a part was seen not to answer.
    pub(crate) fn is_away(&self, part: Part) -> bool {
        lock(&self.seen).get(&part).is_some_and(|seen| !seen.ok)
    }

    fn view(&self, part: Part, name: &str, started_at: Timestamp, now: Timestamp) -> PartView {
        let unknown = |detail: String, since: i64, observed_at: Option<i64>| PartView {
            name: name.to_owned(),
            state: PartState::Unknown,
            ok: false,
            detail,
            since,
            observed_at,
        };
        match lock(&self.seen).get(&part) {
            None => unknown("not looked at yet".to_owned(), started_at.0, None),
            Some(seen) => match seen.observed_at {
                Some(at) if now.0.saturating_sub(at) > STALE_MS => {
                    unknown(format!("not observed for {} s; then: {}", (now.0 - at) / 1000, seen.detail), at, Some(at))
                }
                // The clock may have been set back since: nothing that is shown began later than now.
                _ => PartView {
                    since: seen.since.min(now.0),
                    observed_at: seen.observed_at.map(|at| at.min(now.0)),
                    ..seen.clone()
                },
            },
        }
    }
}

/// What is asked, or that it takes too long.
async fn in_time<T>(asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("it did not answer within {} s", ANSWER.as_secs())),
    }
}

/// Asks store, gateway and runner how they are. The engine's own state is what its rounds come to.
pub(crate) async fn look(shared: &Shared) {
    let parts = &shared.parts;
    let (store, gateway, runner) = tokio::join!(
        in_time(async { parts.store.ping().await.map_err(|error| error.to_string()) }),
        in_time(parts.doors.check()),
        in_time(async { parts.runner.info().await.map_err(|error| error.to_string()) }),
    );
    let now = shared.now();
    let health = &shared.health;
    health.note(Part::Store, parts.store.kind(), store.map(|()| "answers".to_owned()), now);
    health.note(Part::Gateway, "gateway", gateway, now);
    let kind = runner.as_ref().map_or_else(|_| "runner".to_owned(), |info| info.kind.clone());
    if health.note(Part::Runner, &kind, runner.map(|info| info.detail), now) {
        shared.nudge.notify_one();
    }
}

impl Engine {
    /// Store, engine, gateway and runner as observed, by these names.
    pub fn parts(&self) -> BTreeMap<&'static str, PartView> {
        let shared = &self.shared;
        let now = shared.now();
        let view = |part, name: &str| shared.health.view(part, name, shared.started_at, now);
        let mut engine = view(Part::Engine, "engine");
        if shared.draining.load(Ordering::Relaxed) {
            let since = shared.drained_at.load(Ordering::Relaxed);
            engine = PartView {
                state: PartState::Failing,
                ok: false,
                detail: "Strawboss is shutting down; nothing new starts.".to_owned(),
                since,
                observed_at: Some(now.0),
                ..engine
            };
        }
        BTreeMap::from([
            ("store", view(Part::Store, shared.parts.store.kind())),
            ("engine", engine),
            ("gateway", view(Part::Gateway, "gateway")),
            ("runner", view(Part::Runner, "runner")),
        ])
    }

    /// [`Engine::parts`], looked at now. Callers at the same time share one look.
    pub async fn parts_now(&self) -> BTreeMap<&'static str, PartView> {
        let health = &self.shared.health;
        let before = health.begun.load(Ordering::Relaxed);
        let mut ended = health.ended.lock().await;
        // One that began after this was asked serves as well.
        if *ended <= before {
            let number = health.begun.fetch_add(1, Ordering::Relaxed) + 1;
            look(&self.shared).await;
            *ended = number;
        }
        drop(ended);
        self.parts()
    }
}
