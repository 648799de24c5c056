//! Taking the port, and saying clearly why it cannot be had.

use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error(
        "cannot listen on {addr}: the port is taken{}. Stop that program, or choose another port: `server.listen` in \
         strawboss.yaml, STRAWBOSS_LISTEN or `serve --listen`",
        .owner.as_ref().map(|owner| format!(" by {owner}")).unwrap_or_default()
    )]
    Taken {
        /// Where.
        addr: SocketAddr,
        /// Who, if that can be seen.
        owner: Option<Owner>,
    },
    /// Ports below 1024 are for root.
    #[error(
        "cannot listen on {addr}: this user may not take a port below 1024. Use a port from 1024 on and a proxy in front of it"
    )]
    NotAllowed {
        /// Where.
        addr: SocketAddr,
    },
    /// This machine has no such address.
    #[error(
        "cannot listen on {addr}: this machine has no address {}. Use 127.0.0.1, or 0.0.0.0 for all of its addresses",
        .addr.ip()
    )]
    NotHere {
        /// Where.
        addr: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {addr}: {source}")]
    Other {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.name)
    }
}

/// Takes the port.
pub(crate) async fn listen(addr: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(addr).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken { addr, owner: owner(addr.port()) },
        io::ErrorKind::PermissionDenied => ListenError::NotAllowed { addr },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { addr },
        _ => ListenError::Other { addr, source },
    })
}

/// Who listens on a port of this machine, as far as this user may see.
fn owner(port: u16) -> Option<Owner> {
    let mut wanted = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        wanted.extend(listening(&text, port).map(|inode| format!("socket:[{inode}]")));
    }
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files
            .flatten()
            .filter_map(|file| std::fs::read_link(file.path()).ok())
            .any(|target| target.to_str().is_some_and(|target| wanted.iter().any(|wanted| wanted == target)));
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(Owner { pid, name: printable(name.trim()) });
        }
    }
    None
}

/// A process names itself: what it says must not write on our terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The inodes of sockets that listen on `port`, from the kernel's table.
fn listening(table: &str, port: u16) -> impl Iterator<Item = u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).filter_map(move |line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let local = columns.get(1)?.rsplit_once(':')?.1;
        let here = u16::from_str_radix(local, 16).ok()? == port;
        if here && *columns.get(3)? == LISTEN { columns.get(9)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::{ListenError, listen, listening};

    #[test]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0\n   \
             1: 0100007F:1B9E 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0\n   \
             2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0 100 0\nshort line\n";
        assert_eq!(listening(table, 7070).collect::<Vec<_>>(), [4242]);
        assert_eq!(listening(table, 80).count(), 0);
        assert_eq!(listening("", 80).count(), 0);
    }

    #[tokio::test]
    async fn a_taken_port_is_said_with_its_owner() {
        let first = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addr = first.local_addr().unwrap();
        let error = listen(addr).await.unwrap_err();
        let ListenError::Taken { owner, .. } = &error else { panic!("{error}") };
        assert_eq!(owner.as_ref().map(|owner| owner.pid), Some(std::process::id()));
        let text = error.to_string();
        assert!(text.contains(&addr.to_string()) && text.contains("server.listen"), "{text}");
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_said() {
        let error = listen("192.0.2.1:0".parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, ListenError::NotHere { .. }), "{error}");
    }
}
