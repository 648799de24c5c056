//! The port to durable state.
//!
//! The engine is the only writer. It reads rows, applies transitions of this crate, and hands everything that
//! belongs together to [`Store::commit`], which takes all of it or nothing.

use crate::run::{Run, Sandbox};
use crate::task::Task;
use crate::{RunId, SandboxId, TaskId, TaskState, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What is written in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeSet {
    /// Inserted when `version` is 0, else updated if the stored version is the same.
    pub tasks: Vec<Task>,
    /// The same for runs.
    pub runs: Vec<Run>,
    /// The same for sandboxes.
    pub sandboxes: Vec<Sandbox>,
    /// Consequences to carry out, in order.
    pub outbox: Vec<NewMessage>,
    /// What supervisors reported; one that is there already (same sandbox and sequence) is passed over.
    pub reports: Vec<StoredReport>,
    /// Messages of the outbox that are carried out.
    pub delivered: Vec<i64>,
    /// Runs whose reports go, all of them; those of a live run stay, whatever is asked.
    pub reports_removed: Vec<RunId>,
}

impl ChangeSet {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// A consequence of a state change, to be carried out until it lands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Messages with the same key are carried out in order; a later one of the same key and topic replaces one not yet
    /// carried out.
    pub key: String,
    /// What kind: `backlog.write_back`.
    pub topic: String,
    /// JSON that the topic defines.
    pub payload: String,
    /// When it was made; not carried out before.
    pub at: Timestamp,
}

/// A message of the outbox that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number, in order of making.
    pub id: i64,
    /// See [`NewMessage::key`].
    pub key: String,
    /// See [`NewMessage::topic`].
    pub topic: String,
    /// See [`NewMessage::payload`].
    pub payload: String,
    /// When it was made.
    pub at: Timestamp,
    /// How often it failed.
    pub failures: u32,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// Not before.
    pub due_at: Timestamp,
}

/// A numbered report of a supervisor, as it came (checked and bounded).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReport {
    /// Who.
    pub sandbox: SandboxId,
    /// Its run.
    pub run: RunId,
    /// The supervisor's number, from 1 without gaps.
    pub seq: u64,
    /// When it came.
    pub at: Timestamp,
    /// JSON of the protocol's report.
    pub body: String,
}

/// The reports of one run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportTotal {
    /// The run.
    pub run: RunId,
    /// How many.
    pub count: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
    /// When the last one came.
    pub last_at: Timestamp,
    /// Whether the run is over and its task done or cancelled.
    pub settled: bool,
}

/// How far ahead a message of the outbox can be due, in milliseconds. One that is due later was dated by a clock that has
/// been set back since, and is due now: it would wait as long as the clock was wrong.
pub const OUTBOX_HORIZON_MS: i64 = 10 * 60_000;

/// Which tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Only these states; empty: all.
    pub states: Vec<TaskState>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only after this key, for paging, in the order of keys' creation.
    pub after: Option<TaskId>,
    /// Sessions, and nothing else; false: everything but sessions.
    pub sessions: bool,
    /// At most this many; 0: all.
    pub limit: u32,
}

/// An API token. The secret itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its public name.
    pub id: String,
    /// What it is for, in a person's words.
    pub label: String,
    /// SHA-256 of the secret, in hex (a secret of 256 random bits needs no slow hash).
    pub hash: String,
    /// `admin`, `write` or `read`.
    pub scope: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// A person who signs in with a name and a password. The password itself is never stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What the person signs in as.
    pub username: String,
    /// A slow hash of the password, with its salt and parameters (PHC's string format).
    pub password_hash: String,
    /// `admin`, `write` or `read`: what the account's tokens allow.
    pub scope: String,
    /// What the person works on, in an order of their own.
    pub projects: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("username", &self.username).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody wrote in between, or the row to insert is there: read again and redo the step.
    #[error("{what} {id} was changed in between")]
    Conflict {
        /// `task`, `run`, `sandbox`.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// The task has a live run already.
    #[error("task {task} has a live run already")]
    LiveRunExists {
        /// Which.
        task: TaskId,
    },
    /// The database cannot be written now (full disk, read-only, locked): nothing was changed.
    #[error("the state cannot be written: {why}")]
    Unavailable {
        /// Why, from the database.
        why: String,
    },
    /// What was handed over breaks a rule of the store (too large, belongs to something that is not there): trying the
    /// same again does not help.
    #[error("{what} {id} is refused: {why}")]
    Refused {
        /// What kind of row.
        what: &'static str,
        /// Which.
        id: String,
        /// Why.
        why: String,
    },
    /// What is stored cannot be read: a newer version wrote it, or it is damaged.
    #[error("stored {what} {id} cannot be read: {why}")]
    Corrupt {
        /// What kind of row.
        what: &'static str,
        /// Which.
        id: String,
        /// Why.
        why: String,
    },
}

