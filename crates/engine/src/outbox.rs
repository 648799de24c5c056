//! Carries out what followed from state changes: write-backs to backlogs, until they land.

use crate::shared::{CLOSE, Close, Shared, WRITE_BACK, message_key};
use crate::{fault, figures, sources};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::backlog::{BacklogStatus, SourceLink, WriteBack, WriteOutcome};
use strawboss_core::pull_request::PullRequestState;
use strawboss_core::store::{ChangeSet, Message, StoreError};
use strawboss_core::{ProjectName, TaskState};

/// How many messages are taken at once.
const BATCH: u32 = 500;
/// How often waiting messages are looked at without a wake-up.
const LOOK: Duration = Duration::from_secs(5);
/// How long a source that is being read is waited for.
const BUSY: Duration = Duration::from_secs(2);
/// The longest wait between two tries, in milliseconds.
const RETRY_LIMIT_MS: i64 = 60_000;

/// Wakes it.
pub(crate) fn wake(shared: &Shared) {
    shared.mail.notify_one();
}

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        match deliver(&shared).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(error = %error, "the outbox cannot be read or written now; trying again"),
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.mail.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Carries out what is due; true when there may be more at once.
pub(crate) async fn deliver(shared: &Shared) -> Result<bool, StoreError> {
    let due = shared.parts.store.outbox_due(shared.now(), BATCH).await?;
    let full = due.len() == BATCH as usize;
    let mut by_source: BTreeMap<String, Vec<(Message, WriteBack)>> = BTreeMap::new();
    let (mut delivered, mut closes) = (Vec::new(), Vec::new());
    let mut busy = false;
    for message in due {
        let source = message.key.split('\u{1f}').next().unwrap_or_default().to_owned();
        if message.topic == CLOSE {
            closes.push(message);
            continue;
        }
        match serde_json::from_str::<WriteBack>(&message.payload) {
            Ok(write) if message.topic == WRITE_BACK => by_source.entry(source).or_default().push((message, write)),
            _ => {
                tracing::error!(message.id, topic = message.topic, "a message that this version does not know is dropped");
                delivered.push(message.id);
            }
        }
    }
    for (source, mut messages) in by_source {
        let Some(backlog) = shared.config.sources.iter().find(|configured| configured.backlog.name() == source) else {
            // The source is no longer configured: there is nothing to write to.
            delivered.extend(messages.iter().map(|(message, _)| message.id));
            continue;
        };
        let exchange = shared.exchange(&source);
        // One that is being read for long holds back no other: it is asked for again with the next look.
        let Ok(_exchanging) = tokio::time::timeout(BUSY, exchange.lock()).await else {
            busy = true;
            continue;
        };
        // What a reading found meanwhile may have taken some of them back.
        let still: HashSet<i64> = shared.parts.store.outbox_due(shared.now(), BATCH).await?.iter().map(|due| due.id).collect();
        messages.retain(|(message, _)| still.contains(&message.id));
        if messages.is_empty() {
            continue;
        }
        let known = known(shared, &source).await?;
        let writes: Vec<WriteBack> = messages
            .iter()
            .map(|(message, write)| {
                // Of a row that was let go, what a person had said when it was.
                let known = known.get(&message.key).map(|known| known.status).or(write.known);
                WriteBack { known, ..write.clone() }
            })
            .collect();
        // People see what is wrong, and that it is so no longer.
        let mut has_news = messages.iter().any(|(message, _)| message.failures > 0);
        let is_ticket = |message: &Message| known.get(&message.key).is_some_and(|known| known.is_ticket);
        match backlog.backlog.write_back(&writes).await {
            Ok(outcomes) => {
                fault::point("outbox.written");
                for ((message, _), outcome) in messages.iter().zip(&outcomes) {
                    if is_ticket(message) {
                        figures::ticket_updated(matches!(outcome, WriteOutcome::Written));
                    }
                    if let WriteOutcome::Refused(why) = outcome {
                        tracing::warn!(source, why, "a write-back to the backlog was refused; it is tried again");
                        failed(shared, message, why).await?;
                        has_news = true;
                    }
                }
                landed(shared, &source, &messages, &outcomes).await?;
            }
            Err(error) => {
                tracing::warn!(source, error = %error, "a write-back to the backlog failed; it is tried again");
                for (message, _) in &messages {
                    if is_ticket(message) {
                        figures::ticket_updated(false);
                    }
                    failed(shared, message, &error.to_string()).await?;
                }
                has_news = true;
            }
        }
        if has_news {
            sources::announce(shared, &source).await?;
        }
    }
    if !delivered.is_empty() {
        let writer = shared.write().await;
        writer.commit_silently(&ChangeSet { delivered, ..ChangeSet::default() }).await?;
    }
    // After what backlogs wait for, and not every one against a server that is away.
    let mut away = BTreeMap::new();
    for message in closes {
        close(shared, &message, &mut away).await?;
    }
    Ok(full && !busy)
}

