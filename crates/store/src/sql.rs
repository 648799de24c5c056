//! The store itself: its connections and its transactions.
//!
//! One connection writes, a few read. What is in the transactions is in `commit` and `read`.

use crate::error::{Failure, meaning};
use crate::file::Identity;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor};
use strawboss_core::store::StoreError;
use tokio::sync::{Mutex, MutexGuard};

/// The largest report that is kept, in bytes. A supervisor's messages are bounded well below it; this is the last wall
/// before the disk.
pub const REPORT_BYTES: usize = 1024 * 1024;

/// State in a database.
///
/// Made by [`SqlStore::open_sqlite`]. Share it behind an `Arc`; call [`SqlStore::close`] when draining, so that the
/// write-ahead log is folded into the file (it is folded in at the next start otherwise).
pub struct SqlStore {
    writer: Mutex<Writer>,
    /// None: everything goes through the writer (a database in memory belongs to its connection).
    readers: Option<AnyPool>,
    /// Starts a transaction that may write.
    begin: &'static str,
    /// Which database, for people.
    place: String,
    /// None: no file.
    file: Option<Identity>,
}

/// The one connection that writes.
pub(crate) struct Writer {
    /// None: closed.
    connection: Option<AnyConnection>,
    /// Whether a transaction was begun and its end is not known.
    begun: bool,
}

/// A transaction that may write; left alone (dropped), it is rolled back before the next one starts.
pub(crate) struct Writing<'a> {
    writer: MutexGuard<'a, Writer>,
}

/// A connection to read with.
pub(crate) enum Reading<'a> {
    Own(PoolConnection<Any>),
    Shared(MutexGuard<'a, Writer>),
}

impl Writer {
    fn connection(&mut self) -> Result<&mut AnyConnection, Failure> {
        self.connection.as_mut().ok_or_else(|| Failure::Sql(sqlx::Error::PoolClosed))
    }

    /// Ends a transaction that somebody left in the middle (a dropped future).
    ///
    /// Transactions are begun and ended with plain statements rather than with sqlx's own: when SQLite itself rolls
    /// back (a full disk), sqlx's count of open transactions stays one too high for the rest of the connection's life.
    async fn settle(&mut self) -> Result<(), Failure> {
        if self.begun {
            let rolled_back = self.connection()?.execute("ROLLBACK").await;
            self.begun = false;
            if let Err(error) = rolled_back {
                tracing::debug!(error = %error, "there was nothing to roll back");
            }
        }
        Ok(())
    }
}

impl Writing<'_> {
    /// The connection, inside the transaction.
    pub(crate) fn connection(&mut self) -> Result<&mut AnyConnection, Failure> {
        self.writer.connection()
    }
}

impl Reading<'_> {
    /// The connection.
    pub(crate) fn connection(&mut self) -> Result<&mut AnyConnection, Failure> {
        match self {
            Self::Own(connection) => Ok(&mut *connection),
            Self::Shared(writer) => writer.connection(),
        }
    }
}

impl SqlStore {
    pub(crate) fn new(
        connection: AnyConnection,
        readers: Option<AnyPool>,
        begin: &'static str,
        place: String,
        file: Option<Identity>,
    ) -> Self {
        Self { writer: Mutex::new(Writer { connection: Some(connection), begun: false }), readers, begin, place, file }
    }

