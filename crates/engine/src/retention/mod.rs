//! Lets go what is kept no longer, by age and by size: recordings, reports, workspaces, caches, tools, branches.
//!
//! What may go at all is decided in [`survey`], from the store and the world as they are; nothing of a live run, of a task
//! that is neither done nor cancelled, and no work that is in no ref. Right before a thing goes, that is asked again.

mod remove;
mod survey;

use crate::error::Refused;
use crate::shared::Shared;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::retention::{Cause, Keep, Kept};
use strawboss_core::store::StoreError;
use strawboss_core::{ProjectName, RunId, Timestamp};
use strawboss_protocol::api::{RetentionItem, RetentionKind, RetentionView};

/// How soon it is applied after a start: whatever was cut short goes on first.
const AFTER_START: Duration = Duration::from_mins(10);
/// How often it is applied. Waited for by a clock that nobody sets.
const EVERY: Duration = Duration::from_hours(24);

/// A kind of thing, and all there is of it.
struct Kind {
    word: &'static str,
    keep: Keep,
    things: Vec<Thing>,
    /// Why it could not be looked at.
    problem: Option<String>,
}

struct Thing {
    /// What people call it.
    id: String,
    kept: Kept,
    target: Target,
}

/// What is removed.
enum Target {
    Recording(RunId),
    Reports(RunId),
    Workspace(RunId),
    Folder(String),
    Branch(Branch),
}

/// A ref of a mirror.
#[derive(Debug, Clone)]
struct Branch {
    project: ProjectName,
    mirror: PathBuf,
    reference: String,
    commit: String,
}

/// Applies it now and then, until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut due = tokio::time::interval_at(tokio::time::Instant::now() + AFTER_START, EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = due.tick() => {}
        }
        // Each removal is whole by itself: whatever is cut short here goes the next time.
        let applied = tokio::select! {
            () = shared.stop.cancelled() => return,
            applied = apply(&shared) => applied,
        };
        match applied {
            Ok(view) => {
                for kind in view.kinds.iter().filter(|kind| !kind.remove.is_empty() || kind.problem.is_some()) {
                    let removed = kind.remove.iter().filter(|item| item.problem.is_none()).count();
                    tracing::info!(
                        kind = kind.kind,
                        removed,
                        bytes = kind.remove_bytes,
                        problem = kind.problem,
                        "retention was applied"
                    );
                }
            }
            Err(error) => tracing::warn!(error = %error, "retention could not be applied; it is tried again in a day"),
        }
    }
}

/// What would go now, without removing anything.
pub(crate) async fn plan(shared: &Shared) -> RetentionView {
    let now = shared.now();
    let kinds = survey::all(shared).await;
    let kinds = kinds.iter().map(|kind| {
        let going = kind.keep.surplus(&things(kind), now);
        view(kind, going.into_iter().map(|(at, cause)| (at, cause, None)).collect())
    });
    RetentionView { at: now.0, applied: false, kinds: kinds.collect() }
}

/// Removes what is kept no longer; the view says what went, and what could not and why.
pub(crate) async fn apply(shared: &Shared) -> Result<RetentionView, Refused> {
    let Ok(_one) = shared.keeping.try_lock() else {
        return Err(Refused::conflict(
            "Retention is being applied at this moment.",
            "See in a while what is left: `strawboss retention show`.",
        ));
    };
    let now = shared.now();
    let mut kinds = Vec::new();
    for kind in survey::all(shared).await {
        let mut gone = Vec::new();
        for (at, cause) in kind.keep.surplus(&things(&kind), now) {
            let thing = &kind.things[at];
            let problem = remove::thing(shared, thing, now).await.err();
            match &problem {
                None => tracing::info!(
                    kind = kind.word,
                    id = thing.id,
                    bytes = thing.kept.bytes,
                    cause = cause.word(),
                    "removed by retention"
                ),
                Some(why) => tracing::warn!(kind = kind.word, id = thing.id, why, "retention leaves it for now"),
            }
            gone.push((at, cause, problem));
        }
        kinds.push(view(&kind, gone));
    }
    Ok(RetentionView { at: now.0, applied: true, kinds })
}

/// Whether the volume of a run that nothing goes on with is still kept.
pub(crate) async fn keeps_workspace(shared: &Shared, volume: &RunId) -> Result<bool, StoreError> {
    match shared.config.retention.workspaces.age_ms {
        // Who deletes a session means all of it.
        _ if shared.parts.store.run(volume).await?.is_some_and(|run| run.session) => Ok(false),
        Some(0) => Ok(false),
        None => Ok(true),
        Some(age) => {
            let since = survey::workspace_since(shared, volume).await?;
            Ok(since.is_some_and(|since| shared.now().ms_since(since) < age))
        }
    }
}

fn things(kind: &Kind) -> Vec<Kept> {
    kind.things.iter().map(|thing| thing.kept).collect()
}

fn view(kind: &Kind, going: Vec<(usize, Cause, Option<String>)>) -> RetentionKind {
    let bytes = |things: &mut dyn Iterator<Item = Option<u64>>| {
        things.fold(None, |sum: Option<u64>, bytes| bytes.map(|bytes| bytes.saturating_add(sum.unwrap_or(0))).or(sum))
    };
    let remove: Vec<RetentionItem> = going
        .into_iter()
        .map(|(at, cause, problem)| {
            let Thing { id, kept, .. } = &kind.things[at];
            RetentionItem { id: id.clone(), bytes: kept.bytes, since: kept.since.0, cause: cause.word().to_owned(), problem }
        })
        .collect();
    RetentionKind {
        kind: kind.word.to_owned(),
        age_ms: kind.keep.age_ms,
        most_bytes: kind.keep.bytes,
        count: kind.things.len() as u64,
        bytes: bytes(&mut kind.things.iter().map(|thing| thing.kept.bytes)),
        remove_bytes: bytes(&mut remove.iter().filter(|item| item.problem.is_none()).map(|item| item.bytes)),
        remove,
        problem: kind.problem.clone(),
    }
}

impl crate::Engine {
    /// What retention would remove now.
    pub async fn retention(&self) -> RetentionView {
        plan(&self.shared).await
    }

    /// Applies retention now; refused while it is being applied.
    pub async fn retention_apply(&self) -> Result<RetentionView, Refused> {
        apply(&self.shared).await
    }
}

/// When a run that is over ended; one without a moment ended when it was made.
fn end_of(run: &strawboss_core::Run) -> Timestamp {
    run.finished_at.unwrap_or(run.created_at)
}
