//! What the local Plane holds.

use super::{Asked, BOT, Fault, GUEST, OWNER, PROJECT};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The states of a new project, as Plane makes them.
const STATES: [(&str, &str); 5] = [
    ("Backlog", "backlog"),
    ("Todo", "unstarted"),
    ("In Progress", "started"),
    ("Done", "completed"),
    ("Cancelled", "cancelled"),
];

#[derive(Default)]
pub(super) struct State {
    pub(super) projects: Vec<Value>,
    pub(super) states: Vec<Value>,
    pub(super) labels: Vec<Value>,
    pub(super) tickets: BTreeMap<String, Value>,
    pub(super) comments: BTreeMap<String, Vec<Value>>,
    pub(super) attachments: BTreeMap<String, Vec<Value>>,
    /// One that is blocked, and by which.
    pub(super) blocked_by: Vec<(String, String)>,
    pub(super) page_cap: usize,
    pub(super) old: bool,
    pub(super) faults: Vec<Fault>,
    pub(super) asked: Vec<Asked>,
    /// Requests that are left, and when the limit resets.
    pub(super) rate: Option<(u64, i64)>,
    pub(super) members: Vec<Value>,
    ids: u64,
    last: i64,
    sequence: BTreeMap<String, u64>,
}

fn is<'a>(key: &'a str, wanted: &'a str) -> impl Fn(&&Value) -> bool + 'a {
    move |value| value[key] == wanted
}

impl State {
    pub(super) fn new() -> Self {
        let mut state = Self { members: members(), ..Self::default() };
        state.project(PROJECT);
        state
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{:08x}-94a4-4eb3-94aa-50dc9427067b", self.ids)
    }

    /// A moment that is not the one before, as Plane writes them.
    fn now(&mut self) -> String {
        self.last = jiff::Timestamp::now().as_microsecond().max(self.last + 1);
        jiff::Timestamp::from_microsecond(self.last).map(|at| at.to_string()).unwrap_or_default()
    }

    pub(super) fn project(&mut self, identifier: &str) -> String {
        let id = self.id();
        self.projects.push(json!({ "id": id, "identifier": identifier, "name": identifier, "network": 2, "is_member": true }));
        for (name, group) in STATES {
            let state = json!({
                "id": self.id(), "name": name, "group": group, "default": group == "backlog", "project": id, "color": "#60646C",
            });
            self.states.push(state);
        }
        id
    }

    pub(super) fn project_id(&self, identifier: &str) -> String {
        let project = self.projects.iter().find(is("identifier", identifier));
        project.and_then(|project| project["id"].as_str()).unwrap_or_default().to_owned()
    }

    pub(super) fn add_state(&mut self, name: &str, group: &str) {
        for project in self.projects.clone() {
            let state = json!({
                "id": self.id(), "name": name, "group": group, "default": false, "project": project["id"], "color": "#60646C",
            });
            self.states.push(state);
        }
    }

    /// The id of a project's state; of its default one without a name.
    fn state_id(&self, project: &str, name: Option<&str>) -> Value {
        let wanted =
            |state: &&Value| state["project"] == project && name.map_or(state["default"] == true, |name| state["name"] == name);
        self.states.iter().find(wanted).map(|state| state["id"].clone()).unwrap_or_default()
    }

    pub(super) fn state_name(&self, ticket: &str) -> Option<String> {
        let id = self.tickets.get(ticket)?["state"].as_str()?;
        self.states.iter().find(is("id", id))?["name"].as_str().map(str::to_owned)
    }

    pub(super) fn create(&mut self, project: &str, user: &str, name: &str, html: &str) -> String {
        let (id, project_id, now) = (self.id(), self.project_id(project), self.now());
        let sequence = self.sequence.entry(project_id.clone()).or_default();
        *sequence += 1;
        let sequence = *sequence;
        let ticket = json!({
            "id": id,
            "name": name,
            "description_html": if html.is_empty() { "<p></p>" } else { html },
            "sequence_id": sequence,
            "priority": "none",
            "state": self.state_id(&project_id, None),
            "labels": [],
            "assignees": [],
            "parent": null,
            "start_date": null,
            "target_date": null,
            "completed_at": null,
            "archived_at": null,
            "is_draft": false,
            "external_id": null,
            "external_source": null,
            "created_by": user,
            "updated_by": user,
            "project": project_id,
            "workspace": "11111111-94a4-4eb3-94aa-50dc9427067b",
            "created_at": now,
            "updated_at": now,
        });
        self.tickets.insert(id.clone(), ticket);
        id
    }

    pub(super) fn edit(&mut self, id: &str, change: impl FnOnce(&mut Value)) {
        let now = self.now();
        if let Some(ticket) = self.tickets.get_mut(id) {
            ticket["updated_by"] = OWNER.into();
            change(ticket);
            ticket["updated_at"] = now.into();
        }
    }

    pub(super) fn label(&mut self, id: &str, name: &str) {
        let known = self.labels.iter().find(is("name", name)).map(|label| label["id"].clone());
        let label = known.unwrap_or_else(|| {
            let label = json!({ "id": self.id(), "name": name, "color": "#60646C" });
            self.labels.push(label.clone());
            label["id"].clone()
        });
        self.edit(id, |ticket| {
            if let Some(labels) = ticket["labels"].as_array_mut() {
                labels.push(label);
            }
        });
    }

    pub(super) fn move_to(&mut self, id: &str, name: &str) {
        let project = self.tickets.get(id).and_then(|ticket| ticket["project"].as_str()).unwrap_or_default().to_owned();
        let state = self.state_id(&project, Some(name));
        assert!(!state.is_null(), "there is no state {name}");
        self.edit(id, |ticket| ticket["state"] = state);
    }

    pub(super) fn transfer(&mut self, id: &str, project: &str) {
        let project = self.project_id(project);
        let state = self.state_id(&project, None);
        self.edit(id, |ticket| {
            ticket["project"] = project.into();
            ticket["state"] = state;
        });
    }

    pub(super) fn comment(&mut self, id: &str, user: &str, body: &Value) -> Value {
        let now = self.now();
        let comment = json!({
            "id": self.id(),
            "comment_html": body["comment_html"].as_str().unwrap_or("<p></p>"),
            "actor": user,
            "created_by": user,
            "issue": id,
            "access": "INTERNAL",
            "external_source": body["external_source"],
            "external_id": body["external_id"],
            "created_at": now,
            "updated_at": now,
        });
        self.comments.entry(id.to_owned()).or_default().push(comment.clone());
        self.edit(id, |_| {});
        comment
    }

    pub(super) fn block(&mut self, id: &str, by: &str) {
        self.blocked_by.push((id.to_owned(), by.to_owned()));
        self.edit(id, |_| {});
        self.edit(by, |_| {});
    }

    pub(super) fn attach(&mut self, id: &str, name: &str) {
        let asset =
            json!({ "id": self.id(), "attributes": { "name": name, "size": 3, "type": "image/png" }, "is_uploaded": true });
        self.attachments.entry(id.to_owned()).or_default().push(asset);
        self.edit(id, |_| {});
    }
}

fn members() -> Vec<Value> {
    let member = |id: &str, name: &str, role: u32| json!({ "id": id, "email": format!("{name}@acme.test"), "display_name": name, "first_name": name, "role": role });
    vec![member(OWNER, "owner", 20), member(BOT, "crew", 15), member(GUEST, "guest", 5)]
}