    /// Folds the write-ahead log into the file and closes it. Whatever is asked afterwards is `Unavailable`.
    pub async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        let mut writer = self.writer.lock().await;
        if let Err(error) = writer.settle().await {
            tracing::debug!(error = ?error, "closing a closed store");
        }
        if let Some(connection) = writer.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(store.place = %self.place, error = %error, "the state was not closed cleanly");
        }
    }

    /// Starts a transaction that may write; it waits for the one before it.
    pub(crate) async fn write(&self) -> Result<Writing<'_>, StoreError> {
        let mut writer = self.writer.lock().await;
        if self.file.as_ref().is_some_and(|file| !file.is_there()) {
            let why = format!(
                "{} was deleted or replaced while Strawboss runs: put it back, or stop Strawboss and start it again",
                self.place
            );
            return Err(StoreError::Unavailable { why });
        }
        let begun = async {
            writer.settle().await?;
            writer.begun = true;
            let begun = writer.connection()?.execute(self.begin).await;
            if begun.is_err() {
                writer.begun = false;
            }
            begun.map_err(Failure::Sql)
        }
        .await;
        match begun {
            Ok(_) => Ok(Writing { writer }),
            Err(failure) => Err(self.meaning(failure)),
        }
    }

    /// Ends a transaction: keeps what was written when `done` is good, nothing otherwise.
    pub(crate) async fn end<T>(&self, mut writing: Writing<'_>, done: Result<T, Failure>) -> Result<T, StoreError> {
        let ended = async {
            let value = done?;
            writing.connection()?.execute("COMMIT").await?;
            writing.writer.begun = false;
            Ok(value)
        };
        let ended = ended.await;
        if ended.is_err() {
            writing.writer.settle().await.map_err(|failure| self.meaning(failure))?;
        }
        ended.map_err(|failure| self.meaning(failure))
    }

    /// A connection to read with.
    pub(crate) async fn reading(&self) -> Result<Reading<'_>, StoreError> {
        if let Some(readers) = &self.readers {
            return Ok(Reading::Own(readers.acquire().await.map_err(|error| self.meaning(error.into()))?));
        }
        let mut writer = self.writer.lock().await;
        writer.settle().await.map_err(|failure| self.meaning(failure))?;
        Ok(Reading::Shared(writer))
    }

    /// Gives a failure its meaning and says which database it was.
    pub(crate) fn meaning(&self, failure: Failure) -> StoreError {
        meaning(failure, &self.place)
    }
}

