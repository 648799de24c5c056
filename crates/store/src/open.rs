//! Opening: setting SQLite up and bringing the tables to this version.

use crate::error::{Trouble, words};
use crate::file::{Identity, prepare, url_of};
use crate::sql::{SqlStore, readers};
use sqlx::any::AnyConnectOptions;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, Row, SqlSafeStr};
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
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

/// Every migration of SQLite, oldest first. A published one is never changed.
fn migrations() -> Migrator {
    let migration = |number, name, text: &'static str| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![migration(1, "state", include_str!("../migrations/sqlite/0001_state.sql"))])
}

/// Why the state cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder or file cannot be made or looked at.
    #[error("the state cannot be kept in {}: {source}. Make its folder writable for the user that Strawboss runs as, or name another with `server.data_dir`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The path leads to something that is no file, or cannot be given to SQLite.
    #[error("the state cannot be kept in {}: {why}. Name another folder with `server.data_dir`", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// The file is another program's, or no database at all. It was not touched.
    #[error("{} is not Strawboss's state: {why}. It was not touched: move it away, or name another folder with `server.data_dir`", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A newer version of Strawboss wrote it. It was not touched.
    #[error("the state in {} was written by a newer version of Strawboss: it has step {found}, this version knows {known}. It was not touched: run the newer version, or restore the backup made before the upgrade", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// The first step that this version does not know.
        found: i64,
        /// The last step that it knows.
        known: i64,
    },
    /// The database refused a step.
    #[error("the state in {} cannot be opened: {step}: {why} ({fix})", path.display())]
    Database {
        /// Which.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// The database's words.
        why: String,
        /// What to do.
        fix: &'static str,
    },
}

impl SqlStore {
    /// Opens the state in a file of SQLite, which is made (mode 0600, its folder 0700) when it is not there, and brings
    /// its tables to this version. Several processes may open it; each change set is one transaction.
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        let path = prepare(path)?;
        let options = options(&url_of(&path)?, &path)?;
        let mut connection = connect(&options, &path).await?;
        write_ahead(&mut connection, &path).await?;
        migrate(&mut connection, &path).await?;
        let readers = readers(options, READER);
        tracing::debug!(store.path = %path.display(), "the state is open");
        let identity = Identity::of(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
        Ok(Self::new(connection, Some(readers), "BEGIN IMMEDIATE", path.display().to_string(), Some(identity)))
    }

    /// An empty state in memory, on a single connection: for tests. It is gone when it is dropped.
    pub async fn open_sqlite_in_memory() -> Result<Self, OpenError> {
        let path = PathBuf::from(":memory:");
        let options = options("sqlite::memory:", &path)?;
        let mut connection = connect(&options, &path).await?;
        migrate(&mut connection, &path).await?;
        Ok(Self::new(connection, None, "BEGIN IMMEDIATE", "memory".to_owned(), None))
    }
}

fn options(url: &str, path: &Path) -> Result<AnyConnectOptions, OpenError> {
    sqlx::any::install_default_drivers();
    let options: AnyConnectOptions = url.parse().map_err(|error| refused(path, "reading its path", &error))?;
    // Statements carry prompts and hashes; the engine logs what happens in its own words.
    Ok(options.disable_statement_logging())
}

fn refused(path: &Path, step: &'static str, error: &sqlx::Error) -> OpenError {
    let trouble = Trouble::of(error);
    if trouble == Trouble::NoDatabase {
        return OpenError::Foreign { path: path.to_owned(), why: words(error) };
    }
    OpenError::Database { path: path.to_owned(), step, why: words(error), fix: trouble.fix() }
}

async fn connect(options: &AnyConnectOptions, path: &Path) -> Result<AnyConnection, OpenError> {
    let mut connection = options.connect().await.map_err(|error| refused(path, "opening the file", &error))?;
    connection.execute(WRITER).await.map_err(|error| refused(path, "setting it up", &error))?;
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
        break row.and_then(|row| row.try_get(0)).map_err(|error| refused(path, "turning the write-ahead log on", &error))?;
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
    let failed = |error: sqlx::Error| refused(path, "bringing its tables to this version", &error);
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
        return Err(OpenError::Foreign { path: path.to_owned(), why });
    }
    let migrations = migrations();
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or(0);
    // `Migrator::run` would make this future one that cannot be sent to another thread (its bound on `Acquire`).
    match migrations.run_direct(None, &mut *transaction, false).await {
        Ok(()) => {}
        Err(MigrateError::VersionMissing(found)) => return Err(OpenError::Newer { path: path.to_owned(), found, known }),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => return Err(failed(error)),
        Err(error) => {
            return Err(OpenError::Database {
                path: path.to_owned(),
                step: "bringing its tables to this version",
                why: error.to_string(),
                fix: "the file was changed by something other than Strawboss: restore a backup",
            });
        }
    }
    // A file that cannot be written shall be noticed now, not at the first task.
    transaction.execute("UPDATE pulse SET beats = beats + 1 WHERE id = 1").await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}
