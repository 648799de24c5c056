//! Speaks to one Plane: requests with a key, answers judged by status, and what each failure asks of a person.

use super::model::{Complaint, Page};
use crate::remote::{Answer, HttpError, Pace, Secret, client, fetch, plain, wait_asked};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use std::time::Duration;
use strawboss_core::backlog::WriteBackError;

/// The largest answer that is read: a hundred tickets with long descriptions are a tenth of it.
const ANSWER_LIMIT: usize = 32 << 20;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The wait where a limit is hit and the answer names none: Plane counts by the minute.
const LIMIT_WAIT: Duration = Duration::from_mins(1);
/// The longest part of a complaint that is repeated, in characters.
const COMPLAINT_LIMIT: usize = 300;

/// Why Plane did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No usable key.
    NoKey(String),
    /// No connection or no answer.
    Unreachable(String),
    /// A limit is used up.
    Limited(Duration),
    /// The key is not accepted.
    Unauthorized,
    /// 403, with a key that is known.
    Forbidden(String),
    /// 404.
    NotFound,
    /// A project that the workspace does not show.
    NoProject(String, Vec<String>),
    /// A state that the project does not have.
    NoState(String, Vec<String>),
    /// A redirect.
    Moved,
    /// 5xx.
    Down(u16),
    /// What came is no answer of Plane's API.
    NotJson(String),
    /// The answer is larger than what is read.
    TooLarge(String),
    /// The list changed under every look.
    Changing,
    /// More tickets than are read.
    TooMany(usize),
    /// 409: it is there already, under this id.
    Conflict(Option<String>),
    /// Another refusal.
    Refused(u16, String),
    /// What is remembered of the tickets cannot be read or written.
    Memory(String, String),
}

impl Failure {
    /// Why, and what a person does about it.
    pub(super) fn words(&self, workspace: &str) -> (String, String) {
        let complaint = |said: &str| if said.is_empty() { String::new() } else { format!(" ({said})") };
        let fix = |text: &str| text.to_owned();
        match self {
            Self::NoKey(why) => (why.clone(), fix("Name a key with `api_key_env` or `api_key_file` at this backlog.")),
            Self::Unreachable(why) => {
                (format!("Plane does not answer: {why}"), fix("It is tried again; check the network and `api_url`."))
            }
            Self::Limited(wait) => (
                format!("Plane's limit of requests is used up for {} s", wait.as_secs()),
                fix("It goes on by itself then; a longer `poll_interval` uses less, and a server of your own may allow more."),
            ),
            Self::Unauthorized => (
                fix("Plane does not accept the API key"),
                fix("It may have expired or been revoked: make another one and put it where the configuration says."),
            ),
            Self::Forbidden(said) => (
                format!("the key's owner may not do that (403){}", complaint(said)),
                format!("Check `workspace` ({workspace}), and make that person a Member of the project."),
            ),
            Self::NotFound => (
                format!("something of the workspace {workspace} is not there (404)"),
                fix("Check `workspace`, `projects` and `api_url`."),
            ),
            Self::NoProject(name, known) => (
                format!("the workspace {workspace} has no project `{name}` that the key's owner sees"),
                format!("There {}. Write an identifier or an id at `projects`.", named(known)),
            ),
            Self::NoState(name, known) => {
                (format!("the project has no state `{name}`"), format!("There {}. Write a state's name or group.", named(known)))
            }
            Self::Moved => (fix("Plane's address moved"), fix("Write where it is now at `api_url`.")),
            Self::Down(status) => (format!("Plane answered with {status}"), fix("It is tried again by itself.")),
            Self::NotJson(why) => (
                why.clone(),
                fix("Something else answers in Plane's place: check `api_url` (`https://HOST/api/v1`) and proxies between."),
            ),
            Self::TooLarge(why) => (why.clone(), fix("Shorten the largest descriptions or comments.")),
            Self::Changing => (fix("the list of tickets changed under every look"), fix("It is read again by itself.")),
            Self::TooMany(most) => {
                (format!("a project has more than {most} tickets"), fix("Archive what is closed: archived ones are not listed."))
            }
            Self::Conflict(_) => (fix("it is there already (409)"), fix("See the ticket's comments.")),
            Self::Refused(status, said) => {
                (format!("Plane refused it with {status}{}", complaint(said)), fix("See what it says, and `strawboss status`."))
            }
            Self::Memory(why, fix) => (why.clone(), fix.clone()),
        }
    }

