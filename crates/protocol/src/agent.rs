//! What a run's agent is told when it asks for its task, and how much it may say.

use serde::Serialize;

/// The longest word on how far it is, in bytes.
pub const MAX_PROGRESS: usize = 2_000;
/// The longest summary, in bytes.
pub const MAX_SUMMARY: usize = 16_000;
/// The longest text of a task that an agent asks for, in bytes.
pub const MAX_ACTION: usize = 32_000;
/// How many tasks a run's agent may ask for.
pub const MAX_TASKS: usize = 10;
/// The longest question to people, in bytes.
pub const MAX_QUESTION: usize = 4_000;
/// The longest answer that a question offers, in bytes.
pub const MAX_CHOICE: usize = 200;
/// How many answers a question may offer.
pub const MAX_CHOICES: usize = 10;
/// How many questions a run's agent may ask.
pub const MAX_QUESTIONS: usize = 20;
/// The longest answer, in bytes.
pub const MAX_ANSWER: usize = 16_000;
/// How much time passes between two words on how far it is, in milliseconds.
pub const PROGRESS_EVERY_MS: i64 = 1_000;

/// The task of a run, as its agent may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentTask {
    /// Its key.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What shall be done.
    pub text: String,
    /// Its project.
    pub project: String,
    /// The run.
    pub run: String,
    /// The branch that it works on.
    pub branch: String,
    /// The branch that its work shall be merged into.
    pub target: String,
    /// How it works: `headless` or `interactive`.
    pub mode: &'static str,
    /// What must end with 0 on a fresh clone of its last commit.
    pub checks: Vec<String>,
    /// What had to be done before.
    pub depends_on: Vec<AgentDependency>,
    /// Where the task comes from, if a backlog has it.
    pub source: Option<AgentSource>,
    /// The comment with which its work was sent back.
    pub comment: Option<String>,
    /// The tasks that this run has asked for.
    pub tasks_created: Vec<String>,
}

/// Something that had to be done before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentDependency {
    /// By which name its source has it.
    pub name: String,
    /// The task's key, if it is one.
    pub task: Option<String>,
}

/// Where a task comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentSource {
    /// The backlog's name.
    pub name: String,
    /// What the backlog calls the item; in a plan, its phase.
    pub item: String,
    /// Where people read it.
    pub url: Option<String>,
}

/// A task that an agent asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentNewTask {
    /// What shall be done.
    pub action: String,
    /// 1 first; none: after everything that has one.
    pub priority: Option<u32>,
    /// Keys of tasks of the same project that must be done before.
    pub depends_on: Vec<String>,
}

/// What becomes of an agent that said that its task is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedOver {
    /// It is ended now.
    Now,
    /// It ends its turn itself.
    AtTurnsEnd,
}

/// What comes of asking people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// They answered: this.
    Answer(String),
    /// Nobody has answered yet; the question stays open.
    Open,
}

/// A plan, as the agent of one of its phases may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentPlan {
    /// Its id.
    pub plan: String,
    /// What it is for.
    pub description: String,
    /// The phase that this run works on.
    pub yours: Option<AgentPhase>,
    /// The first phase that is neither done nor this run's, with all its text; none: nothing is left.
    pub next: Option<AgentPhase>,
    /// How many phases it has.
    pub phases: usize,
    /// How many are done.
    pub phases_done: usize,
    /// Those that are done, the last 100 of them.
    pub done: Vec<AgentPhase>,
    /// Those that this run has said to be done: they are when its work is accepted.
    pub claimed: Vec<u32>,
}

/// A phase of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentPhase {
    /// Which, from 0.
    pub phase: usize,
    /// Its first line.
    pub title: String,
    /// All of it, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What becomes of a phase that an agent says is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseDone {
    /// It is ticked already.
    Already,
    /// It is the run's own: the run is handed over.
    Own(HandedOver),
    /// It is done when this run's work is accepted.
    WithThisWork,
}
