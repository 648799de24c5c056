//! The spreadsheet: worksheets, names of cells, and what happens to them when people insert, move, delete and sort.

use super::cell::Cell;
use serde_json::{Value, json};
use std::ops::Range;

/// A rectangle of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Area {
    pub(super) fn answer(&self, sheet_id: i64) -> Value {
        json!({
            "sheetId": sheet_id,
            "startRowIndex": self.rows.start, "endRowIndex": self.rows.end,
            "startColumnIndex": self.columns.start, "endColumnIndex": self.columns.end,
        })
    }
}

/// A name of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) sheet_id: i64,
    pub(super) area: Area,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Worksheet {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) merges: Vec<Area>,
    /// Cells that nobody but the owner may change.
    pub(super) protected: Vec<Area>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    pub(super) sheets: Vec<Worksheet>,
    pub(super) names: Vec<Named>,
    ids: i64,
}

/// A cell's place, from 0, by what people call it: `C2`.
pub(super) fn place(a1: &str) -> (usize, usize) {
    let split = a1.find(|c: char| c.is_ascii_digit()).unwrap_or(a1.len());
    let (letters, digits) = a1.split_at(split);
    let column = letters.bytes().fold(0, |column, letter| column * 26 + usize::from(letter - b'A') + 1);
    (digits.parse::<usize>().unwrap_or(1).saturating_sub(1), column.saturating_sub(1))
}

/// Cells by what people call them: `A2:A4`.
pub(super) fn area(a1: &str) -> Area {
    let (from, to) = a1.split_once(':').unwrap_or((a1, a1));
    let ((top, left), (bottom, right)) = (place(from), place(to));
    Area { rows: top..bottom + 1, columns: left..right + 1 }
}

impl Worksheet {
    pub(super) fn cell(&self, row: usize, column: usize) -> Cell {
        self.rows.get(row).and_then(|row| row.get(column)).cloned().unwrap_or_default()
    }

    pub(super) fn set(&mut self, row: usize, column: usize, cell: Cell) {
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        let cells = &mut self.rows[row];
        if cells.len() <= column {
            cells.resize_with(column + 1, Cell::default);
        }
        cells[column] = cell;
    }

    fn properties(&self, index: usize) -> Value {
        json!({
            "sheetId": self.id, "title": self.title, "index": index, "sheetType": "GRID",
            "gridProperties": { "rowCount": self.rows.len().max(1000), "columnCount": 26 },
        })
    }

    fn answer(&self, index: usize) -> Value {
        let rows = self.rows.iter().map(|row| json!({ "values": row.iter().map(Cell::answer).collect::<Vec<_>>() }));
        json!({
            "properties": self.properties(index),
            "merges": self.merges.iter().map(|area| area.answer(self.id)).collect::<Vec<_>>(),
            "data": [{ "rowData": rows.collect::<Vec<_>>() }],
        })
    }
}

impl Book {
    pub(super) fn add(&mut self, title: &str) {
        self.ids += 1;
        // As Google does: the first one is 0, others are any number.
        let id = if self.sheets.is_empty() { 0 } else { 1000 + self.ids };
        self.sheets.push(Worksheet { id, title: title.to_owned(), ..Worksheet::default() });
    }

    /// The first worksheet, which people work in.
    pub(super) fn first(&mut self) -> &mut Worksheet {
        if self.sheets.is_empty() {
            self.add("Projects");
        }
        &mut self.sheets[0]
    }

    /// As Google answers it; `only`: those of these numbers.
    pub(super) fn answer(&self, id: &str, only: Option<&[i64]>) -> Value {
        let sheets = self.sheets.iter().enumerate().filter(|(_, sheet)| only.is_none_or(|only| only.contains(&sheet.id)));
        let names = self
            .names
            .iter()
            .map(|name| json!({ "namedRangeId": name.id, "name": name.name, "range": name.area.answer(name.sheet_id) }));
        json!({
            "spreadsheetId": id,
            "sheets": sheets.map(|(index, sheet)| sheet.answer(index)).collect::<Vec<_>>(),
            "namedRanges": names.collect::<Vec<_>>(),
        })
    }

    pub(super) fn name(&mut self, name: &str, sheet_id: i64, area: Area) -> Result<String, String> {
        let sound = name.len() <= 250
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !sound {
            return Err(format!("Invalid requests[0].addNamedRange: The name {name} is invalid"));
        }
        if self.names.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
            return Err(format!("Invalid requests[0].addNamedRange: A named range with the name {name} already exists"));
        }
        if !self.sheets.iter().any(|sheet| sheet.id == sheet_id) {
            return Err(format!("Invalid requests[0].addNamedRange: No grid with id: {sheet_id}"));
        }
        self.ids += 1;
        let id = format!("name-{}", self.ids);
        self.names.push(Named { id: id.clone(), name: name.to_owned(), sheet_id, area });
        Ok(id)
    }

    /// Changes where rows are, and with them what stands on them: from each old place to the new one, or away.
    pub(super) fn move_rows(&mut self, to: impl Fn(usize) -> Option<usize>) {
        let old = std::mem::take(&mut self.first().rows);
        let id = self.first().id;
        for (row, cells) in old.into_iter().enumerate() {
            let Some(row) = to(row) else { continue };
            for (column, cell) in cells.into_iter().enumerate() {
                self.first().set(row, column, cell);
            }
        }
        self.shift(id, |area| &mut area.rows, to);
    }

    /// The same for columns.
    pub(super) fn move_columns(&mut self, to: impl Fn(usize) -> Option<usize>) {
        let old = std::mem::take(&mut self.first().rows);
        let id = self.first().id;
        for (row, cells) in old.into_iter().enumerate() {
            for (column, cell) in cells.into_iter().enumerate() {
                if let Some(column) = to(column) {
                    self.first().set(row, column, cell);
                }
            }
        }
        self.shift(id, |area| &mut area.columns, to);
    }

    fn shift(&mut self, sheet: i64, side: impl Fn(&mut Area) -> &mut Range<usize>, to: impl Fn(usize) -> Option<usize>) {
        let moved = |area: &mut Area| {
            let range = side(area);
            let places: Vec<usize> = range.clone().filter_map(&to).collect();
            let ends = places.iter().min().zip(places.iter().max());
            if let Some((first, last)) = ends {
                *range = *first..*last + 1;
            }
            ends.is_some()
        };
        self.first().merges.retain_mut(moved);
        self.first().protected.retain_mut(moved);
        self.names.retain_mut(|name| name.sheet_id != sheet || moved(&mut name.area));
    }
}
