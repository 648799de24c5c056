//! The write-back: lock, read again, change our cells, replace, and be sure that nobody's edit was in between.
//!
//! The lock is `flock` on the CSV file itself. It parts this from other Strawboss processes and from scripts that
//! use `flock` on the same file; no lock file litters a person's folder. Since the file is replaced, whoever gets the
//! lock checks that it still is the file of that name, and a new file is locked before it gets the name. Editors know
//! no locks: against them everything is compared before and after.

use super::exchange::{Exchanged, Halt, Target, exchange};
use super::fault::Fault;
use super::in_place;
use super::late::{Late, Merge};
use super::load::{Loaded, Refusal, load, understand};
use super::look::{Hash, Stamp, glance, hash};
use super::missed::{Missed, Rows};
use super::recover::recover;
use super::siblings::{Remains, Siblings};
use super::steps::Steps;
use super::{Patience, edit};
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use strawboss_core::backlog::{WriteBack, WriteBackError, WriteOutcome};

/// Between two tries of a write.
const AGAIN: Duration = Duration::from_millis(10);

/// What the last look found, to tell whether there is anything new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Seen {
    /// Nobody looked yet.
    #[default]
    Never,
    /// Nothing was there.
    Missing,
    /// It did not stand still.
    Unsettled,
    /// This state of the file; its content's name if it could be read.
    At(Stamp, Option<Hash>),
}

/// What is remembered between calls.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What the last read found.
    pub(crate) seen: Seen,
    /// How many rows the last read found.
    pub(crate) rows: usize,
    late: Late,
    missed: Missed,
    /// The content that we wrote last, unless it brought in somebody's late edit.
    ours: Option<Hash>,
    recovered: bool,
}

/// Reads and writes one file; blocking.
#[derive(Debug)]
pub(crate) struct Writer {
    /// For messages.
    pub(crate) name: String,
    /// As configured, made absolute by the configuration's folder.
    pub(crate) path: PathBuf,
    /// Where backups go; none: beside the file.
    pub(crate) backups: Option<PathBuf>,
    /// How long to wait for what.
    pub(crate) patience: Patience,
    /// Who is told of each step.
    pub(crate) steps: Steps,
    /// What writes left.
    pub(crate) remains: Remains,
    /// What is remembered.
    pub(crate) memory: Mutex<Memory>,
}

impl Writer {
    /// What is remembered. Never held over a look at the disk that could wait.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        // Every change of it is one assignment: a panic elsewhere leaves it whole.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One look at the file, after what is left to merge or to recover.
    pub(crate) fn look(&self) -> Result<Loaded, Refusal> {
        if let Err(halt) = self.recover_once() {
            return Err(Refusal::from(halt.into_fault()));
        }
        if (self.is_touched() || !self.memory().missed.is_empty())
            && let Err(error) = self.write(&[])
        {
            tracing::warn!(source = %self.name, %error, "an edit that was made while the file was replaced waits");
        }
        load(&self.path)
    }

    /// Whether somebody wrote to a file that we replaced.
    pub(crate) fn is_touched(&self) -> bool {
        self.memory().late.is_touched()
    }

    /// Whether replaced files are being watched.
    pub(crate) fn watches_replaced(&self) -> bool {
        !self.memory().late.is_empty()
    }

