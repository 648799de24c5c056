//! Tasks, runs and sandboxes: whole, versioned, and together or not at all.

use super::{Fixture, sample};
use std::sync::Arc;
use strawboss_core::store::{ChangeSet, Message, Store, StoreError, TaskFilter};
use strawboss_core::task::{Task, TaskState};
use strawboss_core::{RunId, Timestamp};

/// Makes a change set one that must be refused.
type Break = fn(&mut ChangeSet);

fn conflict(what: &'static str, id: &str) -> Result<(), StoreError> {
    Err(StoreError::Conflict { what, id: id.to_owned() })
}

/// Everything that the store holds, to compare before and after.
async fn everything(store: &dyn Store, task: &Task) -> String {
    let run = task.id.run(1);
    let sandbox = run.sandbox(strawboss_core::runner::Purpose::Agent, 1);
    format!(
        "{:#?}",
        (
            store.task_list(&TaskFilter::default()).await.unwrap(),
            store.run_list_recent(1_000).await.unwrap(),
            store.sandbox_list_present().await.unwrap(),
            store.outbox_list(1_000).await.unwrap(),
            store.report_list(&run, 0, 1_000).await.unwrap(),
            store.report_last_seq(&sandbox).await.unwrap(),
            store.task_counts().await.unwrap(),
        )
    )
}

/// Every field of every entity survives, in both shapes (all filled, none filled).
pub async fn what_is_stored_comes_back_whole(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (mut small, mut full) = (sample::task(1), sample::full_task(2));
    let (mut small_run, mut full_run) = (sample::run(&small, 1), sample::full_run(&full, 1));
    let (mut small_box, mut full_box) = (sample::sandbox(&small_run, 1), sample::full_sandbox(&full_run, 1));
    let changes = ChangeSet {
        tasks: vec![small.clone(), full.clone()],
        runs: vec![small_run.clone(), full_run.clone()],
        sandboxes: vec![small_box.clone(), full_box.clone()],
        ..ChangeSet::default()
    };
    store.commit(&changes).await.unwrap();
    for task in [&mut small, &mut full] {
        task.version = 1;
        assert_eq!(store.task(&task.id).await.unwrap().as_ref(), Some(&*task));
    }
    for run in [&mut small_run, &mut full_run] {
        run.version = 1;
        assert_eq!(store.run(&run.id).await.unwrap().as_ref(), Some(&*run));
    }
    for sandbox in [&mut small_box, &mut full_box] {
        sandbox.version = 1;
        assert_eq!(store.sandbox(&sandbox.id).await.unwrap().as_ref(), Some(&*sandbox));
    }
    let absent = sample::run(&sample::task(9), 1);
    assert_eq!(store.task(&absent.task).await.unwrap(), None);
    assert_eq!(store.run(&absent.id).await.unwrap(), None);
    assert_eq!(store.sandbox(&sample::sandbox(&absent, 1).id).await.unwrap(), None);
}

/// A prompt of megabytes survives.
pub async fn long_texts_come_back_whole(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut task = sample::task(1);
    task.action = sample::HARD_TEXT.repeat(40_000);
    assert!(task.action.len() > 3_000_000);
    store.commit(&sample::adds(&task)).await.unwrap();
    assert_eq!(store.task(&task.id).await.unwrap().unwrap().action, task.action);
}

