//! What the scheduling policy promises, whatever it is shown.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use strawboss_core::policy::{Capacity, Decision, Habits, Hold, LiveRun, Snapshot, decide, holds, order, round};
use strawboss_core::project::{AgentEntry, AgentKind, Catalog, ModelEntry, Project, Unusable};
use strawboss_core::{BlockCode, BlockReason, Date, ProjectName, Task, TaskId, TaskState, Timestamp};
use support::{name, project, task};

const NONE: Habits = Habits { preempt: false, resume: false };

fn catalog() -> Catalog {
    let agent = |kind, unusable: Option<Unusable>| AgentEntry { kind, command: None, tool_dir: None, version: None, unusable };
    Catalog {
        projects: [
            project("one", 1),
            project("two", 2),
            project("none", 0),
            Project { unusable: Some(Unusable { message: "broken".into(), fix: "mend it".into() }), ..project("bad", 1) },
            project("wide", 2000),
        ]
        .into_iter()
        .map(|project| (project.name.clone(), project))
        .collect(),
        models: [(
            "Sonnet 4".to_owned(),
            ModelEntry { agent: AgentKind::Claude, provider: None, model: "m".into(), unusable: None },
        )]
        .into(),
        agents: [(AgentKind::Claude, agent(AgentKind::Claude, None))].into(),
    }
}

fn any_task() -> impl Strategy<Value = Task> {
    (
        (
            0..40_u32,
            prop::sample::select(vec!["one", "two", "none", "bad", "unknown", "wide"]),
            prop::sample::select(TaskState::ALL.to_vec()),
        ),
        (0..4_u32, prop::option::of(1_u8..28), any::<bool>(), prop::option::of(0..2000_i64), 0..50_i64),
        (
            prop::option::of(prop::sample::select(vec!["Sonnet 4", "sonnet 4", "GPT"])),
            prop::option::of(prop::sample::select(vec!["claude", "shell", "x"])),
            any::<bool>(),
            prop::option::of(prop::sample::select(vec![BlockCode::NoGpu, BlockCode::Failed, BlockCode::NoSuchProject])),
        ),
    )
        .prop_map(|((id, of, state), (priority, day, needs_gpu, not_before, created), (model, agent, empty, code))| {
            let mut task = task(&format!("t-{id}"), of);
            task.state = state;
            task.priority = priority;
            task.deadline = day.and_then(|day| Date::new(2026, 1, day));
            task.needs_gpu = needs_gpu;
            task.not_before = not_before.map(Timestamp);
            task.created_at = Timestamp(created);
            task.model = model.map(str::to_owned);
            task.agent = agent.map(str::to_owned);
            if empty && id % 7 == 0 {
                task.action = "  ".into();
            }
            task.block = code.filter(|_| state == TaskState::Blocked).map(|code| BlockReason::new(code, "m", "f"));
            task
        })
}

fn any_live() -> impl Strategy<Value = LiveRun> {
    (
        0..40_u32,
        prop::sample::select(vec!["one", "two", "unknown"]),
        any::<bool>(),
        (0..6_u32, 0..9_i64, any::<bool>(), any::<bool>()),
    )
        .prop_map(|(id, of, gpu, (priority, since, stopping, may_be_preempted))| {
            let task = TaskId::parse(&format!("t-{id}")).unwrap();
            let since = Timestamp(since);
            LiveRun { id: task.run(1), task, project: name(of), gpu, priority, since, stopping, may_be_preempted }
        })
}

fn starts(decisions: &[Decision]) -> Vec<TaskId> {
    decisions.iter().filter_map(|decision| if let Decision::Start(task) = decision { Some(task.clone()) } else { None }).collect()
}

