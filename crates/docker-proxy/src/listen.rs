//! The socket that the control plane dials: its file says who may.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::net::UnixListener;

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
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    match std::fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail("replace", error)),
        _ => {}
    }
    // Nobody but us until it is as it should be: connecting needs the right to write.
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(fresh);
    rustix::process::umask(mask);
    let listener = listener.map_err(|error| fail("listen on", error))?;
    let placed = (|| {
        // In this order: of what is somebody else's, the mode is no longer ours to set.
        std::fs::set_permissions(fresh, std::fs::Permissions::from_mode(file.mode & 0o777))?;
        if file.uid.is_some() || file.gid.is_some() {
            std::os::unix::fs::chown(fresh, file.uid, file.gid)?;
        }
        std::fs::rename(fresh, path)
    })();
    placed.map_err(|error| fail("set owner and mode of", error))?;
    Ok(listener)
}
