//! Issues of one GitHub repository as a backlog.
//!
//! Open issues that the query selects are its items; labels keep their status, a comment tells how work ended, and closing
//! completes. Reading costs no rate limit while nothing changes. It decides nothing about work.

mod access;
mod client;
mod labels;
mod list;
mod model;
pub mod pulls;
mod text;
mod write;

pub use crate::remote::Secret as Token;
pub use access::{Access, App};

use crate::remote::Pace;
use client::{Client, Failure};
use labels::Labels;
use list::Known;
use std::collections::BTreeMap;
use std::time::Duration;
use strawboss_core::ProjectName;
use strawboss_core::backlog::{Backlog, Reading, SourceProblem, WriteBack, WriteBackError, WriteOutcome};

/// Where github.com's API is.
pub const GITHUB_COM: &str = "https://api.github.com";

/// What an App needs for issues.
const NEEDS: [access::Permission; 2] = [("issues", "write"), ("metadata", "read")];
/// What it needs beside that for an organisation's project.
const NEEDS_FOR_PROJECT: access::Permission = ("organization_projects", "read");

/// A GitHub Project whose items are selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubProject {
    /// A login.
    pub owner: String,
    /// Whether the owner is a person; else it is an organisation.
    pub is_users: bool,
    /// As its address has it.
    pub number: u32,
    /// A filter, as the field above its views takes it.
    pub query: Option<String>,
}

impl GithubProject {
    /// Whether a text is a login as GitHub has them.
    pub fn is_owner(text: &str) -> bool {
        (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    fn path(&self) -> String {
        let kind = if self.is_users { "users" } else { "orgs" };
        format!("/{kind}/{}/projectsV2/{}/items", self.owner, self.number)
    }
}

impl std::fmt::Display for GithubProject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "project {} of {}", self.number, self.owner)
    }
}

/// Which issues, of which repository, and how they are spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubConfig {
    /// `owner/name`.
    pub repository: String,
    /// Which project its issues are work on.
    pub project: ProjectName,
    /// Tells several backlogs of one repository apart.
    pub name: Option<String>,
    /// Where the API is: [`GITHUB_COM`], or `https://HOST/api/v3`.
    pub base_url: String,
    /// What it is asked with.
    pub access: Access,
    /// Labels that an issue must all have.
    pub labels: Vec<String>,
    /// A login, `none` or `*`.
    pub assignee: Option<String>,
    /// The title of a milestone.
    pub milestone: Option<String>,
    /// The GitHub Project that an open issue must be in.
    pub github_project: Option<GithubProject>,
    /// How often it is asked.
    pub poll_interval: Duration,
    /// Logins, and [`Self::ASSOCIATIONS`], whose issues need no approval and whose comments are told to agents.
    pub trusted: Vec<String>,
    /// Before the labels of ours.
    pub label_prefix: String,
    /// Which label means which priority, beside `priority: 1` and `P1`.
    pub priorities: BTreeMap<String, u32>,
    /// Whether what is completed is closed.
    pub done_close: bool,
    /// The label of what is completed.
    pub done_label: Option<String>,
}

impl GithubConfig {
    /// GitHub's words for authors, which may stand in [`Self::trusted`].
    pub const ASSOCIATIONS: [&str; 8] =
        ["OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIMER", "FIRST_TIME_CONTRIBUTOR", "MANNEQUIN", "NONE"];

    /// With the usual settings.
    pub fn new(repository: impl Into<String>, project: ProjectName, token: Token) -> Self {
        let access = Access::Token(token);
        Self {
            repository: repository.into(),
            project,
            name: None,
            base_url: GITHUB_COM.to_owned(),
            access,
            labels: Vec::new(),
            assignee: None,
            milestone: None,
            github_project: None,
            poll_interval: Duration::from_mins(1),
            trusted: ["OWNER", "MEMBER", "COLLABORATOR"].map(str::to_owned).to_vec(),
            label_prefix: "strawboss: ".to_owned(),
            priorities: BTreeMap::new(),
            done_close: true,
            done_label: None,
        }
    }

    /// Whether a text is `owner/name` as GitHub has them.
    pub fn is_repository(text: &str) -> bool {
        let part = |part: &str| {
            (1..=100).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
                && !matches!(part, "." | "..")
        };
        text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
    }
}

/// Why a repository cannot be used as a backlog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GithubConfigError {
    /// Not `owner/name`.
    #[error("`{0}` is no repository: write it as `owner/name`")]
    Repository(String),
    /// Not http or https.
    #[error("`{0}` is no address of an API: write it like `https://HOST/api/v3`")]
    BaseUrl(String),
    /// The HTTP client could not be made.
    #[error("no requests can be made here: {0}")]
    Client(String),
}

