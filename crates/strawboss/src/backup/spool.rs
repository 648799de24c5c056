//! Folders that a backup is made in or unpacked into: in the data directory, since what lies in them is as secret as it, and
//! as large as a disk may hold.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const PREFIXES: [&str; 3] = [".backup-", ".restore-", ".verify-"];
/// What has not changed for so long was left by a process that was killed.
const STALE: Duration = Duration::from_hours(1);

/// A folder for `what` (`backup`, `restore`, `verify`), which goes when it is dropped.
pub(crate) fn folder(data_dir: &Path, what: &str) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(&format!(".{what}-")).tempdir_in(data_dir)
}

/// Removes what killed processes left.
pub(crate) fn sweep(data_dir: &Path) {
    for entry in fs::read_dir(data_dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = entry.metadata().ok().filter(fs::Metadata::is_dir).and_then(|meta| meta.modified().ok()?.elapsed().ok());
        if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && age.is_some_and(|age| age >= STALE) {
            tracing::info!(path = %entry.path().display(), "removing what a backup that was cut off left");
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "it cannot be removed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{STALE, folder, sweep};
    use std::fs::{self, File};

    #[test]
    fn only_what_was_left_long_ago_goes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let young = folder(dir.path(), "backup").unwrap();
        let old = std::time::SystemTime::now() - 2 * STALE;
        for name in [".backup-x", ".restore-x", ".verify-x", "runs", ".other"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), "x").unwrap();
            File::open(at(name)).unwrap().set_modified(old).unwrap();
        }
        sweep(dir.path());
        assert!(young.path().is_dir() && at("runs").is_dir() && at(".other").is_dir());
        assert!(!at(".backup-x").exists() && !at(".restore-x").exists() && !at(".verify-x").exists());
    }
}
