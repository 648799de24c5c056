//! The files that a write needs beside the person's own, and their names.
//!
//! Names carry what recovery must know: which content was there before, and which was to come.

use super::look::{Hash, hash};
use crate::table::hex;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const PARTIAL: &str = ".partial";
const SWAP: &str = ".swap";

/// A file system's names have 255 bytes at most; this leaves room for what we add.
const LONGEST_STEM: usize = 150;

/// What writes left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remains {
    conflicts: Arc<Mutex<Vec<PathBuf>>>,
    untidy: Arc<AtomicBool>,
}

impl Remains {
    fn add(&self, path: PathBuf) {
        let mut paths = self.conflicts.lock().unwrap_or_else(PoisonError::into_inner);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }

    /// Whether a file of a finished write is still there, asked once.
    pub(crate) fn take_untidy(&self) -> bool {
        self.untidy.swap(false, Ordering::Relaxed)
    }

    /// Contents that could not be merged and are still there: a person who is through with one deletes it.
    pub(crate) fn conflicts(&self) -> Vec<PathBuf> {
        let mut paths = self.conflicts.lock().unwrap_or_else(PoisonError::into_inner);
        paths.retain(|path| path.exists());
        paths.clone()
    }
}

/// Where the helpers of one file are.
#[derive(Debug, Clone)]
pub(crate) struct Siblings {
    dir: PathBuf,
    stem: OsString,
    backup: PathBuf,
    remains: Remains,
}

impl Siblings {
    /// Of this file (links followed), with backups in `backups` or else beside it.
    pub(crate) fn of(file: &Path, backups: Option<&Path>, remains: &Remains) -> Self {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let name = file.file_name().unwrap_or(OsStr::new("backlog.csv"));
        let stem = if name.len() > LONGEST_STEM { hex(&hash(name.as_bytes())[..16]).into() } else { name.to_owned() };
        let mut backup = stem.clone();
        if backups.is_some() {
            // Several backlogs may have the same name and share this folder.
            backup.push(format!("-{}", hex(&hash(file.as_os_str().as_bytes())[..6])));
        }
        backup.push(".strawboss-backup");
        let backup = backups.unwrap_or(&dir).join(backup);
        Self { dir, stem, backup, remains: remains.clone() }
    }

    fn hidden(&self, rest: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.stem);
        name.push(".strawboss-");
        name.push(rest);
        name
    }

    /// The folder of the file.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new content that is being written.
    pub(crate) fn partial(&self) -> PathBuf {
        self.dir.join(self.hidden(&format!("{}{PARTIAL}", std::process::id())))
    }

    /// A new content that is whole, or, after the exchange, the old one.
    pub(crate) fn swap(&self, base: &Hash, new: &Hash) -> PathBuf {
        self.dir.join(self.hidden(&format!("{}-{}{SWAP}", hex(&base[..16]), hex(&new[..16]))))
    }

    /// The backup of a write in place.
    pub(crate) fn backup(&self) -> &Path {
        &self.backup
    }

    /// The same while it is being made.
    pub(crate) fn partial_backup(&self) -> PathBuf {
        let mut path = self.backup.clone().into_os_string();
        path.push(PARTIAL);
        path.into()
    }

    /// Removes a helper file. One that resists is put in order at the next look.
    pub(crate) fn discard(&self, path: &Path) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => self.leave(path, &error),
            _ => {
                if let Some(dir) = path.parent() {
                    sync_dir(dir);
                }
            }
        }
    }

    /// Remembers that a helper file is still there.
    pub(crate) fn leave(&self, path: &Path, error: &io::Error) {
        tracing::warn!(path = %path.display(), %error, "a file of a finished write could not be removed; it is tried again");
        self.remains.untidy.store(true, Ordering::Relaxed);
    }

    /// What a process that died left in the file's folder; conflicts found there are remembered.
    pub(crate) fn leftovers(&self) -> Leftovers {
        let mut leftovers = Leftovers { backup: self.backup.exists(), ..Leftovers::default() };
        leftovers.partials.extend(Some(self.partial_backup()).filter(|partial| partial.exists()));
        let prefix = self.hidden("");
        let visible: OsString = [self.stem.as_os_str(), OsStr::new(".strawboss-conflict-")].into_iter().collect();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.as_bytes().starts_with(visible.as_bytes()) {
                self.remains.add(entry.path());
            }
            let Some(rest) = name.as_bytes().strip_prefix(prefix.as_bytes()) else { continue };
            let Ok(rest) = std::str::from_utf8(rest) else { continue };
            if rest.ends_with(PARTIAL) {
                leftovers.partials.push(entry.path());
            } else if let Some((base, new)) = rest.strip_suffix(SWAP).and_then(|hashes| hashes.split_once('-')) {
                leftovers.swaps.push(Swap { path: entry.path(), base: base.to_owned(), new: new.to_owned() });
            }
        }
        leftovers
    }

    /// Keeps a content that cannot be merged where a person finds it.
    pub(crate) fn keep_conflict(&self, bytes: &[u8]) -> io::Result<()> {
        let mut result = Err(io::Error::other("no free name"));
        for dir in [self.dir.as_path(), self.backup.parent().unwrap_or(&self.dir)] {
            for number in 1..1000 {
                let mut name = self.stem.clone();
                name.push(format!(".strawboss-conflict-{number}"));
                let path = dir.join(name);
                match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                    Ok(mut file) => {
                        file.write_all(bytes)?;
                        file.sync_all()?;
                        sync_dir(dir);
                        tracing::warn!(path = %path.display(), "an edit that could not be merged is kept");
                        self.remains.add(path);
                        return Ok(());
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                }
            }
        }
        result
    }
}

/// What a process that died left.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// Whether a write in place was not finished.
    pub(crate) backup: bool,
    /// New contents that were being written.
    pub(crate) partials: Vec<PathBuf>,
    /// New or old contents around an exchange.
    pub(crate) swaps: Vec<Swap>,
}

impl Leftovers {
    /// Whether nothing needs to be recovered.
    pub(crate) fn is_clean(&self) -> bool {
        !self.backup && self.partials.is_empty() && self.swaps.is_empty()
    }
}

/// A file that was part of an exchange, with the first halves of both contents' names in hex.
#[derive(Debug)]
pub(crate) struct Swap {
    pub(crate) path: PathBuf,
    base: String,
    new: String,
}

impl Swap {
    /// Whether this is the content that was there before.
    pub(crate) fn is_base(&self, content: &Hash) -> bool {
        hex(&content[..16]) == self.base
    }

    /// Whether this is the content that was to come.
    pub(crate) fn is_new(&self, content: &Hash) -> bool {
        hex(&content[..16]) == self.new
    }
}

/// Makes renames and removals in a folder outlast a power cut, where its file system can.
pub(crate) fn sync_dir(dir: &Path) {
    if let Err(error) = File::open(dir).and_then(|dir| dir.sync_all()) {
        tracing::debug!(dir = %dir.display(), %error, "a folder could not be synced");
    }
}
