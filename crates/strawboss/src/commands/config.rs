//! `strawboss config …`

use crate::client::Api;
use crate::config::origin::{self, Origin};
use crate::config::problem::Report;
use crate::config::settings::{ClaudeSource, Database, SecretSource, Settings};
use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{Tone, paint};
use crate::output::{self, style, words};
use serde_json::{Value, json};
use std::fmt::Write as _;
use strawboss_core::retention::{Keep, Retention};
use strawboss_protocol::api::ReloadView;
use strawboss_server::TrustedProxy;

/// Check and show the configuration
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong in it, or that nothing is
    #[command(after_help = "Example:\n  strawboss config check --json")]
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what holds and where each value came from: the default, a line of the file, a variable. Secrets are named, never shown
    #[command(after_help = "Examples:\n  strawboss config show\n  strawboss config show --json | jq .origins")]
    Show {
        /// Print JSON; `origins` says by each value's path where it came from
        #[arg(long)]
        json: bool,
    },
    /// Have the service read its configuration again, and say what holds now and what only after a restart
    #[command(after_help = "\
Projects, models, agents, providers with their prices and secrets, runner.max_concurrent and log.level change at once. A
configuration with an error changes nothing. SIGHUP does the same. Needs a token of scope admin.

Example:
  strawboss config check && strawboss config reload")]
    Reload {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what `config` says.
pub(crate) async fn run(args: ConfigArgs, context: &Context) -> Result<ExitStatus, Failure> {
    match args.command {
        ConfigCommand::Reload { json } => reload(context, json).await,
        ConfigCommand::Check { json: false } => {
            let config = context.config()?;
            if !config.report.problems.is_empty() {
                output::note(&Report::render(&config.report, style::stderr()));
            }
            output::line(&format!("{} is good", named(&config)))?;
            Ok(ExitStatus::Success)
        }
        ConfigCommand::Check { json: true } => checked(context.config()),
        ConfigCommand::Show { json } => {
            let config = context.config()?;
            let mut value = shown(&config.settings);
            let origins = origin::of(&config, &context.environment, &value);
            if json {
                let by_path: serde_json::Map<String, Value> =
                    origins.into_iter().map(|one| (one.path, Value::String(one.origin))).collect();
                value["origins"] = Value::Object(by_path);
                value["file"] = if config.is_file { json!(config.file) } else { Value::Null };
                output::json(&value)?;
                return Ok(ExitStatus::Success);
            }
            let colour = style::stdout();
            let mut text = String::new();
            for Origin { path, value, origin } in origins {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let line = format!("{} = {}", words::one_line(&path), words::clean(&value.replace('\n', " ")));
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{line}  {}", paint(&format!("# {}", words::one_line(&origin)), Tone::Faint, colour));
            }
            output::print(&text)?;
            Ok(ExitStatus::Success)
        }
    }
}

async fn reload(context: &Context, json: bool) -> Result<ExitStatus, Failure> {
    let answer = Api::of(context)?.post::<ReloadView>("/api/v1/config/reload", None::<&()>).await?;
    if json {
        output::json(&answer.raw)?;
        return Ok(ExitStatus::Success);
    }
    let ReloadView { changed, after_restart, kept, warnings } = answer.value;
    for warning in &warnings {
        output::note(&format!("warning: {}", words::clean(warning)));
    }
    if changed.is_empty() && after_restart.is_empty() && kept.is_empty() {
        output::line("nothing has changed")?;
    }
    for (names, what) in [
        (changed, "holds now"),
        (after_restart, "holds after a restart of the service"),
        (kept, "is a project with live runs: it stays as it was; reload once more when they are over"),
    ] {
        for name in names {
            output::line(&format!("{} {what}", words::one_line(&name)))?;
        }
    }
    Ok(ExitStatus::Success)
}

/// What the configuration is, for people.
fn named(config: &Config) -> String {
    if config.is_file { config.file.display().to_string() } else { "the environment's configuration".to_owned() }
}

/// What is wrong, for programs.
fn checked(config: Result<Config, ConfigError>) -> Result<ExitStatus, Failure> {
    let (report, status) = match config {
        Ok(config) => (config.report, ExitStatus::Success),
        Err(ConfigError::Wrong(report)) => (*report, ExitStatus::Usage),
        Err(error) => return Err(error.into()),
    };
    let line = |span: &std::ops::Range<usize>| report.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1;
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|problem| {
            json!({
                "severity": if problem.warning { "warning" } else { "error" },
                "message": problem.message,
                "hint": problem.hint,
                "origin": problem.origin,
                "line": problem.span.as_ref().map(line),
            })
        })
        .collect();
    output::json(&json!({ "ok": status == ExitStatus::Success, "file": report.path, "problems": problems }))?;
    Ok(status)
}

/// As it is written in the file.
fn retention(retention: &Retention) -> Value {
    let age = |keep: &Keep| match keep.age_ms {
        None => "never".to_owned(),
        Some(ms) if ms % 86_400_000 == 0 => format!("{}d", ms / 86_400_000),
        Some(ms) => format!("{}s", ms / 1000),
    };
    let size = |keep: &Keep| match keep.bytes {
        None => "never".to_owned(),
        Some(bytes) if bytes % (1 << 30) == 0 => format!("{}g", bytes >> 30),
        Some(bytes) => bytes.to_string(),
    };
    json!({
        "recordings": { "age": age(&retention.recordings), "size": size(&retention.recordings) },
        "reports": { "age": age(&retention.reports), "size": size(&retention.reports) },
        "workspaces": { "age": age(&retention.workspaces) },
        "caches": { "age": age(&retention.caches) },
        "tools": { "age": age(&retention.tools) },
        "branches": { "age": age(&retention.branches) },
    })
}

