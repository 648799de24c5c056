//! Putting a backup in the place of what is there.

use super::archive::{END, MIRRORS, RUNS, SECRET_FILES, SECRETS, SOURCES, STATE};
use super::{Unpacked, unpack};
use crate::failure::{ExitStatus, Failure, io};
use crate::serve::data_dir::{DataDir, write_whole};
use indicatif::ProgressBar;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use strawboss_store::SqlStore;
use strawboss_store::transfer::{Summary, WAITING};
use tokio::sync::mpsc;

/// What was restored.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Restored {
    pub(crate) manifest: super::Manifest,
    /// What the database holds now, read again from it.
    pub(crate) state: Summary,
    pub(crate) mirrors: usize,
}

/// Restores a backup that was unpacked below the data directory. The database is replaced in one transaction, which only
/// ends well when what it holds then is what was backed up; then folders are exchanged by renaming them. Cut off
/// anywhere, the same restore can be done again.
pub(crate) async fn restore(unpacked: &Unpacked, store: &SqlStore, data_dir: &DataDir) -> Result<Restored, Failure> {
    let broken = |why: String| Failure::new(format!("the backup cannot be restored: {why}")).fix("Take another one.");
    let installation = unpacked.text(&format!("{SECRETS}/installation")).map_err(|error| broken(error.to_string()))?;
    if installation != unpacked.manifest.installation {
        return Err(broken("its parts belong to different installations".to_owned()));
    }
    let fresh = unpacked.folder.join("fresh");
    fs::create_dir(&fresh).map_err(io("prepare what is restored"))?;
    let mirrors = make_mirrors(unpacked, &fresh).await?;
    let state = import(unpacked, store).await?;
    let at = data_dir.path();
    let old = unpacked.folder.join("old");
    fs::create_dir(&old).map_err(io("put aside what was there"))?;
    let unpacked_to = |name| (name, unpacked.folder.join(name));
    for (name, from) in [(MIRRORS, fresh.join(MIRRORS)), unpacked_to(RUNS), unpacked_to(SOURCES)] {
        exchange(&at.join(name), &from, &old.join(name)).map_err(io(format_args!("put {name} in their place")))?;
    }
    // Last: they say whose all of it is.
    for file in SECRET_FILES {
        let text = unpacked.text(&format!("{SECRETS}/{file}")).map_err(|error| broken(error.to_string()))?;
        write_whole(&at.join(file), &format!("{text}\n")).map_err(io(format_args!("write {file}")))?;
    }
    Ok(Restored { manifest: unpacked.manifest.clone(), state, mirrors })
}

/// Unpacks into a folder of the data directory, which goes when the guard does.
pub(crate) fn unpack_into(
    file: &Path,
    identity: Option<&super::Identity>,
    data_dir: &Path,
    progress: &ProgressBar,
) -> Result<(tempfile::TempDir, Unpacked), Failure> {
    let staging =
        super::spool::folder(data_dir, "restore").map_err(io(format_args!("unpack the backup in {}", data_dir.display())))?;
    let unpacked = unpack(file, identity, staging.path(), progress)?;
    Ok((staging, unpacked))
}

async fn make_mirrors(unpacked: &Unpacked, fresh: &Path) -> Result<usize, Failure> {
    let to = fresh.join(MIRRORS);
    fs::create_dir(&to).map_err(io("prepare mirrors"))?;
    let entries = match fs::read_dir(unpacked.folder.join(MIRRORS)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(io("list the backup's mirrors"))?,
    };
    let mut made = 0;
    for entry in entries {
        let bundle = entry.map_err(io("list the backup's mirrors"))?.path();
        let name = bundle.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".bundle"));
        let Some(name) = name else { continue };
        strawboss_engine::mirror_of_bundle(&bundle, &to.join(name)).await.map_err(|error| {
            Failure::new(format!("the backup's mirror {name} cannot be restored: {error}"))
                .fix("Take another backup; nothing was changed.")
        })?;
        made += 1;
    }
    Ok(made)
}

async fn import(unpacked: &Unpacked, store: &SqlStore) -> Result<Summary, Failure> {
    let records = unpacked.records().map_err(io(format_args!("read {STATE} of the backup")))?;
    let (to, from) = mpsc::channel(WAITING);
    let sending = tokio::task::spawn_blocking(move || {
        for record in records {
            // Nobody takes them any more: the import says why.
            if to.blocking_send(record?).is_err() {
                break;
            }
        }
        Ok::<(), String>(())
    });
    let imported = store.import(from, Some(&unpacked.end.state)).await;
    let sent = sending.await.map_err(|error| Failure::new(format!("the restore was cut off: {error}")))?;
    let failed = |why: String| {
        Failure::new(format!("the state could not be restored: {why}"))
            .fix("Nothing was changed. Take another backup, or mend the database.")
    };
    sent.map_err(&failed)?;
    imported.map_err(|error| failed(format!("{error} (as {END} says it must be)")))
}

/// Puts `from` in the place of `at`, and what was there aside. A second time, with nothing left to move, is no error.
fn exchange(at: &Path, from: &Path, aside: &Path) -> std::io::Result<()> {
    match fs::rename(at, aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::rename(from, at) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Refuses to put a backup over a state that holds something.
pub(crate) async fn refuse_to_overwrite(store: &SqlStore, data_dir: &Path, force: bool) -> Result<(), Failure> {
    let rows = store.rows_in_all().await.map_err(|error| Failure::new(format!("the state cannot be read: {error}")))?;
    let recordings = data_dir.join(RUNS).is_dir() || data_dir.join(MIRRORS).is_dir();
    if force || (rows == 0 && !recordings) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "there is something already: {rows} rows in the database, and the data directory {}",
        data_dir.display()
    ))
    .fix("Back it up first (`strawboss db backup`), then say --force to put the backup in its place.")
    .status(ExitStatus::Conflict))
}
