//! What every source of work must hold to, whatever it reads: one suite, run against each implementation.
//!
//! A fixture plays the person who edits the source by hand; the suite sees the source through the port alone.

use std::sync::Arc;
use std::time::{Duration, Instant};
use strawboss_core::backlog::{Backlog, BacklogStatus, Reading, Report, SourceItem, WriteBack, WriteOutcome};
use strawboss_core::{RunOutcome, TaskId, Timestamp};

/// A row as a person writes it.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The Project column.
    pub project: &'a str,
    /// The Next Action column.
    pub action: &'a str,
    /// The Priority column.
    pub priority: &'a str,
    /// The Status column.
    pub status: &'a str,
    /// The Deadline column.
    pub deadline: &'a str,
    /// The GPU column.
    pub gpu: &'a str,
    /// The Model column.
    pub model: &'a str,
}

impl<'a> Wish<'a> {
    /// A plain pending row.
    pub fn new(project: &'a str, action: &'a str) -> Self {
        Self { project, action, priority: "1", status: "Pending", deadline: "", gpu: "", model: "" }
    }
}

/// What a person sees of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The Status column.
    pub status: String,
    /// The Agent column; none where the source has nothing of the kind.
    pub agent: Option<String>,
    /// The Last Update column; none where the source has nothing of the kind.
    pub last_update: Option<String>,
}

/// Whether a person could say something in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is said.
    Done,
    /// Such a source has no way to say it: nothing was done, and no row of it ever reads so.
    Impossible,
}

/// A source that a person edits by hand. Rows are named by their action, which the suite keeps apart.
#[async_trait::async_trait]
pub trait Fixture: Send {
    /// The one project that all its items are work on; none: each says it itself.
    fn project(&self) -> Option<&str> {
        None
    }
    /// The source, opened anew as after a restart.
    async fn open(&mut self) -> Arc<dyn Backlog>;
    /// A person adds a row at the end.
    async fn add(&mut self, wish: &Wish<'_>);
    /// A person sets a row's status.
    async fn set_status(&mut self, action: &str, status: &str);
    /// A person rewrites a row's Next Action.
    async fn set_action(&mut self, action: &str, new: &str);
    /// A person deletes a row.
    async fn remove(&mut self, action: &str);
    /// A person makes a row wait for the row before it, of the same project.
    async fn block(&mut self, action: &str, by: &str) -> Said;
    /// Somebody who is not trusted adds a row at the end.
    async fn add_as_stranger(&mut self, wish: &Wish<'_>) -> Said;
    /// The source goes away: its file is moved elsewhere or is broken, its server fails.
    async fn take_away(&mut self);
    /// It is there again, as it was.
    async fn give_back(&mut self);
    /// A person looks at a row.
    async fn see(&mut self, action: &str) -> Option<Sight>;
    /// What people read there of how work on a row ended, in order; none where the source has no room for it.
    async fn told(&mut self, _action: &str) -> Option<Vec<String>> {
        None
    }
}

/// Longer than any source takes to notice a change on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs all of it, each part on a fresh, empty source.
pub async fn holds<F: Fixture, M: AsyncFn() -> F>(make: M) {
    an_empty_list_is_a_list(make().await).await;
    rows_are_read_as_they_are(make().await).await;
    names_are_stable(make().await).await;
    what_is_written_is_seen_and_read(make().await).await;
    a_row_that_is_gone_is_said_to_be(make().await).await;
    a_persons_edit_survives_a_write(make().await).await;
    a_change_is_noticed(make().await).await;
    a_source_that_is_away_is_no_empty_list(make().await).await;
    a_row_waits_for_what_blocks_it(make().await).await;
    what_a_person_set_meanwhile_is_not_written_over(make().await).await;
    how_work_ended_is_told_once_whatever_a_person_set(make().await).await;
    what_a_stranger_wants_waits_for_a_person(make().await).await;
}

async fn items(backlog: &dyn Backlog) -> Vec<SourceItem> {
    match backlog.read().await {
        Reading::Items { items, problems } => {
            assert_eq!(problems, [], "{}", backlog.name());
            items
        }
        Reading::Unreadable { problem } => panic!("{}: {}", backlog.name(), problem.message),
    }
}

fn find<'a>(items: &'a [SourceItem], action: &str) -> &'a SourceItem {
    items.iter().find(|item| item.action == action).unwrap_or_else(|| panic!("`{action}` is not in {items:?}"))
}

fn write(item: &SourceItem, status: BacklogStatus, agent: &str) -> WriteBack {
    // 2026-01-15T10:00:00Z
    WriteBack {
        native_ref: item.native_ref.clone(),
        status,
        agent: agent.to_owned(),
        at: Timestamp(1_768_471_200_000),
        known: None,
        report: None,
        earlier: Vec::new(),
    }
}

