//! The port to what starts and stops sandboxes.

use crate::project::Limits;
use crate::{ProjectName, RunId, SandboxId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The unprivileged user that everything in a sandbox runs as.
pub const SANDBOX_UID: u32 = 10001;
/// Its group.
pub const SANDBOX_GID: u32 = 10001;
/// Its home in a container, where the run's volume is mounted.
pub const SANDBOX_HOME: &str = "/home/agent";
/// Where a container finds its door's socket.
pub const SANDBOX_DOOR: &str = "/run/strawboss/door.sock";
/// Where tools are mounted in a container: `/opt/strawboss/<name>`.
pub const SANDBOX_TOOLS: &str = "/opt/strawboss";

/// What a sandbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The agent works in it.
    Agent,
    /// The checks run in it, on a fresh clone of the pushed commit, with no model gateway.
    Checks,
    /// It mounts the volume of a lost run and pushes what is there.
    Rescue,
}

impl Purpose {
    /// The word in ids and labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Checks => "checks",
            Self::Rescue => "rescue",
        }
    }
}

/// A folder of this machine that sandboxes see read-only, by content: the supervisor, an agent's CLI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `supervisor`, `claude`: mounted at `/opt/strawboss/<name>`.
    pub name: String,
    /// The folder; its files do not change while the tool is in use.
    pub dir: PathBuf,
}

/// What a sandbox keeps its workspace and home in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxVolume {
    /// The volume of this run, made when it is not there, kept when the sandbox goes.
    OfRun(RunId),
    /// A fresh one that goes with the sandbox.
    Fresh,
}

/// A folder kept between a project's runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Whose.
    pub project: ProjectName,
    /// Agents and checks have caches of their own: no agent's sandbox ever wrote to what checks read.
    pub purpose: Purpose,
    /// The absolute path in the sandbox.
    pub path: String,
}

/// A sandbox to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxSpec {
    /// Its id, unique for ever within this installation.
    pub id: SandboxId,
    /// Whose.
    pub run: RunId,
    /// For people and labels.
    pub project: ProjectName,
    /// What for.
    pub purpose: Purpose,
    /// The image; none: the runner's default one.
    pub image: Option<String>,
    /// What it may use.
    pub limits: Limits,
    /// Workspace and home.
    pub volume: SandboxVolume,
    /// Folders kept between runs.
    pub caches: Vec<Cache>,
    /// Read-only tools; one is named `supervisor` and holds `bin/strawboss-supervisor`.
    pub tools: Vec<Tool>,
    /// The folder on this machine that holds the door's `door.sock`.
    pub door_dir: PathBuf,
    /// Environment of the supervisor. Never a secret.
    pub env: BTreeMap<String, String>,
}

/// A folder that a runner has beside sandboxes and runs' volumes: it can be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFolder {
    /// What the runner calls it.
    pub key: String,
    /// What it is.
    pub kind: KeptKind,
    /// How large it is, where that is known without reading all of it.
    pub bytes: Option<u64>,
    /// When it was used last, as far as the runner knows: when it was made at least.
    pub used_at: Timestamp,
}

/// What a kept folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptKind {
    /// A cache; none: the runner does not know whose any more.
    Cache(Option<Cache>),
    /// A tool's copy, by the tool's name, that is none of the current tools.
    Tool(String),
}

/// What a runner calls a sandbox it made: a container's id, a process's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SandboxHandle(pub String);

/// How a sandbox is, as observed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxStatus {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Ended by itself or was ended.
    Exited {
        /// Its exit code, when known.
        code: Option<i64>,
        /// Whether the memory limit ended it.
        out_of_memory: bool,
    },
    /// Not there.
    Gone,
}

/// A sandbox found on a runner, by its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSandbox {
    /// Its id.
    pub id: SandboxId,
    /// What the runner calls it.
    pub handle: SandboxHandle,
    /// What for.
    pub purpose: Purpose,
    /// How it is.
    pub status: SandboxStatus,
}

/// What a person should know of a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerInfo {
    /// `docker`, `process`.
    pub kind: String,
    /// The engine's version and address, or a warning: for people.
    pub detail: String,
    /// Whether sandboxes are walled off from this machine.
    pub isolated: bool,
    /// GPUs that sandboxes can be given.
    pub gpus: u32,
}

/// Why the runner could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// The engine does not answer: try again later.
    #[error("{what}: the engine does not answer: {why}")]
    Unreachable {
        /// What was tried.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// The image cannot serve as a sandbox; a person must change it.
    #[error("image `{image}`: {why}. {fix}")]
    Image {
        /// Which.
        image: String,
        /// Why.
        why: String,
        /// What to do.
        fix: String,
    },
    /// Anything else.
    #[error("{what}: {why}")]
    Failed {
        /// What was tried.
        what: String,
        /// Why it failed.
        why: String,
    },
}

/// Starts and stops sandboxes. Every call is idempotent: repeating one that was cut short converges.
#[async_trait::async_trait]
pub trait Runner: Send + Sync {
    /// What it is and whether it answers now.
    async fn info(&self) -> Result<RunnerInfo, RunnerError>;
    /// Makes image (pull if missing), tool volumes, the run's volume (owned by the sandbox's user) and the sandbox,
    /// not started. When one of that id is there already, its handle.
    async fn create(&self, spec: &SandboxSpec) -> Result<SandboxHandle, RunnerError>;
    /// Starts it; no error when it runs already.
    async fn start(&self, handle: &SandboxHandle) -> Result<(), RunnerError>;
    /// Asks its PID 1 to end (SIGTERM), and ends it after `grace`. Returns when it has ended or is gone.
    async fn stop(&self, handle: &SandboxHandle, grace: Duration) -> Result<(), RunnerError>;
    /// Ends it if need be and removes it, with its fresh volume if it had one; never a run's volume.
    async fn remove(&self, handle: &SandboxHandle) -> Result<(), RunnerError>;
    /// How it is.
    async fn status(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError>;
    /// Returns when it has ended or is gone. Cancel-safe.
    async fn wait(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError>;
    /// Every sandbox of this installation, by its labels.
    async fn sandboxes(&self) -> Result<Vec<FoundSandbox>, RunnerError>;
    /// Every run of this installation that has a volume.
    async fn run_volumes(&self) -> Result<Vec<RunId>, RunnerError>;
    /// Removes a run's volume; no error when it is gone.
    async fn run_volume_remove(&self, run: &RunId) -> Result<(), RunnerError>;
    /// Caches, and copies of tools that are none of these `tools`.
    async fn kept(&self, tools: &[Tool]) -> Result<Vec<KeptFolder>, RunnerError>;
    /// Removes one of them; false, and nothing is removed, when a sandbox has it. No error when it is gone.
    async fn kept_remove(&self, key: &str) -> Result<bool, RunnerError>;
}
