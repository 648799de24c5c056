//! What is in the plan file: `list`, `show`, `next`, `tree`, `lint`.

use super::{book, chosen, failed};
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use serde_json::{Value, json};
use std::path::Path;
use strawboss_backlog::plan::{self, Phase, Plan, PlanError, commands};

/// How many commands `next` shows.
const FIRST: usize = 3;

/// List open plans
#[derive(Debug, clap::Args)]
#[command(visible_alias = "ls", after_help = "Example:\n  strawboss plan list --all --json")]
pub(crate) struct ListArgs {
    /// Also those that are completed or archived
    #[arg(long)]
    all: bool,
    /// Print JSON; times are as they are written in the file
    #[arg(long)]
    json: bool,
}

/// Show a plan with all that its phases say
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  strawboss plan show move_2026")]
pub(crate) struct ShowArgs {
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show how far plans are, and the next open phase of each with its note and first commands
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  strawboss plan next\n  strawboss plan next move_2026 --json")]
pub(crate) struct NextArgs {
    /// One plan; without it, every open one
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show a plan's phases, each with its note and its commands by line
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A phase stands as `[✔] 0. title` or `[✗] 0. title`. An unknown id ends with exit code 2.

Example:
  strawboss plan tree move_2026")]
pub(crate) struct TreeArgs {
    /// The plan's id
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Say what is wrong or doubtful in the plan file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Errors keep a plan or a phase from being used: ids that stand twice, phases without a text. Warnings: phase 0 is not first,
no IMPORTANT NOTE, numbers or work out of order, blocks and commands that never end, a first block that is no commands, text
in the wrong encoding. Ends with exit code 1 when there is an error, or, with --strict, anything.

Example:
  strawboss plan lint --strict")]
pub(crate) struct LintArgs {
    /// One plan alone
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// End with exit code 1 for warnings, too
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What programs are told of a phase.
fn phase_json(at: usize, phase: &Phase) -> Value {
    let read = phase.read();
    let first = read.blocks.first();
    let lines: Vec<Value> = first
        .map(|block| commands(&block.lines))
        .unwrap_or_default()
        .into_iter()
        .map(|command| json!({ "line": command.line, "last": command.last, "text": command.text }))
        .collect();
    json!({
        "index": at,
        "title": read.title,
        "done": phase.done,
        "note": read.note,
        "commands": if first.is_some_and(plan::Block::is_shell) { lines } else { Vec::new() },
        "blocks": read.blocks.iter().map(|block| json!({ "language": block.language, "lines": block.lines })).collect::<Vec<_>>(),
        "text": phase.text,
        "strawboss": phase.ours.as_ref().map(|ours| json!({ "status": ours.status, "agent": ours.agent, "at": ours.at })),
        "line": phase.line,
        "problem": phase.flaw,
    })
}

fn plan_json(plan: &Plan) -> Value {
    json!({
        "id": plan.id,
        "description": plan.description,
        "status": plan.status,
        "open": plan.is_open(),
        "created": plan.created,
        "updated": plan.updated,
        "project": plan.wants.project,
        "phases": plan.phases.len(),
        "done": plan.done(),
        "next": plan.next().map(|at| json!({ "index": at, "title": plan.phases[at].read().title })),
        "line": plan.line,
        "problem": plan.flaw,
    })
}

fn whole_json(plan: &Plan) -> Value {
    let mut value = plan_json(plan);
    value["phases"] = plan.phases.iter().enumerate().map(|(at, phase)| phase_json(at, phase)).collect();
    value
}

/// `list`
pub(super) fn list(file: &Path, args: &ListArgs) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    let plans = book.plans.iter().filter(|plan| args.all || plan.is_open());
    if args.json {
        output::json(&plans.map(plan_json).collect::<Vec<_>>())?;
        return Ok(ExitStatus::Success);
    }
    let mut table = Table::new(&["ID", "STATUS", "DONE", "NEXT", "DESCRIPTION"]);
    for plan in plans {
        let next = match (&plan.flaw, plan.next()) {
            (Some(flaw), _) => cell(words::clean(flaw), Tone::Bad),
            (None, Some(at)) => plain(format!("{at}. {}", words::one_line(plan.phases[at].read().title))),
            (None, None) => cell("nothing is left", Tone::Good),
        };
        table.row(vec![
            cell(words::one_line(&plan.id), Tone::Strong),
            plain(words::one_line(&plan.status)),
            plain(format!("{}/{}", plan.done(), plan.phases.len())),
            next,
            cell(words::shortened(&words::one_line(&plan.description), 60), Tone::Faint),
        ]);
    }
    output::line(&table.finish("No plan is open. `strawboss plan new DESCRIPTION` begins one, `--all` shows closed ones."))?;
    Ok(ExitStatus::Success)
}

fn heading(plan: &Plan, colour: bool) -> String {
    let mut text = format!("{}\n", paint(&words::one_line(&plan.id), Tone::Strong, colour));
    let entry = |name: &str, value: &str| words::entry(name, &words::clean(value), colour);
    text.push_str(&entry("problem", plan.flaw.as_deref().unwrap_or_default()));
    text.push_str(&entry("description", &plan.description));
    text.push_str(&entry("status", &plan.status));
    text.push_str(&entry("project", plan.wants.project.as_deref().unwrap_or_default()));
    text.push_str(&entry("created", plan.created.as_deref().unwrap_or_default()));
    text.push_str(&entry("updated", plan.updated.as_deref().unwrap_or_default()));
    text.push_str(&entry("done", &format!("{} of {}", plan.done(), plan.phases.len())));
    text
}

/// `[✔] 0. title`
fn line(at: usize, phase: &Phase, colour: bool) -> String {
    let mark = if phase.done { paint("[✔]", Tone::Good, colour) } else { paint("[✗]", Tone::Doubt, colour) };
    let title = phase.flaw.as_deref().unwrap_or_else(|| phase.read().title);
    format!("{mark} {at}. {}\n", words::one_line(title))
}

fn indented(text: &str) -> String {
    words::clean(text).lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("      {line}\n") }).collect()
}

/// `show`
pub(super) fn show(file: &Path, args: &ShowArgs) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    let (_, plan) = book.plan(&args.id).map_err(failed(file))?;
    if args.json {
        output::json(&whole_json(plan))?;
        return Ok(ExitStatus::Success);
    }
    let colour = style::stdout();
    let mut text = heading(plan, colour);
    for (at, phase) in plan.phases.iter().enumerate() {
        text.push('\n');
        text.push_str(&line(at, phase, colour));
        if let Some(ours) = &phase.ours {
            let said = [ours.status.as_str(), &ours.agent, &ours.at].join("  ");
            text.push_str(&format!("      {}\n", paint(&words::one_line(&said), Tone::Busy, colour)));
        }
        let body = phase.text.trim_start().split_once('\n').map_or("", |(_, body)| body.trim_end());
        text.push_str(&indented(body));
    }
    output::print(&text)?;
    Ok(ExitStatus::Success)
}

