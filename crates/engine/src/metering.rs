//! Use and refusals, gathered in memory and written to their runs once a second.

use crate::shared::{Shared, lock};
use std::collections::HashMap;
use strawboss_core::meter::Meter;
use strawboss_core::run::{Refusal, Run, Usage};
use strawboss_core::store::ChangeSet;
use strawboss_core::{RunId, SandboxId, Timestamp};

/// How many different refusals a run keeps; the sandbox decides what it asks for.
const REFUSALS_KEPT: usize = 50;
/// The longest target that is kept, in bytes.
const TARGET_LIMIT: usize = 256;

/// What is not written yet, by run.
pub(crate) type Pending = HashMap<RunId, Gathered>;

/// What one run used and was refused since the last write.
#[derive(Debug, Default, Clone)]
pub(crate) struct Gathered {
    usage: Usage,
    refusals: Vec<Refusal>,
    limited_until: Option<Timestamp>,
}

/// Adds a refusal to those of the same kind, or to the end while there is room.
fn keep(refusals: &mut Vec<Refusal>, new: Refusal) {
    let room = refusals.len() < REFUSALS_KEPT;
    if let Some(old) = refusals.iter_mut().find(|old| old.target == new.target && old.reason == new.reason) {
        old.count = old.count.saturating_add(new.count);
        old.last_at = new.last_at;
    } else if room {
        refusals.push(new);
    }
}

impl Gathered {
    /// Takes back what could not be written.
    fn merge(&mut self, other: Self) {
        self.usage.add(&other.usage);
        for refusal in other.refusals {
            keep(&mut self.refusals, refusal);
        }
        self.limited_until = self.limited_until.max(other.limited_until);
    }

    /// Writes itself into the run.
    fn into_run(self, run: &mut Run) {
        run.usage.add(&self.usage);
        for new in self.refusals {
            keep(&mut run.refusals, new);
        }
        if let Some(until) = self.limited_until {
            run.quota_until = Some(until);
        }
    }
}

impl Meter for crate::Engine {
    fn used(&self, sandbox: &SandboxId, usage: Usage) {
        lock(&self.shared.pending).entry(sandbox.run()).or_default().usage.add(&usage);
    }

    fn refused(&self, sandbox: &SandboxId, target: &str, reason: &str, known_probe: bool, at: Timestamp) {
        let mut pending = lock(&self.shared.pending);
        let refusals = &mut pending.entry(sandbox.run()).or_default().refusals;
        let target: String = target.chars().filter(|c| !c.is_control()).take(TARGET_LIMIT).collect();
        keep(refusals, Refusal { target, reason: reason.to_owned(), known_probe, count: 1, last_at: at });
    }

    fn limited(&self, sandbox: &SandboxId, until: Option<Timestamp>) {
        if let Some(until) = until {
            lock(&self.shared.pending).entry(sandbox.run()).or_default().limited_until = Some(until);
        }
    }
}

/// What was taken to be written with a run: taken back when it is dropped before it was.
pub(crate) struct Taken<'a> {
    shared: &'a Shared,
    run: RunId,
    gathered: Option<Gathered>,
}

impl Taken<'_> {
    /// Writes itself into the run.
    pub(crate) fn note(&self, run: &mut Run) {
        if let Some(gathered) = self.gathered.clone() {
            gathered.into_run(run);
        }
    }

    /// The run is stored.
    pub(crate) fn written(mut self) {
        self.gathered = None;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(gathered) = self.gathered.take() {
            lock(&self.shared.pending).entry(self.run.clone()).or_default().merge(gathered);
        }
    }
}

/// Takes what was gathered for a run, to be written with another change of it.
pub(crate) fn take<'a>(shared: &'a Shared, run: &RunId) -> Taken<'a> {
    Taken { shared, run: run.clone(), gathered: lock(&shared.pending).remove(run) }
}

/// Writes what was gathered.
pub(crate) async fn flush(shared: &Shared) {
    let runs: Vec<RunId> = lock(&shared.pending).keys().cloned().collect();
    for id in runs {
        let writer = shared.write().await;
        let Ok(Some(mut run)) = shared.parts.store.run(&id).await else { continue };
        let taken = take(shared, &id);
        taken.note(&mut run);
        match writer.commit_silently(&ChangeSet { runs: vec![run], ..ChangeSet::default() }).await {
            Ok(()) => taken.written(),
            Err(error) => tracing::warn!(run.id = %id, error = %error, "the use of a run could not be written yet"),
        }
    }
}
