//! The sections of the file but for projects.

use super::problem::{Problem, Problems};
use super::settings::{Agents, ClaudeSource, Provider, SecretSource};
use super::suggest;
use super::table::{At, Field, Table};
use std::collections::BTreeMap;
use std::path::Path;
use strawboss_core::project::AgentKind;
use strawboss_gateway::{Auth, Price};

/// Agents that the design names and this version does not launch yet.
const LATER_AGENTS: [&str; 4] = ["codex", "gemini", "qwen", "opencode"];

/// An agent's word; none with a problem when it is not known.
pub(super) fn agent(field: &Field<'_>, problems: &mut Problems) -> Option<AgentKind> {
    let At { value: word, .. } = field.text_at(problems)?;
    let found = AgentKind::ALL.into_iter().find(|kind| kind.word() == word);
    if found.is_none() {
        let known = AgentKind::ALL.map(AgentKind::word);
        let problem = field.wrong(format_args!("must be an agent, not `{word}`"));
        problems.push(if LATER_AGENTS.contains(&word.as_str()) {
            problem.hint(format!("`{word}` is not supported by this version. Known here: {}.", known.join(", ")))
        } else {
            problem.hint(suggest::hint(&word, &known))
        });
    }
    found
}

/// `agents:`
pub(super) fn agents(mut table: Table<'_>, folder: &Path, problems: &mut Problems) -> Agents {
    let mut agents = Agents::default();
    if let Some(mut shell) = table.table("shell", problems) {
        agents.shell = shell.read("command", problems, Field::text);
        if agents.shell.is_none() && !shell.has("command") {
            problems.push(
                Problem::at(shell.span.clone(), "agents.shell has no `command`")
                    .hint("Write the command line that works on a task; the task stands in $STRAWBOSS_PROMPT."),
            );
        }
        shell.finish(problems);
    }
    if let Some(mut claude) = table.table("claude", problems) {
        let version = claude.read("version", problems, |field, problems| {
            let text = field.text(problems)?;
            let plain = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
            if !plain || !text.starts_with(|c: char| c.is_ascii_digit()) {
                problems.push(field.wrong(format_args!("must be a version like `2.1.329`, not `{text}`")));
                return None;
            }
            Some(text)
        });
        let path = claude.get("path");
        agents.claude = match (path, version) {
            (Some(path), Some(_)) => {
                problems.push(path.wrong("stands beside `version`").hint("Keep one: a folder's version is what is in it."));
                ClaudeSource::Pinned
            }
            (Some(path), None) => path.path(folder, problems).map_or(ClaudeSource::Pinned, ClaudeSource::Path),
            (None, Some(version)) => ClaudeSource::Version(version),
            (None, None) => ClaudeSource::Pinned,
        };
        claude.finish(problems);
    }
    table.finish(problems);
    agents
}

/// `providers:`
pub(super) fn providers(table: &Table<'_>, folder: &Path, problems: &mut Problems) -> Vec<Provider> {
    let mut read = Vec::new();
    for (key, field) in table.entries() {
        let plain = !key.text.is_empty()
            && key.text.len() <= 64
            && key.text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !plain {
            problems.push(
                Problem::at(key.span.clone(), format!("`{}` is no name of a provider", key.text))
                    .hint("Use letters, digits, `-`, `_` and `.`."),
            );
        }
        if let Some(table) = Table::of(&field, problems) {
            read.extend(provider(&key.text, &field, table, folder, problems));
        }
    }
    read
}

fn provider(name: &str, whole: &Field<'_>, mut table: Table<'_>, folder: &Path, problems: &mut Problems) -> Option<Provider> {
    let base_url = table.get("base_url");
    let url = base_url.as_ref().and_then(|field| field.text_at(problems));
    let auth_words = [("api_key", Some(Auth::ApiKey)), ("oauth_token", Some(Auth::OauthToken)), ("none", None)];
    let auth =
        table.read("auth", problems, |field, problems| field.choice(&auth_words, problems).map(|auth| (auth, field.clone())));
    let secret = secret(&mut table, ("secret_env", "secret_file"), folder, problems);
    let paths = table.read("paths", problems, |field, problems| field.texts("paths", problems));
    let prices = table.table("prices", problems).map(|table| prices(&table, problems)).unwrap_or_default();
    table.finish(problems);
    if base_url.is_none() {
        problems.push(whole.wrong("has no `base_url`").hint("Write `base_url: https://api.anthropic.com`."));
    }
    let url = url?;
    let auth = match (&secret, auth) {
        (Some(_), Some((None, field))) => {
            problems.push(field.wrong("is `none`, and a secret is named").hint("Write `auth: api_key` or `auth: oauth_token`."));
            Auth::ApiKey
        }
        (None, Some((Some(_), field))) => {
            problems.push(field.wrong("needs a secret").hint("Add `secret_env: NAME` or `secret_file: PATH`."));
            Auth::ApiKey
        }
        (_, Some((Some(auth), _))) => auth,
        (_, Some((None, _)) | None) => Auth::ApiKey,
    };
    // The gateway's own judgement on address and paths, so that a start never fails on what a check passed.
    let paths = paths.map(|paths| paths.into_iter().map(|path| path.value).collect::<Vec<_>>());
    let tried = strawboss_gateway::Provider::new(name, &url.value, auth, None)
        .and_then(|provider| provider.with_paths(paths.as_deref().unwrap_or_default()));
    if let Err(error) = tried {
        problems.push(Problem::at(url.span, error.to_string()));
    }
    Some(Provider { name: name.to_owned(), base_url: url.value, auth, secret, paths, prices })
}

