//! A pair put into the query of a URL.
//!
//! Invariant: there is one pair of that name, and its value is what was put in, however another one was spelled.

/// A value as it stands in a query: whatever has a meaning there is encoded (RFC 3986, section 2).
pub(super) fn encoded(value: &[u8]) -> Vec<u8> {
    let byte = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![*byte],
        other => format!("%{other:02X}").into_bytes(),
    };
    value.iter().flat_map(byte).collect()
}

/// The URL with this pair behind all others, in the place of those of the same name.
pub(super) fn with(url: &str, name: &str, encoded: &str) -> String {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let others = query.split('&').filter(|pair| !pair.is_empty() && named(pair) != name.as_bytes());
    let pair = format!("{name}={encoded}");
    let pairs: Vec<_> = others.chain([pair.as_str()]).collect();
    format!("{place}?{}", pairs.join("&"))
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
        ] {
            assert_eq!(with(url, "key", std::str::from_utf8(&encoded(b"v&1")).unwrap()), wanted, "{url}");
        }
        assert_eq!(encoded("a b/ü~".as_bytes()), b"a%20b%2F%C3%BC~");
    }
}
