//! Which addresses lead inward: to this host, its network, or nowhere that the open net knows. Only plain global unicast
//! passes; a form that carries another address inside it does not, whatever that one is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Inward {
    /// 127.0.0.0/8, ::1
    #[error("it is a loopback address")]
    Loopback,
    /// 0.0.0.0/8, ::
    #[error("it is an unspecified address")]
    Unspecified,
    /// RFC 1918, fc00::/7, fec0::/10
    #[error("it is an address of a private network")]
    Private,
    /// 169.254.0.0/16, fe80::/10
    #[error("it is a link-local address")]
    LinkLocal,
    /// 100.64.0.0/10
    #[error("it is an address of a carrier's or overlay's inner network")]
    Shared,
    /// Where clouds tell machines their credentials.
    #[error("it is a cloud's metadata service")]
    Metadata,
    /// 224.0.0.0/4, ff00::/8, 255.255.255.255
    #[error("it is a multicast or broadcast address")]
    Multicast,
    /// Documentation, benchmarks, future use, and all else that is not assigned to the open net.
    #[error("it is a reserved address")]
    Reserved,
    /// IPv4-mapped, -compatible, NAT64, 6to4, Teredo: another address inside.
    #[error("it is an IPv6 form with an IPv4 address inside")]
    Translated,
    /// One of this host's own.
    #[error("it is this host's own address")]
    Own,
}

/// Says why an address is refused; none when it may be connected to. Whether it is the host's own is not known here.
pub fn inward(address: IpAddr) -> Option<Inward> {
    match address {
        IpAddr::V4(v4) => inward_v4(v4),
        IpAddr::V6(v6) => inward_v6(v6),
    }
}

fn inward_v4(address: Ipv4Addr) -> Option<Inward> {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        // AWS and most others; Alibaba; Oracle; Azure's, which looks like any address of the open net.
        (169, 254, 169, 254) | (100, 100, 100, 200) | (192, 0, 0, 192) | (168, 63, 129, 16) => Some(Inward::Metadata),
        (0, ..) => Some(Inward::Unspecified),
        (127, ..) => Some(Inward::Loopback),
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) => Some(Inward::Private),
        (169, 254, ..) => Some(Inward::LinkLocal),
        (100, 64..=127, ..) => Some(Inward::Shared),
        // The 6to4 relays.
        (192, 88, 99, _) => Some(Inward::Translated),
        (224..=239, ..) | (255, 255, 255, 255) => Some(Inward::Multicast),
        // Protocol assignments; three of documentation; benchmarks; future use.
        (192, 0, 0 | 2, _) | (198, 51, 100, _) | (203, 0, 113, _) | (198, 18..=19, ..) | (240..=255, ..) => {
            Some(Inward::Reserved)
        }
        _ => None,
    }
}

