//! Reports, numbers, settings, tokens, and the store as a whole.

use super::{Fixture, sample};
use crate::REPORT_BYTES;
use std::collections::BTreeSet;
use std::sync::Arc;
use strawboss_core::run::{Run, Sandbox};
use strawboss_core::store::{Account, ApiToken, ChangeSet, ReportTotal, Store, StoreError, StoredReport, TaskFilter};
use strawboss_core::{RunId, Timestamp};

/// A run with two sandboxes.
async fn run_with_sandboxes(store: &dyn Store) -> (Run, [Sandbox; 2]) {
    let task = sample::task(1);
    let run = sample::run(&task, 1);
    let boxes = [sample::sandbox(&run, 1), sample::sandbox(&run, 2)];
    let changes = ChangeSet { tasks: vec![task], runs: vec![run.clone()], sandboxes: boxes.to_vec(), ..ChangeSet::default() };
    store.commit(&changes).await.unwrap();
    (run, boxes)
}

async fn keep(store: &dyn Store, reports: Vec<StoredReport>) -> Result<(), StoreError> {
    store.commit(&ChangeSet { reports, ..ChangeSet::default() }).await
}

async fn bodies(store: &dyn Store, run: &RunId) -> Vec<String> {
    store.report_list(run, 0, 1_000).await.unwrap().into_iter().map(|(_, report)| report.body).collect()
}

/// One that is sent again is passed over, whatever it says this time.
pub async fn reports_are_kept_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (run, [one, two]) = run_with_sandboxes(&*store).await;
    assert_eq!(store.report_last_seq(&one.id).await.unwrap(), 0);
    keep(&*store, vec![sample::report(&one.id, 1, "1"), sample::report(&one.id, 2, "2")]).await.unwrap();
    keep(&*store, vec![sample::report(&two.id, 1, "other")]).await.unwrap();
    // Sent again after a lost connection, with one that is new.
    let again = vec![sample::report(&one.id, 1, "lie"), sample::report(&one.id, 2, "lie"), sample::report(&one.id, 3, "3")];
    keep(&*store, again).await.unwrap();
    // Twice within one change set.
    keep(&*store, vec![sample::report(&one.id, 4, "4"), sample::report(&one.id, 4, "lie")]).await.unwrap();
    assert_eq!(bodies(&*store, &run.id).await, ["1", "2", "other", "3", "4"]);
    assert_eq!(store.report_last_seq(&one.id).await.unwrap(), 4);
    assert_eq!(store.report_last_seq(&two.id).await.unwrap(), 1);
    let (_, first) = store.report_list(&run.id, 0, 1).await.unwrap().remove(0);
    assert_eq!(first, sample::report(&one.id, 1, "1"));
}

