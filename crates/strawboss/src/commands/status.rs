//! `strawboss status`: how the service is. It is the containers' health check too.

use crate::client::Api;
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::{self, words};
use std::fmt::Write as _;
use strawboss_protocol::api::{PartState, PartView, StatusView};

/// Show how the service is; ends with 0 only when it is healthy
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Healthy means: the service answers, and so do its store, engine, gateway and runner, each shown with since when it is so. A backlog that cannot be read is shown, but makes
nothing unhealthy: everything else goes on. Exit codes: 0 healthy, 1 not healthy, 3 no answer, 4 no token.

As a container's health check:
  HEALTHCHECK CMD [\"strawboss\", \"status\", \"--quiet\"]")]
pub(crate) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print nothing: only the exit code counts. Needs no token
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
}

/// Asks and says.
pub(crate) async fn run(args: StatusArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    if args.quiet {
        let ready = api.asked("/ready").await?.is_success();
        return Ok(if ready { ExitStatus::Success } else { ExitStatus::Failure });
    }
    // Has the service look now: what is shown is then what a health check would find.
    api.asked("/ready").await?;
    let answer = api.get::<StatusView>("/api/v1/status").await?;
    let status = &answer.value;
    if args.json {
        output::json(&answer.raw)?;
    } else {
        output::print(&described(status, api.base()))?;
    }
    Ok(if status.is_healthy() { ExitStatus::Success } else { ExitStatus::Failure })
}

fn part(part: &PartView, now: i64, colour: bool) -> String {
    let (word, tone) = match part.state {
        PartState::Ok => ("ok", Tone::Good),
        PartState::Failing => ("failing", Tone::Bad),
        PartState::Unknown => ("unknown", Tone::Doubt),
    };
    let name = words::one_line(&part.name);
    let seen = part.observed_at.map_or_else(String::new, |at| format!(", seen {}", words::ago(at, now)));
    format!("{name} {} ({}; since {}{seen})", paint(word, tone, colour), words::clean(&part.detail), words::ago(part.since, now))
}

fn described(status: &StatusView, base: &str) -> String {
    let colour = style::stdout();
    let now = words::now();
    let entry = |name: &str, value: &str| words::entry(name, value, colour);
    let mut text = String::new();
    let healthy = status.is_healthy();
    let word = if healthy { paint("healthy", Tone::Good, colour) } else { paint("not healthy", Tone::Bad, colour) };
    let _ = writeln!(text, "{} {word}", paint("Strawboss", Tone::Strong, colour));
    text.push_str(&entry("version", &words::one_line(&status.version)));
    text.push_str(&entry("address", base));
    text.push_str(&entry("started", &words::at(status.started_at, now)));
    for (name, view) in status.parts() {
        text.push_str(&entry(name, &part(view, now, colour)));
    }
    text.push_str(&entry("runs", &format!("{} live of {}", status.live_runs, status.slots)));
    for run in &status.asking {
        let run = words::one_line(run);
        let asks = format!("{run} waits for an answer: `strawboss run show {run}`");
        text.push_str(&entry("asked", &paint(&asks, Tone::Doubt, colour)));
    }
    let tasks: Vec<String> =
        status.tasks.iter().filter(|count| count.count > 0).map(|count| format!("{} {}", count.count, count.state)).collect();
    text.push_str(&entry("tasks", &if tasks.is_empty() { "none".to_owned() } else { tasks.join(", ") }));
    if status.outbox_waiting > 0 {
        let waiting = format!("{} write-backs have not landed yet", status.outbox_waiting);
        text.push_str(&entry("outbox", &paint(&waiting, Tone::Doubt, colour)));
    }
    if let Some(paused) = &status.paused {
        text.push_str(&entry("paused", &paint(&words::clean(paused), Tone::Doubt, colour)));
    }
    for source in &status.sources {
        let seen =
            source.looked_at.map_or_else(|| "never looked at".to_owned(), |at| format!("looked at {}", words::ago(at, now)));
        let readable = if source.readable { paint("ok", Tone::Good, colour) } else { paint("cannot be read", Tone::Bad, colour) };
        let since = source.since.map(|at| format!(" since {}", words::at(at, now))).unwrap_or_default();
        let mut value = format!("{} {readable}{since} ({} rows, {seen})", words::one_line(&source.name), source.items);
        for problem in &source.problems {
            let _ = write!(value, "\n{}", paint(&words::clean(&problem.message), Tone::Doubt, colour));
        }
        text.push_str(&entry("backlog", &value));
    }
    text
}
