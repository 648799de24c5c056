//! The scheduler: takes a snapshot, asks the policy, does what it says.
//!
//! It takes no input but a nudge, so it may run at any time, twice, or after a crash.

use crate::git::mirror;
use crate::health::{self, Part};
use crate::shared::{Shared, lock};
use crate::{drive, fault, landing, metering, outbox, shells, supervise};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strawboss_core::policy::{self, Capacity, Decision, LiveRun, Snapshot};
use strawboss_core::project::{AgentKind, AgentMode};
use strawboss_core::run::{Run, StopReason};
use strawboss_core::store::{ChangeSet, StoreError, TaskFilter};
use strawboss_core::task::Task;
use strawboss_core::{BlockReason, Project, RunId, RunState, TaskId, TaskState};

/// How often repositories and the runner are looked at again.
const LOOK: Duration = Duration::from_secs(15);
/// How often a runner that is away is asked whether it is back.
const LOOK_AWAY: Duration = Duration::from_secs(2);
/// How many tasks are blocked in one commit: others wait for it.
const AT_ONCE: usize = 200;
/// How often use and refusals are written.
const FLUSH: Duration = Duration::from_secs(1);

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(shared.config.tick);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.nudge.notified() => {}
            _ = tick.tick() => {}
        }
        let done = round(&shared).await;
        if let Err(error) = &done {
            tracing::warn!(error = %error, "a round of the scheduler did not succeed; it is tried again");
        }
        let observed = done.map(|()| "schedules".to_owned()).map_err(|error| format!("a round did not succeed: {error}"));
        shared.health.note(Part::Engine, "engine", observed, shared.now());
    }
}

/// Looks at repositories and the runner until the engine stops.
pub(crate) async fn look(shared: Arc<Shared>) {
    let mut look = tokio::time::interval(LOOK);
    let mut away = tokio::time::interval(LOOK_AWAY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    away.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let looking = async {
        loop {
            tokio::select! {
                _ = away.tick(), if runner_is_away(&shared) => health::look(&shared).await,
                _ = look.tick() => {
                    observe_projects(&shared).await;
                    health::look(&shared).await;
                }
            }
        }
    };
    // A repository or runner that hangs holds up no drain.
    tokio::select! {
        () = shared.stop.cancelled() => {}
        () = looking => {}
    }
}

/// Writes what was gathered in memory, until the engine stops.
pub(crate) async fn write_down(shared: Arc<Shared>) {
    let mut flush = tokio::time::interval(FLUSH);
    flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => {
                metering::flush(&shared).await;
                return;
            }
            _ = flush.tick() => {
                metering::flush(&shared).await;
                if let Err(error) = supervise::note_heard(&shared).await {
                    tracing::warn!(error = %error, "when supervisors were heard could not be written; tried again");
                }
            }
        }
    }
}

/// Looks at each project's repository; the policy blocks what cannot be worked on, and lifts that by itself.
pub(crate) async fn observe_projects(shared: &Shared) {
    let (catalog, configured) = (shared.catalog(), shared.configured());
    let mut seen = Vec::new();
    for project in catalog.projects.values() {
        let known = configured.projects.get(&project.name).and_then(|configured| configured.unusable.clone());
        let unusable = match known {
            Some(known) => Some(known),
            None => match mirror::inspect(project).await {
                Ok(unusable) => unusable,
                Err(error) => {
                    tracing::warn!(project.name = %project.name, error = %error, "a repository could not be looked at; tried again");
                    continue;
                }
            },
        };
        seen.push((project.clone(), unusable));
    }
    if shared.note_projects(seen) {
        shared.nudge.notify_one();
    }
}

fn runner_is_away(shared: &Shared) -> bool {
    shared.health.is_away(Part::Runner)
}

fn live(shared: &Shared, run: &Run, tasks: &[Task]) -> LiveRun {
    let task = tasks.iter().find(|task| task.id == run.task);
    let interval = i64::try_from(shared.config.preempt_interval.as_millis()).unwrap_or(i64::MAX);
    let rested = task.is_some_and(|task| policy::is_rested(task.preempted_at, interval, shared.now()));
    LiveRun {
        id: run.id.clone(),
        task: run.task.clone(),
        project: run.project.clone(),
        gpu: task.is_some_and(|task| task.needs_gpu),
        priority: task.map_or(0, |task| task.priority),
        since: run.created_at,
        stopping: run.is_live() && run.stop_requested.is_some(),
        may_be_preempted: rested && at_a_safe_point(run),
    }
}

/// Whether an agent is at work or waits: what it has can be saved, and gone on with.
fn at_a_safe_point(run: &Run) -> bool {
    matches!(run.state, RunState::Working | RunState::Waiting) && run.stop_requested.is_none()
}

