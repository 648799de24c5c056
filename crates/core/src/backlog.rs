//! The port to where work comes from, and what crosses it.

use crate::run::RunOutcome;
use crate::{Date, ProjectName, RunId, Timestamp};
use serde::{Deserialize, Serialize};

/// The Status column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BacklogStatus {
    /// Ready, unless the project wants approval.
    Pending,
    /// Ready.
    Queued,
    /// An agent works on it.
    #[serde(rename = "In Progress")]
    InProgress,
    /// A person must decide.
    #[serde(rename = "In Review")]
    InReview,
    /// Accepted.
    Completed,
    /// Parked.
    Paused,
    /// A person must do something.
    Blocked,
}

impl BacklogStatus {
    /// Every status.
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Queued, Self::InProgress, Self::InReview, Self::Completed, Self::Paused, Self::Blocked];

    /// The word in the Status column.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Queued => "Queued",
            Self::InProgress => "In Progress",
            Self::InReview => "In Review",
            Self::Completed => "Completed",
            Self::Paused => "Paused",
            Self::Blocked => "Blocked",
        }
    }

    /// Reads a Status cell, whatever the case and outer blanks; an empty one is Pending. `None`: unknown.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim();
        if word.is_empty() {
            return Some(Self::Pending);
        }
        Self::ALL.into_iter().find(|status| status.word().eq_ignore_ascii_case(word))
    }

    /// What a task's state reads as in a backlog.
    pub fn of(state: crate::TaskState) -> Self {
        use crate::TaskState as S;
        match state {
            S::Pending => Self::Pending,
            S::Queued => Self::Queued,
            S::Running => Self::InProgress,
            S::Review => Self::InReview,
            S::Done => Self::Completed,
            S::Paused | S::Cancelled => Self::Paused,
            S::Blocked => Self::Blocked,
        }
    }
}

/// One row or ticket as its source has it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceItem {
    /// Stable name within its source: `id:42`, or derived from project, action and which one among equals.
    pub native_ref: String,
    /// The Project column.
    pub project: ProjectName,
    /// What shall be done; empty when the row has none.
    pub action: String,
    /// 1 first; 999 when it cannot be read.
    pub priority: u32,
    /// The Status column.
    pub status: BacklogStatus,
    /// Whether the Status column says nothing that can be understood, so that `status` is only what a new row is taken for:
    /// a person may be typing. For a row that is known nothing follows from it, and it is not written over.
    #[serde(default)]
    pub status_unclear: bool,
    /// An agent that a person asked for in the Agent column: only a configured agent's bare word counts, since
    /// the same column is written back.
    pub agent: Option<String>,
    /// The Deadline column.
    pub deadline: Option<Date>,
    /// The GPU column.
    pub needs_gpu: bool,
    /// The Model column.
    pub model: Option<String>,
    /// The names of items of the same source that must be done before: each a [`Self::native_ref`], there or not.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Where it stands, for people: the row's line, counted from 1 with the header.
    pub line: u64,
    /// Where a person reads it, if that is a page.
    #[serde(default)]
    pub url: Option<String>,
    /// Whether its text comes from somebody who is not trusted: it waits for a person whatever its project says.
    #[serde(default)]
    pub needs_approval: bool,
    /// Whether people discuss it where it is, under a name that outlives every edit: what is written there once it was
    /// worked on is no new work. A row of a table whose text was changed is.
    #[serde(default)]
    pub is_ticket: bool,
    /// What it is in a ticket system that has projects of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Box<Ticket>>,
}

/// A ticket as its own system knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// As people say it: `WEB-12`. It may change with its project's name.
    pub id: String,
    /// Its id in that system, which never changes.
    pub uuid: String,
    /// The id of its project in that system.
    pub project_id: String,
    /// What made it work.
    pub trigger: TicketTrigger,
}

/// What made a ticket work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketTrigger {
    /// It was made.
    NewTicket,
    /// A person moved it to another state.
    StatusChange,
    /// A person commented on it.
    CommentAdded,
}

impl TicketTrigger {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::NewTicket => "new_ticket",
            Self::StatusChange => "status_change",
            Self::CommentAdded => "comment_added",
        }
    }
}

/// Something wrong in a source, by place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProblem {
    /// The line, from 1; 0 when it is about the whole.
    pub line: u64,
    /// The column's name, if it is about one.
    pub column: Option<String>,
    /// What is wrong and what was done about it.
    pub message: String,
    /// Whether the row was left out because of it.
    pub skipped: bool,
    /// The row's name, where it can still be told. A row that was skipped is there all the same: what is known of it
    /// stays, it was not deleted. While a skipped row has no name, a row that is missing from the list may be that one.
    #[serde(default)]
    pub native_ref: Option<String>,
}

