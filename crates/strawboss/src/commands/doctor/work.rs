//! What the crew works on and with: providers, repositories.

use super::Finding;
use crate::config::settings::Settings;
use crate::config::{DEFAULT_PROVIDER, settings::SecretSource};
use crate::environment::Environment;
use crate::git::git;
use crate::serve::providers;
use std::path::Path;
use std::time::Duration;
use strawboss_core::project::{AgentKind, Project, Repository};

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Credentials, which are read and not shown, and whether the other side answers.
pub(super) async fn providers(settings: &Settings, environment: &Environment, quick: bool) -> Vec<Finding> {
    let configured = providers::configured(settings, environment);
    let mut found = Vec::new();
    let claude = settings.projects.values().any(|project| project.agent == AgentKind::Claude);
    if claude && configured.is_empty() {
        found.push(Finding::fail(
            "providers",
            "none is configured and ANTHROPIC_API_KEY is not set: agents will have no model",
            "Set ANTHROPIC_API_KEY, or add `providers:` to strawboss.yaml.",
        ));
    } else if claude && !configured.iter().any(|provider| provider.name == DEFAULT_PROVIDER) {
        found.push(Finding::warn(
            "providers",
            format!("there is no `{DEFAULT_PROVIDER}`: agents without a model of their own will have none"),
            format!("Add `{DEFAULT_PROVIDER}` under `providers:`, or name a provider in each of `models:`."),
        ));
    }
    for provider in &configured {
        let what = format!("provider {}", provider.name);
        let place = match &provider.secret {
            None => "without a credential".to_owned(),
            Some(SecretSource::Env(name)) => format!("credential in ${name}"),
            Some(SecretSource::File(path)) => format!("credential in {}", path.display()),
        };
        if let Err(failure) = providers::secret(provider, environment) {
            found.push(Finding::fail(what, failure.message, failure.fix.unwrap_or_default()));
            continue;
        }
        if quick {
            found.push(Finding::ok(what, place));
            continue;
        }
        found.push(match answers(&provider.base_url).await {
            Ok(()) => Finding::ok(what, format!("{place}; {} answers", provider.base_url)),
            Err(why) => Finding::warn(
                what,
                format!("{place}; {} does not answer: {why}", provider.base_url),
                "Look at the address, and at this machine's way out (HTTPS_PROXY).",
            ),
        });
    }
    found
}

/// Whether anything answers there. No credential is sent and nothing is asked for.
async fn answers(base_url: &str) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    client.head(base_url).send().await.map(drop).map_err(|error| {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            why = cause.to_string();
            source = cause.source();
        }
        why
    })
}

/// Repositories: there, with a commit, on the branch that is meant.
pub(super) async fn projects(settings: &Settings, quick: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for project in settings.projects.values() {
        let what = format!("project {}", project.name);
        match &project.repository {
            Repository::Directory(dir) => found.extend(directory(what, project, dir).await),
            Repository::Url(url) if quick => found.push(Finding::ok(what, format!("{url} (not asked)"))),
            Repository::Url(url) => found.push(remote(what, project, url).await),
        }
    }
    if settings.projects.is_empty() {
        found.push(Finding::warn("projects", "none is configured: every row is blocked", "Add one under `projects:`."));
    }
    found
}

async fn remote(what: String, project: &Project, url: &str) -> Finding {
    let branch = project.branch.as_deref().unwrap_or("HEAD");
    match git(Path::new("/"), &["ls-remote", "--exit-code", "--", url, branch]).await {
        Ok(_) => Finding::ok(what, format!("{url} answers and has {branch}")),
        Err(why) => Finding::fail(
            what,
            format!("{url}: {why}"),
            format!(
                "`git ls-remote {url}` as this user must work without asking: credential helper, SSH key, branch `{branch}`."
            ),
        ),
    }
}

async fn directory(what: String, project: &Project, dir: &Path) -> Vec<Finding> {
    let shown = dir.display();
    if !dir.is_dir() {
        return vec![Finding::fail(what, format!("there is no folder {shown}"), "Correct `directory:` in strawboss.yaml.")];
    }
    if let Err(why) = git(dir, &["rev-parse", "--git-dir"]).await {
        return vec![Finding::fail(
            what,
            format!("{shown}: {why}"),
            format!("Make it one with `git init` in {shown}, or correct `directory:`."),
        )];
    }
    let branch = match &project.branch {
        Some(branch) => branch.clone(),
        None => {
            if let Ok(branch) = git(dir, &["symbolic-ref", "--quiet", "--short", "HEAD"]).await {
                branch
            } else {
                let fix = "Check out a branch there, or name one with `branch:`.";
                return vec![Finding::fail(what, format!("{shown} is on no branch (detached HEAD)"), fix)];
            }
        }
    };
    let full = format!("refs/heads/{branch}^{{commit}}");
    if git(dir, &["rev-parse", "--verify", "--quiet", &full]).await.is_err() {
        let any = git(dir, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await.is_ok();
        let (detail, fix) = if any {
            (format!("{shown} has no branch `{branch}`"), "Correct `branch:`, or make that branch.".to_owned())
        } else {
            (
                format!("{shown} has no commit yet"),
                format!("Commit something there first: `git -C {shown} add -A && git -C {shown} commit`."),
            )
        };
        return vec![Finding::fail(what, detail, fix)];
    }
    let mut found = Vec::new();
    let tree = format!("refs/heads/{branch}");
    if git(dir, &["cat-file", "-e", &format!("{tree}:.gitmodules")]).await.is_ok() {
        found.push(Finding::fail(
            &what,
            format!("{shown} has submodules, which are not supported yet"),
            "Its tasks are blocked and say so.",
        ));
    }
    if git(dir, &["grep", "--quiet", "filter=lfs", &tree, "--", ".gitattributes"]).await.is_ok() {
        found.push(Finding::fail(
            &what,
            format!("{shown} uses Git LFS, which is not supported yet"),
            "Its tasks are blocked and say so.",
        ));
    }
    let current = git(dir, &["symbolic-ref", "--quiet", "--short", "HEAD"]).await.is_ok_and(|current| current == branch);
    if current && git(dir, &["status", "--porcelain", "--untracked-files=no"]).await.is_ok_and(|changes| !changes.is_empty()) {
        found.push(Finding::warn(
            &what,
            format!("{shown} has `{branch}` checked out with changes that are not committed"),
            "Accepted work is merged once they are committed or put aside.",
        ));
    }
    if project.checks.is_empty() {
        found.push(Finding::warn(
            &what,
            "it has no checks: work counts as green without any",
            "Add `checks:`, the commands that must end with 0.",
        ));
    }
    if found.is_empty() {
        found.push(Finding::ok(what, format!("{shown}, branch {branch}")));
    }
    found
}
