//! Backups by themselves, while the service runs.

use super::keep::surplus;
use super::{Backup, list, make};
use crate::config::settings::Backup as Configured;
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use strawboss_store::SqlStore;
use tokio_util::sync::CancellationToken;

/// After one that failed.
const AGAIN: Duration = Duration::from_mins(10);
/// The clock may be set; so often it is looked at least.
const LOOK: Duration = Duration::from_mins(5);
/// Half-made ones of a process that was killed go after so long.
const STALE: Duration = Duration::from_hours(24);

/// Makes backups whenever one is due, until it is told to stop. One that is being made then goes on to its end only as
/// far as the program is let.
pub(crate) async fn run(configured: Configured, store: Arc<SqlStore>, data_dir: PathBuf, stop: CancellationToken) {
    let mut failed = false;
    loop {
        let pause = if failed { AGAIN } else { due_in(&configured).min(LOOK) };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        if !failed && !due_in(&configured).is_zero() {
            continue;
        }
        let making = one(&configured, &store, &data_dir);
        failed = match stop.run_until_cancelled(making).await {
            Some(done) => !done,
            None => return,
        };
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// How long until the next one: nothing is due twice after a restart, since the files themselves say when.
fn due_in(configured: &Configured) -> Duration {
    let newest = list(&configured.folder).ok().and_then(|backups| backups.last().map(|backup| backup.made_at));
    let Some(newest) = newest else { return Duration::ZERO };
    metrics::gauge!("strawboss_backup_last_seconds").set(seconds(newest));
    // A backup of the future is one from before the clock was set back.
    let age = Duration::from_millis(u64::try_from(now() - newest).unwrap_or(0));
    configured.every.saturating_sub(age)
}

async fn one(configured: &Configured, store: &SqlStore, data_dir: &Path) -> bool {
    match make(store, data_dir, &configured.folder, &configured.recipients, &ProgressBar::hidden()).await {
        Ok(made) => {
            tracing::info!(
                backup.file = %made.file.display(), backup.bytes = made.bytes, backup.encrypted = made.encrypted,
                backup.rows = made.end.state.rows(), "a backup was made"
            );
            metrics::gauge!("strawboss_backup_last_seconds").set(seconds(made.manifest.made_at));
            metrics::gauge!("strawboss_backup_bytes").set(made.bytes as f64);
            tidy(configured);
            true
        }
        Err(failure) => {
            metrics::counter!("strawboss_backup_failures_total").increment(1);
            tracing::error!(fix = failure.fix.as_deref().unwrap_or_default(), "no backup could be made: {}", failure.message);
            false
        }
    }
}

/// Removes backups that are too many or too old, and what was half made long ago.
fn tidy(configured: &Configured) {
    let backups = list(&configured.folder).unwrap_or_default();
    for Backup { file, .. } in surplus(&backups, now(), configured.keep, configured.keep_age) {
        match std::fs::remove_file(file) {
            Ok(()) => tracing::info!(backup.file = %file.display(), "an old backup was removed"),
            Err(error) => tracing::warn!(backup.file = %file.display(), %error, "an old backup could not be removed"),
        }
    }
    for entry in std::fs::read_dir(&configured.folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let half = name.starts_with(".strawboss-") && name.ends_with(".partial");
        let age = entry.metadata().ok().and_then(|meta| meta.modified().ok()?.elapsed().ok());
        if half && age.is_some_and(|age| age > STALE) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
