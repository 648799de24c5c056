//! A Google of one spreadsheet, over real HTTP on a free port: tokens for a service account's signed statements, the parts of
//! Sheets v4 and Drive v3 that the program uses, quotas, rights, and faults on demand, as Google's documentation has them.
//!
//! The methods are what people do in the browser and in the console; the program under test speaks HTTP.

mod account;
mod answers;
mod book;
mod cell;
mod mask;

pub use crate::script::{Asked, Fault};
use crate::script::{Script, lock, router};
use account::Account;
pub use account::EMAIL;
use answers::Quota;
use anyhow::Result;
use book::{Book, area, place};
use cell::Cell;
use serde_json::json;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::task::JoinHandle;

/// Its spreadsheet's id.
pub const SPREADSHEET: &str = "1strawboss-test-spreadsheet-0123456789abcdefg";
/// Its spreadsheet's name.
pub const NAME: &str = "CTO Sidekick - Projects";
/// The columns that a worksheet has when it is made.
pub const COLUMNS: [&str; 9] =
    ["Project", "Priority", "Status", "Agent", "Last Update", "Next Action", "Deadline", "GPU?", "Model"];

/// What the account may do with the spreadsheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Read and write.
    #[default]
    Editor,
    /// Read.
    Viewer,
    /// Nothing.
    Stranger,
}

/// A Google's form of a complaint, for every request until it is mended.
pub fn fault(status: u16, word: &str, message: &str) -> Fault {
    let body = json!({ "error": { "code": status, "message": message, "status": word } });
    Fault { body: body.to_string(), ..Fault::status(status, "") }
}

/// See the module.
pub struct Sheets {
    address: String,
    office: Arc<Office>,
    serving: JoinHandle<()>,
}

impl Drop for Sheets {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Its one spreadsheet, and the account, as people see and change them.
pub struct Office {
    state: Mutex<State>,
    script: Script<Self>,
}

#[derive(Default)]
struct State {
    address: String,
    book: Book,
    account: Account,
    role: Role,
    /// Other spreadsheets that are shared with the account.
    others: Vec<(String, String)>,
    quota: Option<Quota>,
    api_off: bool,
}

impl Sheets {
    /// Starts one whose spreadsheet has a worksheet with the usual columns and no row.
    pub async fn start() -> Result<Self> {
        // Whoever speaks to it may need it, and a second one of the same process is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let state = State { address: address.clone(), ..State::default() };
        let office = Arc::new(Office { state: Mutex::new(state), script: Script::default() });
        office.append(&COLUMNS);
        let router = router(Arc::clone(&office));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the local Google ended: {error}");
            }
        });
        Ok(Self { address, office, serving })
    }

    /// Its `base_url`.
    pub fn url(&self) -> &str {
        &self.address
    }
}

impl std::ops::Deref for Sheets {
    type Target = Office;

    fn deref(&self) -> &Office {
        &self.office
    }
}

impl Office {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes a key of the account, of two at most; the file that is downloaded for it.
    pub fn make_key(&self) -> Result<String> {
        let mut state = self.state();
        let token_uri = format!("{}/token", state.address);
        state.account.make_key(&token_uri)
    }

    /// Deletes the account's keys, and with them its tokens.
    pub fn revoke_keys(&self) {
        self.state().account.revoke();
    }

    /// Lets every token go that was given.
    pub fn revoke_tokens(&self) {
        self.state().account.tokens.clear();
    }

    /// How long tokens hold from now on, in seconds.
    pub fn token_life(&self, seconds: i64) {
        self.state().account.token_life = seconds;
    }

    /// What the account may do with the spreadsheet.
    pub fn share(&self, role: Role) {
        self.state().role = role;
    }

    /// Another spreadsheet is shared with the account.
    pub fn share_another(&self, id: &str, name: &str) {
        self.state().others.push((id.to_owned(), name.to_owned()));
    }

    /// Turns the APIs of the account's project off or on.
    pub fn turn_off(&self, off: bool) {
        self.state().api_off = off;
    }

    /// How many requests are left in this minute; none: as many as one likes.
    pub fn quota(&self, left: Option<(u64, u64)>) {
        self.state().quota = left.map(|(reads, writes)| Quota { reads, writes });
    }

