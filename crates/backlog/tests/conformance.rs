//! The CSV file holds to what every source holds to.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strawboss_backlog::conformance::{Fixture, Said, Sight, Wish, holds};
use strawboss_backlog::{CsvBacklog, CsvConfig, Patience};
use strawboss_core::backlog::Backlog;

/// A person with a spreadsheet program: the `csv` crate, which reads and writes whole files.
struct Person {
    _dir: tempfile::TempDir,
    path: PathBuf,
    id: bool,
}

const PLAIN: [&str; 9] = ["Project", "Priority", "Status", "Agent", "Last Update", "Next Action", "Deadline", "GPU", "Model"];

impl Person {
    fn new(id: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("priorities.csv");
        let mut header = PLAIN.to_vec();
        if id {
            header.insert(0, "ID");
            header.push("Depends On");
        }
        std::fs::write(&path, header.join(",") + "\r\n").unwrap();
        Self { _dir: dir, path, id }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(&self.path).unwrap();
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    fn save(&self, rows: &[Vec<String>]) {
        let aside = self.path.with_extension("csv~");
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_path(&aside).unwrap();
        for row in rows {
            writer.write_record(row).unwrap();
        }
        writer.flush().unwrap();
        std::fs::rename(&aside, &self.path).unwrap();
    }

    fn column(&self, name: &str) -> usize {
        PLAIN.iter().position(|column| *column == name).unwrap() + usize::from(self.id)
    }

    fn set(&self, action: &str, column: &str, value: &str) {
        let mut rows = self.rows();
        let row = rows.iter_mut().find(|row| row[self.column("Next Action")] == action).unwrap();
        value.clone_into(&mut row[self.column(column)]);
        self.save(&rows);
    }
}

#[async_trait::async_trait]
impl Fixture for Person {
    async fn open(&mut self) -> Arc<dyn Backlog> {
        let usual = CsvConfig::new(&self.path);
        // Nobody writes half a file here.
        let patience = Patience { torn: usual.patience.settle, write: Duration::from_secs(1), ..usual.patience };
        Arc::new(CsvBacklog::new(CsvConfig { patience, ..usual }).unwrap())
    }

    async fn add(&mut self, wish: &Wish<'_>) {
        let mut rows = self.rows();
        let cells = [wish.project, wish.priority, wish.status, "", "", wish.action, wish.deadline, wish.gpu, wish.model];
        let id = self.id.then(|| format!("{}", rows.len()));
        let depends_on = self.id.then(String::new);
        rows.push(id.into_iter().chain(cells.map(str::to_owned)).chain(depends_on).collect());
        self.save(&rows);
    }

    async fn set_status(&mut self, action: &str, status: &str) {
        self.set(action, "Status", status);
    }

    async fn set_action(&mut self, action: &str, new: &str) {
        self.set(action, "Next Action", new);
    }

    async fn remove(&mut self, action: &str) {
        let mut rows = self.rows();
        rows.retain(|row| row[self.column("Next Action")] != action);
        self.save(&rows);
    }

    async fn block(&mut self, action: &str, by: &str) -> Said {
        let mut rows = self.rows();
        let at = |rows: &[Vec<String>], action| rows.iter().position(|row| row[self.column("Next Action")] == action).unwrap();
        if !self.id {
            return Said::Impossible;
        }
        let (row, by) = (at(&rows, action), at(&rows, by));
        rows[row][PLAIN.len() + 1] = rows[by][0].clone();
        self.save(&rows);
        Said::Done
    }

    async fn add_as_stranger(&mut self, _: &Wish<'_>) -> Said {
        Said::Impossible
    }

    async fn take_away(&mut self) {
        std::fs::rename(&self.path, self.path.with_extension("elsewhere")).unwrap();
    }

    async fn give_back(&mut self) {
        std::fs::rename(self.path.with_extension("elsewhere"), &self.path).unwrap();
    }

    async fn see(&mut self, action: &str) -> Option<Sight> {
        let rows = self.rows();
        let row = rows.iter().find(|row| row[self.column("Next Action")] == action)?;
        let cell = |name| row[self.column(name)].clone();
        Some(Sight { status: cell("Status"), agent: Some(cell("Agent")), last_update: Some(cell("Last Update")) })
    }
}

#[tokio::test]
async fn rows_named_by_project_and_action() {
    holds(async || Person::new(false)).await;
}

#[tokio::test]
async fn rows_named_by_their_id() {
    holds(async || Person::new(true)).await;
}
