//! What supervisor and control plane say to each other through the door.
//!
//! The door speaks HTTP/1.1. `POST /control/token` gives the control token once, to the first caller, before any agent
//! exists (409 ever after). `GET /control` with `Authorization: Bearer <token>` becomes the WebSocket that this module
//! describes. Beside it the door serves `/git/mirror.git` (the project's mirror: fetch what the run may see, push the
//! run's own refs), `/gateway/…`, and a proxy (CONNECT and absolute-form HTTP).
//!
//! Text frames are the JSON of [`FromSupervisor`] and [`ToSupervisor`]. Binary frames are terminal bytes: from the
//! supervisor 8 bytes big-endian offset (bytes of this terminal before the frame's first) and then the bytes; to the
//! supervisor plain input bytes. Reports are numbered from 1 without gaps and kept by the supervisor until they are
//! acknowledged, so each is stored exactly once whatever breaks in between.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_core::run::CheckResult;
use strawboss_core::runner::Purpose;
use strawboss_core::{RunId, SandboxId, Timestamp};

/// The version that both sides must speak.
pub const VERSION: u32 = 1;
/// The longest text frame, in bytes: a receiver closes the connection on a longer one.
pub const MAX_TEXT_FRAME: usize = 1 << 20;
/// The longest binary frame, in bytes, offset included.
pub const MAX_BINARY_FRAME: usize = 128 * 1024;
/// How much of the terminal a supervisor keeps while nobody listens, in bytes; older bytes are dropped.
pub const TERMINAL_BUFFER: usize = 4 << 20;
/// How many bytes of terminal output may be unacknowledged before the supervisor stops reading the terminal.
pub const TERMINAL_WINDOW: u64 = 1 << 20;
/// How many unacknowledged reports a supervisor keeps before it stops reading the agent.
pub const REPORT_WINDOW: usize = 4096;
/// How often a supervisor sends a heartbeat, in milliseconds.
pub const HEARTBEAT_MS: u64 = 5_000;
/// The longest text inside one report (a message, a tool's input or result, a raw event), in bytes; longer is cut.
pub const MAX_REPORT_TEXT: usize = 64 * 1024;
/// How many bytes of its agent's events a supervisor reports; past that the terminal alone has them.
pub const MAX_EVENT_BYTES: u64 = 64 << 20;
/// How many bytes of reports of one sandbox are stored; a supervisor that says more is not ours.
pub const MAX_SANDBOX_REPORTS: u64 = 4 * MAX_EVENT_BYTES;

/// The answer to `POST /control/token`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenGrant {
    /// The bearer token of the control channel, 64 hex digits.
    pub token: String,
}

/// From the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromSupervisor {
    /// First on every connection.
    Hello(Hello),
    /// Something happened; numbered.
    Report(Report),
    /// It lives.
    Heartbeat(Heartbeat),
}

/// First on every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// Whether it has orders already.
    pub has_orders: bool,
    /// How many terminal bytes there have been.
    pub terminal_end: u64,
    /// The oldest terminal byte it still has.
    pub terminal_start: u64,
    /// The number of its last report.
    pub report_end: u64,
    /// Whether it knows [`ToSupervisor::Question`] and [`ToSupervisor::Answer`].
    #[serde(default)]
    pub takes_questions: bool,
}

