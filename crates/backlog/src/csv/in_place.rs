//! Writing into the file itself, where it cannot be replaced by name: mounted alone into a container, with several
//! hard links, in a folder that we may not write to, or of an owner that we may not give to a new file.
//!
//! Other programs can see such a write half done, and a process can die in it. So a backup with the content before
//! and after is synced first, from which [`recover`] finishes the write; it is removed when the write is whole.

use super::exchange::{Halt, Target, open_no_link, refused};
use super::fault::Fault;
use super::look::{MAX_BACKUP, Stamp, glance, hash, read_bounded};
use super::siblings::{Siblings, sync_dir};
use super::steps::{Step, Steps};
use crate::table::hex;
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const MAGIC: &str = "strawboss-backup 1";

/// Writes the new content into the file. The answer is its state, if nobody changed it already.
pub(crate) fn write(target: &Target<'_>) -> Result<Option<Stamp>, Halt> {
    let base = target.base.document.bytes();
    let backup = target.siblings.backup();
    make_backup(target.siblings, base, target.new, target.steps)
        .map_err(|error| refused("it cannot be replaced, and making a backup before writing into it", &error))?;
    let file = match target.steps.reached(Step::OpenInPlace).and_then(|()| open_for_writing(&target.base.path)) {
        Ok(file) => file,
        Err(error) => {
            target.siblings.discard(backup);
            return Err(refused("opening it for writing", &error));
        }
    };
    let same_file = file.metadata().is_ok_and(|metadata| Stamp::of(&metadata) == target.base.stamp);
    if same_file && let Err(error) = reserve(&file, base.len(), target.new.len()) {
        target.siblings.discard(backup);
        return Err(refused("reserving room for what is to be written", &error));
    }
    // The last moment: from here to the end of the write an edit of a person would be mixed with ours.
    let same_name = glance(&target.base.path).is_some_and(|stamp| stamp.same_file(&target.base.stamp));
    if !(same_file && same_name && read_bounded(&file).is_ok_and(|bytes| bytes == base)) {
        target.siblings.discard(backup);
        return Err(Halt::Again(Fault::Changing));
    }
    if let Err(error) = overwrite(&file, base, target.new, target.steps) {
        return Err(match overwrite(&file, target.new, base, &Steps::default()) {
            Ok(()) => {
                target.siblings.discard(backup);
                refused("writing into it", &error)
            }
            Err(_) => Halt::Refused {
                why: format!("writing into it failed: {error}; what it was is kept in `{}`", backup.display()),
                fix: "Free space on its disk or mend what the operating system names; the next start finishes the write.",
            },
        });
    }
    let verified = target.steps.reached(Step::VerifyInPlace).is_ok();
    let before = file.metadata().ok().map(|metadata| Stamp::of(&metadata));
    let same_content = verified && read_bounded(&file).is_ok_and(|bytes| bytes == target.new);
    let after = file.metadata().ok().map(|metadata| Stamp::of(&metadata));
    let same_name = glance(&target.base.path).is_some_and(|stamp| stamp.same_file(&target.base.stamp));
    // Another file of this name is a person's own and whole. But who wrote into this one did so while we did, and may
    // have mixed both: what was there before is kept for them.
    if same_name && !same_content {
        // Without a copy, the backup stays.
        target.siblings.keep_conflict(base).map_err(|error| refused("keeping what was there before an edit", &error))?;
    }
    match target.steps.reached(Step::RemoveBackup) {
        Ok(()) => target.siblings.discard(backup),
        Err(error) => target.siblings.leave(backup, &error),
    }
    if same_name && same_content { Ok(before.filter(|_| before == after)) } else { Err(Halt::Again(Fault::Changing)) }
}

/// Finishes a write that a dead process began, or finds that there is nothing to finish. If a person's edit came in
/// between, what was there before is kept for them.
pub(crate) fn recover(path: &Path, siblings: &Siblings) -> Result<(), Halt> {
    let backup = siblings.backup();
    let bytes = match open_no_link(backup) {
        Ok(file) => read_backup(&file).map_err(|error| refused("reading the backup of an unfinished write", &error))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused("opening the backup of an unfinished write", &error)),
    };
    let Some((base, new)) = split(&bytes) else {
        // It gets its name only when it is whole, so this is no file of ours or no longer so.
        return Err(Halt::Refused {
            why: format!("`{}` is no backup that Strawboss made, or was changed", backup.display()),
            fix: "Move that file away.",
        });
    };
    let file = match open_for_writing(path) {
        Ok(file) => file,
        // Without the file there is nothing to finish; its content is safe here until the file is back.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused("opening it to finish an unfinished write", &error)),
    };
    let current = read_bounded(&file).map_err(|error| refused("reading it to finish an unfinished write", &error))?;
    if current == base || current == new {
        tracing::debug!(path = %path.display(), "a backup of a write that was not interrupted is removed");
    } else if is_torn(&current, base, new) {
        overwrite(&file, &[], new, &Steps::default()).map_err(|error| refused("finishing an unfinished write", &error))?;
        tracing::info!(path = %path.display(), "a write that was interrupted is finished");
    } else {
        siblings.keep_conflict(base).map_err(|error| refused("keeping what was there before an edit", &error))?;
    }
    siblings.discard(backup);
    Ok(())
}

