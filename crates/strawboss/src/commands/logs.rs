//! `strawboss logs`: what the control plane says, or the story of one run.

use crate::client::{Api, part};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::{self, words};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use strawboss_core::{RunId, RunState};
use strawboss_protocol::api::{LogLine, Page, RunDetail, RunEvent};

/// The service that this program is.
const OURS: &str = "strawboss";
/// How often a run's reports are asked for while it is followed.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest line of the log that is taken, in bytes.
const LONGEST: usize = 4 << 20;
/// How much of a report is shown.
const SHOWN: usize = 400;

/// Show the log of the control plane, or the story of one run: what it reported, and what the log says of it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  strawboss logs strawboss --since 10m     the last ten minutes of the control plane
  strawboss logs strawboss -f              and what it says from now on
  strawboss logs antenna-3.1 -f            one run, until it is over (its terminal: strawboss run logs)
  strawboss logs postgres --since 1h       prints the command that shows it: other services belong to Compose

The control plane keeps its newest 8 MiB of lines in memory; with `log.files` they are also written to `logs` in its data
directory, and lines of earlier starts are shown again. Needs a token of scope admin; a run's reports alone need `read`.
Exit codes: 0 shown, 1 another service (the command is printed), 2 wrong command line, 3 no answer, 4 not allowed,
5 no such run.")]
pub(crate) struct LogsArgs {
    /// `strawboss`, a run's id, or another service of the Compose file
    #[arg(value_name = "SERVICE|RUN")]
    what: String,
    /// Go on as more is said
    #[arg(long, short)]
    follow: bool,
    /// Only what is not older than this (`90s`, `10m`, `2h`, `3d`), or from this moment on (`2026-01-31T08:00:00Z`)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// A moment as milliseconds since 1970: so long ago, or as it is written.
fn moment(text: &str, now: i64) -> Result<i64, Failure> {
    if let Some(ago) = crate::config::units::duration(text) {
        return Ok(now.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)));
    }
    text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).map_err(|_| {
        Failure::usage(format!("--since must be a length of time or a moment, not `{text}`"))
            .fix("Write it like `90s`, `10m`, `2h`, `3d` or `2026-01-31T08:00:00Z`.")
    })
}

/// Does what `logs` says.
pub(crate) async fn run(args: LogsArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let since = args.since.as_deref().map(|text| moment(text, words::now())).transpose()?;
    // `postgres` is no run, and every run's id has its attempt after a dot.
    let run = RunId::parse(&args.what).ok().filter(|_| args.what.contains('.'));
    let api = Api::of(context)?;
    match run {
        Some(run) => of_run(&api, run.as_str(), since, &args).await,
        None if args.what == OURS => {
            let mut lines = Lines::open(&api, None, since, args.follow).await?;
            while let Some(line) = lines.next().await? {
                show_line(&line, args.json)?;
            }
            Ok(ExitStatus::Success)
        }
        None => elsewhere(&args),
    }
}

/// Another service: its log is Compose's.
fn elsewhere(args: &LogsArgs) -> Result<ExitStatus, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if args.what.is_empty() || args.what.starts_with('-') || !args.what.chars().all(plain) {
        return Err(Failure::usage(format!("`{}` is neither a run's id nor a service's name", args.what))
            .fix("Name `strawboss`, a run (`strawboss run list`), or a service of the Compose file."));
    }
    let mut command = "docker compose logs".to_owned();
    if args.follow {
        command.push_str(" --follow");
    }
    if let Some(since) = &args.since {
        command.push_str(" --since ");
        command.push_str(since);
    }
    output::note(&format!("`{}` is a service of Compose's, whose log Strawboss may not read. This shows it:", args.what));
    output::line(&format!("{command} {}", args.what))?;
    Ok(ExitStatus::Failure)
}

/// Lines of the log as they come.
struct Lines {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: Vec<u8>,
    api: Api,
}

impl Lines {
    async fn open(api: &Api, run: Option<&str>, since: Option<i64>, follow: bool) -> Result<Self, Failure> {
        let mut path = format!("/api/v1/logs?follow={follow}");
        if let Some(run) = run {
            path.push_str(&format!("&run={}", part(run)));
        }
        if let Some(since) = since {
            path.push_str(&format!("&since={since}"));
        }
        let answer = api.send(Method::GET, &path, None).await?;
        let stream = answer.bytes_stream().map(|piece| piece.map(|bytes| bytes.to_vec())).boxed();
        Ok(Self { stream, buffer: Vec::new(), api: api.clone() })
    }

    /// The next line; none when it is over. Cancel-safe.
    async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                match serde_json::from_slice(&line) {
                    Ok(line) => return Ok(Some(line)),
                    // A heartbeat.
                    Err(_) => continue,
                }
            }
            if self.buffer.len() > LONGEST {
                return Err(Failure::new(format!("{} sends a line without an end", self.api.base())));
            }
            match self.stream.next().await {
                Some(Ok(piece)) => self.buffer.extend_from_slice(&piece),
                Some(Err(error)) => return Err(self.api.away(&error)),
                None => return Ok(None),
            }
        }
    }
}