fn inward_v6(address: Ipv6Addr) -> Option<Inward> {
    let parts = address.segments();
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Inward::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Inward::Loopback),
        // AWS.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Some(Inward::Metadata),
        // IPv4-compatible and -mapped, translated (SIIT), NAT64 (both), 6to4, Teredo.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, ..] | [0x2002, ..] | [0x2001, 0, ..] => {
            Some(Inward::Translated)
        }
        // ISATAP hides an IPv4 address in the lower half of any prefix.
        [.., 0 | 0x200, 0x5efe, _, _] => Some(Inward::Translated),
        // Protocol assignments, documentation (both).
        [0x2001, 0x1..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some(Inward::Reserved),
        [0x2000..=0x3fff, ..] => None,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(Inward::Private),
        [0xfe80..=0xfebf, ..] => Some(Inward::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Inward::Multicast),
        _ => Some(Inward::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::{Inward, inward};
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn says(text: &str) -> Option<Inward> {
        inward(text.parse().unwrap())
    }

    #[test]
    fn each_way_in_is_named() {
        for (text, expected) in [
            ("127.0.0.1", Inward::Loopback),
            ("127.255.255.254", Inward::Loopback),
            ("0.0.0.0", Inward::Unspecified),
            ("0.1.2.3", Inward::Unspecified),
            ("10.0.0.1", Inward::Private),
            ("172.16.0.1", Inward::Private),
            ("172.31.255.255", Inward::Private),
            ("192.168.1.1", Inward::Private),
            ("169.254.1.1", Inward::LinkLocal),
            ("169.254.169.254", Inward::Metadata),
            ("168.63.129.16", Inward::Metadata),
            ("100.100.100.200", Inward::Metadata),
            ("100.64.0.1", Inward::Shared),
            ("100.127.255.255", Inward::Shared),
            ("192.0.0.1", Inward::Reserved),
            ("192.0.2.1", Inward::Reserved),
            ("198.18.0.1", Inward::Reserved),
            ("198.51.100.1", Inward::Reserved),
            ("203.0.113.1", Inward::Reserved),
            ("240.0.0.1", Inward::Reserved),
            ("224.0.0.1", Inward::Multicast),
            ("239.255.255.255", Inward::Multicast),
            ("255.255.255.255", Inward::Multicast),
            ("192.88.99.1", Inward::Translated),
            ("::", Inward::Unspecified),
            ("::1", Inward::Loopback),
            ("::ffff:8.8.8.8", Inward::Translated),
            ("::ffff:127.0.0.1", Inward::Translated),
            ("::127.0.0.1", Inward::Translated),
            ("64:ff9b::808:808", Inward::Translated),
            ("64:ff9b:1::1", Inward::Translated),
            ("2002:7f00:1::", Inward::Translated),
            ("2001:0:1::1", Inward::Translated),
            ("2600::5efe:7f00:1", Inward::Translated),
            ("2600::200:5efe:7f00:1", Inward::Translated),
            ("fe80::1", Inward::LinkLocal),
            ("fec0::1", Inward::Private),
            ("fc00::1", Inward::Private),
            ("fd00:ec2::254", Inward::Metadata),
            ("ff02::1", Inward::Multicast),
            ("2001:db8::1", Inward::Reserved),
            ("2001:20::1", Inward::Reserved),
            ("3fff::1", Inward::Reserved),
            ("100::1", Inward::Reserved),
            ("5f00::1", Inward::Reserved),
            ("4000::1", Inward::Reserved),
        ] {
            assert_eq!(says(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn the_open_net_is_open() {
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "2001:200::1",
        ] {
            assert_eq!(says(text), None, "{text}");
        }
    }

    /// The same ranges, written down another way.
    const REFUSED_V4: [(u32, u32); 17] = [
        (0x0000_0000, 8),
        (0x0A00_0000, 8),
        (0x6440_0000, 10),
        (0x7F00_0000, 8),
        (0xA9FE_0000, 16),
        (0xAC10_0000, 12),
        (0xC000_0000, 24),
        (0xC000_0200, 24),
        (0xC058_6300, 24),
        (0xC0A8_0000, 16),
        (0xC612_0000, 15),
        (0xC633_6400, 24),
        (0xCB00_7100, 24),
        (0xE000_0000, 4),
        (0xF000_0000, 4),
        (0xA83F_8110, 32),
        (0xFFFF_FFFF, 32),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn v4_is_refused_exactly_where_a_table_of_prefixes_says(any in any::<u32>(), at in 0usize..17, low in any::<u32>(), off in -1i64..=1) {
            let (base, bits) = REFUSED_V4[at];
            let within = base | low.checked_shr(bits).unwrap_or(0);
            let edge = (i64::from(base) + off).clamp(0, i64::from(u32::MAX)) as u32;
            for address in [any, within, edge] {
                let refused = REFUSED_V4.iter().any(|(base, bits)| (address ^ base).checked_shr(32 - bits).unwrap_or(0) == 0);
                prop_assert_eq!(inward(IpAddr::V4(Ipv4Addr::from(address))).is_some(), refused, "{}", Ipv4Addr::from(address));
            }
        }

        #[test]
        fn an_address_inside_another_never_passes(v4 in any::<u32>(), rest in any::<u64>(), prefix in any::<u64>()) {
            let (hi, lo) = ((v4 >> 16) as u16, v4 as u16);
            let [a, b, c, d] = [(rest >> 48) as u16, (rest >> 32) as u16, (rest >> 16) as u16, rest as u16];
            let [p, q, r, s] = [(prefix >> 48) as u16, (prefix >> 32) as u16, (prefix >> 16) as u16, prefix as u16];
            for address in [
                Ipv4Addr::from(v4).to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, hi, lo),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, hi, lo),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, hi, lo),
                Ipv6Addr::new(0x64, 0xff9b, 1, b, c, d, hi, lo),
                Ipv6Addr::new(0x2002, hi, lo, a, b, c, d, d),
                Ipv6Addr::new(0x2001, 0, a, b, c, d, hi, lo),
                Ipv6Addr::new(p, q, r, s, 0, 0x5efe, hi, lo),
            ] {
                prop_assert!(inward(IpAddr::V6(address)).is_some(), "{}", address);
            }
        }

        #[test]
        fn v6_passes_only_within_global_unicast(any in any::<u128>()) {
            let address = Ipv6Addr::from(any);
            if inward(IpAddr::V6(address)).is_none() {
                prop_assert_eq!(any >> 125, 0b001, "{}", address);
            }
        }
    }
}
