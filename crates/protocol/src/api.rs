//! Bodies of the HTTP API `/api/v1`, and events.
//!
//! Views are what people's programs see; they are made from the core's entities and say nothing that must not leave
//! (no token, no host path but the project's own directory).

mod accounts;
mod questions;
mod retention;
mod sessions;

pub use crate::status::{LogLine, PartState, PartView, ReadyView, ReloadView, StatusView};
pub use crate::task::{DependencyView, PullRequestView};
pub use accounts::{AccountChange, AccountView, NewAccount};
pub use questions::{AnswerQuestion, AnswerView, PhaseView, ProgressView, QuestionView};
pub use retention::{RetentionItem, RetentionKind, RetentionView};
use serde::{Deserialize, Serialize};
pub use sessions::{
    NewSession, NewSessionKind, RemovedSession, SESSION_PROTOCOL, SessionClientMessage, SessionServerMessage, SessionSource,
    SessionState, SessionView,
};
use strawboss_core::project::AgentMode;
use strawboss_core::run::{CheckResult, Refusal, Usage};
use strawboss_core::task::BlockReason;
use strawboss_core::{RunOutcome, RunState, TaskState};

/// A task as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskView {
    /// Its key.
    pub id: String,
    /// Its project.
    pub project: String,
    /// What shall be done.
    pub action: String,
    /// 1 first; 999 when it could not be read.
    pub priority: u32,
    /// The day it is due, `YYYY-MM-DD`.
    pub deadline: Option<String>,
    /// Whether it needs a GPU.
    pub needs_gpu: bool,
    /// The agent that the row asks for.
    pub agent: Option<String>,
    /// The Model column.
    pub model: Option<String>,
    /// How its agent works, `headless` or `interactive`; none: as its project says.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "interactive"))]
    pub mode: Option<AgentMode>,
    /// Where it stands.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "queued"))]
    pub state: TaskState,
    /// Why it is blocked and what to do.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BlockView>))]
    pub block: Option<BlockReason>,
    /// Why a queued task does not start yet, as a sentence.
    pub waits_for: Option<String>,
    /// What must be done before it starts.
    pub depends_on: Vec<DependencyView>,
    /// The source that it comes from: `csv:priorities.csv`.
    pub source: Option<String>,
    /// Its name in the tracker that it comes from, as people say it: `WEB-12`, `acme/web#12`.
    pub ticket: Option<String>,
    /// Where a person reads it at its source, if that is a page.
    pub source_url: Option<String>,
    /// The pull request that its work was last proposed as.
    pub pull_request: Option<PullRequestView>,
    /// Its live run, or the last one.
    pub run: Option<RunView>,
    /// How many runs there have been.
    pub attempts: u32,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at: i64,
    /// When its state changed last, milliseconds since 1970 UTC.
    pub updated_at: i64,
}

/// The shape of a block on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockView {
    /// `no_such_project`, `no_gpu`, `failed`, …
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// A run as people see it in lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// Its task.
    pub task: String,
    /// Its project.
    pub project: String,
    /// Where it stands.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "working"))]
    pub state: RunState,
    /// Why it waits.
    pub waiting_for: Option<String>,
    /// How it ended.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "succeeded"))]
    pub outcome: Option<RunOutcome>,
    /// Why it ended so.
    pub outcome_detail: Option<String>,
    /// The agent.
    pub agent: String,
    /// The model.
    pub model: Option<String>,
    /// How the agent works: `headless` or `interactive`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "headless"))]
    pub mode: AgentMode,
    /// Its branch.
    pub branch: String,
    /// The branch that it shall be merged into.
    pub target: String,
    /// Whether checks ran to their end, and all were green.
    pub green: Option<bool>,
    /// What its agent last said of how far it is.
    pub progress: Option<ProgressView>,
    /// What its agent asks people now: `POST /api/v1/runs/{id}/answer`.
    pub question: Option<QuestionView>,
    /// What the model cost.
    #[cfg_attr(feature = "openapi", schema(value_type = UsageView))]
    pub usage: Usage,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// When the agent started.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// When its supervisor was heard last: what is shown was true then.
    pub heard_at: Option<i64>,
}

