//! A task: one piece of work on one project, its states and what may follow what.

use crate::backlog::SourceLink;
use crate::project::AgentMode;
use crate::pull_request::PullRequestLink;
use crate::session::ShellSession;
use crate::{Date, ProjectName, RunId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// The priority of a row whose priority cannot be read: after everything that has one.
pub const UNREADABLE_PRIORITY: u32 = 999;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for a person's approval before any agent starts.
    Pending,
    /// May start as soon as there is room.
    Queued,
    /// Has a live run.
    Running,
    /// Its run ended; the work waits for a decision.
    Review,
    /// Accepted.
    Done,
    /// Parked by a person, or until a quota resets; its agent session resumes.
    Paused,
    /// A person must do what the reason says.
    Blocked,
    /// Withdrawn.
    Cancelled,
}

impl TaskState {
    /// Every state, in the order of the board.
    pub const ALL: [Self; 8] =
        [Self::Pending, Self::Queued, Self::Running, Self::Review, Self::Done, Self::Paused, Self::Blocked, Self::Cancelled];

    /// The word on the wire and in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Review => "review",
            Self::Done => "done",
            Self::Paused => "paused",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads [`TaskState::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether nothing more will happen to the task by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// What kind of thing keeps a task from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockCode {
    /// The configuration has no project of that name.
    NoSuchProject,
    /// The project is there but cannot be worked on (no repository, no commit, submodules, …).
    ProjectUnusable,
    /// The row names an agent that is not configured or not installed.
    NoSuchAgent,
    /// The row names a model that is not configured.
    NoSuchModel,
    /// The task needs a GPU and no machine has one.
    NoGpu,
    /// The row has no Next Action.
    NoNextAction,
    /// The project's image cannot serve (no git, not glibc, cannot be pulled).
    ImageUnusable,
    /// The agent or the checks failed.
    Failed,
    /// The machinery failed more often than it is retried.
    MachineryFailed,
    /// A person blocked it here.
    ByPerson,
    /// Its row in the backlog says Blocked.
    BySource,
    /// It depends on something that is not there, or was withdrawn.
    NoSuchDependency,
    /// It depends on itself, by way of others or at once.
    DependencyCycle,
}

impl BlockCode {
    /// Whether the block follows from configuration and machines alone, so that it lifts by itself when they change.
    pub fn lifts_by_itself(self) -> bool {
        matches!(
            self,
            Self::NoSuchProject
                | Self::ProjectUnusable
                | Self::NoSuchAgent
                | Self::NoSuchModel
                | Self::NoGpu
                | Self::NoNextAction
                | Self::NoSuchDependency
                | Self::DependencyCycle
        )
    }
}

/// Why a task is blocked, and what a person must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockReason {
    /// The kind.
    pub code: BlockCode,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What a person can do about it, as a sentence.
    pub fix: String,
}

impl BlockReason {
    /// A reason from its parts.
    pub fn new(code: BlockCode, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, message: message.into(), fix: fix.into() }
    }
}

/// What the next run of a task continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The run whose branch, volume and agent session go on.
    pub run: RunId,
    /// What the agent is told; none when it shall just go on.
    pub comment: Option<String>,
}

/// A task that must be done before another starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// By which name the source has it ([`crate::backlog::SourceItem::native_ref`]); a task's key where a person named it here.
    pub name: String,
    /// The task that it is; none: there is none of that name.
    pub task: Option<TaskId>,
}

/// One piece of work on one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its key.
    pub id: TaskId,
    /// The project, which may be unknown to the configuration.
    pub project: ProjectName,
    /// What shall be done: the prompt.
    pub action: String,
    /// 1 first; [`UNREADABLE_PRIORITY`] when it could not be read.
    pub priority: u32,
    /// The day it is due.
    pub deadline: Option<Date>,
    /// Whether it needs a GPU.
    pub needs_gpu: bool,
    /// The agent that the row asks for; none: the project's.
    pub agent: Option<String>,
    /// The Model column; none: the agent's default.
    pub model: Option<String>,
    /// How its agent works; none: as its project says.
    #[serde(default)]
    pub mode: Option<AgentMode>,
    /// Where it stands.
    pub state: TaskState,
    /// Why, when it is blocked.
    pub block: Option<BlockReason>,
    /// The row or ticket that it comes from; none: added by hand.
    pub source: Option<SourceLink>,
    /// The live run, or the last one.
    pub run: Option<RunId>,
    /// How many runs there have been.
    pub attempts: u32,
    /// What the next run continues.
    pub resume: Option<Resume>,
    /// Failures of the machinery since the last success; drives the back-off.
    pub machinery_failures: u32,
    /// How often red checks were sent back to the agent by themselves.
    pub sent_back: u32,
    /// What must be done before it starts; what its source had Completed is not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// Not before this moment (back-off, quota).
    pub not_before: Option<Timestamp>,
    /// Whether it is paused only because a better task took its place: it goes on by itself when there is room.
    #[serde(default)]
    pub preempted: bool,
    /// When a better task last took its place.
    #[serde(default)]
    pub preempted_at: Option<Timestamp>,
    /// The run whose agent asked for it; none: a person or a backlog did.
    #[serde(default)]
    pub created_by: Option<RunId>,
    /// The session that this is in truth: a shell that a person opened, which no agent works on and no board shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<ShellSession>,
    /// The pull request that its work was last proposed as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<Box<PullRequestLink>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub updated_at: Timestamp,
    /// Counts the writes; the store refuses a write on an old version. 0: never stored.
    pub version: i64,
}

/// A step that a task's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task {task} is {}: it cannot {step}", from.word())]
pub struct TransitionError {
    /// Which task.
    pub task: TaskId,
    /// Its state.
    pub from: TaskState,
    /// What was tried, as a verb.
    pub step: &'static str,
}

impl Task {
    fn step(&mut self, step: &'static str, allowed: &[TaskState], to: TaskState, now: Timestamp) -> Result<(), TransitionError> {
        if !allowed.contains(&self.state) {
            return Err(TransitionError { task: self.id.clone(), from: self.state, step });
        }
        self.state = to;
        self.updated_at = now;
        self.preempted = false;
        if to != TaskState::Blocked {
            self.block = None;
        }
        Ok(())
    }

    /// Waits for a person's approval: its project wants one before the first run, or its text changed since the last one
    /// and comes from somebody who is not trusted.
    pub fn ask(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        self.step("wait for approval", &[TaskState::Queued, TaskState::Paused, TaskState::Blocked], TaskState::Pending, now)
    }

    /// Whether people discuss it where it comes from.
    pub fn is_ticket(&self) -> bool {
        self.source.as_ref().is_some_and(|link| link.is_ticket)
    }

    /// A person lets an agent start.
    pub fn approve(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        self.step("be approved", &[TaskState::Pending], TaskState::Queued, now)
    }

    /// A run starts; the attempt is counted and the run's id returned.
    pub fn start(&mut self, now: Timestamp) -> Result<RunId, TransitionError> {
        self.step("start", &[TaskState::Queued], TaskState::Running, now)?;
        self.attempts += 1;
        self.not_before = None;
        let run = self.id.run(self.attempts);
        self.run = Some(run.clone());
        Ok(run)
    }

    /// The run ended with work to decide on.
    pub fn submit(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        self.step("go to review", &[TaskState::Running], TaskState::Review, now)?;
        self.machinery_failures = 0;
        self.resume = None;
        Ok(())
    }

    /// The work was accepted.
    pub fn finish(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        self.step("be completed", &[TaskState::Review], TaskState::Done, now)
    }

    /// It was done with the accepted work of another task.
    pub fn finish_along(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        let waits = [TaskState::Pending, TaskState::Queued, TaskState::Paused, TaskState::Blocked];
        self.step("be completed with another", &waits, TaskState::Done, now)
    }

    /// The work goes back to the agent with a comment; the same branch and agent session go on.
    pub fn send_back(&mut self, comment: String, now: Timestamp) -> Result<(), TransitionError> {
        self.step("be sent back", &[TaskState::Review], TaskState::Queued, now)?;
        self.resume = self.run.clone().map(|run| Resume { run, comment: Some(comment) });
        Ok(())
    }

    /// The run was stopped, or parked until `not_before`; its session resumes when it is queued again.
    pub fn pause(&mut self, not_before: Option<Timestamp>, now: Timestamp) -> Result<(), TransitionError> {
        let running = self.state == TaskState::Running;
        self.step(
            "be paused",
            &[TaskState::Running, TaskState::Queued, TaskState::Pending, TaskState::Paused],
            TaskState::Paused,
            now,
        )?;
        if running {
            self.resume = self.run.clone().map(|run| Resume { run, comment: None });
        }
        self.not_before = not_before;
        Ok(())
    }

    /// A better task took its run's place; its session resumes when there is room again.
    pub fn preempt(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        self.pause(None, now)?;
        self.preempted = true;
        self.preempted_at = Some(now);
        Ok(())
    }

    /// Goes (back) into the queue: a person starts or retries it, or its pause is over.
    pub fn queue(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        self.step(
            "be queued",
            &[TaskState::Pending, TaskState::Paused, TaskState::Blocked, TaskState::Cancelled],
            TaskState::Queued,
            now,
        )?;
        self.not_before = None;
        Ok(())
    }

    /// The machinery failed under the run; it goes back into the queue and waits until `not_before`.
    pub fn requeue(&mut self, resume: bool, not_before: Timestamp, now: Timestamp) -> Result<(), TransitionError> {
        self.step("be queued again", &[TaskState::Running], TaskState::Queued, now)?;
        self.machinery_failures += 1;
        self.not_before = Some(not_before);
        if resume {
            let comment = self.resume.take().and_then(|resume| resume.comment);
            self.resume = self.run.clone().map(|run| Resume { run, comment });
        }
        Ok(())
    }

    /// It may not run until a person does what the reason says.
    pub fn block(&mut self, reason: BlockReason, now: Timestamp) -> Result<(), TransitionError> {
        self.step(
            "be blocked",
            &[
                TaskState::Pending,
                TaskState::Queued,
                TaskState::Running,
                TaskState::Review,
                TaskState::Paused,
                TaskState::Blocked,
            ],
            TaskState::Blocked,
            now,
        )?;
        self.block = Some(reason);
        Ok(())
    }

    /// Withdrawn: by a person, or because its row went.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), TransitionError> {
        self.step(
            "be cancelled",
            &[
                TaskState::Pending,
                TaskState::Queued,
                TaskState::Running,
                TaskState::Review,
                TaskState::Paused,
                TaskState::Blocked,
            ],
            TaskState::Cancelled,
            now,
        )
    }
}
