//! The scheduling policy: one pure function from a snapshot to decisions.
//!
//! It takes no other input, so it may run at any time, twice, or after a crash. Order: priority (1 first), then
//! deadline (none last), then age, then key. Since every ready task is ordered by something that does not change
//! while it waits, and each start takes one from the front of what fits, no task of a finite backlog starves.

mod dependencies;
mod preemption;

use crate::project::{AgentEntry, AgentKind, AgentMode, Catalog, ModelEntry, Project};
use crate::{BlockCode, BlockReason, ProjectName, RunId, Task, TaskId, TaskState, Timestamp};
use dependencies::Dependencies;
pub use preemption::is_rested;
use std::collections::{HashMap, HashSet};

/// What the policy knows of a live run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRun {
    /// Which.
    pub id: RunId,
    /// Its task.
    pub task: TaskId,
    /// Its project.
    pub project: ProjectName,
    /// Whether it holds a GPU.
    pub gpu: bool,
    /// Its task's priority.
    pub priority: u32,
    /// When it was made.
    pub since: Timestamp,
    /// Whether it was asked to stop: its place will soon be free.
    pub stopping: bool,
    /// Whether it stands where its work can be saved and gone on with, and was not preempted a short while ago.
    pub may_be_preempted: bool,
}

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Runs at once, in all.
    pub slots: u32,
    /// GPUs that exist, in all.
    pub gpus: u32,
    /// Whether nothing may start now (draining, engine away, disk full).
    pub closed: bool,
}

/// What the scheduler may do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Habits {
    /// Stop a run for a task of better priority.
    pub preempt: bool,
    /// Go on with what was preempted.
    pub resume: bool,
}

/// Everything the policy decides from.
#[derive(Debug, Clone)]
pub struct Snapshot<'a> {
    /// Tasks that are not over, in any order.
    pub tasks: &'a [Task],
    /// Runs that are not finished.
    pub runs: &'a [LiveRun],
    /// The state of each task that one of `tasks` depends on and that is not among them.
    pub others: &'a HashMap<TaskId, TaskState>,
    /// What is configured.
    pub catalog: &'a Catalog,
    /// What there is room for.
    pub capacity: Capacity,
    /// What may happen without a person.
    pub habits: Habits,
    /// Now.
    pub now: Timestamp,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Start a run of this task, which is queued or was preempted.
    Start(TaskId),
    /// Stop this run, so that the task can start.
    Preempt(RunId, TaskId),
    /// It may not run, for this reason.
    Block(TaskId, BlockReason),
    /// What kept it from running is gone.
    Unblock(TaskId),
}

/// Why a ready task does not start in this round; for people, nothing is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Every slot is taken.
    NoSlot,
    /// Its project has as many runs as it may.
    ProjectBusy,
    /// Every GPU is taken.
    GpuBusy,
    /// It waits for a moment (back-off, quota).
    NotYet,
    /// What it depends on is not done.
    Dependency,
    /// Nothing may start now.
    Closed,
}

impl Hold {
    /// As a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoSlot => "Waits for a free slot: as many runs are live as runner.max_concurrent allows.",
            Self::ProjectBusy => "Waits for its project: as many of its runs are live as the project's max_concurrent allows.",
            Self::GpuBusy => "Waits for a GPU: every one is in use.",
            Self::NotYet => "Waits before the next try.",
            Self::Dependency => "Waits for what it depends on.",
            Self::Closed => "Waits: nothing starts now.",
        }
    }
}

/// How a task will be worked on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assignment<'a> {
    /// Its project.
    pub project: &'a Project,
    /// Its agent.
    pub agent: &'a AgentEntry,
    /// Its model, if one is named anywhere.
    pub model: Option<&'a ModelEntry>,
}

/// How a task's agent works.
pub fn mode(task: &Task, project: &Project) -> AgentMode {
    task.mode.or(project.mode).unwrap_or_default()
}

