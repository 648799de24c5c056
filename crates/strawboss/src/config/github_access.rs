//! What a GitHub is asked with, wherever the configuration names it: a token or a GitHub App.

use super::problem::Problems;
use super::sections;
use super::settings::{GithubAccess, SecretSource};
use super::table::{Field, Table};
use std::path::Path;

/// Whether an entry names any, rightly or not.
pub(super) fn is_named(table: &Table<'_>) -> bool {
    ["app", "token_env", "token_file", "token"].iter().any(|key| table.has(key))
}

/// Reads it; none: there is none, or what there is has a problem.
pub(super) fn read(table: &mut Table<'_>, folder: &Path, problems: &mut Problems) -> Option<GithubAccess> {
    let token = sections::secret(table, ("token_env", "token_file"), folder, problems);
    let Some(field) = table.get("app") else { return token.map(GithubAccess::Token) };
    let app = Table::of(&field, problems).and_then(|app| read_app(&field, app, folder, problems));
    if token.is_some() {
        problems.push(field.wrong("stands beside a token").hint("Keep one of the two."));
        return None;
    }
    app
}

fn read_app(whole: &Field<'_>, mut table: Table<'_>, folder: &Path, problems: &mut Problems) -> Option<GithubAccess> {
    let id = table.read("id", problems, |field, problems| {
        let text = field.text(problems)?;
        if text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
            return Some(text);
        }
        problems.push(field.wrong("must be the App's client ID or its number").hint("Both stand in the App's settings."));
        None
    });
    if !table.has("id") {
        problems.push(whole.wrong("has no `id`").hint("Write `id: Iv23…`: the App's client ID, or its number."));
    }
    let installation = table.read("installation", problems, |field, problems| field.integer(1, u32::MAX, problems));
    let key = sections::secret(&mut table, ("key_env", "key_file"), folder, problems);
    if key.is_none() && !["key_env", "key_file", "key"].iter().any(|key| table.has(key)) {
        problems
            .push(whole.wrong("has no key").hint("Write `key_file: PATH` or `key_env: NAME`: one of the App's private keys."));
    }
    table.finish(problems);
    Some(GithubAccess::App { id: id?, installation: installation.map(u64::from), key: key? })
}

/// As `config show` has it.
pub(super) fn shown(access: &GithubAccess, shown: &mut serde_json::Value) {
    let place = |from: &SecretSource, (env, file): (&str, &str), shown: &mut serde_json::Value| match from {
        SecretSource::Env(variable) => shown[env] = variable.as_str().into(),
        SecretSource::File(path) => shown[file] = path.display().to_string().into(),
    };
    match access {
        GithubAccess::Token(token) => place(token, ("token_env", "token_file"), shown),
        GithubAccess::App { id, installation, key } => {
            let mut app = serde_json::json!({ "id": id, "installation": installation });
            place(key, ("key_env", "key_file"), &mut app);
            shown["app"] = app;
        }
    }
}
