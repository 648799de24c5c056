//! A run: one attempt of one agent at one task, its states, its evidence and what it cost.

use crate::project::{AgentKind, AgentMode};
use crate::{ProjectName, RunId, SandboxId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its refs, volume, door and sandbox are being made.
    Starting,
    /// The sandbox clones and runs the set-up commands.
    Preparing,
    /// The agent works.
    Working,
    /// The agent waits for a permission, an answer or a quota.
    Waiting,
    /// The pushed commit is checked in a fresh sandbox.
    Checking,
    /// Over; the outcome says how.
    Finished,
}

impl RunState {
    /// Every state, in order.
    pub const ALL: [Self; 6] = [Self::Starting, Self::Preparing, Self::Working, Self::Waiting, Self::Checking, Self::Finished];

    /// The word on the wire and in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Preparing => "preparing",
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::Checking => "checking",
            Self::Finished => "finished",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The agent ended well; the checks, if any, are green.
    Succeeded,
    /// The agent failed or a check is red.
    Failed,
    /// A person stopped it, or its row was withdrawn.
    Stopped,
    /// It took longer than its project allows.
    TimedOut,
    /// Its sandbox was lost, or the machinery failed.
    Lost,
}

impl RunOutcome {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
        }
    }
}

/// What the model cost, counted by the gateway from the provider's own answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
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
    /// Cost in millionths of a US dollar, from the configured price of the model; 0 when no price is known.
    pub cost_microusd: u64,
}

impl Usage {
    /// Adds another count, saturating.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_tokens = self.cache_read_tokens.saturating_add(other.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.cost_microusd = self.cost_microusd.saturating_add(other.cost_microusd);
    }
}

/// What one check command did in the fresh sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The command, as configured.
    pub command: String,
    /// Its exit code; none when a signal or the time limit ended it.
    pub exit_code: Option<i32>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The end of what it printed, at most [`CheckResult::TAIL_BYTES`].
    pub output_tail: String,
}

impl CheckResult {
    /// How much of a check's output is kept.
    pub const TAIL_BYTES: usize = 16 * 1024;

    /// Whether it ended with 0.
    pub fn passed(&self) -> bool {
        self.exit_code == Some(0)
    }
}

/// A request of the run that the door refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// `host:port` or what was asked for.
    pub target: String,
    /// Why it was refused.
    pub reason: String,
    /// Whether it is one of the agent's own known probes (telemetry, update checks), shown apart.
    pub known_probe: bool,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
}

/// How far an agent says that it is: its own word, shown to people and proof of nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What it says.
    pub text: String,
    /// How much of the task is done, 0 to 100.
    pub percent: Option<u8>,
    /// When it said so.
    pub at: Timestamp,
}

/// What a run's agent asks people, and what they answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// From 1, counted in its run.
    pub number: u32,
    /// What it asks.
    pub text: String,
    /// The answers that it offers; any other may be given.
    pub choices: Vec<String>,
    /// When.
    pub at: Timestamp,
    /// What it was answered.
    pub answer: Option<Answer>,
    /// When it was seen that the answer reached the agent.
    pub told_at: Option<Timestamp>,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What they say.
    pub text: String,
    /// Who: the label of what they signed in with.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Question {
    /// How the answer begins by which it is known wherever it turns up.
    pub fn mark(&self) -> String {
        format!("to your question {}:", self.number)
    }

    /// The answer as the agent reads it.
    pub fn reply(&self) -> Option<String> {
        self.answer.as_ref().map(|answer| format!("Answer of {} {}\n\n{}", answer.by, self.mark(), answer.text))
    }

    /// Whether there is an answer that the agent is not known to have.
    pub fn is_untold(&self) -> bool {
        self.answer.is_some() && self.told_at.is_none()
    }
}

/// A phase of the run's plan, other than its own, that its agent says this work does too. It is done when the work is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseClaim {
    /// What its plan's source calls it.
    pub native_ref: String,
    /// Which, from 0, when it was claimed.
    pub phase: u32,
    /// Its title then.
    pub title: String,
}

