//! From cells to rows: what each asks for, what is wrong with it, and by which name it is known.
//!
//! Reader and writer use the same functions, so that what is written to a row is written to the row that was read.

use super::cells;
use super::columns::{Column, Columns};
use super::identity::{self, Identities, Identity};
use std::borrow::Cow;
use strawboss_core::ProjectName;
use strawboss_core::backlog::{BacklogStatus, SourceItem, SourceProblem};

/// Problems beyond this many are counted, not told one by one.
const MAX_PROBLEMS: usize = 500;

/// The longest Next Action in bytes: a prompt, not a book.
const MAX_ACTION: usize = 64 << 10;

/// The longest other cell of ours in bytes.
const MAX_CELL: usize = 500;

/// What a table's rows say.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Rows that are known by a name, also those that are skipped for another fault.
    pub(crate) rows: Vec<Row>,
    /// What was wrong, in the table's order.
    pub(crate) problems: Vec<SourceProblem>,
}

/// A row that is known by a name.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) native_ref: String,
    /// Which one it is, as its source counts.
    pub(crate) record: usize,
    /// What it asks for; none when it is skipped.
    pub(crate) item: Option<SourceItem>,
}

/// The cells of one row.
pub(crate) trait Cells {
    /// The text at a place from the left; empty where the row ends before. An error is why it is none that we take.
    fn text(&self, place: usize) -> Result<Cow<'_, str>, String>;
}

/// Reads rows, in the table's order.
pub(crate) struct Reader<'a> {
    columns: &'a Columns,
    identities: Identities,
    notes: Notes,
    rows: Vec<Row>,
}

impl<'a> Reader<'a> {
    /// For a table with these columns, whose rows people find by this word and a number: `Line`.
    pub(crate) fn new(columns: &'a Columns, place: &'static str) -> Self {
        Self { columns, identities: Identities::default(), notes: Notes::new(place), rows: Vec::new() }
    }

    /// Leaves a row out, and says why.
    pub(crate) fn skip(&mut self, line: u64, message: &str) {
        self.notes.at(line);
        self.notes.skip(None, message);
    }

    /// Reads a row.
    pub(crate) fn row(&mut self, line: u64, record: usize, cells: &dyn Cells) {
        self.notes.at(line);
        let cells = Placed { columns: self.columns, cells };
        if let Some((native_ref, item)) = row(line, &cells, &mut self.identities, &mut self.notes) {
            self.rows.push(Row { native_ref, record, item });
        }
    }

    /// All that was read.
    pub(crate) fn done(self) -> Listing {
        Listing { rows: self.rows, problems: self.notes.done() }
    }
}

/// One row: its name, where it can be told, and what it asks for, where it can be understood.
fn row(line: u64, cells: &Placed<'_>, identities: &mut Identities, notes: &mut Notes) -> Option<(String, Option<SourceItem>)> {
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
    let item = item(line, native_ref.clone(), project, action, cells, notes);
    Some((native_ref, item))
}

/// The rest of a row whose name is known.
fn item(
    line: u64,
    native_ref: String,
    project: ProjectName,
    action: String,
    cells: &Placed<'_>,
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
            notes.tell(Column::DependsOn, "rows are named by their ID, and there is no column `ID`: add one");
        }
        names.into_iter().map(|name| identity::of_id(&name)).collect()
    });
    // What stands in the Agent column is mostly our own report, so nothing in it is wrong.
    let agent = cells.read(Column::Agent).ok().and_then(|text| cells::agent(text.trim()));
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
        ticket: None,
        line,
    })
}

/// The cells of one row, by column.
struct Placed<'a> {
    columns: &'a Columns,
    cells: &'a dyn Cells,
}

impl Placed<'_> {
    fn read(&self, column: Column) -> Result<Cow<'_, str>, String> {
        self.columns.index(column).map_or(Ok(Cow::Borrowed("")), |place| self.cells.text(place))
    }

    /// The cell as text without outer blanks; empty when there is no such cell. `None`: it is no text that we take, and the
    /// row is skipped for it.
    fn text(&self, column: Column, notes: &mut Notes) -> Option<String> {
        let text = match self.read(column) {
            Ok(text) => text,
            Err(why) => {
                notes.skip(Some(column), &why);
                return None;
            }
        };
        let text = text.trim();
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
struct Notes {
    /// What people call a row's place: `Line`.
    place: &'static str,
    line: u64,
    native_ref: Option<String>,
    problems: Vec<SourceProblem>,
    more: u64,
    more_skipped: bool,
}

impl Notes {
    fn new(place: &'static str) -> Self {
        Self { place, line: 0, native_ref: None, problems: Vec::new(), more: 0, more_skipped: false }
    }

    fn at(&mut self, line: u64) {
        self.line = line;
        self.native_ref = None;
    }

    fn named(&mut self, native_ref: String) {
        self.native_ref = Some(native_ref);
    }

    fn skip(&mut self, column: Option<Column>, message: &str) {
        self.push(column, format!("{} {}{}: {message}. The row was skipped.", self.place, self.line, of(column)), true);
    }

    fn tell(&mut self, column: Column, message: &str) {
        self.push(Some(column), format!("{} {}{}: {message}.", self.place, self.line, of(Some(column))), false);
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

fn of(column: Option<Column>) -> String {
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
