//! Putting a new content in the place of the old one, so that readers see the one or the other and no edit is lost.
//!
//! The new file is written aside, synced, and the two change places in one step of the file system. What came out is
//! then compared with what had been read: if a person saved in between, the two change places again and the write is
//! redone on the person's content. Where files cannot change places, a plain rename does, and the displaced file is
//! watched by its open handle.

use super::attributes;
use super::fault::Fault;
use super::late::Carry;
use super::load::Loaded;
use super::look::{Hash, Stamp, glance, read_all};
use super::siblings::{Siblings, sync_dir};
use super::steps::{Step, Steps};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// One replacement of one file.
pub(crate) struct Target<'a> {
    /// What was read.
    pub(crate) base: &'a Loaded,
    /// What shall be there.
    pub(crate) new: &'a [u8],
    /// Its name.
    pub(crate) new_hash: Hash,
    /// Where helpers go.
    pub(crate) siblings: &'a Siblings,
    /// Who is told of each step.
    pub(crate) steps: &'a Steps,
}

/// Why a write stops here.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The file is not as it was read, or is being saved: read it again and redo the write.
    Again(Fault),
    /// The file cannot be used.
    Fault(Fault),
    /// It can be read, and not be written.
    Refused { why: String, fix: &'static str },
}

impl Halt {
    /// As an answer to a reader.
    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Again(fault) | Self::Fault(fault) => fault,
            Self::Refused { why, fix } => Fault::Unfinished { why, fix },
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// The new content is in place.
    Done {
        /// The file that was there before, without a name now. A program that had it open may still write to it.
        displaced: File,
        /// The new file's state, if nobody changed it already.
        stamp: Option<Stamp>,
    },
    /// A person saved in between; their file is in its place again, and the write has to be redone on it.
    GaveWay {
        /// What they saved. For a moment it was not to be seen.
        theirs: Vec<u8>,
        /// What was to be seen for that moment, as it was when it was taken back: our new content, or what somebody
        /// made of it. A program that opened it may still write to it.
        ours: Option<(File, Vec<u8>, Carry)>,
    },
    /// Not by changing names: a file mounted alone, a folder that we may not write to, an owner that we may not give.
    CannotHere(io::Error),
}

/// Replaces the file by name.
pub(crate) fn exchange(target: &Target<'_>) -> Result<Exchanged, Halt> {
    let (swap, fresh) = match write_aside(target) {
        Ok(ready) => ready,
        Err(error) if needs_another_way(&error) => return Ok(Exchanged::CannotHere(error)),
        Err(error) => return Err(refused("writing the new content beside it", &error)),
    };
    let path = &target.base.path;
    let unchanged = target.steps.reached(Step::LastLook).is_ok() && glance(path) == Some(target.base.stamp);
    if !unchanged {
        target.siblings.discard(&swap);
        return Err(Halt::Again(Fault::Changing));
    }
    match target.steps.reached(Step::Exchange).and_then(|()| change_places(&swap, path)) {
        Ok(()) => {}
        Err(error) if is_unknown_to_the_file_system(&error) => return by_rename(target, &swap, &fresh),
        Err(error) => {
            target.siblings.discard(&swap);
            return match error.kind() {
                ErrorKind::NotFound => Err(Halt::Again(Fault::Missing)),
                _ if needs_another_way(&error) => Ok(Exchanged::CannotHere(error)),
                _ => Err(refused("putting the new content in its place", &error)),
            };
        }
    }
    sync_dir(target.siblings.dir());
    let displaced = target.steps.reached(Step::Verify).and_then(|()| open_no_link(&swap)).ok();
    match displaced {
        Some(displaced) if read_all(&displaced).is_ok_and(|bytes| bytes == target.base.document.bytes()) => {
            match target.steps.reached(Step::RemoveDisplaced) {
                Ok(()) => target.siblings.discard(&swap),
                Err(error) => target.siblings.leave(&swap, &error),
            }
            Ok(Exchanged::Done { displaced, stamp: stamp_of(&fresh, target.new) })
        }
        displaced => exchange_back(target, &swap, displaced),
    }
}