impl std::fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlStore").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A pool of connections that only read; `settings` are statements for each new connection.
pub(crate) fn readers(options: sqlx::any::AnyConnectOptions, settings: &'static str) -> AnyPool {
    AnyPoolOptions::new()
        // Each is a thread and a page cache; the engine reads little, the dashboard a list now and then.
        .max_connections(3)
        .min_connections(0)
        .idle_timeout(std::time::Duration::from_mins(1))
        .acquire_timeout(std::time::Duration::from_secs(30))
        // A file needs no ping before each use.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(settings).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

#[cfg(test)]
mod tests {
    use super::SqlStore;
    use crate::conformance::sample;
    use sqlx::{AssertSqlSafe, Executor};
    use strawboss_core::store::{Store, StoreError, TaskFilter};

    async fn set(store: &SqlStore, pragma: String) {
        let mut writer = store.writer.lock().await;
        writer.connection().unwrap().execute(AssertSqlSafe(pragma)).await.unwrap();
    }

    async fn file(dir: &tempfile::TempDir) -> SqlStore {
        SqlStore::open_sqlite(&dir.path().join("state.db")).await.unwrap()
    }

    #[tokio::test]
    async fn a_full_database_loses_nothing_and_goes_on_when_there_is_space() {
        let dir = tempfile::tempdir().unwrap();
        let store = file(&dir).await;
        set(&store, "PRAGMA max_page_count = 60".to_owned()).await;
        let mut number = 0;
        let error = loop {
            number += 1;
            let mut task = sample::task(number);
            task.action = "x".repeat(20_000);
            if let Err(error) = store.commit(&sample::adds(&task)).await {
                break error;
            }
            assert!(number < 1_000, "the limit does not hold");
        };
        let StoreError::Unavailable { why } = &error else { panic!("{error:?}") };
        assert!(why.contains("database or disk is full") && why.contains("state.db") && why.contains("free space"), "{why}");
        // SQLite has rolled back by itself; the same connection reads and writes on.
        let listed = store.task_list(&TaskFilter::default()).await.unwrap();
        assert_eq!(listed.len() as u64, number - 1);
        store.ping().await.unwrap();
        set(&store, "PRAGMA max_page_count = 1000000".to_owned()).await;
        let mut task = sample::task(number);
        task.action = "x".repeat(20_000);
        store.commit(&sample::adds(&task)).await.unwrap();
    }

    #[tokio::test]
    async fn a_locked_database_is_unavailable_until_the_lock_goes() {
        let dir = tempfile::tempdir().unwrap();
        let (store, other) = (file(&dir).await, file(&dir).await);
        set(&store, "PRAGMA busy_timeout = 20".to_owned()).await;
        let holding = other.write().await.unwrap();
        let error = store.commit(&sample::adds(&sample::task(1))).await.unwrap_err();
        let StoreError::Unavailable { why } = &error else { panic!("{error:?}") };
        assert!(why.contains("database is locked") && why.contains("one control plane per data directory"), "{why}");
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable { .. })));
        // Readers do not care.
        assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap(), []);
        other.end(holding, Ok(())).await.unwrap();
        store.commit(&sample::adds(&sample::task(1))).await.unwrap();
    }

    #[tokio::test]
    async fn a_transaction_that_is_left_is_rolled_back_before_the_next_and_before_a_read() {
        let dir = tempfile::tempdir().unwrap();
        for store in [file(&dir).await, SqlStore::open_sqlite_in_memory().await.unwrap()] {
            for _ in 0..2 {
                let mut left = store.write().await.unwrap();
                left.connection().unwrap().execute("UPDATE pulse SET beats = 99").await.unwrap();
                drop(left);
                let mut reading = store.reading().await.unwrap();
                let row = reading.connection().unwrap().fetch_one("SELECT beats FROM pulse").await.unwrap();
                assert_ne!(sqlx::Row::get::<i64, _>(&row, 0), 99);
                drop(reading);
                store.ping().await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let store = file(&dir).await;
        let mut reading = store.reading().await.unwrap();
        let error = reading.connection().unwrap().execute("UPDATE pulse SET beats = 99").await.unwrap_err();
        assert!(error.to_string().contains("readonly"), "{error}");
    }

    #[tokio::test]
    async fn each_connection_is_set_up() {
        let dir = tempfile::tempdir().unwrap();
        let store = file(&dir).await;
        let number = async |connection: &mut sqlx::AnyConnection, pragma: &str| -> i64 {
            let row = connection.fetch_one(AssertSqlSafe(format!("PRAGMA {pragma}"))).await.unwrap();
            sqlx::Row::get(&row, 0)
        };
        let mut writing = store.write().await.unwrap();
        let writer = writing.connection().unwrap();
        assert_eq!(number(writer, "synchronous").await, 2, "FULL");
        assert_eq!(number(writer, "foreign_keys").await, 1);
        assert_eq!(number(writer, "busy_timeout").await, 5_000);
        assert_eq!(number(writer, "cache_size").await, -2_000);
        let row = writer.fetch_one("PRAGMA journal_mode").await.unwrap();
        assert_eq!(sqlx::Row::get::<String, _>(&row, 0), "wal");
        let mut reading = store.reading().await.unwrap();
        let reader = reading.connection().unwrap();
        assert_eq!(number(reader, "busy_timeout").await, 5_000);
        assert_eq!(number(reader, "cache_size").await, -1_000);
    }

    #[tokio::test]
    async fn a_closed_store_says_so_and_leaves_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = file(&dir).await;
        store.ping().await.unwrap();
        store.close().await;
        store.close().await;
        for answer in [store.ping().await, store.task_list(&TaskFilter::default()).await.map(drop)] {
            let Err(StoreError::Unavailable { why }) = answer else { panic!("{answer:?}") };
            assert!(why.contains("is closed"), "{why}");
        }
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["state.db"]);
    }
}
