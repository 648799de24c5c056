//! Doors as Unix sockets: each in a folder of its own, which is bound into the sandbox.
//!
//! The folder of all doors is open to nobody but us, so no other user of this machine comes near a socket; a door's
//! own folder is what the sandbox's user may enter, and reaches it by a mount or an inherited descriptor.
//! A door that is opened again (after a restart) puts a new socket into the same folder, so that the mount stays good.

use super::{CONNECTIONS_MAX, Door, DoorStream};
use crate::keyed::locked;
use crate::short_hash;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::SandboxId;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

const SOCKET: &str = "door.sock";
/// Whose door a folder is.
const OWNER: &str = "sandbox";
/// The same of a door that somebody else than the control plane opened, beside its own.
const GUEST: &str = "guest";
/// After so long a guest's door was left behind.
const GUEST_MAX: Duration = Duration::from_mins(10);
/// How long a door waits when this process has no file descriptor left.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);

/// Why a door could not be opened, closed or listed.
#[derive(Debug, thiserror::Error)]
#[error("{what} {}: {source}", path.display())]
pub struct DoorError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn fail(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DoorError {
    let path = path.to_owned();
    move |source| DoorError { what, path, source }
}

/// Which process connected. The pid is 0 when it is in a namespace that ours cannot see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerIds {
    /// Its user.
    pub uid: u32,
    /// Its pid, as we see it.
    pub pid: Option<i32>,
}

/// The doors of one installation.
#[derive(Debug, Clone)]
pub struct SocketDoors {
    root: PathBuf,
    /// Held while folders come and go: one that is being made looks to [`SocketDoors::list`] like one that was cut short.
    folders: Arc<Mutex<()>>,
}

impl SocketDoors {
    /// Doors in `<folder>/doors`, made when missing.
    pub fn new(folder: &Path) -> Result<Self, DoorError> {
        let root = folder.join("doors");
        DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(fail("make the folder of doors", &root))?;
        fs::set_permissions(&root, Permissions::from_mode(0o700)).map_err(fail("close to others the folder of doors", &root))?;
        let root = root.canonicalize().map_err(fail("find the folder of doors", &root))?;
        Ok(Self { root, folders: Arc::default() })
    }

    /// The folder of a sandbox's door, there or not.
    pub fn dir(&self, id: &SandboxId) -> PathBuf {
        self.root.join(short_hash(id.as_str().as_bytes(), 16))
    }

    /// Opens a sandbox's door, or opens it again: the folder stays, the socket is replaced in one step.
    /// Needs a tokio runtime.
    pub fn open(&self, id: &SandboxId) -> Result<SocketDoor, DoorError> {
        self.open_as(id, OWNER)
    }

    /// As [`SocketDoors::open`], for somebody else than the control plane whose doors these are: it does not see this one.
    pub fn open_guest(&self, id: &SandboxId) -> Result<SocketDoor, DoorError> {
        self.open_as(id, GUEST)
    }

    fn open_as(&self, id: &SandboxId, owner: &str) -> Result<SocketDoor, DoorError> {
        let dir = self.dir(id);
        let _held = locked(&self.folders);
        match DirBuilder::new().mode(0o711).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail("make the door", &dir)(error)),
            _ => {}
        }
        // Whatever the umask: the sandbox's user must get in, and has nothing to write here.
        fs::set_permissions(&dir, Permissions::from_mode(0o711)).map_err(fail("let the sandbox's user into the door", &dir))?;
        let owner = dir.join(owner);
        // Not written again: cut short in that, the door of a living sandbox would be nobody's.
        if !fs::read_to_string(&owner).is_ok_and(|text| text == id.as_str()) {
            fs::write(&owner, id.as_str()).map_err(fail("name the door", &dir))?;
        }
        let handle = open_dir(&dir).map_err(fail("open the door's folder", &dir))?;
        // A socket's address holds 107 bytes; through the descriptor any folder is near enough.
        let near = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
        let fresh = near.join(".door.new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail("replace the door's socket", &dir)(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh).map_err(fail("bind the door's socket", &dir))?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o666)).map_err(fail("let the sandbox's user use the door", &dir))?;
        fs::rename(&fresh, near.join(SOCKET)).map_err(fail("replace the door's socket", &dir))?;
        Ok(SocketDoor { dir, listener, permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)) })
    }

    /// Removes a sandbox's door; no error when there is none. Connections that are open stay so until they end.
    pub fn close(&self, id: &SandboxId) -> Result<(), DoorError> {
        let dir = self.dir(id);
        let _held = locked(&self.folders);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fail("remove the door", &dir)(error)),
            _ => Ok(()),
        }
    }

    /// Every sandbox that has a door, by its folder. A folder that was cut short while it was made is removed.
    pub fn list(&self) -> Result<Vec<SandboxId>, DoorError> {
        let mut found = Vec::new();
        let _held = locked(&self.folders);
        for item in fs::read_dir(&self.root).map_err(fail("list doors in", &self.root))? {
            let dir = item.map_err(fail("list doors in", &self.root))?.path();
            let owner = fs::read_to_string(dir.join(OWNER)).ok().and_then(|text| SandboxId::parse(&text).ok());
            match owner {
                Some(id) if self.dir(&id) == dir => found.push(id),
                None if is_guest(&dir) => {}
                _ => {
                    tracing::info!(door.dir = %dir.display(), "removing a door that was never finished");
                    fs::remove_dir_all(&dir).map_err(fail("remove the unfinished door", &dir))?;
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

fn is_guest(dir: &Path) -> bool {
    let opened = fs::metadata(dir.join(GUEST)).and_then(|found| found.modified());
    opened.is_ok_and(|opened| opened.elapsed().is_ok_and(|since| since < GUEST_MAX))
}

/// A descriptor that only names the folder.
fn open_dir(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_DIRECTORY).bits()).open(dir)
}

/// The Unix socket of one sandbox. Dropping it stops listening; the folder stays for the next [`SocketDoors::open`].
#[derive(Debug)]
pub struct SocketDoor {
    dir: PathBuf,
    listener: UnixListener,
    permits: Arc<Semaphore>,
}

#[async_trait::async_trait]
impl Door for SocketDoor {
    fn dir(&self) -> &Path {
        &self.dir
    }

    async fn accept(&self) -> io::Result<DoorStream> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return Ok(DoorStream::new(stream, permit)),
                Err(error) => match error.raw_os_error().map(nix::errno::Errno::from_raw) {
                    Some(nix::errno::Errno::ECONNABORTED | nix::errno::Errno::EINTR) => {}
                    Some(
                        nix::errno::Errno::EMFILE
                        | nix::errno::Errno::ENFILE
                        | nix::errno::Errno::ENOBUFS
                        | nix::errno::Errno::ENOMEM,
                    ) => {
                        tracing::warn!(error.message = %error, "a door waits: raise the limit of open files");
                        tokio::time::sleep(NO_DESCRIPTOR).await;
                    }
                    _ => return Err(error),
                },
            }
        }
    }
}