/// Closes the pull request of a task that was withdrawn. `away`: why nobody answers for which projects now.
async fn close(shared: &Shared, message: &Message, away: &mut BTreeMap<ProjectName, String>) -> Result<(), StoreError> {
    let what = serde_json::from_str::<Close>(&message.payload).ok();
    // Without its project nobody is asked any more.
    let wanted = what.as_ref().and_then(|what| Some((what, shared.config.pull_requests.get(&what.project)?)));
    let wanted = wanted.filter(|(what, pulls)| pulls.knows(&what.url));
    if let Some((what, pulls)) = wanted {
        let task = shared.parts.store.task(&what.task).await?;
        // Taken up again meanwhile, it stays open.
        let withdrawn = task.is_some_and(|task| task.state == TaskState::Cancelled);
        if let Some(why) = away.get(&what.project).filter(|_| withdrawn) {
            return failed(shared, message, why).await;
        }
        if withdrawn && let Err(error) = pulls.close(what.number, "the work was discarded.").await {
            tracing::warn!(task.id = %what.task, error = %error, "a pull request could not be closed; it is tried again");
            if error.is_general {
                away.insert(what.project.clone(), error.to_string());
            }
            return failed(shared, message, &error.to_string()).await;
        }
    }
    let writer = shared.write().await;
    let mut changes = ChangeSet { delivered: vec![message.id], ..ChangeSet::default() };
    if let Some((what, _)) = wanted
        && let Some(mut task) = shared.parts.store.task(&what.task).await?.filter(|task| task.state == TaskState::Cancelled)
        && let Some(link) = task.pull_request.as_mut().filter(|link| link.number == what.number)
    {
        link.state = PullRequestState::Closed;
        changes.tasks.push(task);
    }
    writer.commit_silently(&changes).await
}

/// Notes that a message is to be tried again.
async fn failed(shared: &Shared, message: &Message, why: &str) -> Result<(), StoreError> {
    let wait = 1000_i64.saturating_mul(1 << message.failures.min(10)).min(RETRY_LIMIT_MS);
    shared.parts.store.outbox_failed(message.id, why, shared.now().plus_ms(wait)).await
}

/// What is known of a row.
struct Known {
    status: BacklogStatus,
    is_ticket: bool,
}

/// What the rows of a source are known to say.
async fn known(shared: &Shared, source: &str) -> Result<HashMap<String, Known>, StoreError> {
    let tasks = shared.parts.store.task_list_by_source(source).await?;
    let links = tasks.into_iter().filter_map(|task| task.source);
    let known = |link: SourceLink| {
        let key = message_key(&link.source, &link.native_ref);
        (key, Known { status: link.row_status, is_ticket: link.is_ticket })
    };
    Ok(links.map(known).collect())
}

/// Notes what the rows say now.
async fn landed(
    shared: &Shared,
    source: &str,
    messages: &[(Message, WriteBack)],
    outcomes: &[WriteOutcome],
) -> Result<(), StoreError> {
    let writer = shared.write().await;
    let settled = messages.iter().zip(outcomes).filter(|(_, outcome)| !matches!(outcome, WriteOutcome::Refused(_)));
    let mut changes = ChangeSet { delivered: settled.map(|((message, _), _)| message.id).collect(), ..ChangeSet::default() };
    let tasks = shared.parts.store.task_list_by_source(source).await?;
    let by_key: BTreeMap<String, _> = tasks
        .into_iter()
        .filter_map(|task| task.source.as_ref().map(|link| message_key(&link.source, &link.native_ref)).map(|key| (key, task)))
        .collect();
    for ((message, write), outcome) in messages.iter().zip(outcomes) {
        if *outcome == WriteOutcome::Written
            && let Some(task) = by_key.get(&message.key)
        {
            let mut task = task.clone();
            if let Some(link) = &mut task.source
                && link.row_status != write.status
            {
                link.row_status = write.status;
                changes.tasks.push(task);
            }
        }
    }
    writer.commit_silently(&changes).await
}
