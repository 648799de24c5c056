//! Backups that are made by themselves: a folder that can be written, with room for the next one, and none overdue.

use super::Finding;
use super::machine::{disk, free, standing};
use crate::backup::{Backup, list};
use crate::config::settings::{self, Settings};
use crate::output::words;
use nix::unistd::{AccessFlags, access};
use std::path::Path;

const WHAT: &str = "backups";

/// Looks at the folder that is configured, if one is.
pub(super) fn folder(settings: &Settings, now: i64) -> Vec<Finding> {
    let Some(configured) = &settings.backup else { return Vec::new() };
    let folder = &configured.folder;
    let nearest = standing(folder);
    let wrong = |why: String| {
        vec![Finding::fail(WHAT, why, "Make it a folder that this user may write, or name another with `backup.folder`.")]
    };
    if folder.exists() && !folder.is_dir() {
        return wrong(format!("{} is no folder", folder.display()));
    }
    if let Err(error) = access(nearest, AccessFlags::W_OK | AccessFlags::X_OK) {
        return wrong(format!("{} cannot be written: {error}", nearest.display()));
    }
    let made = match list(folder) {
        Ok(made) => made,
        Err(failure) => return wrong(failure.message),
    };
    vec![age(configured, made.last(), now), room(nearest, made.last())]
}

/// How old the newest one is against how often one is made.
fn age(configured: &settings::Backup, newest: Option<&Backup>, now: i64) -> Finding {
    let folder = configured.folder.display();
    let Some(newest) = newest else {
        return Finding::ok(WHAT, format!("none is in {folder} yet: `strawboss serve` makes the first when it starts"));
    };
    let every = i64::try_from(configured.every.as_millis()).unwrap_or(i64::MAX);
    // One of the future is from before the clock was set back.
    let age = now.saturating_sub(newest.made_at).max(0);
    let detail = format!("the newest in {folder} is {} old, and one is made every {}", words::span(age), words::span(every));
    if age <= every.saturating_mul(2) {
        return Finding::ok(WHAT, detail);
    }
    let fix = "See that the service runs, and why in its log (`no backup could be made`); `strawboss db backup` makes one now.";
    Finding::warn(WHAT, detail, fix)
}

/// Whether the next one will find room: it will be about as large as the newest.
fn room(folder: &Path, newest: Option<&Backup>) -> Finding {
    let what = "disk of the backups";
    match (free(folder), newest) {
        (Ok(free), Some(newest)) if free < newest.bytes => Finding::fail(
            what,
            format!("{} free at {}, and the newest backup is {}", words::size(free), folder.display(), words::size(newest.bytes)),
            "Make room, keep fewer (`backup.keep`, `backup.keep_age`), or name a folder on another disk with `backup.folder`.",
        ),
        _ => disk(what, folder),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Finding, Verdict};
    use super::{folder, room};
    use crate::backup::Backup;
    use crate::config::{Flags, parse};
    use crate::environment::Environment;
    use std::path::Path;

    const HOUR: i64 = 3_600_000;

    /// When `strawboss-20261121T140506789Z.tar.gz` was made.
    fn made() -> i64 {
        "2026-11-21T14:05:06.789Z".parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    fn look(dir: &Path, backup: &str, now: i64) -> Vec<Finding> {
        let read = parse(&dir.join("strawboss.yaml"), backup, &Flags::default(), &Environment::default());
        folder(&read.unwrap().settings, now)
    }

    #[test]
    fn a_backup_that_is_overdue_is_said_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(dir.path(), "", made()), [], "none are wanted");
        let wanted = "backup: { folder: ./backups, every: 6h }";
        let found = look(dir.path(), wanted, made());
        assert!(found[0].result == Verdict::Ok && found[0].detail.contains("yet"), "{found:?}");
        assert!(!dir.path().join("backups").exists(), "looking makes nothing");
        std::fs::create_dir(dir.path().join("backups")).unwrap();
        std::fs::write(dir.path().join("backups/strawboss-20261121T140506789Z.tar.gz"), "x").unwrap();
        for (age, verdict) in [(-HOUR, Verdict::Ok), (12 * HOUR, Verdict::Ok), (12 * HOUR + 1, Verdict::Warn)] {
            let found = look(dir.path(), wanted, made() + age);
            assert_eq!((found.len(), found[0].result), (2, verdict), "{age}: {found:?}");
            assert!(found[0].detail.contains("every 6h") && found[0].fix.is_some() == (verdict == Verdict::Warn), "{found:?}");
            assert!(found[1].what.contains("disk") && found[1].detail.contains("free at"), "{found:?}");
        }
    }

    #[test]
    fn a_folder_without_room_for_another_like_the_newest_or_that_cannot_be_written_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let newest = Backup { file: "x".into(), made_at: 0, bytes: u64::MAX, encrypted: false };
        let found = room(dir.path(), Some(&newest));
        assert!(found.result == Verdict::Fail && found.fix.as_ref().unwrap().contains("backup.keep"), "{found:?}");
        let file = "backup: { folder: ./strawboss.yaml }";
        std::fs::write(dir.path().join("strawboss.yaml"), file).unwrap();
        let found = look(dir.path(), file, made());
        assert!(found.len() == 1 && found[0].result == Verdict::Fail && found[0].detail.contains("is no folder"), "{found:?}");
        // What the kernel writes nobody may, not even root.
        let found = look(dir.path(), "backup: { folder: /proc/sys }", made());
        assert!(found[0].result == Verdict::Fail && found[0].detail.contains("cannot be written"), "{found:?}");
    }
}
