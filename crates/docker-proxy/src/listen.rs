//! The socket that the control plane dials: its file says who may.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use tokio::net::UnixListener;

/// Where a socket is until it is placed, beside its place.
const FRESH: &str = ".docker-proxy.new";

/// Whose the socket's file is, and who may use it.
#[derive(Debug, Clone, Copy)]
pub struct SocketFile {
    /// Permission bits.
    pub mode: u32,
    /// Its owner; none: this program's user.
    pub uid: Option<u32>,
    /// Its group; none: this program's.
    pub gid: Option<u32>,
}

/// Binds a socket that nobody could dial before it was as `file` says. One that is there, of a program that ended, is replaced.
pub(crate) fn bind(path: &Path, file: SocketFile) -> io::Result<UnixListener> {
    let fail = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()));
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(fail("listen on", io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")));
    }
    // In a folder of ours until it is as it should be: connecting needs the right to write, and a new socket gives it away.
    let folder = path.parent().unwrap_or(Path::new("/")).join(FRESH);
    let swept = match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => DirBuilder::new().mode(0o700).create(&folder),
    };
    swept.map_err(|error| fail("make room for", error))?;
    let fresh = folder.join("socket");
    let listener = UnixListener::bind(&fresh).map_err(|error| fail("listen on", error))?;
    let placed = (|| {
        // In this order: of what is somebody else's, the mode is no longer ours to set.
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(file.mode & 0o777))?;
        if file.uid.is_some() || file.gid.is_some() {
            std::os::unix::fs::chown(&fresh, file.uid, file.gid)?;
        }
        std::fs::rename(&fresh, path)?;
        std::fs::remove_dir(&folder)
    })();
    placed.map_err(|error| fail("set owner and mode of", error))?;
    Ok(listener)
}