/// A write on an old version, a second insert and an update of nothing are conflicts, and change nothing.
pub async fn versions_guard_every_write(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let task = sample::task(1);
    let run = sample::run(&task, 1);
    let sandbox = sample::sandbox(&run, 1);
    let of_task = |task: &Task| ChangeSet { tasks: vec![task.clone()], ..ChangeSet::default() };
    let of_run = |run: &strawboss_core::Run| ChangeSet { runs: vec![run.clone()], ..ChangeSet::default() };
    let of_box = |sandbox: &strawboss_core::run::Sandbox| ChangeSet { sandboxes: vec![sandbox.clone()], ..ChangeSet::default() };
    let (id, run_id, box_id) = (task.id.as_str(), run.id.as_str(), sandbox.id.as_str());

    // Nothing to update yet.
    assert_eq!(store.commit(&of_task(&Task { version: 1, ..task.clone() })).await, conflict("task", id));
    store.commit(&of_task(&task)).await.unwrap();
    store.commit(&of_run(&run)).await.unwrap();
    store.commit(&of_box(&sandbox)).await.unwrap();
    // A second insert.
    assert_eq!(store.commit(&of_task(&task)).await, conflict("task", id));
    assert_eq!(store.commit(&of_run(&run)).await, conflict("run", run_id));
    assert_eq!(store.commit(&of_box(&sandbox)).await, conflict("sandbox", box_id));

    let (mut task, mut run, mut sandbox) = (task.clone(), run.clone(), sandbox.clone());
    for version in 1..=3 {
        (task.version, run.version, sandbox.version) = (version, version, version);
        task.action = format!("write {version}");
        run.prompt = format!("write {version}");
        sandbox.handle = Some(format!("write {version}"));
        store.commit(&of_task(&task)).await.unwrap();
        store.commit(&of_run(&run)).await.unwrap();
        store.commit(&of_box(&sandbox)).await.unwrap();
        for wrong in [version, version - 1, version + 2, -1] {
            let (mut task, mut run, mut sandbox) = (task.clone(), run.clone(), sandbox.clone());
            (task.version, run.version, sandbox.version) = (wrong, wrong, wrong);
            task.action = format!("lost {wrong}");
            assert_eq!(store.commit(&of_task(&task)).await, conflict("task", task.id.as_str()), "version {wrong}");
            assert_eq!(store.commit(&of_run(&run)).await, conflict("run", run.id.as_str()), "version {wrong}");
            assert_eq!(store.commit(&of_box(&sandbox)).await, conflict("sandbox", sandbox.id.as_str()), "version {wrong}");
        }
        let stored = store.task(&task.id).await.unwrap().unwrap();
        assert_eq!(stored, Task { version: version + 1, ..task.clone() });
        assert_eq!(store.run(&run.id).await.unwrap().unwrap().version, version + 1);
        assert_eq!(store.sandbox(&sandbox.id).await.unwrap().unwrap().version, version + 1);
    }
    // The same task twice in one change set: the second is on an old version by then.
    task.version = 4;
    let twice = ChangeSet { tasks: vec![task.clone(), task.clone()], ..ChangeSet::default() };
    assert_eq!(store.commit(&twice).await, conflict("task", task.id.as_str()));
    assert_eq!(store.task(&task.id).await.unwrap().unwrap().version, 4);
}

