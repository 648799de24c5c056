//! The commands of a phase: `exec` shows them, and with `--run` runs them.
//!
//! They run in one shell, so that what one sets the next one has. A command reaches the shell as an argument of its own,
//! exactly as it is shown; nothing of a plan is put into another text that a shell reads.

use super::{book, failed};
use crate::failure::{ExitStatus, Failure, io};
use crate::output::style::{self, Tone, paint};
use crate::output::{self, words};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use strawboss_backlog::plan::{self, Plan, PlanError};

/// Show the commands of a phase, or run them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The commands are those of the phase's first fenced block. K is the phase, counted from 0; K.N is line N of the block, counted
from 1. Lines that belong together (a backslash at the end, a heredoc, an open quote, if ... fi) are one command, which has the
number of its first line. <task_id>, <TASK_ID>, <task_id ReplaceAll>, <PHASE_INDEX> and <SUB_INDEX> stand for the plan's id, K
and N. With --run they run in your shell ($SHELL, where it is of sh's kind), here, one after the other, until one fails; then
the exit code is 1.

Examples:
  strawboss plan exec move_2026 1
  strawboss plan exec move_2026 1.3 --run")]
pub(crate) struct ExecArgs {
    /// The plan's id
    #[arg(value_name = "ID")]
    id: String,
    /// The phase, or the phase and the line
    #[arg(value_name = "K|K.N", value_parser = place)]
    place: Place,
    /// Run them; without it they are only shown
    #[arg(long)]
    run: bool,
    /// Print JSON; what the commands print goes to standard error
    #[arg(long)]
    json: bool,
}

/// A phase, and a line of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    phase: usize,
    line: Option<usize>,
}

fn place(text: &str) -> Result<Place, String> {
    let wrong = || "write a phase, counted from 0, or a phase and a line, counted from 1: `2` or `2.1`".to_owned();
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().ok_or_else(wrong);
    match text.split_once('.') {
        None => Ok(Place { phase: number(text)?, line: None }),
        Some((phase, line)) => {
            let line = number(line)?;
            if line == 0 { Err(wrong()) } else { Ok(Place { phase: number(phase)?, line: Some(line) }) }
        }
    }
}

/// A command as it is run.
struct Ready {
    line: usize,
    text: String,
}

/// Runs the commands that it is given: pairs of what is said before and what is run. Into the file of its first argument it
/// writes a sign for each that it begins.
const DRIVER: &str = r#"
strawboss_begun=$1
shift
strawboss_said=
for strawboss_word in "$@"; do
  if [ -z "$strawboss_said" ]; then
    strawboss_said=$strawboss_word
    continue
  fi
  printf '%s\n' "$strawboss_said" >&2
  strawboss_said=
  printf x >>"$strawboss_begun"
  eval "$strawboss_word" || exit
done
"#;

/// Shells that read the same language as the driver.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash"];

/// The person's shell, or one that reads what plans are written in.
fn shell() -> PathBuf {
    let own = std::env::var_os("SHELL").map(PathBuf::from).filter(|shell| shell.is_absolute());
    let known = own.filter(|shell| shell.file_name().and_then(|name| name.to_str()).is_some_and(|name| SHELLS.contains(&name)));
    let bash = || Some(PathBuf::from("/bin/bash")).filter(|bash| bash.is_file());
    known.or_else(bash).unwrap_or_else(|| PathBuf::from("/bin/sh"))
}

/// The commands that are meant, ready to be run.
fn ready(file: &Path, plan: &Plan, place: Place) -> Result<Vec<Ready>, Failure> {
    let Place { phase: at, line } = place;
    let count = plan.phases.len();
    let no_phase = || failed(file)(PlanError::NoPhase { id: plan.id.clone(), phase: at, count });
    let phase = plan.phases.get(at).ok_or_else(no_phase)?;
    if let Some(why) = plan.flaw.clone().or_else(|| phase.flaw.clone()) {
        return Err(failed(file)(PlanError::Flawed { what: format!("phase {at} of `{}`", plan.id), why }));
    }
    let read = phase.read();
    let nothing = |message: String| Failure::new(message).status(ExitStatus::NotFound);
    let Some(block) = read.blocks.first() else {
        return Err(nothing(format!("phase {at} of `{}` has no fenced block", plan.id))
            .fix("Commands stand between two lines of three backticks."));
    };
    if !block.is_shell() {
        let language = words::one_line(block.language);
        return Err(Failure::new(format!("the first block of phase {at} of `{}` is `{language}`, no commands", plan.id))
            .fix("Put the commands in the phase's first block; `strawboss plan show` shows it."));
    }
    let all = plan::commands(&block.lines);
    if let Some(open) = all.iter().find(|command| !command.whole) {
        return Err(Failure::new(format!("the command on line {} of phase {at} of `{}` never ends", open.line, plan.id))
            .fix("Close its quote, bracket, heredoc or `fi`, `done`, `esac`."));
    }
    let meant: Vec<plan::Command> = match line {
        None => all,
        Some(line) => {
            let found = all.into_iter().find(|command| (command.line..=command.last).contains(&line));
            match found {
                Some(command) if command.line == line => vec![command],
                Some(command) => {
                    return Err(Failure::new(format!(
                        "line {line} of phase {at} is a part of the command on line {}",
                        command.line
                    ))
                    .fix(format!("Run that: `strawboss plan exec {} {at}.{}`.", plan.id, command.line)));
                }
                None => {
                    return Err(nothing(format!("line {line} of phase {at} of `{}` is no command", plan.id))
                        .fix(format!("`strawboss plan exec {} {at}` shows them with their numbers.", plan.id)));
                }
            }
        }
    };
    let fill = |command: plan::Command| {
        let text = plan::filled(&command.text, &plan.id, at, command.line).map_err(|error| {
            Failure::new(error.to_string())
                .fix("Give the plan an id of letters, digits, `_`, `-` and `.`, or write it into the commands.")
        })?;
        Ok(Ready { line: command.line, text })
    };
    meant.into_iter().map(fill).collect()
}

