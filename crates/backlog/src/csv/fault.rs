//! Why a backlog file as a whole cannot be used now: what is wrong, and what a person does about it.
//!
//! Every answer to a bad file is worded here and nowhere else; docs/backlogs/csv.md has them as a table.

use super::document::MAX_RECORDS;
use crate::table::Column;
use std::path::PathBuf;
use strawboss_core::backlog::{SourceProblem, WriteBackError};

/// The largest file that is read: 64 MiB. A backlog of 250 000 rows is half of that; a larger file is a mistake.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

/// What is wrong with the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no file.
    Missing,
    /// There is a link to nothing.
    Dangling { target: PathBuf },
    /// A directory, device, pipe or socket.
    NotAFile { kind: &'static str },
    /// More than [`MAX_BYTES`].
    TooBig { size: u64 },
    /// We may not read it.
    Denied,
    /// Another answer of the operating system.
    Io { doing: &'static str, why: String },
    /// It changed under every look.
    Changing,
    /// Another program holds its lock.
    Locked,
    /// What an interrupted write left cannot be put in order.
    Unfinished { why: String, fix: &'static str },
    /// No byte in it, or nothing but blank lines and comments.
    Empty,
    /// NUL bytes: UTF-16, a spreadsheet's own format, or no text at all.
    Binary { what: &'static str },
    /// The first row does not name the columns we need.
    NoHeader { missing: Vec<Column>, line: u64, separator: Option<&'static str> },
    /// A column of ours twice; places from 1.
    DuplicateColumn { column: Column, line: u64, first: usize, second: usize },
    /// A quote swallows lines that may be rows.
    BrokenQuote { line: u64 },
    /// More rows than are read.
    TooManyRows,
}

impl Fault {
    /// Whether it may be a moment between two states of a file that is being saved, so that looking again soon may
    /// find it whole.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Missing
            | Self::Dangling { .. }
            | Self::Changing
            | Self::Locked
            | Self::Empty
            | Self::Binary { .. }
            | Self::NoHeader { .. }
            | Self::DuplicateColumn { .. }
            | Self::BrokenQuote { .. } => true,
            Self::NotAFile { .. }
            | Self::TooBig { .. }
            | Self::Denied
            | Self::Io { .. }
            | Self::TooManyRows
            | Self::Unfinished { .. } => false,
        }
    }

    fn line(&self) -> u64 {
        match self {
            Self::NoHeader { line, .. } | Self::DuplicateColumn { line, .. } | Self::BrokenQuote { line } => *line,
            _ => 0,
        }
    }

    /// Why, without a full stop.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Missing => "there is no such file".to_owned(),
            Self::Dangling { target } => format!("it is a link to `{}`, which is not there", target.display()),
            Self::NotAFile { kind } => format!("it is {kind}, not a file"),
            Self::TooBig { size } => format!("it has {size} bytes, more than the {MAX_BYTES} that are read"),
            Self::Denied => "this user may not read it".to_owned(),
            Self::Io { doing, why } => format!("{doing} failed: {why}"),
            Self::Changing => "it changed every time it was looked at".to_owned(),
            Self::Locked => "another program holds its lock".to_owned(),
            Self::Unfinished { why, .. } => format!("a write to it was interrupted, and {why}"),
            Self::Empty => "it is empty, not even a header row is there".to_owned(),
            Self::Binary { what } => format!("it is {what}, not UTF-8 text"),
            Self::NoHeader { missing, line, separator } => {
                let names: Vec<_> = missing.iter().map(|column| format!("`{}`", column.name())).collect();
                let names = names.join(", ");
                match separator {
                    Some(word) => format!("line {line}, the header, seems to be separated by {word} and lacks {names}"),
                    None if missing.len() == 3 => format!("line {line} is no header row: it lacks {names}"),
                    None => format!("the header on line {line} lacks {names}"),
                }
            }
            Self::DuplicateColumn { column, line, first, second } => {
                format!("the header on line {line} has `{}` twice, as columns {first} and {second}", column.name())
            }
            Self::BrokenQuote { line } => {
                format!("the quoting that begins on line {line} is broken, so that nobody can say where the rows after it begin")
            }
            Self::TooManyRows => format!("it has more than the {MAX_RECORDS} rows that are read"),
        }
    }

    pub(crate) fn fix(&self) -> &'static str {
        match self {
            Self::Missing => {
                "Create it (`strawboss init` writes a sample), or correct `file:` under `backlogs:` in strawboss.yaml."
            }
            Self::Dangling { .. } => "Restore what the link points to, or correct the link.",
            Self::NotAFile { .. } => "Name a regular file in `file:` under `backlogs:` in strawboss.yaml.",
            Self::TooBig { .. } | Self::TooManyRows => "Move rows that are done to another file.",
            Self::Denied => "Give the user that Strawboss runs as the right to read the file and to enter its folders.",
            Self::Io { .. } => "Mend what the operating system names; it is tried again.",
            Self::Changing => "Stop the program that keeps writing to it, or let it save by renaming; it is tried again.",
            Self::Locked => "Find the program that locks it (`fuser`, `lsof`; another Strawboss?) and end it; it is tried again.",
            Self::Unfinished { fix, .. } => fix,
            Self::Empty => {
                "Write at least the header row: Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model."
            }
            Self::Binary { .. } => "Save it as comma-separated text in UTF-8 (in a spreadsheet: \"CSV UTF-8\").",
            Self::NoHeader { separator: Some(_), .. } => "Save it separated by commas.",
            Self::NoHeader { .. } => {
                "The first row must name the columns: \
                 Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model."
            }
            Self::DuplicateColumn { .. } => "Rename or remove one of the two.",
            Self::BrokenQuote { .. } => {
                "Close the text with a quote right before the comma, and write a quote inside a text twice (\"\")."
            }
        }
    }

    /// For a reader: what is known of the source stays.
    pub(crate) fn unreadable(&self, name: &str) -> SourceProblem {
        SourceProblem {
            line: self.line(),
            column: match self {
                Self::DuplicateColumn { column, .. } => Some(column.name().to_owned()),
                _ => None,
            },
            message: format!(
                "Cannot read the backlog `{name}`: {}. Nothing was taken over from it; what is known stays. {}",
                self.why(),
                self.fix()
            ),
            skipped: false,
            native_ref: None,
        }
    }

    /// For a writer. Trying again later can always help: whatever keeps the file from being written today, it is
    /// mended by changing the file, not by writing something else.
    pub(crate) fn unwritable(&self, name: &str) -> WriteBackError {
        WriteBackError {
            what: format!("Cannot write to the backlog `{name}`"),
            why: self.why(),
            fix: self.fix().to_owned(),
            retry: true,
        }
    }
}
