//! The scheduling policy over backlogs of three sizes.

use super::{Size, say};
use crate::proc;
use crate::samples::Samples;
use crate::table::{Aim, Row};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::collections::HashMap;
use strawboss_core::policy::{self, Capacity, Decision, Habits, Snapshot, decide};
use strawboss_core::project::{
    AfterMerge, AgentEntry, AgentKind, Approval, Catalog, Limits, ModelEntry, Project, Repository, ReviewMode,
};
use strawboss_core::store::{ChangeSet, Store as _, TaskFilter};
use strawboss_core::{Date, ProjectName, Task, TaskId, TaskState, Timestamp};
use strawboss_store::SqlStore;

const GROUP: &str = "scheduling";
/// Decisions are made by one thread that waits for nothing: its CPU time is what they take on a machine that does
/// nothing else.
const UNIT: &str = "ms of CPU a tick";
const PROJECTS: usize = 50;
const SLOTS: u32 = 8;
/// Where the numbers begin: the same backlog every time.
const SEED: u64 = 0x5342_6f73;

/// A small generator (SplitMix64): figures must not depend on a library's choice of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit.max(1)
    }
}

fn name(number: usize) -> Result<ProjectName> {
    Ok(ProjectName::parse(&format!("Project number {number}"))?)
}

fn catalog() -> Result<Catalog> {
    let mut projects = BTreeMap::new();
    for number in 0..PROJECTS {
        let name = name(number)?;
        let project = Project {
            name: name.clone(),
            repository: Repository::Directory("/nowhere".into()),
            agent: AgentKind::Claude,
            model: None,
            mode: None,
            image: None,
            setup: Vec::new(),
            checks: Vec::new(),
            cache: Vec::new(),
            checks_cache: Vec::new(),
            env: BTreeMap::new(),
            approval: Approval::Auto,
            review: ReviewMode::Manual,
            tries: 1,
            branch: None,
            limits: Limits::default(),
            allow: Vec::new(),
            max_concurrent: 1,
            after_merge: AfterMerge::None,
            internal: Vec::new(),
            unusable: None,
        };
        projects.insert(name, project);
    }
    let kind = AgentKind::Claude;
    Ok(Catalog {
        projects,
        models: [("Sonnet 4".to_owned(), ModelEntry { agent: kind, provider: None, model: "m".into(), unusable: None })].into(),
        agents: [(kind, AgentEntry { kind, command: None, tool_dir: None, version: None, unusable: None })].into(),
    })
}

/// A backlog of which nearly everything is ready, in no order: the most there can be to do.
fn backlog(count: usize) -> Result<Vec<Task>> {
    let mut numbers = Numbers(SEED);
    let mut tasks = Vec::with_capacity(count);
    for number in 0..count {
        let project = name(numbers.below(PROJECTS as u64) as usize)?;
        let day = u8::try_from(numbers.below(28) + 1)?;
        tasks.push(Task {
            id: TaskId::nth(&project, number as u64 + 1),
            project,
            action: format!("Do what row {number} of the backlog says"),
            priority: u32::try_from(numbers.below(9) + 1)?,
            deadline: if numbers.below(3) == 0 { Date::new(2026, 1, day) } else { None },
            needs_gpu: numbers.below(20) == 0,
            agent: None,
            model: (numbers.below(2) == 0).then(|| "Sonnet 4".to_owned()),
            mode: None,
            state: TaskState::Queued,
            block: None,
            source: None,
            run: None,
            attempts: 0,
            resume: None,
            machinery_failures: 0,
            sent_back: 0,
            depends_on: Vec::new(),
            not_before: None,
            preempted: false,
            preempted_at: None,
            created_by: None,
            session: None,
            pull_request: None,
            created_at: Timestamp(i64::try_from(numbers.below(1_000_000))?),
            updated_at: Timestamp(0),
            version: 0,
        });
    }
    Ok(tasks)
}

fn starts(decisions: &[Decision]) -> usize {
    decisions.iter().filter(|decision| matches!(decision, Decision::Start(_))).count()
}

