//! What is said to the log, and how.

use crate::config::settings::{Log, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Whether a text is a level or directives that the log understands.
pub(crate) fn check(level: &str) -> Result<(), String> {
    // The filter itself would take a mistyped level for the name of a part of the program.
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    let plain = level.split(',').all(|part| part.contains('=') || words.contains(&part.trim().to_ascii_lowercase().as_str()));
    EnvFilter::builder().parse(level).ok().filter(|_| plain).map(drop).ok_or_else(|| {
        format!(
            "must be `error`, `warn`, `info`, `debug` or `trace`, or directives like `info,strawboss_engine=debug`; not `{level}`"
        )
    })
}

/// Starts the log of a service, on standard error. Only the first call counts.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::builder().parse_lossy(&log.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start is a test's; the first one goes on.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Pretty => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            builder.with_ansi(colour).try_init()
        }
    };
}

/// Starts the log of a command that people wait for: warnings, unless LOG_LEVEL asks for more.
pub(crate) fn start_for_command(environment: &crate::environment::Environment) {
    let level = environment.get(&crate::environment::LOG_LEVEL).unwrap_or("warn").to_owned();
    start(&Log { level, format: LogFormat::Pretty });
}

/// Starts the log of a service that reads no configuration.
pub(crate) fn start_for_service(environment: &crate::environment::Environment) {
    let level = environment.get(&crate::environment::LOG_LEVEL).unwrap_or("info").to_owned();
    let word = environment.get(&crate::environment::LOG_FORMAT).unwrap_or_default();
    let format = LogFormat::WORDS.iter().find(|(known, _)| *known == word).map_or(LogFormat::Pretty, |(_, format)| *format);
    start(&Log { level, format });
}
