//! Everything that a database holds, moved between SQLite and PostgreSQL and back: the same, by count and checksum.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use sha2::{Digest, Sha256};
use std::path::Path;
use strawboss_core::Timestamp;
use strawboss_core::store::{ApiToken, ChangeSet, Store, StoreError, TaskFilter};
use strawboss_store::SqlStore;
use strawboss_store::conformance::sample;
use strawboss_store::transfer::{Record, Summary, Value, WAITING};
use strawboss_testkit::Postgres;
use tokio::sync::mpsc;

async fn file(dir: &Path, name: &str) -> SqlStore {
    SqlStore::open_sqlite(&dir.join(name)).await.unwrap()
}

/// Rows of every table, with what is hard to carry: every field filled, nothing where nothing may be, numbers given back.
async fn fill(store: &SqlStore) {
    let (full, plain) = (sample::full_task(9), sample::task(1));
    let run = sample::run(&plain, 1);
    let sandbox = sample::sandbox(&run, 1);
    let changes = ChangeSet {
        tasks: vec![full, plain.clone()],
        runs: vec![run.clone(), sample::full_run(&plain, 2)],
        outbox: vec![sample::message("key", "topic", "payload", 1), sample::message("other", "topic", "🦀\n\"", 2)],
        reports: vec![sample::report(&sandbox.id, 1, "{\"text\":\"\\u0000\"}"), sample::report(&sandbox.id, 2, "{}")],
        sandboxes: vec![sandbox],
        ..ChangeSet::default()
    };
    store.commit(&changes).await.unwrap();
    // The last of the outbox is gone again: counting goes on after it all the same.
    let last = store.outbox_list(10).await.unwrap().pop().unwrap();
    store.commit(&ChangeSet { delivered: vec![last.id], ..ChangeSet::default() }).await.unwrap();
    store.task_numbers_next("größe", 1).await.unwrap();
    store.setting_init("installation", "0123").await.unwrap();
    let token = ApiToken {
        id: "a".to_owned(),
        label: "für den Aufruf".to_owned(),
        hash: "hash".to_owned(),
        scope: "read".to_owned(),
        created_at: Timestamp(i64::MIN),
        expires_at: None,
    };
    store.token_add(&token).await.unwrap();
}

async fn copy(from: &SqlStore, to: &SqlStore) -> Result<(Summary, Summary), StoreError> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (read, written) = tokio::join!(from.export(sender), to.import(receiver, None));
    Ok((read.unwrap(), written?))
}

async fn summary(store: &SqlStore) -> Summary {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let drain = async { while receiver.recv().await.is_some() {} };
    tokio::join!(store.export(sender), drain).0.unwrap()
}

#[tokio::test]
async fn a_state_goes_from_sqlite_to_postgresql_and_back_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let server = Postgres::shared().unwrap();
    let (first, third) = (file(dir.path(), "one.db").await, file(dir.path(), "two.db").await);
    let second = SqlStore::open_postgres(&server.database().unwrap()).await.unwrap();
    fill(&first).await;
    // What is there already is replaced.
    second.commit(&sample::adds(&sample::task(77))).await.unwrap();
    let (read, written) = copy(&first, &second).await.unwrap();
    assert_eq!((read.rows(), &read), (11, &written));
    let (_, back) = copy(&second, &third).await.unwrap();
    assert_eq!(back, read);
    assert_eq!(summary(&third).await, read);
    for store in [&second, &third] {
        assert_eq!(
            store.task_list(&TaskFilter::default()).await.unwrap(),
            first.task_list(&TaskFilter::default()).await.unwrap()
        );
        assert_eq!(store.outbox_list(10).await.unwrap(), first.outbox_list(10).await.unwrap());
        // And all goes on counting where it was.
        assert_eq!(store.task_numbers_next("größe", 1).await.unwrap(), 2);
        let message = ChangeSet { outbox: vec![sample::message("new", "topic", "{}", 3)], ..ChangeSet::default() };
        store.commit(&message).await.unwrap();
        assert_eq!(store.outbox_list(10).await.unwrap().pop().unwrap().id, 3);
        let task = sample::task(50);
        store.commit(&sample::adds(&task)).await.unwrap();
        assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap().pop().unwrap().id, task.id);
    }
}

