//! The store itself: its connections and its transactions.
//!
//! One connection writes, a few read. What is in the transactions is in `commit` and `read`.

use crate::error::{Failure, Trouble, meaning, words};
use crate::open::{Claim, Identity, OpenError, Server};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Row};
use std::time::Duration;
use strawboss_core::store::StoreError;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

/// The largest report that is kept, in bytes. A supervisor's messages are bounded well below it; this is the last wall
/// before the disk.
pub const REPORT_BYTES: usize = 1024 * 1024;

/// How often a transaction is tried that others got in the way of, and the longest pause before the next try.
const TRIES: u32 = 12;
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// How long each part of a try may take: a server that answers nothing is then taken for gone.
const TRY: Duration = Duration::from_secs(90);
/// How long it is tried to find out whether a commit landed whose answer was lost.
const UNSURE: Duration = Duration::from_secs(20);

/// State in a database.
///
/// Made by [`SqlStore::open_sqlite`] or [`SqlStore::open_postgres`]. Share it behind an `Arc`; call [`SqlStore::close`]
/// when draining, so that SQLite's write-ahead log is folded into the file (it is folded in at the next start otherwise).
pub struct SqlStore {
    writer: Mutex<Writer>,
    /// None: everything goes through the writer (a database in memory belongs to its connection).
    readers: Option<AnyPool>,
    /// Which database, for people.
    place: String,
    database: Database,
}

/// What is special to a kind of database.
pub(crate) enum Database {
    Sqlite {
        /// None: in memory.
        file: Option<Identity>,
    },
    Postgres(Server),
}

/// The one connection that writes.
pub(crate) struct Writer {
    /// None: closed, or lost.
    connection: Option<AnyConnection>,
    closed: bool,
    /// Whether a transaction was begun and its end is not known.
    begun: bool,
    /// What the connection holds, where it holds anything.
    claim: Option<Claim>,
}

/// A connection to read with.
pub(crate) enum Reading<'a> {
    Own(PoolConnection<Any>),
    Shared(MutexGuard<'a, Writer>),
}

/// What a transaction does. It may be done more than once.
pub(crate) trait Step: Sync {
    /// What it gives when it is kept.
    type Value: Send;

    /// Does it, inside the transaction; whoever calls ends that.
    fn take(&self, connection: &mut AnyConnection) -> impl Future<Output = Result<Self::Value, Failure>> + Send;
}

/// How a try went wrong.
enum Miss {
    /// Nothing was changed.
    Nothing(Failure),
    /// The answer to the commit was lost: the number of its transaction.
    Unsure(i64),
}

