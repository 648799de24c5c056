//! Calling the `git` program so that nothing in the workspace, the home or the image has a say in what it does, that it
//! asks nobody anything, and that it ends.

use crate::site::Site;
use nix::sys::signal::Signal;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// How long a call may take that moves no data.
pub(crate) const QUICK: Duration = Duration::from_mins(1);
/// How long a call may take that reads or writes the whole tree or talks to the mirror.
pub(crate) const LONG: Duration = Duration::from_mins(30);
/// How much of what it prints is kept, in bytes: ids, refs and messages are short.
const MAX_OUTPUT: usize = 1 << 20;

/// With fewer bytes free than this, a volume is full.
const NEARLY_FULL: u64 = 64 * 1024;
/// How much of what it says is kept, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;

/// By this variable the process runner knows the processes of a sandbox when the supervisor is gone.
const MARK: &str = "STRAWBOSS_MARK";

/// Settings that no configuration may override: no hook, no helper program, no pager, no signature, no upkeep in the
/// background, no way but the relay's.
const SETTINGS: [&str; 20] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.askPass=",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "fetch.recurseSubmodules=no",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "credential.helper=",
    "http.proxy=",
    "http.followRedirects=false",
    "advice.detachedHead=false",
    "advice.addEmbeddedRepo=false",
    "safe.directory=*",
];

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// There is no git.
    #[error("the image has no `git`: use an image that has it")]
    Missing,
    /// It could not be started.
    #[error("could not start git: {0}")]
    Start(std::io::Error),
    /// It took too long.
    #[error("`git {what}` did not end within {} s", limit.as_secs())]
    TimedOut {
        /// What it was to do.
        what: String,
        /// The limit.
        limit: Duration,
    },
    /// It failed.
    #[error("`git {what}` failed: {message}")]
    Failed {
        /// What it was to do.
        what: String,
        /// The end of what it said.
        message: String,
    },
    /// It answered something that cannot be.
    #[error("`git {what}` answered something unexpected")]
    Answer {
        /// What it was to do.
        what: &'static str,
    },
    /// Work lies beside what is checked out and would be lost if this was called saved.
    #[error("what is on other branches or in the stash could not be saved: {why}")]
    Elsewhere {
        /// What was in the way, and what helps.
        why: String,
    },
    /// A file of the supervisor's own could not be written.
    #[error("{what}: {why}")]
    File {
        /// What was tried.
        what: String,
        /// Why it failed.
        why: std::io::Error,
    },
}

impl GitError {
    /// What git said, when it said something.
    pub(crate) fn message(&self) -> &str {
        if let Self::Failed { message, .. } = self { message } else { "" }
    }

    /// Whether the mirror's disk is full, which is another than the volume of the sandbox: there will be room again.
    fn is_mirror_full(&self) -> bool {
        self.message().lines().any(|line| line.starts_with("remote:") && says_full(line))
    }

    /// Whether it failed because the volume of `site` is full. git does not always say so, but the volume does.
    pub(crate) fn is_disk_full(&self, site: &Site) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if let Self::File { why, .. } = self
            && matches!(why.kind(), StorageFull | QuotaExceeded)
        {
            return true;
        }
        crate::measure::free_bytes(&site.place.home).is_some_and(|free| free < NEARLY_FULL)
            || self.message().lines().any(|line| !line.starts_with("remote:") && says_full(line))
    }

    /// Whether another try may help: the way to the mirror was at fault, not what was said over it.
    pub(crate) fn is_transport(&self) -> bool {
        const SIGNS: [&str; 14] = [
            "returned error: 5",
            "returned error: 429",
            "HTTP 5",
            "HTTP 429",
            "Could not resolve",
            "Failed to connect",
            "Couldn't connect",
            "Connection reset",
            "Connection refused",
            "Empty reply",
            "hung up unexpectedly",
            "early EOF",
            "RPC failed; curl",
            "unexpected disconnect",
        ];
        self.is_mirror_full() || SIGNS.iter().any(|sign| self.message().contains(sign))
    }
}

