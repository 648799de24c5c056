//! The folders of process sandboxes: where they may lie, and their removal whatever an agent left in them. It never
//! follows a link that a sandbox could have made.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::short_hash;

/// Where state goes when the sandbox's user cannot enter `data_dir`.
const FALLBACK: &str = "/var/lib/strawboss";

/// The user that a sandbox's processes run as, when it is not our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// All folders of one installation.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    root: PathBuf,
    user: Option<User>,
}

impl Folders {
    /// Below `data_dir` where `user` can get there, else below `/var/lib/strawboss`; the same answer after a restart.
    pub(super) fn new(data_dir: &Path, user: Option<User>) -> io::Result<Self> {
        // Its own folders are closed to others but for the sandbox's user, who needs to pass through them.
        let mode = if user.is_some() { 0o711 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
        let data_dir = data_dir.canonicalize()?;
        let root = match user {
            Some(user) if !can_enter(&data_dir, user) => {
                DirBuilder::new().recursive(true).mode(0o711).create(FALLBACK)?;
                if !can_enter(Path::new(FALLBACK), user) {
                    return Err(io::Error::other(format!(
                        "user {} can enter neither {} nor {FALLBACK}; put data_dir where every user may pass (`chmod o+x` its parents)",
                        user.uid,
                        data_dir.display()
                    )));
                }
                Path::new(FALLBACK).join(short_hash(data_dir.as_os_str().as_encoded_bytes(), 16))
            }
            _ => data_dir.join("process"),
        };
        let folders = Self { root, user };
        for folder in [&folders.root, &folders.sandboxes(), &folders.homes(), &folders.caches(), &folders.tools()] {
            make(folder, mode)?;
        }
        make(&folders.trash(), 0o700)?;
        folders.empty_trash();
        Ok(folders)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn sandboxes(&self) -> PathBuf {
        self.root.join("sandboxes")
    }

    pub(super) fn homes(&self) -> PathBuf {
        self.root.join("homes")
    }

    pub(super) fn caches(&self) -> PathBuf {
        self.root.join("caches")
    }

    pub(super) fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// A folder for what is being made, to be renamed to where it belongs.
    pub(super) fn scratch(&self) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.trash().join(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// A folder of our own, which the sandbox's user may pass through.
    pub(super) fn make_ours(&self, path: &Path) -> io::Result<()> {
        make(path, if self.user.is_some() { 0o711 } else { 0o700 })
    }

    /// A folder that belongs to the sandbox's user. One that is there is kept.
    pub(super) fn make_theirs(&self, path: &Path) -> io::Result<()> {
        make(path, 0o700)?;
        if let Some(user) = self.user {
            // The folder itself lies in one of ours, so nobody can have put a link in its place.
            std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    }

    /// Removes a folder and all that is in it; no error when it is not there. First it goes out of sight in one step,
    /// so that a removal that is cut short leaves nothing half-removed in use.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        remove_tree(&self.put_away(path)?)
    }

    /// Only the step out of sight; gives where it is now, for [`remove_tree`].
    pub(super) fn put_away(&self, path: &Path) -> io::Result<PathBuf> {
        let away = self.scratch();
        match fs::rename(path, &away) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(away),
        }
    }

    fn empty_trash(&self) {
        let Ok(items) = fs::read_dir(self.trash()) else { return };
        for item in items.flatten() {
            if let Err(error) = remove_tree(&item.path()) {
                tracing::warn!(path = %item.path().display(), error.message = %error, "cannot remove what an earlier process left");
            }
        }
    }
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a tree without following links, folders that forbid it included.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path)?;
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        done => done,
    }
}

/// Makes every folder of a tree passable to its owner, us. What an agent made unreadable is still ours to remove.
fn open_folders(root: &Path) -> io::Result<()> {
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        if !fs::symlink_metadata(&folder)?.is_dir() {
            continue;
        }
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for item in fs::read_dir(&folder)? {
            let item = item?;
            if item.file_type()?.is_dir() {
                pending.push(item.path());
            }
        }
    }
    Ok(())
}

/// Whether `user` may pass through `path` and all above it.
pub(super) fn can_enter(path: &Path, user: User) -> bool {
    path.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|meta| may(&meta, user, 0o1)))
}

/// Whether `user` has all of `bits` (4 read, 1 execute) on what `meta` describes. Access lists are not looked at.
pub(super) fn may(meta: &fs::Metadata, user: User, bits: u32) -> bool {
    let shift = if meta.uid() == user.uid {
        6
    } else if meta.gid() == user.gid {
        3
    } else {
        0
    };
    meta.mode() >> shift & bits == bits
}

/// Writes a file so that it is there whole or not at all, readable by us alone.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::{Folders, User, can_enter};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn removal_follows_no_link_and_no_lock_stops_it() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::new(&dir.path().join("data"), None).unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let victim = folders.homes().join("a.1");
        folders.make_theirs(&victim).unwrap();
        fs::create_dir_all(victim.join("locked/deeper")).unwrap();
        fs::write(victim.join("locked/deeper/file"), "x").unwrap();
        symlink(&outside, victim.join("link")).unwrap();
        symlink(&outside, victim.join("locked/deeper/link")).unwrap();
        symlink("/", victim.join("root")).unwrap();
        fs::set_permissions(victim.join("locked/deeper"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(victim.join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
        folders.remove(&victim).unwrap();
        assert!(!victim.exists());
        assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "x");
        assert_eq!(fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o755);
        folders.remove(&victim).unwrap();
        assert_eq!(fs::read_dir(folders.root().join("trash")).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_was_removing_is_removed_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::new(dir.path(), None).unwrap();
        let half = folders.scratch();
        fs::create_dir(&half).unwrap();
        fs::write(half.join("x"), "x").unwrap();
        drop(folders);
        Folders::new(dir.path(), None).unwrap();
        assert!(!half.exists());
    }

    #[test]
    fn a_closed_parent_keeps_another_user_out() {
        let dir = tempfile::tempdir().unwrap();
        let user = User { uid: 54_321, gid: 54_321 };
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(can_enter(&inner, user));
        fs::set_permissions(dir.path().join("a"), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!can_enter(&inner, user));
    }
}