async fn see<F: Fixture>(fixture: &mut F, action: &str) -> Sight {
    fixture.see(action).await.unwrap_or_else(|| panic!("`{action}` is not there"))
}

async fn put(backlog: &dyn Backlog, writes: &[WriteBack]) -> Vec<WriteOutcome> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match backlog.write_back(writes).await {
            Ok(outcomes) => return outcomes,
            Err(error) => assert!(error.retry && Instant::now() < deadline, "{error}"),
        }
    }
}

async fn an_empty_list_is_a_list<F: Fixture>(mut fixture: F) {
    let backlog = fixture.open().await;
    assert_eq!(items(&*backlog).await, []);
    assert_eq!(backlog.write_back(&[]).await, Ok(Vec::new()));
}

async fn rows_are_read_as_they_are<F: Fixture>(mut fixture: F) {
    let full = Wish {
        priority: "3",
        status: "Blocked",
        deadline: "2026-02-01",
        gpu: "Yes",
        model: "Sonnet 4",
        ..Wish::new("Antenna ML Pipeline", "Say \"hello, world\"\n\nand -- stop")
    };
    fixture.add(&full).await;
    fixture.add(&Wish { priority: "", ..Wish::new("Other", "Second") }).await;
    let backlog = fixture.open().await;
    let items = items(&*backlog).await;
    assert_eq!(items.len(), 2);
    let project = fixture.project().unwrap_or(full.project);
    assert_eq!((items[0].project.as_str(), items[0].action.as_str()), (project, full.action));
    assert_eq!((items[0].priority, items[0].status), (3, BacklogStatus::Blocked));
    assert_eq!(items[0].deadline.map(|day| day.to_string()).as_deref(), Some("2026-02-01"));
    assert_eq!((items[0].needs_gpu, items[0].model.as_deref(), items[0].agent.as_deref()), (true, Some("Sonnet 4"), None));
    assert_eq!((items[1].action.as_str(), items[1].priority, items[1].status), ("Second", 999, BacklogStatus::Pending));
    assert_eq!((items[1].deadline, items[1].needs_gpu, items[1].model.as_deref()), (None, false, None));
}

async fn names_are_stable<F: Fixture>(mut fixture: F) {
    for action in ["First", "Second", "Third"] {
        fixture.add(&Wish::new("Antenna", action)).await;
    }
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    fixture.set_status("Second", "Queued").await;
    fixture.remove("First").await;
    fixture.set_action("Third", "Third, but better").await;
    let reopened = fixture.open().await;
    assert_eq!(reopened.name(), backlog.name());
    let after = items(&*reopened).await;
    assert_eq!(after.len(), 2);
    let second = find(&after, "Second");
    assert_eq!(second.native_ref, find(&before, "Second").native_ref, "neither status nor place is part of a row's name");
    assert_eq!(second.status, BacklogStatus::Queued);
    let names: std::collections::HashSet<_> = before.iter().map(|item| &item.native_ref).collect();
    assert_eq!(names.len(), 3, "no two rows have one name");
}

async fn what_is_written_is_seen_and_read<F: Fixture>(mut fixture: F) {
    for action in ["First", "Second", "Third"] {
        fixture.add(&Wish::new("Antenna", action)).await;
    }
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    let untouched = fixture.see("Third").await;
    let writes = [
        write(find(&before, "First"), BacklogStatus::InProgress, "claude (antenna-1.1)"),
        write(find(&before, "Second"), BacklogStatus::Blocked, "=blocked, \"no GPU\"\nhere"),
    ];
    for _ in 0..2 {
        // Twice, as after a crash: nothing else may come of it.
        assert_eq!(put(&*backlog, &writes).await, [WriteOutcome::Written, WriteOutcome::Written]);
        let first = see(&mut fixture, "First").await;
        assert_eq!(first.status, "In Progress");
        assert!(first.agent.as_deref().is_none_or(|agent| agent == "claude (antenna-1.1)"), "{first:?}");
        assert!(first.last_update.as_deref().is_none_or(|at| at.starts_with("2026-01-15T10:00:00")), "{first:?}");
        let second = see(&mut fixture, "Second").await;
        assert_eq!(second.status, "Blocked");
        let inert = |agent: &str| agent.starts_with('\'') && !agent.contains('\n');
        assert!(second.agent.as_deref().is_none_or(inert), "no formula, one line: {second:?}");
        assert_eq!(fixture.see("Third").await, untouched);
    }
    let after = items(&*backlog).await;
    assert_eq!(after.len(), before.len());
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(old.native_ref, new.native_ref, "a write changes no name");
        assert_eq!(new.agent, None, "what we write asks for no agent");
    }
    assert_eq!(find(&after, "First").status, BacklogStatus::InProgress);
    for status in BacklogStatus::ALL {
        put(&*backlog, &[write(&before[2], status, "")]).await;
        assert_eq!(find(&items(&*backlog).await, "Third").status, status);
    }
}