/// By row number, in the order they came.
pub async fn reports_are_paged(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (run, [one, two]) = run_with_sandboxes(&*store).await;
    let mut wanted = Vec::new();
    for seq in 1..=50 {
        let reports = vec![sample::report(&one.id, seq, &format!("a{seq}")), sample::report(&two.id, seq, &format!("b{seq}"))];
        wanted.extend(reports.iter().map(|report| report.body.clone()));
        keep(&*store, reports).await.unwrap();
    }
    for limit in [1, 7, 100, 1_000] {
        let (mut after, mut listed) = (0, Vec::new());
        loop {
            let page = store.report_list(&run.id, after, limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            let Some((last, _)) = page.last() else { break };
            assert!(*last > after);
            after = *last;
            listed.extend(page.into_iter().map(|(_, report)| report.body));
        }
        assert_eq!(listed, wanted, "by {limit}");
    }
    assert_eq!(store.report_list(&run.id, 0, 0).await.unwrap(), []);
    assert_eq!(store.report_list(&sample::run(&sample::task(5), 1).id, 0, 10).await.unwrap(), []);
}

/// The largest allowed is kept whole, a larger one and an impossible number are refused.
pub async fn reports_are_bounded(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (run, [one, _]) = run_with_sandboxes(&*store).await;
    let largest = "x".repeat(REPORT_BYTES);
    keep(&*store, vec![sample::report(&one.id, 1, &largest)]).await.unwrap();
    assert_eq!(bodies(&*store, &run.id).await, std::slice::from_ref(&largest));
    let refused = [sample::report(&one.id, 2, &(largest + "x")), sample::report(&one.id, u64::MAX, "{}")];
    for report in refused {
        let answer = keep(&*store, vec![report]).await;
        assert!(matches!(answer, Err(StoreError::Refused { what: "report", .. })), "{answer:?}");
    }
    assert_eq!(store.report_last_seq(&one.id).await.unwrap(), 1);
}

/// Counted with their bytes; removed together with what is noted of that, and never those of a live run.
pub async fn reports_are_counted_and_removed_by_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.report_totals().await.unwrap(), []);
    let (task, other) = (sample::task(1), sample::task(2));
    let (over, live) = (sample::finished(sample::run(&task, 1)), sample::run(&other, 1));
    let sandboxes = [sample::sandbox(&over, 1), sample::sandbox(&live, 1)];
    let reports = vec![
        sample::report(&sandboxes[0].id, 1, "{}"),
        StoredReport { at: Timestamp(9_000), ..sample::report(&sandboxes[0].id, 2, "\"é\"") },
        sample::report(&sandboxes[1].id, 1, "[]"),
    ];
    let changes = ChangeSet {
        tasks: vec![task.clone(), other],
        runs: vec![over.clone(), live.clone()],
        sandboxes: sandboxes.to_vec(),
        reports,
        ..ChangeSet::default()
    };
    store.commit(&changes).await.unwrap();
    let total = |run: &Run, count, bytes, last_at| ReportTotal {
        run: run.id.clone(),
        count,
        bytes,
        last_at: Timestamp(last_at),
        settled: false,
    };
    let of_live = total(&live, 1, 2, 2_600);
    assert_eq!(store.report_totals().await.unwrap(), [total(&over, 2, 6, 9_000), of_live.clone()]);
    let mut task = store.task(&task.id).await.unwrap().unwrap();
    task.cancel(Timestamp(9_500)).unwrap();
    let noted = Run { reports_removed_at: Some(Timestamp(9_999)), version: 1, ..over.clone() };
    let stale = Run { version: 7, ..noted.clone() };
    store.commit(&sample::adds(&task)).await.unwrap();
    assert!(store.report_totals().await.unwrap()[0].settled);
    let removing = |run: Run| ChangeSet { reports_removed: vec![run.id.clone()], runs: vec![run], ..ChangeSet::default() };
    assert!(store.commit(&removing(stale)).await.is_err());
    assert_eq!(store.report_totals().await.unwrap().len(), 2, "all of it or nothing");
    store.commit(&removing(noted)).await.unwrap();
    store.commit(&ChangeSet { reports_removed: vec![live.id.clone()], ..ChangeSet::default() }).await.unwrap();
    assert_eq!(store.report_totals().await.unwrap(), [of_live]);
    assert_eq!(store.report_list(&over.id, 0, 10).await.unwrap(), []);
    assert_eq!(store.run(&over.id).await.unwrap().unwrap().reports_removed_at, Some(Timestamp(9_999)));
}

/// By the time that it was made, and whether one is live.
pub async fn the_last_run_of_each_project_is_known(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.project_last_runs().await.unwrap(), []);
    let (one, two) = (sample::task_of("One", 1), sample::task_of("Two", 2));
    let late = Run { created_at: Timestamp(7_000), ..sample::finished(sample::run(&one, 1)) };
    let runs = vec![late, sample::finished(sample::run(&one, 2)), sample::run(&two, 1)];
    store.commit(&ChangeSet { tasks: vec![one, two], runs, ..ChangeSet::default() }).await.unwrap();
    let wanted = [("One".to_owned(), Timestamp(7_000), false), ("Two".to_owned(), Timestamp(2_000), true)];
    assert_eq!(store.project_last_runs().await.unwrap(), wanted);
}

/// Not even when many ask at once, over more than one handle.
pub async fn numbers_are_never_given_twice(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.task_numbers_next("alone", 1).await.unwrap(), 1);
    assert_eq!(store.task_numbers_next("alone", 1).await.unwrap(), 2);
    let mut askers = Vec::new();
    for _ in 0..4 {
        let store = fixture.open().await;
        askers.push(tokio::spawn(async move {
            let mut given = Vec::new();
            for _ in 0..15 {
                given.push(store.task_numbers_next("shared", 1).await.unwrap());
            }
            given
        }));
    }
    let mut given = Vec::new();
    for asker in askers {
        given.extend(asker.await.unwrap());
    }
    assert_eq!(given.iter().copied().collect::<BTreeSet<_>>(), (1..=60).collect());
    assert_eq!(given.len(), 60);
    assert_eq!(store.task_numbers_next("alone", 10).await.unwrap(), 3);
    assert_eq!(store.task_numbers_next("alone", 1).await.unwrap(), 13);
}