fn says_full(line: &str) -> bool {
    line.contains("No space left on device") || line.contains("Disk quota exceeded")
}

/// A call of git.
pub(crate) struct Git<'a> {
    site: &'a Site,
    command: Command,
    what: String,
    limit: Duration,
}

impl<'a> Git<'a> {
    /// `what`: the subcommand.
    pub(crate) fn new(site: &'a Site, what: &str) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_else(|| crate::environment::DEFAULT_PATH.into());
        let program = crate::place::find_program("git", &path).unwrap_or_else(|| PathBuf::from("git"));
        let mut command = Command::new(program);
        command.env_clear().env("PATH", path).env("HOME", site.place.state().join("none")).current_dir(&site.place.home);
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_EDITOR", "true"),
            ("LC_ALL", "C"),
        ] {
            command.env(name, value);
        }
        if let Some(mark) = std::env::var_os(MARK) {
            command.env(MARK, mark);
        }
        command.env("GIT_CEILING_DIRECTORIES", &site.place.home);
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command.arg("-c").arg(format!("user.name={}", name_or(&site.orders.git.user_name, "Strawboss")));
        command.arg("-c").arg(format!("user.email={}", name_or(&site.orders.git.user_email, "strawboss@localhost")));
        command.arg(what);
        Self { site, command, what: what.to_owned(), limit: QUICK }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it; gives what it printed, trimmed.
    pub(crate) async fn run(self) -> Result<String, GitError> {
        Ok(self.run_with_words().await?.0)
    }

    /// Runs it; gives what it printed and what it said on standard error.
    pub(crate) async fn run_with_words(self) -> Result<(String, String), GitError> {
        let (what, limit) = (self.what.clone(), self.limit);
        let (ok, output, message) = self.finish().await?;
        if ok {
            return Ok((output, message));
        }
        let message = if message.is_empty() { format!("no message within {} s", limit.as_secs()) } else { message };
        Err(GitError::Failed { what, message })
    }

    /// Runs it; none when it fails, for questions where that is an answer.
    pub(crate) async fn ask(self) -> Option<String> {
        self.run().await.ok()
    }

    async fn finish(mut self) -> Result<(bool, String, String), GitError> {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut started = self.site.processes.start(&mut self.command).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => GitError::Missing,
            _ => GitError::Start(error),
        })?;
        let (stdout, stderr) = (started.child.stdout.take(), started.child.stderr.take());
        let work = async {
            let (output, message) = tokio::join!(bounded(stdout), bounded(stderr));
            (started.wait().await, output, message)
        };
        let ended = tokio::time::timeout(self.limit, work).await;
        let Ok((status, output, message)) = ended else {
            started.signal(Signal::SIGKILL);
            return Err(GitError::TimedOut { what: self.what, limit: self.limit });
        };
        let status = status.map_err(GitError::Start)?;
        let mut message = strawboss_agent::text::tail(message.trim_ascii(), MAX_MESSAGE);
        if !status.success() && message.is_empty() {
            message = status.to_string();
        }
        Ok((status.success(), String::from_utf8_lossy(output.trim_ascii_end()).into_owned(), message))
    }
}

fn name_or(name: &str, otherwise: &str) -> String {
    // git strips these itself, and refuses a name of which nothing is left.
    let left = name.trim_matches(|c: char| c.is_whitespace() || c.is_control() || "<>.,:;\"\\'".contains(c));
    if left.is_empty() { otherwise.to_owned() } else { name.replace(['\n', '\0'], " ") }
}

/// Reads to the end and keeps the last part.
async fn bounded(reader: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut reader) = reader else { return kept };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > 2 * MAX_OUTPUT {
            kept.drain(..kept.len() - MAX_OUTPUT);
        }
    }
    kept
}

/// Whether a text is a full object id.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A `name=value` pair of the environment that points git at a repository's parts.
pub(crate) fn parts<'a>(pairs: &'a [(&'a str, OsString)], git: Git<'a>) -> Git<'a> {
    pairs.iter().fold(git, |git, (name, value)| git.env(name, value))
}
