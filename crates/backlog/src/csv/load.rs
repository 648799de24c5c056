//! A look at the file, understood: document, columns and rows, or why there are none.

use super::document::{Broken, Document};
use super::fault::Fault;
use super::header;
use super::look::{Hash, Snapshot, Stamp, hash, look};
use super::rows::list;
use crate::table::{Columns, Listing};
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

/// A file that was read and understood.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The file itself, links followed.
    pub(crate) path: PathBuf,
    /// Open for reading.
    pub(crate) file: File,
    /// Owner, mode and all.
    pub(crate) metadata: Metadata,
    /// Which state of the file it was.
    pub(crate) stamp: Stamp,
    /// Its content's name.
    pub(crate) hash: Hash,
    /// Its content.
    pub(crate) document: Document,
    /// Where our columns are.
    pub(crate) columns: Columns,
    /// What its rows say.
    pub(crate) listing: Listing,
}

/// A file that cannot be used, and which state of it, if one was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Why.
    pub(crate) fault: Fault,
    /// Which state.
    pub(crate) stamp: Option<Stamp>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, stamp: None }
    }
}

/// Reads and understands the file.
pub(crate) fn load(configured: &Path) -> Result<Loaded, Refusal> {
    let Snapshot { path, file, metadata, stamp, bytes } = look(configured)?;
    let hash = hash(&bytes);
    let (document, columns, listing) = understand(bytes).map_err(|fault| Refusal { fault, stamp: Some(stamp) })?;
    Ok(Loaded { path, file, metadata, stamp, hash, document, columns, listing })
}

/// Understands a content.
pub(crate) fn understand(bytes: Vec<u8>) -> Result<(Document, Columns, Listing), Fault> {
    if memchr::memchr(0, &bytes).is_some() {
        let what = match bytes.get(..2) {
            Some([0xff, 0xfe] | [0xfe, 0xff]) => "UTF-16",
            Some(b"PK") => "a spreadsheet's own format",
            _ => "binary",
        };
        return Err(Fault::Binary { what });
    }
    let document = Document::parse(bytes);
    match document.broken() {
        Some(Broken::Quote { line }) => return Err(Fault::BrokenQuote { line }),
        Some(Broken::TooManyRecords) => return Err(Fault::TooManyRows),
        None => {}
    }
    let columns = header::find(&document)?;
    let listing = list(&document, &columns);
    Ok((document, columns, listing))
}

impl Loaded {
    /// Whether the end of the file looks as if more were to come: no line end yet.
    pub(crate) fn is_open_ended(&self) -> bool {
        !self.document.ends_with_line_end()
    }

    /// Whether the last row is broken, as it is while it is being written.
    pub(crate) fn ends_torn(&self) -> bool {
        self.is_open_ended() && self.document.records().last().is_some_and(|record| record.flaw.is_some())
    }
}