/// The shape of usage on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsageView {
    /// Requests that were answered.
    pub requests: u64,
    /// Tokens read that no cache held.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Millionths of a US dollar.
    pub cost_microusd: u64,
}

/// A run with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunDetail {
    /// What lists show.
    pub run: RunView,
    /// What the agent was told first.
    pub prompt: String,
    /// The commit that it started from.
    pub base_commit: Option<String>,
    /// The commit that it pushed.
    pub head_commit: Option<String>,
    /// The ref that holds saved work in progress.
    pub saved_ref: Option<String>,
    /// The agent's last words.
    pub summary: Option<String>,
    /// All that its agent asked people, in order.
    pub questions: Vec<QuestionView>,
    /// The other phases of its plan that its agent says this work does: they are completed with it when it is accepted.
    pub phases_done: Vec<PhaseView>,
    /// What the checks did.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<CheckView>))]
    pub checks: Vec<CheckResult>,
    /// What the door refused.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<RefusalView>))]
    pub refusals: Vec<Refusal>,
    /// The commit that landed.
    pub merged_commit: Option<String>,
    /// Why the last try to merge did not land.
    pub merge_problem: Option<String>,
    /// The run that it resumes.
    pub resumes: Option<String>,
    /// When retention removed the recording of its terminal.
    pub recording_removed_at: Option<i64>,
    /// When retention removed its reports.
    pub reports_removed_at: Option<i64>,
    /// CPU, memory, disk, processes as last heard.
    pub load: Option<LoadView>,
}

/// What a sandbox used when it was heard last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoadView {
    /// CPU time in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Bytes on the volume.
    pub disk_bytes: Option<u64>,
    /// Processes.
    pub processes: Option<u32>,
    /// When, milliseconds since 1970 UTC.
    pub at: i64,
}

/// The shape of a check's result on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckView {
    /// The command.
    pub command: String,
    /// Its exit code; none when a signal or the time limit ended it.
    pub exit_code: Option<i32>,
    /// Milliseconds.
    pub duration_ms: u64,
    /// The end of what it printed.
    pub output_tail: String,
}

/// The shape of a refusal on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusalView {
    /// What was asked for.
    pub target: String,
    /// Why it was refused.
    pub reason: String,
    /// One of the agent's own known probes.
    pub known_probe: bool,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: i64,
}

/// A stored report of a run: `GET /api/v1/runs/{id}/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunEvent {
    /// Grows; ask for what comes after it.
    pub row: i64,
    /// Which sandbox of the run said so.
    pub sandbox: String,
    /// When it came, milliseconds since 1970 UTC.
    pub at: i64,
    /// The supervisor's report (protocol `ReportBody`), with `kind`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub body: serde_json::Value,
}

/// A new task by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// Its project.
    pub project: String,
    /// What shall be done.
    pub action: String,
    /// 1 first.
    #[serde(default)]
    pub priority: Option<u32>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    pub deadline: Option<String>,
    /// Whether it needs a GPU.
    #[serde(default)]
    pub needs_gpu: bool,
    /// An agent's word.
    #[serde(default)]
    pub agent: Option<String>,
    /// A key of `models:`.
    #[serde(default)]
    pub model: Option<String>,
    /// How its agent works, `headless` or `interactive`; none: as its project says.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "interactive"))]
    pub mode: Option<AgentMode>,
    /// The keys of tasks that must be done before.
    #[serde(default)]
    pub depends_on: Vec<String>,
}

/// What to do with a task: `POST /api/v1/tasks/{id}/{action}` has no body but for block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BlockTask {
    /// Why, for people.
    pub reason: String,
}

/// A line for the agent: `POST /api/v1/runs/{id}/say`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Say {
    /// What, 16 KiB at most.
    pub text: String,
}

/// A decision with words: `POST /api/v1/reviews/{task}/reject`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// What the agent shall do; none discards the work (the branch stays in the mirror).
    #[serde(default)]
    pub comment: Option<String>,
}

