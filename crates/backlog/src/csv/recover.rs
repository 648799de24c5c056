//! What a process that died in a write left, put in order: nothing of a person's is dropped, and the write itself is
//! asked for again by whoever ordered it, since it was never reported as done.

use super::exchange::{Halt, change_places, open_no_link, refused};
use super::in_place;
use super::look::{hash, look, read_bounded};
use super::siblings::{Leftovers, Siblings, Swap, sync_dir};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Puts leftovers in order. The caller holds the file's lock, if the file is there.
pub(crate) fn recover(path: &Path, siblings: &Siblings, leftovers: &Leftovers) -> Result<(), Halt> {
    if leftovers.backup {
        in_place::recover(path, siblings)?;
    }
    for partial in &leftovers.partials {
        siblings.discard(partial);
    }
    for swap in &leftovers.swaps {
        settle(path, siblings, swap)?;
    }
    sync_dir(siblings.dir());
    Ok(())
}

/// A file that was part of an exchange: the new content that never got its place, the old one that was to be removed,
/// or a person's edit that was displaced in the last moment.
fn settle(path: &Path, siblings: &Siblings, swap: &Swap) -> Result<(), Halt> {
    let bytes = match open_no_link(&swap.path).and_then(|file| read_bounded(&file)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused("reading what an unfinished write left", &error)),
    };
    let content = hash(&bytes);
    let there = fs::symlink_metadata(path).is_ok();
    if there && (swap.is_base(&content) || swap.is_new(&content)) {
        siblings.discard(&swap.path);
        return Ok(());
    }
    if !there {
        // Removed by a person after all, or lost by a file system that renames in two steps: bringing back is safe,
        // losing is not.
        return fs::rename(&swap.path, path).map_err(|error| refused("bringing it back", &error));
    }
    if look(path).is_ok_and(|current| swap.is_new(&hash(&current.bytes))) {
        change_places(&swap.path, path).map_err(|error| refused("giving way to an edit that was made meanwhile", &error))?;
    } else {
        siblings.keep_conflict(&bytes).map_err(|error| refused("keeping an edit that was made meanwhile", &error))?;
    }
    siblings.discard(&swap.path);
    Ok(())
}
