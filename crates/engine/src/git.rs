//! Runs the `git` program, with nobody's hooks and a clean environment.
//!
//! Every call has a time limit and bounded output. Nothing here decides: mirrors, merges and diffs do, in their own files.

pub(crate) mod bundle;
pub(crate) mod diff;
pub(crate) mod land;
pub(crate) mod mirror;
pub(crate) mod push;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Why a git command did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GitError {
    /// It ended with an error.
    #[error("git {command} failed: {stderr}")]
    Failed {
        /// The subcommand.
        command: String,
        /// Its exit code.
        code: Option<i32>,
        /// What it said, cut.
        stderr: String,
    },
    /// It could not be run or took too long.
    #[error("git {command}: {why}")]
    NotRun {
        /// The subcommand.
        command: String,
        /// Why.
        why: String,
    },
}

impl GitError {
    /// The exit code, when it ran and failed.
    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Self::Failed { code, .. } => *code,
            Self::NotRun { .. } => None,
        }
    }
}

/// Past this a command is taken for hung; fetching a very large repository for the first time stays below it.
const TIME_LIMIT: Duration = Duration::from_mins(30);
/// How much of a command's complaint is kept.
const STDERR_LIMIT: u64 = 16 * 1024;
/// How much output a command may give unless it is asked for more.
pub(crate) const OUTPUT_LIMIT: u64 = 4 << 20;

/// A git command in a repository.
pub(crate) struct Git<'a> {
    dir: &'a Path,
    limit: u64,
    env: Vec<(&'static str, String)>,
}

impl<'a> Git<'a> {
    /// In this repository, bare or not.
    pub(crate) fn at(dir: &'a Path) -> Self {
        Self { dir, limit: OUTPUT_LIMIT, env: Vec::new() }
    }

    /// Takes at most this much output; the rest is cut off without an error.
    pub(crate) fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Sets a variable for this command.
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Runs it; gives what it printed.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let command = args.iter().find(|arg| !arg.starts_with('-')).unwrap_or(&"").to_string();
        let not_run = |why: String| GitError::NotRun { command: command.clone(), why };
        let mut process = Command::new("git");
        // The repository may belong to another user than ours: reading it runs nothing of it, since hooks are off and
        // the commands that would run configured programs (pager, fsmonitor, filters) are told not to.
        process
            .args(["-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"])
            .args(["-c", "protocol.ext.allow=never", "-c", "advice.detachedHead=false", "-c", "commit.gpgSign=false"])
            .args(args)
            .current_dir(self.dir)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C for us is none for it: it may be at work in a person's repository.
            .process_group(0)
            .kill_on_drop(true);
        for name in
            ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_CEILING_DIRECTORIES"]
        {
            process.env_remove(name);
        }
        process.envs(self.env.iter().map(|(name, value)| (name, value)));
        let mut child =
            process.spawn().map_err(|error| not_run(format!("cannot start the program: {error}. Is git installed?")))?;
        let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(not_run("its output cannot be read".to_owned()));
        };
        let limit = self.limit;
        let work = async {
            let mut printed = Vec::new();
            let mut complaint = Vec::new();
            let read_out = async {
                (&mut stdout).take(limit).read_to_end(&mut printed).await?;
                tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await
            };
            let read_err = async {
                (&mut stderr).take(STDERR_LIMIT).read_to_end(&mut complaint).await?;
                tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await
            };
            let (out, err) = tokio::join!(read_out, read_err);
            out?;
            err?;
            let status = child.wait().await?;
            Ok::<_, std::io::Error>((status, printed, complaint))
        };
        match tokio::time::timeout(TIME_LIMIT, work).await {
            Err(_) => Err(not_run(format!("ended after {} minutes", TIME_LIMIT.as_secs() / 60))),
            Ok(Err(error)) => Err(not_run(error.to_string())),
            Ok(Ok((status, printed, _))) if status.success() => Ok(printed),
            Ok(Ok((status, _, complaint))) => Err(GitError::Failed {
                command,
                code: status.code(),
                stderr: String::from_utf8_lossy(&complaint).trim().to_owned(),
            }),
        }
    }

    /// Runs it; gives what it printed as one trimmed text.
    pub(crate) async fn line(&self, args: &[&str]) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(&self.run(args).await?).trim().to_owned())
    }

    /// Runs it for its exit code alone: true for 0, false for 1.
    pub(crate) async fn test(&self, args: &[&str]) -> Result<bool, GitError> {
        match self.run(args).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(1) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The commit that a revision names, if there is one.
    pub(crate) async fn commit(&self, revision: &str) -> Result<Option<String>, GitError> {
        let revision = format!("{revision}^{{commit}}");
        match self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &revision]).await {
            Ok(line) if is_object_id(&line) => Ok(Some(line)),
            Ok(_) => Ok(None),
            Err(error) if matches!(error.code(), Some(1 | 128)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a text is a full object id.
pub(crate) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
