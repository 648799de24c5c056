//! PostgreSQL: a server that may be away for a while, restarted, or shared with others.

use super::{MIGRATING, OpenError, migrator, refused};
use crate::error::{Trouble, words};
use crate::sql::{Database, SqlStore};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Every migration of PostgreSQL, oldest first.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "state", include_str!("../../migrations/postgres/0001_state.sql")),
    (2, "sessions", include_str!("../../migrations/postgres/0002_sessions.sql")),
];

/// The oldest server that is supported, as `server_version_num` says it.
const OLDEST: i64 = 130_000;

/// For every connection. A statement or a wait for a lock that takes so long (milliseconds) is a defect or a sick server,
/// and is better said than suffered; the operating system notices a peer that is gone within half a minute.
const EVERY: &str = "SET statement_timeout = 60000; SET lock_timeout = 10000; SET client_min_messages = 'warning'; \
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4; SET TIME ZONE 'UTC'";

/// For connections that read.
const READER: &str = "SET default_transaction_read_only = on";

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The key of the lock that a control plane holds: "SBos", and the schema.
const CLAIM: &str = "1396862835, hashtext(current_schema())";
/// The key of the lock under which the tables are looked at and changed.
const MIGRATION: &str = "1396862836, hashtext(current_schema())";

/// Who holds the claim.
pub(super) const HOLDER: &str = "SELECT a.pid::bigint, COALESCE(a.application_name, ''), COALESCE(host(a.client_addr), 'the same machine'), \
    to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'), COALESCE(a.usename, '')::text \
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = 1396862835 AND l.objsubid = 2 \
    AND l.objid::bigint = hashtext(current_schema())::bigint & 4294967295 \
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";

/// How long and how often a lock is tried for whose holder may be on its way out.
const CLAIM_TRIES: u32 = 20;
const CLAIM_PAUSE: Duration = Duration::from_millis(500);

/// A server, and which database on it.
#[derive(Debug)]
pub(crate) struct Server {
    options: AnyConnectOptions,
    place: String,
}

/// A control plane's claim on the state: it alone writes.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// What the server calls our connection; nobody else's is called that.
    name: String,
}

/// A connection that holds the claim.
struct Holder {
    /// The server's number of it.
    backend: i64,
    name: String,
    /// From where, as whom, since when.
    seen: String,
}

impl Claim {
    /// For people and, with a random part, for nobody else.
    pub(crate) fn new(who: &str) -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let chance = RandomState::new().build_hasher().finish();
        // The server keeps 63 bytes, and only printable ASCII.
        let who: String = who.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(44).collect();
        Self { name: format!("strawboss {who} {:08x}", chance & 0xffff_ffff) }
    }
}

impl SqlStore {
    /// Opens the state in a database of PostgreSQL (`postgres://user:password@host:port/database`, with the parameters
    /// that libpq knows) and brings its tables to this version. The schema that comes first in the search path must be
    /// empty or ours. Several processes may open it; each change set is one serializable transaction.
    ///
    /// It does not wait for a server that is away: [`OpenError::Away`] says that trying again may help.
    pub async fn open_postgres(url: &str) -> Result<Self, OpenError> {
        let place = masked(url);
        sqlx::any::install_default_drivers();
        let unusable = |why: String| OpenError::Unusable { place: place.clone(), why };
        let options: AnyConnectOptions = url.parse().map_err(|error: sqlx::Error| unusable(words(&error)))?;
        let server = Server { options: options.disable_statement_logging(), place: place.clone() };
        let mut connection = server.connect(None).await?;
        server.migrate(&mut connection).await?;
        let readers = server.readers();
        tracing::debug!(store.place = %place, "the state is open");
        Ok(Self::new(connection, Some(readers), place, Database::Postgres(server)))
    }
}

