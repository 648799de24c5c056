//! A store that says how long it takes, and does nothing else.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::store::{Account, ApiToken, ChangeSet, Message, ReportTotal, Store, StoreError, StoredReport, TaskFilter};
use strawboss_core::task::Task;
use strawboss_core::{RunId, SandboxId, TaskId, TaskState, Timestamp};

const COMMIT: &str = "commit";
const WRITE: &str = "write";
const READ: &str = "read";

/// See the module.
pub(super) struct TimedStore {
    inner: Arc<dyn Store>,
}

impl TimedStore {
    /// Around this one.
    pub(super) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner }
    }
}

async fn timed<T>(operation: &'static str, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let began = Instant::now();
    let done = work.await;
    metrics::histogram!("strawboss_store_seconds", "operation" => operation).record(began.elapsed().as_secs_f64());
    if !matches!(done, Ok(_) | Err(StoreError::Conflict { .. } | StoreError::LiveRunExists { .. })) {
        metrics::counter!("strawboss_store_errors_total", "operation" => operation).increment(1);
    }
    done
}

#[async_trait::async_trait]
impl Store for TimedStore {
    async fn commit(&self, changes: &ChangeSet) -> Result<(), StoreError> {
        timed(COMMIT, self.inner.commit(changes)).await
    }

    async fn task_numbers_next(&self, slug: &str, count: u64) -> Result<u64, StoreError> {
        timed(WRITE, self.inner.task_numbers_next(slug, count)).await
    }

    async fn task(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        timed(READ, self.inner.task(id)).await
    }

    async fn task_states(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, TaskState>, StoreError> {
        timed(READ, self.inner.task_states(ids)).await
    }

    async fn task_list(&self, filter: &TaskFilter) -> Result<Vec<Task>, StoreError> {
        timed(READ, self.inner.task_list(filter)).await
    }

    async fn task_counts(&self) -> Result<Vec<(TaskState, u64)>, StoreError> {
        timed(READ, self.inner.task_counts()).await
    }

    async fn task_list_by_source(&self, source: &str) -> Result<Vec<Task>, StoreError> {
        timed(READ, self.inner.task_list_by_source(source)).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        timed(READ, self.inner.run(id)).await
    }

    async fn run_list(&self, task: &TaskId) -> Result<Vec<Run>, StoreError> {
        timed(READ, self.inner.run_list(task)).await
    }

    async fn run_list_live(&self) -> Result<Vec<Run>, StoreError> {
        timed(READ, self.inner.run_list_live()).await
    }

    async fn run_list_recent(&self, limit: u32) -> Result<Vec<Run>, StoreError> {
        timed(READ, self.inner.run_list_recent(limit)).await
    }

    async fn sandbox(&self, id: &SandboxId) -> Result<Option<Sandbox>, StoreError> {
        timed(READ, self.inner.sandbox(id)).await
    }

    async fn sandbox_list_present(&self) -> Result<Vec<Sandbox>, StoreError> {
        timed(READ, self.inner.sandbox_list_present()).await
    }

    async fn sandbox_list(&self, run: &RunId) -> Result<Vec<Sandbox>, StoreError> {
        timed(READ, self.inner.sandbox_list(run)).await
    }

    async fn report_last_seq(&self, sandbox: &SandboxId) -> Result<u64, StoreError> {
        timed(READ, self.inner.report_last_seq(sandbox)).await
    }

    async fn report_list(&self, run: &RunId, after: i64, limit: u32) -> Result<Vec<(i64, StoredReport)>, StoreError> {
        timed(READ, self.inner.report_list(run, after, limit)).await
    }

    async fn outbox_due(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, StoreError> {
        timed(READ, self.inner.outbox_due(now, limit)).await
    }

    async fn outbox_list(&self, limit: u32) -> Result<Vec<Message>, StoreError> {
        timed(READ, self.inner.outbox_list(limit)).await
    }

    async fn outbox_list_by_key(&self, key: &str) -> Result<Vec<Message>, StoreError> {
        timed(READ, self.inner.outbox_list_by_key(key)).await
    }

    async fn outbox_failed(&self, id: i64, error: &str, due_at: Timestamp) -> Result<(), StoreError> {
        timed(WRITE, self.inner.outbox_failed(id, error, due_at)).await
    }

    async fn token_add(&self, token: &ApiToken) -> Result<(), StoreError> {
        timed(WRITE, self.inner.token_add(token)).await
    }

    async fn token_list(&self) -> Result<Vec<ApiToken>, StoreError> {
        timed(READ, self.inner.token_list()).await
    }

    async fn token_remove(&self, id: &str) -> Result<bool, StoreError> {
        timed(WRITE, self.inner.token_remove(id)).await
    }

    async fn account_add(&self, account: &Account) -> Result<(), StoreError> {
        timed(WRITE, self.inner.account_add(account)).await
    }

    async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        timed(READ, self.inner.account(username)).await
    }

    async fn account_list(&self) -> Result<Vec<Account>, StoreError> {
        timed(READ, self.inner.account_list()).await
    }

    async fn account_set(&self, account: &Account) -> Result<bool, StoreError> {
        timed(WRITE, self.inner.account_set(account)).await
    }

    async fn account_remove(&self, username: &str) -> Result<bool, StoreError> {
        timed(WRITE, self.inner.account_remove(username)).await
    }

    async fn setting_init(&self, key: &str, value: &str) -> Result<String, StoreError> {
        timed(WRITE, self.inner.setting_init(key, value)).await
    }

    async fn setting_remove(&self, key: &str) -> Result<bool, StoreError> {
        timed(WRITE, self.inner.setting_remove(key)).await
    }

    async fn report_totals(&self) -> Result<Vec<ReportTotal>, StoreError> {
        timed(READ, self.inner.report_totals()).await
    }

    async fn project_last_runs(&self) -> Result<Vec<(String, Timestamp, bool)>, StoreError> {
        timed(READ, self.inner.project_last_runs()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        timed(READ, self.inner.ping()).await
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
}