fn level_tone(level: &str) -> Tone {
    match level {
        "error" => Tone::Bad,
        "warn" => Tone::Doubt,
        "info" => Tone::Good,
        _ => Tone::Faint,
    }
}

fn show_line(line: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::line(&line.to_string());
    }
    let Ok(line) = serde_json::from_value::<LogLine>(line.clone()) else { return Ok(()) };
    let colour = style::stdout();
    let level = paint(&format!("{:5}", words::one_line(&line.level)), level_tone(&line.level), colour);
    let mut fields = String::new();
    for (name, value) in &line.fields {
        // Writing to a String cannot fail.
        let _ = write!(fields, " {}={}", words::one_line(name), words::clean(&value.replace('\n', " ")));
    }
    let at = paint(&words::moment(line.at), Tone::Faint, colour);
    let message = words::clean(&line.message.replace('\n', " "));
    output::line(&format!("{at} {level} {message}{}", paint(&fields, Tone::Faint, colour)))
}

fn show_event(event: &Value, json: bool) -> Result<(), Failure> {
    if json {
        return output::line(&event.to_string());
    }
    let colour = style::stdout();
    let at = paint(&words::moment(event["at"].as_i64().unwrap_or_default()), Tone::Faint, colour);
    let sandbox = words::one_line(event["sandbox"].as_str().unwrap_or_default());
    let body = words::clean(&words::shortened(&event["body"].to_string(), SHOWN));
    output::line(&format!("{at} {} {sandbox} {body}", paint("said ", Tone::Busy, colour)))
}

/// Reports of a run after a row, and the row of the last one.
async fn reports(api: &Api, run: &str, mut after: i64) -> Result<(Vec<Value>, i64), Failure> {
    let mut found = Vec::new();
    loop {
        let page = api.get::<Page<RunEvent>>(&format!("/api/v1/runs/{}/events?after={after}&limit=1000", part(run))).await?;
        found.extend(page.raw["items"].as_array().into_iter().flatten().cloned());
        after = page.value.items.last().map_or(after, |event| event.row);
        if page.value.next.is_none() {
            return Ok((found, after));
        }
    }
}

async fn is_over(api: &Api, run: &str) -> Result<bool, Failure> {
    let view = api.get::<RunDetail>(&format!("/api/v1/runs/{}", part(run))).await?.value.run;
    Ok(view.state == RunState::Finished)
}

async fn of_run(api: &Api, run: &str, since: Option<i64>, args: &LogsArgs) -> Result<ExitStatus, Failure> {
    let mut over = is_over(api, run).await?;
    let (mut story, mut after) = reports(api, run, 0).await?;
    story.retain(|event| since.is_none_or(|since| event["at"].as_i64() >= Some(since)));
    let denied = match Lines::open(api, Some(run), since, false).await {
        Ok(mut lines) => {
            while let Some(line) = lines.next().await? {
                story.push(line);
            }
            false
        }
        Err(error) if error.status == ExitStatus::Denied => {
            output::note("only what the run reported: the log itself needs a token of scope admin");
            true
        }
        Err(error) => return Err(error),
    };
    // Two sources in the order of their moments; what is of one moment stays as it came.
    story.sort_by_key(|entry| entry["at"].as_i64());
    let shown = story.iter().filter_map(|entry| entry["seq"].as_u64()).max().unwrap_or(0);
    for entry in &story {
        if entry["seq"].is_null() { show_event(entry, args.json)? } else { show_line(entry, args.json)? }
    }
    if !args.follow {
        return Ok(ExitStatus::Success);
    }
    let mut lines = if denied { None } else { Some(Lines::open(api, Some(run), since, true).await?) };
    let mut again = tokio::time::interval(AGAIN);
    loop {
        let line = async {
            match &mut lines {
                Some(lines) => lines.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What was said comes before what ends it.
            biased;
            line = line => match line? {
                Some(line) if line["seq"].as_u64() > Some(shown) => show_line(&line, args.json)?,
                Some(_) => {}
                None => return Err(Failure::new(format!("the service at {} ended the log", api.base())).status(ExitStatus::Unreachable)),
            },
            _ = again.tick() => {
                let was_over = over;
                over = is_over(api, run).await?;
                let (events, row) = reports(api, run, after).await?;
                after = row;
                for event in &events {
                    show_event(event, args.json)?;
                }
                // Once more after its end: its last words may have come in between.
                if was_over {
                    return Ok(ExitStatus::Success);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn since_is_a_length_or_a_moment() {
        assert_eq!(moment("90s", 1_000_000).unwrap(), 910_000);
        assert_eq!(moment("1970-01-01T00:00:05Z", 9).unwrap(), 5_000);
        for wrong in ["", "yesterday", "10", "-5m"] {
            assert!(moment(wrong, 0).is_err(), "{wrong}");
        }
    }
}