#[tokio::test]
async fn what_cannot_be_written_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = Postgres::shared().unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    let setting = || Record::Row("settings".to_owned(), vec![text("a"), text("b")]);
    let wrong: [(&str, Record); 7] = [
        ("a newer version wrote it", Record::Row("settings".to_owned(), vec![text("c"), text("d"), text("e")])),
        ("no such table", Record::Row("sqlite_master".to_owned(), vec![])),
        ("not those of the table's columns", Record::Row("settings".to_owned(), vec![text("c"), Value::Number(1)])),
        ("not those of the table's columns", Record::Row("settings".to_owned(), vec![text("c")])),
        ("does not count", Record::Counted("settings".to_owned(), 7)),
        ("-5 rows were counted", Record::Counted("tasks".to_owned(), -5)),
        ("", setting()),
    ];
    for store in [file(dir.path(), "state.db").await, SqlStore::open_postgres(&server.database().unwrap()).await.unwrap()] {
        fill(&store).await;
        let before = summary(&store).await;
        for (why, record) in wrong.clone() {
            let (sender, receiver) = mpsc::channel(WAITING);
            for record in [setting(), record] {
                sender.send(record).await.unwrap();
            }
            drop(sender);
            let error = store.import(receiver, None).await.unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
            assert_eq!(summary(&store).await, before);
        }
        // Cut short: it is not what was said to come.
        let (sender, receiver) = mpsc::channel(WAITING);
        sender.send(setting()).await.unwrap();
        drop(sender);
        let error = store.import(receiver, Some(&before)).await.unwrap_err().to_string();
        assert!(error.contains("differs") && error.contains("settings, counters, tokens, tasks"), "{error}");
        assert_eq!(summary(&store).await, before);
        // Numbering was not touched either.
        store.commit(&sample::adds(&sample::task(60))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_exported_is_of_one_moment_whatever_is_written_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let server = Postgres::shared().unwrap();
    let stores = [file(dir.path(), "state.db").await, SqlStore::open_postgres(&server.database().unwrap()).await.unwrap()];
    for store in stores {
        for number in 1..=200 {
            store.commit(&sample::adds(&sample::task(number))).await.unwrap();
        }
        let (sender, mut receiver) = mpsc::channel(1);
        let taking = async {
            let (mut tasks, mut number) = (0, 200);
            while let Some(record) = receiver.recv().await {
                if matches!(&record, Record::Row(table, _) if table == "tasks") {
                    tasks += 1;
                    if tasks % 20 == 1 {
                        number += 1;
                        store.commit(&sample::adds(&sample::task(number))).await.unwrap();
                    }
                }
            }
            tasks
        };
        let (read, tasks) = tokio::join!(store.export(sender), taking);
        assert_eq!((read.unwrap().rows(), tasks), (200, 200));
        assert_eq!(summary(&store).await.rows(), 210);
    }
}

#[tokio::test]
async fn what_was_exported_before_tasks_had_sessions_is_read_and_its_sums_are_those_of_then() {
    let dir = tempfile::tempdir().unwrap();
    let (now, restored) = (file(dir.path(), "now.db").await, file(dir.path(), "restored.db").await);
    now.commit(&sample::adds(&sample::task(1))).await.unwrap();
    now.commit(&sample::adds(&sample::task(2))).await.unwrap();
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let (mut then, mut tasks) = (Vec::new(), Sha256::new());
    let taking = async {
        while let Some(mut record) = receiver.recv().await {
            let line = match &mut record {
                Record::Row(table, values) if table == "tasks" => {
                    assert_eq!(values.pop(), Some(Value::Number(0)));
                    serde_json::to_vec(values).unwrap()
                }
                Record::Counted(table, number) if table == "tasks" => serde_json::to_vec(number).unwrap(),
                _ => Vec::new(),
            };
            if !line.is_empty() {
                tasks.update(line);
                tasks.update(b"\n");
            }
            then.push(record);
        }
    };
    let mut expected = tokio::join!(now.export(sender), taking).0.unwrap();
    let whole = expected.clone();
    let summary_of_tasks = expected.tables.iter_mut().find(|table| table.table == "tasks").unwrap();
    summary_of_tasks.sha256 = tasks.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    for (said, wrong) in [(&expected, false), (&whole, true)] {
        let (sender, receiver) = mpsc::channel(WAITING);
        let sending = async {
            for record in then.clone() {
                let _ = sender.send(record).await;
            }
            drop(sender);
        };
        let (written, ()) = tokio::join!(restored.import(receiver, Some(said)), sending);
        match written {
            Ok(written) => assert!(!wrong && written == whole),
            Err(error) => assert!(wrong, "{error}"),
        }
    }
    assert_eq!(summary(&restored).await, whole);
    assert_eq!(restored.task_list(&TaskFilter::default()).await.unwrap(), now.task_list(&TaskFilter::default()).await.unwrap());
}
