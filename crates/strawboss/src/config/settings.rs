//! The configuration as the rest of the program sees it: parsed, checked, complete.

use crate::backup::Recipient;
use crate::logging::files::Bounds;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strawboss_backlog::{GithubConfig, MergeMethod, PlaneConfig, SheetsConfig};
use strawboss_core::ProjectName;
use strawboss_core::backlog::BacklogStatus;
use strawboss_core::project::{ModelEntry, Project};
use strawboss_engine::ShellHabits;
use strawboss_gateway::{Auth, Price};
use strawboss_server::TrustedProxy;

/// Everything that is configured.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) database: Database,
    /// As they are written, from the first to the last.
    pub(crate) backlogs: Vec<Backlog>,
    pub(crate) projects: BTreeMap<ProjectName, Project>,
    /// Where the work of projects is proposed that are reviewed by pull requests.
    pub(crate) pull_requests: BTreeMap<ProjectName, PullRequests>,
    /// Where each git repository is a project.
    pub(crate) projects_dir: Option<PathBuf>,
    pub(crate) models: BTreeMap<String, ModelEntry>,
    pub(crate) agents: Agents,
    pub(crate) providers: Vec<Provider>,
    pub(crate) runner: Runner,
    pub(crate) scheduler: Scheduler,
    pub(crate) sessions: Sessions,
    pub(crate) retention: strawboss_core::retention::Retention,
    pub(crate) log: Log,
    /// None: no backup is made by itself.
    pub(crate) backup: Option<Backup>,
}

/// `server:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Where people's programs reach it.
    pub(crate) listen: SocketAddr,
    /// Where old clients are served without sign-in, on loopback; none: nowhere.
    pub(crate) legacy_listen: Option<SocketAddr>,
    /// Where state, mirrors, recordings and secrets of its own lie.
    pub(crate) data_dir: PathBuf,
    /// Where `doors` is made, in which sandboxes' doors lie; the data directory unless it is said.
    pub(crate) doors_dir: PathBuf,
    /// Host names that people reach it by, beside loopback and the address.
    pub(crate) public_names: Vec<String>,
    /// Where people's browsers reach it, without a slash at the end; none: where it listens.
    pub(crate) public_url: Option<String>,
    /// Proxies whose word about who asks is taken.
    pub(crate) trusted_proxies: Vec<TrustedProxy>,
    /// Whether anybody may make an account; else admins alone.
    pub(crate) registration: bool,
    /// Whether `/metrics` answers this machine without a token.
    pub(crate) metrics_on_loopback: bool,
}

/// `database:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// A file in the data directory.
    Sqlite,
    /// A server.
    Postgres(DatabaseUrl),
}

/// `postgres://…`, which may hold a password: it shows itself without.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    pub(crate) fn new(url: String) -> Self {
        Self(url)
    }

    /// As it was given, for the one who connects.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&strawboss_store::masked(&self.0))
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// An entry of `backlogs:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Backlog {
    /// A CSV file.
    Csv(Csv),
    /// A plan file.
    Plan(PlanFile),
    /// A repository's issues.
    Github(Box<Github>),
    /// A worksheet of Google Sheets.
    Sheets(Box<Sheets>),
    /// Tickets of a Plane workspace.
    Plane(Box<Plane>),
}

impl Backlog {
    /// The file, of one that is a file.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Csv(csv) => Some(&csv.file),
            Self::Plan(plan) => Some(&plan.file),
            Self::Github(_) | Self::Sheets(_) | Self::Plane(_) => None,
        }
    }

    /// The projects of all its items, where it names them itself.
    pub(crate) fn projects(&self) -> Vec<&ProjectName> {
        match self {
            Self::Csv(_) | Self::Plan(_) | Self::Sheets(_) => Vec::new(),
            Self::Github(github) => vec![&github.issues.project],
            Self::Plane(plane) => plane.tickets.projects.iter().map(|named| &named.project).collect(),
        }
    }
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Csv(Csv { file, .. }) | Self::Plan(PlanFile { file, .. }) => write!(f, "{}", file.display()),
            Self::Github(github) => write!(f, "issues of {}", github.issues.repository),
            Self::Sheets(sheets) => f.write_str(&sheets.worksheet.name()),
            Self::Plane(plane) => match &plane.workspace {
                Some(workspace) => write!(f, "tickets of the Plane workspace {workspace}"),
                None => f.write_str("tickets of Plane"),
            },
        }
    }
}

/// An entry of `backlogs:` of type `plan`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanFile {
    /// As written, for its name.
    pub(crate) written: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// How often it is looked at where the system tells of no changes.
    pub(crate) watch_interval: Duration,
    /// The project of plans that name none.
    pub(crate) project: Option<ProjectName>,
    /// What In Review is written as.
    pub(crate) in_review: BacklogStatus,
}

/// An entry of `backlogs:` of type `csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Csv {
    /// As written, for its name.
    pub(crate) written: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// How often it is looked at where the system tells of no changes.
    pub(crate) watch_interval: Duration,
    /// What it is encoded in.
    pub(crate) encoding: String,
    /// What In Review is written as.
    pub(crate) in_review: BacklogStatus,
}

impl Csv {
    /// With the usual settings.
    pub(crate) fn usual(written: String, file: PathBuf) -> Self {
        let (watch_interval, encoding) = (Duration::from_secs(10), "utf-8".to_owned());
        Self { written, file, watch_interval, encoding, in_review: BacklogStatus::InReview }
    }
}

