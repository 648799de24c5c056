//! `strawboss config …`

use crate::config::problem::Report;
use crate::config::settings::{ClaudeSource, Database, SecretSource, Settings};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::{self, style};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Check and show the configuration
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong in it, or that nothing is
    Check,
    /// Print what holds: defaults, file and environment together, as JSON. Secrets are named, never shown
    Show,
}

/// Does what `config` says.
pub(crate) fn run(args: &ConfigArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let config = context.config()?;
    match args.command {
        ConfigCommand::Check => {
            if !config.report.problems.is_empty() {
                output::note(&Report::render(&config.report, style::stderr()));
            }
            output::line(&format!("{} is good", config.file.display()))?;
        }
        ConfigCommand::Show => output::json(&shown(&config.settings, &config.file))?,
    }
    Ok(ExitStatus::Success)
}

fn shown(settings: &Settings, file: &PathBuf) -> Value {
    let projects: serde_json::Map<String, Value> = settings
        .projects
        .values()
        .map(|project| {
            let mut value = serde_json::to_value(project).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                fields.remove("name");
                fields.remove("unusable");
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
        "file": file,
        "server": {
            "listen": settings.server.listen.to_string(),
            "data_dir": settings.server.data_dir,
            "doors_dir": settings.server.doors_dir,
            "public_names": settings.server.public_names,
            "metrics_on_loopback": settings.server.metrics_on_loopback,
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
        "backlogs": settings.backlogs.iter().map(|backlog| json!({
            "type": "csv",
            "file": backlog.file,
            "watch_interval_seconds": backlog.watch_interval.as_secs(),
            "encoding": backlog.encoding,
            "in_review": backlog.in_review.word(),
        })).collect::<Vec<_>>(),
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
        "scheduler": { "preempt": settings.scheduler.preempt, "auto_resume": settings.scheduler.auto_resume },
        "projects": projects,
    })
}