    /// Whether it is about one ticket, while others may be written.
    pub(super) fn is_of_one_ticket(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::Refused(..) | Self::Conflict(_) | Self::NoState(..) | Self::NotFound)
    }

    /// As the port has it.
    pub(super) fn into_write_error(self, what: &str, workspace: &str) -> WriteBackError {
        let (why, fix) = self.words(workspace);
        let waits = matches!(
            self,
            Self::Unreachable(_)
                | Self::Limited(_)
                | Self::NotFound
                | Self::Moved
                | Self::Down(_)
                | Self::NotJson(_)
                | Self::TooLarge(_)
                | Self::Changing
        );
        WriteBackError { what: what.to_owned(), why, fix, retry: waits }
    }
}

fn named(known: &[String]) -> String {
    if known.is_empty() { "are none".to_owned() } else { format!("are {}", known.join(", ")) }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable(why) => Self::Unreachable(why),
            HttpError::TooLarge(_) => Self::TooLarge(error.to_string()),
            HttpError::NotJson(_) => Self::NotJson(error.to_string()),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// `https://api.plane.so/api/v1`, without a slash at its end.
    base: String,
    key: Secret,
}

impl Client {
    pub(super) fn new(base: String, key: Secret) -> Result<Self, String> {
        let http = client(PATIENCE)?;
        Ok(Self { http, base, key })
    }

    /// The address of a path of this Plane's API.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Asks; an answer is 2xx. What a limit asks for is noted on `pace`.
    pub(super) async fn call(
        &self,
        pace: &Pace,
        method: Method,
        address: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, Failure> {
        if let Some(left) = pace.closed_for() {
            return Err(Failure::Limited(left));
        }
        let mut request = self
            .http
            .request(method, address)
            .header("x-api-key", self.key.read("API key").map_err(Failure::NoKey)?)
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = fetch(request, ANSWER_LIMIT).await?;
        let asked = wait_asked(&answer);
        if let Some(wait) = asked {
            pace.close(wait);
        }
        if answer.status.is_success() {
            return Ok(answer);
        }
        let complaint = answer.json::<Complaint>().unwrap_or_default();
        let said: String = complaint.words().chars().take(COMPLAINT_LIMIT).collect();
        let said = plain(&said).replace('\n', " ");
        Err(match answer.status.as_u16() {
            429 => {
                let wait = asked.unwrap_or(LIMIT_WAIT);
                pace.close(wait);
                Failure::Limited(wait)
            }
            401 => Failure::Unauthorized,
            // Plane's framework answers so to a key that it does not know.
            403 if said.contains("API token is not valid") => Failure::Unauthorized,
            403 => Failure::Forbidden(said),
            404 => Failure::NotFound,
            409 => Failure::Conflict(complaint.id),
            300..=399 => Failure::Moved,
            number @ 500.. => Failure::Down(number),
            number => Failure::Refused(number, said),
        })
    }

    /// One page of a list: where `cursor` says, the first without.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        pace: &Pace,
        path: &str,
        query: &[(&str, &str)],
        cursor: Option<&str>,
    ) -> Result<Page<T>, Failure> {
        let address = self.address(path);
        let pairs = query.iter().copied().chain(cursor.map(|cursor| ("cursor", cursor)));
        let url = Url::parse_with_params(&address, pairs)
            .map_err(|error| Failure::NotJson(format!("{address} is no address: {error}")))?;
        Ok(self.call(pace, Method::GET, url.as_str(), None).await?.json()?)
    }

    /// A list that has few parts; one that goes on for more than `pages` is an error.
    pub(super) async fn whole<T: DeserializeOwned>(&self, pace: &Pace, path: &str, pages: usize) -> Result<Vec<T>, Failure> {
        let mut cursor: Option<String> = None;
        let mut all = Vec::new();
        for _ in 0..pages {
            let page: Page<T> = self.page(pace, path, &[("per_page", "100")], cursor.as_deref()).await?;
            all.extend(page.results);
            if !page.next_page_results {
                return Ok(all);
            }
            cursor = Some(page.next_cursor);
        }
        Err(Failure::TooMany(pages * 100))
    }

    /// Asks for one thing.
    pub(super) async fn get<T: DeserializeOwned>(&self, pace: &Pace, path: &str) -> Result<T, Failure> {
        Ok(self.call(pace, Method::GET, &self.address(path), None).await?.json()?)
    }
}
