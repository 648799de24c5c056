//! Tickets of projects in one Plane workspace as a backlog.
//!
//! What a person does to a ticket makes it work, as the triggers say; a comment tells how work ended, and a state says so. What
//! the API does not keep for us (which tickets were there, how each stands with us) is remembered in a file. It decides nothing
//! about work.

mod blockers;
mod client;
mod html;
mod list;
mod memory;
mod model;
mod text;
mod triggers;
mod write;

pub use crate::remote::Secret as ApiKey;
pub use triggers::{Comments, NewTickets, StatusChange, Triggers};

use crate::remote::Pace;
use client::{Client, Failure};
use memory::Memory;
use model::Member;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strawboss_core::ProjectName;
use strawboss_core::backlog::{Backlog, BacklogStatus, Reading, SourceProblem, WriteBack, WriteBackError, WriteOutcome};
use tokio::time::Instant;

/// Where Plane's own cloud has its API.
pub const PLANE_CLOUD: &str = "https://api.plane.so/api/v1";
/// Where the same cloud has its pages.
const CLOUD_PAGES: &str = "https://app.plane.so";
/// How long it is known who is in the workspace, in which role.
const MEMBERS_KNOWN: Duration = Duration::from_mins(10);

/// A project of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaneProject {
    /// Its identifier (`WEB`) or its id.
    pub plane: String,
    /// Which project its tickets are work on.
    pub project: ProjectName,
    /// Whether tickets of trusted people need no approval.
    pub approved: bool,
}

/// Which tickets, of which workspace, and how they are spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaneConfig {
    /// The workspace's slug, as in its address.
    pub workspace: String,
    /// Its projects that are read.
    pub projects: Vec<PlaneProject>,
    /// Tells several backlogs of one workspace apart.
    pub name: Option<String>,
    /// Where the API is: [`PLANE_CLOUD`], or `https://HOST/api/v1`.
    pub api_url: String,
    /// Where the pages for people are; none: by `api_url`.
    pub web_url: Option<String>,
    /// What it is asked with.
    pub key: ApiKey,
    /// How often it is asked.
    pub poll_interval: Duration,
    /// What makes a ticket work.
    pub triggers: Triggers,
    /// [`Self::ROLES`], and people by e-mail address or id, whose tickets need no approval where their project says so, and whose
    /// comments are told to agents.
    pub trusted: Vec<String>,
    /// Where completed tickets go: a state's name or group.
    pub done_state: String,
    /// Where tickets go whose work failed.
    pub failed_state: Option<String>,
    /// Where tickets go otherwise.
    pub states: Vec<(BacklogStatus, String)>,
    /// The file in which it is remembered how tickets stand; none: nothing is, and of each ticket only its title is read.
    pub memory: Option<PathBuf>,
}

impl PlaneConfig {
    /// The roles that may stand in [`Self::trusted`].
    pub const ROLES: [&str; 3] = ["ADMIN", "MEMBER", "GUEST"];

    /// With the usual settings.
    pub fn new(workspace: impl Into<String>, projects: Vec<PlaneProject>, key: ApiKey, memory: Option<PathBuf>) -> Self {
        Self {
            workspace: workspace.into(),
            projects,
            name: None,
            api_url: PLANE_CLOUD.to_owned(),
            web_url: None,
            key,
            poll_interval: Duration::from_mins(1),
            triggers: Triggers::default(),
            trusted: ["ADMIN", "MEMBER"].map(str::to_owned).to_vec(),
            done_state: "completed".to_owned(),
            failed_state: None,
            states: Vec::new(),
            memory,
        }
    }

    /// Whether a text can be a workspace's slug.
    pub fn is_workspace(text: &str) -> bool {
        (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    /// The API's address as it is asked at: `/api/v1` may be left out.
    pub fn api_address(&self) -> Option<String> {
        let base = self.api_url.trim_end_matches('/');
        let url = base.parse::<reqwest::Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        if url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        Some(if base.ends_with("/api/v1") { base.to_owned() } else { format!("{base}/api/v1") })
    }
}

/// Why a workspace cannot be used as a backlog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaneConfigError {
    /// No slug.
    #[error("`{0}` is no workspace: write its slug, as it stands in the address of its pages")]
    Workspace(String),
    /// Not http or https.
    #[error("`{0}` is no address of an API: write it like `https://HOST/api/v1`")]
    ApiUrl(String),
    /// The HTTP client could not be made.
    #[error("no requests can be made here: {0}")]
    Client(String),
}

/// What is known from earlier readings.
#[derive(Debug, Default)]
struct Known {
    /// None: the file was not read yet.
    memory: Option<Memory>,
    /// The projects as the workspace has them, in the configuration's order.
    places: Option<Vec<Place>>,
    members: Option<(Instant, Vec<Member>)>,
}

/// A project that is read.
#[derive(Debug, Clone)]
struct Place {
    id: String,
    identifier: String,
    project: ProjectName,
    approved: bool,
}

/// See the module.
#[derive(Debug)]
pub struct PlaneBacklog {
    name: String,
    config: PlaneConfig,
    client: Client,
    /// Where the pages for people are, without a slash at its end.
    pages: String,
    pace: Pace,
    /// Held while a reading or a write is made: they do not overlap.
    known: tokio::sync::Mutex<Known>,
    /// Whether the server knows tickets by their old name only.
    says_issues: AtomicBool,
}

impl PlaneBacklog {
    /// A backlog of these tickets; nothing is asked for yet.
    pub fn new(config: PlaneConfig) -> Result<Self, PlaneConfigError> {
        if !PlaneConfig::is_workspace(&config.workspace) {
            return Err(PlaneConfigError::Workspace(config.workspace));
        }
        let Some(base) = config.api_address() else { return Err(PlaneConfigError::ApiUrl(config.api_url)) };
        let by_api = || if base == PLANE_CLOUD { CLOUD_PAGES } else { base.trim_end_matches("/api/v1") };
        let pages = config.web_url.as_deref().unwrap_or_else(by_api).trim_end_matches('/').to_owned();
        let name = match &config.name {
            Some(name) => format!("plane:{} ({name})", config.workspace),
            None => format!("plane:{}", config.workspace),
        };
        Ok(Self {
            name,
            client: Client::new(base, config.key.clone()).map_err(PlaneConfigError::Client)?,
            pages,
            pace: Pace::new(config.poll_interval),
            known: tokio::sync::Mutex::default(),
            says_issues: AtomicBool::new(false),
            config,
        })
    }

