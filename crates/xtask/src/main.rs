//! The house's own checks: `cargo xtask deps | tidy | codegen [--check]`.
//!
//! Each rule here was a remark made twice. It must stay quick to build and need no network, so that it is run before
//! every commit; whatever a well-kept tool checks already is that tool's business.

mod codegen;
mod deps;
mod tidy;

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask deps              check that crates know only what they may know
       cargo xtask tidy              check the mechanical rules of the house
       cargo xtask codegen           write the generated files anew
       cargo xtask codegen --check   check that they are what their sources say";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["deps"] => root().and_then(|root| deps::check(&root)),
        ["tidy"] => root().and_then(|root| tidy::check(&root)),
        ["codegen"] => root().and_then(|root| codegen::run(&root, false)),
        ["codegen", "--check"] => root().and_then(|root| codegen::run(&root, true)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: two folders above this package.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).map(Path::to_owned).context("this package is not in crates/ of the repository")
}

/// Runs a program and gives what it printed.
fn output(command: &mut Command) -> Result<String> {
    let said = format!("{command:?}");
    let output = command.output().with_context(|| format!("could not run {said}"))?;
    if !output.status.success() {
        bail!("{said} ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{said} printed what is not UTF-8"))
}

/// Cargo, the one that runs us.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}
