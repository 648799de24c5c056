//! SQLite: a file, or memory.

use super::file::{Identity, prepare, url_of};
use super::{MIGRATING, OpenError, migrator, refused};
use crate::error::Trouble;
use crate::sql::{Database, SqlStore};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Row};
use std::path::Path;
use std::time::Duration;

/// What SQLite's header says when the file is ours: "SBos".
const APPLICATION_ID: i64 = 0x5342_6f73;

/// For the connection that writes.
///
/// - `synchronous = FULL`: each commit is on the disk before it is acknowledged. With NORMAL a killed process loses
///   nothing either, but a power cut may lose the last commits, and a merged branch whose row says otherwise costs a
///   person more than the milliseconds that a commit takes. There are a few commits a second, not thousands.
/// - `busy_timeout`: another process (a backup, `sqlite3`) may hold the lock for a moment.
/// - `cache_size`: kilobytes. The working set is small; the operating system caches the file as well.
/// - `journal_size_limit`: a log that one large change blew up is cut back to this many bytes.
const WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
    PRAGMA trusted_schema = OFF; PRAGMA cache_size = -2000; PRAGMA journal_size_limit = 8388608;";

/// For connections that read; `query_only` makes a write through one of them an error.
const READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -1000; \
    PRAGMA query_only = ON;";

/// How often and how far apart SQLite is asked for the write-ahead log while another process is opening the same new
/// file: its own busy timeout does not cover this step.
const WAL_TRIES: u32 = 50;
const WAL_PAUSE: Duration = Duration::from_millis(50);

/// Every migration of SQLite, oldest first.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "state", include_str!("../../migrations/sqlite/0001_state.sql")),
    (2, "sessions", include_str!("../../migrations/sqlite/0002_sessions.sql")),
];

impl SqlStore {
    /// Opens the state in a file of SQLite, which is made (mode 0600, its folder 0700) when it is not there, and brings
    /// its tables to this version. Several processes may open it; each change set is one transaction.
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        let path = prepare(path)?;
        let options = options(&url_of(&path)?, &path)?;
        let mut connection = connect(&options, &path).await?;
        write_ahead(&mut connection, &path).await?;
        migrate(&mut connection, &path).await?;
        tracing::debug!(store.path = %path.display(), "the state is open");
        let identity = Identity::of(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        let place = path.display().to_string();
        Ok(Self::new(connection, Some(readers(options)), place, Database::Sqlite { file: Some(identity) }))
    }

    /// An empty state in memory, on a single connection: for tests. It is gone when it is dropped.
    pub async fn open_sqlite_in_memory() -> Result<Self, OpenError> {
        let path = Path::new(":memory:");
        let options = options("sqlite::memory:", path)?;
        let mut connection = connect(&options, path).await?;
        migrate(&mut connection, path).await?;
        Ok(Self::new(connection, None, "memory".to_owned(), Database::Sqlite { file: None }))
    }
}

fn options(url: &str, path: &Path) -> Result<AnyConnectOptions, OpenError> {
    sqlx::any::install_default_drivers();
    let options: AnyConnectOptions = url.parse().map_err(|error| refused(&place(path), "reading its path", &error))?;
    // Statements carry prompts and hashes; the engine logs what happens in its own words.
    Ok(options.disable_statement_logging())
}

fn place(path: &Path) -> String {
    path.display().to_string()
}

/// Connections that only read.
fn readers(options: AnyConnectOptions) -> AnyPool {
    AnyPoolOptions::new()
        // Each is a thread and a page cache; the engine reads little, the dashboard a list now and then.
        .max_connections(3)
        .min_connections(0)
        .idle_timeout(Duration::from_mins(1))
        .acquire_timeout(Duration::from_secs(30))
        // A file needs no ping before each use.
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(READER).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

async fn connect(options: &AnyConnectOptions, path: &Path) -> Result<AnyConnection, OpenError> {
    let mut connection = options.connect().await.map_err(|error| refused(&place(path), "opening the file", &error))?;
    connection.execute(WRITER).await.map_err(|error| refused(&place(path), "setting it up", &error))?;
    Ok(connection)
}

/// Turns the write-ahead log on: readers then never wait for the writer.
async fn write_ahead(connection: &mut AnyConnection, path: &Path) -> Result<(), OpenError> {
    let mut tries = 0;
    let mode: String = loop {
        tries += 1;
        let row = match connection.fetch_one("PRAGMA journal_mode = WAL").await {
            Err(error) if tries < WAL_TRIES && Trouble::of(&error) == Trouble::Busy => {
                tokio::time::sleep(WAL_PAUSE).await;
                continue;
            }
            row => row,
        };
        break row
            .and_then(|row| row.try_get(0))
            .map_err(|error| refused(&place(path), "turning the write-ahead log on", &error))?;
    };
    if mode != "wal" {
        tracing::warn!(
            store.path = %path.display(), store.journal = %mode,
            "this file system cannot keep a write-ahead log: reading and writing will wait for each other"
        );
    }
    Ok(())
}

/// Brings the tables to this version in one transaction, after making sure that they are ours.
async fn migrate(connection: &mut AnyConnection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| refused(&place(path), MIGRATING, &error);
    // Immediate: of two processes that open a new file, the second waits and then finds the work done.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let id = transaction.fetch_one("PRAGMA application_id").await.and_then(|row| row.try_get::<i64, _>(0)).map_err(failed)?;
    let tables = transaction
        .fetch_one("SELECT CAST(COUNT(*) AS BIGINT) FROM sqlite_master")
        .await
        .and_then(|row| row.try_get::<i64, _>(0))
        .map_err(failed)?;
    if id != APPLICATION_ID && (id != 0 || tables > 0) {
        let why = "it is a database of another program".to_owned();
        return Err(OpenError::Foreign { place: place(path), why });
    }
    super::migrate(&mut transaction, migrator(MIGRATIONS), &place(path)).await?;
    // A file that cannot be written shall be noticed now, not at the first task.
    transaction.execute("UPDATE pulse SET beats = beats + 1 WHERE id = 1").await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}