    /// What shows in all cells of the first worksheet.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut state = self.state();
        state.book.first().rows.iter().map(|row| row.iter().map(|cell| cell.shown.clone()).collect()).collect()
    }

    /// What shows in a cell: `C2`.
    pub fn cell(&self, a1: &str) -> String {
        let (row, column) = place(a1);
        self.state().book.first().cell(row, column).shown
    }

    /// What was typed into a cell, as the API has it.
    pub fn typed(&self, a1: &str) -> Option<serde_json::Value> {
        let (row, column) = place(a1);
        self.state().book.first().cell(row, column).entered
    }

    /// A person types into a cell.
    pub fn type_in(&self, a1: &str, text: &str) {
        self.set(a1, Cell::typed(text));
    }

    /// A person puts a formula into a cell, which gives this.
    pub fn put_formula(&self, a1: &str, formula: &str, shown: &str) {
        self.set(a1, Cell::formula(formula, shown, None));
    }

    /// A formula in a cell gives an error.
    pub fn put_error(&self, a1: &str, shown: &str) {
        self.set(a1, Cell::formula("=A999", shown, Some("REF")));
    }

    /// A formula in another cell fills this one.
    pub fn fill(&self, a1: &str, shown: &str) {
        self.set(a1, Cell { shown: shown.to_owned(), ..Cell::default() });
    }

    /// A cell holds a day, and shows it as people write it elsewhere.
    pub fn put_day(&self, a1: &str, day: &str, shown: &str) {
        self.set(a1, Cell { shown: shown.to_owned(), ..Cell::typed(day) });
    }

    fn set(&self, a1: &str, cell: Cell) {
        let (row, column) = place(a1);
        self.state().book.first().set(row, column, cell);
    }

    /// A person adds a row at the end; its number, from 1.
    pub fn append(&self, cells: &[&str]) -> usize {
        let mut state = self.state();
        let sheet = state.book.first();
        sheet.rows.push(cells.iter().map(|text| Cell::typed(text)).collect());
        sheet.rows.len()
    }

    /// A person inserts a row, which gets this number, from 1.
    pub fn insert_row(&self, number: usize, cells: &[&str]) {
        let mut state = self.state();
        state.book.move_rows(|row| Some(if row + 1 < number { row } else { row + 1 }));
        for (column, text) in cells.iter().enumerate() {
            state.book.first().set(number - 1, column, Cell::typed(text));
        }
    }

    /// A person deletes a row.
    pub fn delete_row(&self, number: usize) {
        self.state().book.move_rows(|row| match (row + 1).cmp(&number) {
            std::cmp::Ordering::Less => Some(row),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(row - 1),
        });
    }

    /// A person drags a row to where it gets this number.
    pub fn move_row(&self, number: usize, to: usize) {
        let mut state = self.state();
        let mut order: Vec<usize> = (0..state.book.first().rows.len()).collect();
        let moved = order.remove(number - 1);
        order.insert(to - 1, moved);
        state.book.move_rows(|row| order.iter().position(|old| *old == row));
    }

    /// A person sorts the rows below the header by a column, from A to Z. Names of cells stay where they are.
    pub fn sort(&self, column: &str) {
        let (_, column) = place(column);
        let mut state = self.state();
        if let Some((_, rows)) = state.book.first().rows.split_first_mut() {
            rows.sort_by_key(|row| row.get(column).map(|cell| cell.shown.clone()).unwrap_or_default());
        }
    }

    /// A person inserts a column before this one, with this in its first row.
    pub fn insert_column(&self, column: &str, title: &str) {
        let (_, at) = place(column);
        let mut state = self.state();
        state.book.move_columns(|column| Some(if column < at { column } else { column + 1 }));
        state.book.first().set(0, at, Cell::typed(title));
    }

    /// A person drags a column to before another one.
    pub fn move_column(&self, column: &str, to: &str) {
        let ((_, from), (_, to)) = (place(column), place(to));
        let mut order: Vec<usize> = (0..26).collect();
        let moved = order.remove(from);
        order.insert(to, moved);
        self.state().book.move_columns(|column| order.iter().position(|old| *old == column).or(Some(column)));
    }

    /// A person merges cells: `A2:A4`. What is not in the first goes.
    pub fn merge(&self, a1: &str) {
        let area = area(a1);
        let mut state = self.state();
        let sheet = state.book.first();
        for row in area.rows.clone() {
            for column in area.columns.clone().filter(|column| (row, *column) != (area.rows.start, area.columns.start)) {
                sheet.set(row, column, Cell::default());
            }
        }
        sheet.merges.push(area);
    }

    /// The owner protects cells.
    pub fn protect(&self, a1: &str) {
        self.state().book.first().protected.push(area(a1));
    }

    /// A person empties the first worksheet.
    pub fn clear(&self) {
        self.state().book.first().rows.clear();
    }

    /// A person adds a worksheet behind the others.
    pub fn add_worksheet(&self, title: &str) {
        self.state().book.add(title);
    }

    /// A person renames the first worksheet.
    pub fn rename_worksheet(&self, title: &str) {
        title.clone_into(&mut self.state().book.first().title);
    }

    /// A person puts the first worksheet behind the others.
    pub fn first_worksheet_to_the_end(&self) {
        self.state().book.sheets.rotate_left(1);
    }

    /// The names of cells that there are.
    pub fn names(&self) -> Vec<String> {
        self.state().book.names.iter().map(|name| name.name.clone()).collect()
    }

    /// Somebody names a cell.
    pub fn name(&self, name: &str, a1: &str) -> Result<(), String> {
        let mut state = self.state();
        let sheet = state.book.first().id;
        state.book.name(name, sheet, area(a1)).map(drop)
    }

    /// What answers instead, for as many requests as it says.
    pub fn fail(&self, fault: Fault) {
        lock(&self.script.faults).push(fault);
    }

    /// Everything answers again.
    pub fn mend(&self) {
        lock(&self.script.faults).clear();
    }

    /// What was asked since this was last called.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.script.asked))
    }

    /// Does something once a request was answered whose method and path hold this.
    pub fn once_asked(&self, line: &str, change: impl FnOnce(&Self) + Send + 'static) {
        lock(&self.script.changes).push((line.to_owned(), Box::new(change)));
    }
}
