//! What the local GitHub holds.

use super::{BOT, REPOSITORY};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct State {
    pub(super) issues: BTreeMap<u64, Value>,
    pub(super) comments: BTreeMap<u64, Vec<Value>>,
    /// Labels of the repository, in lower case.
    pub(super) labels: BTreeSet<String>,
    /// Issues that are no longer here; true: moved.
    pub(super) gone: BTreeMap<u64, bool>,
    pub(super) blocked_by: BTreeMap<u64, Vec<u64>>,
    pub(super) renamed: bool,
    pub(super) page_cap: usize,
    pub(super) address: String,
    pub(super) app: super::app::App,
    pub(super) pulls: super::pulls::Pulls,
    /// The token that the App asks with; none: the person asks whose token it is.
    pub(super) as_app: Option<String>,
    /// What is in its organisation's project, by issue: the column that it stands in.
    pub(super) project: BTreeMap<u64, String>,
    /// Requests that are left, and when the limit resets.
    pub(super) rate: Option<(u64, i64)>,
    ids: u64,
    last: i64,
}

impl State {
    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A moment that is not the one before.
    pub(super) fn now(&mut self) -> String {
        self.last = jiff::Timestamp::now().as_second().max(self.last + 1);
        jiff::Timestamp::from_second(self.last).map(|at| at.to_string()).unwrap_or_default()
    }

    /// Whose answers are given now.
    pub(super) fn asking(&self) -> String {
        if self.as_app.is_some() { format!("{}[bot]", super::APP_SLUG) } else { BOT.to_owned() }
    }

    /// Whether who asks now may write that.
    pub(super) fn may(&self, permission: &str) -> bool {
        self.as_app.as_ref().is_none_or(|token| self.app.may(token, permission))
    }

    /// Whether who asks now may read that.
    pub(super) fn may_read(&self, permission: &str) -> bool {
        self.as_app.as_ref().is_none_or(|token| self.app.may_read(token, permission))
    }

    pub(super) fn limit(&mut self, remaining: u64, resets_in: i64) {
        self.rate = Some((remaining, jiff::Timestamp::now().as_second() + resets_in));
    }

    pub(super) fn open(&mut self, login: &str, association: &str, title: &str, body: &str) -> u64 {
        let number = self.issues.len() as u64 + self.gone.len() as u64 + 1;
        let (id, now) = (self.id(), self.now());
        let issue = json!({
            "id": id,
            "number": number,
            "title": title,
            "body": if body.is_empty() { Value::Null } else { body.into() },
            "state": "open",
            "state_reason": null,
            "labels": [],
            "assignees": [],
            "user": { "login": login, "type": "User" },
            "author_association": association,
            "html_url": format!("https://github.com/{REPOSITORY}/issues/{number}"),
            "repository_url": format!("https://api.github.com/repos/{REPOSITORY}"),
            "milestone": null,
            "comments": 0,
            "created_at": now,
            "updated_at": now,
            "issue_dependencies_summary": { "blocked_by": 0, "total_blocked_by": 0, "blocking": 0, "total_blocking": 0 },
        });
        self.issues.insert(number, issue);
        number
    }

    /// An issue with what is counted.
    pub(super) fn issue(&self, number: u64) -> Option<Value> {
        let mut issue = self.issues.get(&number)?.clone();
        issue["comments"] = self.comments.get(&number).map_or(0, Vec::len).into();
        let blockers = self.blocked_by.get(&number).map(Vec::as_slice).unwrap_or_default();
        let open = blockers.iter().filter(|by| self.issues.get(by).is_some_and(|issue| issue["state"] == "open")).count();
        issue["issue_dependencies_summary"]["blocked_by"] = open.into();
        issue["issue_dependencies_summary"]["total_blocked_by"] = blockers.len().into();
        Some(issue)
    }

    pub(super) fn edit(&mut self, number: u64, change: impl FnOnce(&mut Value)) {
        let now = self.now();
        if let Some(issue) = self.issues.get_mut(&number) {
            change(issue);
            issue["updated_at"] = now.into();
        }
    }

    pub(super) fn label_names(&self, number: u64) -> Vec<String> {
        let labels = self.issues.get(&number).and_then(|issue| issue["labels"].as_array());
        let names = labels.into_iter().flatten().filter_map(|label| label["name"].as_str());
        names.map(str::to_owned).collect()
    }

    pub(super) fn label(&mut self, number: u64, name: &str) {
        self.labels.insert(name.to_lowercase());
        if self.label_names(number).iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return;
        }
        self.edit(number, |issue| {
            if let Some(labels) = issue["labels"].as_array_mut() {
                labels.push(json!({ "name": name, "color": "ededed" }));
            }
        });
    }

    pub(super) fn unlabel(&mut self, number: u64, name: &str) -> bool {
        let is = |label: &Value| label["name"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name));
        let had = self.label_names(number).iter().any(|known| known.eq_ignore_ascii_case(name));
        if had {
            self.edit(number, |issue| {
                if let Some(labels) = issue["labels"].as_array_mut() {
                    labels.retain(|label| !is(label));
                }
            });
        }
        had
    }

    pub(super) fn comment(&mut self, number: u64, login: &str, association: &str, body: &str) -> Value {
        let (id, now) = (self.id(), self.now());
        let kind = if login == BOT || login.ends_with("[bot]") { "Bot" } else { "User" };
        let comment = json!({
            "id": id, "body": body, "user": { "login": login, "type": kind }, "author_association": association, "created_at": now,
        });
        self.comments.entry(number).or_default().push(comment.clone());
        self.edit(number, |_| {});
        comment
    }

    pub(super) fn block(&mut self, number: u64, by: u64) {
        self.blocked_by.entry(number).or_default().push(by);
        self.edit(number, |_| {});
    }

    pub(super) fn remove(&mut self, number: u64, moved: bool) {
        self.issues.remove(&number);
        self.gone.insert(number, moved);
    }
}