/// The note and the commands of a phase, as many as asked for.
fn details(phase: &Phase, most: usize, colour: bool) -> String {
    let read = phase.read();
    let mut text = String::new();
    if let Some(note) = read.note.filter(|note| !note.is_empty()) {
        text.push_str(&format!("      {}\n", paint("IMPORTANT NOTE", Tone::Doubt, colour)));
        text.push_str(&indented(&note));
    }
    let Some(block) = read.blocks.first().filter(|block| block.is_shell()) else { return text };
    let all = commands(&block.lines);
    for command in all.iter().take(most) {
        let number = paint(&format!("{:>6}", command.line), Tone::Faint, colour);
        let lines = words::clean(&command.text).replace('\n', "\n        ");
        text.push_str(&format!("{number}  {lines}\n"));
    }
    if all.len() > most {
        text.push_str(&format!("        … {} more\n", all.len() - most));
    }
    text
}

/// `next`
pub(super) fn next(file: &Path, args: &NextArgs) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    let plans: Vec<&Plan> = match &args.id {
        Some(id) => vec![chosen(file, &book, Some(id))?.1],
        None => book.plans.iter().filter(|plan| plan.is_open()).collect(),
    };
    if args.json {
        let told = plans.iter().map(|plan| {
            let mut value = plan_json(plan);
            value["next"] = plan.next().map_or(Value::Null, |at| phase_json(at, &plan.phases[at]));
            value
        });
        output::json(&told.collect::<Vec<_>>())?;
        return Ok(ExitStatus::Success);
    }
    if plans.is_empty() {
        output::line("No plan is open. `strawboss plan new DESCRIPTION` begins one.")?;
    }
    let colour = style::stdout();
    for plan in plans {
        let mut text = format!(
            "{}  {} of {} done\n",
            paint(&words::one_line(&plan.id), Tone::Strong, colour),
            plan.done(),
            plan.phases.len()
        );
        if let Some(at) = plan.next() {
            let phase = &plan.phases[at];
            text.push_str(&line(at, phase, colour));
            text.push_str(&details(phase, FIRST, colour));
        } else {
            text.push_str("nothing is left: `strawboss plan archive` puts it away\n");
        }
        output::print(&text)?;
    }
    Ok(ExitStatus::Success)
}

