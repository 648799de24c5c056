//! The port to where finished work is proposed as a pull request, and what crosses it.

use crate::backlog::Report;
use crate::run::Usage;
use crate::{TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a pull request stands, as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestState {
    /// It waits to be merged.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without being merged.
    Closed,
}

impl PullRequestState {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Merged => "merged",
            Self::Closed => "closed",
        }
    }
}

/// How a task hangs on its pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestLink {
    /// Its number in its repository.
    pub number: u64,
    /// Where people look at it.
    pub url: String,
    /// How it stands.
    pub state: PullRequestState,
    /// The commit that was proposed last.
    pub head: String,
    /// When the newest review was submitted for which the task was sent back.
    #[serde(default)]
    pub heard: Option<Timestamp>,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The task: its pull request is known by it.
    pub task: TaskId,
    /// One line.
    pub title: String,
    /// The branch with the work, which is there already.
    pub branch: String,
    /// The branch that it shall be merged into.
    pub base: String,
    /// The item that merging completes, by its name in its source ([`crate::backlog::SourceItem::native_ref`]).
    pub closes: Option<String>,
    /// What a person reads about the run.
    pub report: Report,
    /// What the model used.
    pub usage: Usage,
}

/// A pull request that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Where people look at it.
    pub url: String,
}

/// A person who may do so asked for changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesRequested {
    /// When the newest review that asks for them was submitted.
    pub at: Timestamp,
    /// What it says, for the agent: a stranger's words are not among it.
    pub text: String,
}

/// How a pull request stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It waits.
    Open {
        /// Somebody asked for changes since.
        changes: Option<ChangesRequested>,
    },
    /// It was merged, as this commit.
    Merged {
        /// The commit on the target branch.
        commit: String,
    },
    /// It was closed without being merged.
    Closed {
        /// By whom, where that is known.
        by: Option<String>,
    },
}

/// What became of a wish to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// It is merged, as this commit.
    At(String),
    /// It will not be merged as things are: why, and what a person does.
    Refused(String),
}

/// Where a branch is pushed to.
#[derive(Clone, PartialEq, Eq)]
pub struct PushRemote {
    /// For git.
    pub url: String,
    /// The value of an `Authorization` header; none: the host's own credentials. It stands in no argument and no log.
    pub authorization: Option<String>,
}

impl fmt::Debug for PushRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushRemote").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why something could not be done now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}. {fix}")]
pub struct PullRequestError {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// Whether nothing else can be done there now either.
    pub is_general: bool,
}

/// Pull requests of one repository. Everything may be called at any time, twice, or after a crash.
#[async_trait::async_trait]
pub trait PullRequests: Send + Sync {
    /// Its name, for people: `github:acme/antenna`.
    fn name(&self) -> &str;
    /// Returns when it is time to look again, after a look that went well or did not. Cancel-safe.
    async fn due(&self, went_well: bool);
    /// Where branches are pushed to, with a credential that holds now.
    async fn remote(&self) -> Result<PushRemote, PullRequestError>;
    /// Opens a pull request, or brings the open one of that branch up to date: there is never a second one.
    async fn propose(&self, proposal: &Proposal) -> Result<PullRequest, PullRequestError>;
    /// Whether an address that was noted is one of this repository's pull requests: another one may have been configured since.
    fn knows(&self, url: &str) -> bool;
    /// How one stands; reviews that were submitted after `heard` are new.
    async fn standing(&self, number: u64, heard: Option<Timestamp>) -> Result<Standing, PullRequestError>;
    /// Merges one whose branch is at `head` into `base`; merging twice gives the same.
    async fn merge(&self, number: u64, head: &str, base: &str) -> Result<Merged, PullRequestError>;
    /// Closes one that is open, saying why.
    async fn close(&self, number: u64, why: &str) -> Result<(), PullRequestError>;
}
