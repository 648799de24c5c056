//! Why Google did not do what was asked, or what came of it cannot be used: in words, with what a person does about it.

use crate::remote::HttpError;
use crate::table::{Column, HeaderFault};
use std::time::Duration;
use strawboss_core::backlog::{SourceProblem, WriteBackError};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Failure {
    /// No usable key.
    NoKey(String),
    /// Google gives the key no token.
    Rejected(String),
    /// No connection or no answer.
    Unreachable(String),
    /// A quota is used up.
    Limited(Duration),
    /// 401, also with a new token.
    Unauthorized,
    /// 403, and no quota.
    Forbidden(String),
    /// 403: the API is not turned on in the account's project.
    ApiOff(String),
    /// 404.
    NotFound,
    /// 5xx.
    Down(u16),
    /// What came is no answer of Google's API.
    NotJson(String),
    /// More than is read.
    TooLarge(usize),
    /// Nothing of that name is shared with the account, or several are.
    Named(String, usize),
    /// There is no such worksheet among these.
    NoWorksheet(Option<String>, Vec<String>),
    /// It has no row at all.
    Empty,
    /// The row, from 1, that is no header, or is a faulty one.
    Header(usize, HeaderFault),
    /// It changed under every look.
    Changing,
    /// Another refusal.
    Refused(u16, String),
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable(why) => Self::Unreachable(why),
            HttpError::TooLarge(limit) => Self::TooLarge(limit),
            HttpError::NotJson(why) => Self::NotJson(why),
        }
    }
}

impl Failure {
    /// Why, and what a person does about it. `who` is the account's address.
    pub(super) fn words(&self, who: &str) -> (String, String) {
        let complaint = |said: &str| if said.is_empty() { String::new() } else { format!(" ({said})") };
        match self {
            Self::NoKey(why) => (
                why.clone(),
                "Put the JSON key of a service account where `credentials_file` says (Google Cloud console: IAM & Admin, Service \
                 accounts, Keys)."
                    .to_owned(),
            ),
            Self::Rejected(said) => (
                format!("Google does not accept the key of {who}{}", complaint(said)),
                if said.contains("timeframe") || said.contains("short-lived") {
                    "Set this machine's clock.".to_owned()
                } else {
                    "The key or its account may have been deleted or disabled: make another key and put it where `credentials_file` \
                     says. It counts as soon as it is there."
                        .to_owned()
                },
            ),
            Self::Unreachable(why) => {
                (format!("Google does not answer: {why}"), "It is tried again; check the network.".to_owned())
            }
            Self::Limited(wait) => (
                format!("Google's quota of requests is used up; it is left alone for {} s", wait.as_secs()),
                "It goes on by itself then; a longer `poll_interval`, or a project of its own for the account, uses less.".to_owned(),
            ),
            Self::Unauthorized => (
                format!("Google does not accept a token that it just gave to {who} (401)"),
                "It is tried again; see in the Google Cloud console whether the account is disabled.".to_owned(),
            ),
            Self::Forbidden(said) => (
                format!("{who} may not do that (403){}", complaint(said)),
                format!("Share the spreadsheet with {who} as Editor."),
            ),
            Self::ApiOff(said) => (
                format!("an API is not turned on in the project of {who} (403){}", complaint(said)),
                "Turn on the Google Sheets API there, and the Google Drive API if `spreadsheet_name` is used.".to_owned(),
            ),
            Self::NotFound => (
                "there is no such spreadsheet (404)".to_owned(),
                format!("Check `spreadsheet`, and that it is shared with {who}."),
            ),
            Self::Down(status) => (format!("Google answered with {status}"), "It is tried again by itself.".to_owned()),
            Self::NotJson(why) => (
                why.clone(),
                "It is tried again. Something else may answer in Google's place: check proxies between, and `base_url`.".to_owned(),
            ),
            Self::TooLarge(limit) => (
                format!("the worksheet is larger than the {} MiB that are read", limit >> 20),
                "Delete rows and columns that are empty, and move rows that are done to another worksheet.".to_owned(),
            ),
            Self::Named(name, 0) => (
                format!("no spreadsheet `{name}` is shared with {who}"),
                format!("Share it with {who} as Editor, or write its address at `spreadsheet`."),
            ),
            Self::Named(name, _) => (
                format!("several spreadsheets `{name}` are shared with {who}"),
                "Write the address of the right one at `spreadsheet` instead.".to_owned(),
            ),
            Self::NoWorksheet(wanted, there) => (
                match wanted {
                    Some(wanted) => format!("it has no worksheet `{wanted}`"),
                    None => "it has no worksheet with cells".to_owned(),
                },
                format!("Write one of {} at `worksheet`.", quoted(there.iter().map(String::as_str))),
            ),
            Self::Empty => ("the worksheet is empty, not even a header row is there".to_owned(), header_fix()),
            Self::Header(row, HeaderFault::Missing(missing)) => {
                let names = quoted(missing.iter().map(|column| column.name()));
                let why = if missing.len() == 3 {
                    format!("row {row} is no header row: it lacks {names}")
                } else {
                    format!("the header in row {row} lacks {names}")
                };
                (why, header_fix())
            }
            Self::Header(row, HeaderFault::Twice { column, first, second }) => (
                format!("the header in row {row} has `{}` twice, in columns {} and {}", column.name(), letters(*first), letters(*second)),
                "Rename or remove one of the two.".to_owned(),
            ),
            Self::Changing => {
                ("the worksheet changed under every look".to_owned(), "It is tried again by itself.".to_owned())
            }
            Self::Refused(status, said) => {
                (format!("Google refused it with {status}{}", complaint(said)), "See what it says.".to_owned())
            }
        }
    }

