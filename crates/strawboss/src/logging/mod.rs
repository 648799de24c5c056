//! What is said to the log, and how.

mod capture;
pub(crate) mod files;

use crate::config::settings::{Log, LogFormat};
use capture::Capture;
use files::Files;
use std::io::IsTerminal as _;
use std::path::Path;
use strawboss_server::logs::{KEPT_BYTES, LogFilter};
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

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

/// The log of a service that runs.
#[derive(Clone)]
pub(crate) struct Logging {
    pub(crate) capture: Capture,
    level: reload::Handle<EnvFilter, Registry>,
    /// The number of the last line that an earlier start wrote.
    earlier: u64,
}

impl Logging {
    /// Logs this much from now on.
    pub(crate) fn set_level(&self, level: &str) -> Result<(), String> {
        self.level.reload(EnvFilter::builder().parse_lossy(level)).map_err(|error| error.to_string())
    }

    /// Writes to files as well, in a data directory that is ours by now.
    pub(crate) fn write_to_files(&self, data_dir: &Path, log: &Log) {
        if let Some(bounds) = log.files {
            self.capture.write_to(Files::new(data_dir, bounds), self.earlier);
        }
    }
}

/// Starts the log of a service: on standard error, and kept for `strawboss logs`. Only the first call counts.
pub(crate) fn serve(log: &Log, data_dir: &Path) -> Logging {
    let capture = Capture::default();
    if log.files.is_some() {
        for line in files::newest(data_dir, KEPT_BYTES / 2) {
            capture.ring.push(line);
        }
    }
    let earlier = capture.ring.lines(&LogFilter { after: u64::MAX, ..LogFilter::default() }, 1).1;
    let (filter, level) = reload::Layer::new(EnvFilter::builder().parse_lossy(&log.level));
    // A second start is a test's; the first one goes on.
    let _ = tracing_subscriber::registry().with(filter).with(capture.clone()).with(printed(log.format)).try_init();
    Logging { capture, level, earlier }
}

fn printed<S: Subscriber + for<'a> LookupSpan<'a>>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Pretty => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            layer.with_ansi(colour).boxed()
        }
    }
}

fn start(level: &str, format: LogFormat) {
    let filter = EnvFilter::builder().parse_lossy(level);
    // A second start is a test's; the first one goes on.
    let _ = tracing_subscriber::registry().with(filter).with(printed(format)).try_init();
}

/// Starts the log of a command that people wait for: warnings, unless LOG_LEVEL asks for more.
pub(crate) fn start_for_command(environment: &crate::environment::Environment) {
    let level = environment.get(&crate::environment::LOG_LEVEL).unwrap_or("warn");
    start(level, LogFormat::Pretty);
}

/// Starts the log of a service that reads no configuration.
pub(crate) fn start_for_service(environment: &crate::environment::Environment) {
    let level = environment.get(&crate::environment::LOG_LEVEL).unwrap_or("info");
    let word = environment.get(&crate::environment::LOG_FORMAT).unwrap_or_default();
    let format = LogFormat::WORDS.iter().find(|(known, _)| *known == word).map_or(LogFormat::Pretty, |(_, format)| *format);
    start(level, format);
}
