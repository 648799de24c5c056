//! Edits that somebody's next save may have missed.
//!
//! While the file is replaced, a person's edit can be out of it for a moment: it came in through the old file's handle
//! and waits to be merged, or it was taken out with the old file and is put back. Whoever reads the file in that
//! moment and saves it later removes the edit without ever having seen it. So such edits are remembered for a while;
//! one that a save took out again is kept in a copy, since nobody but the person knows whether that was meant.

use super::document::{Document, Record};
use super::load::Loaded;
use crate::table::{Column, Columns, Listing};
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
    /// Of a row that was there before: the cells that the edit changed, by place, as they were.
    before: Option<Vec<(usize, Vec<u8>)>>,
    bytes: Vec<u8>,
}

impl Missed {
    /// Remembers what `with` has that `without` has not.
    pub(crate) fn remember(&mut self, without: &Rows<'_>, with: &Rows<'_>) {
        let rows = with.added_to(without);
        if !rows.is_empty() {
            self.0.push(Edit { header: with.header().to_vec(), rows, since: Instant::now() });
        }
    }

    /// Forgets what was remembered long enough when the file, which stands still for `age`, was saved.
    pub(crate) fn expire(&mut self, age: Duration) {
        self.0.retain(|edit| edit.since.elapsed().saturating_sub(age) < KEPT);
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

    /// Forgets the rows that are gone, now that they are kept.
    pub(crate) fn forget_gone(&mut self, now: &Rows<'_>) {
        let index = now.index();
        self.0.retain_mut(|edit| {
            edit.rows.retain(|row| !row.is_gone(&index));
            !edit.rows.is_empty()
        });
    }
}

impl Row {
    fn is_gone(&self, now: &Index<'_>) -> bool {
        let Some(name) = &self.native_ref else { return !now.records.contains(self.bytes.as_slice()) };
        let Some(cells) = now.cells(name) else { return true };
        // What was changed once more is there; so is what is ours to write.
        let is_back = |(place, before): &(usize, Vec<u8>)| cell(&cells, *place) == before.as_slice();
        self.before.as_ref().is_some_and(|before| !before.is_empty() && before.iter().all(is_back))
    }
}

/// The rows of one content.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    document: &'a Document,
    columns: &'a Columns,
    listing: &'a Listing,
}

/// The same to look things up in.
struct Index<'a> {
    document: &'a Document,
    named: HashMap<&'a str, &'a Record>,
    records: HashSet<&'a [u8]>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(document: &'a Document, columns: &'a Columns, listing: &'a Listing) -> Self {
        Self { document, columns, listing }
    }

    pub(crate) fn of(loaded: &'a Loaded) -> Self {
        Self::new(&loaded.document, &loaded.columns, &loaded.listing)
    }

    fn records(&self) -> impl Iterator<Item = &'a [u8]> {
        let bytes = self.document.bytes();
        self.document.records().iter().map(move |record| &bytes[record.start..record.end])
    }

    fn header(&self) -> &'a [u8] {
        self.records().next().unwrap_or_default()
    }

    fn index(&self) -> Index<'a> {
        let records = self.document.records();
        let named = self.listing.rows.iter().filter_map(|row| Some((row.native_ref.as_str(), records.get(row.record)?)));
        Index { document: self.document, named: named.collect(), records: self.records().collect() }
    }

    /// The rows that are here and not there.
    fn added_to(&self, without: &Rows<'_>) -> Vec<Row> {
        let names: HashMap<usize, &str> = self.listing.rows.iter().map(|row| (row.record, row.native_ref.as_str())).collect();
        let (here, without) = (self.index(), without.index());
        let records = self.records().enumerate().skip(1).filter(|(_, bytes)| !without.records.contains(bytes));
        let rows = records.map(|(index, bytes)| {
            let name = names.get(&index).copied();
            let before = name.and_then(|name| Some(self.changed(&without.cells(name)?, &here.cells(name)?)));
            Row { native_ref: name.map(str::to_owned), before, bytes: bytes.to_vec() }
        });
        rows.collect()
    }

    /// The cells that differ, as they were. Where only cells that are ours to write do, those.
    fn changed(&self, before: &[Vec<u8>], after: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
        let differ = (0..before.len().max(after.len())).filter(|place| cell(before, *place) != cell(after, *place));
        let is_ours = |place: &usize| {
            [Column::Status, Column::Agent, Column::LastUpdate].iter().any(|ours| self.columns.index(*ours) == Some(*place))
        };
        let (ours, theirs): (Vec<_>, Vec<_>) = differ.partition(is_ours);
        let changed = if theirs.is_empty() { ours } else { theirs };
        changed.into_iter().map(|place| (place, cell(before, place).to_vec())).collect()
    }
}

impl Index<'_> {
    fn cells(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        let mut fields = Vec::new();
        self.document.fields(self.named.get(name)?, &mut fields);
        Some(fields.iter().map(|field| self.document.raw(field).to_vec()).collect())
    }
}

/// A cell of a row that may end before it.
fn cell(cells: &[Vec<u8>], place: usize) -> &[u8] {
    cells.get(place).map_or(&[], Vec::as_slice)
}