/// It lives, and uses this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// CPU time of everything in the sandbox, in milliseconds, when known.
    pub cpu_ms: Option<u64>,
    /// Memory in bytes, when known.
    pub memory_bytes: Option<u64>,
    /// Bytes on the run's volume, when known.
    pub disk_bytes: Option<u64>,
    /// Processes.
    pub processes: Option<u32>,
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// From 1, without gaps.
    pub seq: u64,
    /// When, by the sandbox's clock (for people only).
    pub at: Timestamp,
    /// What.
    pub body: ReportBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportBody {
    /// It goes on to the next thing.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// A step of the preparation ended.
    Step {
        /// `clone`, `setup: cargo fetch`.
        name: String,
        /// Whether it succeeded.
        ok: bool,
        /// How long it took, in milliseconds.
        duration_ms: u64,
        /// The end of what it printed, when it failed.
        output_tail: Option<String>,
    },
    /// The agent said or did something.
    Agent {
        /// What, understood.
        event: AgentEvent,
        /// The agent's own line, cut to [`MAX_REPORT_TEXT`].
        raw: Option<String>,
    },
    /// A check ended (in a sandbox for checks).
    Check {
        /// Which, from 0.
        index: u32,
        /// How.
        result: CheckResult,
    },
    /// The work is on the mirror.
    Pushed {
        /// The full ref.
        reference: String,
        /// Its commit, 40 or 64 hex digits.
        commit: String,
    },
    /// It is over: the last report.
    Done {
        /// How.
        end: End,
    },
}

/// What a supervisor is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Clone and set-up commands.
    Preparing,
    /// The agent runs.
    Working,
    /// The agent waits for a person or a quota.
    Waiting,
    /// The checks run.
    Checking,
    /// Commit and push.
    Saving,
}

/// How a sandbox's work ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum End {
    /// The orders were carried out: the agent ended well and its work is pushed, or every check has run, or the rescue is pushed.
    Complete {
        /// The agent's last words.
        summary: Option<String>,
    },
    /// The agent itself failed or said that it did; its work is pushed to the branch all the same.
    AgentFailed {
        /// Why.
        detail: String,
    },
    /// A set-up command failed: a person must mend the project's set-up (or the work broke it, in checks).
    SetupFailed {
        /// Which and how.
        detail: String,
    },
    /// Stopped on request; work in progress is pushed to the saved ref.
    Stopped,
    /// The machinery failed (clone, push, disk): worth another try.
    MachineryFailed {
        /// Which and how.
        detail: String,
    },
}

/// What an agent said or did, in one vocabulary for all agents. Texts are cut to [`MAX_REPORT_TEXT`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AgentEvent {
    /// Its session began or went on; with this id it can be resumed.
    Session {
        /// The agent's own id.
        id: String,
        /// The model it uses.
        model: Option<String>,
    },
    /// It said something.
    Message {
        /// What.
        text: String,
    },
    /// It was told something (the prompt, a person's line).
    Told {
        /// What.
        text: String,
    },
    /// It uses a tool.
    ToolCall {
        /// Its id within the session.
        id: String,
        /// `Bash`, `Edit`, …
        name: String,
        /// The input in short, for people: the command, the path.
        input: String,
    },
    /// The tool answered.
    ToolResult {
        /// The call's id.
        id: String,
        /// Whether it failed.
        is_error: bool,
        /// What, in short.
        text: String,
    },
    /// The provider limits it.
    RateLimited {
        /// Until when, if known.
        until: Option<Timestamp>,
    },
    /// It finished a turn.
    TurnEnded {
        /// Whether it says that it failed.
        is_error: bool,
        /// Its last words.
        text: String,
        /// Its own count of turns.
        turns: Option<u32>,
    },
    /// It ended.
    Exited {
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
    },
    /// Something that this version does not know; the raw line is kept.
    Other {
        /// The agent's own word for it.
        name: String,
    },
}

