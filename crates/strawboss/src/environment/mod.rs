//! Every environment variable that the program reads, declared once. docs/environment.md is made from this table.

pub(crate) mod secrets;

use secrets::Found;
use std::collections::BTreeMap;
use std::path::Path;

/// What our own variables begin with.
const PREFIX: &str = "STRAWBOSS_";

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does, as Markdown.
    pub(crate) doc: &'static str,
    /// What holds without it, as Markdown.
    pub(crate) default: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $name:literal, $doc:literal, $default:literal;)*) => {
        $(
            #[doc = $doc]
            pub(crate) const $constant: Variable = Variable { name: $name, doc: $doc, default: $default };
        )*
        /// Every one, in the order of the documentation.
        pub(crate) const ALL: &[Variable] = &[$($constant),*];
    };
}

variables! {
    CONFIG_TEXT = "STRAWBOSS_CONFIG_TEXT", "The whole text of a `strawboss.yaml`, in place of a file.", "none; without a file either, what these variables say is enough when `STRAWBOSS_DATA_DIR`, `STRAWBOSS_PROJECTS_DIR`, `STRAWBOSS_BACKLOG` or `STRAWBOSS_SPREADSHEET` is set";
    CONFIG = "STRAWBOSS_CONFIG", "The configuration file; the same as `--config`.", "the nearest `strawboss.yaml` from the current folder upwards";
    LISTEN = "STRAWBOSS_LISTEN", "Where `serve` listens; overrules `server.listen`.", "`127.0.0.1:7070`";
    DATA_DIR = "STRAWBOSS_DATA_DIR", "Where state, mirrors and recordings lie; overrules `server.data_dir`. A relative path is relative to the current folder.", "`.strawboss` beside the configuration";
    PUBLIC_NAMES = "STRAWBOSS_PUBLIC_NAMES", "Host names that people reach `serve` by, with blanks or commas between them; overrules `server.public_names`.", "none";
    PUBLIC_URL = "STRAWBOSS_PUBLIC_URL", "Where people's browsers reach `serve`, such as `https://crew.example.org`; overrules `server.public_url`.", "where it listens";
    TLS_AT = "STRAWBOSS_TLS_AT", "Where `doctor` looks at the certificates of `server.public_names`, as `HOST:PORT`, when they do not lead to the edge from where it runs (`edge:8443` in Compose); a `--tls NAME=HOST:PORT` counts more.", "each name at port 443";
    TRUSTED_PROXIES = "STRAWBOSS_TRUSTED_PROXIES", "Proxies whose `X-Forwarded-For` is believed: addresses, networks or host names, with blanks or commas between them; overrules `server.trusted_proxies`.", "none";
    DOORS_DIR = "STRAWBOSS_DOORS_DIR", "The folder in which `doors` is made, where sandboxes' doors lie; overrules `server.doors_dir`. A relative path is relative to the current folder.", "the data directory";
    DOORS_VOLUME = "STRAWBOSS_DOORS_VOLUME", "The engine's volume that is mounted there, when the control plane is in a container; overrules `runner.doors_volume`.", "the engine knows the folder by the same path";
    METRICS_ON_LOOPBACK = "STRAWBOSS_METRICS_ON_LOOPBACK", "`true` or `false`: whether `/metrics` answers programs of this machine without a token; overrules `server.metrics_on_loopback`.", "`false`";
    PROJECTS_DIR = "STRAWBOSS_PROJECTS_DIR", "A folder: each git repository directly in it is a project of its folder's name, unless `projects` has one of that name or place; overrules `projects_dir`.", "none";
    BACKLOG = "STRAWBOSS_BACKLOG", "A CSV file, or a folder with a `priorities.csv` in it: the one backlog there is; overrules `backlogs`.", "none; without `backlogs` either, `STRAWBOSS_SPREADSHEET`, else a `priorities.csv` beside the configuration";
    SPREADSHEET = "STRAWBOSS_SPREADSHEET", "A Google Sheet by its address, id or name: the one backlog there is when nothing else names one and there is a key for it.", "none";
    WORKSHEET = "STRAWBOSS_WORKSHEET", "The title of its worksheet.", "the first one";
    SHEETS_CREDENTIALS = "STRAWBOSS_SHEETS_CREDENTIALS", "The file with the key of the service account that reads it. A relative path is relative to the current folder.", "`GOOGLE_APPLICATION_CREDENTIALS`, else `credentials/sheets-api.json` beside the configuration, if it is there";
    GOOGLE_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS", "The same, under the name that Google's own programs have for it.", "none";
    RUNNER = "STRAWBOSS_RUNNER", "`auto`, `docker` or `process`; overrules `runner.type`.", "`auto`";
    MAX_CONCURRENT = "STRAWBOSS_MAX_CONCURRENT", "How many runs there may be at once; overrules `runner.max_concurrent`.", "2";
    SANDBOX_IMAGE = "STRAWBOSS_SANDBOX_IMAGE", "The image of sandboxes whose project names none; overrules `runner.image`.", "`strawboss/sandbox:latest`";
    GPUS = "STRAWBOSS_GPUS", "Devices that sandboxes may be given, with blanks or commas between them; overrules `runner.gpus`.", "none";
    SHELL_COMMAND = "STRAWBOSS_SHELL_COMMAND", "The command of the agent `shell`; overrules `agents.shell.command`.", "none";
    DATABASE_URL = "DATABASE_URL", "`sqlite`, or `postgres://user:password@host:5432/database`; overrules `database`. What libpq reads from `PGPASSWORD`, `PGPASSFILE`, `PGSSLMODE` and their like counts too.", "`sqlite`";
    BACKUP_DIR = "STRAWBOSS_BACKUP_DIR", "Where backups are made by themselves; overrules `backup.folder`.", "none are made";
    BACKUP_RECIPIENTS = "STRAWBOSS_BACKUP_RECIPIENTS", "Public keys of age (`age1…`) that backups are encrypted for, with blanks or commas between them; overrules `backup.recipients`.", "backups are not encrypted";
    RETENTION_RECORDINGS_AGE = "STRAWBOSS_RETENTION_RECORDINGS_AGE", "How long recordings of terminals are kept after a run's end: `90d`, or `never` to keep all; overrules `retention.recordings.age`.", "`90d`";
    RETENTION_RECORDINGS_SIZE = "STRAWBOSS_RETENTION_RECORDINGS_SIZE", "How large all recordings together may be: `20g`, or `never` for no limit; overrules `retention.recordings.size`.", "`20g`";
    RETENTION_REPORTS_AGE = "STRAWBOSS_RETENTION_REPORTS_AGE", "How long reports of runs are kept: `180d`, or `never` to keep all; overrules `retention.reports.age`.", "`180d`";
    TMUX = "STRAWBOSS_TMUX", "`true` or `false`: whether sessions of the host's tmux are served to admins; overrules `sessions.tmux`.", "`false`";
    TMUX_SOCKET = "STRAWBOSS_TMUX_SOCKET", "The socket of the tmux server that is meant; overrules `sessions.socket`. A relative path is relative to the current folder.", "the one of this user that tmux takes by itself";
    TMUX_START = "STRAWBOSS_TMUX_START", "`true` or `false`: whether that server is started when it does not run and a session shall be made; overrules `sessions.start`.", "`true`";
    LOG_LEVEL = "LOG_LEVEL", "`error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,strawboss_engine=debug`; overrules `log.level`.", "`info`; for other commands than `serve`, `warn`";
    LOG_FORMAT = "STRAWBOSS_LOG_FORMAT", "`pretty` or `json`; overrules `log.format`.", "`pretty`";
    LOG_FILES = "STRAWBOSS_LOG_FILES", "`true` or `false`: whether the log is also written to `logs` in the data directory; overrules `log.files`.", "`false`";
    LOG_MAX_SIZE = "STRAWBOSS_LOG_MAX_SIZE", "How large its files may be together, such as `64m`; overrules `log.max_size`.", "`64m`";
    LOG_MAX_AGE = "STRAWBOSS_LOG_MAX_AGE", "How old they may be, such as `7d`; overrules `log.max_age`.", "`7d`";
    SERVER = "STRAWBOSS_SERVER", "The address of the service that commands talk to; the same as `--server`.", "the one of the configuration";
    TOKEN = "STRAWBOSS_TOKEN", "The token that commands show; the same as `--token`, and better: other users of the machine can read command lines.", "`admin-token` in the data directory";
    DETACH_KEYS = "STRAWBOSS_DETACH_KEYS", "What ends `run attach`, such as `ctrl-p,ctrl-q` or `ctrl-]`; the same as `--detach-keys`.", "`ctrl-p,ctrl-q`";
    CACHE = "STRAWBOSS_CACHE", "Where agents' programs are kept.", "`$XDG_CACHE_HOME/strawboss`, else `~/.cache/strawboss`";
    TOOLS = "STRAWBOSS_TOOLS", "A folder of tools for sandboxes; the supervisor is in `supervisor/bin` below it.", "`../tools` beside the program's own folder";
    SUPERVISOR_DIR = "STRAWBOSS_SUPERVISOR_DIR", "The supervisor's folder, which holds `bin/strawboss-supervisor`.", "`supervisor` in the folder of tools";
    NPM_REGISTRY = "npm_config_registry", "Where `strawboss agent install` fetches from.", "`registry` of `~/.npmrc`, else `https://registry.npmjs.org`";
    DOCKER_HOST = "DOCKER_HOST", "The Docker engine's address, when `runner.host` says none.", "the default socket, else the rootless engine's";
    ANTHROPIC_API_KEY = "ANTHROPIC_API_KEY", "The key of the provider `anthropic`, when `providers:` is not in the configuration at all. Configured providers name their own variables with `secret_env`.", "none";
    ANTHROPIC_BASE_URL = "ANTHROPIC_BASE_URL", "Where that provider is.", "`https://api.anthropic.com`";
    CLAUDE_CODE_OAUTH_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN", "A subscription's token for the provider `anthropic`, when `providers:` is not in the configuration at all and there is no `ANTHROPIC_API_KEY`.", "none";
    NO_COLOR = "NO_COLOR", "Set to anything, it turns colours off.", "colours on a terminal";
    HTTPS_PROXY = "HTTPS_PROXY", "This machine's own way out, for providers and for hosts that projects allow; `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count too, in either case.", "a direct way";
}

