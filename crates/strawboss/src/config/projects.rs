//! `projects:`

use super::problem::{Problem, Problems};
use super::table::{At, Field, Table, expand};
use super::yaml::Span;
use super::yaml::Value;
use super::{pull_requests, sections};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use strawboss_core::ProjectName;
use strawboss_core::project::{AfterMerge, AgentKind, AgentMode, Approval, Limits, Project, Repository, ReviewMode};
use strawboss_gateway::NetworkPolicy;

/// Below this the supervisor and git themselves have no room.
const LEAST_BYTES: u64 = 64 << 20;
/// What git calls its locks: no branch ends so.
const LOCK: &str = ".lock";
const LEAST_TIMEOUT: Duration = Duration::from_secs(1);
const MOST_TIMEOUT: Duration = Duration::from_hours(720);

/// A project, and what of it refers to other sections.
pub(super) struct Read {
    pub(super) project: Project,
    /// Where its agent was named, when it was.
    pub(super) agent: Option<At<AgentKind>>,
    /// Where its model was named.
    pub(super) model: Option<At<String>>,
    /// Whether it says by itself that agents may start unasked.
    pub(super) said_auto: bool,
    /// Where it says who reviews.
    pub(super) review: Option<Span>,
    /// How its pull requests are opened.
    pub(super) pull_request: Option<pull_requests::Read>,
}

/// A project with nothing but a name and a place.
pub(super) fn bare(name: ProjectName, repository: Repository) -> Project {
    Project {
        name,
        repository,
        agent: AgentKind::Claude,
        model: None,
        mode: None,
        image: None,
        setup: Vec::new(),
        checks: Vec::new(),
        cache: Vec::new(),
        checks_cache: Vec::new(),
        env: BTreeMap::new(),
        approval: Approval::Auto,
        review: ReviewMode::Manual,
        tries: 2,
        branch: None,
        limits: Limits::default(),
        allow: Vec::new(),
        internal: Vec::new(),
        max_concurrent: 1,
        after_merge: AfterMerge::None,
        unusable: None,
    }
}

/// `projects:`
pub(super) fn projects(table: &Table<'_>, folder: &Path, problems: &mut Problems) -> Vec<Read> {
    let mut read: Vec<Read> = Vec::new();
    for (key, field) in table.entries() {
        let name = match ProjectName::parse(&key.text) {
            Ok(name) => name,
            Err(error) => {
                problems.push(Problem::at(key.span.clone(), error.to_string()));
                continue;
            }
        };
        let one = match &field.node.value {
            Value::Scalar(_) => short(name, &field, folder, problems),
            Value::Null => {
                problems.push(
                    Problem::at(key.span.clone(), format!("{} says nothing", field.path))
                        .hint("Write the path of its repository, or keys like `directory:` below it."),
                );
                None
            }
            _ => Table::of(&field, problems).and_then(|table| long(name, &field, table, folder, problems)),
        };
        read.extend(one);
    }
    read
}

/// `Name: ~/path` or `Name: https://…`
fn short(name: ProjectName, field: &Field<'_>, folder: &Path, problems: &mut Problems) -> Option<Read> {
    let text = field.text(problems)?;
    let repository = if is_url(&text) {
        Repository::Url(url(field, &text, problems)?)
    } else {
        Repository::Directory(field.path(folder, problems)?)
    };
    Some(Read { project: bare(name, repository), agent: None, model: None, said_auto: false, review: None, pull_request: None })
}

/// Whether git would take it for something far away.
fn is_url(text: &str) -> bool {
    text.contains("://") || text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'))
}

/// A URL that the host's git may be given: no helper programs, no options, no credentials.
pub(super) fn url(field: &Field<'_>, text: &str, problems: &mut Problems) -> Option<String> {
    let schemes = ["https://", "http://", "ssh://", "git://", "file://"];
    let scp = !text.contains("://") && is_url(text);
    if text.starts_with('-') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        problems.push(field.wrong("is no URL of a repository"));
        return None;
    }
    if !scp && !schemes.iter().any(|scheme| text.starts_with(scheme)) {
        let known = schemes.join(", ");
        problems.push(
            field
                .wrong(format_args!("is no URL that is fetched from: `{text}`"))
                .hint(format!("Use one of {known}, or user@host:path. A folder on this machine is `directory:`.")),
        );
        return None;
    }
    let password = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'))
        .is_some_and(|(user, _)| user.contains(':') || text.starts_with("http"));
    if password {
        problems.push(
            Problem::of_secret(field.node.span.clone(), format!("{}: a URL must not hold credentials", field.path))
                .hint("Leave them out: git's own credential helper or SSH key of this user is used."),
        );
        return None;
    }
    Some(text.to_owned())
}

