//! Backlogs behind a network: whether they answer, and whether their project is there.

use super::Finding;
use crate::config::settings::Settings;
use crate::environment::Environment;
use crate::serve::github;
use strawboss_core::backlog::Reading;

/// Repositories whose issues work comes from: read as the service reads them.
pub(super) async fn backlogs(settings: &Settings, environment: &Environment, quick: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for configured in &settings.github {
        let what = format!("backlog github {}", configured.issues.repository);
        let project = &configured.issues.project;
        if !settings.projects.contains_key(project) {
            let known: Vec<&str> = settings.projects.keys().map(strawboss_core::ProjectName::as_str).collect();
            let hint = crate::config::suggest::hint(project.as_str(), &known);
            found.push(Finding::warn(&what, format!("there is no project `{project}`"), hint));
        }
        let source = match github::source(configured, environment) {
            Ok(source) => source,
            Err(failure) => {
                found.push(Finding::fail(what, failure.message, failure.fix.unwrap_or_default()));
                continue;
            }
        };
        if quick {
            found.push(Finding::ok(what, "has a token (not asked)"));
            continue;
        }
        found.push(match source.backlog.read().await {
            Reading::Items { items, .. } => Finding::ok(what, format!("{} issues", items.len())),
            Reading::Unreadable { problem } => {
                Finding::fail(what, problem.message, "Until then what is known of it stays as it is.")
            }
        });
    }
    found
}
