//! A look at a database from outside: it opens nothing for good, claims nothing and changes nothing.

use super::OpenError;
use super::postgres::{HOLDER, masked};
use crate::error::words;
use crate::sql::SqlStore;
use sqlx::any::AnyConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, Row};
use std::path::Path;
use std::time::Duration;
use strawboss_core::Timestamp;
use tokio::time::timeout;

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(10);

/// What was seen of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// `PostgreSQL 16.2`, `SQLite 3.51.0`.
    pub version: String,
    /// Its clock; none: it has none of its own.
    pub clock: Option<Timestamp>,
    /// Why nothing can be written, as the server says it.
    pub read_only: Option<String>,
    /// Who works on the state: the name of the connection that holds it.
    pub holder: Option<String>,
    /// Connections that are taken, and how many there can be, for users without special rights.
    pub connections: Option<(u64, u64)>,
    /// Its size in bytes.
    pub bytes: u64,
}

const ABOUT: &str = "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1), \
    (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint, \
    CASE WHEN pg_is_in_recovery() THEN 'it is a standby' \
         WHEN current_setting('default_transaction_read_only') = 'on' THEN 'default_transaction_read_only is on' \
         WHEN current_schema() IS NULL THEN 'no schema of its search path is there' \
         WHEN NOT has_schema_privilege(current_schema(), 'CREATE') THEN 'this role may not create tables in its schema' \
         ELSE '' END, \
    (SELECT COUNT(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::bigint, \
    current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint, \
    pg_database_size(current_database())";

impl SqlStore {
    /// Looks at a database of PostgreSQL.
    pub async fn inspect_postgres(url: &str) -> Result<Inspection, OpenError> {
        let place = masked(url);
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions =
            url.parse().map_err(|error: sqlx::Error| OpenError::Unusable { place: place.clone(), why: words(&error) })?;
        let looking = async {
            let mut connection = options.disable_statement_logging().connect().await?;
            let about = connection.fetch_one(ABOUT).await?;
            let holder = connection.fetch_optional(HOLDER).await?;
            let read_only: String = about.try_get(2)?;
            let count = |index: usize| about.try_get::<i64, _>(index).map(i64::unsigned_abs);
            let seen = Inspection {
                version: about.try_get(0)?,
                clock: Some(Timestamp(about.try_get(1)?)),
                read_only: (!read_only.is_empty()).then_some(read_only),
                holder: holder.map(|row| row.try_get(1)).transpose()?,
                connections: Some((count(3)?, count(4)?)),
                bytes: count(5)?,
            };
            connection.close().await?;
            Ok(seen)
        };
        let Ok(seen) = timeout(LOOK, looking).await else {
            let why = format!("no answer in {} s", LOOK.as_secs());
            return Err(OpenError::Away { place, why, fix: crate::error::Trouble::Away.fix() });
        };
        seen.map_err(|error| super::refused(&place, "looking at it", &error))
    }

    /// Looks at a file of SQLite, which must be there.
    pub async fn inspect_sqlite(file: &Path) -> Result<Inspection, OpenError> {
        let place = file.display().to_string();
        let unusable = |why: String| OpenError::Unusable { place: place.clone(), why };
        let bytes = std::fs::metadata(file).map_err(|error| unusable(error.to_string()))?.len();
        let looking = async {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).read_only(true);
            let mut connection = options.disable_statement_logging().connect().await?;
            let version: String = connection.fetch_one("SELECT sqlite_version()").await?.try_get(0)?;
            // Reads the file: damage and another program's format are noticed.
            connection.fetch_one("SELECT COUNT(*) FROM sqlite_schema").await?;
            connection.close().await?;
            Ok(version)
        };
        let version = looking.await.map_err(|error: sqlx::Error| unusable(words(&error)))?;
        let version = format!("SQLite {version}");
        Ok(Inspection { version, clock: None, read_only: None, holder: None, connections: None, bytes })
    }
}