fn shown(settings: &Settings) -> Value {
    let projects: serde_json::Map<String, Value> = settings
        .projects
        .values()
        .map(|project| {
            let mut value = serde_json::to_value(project).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                if let Some(env) = fields.get_mut("env").and_then(Value::as_object_mut) {
                    for (_, value) in env.iter_mut().filter(|(name, _)| crate::config::is_secret_name(name)) {
                        *value = Value::String("***".to_owned());
                    }
                }
                fields.remove("name");
                fields.remove("unusable");
                if let Some(pulls) = settings.pull_requests.get(&project.name) {
                    fields.insert("pull_request".to_owned(), crate::config::pull_requests::shown(pulls));
                }
            }
            (project.name.to_string(), value)
        })
        .collect();
    let providers: serde_json::Map<String, Value> = settings
        .providers
        .iter()
        .map(|provider| {
            let secret = match &provider.secret {
                None => Value::Null,
                Some(SecretSource::Env(name)) => json!({ "env": name }),
                Some(SecretSource::File(path)) => json!({ "file": path }),
            };
            let auth = match provider.auth {
                _ if provider.secret.is_none() => "none",
                strawboss_gateway::Auth::ApiKey => "api_key",
                strawboss_gateway::Auth::OauthToken => "oauth_token",
            };
            let value = json!({ "base_url": provider.base_url, "auth": auth, "secret": secret, "paths": provider.paths, "prices": provider.prices });
            (provider.name.clone(), value)
        })
        .collect();
    let word = crate::config::settings::RunnerKind::WORDS
        .iter()
        .find(|(_, kind)| *kind == settings.runner.kind)
        .map_or("auto", |(word, _)| word);
    let format = crate::config::settings::LogFormat::WORDS
        .iter()
        .find(|(_, format)| *format == settings.log.format)
        .map_or("pretty", |(word, _)| word);
    json!({
        "server": {
            "listen": settings.server.listen.to_string(),
            "data_dir": settings.server.data_dir,
            "doors_dir": settings.server.doors_dir,
            "public_names": settings.server.public_names,
            "public_url": settings.server.public_url,
            "trusted_proxies": settings.server.trusted_proxies.iter().map(|proxy| match proxy {
                TrustedProxy::Network(address, bits) => format!("{address}/{bits}"),
                TrustedProxy::Name(name) => name.clone(),
            }).collect::<Vec<_>>(),
            "metrics_on_loopback": settings.server.metrics_on_loopback,
            "registration": if settings.server.registration { "open" } else { "closed" },
            "legacy_listen": settings.server.legacy_listen.map(|address| address.to_string()),
        },
        "database": match &settings.database {
            Database::Sqlite => "sqlite".to_owned(),
            Database::Postgres(url) => url.to_string(),
        },
        "log": { "level": settings.log.level, "format": format,
            "files": settings.log.files.is_some(),
            "max_size_bytes": settings.log.files.map(|bounds| bounds.bytes),
            "max_age_seconds": settings.log.files.map(|bounds| bounds.age.as_secs()),
        },
        "backlogs": settings.backlogs.iter().map(crate::config::backlogs::shown).collect::<Vec<_>>(),
        "agents": {
            "shell": settings.agents.shell.as_ref().map(|command| json!({ "command": command })),
            "claude": match &settings.agents.claude {
                ClaudeSource::Pinned => json!({ "version": crate::tools::CLAUDE_VERSION }),
                ClaudeSource::Version(version) => json!({ "version": version }),
                ClaudeSource::Path(path) => json!({ "path": path }),
            },
        },
        "models": settings.models,
        "providers": providers,
        "runner": {
            "type": word,
            "max_concurrent": settings.runner.max_concurrent,
            "host": settings.runner.host,
            "doors_volume": settings.runner.doors_volume,
            "image": settings.runner.image,
            "gpus": settings.runner.gpus,
        },
        "sessions": {
            "tmux": settings.sessions.tmux,
            "socket": settings.sessions.socket,
            "start": settings.sessions.start,
            "discover_seconds": settings.sessions.discover.as_secs(),
            "containers": {
                "max": settings.sessions.containers.most,
                "idle_seconds": settings.sessions.containers.idle.map(|idle| idle.as_secs()),
                "allow": settings.sessions.containers.allow,
            },
        },
        "scheduler": {
            "preempt": settings.scheduler.preempt,
            "preempt_interval": settings.scheduler.preempt_interval.as_secs(),
            "auto_resume": settings.scheduler.auto_resume,
        },
        "projects_dir": settings.projects_dir,
        "retention": retention(&settings.retention),
        "backup": settings.backup.as_ref().map(|backup| json!({
            "folder": backup.folder,
            "every_seconds": backup.every.as_secs(),
            "keep": backup.keep,
            "keep_age_seconds": backup.keep_age.as_secs(),
            "recipients": backup.recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
        "projects": projects,
    })
}
