//! How each coding CLI is launched, told things, and understood: one trait, one file per agent.
//!
//! Pure: no process is started, no file read and no clock asked here. The supervisor starts what [`Agent::launch`]
//! describes, feeds it what [`Agent::say`] gives, and hands every line back to [`Agent::understand`]. What an agent
//! prints is hostile: lines are cut ([`lines`]), texts are bounded, and control characters never reach a terminal
//! through a transcript ([`text`]).

mod claude;
pub mod lines;
mod shell;
pub mod text;
mod transcript;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_protocol::supervisor::{AgentEvent, AgentOrders};

pub use claude::{Claude, ClaudeTerminal};
pub use shell::Shell;

/// What a launch depends on.
#[derive(Debug, Clone, Copy)]
pub struct LaunchContext<'a> {
    /// What was ordered.
    pub orders: &'a AgentOrders,
    /// What to tell it first: the ordered prompt, or a person's line when it ended before it heard one.
    pub prompt: &'a str,
    /// The agent's own session to go on with.
    pub resume: Option<&'a str>,
    /// The folder that holds `<tool>/bin`.
    pub tools: &'a Path,
    /// Where the way out is: `http://127.0.0.1:<port>`, without a slash at the end.
    pub relay: &'a str,
    /// The task's key.
    pub task: &'a str,
    /// The agent's home.
    pub home: &'a Path,
    /// Where it works.
    pub workspace: &'a Path,
    /// The program that an agent's hooks run to report, with the argument `--hook`.
    pub reporter: &'a Path,
    /// The file that a summary is written to when the task is complete.
    pub completion: &'a Path,
    /// Whether it will run as root (a sandbox of the process runner on a machine that has no other user).
    pub root: bool,
}

/// How to start an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// What to execute.
    pub program: OsString,
    /// Its arguments, without the program. They are visible to everybody on the machine: no prompt, no secret.
    pub args: Vec<OsString>,
    /// What to add to its environment.
    pub env: BTreeMap<String, String>,
    /// What its standard streams are.
    pub io: LaunchIo,
    /// What it must find in its home.
    pub files: Vec<HomeFile>,
}

/// A file that is made or brought up to date before a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeFile {
    /// Where, below the home.
    pub path: PathBuf,
    /// What shall be in it.
    pub content: HomeContent,
}

/// What shall be in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeContent {
    /// This, whatever was there.
    Text(String),
    /// The values of this object, among those that are there.
    Merged(serde_json::Value),
}

/// What an agent's standard streams are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchIo {
    /// Pipes: lines in, lines out.
    Pipes {
        /// Written to its standard input at once.
        first: Vec<u8>,
    },
    /// A terminal.
    Terminal,
    /// A terminal with the agent's own interface in it; its hooks report beside it.
    Interactive {
        /// Typed once it can take it, with Return after it.
        first: Vec<u8>,
    },
}

/// Why an agent cannot be launched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// The orders for `shell` have no command.
    #[error("the agent `shell` was ordered without a command: set `command` under `agents: shell:` in strawboss.yaml")]
    NoCommand,
    /// The prompt does not fit into an environment variable.
    #[error("the prompt has {0} bytes, and the agent `shell` gets it in an environment variable, which holds {max} at most: shorten it", max = shell::MAX_PROMPT)]
    PromptTooLong(usize),
}

/// What a line meant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Understood {
    /// What happened, in order.
    pub events: Vec<AgentEvent>,
    /// What a person sees of it in the terminal: ANSI colours, CR LF, nothing of the agent's own control characters.
    pub transcript: String,
    /// Whether it is in a turn after this, also after one that was over.
    pub turn_began: bool,
    /// Whether its turn is over, so that its input may be closed when nobody has more to say.
    pub turn_ended: bool,
}

/// What one of an agent's hooks told.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hooked {
    /// What happened, in order.
    pub events: Vec<AgentEvent>,
    /// Whether it now waits for a person; none: as before.
    pub waits: Option<bool>,
    /// What the hook's program is to print.
    pub reply: Vec<u8>,
}

/// How an agent's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit<'a> {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The end of what it wrote to standard error, when that is apart from its output.
    pub error_tail: &'a str,
}

/// What its end means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was told, by its own word.
    Complete {
        /// Its last words.
        summary: Option<String>,
    },
    /// It failed.
    Failed {
        /// Why.
        detail: String,
    },
    /// The session that it should have gone on with is not there: launch it anew.
    SessionLost,
}

/// A coding CLI. One value serves one launch: it remembers what it saw.
pub trait Agent: Send {
    /// Which.
    fn kind(&self) -> AgentKind;
    /// How to start it.
    fn launch(&mut self, context: &LaunchContext<'_>) -> Result<Launch, LaunchError>;
    /// A person's line, as bytes for its input.
    fn say(&self, text: &str) -> Vec<u8>;
    /// What it was told, as event and as transcript.
    fn told(&self, text: &str) -> Understood;
    /// A line of its output, without the line end. `whole` is false when it was longer than [`lines::MAX_LINE`] and cut.
    fn understand(&mut self, line: &[u8], whole: bool) -> Understood;
    /// The session to resume it by, once known.
    fn session(&self) -> Option<&str>;
    /// What one of its hooks told: JSON, at most [`MAX_HOOK`] bytes.
    fn hooked(&mut self, _message: &[u8]) -> Hooked {
        Hooked::default()
    }
    /// Whether its interface takes what is typed.
    fn is_ready(&self) -> bool {
        true
    }
    /// Whether it is in no turn.
    fn is_idle(&self) -> bool {
        true
    }
    /// How many texts that were typed its interface has taken for its own; none: typing is all there is to it.
    fn taken(&self) -> Option<u64> {
        None
    }
    /// A person or the agent itself says that the task is complete. An empty summary is none.
    fn complete(&mut self, _summary: &str) {}
    /// Whether somebody said so.
    fn is_complete(&self) -> bool {
        false
    }
    /// What its end means.
    fn outcome(&self, exit: &Exit<'_>) -> Outcome;
}

/// The longest word of a hook, in bytes.
pub const MAX_HOOK: usize = 4 << 20;

/// A fresh agent of a kind.
pub fn agent(kind: AgentKind, mode: AgentMode) -> Box<dyn Agent> {
    match (kind, mode) {
        (AgentKind::Claude, AgentMode::Headless) => Box::new(Claude::default()),
        (AgentKind::Claude, AgentMode::Interactive) => Box::new(ClaudeTerminal::default()),
        (AgentKind::Shell, _) => Box::new(Shell::default()),
    }
}

/// The summary, when a person typed `/complete` to say that the task is complete; empty when none stands behind it.
pub fn completion(text: &str) -> Option<&str> {
    let rest = text.trim().strip_prefix("/complete")?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

impl Exit<'_> {
    /// The end in words: `ended with code 1`, `was ended by signal 9`.
    pub fn words(&self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => format!("ended with code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended in an unknown way".to_owned(),
        }
    }
}
