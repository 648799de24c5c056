//! An entry of `backlogs:` of type `plane`.

use super::address;
use super::problem::{Problem, Problems};
use super::settings::{Backlog, Plane, PlaneAccess, SecretSource};
use super::table::{Field, Table, expand};
use super::{sections, suggest};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use strawboss_backlog::PlaneConfig;
use strawboss_backlog::plane::{ApiKey, Comments, NewTickets, PlaneProject, StatusChange, Triggers};
use strawboss_core::ProjectName;
use strawboss_core::backlog::BacklogStatus;

const SHORTEST_POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_hours(24);
/// Where Claude Code keeps the settings of its MCP servers.
const CLAUDE_JSON: &str = "~/.claude.json";
/// The keys of `states:`.
const STATES: [(&str, BacklogStatus); 6] = [
    ("pending", BacklogStatus::Pending),
    ("queued", BacklogStatus::Queued),
    ("in_progress", BacklogStatus::InProgress),
    ("in_review", BacklogStatus::InReview),
    ("paused", BacklogStatus::Paused),
    ("blocked", BacklogStatus::Blocked),
];

/// Reads one, beside what was read so far.
pub(super) fn backlog(
    item: &Field<'_>,
    mut table: Table<'_>,
    folder: &Path,
    read: &[Backlog],
    problems: &mut Problems,
) -> Option<Plane> {
    let before = problems.len();
    let access = access(item, &mut table, folder, problems);
    let workspace = table.read("workspace", problems, workspace);
    if workspace.is_none() && !table.has("workspace") && matches!(access, Some(PlaneAccess::Key(_))) {
        problems.push(item.wrong("has no `workspace`").hint("Write its slug, as it stands in the address of its pages."));
    }
    let api_url = table.read("api_url", problems, |field, problems| {
        address::read(field, "an address", "https://plane.example.org/api/v1", problems)
    });
    let projects = table.table("projects", problems).map(|table| projects(&table, problems)).unwrap_or_default();
    if projects.is_empty() && problems.len() == before {
        let hint = "Write `projects: { WEB: NAME }`: which of its projects is work on which of those here.";
        problems.push(item.wrong("has no `projects`").hint(hint));
    }
    let name = table.read("name", problems, name);
    let web_url = table
        .read("web_url", problems, |field, problems| address::read(field, "an address", "https://plane.example.org", problems));
    let poll_interval =
        table.read("poll_interval", problems, |field, problems| field.seconds(SHORTEST_POLL, LONGEST_POLL, problems));
    let triggers = table.table("triggers", problems).map(|table| triggers(table, problems)).unwrap_or_default();
    let trusted = table.read("trusted", problems, trusted);
    let done_state = table.read("done_state", problems, Field::text);
    let failed_state = table.read("failed_state", problems, Field::text);
    let states = table.table("states", problems).map(|table| states(table, problems)).unwrap_or_default();
    table.finish(problems);
    let same = |other: &Backlog| {
        let Backlog::Plane(other) = other else { return false };
        other.workspace == workspace && other.tickets.name == name
    };
    if read.iter().any(same) {
        problems.push(item.wrong("is of a workspace that another backlog is of").hint("Give each a `name` of its own."));
    }
    let access = access?;
    if problems.len() > before {
        return None;
    }
    let usual = PlaneConfig::new(workspace.clone().unwrap_or_default(), projects, ApiKey::Value(String::new()), None);
    let tickets = PlaneConfig {
        name,
        web_url,
        poll_interval: poll_interval.unwrap_or(usual.poll_interval),
        triggers,
        trusted: trusted.unwrap_or_else(|| usual.trusted.clone()),
        done_state: done_state.unwrap_or_else(|| usual.done_state.clone()),
        failed_state,
        states,
        ..usual
    };
    Some(Plane { access, workspace, api_url, tickets })
}

/// Where its key is: where the entry says, else in Claude Code's settings.
fn access(item: &Field<'_>, table: &mut Table<'_>, folder: &Path, problems: &mut Problems) -> Option<PlaneAccess> {
    let before = problems.len();
    let key = sections::secret(table, ("api_key_env", "api_key_file"), folder, problems);
    let file = table.get("claude_json");
    match (key, file) {
        (Some(_), Some(file)) => {
            problems.push(file.wrong("stands beside an API key").hint("Keep one of the two."));
            None
        }
        (Some(key), None) => Some(PlaneAccess::Key(key)),
        (None, Some(file)) => file.path(folder, problems).map(PlaneAccess::ClaudeJson),
        (None, None) if problems.len() > before => None,
        (None, None) => match expand(CLAUDE_JSON, folder) {
            Ok(path) => Some(PlaneAccess::ClaudeJson(path)),
            Err(why) => {
                let hint = "Write `api_key_env: PLANE_API_KEY` or `api_key_file: PATH`.";
                problems.push(item.wrong(format_args!("has no API key, and {why}")).hint(hint));
                None
            }
        },
    }
}

fn workspace(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.text(problems)?;
    if PlaneConfig::is_workspace(&text) {
        return Some(text);
    }
    let problem = field.wrong(format_args!("must be a workspace's slug, not `{text}`"));
    problems.push(problem.hint("It is the first part of the address of its pages, after the host."));
    None
}

/// Part of the name of a file.
fn name(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.text(problems)?;
    if PlaneConfig::is_workspace(&text) {
        return Some(text);
    }
    problems.push(field.wrong("may have letters, digits, `-` and `_` only"));
    None
}

