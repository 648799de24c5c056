//! Terminals of the host, kept by tmux: each is a session of one tmux server, which outlives this program.
//!
//! What is ours to remember of a session (its project, its command, that it was asked to be kept) lies with tmux, in an
//! option of the session itself: it lives exactly as long as the session does, and no two records can differ. No name, text
//! or command goes through a shell or is read by tmux as anything but a word; sessions are aimed at by tmux's own numbers.

mod attach;
mod record;

use attach::attach;
use record::{Found, Record, named, read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use strawboss_core::terminals::{
    HostSession, HostTerminal, HostWindow, MAX_COMMAND_BYTES, NewHostSession, Terminals, TerminalsError,
};
use strawboss_core::{SessionId, Timestamp};
use tokio::process::Command;

/// How long tmux may take to answer: it does within milliseconds, or hangs.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest project of a session, in bytes.
const MAX_PROJECT_BYTES: usize = 200;
/// How large a session is that nobody has looked at yet.
const SIZE: [&str; 4] = ["-x", "200", "-y", "50"];
/// Starts words as a command, each as it is. tmux itself hands a command of one word to a shell.
const EXEC: [&str; 4] = ["/bin/sh", "-c", "exec \"$@\"", "sh"];
/// What of our own environment tmux and what it starts may see: everything else may be a secret.
const ENVIRONMENT: [&str; 10] =
    ["HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TMUX_TMPDIR", "XDG_RUNTIME_DIR"];

/// Which tmux server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmuxConfig {
    /// The program.
    pub program: PathBuf,
    /// Its server's socket; none: this user's usual one.
    pub socket: Option<PathBuf>,
    /// Whether one is started when none runs and a session shall be made. Not where it would not be the host's: in a container.
    pub start: bool,
}

impl Default for TmuxConfig {
    fn default() -> Self {
        Self { program: PathBuf::from("tmux"), socket: None, start: true }
    }
}

/// The sessions of a tmux server.
#[derive(Debug, Clone)]
pub struct Tmux {
    config: TmuxConfig,
}

/// How tmux ended when it did not do what it was told.
struct Failed(String);

impl Failed {
    /// Whether there is no server, and so no session.
    fn is_no_server(&self) -> bool {
        self.0.starts_with("no server running")
            || (self.0.starts_with("error connecting") && self.0.contains("(No such file or directory)"))
    }

    /// Whether the session or window that was aimed at is gone.
    fn is_gone(&self) -> bool {
        ["can't find", "no such session", "no current", "session not found"].iter().any(|start| self.0.starts_with(start))
            || self.is_no_server()
    }
}

/// A word as tmux's command line takes it: one that ends in a semicolon would end the command.
fn word(text: &str) -> String {
    text.strip_suffix(';').map_or_else(|| text.to_owned(), |rest| format!("{rest}\\;"))
}

/// A text where tmux replaces `#{…}` and runs `#(…)`.
fn literal(text: &str) -> String {
    word(&text.replace('#', "##"))
}

fn check_project(project: &str) -> Result<(), TerminalsError> {
    if project.len() <= MAX_PROJECT_BYTES && !project.chars().any(char::is_control) {
        return Ok(());
    }
    Err(TerminalsError::Invalid { why: format!("A session's project is one line of at most {MAX_PROJECT_BYTES} bytes.") })
}

/// A command as its words.
fn words(command: &str) -> Result<Vec<String>, TerminalsError> {
    let wrong = |why: &str| TerminalsError::Invalid { why: why.to_owned() };
    if command.len() > MAX_COMMAND_BYTES || command.chars().any(|c| c.is_control() && c != '\t' && c != '\n') {
        return Err(wrong(&format!(
            "A session's command has at most {MAX_COMMAND_BYTES} bytes and no control characters; put a longer one into a script."
        )));
    }
    shlex::split(command).ok_or_else(|| wrong("The command has a quote that is not closed, or ends in a backslash."))
}

impl Tmux {
    /// The sessions of this server. It need not run.
    pub fn new(config: TmuxConfig) -> Self {
        Self { config }
    }

