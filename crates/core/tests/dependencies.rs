//! What depends on something starts when that is done, and a person hears when it never can be.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, HashMap};
use strawboss_core::policy::{Capacity, Decision, Habits, Hold, Round, Snapshot, round};
use strawboss_core::project::{AgentEntry, AgentKind, Catalog};
use strawboss_core::{BlockCode, Dependency, Task, TaskId, TaskState, Timestamp};

fn id(number: usize) -> TaskId {
    TaskId::parse(&format!("one-{number}")).unwrap()
}

/// Queued, and depending on these.
fn task(number: usize, needs: &[usize]) -> Task {
    let needs = needs.iter().map(|number| Dependency { name: format!("id:{number}"), task: Some(id(*number)) });
    Task { depends_on: needs.collect(), ..support::task(id(number).as_str(), "one") }
}

fn decide(tasks: &[Task], others: &[(usize, TaskState)]) -> Round {
    let project = support::project("one", u32::MAX);
    let agent = AgentEntry { kind: AgentKind::Claude, command: None, tool_dir: None, version: None, unusable: None };
    let catalog = Catalog {
        projects: [(project.name.clone(), project)].into(),
        models: BTreeMap::new(),
        agents: [(AgentKind::Claude, agent)].into(),
    };
    let others: HashMap<TaskId, TaskState> = others.iter().map(|(number, state)| (id(*number), *state)).collect();
    let capacity = Capacity { slots: u32::MAX, gpus: 0, closed: false };
    round(&Snapshot {
        tasks,
        runs: &[],
        others: &others,
        habits: Habits { preempt: true, resume: true },
        catalog: &catalog,
        capacity,
        now: Timestamp(1),
    })
}

fn blocked(round: &Round, number: usize) -> Option<(BlockCode, &str)> {
    round.decisions.iter().find_map(|decision| match decision {
        Decision::Block(task, reason) if *task == id(number) => Some((reason.code, reason.message.as_str())),
        _ => None,
    })
}

#[test]
fn it_starts_when_all_of_it_is_done() {
    let tasks = [task(1, &[]), task(2, &[1]), task(3, &[8, 9])];
    let waiting = decide(&tasks, &[(8, TaskState::Done), (9, TaskState::Review)]);
    assert_eq!(waiting.decisions, [Decision::Start(id(1))]);
    assert_eq!(waiting.holds, [(id(2), Hold::Dependency), (id(3), Hold::Dependency)].into());
    let done = decide(&tasks[2..], &[(8, TaskState::Done), (9, TaskState::Done)]);
    assert_eq!(done.decisions, [Decision::Start(id(3))]);
}

#[test]
fn what_can_never_be_done_blocks_and_lifts_by_itself() {
    let mut nameless = task(1, &[]);
    nameless.depends_on = vec![Dependency { name: "id:gone".to_owned(), task: None }];
    let tasks = [nameless, task(2, &[7]), task(3, &[8])];
    let round = decide(&tasks, &[(8, TaskState::Cancelled)]);
    assert_eq!(blocked(&round, 1), Some((BlockCode::NoSuchDependency, "It depends on `id:gone`, which is not there.")));
    assert_eq!(blocked(&round, 2), Some((BlockCode::NoSuchDependency, "It depends on `id:7`, which is not there.")));
    assert_eq!(blocked(&round, 3), Some((BlockCode::NoSuchDependency, "It depends on `id:8`, which was withdrawn.")));

    // As it was blocked it stays, without being written again; when what was missing is there it is lifted.
    let mut stays = tasks[2].clone();
    let Some(Decision::Block(_, reason)) = round.decisions.last() else { panic!("{round:?}") };
    stays.block(reason.clone(), Timestamp(2)).unwrap();
    assert_eq!(decide(&[stays.clone()], &[(8, TaskState::Cancelled)]).decisions, []);
    assert_eq!(decide(&[stays], &[(8, TaskState::Queued)]).decisions, [Decision::Unblock(id(3))]);
}

#[test]
fn a_cycle_is_said_and_what_hangs_on_it_waits() {
    let tasks = [task(1, &[3]), task(2, &[1]), task(3, &[2]), task(4, &[4]), task(5, &[1]), task(6, &[])];
    let round = decide(&tasks, &[]);
    for member in [1, 2, 3] {
        let said = Some((BlockCode::DependencyCycle, "It depends on itself: one-1 → one-3 → one-2 → one-1."));
        assert_eq!(blocked(&round, member), said);
    }
    assert_eq!(blocked(&round, 4), Some((BlockCode::DependencyCycle, "It depends on itself: one-4 → one-4.")));
    assert_eq!(round.holds, [(id(5), Hold::Dependency)].into());
    assert!(round.decisions.contains(&Decision::Start(id(6))), "others go on");
    // In another order of the same tasks the words are the same: nothing is written again and again.
    let turned: Vec<Task> = tasks.iter().rev().cloned().collect();
    assert_eq!(blocked(&decide(&turned, &[]), 2), blocked(&round, 2));
}

#[test]
fn a_chain_of_ten_thousand_starts_with_its_first() {
    let chain: Vec<Task> = (0..10_000).map(|at| if at == 0 { task(0, &[]) } else { task(at, &[at - 1]) }).collect();
    assert_eq!(decide(&chain, &[]).decisions, [Decision::Start(id(0))]);
    let mut ring = chain;
    ring[0].depends_on = task(0, &[9_999]).depends_on;
    let round = decide(&ring, &[]);
    assert_eq!(round.decisions.len(), 10_000);
    assert!(blocked(&round, 5_000).is_some_and(|(_, said)| said.ends_with("… → one-0.")), "{:?}", blocked(&round, 5_000));
}