/// The new content in a file of its own, whole, synced and locked, like the old one in all but content.
fn write_aside(target: &Target<'_>) -> io::Result<(PathBuf, File)> {
    let partial = target.siblings.partial();
    target.steps.reached(Step::WriteAside)?;
    // Ours alone: we hold the lock, and the name is our process's.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&partial)?;
    let swap = target.siblings.swap(&target.base.hash, &target.new_hash);
    let written = (|| {
        file.write_all(target.new)?;
        attributes::copy(&target.base.file, &target.base.metadata, &file)?;
        file.sync_all()?;
        // Whoever waits for the lock and finds the new file waits until we are through with it. Without locks, the
        // comparison afterwards has to do.
        let _ = file.try_lock();
        target.steps.reached(Step::NameAside)?;
        fs::rename(&partial, &swap)
    })();
    if let Err(error) = written {
        target.siblings.discard(&partial);
        return Err(error);
    }
    Ok((swap, file))
}

/// A person saved between our reading and the exchange: their file goes back to its place at once.
fn exchange_back(target: &Target<'_>, swap: &Path, theirs: Option<File>) -> Result<Exchanged, Halt> {
    let path = &target.base.path;
    match target.steps.reached(Step::ExchangeBack).and_then(|()| change_places(swap, path)) {
        Ok(()) => {}
        // They removed it, too: what they saved before is the last that is known.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if renameat_with(CWD, swap, CWD, path, RenameFlags::NOREPLACE).is_ok() {
                sync_dir(target.siblings.dir());
                return Err(Halt::Again(Fault::Changing));
            }
        }
        // The displaced file keeps its telling name; recovery puts it back or keeps it for a person.
        Err(error) => return Err(refused("giving way to an edit that was made meanwhile", &error)),
    }
    // Only now: it may have been saved in pieces.
    let theirs = theirs.and_then(|file| read_all(&file).ok()).unwrap_or_default();
    let mut ours = None;
    if let Ok(file) = open_no_link(swap)
        && let Ok(bytes) = read_all(&file)
    {
        let carry = if bytes == target.new { Carry::Tail } else { Carry::Nothing };
        // A file that was just emptied is being saved; what comes is seen by its handle.
        if carry == Carry::Nothing && !bytes.is_empty() {
            let kept = target.siblings.keep_conflict(&bytes);
            kept.map_err(|error| refused("keeping an edit that was made meanwhile", &error))?;
        }
        target.siblings.discard(swap);
        ours = Some((file, bytes, carry));
    }
    sync_dir(target.siblings.dir());
    Ok(Exchanged::GaveWay { theirs, ours })
}

/// For file systems on which two names cannot change places.
fn by_rename(target: &Target<'_>, swap: &Path, fresh: &File) -> Result<Exchanged, Halt> {
    let path = &target.base.path;
    let renamed = target.base.file.try_clone().and_then(|displaced| {
        if glance(path) != Some(target.base.stamp) {
            return Ok(None);
        }
        fs::rename(swap, path).map(|()| Some(displaced))
    });
    match renamed {
        Ok(Some(displaced)) => {
            sync_dir(target.siblings.dir());
            Ok(Exchanged::Done { displaced, stamp: stamp_of(fresh, target.new) })
        }
        Ok(None) => {
            target.siblings.discard(swap);
            Err(Halt::Again(Fault::Changing))
        }
        Err(error) => {
            target.siblings.discard(swap);
            if needs_another_way(&error) {
                Ok(Exchanged::CannotHere(error))
            } else {
                Err(refused("putting the new content in its place", &error))
            }
        }
    }
}

/// The state of our new file, if it still has our content.
pub(crate) fn stamp_of(file: &File, content: &[u8]) -> Option<Stamp> {
    let before = Stamp::of(&file.metadata().ok()?);
    let same = read_all(file).is_ok_and(|bytes| bytes == content);
    (same && Stamp::of(&file.metadata().ok()?) == before).then_some(before)
}

pub(crate) fn change_places(one: &Path, other: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(io::Error::from)
}

/// Opens a file that must not be a link, without waiting for anything.
pub(crate) fn open_no_link(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
}

/// Answers that a write in place may not get.
fn needs_another_way(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::BUSY | Errno::XDEV | Errno::PERM | Errno::ACCESS | Errno::ROFS | Errno::NAMETOOLONG | Errno::NOTSUP)
    )
}

pub(crate) fn is_unknown_to_the_file_system(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP))
}

/// An answer of the operating system to a write.
pub(crate) fn refused(doing: &str, error: &io::Error) -> Halt {
    let fix = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Free space on its disk; it is tried again.",
        ErrorKind::ReadOnlyFilesystem => "Mount its file system writable; it is tried again.",
        ErrorKind::PermissionDenied => {
            "Give the user that Strawboss runs as the right to write the file and its folder; it is tried again."
        }
        _ => "Mend what the operating system names; it is tried again.",
    };
    Halt::Refused { why: format!("{doing} failed: {error}"), fix }
}
