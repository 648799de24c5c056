//! The suite on PostgreSQL, and what only a server can do: be away, be restarted, be somebody else's.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strawboss_core::Timestamp;
use strawboss_core::store::{ApiToken, ChangeSet, Store, StoreError, TaskFilter};
use strawboss_core::task::Task;
use strawboss_store::conformance::{Fixture, sample};
use strawboss_store::{OpenError, SqlStore};
use strawboss_testkit::{Mount, Postgres, Stop};

/// A database of its own on a server that the tests share.
struct InDatabase {
    _server: Arc<Postgres>,
    url: String,
}

impl InDatabase {
    fn new() -> Self {
        let server = Postgres::shared().unwrap();
        let url = server.database().unwrap();
        Self { _server: server, url }
    }
}

#[async_trait::async_trait]
impl Fixture for InDatabase {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqlStore::open_postgres(&self.url).await.unwrap())
    }
}

mod suite {
    strawboss_store::conformance_tests!(async { super::InDatabase::new() });
}

/// The name of the database that a URL leads to.
fn database_of(url: &str) -> &str {
    url.split('/').nth(3).unwrap().split('?').next().unwrap()
}

fn number_of(task: &Task) -> u64 {
    task.id.as_str().rsplit('-').next().unwrap().parse().unwrap()
}