/// One attempt of one agent at one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its task.
    pub task: TaskId,
    /// Its task's project.
    pub project: ProjectName,
    /// The prompt that the agent was given first.
    pub prompt: String,
    /// Where it stands.
    pub state: RunState,
    /// Why it waits, when it waits.
    pub waiting_for: Option<String>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// Why it ended so, as a sentence.
    pub outcome_detail: Option<String>,
    /// The agent.
    pub agent: AgentKind,
    /// The model's name for the provider; none: the agent's default.
    pub model: Option<String>,
    /// How the agent works.
    #[serde(default)]
    pub mode: AgentMode,
    /// The branch it works on, without `refs/heads/`.
    pub branch: String,
    /// The branch that it shall be merged into.
    pub target: String,
    /// Whether a person's shell is in it and no agent: it takes no slot, and nothing of it is checked, reviewed or merged.
    #[serde(default)]
    pub session: bool,
    /// The commit that it started from.
    pub base_commit: Option<String>,
    /// The commit that it pushed.
    pub head_commit: Option<String>,
    /// The ref that holds work in progress, when it was saved.
    pub saved_ref: Option<String>,
    /// Whether all that this run left on its volume is in a ref of the mirror, as observed there: only then may the volume go.
    #[serde(default)]
    pub work_saved: bool,
    /// The agent's own session id, for resuming.
    pub agent_session: Option<String>,
    /// The run whose volume this one goes on with: itself, or the run that it resumes.
    pub volume: RunId,
    /// The run that it resumes.
    pub resumes: Option<RunId>,
    /// What the agent says of the whole: with `complete_task`, else its last words.
    pub summary: Option<String>,
    /// What the agent last said of how far it is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// The tasks that the agent asked for.
    #[serde(default)]
    pub tasks_created: Vec<TaskId>,
    /// What the agent asked people, in order; at most the last one is open.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// The other phases of its plan that the agent says are done with this work.
    #[serde(default)]
    pub phases_done: Vec<PhaseClaim>,
    /// What the checks did, on the pushed commit.
    pub checks: Vec<CheckResult>,
    /// Set when the checks have run to their end on `head_commit`.
    pub checked_commit: Option<String>,
    /// When the work was accepted, by a person or by `review: auto`; cleared when it could not land.
    pub approved_at: Option<Timestamp>,
    /// The merge commit or the commit that the target was moved to.
    pub merged_commit: Option<String>,
    /// Why the last try to merge did not land, for a person.
    pub merge_problem: Option<String>,
    /// What the model cost.
    pub usage: Usage,
    /// What the door refused.
    pub refusals: Vec<Refusal>,
    /// The provider said that nothing more is to be had until then.
    pub quota_until: Option<Timestamp>,
    /// A person or the system asked it to stop: why.
    pub stop_requested: Option<StopReason>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the agent started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its supervisor was heard last.
    pub heard_at: Option<Timestamp>,
    /// A person decided that nothing of it shall land.
    #[serde(default)]
    pub discarded_at: Option<Timestamp>,
    /// When retention removed the recording of its terminal.
    #[serde(default)]
    pub recording_removed_at: Option<Timestamp>,
    /// When retention removed its reports.
    #[serde(default)]
    pub reports_removed_at: Option<Timestamp>,
    /// Counts the writes; 0: never stored.
    pub version: i64,
}

/// Why a run is being stopped, and so what becomes of its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// A person stopped it: the task is paused and can be started again.
    Person,
    /// The row was deleted or set Completed: the task is cancelled.
    Withdrawn,
    /// The row was set Blocked.
    RowBlocked,
    /// The row was set Paused.
    RowPaused,
    /// The row was set Pending again before the run had stopped for what it said: the task waits for another one.
    RowPending,
    /// It ran past its project's limit.
    Timeout,
    /// A better task needed its place.
    Preempted,
    /// Nobody used the session for as long as it may stay open.
    Idle,
}

impl StopReason {
    /// Whether the run's row says so.
    pub fn is_by_row(self) -> bool {
        matches!(self, Self::Withdrawn | Self::RowBlocked | Self::RowPaused | Self::RowPending)
    }
}

/// A step that a run's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("run {run} is {}: it cannot {step}", from.word())]
pub struct RunStepError {
    /// Which run.
    pub run: RunId,
    /// Its state.
    pub from: RunState,
    /// What was tried.
    pub step: &'static str,
}

impl Run {
    /// Whether it holds a slot.
    pub fn is_live(&self) -> bool {
        self.state != RunState::Finished
    }

