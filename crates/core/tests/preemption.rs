//! A task of better priority takes the place of the worst run, once, and only where that makes room.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, HashMap};
use strawboss_core::policy::{Capacity, Decision, Habits, LiveRun, Snapshot, decide, is_rested};
use strawboss_core::project::{AgentEntry, AgentKind, Catalog};
use strawboss_core::{Task, TaskId, TaskState, Timestamp};
use support::{name, project, task};

fn id(name: &str) -> TaskId {
    TaskId::parse(name).unwrap()
}

fn ready(name: &str, of: &str, priority: u32) -> Task {
    Task { priority, ..task(name, of) }
}

fn run(key: &str, of: &str, priority: u32) -> LiveRun {
    LiveRun {
        id: id(key).run(1),
        task: id(key),
        project: name(of),
        gpu: false,
        priority,
        since: Timestamp(1),
        stopping: false,
        may_be_preempted: true,
    }
}

fn decided(tasks: &[Task], runs: &[LiveRun], slots: u32, habits: Habits) -> Vec<Decision> {
    let agent = AgentEntry { kind: AgentKind::Claude, command: None, tool_dir: None, version: None, unusable: None };
    let catalog = Catalog {
        projects: [project("narrow", 1), project("wide", 100)].map(|project| (project.name.clone(), project)).into(),
        models: BTreeMap::new(),
        agents: [(AgentKind::Claude, agent)].into(),
    };
    let capacity = Capacity { slots, gpus: 1, closed: false };
    let others = HashMap::new();
    decide(&Snapshot { tasks, runs, others: &others, catalog: &catalog, capacity, habits, now: Timestamp(100) })
}

const BOTH: Habits = Habits { preempt: true, resume: true };

fn preempts(name: &str, better: &str) -> Decision {
    Decision::Preempt(id(name).run(1), id(better))
}

#[test]
fn the_worst_run_makes_room_and_among_equals_the_newest() {
    let newest = LiveRun { since: Timestamp(9), ..run("c-1", "wide", 5) };
    let runs = [run("a-1", "wide", 3), run("b-1", "wide", 5), newest];
    assert_eq!(decided(&[ready("x-1", "wide", 1)], &runs, 3, BOTH), [preempts("c-1", "x-1")]);
    let two = [ready("x-1", "wide", 1), ready("x-2", "wide", 2)];
    assert_eq!(decided(&two, &runs, 3, BOTH), [preempts("c-1", "x-1"), preempts("b-1", "x-2")]);
    // Not for its equal, and not when it is turned off.
    assert_eq!(decided(&[ready("x-1", "wide", 5)], &runs, 3, BOTH), []);
    assert_eq!(decided(&two, &runs, 3, Habits { preempt: false, resume: true }), []);
    // Nobody is thrown out of a place that is not needed.
    assert_eq!(decided(&[ready("x-1", "wide", 1)], &runs, 4, BOTH), [Decision::Start(id("x-1"))]);
}

#[test]
fn a_place_that_will_soon_be_free_is_waited_for() {
    let stopping = LiveRun { stopping: true, ..run("a-1", "wide", 9) };
    let runs = [stopping, run("b-1", "wide", 8)];
    assert_eq!(decided(&[ready("x-1", "wide", 1)], &runs, 2, BOTH), []);
    let two = [ready("x-1", "wide", 1), ready("x-2", "wide", 1)];
    assert_eq!(decided(&two, &runs, 2, BOTH), [preempts("b-1", "x-2")]);
}

#[test]
fn only_what_makes_room_for_it_is_stopped() {
    // The project's own place is taken: the worse run of another project would help nobody.
    let runs = [run("n-1", "narrow", 4), run("w-1", "wide", 9)];
    assert_eq!(decided(&[ready("x-1", "narrow", 1)], &runs, 5, BOTH), [preempts("n-1", "x-1")]);
    assert_eq!(decided(&[ready("x-1", "narrow", 6)], &runs, 5, BOTH), []);
    // The GPU's holder, not a worse one without.
    let holder = LiveRun { gpu: true, ..run("g-1", "wide", 4) };
    let needy = Task { needs_gpu: true, ..ready("x-1", "wide", 1) };
    assert_eq!(decided(&[needy], &[holder, run("w-1", "wide", 9)], 5, BOTH), [preempts("g-1", "x-1")]);
    // One that is being checked, or was preempted a short while ago, is left alone.
    let checking = LiveRun { may_be_preempted: false, ..run("w-1", "wide", 9) };
    assert_eq!(decided(&[ready("x-1", "wide", 1)], &[checking], 1, BOTH), []);
    // What waits for its moment takes nobody's place.
    let later = Task { not_before: Some(Timestamp(5_000)), ..ready("x-1", "wide", 1) };
    assert_eq!(decided(&[later], &[run("w-1", "wide", 9)], 1, BOTH), []);
}

#[test]
fn what_was_preempted_goes_on_by_itself_when_there_is_room() {
    let paused = Task { state: TaskState::Paused, preempted: true, ..ready("p-1", "wide", 5) };
    let by_person = Task { state: TaskState::Paused, ..ready("p-2", "wide", 1) };
    let tasks = [paused.clone(), by_person, ready("x-1", "wide", 3)];
    assert_eq!(decided(&tasks, &[], 1, BOTH), [Decision::Start(id("x-1"))]);
    assert_eq!(decided(&tasks, &[], 2, BOTH), [Decision::Start(id("x-1")), Decision::Start(id("p-1"))]);
    assert_eq!(decided(&[paused], &[], 2, Habits { preempt: true, resume: false }), []);
}

#[test]
fn a_task_is_left_in_peace_for_a_while() {
    assert!(is_rested(None, 600, Timestamp(5)));
    assert!(!is_rested(Some(Timestamp(100)), 600, Timestamp(699)));
    assert!(is_rested(Some(Timestamp(100)), 600, Timestamp(700)));
    assert!(is_rested(Some(Timestamp(9_000)), 600, Timestamp(700)), "the clock was set back");
}
