//! From records to rows: what each asks for, what is wrong with it, and by which name it is known.
//!
//! Reader and writer use the same function, so that what is written to a row is written to the row that was read.

use super::cells;
use super::columns::{Column, Columns};
use super::document::{Document, Field, Flaw, Record};
use super::identity::{self, Identities, Identity};
use strawboss_core::ProjectName;
use strawboss_core::backlog::{BacklogStatus, SourceItem, SourceProblem};

/// Problems beyond this many are counted, not told one by one.
const MAX_PROBLEMS: usize = 500;

/// The longest Next Action in bytes: a prompt, not a book.
const MAX_ACTION: usize = 64 << 10;

/// The longest other cell of ours in bytes.
const MAX_CELL: usize = 500;

/// What a file's records say.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Rows that are known by a name, also those that are skipped for another fault.
    pub(crate) rows: Vec<Row>,
    /// What was wrong, in the file's order.
    pub(crate) problems: Vec<SourceProblem>,
}

/// A row that is known by a name.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) native_ref: String,
    /// Which record it is.
    pub(crate) record: usize,
    /// What it asks for; none when it is skipped.
    pub(crate) item: Option<SourceItem>,
}

/// Reads every record after the header.
pub(crate) fn list(document: &Document, columns: &Columns) -> Listing {
    let mut listing = Listing::default();
    let mut notes = Notes::default();
    let mut identities = Identities::default();
    let mut fields = Vec::new();
    for (index, record) in document.records().iter().enumerate().skip(1) {
        let count = document.fields(record, &mut fields);
        let cells = Cells { document, columns, fields: &fields, count };
        notes.at(record.line);
        if let Some((native_ref, item)) = row(record, &cells, &mut identities, &mut notes) {
            listing.rows.push(Row { native_ref, record: index, item });
        }
    }
    listing.problems = notes.done();
    listing
}

/// One row: its name, where it can be told, and what it asks for, where it can be understood.
fn row(
    record: &Record,
    cells: &Cells<'_>,
    identities: &mut Identities,
    notes: &mut Notes,
) -> Option<(String, Option<SourceItem>)> {
    if let Some(flaw) = record.flaw {
        notes.skip(
            None,
            match flaw {
                Flaw::Unterminated => "a quoted text begins on this line and never ends: close it with a quote",
                Flaw::TextAfterQuote => {
                    "there is text between a closing quote and the next comma: write a quote inside a text twice (\"\")"
                }
            },
        );
        return None;
    }
    if cells.all_blank() {
        return None;
    }
    if cells.overflow() {
        notes.skip(
            None,
            &format!(
                "the row has {} cells, the header {}: put a text that holds a comma in quotes",
                cells.count,
                cells.columns.count()
            ),
        );
        return None;
    }
    let project = cells.text(Column::Project, notes);
    let action = cells.text(Column::NextAction, notes);
    let id = cells.text(Column::Id, notes);
    let (Some(project), Some(action), Some(id)) = (project, action, id) else { return None };
    if project.is_empty() && action.is_empty() {
        // A spreadsheet's prefilled or separating row.
        return None;
    }
    let project = match ProjectName::parse(&project) {
        Ok(project) => project,
        Err(_) if project.is_empty() => {
            notes.skip(Some(Column::Project), "the row names no project");
            return None;
        }
        Err(error) => {
            notes.skip(Some(Column::Project), &error.to_string());
            return None;
        }
    };
    let native_ref = match identities.next(&id, project.as_str(), &action) {
        Identity::Is(native_ref) => native_ref,
        Identity::Taken(native_ref) => {
            notes.named(native_ref);
            notes.skip(Some(Column::Id), &format!("the ID `{id}` stands in an earlier row as well: give each its own"));
            return None;
        }
    };
    notes.named(native_ref.clone());
    let item = item(record.line, native_ref.clone(), project, action, cells, notes);
    Some((native_ref, item))
}

/// The rest of a row whose name is known.
fn item(
    line: u64,
    native_ref: String,
    project: ProjectName,
    action: String,
    cells: &Cells<'_>,
    notes: &mut Notes,
) -> Option<SourceItem> {
    // Every cell is looked at before giving up, so that a person sees all that is wrong with a row at once.
    let deadline = cells.text(Column::Deadline, notes).and_then(|text| {
        if text.is_empty() {
            return Some(None);
        }
        let day = cells::day(&text);
        if day.is_none() {
            notes.skip(Some(Column::Deadline), &format!("`{}` is no day: write it as YYYY-MM-DD", excerpt(&text)));
        }
        day.map(Some)
    });
    let model = cells.text(Column::Model, notes);
    let status = cells.text(Column::Status, notes).map(|text| {
        let status = cells::status(&text);
        if status.is_none() {
            let words: Vec<_> = BacklogStatus::ALL.iter().map(|status| status.word()).collect();
            notes.tell(
                Column::Status,
                &format!(
                    "`{}` is no status: a new row is taken as Pending, one that is known stays as it was; write one of {}",
                    excerpt(&text),
                    words.join(", ")
                ),
            );
        }
        status
    });
    let priority = cells.text(Column::Priority, notes).map(|text| {
        cells::priority(&text).unwrap_or_else(|| {
            notes.tell(
                Column::Priority,
                &format!("`{}` is no whole number, taken as {}: last", excerpt(&text), cells::NO_PRIORITY),
            );
            cells::NO_PRIORITY
        })
    });
    let needs_gpu = cells.text(Column::Gpu, notes).map(|text| {
        cells::needs_gpu(&text).unwrap_or_else(|| {
            notes.tell(Column::Gpu, &format!("`{}` is neither Yes nor No, taken as Yes", excerpt(&text)));
            true
        })
    });
    let depends_on = cells.text(Column::DependsOn, notes).map(|text| {
        let names = cells::names(&text);
        if !names.is_empty() && cells.columns.index(Column::Id).is_none() {
            notes.tell(Column::DependsOn, "rows are named by their ID, and the file has no column `ID`: add one");
        }
        names.into_iter().map(|name| identity::of_id(&name)).collect()
    });
    // What stands in the Agent column is mostly our own report, so nothing in it is wrong.
    let agent = cells.value(Column::Agent).and_then(|value| cells::agent(String::from_utf8_lossy(&value).trim()));
    Some(SourceItem {
        native_ref,
        project,
        action,
        priority: priority?,
        status: status?.unwrap_or(BacklogStatus::Pending),
        status_unclear: status?.is_none(),
        agent,
        deadline: deadline?,
        needs_gpu: needs_gpu?,
        model: model.map(|model| (!model.is_empty()).then_some(model))?,
        depends_on: depends_on?,
        url: None,
        needs_approval: false,
        is_ticket: false,
        line,
    })
}

