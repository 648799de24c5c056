//! What all parts of the engine share: ports, configuration, and the one way to change state.

use crate::cause::Causes;
use crate::config::{EngineConfig, Parts};
use crate::events::Bus;
use crate::health::Health;
use crate::host::HostSeen;
use crate::metering::Pending;
use crate::proposing::{self, Proposals};
use crate::questions::Calls;
use crate::sandbox::Present;
use crate::session::Hub;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use strawboss_core::backlog::{BacklogStatus, Report, ReportedCheck, WriteBack};
use strawboss_core::policy::Hold;
use strawboss_core::project::{Catalog, Project, Unusable};
use strawboss_core::run::{Run, StopReason};
use strawboss_core::store::{ChangeSet, NewMessage, StoreError};
use strawboss_core::task::Task;
use strawboss_core::{BlockCode, ProjectName, RunId, SandboxId, TaskId, TaskState, Timestamp};
use strawboss_protocol::api::SourceView;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The topic of write-backs in the outbox.
pub(crate) const WRITE_BACK: &str = "backlog.write_back";

/// The topic of pull requests that are to be closed.
pub(crate) const CLOSE: &str = "pull_request.close";

/// A pull request that is to be closed: its task was withdrawn.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Close {
    pub(crate) project: ProjectName,
    pub(crate) task: TaskId,
    pub(crate) number: u64,
    pub(crate) url: String,
}

/// Shared by all parts.
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) config: EngineConfig,
    /// The configured catalog, with what is known of each repository.
    catalog: RwLock<Arc<Catalog>>,
    /// What of each project was known to be wrong when it was configured.
    configured: RwLock<Arc<Catalog>>,
    /// Runs at once.
    slots: AtomicU32,
    pub(crate) hub: Hub,
    pub(crate) bus: Bus,
    /// On whose behalf runs are stopped, and tasks put back into the queue.
    pub(crate) stop_causes: Causes<RunId>,
    pub(crate) start_causes: Causes<TaskId>,
    /// Wakes the scheduler.
    pub(crate) nudge: Notify,
    /// Wakes the outbox.
    pub(crate) mail: Notify,
    /// Wakes reconciliation: something could not be removed when it should have been.
    pub(crate) left_behind: Notify,
    /// Held around read, transition and commit: there is one writer.
    writing: tokio::sync::Mutex<()>,
    /// Sandboxes that may connect.
    pub(crate) present: Mutex<HashMap<SandboxId, Arc<Present>>>,
    /// Runs that a driver works on, with its wake-up.
    pub(crate) driven: Mutex<HashMap<RunId, Arc<Notify>>>,
    /// Tasks that are being landed.
    pub(crate) landing: Mutex<HashSet<TaskId>>,
    /// Tasks whose target is being moved: nothing else may become of them until that is known. Changed only by who writes.
    pub(crate) moving: Mutex<HashSet<TaskId>>,
    /// What is known of pull requests beside what is stored.
    pub(crate) proposals: Proposals,
    /// Whose turn it is to land, by project.
    turns: Locks<ProjectName>,
    /// Why ready tasks waited in the last round.
    pub(crate) holds: Mutex<HashMap<TaskId, Hold>>,
    /// Sources as last observed.
    pub(crate) sources: Mutex<HashMap<String, SourceView>>,
    /// Store, engine, gateway and runner as last observed.
    pub(crate) health: Health,
    /// Use and refusals that are not written yet.
    pub(crate) pending: Mutex<Pending>,
    /// One fetch per mirror at a time.
    mirrors: Locks<ProjectName>,
    /// Each source is read, with what follows, or written to.
    exchanges: Locks<String>,
    /// Since when the oldest queued task has been queued, as the last round saw it; 0: none is.
    pub(crate) queued_since: AtomicI64,
    /// Sessions of the host as last observed.
    pub(crate) host: HostSeen,
    /// Calls of agents that wait for people's answers.
    pub(crate) calls: Arc<Calls>,
    /// Held while retention is applied.
    pub(crate) keeping: tokio::sync::Mutex<()>,
    pub(crate) draining: AtomicBool,
    /// Since when, milliseconds since 1970 UTC.
    pub(crate) drained_at: AtomicI64,
    pub(crate) stop: CancellationToken,
    pub(crate) tracker: TaskTracker,
    pub(crate) started_at: Timestamp,
}

/// A lock for each of a few configured things.
struct Locks<K>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>);

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + std::hash::Hash> Locks<K> {
    fn of(&self, key: &K) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.0).entry(key.clone()).or_default())
    }
}

