//! `pull_request:` of a project that is reviewed by pull requests: where they are opened, and how.

use super::address;
use super::github_access;
use super::problem::{Problem, Problems};
use super::projects;
use super::settings::{Backlog, GithubAccess, PullRequests};
use super::table::{Field, Table};
use super::yaml::Span;
use std::path::Path;
use std::time::Duration;
use strawboss_backlog::github::GITHUB_COM;
use strawboss_backlog::{GithubConfig, MergeMethod};
use strawboss_core::Project;
use strawboss_core::project::ReviewMode;

const SHORTEST_POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_hours(24);
const POLL: Duration = Duration::from_mins(1);

/// What a project says of it; what it leaves out is its backlog's.
pub(super) struct Read {
    span: Span,
    repository: Option<String>,
    base_url: Option<String>,
    access: Option<GithubAccess>,
    remote: Option<String>,
    merge: Option<MergeMethod>,
    draft: Option<bool>,
    poll_interval: Option<Duration>,
}

/// Reads one.
pub(super) fn read(field: &Field<'_>, folder: &Path, problems: &mut Problems) -> Option<Read> {
    let mut table = Table::of(field, problems)?;
    let repository = table.read("repository", problems, |field, problems| {
        let text = field.text(problems)?;
        if GithubConfig::is_repository(&text) {
            return Some(text);
        }
        let problem = field.wrong(format_args!("must be a repository on GitHub, not `{text}`"));
        problems.push(problem.hint("Write `owner/name`; another server than github.com is named with `base_url`."));
        None
    });
    let base_url = table.read("base_url", problems, |field, problems| {
        address::read(field, "the address of an API", "https://github.example.org/api/v3", problems)
    });
    let access = github_access::read(&mut table, folder, problems);
    let remote = table.read("remote", problems, |field, problems| {
        let text = field.text(problems)?;
        projects::url(field, &text, problems)
    });
    let merge = table.read("merge", problems, |field, problems| {
        field.choice(&MergeMethod::ALL.map(|method| (method.word(), method)), problems)
    });
    let draft = table.read("draft", problems, Field::boolean);
    let poll_interval =
        table.read("poll_interval", problems, |field, problems| field.seconds(SHORTEST_POLL, LONGEST_POLL, problems));
    table.finish(problems);
    Some(Read { span: field.node.span.clone(), repository, base_url, access, remote, merge, draft, poll_interval })
}

/// Where a project's pull requests are opened: as it says, else in the repository of its GitHub backlog.
pub(super) fn of(
    project: &Project,
    span: Option<Span>,
    read: Option<Read>,
    backlogs: &[Backlog],
    problems: &mut Problems,
) -> Option<PullRequests> {
    let name = &project.name;
    if project.review != ReviewMode::PullRequest {
        if let Some(read) = read {
            let problem = Problem::at(read.span, format!("projects.{name}.pull_request says how, but nothing is reviewed so"));
            problems.push(problem.hint("Write `review: pull_request` beside it.").into_warning());
        }
        return None;
    }
    let issues = backlogs.iter().find_map(|backlog| match backlog {
        Backlog::Github(github) if *name == github.issues.project => Some(github),
        _ => None,
    });
    let said = read.as_ref();
    let repository = said.and_then(|read| read.repository.clone()).or_else(|| issues.map(|one| one.issues.repository.clone()));
    // What one server is asked with is not shown to another.
    let same = |base: &str| said.and_then(|read| read.base_url.as_deref()).is_none_or(|said| said == base);
    let inherited = issues.filter(|one| same(&one.issues.base_url)).map(|one| one.access.clone());
    let access = said.and_then(|read| read.access.clone()).or(inherited);
    let (Some(repository), Some(access)) = (repository, access) else {
        let message = format!("projects.{name} is reviewed by pull requests, and nothing says on which repository of a GitHub");
        let hint = "Write `pull_request: { repository: owner/name, token_file: PATH }` (or `app:`), or give it a backlog of type `github`.";
        problems.push(match span {
            Some(span) => Problem::at(span, message).hint(hint),
            None => Problem::of(name.as_str(), message).hint(hint),
        });
        return None;
    };
    let base_url = said.and_then(|read| read.base_url.clone()).or_else(|| issues.map(|one| one.issues.base_url.clone()));
    let poll_interval = said.and_then(|read| read.poll_interval).or_else(|| issues.map(|one| one.issues.poll_interval));
    Some(PullRequests {
        repository,
        base_url: base_url.unwrap_or_else(|| GITHUB_COM.to_owned()),
        access,
        remote: said.and_then(|read| read.remote.clone()),
        merge: said.and_then(|read| read.merge).unwrap_or_default(),
        draft: said.and_then(|read| read.draft).unwrap_or_default(),
        poll_interval: poll_interval.unwrap_or(POLL),
    })
}

/// As `config show` has it.
pub(crate) fn shown(one: &PullRequests) -> serde_json::Value {
    let mut shown = serde_json::json!({
        "repository": one.repository,
        "base_url": one.base_url,
        "remote": one.remote,
        "merge": one.merge.word(),
        "draft": one.draft,
        "poll_interval_seconds": one.poll_interval.as_secs(),
    });
    github_access::shown(&one.access, &mut shown);
    shown
}
