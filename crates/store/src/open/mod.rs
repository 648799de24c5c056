//! Opening: setting a database up and bringing the tables to this version.

mod file;
mod inspect;
mod postgres;
mod sqlite;

pub(crate) use file::Identity;
pub use inspect::Inspection;
pub use postgres::masked;
pub(crate) use postgres::{Claim, Server};

use crate::error::{Trouble, words};
use sqlx::AnyConnection;
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

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
    /// What was named can hold no state.
    #[error("the state cannot be kept in {place}: {why}. Name another place with `server.data_dir` or `database`")]
    Unusable {
        /// Which.
        place: String,
        /// Why.
        why: String,
    },
    /// The database is another program's, or none at all. It was not touched.
    #[error(
        "{place} is not Strawboss's state: {why}. It was not touched: move it away, or name another place with `server.data_dir` or `database`"
    )]
    Foreign {
        /// Which.
        place: String,
        /// Why.
        why: String,
    },
    /// A newer version of Strawboss wrote it. It was not touched.
    #[error(
        "the state in {place} was written by a newer version of Strawboss: it has step {found}, this version knows {known}. It was not touched: run the newer version, or restore the backup made before the upgrade"
    )]
    Newer {
        /// Which.
        place: String,
        /// The first step that this version does not know.
        found: i64,
        /// The last step that it knows.
        known: i64,
    },
    /// Another control plane works on it.
    #[error("the state in {place} is in use by {holder}. Stop that one, or give this one a database (or a schema) of its own")]
    Held {
        /// Which.
        place: String,
        /// Who.
        holder: String,
    },
    /// The database does not answer now; it may in a moment.
    #[error("the state in {place} cannot be reached: {why} ({fix})")]
    Away {
        /// Which.
        place: String,
        /// The database's words, or the network's.
        why: String,
        /// What to do.
        fix: &'static str,
    },
    /// The database refused a step.
    #[error("the state in {place} cannot be opened: {step}: {why} ({fix})")]
    Database {
        /// Which.
        place: String,
        /// What was tried.
        step: &'static str,
        /// The database's words.
        why: String,
        /// What to do.
        fix: &'static str,
    },
}

/// The steps of one database, oldest first. A published one is never changed.
fn migrator(texts: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(number, name, text): &(i64, &'static str, &'static str)| {
        Migration::new(number, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(texts.iter().map(migration).collect())
}

const MIGRATING: &str = "bringing its tables to this version";

fn refused(place: &str, step: &'static str, error: &sqlx::Error) -> OpenError {
    let (place, why) = (place.to_owned(), words(error));
    match Trouble::of(error) {
        Trouble::NoDatabase => OpenError::Foreign { place, why },
        trouble @ (Trouble::Away | Trouble::Crowded) => OpenError::Away { place, why, fix: trouble.fix() },
        trouble => OpenError::Database { place, step, why, fix: trouble.fix() },
    }
}

/// Brings the tables to this version, on a connection that is in a transaction.
async fn migrate(connection: &mut AnyConnection, mut migrator: Migrator, place: &str) -> Result<(), OpenError> {
    // Whoever calls has made sure of being alone.
    migrator.set_locking(false);
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    // `Migrator::run` would make this future one that cannot be sent to another thread (its bound on `Acquire`).
    match migrator.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => Err(OpenError::Newer { place: place.to_owned(), found, known }),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(refused(place, MIGRATING, &error)),
        Err(error) => Err(OpenError::Database {
            place: place.to_owned(),
            step: MIGRATING,
            why: error.to_string(),
            fix: "it was changed by something other than Strawboss: restore a backup",
        }),
    }
}
