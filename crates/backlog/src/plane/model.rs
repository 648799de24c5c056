//! What of Plane's answers is read. Everything else in them is passed over, and everything read is hostile until judged.

use serde::Deserialize;

/// A project of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Project {
    pub(super) id: String,
    /// `WEB` of `WEB-12`.
    pub(super) identifier: String,
}

/// A state of a project, as a person named it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct State {
    pub(super) id: String,
    pub(super) name: String,
    /// `backlog`, `unstarted`, `started`, `completed` or `cancelled`.
    pub(super) group: String,
    /// Whether new tickets begin here.
    #[serde(default)]
    pub(super) default: bool,
}

impl State {
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.group.as_str(), "completed" | "cancelled")
    }

    /// Whether a person's word in the configuration means it: its name, or its group.
    pub(super) fn is(&self, word: &str) -> bool {
        self.name.trim().eq_ignore_ascii_case(word.trim()) || self.group.eq_ignore_ascii_case(word.trim())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

/// A ticket: Plane says work item, and said issue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) name: String,
    /// `12` of `WEB-12`.
    pub(super) sequence_id: u64,
    #[serde(default)]
    pub(super) description_html: Option<String>,
    /// `urgent`, `high`, `medium`, `low` or `none`.
    #[serde(default)]
    pub(super) priority: Option<String>,
    /// The id of its state.
    pub(super) state: String,
    /// Expanded.
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    #[serde(default)]
    pub(super) target_date: Option<String>,
    #[serde(default)]
    pub(super) created_by: Option<String>,
    #[serde(default)]
    pub(super) updated_by: Option<String>,
    pub(super) updated_at: String,
}

/// Of a ticket that was changed: where it is now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Moved {
    /// The id of its state.
    pub(super) state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Comment {
    pub(super) id: String,
    #[serde(default)]
    pub(super) comment_html: Option<String>,
    #[serde(default)]
    pub(super) actor: Option<String>,
    #[serde(default)]
    pub(super) created_at: String,
    #[serde(default)]
    pub(super) external_source: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Attachment {
    pub(super) id: String,
    #[serde(default)]
    pub(super) attributes: Attributes,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Attributes {
    #[serde(default)]
    pub(super) name: String,
}

/// The tickets that one hangs together with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Relations {
    #[serde(default)]
    pub(super) blocked_by: Vec<Related>,
}

/// Another ticket: an id alone, or with its project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Related {
    Id(String),
    InProject {
        issue_id: String,
        #[serde(default)]
        project_id: Option<String>,
    },
}

impl Related {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::InProject { issue_id: id, .. } => id,
        }
    }

    /// The id of its project, where the server says it.
    pub(super) fn project(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::InProject { project_id, .. } => project_id.as_deref(),
        }
    }
}

/// Who may write what in the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Member {
    pub(super) id: String,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) display_name: Option<String>,
    /// 20: admin; 15: member; 5: guest.
    #[serde(default)]
    pub(super) role: u32,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Page<T> {
    pub(super) results: Vec<T>,
    pub(super) next_cursor: String,
    pub(super) next_page_results: bool,
    #[serde(default)]
    pub(super) total_count: Option<u64>,
}

/// What Plane says of an error: each part of it in its own words.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Complaint {
    #[serde(default)]
    detail: Option<serde_json::Value>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    error_message: Option<String>,
    /// What the error is about: of a conflict, what is there already.
    #[serde(default)]
    pub(super) id: Option<String>,
}

impl Complaint {
    pub(super) fn words(&self) -> String {
        let said = [&self.detail, &self.error].into_iter().flatten().find_map(|value| value.as_str().map(str::to_owned));
        said.or_else(|| self.error_message.clone()).unwrap_or_default()
    }
}