/// What each repetition takes, in milliseconds of CPU; the first, which finds cold caches, does not count.
fn times(repetitions: usize, mut work: impl FnMut() -> Result<()>) -> Result<Samples> {
    let mut times = Vec::with_capacity(repetitions);
    for repetition in 0..=repetitions {
        let began = proc::thread_cpu_ms()?;
        work()?;
        if repetition > 0 {
            times.push(proc::thread_cpu_ms()? - began);
        }
    }
    Ok(Samples::new(times))
}

pub(crate) async fn measure(size: Size) -> Result<Vec<Row>> {
    let catalog = catalog()?;
    let mut rows = Vec::new();
    let mut medians = Vec::new();
    for (count, repetitions) in size.of([(10, 20), (100, 5), (1000, 2)], [(10, 2000), (1000, 200), (100_000, 25)]) {
        say!("scheduling decisions over {count} tasks, {repetitions} times");
        let tasks = backlog(count)?;
        let capacity = Capacity { slots: SLOTS, gpus: 1, closed: false };
        let others = HashMap::new();
        let snapshot = Snapshot {
            tasks: &tasks,
            runs: &[],
            others: &others,
            habits: Habits { preempt: true, resume: true },
            catalog: &catalog,
            capacity,
            now: Timestamp(2_000_000),
        };
        let samples = times(repetitions, || {
            let starts = starts(&decide(&snapshot));
            ensure!(starts >= 1 && starts <= SLOTS as usize, "{starts} starts");
            Ok(())
        })?;
        medians.push((count as f64, samples.median()));
        let aim = |row: Row| if count == 100_000 { row.aim(Aim::Below(50.0)) } else { row };
        rows.push(aim(Row::new(GROUP, format!("decide over {count} tasks"), UNIT, samples)));
        if count >= 1000 {
            let samples = times(repetitions, || {
                let round = policy::round(&snapshot);
                ensure!(starts(&round.decisions) + round.holds.len() == count, "{} are held", round.holds.len());
                Ok(())
            })?;
            rows.push(Row::new(GROUP, "… and why each of the others waits", UNIT, samples));
            // More slots than projects: all tasks are looked at one after the other.
            let capacity = Capacity { slots: 1 << 20, ..capacity };
            let snapshot = Snapshot { capacity, ..snapshot.clone() };
            let samples = times(repetitions, || {
                let starts = starts(&decide(&snapshot));
                ensure!(starts >= PROJECTS - 1, "{starts} starts");
                Ok(())
            })?;
            rows.push(aim(Row::new(GROUP, format!("decide over {count} tasks, more slots than work fits in"), UNIT, samples)));
        }
    }
    if let Some(((large, slow), smaller)) = medians.split_last() {
        for (small, fast) in smaller {
            let expected = (large * large.log2()) / (small * small.log2());
            rows.push(
                Row::new(GROUP, format!("growth from {small} to {large} tasks"), "times", Samples::one(slow / fast))
                    .against("n log n", Samples::one(expected))
                    .aim(Aim::Times(1.0)),
            );
        }
    }
    rows.push(from_the_state(size).await?);
    Ok(rows)
}

/// What a tick costs beside the decisions: the tasks are read from the state.
async fn from_the_state(size: Size) -> Result<Row> {
    let (count, repetitions) = size.of((200, 1), (100_000, 5));
    say!("reading {count} tasks from the state, {repetitions} times");
    let dir = tempfile::tempdir()?;
    let store = SqlStore::open_sqlite(&dir.path().join("state.sqlite")).await?;
    for tasks in backlog(count)?.chunks(5000) {
        store.commit(&ChangeSet { tasks: tasks.to_vec(), ..ChangeSet::default() }).await?;
    }
    let mut times = Vec::new();
    for _ in 0..=repetitions {
        let began = std::time::Instant::now();
        let read = store.task_list(&TaskFilter { states: vec![TaskState::Queued], ..TaskFilter::default() }).await?;
        times.push(super::ms(began.elapsed()));
        ensure!(read.len() == count, "{} tasks were read", read.len());
    }
    store.close().await;
    Ok(Row::new(GROUP, format!("reading {count} queued tasks from SQLite"), "ms a tick", Samples::new(times.split_off(1))))
}
