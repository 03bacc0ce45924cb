//! IP addresses in strings, as event-ruler reads them: decimal parts with any zeros before them, IPv6 without dotted ends, and
//! IPv4 within IPv6 as what it maps. Invariant: two spellings of one address are equal, and nothing is looked up.

/// An address; those of one family are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    V4(u32),
    V6(u128),
}

/// From one address to another of its family, both included. An address with a mask begins at the address itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) first: Address,
    pub(crate) last: Address,
}

impl Address {
    /// The address that a text is, if it is one.
    #[inline]
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        // Most strings are none, and most of those say so at once.
        match text.first()? {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b':' if text.len() <= 45 => {}
            _ => return None,
        }
        v4(text).or_else(|| v6(text))
    }
}

fn v4(text: &[u8]) -> Option<Address> {
    if text.len() > 15 {
        return None;
    }
    let (mut parts, mut address) = (0, 0u32);
    for part in text.split(|byte| *byte == b'.') {
        let value = part.iter().try_fold(0u32, |value, digit| {
            digit.is_ascii_digit().then(|| (value * 10 + u32::from(digit - b'0')).min(256))
        })?;
        if part.is_empty() || value > 255 {
            return None;
        }
        parts += 1;
        address = address << 8 | value;
    }
    (parts == 4).then_some(Address::V4(address))
}

fn v6(text: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(text).ok()?;
    let groups = |text: &str| -> Option<Vec<u16>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        let group = |group: &str| {
            let digits = !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u16::from_str_radix(group.trim_start_matches('0').get(..).unwrap_or("0"), 16))
        };
        text.split(':')
            .map(|it| if it.bytes().all(|b| b == b'0') && !it.is_empty() { Some(0) } else { group(it)?.ok() })
            .collect()
    };
    let all = match text.split_once("::") {
        Some((before, after)) => {
            let (before, after) = (groups(before)?, groups(after)?);
            let missing = 8usize.checked_sub(before.len() + after.len()).filter(|missing| *missing > 0)?;
            let mut all = before;
            all.extend(std::iter::repeat_n(0, missing));
            all.extend(after);
            all
        }
        None => groups(text)?,
    };
    if all.len() != 8 {
        return None;
    }
    let address = all.into_iter().fold(0u128, |address, group| address << 16 | u128::from(group));
    Some(if address >> 32 == 0xffff { Address::V4(address as u32) } else { Address::V6(address) })
}

impl Block {
    /// One address.
    pub(crate) const fn one(address: Address) -> Self {
        Self { first: address, last: address }
    }

    /// What `cidr` takes: an address, a slash, the bits of the mask. A mask of all bits is refused, as by event-ruler.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut parts = text.trim_end_matches('/').split('/');
        let (address, mask) = (Address::of(parts.next()?.as_bytes())?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let mask: u32 = mask.parse().ok()?;
        let last = match address {
            Address::V4(own) if mask < 32 => Address::V4(own | u32::MAX.checked_shr(mask).unwrap_or(0)),
            Address::V6(own) if mask < 128 => Address::V6(own | u128::MAX.checked_shr(mask).unwrap_or(0)),
            _ => return None,
        };
        Some(Self { first: address, last })
    }

    pub(crate) fn has(&self, address: Address) -> bool {
        self.first <= address && address <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_equal() {
        let same = [
            ("10.0.0.1", "010.000.0.1"),
            ("10.0.0.1", "::ffff:a00:1"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("2001:DB8::", "2001:0db8:0:0:0:0:0:0"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ];
        for (a, b) in same {
            assert!(Address::of(a.as_bytes()).is_some(), "{a}");
            assert_eq!(Address::of(a.as_bytes()), Address::of(b.as_bytes()), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            ":",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1..2.3",
            "12:30",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7:8::",
            "g::",
            "::1.2.3.4",
            "1.2.3.4 ",
        ] {
            assert_eq!(Address::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_block_begins_at_its_address() {
        let block = Block::of("10.0.0.5/24").unwrap();
        let has = |text: &str| block.has(Address::of(text.as_bytes()).unwrap());
        assert!(has("10.0.0.5") && has("10.0.0.255") && !has("10.0.0.4") && !has("10.0.1.0") && !has("::"));
        assert_eq!(Block::of("0.0.0.0/0").unwrap().last, Address::V4(u32::MAX));
        for text in
            ["10.0.0.0", "10.0.0.0/32", "::/128", "10.0.0.0/x", "10.0.0.0/-1", "x/8", "10.0.0.0/8/8", "10.0.0.0/"]
        {
            assert_eq!(Block::of(text), None, "{text}");
        }
    }
}