    /// tmux with what all calls have in common. The environment is not our own: a server that it starts hands it on to
    /// everything that is ever started in it.
    fn arguments(&self) -> Vec<String> {
        // -u: names are UTF-8 whatever the locale.
        let mut arguments = vec!["-u".to_owned()];
        if !self.config.start {
            arguments.push("-N".to_owned());
        }
        if let Some(socket) = &self.config.socket {
            arguments.extend(["-S".to_owned(), socket.to_string_lossy().into_owned()]);
        }
        arguments
    }

    fn environment() -> impl Iterator<Item = (String, String)> {
        let wanted = |name: &str| ENVIRONMENT.contains(&name) || name.starts_with("LC_");
        let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        ours.filter(move |(name, _)| wanted(name)).chain([("TERM".to_owned(), "xterm-256color".to_owned())])
    }

    fn unavailable(&self, what: &str, why: impl Into<String>) -> TerminalsError {
        let place = self.config.socket.as_deref().map(Path::display).map(|at| format!(" at {at}")).unwrap_or_default();
        TerminalsError::Unavailable { what: format!("asking tmux{place} to {what}"), why: why.into() }
    }

    async fn ask(&self, what: &str, words: &[&str]) -> Result<Result<String, Failed>, TerminalsError> {
        let mut command = Command::new(&self.config.program);
        command.args(self.arguments()).args(words).env_clear().envs(Self::environment());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = match tokio::time::timeout(ANSWER, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                let why = format!("there is no program {}; install tmux", self.config.program.display());
                return Err(self.unavailable(what, why));
            }
            Ok(Err(error)) => return Err(self.unavailable(what, error.to_string())),
            Err(_) => return Err(self.unavailable(what, format!("no answer within {} s", ANSWER.as_secs()))),
        };
        if output.status.success() {
            return Ok(Ok(String::from_utf8_lossy(&output.stdout).into_owned()));
        }
        Ok(Err(Failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())))
    }

    async fn found(&self) -> Result<Vec<(SessionId, Found)>, TerminalsError> {
        match self.ask("list its sessions", &["list-sessions", "-F", record::FORMAT]).await? {
            Ok(text) => Ok(named(read(&text))),
            Err(failed) if failed.is_no_server() => Ok(Vec::new()),
            Err(failed) => Err(self.unavailable("list its sessions", failed.0)),
        }
    }

    async fn find(&self, id: &SessionId) -> Result<Found, TerminalsError> {
        let all = self.found().await?;
        let found = all.into_iter().find(|(known, _)| known == id).map(|(_, found)| found);
        found.ok_or_else(|| TerminalsError::NotFound { id: id.clone() })
    }
}

#[async_trait::async_trait]
impl Terminals for Tmux {
    async fn list(&self) -> Result<Vec<HostSession>, TerminalsError> {
        Ok(self.found().await?.into_iter().map(|(id, found)| found.session(id)).collect())
    }

