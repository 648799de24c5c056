//! Which names this server answers to, and which pages may use it: against DNS rebinding and cross-site requests.

use crate::error::ApiError;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// The names and addresses of this server.
#[derive(Debug, Clone)]
pub(crate) struct Hosts {
    listen: IpAddr,
    names: Vec<String>,
}

/// A host and maybe a port, of a Host header or an Origin.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPort {
    host: String,
    port: Option<u16>,
}

impl HostPort {
    fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let port = match authority.port() {
            Some(port) => Some(port.as_str().parse().ok()?),
            None => None,
        };
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        Some(Self { host, port })
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok().map(|ip: IpAddr| ip.to_canonical())
    }
}

impl Hosts {
    pub(crate) fn new(listen: SocketAddr, public_names: &[String]) -> Self {
        let names = public_names.iter().map(|name| name.trim().trim_end_matches('.').to_ascii_lowercase()).collect();
        Self { listen: listen.ip().to_canonical(), names }
    }

    fn is_ours(&self, host: &HostPort) -> bool {
        match host.ip() {
            // An address cannot be rebound: a page that was loaded from it is this server's own.
            Some(ip) => ip.is_loopback() || ip == self.listen || self.listen.is_unspecified(),
            None => host.host == "localhost" || self.names.contains(&host.host),
        }
    }

    /// Refuses a request for a host that is not this server: a stranger's name that was made to point here.
    pub(crate) fn check_host(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        let named = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        let mut hosts = headers.get_all(header::HOST).iter();
        let one = hosts.next().is_some() && hosts.next().is_none();
        let ours = |text: &str| HostPort::parse(text).is_some_and(|host| self.is_ours(&host));
        if one && named.is_some_and(ours) && uri.authority().is_none_or(|authority| ours(authority.as_str())) {
            return Ok(());
        }
        let shown: String = named.unwrap_or("none").chars().take(100).collect();
        Err(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "forbidden",
            format!("the request is for the host `{shown}`, which is not a name of this server"),
            Some("Use an address of this server, or add the name to `server.public_names` in strawboss.yaml.".to_owned()),
        ))
    }

    /// Refuses a request of a page that is not this server's.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let text = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
        if text.is_some_and(|origin| self.same_origin(origin, headers)) {
            return Ok(());
        }
        let shown: String = text.unwrap_or("none").chars().take(100).collect();
        Err(ApiError::forbidden(
            format!("the page that asks has the origin `{shown}`, which is not this server's"),
            "Open Strawboss by one of its own addresses; a proxy in between must pass the Host header on, or its name must be in \
             `server.public_names`.",
        ))
    }

    fn same_origin(&self, origin: &str, headers: &HeaderMap) -> bool {
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let default = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        let Some(origin) = HostPort::parse(rest) else { return false };
        if self.names.contains(&origin.host) {
            return true;
        }
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).and_then(HostPort::parse);
        host.is_some_and(|host| host.host == origin.host && host.port.unwrap_or(default) == origin.port.unwrap_or(default))
    }
}

#[cfg(test)]
mod tests {
    use super::Hosts;
    use http::{HeaderMap, HeaderValue, Uri};

    fn hosts(listen: &str) -> Hosts {
        Hosts::new(listen.parse().unwrap(), &["Crew.example.org".to_owned()])
    }

    fn with(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_our_names_are_served() {
        let uri = Uri::from_static("/");
        let ours = hosts("192.0.2.5:7070");
        for good in [
            "localhost",
            "LOCALHOST:7070",
            "127.0.0.1:7070",
            "127.1.2.3",
            "[::1]:7070",
            "192.0.2.5",
            "crew.example.org",
            "crew.example.org.:443",
        ] {
            assert!(ours.check_host(&with(&[("host", good)]), &uri).is_ok(), "{good}");
        }
        for bad in
            ["evil.example", "localhost.evil.example", "192.0.2.6", "crew.example.org.evil.example", "", "a@localhost", "[::2]"]
        {
            let error = ours.check_host(&with(&[("host", bad)]), &uri).unwrap_err();
            assert_eq!(error.status.as_u16(), 421, "{bad}");
        }
        assert!(ours.check_host(&HeaderMap::new(), &uri).is_err(), "no host");
        assert!(ours.check_host(&with(&[("host", "localhost"), ("host", "localhost")]), &uri).is_err(), "two hosts");
        let elsewhere = Uri::from_static("http://evil.example/api/v1/tasks");
        assert!(ours.check_host(&with(&[("host", "localhost")]), &elsewhere).is_err(), "absolute form");
    }

    #[test]
    fn listening_everywhere_serves_addresses_but_not_names() {
        let uri = Uri::from_static("/");
        let ours = hosts("0.0.0.0:7070");
        assert!(ours.check_host(&with(&[("host", "198.51.100.7:7070")]), &uri).is_ok());
        assert!(ours.check_host(&with(&[("host", "evil.example:7070")]), &uri).is_err());
    }

    #[test]
    fn only_our_pages_may_ask() {
        let ours = hosts("127.0.0.1:7070");
        for (origin, host) in [
            ("http://localhost:7070", "localhost:7070"),
            ("http://127.0.0.1:7070", "127.0.0.1:7070"),
            ("https://crew.example.org", "127.0.0.1:7070"),
            ("https://localhost", "localhost:443"),
            ("http://localhost", "localhost"),
        ] {
            assert!(ours.check_origin(&with(&[("origin", origin), ("host", host)])).is_ok(), "{origin} at {host}");
        }
        for (origin, host) in [
            ("http://localhost:3000", "localhost:7070"),
            ("http://evil.example", "localhost:7070"),
            ("null", "localhost:7070"),
            ("file://", "localhost:7070"),
            ("http://localhost:7070.evil.example", "localhost:7070"),
            ("http://localhost:7070@evil.example", "localhost:7070"),
            ("chrome-extension://localhost:7070", "localhost:7070"),
        ] {
            assert!(ours.check_origin(&with(&[("origin", origin), ("host", host)])).is_err(), "{origin} at {host}");
        }
        assert!(ours.check_origin(&with(&[("host", "localhost:7070")])).is_err(), "no origin");
    }
}