/// What reading a source gave: its whole list, or that it could not be read (never an empty list by accident).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// All there is now.
    Items {
        /// In the source's order.
        items: Vec<SourceItem>,
        /// What was wrong.
        problems: Vec<SourceProblem>,
    },
    /// It could not be read; what is known of it stays.
    Unreadable {
        /// What was tried, why it failed, what to do.
        problem: SourceProblem,
    },
}

/// What a person reads at the source when work ended: in review, done, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The run that it is about.
    pub run: RunId,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// The agent's last words: hostile text.
    pub summary: Option<String>,
    /// What the checks did.
    pub checks: Vec<ReportedCheck>,
    /// The branch with the work.
    pub branch: String,
    /// The commit that was pushed, or that it was merged as.
    pub commit: Option<String>,
    /// What the model cost, in millionths of a US dollar; 0 when that is not known.
    pub cost_microusd: u64,
    /// Why a person must do something, when it is blocked, and what.
    pub trouble: Option<String>,
    /// Where the task is looked at, when this service has a public address.
    pub link: Option<String>,
}

/// A check as a report has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedCheck {
    /// The command, as configured.
    pub command: String,
    /// Its exit code; none when a signal or the time limit ended it.
    pub exit_code: Option<i32>,
}

/// A report that did not land before something newer was to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierReport {
    /// What the row was to say with it.
    pub status: BacklogStatus,
    /// The report.
    pub report: Report,
}

/// What is written back to a row. Each write says the whole truth of our columns, so writing twice is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBack {
    /// Which row.
    pub native_ref: String,
    /// The Status column.
    pub status: BacklogStatus,
    /// The Agent column: agent, run and, when blocked, why. Empty leaves the cell as it is.
    pub agent: String,
    /// The Last Update column.
    pub at: Timestamp,
    /// The Status that the row is known to have: where it has neither this nor the new one, a person set it meanwhile, and
    /// the row is left as it is. None: whatever it has.
    #[serde(default)]
    pub known: Option<BacklogStatus>,
    /// When work ended: what a person should read about it, where the source has room for that.
    #[serde(default)]
    pub report: Option<Report>,
    /// Of other runs what people could not be told yet, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierReport>,
}

impl WriteBack {
    /// All that people should read, in the order in which it came to be: one report a run.
    pub fn reports(&self) -> impl Iterator<Item = (BacklogStatus, &Report)> {
        let newest = self.report.iter().map(|report| (self.status, report));
        self.earlier.iter().map(|earlier| (earlier.status, &earlier.report)).chain(newest)
    }

    /// Takes over what this one, which it replaces before it landed, had to tell of other runs.
    pub fn replace(&mut self, waiting: Self) {
        let newest = waiting.report.map(|report| EarlierReport { status: waiting.status, report });
        let about = self.report.as_ref().map(|report| report.run.clone());
        let all = waiting.earlier.into_iter().chain(newest);
        self.earlier = all.filter(|earlier| Some(&earlier.report.run) != about.as_ref()).collect();
    }

    /// What is left of it when a person set the Status before it landed: what it has to tell, and their word.
    pub fn overruled(self, by: BacklogStatus, at: Timestamp) -> Option<Self> {
        let mut left = Self {
            native_ref: self.native_ref.clone(),
            status: by,
            agent: String::new(),
            at,
            known: Some(by),
            report: None,
            earlier: Vec::new(),
        };
        left.replace(self);
        (!left.earlier.is_empty()).then_some(left)
    }
}

/// What became of a write-back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The row says so now.
    Written,
    /// The row is no longer there; there is nothing to write to.
    RowGone,
    /// A person set the row's Status meanwhile: it stays so, and the next reading says what they want. Reports were told.
    Overtaken,
    /// The source will not take this one, while it takes others: what was tried, why, what to do. It is tried again.
    Refused(String),
}

/// Why a write-back could not be made now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}. {fix}")]
pub struct WriteBackError {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// Whether trying again later can help without a person.
    pub retry: bool,
}

/// A plan as its source has it now, for who works on one of its phases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// In order.
    pub phases: Vec<OutlinePhase>,
}

/// A phase of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlinePhase {
    /// [`SourceItem::native_ref`].
    pub native_ref: String,
    /// Its first line.
    pub title: String,
    /// All of it.
    pub text: String,
    /// Whether it is ticked.
    pub done: bool,
}