    /// Writes to rows, in one write of the file; none of them on an error.
    pub(crate) fn write(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, WriteBackError> {
        let began = Instant::now();
        loop {
            match self.attempt(writes) {
                Ok(outcomes) => return Ok(outcomes),
                Err(Halt::Again(fault)) if began.elapsed() < self.patience.write => {
                    tracing::debug!(source = %self.name, ?fault, "the backlog changed while it was to be written; redone");
                    std::thread::sleep(AGAIN);
                }
                Err(Halt::Again(fault) | Halt::Fault(fault)) => return Err(fault.unwritable(&self.name)),
                Err(Halt::Refused { why, fix }) => {
                    return Err(WriteBackError {
                        what: format!("Cannot write to the backlog `{}`", self.name),
                        why,
                        fix: fix.to_owned(),
                        retry: true,
                    });
                }
            }
        }
    }

    fn attempt(&self, writes: &[WriteBack]) -> Result<Vec<WriteOutcome>, Halt> {
        self.recover_once()?;
        let loaded = load(&self.path).map_err(|refusal| self.pass_or_fail(refusal))?;
        lock(&loaded.file)?;
        if glance(&self.path) != Some(loaded.stamp) {
            return Err(Halt::Again(Fault::Changing));
        }
        if !self.stands_still(&loaded) {
            return Err(Halt::Again(Fault::Changing));
        }
        self.keep_missed(&loaded)?;
        if self.merge_late(&loaded)? {
            // On to the file as it is now; the lock goes with the handle.
            return Err(Halt::Again(Fault::Changing));
        }
        let edited = edit::apply(&loaded.document, &loaded.columns, &loaded.listing, writes).map_err(|error| {
            // A fault of ours: better no write than a wrong one.
            tracing::error!(source = %self.name, %error, "a write to the backlog was withheld");
            Halt::Refused { why: error.to_string(), fix: "Please report this with the file's header and the row." }
        })?;
        if edited.bytes != loaded.document.bytes() {
            let stamp = self.replace(&loaded, &edited.bytes, writes)?;
            let new = hash(&edited.bytes);
            let mut memory = self.memory();
            memory.ours = Some(new);
            // Only if the last read saw what we wrote upon: else a person's edit is in it that nobody has read yet.
            if let (Seen::At(_, Some(seen)), Some(stamp)) = (memory.seen, stamp)
                && seen == loaded.hash
            {
                memory.seen = Seen::At(stamp, Some(new));
            }
        }
        let _ = loaded.file.unlock();
        if self.is_touched() {
            return Err(Halt::Again(Fault::Changing));
        }
        Ok(edited.outcomes)
    }

    /// Whether it is worth another look at once: not if it has stood like that for long.
    fn pass_or_fail(&self, refusal: Refusal) -> Halt {
        let stood = refusal.stamp.and_then(|stamp| stamp.age()).is_some_and(|age| age >= self.patience.torn);
        if refusal.fault.may_pass() && !stood { Halt::Again(refusal.fault) } else { Halt::Fault(refusal.fault) }
    }

    fn stands_still(&self, loaded: &Loaded) -> bool {
        let needed = if loaded.ends_torn() {
            self.patience.torn
        } else if loaded.is_open_ended() {
            self.patience.open_end
        } else {
            self.patience.settle
        };
        // A time in the future tells nothing; the comparison after the write has to do.
        loaded.stamp.age().is_none_or(|age| age >= needed)
    }

    /// Merges one late edit, if there is one. Whether the file was replaced for it.
    fn merge_late(&self, loaded: &Loaded) -> Result<bool, Halt> {
        let merge = {
            let mut memory = self.memory();
            let ours = memory.ours == Some(loaded.hash);
            memory.late.merge(loaded, ours, self.patience.settle, self.patience.torn)
        };
        match merge {
            Merge::Nothing => Ok(false),
            Merge::Unsettled => Err(Halt::Again(Fault::Changing)),
            Merge::Becomes(bytes) => {
                tracing::info!(source = %self.name, "an edit to the file that was just replaced is merged");
                let result = self.replace(loaded, &bytes, &[]);
                if result.is_err() {
                    // The edit is marked as seen; it must not be lost for that.
                    self.keep(loaded, &bytes)?;
                } else {
                    self.remember(loaded, &bytes);
                }
                result.map(|_| true)
            }
            Merge::Conflict(bytes) => {
                self.keep(loaded, &bytes)?;
                Ok(false)
            }
        }
    }

    /// Keeps a copy of rows that somebody's save removed who may never have seen them.
    fn keep_missed(&self, loaded: &Loaded) -> Result<(), Halt> {
        let rows = Rows::of(loaded);
        let age = loaded.stamp.age().unwrap_or_default();
        let gone = {
            let mut memory = self.memory();
            memory.missed.expire(age);
            if memory.missed.is_empty() { None } else { memory.missed.gone(&rows) }
        };
        let Some(gone) = gone else { return Ok(()) };
        // A file that is being written from the start looks like that.
        if age < self.patience.shrunk && loaded.stamp.age().is_some() {
            return Err(Halt::Again(Fault::Changing));
        }
        self.keep(loaded, &gone)?;
        self.memory().missed.forget_gone(&rows);
        Ok(())
    }

    /// Remembers an edit that was not in the file for a moment: `loaded` is what was to be seen instead.
    fn remember(&self, loaded: &Loaded, with_edit: &[u8]) {
        if let Ok((document, columns, listing)) = understand(with_edit.to_vec()) {
            self.memory().missed.remember(&Rows::of(loaded), &Rows::new(&document, &columns, &listing));
        }
    }

    fn keep(&self, loaded: &Loaded, bytes: &[u8]) -> Result<(), Halt> {
        self.siblings(&loaded.path)
            .keep_conflict(bytes)
            .map_err(|error| super::exchange::refused("keeping an edit that was made meanwhile", &error))
    }

    /// Puts `new` in the file's place. The new state, if nobody changed it already.
    fn replace(&self, loaded: &Loaded, new: &[u8], writes: &[WriteBack]) -> Result<Option<Stamp>, Halt> {
        may_write(loaded)?;
        let siblings = self.siblings(&loaded.path);
        let target = Target { base: loaded, new, new_hash: hash(new), siblings: &siblings, steps: &self.steps };
        let ours = self.memory().ours == Some(loaded.hash);
        // Another name of the same file would be left with the old content.
        if loaded.metadata.nlink() == 1 {
            match exchange(&target)? {
                Exchanged::Done { displaced, stamp } => {
                    let mut memory = self.memory();
                    memory.late.succeeded(writes, ours);
                    memory.late.push(displaced, loaded.document.bytes(), loaded.hash, writes);
                    return Ok(stamp);
                }
                Exchanged::GaveWay { theirs, ours } => {
                    self.remember(loaded, &theirs);
                    if let Some((file, bytes, carry)) = ours {
                        self.memory().late.push_ours(file, &bytes, carry);
                    }
                    return Err(Halt::Again(Fault::Changing));
                }
                Exchanged::CannotHere(error) => {
                    tracing::debug!(source = %self.name, %error, "the backlog cannot be replaced, so it is written in place");
                }
            }
        }
        let stamp = in_place::write(&target)?;
        self.memory().late.succeeded(writes, ours);
        Ok(stamp)
    }

    fn siblings(&self, file: &Path) -> Siblings {
        Siblings::of(file, self.backups.as_deref(), &self.remains)
    }

    /// Puts in order what a dead process left, once, and what could not be removed, until it is.
    fn recover_once(&self) -> Result<(), Halt> {
        if self.remains.take_untidy() {
            self.memory().recovered = false;
        }
        if self.memory().recovered {
            return Ok(());
        }
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let siblings = self.siblings(&path);
        let leftovers = siblings.leftovers();
        if !leftovers.is_clean() {
            let locked = File::open(&path).ok().filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()));
            if let Some(file) = &locked {
                lock(file)?;
            }
            tracing::info!(source = %self.name, ?leftovers, "a write to the backlog was interrupted; it is put in order");
            recover(&path, &siblings, &siblings.leftovers())?;
        }
        self.memory().recovered = true;
        Ok(())
    }
}

/// Takes the lock, which goes with the handle.
fn lock(file: &File) -> Result<(), Halt> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Halt::Again(Fault::Locked)),
        Err(TryLockError::Error(error)) => {
            // Not every file system has locks; then the comparisons have to do.
            tracing::debug!(%error, "the backlog cannot be locked");
            Ok(())
        }
    }
}

/// A file that nobody may write to is meant to stay as it is, even where we could replace it or are root.
fn may_write(loaded: &Loaded) -> Result<(), Halt> {
    let why = if loaded.metadata.mode() & 0o222 == 0 {
        Some("it is read-only".to_owned())
    } else {
        rustix::fs::access(&loaded.path, rustix::fs::Access::WRITE_OK).err().map(|error| match error {
            rustix::io::Errno::ROFS => "its file system is read-only".to_owned(),
            _ => "this user may not write to it".to_owned(),
        })
    };
    match why {
        None => Ok(()),
        Some(why) => Err(Halt::Refused {
            why,
            fix: "Make it writable for the user that Strawboss runs as (`chmod u+w`); until then its rows are read, and \
                  what becomes of them is shown in Strawboss alone. It is tried again.",
        }),
    }
}
