//! Writes our cells of rows, to the rows that are meant and to no others.
//!
//! Google has no write that holds only if nothing changed meanwhile. So each cell that is to be written is given a name first:
//! names follow their cells when rows and columns are inserted, moved and deleted. Then the worksheet is read again, and only if
//! each name is where its row is, the write is made, to the names. What names do not follow is sorting, so it is looked at once
//! more afterwards; a cell that was written to in another row is put back as it was.

use super::SheetsBacklog;
use super::failure::Failure;
use super::grid::Grid;
use super::model::{Batch, NamedRange, Spreadsheet as Answered};
use super::place::{NAMES, Place};
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

/// How far one try came.
enum Try {
    Done(Vec<WriteOutcome>),
    /// The worksheet changed: once more, and these are to be put back.
    Again(Vec<Stray>),
}

impl SheetsBacklog {
    /// Writes all of them in one request; none on an error.
    pub(super) async fn write(&self, found: &mut Option<String>, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, Failure> {
        let place = self.find(found).await?;
        let mut strays = Vec::new();
        for _ in 0..TRIES {
            match self.attempt(&place, writes, &strays).await? {
                Try::Done(outcomes) => return Ok(outcomes),
                Try::Again(more) => strays.extend(more),
            }
        }
        Err(Failure::Changing)
    }

    async fn attempt(&self, place: &Place, writes: &[WriteBack], strays: &[Stray]) -> Result<Try, Failure> {
        let before = self.grid(place, true).await?;
        let (outcomes, changes) = plan(&before, writes, strays);
        if changes.is_empty() {
            return Ok(Try::Done(outcomes));
        }
        let batch = Batched::new();
        self.name(place, &before, &changes, &batch).await?;
        let tried = self.put(place, writes, strays, &changes, &batch).await;
        if let Err(failure) = self.unname(place, &batch).await {
            tracing::warn!(
                source = self.name,
                ?failure,
                "names of cells are left in the spreadsheet; the next write removes them"
            );
        }
        Ok(match tried? {
            None => Try::Again(Vec::new()),
            Some(more) if more.is_empty() => Try::Done(outcomes),
            Some(more) => Try::Again(more),
        })
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

    /// Takes the names away that are still there.
    async fn unname(&self, place: &Place, batch: &Batched) -> Result<(), Failure> {
        let address = self.address(&place.spreadsheet, "", NAMES);
        let there: Answered = self.client.call(&self.pace, Method::GET, address, None).await?.json()?;
        let requests: Vec<Value> = there.named_ranges.iter().filter(|name| batch.is_one(&name.name)).map(delete).collect();
        if requests.is_empty() {
            return Ok(());
        }
        self.send(place, ":batchUpdate", "replies", &json!({ "requests": requests })).await.map(drop)
    }

    /// Writes to the names, if they are where they shall be. None: they are not. Else what went astray.
    async fn put(
        &self,
        place: &Place,
        writes: &[WriteBack],
        strays: &[Stray],
        changes: &[Change],
        batch: &Batched,
    ) -> Result<Option<Vec<Stray>>, Failure> {
        let now = self.grid(place, true).await?;
        let rows_now = rows(&now);
        let named = |grid: &Grid, number: usize| {
            let range = grid.names.iter().find(|name| name.name == batch.name(number))?.range;
            (range.sheet_id == grid.sheet_id).then_some((range.start_row_index, range.start_column_index))
        };
        let stands = changes.iter().enumerate().all(|(number, change)| {
            let at = position(&now, &rows_now, change);
            at.is_some() && at == named(&now, number)
        });
        if !stands || plan(&now, writes, strays).1 != changes {
            return Ok(None);
        }
        // A formula that is put back is one only if it is taken as typed; anything of ours never is.
        for (option, formulas) in [("RAW", false), ("USER_ENTERED", true)] {
            let of_kind = changes.iter().enumerate().filter(|(_, change)| typed(&change.value).1 == formulas);
            let data: Vec<Value> = of_kind
                .map(|(number, change)| json!({ "range": batch.name(number), "values": [[typed(&change.value).0]] }))
                .collect();
            if data.is_empty() {
                continue;
            }
            let body = json!({ "valueInputOption": option, "data": data });
            match self.send(place, "/values:batchUpdate", "totalUpdatedCells", &body).await {
                Ok(_) => {}
                Err(failure) if failure.is_of_a_lost_place() => return Ok(None),
                Err(failure) => return Err(failure),
            }
        }
        let after = self.grid(place, true).await?;
        let rows_after = rows(&after);
        let mut astray = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            let Some(wrote) = change.value.as_str() else { continue };
            let says = |at: (usize, usize)| after.text(at.0, at.1) == wrote;
            if position(&after, &rows_after, change).is_some_and(says) {
                continue;
            }
            // The row is gone, or a person changed the cell at once; or it is another row's cell that was written to.
            let Some(at) = named(&after, number).filter(|at| says(*at)) else { continue };
            let column = OURS.into_iter().find(|column| after.columns.index(*column) == Some(at.1));
            let other = after.listing.rows.iter().find(|row| row.record == at.0);
            let was = other.zip(column).and_then(|(other, column)| {
                let (row, place) = (rows_now.get(other.native_ref.as_str())?, now.columns.index(column)?);
                let was = now.cell(row.record, place).and_then(|cell| cell.user_entered_value.clone());
                Some(Stray { row: other.native_ref.clone(), column, wrote: wrote.to_owned(), was: was.unwrap_or_default() })
            });
            match was {
                Some(stray) if stray.row != change.row => astray.push(stray),
                _ => {
                    tracing::warn!(source = self.name, row = at.0 + 1, "a cell was written while it was moved; see what it says")
                }
            }
        }
        Ok(Some(astray))
    }
}

/// The names of one write.
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