/// The states of what these tasks depend on, as far as they do not say so themselves.
async fn states_of_others(shared: &Shared, tasks: &[Task]) -> Result<HashMap<TaskId, TaskState>, StoreError> {
    let wanted: HashSet<&TaskId> =
        tasks.iter().flat_map(|task| &task.depends_on).filter_map(|dependency| dependency.task.as_ref()).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let here: HashSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
    let ids: Vec<TaskId> = wanted.difference(&here).map(|id| (*id).clone()).collect();
    shared.parts.store.task_states(&ids).await
}

/// One round: everything that can start starts.
pub(crate) async fn round(shared: &Arc<Shared>) -> Result<(), StoreError> {
    wake_paused(shared).await?;
    let store = &shared.parts.store;
    let states = vec![TaskState::Queued, TaskState::Blocked, TaskState::Running, TaskState::Paused];
    let tasks = store.task_list(&TaskFilter { states, ..TaskFilter::default() }).await?;
    let queued = tasks.iter().filter(|task| task.state == TaskState::Queued).map(|task| task.updated_at.0);
    shared.queued_since.store(queued.min().unwrap_or(0), Ordering::Relaxed);
    let mut runs = store.run_list_live().await?;
    for run in &runs {
        drive::spawn(shared, &run.id);
    }
    runs.retain(|run| !run.session);
    // Accepted work holds its project until it has landed: what starts next starts from it and does not conflict with it.
    let accepted = landing::accepted_runs(shared).await?;
    for run in &accepted {
        landing::spawn(shared, &run.task);
    }
    runs.extend(accepted);
    let others = states_of_others(shared, &tasks).await?;
    let catalog = shared.catalog();
    let runner_away = runner_is_away(shared);
    let live: Vec<LiveRun> = runs.iter().map(|run| live(shared, run, &tasks)).collect();
    let snapshot = Snapshot {
        tasks: &tasks,
        runs: &live,
        others: &others,
        catalog: &catalog,
        capacity: Capacity {
            slots: shared.slots(),
            gpus: shared.config.gpus,
            closed: runner_away || shared.draining.load(Ordering::Relaxed),
        },
        habits: shared.config.habits,
        now: shared.now(),
    };
    let policy::Round { decisions, holds } = policy::round(&snapshot);
    *lock(&shared.holds) = holds;
    let mut blocks = Vec::new();
    for decision in decisions {
        match decision {
            Decision::Start(task) => start(shared, &task).await?,
            Decision::Preempt(run, task) => preempt(shared, &run, &task).await?,
            Decision::Block(task, reason) => blocks.push((task, reason)),
            Decision::Unblock(task) => unblock(shared, &task).await?,
        }
    }
    block(shared, blocks).await?;
    if runner_away { Ok(()) } else { shells::start_due(shared).await }
}

/// Tasks whose quota has reset go back into the queue.
async fn wake_paused(shared: &Shared) -> Result<(), StoreError> {
    if !shared.config.habits.resume {
        return Ok(());
    }
    let paused = shared.parts.store.task_list(&TaskFilter { states: vec![TaskState::Paused], ..TaskFilter::default() }).await?;
    let now = shared.now();
    for task in paused.iter().filter(|task| task.not_before.is_some_and(|moment| moment <= now)) {
        change(shared, &task.id, |task| task.not_before.is_some() && task.queue(now).is_ok()).await?;
    }
    Ok(())
}

/// Applies a transition to a task as it is now; commits when it says so.
pub(crate) async fn change(shared: &Shared, id: &TaskId, transition: impl FnOnce(&mut Task) -> bool) -> Result<(), StoreError> {
    let writer = shared.write().await;
    let Some(mut task) = shared.parts.store.task(id).await? else { return Ok(()) };
    if !transition(&mut task) {
        return Ok(());
    }
    writer.commit(ChangeSet { tasks: vec![task], ..ChangeSet::default() }).await
}

/// Blocks tasks, many in one commit: what is wrong with a project stops its whole backlog at once.
async fn block(shared: &Shared, blocks: Vec<(TaskId, BlockReason)>) -> Result<(), StoreError> {
    let mut told: BTreeMap<String, (usize, TaskId)> = BTreeMap::new();
    for (id, reason) in &blocks {
        tracing::debug!(task.id = %id, reason = reason.message, "a task may not run");
        told.entry(reason.message.clone()).or_insert_with(|| (0, id.clone())).0 += 1;
    }
    for (reason, (count, first)) in told {
        tracing::info!(task.id = %first, tasks = count, reason, "tasks may not run");
    }
    let mut blocks = blocks.into_iter().peekable();
    while blocks.peek().is_some() {
        let writer = shared.write().await;
        let now = shared.now();
        let mut changes = ChangeSet::default();
        for (id, reason) in blocks.by_ref().take(AT_ONCE) {
            let Some(mut task) = shared.parts.store.task(&id).await? else { continue };
            if matches!(task.state, TaskState::Queued | TaskState::Blocked) && task.block(reason, now).is_ok() {
                changes.tasks.push(task);
            }
        }
        writer.commit(changes).await?;
    }
    Ok(())
}

