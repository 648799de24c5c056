//! How the sources stand, as people are shown it: what was seen when they were read, and what they will not take.

use crate::shared::{Shared, WRITE_BACK, lock, message_key};
use std::collections::{BTreeMap, HashMap};
use strawboss_core::Timestamp;
use strawboss_core::store::{Message, StoreError};
use strawboss_protocol::api::{ProblemView, SourceView};

/// How many problems of a source are shown.
pub(crate) const PROBLEMS_SHOWN: usize = 200;
/// How many items one problem names.
const NAMED: usize = 5;

/// All of them, by name. `waiting`: what is in the outbox.
pub(crate) async fn views(shared: &Shared, waiting: &[Message]) -> Result<Vec<SourceView>, StoreError> {
    let mut views: Vec<SourceView> = lock(&shared.sources).values().cloned().collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    for view in &mut views {
        let refused = refused(shared, &view.name, waiting).await?;
        view.problems.truncate(PROBLEMS_SHOWN.saturating_sub(refused.len()));
        view.problems.extend(refused);
    }
    Ok(views)
}

/// Tells people how a source stands now.
pub(crate) async fn announce(shared: &Shared, name: &str) -> Result<(), StoreError> {
    let waiting = shared.parts.store.outbox_list(u32::MAX).await?;
    if let Some(view) = views(shared, &waiting).await?.into_iter().find(|view| view.name == name) {
        shared.bus.source(view);
    }
    Ok(())
}

/// The setting that says since when a source cannot be read: that outlives a restart.
fn down_key(name: &str) -> String {
    format!("source_down/{name}")
}

/// A source cannot be read: since when, in milliseconds since 1970 UTC.
pub(crate) async fn down_since(shared: &Shared, name: &str) -> Result<i64, StoreError> {
    let seen = lock(&shared.sources).get(name).filter(|seen| !seen.readable).and_then(|seen| seen.since);
    if let Some(since) = seen {
        return Ok(since);
    }
    let now = shared.now().0;
    let stored = shared.parts.store.setting_init(&down_key(name), &now.to_string()).await?;
    Ok(stored.parse().unwrap_or(now))
}

/// A source can be read.
pub(crate) async fn is_back(shared: &Shared, name: &str) -> Result<(), StoreError> {
    shared.parts.store.setting_remove(&down_key(name)).await.map(drop)
}

/// What could not be written to a source: a problem for each reason, the oldest first.
async fn refused(shared: &Shared, source: &str, waiting: &[Message]) -> Result<Vec<ProblemView>, StoreError> {
    let prefix = message_key(source, "");
    let mut reasons: BTreeMap<&str, Vec<(&str, &Message)>> = BTreeMap::new();
    for message in waiting.iter().filter(|message| message.topic == WRITE_BACK) {
        if let (Some(why), Some(item)) = (message.last_error.as_deref(), message.key.strip_prefix(&prefix)) {
            reasons.entry(why).or_default().push((item, message));
        }
    }
    if reasons.is_empty() {
        return Ok(Vec::new());
    }
    let tasks = shared.parts.store.task_list_by_source(source).await?;
    let links = tasks.iter().filter_map(|task| task.source.as_ref());
    let names: HashMap<&str, &str> = links.filter_map(|link| Some((link.native_ref.as_str(), link.ticket_name()?))).collect();
    let now = shared.now();
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, items)| items.iter().map(|(_, message)| message.at).min());
    let problem = |(why, items): (&str, Vec<(&str, &Message)>)| {
        let named: Vec<&str> = items.iter().take(NAMED).map(|(item, _)| names.get(item).copied().unwrap_or(item)).collect();
        let rest = items.len() - named.len();
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let since = items.iter().map(|(_, message)| message.at).min().unwrap_or(now);
        let tries = items.iter().map(|(_, message)| message.failures).max().unwrap_or_default();
        let (named, span) = (named.join(", "), span(since, now));
        let message = format!("How {named}{more} stands here could not be written there for {span} (tries: {tries}): {why}");
        ProblemView { line: 0, column: None, message, skipped: false }
    };
    Ok(reasons.into_iter().take(PROBLEMS_SHOWN).map(problem).collect())
}

/// A span of time, as people say it.
fn span(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.ms_since(since).max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
