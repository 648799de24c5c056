//! A worksheet holds to what every source holds to, and each fault of Google's and of the sheet has its answer.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod faults;
mod reads;
mod writes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_backlog::conformance::{Fixture, Said, Sight, Wish, holds};
use strawboss_backlog::sheets::Spreadsheet;
use strawboss_backlog::{SheetsBacklog, SheetsConfig};
use strawboss_core::Timestamp;
use strawboss_core::backlog::{
    Backlog, BacklogStatus, Reading, SourceItem, SourceProblem, WriteBack, WriteBackError, WriteOutcome,
};
use strawboss_testkit::Sheets;
use strawboss_testkit::sheets::{SPREADSHEET, fault};

/// A Google, and the key of its account in a file.
struct Scene {
    google: Sheets,
    dir: tempfile::TempDir,
}

impl std::ops::Deref for Scene {
    type Target = Sheets;

    fn deref(&self) -> &Sheets {
        &self.google
    }
}

impl Scene {
    async fn new() -> Self {
        let (google, dir) = (Sheets::start().await.unwrap(), tempfile::tempdir().unwrap());
        let scene = Self { google, dir };
        std::fs::write(scene.key(), scene.make_key().unwrap()).unwrap();
        scene
    }

    /// With rows whose project is `A`, and whose Next Action is this.
    async fn with(actions: &[&str]) -> Self {
        let scene = Self::new().await;
        for action in actions {
            scene.append(&["A", "1", "Pending", "", "", action]);
        }
        scene
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.json")
    }

    fn config(&self) -> SheetsConfig {
        SheetsConfig {
            base_url: Some(self.url().to_owned()),
            poll_interval: Duration::from_millis(20),
            ..SheetsConfig::new(Spreadsheet::Id(SPREADSHEET.to_owned()), self.key())
        }
    }

    fn source(&self) -> SheetsBacklog {
        SheetsBacklog::new(self.config()).unwrap()
    }

    /// The row of an action, from 1.
    fn row(&self, action: &str) -> usize {
        self.rows().iter().position(|row| row.iter().any(|cell| cell == action)).unwrap() + 1
    }

    fn status(&self, action: &str) -> String {
        self.cell(&format!("C{}", self.row(action)))
    }
}

async fn all(source: &SheetsBacklog) -> (Vec<SourceItem>, Vec<SourceProblem>) {
    match source.read().await {
        Reading::Items { items, problems } => (items, problems),
        Reading::Unreadable { problem } => panic!("{}", problem.message),
    }
}

async fn items(source: &SheetsBacklog) -> Vec<SourceItem> {
    let (items, problems) = all(source).await;
    assert_eq!(problems, []);
    items
}

async fn problems(source: &SheetsBacklog) -> Vec<String> {
    all(source).await.1.into_iter().map(|problem| problem.message).collect()
}

async fn trouble(source: &SheetsBacklog) -> String {
    match source.read().await {
        Reading::Items { items, .. } => panic!("it could be read: {items:?}"),
        Reading::Unreadable { problem } => problem.message,
    }
}

fn write(native_ref: &str, status: BacklogStatus) -> WriteBack {
    WriteBack {
        native_ref: native_ref.to_owned(),
        status,
        agent: "shell (a-1.1)".to_owned(),
        at: Timestamp(1_768_471_200_000),
        known: None,
        report: None,
        earlier: Vec::new(),
    }
}

async fn put(source: &SheetsBacklog, write: WriteBack) -> Result<WriteOutcome, WriteBackError> {
    source.write_back(&[write]).await.map(|mut outcomes| outcomes.remove(0))
}

/// The name of the row with this action.
async fn name(source: &SheetsBacklog, action: &str) -> String {
    all(source).await.0.into_iter().find(|item| item.action == action).unwrap().native_ref
}

/// People with the spreadsheet open in the browser.
struct Person {
    scene: Scene,
    /// Whether its rows have IDs, by which they can wait for one another.
    id: bool,
}

impl Person {
    async fn new(id: bool) -> Self {
        let scene = Scene::new().await;
        if id {
            scene.type_in("J1", "ID");
            scene.type_in("K1", "Depends On");
        }
        Self { scene, id }
    }
}

#[async_trait::async_trait]
impl Fixture for Person {
    async fn open(&mut self) -> Arc<dyn Backlog> {
        Arc::new(self.scene.source())
    }

    async fn add(&mut self, wish: &Wish<'_>) {
        let cells = [wish.project, wish.priority, wish.status, "", "", wish.action, wish.deadline, wish.gpu, wish.model];
        let row = self.scene.append(&cells);
        if self.id {
            self.scene.type_in(&format!("J{row}"), &format!("{row}"));
        }
    }

    async fn set_status(&mut self, action: &str, status: &str) {
        self.scene.type_in(&format!("C{}", self.scene.row(action)), status);
    }

    async fn set_action(&mut self, action: &str, new: &str) {
        self.scene.type_in(&format!("F{}", self.scene.row(action)), new);
    }

    async fn remove(&mut self, action: &str) {
        self.scene.delete_row(self.scene.row(action));
    }

    async fn block(&mut self, action: &str, by: &str) -> Said {
        if !self.id {
            return Said::Impossible;
        }
        let by = self.scene.cell(&format!("J{}", self.scene.row(by)));
        self.scene.type_in(&format!("K{}", self.scene.row(action)), &by);
        Said::Done
    }

    async fn add_as_stranger(&mut self, _: &Wish<'_>) -> Said {
        Said::Impossible
    }

    async fn take_away(&mut self) {
        self.scene.fail(fault(502, "UNAVAILABLE", "Bad gateway."));
    }

    async fn give_back(&mut self) {
        self.scene.mend();
    }

    async fn see(&mut self, action: &str) -> Option<Sight> {
        let rows = self.scene.rows();
        let row = rows.iter().find(|row| row[5] == action)?;
        Some(Sight { status: row[2].clone(), agent: Some(row[3].clone()), last_update: Some(row[4].clone()) })
    }
}

#[tokio::test]
async fn a_worksheet_holds_to_what_every_source_holds_to() {
    holds(async || Person::new(false).await).await;
}

#[tokio::test]
async fn a_worksheet_of_rows_with_ids_holds_to_it_too() {
    holds(async || Person::new(true).await).await;
}
