//! A tracker whose tickets a test sets. All of them wait for a person.

use std::sync::{Arc, Mutex};
use strawboss_core::ProjectName;
use strawboss_core::backlog::{
    Backlog, BacklogStatus, Reading, SourceItem, Ticket, TicketTrigger, WriteBack, WriteBackError, WriteOutcome,
};
use strawboss_engine::Source;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    tickets: Mutex<Vec<SourceItem>>,
    changed: Notify,
}

impl Tracker {
    /// With tickets `WEB-1`, `WEB-2` and so on.
    pub(crate) fn with(titles: &[&str]) -> Arc<Self> {
        let ticket = |(at, title): (usize, &&str)| SourceItem {
            native_ref: format!("tracker:{at}"),
            project: ProjectName::parse("Demo").unwrap(),
            action: (*title).to_owned(),
            priority: 1,
            status: BacklogStatus::Pending,
            status_unclear: false,
            agent: None,
            deadline: None,
            needs_gpu: false,
            model: None,
            depends_on: Vec::new(),
            line: 0,
            url: None,
            needs_approval: true,
            is_ticket: true,
            ticket: Some(Box::new(Ticket {
                id: format!("WEB-{}", at + 1),
                uuid: format!("0000-{at}"),
                project_id: "web".to_owned(),
                trigger: TicketTrigger::NewTicket,
            })),
        };
        let tickets = titles.iter().enumerate().map(ticket).collect();
        Arc::new(Self { tickets: Mutex::new(tickets), changed: Notify::new() })
    }

    pub(crate) fn source(self: &Arc<Self>) -> Source {
        Source { backlog: self.clone(), in_review: BacklogStatus::InReview }
    }

    /// How its tickets stand.
    pub(crate) fn statuses(&self) -> Vec<BacklogStatus> {
        self.tickets.lock().unwrap().iter().map(|ticket| ticket.status).collect()
    }
}

#[async_trait::async_trait]
impl Backlog for Tracker {
    fn name(&self) -> &'static str {
        "tracker"
    }

    fn holds_tickets(&self) -> bool {
        true
    }

    async fn read(&self) -> Reading {
        Reading::Items { items: self.tickets.lock().unwrap().clone(), problems: Vec::new() }
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn write_back(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError> {
        let mut tickets = self.tickets.lock().unwrap();
        let outcome = |write: &WriteBack| match tickets.iter_mut().find(|ticket| ticket.native_ref == write.native_ref) {
            Some(ticket) => {
                ticket.status = write.status;
                WriteOutcome::Written
            }
            None => WriteOutcome::RowGone,
        };
        Ok(writes.iter().map(outcome).collect())
    }
}
