//! The launcher of process sandboxes as a program of its own: for tests, and for embedding the runner elsewhere. The
//! `strawboss` program is its own launcher.

use std::process::ExitCode;

fn main() -> ExitCode {
    strawboss_runner::process::launch(std::env::args_os().skip(1))
}