/// Where a secret is, by the two keys that may say so; one that stands in the configuration itself is an error.
pub(super) fn secret(
    table: &mut Table<'_>,
    (env, file): (&'static str, &'static str),
    folder: &Path,
    problems: &mut Problems,
) -> Option<SecretSource> {
    let variable = table.read(env, problems, |field, problems| {
        let text = field.text(problems)?;
        if looks_like_a_secret(&text) {
            let message = format!("{} must be the name of an environment variable, not the secret itself", field.path);
            problems.push(Problem::of_secret(field.node.span.clone(), message).hint(
                "Put the secret into a variable or a file and name that; then replace this secret, since it stood in a file.",
            ));
            return None;
        }
        if !is_variable(&text) {
            problems.push(field.wrong(format_args!("must be the name of an environment variable, not `{text}`")));
            return None;
        }
        Some(text)
    });
    let named_file = table.get(file);
    for key in ["secret", "api_key", "token", "key", "password"] {
        if let Some(field) = table.has(key).then(|| table.get(key)).flatten() {
            let message = format!("{} is a secret, which must not stand in the configuration", field.path);
            problems.push(Problem::of_secret(field.node.span.clone(), message).hint(format!(
                "Write `{env}: NAME` or `{file}: PATH` instead; then replace this secret, since it stood in a file."
            )));
        }
    }
    match (variable, named_file) {
        (Some(_), Some(file)) => {
            problems.push(file.wrong(format_args!("stands beside `{env}`")).hint("Keep one of the two."));
            None
        }
        (Some(variable), None) => Some(SecretSource::Env(variable)),
        (None, Some(file)) => file.path(folder, problems).map(SecretSource::File),
        (None, None) => None,
    }
}

fn is_variable(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn looks_like_a_secret(text: &str) -> bool {
    ["sk-", "ghp_", "gho_", "ghs_", "github_pat_"].iter().any(|start| text.starts_with(start))
        || (text.len() >= 40 && !text.contains('_'))
        || text.len() > 100
}

fn prices(table: &Table<'_>, problems: &mut Problems) -> BTreeMap<String, Price> {
    let mut read = BTreeMap::new();
    for (key, field) in table.entries() {
        let Some(mut table) = Table::of(&field, problems) else { continue };
        for needed in ["input", "output"] {
            if !table.has(needed) {
                let message = format!("{} has no `{needed}`", field.path);
                problems
                    .push(Problem::at(key.span.clone(), message).hint("Write US dollars per million tokens, as in `input: 3`."));
            }
        }
        let mut price = |key: &'static str| table.read(key, problems, |field, problems| field.number(0.0, 1_000_000.0, problems));
        let input = price("input").unwrap_or_default();
        let price = Price {
            input,
            output: price("output").unwrap_or_default(),
            // As Anthropic bills; a cache that is taken for free would hide most of what an agent costs.
            cache_read: price("cache_read").unwrap_or(input / 10.0),
            cache_write: price("cache_write").unwrap_or(input * 1.25),
        };
        table.finish(problems);
        read.insert(key.text.clone(), price);
    }
    read
}

/// An entry of `models:`, before its provider is looked up.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) agent: AgentKind,
    pub(super) provider: Option<At<String>>,
    /// The provider's name of it.
    pub(super) id: String,
}

/// `models:`
pub(super) fn models(table: &Table<'_>, problems: &mut Problems) -> Vec<Model> {
    let mut read = Vec::new();
    for (key, field) in table.entries() {
        let Some(mut table) = Table::of(&field, problems) else { continue };
        let mut later = false;
        let kind = table.read("agent", problems, |field, problems| {
            let word = field.text(problems)?;
            if LATER_AGENTS.contains(&word.as_str()) {
                later = true;
                let message = format!("{}: the agent `{word}` is not supported by this version", field.path);
                problems.push(
                    Problem::at(field.node.span.clone(), message)
                        .hint(format!("Rows whose Model is `{}` are blocked and say so.", key.text))
                        .into_warning(),
                );
                return None;
            }
            agent(field, problems)
        });
        if !table.has("agent") {
            problems.push(field.wrong("has no `agent`").hint("Write `agent: claude`."));
        }
        let provider = table.read("provider", problems, Field::text_at);
        let model = table.read("model", problems, Field::text);
        if model.is_none() && !table.has("model") {
            problems.push(field.wrong("has no `model`").hint("Write the provider's name of the model."));
        }
        table.finish(problems);
        if later {
            continue;
        }
        if let (Some(agent), Some(model)) = (kind, model) {
            read.push(Model { name: key.text.clone(), agent, provider, id: model });
        }
    }
    read
}