async fn unblock(shared: &Shared, id: &TaskId) -> Result<(), StoreError> {
    let now = shared.now();
    change(shared, id, |task| {
        task.state == TaskState::Blocked
            && task.block.as_ref().is_some_and(|block| block.code.lifts_by_itself())
            && task.queue(now).is_ok()
    })
    .await
}

/// Stops a run whose place a better task needs, if it still stands where that loses nothing.
async fn preempt(shared: &Shared, id: &RunId, better: &TaskId) -> Result<(), StoreError> {
    let writer = shared.write().await;
    let Some(mut run) = shared.parts.store.run(id).await? else { return Ok(()) };
    if !at_a_safe_point(&run) || !drive::note_stop(&mut run, StopReason::Preempted) {
        return Ok(());
    }
    tracing::info!(run.id = %id, task.id = %better, "a run makes room for a better task");
    writer.commit(ChangeSet { runs: vec![run], ..ChangeSet::default() }).await?;
    drop(writer);
    shared.wake(id);
    Ok(())
}

/// Starts a run: its row and the task's state (and so the write-back) in one transaction; then its driver.
pub(crate) async fn start(shared: &Arc<Shared>, id: &TaskId) -> Result<(), StoreError> {
    let writer = shared.write().await;
    // The drain may have begun since the round was decided.
    if shared.draining.load(Ordering::Relaxed) {
        return Ok(());
    }
    let Some(mut task) = shared.parts.store.task(id).await? else { return Ok(()) };
    let catalog = shared.catalog();
    let Ok(setting) = shells::setting(shared, &task) else { return Ok(()) };
    let assignment = match &setting {
        Some(setting) => Ok(setting.assignment()),
        None => policy::assign(&task, &catalog, shared.config.gpus),
    };
    let Ok(assignment) = assignment else { return Ok(()) };
    let now = shared.now();
    if task.preempted && task.queue(now).is_err() {
        return Ok(());
    }
    let earlier = match &task.resume {
        Some(resume) => shared.parts.store.run(&resume.run).await?,
        None => None,
    };
    let Ok(run_id) = task.start(now) else { return Ok(()) };
    let run = new_run(&task, assignment.project, &assignment, run_id.clone(), earlier, now);
    let cause = shared.start_causes.take(id);
    tracing::info!(task.id = %id, run.id = %run_id, agent = run.agent.word(), request.id = cause, "a run starts");
    match writer.commit(ChangeSet { tasks: vec![task], runs: vec![run], ..ChangeSet::default() }).await {
        Ok(()) => {}
        // Somebody else decided on the task in between: the next round sees it.
        Err(StoreError::Conflict { .. } | StoreError::LiveRunExists { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    drop(writer);
    fault::point("run.committed");
    drive::spawn(shared, &run_id);
    Ok(())
}

fn new_run(
    task: &Task,
    project: &Project,
    assignment: &policy::Assignment<'_>,
    id: strawboss_core::RunId,
    earlier: Option<Run>,
    now: strawboss_core::Timestamp,
) -> Run {
    Run {
        task: task.id.clone(),
        project: project.name.clone(),
        prompt: task.action.clone(),
        state: RunState::Starting,
        waiting_for: None,
        outcome: None,
        outcome_detail: None,
        agent: assignment.agent.kind,
        model: assignment.model.map(|model| model.model.clone()),
        // A configured command knows no other way.
        mode: match assignment.agent.kind {
            AgentKind::Claude => policy::mode(task, project),
            AgentKind::Shell => AgentMode::Headless,
        },
        branch: task.id.branch(),
        session: task.session.is_some(),
        target: project.branch.clone().unwrap_or_default(),
        base_commit: None,
        head_commit: None,
        saved_ref: None,
        work_saved: false,
        agent_session: None,
        volume: earlier.as_ref().map_or_else(|| id.clone(), |earlier| earlier.volume.clone()),
        resumes: earlier.map(|earlier| earlier.id),
        summary: None,
        checks: Vec::new(),
        checked_commit: None,
        approved_at: None,
        merged_commit: None,
        merge_problem: None,
        usage: strawboss_core::run::Usage::default(),
        refusals: Vec::new(),
        quota_until: None,
        stop_requested: None,
        created_at: now,
        started_at: None,
        finished_at: None,
        heard_at: None,
        progress: None,
        tasks_created: Vec::new(),
        questions: Vec::new(),
        phases_done: Vec::new(),
        discarded_at: None,
        recording_removed_at: None,
        reports_removed_at: None,
        version: 0,
        id,
    }
}

/// What must be gone on with after a start: accepted work, and messages.
pub(crate) async fn go_on(shared: &Arc<Shared>) -> Result<(), StoreError> {
    let review = shared.parts.store.task_list(&TaskFilter { states: vec![TaskState::Review], ..TaskFilter::default() }).await?;
    for task in review {
        landing::spawn(shared, &task.id);
    }
    outbox::wake(shared);
    Ok(())
}