    /// The question that waits for an answer. It is gone with the agent.
    pub fn open_question(&self) -> Option<&Question> {
        let has_agent = matches!(self.state, RunState::Working | RunState::Waiting) && self.stop_requested.is_none();
        self.questions.last().filter(|question| has_agent && question.answer.is_none())
    }

    /// How long questions were open, in milliseconds: people's time, not the agent's.
    pub fn asked_ms(&self, now: Timestamp) -> i64 {
        let open = |question: &Question| question.answer.as_ref().map_or(now, |answer| answer.at).ms_since(question.at).max(0);
        self.questions.iter().map(open).sum()
    }

    /// Moves on: forward through the states, and between working and waiting. Saying the same twice is no error.
    pub fn advance(&mut self, to: RunState, now: Timestamp) -> Result<(), RunStepError> {
        let back_to_work = self.state == RunState::Waiting && to == RunState::Working;
        if to == RunState::Finished || !self.is_live() || (to < self.state && !back_to_work) {
            return Err(RunStepError { run: self.id.clone(), from: self.state, step: "move on" });
        }
        if to == RunState::Working && self.started_at.is_none() {
            self.started_at = Some(now);
        }
        if to != RunState::Waiting {
            self.waiting_for = None;
        }
        self.state = to;
        Ok(())
    }

    /// Ends it.
    pub fn finish(&mut self, outcome: RunOutcome, detail: Option<String>, now: Timestamp) -> Result<(), RunStepError> {
        if !self.is_live() {
            return Err(RunStepError { run: self.id.clone(), from: self.state, step: "finish" });
        }
        self.state = RunState::Finished;
        self.waiting_for = None;
        self.outcome = Some(outcome);
        self.outcome_detail = detail;
        self.finished_at = Some(now);
        Ok(())
    }

    /// Whether checks ran on exactly the pushed commit and all are green. No checks configured counts as green.
    pub fn is_green(&self) -> bool {
        self.head_commit.is_some() && self.checked_commit == self.head_commit && self.checks.iter().all(CheckResult::passed)
    }
}

/// A sandbox that was made for a run, as the store remembers it: what reconciliation compares the world with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Its id.
    pub id: SandboxId,
    /// Its run.
    pub run: RunId,
    /// What it is for.
    pub purpose: crate::runner::Purpose,
    /// What the runner calls it, once it was made.
    pub handle: Option<String>,
    /// SHA-256, in hex, of the control channel's token, once its first caller took it.
    pub token_hash: Option<String>,
    /// Whether it is gone, its door with it.
    pub removed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts the writes; 0: never stored.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::{Answer, Question, Run};
    use crate::{RunState, Timestamp};

    fn question(number: u32, at: i64, answered: Option<i64>) -> Question {
        let answer = answered.map(|at| Answer { text: "Yes".to_owned(), by: "Ada".to_owned(), at: Timestamp(at) });
        Question { number, text: "Well?".to_owned(), choices: Vec::new(), at: Timestamp(at), answer, told_at: None }
    }

    fn run(state: &str, questions: &[Question]) -> Run {
        let run = serde_json::json!({
            "id": "a-1.1", "task": "a-1", "project": "A", "prompt": "x", "state": state, "agent": "claude", "branch": "b",
            "target": "main", "volume": "a-1.1", "checks": [], "refusals": [], "created_at": 0, "version": 1, "questions": questions,
            "usage": { "requests": 0, "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0,
                "cost_microusd": 0 },
        });
        serde_json::from_value(run).expect("a run")
    }

    #[test]
    fn a_question_is_open_while_its_agent_is_there() {
        let questions = [question(1, 10, Some(30)), question(2, 100, None)];
        assert_eq!(run("waiting", &questions).open_question().map(|open| open.number), Some(2));
        assert_eq!(run("working", &questions[..1]).open_question(), None);
        for state in ["checking", "finished"] {
            assert_eq!(run(state, &questions).open_question(), None, "{state}");
        }
        let mut stopping = run(RunState::Waiting.word(), &questions);
        stopping.stop_requested = Some(super::StopReason::Person);
        assert_eq!(stopping.open_question(), None);
    }

    #[test]
    fn the_time_that_people_took_is_counted() {
        let questions = [question(1, 10, Some(30)), question(2, 100, None)];
        assert_eq!(run("waiting", &questions).asked_ms(Timestamp(150)), 70);
        assert_eq!(run("waiting", &questions).asked_ms(Timestamp(50)), 20, "a clock that was set back takes nothing away");
    }
}
