//! Everything that a database holds, moved: into a backup, out of one, or into the other kind of database.
//!
//! Rows travel as they are, with their numbers; how far each table has counted travels too. Of each table a checksum is
//! taken over its rows in order, so that two databases hold the same exactly when their [`Summary`]s are equal.

mod read;
mod tables;
mod write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use tables::TABLES;

/// How many records wait between the side that reads and the side that writes.
pub const WAITING: usize = 64;

/// One thing that travels; a line of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// A row, its values in the order of the table's columns.
    Row(String, Vec<Value>),
    /// How far a table has counted.
    Counted(String, i64),
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// What a database holds, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Every table, in the order that they are written in.
    pub tables: Vec<TableSummary>,
}

/// What a table holds, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// Which.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over its rows and how far it has counted, in hex.
    pub sha256: String,
}

impl Summary {
    /// How many rows there are in all.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The tables that differ.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let of = |summary: &Self, name: &str| summary.tables.iter().find(|table| table.table == name).cloned();
        let differs = |table: &&tables::Table| of(self, table.name) != of(other, table.name);
        TABLES.iter().filter(differs).map(|table| table.name.to_owned()).collect()
    }
}

/// Takes the checksums of records as they pass.
struct Tally {
    tables: Vec<(&'static str, u64, Sha256)>,
}

impl Tally {
    fn new() -> Self {
        Self { tables: TABLES.iter().map(|table| (table.name, 0, Sha256::new())).collect() }
    }

    fn take(&mut self, record: &Record) {
        let (name, line) = match record {
            Record::Row(name, values) => (name, serde_json::to_vec(values)),
            Record::Counted(name, number) => (name, serde_json::to_vec(number)),
        };
        if let Some((_, rows, sum)) = self.tables.iter_mut().find(|(table, ..)| table == name) {
            *rows += u64::from(matches!(record, Record::Row(..)));
            // Values of these kinds can always be written.
            sum.update(line.unwrap_or_default());
            sum.update(b"\n");
        }
    }

    fn summary(self) -> Summary {
        let hex = |sum: Sha256| {
            sum.finalize().iter().fold(String::new(), |mut text, byte| {
                // Writing to a String does not fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        let table = |(name, rows, sum): (&str, u64, Sha256)| TableSummary { table: name.to_owned(), rows, sha256: hex(sum) };
        Summary { tables: self.tables.into_iter().map(table).collect() }
    }
}