fn long(name: ProjectName, whole: &Field<'_>, mut table: Table<'_>, folder: &Path, problems: &mut Problems) -> Option<Read> {
    let repository = repository(whole, &mut table, folder, problems);
    let agent = table.read("agent", problems, |field, problems| {
        sections::agent(field, problems).map(|value| At { value, span: field.node.span.clone() })
    });
    let model = table.read("model", problems, Field::text_at);
    let image = table.read("image", problems, |field, problems| {
        let text = field.text(problems)?;
        if text.starts_with('-') || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            problems.push(field.wrong(format_args!("must be the name of an image, not `{text}`")));
            return None;
        }
        Some(text)
    });
    let values = |texts: Vec<At<String>>| texts.into_iter().map(|text| text.value).collect::<Vec<_>>();
    let setup = table.read("setup", problems, |field, problems| field.texts("commands", problems)).map(values);
    let checks = table.read("checks", problems, |field, problems| field.texts("commands", problems)).map(values);
    let kept = table.read("cache", problems, cache).unwrap_or_default();
    let checks_cache = table.read("checks_cache", problems, cache).unwrap_or_default();
    let env = table.table("env", problems).map(|table| env(&table, problems)).unwrap_or_default();
    let approval = table.read("approval", problems, |field, problems| {
        field.choice(&[("auto", Approval::Auto), ("manual", Approval::Manual)], problems)
    });
    let mode =
        table.read("mode", problems, |field, problems| field.choice(&AgentMode::ALL.map(|mode| (mode.word(), mode)), problems));
    let review = table.read("review", problems, |field, problems| {
        let value = field.choice(&ReviewMode::ALL.map(|mode| (mode.word(), mode)), problems)?;
        Some(At { value, span: field.node.span.clone() })
    });
    let pull_request = table.get("pull_request").and_then(|field| pull_requests::read(&field, folder, problems));
    let tries = table.read("tries", problems, |field, problems| field.integer(1, 20, problems));
    let branch = table.read("branch", problems, branch);
    let limits = table.table("limits", problems).map(|table| limits(table, problems)).unwrap_or_default();
    let (allow, internal) = table.table("network", problems).map(|table| network(table, problems)).unwrap_or_default();
    let max_concurrent = table.read("max_concurrent", problems, |field, problems| field.integer(1, 1000, problems));
    let after_merge = table.read("after_merge", problems, |field, problems| {
        field.choice(&[("none", AfterMerge::None), ("push", AfterMerge::Push)], problems)
    });
    table.finish(problems);
    let defaults = bare(name, repository?);
    let project = Project {
        agent: agent.as_ref().map_or(defaults.agent, |agent| agent.value),
        model: model.as_ref().map(|model| model.value.clone()),
        mode,
        image,
        setup: setup.unwrap_or_default(),
        checks: checks.unwrap_or_default(),
        cache: kept,
        checks_cache,
        env,
        approval: approval.unwrap_or_default(),
        review: review.as_ref().map(|review| review.value).unwrap_or_default(),
        tries: tries.unwrap_or(defaults.tries),
        branch,
        limits,
        allow,
        internal,
        max_concurrent: max_concurrent.unwrap_or(defaults.max_concurrent),
        after_merge: after_merge.unwrap_or_default(),
        ..defaults
    };
    let review = review.map(|review| review.span);
    Some(Read { project, agent, model, said_auto: approval == Some(Approval::Auto), review, pull_request })
}

fn repository(whole: &Field<'_>, table: &mut Table<'_>, folder: &Path, problems: &mut Problems) -> Option<Repository> {
    match (table.get("directory"), table.get("url")) {
        (Some(directory), None) => {
            let text = directory.text(problems)?;
            if is_url(&text) {
                problems.push(directory.wrong("is a URL").hint(format!("Write `url: {text}`.")));
                return None;
            }
            match expand(&text, folder) {
                Ok(path) => Some(Repository::Directory(path)),
                Err(why) => {
                    problems.push(directory.wrong(why));
                    None
                }
            }
        }
        (None, Some(field)) => {
            let text = field.text(problems)?;
            url(&field, &text, problems).map(Repository::Url)
        }
        (Some(_), Some(url)) => {
            problems.push(url.wrong("stands beside `directory`").hint("Keep one: a project is one repository."));
            None
        }
        (None, None) => {
            let hint = "Write `directory: ~/path/to/repository`, or `url: https://…`.";
            problems.push(Problem::at(whole.node.span.clone(), format!("{} names no repository", whole.path)).hint(hint));
            None
        }
    }
}

