//! A worksheet as it was at one moment: its cells, which rows they make, and what may be written into them.

use super::failure::Failure;
use super::model::{Cell, NamedRange, Range, Worksheet};
use crate::table::{Cells, Column, Columns, HeaderFault, Listing, Reader};
use std::borrow::Cow;
use std::collections::HashMap;

/// How many rows with something in them are looked at for the header: titles and notes may stand above it.
const HEADER_ROWS: usize = 10;
/// How many rows merged cells may cover, each counted once for each: more than a worksheet of the largest size has.
const MERGED_ROWS: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Grid {
    /// Its number, which stays when it is renamed or moved.
    pub(super) sheet_id: i64,
    /// Where our columns are.
    pub(super) columns: Columns,
    /// What its rows say; a row's record is its place from 0.
    pub(super) listing: Listing,
    /// Names of cells in the spreadsheet.
    pub(super) names: Vec<NamedRange>,
    cells: Table,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Vec<Cell>>,
    /// Cells that are one over several, by each row that they cover.
    merges: HashMap<usize, Vec<Range>>,
}

impl Grid {
    /// Understands a worksheet's answer.
    pub(super) fn understand(sheet: Worksheet, names: Vec<NamedRange>) -> Result<Self, Failure> {
        let sheet_id = sheet.properties.sheet_id;
        let cells = Table::of(sheet)?;
        let (header, columns) = cells.header()?;
        let mut reader = Reader::new(&columns, "Row");
        for record in header + 1..cells.rows.len() {
            let row = Placed { cells: &cells, columns: &columns, row: record };
            if !row.is_heading() {
                reader.row(record as u64 + 1, record, &row);
            }
        }
        let listing = reader.done();
        Ok(Self { sheet_id, columns, listing, names, cells })
    }

    /// The cell at a place.
    pub(super) fn cell(&self, row: usize, place: usize) -> Option<&Cell> {
        self.cells.at(row, place)
    }

    /// What a person sees at a place.
    pub(super) fn text(&self, row: usize, place: usize) -> &str {
        self.cell(row, place).and_then(|cell| cell.formatted_value.as_deref()).unwrap_or_default()
    }

    /// Why nothing may be written at a place.
    pub(super) fn refusal(&self, row: usize, place: usize) -> Option<&'static str> {
        if self.cells.merge(row, place).is_some() {
            return Some("is part of merged cells: unmerge them (Format, Merge cells)");
        }
        let cell = self.cell(row, place)?;
        let typed = cell.user_entered_value.as_ref();
        if typed.is_some_and(|typed| typed.get("formulaValue").is_some()) {
            return Some("holds a formula, which is not written over: put the formula into another column");
        }
        let filled = cell.formatted_value.as_deref().is_some_and(|text| !text.is_empty());
        (filled && typed.is_none())
            .then_some("is filled by a formula in another cell, which a text in it would break: move the formula")
    }
}

impl Table {
    fn of(sheet: Worksheet) -> Result<Self, Failure> {
        let mut table = Self::default();
        for data in sheet.data {
            if (data.start_row, data.start_column) != (0, 0) || !table.rows.is_empty() {
                return Err(Failure::NotJson("it answered with another part of the worksheet than was asked for".to_owned()));
            }
            table.rows = data.row_data.into_iter().map(|row| row.values).collect();
        }
        let mut covered = 0;
        for merge in sheet.merges {
            let rows = merge.start_row_index..merge.end_row_index.unwrap_or(usize::MAX).min(table.rows.len());
            covered += rows.len();
            if covered > MERGED_ROWS {
                return Err(Failure::NotJson("it answered with more merged cells than a worksheet has".to_owned()));
            }
            for row in rows {
                table.merges.entry(row).or_default().push(merge);
            }
        }
        Ok(table)
    }

    fn at(&self, row: usize, place: usize) -> Option<&Cell> {
        self.rows.get(row)?.get(place)
    }

    fn merge(&self, row: usize, place: usize) -> Option<&Range> {
        self.merges.get(&row)?.iter().find(|merge| columns_of(merge).contains(&place))
    }

    /// The header's row and what it names.
    fn header(&self) -> Result<(usize, Columns), Failure> {
        let seen = |cell: &Cell| cell.formatted_value.as_deref().is_some_and(|text| !text.trim().is_empty());
        let filled = self.rows.iter().enumerate().filter(|(_, cells)| cells.iter().any(seen));
        let mut nearest: Option<(usize, Vec<Column>)> = None;
        for (row, cells) in filled.take(HEADER_ROWS) {
            let names = cells.iter().map(|cell| cell.formatted_value.as_deref().map(Cow::Borrowed));
            match Columns::of(names, cells.len()) {
                Ok(columns) => return Ok((row, columns)),
                Err(HeaderFault::Missing(missing)) => {
                    if nearest.as_ref().is_none_or(|(_, least)| missing.len() < least.len()) {
                        nearest = Some((row, missing));
                    }
                }
                Err(fault @ HeaderFault::Twice { .. }) => return Err(Failure::Header(row + 1, fault)),
            }
        }
        let (row, missing) = nearest.ok_or(Failure::Empty)?;
        Err(Failure::Header(row + 1, HeaderFault::Missing(missing)))
    }
}