/// To the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToSupervisor {
    /// First on every connection.
    Welcome(Box<Welcome>),
    /// Everything up to here is stored.
    Ack {
        /// Terminal bytes.
        terminal: u64,
        /// Reports.
        reports: u64,
    },
    /// A person's line for the agent: a user message in the same session (or text and a newline in a terminal).
    Say {
        /// What.
        text: String,
        /// The number of the request that it came by, for the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// Which question of the agent's waits for a person: while one does, the end of a turn is not the end of the agent.
    Question {
        /// Its number; none: nothing is asked.
        open: Option<u32>,
    },
    /// A person's answer that the agent has not got by its own call: told as a line is, once for each number, however often
    /// it is sent. The question is open no more.
    Answer {
        /// The question's number.
        question: u32,
        /// What to tell.
        text: String,
    },
    /// The terminal's size.
    Resize {
        /// Columns, 1 to 1000.
        cols: u16,
        /// Rows, 1 to 1000.
        rows: u16,
    },
    /// Stop the agent, push work in progress to the saved ref, report [`End::Stopped`].
    Stop {
        /// How long the agent has to end by itself, in milliseconds.
        grace_ms: u64,
        /// The number of the request that it came by, for the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<String>,
    },
    /// Everything is stored: exit.
    Dismiss,
}

/// First on every connection to the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// [`VERSION`].
    pub version: u32,
    /// What to do; the same on every connection. A supervisor that has orders keeps the ones it has.
    pub orders: Orders,
    /// Send terminal bytes from here.
    pub terminal_from: u64,
    /// Send reports after this number.
    pub reports_after: u64,
}

/// What a sandbox is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// Its run.
    pub run: RunId,
    /// What for.
    pub purpose: Purpose,
    /// What to clone and where to push.
    pub git: GitOrders,
    /// Commands before agent or checks, each by `sh -c` in the workspace.
    pub setup: Vec<String>,
    /// Commands that must end with 0 (purpose `checks` only).
    pub checks: Vec<String>,
    /// What to launch (purpose `agent` only).
    pub agent: Option<AgentOrders>,
    /// Extra environment of set-up, agent and checks.
    pub env: BTreeMap<String, String>,
    /// Whether a proxy stands behind the door, so that the proxy variables are set.
    pub proxy: bool,
    /// How long all of it may take, in milliseconds, counted in the sandbox.
    pub timeout_ms: u64,
    /// How many bytes the volume may hold; past it the work is stopped and saved.
    pub disk_bytes: u64,
    /// The terminal's first size: columns and rows.
    pub terminal: (u16, u16),
}

/// What to clone and where to push. All through `/git/mirror.git` of the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitOrders {
    /// The commit to start from: the base, the commit to go on with, or the one to check. 40 or 64 hex digits.
    pub commit: String,
    /// A full ref that has that commit in its history, to fetch.
    pub fetch_ref: String,
    /// The commit that the branch started from, for counting and the diff.
    pub base: String,
    /// The local branch, and where finished work is pushed: `refs/heads/<branch>`. None in checks.
    pub branch: Option<String>,
    /// Where work in progress is pushed. None in checks.
    pub saved_ref: Option<String>,
    /// Go on with the workspace that is on the volume (a resumed run); clone only when there is none.
    pub keep_workspace: bool,
    /// Author and committer of commits that the supervisor makes, and git's defaults for the agent.
    pub user_name: String,
    /// The same.
    pub user_email: String,
    /// The subject of the commit of what the agent left uncommitted.
    pub message: String,
}

/// What to launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentOrders {
    /// Which agent; its tool is at `<tools>/<word>/bin`.
    pub kind: AgentKind,
    /// The command, for `shell`.
    pub command: Option<String>,
    /// The model's name for the provider.
    pub model: Option<String>,
    /// What to tell it first.
    pub prompt: String,
    /// The agent's own session to go on with.
    pub resume_session: Option<String>,
    /// The path of its gateway behind the door: `/gateway/anthropic`.
    pub gateway: Option<String>,
    /// A task's title for people, one line.
    pub title: String,
    /// How it works.
    #[serde(default)]
    pub mode: AgentMode,
    /// The names under which its task may be said to be complete (`/tmp/completion-<name>.txt`), the first one's own first.
    #[serde(default)]
    pub completion: Vec<String>,
    /// Whether it is a person's shell: however it ends, that is no failure, and what is there goes to the saved ref, with
    /// the workspace left as it is.
    #[serde(default)]
    pub session: bool,
}