fn projects(table: &Table<'_>, problems: &mut Problems) -> Vec<PlaneProject> {
    let mut read: Vec<PlaneProject> = Vec::new();
    for (key, field) in table.entries() {
        let Some(text) = field.text(problems) else { continue };
        match ProjectName::parse(&text) {
            Ok(project) => read.push(PlaneProject { plane: key.text.clone(), project, approved: false }),
            Err(error) => problems.push(field.wrong(format_args!("names no project: {error}"))),
        }
    }
    read
}

fn triggers(mut table: Table<'_>, problems: &mut Problems) -> Triggers {
    let words = [("true", NewTickets::New), ("false", NewTickets::Off), ("all", NewTickets::All)];
    let new_tickets = table.read("new_tickets", problems, |field, problems| field.choice(&words, problems));
    let mut status_changes = Vec::new();
    if let Some(field) = table.get("status_changes") {
        for item in field.items("moves, each with `from` and `to`", problems).unwrap_or_default() {
            let Some(mut table) = Table::of(&item, problems) else { continue };
            let from = table.read("from", problems, Field::text);
            let to = table.read("to", problems, Field::text);
            if to.is_none() && !table.has("to") {
                problems.push(item.wrong("has no `to`").hint("Write `{ from: Backlog, to: Todo }`: names of states, or groups."));
            }
            table.finish(problems);
            status_changes.extend(to.map(|to| StatusChange { from, to }));
        }
    }
    let comments = table.read("comments", problems, Field::text).map_or(Comments::Off, |text| match text.as_str() {
        "true" => Comments::Any,
        "false" => Comments::Off,
        _ => Comments::Holding(text),
    });
    table.finish(problems);
    Triggers { new_tickets: new_tickets.unwrap_or_default(), status_changes, comments }
}

/// People, and Plane's roles, which are in capitals here.
fn trusted(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let mut read = Vec::new();
    for word in field.texts("people and roles", problems)? {
        let text = word.value;
        let is_role = PlaneConfig::ROLES.contains(&text.as_str());
        let is_id = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if text.bytes().all(|byte| byte.is_ascii_uppercase()) && !is_role {
            let problem = Problem::at(word.span, format!("`{text}` is no role that Plane knows"));
            problems.push(problem.hint(suggest::hint(&text, &PlaneConfig::ROLES)));
        } else if is_role || is_id || text.contains('@') {
            read.push(text);
        } else {
            let problem =
                Problem::at(word.span, format!("`{text}` is neither a role in capitals nor an e-mail address nor an id"));
            problems
                .push(problem.hint("Name people by e-mail address or id: anybody can copy the name that somebody is shown by."));
        }
    }
    Some(read)
}

fn states(mut table: Table<'_>, problems: &mut Problems) -> Vec<(BacklogStatus, String)> {
    let mut read = Vec::new();
    for (key, status) in STATES {
        read.extend(table.read(key, problems, Field::text).map(|state| (status, state)));
    }
    table.finish(problems);
    read
}

/// Lets tickets of those projects start by themselves that say `approval: auto`.
pub(super) fn approve(backlogs: &mut [Backlog], said_auto: &BTreeSet<ProjectName>) {
    for backlog in backlogs {
        if let Backlog::Plane(plane) = backlog {
            for project in &mut plane.tickets.projects {
                project.approved = said_auto.contains(&project.project);
            }
        }
    }
}

/// As `config show` has it.
pub(super) fn shown(one: &Plane) -> serde_json::Value {
    let tickets = &one.tickets;
    let projects: serde_json::Map<_, _> =
        tickets.projects.iter().map(|project| (project.plane.clone(), project.project.as_str().into())).collect();
    let states: serde_json::Map<_, _> = STATES
        .iter()
        .filter_map(|(key, status)| {
            let (_, state) = tickets.states.iter().find(|(known, _)| known == status)?;
            Some(((*key).to_owned(), state.as_str().into()))
        })
        .collect();
    let changes: Vec<_> = tickets
        .triggers
        .status_changes
        .iter()
        .map(|change| serde_json::json!({ "from": change.from, "to": change.to }))
        .collect();
    let mut shown = serde_json::json!({
        "type": "plane",
        "workspace": one.workspace,
        "name": tickets.name,
        "api_url": one.api_url,
        "web_url": tickets.web_url,
        "projects": projects,
        "poll_interval_seconds": tickets.poll_interval.as_secs(),
        "triggers": {
            "new_tickets": match tickets.triggers.new_tickets {
                NewTickets::Off => serde_json::json!(false),
                NewTickets::New => true.into(),
                NewTickets::All => "all".into(),
            },
            "status_changes": changes,
            "comments": match &tickets.triggers.comments {
                Comments::Off => serde_json::json!(false),
                Comments::Any => true.into(),
                Comments::Holding(text) => text.as_str().into(),
            },
        },
        "trusted": tickets.trusted,
        "done_state": tickets.done_state,
        "failed_state": tickets.failed_state,
        "states": states,
    });
    match &one.access {
        PlaneAccess::Key(SecretSource::Env(variable)) => shown["api_key_env"] = variable.as_str().into(),
        PlaneAccess::Key(SecretSource::File(path)) => shown["api_key_file"] = path.display().to_string().into(),
        PlaneAccess::ClaudeJson(path) => shown["claude_json"] = path.display().to_string().into(),
    }
    shown
}
