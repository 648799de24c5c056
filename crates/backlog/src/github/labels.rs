//! What labels say: our status, and a person's priority, model, agent and need of a GPU.

use super::model::{Issue, Label};
use std::collections::BTreeMap;
use strawboss_core::backlog::BacklogStatus;

/// The priority of an issue whose labels name none.
pub(super) const NO_PRIORITY: u32 = 999;

/// The labels that say where an issue stands, in the order in which the first one counts: what a person sets beside ours
/// to stop work comes first.
pub(super) const STATUSES: [(BacklogStatus, &str, &str); 5] = [
    (BacklogStatus::Paused, "paused", "d4c5f9"),
    (BacklogStatus::Blocked, "blocked", "b60205"),
    (BacklogStatus::Queued, "queued", "c2e0c6"),
    (BacklogStatus::InReview, "in review", "fbca04"),
    (BacklogStatus::InProgress, "in progress", "1d76db"),
];

/// How a repository's labels are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    /// Before each of ours: `strawboss: `.
    pub(super) prefix: String,
    /// What a person calls which priority, in lower case.
    pub(super) priorities: BTreeMap<String, u32>,
    /// What a completed issue is given.
    pub(super) done: Option<String>,
    /// Whether a completed issue is closed.
    pub(super) close: bool,
}

impl Labels {
    /// The label of a status, if it has one, with its colour.
    pub(super) fn of(&self, status: BacklogStatus) -> Option<(String, &'static str)> {
        let ours = STATUSES.iter().find(|(known, ..)| *known == status);
        ours.map(|(_, word, colour)| (format!("{}{word}", self.prefix), *colour)).or_else(|| {
            let done = self.done.clone().filter(|_| status == BacklogStatus::Completed)?;
            Some((done, "0e8a16"))
        })
    }

    /// Every label that says a status.
    pub(super) fn all(&self) -> Vec<String> {
        let ours = STATUSES.iter().map(|(_, word, _)| format!("{}{word}", self.prefix));
        ours.chain(self.done.clone()).collect()
    }

    /// Where an issue stands.
    pub(super) fn status(&self, issue: &Issue) -> BacklogStatus {
        let done_by_label = !self.close && self.done.as_deref().is_some_and(|done| issue.has_label(done));
        if issue.is_closed() || done_by_label {
            return BacklogStatus::Completed;
        }
        let found = STATUSES.iter().find(|(_, word, _)| issue.has_label(&format!("{}{word}", self.prefix)));
        found.map_or(BacklogStatus::Pending, |(status, ..)| *status)
    }

    /// The best priority that a label names.
    pub(super) fn priority(&self, labels: &[Label]) -> u32 {
        let of = |label: &Label| {
            let name = label.name.trim().to_lowercase();
            self.priorities.get(&name).copied().or_else(|| usual_priority(&name))
        };
        labels.iter().filter_map(of).min().unwrap_or(NO_PRIORITY)
    }
}

/// `priority: 1`, `priority/1`, `p1`.
fn usual_priority(name: &str) -> Option<u32> {
    let number = match name.strip_prefix("priority") {
        Some(rest) => rest.strip_prefix([':', '/', '-', ' '])?.trim_start_matches([' ', 'p']),
        None => name.strip_prefix('p')?,
    };
    number.trim().parse().ok().filter(|_| number.trim().bytes().all(|byte| byte.is_ascii_digit()))
}

/// What stands behind `model: ` or the like.
pub(super) fn valued(labels: &[Label], key: &str) -> Option<String> {
    labels.iter().find_map(|label| {
        let (name, value) = label.name.split_once(':')?;
        let value = value.trim();
        (name.trim().eq_ignore_ascii_case(key) && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| Label { name: (*name).to_owned() }).collect()
    }

    #[test]
    fn priorities_are_read_from_the_usual_labels_and_from_a_persons_own() {
        let priorities = BTreeMap::from([("urgent".to_owned(), 1), ("p9".to_owned(), 2)]);
        let it = Labels { prefix: "x: ".to_owned(), priorities, done: None, close: true };
        for (names, expected) in [
            (&["priority: 3"][..], 3),
            (&["Priority/P2"], 2),
            (&["bug", "P1", "p4"], 1),
            (&["Urgent"], 1),
            (&["p9"], 2),
            (&["pink", "p", "priority", "p1x", "p-1", "priority: high", "p99999999999"], NO_PRIORITY),
            (&[], NO_PRIORITY),
        ] {
            assert_eq!(it.priority(&labels(names)), expected, "{names:?}");
        }
    }

    #[test]
    fn a_value_is_what_stands_behind_its_key() {
        assert_eq!(valued(&labels(&["bug", "Model: Sonnet 4"]), "model").as_deref(), Some("Sonnet 4"));
        assert_eq!(valued(&labels(&["model:", "remodel: x"]), "model"), None);
    }
}
