//! Edits that somebody's next save may have missed.
//!
//! While the file is replaced, a person's edit can be out of it for a moment: it came in through the old file's handle
//! and waits to be merged, or it was taken out with the old file and is put back. Whoever reads the file in that
//! moment and saves it later removes the edit without ever having seen it. So such edits are remembered for a while;
//! one that a save took out again is kept in a copy, since nobody but the person knows whether that was meant.

use super::document::Document;
use super::load::Loaded;
use crate::table::Listing;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long an edit is remembered: longer than a program takes from reading a file to saving it.
const KEPT: Duration = Duration::from_mins(1);

/// The edits of the last minute that were out of the file for a moment.
#[derive(Debug, Default)]
pub(crate) struct Missed(Vec<Edit>);

#[derive(Debug)]
struct Edit {
    header: Vec<u8>,
    rows: Vec<Row>,
    since: Instant,
}

/// A row that the edit added or changed.
#[derive(Debug)]
struct Row {
    /// What names it; a row that is skipped has only its bytes.
    native_ref: Option<String>,
    /// Without the edit, if it was there.
    before: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

impl Missed {
    /// Remembers what `with` has that `without` has not.
    pub(crate) fn remember(&mut self, without: &Rows<'_>, with: &Rows<'_>) {
        let rows: Vec<_> = with.added_to(without).collect();
        if !rows.is_empty() {
            self.0.push(Edit { header: with.header().to_vec(), rows, since: Instant::now() });
        }
    }

    /// Whether there is anything to look after.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows that are not in the file any more, under their header.
    pub(crate) fn gone(&self, now: &Rows<'_>) -> Option<Vec<u8>> {
        let index = now.index();
        let mut copy = Vec::new();
        for edit in &self.0 {
            let gone = edit.rows.iter().filter(|row| row.is_gone(&index)).map(|row| row.bytes.as_slice());
            for (place, row) in gone.enumerate() {
                if place == 0 {
                    copy.extend_from_slice(&edit.header);
                    copy.push(b'\n');
                }
                copy.extend_from_slice(row);
                copy.push(b'\n');
            }
        }
        Some(copy).filter(|copy| !copy.is_empty())
    }

    /// Forgets the rows that are gone, now that they are kept, and all that were remembered long enough.
    pub(crate) fn forget(&mut self, now: &Rows<'_>) {
        let index = now.index();
        self.0.retain_mut(|edit| {
            edit.rows.retain(|row| !row.is_gone(&index));
            !edit.rows.is_empty() && edit.since.elapsed() < KEPT
        });
    }
}

impl Row {
    fn is_gone(&self, now: &Index<'_>) -> bool {
        let Some(name) = &self.native_ref else { return !now.records.contains(self.bytes.as_slice()) };
        // A row that was edited once more, or that we wrote to, is another than before and is there.
        now.named.get(name.as_str()).is_none_or(|bytes| self.before.as_deref() == Some(*bytes))
    }
}

/// The rows of one content.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    document: &'a Document,
    listing: &'a Listing,
}

/// The same to look things up in.
struct Index<'a> {
    named: HashMap<&'a str, &'a [u8]>,
    records: HashSet<&'a [u8]>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(document: &'a Document, listing: &'a Listing) -> Self {
        Self { document, listing }
    }

    pub(crate) fn of(loaded: &'a Loaded) -> Self {
        Self::new(&loaded.document, &loaded.listing)
    }

    fn records(&self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.document.bytes();
        self.document.records().iter().map(move |record| &bytes[record.start..record.end])
    }

    fn header(&self) -> &'a [u8] {
        self.records().next().unwrap_or_default()
    }

    fn index(&self) -> Index<'a> {
        let records: Vec<_> = self.records().collect();
        let named = self.listing.rows.iter().filter_map(|row| Some((row.native_ref.as_str(), *records.get(row.record)?)));
        Index { named: named.collect(), records: records.into_iter().collect() }
    }

    /// The rows that are here and not there.
    fn added_to(&self, without: &Rows<'_>) -> impl Iterator<Item = Row> {
        let names: HashMap<usize, &str> = self.listing.rows.iter().map(|row| (row.record, row.native_ref.as_str())).collect();
        let without = without.index();
        let records = self.records().enumerate().skip(1).filter(|(_, bytes)| !without.records.contains(bytes));
        let rows = records.map(|(index, bytes)| {
            let native_ref = names.get(&index).map(|name| (*name).to_owned());
            let before = native_ref.as_deref().and_then(|name| without.named.get(name)).map(|bytes| bytes.to_vec());
            Row { native_ref, before, bytes: bytes.to_vec() }
        });
        rows.collect::<Vec<_>>().into_iter()
    }
}
