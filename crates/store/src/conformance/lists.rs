//! Lists, their filters, their order, their pages.

use super::{Fixture, sample};
use strawboss_core::backlog::{BacklogStatus, SourceLink};
use strawboss_core::store::{ChangeSet, Store, TaskFilter};
use strawboss_core::task::{Task, TaskState};
use strawboss_core::{TaskId, Timestamp};

/// A hundred tasks over three projects and every state, stored in this order.
async fn hundred(store: &dyn Store) -> Vec<Task> {
    let mut tasks = Vec::new();
    for number in 0..100_u64 {
        // Numbers that run backwards: the order of making is neither that of keys nor that of creation times.
        let mut task = sample::task_of(["One", "Two", "Three"][number as usize % 3], 200 - number);
        task.state = TaskState::ALL[number as usize % 8];
        task.created_at = Timestamp(1_000 - number as i64);
        tasks.push(task);
    }
    for part in tasks.chunks(7) {
        store.commit(&ChangeSet { tasks: part.to_vec(), ..ChangeSet::default() }).await.unwrap();
    }
    for task in &mut tasks {
        task.version = 1;
    }
    tasks
}

fn ids(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.id.as_str()).collect()
}

/// By states, by project, by both, by none.
pub async fn lists_of_tasks_are_filtered(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let tasks = hundred(&*store).await;
    assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap(), tasks);
    let state_sets = [
        vec![],
        vec![TaskState::Done],
        vec![TaskState::Running, TaskState::Queued],
        vec![TaskState::Queued, TaskState::Queued],
        TaskState::ALL.to_vec(),
    ];
    for states in state_sets {
        for project in [None, Some("One"), Some("Two"), Some("one"), Some("None")] {
            let filter = TaskFilter { states: states.clone(), project: project.map(str::to_owned), ..TaskFilter::default() };
            let listed = store.task_list(&filter).await.unwrap();
            let wanted: Vec<_> = tasks
                .iter()
                .filter(|task| states.is_empty() || states.contains(&task.state))
                .filter(|task| project.is_none_or(|project| task.project.as_str() == project))
                .cloned()
                .collect();
            assert_eq!(ids(&listed), ids(&wanted), "{filter:?}");
        }
    }
    // A state that changes moves the task between lists, not within the order.
    let mut moved = tasks[0].clone();
    assert_eq!(moved.state, TaskState::Pending);
    moved.approve(Timestamp(9_000)).unwrap();
    store.commit(&sample::adds(&moved)).await.unwrap();
    let queued = TaskFilter { states: vec![TaskState::Queued], ..TaskFilter::default() };
    assert_eq!(store.task_list(&queued).await.unwrap()[0].id, moved.id);
}

/// Pages cover everything once, in order, and see what is added meanwhile.
pub async fn lists_of_tasks_are_paged(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let tasks = hundred(&*store).await;
    for (states, limit) in [(vec![], 1), (vec![], 7), (vec![], 100), (vec![], 101), (vec![TaskState::Queued, TaskState::Done], 5)]
    {
        let wanted: Vec<_> = tasks.iter().filter(|task| states.is_empty() || states.contains(&task.state)).collect();
        let mut listed = Vec::new();
        let mut after: Option<TaskId> = None;
        loop {
            let filter = TaskFilter { states: states.clone(), project: None, after: after.clone(), sessions: false, limit };
            let page = store.task_list(&filter).await.unwrap();
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            listed.extend(page);
        }
        assert_eq!(listed.len(), wanted.len(), "{states:?} by {limit}");
        assert!(listed.iter().zip(wanted).all(|(listed, wanted)| listed == wanted), "{states:?} by {limit}");
    }
    let after_last = TaskFilter { after: Some(tasks[99].id.clone()), ..TaskFilter::default() };
    assert_eq!(store.task_list(&after_last).await.unwrap(), []);
    let late = sample::task_of("Late", 1);
    store.commit(&sample::adds(&late)).await.unwrap();
    assert_eq!(ids(&store.task_list(&after_last).await.unwrap()), [late.id.as_str()]);
    // Who pages after a task that is not there gets nothing, rather than everything once more.
    let unknown = TaskFilter { after: Some(sample::task_of("Nobody", 5).id), ..TaskFilter::default() };
    assert_eq!(store.task_list(&unknown).await.unwrap(), []);
}

/// Every state is named, in the board's order, also those without a task.
pub async fn tasks_are_counted_by_state(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.task_counts().await.unwrap(), TaskState::ALL.map(|state| (state, 0)));
    let tasks = hundred(&*store).await;
    let count = |state| tasks.iter().filter(|task| task.state == state).count() as u64;
    assert_eq!(store.task_counts().await.unwrap(), TaskState::ALL.map(|state| (state, count(state))));
}

