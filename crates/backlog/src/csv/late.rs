//! Edits that arrive too late: a program had the old file open when it was replaced, and writes to it afterwards.
//!
//! Such a file has no name any more, so its open handle is kept for a while and looked at; what comes in that way is
//! merged into the file that took its place.

use super::edit;
use super::load::{Loaded, understand};
use super::look::{Hash, Stamp, hash, read_all};
use std::fs::File;
use std::time::{Duration, Instant};
use strawboss_core::backlog::WriteBack;

/// How long a displaced file is watched: longer than any program saves, short enough not to pile up.
const KEPT: Duration = Duration::from_mins(1);

/// How many displaced files are watched at most.
const MOST: usize = 64;

/// A file that was replaced.
#[derive(Debug)]
struct Displaced {
    file: File,
    stamp: Option<Stamp>,
    size: usize,
    hash: Hash,
    /// What we wrote since to the file that took its place.
    writes: Vec<WriteBack>,
    carry: Carry,
    since: Instant,
}

/// What of a late edit can be carried over into the file as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Carry {
    /// Nothing: what is written to it is kept aside.
    Nothing,
    /// Rows at its end. The file as it is has edits that this one never had; taking it whole would undo them.
    Tail,
    /// Everything: the file as it is has nothing more than this one, but for our writes.
    Whole,
}

/// The files that were replaced lately.
#[derive(Debug, Default)]
pub(crate) struct Late(Vec<Displaced>);

/// What a late edit means for the file as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// There is none.
    Nothing,
    /// One is being written.
    Unsettled,
    /// The file shall become this.
    Becomes(Vec<u8>),
    /// It cannot be merged; this is what it left.
    Conflict(Vec<u8>),
}

impl Late {
    /// The file was written to: what is watched has a successor that has `writes`, too. `ours`: the file held just what we
    /// wrote last, else somebody's edits.
    pub(crate) fn succeeded(&mut self, writes: &[WriteBack], ours: bool) {
        for displaced in &mut self.0 {
            if !ours {
                displaced.carry = displaced.carry.min(Carry::Tail);
            }
            displaced.writes.retain(|old| !writes.iter().any(|new| new.native_ref == old.native_ref));
            displaced.writes.extend_from_slice(writes);
        }
    }

    /// Watches a file that was replaced; `writes` is what its successor has that it has not.
    pub(crate) fn push(&mut self, file: File, content: &[u8], hash: Hash, writes: &[WriteBack]) {
        self.watch(file, content, hash, writes, Carry::Whole);
    }

    /// Watches a content of ours that had to give way; a program may have opened it in its moment.
    pub(crate) fn push_ours(&mut self, file: File, content: &[u8], carry: Carry) {
        self.watch(file, content, hash(content), &[], carry);
    }

    fn watch(&mut self, file: File, content: &[u8], hash: Hash, writes: &[WriteBack], carry: Carry) {
        let stamp = file.metadata().ok().map(|metadata| Stamp::of(&metadata));
        // Between the comparison and this moment somebody may have written already: then the stamp is no proof.
        let stamp = stamp.filter(|_| read_all(&file).is_ok_and(|now| now == content));
        self.0.push(Displaced { file, stamp, size: content.len(), hash, writes: writes.to_vec(), carry, since: Instant::now() });
        let untouched = self.0.iter().filter(|displaced| !displaced.is_touched()).count();
        if untouched > MOST
            && let Some(oldest) = self.0.iter().position(|displaced| !displaced.is_touched())
        {
            self.0.remove(oldest);
        }
    }

    /// Whether any file is watched.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something was written to one of them. Forgets those that were watched long enough.
    pub(crate) fn is_touched(&mut self) -> bool {
        self.0.retain(|displaced| displaced.is_touched() || displaced.since.elapsed() < KEPT);
        self.0.iter().any(Displaced::is_touched)
    }

    /// What the first late edit means. `ours` tells whether `current` is just what we wrote last; `settle` is how
    /// long a file must stand still to be whole, `torn` how long if it looks unfinished.
    pub(crate) fn merge(&mut self, current: &Loaded, ours: bool, settle: Duration, torn: Duration) -> Merge {
        let Some(displaced) = self.0.iter_mut().find(|displaced| displaced.is_touched()) else { return Merge::Nothing };
        let Ok(stamp) = displaced.file.metadata().map(|metadata| Stamp::of(&metadata)) else { return Merge::Nothing };
        let age = stamp.age().unwrap_or(torn);
        if age < settle {
            return Merge::Unsettled;
        }
        let Ok(content) = read_all(&displaced.file) else { return Merge::Unsettled };
        let name = hash(&content);
        let merge = if name == displaced.hash {
            Merge::Nothing
        } else if let Some(tail) = displaced.appended(&content) {
            let whole_lines = content[..displaced.size].last().is_none_or(|byte| matches!(byte, b'\r' | b'\n'));
            Merge::Becomes(append(current.document.bytes(), tail, whole_lines))
        } else {
            match understand(content.clone()) {
                // It was emptied, or is being written from the start.
                Err(_) if age < torn => return Merge::Unsettled,
                Err(_) if content.is_empty() => Merge::Nothing,
                Ok((document, columns, listing)) if ours && displaced.carry == Carry::Whole => {
                    match edit::apply(&document, &columns, &listing, &displaced.writes) {
                        Ok(edited) => Merge::Becomes(edited.bytes),
                        Err(_) => Merge::Conflict(content.clone()),
                    }
                }
                _ => Merge::Conflict(content.clone()),
            }
        };
        displaced.stamp = Some(stamp);
        displaced.hash = name;
        displaced.size = content.len();
        merge
    }
}

impl Displaced {
    fn is_touched(&self) -> bool {
        let now = self.file.metadata().ok().map(|metadata| Stamp::of(&metadata));
        match (self.stamp, now) {
            (Some(then), Some(now)) => !then.same_content(&now),
            (None, _) => true,
            // A handle that cannot be asked any more has nothing to tell.
            (Some(_), None) => false,
        }
    }

    /// What was written behind the content that was known, if nothing else changed.
    fn appended<'a>(&self, content: &'a [u8]) -> Option<&'a [u8]> {
        // What follows nothing is no end of anything, but a file that is written anew.
        if self.carry == Carry::Nothing || self.size == 0 {
            return None;
        }
        let (known, tail) = content.split_at_checked(self.size)?;
        (hash(known) == self.hash).then_some(tail)
    }
}

/// What was appended to another file, behind these bytes; on a line of its own if it was so there.
fn append(bytes: &[u8], tail: &[u8], whole_lines: bool) -> Vec<u8> {
    let mut merged = bytes.to_vec();
    if whole_lines && merged.last().is_some_and(|byte| !matches!(byte, b'\r' | b'\n')) {
        merged.push(b'\n');
    }
    merged.extend_from_slice(tail);
    merged
}