/// `exec`
pub(super) fn exec(file: &Path, args: &ExecArgs) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    let (_, plan) = book.plan(&args.id).map_err(failed(file))?;
    let commands = ready(file, plan, args.place)?;
    let phase = args.place.phase;
    if !args.run {
        if args.json {
            let told: Vec<_> = commands.iter().map(|command| json!({ "line": command.line, "text": command.text })).collect();
            output::json(&json!({ "plan": plan.id, "phase": phase, "commands": told, "ran": false }))?;
            return Ok(ExitStatus::Success);
        }
        let colour = style::stdout();
        let mut text = String::new();
        for command in &commands {
            text.push_str(&said(phase, command, colour));
            text.push('\n');
        }
        output::print(&text)?;
        output::note("Nothing was run. `--run` runs it.");
        return Ok(ExitStatus::Success);
    }
    run(plan, phase, &commands, args.json)
}

/// What a person saw is not what is there.
pub(super) fn changed_meanwhile() -> Failure {
    Failure::new("the file changed meanwhile: look again").status(ExitStatus::Conflict)
}

/// Runs all the commands of a phase, for a person who has seen its text.
pub(super) fn run_phase(file: &Path, id: &str, phase: usize, text: &str) -> Result<ExitStatus, Failure> {
    let book = book(file)?;
    let (_, plan) = book.plan(id).map_err(failed(file))?;
    if plan.phases.get(phase).is_none_or(|phase| phase.text != text) {
        return Err(changed_meanwhile());
    }
    run(plan, phase, &ready(file, plan, Place { phase, line: None })?, false)
}

/// A command as it is shown.
fn said(phase: usize, command: &Ready, colour: bool) -> String {
    let place = paint(&format!("{phase}.{}", command.line), Tone::Faint, colour);
    format!("{place} $ {}", words::clean(&command.text))
}

fn run(plan: &Plan, phase: usize, commands: &[Ready], json: bool) -> Result<ExitStatus, Failure> {
    let begun = tempfile::NamedTempFile::new().map_err(io("make a file for how far it is"))?;
    let shell = shell();
    let mut child = Command::new(&shell);
    child.args(["-c", DRIVER, "strawboss"]).arg(begun.path());
    let colour = style::stderr();
    for command in commands {
        child.arg(said(phase, command, colour)).arg(&command.text);
    }
    if json {
        let err = std::io::stderr();
        // Standard output is for the answer.
        child.stdout(std::os::fd::AsFd::as_fd(&err).try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from));
    }
    // What was said before must stand before what the commands say.
    let _ = std::io::stdout().flush();
    let status = child.status().map_err(io(format_args!("start {}", shell.display())))?;
    let count = std::fs::metadata(begun.path()).map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(usize::MAX));
    let last = commands.get(count.saturating_sub(1));
    let failed = !status.success();
    if json {
        let told: Vec<_> = commands
            .iter()
            .enumerate()
            .map(|(at, command)| {
                let result = match at + 1 {
                    at if at > count => "not run",
                    at if at == count && failed => "failed",
                    _ => "done",
                };
                json!({ "line": command.line, "text": command.text, "result": result })
            })
            .collect();
        let value =
            json!({ "plan": plan.id, "phase": phase, "commands": told, "ran": true, "ok": !failed, "exit": status.code() });
        output::json(&value)?;
    }
    if !failed {
        if count < commands.len() {
            let line = last.map_or(0, |command| command.line);
            output::note(&format!("The shell ended at line {line}: what stands after it was not run."));
        }
        return Ok(ExitStatus::Success);
    }
    let how = match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let line = last.map_or(0, |command| command.line);
    let left = commands.len().saturating_sub(count);
    let after = match left {
        0 => String::new(),
        1 => "; the command after it was not run".to_owned(),
        left => format!("; the {left} commands after it were not run"),
    };
    Err(Failure::new(format!("line {line} of phase {phase} of `{}` {how}{after}", plan.id))
        .fix(format!("Mend the cause; `strawboss plan exec {} {phase}.{line} --run` runs that line alone.", plan.id)))
}

#[cfg(test)]
mod tests {
    use super::{Place, place};

    #[test]
    fn places_are_counted_from_0_and_1() {
        assert_eq!(place("0"), Ok(Place { phase: 0, line: None }));
        assert_eq!(place("12.3"), Ok(Place { phase: 12, line: Some(3) }));
        for text in ["", ".", "1.", ".1", "1.0", "-1", "1.2.3", "+1", "a", "1.a", "99999999999999999999999"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
