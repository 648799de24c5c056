//! One look at the file on disk: what is there, bounded, and whether it is the same as before.
//!
//! Never blocks on a pipe or a device, never reads more than [`MAX_BYTES`], and never guesses: a file that changed
//! during the look is [`Fault::Changing`].

use super::fault::{Fault, MAX_BYTES};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether both are of the same file, changed or not.
    pub(crate) fn same_file(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// Whether both are of the same file with the same content; a link or name made meanwhile does not matter.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.same_file(other) && (self.size, self.modified) == (other.size, other.modified)
    }

    /// How long the file has stood still by this machine's clock; `None` when its times are in the future.
    pub(crate) fn age(&self) -> Option<Duration> {
        let last = self.modified.max(self.changed);
        let since_1970 = Duration::new(u64::try_from(last.0).ok()?, u32::try_from(last.1).ok()?);
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + since_1970).ok()
    }

    /// Whether the file system counts whole seconds only, so that two changes may look like one.
    pub(crate) fn is_coarse(&self) -> bool {
        self.modified.1 == 0 && self.changed.1 == 0
    }
}

/// A file's content, as it was at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The file itself, links followed.
    pub(crate) path: PathBuf,
    /// Open for reading.
    pub(crate) file: File,
    /// Owner, mode and all.
    pub(crate) metadata: Metadata,
    /// Before and after reading.
    pub(crate) stamp: Stamp,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

/// A content's name.
pub(crate) type Hash = [u8; 32];

/// Names a content.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Reads the file.
pub(crate) fn look(configured: &Path) -> Result<Snapshot, Fault> {
    let path = resolve(configured)?;
    let metadata = std::fs::metadata(&path).map_err(|error| fault("looking at it", &error))?;
    // Before opening: opening a pipe or a device can wait for ever, or do something.
    must_be_a_file(&metadata)?;
    let nonblock = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nonblock.bits().cast_signed())
        .open(&path)
        .map_err(|error| fault("opening it", &error))?;
    let before = file.metadata().map_err(|error| fault("looking at it", &error))?;
    must_be_a_file(&before)?;
    let bytes = read_all(&file)?;
    let after = file.metadata().map_err(|error| fault("looking at it", &error))?;
    let stamp = Stamp::of(&after);
    if stamp != Stamp::of(&before) || bytes.len() as u64 != stamp.size {
        return Err(Fault::Changing);
    }
    Ok(Snapshot { path, file, metadata: after, stamp, bytes })
}

/// What is there now, without reading it; `None` when there is nothing or it cannot be told.
pub(crate) fn glance(configured: &Path) -> Option<Stamp> {
    std::fs::metadata(configured).ok().map(|metadata| Stamp::of(&metadata))
}

/// The whole content of an open file, from its beginning, whatever its cursor.
pub(crate) fn read_all(file: &File) -> Result<Vec<u8>, Fault> {
    let size = file.metadata().map_err(|error| fault("looking at it", &error))?.len();
    if size > MAX_BYTES {
        return Err(Fault::TooBig { size });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    // One byte more than allowed, to notice a file that grows while it is read.
    From(file, 0).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| fault("reading it", &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Fault::TooBig { size: bytes.len() as u64 });
    }
    Ok(bytes)
}

/// The largest backup that can be: both contents and a line.
pub(crate) const MAX_BACKUP: u64 = 2 * MAX_BYTES + 1024;

/// The same, for files that are ours, bounded by [`MAX_BACKUP`].
pub(crate) fn read_bounded(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    From(file, 0).take(MAX_BACKUP).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads from a place of its own, so that a shared file's cursor does not matter.
struct From<'a>(&'a File, u64);

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read_at(buffer, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}

/// The file behind links.
fn resolve(configured: &Path) -> Result<PathBuf, Fault> {
    match std::fs::canonicalize(configured) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == ErrorKind::NotFound => match std::fs::read_link(configured) {
            Ok(target) => Err(Fault::Dangling { target }),
            Err(_) => Err(Fault::Missing),
        },
        Err(error) => Err(fault("following its path", &error)),
    }
}

fn must_be_a_file(metadata: &Metadata) -> Result<(), Fault> {
    let kind = metadata.file_type();
    let kind = if kind.is_file() {
        return if metadata.len() > MAX_BYTES { Err(Fault::TooBig { size: metadata.len() }) } else { Ok(()) };
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Fault::NotAFile { kind })
}

/// What an answer of the operating system means here.
pub(crate) fn fault(doing: &'static str, error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Fault::Missing,
        ErrorKind::PermissionDenied => Fault::Denied,
        _ => Fault::Io { doing, why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, MAX_BYTES, glance, look};
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_of_200_mb_is_refused_without_reading_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.csv");
        File::create(&path).unwrap().set_len(200_000_000).unwrap();
        assert_eq!(look(&path).unwrap_err(), Fault::TooBig { size: 200_000_000 });
        File::options().write(true).open(&path).unwrap().set_len(MAX_BYTES).unwrap();
        assert_eq!(look(&path).unwrap().bytes.len() as u64, MAX_BYTES);
    }

    #[test]
    fn what_is_no_file_is_never_opened() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(dir.path()).unwrap_err(), Fault::NotAFile { kind: "a folder" });
        let pipe = dir.path().join("pipe.csv");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
            .unwrap();
        assert_eq!(look(&pipe).unwrap_err(), Fault::NotAFile { kind: "a named pipe" });
        assert_eq!(look(std::path::Path::new("/dev/null")).unwrap_err(), Fault::NotAFile { kind: "a device" });
        let socket = dir.path().join("socket.csv");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(look(&socket).unwrap_err(), Fault::NotAFile { kind: "a socket" });
        assert_eq!(look(&pipe.join("below")).unwrap_err(), Fault::Missing);
    }

    #[test]
    fn links_are_followed_and_one_to_nothing_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("link.csv"), dir.path().join("target.csv"));
        symlink("target.csv", &link).unwrap();
        assert_eq!(look(&link).unwrap_err(), Fault::Dangling { target: "target.csv".into() });
        fs::write(&target, "x").unwrap();
        let snapshot = look(&link).unwrap();
        assert_eq!((snapshot.path, snapshot.bytes), (fs::canonicalize(&target).unwrap(), b"x".to_vec()));
        let itself = dir.path().join("loop.csv");
        symlink("loop.csv", &itself).unwrap();
        assert!(matches!(look(&itself).unwrap_err(), Fault::Io { .. }));
    }

    #[test]
    fn a_stamp_changes_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        assert_eq!(glance(&path), None);
        fs::write(&path, "x").unwrap();
        let first = glance(&path).unwrap();
        assert_eq!(look(&path).unwrap().stamp, first);
        fs::write(dir.path().join("b.csv"), "x").unwrap();
        fs::rename(dir.path().join("b.csv"), &path).unwrap();
        let second = glance(&path).unwrap();
        assert!(first != second && !first.same_file(&second));
    }
}