async fn a_row_that_is_gone_is_said_to_be<F: Fixture>(mut fixture: F) {
    fixture.add(&Wish::new("Antenna", "First")).await;
    fixture.add(&Wish::new("Antenna", "Second")).await;
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    fixture.remove("First").await;
    let writes: Vec<_> = before.iter().map(|item| write(item, BacklogStatus::Completed, "x y")).collect();
    assert_eq!(put(&*backlog, &writes).await, [WriteOutcome::RowGone, WriteOutcome::Written]);
    assert_eq!(fixture.see("First").await, None);
    assert_eq!(see(&mut fixture, "Second").await.status, "Completed");
}

async fn a_persons_edit_survives_a_write<F: Fixture>(mut fixture: F) {
    fixture.add(&Wish::new("Antenna", "First")).await;
    fixture.add(&Wish::new("Antenna", "Second")).await;
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    fixture.add(&Wish::new("Antenna", "Third")).await;
    fixture.set_action("Second", "Second, but better").await;
    assert_eq!(put(&*backlog, &[write(&before[0], BacklogStatus::Completed, "x y")]).await, [WriteOutcome::Written]);
    let after = items(&*backlog).await;
    assert_eq!(find(&after, "First").status, BacklogStatus::Completed);
    find(&after, "Second, but better");
    find(&after, "Third");
}

async fn a_change_is_noticed<F: Fixture>(mut fixture: F) {
    fixture.add(&Wish::new("Antenna", "First")).await;
    let backlog = fixture.open().await;
    items(&*backlog).await;
    for action in ["Second", "Third"] {
        let waiting = Arc::clone(&backlog);
        let noticed = tokio::spawn(async move { waiting.changed().await });
        fixture.add(&Wish::new("Antenna", action)).await;
        let noticed = tokio::time::timeout(PATIENCE, noticed).await;
        assert!(matches!(noticed, Ok(Ok(()))), "`{action}` was not noticed: {noticed:?}");
        find(&items(&*backlog).await, action);
    }
    // A waiter that is given up loses nothing.
    drop(tokio::time::timeout(Duration::ZERO, backlog.changed()).await);
    fixture.add(&Wish::new("Antenna", "Fourth")).await;
    drop(tokio::time::timeout(Duration::ZERO, backlog.changed()).await);
    let noticed = tokio::time::timeout(PATIENCE, backlog.changed()).await;
    assert!(noticed.is_ok(), "a change that came between two waiters was not noticed");
}

async fn a_source_that_is_away_is_no_empty_list<F: Fixture>(mut fixture: F) {
    fixture.add(&Wish::new("Antenna", "First")).await;
    fixture.add(&Wish::new("Antenna", "Second")).await;
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    let done = write(&before[0], BacklogStatus::Completed, "x y");
    fixture.take_away().await;
    for source in [Arc::clone(&backlog), fixture.open().await] {
        match source.read().await {
            Reading::Unreadable { problem } => assert!(!problem.message.is_empty() && !problem.skipped, "{problem:?}"),
            Reading::Items { items, .. } => panic!("{} is away and reads as {items:?}", source.name()),
        }
        match source.write_back(std::slice::from_ref(&done)).await {
            Err(error) => assert!(!error.why.is_empty() && !error.fix.is_empty(), "{error:?}"),
            Ok(outcomes) => assert!(matches!(outcomes[..], [WriteOutcome::Refused(_)]), "{outcomes:?}"),
        }
    }
    fixture.give_back().await;
    assert_eq!(items(&*backlog).await, before, "what is there again is what was there");
    assert_eq!(put(&*backlog, &[done]).await, [WriteOutcome::Written]);
    assert_eq!(see(&mut fixture, "First").await.status, "Completed");
}

async fn a_row_waits_for_what_blocks_it<F: Fixture>(mut fixture: F) {
    for (project, action) in [("Antenna", "First"), ("Antenna", "Second"), ("Other", "Third")] {
        fixture.add(&Wish::new(project, action)).await;
    }
    let said = fixture.block("Second", "First").await;
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    let blockers = match said {
        Said::Done => vec![find(&before, "First").native_ref.clone()],
        Said::Impossible => Vec::new(),
    };
    let depends_on = |items: &[SourceItem], action: &str| find(items, action).depends_on.clone();
    assert_eq!(depends_on(&before, "Second"), blockers);
    assert_eq!((depends_on(&before, "First"), depends_on(&before, "Third")), (Vec::new(), Vec::new()));
    // What we write blocks and frees nothing.
    put(&*backlog, &[write(find(&before, "Second"), BacklogStatus::Queued, "x y")]).await;
    assert_eq!(depends_on(&items(&*backlog).await, "Second"), blockers);
    // A source may go on naming what is done: then it also says that it is.
    fixture.set_status("First", "Completed").await;
    let after = items(&*backlog).await;
    let is_done = |name: &String| after.iter().any(|item| item.native_ref == *name && item.status == BacklogStatus::Completed);
    assert!(depends_on(&after, "Second").iter().all(is_done), "{after:?}");
    fixture.set_status("First", "Pending").await;
    assert_eq!(depends_on(&items(&*backlog).await, "Second"), blockers);
}

