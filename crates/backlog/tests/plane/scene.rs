//! A Plane to read from, and what is asked of a source in one line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_backlog::plane::{ApiKey, NewTickets, PlaneProject, Triggers};
use strawboss_backlog::{PlaneBacklog, PlaneConfig};
use strawboss_core::backlog::{
    Backlog as _, BacklogStatus, Reading, Report, ReportedCheck, SourceItem, TicketTrigger, WriteBack, WriteBackError,
    WriteOutcome,
};
use strawboss_core::run::RunOutcome;
use strawboss_core::{ProjectName, RunId, Timestamp};
use strawboss_testkit::Plane;
use strawboss_testkit::plane::{API_KEY, PROJECT, WORKSPACE};

pub(crate) const NAME: &str = "Antenna ML Pipeline";

/// A Plane, and the file in which a source remembers.
pub(crate) struct Scene {
    pub(crate) plane: Arc<Plane>,
    dir: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self { plane: Arc::new(Plane::start().await.unwrap()), dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn memory(&self) -> PathBuf {
        self.dir.path().join("sources/plane.json")
    }

    /// Another one, for a source that knows nothing yet.
    pub(crate) fn aside(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.json"))
    }

    /// Every open ticket is work, of one project that approves of what trusted people want.
    pub(crate) fn config(&self) -> PlaneConfig {
        let project = PlaneProject { plane: PROJECT.to_owned(), project: ProjectName::parse(NAME).unwrap(), approved: true };
        let key = ApiKey::Value(API_KEY.to_owned());
        let usual = PlaneConfig::new(WORKSPACE, vec![project], key, Some(self.memory()));
        PlaneConfig {
            api_url: self.plane.url().to_owned(),
            poll_interval: Duration::from_millis(20),
            triggers: Triggers { new_tickets: NewTickets::All, ..Triggers::default() },
            ..usual
        }
    }

    pub(crate) fn triggered(&self, triggers: Triggers) -> PlaneBacklog {
        PlaneBacklog::new(PlaneConfig { triggers, ..self.config() }).unwrap()
    }

    pub(crate) fn open(&self) -> PlaneBacklog {
        PlaneBacklog::new(self.config()).unwrap()
    }
}

pub(crate) async fn items(backlog: &PlaneBacklog) -> Vec<SourceItem> {
    match backlog.read().await {
        Reading::Items { items, .. } => items,
        Reading::Unreadable { problem } => panic!("{}", problem.message),
    }
}

pub(crate) async fn trouble(backlog: &PlaneBacklog) -> String {
    match backlog.read().await {
        Reading::Items { items, .. } => panic!("it could be read: {items:?}"),
        Reading::Unreadable { problem } => problem.message,
    }
}

pub(crate) fn report(run: &str) -> Report {
    Report {
        run: RunId::parse(run).unwrap(),
        outcome: Some(RunOutcome::Succeeded),
        summary: Some("Done <b>so</b>.".to_owned()),
        checks: vec![ReportedCheck { command: "cargo test".to_owned(), exit_code: Some(0) }],
        branch: "strawboss/antenna-1".to_owned(),
        commit: Some("abc".to_owned()),
        cost_microusd: 0,
        trouble: None,
        link: None,
    }
}

pub(crate) fn write(id: &str, status: BacklogStatus, report: Option<Report>) -> WriteBack {
    let native_ref = format!("plane:{WORKSPACE}/{id}");
    WriteBack {
        native_ref,
        status,
        agent: String::new(),
        at: Timestamp(1_768_471_200_000),
        known: None,
        report,
        earlier: Vec::new(),
    }
}

pub(crate) async fn put(backlog: &PlaneBacklog, write: WriteBack) -> Result<WriteOutcome, WriteBackError> {
    backlog.write_back(&[write]).await.map(|mut outcomes| outcomes.remove(0))
}

pub(crate) fn statuses(items: &[SourceItem]) -> Vec<BacklogStatus> {
    items.iter().map(|item| item.status).collect()
}

pub(crate) fn trigger(item: &SourceItem) -> TicketTrigger {
    item.ticket.as_ref().unwrap().trigger
}