    async fn create(&self, new: &NewHostSession) -> Result<(HostSession, bool), TerminalsError> {
        check_project(&new.project)?;
        let words = words(&new.command)?;
        match self.find(&new.id).await {
            Ok(found) => return Ok((found.session(new.id.clone()), false)),
            Err(TerminalsError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let record = Record { project: new.project.clone(), command: new.command.clone(), kept_at: 0 }.encode();
        let directory = new.directory.clone().or_else(|| std::env::var_os("HOME").map(PathBuf::from));
        let directory = directory.map(|path| literal(&path.to_string_lossy()));
        let words: Vec<String> = words.iter().map(|text| word(text)).collect();
        let target = format!("={}:", new.id);
        // -E: what the session's user wants in its environment is not replaced by ours.
        let mut asked = vec!["new-session", "-d", "-E", "-s", new.id.as_str()];
        asked.extend(SIZE);
        asked.extend(directory.iter().flat_map(|path| ["-c", path.as_str()]));
        if !words.is_empty() {
            asked.push("--");
            asked.extend(EXEC);
            asked.extend(words.iter().map(String::as_str));
        }
        asked.extend([";", "set-option", "-t", &target, record::OPTION, &record]);
        let what = "make a session";
        let failed = self.ask(what, &asked).await?.err();
        match (self.find(&new.id).await, failed) {
            (Ok(found), failed) => Ok((found.session(new.id.clone()), failed.is_none())),
            (Err(TerminalsError::NotFound { .. }), None) => {
                Err(TerminalsError::Invalid { why: format!("The command of `{}` ended as soon as it was started.", new.id) })
            }
            (Err(TerminalsError::NotFound { .. }), Some(failed)) => Err(self.unavailable(what, failed.0)),
            (Err(error), _) => Err(error),
        }
    }

    async fn keep(&self, id: &SessionId, project: Option<&str>, now: Timestamp) -> Result<HostSession, TerminalsError> {
        let mut found = self.find(id).await?;
        let mut record = found.record.clone().unwrap_or_default();
        record.kept_at = now.0;
        if let Some(project) = project {
            check_project(project)?;
            project.clone_into(&mut record.project);
        }
        // A session that somebody else made stays one: only that it is kept is noted.
        let option = if found.record.is_some() { record::OPTION } else { record::KEPT };
        let text = if found.record.is_some() { record.encode() } else { now.0.to_string() };
        match self.ask("note something of a session", &["set-option", "-t", &found.target(), option, &text]).await? {
            Ok(_) => {}
            Err(failed) if failed.is_gone() => return Err(TerminalsError::NotFound { id: id.clone() }),
            Err(failed) => return Err(self.unavailable("note something of a session", failed.0)),
        }
        found.kept_at = now.0;
        found.record = found.record.is_some().then_some(record);
        Ok(found.session(id.clone()))
    }

    async fn remove(&self, id: &SessionId) -> Result<bool, TerminalsError> {
        let found = match self.find(id).await {
            Ok(found) => found,
            Err(TerminalsError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        match self.ask("end a session", &["kill-session", "-t", &found.number]).await? {
            Ok(_) => Ok(true),
            Err(failed) if failed.is_gone() => Ok(false),
            Err(failed) => Err(self.unavailable("end a session", failed.0)),
        }
    }

    async fn windows(&self, id: &SessionId) -> Result<Vec<HostWindow>, TerminalsError> {
        let found = self.find(id).await?;
        let asked = ["list-windows", "-t", &found.number, "-F", record::WINDOW_FORMAT];
        match self.ask("list windows", &asked).await? {
            Ok(text) => Ok(record::windows(&text)),
            Err(failed) if failed.is_gone() => Err(TerminalsError::NotFound { id: id.clone() }),
            Err(failed) => Err(self.unavailable("list windows", failed.0)),
        }
    }

    async fn attach(&self, id: &SessionId, window: Option<u32>) -> Result<Box<dyn HostTerminal>, TerminalsError> {
        let found = self.find(id).await?;
        if let Some(window) = window {
            let there = self.windows(id).await?;
            if !there.iter().any(|one| one.index == window) {
                return Err(TerminalsError::Invalid { why: format!("The session `{id}` has no window {window}.") });
            }
        }
        let target = window.map_or_else(|| found.number.clone(), |window| format!("{}:{window}", found.number));
        let mut arguments = self.arguments();
        arguments.extend(["attach-session", "-E", "-t"].map(str::to_owned));
        arguments.push(target);
        let terminal = attach(&self.config.program, &arguments, Self::environment());
        Ok(Box::new(terminal.map_err(|error| self.unavailable("attach", error.to_string()))?))
    }
}

#[cfg(test)]
mod tests {
    use super::{literal, word, words};

    #[test]
    fn no_word_ends_tmuxs_command_or_is_expanded() {
        assert_eq!(word("a;"), "a\\;");
        assert_eq!(word(";"), "\\;");
        assert_eq!(word("a\\;"), "a\\\\;");
        assert_eq!(word("a;b"), "a;b");
        assert_eq!(literal("/x/#(touch y);"), "/x/##(touch y)\\;");
    }

    #[test]
    fn a_command_is_cut_into_words_and_nothing_else() {
        assert_eq!(words("printf '%s\\n' \"a b\" $(id) `id` *").unwrap(), ["printf", "%s\\n", "a b", "$(id)", "`id`", "*"]);
        assert_eq!(words("").unwrap(), Vec::<String>::new());
        for wrong in ["echo 'a", "echo \\", "a\0b", "a\u{1b}[2J", &"x".repeat(4000)] {
            assert!(words(wrong).is_err(), "{wrong:?}");
        }
    }
}