/// A task that waits for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReviewView {
    /// The task.
    pub task: TaskView,
    /// The run with its evidence.
    pub evidence: RunDetail,
    /// Files changed, lines added and removed.
    pub stat: DiffStat,
}

/// A diff in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiffStat {
    /// Files.
    pub files: u32,
    /// Lines.
    pub added: u32,
    /// Lines.
    pub removed: u32,
}

/// A diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiffView {
    /// From.
    pub base: String,
    /// To.
    pub head: String,
    /// In numbers.
    pub stat: DiffStat,
    /// Unified diff, cut to 2 MiB; bytes that are no UTF-8 replaced.
    pub patch: String,
    /// Whether it was cut.
    pub truncated: bool,
}

/// A project as people see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectView {
    /// Its name.
    pub name: String,
    /// Directory or URL.
    pub repository: String,
    /// The branch that work starts from.
    pub branch: Option<String>,
    /// The agent for rows that name none.
    pub agent: String,
    /// How its agents work, `headless` or `interactive`; none: headless, but for tickets that a person approved.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "interactive"))]
    pub mode: Option<AgentMode>,
    /// The image.
    pub image: Option<String>,
    /// The checks.
    pub checks: Vec<String>,
    /// `auto` or `manual`.
    pub approval: String,
    /// `manual`, `auto` or `pull_request`.
    pub review: String,
    /// What sandboxes may reach.
    pub allow: Vec<String>,
    /// Why it cannot be worked on, and the fix.
    pub problem: Option<String>,
}

/// A source of work as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceView {
    /// `csv:priorities.csv`.
    pub name: String,
    /// Whether the last look could read it.
    pub readable: bool,
    /// Since when it cannot be read, milliseconds since 1970 UTC; none when it can.
    pub since: Option<i64>,
    /// When it was last looked at, milliseconds since 1970 UTC.
    pub looked_at: Option<i64>,
    /// Rows.
    pub items: u32,
    /// What is wrong, by line and column.
    pub problems: Vec<ProblemView>,
}

/// Something wrong in a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProblemView {
    /// From 1; 0 when it is about the whole.
    pub line: u64,
    /// The column.
    pub column: Option<String>,
    /// What is wrong and what was done about it.
    pub message: String,
    /// Whether the row was left out.
    pub skipped: bool,
}

/// How many tasks are in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateCount {
    /// The state.
    pub state: String,
    /// How many.
    pub count: u64,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Ask with `after=` this for more; none: that was all.
    pub next: Option<String>,
}

/// What `GET /api/v1/events` (SSE) sends: `event:` is the `type`, `id:` the sequence number, `data:` this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// First, and again after a gap: everything that is not over, and the newest of what is. Replaces what was known.
    Snapshot {
        /// Tasks.
        tasks: Vec<TaskView>,
    },
    /// A task is new or changed.
    Task {
        /// As it is now.
        task: Box<TaskView>,
    },
    /// A report of a run arrived.
    RunReport {
        /// Its run.
        run: String,
        /// It.
        report: RunEvent,
    },
    /// A source was read.
    Source {
        /// As observed.
        source: SourceView,
    },
}

/// Every error of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// `not_found`, `conflict`, `invalid`, `unauthorized`, `forbidden`, `unavailable`, `internal`.
    pub code: String,
    /// What was tried and why it failed.
    pub message: String,
    /// What to do.
    pub fix: Option<String>,
}

/// A new API token: `POST /api/v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    pub label: String,
    /// `admin`, `write` or `read`.
    pub scope: String,
    /// Days until it stops working.
    #[serde(default)]
    pub expires_in_days: Option<u32>,
}

/// A token as people see it; the secret only in the answer that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenView {
    /// Its id, for revoking.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// `admin`, `write` or `read`.
    pub scope: String,
    /// Milliseconds since 1970 UTC.
    pub created_at: i64,
    /// When it stops working.
    pub expires_at: Option<i64>,
    /// The secret, once.
    pub secret: Option<String>,
}
