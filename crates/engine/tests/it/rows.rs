//! A backlog whose rows a test sets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use strawboss_core::ProjectName;
use strawboss_core::backlog::{
    Backlog, BacklogStatus, Outline, OutlinePhase, Reading, SourceItem, SourceProblem, Ticket, TicketTrigger, WriteBack,
    WriteBackError, WriteOutcome,
};
use strawboss_engine::Source;
use tokio::sync::Notify;

/// See the module.
#[derive(Default)]
pub(crate) struct Rows {
    items: Mutex<Vec<SourceItem>>,
    writes: Mutex<Vec<WriteBack>>,
    down: AtomicBool,
    deaf: AtomicBool,
    changed: Notify,
    /// Held while nobody may read it.
    reading: tokio::sync::Mutex<()>,
    /// How often somebody began to.
    readers: AtomicU64,
}

impl Rows {
    pub(crate) fn source(self: &Arc<Self>) -> Source {
        Source { backlog: self.clone(), in_review: BacklogStatus::InReview }
    }

    pub(crate) fn set(&self, actions: &[&str]) {
        let item = |action: &&str| SourceItem {
            native_ref: format!("id:{action}"),
            project: ProjectName::parse("Demo").unwrap(),
            action: (*action).to_owned(),
            priority: 1,
            status: BacklogStatus::Pending,
            status_unclear: false,
            agent: None,
            deadline: None,
            needs_gpu: false,
            model: None,
            depends_on: Vec::new(),
            line: 2,
            url: None,
            needs_approval: false,
            is_ticket: false,
            ticket: None,
        };
        *self.items.lock().unwrap() = actions.iter().map(item).collect();
        self.changed.notify_one();
    }

    /// The phases of a plan, each after the one before.
    pub(crate) fn plan(&self, phases: &[&str]) {
        self.set(phases);
        let mut items = self.items.lock().unwrap();
        for at in 1..items.len() {
            items[at].depends_on = vec![items[at - 1].native_ref.clone()];
        }
    }

    /// A ticket of a tracker, new or as it reads now.
    pub(crate) fn ticket(&self, number: u32, action: &str, needs_approval: bool) {
        let native_ref = format!("tracker#{number}");
        let mut items = self.items.lock().unwrap().clone();
        self.set(&[action]);
        let fresh = self.items.lock().unwrap().remove(0);
        let known = items.iter().position(|item| item.native_ref == native_ref).map(|at| items.remove(at));
        let url = Some(format!("https://tracker.example/{number}"));
        let status = known.map_or(BacklogStatus::Pending, |known| known.status);
        let ticket = Ticket {
            id: format!("WEB-{number}"),
            uuid: native_ref.clone(),
            project_id: "web".to_owned(),
            trigger: TicketTrigger::NewTicket,
        };
        let ticket = Some(Box::new(ticket));
        items.push(SourceItem { native_ref, url, needs_approval, is_ticket: true, ticket, status, ..fresh });
        *self.items.lock().unwrap() = items;
        self.changed.notify_one();
    }

    /// It can or cannot be read from here on.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// It can or cannot be written to from here on.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// Whoever reads it waits as long as this is kept.
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.reading.lock().await
    }

    /// How often somebody began to read it, those who wait among them.
    pub(crate) fn readers(&self) -> u64 {
        self.readers.load(Ordering::SeqCst)
    }

    /// What was written to it.
    pub(crate) fn writes(&self) -> Vec<WriteBack> {
        self.writes.lock().unwrap().clone()
    }

    /// A person sets a row's Status, and may add rows.
    pub(crate) fn edit(&self, action: &str, status: BacklogStatus, more: &[&str]) {
        let mut items = self.items.lock().unwrap().clone();
        self.set(more);
        items.extend(self.items.lock().unwrap().drain(..));
        items.iter_mut().filter(|item| item.action == action).for_each(|item| item.status = status);
        *self.items.lock().unwrap() = items;
    }

    /// The tracker does not list it any more.
    pub(crate) fn drop_ticket(&self, number: u32) {
        let native_ref = format!("tracker#{number}");
        self.items.lock().unwrap().retain(|item| item.native_ref != native_ref);
        self.changed.notify_one();
    }

    pub(crate) fn status(&self, action: &str) -> Option<BacklogStatus> {
        self.items.lock().unwrap().iter().find(|item| item.action == action).map(|item| item.status)
    }
}

#[async_trait::async_trait]
impl Backlog for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn holds_tickets(&self) -> bool {
        true
    }

    async fn read(&self) -> Reading {
        self.readers.fetch_add(1, Ordering::SeqCst);
        let _reading = self.reading.lock().await;
        if self.down.load(Ordering::SeqCst) {
            let message = "it does not answer".to_owned();
            let problem = SourceProblem { line: 0, column: None, message, skipped: false, native_ref: None };
            return Reading::Unreadable { problem };
        }
        Reading::Items { items: self.items.lock().unwrap().clone(), problems: Vec::new() }
    }

    async fn outline(&self, native_ref: &str) -> Result<Option<Outline>, String> {
        let items = self.items.lock().unwrap();
        let phases = items.iter().map(|item| OutlinePhase {
            native_ref: item.native_ref.clone(),
            title: item.action.clone(),
            text: format!("{} in full", item.action),
            done: item.status == BacklogStatus::Completed,
        });
        let outline = Outline { id: "move".to_owned(), description: "Move".to_owned(), phases: phases.collect() };
        Ok(outline.phases.iter().any(|phase| phase.native_ref == native_ref).then_some(outline))
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn write_back(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError> {
        if self.deaf.load(Ordering::SeqCst) {
            let (what, why) = ("write to the rows".to_owned(), "the network is gone".to_owned());
            return Err(WriteBackError { what, why, fix: "Wait.".to_owned(), retry: true });
        }
        self.writes.lock().unwrap().extend_from_slice(writes);
        let mut items = self.items.lock().unwrap();
        let outcome = |write: &WriteBack| match items.iter_mut().find(|item| item.native_ref == write.native_ref) {
            Some(item) => {
                item.status = write.status;
                WriteOutcome::Written
            }
            None => WriteOutcome::RowGone,
        };
        Ok(writes.iter().map(outcome).collect())
    }
}
