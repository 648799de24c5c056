//! What of GitHub's answers is read. Everything else in them is passed over, and everything read is hostile until judged.

use serde::Deserialize;

/// Who wrote something; none for an account that was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
    /// `User`, `Bot`, …
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Milestone {
    pub(super) title: String,
    /// `2026-02-01T08:00:00Z`.
    #[serde(default)]
    pub(super) due_on: Option<String>,
}

/// How many issues block one, on servers that know dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Blockers {
    #[serde(default)]
    pub(super) blocked_by: u64,
}

/// An issue, or a pull request, which the same lists hold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) title: String,
    #[serde(default)]
    pub(super) body: Option<String>,
    /// `open` or `closed`.
    pub(super) state: String,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    #[serde(default)]
    pub(super) user: Option<User>,
    #[serde(default)]
    pub(super) author_association: String,
    pub(super) html_url: String,
    #[serde(default)]
    pub(super) comments: u64,
    #[serde(default)]
    pub(super) updated_at: String,
    #[serde(default)]
    pub(super) milestone: Option<Milestone>,
    #[serde(default)]
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(super) issue_dependencies_summary: Option<Blockers>,
    #[serde(default)]
    pub(super) repository_url: String,
}

impl Issue {
    pub(super) fn is_closed(&self) -> bool {
        self.state == "closed"
    }

    pub(super) fn has_label(&self, name: &str) -> bool {
        self.labels.iter().any(|label| label.name.eq_ignore_ascii_case(name))
    }
}

/// What a GitHub Project holds: an issue, a pull request or a draft.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ProjectItem {
    content_type: String,
    /// None where the token may not see it.
    #[serde(default)]
    content: Option<ProjectContent>,
    #[serde(default)]
    archived_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct ProjectContent {
    /// A draft has none.
    #[serde(default)]
    number: Option<u64>,
    #[serde(default)]
    repository_url: String,
}

impl ProjectItem {
    /// The number of the issue that it is, where that is this repository's.
    pub(super) fn issue_of(&self, repository: &str) -> Option<u64> {
        let content = self.content.as_ref().filter(|_| self.content_type == "Issue" && self.archived_at.is_none())?;
        let (_, of) = content.repository_url.split_once("/repos/")?;
        content.number.filter(|_| of.eq_ignore_ascii_case(repository))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) user: Option<User>,
    #[serde(default)]
    pub(super) author_association: String,
    #[serde(default)]
    pub(super) created_at: String,
}

/// What GitHub says of an error.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Complaint {
    #[serde(default)]
    pub(super) message: String,
}

/// An App's installation on a repository.
#[derive(Debug, Deserialize)]
pub(super) struct Installation {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) suspended_at: Option<String>,
}

/// A token of an App's installation.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) token: String,
    /// `2026-02-01T08:00:00Z`.
    #[serde(default)]
    pub(super) expires_at: String,
}

/// An App.
#[derive(Debug, Deserialize)]
pub(super) struct AppAnswer {
    pub(super) slug: String,
}
