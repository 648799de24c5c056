//! Names and connections as this host has them, behind a trait so that tests can lie about them.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use tokio::net::TcpStream;

/// What the proxy needs of the host it runs on.
#[async_trait::async_trait]
pub trait HostNet: Send + Sync {
    /// The addresses of a name, in the order in which to try them.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
    /// Whether an address is this host's own.
    fn owns(&self, address: IpAddr) -> bool;
    /// Connects to an address that was checked.
    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// The host as it is.
#[derive(Debug, Clone, Copy)]
pub struct SystemNet {
    /// Any address can be bound here (`ip_nonlocal_bind`), so that binding proves nothing.
    binds_anything: bool,
}

impl SystemNet {
    /// Looks at the host once.
    pub fn new() -> Self {
        // From a range that is set aside for documentation, so nobody's.
        let nobodys = IpAddr::from([192, 0, 2, 1]);
        Self { binds_anything: binds(nobodys) }
    }
}

impl Default for SystemNet {
    fn default() -> Self {
        Self::new()
    }
}

/// A host can bind its own addresses only. That is always up to date and needs no list of interfaces.
fn binds(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

/// The way to one's own address begins at that address. Connecting a UDP socket sends nothing.
fn leads_home(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    UdpSocket::bind((any, 0))
        .and_then(|socket| {
            socket.connect((address, 9))?;
            socket.local_addr()
        })
        .is_ok_and(|local| local.ip() == address)
}

#[async_trait::async_trait]
impl HostNet for SystemNet {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // The dot keeps the host's search list out of it: `mirror.evil.test` must not become `mirror.evil.test.corp.lan`.
        let absolute = if name.contains('.') { format!("{name}.") } else { name.to_owned() };
        let found = tokio::net::lookup_host((absolute.as_str(), 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }

    fn owns(&self, address: IpAddr) -> bool {
        leads_home(address) || (!self.binds_anything && binds(address))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}

#[cfg(test)]
mod tests {
    use super::{HostNet, SystemNet};
    use std::net::IpAddr;

    #[tokio::test]
    async fn the_hosts_own_addresses_are_known() {
        let net = SystemNet::new();
        assert!(net.owns(IpAddr::from([127, 0, 0, 1])));
        assert!(!net.owns(IpAddr::from([93, 184, 216, 34])));
        // The address that this host goes out with, if it has a way out at all.
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("93.184.216.34:9").is_ok() {
            assert!(net.owns(socket.local_addr().unwrap().ip()));
        }
        assert!(net.resolve("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }
}
