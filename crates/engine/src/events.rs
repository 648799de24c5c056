//! What people's programs are told: changes, by number, and snapshots whenever one was missed.
//!
//! Subscribe first, then snapshot, then follow: what changed in between is sent again and harmless, since every event
//! carries the whole task.

use crate::shared::Shared;
use crate::views;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strawboss_core::store::TaskFilter;
use strawboss_core::{TaskId, TaskState};
use strawboss_protocol::api::{Event, RunEvent, SourceView, TaskView};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};

/// How many notices a subscriber may be behind before it is given a snapshot instead.
const BACKLOG: usize = 512;
/// How many tasks that are over a snapshot holds.
const OVER_IN_SNAPSHOT: usize = 200;

#[derive(Debug, Clone)]
enum Notice {
    Tasks(Arc<BTreeSet<TaskId>>),
    Report(Arc<(String, RunEvent)>),
    Source(Arc<SourceView>),
}

/// Where changes are announced.
pub(crate) struct Bus {
    sender: broadcast::Sender<Notice>,
    sequence: AtomicU64,
}

impl Bus {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG), sequence: AtomicU64::new(0) }
    }

    fn send(&self, notice: Notice) {
        // Without a subscriber there is nobody to tell.
        let _ = self.sender.send(notice);
    }

    pub(crate) fn changed<'a>(&self, tasks: impl Iterator<Item = &'a TaskId>) {
        let tasks: BTreeSet<TaskId> = tasks.cloned().collect();
        if !tasks.is_empty() {
            self.send(Notice::Tasks(Arc::new(tasks)));
        }
    }

    pub(crate) fn listened(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn report(&self, run: String, report: RunEvent) {
        self.send(Notice::Report(Arc::new((run, report))));
    }

    pub(crate) fn source(&self, source: SourceView) {
        self.send(Notice::Source(Arc::new(source)));
    }
}

/// Events from now on, in order.
pub struct Events {
    shared: Arc<Shared>,
    receiver: broadcast::Receiver<Notice>,
    snapshot_due: bool,
    ready: VecDeque<Event>,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let receiver = shared.bus.sender.subscribe();
        Self { shared, receiver, snapshot_due: true, ready: VecDeque::new() }
    }

    /// The next event with its sequence number; the first is a snapshot. After a gap, a snapshot again. `None`: the
    /// engine ends.
    pub async fn next(&mut self) -> Option<(u64, Event)> {
        loop {
            if self.snapshot_due {
                match snapshot(&self.shared).await {
                    Ok(tasks) => {
                        self.snapshot_due = false;
                        self.ready.clear();
                        return Some(self.numbered(Event::Snapshot { tasks }));
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, "a subscriber's snapshot could not be read");
                        return None;
                    }
                }
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(self.numbered(event));
            }
            let notice = tokio::select! {
                () = self.shared.stop.cancelled() => return None,
                notice = self.receiver.recv() => notice,
            };
            match notice {
                Ok(Notice::Tasks(ids)) => {
                    for id in ids.iter() {
                        if let Ok(Some(task)) = views::task_by_id(&self.shared, id).await {
                            self.ready.push_back(Event::Task { task: Box::new(task) });
                        }
                    }
                }
                Ok(Notice::Report(report)) => {
                    self.ready.push_back(Event::RunReport { run: report.0.clone(), report: report.1.clone() });
                }
                Ok(Notice::Source(source)) => self.ready.push_back(Event::Source { source: (*source).clone() }),
                Err(broadcast::error::RecvError::Lagged(_)) => self.snapshot_due = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// Waits for the next; whether it came in time. Where the engine ends there are no more.
    pub(crate) async fn more_until(&mut self, moment: Instant) -> bool {
        matches!(timeout_at(moment, self.next()).await, Ok(Some(_)))
    }

    fn numbered(&self, event: Event) -> (u64, Event) {
        (self.shared.bus.sequence.fetch_add(1, Ordering::Relaxed) + 1, event)
    }
}

async fn snapshot(shared: &Shared) -> Result<Vec<TaskView>, crate::Refused> {
    let store = &shared.parts.store;
    let open: Vec<TaskState> = TaskState::ALL.into_iter().filter(|state| !state.is_over()).collect();
    let mut tasks = store.task_list(&TaskFilter { states: open, ..TaskFilter::default() }).await?;
    let over: Vec<TaskState> = TaskState::ALL.into_iter().filter(|state| state.is_over()).collect();
    let mut over = store.task_list(&TaskFilter { states: over, ..TaskFilter::default() }).await?;
    over.sort_by_key(|task| std::cmp::Reverse(task.updated_at));
    over.truncate(OVER_IN_SNAPSHOT);
    tasks.extend(over);
    views::tasks(shared, tasks).await
}