/// `tree`
pub(super) fn tree(file: &Path, args: &TreeArgs) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    let (_, plan) = book.plan(&args.id).map_err(|error| {
        let unknown = matches!(error, PlanError::NoPlan { .. });
        let failure = failed(file)(error);
        // What scripts know of the program that this one takes the place of.
        if unknown { failure.status(ExitStatus::Usage) } else { failure }
    })?;
    if args.json {
        output::json(&whole_json(plan))?;
        return Ok(ExitStatus::Success);
    }
    let colour = style::stdout();
    let title = if plan.description.is_empty() { String::new() } else { format!(": {}", words::one_line(&plan.description)) };
    let mut text = format!("{}{title}\n", paint(&words::one_line(&plan.id), Tone::Strong, colour));
    for (at, phase) in plan.phases.iter().enumerate() {
        text.push_str(&line(at, phase, colour));
        text.push_str(&details(phase, usize::MAX, colour));
    }
    output::print(&text)?;
    Ok(ExitStatus::Success)
}

/// `lint`
pub(super) fn lint(file: &Path, args: &LintArgs) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    if let Some(id) = &args.id {
        book.plan(id).map_err(failed(file))?;
    }
    let mut found = plan::lint(&book);
    found.retain(|finding| args.id.as_ref().is_none_or(|id| finding.plan == *id));
    let errors = found.iter().filter(|finding| finding.error).count();
    let failed = errors > 0 || (args.strict && !found.is_empty());
    let status = if failed { ExitStatus::Failure } else { ExitStatus::Success };
    if args.json {
        let told = found.iter().map(|finding| {
            json!({
                "plan": finding.plan,
                "phase": finding.phase,
                "line": finding.line,
                "severity": if finding.error { "error" } else { "warning" },
                "message": finding.message,
                "fix": finding.fix,
            })
        });
        output::json(&told.collect::<Vec<_>>())?;
        return Ok(status);
    }
    let colour = style::stdout();
    let mut text = String::new();
    for finding in &found {
        let (word, tone) = if finding.error { ("error", Tone::Bad) } else { ("warning", Tone::Doubt) };
        let phase = finding.phase.map_or_else(String::new, |at| format!(" phase {at}"));
        let place = format!("{}:{}: {}{phase}", file.display(), finding.line, finding.plan);
        text.push_str(&format!(
            "{}: {}: {}. {}\n",
            paint(word, tone, colour),
            words::one_line(&place),
            words::clean(&finding.message),
            paint(&words::clean(&finding.fix), Tone::Faint, colour)
        ));
    }
    if found.is_empty() {
        text = format!("{} is good\n", file.display());
    }
    output::print(&text)?;
    Ok(status)
}