/// Locks a mutex whose holder never leaves it half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(config: EngineConfig, parts: Parts) -> Self {
        Self {
            catalog: RwLock::new(Arc::new(config.catalog.clone())),
            configured: RwLock::new(Arc::new(config.catalog.clone())),
            slots: AtomicU32::new(config.slots),
            hub: Hub::new(&config.data_dir),
            bus: Bus::new(),
            stop_causes: Causes::default(),
            start_causes: Causes::default(),
            nudge: Notify::new(),
            mail: Notify::new(),
            left_behind: Notify::new(),
            writing: tokio::sync::Mutex::new(()),
            present: Mutex::default(),
            driven: Mutex::default(),
            landing: Mutex::default(),
            moving: Mutex::default(),
            proposals: Proposals::new(&config),
            turns: Locks::default(),
            holds: Mutex::default(),
            sources: Mutex::default(),
            health: Health::default(),
            pending: Mutex::default(),
            mirrors: Locks::default(),
            exchanges: Locks::default(),
            queued_since: AtomicI64::new(0),
            host: HostSeen::default(),
            calls: Arc::default(),
            keeping: tokio::sync::Mutex::new(()),
            draining: AtomicBool::new(false),
            drained_at: AtomicI64::new(0),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
            started_at: parts.clock.now(),
            config,
            parts,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn configured(&self) -> Arc<Catalog> {
        Arc::clone(&self.configured.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes what was seen of repositories, of projects that are still the ones that were looked at; true when that is new.
    pub(crate) fn note_projects(&self, seen: Vec<(Project, Option<Unusable>)>) -> bool {
        let mut held = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        let mut catalog = (**held).clone();
        let mut changed = false;
        for (looked_at, unusable) in seen {
            let now = catalog.projects.get_mut(&looked_at.name);
            if let Some(project) = now.filter(|now| now.repository == looked_at.repository && now.unusable != unusable) {
                project.unusable = unusable;
                changed = true;
            }
        }
        if changed {
            *held = Arc::new(catalog);
        }
        changed
    }

    /// Takes another configuration in its place. What is known of a repository that stays is kept.
    pub(crate) fn reconfigure(&self, catalog: Catalog, slots: u32) {
        let mut held = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = catalog.clone();
        for project in fresh.projects.values_mut().filter(|project| project.unusable.is_none()) {
            let known = held.projects.get(&project.name).filter(|known| known.repository == project.repository);
            project.unusable = known.and_then(|known| known.unusable.clone());
        }
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
        *held = Arc::new(fresh);
        self.slots.store(slots, Ordering::Relaxed);
    }

    pub(crate) fn slots(&self) -> u32 {
        self.slots.load(Ordering::Relaxed)
    }

    pub(crate) fn project(&self, name: &ProjectName) -> Option<Project> {
        self.catalog().projects.get(name).cloned().or_else(|| crate::shells::no_project(self, name))
    }

    /// The lock around work on a project's mirror.
    pub(crate) fn mirror_lock(&self, project: &ProjectName) -> Arc<tokio::sync::Mutex<()>> {
        self.mirrors.of(project)
    }

    /// The lock around landing work of a project: each merges into what the one before it left.
    pub(crate) fn turn(&self, project: &ProjectName) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.of(project)
    }

    /// The lock around reading a source with what follows, or writing to it with what follows.
    pub(crate) fn exchange(&self, source: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.exchanges.of(&source.to_owned())
    }

    /// Wakes a run's driver.
    pub(crate) fn wake(&self, run: &RunId) {
        if let Some(driver) = lock(&self.driven).get(run) {
            driver.notify_one();
        }
    }

    /// Starts to change state. While this is held nobody else does.
    pub(crate) async fn write(&self) -> Writer<'_> {
        Writer { shared: self, _held: self.writing.lock().await }
    }

    /// How a task reads in its source's backlog.
    pub(crate) fn backlog_status(&self, task: &Task) -> BacklogStatus {
        let status = BacklogStatus::of(task.state);
        let source = task.source.as_ref().and_then(|link| self.config.sources.iter().find(|s| s.backlog.name() == link.source));
        match (status, source) {
            (BacklogStatus::InReview, Some(source)) => source.in_review,
            _ => status,
        }
    }

    /// What a person reads at the source of a task whose work ended: it is done, waits for them, or came to nothing.
    pub(crate) fn report(&self, task: &Task, run: &Run) -> Option<Report> {
        let failed = task.block.as_ref().filter(|block| matches!(block.code, BlockCode::Failed | BlockCode::MachineryFailed));
        let ended = matches!(task.state, TaskState::Review | TaskState::Done) || failed.is_some();
        ended.then(|| Report {
            run: run.id.clone(),
            outcome: run.outcome,
            summary: run.summary.clone(),
            checks: run
                .checks
                .iter()
                .map(|check| ReportedCheck { command: check.command.clone(), exit_code: check.exit_code })
                .collect(),
            branch: run.branch.clone(),
            commit: run.merged_commit.clone().or_else(|| run.head_commit.clone()),
            cost_microusd: run.usage.cost_microusd,
            trouble: failed.map(|block| format!("{} {}", block.message, block.fix)),
            link: self.config.public_url.as_ref().map(|url| format!("{url}/tasks/{}", task.id)),
        })
    }

    /// The message that writes a task's state back to its row, if it has one.
    async fn write_back(&self, task: &Task, run: Option<&Run>, now: Timestamp) -> Result<Option<NewMessage>, StoreError> {
        let Some(link) = task.source.as_ref().filter(|link| !link.detached) else { return Ok(None) };
        let key = message_key(&link.source, &link.native_ref);
        let word = run.map(|run| run.agent.word());
        let agent = match (&task.block, &task.run) {
            (Some(block), _) => format!("blocked: {}", block.message),
            (None, Some(run)) => format!("{} ({run})", word.or(task.agent.as_deref()).unwrap_or("agent")),
            (None, None) => String::new(),
        };
        let mut write = WriteBack {
            native_ref: link.native_ref.clone(),
            status: self.backlog_status(task),
            agent,
            at: now,
            known: None,
            report: run.and_then(|run| self.report(task, run)),
            earlier: Vec::new(),
        };
        // Rows of tables have no room for reports.
        if link.is_ticket {
            let waiting =
                self.parts.store.outbox_list_by_key(&key).await?.into_iter().find(|waiting| waiting.topic == WRITE_BACK);
            if let Some(waiting) = waiting.and_then(|waiting| serde_json::from_str(&waiting.payload).ok()) {
                write.replace(waiting);
            }
        }
        // The type has no map with keys that are not strings, so it always has a JSON form.
        let payload = serde_json::to_string(&write).ok();
        Ok(payload.map(|payload| NewMessage { key, topic: WRITE_BACK.to_owned(), payload, at: now }))
    }
}