fn cache(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let mut read: Vec<String> = Vec::new();
    for item in field.texts("folders", problems)? {
        let path = item.value.trim_end_matches('/');
        let sound = path.starts_with('/')
            && path.len() <= 200
            && path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..")
            && !path.contains([':', ',', '\n']);
        if sound {
            read.push(path.to_owned());
        } else {
            problems.push(
                Problem::at(item.span, format!("{}: `{}` is no absolute folder of a sandbox", field.path, item.value))
                    .hint("Write it like `/home/agent/.cargo`: the agent's home is /home/agent."),
            );
        }
    }
    Some(read)
}

/// Whether a variable's name says that it holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"].iter().any(|word| upper.contains(word))
}

fn env(table: &Table<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut read = BTreeMap::new();
    for (key, field) in table.entries() {
        let plain = !key.text.is_empty()
            && !key.text.starts_with(|c: char| c.is_ascii_digit())
            && key.text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain || key.text.starts_with("STRAWBOSS_") {
            problems.push(
                Problem::at(key.span.clone(), format!("`{}` cannot be set for sandboxes", key.text))
                    .hint("Use letters, digits and `_`; names that begin with STRAWBOSS_ are the program's own."),
            );
            continue;
        }
        if is_secret_name(&key.text) {
            problems.push(
                Problem::at(key.span.clone(), format!("{} looks like a secret, and agents can read it", field.path))
                    .hint("Credentials of models belong under `providers:`; what an agent must not know must not be here.")
                    .into_warning(),
            );
        }
        match &field.node.value {
            Value::Scalar(text) if !text.contains('\0') => {
                read.insert(key.text.clone(), text.clone());
            }
            Value::Null => {
                read.insert(key.text.clone(), String::new());
            }
            _ => problems.push(field.wrong("must be a text")),
        }
    }
    read
}

fn branch(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.text(problems)?;
    let sound = !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.ends_with(LOCK)
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
        && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c));
    let hint = if text.starts_with("refs/heads/") {
        Some("Leave out `refs/heads/`.")
    } else if text.starts_with("strawboss/") {
        Some("Branches below `strawboss/` are the runs' own; name the one that work starts from.")
    } else if sound {
        return Some(text);
    } else {
        None
    };
    problems.push(field.wrong(format_args!("must be the name of a branch, not `{text}`")).maybe_hint(hint.map(str::to_owned)));
    None
}

fn limits(mut table: Table<'_>, problems: &mut Problems) -> Limits {
    let defaults = Limits::default();
    let read = Limits {
        cpus: table.read("cpus", problems, |field, problems| field.number(0.01, 4096.0, problems)).unwrap_or(defaults.cpus),
        memory_bytes: table
            .read("memory", problems, |field, problems| field.size(LEAST_BYTES, problems))
            .unwrap_or(defaults.memory_bytes),
        pids: table.read("pids", problems, |field, problems| field.integer(16, 1_000_000, problems)).unwrap_or(defaults.pids),
        disk_bytes: table
            .read("disk", problems, |field, problems| field.size(LEAST_BYTES, problems))
            .unwrap_or(defaults.disk_bytes),
        timeout_ms: table
            .read("timeout", problems, |field, problems| field.duration(LEAST_TIMEOUT, MOST_TIMEOUT, problems))
            .map_or(defaults.timeout_ms, |timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
    };
    table.finish(problems);
    read
}

/// The hosts of the open net that may be reached.
pub(super) fn hosts(mut table: Table<'_>, problems: &mut Problems) -> Vec<String> {
    let allow = host_list(&mut table, "allow", problems);
    table.finish(problems);
    allow
}

fn network(mut table: Table<'_>, problems: &mut Problems) -> (Vec<String>, Vec<String>) {
    let both = (host_list(&mut table, "allow", problems), host_list(&mut table, "internal", problems));
    table.finish(problems);
    both
}

fn host_list(table: &mut Table<'_>, key: &'static str, problems: &mut Problems) -> Vec<String> {
    let entries = table.read(key, problems, |field, problems| field.texts("hosts", problems)).unwrap_or_default();
    for entry in &entries {
        let one = std::slice::from_ref(&entry.value);
        let (allow, internal) = if key == "allow" { (one, &[][..]) } else { (&[][..], one) };
        for error in NetworkPolicy::parse(allow, internal).err().unwrap_or_default() {
            problems.push(Problem::at(entry.span.clone(), error.to_string()));
        }
    }
    entries.into_iter().map(|entry| entry.value).collect()
}