fn columns_of(merge: &Range) -> std::ops::Range<usize> {
    merge.start_column_index..merge.end_column_index.unwrap_or(usize::MAX)
}

/// The cells of one row.
struct Placed<'a> {
    cells: &'a Table,
    columns: &'a Columns,
    row: usize,
}

impl Placed<'_> {
    /// Whether one merged cell is both Project and Next Action: a title over rows, no row.
    fn is_heading(&self) -> bool {
        let (Some(project), Some(action)) = (self.columns.index(Column::Project), self.columns.index(Column::NextAction)) else {
            return false;
        };
        self.cells.merge(self.row, project).is_some_and(|merge| columns_of(merge).contains(&action))
    }

    /// Whether a cell of this column may be one over several rows: it says the same of each. Those that name a row, and
    /// those that are written, may not.
    fn may_span(&self, place: usize) -> bool {
        let own = [Column::Id, Column::NextAction, Column::Status, Column::Agent, Column::LastUpdate];
        !own.into_iter().any(|column| self.columns.index(column) == Some(place))
    }
}

impl Cells for Placed<'_> {
    fn text(&self, place: usize) -> Result<Cow<'_, str>, String> {
        let (mut row, mut from) = (self.row, place);
        if let Some(merge) = self.cells.merge(row, place) {
            if columns_of(merge).len() > 1 {
                return Err("the cell is merged with those beside it: unmerge them".to_owned());
            }
            if !self.may_span(place) {
                return Err("the cell is merged with those above or below: unmerge them, so that each row has its own".to_owned());
            }
            (row, from) = (merge.start_row_index, merge.start_column_index);
        }
        let Some(cell) = self.cells.at(row, from) else { return Ok(Cow::Borrowed("")) };
        let text = cell.formatted_value.as_deref().unwrap_or_default();
        let effective = cell.effective_value.as_ref();
        if let Some(error) = effective.and_then(|value| value.error_value.as_ref()) {
            let kind = if text.is_empty() { &error.r#type } else { text };
            let kind: String = kind.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("the formula's value is {kind}: mend the formula"));
        }
        // What a person sees of days and numbers depends on the spreadsheet's language.
        if let Some(number) = effective.and_then(|value| value.number_value) {
            let kind = cell.effective_format.as_ref().and_then(|format| format.number_format.as_ref());
            let is_day = kind.is_some_and(|kind| matches!(kind.r#type.as_str(), "DATE" | "DATE_TIME"));
            if self.columns.index(Column::Deadline) == Some(place) && is_day {
                return day(number).map(Cow::Owned).ok_or_else(|| "the cell holds no day".to_owned());
            }
            let whole = number.fract() == 0.0 && (0.0..1e9).contains(&number);
            if self.columns.index(Column::Priority) == Some(place) && whole {
                return Ok(Cow::Owned(format!("{number:.0}")));
            }
        }
        Ok(Cow::Borrowed(text))
    }
}

/// The day of a spreadsheet's number: the days since the end of 1899, as Lotus 1-2-3 had them.
fn day(number: f64) -> Option<String> {
    // Ten thousand years are less.
    let days = (number.abs() < 4e6).then_some(number.floor() as i64)?;
    let day = jiff::civil::date(1899, 12, 30).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    Some(day.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Failure, Grid, day};
    use serde_json::json;

    #[test]
    fn an_answer_that_no_worksheet_gives_is_refused() {
        let header = json!({ "values": [{ "formattedValue": "Project" }, { "formattedValue": "Status" }, { "formattedValue": "Next Action" }] });
        let of = |sheet: serde_json::Value| Grid::understand(serde_json::from_value(sheet).unwrap(), Vec::new());
        let far = json!({ "properties": {}, "data": [{ "startRow": u32::MAX, "rowData": [header] }] });
        assert!(matches!(of(far), Err(Failure::NotJson(_))));
        let rows = vec![header.clone(); 1100];
        let merged = json!({ "properties": {}, "data": [{ "rowData": rows }], "merges": vec![json!({}); 1000] });
        assert!(matches!(of(merged), Err(Failure::NotJson(_))));
        assert!(of(json!({ "properties": {}, "data": [{ "rowData": [header] }], "merges": [{ "startRowIndex": 7 }] })).is_ok());
    }

    #[test]
    fn days_are_counted_from_the_end_of_1899() {
        assert_eq!(day(2.5).as_deref(), Some("1900-01-01"));
        assert_eq!(day(46_054.0).as_deref(), Some("2026-02-01"));
        assert_eq!(day(f64::NAN), None);
        assert_eq!(day(3.9e6), None);
    }
}