/// A source of work. `read` and `write_back` may be called at any time, twice, or after a crash.
#[async_trait::async_trait]
pub trait Backlog: Send + Sync {
    /// Its name, stable over restarts: `csv:priorities.csv`.
    fn name(&self) -> &str;
    /// Whether its items are tickets.
    fn holds_tickets(&self) -> bool {
        false
    }
    /// Its whole list as of now.
    async fn read(&self) -> Reading;
    /// The plan that an item is a phase of; none: it is of no plan. An error says why it cannot be read now.
    async fn outline(&self, _native_ref: &str) -> Result<Option<Outline>, String> {
        Ok(None)
    }
    /// Returns when the source may have changed since the last `read` (or its interval is over). Cancel-safe.
    async fn changed(&self);
    /// Writes to rows; outcomes in the order asked. After an error nobody knows which were written: all are asked again.
    async fn write_back(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError>;
}

/// How a task hangs on its source's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLink {
    /// [`Backlog::name`].
    pub source: String,
    /// [`SourceItem::native_ref`].
    pub native_ref: String,
    /// The Status that the row is known to have, read or written by us: a different one was set by a person.
    pub row_status: BacklogStatus,
    /// A later task took over the row, or the row is gone: this one no longer writes to it.
    pub detached: bool,
    /// [`SourceItem::is_ticket`].
    #[serde(default)]
    pub is_ticket: bool,
    /// [`SourceItem::url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// [`SourceItem::ticket`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Box<Ticket>>,
}

impl SourceLink {
    /// What people call the ticket, where it is one.
    pub fn ticket_name(&self) -> Option<&str> {
        let by_tracker = || self.native_ref.split_once(':').map_or(self.native_ref.as_str(), |(_, name)| name);
        self.ticket.as_ref().map(|ticket| ticket.id.as_str()).or_else(|| self.is_ticket.then(by_tracker))
    }
}

#[cfg(test)]
mod tests {
    use super::{BacklogStatus, EarlierReport, Report, WriteBack};
    use crate::{RunId, Timestamp};

    fn write(status: BacklogStatus, run: Option<&str>) -> WriteBack {
        let report = run.map(|run| Report {
            run: RunId::parse(run).unwrap(),
            outcome: None,
            summary: None,
            checks: Vec::new(),
            branch: "strawboss/one-1".to_owned(),
            commit: None,
            cost_microusd: 0,
            trouble: None,
            link: None,
        });
        let (native_ref, agent) = ("id:1".to_owned(), String::new());
        WriteBack { native_ref, status, agent, at: Timestamp(1), known: None, report, earlier: Vec::new() }
    }

    fn told(write: &WriteBack) -> Vec<(BacklogStatus, &str)> {
        write.reports().map(|(status, report)| (status, report.run.as_str())).collect()
    }

    #[test]
    fn a_write_that_takes_anothers_place_tells_of_each_run_once_and_in_order() {
        use BacklogStatus as S;
        let mut all = write(S::Blocked, Some("one-1.1"));
        for (status, run) in [(S::InProgress, None), (S::InReview, Some("one-1.2")), (S::Completed, Some("one-1.2"))] {
            let mut next = write(status, run);
            next.replace(all);
            all = next;
        }
        assert_eq!((all.status, told(&all)), (S::Completed, vec![(S::Blocked, "one-1.1"), (S::Completed, "one-1.2")]));
    }

    #[test]
    fn a_write_that_a_person_overruled_tells_what_it_had_to_tell_and_leaves_their_word() {
        use BacklogStatus as S;
        assert_eq!(write(S::InReview, None).overruled(S::Paused, Timestamp(2)), None);
        let mut second = write(S::InReview, Some("one-1.2"));
        second.replace(write(S::Blocked, Some("one-1.1")));
        let left = second.overruled(S::Completed, Timestamp(2)).unwrap();
        assert_eq!((left.status, left.known, left.report.is_none()), (S::Completed, Some(S::Completed), true));
        assert_eq!(told(&left), [(S::Blocked, "one-1.1"), (S::InReview, "one-1.2")]);
    }

    #[test]
    fn what_was_stored_before_there_were_earlier_reports_is_read() {
        let before = write(BacklogStatus::Blocked, Some("one-1.1"));
        let text = serde_json::to_string(&before).unwrap();
        assert!(!text.contains("earlier"), "{text}");
        assert_eq!(serde_json::from_str::<WriteBack>(&text).unwrap(), before);
        let report = before.report.clone().unwrap();
        let after = WriteBack { earlier: vec![EarlierReport { status: BacklogStatus::Blocked, report }], ..before };
        assert_eq!(serde_json::from_str::<WriteBack>(&serde_json::to_string(&after).unwrap()).unwrap(), after);
    }
}