/// Where an API is, without a slash at its end.
fn base_of(base_url: &str) -> Result<String, GithubConfigError> {
    let base = base_url.trim_end_matches('/').to_owned();
    let url = base.parse::<reqwest::Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if url.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
        return Err(GithubConfigError::BaseUrl(base_url.to_owned()));
    }
    Ok(base)
}

/// See the module.
#[derive(Debug)]
pub struct GithubBacklog {
    name: String,
    config: GithubConfig,
    labels: Labels,
    client: Client,
    pace: Pace,
    /// What is known from earlier readings. Held while one is made: they do not overlap.
    known: tokio::sync::Mutex<Known>,
    /// Our own login, once it was asked for.
    own: tokio::sync::OnceCell<Option<String>>,
}

impl GithubBacklog {
    /// A backlog of these issues; nothing is asked for yet.
    pub fn new(config: GithubConfig) -> Result<Self, GithubConfigError> {
        if !GithubConfig::is_repository(&config.repository) {
            return Err(GithubConfigError::Repository(config.repository));
        }
        let base = base_of(&config.base_url)?;
        let labels = Labels {
            prefix: config.label_prefix.clone(),
            priorities: config.priorities.iter().map(|(label, priority)| (label.to_lowercase(), *priority)).collect(),
            // An issue that stays open says by a label alone that it is done.
            done: config.done_label.clone().or_else(|| (!config.done_close).then(|| format!("{}done", config.label_prefix))),
            close: config.done_close,
        };
        let name = match &config.name {
            Some(name) => format!("github:{} ({name})", config.repository),
            None => format!("github:{}", config.repository),
        };
        let for_project = config.github_project.as_ref().filter(|project| !project.is_users).map(|_| NEEDS_FOR_PROJECT);
        let needs: Vec<_> = NEEDS.into_iter().chain(for_project).collect();
        Ok(Self {
            name,
            labels,
            client: Client::new(base, config.access.clone(), &config.repository, &needs).map_err(GithubConfigError::Client)?,
            pace: Pace::new(config.poll_interval),
            known: tokio::sync::Mutex::default(),
            own: tokio::sync::OnceCell::new(),
            config,
        })
    }

    /// The name of an issue of this repository.
    fn native_ref(&self, number: u64) -> String {
        format!("github:{}#{number}", self.config.repository)
    }

    /// The path of the repository, or of something in it.
    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.config.repository)
    }

    /// Our own login; none where the token is not a person's.
    async fn own_login(&self) -> Result<Option<&str>, Failure> {
        let asked = self.own.get_or_try_init(|| self.client.own_login(&self.pace));
        asked.await.map(Option::as_deref)
    }

    /// Whether somebody's comment is one that we made.
    fn is_own(comment: &model::Comment, own: Option<&str>) -> bool {
        let Some(user) = &comment.user else { return false };
        let ours = own.map_or(user.kind == "Bot", |own| user.login.eq_ignore_ascii_case(own));
        ours && text::is_marked(comment.body.as_deref().unwrap_or_default())
    }

    /// Whether what somebody wrote counts without a person's approval.
    fn trusts(&self, user: Option<&model::User>, association: &str) -> bool {
        let login = user.map(|user| user.login.as_str());
        // Anybody may have the login `member`.
        self.config.trusted.iter().any(|trusted| {
            if GithubConfig::ASSOCIATIONS.contains(&trusted.as_str()) {
                trusted == association
            } else {
                login.is_some_and(|login| login.eq_ignore_ascii_case(trusted))
            }
        })
    }
}

#[async_trait::async_trait]
impl Backlog for GithubBacklog {
    fn name(&self) -> &str {
        &self.name
    }

    fn holds_tickets(&self) -> bool {
        true
    }

    async fn read(&self) -> Reading {
        let mut known = self.known.lock().await;
        match self.list(&mut known).await {
            Ok((items, problems)) => {
                self.pace.went_well();
                Reading::Items { items, problems }
            }
            Err(failure) => {
                self.pace.failed();
                let (why, fix) = failure.words(&self.config.repository);
                let message = format!("the issues of {} cannot be read: {why}. {fix}", self.config.repository);
                Reading::Unreadable {
                    problem: SourceProblem { line: 0, column: None, message, skipped: false, native_ref: None },
                }
            }
        }
    }

    async fn changed(&self) {
        self.pace.due().await;
    }

    async fn write_back(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let what = format!("write to {}", write.native_ref);
            outcomes.push(match self.write(write).await {
                Ok(outcome) => outcome,
                Err(failure) if failure.is_of_one_issue() => {
                    WriteOutcome::Refused(failure.into_write_error(&what, &self.config.repository).to_string())
                }
                Err(failure) => return Err(failure.into_write_error(&what, &self.config.repository)),
            });
        }
        Ok(outcomes)
    }
}
