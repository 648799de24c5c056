//! The folders of doors: the one place of the host that a container may bind.
//!
//! Whoever may write a folder decides what its names mean: behind a name that was judged, a link to `/` could stand when
//! the engine mounts it. So a door's folder is moved, before a container binds it, to where nobody but this program
//! may write, and a link is left in its place. `FOLDER/doors` is the control plane's, `FOLDER/bound` ours.

use crate::refusal::{Refusal, quoted};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The control plane's folder.
const DOORS: &str = "doors";
/// Ours.
const BOUND: &str = "bound";
/// `/etc/hosts` of every sandbox, in [`BOUND`].
const HOSTS: &str = "hosts";
const HOSTS_TEXT: &str = "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n";
/// A folder between its two places.
const MOVING: &str = ".new-";

/// A source that may be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DoorPath {
    Folder(String),
    Hosts(String),
}

/// The folder of doors as the engine knows it.
#[derive(Debug, Clone)]
pub(crate) struct DoorsPrefix(String);

impl DoorsPrefix {
    pub(crate) fn new(path: &str) -> Self {
        Self(path.trim_end_matches('/').to_owned())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Which door a source is, when it is one: everything but its name is given.
    pub(crate) fn parse(&self, source: &str) -> Option<DoorPath> {
        let rest = source.strip_prefix(self.0.as_str())?.strip_prefix('/')?;
        let rest = rest.strip_prefix(DOORS).or_else(|| rest.strip_prefix(BOUND))?.strip_prefix('/')?;
        let (name, hosts) = rest.strip_suffix("/hosts").map_or((rest, false), |name| (name, true));
        if !is_door(name) {
            return None;
        }
        Some(if hosts { DoorPath::Hosts(name.to_owned()) } else { DoorPath::Folder(name.to_owned()) })
    }

    /// What is bound in its place.
    pub(crate) fn bound(&self, path: &DoorPath) -> String {
        match path {
            DoorPath::Folder(name) => format!("{}/{BOUND}/{name}", self.0),
            DoorPath::Hosts(_) => format!("{}/{BOUND}/{HOSTS}", self.0),
        }
    }
}

/// As the control plane names its doors.
fn is_door(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The folder of doors as this program sees it.
#[derive(Debug)]
pub(crate) struct Doors {
    folder: PathBuf,
    doors: OwnedFd,
    bound: OwnedFd,
    /// One move at a time.
    moving: Mutex<()>,
}

fn fail(what: &str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let text = format!("{what} {}", path.display());
    move |error| io::Error::new(error.kind(), format!("{text}: {error}"))
}

impl Doors {
    /// Takes `folder` over and gives `folder/doors` to the control plane's user.
    pub(crate) fn prepare(folder: &Path, uid: Option<u32>, gid: Option<u32>) -> io::Result<Self> {
        let folder = folder.canonicalize().map_err(fail("find the folder of doors", folder))?;
        let me = rustix::process::geteuid().as_raw();
        if fs::metadata(&folder)?.uid() != me {
            std::os::unix::fs::chown(&folder, Some(me), None).map_err(fail("take over the folder of doors", &folder))?;
        }
        // Nobody else may put anything in the place of the two folders.
        let mode = fs::metadata(&folder)?.permissions().mode();
        fs::set_permissions(&folder, Permissions::from_mode(mode & 0o755 | 0o711))
            .map_err(fail("close to other writers", &folder))?;
        let (doors, bound) = (folder.join(DOORS), folder.join(BOUND));
        for (path, mode) in [(&doors, 0o700), (&bound, 0o711)] {
            match DirBuilder::new().mode(mode).create(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail("make", path)(error)),
                _ => {}
            }
        }
        let open = |path: &Path| {
            rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| fail("open", path)(error.into()))
        };
        let (doors_fd, bound_fd) = (open(&doors)?, open(&bound)?);
        if rustix::fs::fstat(&doors_fd)?.st_uid == me {
            rustix::fs::fchmod(&doors_fd, Mode::from_raw_mode(0o700))?;
        }
        if uid.is_some() || gid.is_some() {
            rustix::fs::fchown(&doors_fd, uid.map(Uid::from_raw), gid.map(Gid::from_raw))
                .map_err(|error| fail("give to the control plane's user", &doors)(error.into()))?;
        }
        if rustix::fs::fstat(&bound_fd)?.st_uid != me {
            return Err(io::Error::other(format!("{} belongs to somebody else; remove it", bound.display())));
        }
        rustix::fs::fchmod(&bound_fd, Mode::from_raw_mode(0o711))?;
        let hosts = bound.join(HOSTS);
        fs::write(&hosts, HOSTS_TEXT).map_err(fail("write", &hosts))?;
        fs::set_permissions(&hosts, Permissions::from_mode(0o644))?;
        let prepared = Self { folder, doors: doors_fd, bound: bound_fd, moving: Mutex::default() };
        prepared.sweep();
        Ok(prepared)
    }

