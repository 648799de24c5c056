//! The program `strawboss`: the service, and the commands that talk to it.

mod backup;
mod cli;
mod client;
mod commands;
mod config;
mod context;
mod environment;
mod failure;
mod git;
mod logging;
mod output;
mod serve;
mod terminal;
mod tools;

use failure::{ExitStatus, Failure};
use output::style::{self, Tone, paint};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == strawboss_runner::process::LAUNCH_COMMAND) {
        // Before anything else: it must be the only thread.
        return strawboss_runner::process::launch(words);
    }
    match cli::main() {
        Ok(status) => status.into(),
        Err(failure) => complain(&failure).into(),
    }
}

/// Says what went wrong, on standard error.
pub(crate) fn complain(failure: &Failure) -> ExitStatus {
    let colour = style::stderr();
    let mut text = if failure.report && failure.message.is_empty() {
        return failure.status;
    } else if failure.report {
        format!("{}\n", failure.message)
    } else {
        format!("{}: {}\n", paint("error", Tone::Bad, colour), failure.message)
    };
    if let Some(fix) = &failure.fix {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}: {fix}", paint("fix", Tone::Busy, colour));
    }
    // With standard error closed there is nobody to tell.
    let _ = std::io::stderr().write_all(text.as_bytes());
    failure.status
}
