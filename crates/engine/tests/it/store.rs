//! The real store, at whose calls a test can stand: before a call goes through, or in its place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::store::{Account, ApiToken, ChangeSet, Message, ReportTotal, Store, StoreError, StoredReport, TaskFilter};
use strawboss_core::task::Task;
use strawboss_core::{RunId, SandboxId, TaskId, TaskState, Timestamp};
use strawboss_store::SqlStore;
use tokio::sync::Semaphore;

type Refuse = Box<dyn Fn(&ChangeSet) -> bool + Send>;
type Hold = Box<dyn Fn(&ChangeSet) -> bool + Send>;

/// A gate that calls wait at.
pub(crate) struct Gate {
    waiting: AtomicU64,
    open: Semaphore,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { waiting: AtomicU64::new(0), open: Semaphore::new(0) })
    }

    pub(crate) async fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _open = self.open.acquire().await.unwrap();
    }

    pub(crate) fn has_visitor(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Lets all through, now and later.
    pub(crate) fn open(&self) {
        self.open.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

/// See the module.
pub(crate) struct Watched {
    inner: SqlStore,
    calls: Mutex<HashMap<&'static str, u64>>,
    gates: Mutex<HashMap<&'static str, Arc<Gate>>>,
    refuse: Mutex<Option<Refuse>>,
    hold: Mutex<Option<(Hold, Arc<Gate>)>>,
}

impl Watched {
    pub(crate) async fn new() -> Self {
        Self {
            inner: SqlStore::open_sqlite_in_memory().await.unwrap(),
            calls: Mutex::default(),
            gates: Mutex::default(),
            refuse: Mutex::default(),
            hold: Mutex::default(),
        }
    }

    /// How many calls of this name have ended.
    pub(crate) fn calls(&self, name: &'static str) -> u64 {
        self.calls.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// Calls of this name wait from now on until the gate is open.
    pub(crate) fn gate(&self, name: &'static str) -> Arc<Gate> {
        let gate = Gate::new();
        self.gates.lock().unwrap().insert(name, Arc::clone(&gate));
        gate
    }

    /// The next commit that `which` is true for waits until the gate is open.
    pub(crate) fn hold_commit(&self, which: impl Fn(&ChangeSet) -> bool + Send + 'static) -> Arc<Gate> {
        let gate = Gate::new();
        *self.hold.lock().unwrap() = Some((Box::new(which), Arc::clone(&gate)));
        gate
    }

    /// The next commit that `which` is true for fails.
    pub(crate) fn refuse_commit(&self, which: impl Fn(&ChangeSet) -> bool + Send + 'static) {
        *self.refuse.lock().unwrap() = Some(Box::new(which));
    }

    async fn at(&self, name: &'static str) {
        let gate = self.gates.lock().unwrap().get(name).cloned();
        if let Some(gate) = gate {
            gate.pass().await;
        }
    }

    fn ended(&self, name: &'static str) {
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
    }

    async fn before_commit(&self, changes: &ChangeSet) -> Result<(), StoreError> {
        let held = self.hold.lock().unwrap().take_if(|(which, _)| which(changes));
        if let Some((_, gate)) = held {
            gate.pass().await;
        }
        let refused = self.refuse.lock().unwrap().take_if(|which| which(changes)).is_some();
        if refused { Err(StoreError::Unavailable { why: "the test's disk is full".to_owned() }) } else { Ok(()) }
    }
}

macro_rules! watched {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait::async_trait]
        impl Store for Watched {
            fn kind(&self) -> &'static str {
                self.inner.kind()
            }
            async fn commit(&self, changes: &ChangeSet) -> Result<(), StoreError> {
                self.before_commit(changes).await?;
                self.inner.commit(changes).await
            }
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.at(stringify!($name)).await;
                let answer = self.inner.$name($($argument),*).await;
                self.ended(stringify!($name));
                answer
            })*
        }
    };
}

watched! {
    task_numbers_next(slug: &str, count: u64) -> u64;
    task(id: &TaskId) -> Option<Task>;
    task_states(ids: &[TaskId]) -> HashMap<TaskId, TaskState>;
    task_list(filter: &TaskFilter) -> Vec<Task>;
    task_counts() -> Vec<(TaskState, u64)>;
    task_list_by_source(source: &str) -> Vec<Task>;
    run(id: &RunId) -> Option<Run>;
    run_list(task: &TaskId) -> Vec<Run>;
    run_list_live() -> Vec<Run>;
    run_list_recent(limit: u32) -> Vec<Run>;
    sandbox(id: &SandboxId) -> Option<Sandbox>;
    sandbox_list_present() -> Vec<Sandbox>;
    sandbox_list(run: &RunId) -> Vec<Sandbox>;
    report_last_seq(sandbox: &SandboxId) -> u64;
    report_list(run: &RunId, after: i64, limit: u32) -> Vec<(i64, StoredReport)>;
    report_totals() -> Vec<ReportTotal>;
    project_last_runs() -> Vec<(String, Timestamp, bool)>;
    outbox_due(now: Timestamp, limit: u32) -> Vec<Message>;
    outbox_list(limit: u32) -> Vec<Message>;
    outbox_list_by_key(key: &str) -> Vec<Message>;
    outbox_failed(id: i64, error: &str, due_at: Timestamp) -> ();
    token_add(token: &ApiToken) -> ();
    token_list() -> Vec<ApiToken>;
    token_remove(id: &str) -> bool;
    account_add(account: &Account) -> ();
    account(username: &str) -> Option<Account>;
    account_list() -> Vec<Account>;
    account_set(account: &Account) -> bool;
    account_remove(username: &str) -> bool;
    setting_init(key: &str, value: &str) -> String;
    setting_remove(key: &str) -> bool;
    ping() -> ();
}
