//! An entry of `backlogs:` of type `github`.

use super::address;
use super::problem::{Problem, Problems};
use super::settings::{Backlog, Github};
use super::table::{Field, Table};
use super::{github_access, suggest};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use strawboss_backlog::GithubConfig;
use strawboss_backlog::github::{GITHUB_COM, GithubProject, Token};
use strawboss_core::ProjectName;

const SHORTEST_POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_hours(24);

/// Reads one, beside what was read so far.
pub(super) fn backlog(
    item: &Field<'_>,
    mut table: Table<'_>,
    folder: &Path,
    read: &[Backlog],
    problems: &mut Problems,
) -> Option<Github> {
    let before = problems.len();
    let repository_field = table.get("repository");
    let repository = repository_field.as_ref().and_then(|field| repository(field, problems));
    if repository_field.is_none() {
        problems.push(item.wrong("has no `repository`").hint("Write `repository: owner/name`."));
    }
    let project = table.read("project", problems, |field, problems| {
        let text = field.text(problems)?;
        ProjectName::parse(&text).map_err(|error| problems.push(field.wrong(error))).ok()
    });
    if !table.has("project") {
        problems.push(item.wrong("has no `project`").hint("Write `project: NAME`: which project its issues are work on."));
    }
    let access = github_access::read(&mut table, folder, problems);
    if access.is_none() && !github_access::is_named(&table) {
        let hint = "Write `token_env: GITHUB_TOKEN`, `token_file: PATH`, or `app: { id: …, key_file: PATH }` for a GitHub App.";
        problems.push(item.wrong("has no token").hint(hint));
    }
    let name = table.read("name", problems, Field::text);
    let base_url = table
        .read("base_url", problems, |field, problems| {
            address::read(field, "the address of an API", "https://github.example.org/api/v3", problems)
        })
        .unwrap_or_else(|| GITHUB_COM.to_owned());
    let labels = table.read("labels", problems, labels).unwrap_or_default();
    let assignee = table.read("assignee", problems, Field::text);
    let milestone = table.read("milestone", problems, Field::text);
    let github_project = table.table("github_project", problems).and_then(|table| github_project(item, table, problems));
    let poll_interval =
        table.read("poll_interval", problems, |field, problems| field.seconds(SHORTEST_POLL, LONGEST_POLL, problems));
    let trusted = table.read("trusted", problems, trusted);
    let label_prefix = table.read("label_prefix", problems, Field::text);
    let priorities = table.table("priorities", problems).map(|table| priorities(&table, problems)).unwrap_or_default();
    let (mut done_close, mut done_label) = (true, None);
    if let Some(mut done) = table.table("done", problems) {
        done_close = done.read("close", problems, Field::boolean).unwrap_or(true);
        done_label = done.read("label", problems, label);
        done.finish(problems);
    }
    table.finish(problems);
    let (field, repository) = (repository_field?, repository?);
    let same = |other: &Backlog| {
        let Backlog::Github(other) = other else { return false };
        let other = &other.issues;
        other.repository.eq_ignore_ascii_case(&repository) && other.base_url == base_url && other.name == name
    };
    if read.iter().any(same) {
        let problem = field.wrong("is another backlog's already");
        problems.push(problem.hint("Give each a `name` of its own, and labels that keep them apart."));
    }
    let (project, access) = (project?, access?);
    if problems.len() > before {
        return None;
    }
    let usual = GithubConfig::new(repository, project, Token::Value(String::new()));
    let issues = GithubConfig {
        name,
        base_url,
        labels,
        assignee,
        milestone,
        github_project,
        poll_interval: poll_interval.unwrap_or(usual.poll_interval),
        trusted: trusted.unwrap_or_else(|| usual.trusted.clone()),
        label_prefix: label_prefix.unwrap_or_else(|| usual.label_prefix.clone()),
        priorities,
        done_close,
        done_label,
        ..usual
    };
    Some(Github { access, issues })
}

fn github_project(whole: &Field<'_>, mut table: Table<'_>, problems: &mut Problems) -> Option<GithubProject> {
    let owner = |field: &Field<'_>, problems: &mut Problems| {
        let text = field.text(problems)?;
        if GithubProject::is_owner(&text) {
            return Some(text);
        }
        problems.push(field.wrong(format_args!("must be a login, not `{text}`")));
        None
    };
    let org = table.read("org", problems, owner);
    let user = table.read("user", problems, owner);
    let number = table.read("number", problems, |field, problems| field.integer(1, u32::MAX, problems));
    let query = table.read("query", problems, Field::text);
    let whose = (table.has("org"), table.has("user"));
    if whose.0 == whose.1 || !table.has("number") {
        let problem = whole.wrong("has a `github_project` that names no project");
        problems.push(problem.hint("Write `github_project: { org: LOGIN, number: 7 }`, or `user: LOGIN` for a person's."));
    }
    table.finish(problems);
    let is_users = user.is_some();
    Some(GithubProject { owner: org.or(user)?, is_users, number: number?, query })
}

fn repository(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.text(problems)?;
    if GithubConfig::is_repository(&text) {
        return Some(text);
    }
    let problem = field.wrong(format_args!("must be a repository, not `{text}`"));
    problems.push(problem.hint("Write `owner/name`; another server than github.com is named with `base_url`."));
    None
}

/// A label: GitHub's query separates them by commas.
fn label(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.text(problems)?;
    if text.contains(',') {
        problems.push(field.wrong("must be one label, without a comma").hint("Write several as a list: `[one, two]`."));
        return None;
    }
    Some(text)
}

fn labels(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let items = field.items("labels", problems)?;
    Some(items.iter().filter_map(|item| label(item, problems)).collect())
}

/// Logins, and GitHub's words for authors, which are in capitals.
fn trusted(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let mut read = Vec::new();
    for word in field.texts("logins and associations", problems)? {
        let text = word.value;
        let shouts = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if shouts && !GithubConfig::ASSOCIATIONS.contains(&text.as_str()) {
            let problem = Problem::at(word.span, format!("`{text}` is no association that GitHub knows"));
            problems.push(problem.hint(suggest::hint(&text, &GithubConfig::ASSOCIATIONS)));
            continue;
        }
        if text == "NONE" {
            let problem = Problem::at(word.span, format!("{} holds NONE: anybody's issues start agents", field.path));
            problems.push(problem.hint("Name people instead, unless the repository is private.").into_warning());
        }
        read.push(text);
    }
    Some(read)
}

fn priorities(table: &Table<'_>, problems: &mut Problems) -> BTreeMap<String, u32> {
    let read = table.entries().filter_map(|(key, field)| Some((key.text.clone(), field.integer(0, 999, problems)?)));
    read.collect()
}

/// As `config show` has it.
pub(super) fn shown(one: &Github) -> serde_json::Value {
    let issues = &one.issues;
    let mut shown = serde_json::json!({
        "type": "github",
        "repository": issues.repository,
        "project": issues.project,
        "name": issues.name,
        "base_url": issues.base_url,
        "labels": issues.labels,
        "assignee": issues.assignee,
        "milestone": issues.milestone,
        "github_project": issues.github_project.as_ref().map(|project| serde_json::json!({
            (if project.is_users { "user" } else { "org" }): project.owner,
            "number": project.number,
            "query": project.query,
        })),
        "poll_interval_seconds": issues.poll_interval.as_secs(),
        "trusted": issues.trusted,
        "label_prefix": issues.label_prefix,
        "priorities": issues.priorities,
        "done": { "close": issues.done_close, "label": issues.done_label },
    });
    github_access::shown(&one.access, &mut shown);
    shown
}