/// Sessions are tasks that no list and no count of tasks holds; they are listed by themselves.
pub async fn sessions_are_listed_apart(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (task, mut session) = (sample::task(1), sample::task(2));
    session.session = sample::full_task(1).session;
    store.commit(&ChangeSet { tasks: vec![task.clone(), session.clone()], ..ChangeSet::default() }).await.unwrap();
    for states in [vec![], vec![TaskState::Queued]] {
        let all = TaskFilter { states: states.clone(), ..TaskFilter::default() };
        assert_eq!(ids(&store.task_list(&all).await.unwrap()), [task.id.as_str()]);
        let sessions = TaskFilter { states, sessions: true, ..TaskFilter::default() };
        assert_eq!(ids(&store.task_list(&sessions).await.unwrap()), [session.id.as_str()]);
    }
    let mut over = store.task(&session.id).await.unwrap().unwrap();
    over.cancel(Timestamp(3_000)).unwrap();
    store.commit(&sample::adds(&over)).await.unwrap();
    let open = TaskFilter { states: vec![TaskState::Queued], sessions: true, ..TaskFilter::default() };
    assert_eq!(store.task_list(&open).await.unwrap(), []);
    let counted = |state| u64::from(state == TaskState::Queued);
    assert_eq!(store.task_counts().await.unwrap(), TaskState::ALL.map(|state| (state, counted(state))));
}

/// Of those that are there, however many are asked for at once.
pub async fn states_are_told_by_id(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let tasks = hundred(&*store).await;
    let nobody = (1000..2200).map(|number| sample::task_of("Nobody", number).id);
    let asked: Vec<_> = tasks.iter().step_by(2).map(|task| task.id.clone()).chain(nobody).collect();
    let wanted = tasks.iter().step_by(2).map(|task| (task.id.clone(), task.state)).collect();
    assert_eq!(store.task_states(&asked).await.unwrap(), wanted);
    assert!(store.task_states(&[]).await.unwrap().is_empty());
}

/// Only those of that source, only those that still write to their row.
pub async fn tasks_are_found_by_their_source(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let link = |source: &str, detached| {
        Some(SourceLink {
            source: source.to_owned(),
            native_ref: "id:1".to_owned(),
            row_status: BacklogStatus::Queued,
            detached,
            is_ticket: false,
            url: None,
            ticket: None,
        })
    };
    let mut tasks: Vec<_> = (1..=5).map(sample::task).collect();
    tasks[0].source = link("csv:a.csv", false);
    tasks[1].source = link("csv:a.csv", true);
    tasks[2].source = link("csv:b.csv", false);
    tasks[4].source = link("csv:a.csv", false);
    store.commit(&ChangeSet { tasks: tasks.clone(), ..ChangeSet::default() }).await.unwrap();
    let of_a = store.task_list_by_source("csv:a.csv").await.unwrap();
    assert_eq!(ids(&of_a), [tasks[0].id.as_str(), tasks[4].id.as_str()]);
    let mut detached = of_a[0].clone();
    detached.source = link("csv:a.csv", true);
    store.commit(&sample::adds(&detached)).await.unwrap();
    assert_eq!(ids(&store.task_list_by_source("csv:a.csv").await.unwrap()), [tasks[4].id.as_str()]);
    assert_eq!(store.task_list_by_source("csv:none.csv").await.unwrap(), []);
}

/// A task's in order of making, all of them newest first.
pub async fn runs_are_listed_in_order(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (one, two) = (sample::task(1), sample::task(2));
    store.commit(&ChangeSet { tasks: vec![one.clone(), two.clone()], ..ChangeSet::default() }).await.unwrap();
    let mut made = Vec::new();
    for attempt in 1..=11 {
        for task in [&one, &two] {
            let run = sample::finished(sample::run(task, attempt));
            store.commit(&ChangeSet { runs: vec![run.clone()], ..ChangeSet::default() }).await.unwrap();
            made.push(run.id);
        }
    }
    let of_one: Vec<_> = store.run_list(&one.id).await.unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(of_one, (1..=11).map(|attempt| one.id.run(attempt)).collect::<Vec<_>>());
    assert_eq!(store.run_list_live().await.unwrap(), []);
    made.reverse();
    for limit in [0, 1, 5, 22, 23] {
        let recent: Vec<_> = store.run_list_recent(limit).await.unwrap().into_iter().map(|run| run.id).collect();
        assert_eq!(recent, made[..made.len().min(limit as usize)]);
    }
    assert_eq!(store.run_list(&sample::task(3).id).await.unwrap(), []);
}

/// Present until removed; a run's own in order, removed or not.
pub async fn sandboxes_are_listed_until_removed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (one, two) = (sample::task(1), sample::task(2));
    let runs = [sample::run(&one, 1), sample::run(&two, 1)];
    let boxes: Vec<_> = [(0, 1), (1, 1), (0, 2), (0, 10)].map(|(run, number)| sample::sandbox(&runs[run], number)).into();
    let changes = ChangeSet { tasks: vec![one, two], runs: runs.to_vec(), sandboxes: boxes.clone(), ..ChangeSet::default() };
    store.commit(&changes).await.unwrap();
    let mut removed = boxes[2].clone();
    (removed.removed, removed.version) = (true, 1);
    store.commit(&ChangeSet { sandboxes: vec![removed], ..ChangeSet::default() }).await.unwrap();
    let present: Vec<_> = store.sandbox_list_present().await.unwrap().into_iter().map(|sandbox| sandbox.id).collect();
    assert_eq!(present, [0, 1, 3].map(|at: usize| boxes[at].id.clone()));
    let of_run: Vec<_> = store.sandbox_list(&runs[0].id).await.unwrap();
    assert_eq!(
        of_run.iter().map(|sandbox| sandbox.id.clone()).collect::<Vec<_>>(),
        [0, 2, 3].map(|at: usize| boxes[at].id.clone())
    );
    assert!(of_run[1].removed);
}