/// Variables of ours that hold secrets: each may be read from a file instead.
pub(crate) const SECRETS: &[Variable] = &[DATABASE_URL, TOKEN, ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN];

/// The variables as they are, taken once, with those of [`SECRETS`] that stand in files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    values: BTreeMap<String, String>,
    /// [`SECRETS`] that were read from files, or why not.
    secrets: BTreeMap<&'static str, Result<Found, String>>,
}

impl Environment {
    /// The process's own. What is not UTF-8 cannot be meant for us.
    pub(crate) fn of_process() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))))
    }

    /// These.
    pub(crate) fn of(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut environment = Self { values: values.into_iter().collect(), secrets: BTreeMap::new() };
        for variable in SECRETS {
            let asked = [variable.name.to_owned(), format!("{}{}", variable.name, secrets::FILE)];
            let asked = asked.iter().any(|name| environment.named(name).is_some());
            // A Docker secret that nobody asked for and that cannot be read (an empty one, say) is as good as none.
            if let Some(found) = environment.secret(variable.name).transpose().filter(|found| asked || found.is_ok()) {
                environment.secrets.insert(variable.name, found);
            }
        }
        environment
    }

    /// A secret by the name of its variable, wherever it is.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<Found>, String> {
        let file = format!("{name}{}", secrets::FILE);
        secrets::find(name, self.named(name), self.named(&file), Path::new(secrets::DOCKER))
    }

    /// Why a secret of ours that is said to be there cannot be had.
    pub(crate) fn trouble(&self, variable: &Variable) -> Option<&str> {
        self.secrets.get(variable.name)?.as_ref().err().map(String::as_str)
    }

    /// Where a variable's value comes from, for people; none: it has none.
    pub(crate) fn origin(&self, variable: &Variable) -> Option<String> {
        match self.secrets.get(variable.name) {
            Some(Ok(Found { file: Some(file), .. })) => Some(format!("{} in {}", variable.name, file.display())),
            _ => self.get(variable).map(|_| variable.name.to_owned()),
        }
    }

    /// A variable's value; an empty one counts as none.
    pub(crate) fn get(&self, variable: &Variable) -> Option<&str> {
        match self.secrets.get(variable.name) {
            Some(Ok(found)) => Some(&found.value),
            Some(Err(_)) => None,
            None => self.named(variable.name),
        }
    }

    /// The value of a variable that the configuration names.
    pub(crate) fn named(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Variables that look like ours and are not known, each with the nearest known one.
    pub(crate) fn unknown(&self) -> Vec<(String, Option<&'static str>)> {
        let known: Vec<&'static str> = ALL.iter().map(|variable| variable.name).collect();
        let in_file = |name: &str| SECRETS.iter().any(|variable| name.strip_suffix(secrets::FILE) == Some(variable.name));
        self.values
            .keys()
            .filter(|name| !in_file(name))
            .filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()))
            .map(|name| {
                // What they all begin with says nothing about how near they are.
                let (rest, ends) = (&name[PREFIX.len()..], known.iter().filter_map(|known| known.strip_prefix(PREFIX)));
                let near = crate::config::suggest::nearest(rest, ends);
                (name.clone(), near.and_then(|near| known.iter().copied().find(|known| known.strip_prefix(PREFIX) == Some(near))))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Environment, SECRETS};
    use std::fmt::Write as _;
    use std::path::Path;

    fn document() -> String {
        let mut text = String::from(
            "# Environment variables\n\nMade from `crates/strawboss/src/environment.rs`; a test compares the two.\n\n\
             Order: defaults, then the configuration file, then these, then flags. An empty variable counts as none.\n\n\
             | Variable | What it does | Without it |\n|---|---|---|\n",
        );
        for variable in ALL {
            let _ = writeln!(text, "| `{}` | {} | {} |", variable.name, variable.doc, variable.default);
        }
        text.push_str(
            "\nCredentials of providers stand in variables that the configuration names with `secret_env`, or in files that it \
             names with `secret_file`; never in the configuration itself, and never in a sandbox.\n\n\
             ## Secrets in files\n\n\
             Each of ",
        );
        let names: Vec<String> = SECRETS.iter().map(|variable| format!("`{}`", variable.name)).collect();
        let _ = write!(text, "{}", names.join(", "));
        text.push_str(
            ", and each variable that a provider names with `secret_env`,\nmay stand in a file instead: the variable `<NAME>_FILE` names \
             it. Without either, a Docker secret of the variable's name counts:\n`/run/secrets/ANTHROPIC_API_KEY`, \
             `/run/secrets/anthropic_api_key` or `/run/secrets/anthropic-api-key`. A line end at the end is no part of it,\n64 KiB are \
             the most. Both a variable and its `_FILE` are an error, and so is a file that cannot be read: with\na provider's key its models are blocked and say why, with any other the service does not start.\n",
        );
        text
    }

    #[test]
    fn the_page_says_what_the_table_says() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/environment.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&page, document()).unwrap();
        }
        let written = std::fs::read_to_string(&page).unwrap_or_default();
        assert_eq!(written, document(), "run the test again with UPDATE_DOCS=1");
    }

    #[test]
    fn a_mistyped_variable_is_found() {
        let values = [("STRAWBOSS_LISTN", "x"), ("STRAWBOSS_CONFIG", "x"), ("STRAWBOSS_ZEBRA", "x"), ("PATH", "x")];
        let environment = Environment::of(values.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(
            environment.unknown(),
            [("STRAWBOSS_LISTN".to_owned(), Some("STRAWBOSS_LISTEN")), ("STRAWBOSS_ZEBRA".to_owned(), None)]
        );
    }
}
