//! Where the programs under test are.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of this build's programs: `STRAWBOSS_BIN_DIR`, or the target folder that the test itself lies in.
pub fn bin_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("STRAWBOSS_BIN_DIR") {
        return Ok(dir.into());
    }
    let test = std::env::current_exe()?;
    // target/<profile>/deps/<test>
    Ok(test.parent().and_then(Path::parent).context("the test lies in no target folder")?.to_owned())
}

/// The program `strawboss`.
pub fn strawboss() -> Result<PathBuf> {
    existing(bin_dir()?.join("strawboss"), "cargo build -p strawboss")
}

/// The folder of the supervisor, as the runner mounts it.
pub fn supervisor_tool() -> Result<PathBuf> {
    let dir = match std::env::var_os("STRAWBOSS_SUPERVISOR_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => bin_dir()?.parent().context("no target folder")?.join("tools/supervisor"),
    };
    existing(dir.join("bin/strawboss-supervisor"), "scripts/build-supervisor.sh --dev")?;
    Ok(dir)
}

/// The folder of the real Claude Code CLI.
pub fn claude_tool() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("STRAWBOSS_CLAUDE_DIR") {
        return Ok(dir.into());
    }
    let cache = std::env::var_os("STRAWBOSS_CACHE")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/strawboss"), PathBuf::from);
    let found = std::fs::read_dir(cache.join("tools"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/claude").is_file())
        .max();
    found.with_context(|| format!("the Claude Code CLI is not in {}: run scripts/lab/agents.sh", cache.display()))
}

/// The program promtool, which judges metrics and alert rules.
pub fn promtool() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/lab/promtool.sh");
    Ok(PathBuf::from(run(&mut Command::new(script))?.trim()))
}

fn existing(path: PathBuf, how: &str) -> Result<PathBuf> {
    if !path.is_file() {
        bail!("{} is not there: run `{how}`", path.display());
    }
    Ok(path)
}

/// Runs a program to its end; its output, or what went wrong.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
