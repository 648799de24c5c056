//! Opening files of SQLite: good ones, wrong ones, other people's ones, damaged ones.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row, SqliteConnection};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use strawboss_core::store::{ChangeSet, Store, StoreError, TaskFilter};
use strawboss_store::conformance::sample;
use strawboss_store::{OpenError, SqlStore};

/// The file as anybody sees it who has SQLite.
async fn raw(path: &Path) -> SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

async fn run_raw(path: &Path, text: &'static str) {
    let mut connection = raw(path).await;
    connection.execute(text).await.unwrap();
    connection.close().await.unwrap();
}

/// A closed file with a task, its run and its sandbox.
async fn with_one_of_each(path: &Path) {
    let store = SqlStore::open_sqlite(path).await.unwrap();
    let task = sample::task(1);
    let run = sample::run(&task, 1);
    let sandbox = sample::sandbox(&run, 1);
    let changes = ChangeSet {
        reports: vec![sample::report(&sandbox.id, 1, "{}")],
        tasks: vec![task],
        runs: vec![run],
        sandboxes: vec![sandbox],
        ..ChangeSet::default()
    };
    store.commit(&changes).await.unwrap();
    store.close().await;
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/folders/state.db");
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    store.ping().await.unwrap();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    assert_eq!((mode(&dir.path().join("new")), mode(&dir.path().join("new/folders"))), (0o700, 0o700));
    store.close().await;
    // One that somebody opened up is shut again.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o664)).unwrap();
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    store.ping().await.unwrap();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn whatever_the_file_is_called_it_is_that_file() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a b", "a%20b", "%", "a?mode=memory", "a#b", "-x", "日本", "'\"", ":memory:", "file:a?mode=ro", "a&b;c"];
    for name in names {
        let path = dir.path().join(name);
        let store = SqlStore::open_sqlite(&path).await.unwrap();
        store.commit(&sample::adds(&sample::task(1))).await.unwrap();
        store.close().await;
        assert!(path.is_file(), "{name}");
        let store = SqlStore::open_sqlite(&path).await.unwrap();
        assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap().len(), 1, "{name}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().filter(|entry| !is_side_file(entry)).count(), names.len());
}

fn is_side_file(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    let name = entry.as_ref().unwrap().file_name();
    name.as_bytes().ends_with(b"-wal") || name.as_bytes().ends_with(b"-shm")
}

#[tokio::test]
async fn a_path_that_cannot_hold_the_state_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    for (path, word) in [
        (dir.path().join("folder"), "regular file"),
        (dir.path().join("file/state.db"), "server.data_dir"),
        (dir.path().join(".."), "names no file"),
        (dir.path().join(OsStr::from_bytes(b"\xff.db")), "UTF-8"),
        (std::path::PathBuf::from("/dev/null"), "regular file"),
        (std::path::PathBuf::new(), "names no file"),
    ] {
        let error = SqlStore::open_sqlite(&path).await.unwrap_err();
        assert!(matches!(error, OpenError::File { .. } | OpenError::Unusable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("server.data_dir"), "{text}");
    }
}

#[tokio::test]
async fn another_programs_file_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text.db");
    let text = "Dear diary, this is no database. ".repeat(1_000);
    std::fs::write(&path, &text).unwrap();
    let error = SqlStore::open_sqlite(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains("file is not a database"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    for (name, text) in [("tables.db", "CREATE TABLE tasks (id INTEGER)"), ("id.db", "PRAGMA application_id = 77")] {
        let path = dir.path().join(name);
        run_raw(&path, text).await;
        let error = SqlStore::open_sqlite(&path).await.unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{name}: {error:?}");
        let mut connection = raw(&path).await;
        let count = connection.fetch_one("SELECT COUNT(*) FROM sqlite_master WHERE name <> 'tasks'").await.unwrap();
        assert_eq!(count.get::<i64, _>(0), 0, "{name}");
    }
    // An empty file is one that we made and did not come to fill.
    std::fs::write(dir.path().join("empty.db"), "").unwrap();
    SqlStore::open_sqlite(&dir.path().join("empty.db")).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    with_one_of_each(&path).await;
    run_raw(
        &path,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (2027, 'future', TRUE, x'00', 1)",
    )
    .await;
    let error = SqlStore::open_sqlite(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2027, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("newer version of Strawboss"), "{error}");
    run_raw(&path, "DELETE FROM _sqlx_migrations WHERE version = 2027").await;
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_step_that_was_changed_afterwards_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    with_one_of_each(&path).await;
    run_raw(&path, "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let error = SqlStore::open_sqlite(&path).await.unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");
    assert!(error.to_string().contains("has been modified"), "{error}");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let task = sample::task(1);
    let run = sample::run(&task, 1);
    let sandbox = sample::sandbox(&run, 1);
    let bodies = ["", "{", "null", "[]", "{\"id\":\"sample-1\"}", "{\"state\":\"dreaming\"}", "\u{0}", &"[".repeat(100_000)];
    for (number, body) in bodies.into_iter().enumerate() {
        let path = dir.path().join(format!("{number}.db"));
        with_one_of_each(&path).await;
        for table in ["tasks", "runs", "sandboxes"] {
            let mut connection = raw(&path).await;
            sqlx::query(AssertSqlSafe(format!("UPDATE {table} SET body = $1")))
                .bind(body)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        let store = SqlStore::open_sqlite(&path).await.unwrap();
        let answers = [
            ("task", task.id.as_str(), store.task(&task.id).await.map(drop)),
            ("task", task.id.as_str(), store.task_list(&TaskFilter::default()).await.map(drop)),
            ("run", run.id.as_str(), store.run(&run.id).await.map(drop)),
            ("run", run.id.as_str(), store.run_list_live().await.map(drop)),
            ("sandbox", sandbox.id.as_str(), store.sandbox_list_present().await.map(drop)),
        ];
        for (wanted, name, answer) in answers {
            let Err(StoreError::Corrupt { what, id, why }) = answer else { panic!("{body:?}: {answer:?}") };
            assert_eq!((what, id.as_str()), (wanted, name));
            assert!(!why.is_empty());
        }
    }
}

#[tokio::test]
async fn rows_that_contradict_themselves_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    with_one_of_each(&path).await;
    let other = serde_json::to_string(&sample::task(2)).unwrap();
    let mut connection = raw(&path).await;
    sqlx::query("UPDATE tasks SET body = $1, state = 'dreaming'").bind(other).execute(&mut connection).await.unwrap();
    connection.execute("PRAGMA foreign_keys = OFF; UPDATE reports SET sandbox = '../etc/passwd'").await.unwrap();
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    let (task, run) = (sample::task(1).id, sample::task(1).id.run(1));
    for (wanted, word, answer) in [
        ("task", "sample-2", store.task(&task).await.map(drop)),
        ("task state", "no such state", store.task_counts().await.map(drop)),
        ("report", "no sandbox id", store.report_list(&run, 0, 10).await.map(drop)),
    ] {
        let Err(StoreError::Corrupt { what, why, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(what, wanted);
        assert!(why.contains(word), "{why}");
    }
}

#[tokio::test]
async fn fields_that_a_newer_version_added_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    with_one_of_each(&path).await;
    run_raw(&path, "UPDATE tasks SET body = replace(body, '{\"id\"', '{\"mood\":{\"of\":[1]},\"id\"')").await;
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    let task = store.task(&sample::task(1).id).await.unwrap().unwrap();
    assert_eq!(task, strawboss_core::Task { version: 1, ..sample::task(1) });
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    let tasks = (1..=300).map(sample::task).collect();
    store.commit(&ChangeSet { tasks, ..ChangeSet::default() }).await.unwrap();
    store.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    // Everything but the first page, which says that it is a database and which tables it has.
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    match SqlStore::open_sqlite(&path).await {
        Err(error) => {
            let text = error.to_string();
            assert!(
                matches!(error, OpenError::Database { .. }) && text.contains("malformed") && text.contains("backup"),
                "{text}"
            );
        }
        Ok(store) => {
            let answer = store.task_list(&TaskFilter::default()).await;
            assert!(matches!(answer, Err(StoreError::Corrupt { what: "state", .. })), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_not_written_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let (path, aside) = (dir.path().join("state.db"), dir.path().join("aside.db"));
    let store = SqlStore::open_sqlite(&path).await.unwrap();
    std::fs::rename(&path, &aside).unwrap();
    for replaced in [false, true] {
        if replaced {
            std::fs::copy(&aside, &path).unwrap();
        }
        for answer in [store.commit(&sample::adds(&sample::task(1))).await, store.ping().await] {
            let Err(StoreError::Unavailable { why }) = answer else { panic!("{answer:?}") };
            assert!(why.contains("deleted or replaced") && why.contains("state.db"), "{why}");
        }
    }
    std::fs::rename(&aside, &path).unwrap();
    store.commit(&sample::adds(&sample::task(1))).await.unwrap();
}