    /// The folder, for what else is kept in it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves the door's folder to our side, when it is not there yet. Then nobody can put anything in its place.
    pub(crate) fn adopt(&self, name: &str) -> Result<(), Refusal> {
        let _held = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        self.sweep();
        self.adopt_held(name).map_err(|why| Refusal::new("binds", format!("the door {} cannot be bound: {why}", quoted(name))))
    }

    fn adopt_held(&self, name: &str) -> Result<(), String> {
        let text = |error: Errno| error.to_string();
        match kind(&self.doors, name).map_err(text)? {
            None => Err("there is no such door".to_owned()),
            Some(FileType::Symlink) => {
                if !self.is_linked(name) {
                    return Err("it is a link to somewhere else".to_owned());
                }
                match kind(&self.bound, name).map_err(text)? {
                    Some(FileType::Directory) => Ok(()),
                    _ => Err("it was removed".to_owned()),
                }
            }
            Some(FileType::Directory) => {
                let moving = format!("{MOVING}{name}");
                // Of a door that was closed and is opened anew, or a move that was cut short before.
                self.discard(name)?;
                self.discard(&moving)?;
                rustix::fs::symlinkat(format!("../{BOUND}/{name}"), &self.bound, moving.as_str()).map_err(text)?;
                rustix::fs::renameat_with(&self.doors, name, &self.bound, moving.as_str(), RenameFlags::EXCHANGE)
                    .map_err(text)?;
                // What was moved is what is looked at: until then it could have become anything.
                if kind(&self.bound, &moving).map_err(text)? != Some(FileType::Directory) {
                    self.discard(&moving)?;
                    return Err("it is no folder".to_owned());
                }
                rustix::fs::renameat(&self.bound, moving.as_str(), &self.bound, name).map_err(text)
            }
            Some(_) => Err("it is no folder".to_owned()),
        }
    }

    /// Removes what the control plane closed meanwhile: its link is gone, or another door stands in its place.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.folder.join(BOUND)) else { return };
        for entry in entries.flatten() {
            let file = entry.file_name();
            let Some(entry) = file.to_str().filter(|entry| *entry != HOSTS) else { continue };
            let cut_short = entry.strip_prefix(MOVING);
            let linked = self.is_linked(cut_short.unwrap_or(entry));
            let done = match cut_short {
                // This program ended between the two steps of a move.
                Some(name)
                    if linked
                        && matches!(kind(&self.bound, entry), Ok(Some(FileType::Directory)))
                        && matches!(kind(&self.bound, name), Ok(None)) =>
                {
                    rustix::fs::renameat(&self.bound, entry, &self.bound, name).map_err(|error| error.to_string())
                }
                None if linked => Ok(()),
                _ => self.discard(entry),
            };
            if let Err(error) = done {
                tracing::warn!(door.name = %entry, error.message = %error, "a closed door's folder stays for now");
            }
        }
    }

    /// The control plane's name for the door is our link to it.
    fn is_linked(&self, name: &str) -> bool {
        rustix::fs::readlinkat(&self.doors, name, Vec::new())
            .is_ok_and(|to| to.to_bytes() == format!("../{BOUND}/{name}").as_bytes())
    }

    fn discard(&self, entry: &str) -> Result<(), String> {
        // Our own folder: nobody changes what the name means between the two.
        match fs::remove_dir_all(self.folder.join(BOUND).join(entry)) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                rustix::fs::unlinkat(&self.bound, entry, AtFlags::empty()).map_err(|error| error.to_string())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }
}

fn kind(dir: &OwnedFd, name: &str) -> Result<Option<FileType>, Errno> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