    /// The name of a ticket of this workspace.
    fn native_ref(&self, id: &str) -> String {
        format!("plane:{}/{id}", self.config.workspace)
    }

    /// A path in the workspace.
    fn path(&self, rest: &str) -> String {
        format!("/workspaces/{}{rest}", self.config.workspace)
    }

    /// The path of a project's tickets, or of something below them.
    fn tickets_path(&self, project: &str, rest: &str) -> String {
        let word = if self.says_issues.load(Ordering::Relaxed) { "issues" } else { "work-items" };
        self.path(&format!("/projects/{project}/{word}/{rest}"))
    }

    /// Who is in the workspace; nobody is known where the server does not say.
    async fn members<'a>(&self, known: &'a mut Option<(Instant, Vec<Member>)>) -> Result<&'a [Member], Failure> {
        if known.as_ref().is_none_or(|(at, _)| at.elapsed() > MEMBERS_KNOWN) {
            let members = match self.client.get(&self.pace, &self.path("/members/")).await {
                Ok(members) => members,
                Err(Failure::Forbidden(_) | Failure::NotFound | Failure::Refused(..)) => Vec::new(),
                Err(failure) => return Err(failure),
            };
            *known = Some((Instant::now(), members));
        }
        Ok(known.as_ref().map(|(_, members)| members.as_slice()).unwrap_or_default())
    }

    /// Whether what somebody wrote counts without a person's approval.
    fn trusts(&self, id: Option<&str>, members: &[Member]) -> bool {
        let Some(id) = id else { return false };
        let member = members.iter().find(|member| member.id == id);
        let role = match member.map(|member| member.role) {
            Some(20) => Some("ADMIN"),
            Some(15) => Some("MEMBER"),
            Some(_) => Some("GUEST"),
            None => None,
        };
        let email = member.and_then(|member| member.email.as_deref());
        // The name that somebody is shown by says nothing: anybody may choose any, an admin's or `Admin`.
        self.config.trusted.iter().any(|trusted| {
            if PlaneConfig::ROLES.contains(&trusted.as_str()) {
                role == Some(trusted)
            } else {
                trusted == id || email.is_some_and(|email| email.eq_ignore_ascii_case(trusted))
            }
        })
    }

    fn recall(&self) -> Result<Memory, Failure> {
        self.config.memory.as_deref().map_or_else(|| Ok(Memory::default()), Memory::load)
    }

    fn keep(&self, memory: &Memory) -> Result<(), Failure> {
        self.config.memory.as_deref().map_or(Ok(()), |path| memory.save(path))
    }

    fn unreadable(&self, failure: &Failure) -> Reading {
        let (why, fix) = failure.words(&self.config.workspace);
        let message = format!("the tickets of {} cannot be read: {why}. {fix}", self.config.workspace);
        Reading::Unreadable { problem: SourceProblem { line: 0, column: None, message, skipped: false, native_ref: None } }
    }
}

#[async_trait::async_trait]
impl Backlog for PlaneBacklog {
    fn name(&self) -> &str {
        &self.name
    }

    fn holds_tickets(&self) -> bool {
        true
    }

    async fn read(&self) -> Reading {
        let mut known = self.known.lock().await;
        match self.list(&mut known).await {
            Ok(items) => {
                self.pace.went_well();
                Reading::Items { items, problems: Vec::new() }
            }
            Err(failure) => {
                self.pace.failed();
                self.unreadable(&failure)
            }
        }
    }

    async fn changed(&self) {
        self.pace.due().await;
    }

    async fn write_back(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError> {
        let mut known = self.known.lock().await;
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let what = format!("write to {}", write.native_ref);
            outcomes.push(match self.write(&mut known, write).await {
                Ok(outcome) => outcome,
                Err(failure) if failure.is_of_one_ticket() => {
                    WriteOutcome::Refused(failure.into_write_error(&what, &self.config.workspace).to_string())
                }
                Err(failure) => return Err(failure.into_write_error(&what, &self.config.workspace)),
            });
        }
        Ok(outcomes)
    }
}
