//! Where each value of the configuration came from: a flag's variable, a line of the file, a folder, or the default.

use super::Config;
use super::settings::Backlog;
use super::yaml::{Node, Value};
use crate::environment::{self, Environment, Variable};
use serde_json::Value as Json;

/// Settings that variables overrule, by their paths.
const VARIABLES: &[(&str, Variable)] = &[
    ("server.listen", environment::LISTEN),
    ("server.data_dir", environment::DATA_DIR),
    ("server.doors_dir", environment::DOORS_DIR),
    ("server.public_names", environment::PUBLIC_NAMES),
    ("server.public_url", environment::PUBLIC_URL),
    ("server.trusted_proxies", environment::TRUSTED_PROXIES),
    ("server.metrics_on_loopback", environment::METRICS_ON_LOOPBACK),
    ("sessions.tmux", environment::TMUX),
    ("sessions.socket", environment::TMUX_SOCKET),
    ("sessions.start", environment::TMUX_START),
    ("database", environment::DATABASE_URL),
    ("log.level", environment::LOG_LEVEL),
    ("log.format", environment::LOG_FORMAT),
    ("log.files", environment::LOG_FILES),
    ("log.max_size", environment::LOG_MAX_SIZE),
    ("log.max_age", environment::LOG_MAX_AGE),
    ("backlogs", environment::BACKLOG),
    ("projects_dir", environment::PROJECTS_DIR),
    ("agents.shell.command", environment::SHELL_COMMAND),
    ("runner.type", environment::RUNNER),
    ("runner.max_concurrent", environment::MAX_CONCURRENT),
    ("runner.image", environment::SANDBOX_IMAGE),
    ("runner.gpus", environment::GPUS),
    ("runner.doors_volume", environment::DOORS_VOLUME),
    ("backup.folder", environment::BACKUP_DIR),
    ("backup.recipients", environment::BACKUP_RECIPIENTS),
    ("retention.recordings.age", environment::RETENTION_RECORDINGS_AGE),
    ("retention.recordings.size", environment::RETENTION_RECORDINGS_SIZE),
    ("retention.reports.age", environment::RETENTION_REPORTS_AGE),
];

/// What is shown under another name than it is written.
const WRITTEN: &[(&str, &[&str])] = &[
    ("allow", &["network", "allow"]),
    ("internal", &["network", "internal"]),
    ("secret", &["secret_env"]),
    ("secret", &["secret_file"]),
    ("repository", &["directory"]),
    ("repository", &["url"]),
];
/// Units that shown values have in their names.
const UNITS: [&str; 3] = ["_seconds", "_bytes", "_ms"];

/// A value that is shown, with where it came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Origin {
    /// Its path: `server.listen`, or with parts that have dots of their own.
    pub(crate) path: String,
    pub(crate) value: Json,
    pub(crate) origin: String,
}

fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().rev().find(|(name, _)| name.text == key).map(|(_, node)| node),
        Value::List(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

fn within<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| child(node, key))
}

/// Where the file says a value that is shown by this path.
fn written<'n>(root: &'n Node, path: &[String]) -> Option<&'n Node> {
    let mut node = root;
    for (index, key) in path.iter().enumerate() {
        let plain = UNITS.iter().find_map(|unit| key.strip_suffix(unit)).unwrap_or(key);
        let known = child(node, key)
            .or_else(|| child(node, plain))
            .or_else(|| WRITTEN.iter().filter(|(shown, _)| shown == key).find_map(|(_, written)| within(node, written)));
        node = match known {
            Some(node) => node,
            // The short form of a project is its repository alone.
            None if matches!(node.value, Value::Scalar(_)) && (key == "repository" || index > 2) => return Some(node),
            None => return None,
        };
        // A value that is shown in parts may be written as one.
        if matches!(node.value, Value::Scalar(_)) && index + 1 < path.len() && path[0] != "projects" {
            return Some(node);
        }
    }
    Some(node)
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn origin(config: &Config, environment: &Environment, path: &[String]) -> String {
    let shown = path.join(".");
    let fits = |setting: &str| shown == setting || shown.strip_prefix(setting).is_some_and(|rest| rest.starts_with(['.', '_']));
    let by_variable = VARIABLES
        .iter()
        .filter(|(setting, _)| fits(setting))
        .find_map(|(_, variable)| environment.origin(variable))
        .map(|origin| format!("environment {origin}"));
    if let Some(origin) = by_variable {
        return origin;
    }
    if let Some(node) = written(&config.root, path) {
        let file = if config.is_file {
            config.report.path.as_ref().unwrap_or(&config.file).display().to_string()
        } else {
            environment::CONFIG_TEXT.name.to_owned()
        };
        return format!("{file}:{}", line_of(&config.report.text, node.span.start));
    }
    if let (Some(dir), [section, name, ..]) = (&config.settings.projects_dir, path)
        && section == "projects"
        && within(&config.root, &["projects", name]).is_none()
    {
        return format!("folder {}", dir.display());
    }
    // It counts only where nothing else names a backlog.
    if path.first().is_some_and(|section| section == "backlogs")
        && matches!(config.settings.backlogs.as_slice(), [Backlog::Sheets(_)])
        && let Some(origin) = environment.origin(&environment::SPREADSHEET)
    {
        return format!("environment {origin}");
    }
    "default".to_owned()
}

/// Every value with its origin, in the order of what is shown.
pub(crate) fn of(config: &Config, environment: &Environment, shown: &Json) -> Vec<Origin> {
    fn flatten(value: &Json, path: &mut Vec<String>, to: &mut dyn FnMut(&[String], &Json)) {
        match value {
            Json::Object(fields) if !fields.is_empty() => {
                for (key, value) in fields {
                    path.push(key.clone());
                    flatten(value, path, to);
                    path.pop();
                }
            }
            Json::Array(items) if items.iter().any(Json::is_object) => {
                for (index, value) in items.iter().enumerate() {
                    path.push(index.to_string());
                    flatten(value, path, to);
                    path.pop();
                }
            }
            value => to(path, value),
        }
    }
    let mut found = Vec::new();
    flatten(shown, &mut Vec::new(), &mut |path, value| {
        found.push(Origin { path: path.join("."), value: value.clone(), origin: origin(config, environment, path) });
    });
    found
}

#[cfg(test)]
mod tests {
    use super::VARIABLES;
    use crate::environment;

    #[test]
    fn every_variable_that_overrules_a_setting_is_known_with_it() {
        let told: Vec<_> = environment::ALL
            .iter()
            .filter_map(|variable| {
                let (_, setting) = variable.doc.split_once("overrules `")?;
                Some((setting.split_once('`')?.0, variable.name))
            })
            .collect();
        assert!(told.len() >= 28, "the documentation says it in other words now: {told:?}");
        let known: Vec<_> = VARIABLES.iter().map(|(setting, variable)| (*setting, variable.name)).collect();
        let apart = |one: &[(&'static str, &'static str)], other: &[_]| -> Vec<_> {
            one.iter().copied().filter(|entry| !other.contains(entry)).collect()
        };
        assert_eq!((apart(&told, &known), apart(&known, &told)), (Vec::new(), Vec::new()));
    }
}
