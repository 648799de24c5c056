//! `strawboss run …`

use super::attach::{self, AttachArgs};
use crate::client::{Answer, Api, part};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use crate::terminal::filter::Filter;
use futures_util::StreamExt as _;
use reqwest::Method;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;
use strawboss_core::run::CheckResult;
use strawboss_core::{RunOutcome, RunState};
use strawboss_protocol::api::{AnswerQuestion, Page, RunDetail, RunEvent, RunView};

/// How long is waited before a broken stream is asked for again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often in a row, without a byte in between.
const TRIES: u32 = 20;

/// See, follow and stop runs
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(subcommand)]
    command: RunCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RunCommand {
    /// List runs, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  strawboss run list
  strawboss run list --task antenna-3
  strawboss run list --live"
    )]
    List {
        /// Only of this task
        #[arg(long, value_name = "TASK")]
        task: Option<String>,
        /// Only those that are not over
        #[arg(long)]
        live: bool,
        /// How many, at most
        #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a run with its evidence: summary, checks, what was refused, what it cost
    #[command(after_help = "Example:\n  strawboss run show antenna-3.1")]
    Show {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what a run's terminal showed
    #[command(after_help = "\
With --follow it goes on until the run is over, and ends with 0 only when the run succeeded.
On a terminal, sequences that could do more than show text (titles, clipboard, questions) are left out; --raw keeps them.

Examples:
  strawboss run logs antenna-3.1
  strawboss run logs --follow antenna-3.1 && strawboss review approve antenna-3
  strawboss run logs --events antenna-3.1 | jq .body")]
    Logs {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
        /// Go on until the run is over
        #[arg(long, short)]
        follow: bool,
        /// Leave nothing out
        #[arg(long, conflicts_with = "events")]
        raw: bool,
        /// Print what the run reported instead, one JSON object a line
        #[arg(long)]
        events: bool,
    },
    Attach(AttachArgs),
    /// Say a line to a run's agent
    #[command(after_help = "Example:\n  strawboss run say antenna-3.1 \"Leave the public interface as it is\"")]
    Say {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
        /// What; `-` reads it from standard input
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: String,
    },
    /// Answer what a run's agent asks
    #[command(after_help = "\
The run waits until its question is answered; `strawboss run show` says what it asks. One of the answers that it offers is given
by its words, and any other may be given.

Examples:
  strawboss run answer antenna-3.1 \"Keep the old name\"
  strawboss run answer antenna-3.1 --question 2 - <answer.txt")]
    Answer {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
        /// The answer; `-` reads it from standard input
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: String,
        /// The question that is meant, by its number; refused if it is open no more. Without it: whatever is asked now
        #[arg(long, value_name = "NUMBER")]
        question: Option<u32>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a run changed
    Diff {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop a run: its work is saved, its task paused
    Stop {
        /// The run's id
        #[arg(value_name = "RUN")]
        run: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what `run` says.
pub(crate) async fn run(args: RunArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    match args.command {
        RunCommand::List { task, live, limit, json } => list(&api, task.as_deref(), live, limit, json).await,
        RunCommand::Show { run, json } => {
            let answer = detail(&api, &run).await?;
            if json {
                output::json(&answer.raw)?;
            } else {
                output::print(&described(&answer.value))?;
            }
            Ok(ExitStatus::Success)
        }
        RunCommand::Logs { run, follow, events: true, .. } => events(&api, &run, follow).await,
        RunCommand::Logs { run, follow, raw, .. } => logs(&api, context, &run, follow, raw).await,
        RunCommand::Attach(args) => attach::run(args, &api, context).await,
        RunCommand::Say { run, text } => {
            let say = strawboss_protocol::api::Say { text: super::task::text_or_stdin(text)? };
            let body = serde_json::to_value(say).map_err(|error| Failure::new(error.to_string()))?;
            api.send(Method::POST, &format!("/api/v1/runs/{}/say", part(&run)), Some(body)).await?;
            output::note("said");
            Ok(ExitStatus::Success)
        }
        RunCommand::Answer { run, text, question, json } => answer(&api, &run, text, question, json).await,
        RunCommand::Diff { run, json } => {
            super::review::diff(&api, &format!("/api/v1/runs/{}/diff", part(&run)), false, json).await
        }
        RunCommand::Stop { run, json } => {
            let answer = api.post::<RunDetail>(&format!("/api/v1/runs/{}/stop", part(&run)), None::<&()>).await?;
            if json {
                output::json(&answer.raw)?;
            } else {
                output::line(&format!("{} is being stopped; its work is saved", answer.value.run.id))?;
            }
            Ok(ExitStatus::Success)
        }
    }
}

async fn answer(api: &Api, run: &str, text: String, question: Option<u32>, json: bool) -> Result<ExitStatus, Failure> {
    let text = super::task::text_or_stdin(text)?;
    let question = match question {
        Some(question) => question,
        None => detail(api, run).await?.value.run.question.map(|asked| asked.number).ok_or_else(|| {
            Failure::new(format!("the agent of {run} asks nothing now"))
                .fix(format!("Say something to it with `strawboss run say {run} \"…\"`."))
                .status(ExitStatus::Conflict)
        })?,
    };
    let path = format!("/api/v1/runs/{}/answer", part(run));
    let answered = api.post::<RunView>(&path, Some(&AnswerQuestion { question, text })).await?;
    if json {
        output::json(&answered.raw)?;
    } else {
        output::line(&format!("question {question} of {} is answered; it goes on", answered.value.id))?;
    }
    Ok(ExitStatus::Success)
}

/// A run with its evidence.
pub(super) async fn detail(api: &Api, run: &str) -> Result<Answer<RunDetail>, Failure> {
    api.get::<RunDetail>(&format!("/api/v1/runs/{}", part(run))).await
}

async fn list(api: &Api, task: Option<&str>, live: bool, limit: u32, json: bool) -> Result<ExitStatus, Failure> {
    let task = task.map(|task| format!("&task={}", part(task))).unwrap_or_default();
    let asked = if live { 1000 } else { limit };
    let answer = api.get::<Vec<RunView>>(&format!("/api/v1/runs?limit={asked}{task}")).await?;
    let wanted = |run: &RunView| !live || run.state != RunState::Finished;
    if json {
        let raw = answer.raw.as_array().cloned().unwrap_or_default();
        let chosen: Vec<_> =
            raw.into_iter().zip(&answer.value).filter(|(_, run)| wanted(run)).map(|(raw, _)| raw).take(limit as usize).collect();
        output::json(&chosen)?;
        return Ok(ExitStatus::Success);
    }
    let now = words::now();
    let mut table = Table::new(&["RUN", "STATE", "AGENT", "CHECKS", "USED", "TOOK", "STARTED"]);
    for run in answer.value.iter().filter(|run| wanted(run)).take(limit as usize) {
        let (word, tone) = words::run_word(run.state, run.outcome);
        let checks = match run.green {
            Some(true) => cell("green", Tone::Good),
            Some(false) => cell("red", Tone::Bad),
            None => plain("-"),
        };
        let took =
            run.started_at.map(|from| words::span(run.finished_at.unwrap_or(now).saturating_sub(from))).unwrap_or_default();
        let agent = match &run.model {
            Some(model) => format!("{} ({})", run.agent, words::one_line(model)),
            None => run.agent.clone(),
        };
        table.row(vec![
            cell(run.id.clone(), Tone::Strong),
            cell(word, tone),
            plain(agent),
            checks,
            plain(words::usage(&run.usage)),
            plain(took),
            cell(words::ago(run.created_at, now), Tone::Faint),
        ]);
    }
    output::line(&table.finish(if live { "No run is live." } else { "There has been no run yet." }))?;
    Ok(ExitStatus::Success)
}

/// A check in one line, and the end of its output when it is red.
pub(super) fn checked(check: &CheckResult, colour: bool) -> String {
    let (mark, tone) = if check.passed() { ("green", Tone::Good) } else { ("red", Tone::Bad) };
    let took = words::span(i64::try_from(check.duration_ms).unwrap_or(i64::MAX));
    let mut text = format!("{} {} ({took})", paint(mark, tone, colour), words::one_line(&check.command));
    if !check.passed() {
        let code =
            check.exit_code.map_or_else(|| "ended by a signal or the time limit".to_owned(), |code| format!("exit code {code}"));
        let _ = write!(text, ", {code}");
        let tail = words::clean(check.output_tail.trim_end());
        let lines: Vec<&str> = tail.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(20)) {
            let _ = write!(text, "\n  {}", paint(line, Tone::Faint, colour));
        }
    }
    text
}

/// A run in full.
pub(super) fn described(detail: &RunDetail) -> String {
    let colour = style::stdout();
    let now = words::now();
    let run = &detail.run;
    let entry = |name: &str, value: &str| words::entry(name, &words::clean(value), colour);
    let (word, tone) = words::run_word(run.state, run.outcome);
    let mut text = format!("{} {}\n", paint(&run.id, Tone::Strong, colour), paint(word, tone, colour));
    text.push_str(&entry("why", run.outcome_detail.as_deref().or(run.waiting_for.as_deref()).unwrap_or_default()));
    if let Some(asked) = &run.question {
        text.push_str(&entry("asks", &words::question(asked)));
        text.push_str(&entry("answer", &format!("strawboss run answer {} \"…\"", run.id)));
    }
    text.push_str(&entry("progress", &run.progress.as_ref().map(|said| words::progress(said, now)).unwrap_or_default()));
    text.push_str(&entry("task", &run.task));
    text.push_str(&entry("project", &run.project));
    text.push_str(&entry("agent", &run.agent));
    text.push_str(&entry("model", run.model.as_deref().unwrap_or_default()));
    text.push_str(&entry("branch", &format!("{} → {}", run.branch, run.target)));
    text.push_str(&entry("commits", &commits(detail)));
    text.push_str(&entry("saved in", detail.saved_ref.as_deref().unwrap_or_default()));
    text.push_str(&entry("resumes", detail.resumes.as_deref().unwrap_or_default()));
    text.push_str(&entry("made", &words::at(run.created_at, now)));
    if let Some(started) = run.started_at {
        let took = words::span(run.finished_at.unwrap_or(now).saturating_sub(started));
        text.push_str(&entry("took", &if run.finished_at.is_some() { took } else { format!("{took} so far") }));
    }
    if run.state != RunState::Finished {
        text.push_str(&entry("last heard", &run.heard_at.map_or_else(|| "never".to_owned(), |at| words::at(at, now))));
    }
    if let Some(load) = &detail.load {
        let mut parts = Vec::new();
        parts.extend(load.memory_bytes.map(|bytes| format!("{} memory", words::size(bytes))));
        parts.extend(load.disk_bytes.map(|bytes| format!("{} disk", words::size(bytes))));
        parts.extend(load.processes.map(|count| format!("{count} processes")));
        text.push_str(&entry("load", &parts.join(", ")));
    }
    text.push_str(&entry("used", &words::usage(&run.usage)));
    text.push_str(&entry("merged as", detail.merged_commit.as_deref().unwrap_or_default()));
    text.push_str(&entry("not merged", detail.merge_problem.as_deref().unwrap_or_default()));
    for (what, removed) in [("recording", detail.recording_removed_at), ("reports", detail.reports_removed_at)] {
        text.push_str(&entry(what, &removed.map(removed_on).unwrap_or_default()));
    }
    for phase in &detail.phases_done {
        text.push_str(&entry(
            "also does",
            &format!("phase {}: {} (its agent says; completed when this work is accepted)", phase.phase, phase.title),
        ));
    }
    for asked in &detail.questions {
        if let Some(given) = &asked.answer {
            let told = if given.told_at.is_some() { "" } else { " (not seen to have arrived yet)" };
            let said = format!("{}\n→ {}: {}{told}", asked.text, given.by, given.text);
            text.push_str(&entry("asked", &said));
        }
    }
    for check in &detail.checks {
        text.push_str(&words::entry("check", &checked(check, colour), colour));
    }
    for refusal in &detail.refusals {
        let times = if refusal.count > 1 { format!(" ({} times)", refusal.count) } else { String::new() };
        let name = if refusal.known_probe { "probe refused" } else { "refused" };
        text.push_str(&entry(name, &format!("{}{times}: {}", refusal.target, refusal.reason)));
    }
    text.push_str(&entry("summary", detail.summary.as_deref().unwrap_or_default().trim_end()));
    text
}

/// Says why there is nothing to see any more.
fn removed_on(at: i64) -> String {
    format!("removed by retention on {}", words::moment(at))
}

fn commits(detail: &RunDetail) -> String {
    let short = |commit: &str| commit.chars().take(12).collect::<String>();
    match (&detail.base_commit, &detail.head_commit) {
        (Some(base), Some(head)) => format!("{}..{}", short(base), short(head)),
        (Some(base), None) => format!("from {}", short(base)),
        _ => String::new(),
    }
}

/// How a run ended, as an exit code.
fn outcome_status(outcome: Option<RunOutcome>) -> ExitStatus {
    if outcome == Some(RunOutcome::Succeeded) { ExitStatus::Success } else { ExitStatus::Failure }
}

async fn outcome(api: &Api, run: &str) -> Result<Option<Option<RunOutcome>>, Failure> {
    let view = detail(api, run).await?.value.run;
    Ok((view.state == RunState::Finished).then_some(view.outcome))
}

async fn logs(api: &Api, context: &Context, run: &str, follow: bool, raw: bool) -> Result<ExitStatus, Failure> {
    let mut filter = (std::io::stdout().is_terminal() && !raw).then(Filter::default);
    let mut offset = 0_u64;
    let mut tries = 0;
    loop {
        let api = &api.again(context);
        let over = outcome(api, run).await;
        let path = format!("/api/v1/runs/{}/terminal?from={offset}&follow={follow}", part(run));
        let ended = match api.send(Method::GET, &path, None).await {
            Ok(answer) => {
                let first = answer.headers().get("x-strawboss-offset").and_then(|value| value.to_str().ok()?.parse().ok());
                if let Some(first) = first.filter(|first| *first > offset) {
                    output::note(&format!("({} are no longer kept)", words::size(first - offset)));
                    offset = first;
                }
                let mut stream = answer.bytes_stream();
                let mut ended = true;
                while let Some(chunk) = stream.next().await {
                    let Ok(chunk) = chunk else {
                        ended = false;
                        break;
                    };
                    tries = 0;
                    offset += chunk.len() as u64;
                    match &mut filter {
                        Some(filter) => output::bytes(&filter.pass(&chunk))?,
                        None => output::bytes(&chunk)?,
                    }
                }
                ended
            }
            Err(error) if offset > 0 && error.status == ExitStatus::Unreachable => false,
            Err(error) => return Err(error),
        };
        match (ended, over) {
            (true, _) if !follow => {
                if offset == 0
                    && let Some(at) = detail(api, run).await?.value.recording_removed_at
                {
                    output::note(&format!("the recording of {run} was {}", removed_on(at)));
                }
                return Ok(ExitStatus::Success);
            }
            // What was over before the last look had nothing more to say.
            (true, Ok(Some(outcome))) => {
                output::note(&format!("{run} {}", outcome.map_or("finished", RunOutcome::word)));
                return Ok(outcome_status(outcome));
            }
            (true, Ok(None)) => tries = 0,
            _ => tries += 1,
        }
        if tries > TRIES {
            return Err(Failure::new(format!("the terminal of {run} broke off, and the service does not come back"))
                .fix("`strawboss status` says how it is; the run itself goes on without it.")
                .status(ExitStatus::Unreachable));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn events(api: &Api, run: &str, follow: bool) -> Result<ExitStatus, Failure> {
    let mut after = 0;
    loop {
        let over = outcome(api, run).await?;
        loop {
            let page = api.get::<Page<RunEvent>>(&format!("/api/v1/runs/{}/events?after={after}&limit=1000", part(run))).await?;
            for event in page.raw["items"].as_array().into_iter().flatten() {
                output::line(&event.to_string())?;
            }
            after = page.value.items.last().map_or(after, |event| event.row);
            if page.value.next.is_none() {
                break;
            }
        }
        match over {
            _ if !follow => {
                if after == 0
                    && let Some(at) = detail(api, run).await?.value.reports_removed_at
                {
                    output::note(&format!("the reports of {run} were {}", removed_on(at)));
                }
                return Ok(ExitStatus::Success);
            }
            Some(outcome) => return Ok(outcome_status(outcome)),
            None => tokio::time::sleep(AGAIN).await,
        }
    }
}
