//! Projects, agents and models as the configuration names them, parsed and validated.

use crate::ProjectName;
use crate::runner::Purpose;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A coding CLI that can work on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// Claude Code.
    Claude,
    /// A configured command, in a terminal, with the prompt in its environment.
    Shell,
}

impl AgentKind {
    /// Every agent.
    pub const ALL: [Self; 2] = [Self::Claude, Self::Shell];

    /// The word in configuration, columns and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Shell => "shell",
        }
    }

    /// Reads [`AgentKind::word`], whatever the case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.word().eq_ignore_ascii_case(word.trim()))
    }
}

/// Where a project's repository is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repository {
    /// A repository on this machine; accepted work is fetched back into it.
    Directory(PathBuf),
    /// A URL that the host's own git and credentials can fetch from.
    Url(String),
}

/// How an agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum AgentMode {
    /// By itself, to its end.
    #[default]
    Headless,
    /// In its own interface, with people typing beside it, until somebody says that the task is complete.
    Interactive,
}

impl AgentMode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Headless, Self::Interactive];

    /// The word in configuration and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Headless => "headless",
            Self::Interactive => "interactive",
        }
    }
}

/// Who lets an agent start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody needs to.
    #[default]
    Auto,
    /// A person.
    Manual,
}

/// Who accepts finished work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ReviewMode {
    /// A person.
    #[default]
    Manual,
    /// Merged when every check passes; else a person.
    Auto,
    /// People, on a pull request that is opened when every check passes.
    PullRequest,
}

impl ReviewMode {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Manual, Self::Auto, Self::PullRequest];

    /// The word in configuration and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Auto => "auto",
            Self::PullRequest => "pull_request",
        }
    }
}

/// What happens after the merge into the user's repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum AfterMerge {
    /// Nothing.
    #[default]
    None,
    /// The target branch is pushed to the repository's `origin`.
    Push,
}

/// What a sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// CPUs, as a fraction of cores.
    pub cpus: f64,
    /// Memory in bytes, swap included.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Disk for workspace and home in bytes.
    pub disk_bytes: u64,
    /// Wall-clock time of a run in milliseconds, and of its checks again.
    pub timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cpus: 2.0, memory_bytes: 4 << 30, pids: 512, disk_bytes: 10 << 30, timeout_ms: 2 * 3_600_000 }
    }
}

/// A git repository with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// The Project column.
    pub name: ProjectName,
    /// Where it is.
    pub repository: Repository,
    /// The agent for rows that name none.
    pub agent: AgentKind,
    /// The model (a key of `models:`) for rows that name none.
    pub model: Option<String>,
    /// How its agents work; none: headless, but for tickets that a person approved.
    #[serde(default)]
    pub mode: Option<AgentMode>,
    /// The sandbox's image; none: the default image.
    pub image: Option<String>,
    /// Commands before the agent and before the checks.
    pub setup: Vec<String>,
    /// Commands that must end with 0 on the pushed commit, in a fresh sandbox.
    pub checks: Vec<String>,
    /// Absolute folders in the sandbox that are kept between the runs of this project's agents.
    pub cache: Vec<String>,
    /// The same between its checks. Code that nobody has accepted yet writes there what later checks read.
    #[serde(default)]
    pub checks_cache: Vec<String>,
    /// Extra environment of set-up, agent and checks.
    pub env: BTreeMap<String, String>,
    /// Who lets an agent start.
    pub approval: Approval,
    /// Who accepts the work.
    pub review: ReviewMode,
    /// How often an agent may try when checks are red under `review: auto` and `pull_request`, the first time included; then a person decides.
    pub tries: u32,
    /// The branch that work starts from and is merged into; none: the repository's HEAD.
    pub branch: Option<String>,
    /// What a sandbox may use.
    pub limits: Limits,
    /// Host names and presets that set-up and agent may reach.
    pub allow: Vec<String>,
    /// `host:port` that may be reached although its address is private: a mirror on the local network.
    pub internal: Vec<String>,
    /// How many of its tasks may run at once.
    pub max_concurrent: u32,
    /// What happens after the merge.
    pub after_merge: AfterMerge,
    /// Why it cannot be worked on now, when that is known; set by looking at the repository.
    pub unusable: Option<Unusable>,
}

impl Project {
    /// The folders that sandboxes for this keep between runs.
    pub fn caches(&self, purpose: Purpose) -> &[String] {
        match purpose {
            Purpose::Agent => &self.cache,
            Purpose::Checks => &self.checks_cache,
            Purpose::Rescue => &[],
        }
    }
}

/// Why a project cannot be worked on, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// An entry of `models:`, what a Model column's word means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// The agent that works with it.
    pub agent: AgentKind,
    /// The provider (a key of `providers:`).
    pub provider: Option<String>,
    /// The provider's name of the model.
    pub model: String,
    /// Why it cannot be used now: its provider lacks its credential, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<Unusable>,
}

/// An agent that can be launched here, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentEntry {
    /// Which.
    pub kind: AgentKind,
    /// The command, for `shell`.
    pub command: Option<String>,
    /// The CLI's folder on this machine, holding `bin/`; none for `shell`.
    pub tool_dir: Option<PathBuf>,
    /// Its version, when known.
    pub version: Option<String>,
    /// Why it cannot be launched.
    pub unusable: Option<Unusable>,
}

/// Everything configured that tasks refer to by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    /// By the Project column.
    pub projects: BTreeMap<ProjectName, Project>,
    /// By the Model column.
    pub models: BTreeMap<String, ModelEntry>,
    /// The agents that are configured.
    pub agents: BTreeMap<AgentKind, AgentEntry>,
}
