//! Which addresses are not for everybody: the special ones of IANA's registries, and those that spell another address.
//!
//! Invariant: what is not known to be public is refused. Of IPv6 that is everything outside 2000::/3, and what of it is set apart; an IPv4
//! address that stands in another one is judged itself, where the address leads to it, and refused where a tunnel would decide.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::granted::Granted;

/// Why an address is not for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// "This host", or "this network".
    Unspecified,
    /// This machine.
    Loopback,
    /// A network of somebody's own.
    Private,
    /// The network between a provider and its customers.
    Carrier,
    /// This link only.
    LinkLocal,
    /// Where clouds tell a machine its secrets.
    Metadata,
    /// Many at once.
    Multicast,
    /// For documentation, which nobody has.
    Documentation,
    /// Set apart for protocols, tests, or later.
    Reserved,
    /// Another address, by way of a tunnel or a translator.
    Tunnel,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Carrier => "an address behind a carrier's translation",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "an address of a cloud's metadata",
            Self::Multicast => "a multicast address",
            Self::Documentation => "an address of documentation",
            Self::Reserved => "a reserved address",
            Self::Tunnel => "an address of a tunnel or a translator",
        })
    }
}

/// Where clouds tell a machine its secrets: Amazon (also by IPv6 and to containers), Google, Alibaba, Oracle, Azure. One of them is
/// granted by its own address only, since it lies in networks that one grants for other reasons.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Why nothing may be sent to an address; absent where it is public or granted. An IPv4 address in an IPv6 one (`::ffff:10.0.0.1`) is that
/// IPv4 address, for grants too; behind the prefix of NAT64 it is judged as it is, but granted by the address as it stands.
#[must_use]
pub fn refused(address: IpAddr, granted: &Granted) -> Option<Why> {
    let address = address.to_canonical();
    let why = special(address)?;
    let is_granted = if why == Why::Metadata { granted.names(address) } else { granted.has(address) };
    (!is_granted).then_some(why)
}

