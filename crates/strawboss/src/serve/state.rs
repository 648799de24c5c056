//! The store that is configured: opened, waited for, and claimed.

use super::data_dir;
use crate::config::settings::Database;
use crate::failure::{ExitStatus, Failure};
use std::path::Path;
use std::time::{Duration, Instant};
use strawboss_core::store::Store as _;
use strawboss_store::{OpenError, SqlStore};

/// The file of SQLite in the data directory.
pub(crate) const SQLITE: &str = "strawboss.db";

/// How long a server is waited for that does not answer yet: after a power cut it may start later than we do, and read its
/// log first.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is asked meanwhile.
const AGAIN: Duration = Duration::from_secs(1);
/// How often waiting is said.
const SAY: Duration = Duration::from_secs(10);

/// Opens the state and brings its tables to this version; a server that does not answer is waited for so long.
pub(crate) async fn open(database: &Database, data_dir: &Path, patience: Duration) -> Result<SqlStore, Failure> {
    let url = match database {
        Database::Sqlite => return SqlStore::open_sqlite(&data_dir.join(SQLITE)).await.map_err(|error| refused(&error)),
        Database::Postgres(url) => url.reveal(),
    };
    let began = Instant::now();
    let mut said: Option<Instant> = None;
    loop {
        let error = match SqlStore::open_postgres(url).await {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        if !matches!(error, OpenError::Away { .. }) || began.elapsed() >= patience {
            return Err(refused(&error));
        }
        if said.is_none_or(|said| said.elapsed() >= SAY) {
            tracing::warn!(waited_s = began.elapsed().as_secs(), "waiting for the database: {error}");
            said = Some(Instant::now());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Opens it for the control plane: no other one works on it, and it belongs to this data directory.
pub(super) async fn take(database: &Database, data_dir: &Path, installation: &str) -> Result<SqlStore, Failure> {
    let store = open(database, data_dir, PATIENCE).await?;
    store.claim(&data_dir::this_process()).await.map_err(|error| refused(&error))?;
    let theirs = store
        .setting_init("installation", installation)
        .await
        .map_err(|error| Failure::new(format!("the state cannot be used: {error}")))?;
    if theirs != installation {
        let why = format!(
            "the state belongs to installation {theirs}, and the data directory {} to {installation}: sandboxes, recordings \
             and branches of the one are unknown to the other",
            data_dir.display()
        );
        return Err(Failure::new(why)
            .fix("Name the data directory that belongs to this database, or another database; `strawboss db restore` brings both back together.")
            .status(ExitStatus::Conflict));
    }
    Ok(store)
}

/// An error of opening, with its exit status.
pub(crate) fn refused(error: &OpenError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        OpenError::Held { .. } => failure.status(ExitStatus::Conflict),
        OpenError::Away { .. } => failure.status(ExitStatus::Unreachable),
        _ => failure,
    }
}
