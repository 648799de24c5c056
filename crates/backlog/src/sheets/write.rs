//! Writes our cells of rows, to the rows that are meant and to no others.
//!
//! Google has no write that holds only if nothing changed meanwhile. So each cell that is to be written is given a name first:
//! names follow their cells when rows and columns are inserted, moved and deleted. Then the worksheet is read again, and only if
//! each name is where its row is, the write is made, to the names. What names do not follow is sorting, so it is looked at once
//! more afterwards; a cell that was written to in another row is put back as it was. When nothing can be looked at just then,
//! the next write begins with that look.

use super::failure::Failure;
use super::grid::Grid;
use super::model::{Batch, NamedRange, Spreadsheet as Answered};
use super::place::{NAMES, Place};
use super::{SheetsBacklog, State};
use crate::table::{Column, Row, is_overtaken, ours, says_already};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{SystemTime, UNIX_EPOCH};
use strawboss_core::backlog::{WriteBack, WriteOutcome};

/// How often a write is begun again because the worksheet changed under it.
const TRIES: usize = 5;
/// What our names of cells begin with. They are there for the moment of a write.
const PREFIX: &str = "strawboss_";
/// How old a name of ours must be to be one that a write left behind, in seconds.
const LEFT_BEHIND: u64 = 600;
/// The columns that are written.
const OURS: [Column; 3] = [Column::Status, Column::Agent, Column::LastUpdate];

/// A cell that is to be written.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    /// Its row's name.
    row: String,
    column: Column,
    /// What shall be in it: text of ours, or what somebody had typed.
    value: Value,
}

/// A cell that a write of ours went to by mistake.
#[derive(Debug, Clone, PartialEq)]
struct Stray {
    row: String,
    column: Column,
    /// What we wrote: put back only while it is there.
    wrote: String,
    /// What was there.
    was: Value,
}

/// A write that was sent, or may have been, and where it went is not known yet. Its names stay until it is.
#[derive(Debug)]
pub(super) struct Unchecked {
    /// The worksheet right before.
    before: Grid,
    changes: Vec<Change>,
    batch: Batched,
}

/// How far one try came.
enum Try {
    Done(Vec<WriteOutcome>),
    /// Nothing was written: the worksheet changed.
    Again,
    /// It was written, and these are to be put back.
    Astray(Vec<Stray>),
}

