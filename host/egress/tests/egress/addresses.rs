//! The filter of addresses against the standard library's own classification, where that has one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use wharf_egress::{Granted, refused};

/// Every special range that std knows is drawn often, since random bits hardly ever hit one.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let begins =
        [0x0a00_0000, 0x7f00_0000, 0xa9fe_0000, 0xac10_0000, 0xc0a8_0000, 0xe000_0000, 0xc000_0200, 0xffff_ff00];
    let near = (proptest::sample::select(begins.to_vec()), 0..=0x001f_ffff_u32);
    prop_oneof![any::<u32>(), near.prop_map(|(begin, rest): (u32, u32)| begin.wrapping_add(rest))]
        .prop_map(Ipv4Addr::from_bits)
}

fn v6() -> impl Strategy<Value = Ipv6Addr> {
    let begins = [0_u16, 0xfc00, 0xfe80, 0xff02, 0xfec0, 0x2001, 0x2002, 0x3fff, 0x64];
    let near = (proptest::sample::select(begins.to_vec()), 0..=0x1ff_u16, any::<u128>(), any::<bool>());
    let near = near.prop_map(|(begin, more, rest, short): (u16, u16, u128, bool)| {
        let rest = if short { rest & 0xff } else { rest & (u128::MAX >> 16) };
        u128::from(begin.wrapping_add(more)) << 112 | rest
    });
    prop_oneof![any::<u128>(), near].prop_map(Ipv6Addr::from_bits)
}

fn is_refused(address: impl Into<IpAddr>) -> bool {
    refused(address.into(), &Granted::default()).is_some()
}

proptest! {
    #[test]
    fn what_std_sets_apart_is_refused(v4 in v4(), v6 in v6()) {
        let apart = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast();
        let apart = apart || v4.is_unspecified() || v4.is_broadcast() || v4.is_documentation();
        prop_assert!(!apart || is_refused(v4), "{v4}");
        let apart = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast();
        let apart = apart || v6.is_unique_local() || v6.is_unicast_link_local();
        prop_assert!(!apart || is_refused(v6), "{v6}");
    }

    #[test]
    fn no_spelling_of_an_address_leads_around_it(v4 in v4()) {
        let [high, low] = [v4.to_bits() >> 16, v4.to_bits() & 0xffff].map(|half| u16::try_from(half).unwrap());
        prop_assert_eq!(is_refused(v4.to_ipv6_mapped()), is_refused(v4));
        prop_assert_eq!(is_refused(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low)), is_refused(v4));
        let hidden = [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low),
        ];
        prop_assert!(hidden.into_iter().all(is_refused), "{}", v4);
    }

    #[test]
    fn a_grant_lets_through_what_it_has_and_nothing_else(address in v4(), network in v4(), bits in 1..=32_u8) {
        let begin = network.to_bits() & (u32::MAX << (32 - bits));
        let text = format!("{}/{bits}", Ipv4Addr::from_bits(begin));
        let granted = Granted::parse([text.as_str()]).unwrap();
        let inside = address.to_bits() & (u32::MAX << (32 - bits)) == begin;
        let (by_default, now) = (is_refused(address), refused(address.into(), &granted).is_some());
        prop_assert!(!now || by_default);
        prop_assert!(inside || now == by_default, "{address} in {text}");
    }
}