/// Who comes first sets it; everybody gets the same.
pub async fn a_setting_is_set_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.setting_init("name", "first").await.unwrap(), "first");
    assert_eq!(store.setting_init("name", "second").await.unwrap(), "first");
    assert!(store.setting_remove("name").await.unwrap() && !store.setting_remove("name").await.unwrap());
    assert_eq!(store.setting_init("name", "third").await.unwrap(), "third");
    let mut askers = Vec::new();
    for number in 0..8 {
        let store = fixture.open().await;
        askers.push(tokio::spawn(async move { store.setting_init("id", &format!("value {number}")).await.unwrap() }));
    }
    let mut answers = BTreeSet::new();
    for asker in askers {
        answers.insert(asker.await.unwrap());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

fn token(id: &str, created_at: i64, expires_at: Option<i64>) -> ApiToken {
    ApiToken {
        id: id.to_owned(),
        label: "für den Aufruf".to_owned(),
        hash: format!("hash of {id}"),
        scope: "admin".to_owned(),
        created_at: Timestamp(created_at),
        expires_at: expires_at.map(Timestamp),
    }
}

/// Added once, listed by age, removed.
pub async fn tokens_are_kept(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.token_list().await.unwrap(), []);
    let (late, early) = (token("a", 20, Some(99)), token("b", 10, None));
    store.token_add(&late).await.unwrap();
    store.token_add(&early).await.unwrap();
    let conflict = |id: &str| Err(StoreError::Conflict { what: "token", id: id.to_owned() });
    assert_eq!(store.token_add(&token("a", 30, None)).await, conflict("a"));
    let same_secret = ApiToken { id: "c".to_owned(), ..late.clone() };
    assert_eq!(store.token_add(&same_secret).await, conflict("c"));
    assert_eq!(store.token_list().await.unwrap(), [early.clone(), late]);
    assert!(store.token_remove("a").await.unwrap());
    assert!(!store.token_remove("a").await.unwrap());
    assert_eq!(store.token_list().await.unwrap(), [early]);
}

/// Added once, replaced, listed by name, removed; other settings are none.
pub async fn accounts_are_kept(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let account = |username: &str| Account {
        username: username.to_owned(),
        password_hash: "$argon2id$v=19$…".to_owned(),
        scope: "write".to_owned(),
        projects: vec!["Ärger \"x\"".to_owned()],
        created_at: Timestamp(7),
    };
    store.setting_init("accounting", "no account").await.unwrap();
    let (ann, bob) = (account("ann"), account("bob@example.org"));
    assert_eq!(store.account("ann").await.unwrap(), None);
    store.account_add(&bob).await.unwrap();
    store.account_add(&ann).await.unwrap();
    assert_eq!(store.account_add(&ann).await, Err(StoreError::Conflict { what: "account", id: "ann".to_owned() }));
    let ann = Account { projects: Vec::new(), ..ann };
    assert!(store.account_set(&ann).await.unwrap());
    assert!(!store.account_set(&account("eve")).await.unwrap());
    assert_eq!(store.account("ann").await.unwrap(), Some(ann.clone()));
    drop(store);
    let store = fixture.open().await;
    assert_eq!(store.account_list().await.unwrap(), [ann, bob.clone()]);
    assert!(store.account_remove("ann").await.unwrap());
    assert!(!store.account_remove("ann").await.unwrap());
    assert_eq!(store.account_list().await.unwrap(), [bob]);
    assert_eq!(store.setting_init("accounting", "x").await.unwrap(), "no account");
}

/// It says that it can be written.
pub async fn a_store_answers(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for _ in 0..3 {
        store.ping().await.unwrap();
    }
}

/// The same state, and counting goes on where it was.
pub async fn all_is_there_after_opening_again(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (run, [one, _]) = run_with_sandboxes(&*store).await;
    let mut moved = store.task(&run.task).await.unwrap().unwrap();
    moved.start(Timestamp(7_000)).unwrap();
    let changes = ChangeSet {
        tasks: vec![moved, sample::full_task(9)],
        outbox: vec![sample::message("key", "topic", "payload", 1)],
        reports: vec![sample::report(&one.id, 1, "{}")],
        ..ChangeSet::default()
    };
    store.commit(&changes).await.unwrap();
    store.task_numbers_next("slug", 1).await.unwrap();
    store.token_add(&token("a", 1, None)).await.unwrap();
    store.setting_init("id", "value").await.unwrap();
    let message = store.outbox_list(1).await.unwrap().remove(0);
    store.outbox_failed(message.id, "no", Timestamp(9)).await.unwrap();

    let state = async |store: &Arc<dyn Store>| {
        (
            store.task_list(&TaskFilter::default()).await.unwrap(),
            store.run_list_live().await.unwrap(),
            store.sandbox_list_present().await.unwrap(),
            store.report_list(&run.id, 0, 10).await.unwrap(),
            store.outbox_list(10).await.unwrap(),
            store.token_list().await.unwrap(),
        )
    };
    let before = state(&store).await;
    drop(store);
    for _ in 0..3 {
        let store = fixture.open().await;
        assert_eq!(state(&store).await, before);
        assert_eq!(store.setting_init("id", "other").await.unwrap(), "value");
    }
    assert_eq!(fixture.open().await.task_numbers_next("slug", 1).await.unwrap(), 2);
}
