//! Connects to what a policy allowed: resolves the name once, checks every address, and connects to one of those, so that
//! a name cannot mean one thing when it is checked and another when it is connected to.

use super::address::{Inward, inward};
use super::net::HostNet;
use super::target::{Host, Target};
use crate::outbound::{Outbound, tunnel};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// Names with more addresses than this are not tried to their end.
const MAX_ADDRESSES: usize = 8;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its address is none of the open net.
    #[error("`{host}` leads inward: {address}: {why}")]
    Inward {
        /// As asked for.
        host: Host,
        /// One of its addresses.
        address: IpAddr,
        /// What is wrong with that.
        why: Inward,
    },
    /// It has no address.
    #[error("the name `{0}` could not be resolved: {1}")]
    Unresolved(Host, #[source] io::Error),
    /// Nobody answers there.
    #[error("could not connect to {0}: {1}")]
    Unreachable(Target, #[source] io::Error),
}

fn timed_out(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()))
}

/// A connection to an allowed target. `internal` targets may be anywhere; all others must be of the open net.
pub(super) async fn dial(
    net: &dyn HostNet,
    outbound: &Outbound,
    limit: Duration,
    target: &Target,
    internal: bool,
    https: bool,
) -> Result<TcpStream, DialError> {
    let scheme = if https { "https" } else { "http" };
    let uri: Option<http::Uri> = format!("{scheme}://{target}/").parse().ok();
    let proxy = uri.as_ref().and_then(|uri| outbound.proxy_for(uri));
    let resolved = resolve(net, &target.host, limit).await;
    if let (Some(proxy), Some(uri)) = (proxy, uri) {
        // Behind a proxy the outer names may be unknown here: then the proxy alone says where they lead.
        if !internal && let Ok(addresses) = &resolved {
            check(net, &target.host, addresses)?;
        }
        return tunnel(&proxy, uri, limit).await.map_err(|error| DialError::Unreachable(target.clone(), error));
    }
    let mut addresses = resolved?;
    if !internal {
        addresses = check(net, &target.host, &addresses)?;
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        match tokio::time::timeout(limit, net.connect(SocketAddr::new(address, target.port))).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| DialError::Unreachable(target.clone(), error))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = timed_out(limit),
        }
    }
    Err(DialError::Unreachable(target.clone(), last))
}

async fn resolve(net: &dyn HostNet, host: &Host, limit: Duration) -> Result<Vec<IpAddr>, DialError> {
    match host {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => match tokio::time::timeout(limit, net.resolve(name)).await {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(DialError::Unresolved(host.clone(), error)),
            Err(_) => Err(DialError::Unresolved(host.clone(), timed_out(limit))),
        },
    }
}

/// Those that may be connected to. One that leads inward condemns the whole name, but for forms of the same outer
/// address that a network's translator adds (NAT64), which are left out.
fn check(net: &dyn HostNet, host: &Host, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, DialError> {
    let mut open = Vec::new();
    let mut refused = None;
    for address in addresses {
        match inward(*address).or_else(|| net.owns(*address).then_some(Inward::Own)) {
            None => open.push(*address),
            Some(why) => {
                refused.get_or_insert(DialError::Inward { host: host.clone(), address: *address, why });
                if why != Inward::Translated {
                    open.clear();
                    break;
                }
            }
        }
    }
    match refused {
        Some(error) if open.is_empty() => Err(error),
        _ => Ok(open),
    }
}