/// One task at a time, each with the next number, until told to stop: the numbers that were acknowledged.
async fn write_on(store: Arc<SqlStore>, stop: Arc<AtomicBool>) -> (Vec<u64>, u32) {
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        let task = sample::task(number);
        let changes = ChangeSet { outbox: vec![sample::message(task.id.as_str(), "made", "{}", 1)], ..sample::adds(&task) };
        match store.commit(&changes).await {
            Ok(()) => acknowledged.push(number),
            Err(StoreError::Unavailable { .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    (acknowledged, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_restarted_ten_times_under_load_loses_nothing_and_doubles_nothing() {
    let server = Postgres::start(&[]).unwrap();
    let store = Arc::new(SqlStore::open_postgres(&server.database().unwrap()).await.unwrap());
    store.claim("the test").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(write_on(store.clone(), stop.clone()));
    for round in 0..10 {
        let before = store.task_list(&TaskFilter::default()).await.unwrap().len();
        server.stop(if round % 2 == 0 { Stop::Immediate } else { Stop::Fast }).unwrap();
        server.again().unwrap();
        // It goes on by itself.
        loop {
            match store.task_list(&TaskFilter::default()).await {
                Ok(list) if list.len() > before + 5 => break,
                Ok(_) | Err(StoreError::Unavailable { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    let (acknowledged, refused) = writing.await.unwrap();
    let kept: Vec<u64> = store.task_list(&TaskFilter::default()).await.unwrap().iter().map(number_of).collect();
    println!("{} commits acknowledged, {refused} refused", acknowledged.len());
    // Neither is one lost that was acknowledged, nor one there that was refused.
    assert_eq!(kept, acknowledged);
    assert_eq!(store.outbox_list(u32::MAX).await.unwrap().len(), acknowledged.len());
}

#[tokio::test]
async fn a_second_control_plane_is_told_who_holds_the_state() {
    let server = Postgres::start(&[]).unwrap();
    let url = server.database().unwrap();
    let first = SqlStore::open_postgres(&url).await.unwrap();
    first.claim("web-1, pid 7").await.unwrap();
    let second = SqlStore::open_postgres(&url).await.unwrap();
    let error = second.claim("web-2, pid 9").await.unwrap_err();
    assert!(matches!(error, OpenError::Held { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("strawboss web-1, pid 7") && text.contains("as strawboss since 20"), "{text}");
    assert!(text.contains("a database (or a schema) of its own"), "{text}");

    // The first one's connection is cut: it takes its claim again by itself, and is still the only one.
    let database = database_of(&url);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'strawboss web-1%'";
    server.sql(database, cut).unwrap();
    first.ping().await.unwrap();
    assert!(matches!(second.claim("web-2").await, Err(OpenError::Held { .. })));

    // Gone for good, its place is free.
    first.close().await;
    second.claim("web-2").await.unwrap();
    // And whoever lost the place writes nothing any more.
    let third = SqlStore::open_postgres(&url).await.unwrap();
    server
        .sql(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'strawboss web-2%'")
        .unwrap();
    third.claim("web-3").await.unwrap();
    let error = second.ping().await.unwrap_err();
    let StoreError::Unavailable { why } = &error else { panic!("{error:?}") };
    assert!(why.contains("in use by strawboss web-3"), "{why}");
}

#[tokio::test]
async fn tables_are_not_changed_under_a_running_control_plane() {
    let server = Postgres::shared().unwrap();
    let url = server.database().unwrap();
    let running = SqlStore::open_postgres(&url).await.unwrap();
    running.claim("the old version").await.unwrap();
    // As if this version had a step more than the running one.
    server.sql(database_of(&url), "DELETE FROM _sqlx_migrations").unwrap();
    let error = SqlStore::open_postgres(&url).await.unwrap_err();
    assert!(matches!(&error, OpenError::Held { holder, .. } if holder.contains("the old version")), "{error:?}");
    running.ping().await.unwrap();
}

#[tokio::test]
async fn schemas_are_apart() {
    let server = Postgres::shared().unwrap();
    let url = server.database().unwrap();
    let database = database_of(&url);
    server.sql(database, "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE public.invoices (id int)").unwrap();
    let of = |schema: &str| format!("{url}&options=-csearch_path%3D{schema}");
    let one = SqlStore::open_postgres(&of("one")).await.unwrap();
    let two = SqlStore::open_postgres(&of("two")).await.unwrap();
    one.claim("one").await.unwrap();
    two.claim("two").await.unwrap();
    one.commit(&sample::adds(&sample::task(1))).await.unwrap();
    assert_eq!(two.task_list(&TaskFilter::default()).await.unwrap(), []);
    // Another program's schema is not touched, one that is not there is said so.
    let error = SqlStore::open_postgres(&url).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Foreign { why, .. } if why.contains("`public` holds 1 tables of another program")),
        "{error:?}"
    );
    assert_eq!(server.sql(database, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'").unwrap(), "1");
    let error = SqlStore::open_postgres(&of("three")).await.unwrap_err();
    assert!(error.to_string().contains("no schema of its search path is there"), "{error}");
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_refused_and_kept() {
    let server = Postgres::shared().unwrap();
    let url = server.database().unwrap();
    let database = database_of(&url);
    drop(SqlStore::open_postgres(&url).await.unwrap());
    server.sql(database, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', true, '', 1)").unwrap();
    let before = server.sql(database, "SELECT beats FROM pulse").unwrap();
    let error = SqlStore::open_postgres(&url).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("run the newer version, or restore the backup made before the upgrade"), "{error}");
    assert_eq!(server.sql(database, "SELECT beats FROM pulse").unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_is_cut_off_leaves_nothing_and_is_made_again() {
    let server = Postgres::shared().unwrap();
    let tables = |database: &str| {
        let counted = server.sql(database, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'");
        counted.unwrap().parse::<u32>().unwrap()
    };
    let undisturbed = server.database().unwrap();
    drop(SqlStore::open_postgres(&undisturbed).await.unwrap());
    let whole = tables(database_of(&undisturbed));
    assert!(whole > 2, "{whole}");
    for cut_after in [1, whole / 2, whole] {
        let url = server.database().unwrap();
        let database = database_of(&url);
        server.hold_up(database, cut_after).unwrap();
        let opening = tokio::spawn({
            let url = url.clone();
            async move { SqlStore::open_postgres(&url).await.map(drop) }
        });
        while server.held_up(database).unwrap() == 0 {
            assert!(!opening.is_finished(), "it was not held up after {cut_after} tables");
        }
        let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        assert_eq!(server.sql(database, cut).unwrap(), "1");
        let error = opening.await.unwrap().unwrap_err();
        assert_eq!(tables(database), 0, "cut off after {cut_after}: {error}");
        server.release(database).unwrap();
        SqlStore::open_postgres(&url).await.unwrap().ping().await.unwrap();
        assert_eq!(tables(database), whole);
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_refuses_is_told_apart() {
    let server = Postgres::start(&["max_connections=8", "superuser_reserved_connections=1"]).unwrap();
    let url = server.database().unwrap();
    let open = async |url: &str| SqlStore::open_postgres(url).await.unwrap_err();

    let error = open(&server.url("nowhere")).await;
    assert!(matches!(&error, OpenError::Database { why, .. } if why.contains("\"nowhere\" does not exist")), "{error:?}");
    assert!(error.to_string().contains("check user, password, database name"), "{error}");
    let error = open(&url.replace("strawboss@", "nobody:s3cret@")).await;
    assert!(!error.to_string().contains("s3cret") && error.to_string().contains("nobody"), "{error}");
    let error = open("postgres://localhost:notaport/x").await;
    assert!(matches!(error, OpenError::Unusable { .. }), "{error:?}");

    // Everybody else has taken its connections.
    let mut others = Vec::new();
    let crowded = loop {
        assert!(others.len() < 9, "the limit does not hold");
        match SqlStore::open_postgres(&url).await {
            Ok(store) => others.push(store),
            Err(error) => break error,
        }
    };
    assert!(matches!(&crowded, OpenError::Away { fix, .. } if fix.contains("max_connections")), "{crowded:?}");
    let store = others.pop().unwrap();
    drop(others);

    // Read only: reading goes on, writing says why it does not.
    server.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()").unwrap();
    let error = loop {
        if let Err(error) = store.ping().await {
            break error;
        }
    };
    assert!(
        error.to_string().contains("read-only transaction") && error.to_string().contains("a standby server takes no writes"),
        "{error}"
    );
    assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap(), []);
    server.stop(Stop::Fast).unwrap();
    let error = store.ping().await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { why } if why.contains("see that the server runs")), "{error:?}");
    assert!(matches!(open(&url).await, OpenError::Away { .. }));
}

#[tokio::test]
async fn the_servers_full_disk_loses_nothing_and_goes_on_when_there_is_space() {
    let dir = tempfile::Builder::new()
        .prefix("sb-pgdisk-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let disk = dir.path().join("disk");
    let mount = Mount::memory(&disk, "150m").unwrap();
    let server = Postgres::start_in(
        Some(&disk),
        &["fsync=off", "max_wal_size=32MB", "min_wal_size=32MB", "wal_level=minimal", "max_wal_senders=0"],
    )
    .unwrap();
    let store = SqlStore::open_postgres(&server.database().unwrap()).await.unwrap();
    let ballast = disk.join("ballast");
    let ballast_bytes = mount.free().unwrap().saturating_sub(24 << 20);
    std::fs::write(&ballast, vec![7; usize::try_from(ballast_bytes).unwrap()]).unwrap();
    let mut number = 0;
    // Not compressible, so that it takes the space that it says.
    let mut noise = 1_u64;
    let error = loop {
        number += 1;
        let mut task = sample::task(number);
        task.action = (0..300_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'a' + (noise >> 60) as u8)
            })
            .collect();
        if let Err(error) = store.commit(&sample::adds(&task)).await {
            break error;
        }
        assert!(number < 1_000, "the disk does not fill");
    };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    std::fs::remove_file(&ballast).unwrap();
    // A server that could not write its log starts again by itself.
    while store.ping().await.is_err() {
        if server.sql("postgres", "SELECT 1").is_err() {
            let _ = server.stop(Stop::Immediate);
            server.again().unwrap();
        }
    }
    let kept = store.task_list(&TaskFilter::default()).await.unwrap();
    assert_eq!(kept.len() as u64, number - 1);
}

#[tokio::test]
async fn a_text_that_the_server_cannot_hold_is_refused() {
    let fixture = InDatabase::new();
    let store = fixture.open().await;
    let token = ApiToken {
        id: "a".to_owned(),
        label: "nul\0".to_owned(),
        hash: "h".to_owned(),
        scope: "read".to_owned(),
        created_at: Timestamp(1),
        expires_at: None,
    };
    let answer = store.token_add(&token).await;
    assert!(matches!(answer, Err(StoreError::Refused { .. })), "{answer:?}");
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_look_says_version_clock_holder_and_what_is_in_the_way() {
    let database = InDatabase::new();
    let seen = SqlStore::inspect_postgres(&database.url).await.unwrap();
    assert!(seen.version.starts_with("PostgreSQL 1"), "{seen:?}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!((seen.clock.unwrap().0 - now).abs() < 60_000 && seen.bytes > 0, "{seen:?}");
    assert_eq!((seen.read_only, seen.holder), (None, None));
    let (used, most) = seen.connections.unwrap();
    assert!(used > 0 && used <= most);
    let store = SqlStore::open_postgres(&database.url).await.unwrap();
    store.claim("web-1, pid 7").await.unwrap();
    let holder = SqlStore::inspect_postgres(&database.url).await.unwrap().holder.unwrap();
    assert!(holder.starts_with("strawboss web-1, pid 7"), "{holder}");
    store.close().await;
    let name = database_of(&database.url);
    let server = Postgres::shared().unwrap();
    server.sql("postgres", &format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).unwrap();
    let seen = SqlStore::inspect_postgres(&database.url).await.unwrap();
    assert_eq!(seen.read_only.as_deref(), Some("default_transaction_read_only is on"));
    let away = SqlStore::inspect_postgres("postgres://nobody@127.0.0.1:1/none").await;
    assert!(matches!(away, Err(OpenError::Away { .. })), "{away:?}");
}
