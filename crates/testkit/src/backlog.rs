//! A backlog file as a person edits it.

use anyhow::Result;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The usual header.
pub const HEADER: &str = "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model";

/// One row, by column.
pub type Row = HashMap<String, String>;

/// A CSV file.
#[derive(Debug, Clone)]
pub struct BacklogFile {
    path: PathBuf,
}

/// A field, quoted when it must be.
pub fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

impl BacklogFile {
    /// A file with the usual header and no row.
    pub fn create(path: &Path) -> Result<Self> {
        let it = Self { path: path.to_owned() };
        it.write(&format!("{HEADER}\n"))?;
        Ok(it)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text.
    pub fn text(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.path)?)
    }

    /// Replaces it as most editors do: a new file, renamed into place.
    pub fn write(&self, text: &str) -> Result<()> {
        let beside = self.path.with_extension("csv.editing");
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(std::fs::rename(beside, &self.path)?)
    }

    /// Appends a row as a program would: at the end of the file as it is.
    pub fn append(&self, project: &str, priority: &str, status: &str, action: &str, rest: &str) -> Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.path)?;
        let row = format!("{},{priority},{status},,,{},{rest}\n", field(project), field(action));
        Ok(file.write_all(row.as_bytes())?)
    }

    /// Its rows, by column.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(&self.path)?;
        let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(header.iter().cloned().zip(record?.iter().map(str::to_owned)).collect());
        }
        Ok(rows)
    }

    /// The Status of each row, in order.
    pub fn statuses(&self) -> Result<Vec<String>> {
        Ok(self.rows()?.iter().map(|row| row.get("Status").cloned().unwrap_or_default()).collect())
    }
}