/// An entry of `backlogs:` of type `github`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Github {
    /// What it is asked with.
    pub(crate) access: GithubAccess,
    /// The rest; what it is asked with is set in it when it is read.
    pub(crate) issues: GithubConfig,
}

/// What a GitHub is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GithubAccess {
    /// A personal access token.
    Token(SecretSource),
    /// A GitHub App.
    App {
        /// Its client ID, or its number.
        id: String,
        /// Its installation, where it is named.
        installation: Option<u64>,
        /// One of its private keys.
        key: SecretSource,
    },
}

/// Where a project's pull requests are opened, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullRequests {
    /// `owner/name`.
    pub(crate) repository: String,
    /// Where the API is.
    pub(crate) base_url: String,
    /// What it is asked with.
    pub(crate) access: GithubAccess,
    /// Where git pushes to with its own credentials; none: to the repository over HTTPS, with what the API is asked with.
    pub(crate) remote: Option<String>,
    /// How it merges.
    pub(crate) merge: MergeMethod,
    /// Whether they are opened as drafts.
    pub(crate) draft: bool,
    /// How often they are looked at.
    pub(crate) poll_interval: Duration,
}

/// An entry of `backlogs:` of type `sheets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sheets {
    /// Which worksheet, and the key.
    pub(crate) worksheet: SheetsConfig,
    /// What In Review is written as.
    pub(crate) in_review: BacklogStatus,
}

/// Where the key of a Plane is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaneAccess {
    /// In a variable or a file of its own.
    Key(SecretSource),
    /// In Claude Code's settings, with the workspace and the address where nothing else says them.
    ClaudeJson(PathBuf),
}

/// An entry of `backlogs:` of type `plane`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plane {
    /// Where its key is.
    pub(crate) access: PlaneAccess,
    /// The workspace's slug, where the entry says it.
    pub(crate) workspace: Option<String>,
    /// Where the API is, where the entry says it.
    pub(crate) api_url: Option<String>,
    /// The rest; key, workspace, address and memory are set when it is opened.
    pub(crate) tickets: PlaneConfig,
}

/// `agents:`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Agents {
    /// The command of the agent `shell`.
    pub(crate) shell: Option<String>,
    /// Which Claude Code.
    pub(crate) claude: ClaudeSource,
}

/// Where Claude Code comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ClaudeSource {
    /// The version that this program pins, or the newest in the cache.
    #[default]
    Pinned,
    /// This version, from the cache.
    Version(String),
    /// A folder that holds `bin/claude`.
    Path(PathBuf),
}

/// An entry of `providers:`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Provider {
    /// Its key.
    pub(crate) name: String,
    /// Where its API is.
    pub(crate) base_url: String,
    /// How it is told who pays.
    pub(crate) auth: Auth,
    /// Where the credential is; none: none is needed.
    pub(crate) secret: Option<SecretSource>,
    /// Paths that sandboxes may use instead of the default ones.
    pub(crate) paths: Option<Vec<String>>,
    /// US dollars per million tokens, by the beginning of a model's name.
    pub(crate) prices: BTreeMap<String, Price>,
}

/// Where a credential is. The configuration never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(PathBuf),
}

/// `runner:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runner {
    pub(crate) kind: RunnerKind,
    /// Runs at once.
    pub(crate) max_concurrent: u32,
    /// The engine's address; none: the usual one.
    pub(crate) host: Option<String>,
    /// The engine's volume that is mounted at `server.doors_dir`, when this program is in a container.
    pub(crate) doors_volume: Option<String>,
    /// The image of projects that name none.
    pub(crate) image: String,
    /// Devices that sandboxes may be given.
    pub(crate) gpus: Vec<String>,
}

/// Which runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunnerKind {
    /// Docker, or refuse with the reason.
    Auto,
    /// Docker.
    Docker,
    /// Plain processes, without isolation.
    Process,
}

impl RunnerKind {
    /// The words of the configuration.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("docker", Self::Docker), ("process", Self::Process)];
}

/// `sessions:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sessions {
    /// Whether the host's tmux is served, to admins.
    pub(crate) tmux: bool,
    /// Its server's socket; none: this user's usual one.
    pub(crate) socket: Option<PathBuf>,
    /// Whether that server is started when it does not run.
    pub(crate) start: bool,
    /// How often it is looked what came and what went.
    pub(crate) discover: Duration,
    /// Shells in containers.
    pub(crate) containers: ShellHabits,
}

/// `scheduler:`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheduler {
    /// Whether a better task may interrupt a worse one.
    pub(crate) preempt: bool,
    /// How long a task that was interrupted is left in peace.
    pub(crate) preempt_interval: Duration,
    /// Whether what a quota paused, or a better task interrupted, goes on by itself.
    pub(crate) auto_resume: bool,
}

/// `backup:`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Backup {
    /// Where they go.
    pub(crate) folder: PathBuf,
    /// How often.
    pub(crate) every: Duration,
    /// How many stay.
    pub(crate) keep: u32,
    /// How old they get.
    pub(crate) keep_age: Duration,
    /// For whom they are encrypted; none: for everybody who can read the file.
    pub(crate) recipients: Vec<Recipient>,
}

/// How it logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// `info`, or directives of tracing's filter.
    pub(crate) level: String,
    pub(crate) format: LogFormat,
    /// How much is kept in files of the data directory; none: no files.
    pub(crate) files: Option<Bounds>,
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The words of the configuration.
    pub(crate) const WORDS: [(&'static str, Self); 2] = [("pretty", Self::Pretty), ("json", Self::Json)];
}