/// Finds project, agent and model of a task, or the reason a person can act on.
pub fn assign<'a>(task: &Task, catalog: &'a Catalog, gpus: u32) -> Result<Assignment<'a>, BlockReason> {
    let Some(project) = catalog.projects.get(&task.project) else {
        let known: Vec<_> = catalog.projects.keys().take(8).map(|name| format!("`{name}`")).collect();
        return Err(BlockReason::new(
            BlockCode::NoSuchProject,
            format!(
                "There is no project `{}`; {}.",
                task.project,
                if known.is_empty() { "none is configured".to_owned() } else { format!("configured are {}", known.join(", ")) }
            ),
            "Add it under `projects:` in strawboss.yaml, or correct the Project column.",
        ));
    };
    if task.action.trim().is_empty() {
        return Err(BlockReason::new(
            BlockCode::NoNextAction,
            "The row has no Next Action.",
            "Say in the Next Action column what shall be done.",
        ));
    }
    if let Some(unusable) = &project.unusable {
        return Err(BlockReason::new(BlockCode::ProjectUnusable, &unusable.message, &unusable.fix));
    }
    let model_name = task.model.as_deref().map(str::trim).filter(|name| !name.is_empty()).or(project.model.as_deref());
    let model = match model_name {
        None => None,
        Some(name) => Some(
            catalog.models.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, entry)| entry).ok_or_else(|| {
                let known: Vec<_> = catalog.models.keys().take(8).map(|key| format!("`{key}`")).collect();
                BlockReason::new(
                    BlockCode::NoSuchModel,
                    format!(
                        "There is no model `{name}`; {}.",
                        if known.is_empty() {
                            "none is configured".to_owned()
                        } else {
                            format!("configured are {}", known.join(", "))
                        }
                    ),
                    "Add it under `models:` in strawboss.yaml, or correct the Model column.",
                )
            })?,
        ),
    };
    if let Some(unusable) = model.and_then(|model: &ModelEntry| model.unusable.as_ref()) {
        return Err(BlockReason::new(BlockCode::NoSuchModel, &unusable.message, &unusable.fix));
    }
    let kind = match (task.agent.as_deref(), model) {
        (Some(word), _) => AgentKind::from_word(word).ok_or_else(|| no_agent(word, catalog))?,
        (None, Some(model)) => model.agent,
        (None, None) => project.agent,
    };
    let agent = catalog.agents.get(&kind).ok_or_else(|| no_agent(kind.word(), catalog))?;
    if let Some(unusable) = &agent.unusable {
        return Err(BlockReason::new(BlockCode::NoSuchAgent, &unusable.message, &unusable.fix));
    }
    if task.needs_gpu && gpus == 0 {
        return Err(BlockReason::new(
            BlockCode::NoGpu,
            "The task needs a GPU and no machine here has one.",
            "Add a machine with a GPU, or clear the GPU column.",
        ));
    }
    Ok(Assignment { project, agent, model })
}

fn no_agent(word: &str, catalog: &Catalog) -> BlockReason {
    let known: Vec<_> = catalog.agents.keys().map(|kind| format!("`{}`", kind.word())).collect();
    BlockReason::new(
        BlockCode::NoSuchAgent,
        format!(
            "The agent `{word}` is not configured; {}.",
            if known.is_empty() { "none is".to_owned() } else { format!("configured are {}", known.join(", ")) }
        ),
        "Configure it under `agents:` in strawboss.yaml, or correct the Agent or Model column.",
    )
}

/// What a round comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// What to do, in order.
    pub decisions: Vec<Decision>,
    /// Why each ready task that does not start now has to wait.
    pub holds: HashMap<TaskId, Hold>,
}

/// Decides. Blocks and unblocks come first, then starts in order, then what makes room for more of them.
pub fn decide(snapshot: &Snapshot<'_>) -> Vec<Decision> {
    walk(snapshot, None)
}

/// Why each ready task that does not start now has to wait.
pub fn holds(snapshot: &Snapshot<'_>) -> HashMap<TaskId, Hold> {
    round(snapshot).holds
}

/// [`decide`] and [`holds`] in one go.
pub fn round(snapshot: &Snapshot<'_>) -> Round {
    let mut holds = HashMap::with_capacity(snapshot.tasks.len());
    let mut held = |task: &Task, hold| {
        holds.insert(task.id.clone(), hold);
    };
    let decisions = walk(snapshot, Some(&mut held));
    Round { decisions, holds }
}

/// The longest that a queued task waits after failures of the machinery, in milliseconds.
pub const BACKOFF_LIMIT_MS: i64 = 300_000;

/// How many of the best ready tasks are looked at first. More than most rounds start, and little to bring into order.
const FIRST_LOOK: usize = 256;

/// A ready task with what is asked of it beside it: a backlog is larger than any cache, and going back to every task's own
/// memory costs more than all the rest.
struct Candidate<'a> {
    task: &'a Task,
    project: &'a Project,
    not_before: Option<Timestamp>,
    needs_gpu: bool,
}

impl Candidate<'_> {
    /// Whether its moment has not come.
    fn waits(&self, now: Timestamp) -> bool {
        // Further ahead than any back-off it was dated by a clock that has been set back since.
        self.not_before.is_some_and(|moment| (1..=BACKOFF_LIMIT_MS).contains(&moment.ms_since(now)))
    }
}

/// What there is room for, and less with every start.
struct Room<'a> {
    capacity: Capacity,
    now: Timestamp,
    slots: u32,
    gpus: u32,
    busy: HashMap<&'a ProjectName, u32>,
}

