//! A pair put into the query of a URL.
//!
//! Invariant: there is one pair of that name, and its value is what was put in, however servers let another one be spelled: encoded, in
//! another case, behind a `;`, as an element of a list (`name[]`), or cut by a zero.

use std::collections::BTreeSet;

/// A value as it stands in a query: whatever has a meaning there is encoded (RFC 3986, section 2).
pub(super) fn encoded(value: &[u8]) -> String {
    value
        .iter()
        .map(|byte| if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The ways in which a value is encoded that differ from how it is: with digits of either case, and with `+` for a space, as forms have it.
pub(super) fn spellings(value: &[u8]) -> BTreeSet<String> {
    let upper = encoded(value);
    let lower = |byte: &u8| if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") };
    let lower: String = value.iter().map(lower).collect();
    let all = [upper.replace("%20", "+"), lower.replace("%20", "+"), upper, lower];
    all.into_iter().filter(|spelled| spelled.as_bytes() != value).collect()
}

/// The URL with this pair behind all others, in the place of those of the same name.
pub(super) fn with(url: &str, name: &str, encoded: &str) -> String {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let others = |pairs: &str| pairs.split(';').filter(|pair| !is_named(pair, name)).collect::<Vec<_>>().join(";");
    let others = query.split('&').map(others).filter(|pairs| !pairs.is_empty());
    let pairs: Vec<_> = others.chain([format!("{name}={encoded}")]).collect();
    format!("{place}?{}", pairs.join("&"))
}

/// Whether a server may take this for a pair of that name.
fn is_named(pair: &str, name: &str) -> bool {
    let spelled = named(pair);
    let end = spelled.iter().position(|byte| matches!(byte, b'[' | 0)).unwrap_or(spelled.len());
    let taken = spelled.get(..end).unwrap_or_default().trim_ascii();
    [taken, &spelled].iter().any(|taken| taken.eq_ignore_ascii_case(name.as_bytes()))
}

/// The name of a pair, decoded as servers decode it.
fn named(pair: &str) -> Vec<u8> {
    let name = pair.split('=').next().unwrap_or_default().as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(name.len()), 0);
    while let Some(byte) = name.get(at) {
        let digits = name.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let spelled = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(spelled.unwrap_or(if *byte == b'+' { b' ' } else { *byte }));
        at += if spelled.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_a_query_takes_the_place_of_all_that_have_its_name() {
        for (url, wanted) in [
            ("https://a.example:443/x", "https://a.example:443/x?key=v%261"),
            ("https://a.example:443/x?", "https://a.example:443/x?key=v%261"),
            ("https://a.example:443/x?b=1&key=mine&c", "https://a.example:443/x?b=1&c&key=v%261"),
            ("https://a.example:443/x?k%65y=mine&%6B%65%79&key", "https://a.example:443/x?key=v%261"),
            (
                "https://a.example:443/x?keys=1&a=key&%zz=1&k%=2",
                "https://a.example:443/x?keys=1&a=key&%zz=1&k%=2&key=v%261",
            ),
            ("https://a.example:443/x?a=b?key=c&d", "https://a.example:443/x?a=b?key=c&d&key=v%261"),
            ("https://a.example:443/x?a=1;key=mine;b=2&KEY=mine", "https://a.example:443/x?a=1;b=2&key=v%261"),
            (
                "https://a.example:443/x?key[]=mine&key%5Ba%5D=1&key%00=1&+key=1&key=",
                "https://a.example:443/x?key=v%261",
            ),
        ] {
            assert_eq!(with(url, "key", &encoded(b"v&1")), wanted, "{url}");
        }
        assert_eq!(encoded("a b/ü~".as_bytes()), "a%20b%2F%C3%BC~");
    }

    #[test]
    fn a_value_is_sought_as_it_may_stand_in_a_url() {
        let spelled = |value: &str| spellings(value.as_bytes()).into_iter().collect::<Vec<_>>();
        assert_eq!(spelled("sk_live-1"), Vec::<String>::new());
        assert_eq!(spelled("a /"), ["a%20%2F", "a%20%2f", "a+%2F", "a+%2f"]);
    }
}