proptest! {
    #[test]
    fn no_snapshot_breaks_a_limit(
        tasks in prop::collection::vec(any_task(), 0..60),
        runs in prop::collection::vec(any_live(), 0..12),
        slots in 0..6_u32,
        gpus in 0..3_u32,
        closed in any::<bool>(),
        preempt in any::<bool>(),
        resume in any::<bool>(),
    ) {
        let mut ids = HashSet::new();
        let runs: Vec<LiveRun> = runs.into_iter().filter(|run| ids.insert(run.id.clone())).collect();
        let catalog = catalog();
        let capacity = Capacity { slots, gpus, closed };
        let habits = Habits { preempt, resume };
        let snapshot = Snapshot { tasks: &tasks, runs: &runs, others: &HashMap::new(), habits, catalog: &catalog, capacity, now: Timestamp(1000) };
        let decisions = decide(&snapshot);
        let started = starts(&decisions);
        // Never two runs of one task: not among the starts, not beside a live run.
        let unique: HashSet<_> = started.iter().collect();
        prop_assert_eq!(unique.len(), started.len());
        prop_assert!(runs.iter().all(|run| !unique.contains(&run.task)));
        prop_assert!(started.is_empty() || !closed);
        prop_assert!(started.is_empty() || started.len() + runs.len() <= slots as usize);
        let of = |id: &TaskId| tasks.iter().find(|task| task.id == *id).unwrap();
        let on_gpu = started.iter().filter(|id| of(id).needs_gpu).count();
        prop_assert!(on_gpu == 0 || on_gpu + runs.iter().filter(|run| run.gpu).count() <= gpus as usize);
        for project in catalog.projects.values() {
            let new = started.iter().filter(|id| of(id).project == project.name).count();
            let old = runs.iter().filter(|run| run.project == project.name).count();
            prop_assert!(new == 0 || new + old <= project.max_concurrent as usize);
        }
        // What makes room is worse than what it makes room for, once each, and nothing that starts needs any.
        let preempted: Vec<_> = decisions
            .iter()
            .filter_map(|decision| if let Decision::Preempt(run, task) = decision { Some((run, task)) } else { None })
            .collect();
        prop_assert!(preempted.is_empty() || (preempt && !closed));
        for (run, task) in &preempted {
            let run = runs.iter().find(|live| live.id == **run).unwrap();
            prop_assert!(run.may_be_preempted && !run.stopping && run.priority > of(task).priority);
            prop_assert!(!started.contains(task));
        }
        prop_assert_eq!(preempted.iter().map(|(run, _)| run).collect::<HashSet<_>>().len(), preempted.len());
        prop_assert_eq!(preempted.iter().map(|(_, task)| task).collect::<HashSet<_>>().len(), preempted.len());
        // What starts was queued, is due, and its project, agent and model are there.
        for id in &started {
            let task = of(id);
            prop_assert!(task.not_before.is_none_or(|moment| moment <= snapshot.now));
            prop_assert!(strawboss_core::policy::assign(task, &catalog, gpus).is_ok());
        }
        // Every block names what to do; only what lifts by itself is unblocked.
        for decision in &decisions {
            match decision {
                Decision::Block(_, reason) => prop_assert!(!reason.message.is_empty() && !reason.fix.is_empty()),
                Decision::Unblock(id) => {
                    let any = tasks.iter().any(|task| task.id == *id && task.block.as_ref().is_some_and(|block| block.code.lifts_by_itself()));
                    prop_assert!(any);
                }
                Decision::Start(_) | Decision::Preempt(..) => {}
            }
        }
        // The same snapshot gives the same decisions, in whatever order its tasks come.
        prop_assert_eq!(&decisions, &decide(&snapshot));
        // What is held was not started.
        let held = holds(&snapshot);
        prop_assert!(started.iter().all(|id| !held.contains_key(id)));
    }

    #[test]
    fn only_a_part_in_order_comes_to_the_same_as_all_in_order(
        tasks in prop::collection::vec(any_task(), 0..1200),
        runs in prop::collection::vec(any_live(), 0..3),
        slots in 0..1200_u32,
        gpus in 0..3_u32,
        closed in any::<bool>(),
    ) {
        // As many ids as tasks: more than are looked at first must be ready.
        let tasks: Vec<Task> = tasks.into_iter().enumerate().map(|(at, it)| Task { id: TaskId::parse(&format!("t-{at}")).unwrap(), ..it }).collect();
        let catalog = catalog();
        let snapshot = Snapshot { tasks: &tasks, runs: &runs, others: &HashMap::new(), habits: NONE, catalog: &catalog, capacity: Capacity { slots, gpus, closed }, now: Timestamp(1000) };
        let mut ready: Vec<&Task> = tasks
            .iter()
            .filter(|task| task.state == TaskState::Queued && runs.iter().all(|run| run.task != task.id))
            .filter(|task| strawboss_core::policy::assign(task, &catalog, gpus).is_ok())
            .collect();
        ready.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut free = slots.saturating_sub(runs.len() as u32);
        let mut free_gpus = gpus.saturating_sub(runs.iter().filter(|run| run.gpu).count() as u32);
        let mut busy: HashMap<&ProjectName, u32> = HashMap::new();
        for run in &runs {
            *busy.entry(&run.project).or_default() += 1;
        }
        let (mut expected, mut waiting) = (Vec::new(), HashMap::new());
        for task in ready {
            let hold = if closed {
                Some(Hold::Closed)
            } else if task.not_before.is_some_and(|moment| moment > snapshot.now) {
                Some(Hold::NotYet)
            } else if busy.get(&task.project).copied().unwrap_or(0) >= catalog.projects[&task.project].max_concurrent {
                Some(Hold::ProjectBusy)
            } else if task.needs_gpu && free_gpus == 0 {
                Some(Hold::GpuBusy)
            } else if free == 0 {
                Some(Hold::NoSlot)
            } else {
                None
            };
            if let Some(hold) = hold {
                waiting.insert(task.id.clone(), hold);
            } else {
                free -= 1;
                free_gpus -= u32::from(task.needs_gpu);
                *busy.entry(&task.project).or_default() += 1;
                expected.push(task.id.clone());
            }
        }
        let round = round(&snapshot);
        prop_assert_eq!(starts(&round.decisions), expected);
        prop_assert_eq!(round.holds, waiting);
        prop_assert_eq!(round.decisions, decide(&snapshot));
    }

    #[test]
    fn every_ready_task_of_a_finite_backlog_runs_in_the_end(
        tasks in prop::collection::vec(any_task(), 0..40),
        slots in 1..4_u32,
    ) {
        let catalog = catalog();
        let mut tasks: Vec<Task> = tasks.into_iter().map(|task| (task.id.clone(), task)).collect::<HashMap<_, _>>().into_values().collect();
        for task in &mut tasks {
            task.state = TaskState::Queued;
            task.not_before = None;
        }
        let capacity = Capacity { slots, gpus: 1, closed: false };
        let can_run: HashSet<TaskId> = tasks
            .iter()
            .filter(|task| strawboss_core::policy::assign(task, &catalog, 1).is_ok_and(|a| a.project.max_concurrent > 0))
            .map(|task| task.id.clone())
            .collect();
        let mut ran = HashSet::new();
        for _ in 0..=tasks.len() {
            let started = starts(&decide(&Snapshot { tasks: &tasks, runs: &[], others: &HashMap::new(), habits: NONE, catalog: &catalog, capacity, now: Timestamp(1) }));
            for task in &mut tasks {
                if started.contains(&task.id) {
                    task.state = TaskState::Done;
                }
            }
            ran.extend(started);
        }
        prop_assert_eq!(ran, can_run);
    }

    #[test]
    fn nothing_starts_before_something_better_that_fits_as_well(tasks in prop::collection::vec(any_task(), 0..40)) {
        let catalog = catalog();
        let capacity = Capacity { slots: 1, gpus: 1, closed: false };
        let snapshot = Snapshot { tasks: &tasks, runs: &[], others: &HashMap::new(), habits: NONE, catalog: &catalog, capacity, now: Timestamp(1000) };
        if let [first] = starts(&decide(&snapshot)).as_slice() {
            // Ids repeat in hostile snapshots: the first of an id counts.
            let mut seen = HashSet::new();
            let best = tasks
                .iter()
                .filter(|task| seen.insert(task.id.clone()))
                .filter(|task| task.state == TaskState::Queued)
                .filter(|task| task.not_before.is_none_or(|moment| moment <= snapshot.now))
                .filter(|task| strawboss_core::policy::assign(task, &catalog, 1).is_ok_and(|a| a.project.max_concurrent > 0))
                .min_by(|a, b| order(a).cmp(&order(b)))
                .unwrap();
            prop_assert_eq!(first, &best.id);
        }
    }
}

