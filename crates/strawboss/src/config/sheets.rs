//! An entry of `backlogs:` of type `sheets`, and what is taken when `backlogs:` is not there at all.

use super::address;
use super::folders;
use super::problem::{Problem, Problems};
use super::settings::{Backlog, Csv, Sheets};
use super::table::{Field, Table};
use crate::environment::{self, Environment};
use std::path::{Path, PathBuf};
use std::time::Duration;
use strawboss_backlog::SheetsConfig;
use strawboss_backlog::sheets::Spreadsheet;
use strawboss_core::backlog::BacklogStatus;

const SHORTEST_POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_hours(24);
/// Where a key is looked for beside the configuration, as the system did that this one replaces.
const KEY: &str = "credentials/sheets-api.json";

/// Reads one, beside what was read so far.
pub(super) fn backlog(
    item: &Field<'_>,
    mut table: Table<'_>,
    folder: &Path,
    read: &[Backlog],
    problems: &mut Problems,
) -> Option<Sheets> {
    let before = problems.len();
    let key = table.read("credentials_file", problems, |field, problems| field.path(folder, problems));
    if !table.has("credentials_file") {
        problems.push(
            item.wrong("has no `credentials_file`").hint("Write `credentials_file: ./key.json`: the key of a service account."),
        );
    }
    let address = table.get("spreadsheet");
    let named = table.get("spreadsheet_name");
    let spreadsheet = match (&address, &named) {
        (Some(field), None) => field.text(problems).and_then(|text| {
            let found = Spreadsheet::of_address(&text);
            if found.is_none() {
                let problem = field.wrong(format_args!("must be the address or the id of a spreadsheet, not `{text}`"));
                problems.push(problem.hint("Copy it from the browser, or write its name at `spreadsheet_name`."));
            }
            found
        }),
        (None, Some(field)) => field.text(problems).map(Spreadsheet::Name),
        (Some(_), Some(field)) => {
            problems.push(field.wrong("stands beside `spreadsheet`").hint("Keep one of the two."));
            None
        }
        (None, None) => {
            let problem = item.wrong("has no `spreadsheet`");
            problems.push(problem.hint("Write `spreadsheet: ADDRESS`, or `spreadsheet_name: NAME` of one that is shared once."));
            None
        }
    };
    let worksheet = either(&mut table, "worksheet", "worksheet_name", problems).and_then(|field| field.text(problems));
    let poll_interval = either(&mut table, "poll_interval", "sync_interval", problems)
        .and_then(|field| field.seconds(SHORTEST_POLL, LONGEST_POLL, problems));
    let in_review = table.read("in_review", problems, |field, problems| {
        let words = BacklogStatus::ALL.map(|status| (status.word(), status));
        field.choice(&words, problems)
    });
    let base_url = table.read("base_url", problems, |field, problems| {
        address::read(field, "the address of an API", "https://sheets.example.org", problems)
    });
    table.finish(problems);
    let usual = SheetsConfig::new(spreadsheet?, key?);
    let worksheet = SheetsConfig { worksheet, base_url, poll_interval: poll_interval.unwrap_or(usual.poll_interval), ..usual };
    let same = |other: &Backlog| matches!(other, Backlog::Sheets(other) if other.worksheet.name() == worksheet.name());
    if read.iter().any(same) {
        let problem = address.or(named)?.wrong("is another backlog's already");
        problems.push(problem.hint("Each worksheet is one backlog: name another one with `worksheet`, or keep one."));
    }
    (problems.len() == before).then(|| Sheets { worksheet, in_review: in_review.unwrap_or(BacklogStatus::InReview) })
}

/// The value of a key that goes by two words.
fn either<'n>(table: &mut Table<'n>, key: &'static str, other: &'static str, problems: &mut Problems) -> Option<Field<'n>> {
    match (table.get(key), table.get(other)) {
        (Some(_), Some(field)) => {
            problems.push(field.wrong(format_args!("stands beside `{key}`, which means the same")).hint("Keep one of the two."));
            None
        }
        (one, two) => one.or(two),
    }
}

/// Where work comes from when nothing says it: a spreadsheet that is named, if there is a key for it; else the CSV file that
/// lies beside the configuration, if there is one.
pub(super) fn automatic(folder: &Path, environment: &Environment, problems: &mut Problems) -> Vec<Backlog> {
    let csv = || {
        let file = folder.join(folders::PRIORITIES);
        // As it is mostly written, so that its tasks stay when it is.
        let written = format!("./{}", folders::PRIORITIES);
        file.is_file().then(|| Backlog::Csv(Csv::usual(written, file)))
    };
    named(folder, environment, problems).or_else(csv).into_iter().collect()
}

/// The spreadsheet that the environment names, if there is a key for it.
fn named(folder: &Path, environment: &Environment, problems: &mut Problems) -> Option<Backlog> {
    let named = environment.get(&environment::SPREADSHEET)?;
    let Some(key) = key(folder, environment, problems) else {
        let message = format!("{} names a spreadsheet, and there is no key to read it with", environment::SPREADSHEET.name);
        let hint = format!("Name the key of a service account with {}.", environment::SHEETS_CREDENTIALS.name);
        problems.push(Problem::of(environment::SPREADSHEET.name, message).hint(hint).into_warning());
        return None;
    };
    let spreadsheet = Spreadsheet::of_address(named).unwrap_or_else(|| Spreadsheet::Name(named.to_owned()));
    let worksheet = environment.get(&environment::WORKSHEET).map(str::to_owned);
    let worksheet = SheetsConfig { worksheet, ..SheetsConfig::new(spreadsheet, key) };
    Some(Backlog::Sheets(Box::new(Sheets { worksheet, in_review: BacklogStatus::InReview })))
}

/// The key's file, where there is one.
fn key(folder: &Path, environment: &Environment, problems: &mut Problems) -> Option<PathBuf> {
    for variable in [&environment::SHEETS_CREDENTIALS, &environment::GOOGLE_CREDENTIALS] {
        if let Some(text) = environment.get(variable) {
            return folders::path(variable, text, problems);
        }
    }
    Some(folder.join(KEY)).filter(|file| file.is_file())
}

/// As `config show` has it.
pub(super) fn shown(one: &Sheets) -> serde_json::Value {
    let sheet = &one.worksheet;
    let mut shown = serde_json::json!({
        "type": "sheets",
        "credentials_file": sheet.credentials_file,
        "worksheet": sheet.worksheet,
        "base_url": sheet.base_url,
        "poll_interval_seconds": sheet.poll_interval.as_secs(),
        "in_review": one.in_review.word(),
    });
    match &sheet.spreadsheet {
        Spreadsheet::Id(id) => shown["spreadsheet"] = id.as_str().into(),
        Spreadsheet::Name(name) => shown["spreadsheet_name"] = name.as_str().into(),
    }
    shown
}
