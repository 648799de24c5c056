//! Where work comes from, and where it is proposed: whether it can be read, as the service reads it, and whether its projects are there.

use super::Finding;
use crate::config::settings::{Backlog, Settings};
use crate::config::suggest;
use crate::serve::sources::Opener;
use nix::unistd::{AccessFlags, access};
use strawboss_core::ProjectName;
use strawboss_core::backlog::{Reading, SourceItem};

/// How many problems of a backlog are shown.
const SHOWN: usize = 10;

/// Every backlog. Nobody behind a network is asked when it has to be quick.
pub(super) async fn all(settings: &Settings, opener: &Opener<'_>, quick: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    if settings.backlogs.is_empty() {
        found.push(Finding::warn(
            "backlog",
            "none is configured: tasks come from `strawboss task add` alone",
            "Add one under `backlogs:`; `strawboss init` shows how.",
        ));
    }
    for configured in &settings.backlogs {
        let what = format!("backlog {configured}");
        for project in configured.projects() {
            found.extend(unknown(settings, project).map(|(why, hint)| Finding::warn(&what, why, hint)));
        }
        match opener.open(configured) {
            Err(failure) => found.push(Finding::fail(what, failure.message, failure.fix.unwrap_or_default())),
            Ok(_) if quick && configured.file().is_none() => found.push(Finding::ok(what, "is set up (not asked)")),
            Ok(source) => found.extend(read(&what, settings, configured, source.backlog.read().await)),
        }
    }
    for (project, configured) in &settings.pull_requests {
        let what = format!("pull requests of {project}");
        found.push(match opener.pull_requests(project, configured) {
            Err(failure) => Finding::fail(what, failure.message, failure.fix.unwrap_or_default()),
            Ok(_) if quick => Finding::ok(what, "are set up (not asked)"),
            Ok(pulls) => match pulls.check().await {
                Ok(words) => Finding::ok(what, words),
                Err(error) => Finding::fail(what, format!("could not {}: {}", error.what, error.why), error.fix),
            },
        });
    }
    found
}

/// What to say of a project that is not there.
fn unknown(settings: &Settings, project: &ProjectName) -> Option<(String, String)> {
    if settings.projects.contains_key(project) {
        return None;
    }
    let known: Vec<&str> = settings.projects.keys().map(ProjectName::as_str).collect();
    Some((format!("there is no project `{project}`"), suggest::hint(project.as_str(), &known)))
}

/// What was read of one.
fn read(what: &str, settings: &Settings, configured: &Backlog, reading: Reading) -> Vec<Finding> {
    let (items, problems) = match reading {
        Reading::Items { items, problems } => (items, problems),
        Reading::Unreadable { problem } => {
            return vec![Finding::fail(what, problem.message, "Until then what is known of it stays as it is.")];
        }
    };
    let mut found = vec![match configured.file().map(|file| access(file, AccessFlags::W_OK)) {
        Some(Err(error)) => Finding::warn(
            what,
            format!("{} rows; it cannot be written: {error}", items.len()),
            "Status cannot be written back until this user may write it.",
        ),
        Some(Ok(())) => Finding::ok(what, format!("{} rows", items.len())),
        None if matches!(configured, Backlog::Sheets(_)) => Finding::ok(what, format!("{} rows", items.len())),
        None => Finding::ok(what, format!("{} tickets", items.len())),
    }];
    let more = problems.len().saturating_sub(SHOWN);
    for problem in problems.into_iter().take(SHOWN) {
        let fix = if problem.skipped { "The row is left out until then." } else { "The rest of the row counts." };
        found.push(Finding::warn(what, problem.message, fix));
    }
    if more > 0 {
        found.push(Finding::warn(what, format!("{more} more problems"), "Mend those above first."));
    }
    if configured.projects().is_empty() {
        let lost = |item: &SourceItem| {
            let (why, hint) = unknown(settings, &item.project)?;
            Some(Finding::warn(what, format!("line {}: {why}", item.line), hint))
        };
        found.extend(items.iter().find_map(lost));
    }
    found
}