/// Whether this is what a write leaves that stops at any byte: the new content so far, then the old one.
fn is_torn(current: &[u8], base: &[u8], new: &[u8]) -> bool {
    let written = current.iter().zip(new).take_while(|(current, new)| current == new).count();
    if current.len() > base.len() {
        return written == current.len();
    }
    if current.len() < base.len() {
        return false;
    }
    let left = current.iter().rev().zip(base.iter().rev()).take_while(|(current, base)| current == base).count();
    written + left >= current.len()
}

fn make_backup(siblings: &Siblings, base: &[u8], new: &[u8], steps: &Steps) -> io::Result<()> {
    steps.reached(Step::MakeBackup)?;
    let backup = siblings.backup();
    let dir = backup.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let partial = siblings.partial_backup();
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        writeln!(file, "{MAGIC} {} {} {} {}", base.len(), hex(&hash(base)), new.len(), hex(&hash(new)))?;
        file.write_all(base)?;
        file.write_all(new)?;
        file.sync_all()?;
        steps.reached(Step::NameBackup)?;
        fs::rename(&partial, backup)
    })();
    if made.is_err() {
        siblings.discard(&partial);
    }
    made?;
    sync_dir(dir);
    Ok(())
}

fn read_backup(file: &File) -> io::Result<Vec<u8>> {
    if file.metadata()?.len() > MAX_BACKUP {
        return Err(io::Error::other("it is larger than a backup can be"));
    }
    read_bounded(file)
}

/// The contents before and after, when the backup is whole.
fn split(backup: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', backup.get(..512.min(backup.len()))?)?;
    let mut words = std::str::from_utf8(&backup[..end]).ok()?.strip_prefix(MAGIC)?.split_ascii_whitespace();
    let (base_size, base_name) = (words.next()?.parse::<usize>().ok()?, words.next()?);
    let (new_size, new_name) = (words.next()?.parse::<usize>().ok()?, words.next()?);
    let contents = &backup[end + 1..];
    if contents.len() != base_size.checked_add(new_size)? {
        return None;
    }
    let (base, new) = contents.split_at(base_size);
    (hex(&hash(base)) == base_name && hex(&hash(new)) == new_name).then_some((base, new))
}

fn open_for_writing(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// Takes the room that a longer content needs, so that a full disk is found out before a byte is changed. Where a
/// file system cannot, the write itself finds out, and is undone.
fn reserve(file: &File, old: usize, new: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if new > old
        && let Err(error) = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, old as u64, (new - old) as u64)
    {
        let error = io::Error::from(error);
        if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return Err(error);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, old, new);
    Ok(())
}

/// Writes what differs, from the front, then cuts to length and syncs.
fn overwrite(file: &File, old: &[u8], new: &[u8], steps: &Steps) -> io::Result<()> {
    let mut at = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    while at < new.len() {
        let end = new.len().min(at + steps.piece());
        steps.reached(Step::WritePiece)?;
        file.write_all_at(&new[at..end], at as u64)?;
        at = end;
    }
    steps.reached(Step::Truncate)?;
    file.set_len(new.len() as u64)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{is_torn, split};
    use proptest::prelude::*;

    #[test]
    fn a_backup_that_is_not_whole_is_none() {
        assert_eq!(split(b""), None);
        assert_eq!(split(b"strawboss-backup 1 1 aa 1 bb\nxy"), None);
        assert_eq!(split(&[b'x'; 4096]), None);
    }

    proptest! {
        #[test]
        fn a_write_that_stops_anywhere_is_known(
            base in prop::collection::vec(any::<u8>(), 0..40), new in prop::collection::vec(any::<u8>(), 0..40),
            stop in 0_usize..40,
        ) {
            let stop = stop.min(new.len());
            let mut current = base.clone();
            if current.len() < stop {
                current.resize(stop, 0);
            }
            current[..stop].copy_from_slice(&new[..stop]);
            prop_assert!(is_torn(&current, &base, &new));
        }
    }

    #[test]
    fn an_edit_is_not_taken_for_a_torn_write() {
        assert!(!is_torn(b"a,b\nc,d\nmine\n", b"a,b\nc,d\n", b"a,X\nc,d\n"));
        assert!(!is_torn(b"a,b\n", b"a,b\nc,d\n", b"a,X\nc,d\n"));
        assert!(!is_torn(b"a,Z\nc,d\n", b"a,b\nc,d\n", b"a,X\nc,d\n"));
    }
}
