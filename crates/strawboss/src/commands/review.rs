//! `strawboss review …`

use super::run;
use crate::client::{Answer, Api, part};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use std::fmt::Write as _;
use strawboss_core::TaskState;
use strawboss_protocol::api::{DiffStat, DiffView, Reject, ReviewView, TaskView};

/// Decide on finished work
#[derive(Debug, clap::Args)]
pub(crate) struct ReviewArgs {
    #[command(subcommand)]
    command: ReviewCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ReviewCommand {
    /// List what waits for a decision
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the evidence: checks, summary, diff in numbers, cost
    #[command(after_help = "Example:\n  strawboss review show antenna-3")]
    Show {
        /// The task's key
        #[arg(value_name = "TASK")]
        task: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what was changed
    #[command(after_help = "\
Examples:
  strawboss review diff antenna-3 | less -R
  strawboss review diff antenna-3 | git apply --stat")]
    Diff {
        /// The task's key
        #[arg(value_name = "TASK")]
        task: String,
        /// Only which files, in numbers
        #[arg(long)]
        stat: bool,
        /// Print JSON
        #[arg(long, conflicts_with = "stat")]
        json: bool,
    },
    /// Accept the work: it is merged into the target branch
    #[command(after_help = "\
It ends with 0 when the work is merged, and with 6 when it could not land (a conflict, a dirty checkout): the work stays in
review, and the reason says what to do.")]
    Approve {
        /// The task's key
        #[arg(value_name = "TASK")]
        task: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send the work back with a comment, or discard it
    #[command(after_help = "\
Examples:
  strawboss review reject antenna-3 -m \"The test must fail without the change\"
  strawboss review reject antenna-3 --discard")]
    Reject {
        /// The task's key
        #[arg(value_name = "TASK")]
        task: String,
        /// What the agent shall do; `-` reads it from standard input. Branch and session go on
        #[arg(
            long,
            short,
            value_name = "TEXT",
            allow_hyphen_values = true,
            required_unless_present = "discard",
            conflicts_with = "discard"
        )]
        message: Option<String>,
        /// Drop the work and cancel the task; the branch stays in the mirror
        #[arg(long)]
        discard: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what `review` says.
pub(crate) async fn run(args: ReviewArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    let path = |task: &str, step: &str| format!("/api/v1/reviews/{}{step}", part(task));
    match args.command {
        ReviewCommand::List { json } => list(&api, json).await,
        ReviewCommand::Show { task, json } => {
            let answer = api.get::<ReviewView>(&path(&task, "")).await?;
            if json {
                output::json(&answer.raw)?;
            } else {
                output::print(&described(&answer.value))?;
            }
            Ok(ExitStatus::Success)
        }
        ReviewCommand::Diff { task, stat, json } => diff(&api, &path(&task, "/diff"), stat, json).await,
        ReviewCommand::Approve { task, json } => {
            let answer = api.post::<TaskView>(&path(&task, "/approve"), None::<&()>).await?;
            approved(&api, &answer, json).await
        }
        ReviewCommand::Reject { task, message, discard: _, json } => {
            let comment = message.map(super::task::text_or_stdin).transpose()?;
            let answer = api.post::<TaskView>(&path(&task, "/reject"), Some(&Reject { comment })).await?;
            if json {
                output::json(&answer.raw)?;
            } else {
                let task = &answer.value;
                output::line(&format!(
                    "{} {}",
                    task.id,
                    paint(task.state.word(), words::task_tone(task.state), style::stdout())
                ))?;
            }
            Ok(ExitStatus::Success)
        }
    }
}

/// What became of an approval: merged, still being merged, or not.
async fn approved(api: &Api, answer: &Answer<TaskView>, json: bool) -> Result<ExitStatus, Failure> {
    let task = &answer.value;
    let problem = match &task.run {
        Some(run) if task.state == TaskState::Review => run::detail(api, &run.id).await?.value.merge_problem,
        _ => None,
    };
    if json {
        output::json(&answer.raw)?;
    }
    match (task.state, problem) {
        (TaskState::Done, _) => {
            let target = task.run.as_ref().map(|run| format!(" into {}", words::one_line(&run.target))).unwrap_or_default();
            if !json {
                output::line(&format!("{} {}: merged{target}", task.id, paint("done", Tone::Good, style::stdout())))?;
            }
            Ok(ExitStatus::Success)
        }
        (TaskState::Review, Some(problem)) => {
            Err(Failure::new(format!("{} is approved but not merged: {}", task.id, words::clean(&problem)))
                .fix(format!("Mend that, then approve again; or send it back with `strawboss review reject {} -m …`.", task.id))
                .status(ExitStatus::Conflict))
        }
        _ => {
            if !json {
                output::line(&format!("{} is being merged; `strawboss task show {}` says when it is done", task.id, task.id))?;
            }
            Ok(ExitStatus::Success)
        }
    }
}

fn numbers(stat: &DiffStat, colour: bool) -> String {
    let files = if stat.files == 1 { "1 file".to_owned() } else { format!("{} files", stat.files) };
    let added = paint(&format!("+{}", stat.added), Tone::Good, colour);
    let removed = paint(&format!("-{}", stat.removed), Tone::Bad, colour);
    format!("{files} {added} {removed}")
}

async fn list(api: &Api, json: bool) -> Result<ExitStatus, Failure> {
    let answer = api.get::<Vec<ReviewView>>("/api/v1/reviews").await?;
    if json {
        output::json(&answer.raw)?;
        return Ok(ExitStatus::Success);
    }
    let now = words::now();
    let mut table = Table::new(&["TASK", "CHECKS", "CHANGE", "PROJECT", "ACTION", "WAITS SINCE"]);
    for review in &answer.value {
        let checks = match (review.evidence.run.green, review.evidence.checks.len()) {
            (Some(true), 0) => cell("none", Tone::Doubt),
            (Some(true), _) => cell("green", Tone::Good),
            (Some(false), _) => cell("red", Tone::Bad),
            (None, _) => cell("not run", Tone::Doubt),
        };
        table.row(vec![
            cell(review.task.id.clone(), Tone::Strong),
            checks,
            plain(numbers(&review.stat, false)),
            plain(words::one_line(&review.task.project)),
            plain(words::shortened(&words::one_line(&review.task.action), 200)),
            cell(words::ago(review.task.updated_at, now), Tone::Faint),
        ]);
    }
    output::line(&table.finish("Nothing waits for a decision."))?;
    Ok(ExitStatus::Success)
}

fn described(review: &ReviewView) -> String {
    let colour = style::stdout();
    let task = &review.task;
    let mut text = String::new();
    let _ = writeln!(text, "{} {}", paint(&task.id, Tone::Strong, colour), words::one_line(&task.action));
    text.push_str(&words::entry("change", &numbers(&review.stat, colour), colour));
    text.push_str(&run::described(&review.evidence));
    if task.state == TaskState::Review {
        let _ = write!(
            text,
            "\n{}\n  strawboss review diff {id}\n  strawboss review approve {id}\n  strawboss review reject {id} -m \"…\"\n",
            paint("Decide:", Tone::Faint, colour),
            id = task.id
        );
    }
    text
}

/// Prints a diff: as it is for programs, coloured on a terminal.
pub(super) async fn diff(api: &Api, path: &str, stat: bool, json: bool) -> Result<ExitStatus, Failure> {
    let answer = api.get::<DiffView>(path).await?;
    let colour = style::stdout();
    if json {
        output::json(&answer.raw)?;
    } else if stat {
        output::print(&files(&answer.value.patch, colour))?;
        output::line(&numbers(&answer.value.stat, colour))?;
    } else if colour {
        output::print(&painted(&answer.value.patch))?;
    } else {
        use std::io::IsTerminal as _;
        let patch = &answer.value.patch;
        output::print(&if std::io::stdout().is_terminal() { words::clean(patch) } else { patch.clone() })?;
    }
    if answer.value.truncated {
        output::note("(the diff is longer than is shown: look at the branch itself)");
    }
    Ok(ExitStatus::Success)
}

/// A patch in colours, with nothing else in it that a terminal obeys.
fn painted(patch: &str) -> String {
    let mut text = String::with_capacity(patch.len() + patch.len() / 8);
    for line in words::clean(patch).split_inclusive('\n') {
        let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
        let tone = match body.as_bytes().first() {
            _ if body.starts_with("+++") || body.starts_with("---") || body.starts_with("diff ") => Tone::Strong,
            Some(b'+') => Tone::Good,
            Some(b'-') => Tone::Bad,
            Some(b'@') => Tone::Busy,
            _ => Tone::Plain,
        };
        text.push_str(&paint(body, tone, true));
        text.push_str(end);
    }
    text
}

/// Each file of a patch with its lines, one a line.
fn files(patch: &str, colour: bool) -> String {
    let mut text = String::new();
    let mut file: Option<(String, u32, u32)> = None;
    let mut finish = |file: Option<(String, u32, u32)>| {
        if let Some((name, added, removed)) = file {
            let added = paint(&format!("+{added}"), Tone::Good, colour);
            let removed = paint(&format!("-{removed}"), Tone::Bad, colour);
            let _ = writeln!(text, "{} {added} {removed}", words::clean(&name));
        }
    };
    let mut in_hunk = false;
    for line in patch.lines() {
        if let Some(names) = line.strip_prefix("diff --git ") {
            let name = names.rsplit_once(" b/").map_or(names, |(_, name)| name).trim_end_matches('"').to_owned();
            finish(file.replace((name, 0, 0)));
            in_hunk = false;
        } else if line.starts_with("@@") {
            in_hunk = true;
        } else if let (true, Some((_, added, removed))) = (in_hunk, &mut file) {
            match line.as_bytes().first() {
                Some(b'+') => *added += 1,
                Some(b'-') => *removed += 1,
                _ => {}
            }
        }
    }
    finish(file);
    text
}

#[cfg(test)]
mod tests {
    use super::{files, painted};

    const PATCH: &str = "diff --git a/one b/one\n--- a/one\n+++ b/one\n@@ -1,2 +1,2 @@\n same\n-old\n+++new\ndiff --git a/b c b/b c\n@@ -0,0 +1 @@\n+x\u{1b}[2J\n";

    #[test]
    fn a_patch_is_counted_by_file() {
        assert_eq!(files(PATCH, false), "one +1 -1\nb c +1 -0\n");
    }

    #[test]
    fn a_patch_cannot_speak_to_the_terminal() {
        assert!(!painted(PATCH).contains("\u{1b}[2J"));
        assert!(painted(PATCH).contains("\u{1b}[31m-old\u{1b}[0m\n"));
    }
}