impl SheetsBacklog {
    /// Writes all of them in one request; none on an error.
    pub(super) async fn write(&self, state: &mut State, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, Failure> {
        let place = self.find(&mut state.found).await?;
        let mut strays = self.check(&place, &mut state.unchecked).await?;
        for _ in 0..TRIES {
            match self.attempt(&place, &mut state.unchecked, writes, &strays).await? {
                Try::Done(outcomes) => return Ok(outcomes),
                Try::Again => {}
                Try::Astray(more) => strays.extend(more),
            }
        }
        Err(Failure::Changing)
    }

    async fn attempt(
        &self,
        place: &Place,
        unchecked: &mut Option<Unchecked>,
        writes: &[WriteBack],
        strays: &[Stray],
    ) -> Result<Try, Failure> {
        let before = self.grid(place, true).await?;
        let (outcomes, changes) = plan(&before, writes, strays);
        if changes.is_empty() {
            return Ok(Try::Done(outcomes));
        }
        let batch = Batched::new();
        self.name(place, &before, &changes, &batch).await?;
        let before = match self.stands(place, writes, strays, &changes, &batch).await {
            Ok(Some(grid)) => grid,
            changed_or_failed => {
                self.unname(place, &batch).await;
                return changed_or_failed.map(|_| Try::Again);
            }
        };
        match self.put(place, &changes, &batch).await {
            Ok(()) => {}
            Err(failure) if failure.is_of_what_was_done() => {
                *unchecked = Some(Unchecked { before, changes, batch });
                return Err(failure);
            }
            Err(failure) => {
                self.unname(place, &batch).await;
                return if failure.is_of_a_lost_place() { Ok(Try::Again) } else { Err(failure) };
            }
        }
        *unchecked = Some(Unchecked { before, changes, batch });
        let strays = self.check(place, unchecked).await?;
        Ok(if strays.is_empty() { Try::Done(outcomes) } else { Try::Astray(strays) })
    }

    /// Gives each cell its name, and takes away what an interrupted write left.
    async fn name(&self, place: &Place, grid: &Grid, changes: &[Change], batch: &Batched) -> Result<(), Failure> {
        let rows = rows(grid);
        let left = grid.names.iter().filter(|name| Batched::is_left_behind(&name.name));
        let mut requests: Vec<Value> = left.map(delete).collect();
        for (number, change) in changes.iter().enumerate() {
            let Some((row, column)) = position(grid, &rows, change) else { continue };
            let range = json!({
                "sheetId": grid.sheet_id,
                "startRowIndex": row, "endRowIndex": row + 1,
                "startColumnIndex": column, "endColumnIndex": column + 1,
            });
            requests.push(json!({ "addNamedRange": { "namedRange": { "name": batch.name(number), "range": range } } }));
        }
        let answered = self.send(place, ":batchUpdate", "replies", &json!({ "requests": requests })).await?;
        let answered: Batch = serde_json::from_value(answered).map_err(|error| Failure::NotJson(error.to_string()))?;
        if answered.replies.len() == requests.len() {
            Ok(())
        } else {
            Err(Failure::NotJson("its answer is not to what was asked".to_owned()))
        }
    }

    /// Takes the names away that are still there. What fails of it is left to a later write.
    async fn unname(&self, place: &Place, batch: &Batched) {
        let deleted = async {
            let address = self.address(&place.spreadsheet, "", NAMES);
            let there: Answered = self.client.call(&self.pace, Method::GET, address, None).await?.json()?;
            let requests: Vec<Value> = there.named_ranges.iter().filter(|name| batch.is_one(&name.name)).map(delete).collect();
            if requests.is_empty() {
                return Ok(());
            }
            self.send(place, ":batchUpdate", "replies", &json!({ "requests": requests })).await.map(drop)
        };
        let deleted: Result<(), Failure> = deleted.await;
        if let Err(failure) = deleted {
            tracing::warn!(
                source = self.name,
                ?failure,
                "names of cells are left in the spreadsheet; a later write removes them"
            );
        }
    }

    /// The worksheet as it is now, if each name is on its row and the same cells are to be written.
    async fn stands(
        &self,
        place: &Place,
        writes: &[WriteBack],
        strays: &[Stray],
        changes: &[Change],
        batch: &Batched,
    ) -> Result<Option<Grid>, Failure> {
        let now = self.grid(place, true).await?;
        let there = rows(&now);
        let stands = changes.iter().enumerate().all(|(number, change)| {
            let at = position(&now, &there, change);
            at.is_some() && at == batch.position(&now, number)
        });
        drop(there);
        let same = stands && plan(&now, writes, strays).1 == changes;
        Ok(same.then_some(now))
    }

    /// Writes to the names.
    async fn put(&self, place: &Place, changes: &[Change], batch: &Batched) -> Result<(), Failure> {
        // A formula that is put back is one only if it is taken as typed; anything of ours never is.
        for (option, formulas) in [("RAW", false), ("USER_ENTERED", true)] {
            let of_kind = changes.iter().enumerate().filter(|(_, change)| typed(&change.value).1 == formulas);
            let data: Vec<Value> = of_kind
                .map(|(number, change)| json!({ "range": batch.name(number), "values": [[typed(&change.value).0]] }))
                .collect();
            if !data.is_empty() {
                let body = json!({ "valueInputOption": option, "data": data });
                let answered = self.send(place, "/values:batchUpdate", "totalUpdatedCells", &body).await?;
                if !answered["totalUpdatedCells"].is_u64() {
                    return Err(Failure::NotJson("its answer is not to what was asked".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Looks where a write went whose end is not known yet, and takes its names away: what went astray.
    async fn check(&self, place: &Place, unchecked: &mut Option<Unchecked>) -> Result<Vec<Stray>, Failure> {
        let Some(write) = unchecked.as_ref() else { return Ok(Vec::new()) };
        let after = self.grid(place, true).await?;
        let strays = self.astray(write, &after);
        self.unname(place, &write.batch).await;
        *unchecked = None;
        Ok(strays)
    }

    fn astray(&self, write: &Unchecked, after: &Grid) -> Vec<Stray> {
        let (rows_before, rows_after) = (rows(&write.before), rows(after));
        let mut astray = Vec::new();
        for (number, change) in write.changes.iter().enumerate() {
            let Some(wrote) = change.value.as_str() else { continue };
            let says = |at: (usize, usize)| after.text(at.0, at.1) == wrote;
            if position(after, &rows_after, change).is_some_and(says) {
                continue;
            }
            // The row is gone, or a person changed the cell at once; or it is another row's cell that was written to.
            let Some(at) = write.batch.position(after, number).filter(|at| says(*at)) else { continue };
            let column = OURS.into_iter().find(|column| after.columns.index(*column) == Some(at.1));
            let other = after.listing.rows.iter().find(|row| row.record == at.0 && row.native_ref != change.row);
            let stray = other.zip(column).and_then(|(other, column)| {
                let (row, place) = (rows_before.get(other.native_ref.as_str())?, write.before.columns.index(column)?);
                let was = write.before.cell(row.record, place).and_then(|cell| cell.user_entered_value.clone());
                Some(Stray { row: other.native_ref.clone(), column, wrote: wrote.to_owned(), was: was.unwrap_or_default() })
            });
            if stray.is_none() {
                tracing::warn!(source = self.name, row = at.0 + 1, "a cell was written while it was moved; see what it says");
            }
            astray.extend(stray);
        }
        astray
    }
}

/// The names of one write.
#[derive(Debug)]
struct Batched {
    prefix: String,
}

impl Batched {
    fn new() -> Self {
        let nonce = std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self { prefix: format!("{PREFIX}{:x}_{nonce:x}_", seconds()) }
    }

    fn name(&self, number: usize) -> String {
        format!("{}{number}", self.prefix)
    }

    /// The cell that has a name now.
    fn position(&self, grid: &Grid, number: usize) -> Option<(usize, usize)> {
        let range = grid.names.iter().find(|name| name.name == self.name(number))?.range;
        (range.sheet_id == grid.sheet_id).then_some((range.start_row_index, range.start_column_index))
    }

    fn is_one(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }

    /// Whether a name is one of ours whose write must have ended long ago.
    fn is_left_behind(name: &str) -> bool {
        let since = name.strip_prefix(PREFIX).and_then(|rest| u64::from_str_radix(rest.split('_').next()?, 16).ok());
        since.is_some_and(|since| since + LEFT_BEHIND < seconds())
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn delete(name: &NamedRange) -> Value {
    json!({ "deleteNamedRange": { "namedRangeId": name.named_range_id } })
}

fn rows(grid: &Grid) -> HashMap<&str, &Row> {
    grid.listing.rows.iter().map(|row| (row.native_ref.as_str(), row)).collect()
}

/// Where a change's cell is.
fn position(grid: &Grid, rows: &HashMap<&str, &Row>, change: &Change) -> Option<(usize, usize)> {
    Some((rows.get(change.row.as_str())?.record, grid.columns.index(change.column)?))
}

/// What somebody typed, as a value that is sent, and whether it is a formula.
fn typed(value: &Value) -> (Value, bool) {
    match value {
        Value::Object(entered) => match entered.iter().next() {
            Some((kind, value)) => (value.clone(), kind == "formulaValue"),
            None => ("".into(), false),
        },
        Value::Null => ("".into(), false),
        text => (text.clone(), false),
    }
}

/// What becomes of each write, and which cells change for them; of several to one row the last one counts.
fn plan(grid: &Grid, writes: &[WriteBack], strays: &[Stray]) -> (Vec<WriteOutcome>, Vec<Change>) {
    let rows = rows(grid);
    let mut wanted: BTreeMap<&str, Vec<Change>> = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(writes.len());
    for write in writes {
        let Some(row) = rows.get(write.native_ref.as_str()) else {
            outcomes.push(WriteOutcome::RowGone);
            continue;
        };
        let mut cells = ours(&grid.columns, write);
        cells.retain(|(place, value)| !says_already(&grid.columns, *place, grid.text(row.record, *place).as_bytes(), value));
        let of = |place: usize| OURS.into_iter().find(|column| grid.columns.index(*column) == Some(place));
        let refused = cells.iter().find_map(|(place, _)| Some((of(*place)?, grid.refusal(row.record, *place)?)));
        outcomes.push(if let Some((column, why)) = refused {
            WriteOutcome::Refused(format!("Row {}, {}: the cell {why}.", row.record + 1, column.name()))
        } else if is_overtaken(row, write) {
            WriteOutcome::Overtaken
        } else {
            let change = |(place, value): (usize, String)| {
                Some(Change { row: write.native_ref.clone(), column: of(place)?, value: value.into() })
            };
            wanted.insert(&write.native_ref, cells.into_iter().filter_map(change).collect());
            WriteOutcome::Written
        });
    }
    let free = strays.iter().filter(|stray| !wanted.contains_key(stray.row.as_str())).filter(|stray| {
        let at = rows.get(stray.row.as_str()).map(|row| row.record).zip(grid.columns.index(stray.column));
        at.is_some_and(|(row, place)| grid.text(row, place) == stray.wrote)
    });
    let back = free.map(|stray| Change { row: stray.row.clone(), column: stray.column, value: stray.was.clone() });
    let back: Vec<Change> = back.collect();
    (outcomes, wanted.into_values().flatten().chain(back).collect())
}