fn special(address: IpAddr) -> Option<Why> {
    if METADATA.contains(&address) {
        return Some(Why::Metadata);
    }
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Why> {
    Some(match address.octets() {
        [0, ..] => Why::Unspecified,
        [127, ..] => Why::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Why::Private,
        [100, 64..=127, ..] => Why::Carrier,
        [169, 254, ..] => Why::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Why::Documentation,
        // Protocols, the relays of 6to4, and what networks are measured with.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => Why::Reserved,
        [224..=239, ..] => Why::Multicast,
        [240..=255, ..] => Why::Reserved,
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<Why> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Why::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Why::Loopback,
        // NAT64 leads to the IPv4 address at its end (RFC 6052). With a prefix of somebody's own (RFC 8215) nobody knows where to.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return special(IpAddr::V4(at_end(high, low))),
        [0x64, 0xff9b, 1, ..] => Why::Tunnel,
        // 6to4, Teredo, and whatever else of 2001::/23 is no host.
        [0x2002, ..] | [0x2001, 0, ..] => Why::Tunnel,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Why::Documentation,
        [0x2001, 1..=0x1ff, ..] => Why::Reserved,
        // An IPv4 address behind the interface identifier of ISATAP (RFC 5214), whatever the prefix.
        [.., 0 | 0x200, 0x5efe, _, _] => Why::Tunnel,
        [0x2000..=0x3fff, ..] => return None,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Why::Private,
        [0xfe80..=0xfebf, ..] => Why::LinkLocal,
        [0xff00..=0xffff, ..] => Why::Multicast,
        _ => Why::Reserved,
    })
}

fn at_end(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str, granted: &[&str]) -> Option<Why> {
        refused(text.parse().unwrap(), &Granted::parse(granted.iter().copied()).unwrap())
    }

    #[test]
    fn what_is_not_for_everybody_is_told_by_what_it_is() {
        for (text, wanted) in [
            ("0.0.0.0", Why::Unspecified),
            ("0.1.2.3", Why::Unspecified),
            ("127.0.0.1", Why::Loopback),
            ("127.255.255.254", Why::Loopback),
            ("10.0.0.1", Why::Private),
            ("172.16.0.1", Why::Private),
            ("172.31.255.255", Why::Private),
            ("192.168.1.1", Why::Private),
            ("100.64.0.1", Why::Carrier),
            ("100.127.255.255", Why::Carrier),
            ("169.254.1.1", Why::LinkLocal),
            ("169.254.169.254", Why::Metadata),
            ("169.254.170.2", Why::Metadata),
            ("100.100.100.200", Why::Metadata),
            ("168.63.129.16", Why::Metadata),
            ("192.0.0.8", Why::Reserved),
            ("192.88.99.1", Why::Reserved),
            ("198.19.0.1", Why::Reserved),
            ("192.0.2.1", Why::Documentation),
            ("198.51.100.1", Why::Documentation),
            ("203.0.113.1", Why::Documentation),
            ("224.0.0.1", Why::Multicast),
            ("240.0.0.1", Why::Reserved),
            ("255.255.255.255", Why::Reserved),
            ("::", Why::Unspecified),
            ("::1", Why::Loopback),
            ("::127.0.0.1", Why::Reserved),
            ("::ffff:127.0.0.1", Why::Loopback),
            ("::ffff:169.254.169.254", Why::Metadata),
            ("64:ff9b::10.0.0.1", Why::Private),
            ("64:ff9b::169.254.169.254", Why::Metadata),
            ("64:ff9b:1::8.8.8.8", Why::Tunnel),
            ("2002:a00:1::", Why::Tunnel),
            ("2002:808:808::1", Why::Tunnel),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Why::Tunnel),
            ("2001:2::1", Why::Reserved),
            ("2001:20::1", Why::Reserved),
            ("2001:db8::1", Why::Documentation),
            ("3fff::1", Why::Documentation),
            ("2606:4700::5efe:a00:1", Why::Tunnel),
            ("2606:4700::200:5efe:a00:1", Why::Tunnel),
            ("fc00::1", Why::Private),
            ("fd00:ec2::254", Why::Metadata),
            ("fd20:ce::254", Why::Metadata),
            ("fec0::1", Why::Private),
            ("fe80::1", Why::LinkLocal),
            ("ff02::1", Why::Multicast),
            ("100::1", Why::Reserved),
            ("5f00::1", Why::Reserved),
            ("4000::1", Why::Reserved),
        ] {
            assert_eq!(why(text, &[]), Some(wanted), "{text}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.0.1", "172.32.0.1", "192.0.1.1"] {
            assert_eq!(why(public, &[]), None, "{public}");
        }
        for public in ["2606:4700::1111", "2a00:1450::1", "2001:4860::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"] {
            assert_eq!(why(public, &[]), None, "{public}");
        }
    }

    #[test]
    fn what_is_granted_is_not_refused_and_metadata_is_granted_by_its_address_only() {
        assert_eq!(why("10.1.2.3", &["10.1.0.0/16"]), None);
        assert_eq!(why("10.2.2.3", &["10.1.0.0/16"]), Some(Why::Private));
        assert_eq!(why("::ffff:10.1.2.3", &["10.1.0.0/16"]), None);
        assert_eq!(why("::1", &["127.0.0.0/8"]), Some(Why::Loopback));
        assert_eq!(why("64:ff9b::10.1.2.3", &["10.1.0.0/16"]), Some(Why::Private));
        assert_eq!(why("64:ff9b::10.1.2.3", &["64:ff9b::/96"]), None);
        assert_eq!(why("169.254.169.254", &["169.254.0.0/16", "0.0.0.0/0"]), Some(Why::Metadata));
        assert_eq!(why("169.254.169.254", &["169.254.169.254"]), None);
        assert_eq!(why("fd00:ec2::254", &["fc00::/7"]), Some(Why::Metadata));
    }
}