impl Writer {
    pub(crate) fn connection(&mut self) -> Result<&mut AnyConnection, Failure> {
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

    /// Lets a connection go that does not answer any more.
    fn lose(&mut self) {
        self.connection = None;
        self.begun = false;
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
    pub(crate) fn new(connection: AnyConnection, readers: Option<AnyPool>, place: String, database: Database) -> Self {
        let writer = Writer { connection: Some(connection), closed: false, begun: false, claim: None };
        Self { writer: Mutex::new(writer), readers, place, database }
    }

    /// What people call this kind of database.
    pub(crate) fn word(&self) -> &'static str {
        match self.database {
            Database::Sqlite { .. } => "sqlite",
            Database::Postgres(_) => "postgresql",
        }
    }

    /// Makes this the only store that writes to its database, until it is closed: a second control plane is refused, and
    /// told of `who` ("web-1, pid 7"). The claim is the writing connection's own, so that nothing is written without it;
    /// when it was lost with the connection and somebody else took it, nothing is written any more.
    ///
    /// A file of SQLite is claimed with the data directory that it lies in.
    pub async fn claim(&self, who: &str) -> Result<(), OpenError> {
        let Database::Postgres(server) = &self.database else { return Ok(()) };
        let claim = Claim::new(who);
        let mut writer = self.writer.lock().await;
        match &mut writer.connection {
            Some(connection) => server.hold(connection, &claim).await?,
            None => writer.connection = Some(server.connect(Some(&claim)).await?),
        }
        writer.claim = Some(claim);
        Ok(())
    }

    /// Folds SQLite's write-ahead log into the file and closes everything. Whatever is asked afterwards is `Unavailable`.
    pub async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        let mut writer = self.writer.lock().await;
        writer.closed = true;
        if let Err(error) = writer.settle().await {
            tracing::debug!(error = ?error, "closing a closed store");
        }
        if let Some(connection) = writer.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(store.place = %self.place, error = %error, "the state was not closed cleanly");
        }
    }

    /// Does what `step` does in one transaction: all of it or nothing. It waits for the one before it. The step is done
    /// again when others got in the way or when the connection went.
    pub(crate) async fn transact<S: Step>(&self, step: S) -> Result<S::Value, StoreError> {
        let mut writer = self.writer.lock().await;
        self.look_at_the_file()?;
        let mut pause = Duration::from_millis(2);
        let mut lost = false;
        for tries in 1.. {
            let mut value = None;
            let failure = match self.attempt(&mut writer, &step, &mut value).await {
                Ok(()) => return value.ok_or_else(|| self.meaning(Failure::Sql(sqlx::Error::RowNotFound))),
                Err(Miss::Nothing(failure)) => failure,
                Err(Miss::Unsure(number)) => match (self.landed(&mut writer, number).await, value) {
                    (Ok(true), Some(value)) => return Ok(value),
                    (Ok(_), _) => Failure::Sql(sqlx::Error::WorkerCrashed),
                    (Err(failure), _) => return Err(self.meaning(failure)),
                },
            };
            let again = match Trouble::in_failure(&failure) {
                Some(Trouble::Contended) => tries < TRIES,
                // A connection that was lost while nobody looked: a fresh one is worth one try.
                Some(Trouble::Away) => !std::mem::replace(&mut lost, true),
                _ => false,
            };
            if !again {
                return Err(self.meaning(failure));
            }
            tracing::debug!(store.place = %self.place, tries, error = ?failure, "a transaction is done again");
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Err(self.meaning(Failure::Sql(sqlx::Error::RowNotFound)))
    }

    fn look_at_the_file(&self) -> Result<(), StoreError> {
        if let Database::Sqlite { file: Some(file) } = &self.database
            && !file.is_there()
        {
            let why = format!(
                "{} was deleted or replaced while Strawboss runs: put it back, or stop Strawboss and start it again",
                self.place
            );
            return Err(StoreError::Unavailable { why });
        }
        Ok(())
    }

    /// One try. Its value is put into `value` before the commit.
    async fn attempt<S: Step>(&self, writer: &mut Writer, step: &S, value: &mut Option<S::Value>) -> Result<(), Miss> {
        if writer.closed {
            return Err(Miss::Nothing(Failure::Sql(sqlx::Error::PoolClosed)));
        }
        let Database::Postgres(server) = &self.database else {
            return embedded(writer, step, value).await.map_err(Miss::Nothing);
        };
        if writer.connection.is_none() {
            let connection =
                server.connect(writer.claim.as_ref()).await.map_err(|error| Miss::Nothing(Failure::of_opening(&error)))?;
            tracing::info!(store.place = %self.place, "the state is connected again");
            writer.connection = Some(connection);
        }
        let tried = served(writer, step, value).await;
        if let Err(miss) = &tried
            && !matches!(miss, Miss::Nothing(failure) if Trouble::in_failure(failure) != Some(Trouble::Away))
        {
            writer.lose();
        }
        tried
    }

    /// Whether the transaction of that number was committed.
    async fn landed(&self, writer: &mut Writer, number: i64) -> Result<bool, Failure> {
        let Database::Postgres(server) = &self.database else { return Ok(false) };
        let until = Instant::now() + UNSURE;
        loop {
            let status = match &mut writer.connection {
                Some(connection) => asked(connection, number).await,
                None => match server.connect(writer.claim.as_ref()).await {
                    Ok(connection) => asked(writer.connection.insert(connection), number).await,
                    Err(error @ OpenError::Away { .. }) => Err(error.to_string()),
                    Err(error) => return Err(Failure::of_opening(&error)),
                },
            };
            let why = match status.as_deref() {
                Ok("committed") => return Ok(true),
                Ok("aborted") => return Ok(false),
                // The server has not noticed yet that the connection of that transaction is gone.
                Ok(_) => "its server still works on it",
                Err(why) => {
                    writer.lose();
                    why
                }
            };
            if Instant::now() > until {
                let why = format!(
                    "the connection to {} was lost in the middle of a commit, and whether it landed is not known: {why}",
                    self.place
                );
                return Err(StoreError::Unavailable { why }.into());
            }
            sleep(PAUSE_MAX).await;
        }
    }

    /// A long transaction that may write, done once. [`SqlStore::ended`] ends it.
    pub(crate) async fn writing(&self) -> Result<MutexGuard<'_, Writer>, StoreError> {
        let mut writer = self.writer.lock().await;
        self.look_at_the_file()?;
        let begun = async {
            writer.settle().await?;
            writer.begun = true;
            let begin = match self.database {
                Database::Sqlite { .. } => "BEGIN IMMEDIATE",
                Database::Postgres(_) => "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL statement_timeout = 0",
            };
            writer.connection()?.execute(begin).await?;
            Ok(())
        };
        begun.await.map_err(|failure: Failure| self.meaning(failure))?;
        Ok(writer)
    }

    /// Ends a long transaction: keeps what was written when `done` is good, nothing otherwise.
    pub(crate) async fn ended<T>(&self, mut writer: MutexGuard<'_, Writer>, done: Result<T, Failure>) -> Result<T, StoreError> {
        let ended = async {
            let value = done?;
            writer.connection()?.execute("COMMIT").await?;
            writer.begun = false;
            Ok(value)
        };
        let ended = ended.await;
        if ended.is_err() {
            writer.settle().await.map_err(|failure| self.meaning(failure))?;
        }
        ended.map_err(|failure: Failure| self.meaning(failure))
    }

    /// What is special to its kind.
    pub(crate) fn database(&self) -> &Database {
        &self.database
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

/// What became of a transaction, in PostgreSQL's words.
async fn asked(connection: &mut AnyConnection, number: i64) -> Result<String, String> {
    let asked = sqlx::query("SELECT COALESCE(txid_status($1), 'aborted')").bind(number).fetch_one(connection).await;
    asked.and_then(|row| row.try_get(0)).map_err(|error| words(&error))
}

/// A try on a database that is part of this process.
async fn embedded<S: Step>(writer: &mut Writer, step: &S, value: &mut Option<S::Value>) -> Result<(), Failure> {
    writer.settle().await?;
    writer.begun = true;
    let done = async {
        writer.connection()?.execute("BEGIN IMMEDIATE").await?;
        *value = Some(step.take(writer.connection()?).await?);
        writer.connection()?.execute("COMMIT").await?;
        Ok(())
    };
    match done.await {
        Ok(()) => {
            writer.begun = false;
            Ok(())
        }
        Err(failure) => {
            writer.settle().await?;
            Err(failure)
        }
    }
}

/// A try on a server, which may go away at any moment of it.
async fn served<S: Step>(writer: &mut Writer, step: &S, value: &mut Option<S::Value>) -> Result<(), Miss> {
    let nothing = |error: sqlx::Error| Miss::Nothing(error.into());
    // What hangs before the commit has changed nothing; what hangs in it may have landed.
    let hangs = || Failure::Sql(sqlx::Error::WorkerCrashed);
    timeout(TRY, writer.settle()).await.unwrap_or_else(|_| Err(hangs())).map_err(Miss::Nothing)?;
    writer.begun = true;
    let connection = writer.connection().map_err(Miss::Nothing)?;
    let done = async {
        connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
        // By this number the server can be asked later what became of it.
        let number: i64 = connection.fetch_one("SELECT txid_current()").await?.try_get(0)?;
        *value = Some(step.take(connection).await?);
        Ok(number)
    };
    let number = match timeout(TRY, done).await.unwrap_or_else(|_| Err(hangs())) {
        Ok(number) => number,
        Err(failure) => {
            if Trouble::in_failure(&failure) != Some(Trouble::Away) {
                let rolled_back = timeout(TRY, connection.execute("ROLLBACK")).await;
                rolled_back.unwrap_or(Err(sqlx::Error::WorkerCrashed)).map_err(nothing)?;
                writer.begun = false;
            }
            return Err(Miss::Nothing(failure));
        }
    };
    match timeout(TRY, connection.execute("COMMIT")).await.unwrap_or(Err(sqlx::Error::WorkerCrashed)) {
        Ok(_) => {
            writer.begun = false;
            Ok(())
        }
        Err(error) if Trouble::of(&error) == Trouble::Away => Err(Miss::Unsure(number)),
        // The server has rolled back.
        Err(error) => {
            writer.begun = false;
            Err(nothing(error))
        }
    }
}

impl std::fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlStore").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{SqlStore, Step};
    use crate::conformance::sample;
    use crate::error::Failure;
    use sqlx::{AnyConnection, AssertSqlSafe, Executor};
    use strawboss_core::store::{Store, StoreError, TaskFilter};
    use tokio::sync::Notify;

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
        let mut holding = other.writer.lock().await;
        holding.connection().unwrap().execute("BEGIN IMMEDIATE").await.unwrap();
        let error = store.commit(&sample::adds(&sample::task(1))).await.unwrap_err();
        let StoreError::Unavailable { why } = &error else { panic!("{error:?}") };
        assert!(why.contains("database is locked") && why.contains("one control plane per data directory"), "{why}");
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable { .. })));
        // Readers do not care.
        assert_eq!(store.task_list(&TaskFilter::default()).await.unwrap(), []);
        holding.connection().unwrap().execute("ROLLBACK").await.unwrap();
        store.commit(&sample::adds(&sample::task(1))).await.unwrap();
    }

    /// Writes, says so, and stays in its transaction.
    struct Lingers<'a>(&'a Notify);

    impl Step for Lingers<'_> {
        type Value = ();

        async fn take(&self, connection: &mut AnyConnection) -> Result<(), Failure> {
            connection.execute("UPDATE pulse SET beats = 99").await?;
            self.0.notify_one();
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_transaction_that_is_left_is_rolled_back_before_the_next_and_before_a_read() {
        let dir = tempfile::tempdir().unwrap();
        for store in [file(&dir).await, SqlStore::open_sqlite_in_memory().await.unwrap()] {
            for _ in 0..2 {
                let written = Notify::new();
                tokio::select! {
                    _ = store.transact(Lingers(&written)) => panic!("it does not end"),
                    () = written.notified() => {}
                }
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
        let mut writing = store.writer.lock().await;
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
