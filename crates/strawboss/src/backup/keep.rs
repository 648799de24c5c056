//! Which backups there are, and which of them go.

use crate::failure::{Failure, io};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PREFIX: &str = "strawboss-";
const PACKED: &str = ".tar.gz";
const ENCRYPTED: &str = ".tar.gz.age";
const FORM: &str = "%Y%m%dT%H%M%S%3fZ";

/// A backup in a folder.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Backup {
    pub(crate) file: PathBuf,
    /// When it was made, in milliseconds since 1970, out of its name.
    pub(crate) made_at: i64,
    pub(crate) bytes: u64,
    pub(crate) encrypted: bool,
}

/// What a backup of this moment is called.
pub(super) fn name(now: Timestamp, encrypted: bool) -> String {
    let when = now.to_zoned(TimeZone::UTC).strftime(FORM);
    format!("{PREFIX}{when}{}", if encrypted { ENCRYPTED } else { PACKED })
}

fn made_at(name: &str) -> Option<(Timestamp, bool)> {
    let rest = name.strip_prefix(PREFIX)?;
    let (when, encrypted) = match rest.strip_suffix(ENCRYPTED) {
        Some(when) => (when, true),
        None => (rest.strip_suffix(PACKED)?, false),
    };
    let when = jiff::civil::DateTime::strptime(FORM, when).ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some((when.timestamp(), encrypted))
}

/// The backups of a folder, the oldest first. Other files are none of ours.
pub(crate) fn list(folder: &Path) -> Result<Vec<Backup>, Failure> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io(format_args!("list backups in {}", folder.display())))?,
    };
    let mut found: Vec<Backup> = entries
        .flatten()
        .filter_map(|entry| {
            let (when, encrypted) = made_at(entry.file_name().to_str()?)?;
            let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some(Backup { file: entry.path(), made_at: when.as_millisecond(), bytes: meta.len(), encrypted })
        })
        .collect();
    found.sort_by(|a, b| (a.made_at, &a.file).cmp(&(b.made_at, &b.file)));
    Ok(found)
}

/// Those that go: beyond the newest `count`, or older than `age`. The newest one never goes.
pub(super) fn surplus(backups: &[Backup], now: i64, count: u32, age: Duration) -> Vec<&Backup> {
    let Some((_newest, others)) = backups.split_last() else { return Vec::new() };
    let kept = usize::try_from(count.max(1)).unwrap_or(usize::MAX) - 1;
    let beyond = others.len().saturating_sub(kept);
    let oldest = now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    others.iter().enumerate().filter(|(at, backup)| *at < beyond || backup.made_at < oldest).map(|(_, backup)| backup).collect()
}

#[cfg(test)]
mod tests {
    use super::{Backup, list, made_at, name, surplus};
    use std::time::Duration;

    #[test]
    fn a_name_says_when() {
        let now: jiff::Timestamp = "2026-11-21T14:05:06.789Z".parse().unwrap();
        assert_eq!(name(now, false), "strawboss-20261121T140506789Z.tar.gz");
        assert_eq!(made_at(&name(now, true)), Some((now, true)));
        assert_eq!(made_at(&name(now, false)), Some((now, false)));
        for other in [
            "strawboss-2026.tar.gz",
            "x.tar.gz",
            ".strawboss-20261121T140506789Z.tar.gz.partial",
            "strawboss-20261121T140506789Z.zip",
        ] {
            assert_eq!(made_at(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_stay_and_the_very_newest_always() {
        let day = 86_400_000;
        let backup = |at: i64| Backup { file: at.to_string().into(), made_at: at * day, bytes: 1, encrypted: false };
        let backups: Vec<_> = (1..=5).map(backup).collect();
        let going = |now: i64, count, days: u32| -> Vec<i64> {
            surplus(&backups, now * day, count, Duration::from_hours(24) * days).iter().map(|b| b.made_at / day).collect()
        };
        assert_eq!(going(5, 3, 100), [1, 2]);
        assert_eq!(going(5, 9, 100), Vec::<i64>::new());
        assert_eq!(going(7, 9, 3), [1, 2, 3]);
        assert_eq!(going(99, 9, 3), [1, 2, 3, 4]);
        assert_eq!(going(5, 0, 100), [1, 2, 3, 4]);
        // A clock that was set back makes nothing old.
        assert_eq!(going(1, 9, 3), Vec::<i64>::new());
        assert_eq!(surplus(&[], 0, 1, Duration::ZERO), Vec::<&Backup>::new());
    }

    #[test]
    fn other_files_are_none_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["notes.txt", "strawboss-20261121T140506789Z.tar.gz", ".strawboss-20261122T140506789Z.tar.gz.partial"] {
            std::fs::write(dir.path().join(file), "x").unwrap();
        }
        std::fs::create_dir(dir.path().join("strawboss-20261123T140506789Z.tar.gz")).unwrap();
        assert_eq!(list(dir.path()).unwrap().len(), 1);
        assert_eq!(list(&dir.path().join("none")).unwrap(), []);
    }
}
