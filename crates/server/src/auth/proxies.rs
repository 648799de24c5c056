//! Proxies whose word about who asks is taken.

use http::HeaderMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long a proxy's name may take to be looked up.
const LOOK_UP: Duration = Duration::from_secs(2);

/// A proxy: an address, a network, or a name (a service of Compose changes its address).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedProxy {
    /// All addresses whose first bits are these.
    Network(IpAddr, u8),
    /// Looked up when it is asked about.
    Name(String),
}

impl std::str::FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most));
            let bits = bits.ok_or_else(|| format!("`{text}` is no network: a number from 0 to {most} follows the slash"))?;
            return Ok(Self::Network(address, bits));
        }
        let name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if name && bits.is_none() && !text.is_empty() && text.len() <= 253 {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(format!("`{text}` is no address, network or host name"))
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        // At the top, so that a prefix is one for both kinds.
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl TrustedProxy {
    async fn is(&self, peer: IpAddr) -> bool {
        match self {
            Self::Network(network, bits) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0);
                network.is_ipv4() == peer.is_ipv4() && bits_of(*network) & mask == bits_of(peer) & mask
            }
            Self::Name(name) => {
                let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((name.as_str(), 0))).await;
                found.is_ok_and(|found| found.is_ok_and(|mut found| found.any(|one| one.ip().to_canonical() == peer)))
            }
        }
    }
}

/// The address of who asks: the peer's, or what a trusted proxy says it is.
pub(crate) async fn client(trusted: &[TrustedProxy], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    // The last entry is the proxy's own; what stands before it anybody may have sent.
    let said = headers.get_all("x-forwarded-for").iter().next_back();
    let said = said.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    let Some(said) = said else { return peer };
    for proxy in trusted {
        if proxy.is(peer).await {
            return said.to_canonical();
        }
    }
    peer
}

#[cfg(test)]
mod tests {
    use super::{TrustedProxy, client};
    use http::{HeaderMap, HeaderValue};

    #[tokio::test]
    async fn only_a_trusted_proxy_is_believed() {
        let trusted: Vec<TrustedProxy> =
            ["10.1.0.0/16", "2001:db8::/32", "localhost"].iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        let who = async |peer: &str, headers: &HeaderMap| client(&trusted, peer.parse().unwrap(), headers).await.to_string();
        assert_eq!(who("10.1.2.3", &headers).await, "10.1.2.3", "nothing was said");
        headers.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        headers.append("x-forwarded-for", HeaderValue::from_static("1.2.3.4, 192.0.2.7"));
        assert_eq!(who("10.1.2.3", &headers).await, "192.0.2.7");
        assert_eq!(who("2001:db8:7::1", &headers).await, "192.0.2.7");
        assert_eq!(who("::ffff:10.1.2.3", &headers).await, "192.0.2.7");
        assert_eq!(who("127.0.0.1", &headers).await, "192.0.2.7", "by its name");
        assert_eq!(who("10.2.2.3", &headers).await, "10.2.2.3");
        headers.insert("x-forwarded-for", HeaderValue::from_static("unknown"));
        assert_eq!(who("10.1.2.3", &headers).await, "10.1.2.3");
    }

    #[test]
    fn what_is_no_proxy_is_said_so() {
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/x", "::/129", "a b", "edge/24", "http://edge"] {
            assert!(wrong.parse::<TrustedProxy>().is_err(), "{wrong}");
        }
        assert_eq!("0.0.0.0/0".parse(), Ok(TrustedProxy::Network("0.0.0.0".parse().unwrap(), 0)));
    }
}