/// Durable state.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// Writes all of it or nothing. On success versions in the store are one higher than given.
    async fn commit(&self, changes: &ChangeSet) -> Result<(), StoreError>;
    /// Takes the next `count` numbers for a project's task keys and gives the first; never given twice, holes are fine.
    async fn task_numbers_next(&self, slug: &str, count: u64) -> Result<u64, StoreError>;
    /// One task.
    async fn task(&self, id: &TaskId) -> Result<Option<Task>, StoreError>;
    /// In which state these tasks are; those that are not there are left out.
    async fn task_states(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, TaskState>, StoreError>;
    /// Tasks in order of making.
    async fn task_list(&self, filter: &TaskFilter) -> Result<Vec<Task>, StoreError>;
    /// How many tasks are in each state, sessions left out.
    async fn task_counts(&self) -> Result<Vec<(TaskState, u64)>, StoreError>;
    /// Tasks whose link to this source is not detached.
    async fn task_list_by_source(&self, source: &str) -> Result<Vec<Task>, StoreError>;
    /// One run.
    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError>;
    /// A task's runs, in order.
    async fn run_list(&self, task: &TaskId) -> Result<Vec<Run>, StoreError>;
    /// Runs that are not finished.
    async fn run_list_live(&self) -> Result<Vec<Run>, StoreError>;
    /// The newest runs first.
    async fn run_list_recent(&self, limit: u32) -> Result<Vec<Run>, StoreError>;
    /// One sandbox.
    async fn sandbox(&self, id: &SandboxId) -> Result<Option<Sandbox>, StoreError>;
    /// Sandboxes that are not removed.
    async fn sandbox_list_present(&self) -> Result<Vec<Sandbox>, StoreError>;
    /// A run's sandboxes, in order.
    async fn sandbox_list(&self, run: &RunId) -> Result<Vec<Sandbox>, StoreError>;
    /// The number of the last report of a sandbox; 0 when there is none.
    async fn report_last_seq(&self, sandbox: &SandboxId) -> Result<u64, StoreError>;
    /// A run's reports, in the order they came, at most `limit` after row number `after`, each with its row number.
    async fn report_list(&self, run: &RunId, after: i64, limit: u32) -> Result<Vec<(i64, StoredReport)>, StoreError>;
    /// How many reports each run has, by run.
    async fn report_totals(&self) -> Result<Vec<ReportTotal>, StoreError>;
    /// When the newest run of each project was made, and the projects that have a live one.
    async fn project_last_runs(&self) -> Result<Vec<(String, Timestamp, bool)>, StoreError>;
    /// Messages that are due (see also [`OUTBOX_HORIZON_MS`]), the oldest of each key only, at most `limit`.
    async fn outbox_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, StoreError>;
    /// Messages that wait, due or not.
    async fn outbox_list(&self, limit: u32) -> Result<Vec<Message>, StoreError>;
    /// Those of one key.
    async fn outbox_list_by_key(&self, key: &str) -> Result<Vec<Message>, StoreError>;
    /// Notes that a message failed and when it is tried again.
    async fn outbox_failed(&self, id: i64, error: &str, due_at: Timestamp) -> Result<(), StoreError>;
    /// Adds a token.
    async fn token_add(&self, token: &ApiToken) -> Result<(), StoreError>;
    /// Every token.
    async fn token_list(&self) -> Result<Vec<ApiToken>, StoreError>;
    /// Removes a token; false when there is none of that id.
    async fn token_remove(&self, id: &str) -> Result<bool, StoreError>;
    /// Adds an account; a conflict when there is one of that name.
    async fn account_add(&self, account: &Account) -> Result<(), StoreError>;
    /// One account.
    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError>;
    /// Every account, by name.
    async fn account_list(&self) -> Result<Vec<Account>, StoreError>;
    /// Replaces an account; false when there is none of that name.
    async fn account_set(&self, account: &Account) -> Result<bool, StoreError>;
    /// Removes an account; false when there is none of that name.
    async fn account_remove(&self, username: &str) -> Result<bool, StoreError>;
    /// A value of the installation (its id, for one), set once: gives back what is there.
    async fn setting_init(&self, key: &str, value: &str) -> Result<String, StoreError>;
    /// Removes such a value, so that it can be set anew; false when there is none.
    async fn setting_remove(&self, key: &str) -> Result<bool, StoreError>;
    /// What people call this kind of store: `sqlite`.
    fn kind(&self) -> &'static str;
    /// Whether it answers and can be written now.
    async fn ping(&self) -> Result<(), StoreError>;
}
