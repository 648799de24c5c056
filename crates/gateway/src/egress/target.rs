//! What a proxy is asked for, as `host:port`: read strictly, so that what we decide on is what anybody would connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name that DNS knows.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host, as a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower-case ASCII, no trailing dot, never a number.
    Name(String),
    /// An address, in its one canonical form.
    Address(IpAddr),
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port, never 0.
    pub port: u16,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why a text is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// `user@host`
    #[error("a user name has no place in it")]
    UserInfo,
    /// No port where one is needed, or none that is one.
    #[error("the port must be a plain number from 1 to 65535")]
    Port,
    /// Not ASCII, or encoded.
    #[error("the host name must be plain ASCII (write international names in their xn-- form)")]
    Characters,
    /// An empty or too long name or label, or a dash at its edge.
    #[error("the host name is no name that DNS knows")]
    Name,
    /// `0x7f.1`, `2130706433`, `010.0.0.1`: programs read these differently.
    #[error("the address is not written in the usual way (four plain decimal numbers)")]
    OddAddress,
    /// Brackets without an IPv6 address, or with a zone.
    #[error("the IPv6 address in brackets cannot be read")]
    Ipv6,
}

impl Target {
    /// Reads `host:port`; without a port, `default_port` if there is one.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, TargetError> {
        if text.contains('@') {
            return Err(TargetError::UserInfo);
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (inside, after) = rest.split_once(']').ok_or(TargetError::Ipv6)?;
            let address: Ipv6Addr = inside.parse().map_err(|_| TargetError::Ipv6)?;
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or(TargetError::Ipv6)?),
            };
            (Host::Address(IpAddr::V6(address)), port)
        } else {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            (Host::parse(host)?, port)
        };
        let port = match port {
            Some(port) => parse_port(port).ok_or(TargetError::Port)?,
            None => default_port.ok_or(TargetError::Port)?,
        };
        Ok(Self { host, port })
    }
}

pub(super) fn parse_port(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| plain && *port != 0)
}

impl Host {
    /// Reads a name or an IPv4 address. One trailing dot is dropped.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            return Err(TargetError::Characters);
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(TargetError::Name);
        }
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            // A dot behind an address makes it a name for some.
            return if name.len() == text.len() { Ok(Self::Address(IpAddr::V4(address))) } else { Err(TargetError::OddAddress) };
        }
        let labels = || name.split('.');
        if labels().any(|label| label.is_empty() || label.len() > MAX_LABEL || label.starts_with('-') || label.ends_with('-')) {
            return Err(TargetError::Name);
        }
        // As browsers decide it: whose last label is a number is meant as an address.
        let last = labels().next_back().unwrap_or_default().to_ascii_lowercase();
        let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if hex || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TargetError::OddAddress);
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Target, TargetError};
    use proptest::prelude::*;

    #[test]
    fn what_is_plain_is_read() {
        for (text, expected) in [
            ("example.org:443", "example.org:443"),
            ("EXAMPLE.org.:80", "example.org:80"),
            ("xn--bcher-kva.example:443", "xn--bcher-kva.example:443"),
            ("8.8.8.8:53", "8.8.8.8:53"),
            ("[2606:4700:0::1111]:443", "[2606:4700::1111]:443"),
            ("a_b.example.org:1", "a_b.example.org:1"),
            ("1e100.net:443", "1e100.net:443"),
            ("0x.example:443", "0x.example:443"),
        ] {
            assert_eq!(Target::parse(text, None).map(|target| target.to_string()), Ok(expected.to_owned()), "{text}");
        }
        assert_eq!(Target::parse("example.org", Some(80)).unwrap().port, 80);
        assert_eq!(Target::parse("[2606::1]", Some(80)).unwrap().port, 80);
    }

    #[test]
    fn what_is_odd_is_refused() {
        use TargetError as E;
        let long_label = format!("{}.org:443", "a".repeat(64));
        let long_name = format!("{}org:443", "a.".repeat(126));
        for (text, expected) in [
            ("user@example.org:443", E::UserInfo),
            ("example.org:443@127.0.0.1:80", E::UserInfo),
            ("user:pass@example.org:443", E::UserInfo),
            ("example.org", E::Port),
            ("example.org:", E::Port),
            ("example.org:0", E::Port),
            ("example.org:65536", E::Port),
            ("example.org:+80", E::Port),
            ("example.org:80 ", E::Port),
            ("example.org:000080", E::Port),
            ("example.org:80:80", E::Port),
            ("example.org:80#", E::Port),
            ("example.org:80/x", E::Port),
            ("bücher.example:443", E::Characters),
            ("examp\u{200b}le.org:443", E::Characters),
            ("ｅxample.org:443", E::Characters),
            ("127。0。0。1:80", E::Characters),
            ("ex%61mple.org:443", E::Characters),
            ("exa mple.org:443", E::Characters),
            ("example.org\\.evil:443", E::Characters),
            ("example.org\0:443", E::Characters),
            (":443", E::Name),
            (".:443", E::Name),
            ("..:443", E::Name),
            ("example.org..:443", E::Name),
            (".example.org:443", E::Name),
            ("a..b:443", E::Name),
            ("-a.org:443", E::Name),
            ("a-.org:443", E::Name),
            (&long_label, E::Name),
            (&long_name, E::Name),
            ("2130706433:80", E::OddAddress),
            ("0x7f000001:80", E::OddAddress),
            ("0x7F.1:80", E::OddAddress),
            ("0x:80", E::OddAddress),
            ("017700000001:80", E::OddAddress),
            ("0177.0.0.1:80", E::OddAddress),
            ("127.1:80", E::OddAddress),
            ("127.0.0.1.:80", E::OddAddress),
            ("127.0.0.256:80", E::OddAddress),
            ("1.2.3.4.5:80", E::OddAddress),
            ("example.1:80", E::OddAddress),
            ("[::1:80", E::Ipv6),
            ("[::1]80", E::Ipv6),
            ("[fe80::1%25eth0]:80", E::Ipv6),
            ("[127.0.0.1]:80", E::Ipv6),
            ("[]:80", E::Ipv6),
            ("[v1.x]:80", E::Ipv6),
            ("::1:80", E::Name),
        ] {
            assert_eq!(Target::parse(text, None), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,300}") {
            let _ = Target::parse(&text, Some(80));
        }

        #[test]
        fn what_is_read_is_written_the_same_and_as_a_browser_reads_it(text in "[a-zA-Z0-9.:_x\\[\\]-]{1,40}") {
            if let Ok(target) = Target::parse(&text, None) {
                prop_assert_eq!(Target::parse(&target.to_string(), None), Ok(target.clone()));
                if let Ok(url) = url::Url::parse(&format!("http://{text}/")) {
                    let browser = url.host_str().unwrap_or_default().trim_end_matches('.').to_owned();
                    prop_assert_eq!(browser, target.host.to_string());
                    prop_assert_eq!(url.port_or_known_default(), Some(target.port));
                }
            }
        }

        #[test]
        fn a_name_is_never_what_a_resolver_takes_for_an_address(text in "[0-9a-fxX.]{1,20}") {
            if let Ok(Host::Name(name)) = Host::parse(&text) {
                prop_assert!(!matches!(url::Host::parse(&name), Ok(url::Host::Ipv4(_))), "{}", name);
            }
        }
    }
}