impl<'a> Room<'a> {
    fn new(snapshot: &Snapshot<'a>) -> Self {
        let Snapshot { runs, capacity, now, .. } = *snapshot;
        let left = |all: u32, used: usize| all.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
        let mut busy: HashMap<&ProjectName, u32> = HashMap::new();
        for run in runs {
            *busy.entry(&run.project).or_default() += 1;
        }
        let gpus = left(capacity.gpus, runs.iter().filter(|run| run.gpu).count());
        let slots = if capacity.closed { 0 } else { left(capacity.slots, runs.len()) };
        Self { capacity, now, slots, gpus, busy }
    }

    /// Takes what the task needs, or says why it cannot.
    fn take(&mut self, task: &Candidate<'a>) -> Option<Hold> {
        if self.capacity.closed {
            return Some(Hold::Closed);
        }
        if task.waits(self.now) {
            return Some(Hold::NotYet);
        }
        let in_project = self.busy.entry(&task.project.name).or_default();
        if *in_project >= task.project.max_concurrent {
            return Some(Hold::ProjectBusy);
        }
        if task.needs_gpu && self.gpus == 0 {
            return Some(Hold::GpuBusy);
        }
        if self.slots == 0 {
            return Some(Hold::NoSlot);
        }
        self.slots -= 1;
        *in_project += 1;
        if task.needs_gpu {
            self.gpus -= 1;
        }
        None
    }
}

/// Hears of each task that has to wait, and why.
type Held<'h> = &'h mut dyn FnMut(&Task, Hold);

/// `held` is told of every ready task that has to wait; without it, those that no slot is left for are not looked at.
fn walk(snapshot: &Snapshot<'_>, mut held: Option<Held<'_>>) -> Vec<Decision> {
    let live: HashSet<&TaskId> = snapshot.runs.iter().map(|run| &run.task).collect();
    let mut decisions = Vec::new();
    let dependencies = Dependencies::new(snapshot);
    let mut seen: HashSet<&TaskId> = HashSet::with_capacity(snapshot.tasks.len());
    let mut ready = Vec::with_capacity(snapshot.tasks.len());
    for task in snapshot.tasks {
        let waits = match task.state {
            TaskState::Queued => true,
            TaskState::Paused => task.preempted && snapshot.habits.resume,
            TaskState::Blocked => task.block.as_ref().is_some_and(|block| block.code.lifts_by_itself()),
            _ => false,
        };
        // Ids are unique; should a snapshot hold one twice, the first counts.
        if !seen.insert(&task.id) || !waits || live.contains(&task.id) {
            continue;
        }
        let may = assign(task, snapshot.catalog, snapshot.capacity.gpus)
            .and_then(|assignment| Ok((assignment, dependencies.are_done(task)?)));
        match (may, task.state) {
            (Ok((_, false)), TaskState::Queued | TaskState::Paused) => {
                if let Some(held) = &mut held {
                    held(task, Hold::Dependency);
                }
            }
            (Ok((Assignment { project, .. }, true)), TaskState::Queued | TaskState::Paused) => {
                let Task { not_before, needs_gpu, .. } = *task;
                ready.push((order(task), Candidate { task, project, not_before, needs_gpu }));
            }
            (Ok(_), _) => decisions.push(Decision::Unblock(task.id.clone())),
            // It stays where it was left until what it needs is there again.
            (Err(_), TaskState::Paused) => {}
            (Err(reason), _) if task.block.as_ref() == Some(&reason) => {}
            (Err(reason), _) => decisions.push(Decision::Block(task.id.clone(), reason)),
        }
    }
    // Once the slots are taken nothing changes any more, and why the rest waits does not depend on its order: only so
    // many of the best are brought into order as are looked at before that.
    let mut room = Room::new(snapshot);
    let mut rest = ready.as_mut_slice();
    let mut look = FIRST_LOOK;
    while room.slots > 0 && !rest.is_empty() {
        let count = look.min(rest.len());
        if count < rest.len() {
            rest.select_nth_unstable_by(count, |a, b| a.0.cmp(&b.0));
        }
        let (best, others) = rest.split_at_mut(count);
        best.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (_, candidate) in best {
            match (room.take(candidate), &mut held) {
                (None, _) => decisions.push(Decision::Start(candidate.task.id.clone())),
                (Some(hold), Some(held)) => held(candidate.task, hold),
                (Some(_), None) => {}
            }
        }
        rest = others;
        look = look.saturating_mul(8);
    }
    if let Some(held) = held {
        for (_, candidate) in rest {
            if let Some(hold) = room.take(candidate) {
                held(candidate.task, hold);
            }
        }
    }
    if snapshot.habits.preempt && !snapshot.capacity.closed {
        preemption::decide(snapshot, ready, &mut decisions);
    }
    decisions
}

/// What tasks are ordered by; smaller starts first.
pub fn order(task: &Task) -> impl Ord + '_ {
    (task.priority, task.deadline.is_none(), task.deadline, task.created_at, task.id.as_str().len(), task.id.as_str())
}