impl Server {
    /// A connection that may write, with the claim where there is one.
    pub(crate) async fn connect(&self, claim: Option<&Claim>) -> Result<AnyConnection, OpenError> {
        let opening = async {
            let mut connection = self.options.connect().await.map_err(|error| self.refused("connecting", &error))?;
            connection.execute(EVERY).await.map_err(|error| self.refused("setting the connection up", &error))?;
            if let Some(claim) = claim {
                self.hold(&mut connection, claim).await?;
            }
            Ok(connection)
        };
        // Held up by a network that answers nothing; claiming waits by itself.
        let limit = if claim.is_some() { CONNECT + CLAIM_PAUSE * CLAIM_TRIES } else { CONNECT };
        timeout(limit, opening).await.unwrap_or_else(|_| {
            let why = format!("no answer in {} s", limit.as_secs());
            Err(OpenError::Away { place: self.place.clone(), why, fix: Trouble::Away.fix() })
        })
    }

    fn refused(&self, step: &'static str, error: &sqlx::Error) -> OpenError {
        refused(&self.place, step, error)
    }

    /// Takes the lock that says who writes. A connection of our own that the server has not yet noticed to be gone is
    /// ended; somebody else's is waited for a little and then named.
    pub(crate) async fn hold(&self, connection: &mut AnyConnection, claim: &Claim) -> Result<(), OpenError> {
        let failed = |error: sqlx::Error| self.refused("claiming it", &error);
        let name = claim.name.replace('\'', "");
        connection.execute(AssertSqlSafe(format!("SET application_name = '{name}'"))).await.map_err(failed)?;
        let take = format!("SELECT CASE WHEN pg_try_advisory_lock({CLAIM}) THEN 1::bigint ELSE 0::bigint END");
        let mut holder = None;
        for _ in 0..CLAIM_TRIES {
            let row = connection.fetch_one(AssertSqlSafe(take.as_str())).await.map_err(failed)?;
            if row.try_get::<i64, _>(0).map_err(failed)? == 1 {
                return Ok(());
            }
            holder = self.holder(connection).await?;
            if let Some(Holder { backend, name, .. }) = &holder
                && *name == claim.name
            {
                tracing::info!(store.backend = backend, "ending a lost connection of ours");
                let end = format!("SELECT pg_terminate_backend({backend})::text");
                connection.execute(AssertSqlSafe(end)).await.map_err(failed)?;
            }
            sleep(CLAIM_PAUSE).await;
        }
        Err(self.held(holder.as_ref()))
    }

    async fn holder(&self, connection: &mut AnyConnection) -> Result<Option<Holder>, OpenError> {
        let failed = |error: sqlx::Error| self.refused("asking who holds it", &error);
        let Some(row) = connection.fetch_optional(HOLDER).await.map_err(failed)? else { return Ok(None) };
        let text = |index: usize| row.try_get::<String, _>(index).map_err(failed);
        let backend = row.try_get(0).map_err(failed)?;
        Ok(Some(Holder {
            backend,
            name: text(1)?,
            seen: format!("connected from {} as {} since {}", text(2)?, text(4)?, text(3)?),
        }))
    }

    fn held(&self, holder: Option<&Holder>) -> OpenError {
        let holder = match holder {
            Some(Holder { name, seen, .. }) => format!("{name}, {seen}"),
            None => "a connection that the server does not name to us".to_owned(),
        };
        OpenError::Held { place: self.place.clone(), holder }
    }