/// The cells of one record, by column.
struct Cells<'a> {
    document: &'a Document,
    columns: &'a Columns,
    fields: &'a [Field],
    count: usize,
}

impl<'a> Cells<'a> {
    fn all_blank(&self) -> bool {
        self.count == self.fields.len() && self.fields.iter().all(|field| self.document.value(field).trim_ascii().is_empty())
    }

    /// Whether something stands beyond the header's last column.
    fn overflow(&self) -> bool {
        let beyond = self.fields.get(self.columns.count()..).unwrap_or_default();
        self.count > self.fields.len() || beyond.iter().any(|field| !self.document.value(field).trim_ascii().is_empty())
    }

    fn value(&self, column: Column) -> Option<std::borrow::Cow<'a, [u8]>> {
        let field = self.fields.get(self.columns.index(column)?)?;
        Some(self.document.value(field))
    }

    /// The cell as text without outer blanks; empty when the row or the file has no such cell. `None`: it is no
    /// text that we take, and the row is skipped for it.
    fn text(&self, column: Column, notes: &mut Notes) -> Option<String> {
        let Some(value) = self.value(column) else { return Some(String::new()) };
        let text = match std::str::from_utf8(&value) {
            Ok(text) => text.trim(),
            Err(error) => {
                let at = error.valid_up_to();
                let byte = value.get(at).copied().unwrap_or_default();
                notes.skip(
                    Some(column),
                    &format!("byte {} of the cell (0x{byte:02X}) is not UTF-8: save the file as UTF-8", at + 1),
                );
                return None;
            }
        };
        let longest = if column == Column::NextAction { MAX_ACTION } else { MAX_CELL };
        if text.len() > longest {
            notes.skip(Some(column), &format!("the cell has {} bytes, more than {longest}: shorten it", text.len()));
            return None;
        }
        // Line ends are made alike, else an editor that converts them would make every row a new one.
        let text = if column == Column::NextAction { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() };
        let allowed = |c: char| column == Column::NextAction && matches!(c, '\n' | '\t');
        if let Some(control) = text.chars().find(|c| c.is_control() && !allowed(*c)) {
            notes.skip(Some(column), &format!("the cell holds the control character U+{:04X}: remove it", u32::from(control)));
            return None;
        }
        Some(text)
    }
}

/// Collects problems.
#[derive(Default)]
struct Notes {
    line: u64,
    native_ref: Option<String>,
    problems: Vec<SourceProblem>,
    more: u64,
    more_skipped: bool,
}

impl Notes {
    fn at(&mut self, line: u64) {
        self.line = line;
        self.native_ref = None;
    }

    fn named(&mut self, native_ref: String) {
        self.native_ref = Some(native_ref);
    }

    fn skip(&mut self, column: Option<Column>, message: &str) {
        self.push(column, format!("Line {}{}: {message}. The row was skipped.", self.line, place(column)), true);
    }

    fn tell(&mut self, column: Column, message: &str) {
        self.push(Some(column), format!("Line {}{}: {message}.", self.line, place(Some(column))), false);
    }

    fn push(&mut self, column: Option<Column>, message: String, skipped: bool) {
        if self.problems.len() >= MAX_PROBLEMS {
            self.more += 1;
            self.more_skipped |= skipped;
            return;
        }
        self.problems.push(SourceProblem {
            line: self.line,
            column: column.map(|column| column.name().to_owned()),
            message,
            skipped,
            native_ref: self.native_ref.clone(),
        });
    }

    fn done(mut self) -> Vec<SourceProblem> {
        if self.more > 0 {
            self.problems.push(SourceProblem {
                line: 0,
                column: None,
                message: format!("{} more problems are not listed. Mend those above first.", self.more),
                skipped: self.more_skipped,
                native_ref: None,
            });
        }
        self.problems
    }
}

fn place(column: Option<Column>) -> String {
    column.map_or_else(String::new, |column| format!(", {}", column.name()))
}

/// The beginning of a cell, for a message.
fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(40).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}