async fn what_a_person_set_meanwhile_is_not_written_over<F: Fixture>(mut fixture: F) {
    for action in ["First", "Second", "Third"] {
        fixture.add(&Wish::new("Antenna", action)).await;
    }
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    let knowing = |action: &str, known: BacklogStatus, status: BacklogStatus| WriteBack {
        known: Some(known),
        ..write(find(&before, action), status, "x y")
    };
    fixture.set_status("First", "Paused").await;
    fixture.set_status("Third", "Completed").await;
    let theirs = see(&mut fixture, "First").await;
    let writes = [
        knowing("First", BacklogStatus::Pending, BacklogStatus::InProgress),
        knowing("Second", BacklogStatus::Pending, BacklogStatus::InProgress),
        knowing("Third", BacklogStatus::Pending, BacklogStatus::Completed),
    ];
    for _ in 0..2 {
        // Twice, as after a crash: what we wrote ourselves is no person's word.
        let outcomes = put(&*backlog, &writes).await;
        assert_eq!(outcomes, [WriteOutcome::Overtaken, WriteOutcome::Written, WriteOutcome::Written]);
        assert_eq!(see(&mut fixture, "First").await, theirs);
        assert_eq!(see(&mut fixture, "Second").await.status, "In Progress");
    }
    let after = items(&*backlog).await;
    let statuses = after.iter().map(|item| item.status).collect::<Vec<_>>();
    assert_eq!(statuses, [BacklogStatus::Paused, BacklogStatus::InProgress, BacklogStatus::Completed]);
    // Now that it was read, it is known.
    let read = knowing("First", BacklogStatus::Paused, BacklogStatus::Blocked);
    assert_eq!(put(&*backlog, &[read]).await, [WriteOutcome::Written]);
    fixture.remove("Second").await;
    let gone = knowing("Second", BacklogStatus::Pending, BacklogStatus::Completed);
    assert_eq!(put(&*backlog, &[gone]).await, [WriteOutcome::RowGone]);
}

async fn how_work_ended_is_told_once_whatever_a_person_set<F: Fixture>(mut fixture: F) {
    fixture.add(&Wish::new("Antenna", "First")).await;
    let backlog = fixture.open().await;
    let before = items(&*backlog).await;
    let report = Report {
        run: TaskId::nth(&before[0].project, 1).run(1),
        outcome: Some(RunOutcome::Succeeded),
        summary: Some("It was mended.".to_owned()),
        checks: Vec::new(),
        branch: "strawboss/antenna-1".to_owned(),
        commit: None,
        cost_microusd: 0,
        trouble: None,
        link: None,
    };
    let known = Some(BacklogStatus::Pending);
    let review = WriteBack { known, report: Some(report), ..write(&before[0], BacklogStatus::InReview, "x y") };
    fixture.set_status("First", "Completed").await;
    for _ in 0..2 {
        assert_eq!(put(&*backlog, std::slice::from_ref(&review)).await, [WriteOutcome::Overtaken]);
        assert_eq!(see(&mut fixture, "First").await.status, "Completed");
        let told = fixture.told("First").await;
        assert!(told.is_none_or(|told| told.len() == 1 && told[0].contains("It was mended.")), "told once");
    }
}

async fn what_a_stranger_wants_waits_for_a_person<F: Fixture>(mut fixture: F) {
    fixture.add(&Wish::new("Antenna", "First")).await;
    let said = fixture.add_as_stranger(&Wish::new("Antenna", "Second")).await;
    fixture.add(&Wish::new("Antenna", "Third")).await;
    let expected: &[(&str, bool)] = match said {
        Said::Done => &[("First", false), ("Second", true), ("Third", false)],
        // Whoever can write there is trusted.
        Said::Impossible => &[("First", false), ("Third", false)],
    };
    let backlog = fixture.open().await;
    for _ in 0..2 {
        let read = items(&*backlog).await;
        let waiting: Vec<_> = read.iter().map(|item| (item.action.as_str(), item.needs_approval)).collect();
        assert_eq!(waiting, expected);
        // Nothing that is written makes it trusted.
        let writes: Vec<_> = read.iter().map(|item| write(item, BacklogStatus::Queued, "x y")).collect();
        put(&*backlog, &writes).await;
    }
}