    /// Brings the tables to this version in one transaction, after making sure that they are ours. A process that is
    /// ended in it leaves everything as it was.
    async fn migrate(&self, connection: &mut AnyConnection) -> Result<(), OpenError> {
        let failed = |error: sqlx::Error| self.refused(MIGRATING, &error);
        let place = &self.place;
        let unusable = |why: String| OpenError::Unusable { place: place.clone(), why };
        let mut transaction = connection.begin().await.map_err(failed)?;
        // Of two processes that open a new database, the second waits and then finds the work done.
        transaction.execute(AssertSqlSafe(format!("SELECT pg_advisory_xact_lock({MIGRATION})::text"))).await.map_err(failed)?;
        let about = transaction
            .fetch_one(
                "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'), \
                 COALESCE(current_schema()::text, ''), current_setting('server_version')",
            )
            .await
            .map_err(failed)?;
        let text = |index: usize| about.try_get::<String, _>(index).map_err(failed);
        if about.try_get::<i64, _>(0).map_err(failed)? < OLDEST {
            return Err(unusable(format!("it is PostgreSQL {}, and 13 is the oldest that is supported", text(3)?)));
        }
        if text(1)? != "UTF8" {
            return Err(unusable(format!("its encoding is {}, and must be UTF8 (CREATE DATABASE … ENCODING 'UTF8')", text(1)?)));
        }
        if text(2)?.is_empty() {
            return Err(unusable("no schema of its search path is there (CREATE SCHEMA …)".to_owned()));
        }
        let tables = transaction
            .fetch_one(
                "SELECT COUNT(*)::bigint, COUNT(*) FILTER (WHERE c.relname = 'pulse' \
                 AND obj_description(c.oid, 'pg_class') = 'Strawboss')::bigint \
                 FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')",
            )
            .await
            .map_err(failed)?;
        let (all, ours) = (tables.try_get::<i64, _>(0).map_err(failed)?, tables.try_get::<i64, _>(1).map_err(failed)?);
        if all > 0 && ours == 0 {
            let why = format!("its schema `{}` holds {all} tables of another program", text(2)?);
            return Err(OpenError::Foreign { place: place.clone(), why });
        }
        let migrator = migrator(MIGRATIONS);
        if ours > 0 {
            self.nobody_works_on_old_tables(&mut transaction, migrator.iter().map(|step| step.version).max()).await?;
        }
        super::migrate(&mut transaction, migrator, place).await?;
        // A database that cannot be written (a standby, a role without rights) shall be noticed now.
        transaction.execute("UPDATE pulse SET beats = beats + 1 WHERE id = 1").await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Tables are not changed under a control plane of the version before, which would not know them any more.
    async fn nobody_works_on_old_tables(&self, connection: &mut AnyConnection, known: Option<i64>) -> Result<(), OpenError> {
        let failed = |error: sqlx::Error| self.refused(MIGRATING, &error);
        let applied =
            connection.fetch_one("SELECT COALESCE(MAX(version), 0)::bigint FROM _sqlx_migrations").await.map_err(failed)?;
        if known.is_none_or(|known| applied.try_get::<i64, _>(0).is_ok_and(|applied| applied >= known)) {
            return Ok(());
        }
        let free = format!("SELECT CASE WHEN pg_try_advisory_xact_lock({CLAIM}) THEN 1::bigint ELSE 0::bigint END");
        let free = connection.fetch_one(AssertSqlSafe(free)).await.map_err(failed)?;
        if free.try_get::<i64, _>(0).map_err(failed)? == 1 {
            return Ok(());
        }
        let holder = self.holder(connection).await?;
        Err(self.held(holder.as_ref()))
    }

    fn readers(&self) -> AnyPool {
        AnyPoolOptions::new()
            .max_connections(3)
            .min_connections(0)
            .idle_timeout(Duration::from_mins(1))
            // While the server is away everybody waits this long for an answer, not longer.
            .acquire_timeout(Duration::from_secs(5))
            // A connection may have gone with the server since it was used last.
            .test_before_acquire(true)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(EVERY).await?;
                    connection.execute(READER).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone())
    }
}

/// The URL as people may see it: without its password and parameters.
pub fn masked(url: &str) -> String {
    let rest = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = rest.split_once("://").unwrap_or(("postgres", rest));
    match rest.rsplit_once('@') {
        Some((who, host)) => format!("{scheme}://{}@{host}", who.split(':').next().unwrap_or_default()),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, masked};

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(masked("postgres://crew:s3cr:t@db:5432/crew?sslmode=require"), "postgres://crew@db:5432/crew");
        assert_eq!(masked("postgresql://crew:p@ss@db/crew"), "postgresql://crew@db/crew");
        assert_eq!(masked("postgres:///crew?password=secret"), "postgres:///crew");
        assert_eq!(masked("postgres://db/crew"), "postgres://db/crew");
    }

    #[test]
    fn a_claim_fits_into_what_the_server_keeps() {
        let claim = Claim::new("bücher'; DROP TABLE tasks;-- on a machine with a very long name indeed");
        assert!(claim.name.len() <= 63 && claim.name.is_ascii(), "{}", claim.name);
        assert_ne!(claim.name, Claim::new("bücher'; DROP TABLE tasks;-- on a machine with a very long name indeed").name);
    }
}
