//! A worksheet of Google Sheets as a backlog.
//!
//! Its columns mean what a CSV file's mean. Every reading is of one moment, in one answer; what is written are three cells of
//! the rows concerned, and they follow their row wherever it goes meanwhile. It decides nothing about work.

mod client;
mod failure;
mod grid;
mod key;
mod model;
mod place;
mod write;

use crate::remote::Pace;
use client::Client;
use failure::Failure;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use strawboss_core::backlog::{Backlog, Reading, SourceItem, SourceProblem, WriteBack, WriteBackError, WriteOutcome};
use write::Unchecked;

/// Where Google's Sheets API is.
const SHEETS: &str = "https://sheets.googleapis.com";
/// Where Google's Drive API is.
const DRIVE: &str = "https://www.googleapis.com";
/// What an account must be allowed to read and write a spreadsheet.
const SCOPE: &str = "https://www.googleapis.com/auth/spreadsheets";
/// The same, and to find one by its name.
const SCOPES: &str = "https://www.googleapis.com/auth/spreadsheets https://www.googleapis.com/auth/drive.metadata.readonly";

/// Which spreadsheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spreadsheet {
    /// By the id in its address.
    Id(String),
    /// By its name: the only one of that name that is shared with the account.
    Name(String),
}

impl Spreadsheet {
    /// An id, or the one in the address of a spreadsheet's page.
    pub fn of_address(text: &str) -> Option<Self> {
        let id = match text.split_once("/spreadsheets/d/") {
            Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
            None => text,
        };
        let sound =
            (20..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        sound.then(|| Self::Id(id.to_owned()))
    }
}

/// Whether a text looks like an id of a spreadsheet: today they have 44 characters.
fn is_id(text: &str) -> bool {
    (20..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl std::fmt::Display for Spreadsheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(text) | Self::Name(text) => f.write_str(text),
        }
    }
}

/// Which worksheet, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetsConfig {
    /// Which spreadsheet.
    pub spreadsheet: Spreadsheet,
    /// The worksheet's title; none: the first one.
    pub worksheet: Option<String>,
    /// The key of a service account, as Google gives it out: JSON.
    pub credentials_file: PathBuf,
    /// Where both APIs are; none: at Google.
    pub base_url: Option<String>,
    /// How often it is read.
    pub poll_interval: Duration,
}

impl SheetsConfig {
    /// With the usual settings: the first worksheet, read every minute.
    pub fn new(spreadsheet: Spreadsheet, credentials_file: impl Into<PathBuf>) -> Self {
        Self {
            spreadsheet,
            worksheet: None,
            credentials_file: credentials_file.into(),
            base_url: None,
            poll_interval: Duration::from_mins(1),
        }
    }

    /// The source's name.
    pub fn name(&self) -> String {
        match &self.worksheet {
            Some(worksheet) => format!("sheets:{}/{worksheet}", self.spreadsheet),
            None => format!("sheets:{}", self.spreadsheet),
        }
    }
}

/// Why a spreadsheet cannot be used as a backlog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SheetsConfigError {
    /// Not http or https.
    #[error("`{0}` is no address of an API: write it like `https://HOST`")]
    BaseUrl(String),
    /// The HTTP client could not be made.
    #[error("no requests can be made here: {0}")]
    Client(String),
}

/// What is known from one request to the next.
#[derive(Debug, Default)]
struct State {
    /// The spreadsheet's id, once it was found by its name.
    found: Option<String>,
    /// The write before, while nobody knows where it went.
    unchecked: Option<Unchecked>,
}

/// See the module.
#[derive(Debug)]
pub struct SheetsBacklog {
    name: String,
    config: SheetsConfig,
    sheets: reqwest::Url,
    drive: reqwest::Url,
    client: Client,
    pace: Pace,
    /// Held while a reading or a write is made: they do not overlap.
    state: tokio::sync::Mutex<State>,
    /// Rows that take no write, by name, and why: people are told with the next reading.
    refused: Mutex<BTreeMap<String, String>>,
}