/// Many who read, change and retry on a conflict lose nobody's update.
pub async fn writers_that_retry_lose_no_update(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let task = sample::task(1);
    store.commit(&sample::adds(&task)).await.unwrap();
    let mut writers = Vec::new();
    for _ in 0..4 {
        let (store, id) = (fixture.open().await, task.id.clone());
        writers.push(tokio::spawn(async move {
            for _ in 0..10 {
                sample::count_up(&*store, &id).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let task = store.task(&task.id).await.unwrap().unwrap();
    assert_eq!((task.attempts, task.version), (40, 41));
}

/// Whichever part is refused, no other part stays.
pub async fn a_change_set_is_kept_whole_or_not_at_all(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let task = sample::task(1);
    let run = sample::run(&task, 1);
    let sandbox = sample::sandbox(&run, 1);
    let first = ChangeSet {
        tasks: vec![task.clone()],
        runs: vec![run.clone()],
        sandboxes: vec![sandbox.clone()],
        outbox: vec![sample::message("key", "topic", "waits", 1), sample::message("key", "other", "waits", 1)],
        reports: vec![sample::report(&sandbox.id, 1, "{}")],
        delivered: Vec::new(),
        reports_removed: Vec::new(),
    };
    store.commit(&first).await.unwrap();
    let waiting = store.outbox_list(10).await.unwrap();
    let before = everything(&*store, &task).await;

    let mut moved = task.clone();
    moved.version = 1;
    moved.start(Timestamp(5_000)).unwrap();
    let other = sample::task(2);
    let good = ChangeSet {
        tasks: vec![moved, other.clone()],
        runs: vec![sample::run(&other, 1)],
        sandboxes: vec![sample::sandbox(&sample::run(&other, 1), 1)],
        outbox: vec![sample::message("key", "topic", "replaces", 2), sample::message("new", "topic", "new", 2)],
        reports: vec![sample::report(&sandbox.id, 2, "{}")],
        delivered: waiting.iter().map(|message| message.id).collect(),
        reports_removed: Vec::new(),
    };
    let breaks: [(&str, Break); 6] = [
        ("task", |changes| changes.tasks.push(sample::task(1))),
        ("run", |changes| changes.runs.push(sample::finished(sample::run(&sample::task(1), 1)))),
        ("live run", |changes| changes.runs.push(sample::run(&sample::task(1), 2))),
        ("sandbox", |changes| changes.sandboxes.push(sample::sandbox(&sample::run(&sample::task(1), 1), 1))),
        ("report too large", |changes| {
            let body = "x".repeat(crate::REPORT_BYTES + 1);
            let mut report = changes.reports[0].clone();
            report.seq = 3;
            report.body = body;
            changes.reports.push(report);
        }),
        ("report of nobody", |changes| {
            let sandbox = sample::sandbox(&sample::run(&sample::task(77), 1), 1);
            changes.reports.push(sample::report(&sandbox.id, 1, "{}"));
        }),
    ];
    for (part, break_it) in breaks {
        let mut changes = good.clone();
        break_it(&mut changes);
        assert!(store.commit(&changes).await.is_err(), "{part}");
        assert_eq!(everything(&*store, &task).await, before, "{part} left something behind");
    }
    store.commit(&good).await.unwrap();
    assert_eq!(store.task(&task.id).await.unwrap().unwrap().state, TaskState::Running);
    let payloads = |waiting: Vec<Message>| waiting.into_iter().map(|message| message.payload).collect::<Vec<_>>();
    assert_eq!(payloads(store.outbox_list(10).await.unwrap()), ["replaces", "new"]);
    assert_eq!(payloads(store.outbox_list_by_key("key").await.unwrap()), ["replaces"]);
    assert_eq!(payloads(store.outbox_list_by_key("nobody's").await.unwrap()), [""; 0]);
}

/// A caller that gives up in the middle leaves all or nothing, and a store that goes on.
pub async fn a_dropped_commit_is_kept_whole_or_not_at_all(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut kept = 0;
    for round in 0..120_u64 {
        let (one, two) = (sample::task(round * 2 + 1), sample::task(round * 2 + 2));
        let changes = ChangeSet {
            tasks: vec![one.clone(), two.clone()],
            outbox: vec![sample::message(one.id.as_str(), "topic", "{}", 1)],
            ..ChangeSet::default()
        };
        {
            // Dropped after a number of polls that grows with the rounds, so that every step is hit.
            let mut commit = std::pin::pin!(store.commit(&changes));
            let mut polls = 0;
            std::future::poll_fn(|context| {
                if polls > round / 2 {
                    return std::task::Poll::Ready(());
                }
                polls += 1;
                commit.as_mut().poll(context).map(drop)
            })
            .await;
        }
        // A commit that was on its way when it was dropped may still land, but not after the next write.
        store.ping().await.unwrap();
        let there = store.task(&one.id).await.unwrap().is_some();
        assert_eq!(store.task(&two.id).await.unwrap().is_some(), there, "round {round}");
        let message = store.outbox_list(1_000).await.unwrap().iter().any(|message| message.key == one.id.as_str());
        assert_eq!(message, there, "round {round}");
        kept += u32::from(there);
    }
    assert!(kept > 0 && kept < 120, "{kept} of 120 were kept: the rounds did not drop commits at every step");
}

/// Nothing to write is no error.
pub async fn an_empty_change_set_writes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.commit(&ChangeSet::default()).await.unwrap();
    assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap(), []);
}

/// The database itself refuses a second live run, inserted or updated.
pub async fn a_task_has_at_most_one_live_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (task, other) = (sample::task(1), sample::task(2));
    let exists = Err(StoreError::LiveRunExists { task: task.id.clone() });
    let first = ChangeSet {
        tasks: vec![task.clone(), other.clone()],
        runs: vec![sample::run(&task, 1), sample::run(&other, 1)],
        ..ChangeSet::default()
    };
    store.commit(&first).await.unwrap();
    let second = ChangeSet { runs: vec![sample::run(&task, 2)], ..ChangeSet::default() };
    assert_eq!(store.commit(&second).await, exists);
    // A finished one beside it is fine, but it cannot come alive again.
    let over = ChangeSet { runs: vec![sample::finished(sample::run(&task, 2))], ..ChangeSet::default() };
    store.commit(&over).await.unwrap();
    let mut revived = sample::run(&task, 2);
    revived.version = 1;
    let revived = ChangeSet { runs: vec![revived], ..ChangeSet::default() };
    assert_eq!(store.commit(&revived).await, exists);
    // When the first is over, it may.
    let mut first = sample::finished(sample::run(&task, 1));
    first.version = 1;
    store.commit(&ChangeSet { runs: vec![first], ..ChangeSet::default() }).await.unwrap();
    store.commit(&revived).await.unwrap();
    let live: Vec<RunId> = store.run_list_live().await.unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(live, [other.id.run(1), task.id.run(2)]);
}

/// Of many that start a run of the same task at the same time, exactly one does.
pub async fn of_many_runs_at_once_one_becomes_live(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let task = sample::task(1);
    store.commit(&sample::adds(&task)).await.unwrap();
    let handles = [fixture.open().await, fixture.open().await];
    let mut starts = Vec::new();
    for attempt in 1..=12 {
        let store = Arc::clone(&handles[attempt as usize % 2]);
        let changes = ChangeSet { runs: vec![sample::run(&task, attempt)], ..ChangeSet::default() };
        starts.push(tokio::spawn(async move { store.commit(&changes).await }));
    }
    let mut started = 0;
    for start in starts {
        match start.await.unwrap() {
            Ok(()) => started += 1,
            Err(error) => assert_eq!(error, StoreError::LiveRunExists { task: task.id.clone() }),
        }
    }
    assert_eq!(started, 1);
    assert_eq!(store.run_list(&task.id).await.unwrap().len(), 1);
    assert_eq!(store.run_list_live().await.unwrap().len(), 1);
}

/// In one change set, in whichever order they are named.
pub async fn a_run_may_end_and_the_next_start_together(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let task = sample::task(1);
    store
        .commit(&ChangeSet { tasks: vec![task.clone()], runs: vec![sample::run(&task, 1)], ..ChangeSet::default() })
        .await
        .unwrap();
    for attempt in 2..=3 {
        let mut over = sample::finished(sample::run(&task, attempt - 1));
        over.version = 1;
        let mut runs = vec![over, sample::run(&task, attempt)];
        if attempt == 3 {
            runs.reverse();
        }
        store.commit(&ChangeSet { runs, ..ChangeSet::default() }).await.unwrap();
    }
    let live: Vec<RunId> = store.run_list_live().await.unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(live, [task.id.run(3)]);
}

/// A run of no task, a sandbox of no run, a report of no sandbox.
pub async fn what_belongs_to_nothing_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let task = sample::task(1);
    let run = sample::run(&task, 1);
    let sandbox = sample::sandbox(&run, 1);
    let report = sample::report(&sandbox.id, 1, "{}");
    let orphans = [
        ("run", ChangeSet { runs: vec![run], ..ChangeSet::default() }),
        ("sandbox", ChangeSet { sandboxes: vec![sandbox], ..ChangeSet::default() }),
        ("report", ChangeSet { reports: vec![report], ..ChangeSet::default() }),
    ];
    for (part, orphan) in orphans {
        match store.commit(&orphan).await {
            Err(StoreError::Refused { what, .. }) => assert_eq!(what, part),
            other => panic!("{part}: {other:?}"),
        }
    }
    assert_eq!(store.run_list_recent(10).await.unwrap(), []);
}