    /// Whether it may be about one row, while others can be written.
    pub(super) fn may_be_of_one_row(&self) -> bool {
        match self {
            Self::Refused(..) => true,
            Self::Forbidden(said) => said.contains("protected"),
            _ => false,
        }
    }

    /// Whether what was asked for may have been done all the same.
    pub(super) fn is_of_what_was_done(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Down(_) | Self::NotJson(_) | Self::TooLarge(_))
    }

    /// Whether a place that was named for the write went away with its row.
    pub(super) fn is_of_a_lost_place(&self) -> bool {
        matches!(self, Self::Refused(400, said) if said.contains("Unable to parse range"))
    }

    /// For a reader: what is known of the source stays.
    pub(super) fn unreadable(&self, name: &str, who: &str) -> SourceProblem {
        let (why, fix) = self.words(who);
        let (line, column) = match self {
            Self::Header(row, HeaderFault::Twice { column, .. }) => (*row as u64, Some(Column::name(*column).to_owned())),
            Self::Header(row, HeaderFault::Missing(_)) => (*row as u64, None),
            _ => (0, None),
        };
        let message =
            format!("Cannot read the backlog `{name}`: {why}. Nothing was taken over from it; what is known stays. {fix}");
        SourceProblem { line, column, message, skipped: false, native_ref: None }
    }

    /// For a writer.
    pub(super) fn unwritable(&self, name: &str, who: &str) -> WriteBackError {
        let (why, fix) = self.words(who);
        let retry =
            !matches!(self, Self::NoKey(_) | Self::Rejected(_) | Self::Unauthorized | Self::Forbidden(_) | Self::Refused(..));
        WriteBackError { what: format!("Cannot write to the backlog `{name}`"), why, fix, retry }
    }
}

fn header_fix() -> String {
    "One row must name the columns: Project, Priority, Status, Agent, Last Update, Next Action, Deadline, GPU, Model.".to_owned()
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A column, from 1, as people call it: `A`.
fn letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    while column > 0 {
        letters.push(char::from(b'A' + ((column - 1) % 26) as u8));
        column = (column - 1) / 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn columns_have_letters() {
        for (column, name) in [(1, "A"), (26, "Z"), (27, "AA"), (52, "AZ"), (703, "AAA")] {
            assert_eq!(letters(column), name);
        }
    }
}