#[test]
fn each_thing_that_is_missing_has_its_own_reason() {
    let catalog = catalog();
    let code = |change: fn(&mut Task)| {
        let mut it = task("a-1", "one");
        change(&mut it);
        strawboss_core::policy::assign(&it, &catalog, 0).map(|_| ()).map_err(|reason| reason.code)
    };
    assert_eq!(code(|_| {}), Ok(()));
    assert_eq!(code(|it| it.project = name("unknown")), Err(BlockCode::NoSuchProject));
    assert_eq!(code(|it| it.project = name("bad")), Err(BlockCode::ProjectUnusable));
    assert_eq!(code(|it| it.model = Some("GPT".into())), Err(BlockCode::NoSuchModel));
    assert_eq!(code(|it| it.agent = Some("codex".into())), Err(BlockCode::NoSuchAgent));
    assert_eq!(code(|it| it.agent = Some("shell".into())), Err(BlockCode::NoSuchAgent));
    assert_eq!(code(|it| it.needs_gpu = true), Err(BlockCode::NoGpu));
    assert_eq!(code(|it| it.action = " ".into()), Err(BlockCode::NoNextAction));
    assert_eq!(code(|it| it.model = Some("SONNET 4".into())), Ok(()), "names are found whatever their case");
}

#[test]
fn a_block_lifts_when_its_cause_is_gone_and_stays_when_it_is_not() {
    let catalog = catalog();
    let mut it = task("a-1", "one");
    it.state = TaskState::Blocked;
    it.needs_gpu = true;
    it.block = strawboss_core::policy::assign(&it, &catalog, 0).err();
    let at = |gpus| {
        let capacity = Capacity { slots: 1, gpus, closed: false };
        decide(&Snapshot {
            tasks: std::slice::from_ref(&it),
            runs: &[],
            others: &HashMap::new(),
            habits: NONE,
            catalog: &catalog,
            capacity,
            now: Timestamp(0),
        })
    };
    assert_eq!(at(0), vec![]);
    assert_eq!(at(1), vec![Decision::Unblock(it.id.clone())]);
}
