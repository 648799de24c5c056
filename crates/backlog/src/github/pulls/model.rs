//! What of GitHub's answers about pull requests is read.

use super::super::model::User;
use serde::Deserialize;
use strawboss_core::Timestamp;

/// A branch at one end of a pull request.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct End {
    /// The branch.
    #[serde(rename = "ref")]
    pub(super) name: String,
    pub(super) sha: String,
    /// None: the fork was deleted.
    #[serde(default)]
    pub(super) repo: Option<Place>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Place {
    pub(super) full_name: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) html_url: String,
    /// `open` or `closed`.
    pub(super) state: String,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) draft: bool,
    pub(super) head: End,
    pub(super) base: End,
    /// Lists leave it out.
    #[serde(default)]
    pub(super) merged: bool,
    #[serde(default)]
    pub(super) merge_commit_sha: Option<String>,
    /// `clean`, `dirty`, `blocked`, `behind`, `unstable`, `draft`, `unknown`, …
    #[serde(default)]
    pub(super) mergeable_state: String,
}

impl Pull {
    /// Whether its branch is in the repository itself, and not in somebody's fork under the same name.
    pub(super) fn is_of(&self, repository: &str) -> bool {
        self.head.repo.as_ref().is_some_and(|place| place.full_name.eq_ignore_ascii_case(repository))
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Review {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) user: Option<User>,
    #[serde(default)]
    pub(super) body: Option<String>,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`, `PENDING`.
    pub(super) state: String,
    /// `2026-02-01T08:00:00Z`.
    #[serde(default)]
    pub(super) submitted_at: Option<String>,
}

impl Review {
    /// When it was submitted.
    pub(super) fn at(&self) -> Timestamp {
        let at = self.submitted_at.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        Timestamp(at.map_or(0, jiff::Timestamp::as_millisecond))
    }

    pub(super) fn asks_for_changes(&self) -> bool {
        self.state == "CHANGES_REQUESTED"
    }
}

/// A comment of a review, at a line.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Remark {
    #[serde(default)]
    pub(super) path: String,
    /// None: the line is not there any more.
    #[serde(default)]
    pub(super) line: Option<u64>,
    #[serde(default)]
    pub(super) body: Option<String>,
}

/// What somebody may do with the repository.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Permission {
    /// `admin`, `write`, `read` or `none`.
    pub(super) permission: String,
}

/// What a merge gave.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct MergeAnswer {
    pub(super) sha: String,
}

/// Of an issue, which every pull request is as well: who closed it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Closing {
    #[serde(default)]
    pub(super) closed_by: Option<User>,
}

/// The repository itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Whole {
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) permissions: Option<May>,
}

/// What who asks may do with it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct May {
    #[serde(default)]
    pub(super) push: bool,
}