impl SheetsBacklog {
    /// A backlog of this worksheet; nothing is asked for yet.
    pub fn new(config: SheetsConfig) -> Result<Self, SheetsConfigError> {
        let address = |usual: &str| {
            let text = config.base_url.as_deref().unwrap_or(usual);
            let url = text.parse::<reqwest::Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let url = url.filter(|url| url.query().is_none() && url.fragment().is_none());
            url.ok_or_else(|| SheetsConfigError::BaseUrl(text.to_owned()))
        };
        let (sheets, drive) = (address(SHEETS)?, address(DRIVE)?);
        let scope = if matches!(config.spreadsheet, Spreadsheet::Id(_)) { SCOPE } else { SCOPES };
        let client = Client::new(config.credentials_file.clone(), scope).map_err(SheetsConfigError::Client)?;
        let (name, pace) = (config.name(), Pace::new(config.poll_interval));
        Ok(Self { name, sheets, drive, client, pace, state: tokio::sync::Mutex::default(), refused: Mutex::default(), config })
    }

    async fn list(&self) -> Result<Reading, Failure> {
        let mut state = self.state.lock().await;
        let place = self.find(&mut state.found).await?;
        let grid = self.grid(&place, false).await?;
        let url = place.page();
        let mut problems = grid.listing.problems;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        problems.extend(grid.listing.rows.iter().filter_map(|row| {
            let (native_ref, message) = refused.get_key_value(&row.native_ref)?;
            let (line, native_ref) = (row.record as u64 + 1, Some(native_ref.clone()));
            Some(SourceProblem { line, column: None, message: message.clone(), skipped: false, native_ref })
        }));
        let items = grid.listing.rows.into_iter().filter_map(|row| row.item);
        let items = items.map(|item| SourceItem { url: Some(url.clone()), ..item });
        Ok(Reading::Items { items: items.collect(), problems })
    }

    /// Writes all of them, each by itself where one keeps the others from being written.
    async fn write_each(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, Failure> {
        let mut state = self.state.lock().await;
        match self.write(&mut state, writes).await {
            Err(failure) if failure.may_be_of_one_row() => {}
            written => return written,
        }
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            match self.write(&mut state, std::slice::from_ref(write)).await {
                Ok(outcome) => outcomes.extend(outcome),
                Err(failure) if failure.may_be_of_one_row() => {
                    outcomes.push(WriteOutcome::Refused(failure.unwritable(&self.name, &self.client.who()).to_string()));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(outcomes)
    }
}

#[async_trait::async_trait]
impl Backlog for SheetsBacklog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self) -> Reading {
        match self.list().await {
            Ok(reading) => {
                self.pace.went_well();
                reading
            }
            Err(failure) => {
                self.pace.failed();
                Reading::Unreadable { problem: failure.unreadable(&self.name, &self.client.who()) }
            }
        }
    }

    async fn changed(&self) {
        self.pace.due().await;
    }

    async fn write_back(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = self.write_each(writes).await;
        let outcomes = outcomes.map_err(|failure| failure.unwritable(&self.name, &self.client.who()))?;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for (write, outcome) in writes.iter().zip(&outcomes) {
            match outcome {
                WriteOutcome::Refused(why) => refused.insert(write.native_ref.clone(), why.clone()),
                _ => refused.remove(&write.native_ref),
            };
        }
        Ok(outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::Spreadsheet;

    #[test]
    fn a_spreadsheet_is_named_by_its_page_or_its_id() {
        let id = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms";
        let found = Some(Spreadsheet::Id(id.to_owned()));
        assert_eq!(Spreadsheet::of_address(id), found);
        assert_eq!(Spreadsheet::of_address(&format!("https://docs.google.com/spreadsheets/d/{id}/edit?gid=0#gid=0")), found);
        assert_eq!(Spreadsheet::of_address(&format!("https://docs.google.com/spreadsheets/d/{id}")), found);
        for text in [
            "",
            "CTO Sidekick - Projects",
            "short",
            "https://docs.google.com/spreadsheets/d/x y/edit",
            "../../secret/of/the/house",
        ] {
            assert_eq!(Spreadsheet::of_address(text), None, "{text}");
        }
    }
}