/// The message that closes the pull request of a task that was withdrawn.
fn close(task: &Task, now: Timestamp) -> Option<NewMessage> {
    let link = proposing::open_link(task).filter(|_| task.state == TaskState::Cancelled)?;
    let close = Close { project: task.project.clone(), task: task.id.clone(), number: link.number, url: link.url.clone() };
    let payload = serde_json::to_string(&close).ok()?;
    Some(NewMessage { key: message_key(CLOSE, task.id.as_str()), topic: CLOSE.to_owned(), payload, at: now })
}

/// The outbox key of a row: messages for one row are carried out in order, and the newest is enough.
pub(crate) fn message_key(source: &str, native_ref: &str) -> String {
    format!("{source}\u{1f}{native_ref}")
}

/// The right to change state.
pub(crate) struct Writer<'a> {
    shared: &'a Shared,
    _held: tokio::sync::MutexGuard<'a, ()>,
}

impl Writer<'_> {
    /// Commits tasks and runs with their consequences (write-backs), and tells everybody.
    pub(crate) async fn commit(&self, mut changes: ChangeSet) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let now = self.shared.now();
        changes.outbox.extend(changes.tasks.iter().filter_map(|task| close(task, now)).collect::<Vec<_>>());
        for task in &changes.tasks {
            let run = match (changes.runs.iter().find(|run| Some(&run.id) == task.run.as_ref()), &task.run) {
                (Some(run), _) => Some(run.clone()),
                (None, Some(id)) => self.shared.parts.store.run(id).await?,
                (None, None) => None,
            };
            // The row says what its person wants, and the run is about to.
            if run.as_ref().is_some_and(|run| run.is_live() && run.stop_requested.is_some_and(StopReason::is_by_row)) {
                continue;
            }
            let differs = task.source.as_ref().is_some_and(|link| link.row_status != self.shared.backlog_status(task));
            let waiting_write = task.version > 0;
            if differs || waiting_write {
                changes.outbox.extend(self.shared.write_back(task, run.as_ref(), now).await?);
            }
        }
        self.shared.parts.store.commit(&changes).await?;
        self.shared.bus.changed(changes.tasks.iter().map(|task| &task.id).chain(changes.runs.iter().map(|run| &run.task)));
        if !changes.outbox.is_empty() {
            self.shared.mail.notify_one();
        }
        if !changes.tasks.is_empty() || !changes.runs.is_empty() {
            self.shared.nudge.notify_one();
        }
        Ok(())
    }

    /// Commits exactly this, without write-backs of its own.
    pub(crate) async fn commit_silently(&self, changes: &ChangeSet) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.shared.parts.store.commit(changes).await?;
        self.shared.bus.changed(changes.tasks.iter().map(|task| &task.id).chain(changes.runs.iter().map(|run| &run.task)));
        Ok(())
    }

    /// A task and its run, if it has one.
    pub(crate) async fn task_with_run(&self, id: &TaskId) -> Result<Option<(Task, Option<Run>)>, StoreError> {
        let Some(task) = self.shared.parts.store.task(id).await? else { return Ok(None) };
        let run = match &task.run {
            Some(run) => self.shared.parts.store.run(run).await?,
            None => None,
        };
        Ok(Some((task, run)))
    }
}
