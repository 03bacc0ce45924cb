//! What the inside of a JSON string says, with its escapes resolved, how short texts are compared, and names in pointers.
//! Invariant: the result is UTF-8, but for halves of surrogate pairs that stand alone, which JSON allows and Unicode does
//! not: those become the three bytes that UTF-8 would give them, so that they equal nothing that a pattern can say.

/// Appends what a checked string says.
pub(crate) fn unescape(inside: &[u8], out: &mut Vec<u8>) {
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, bent) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = one(bent, out);
    }
    out.extend_from_slice(rest);
}

/// Resolves the escape that a text begins with, and gives what follows it.
fn one<'a>(bent: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let plain = match bent.get(1) {
        Some(b'u') => return unicode(bent, out),
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(same) => *same,
        None => return &[],
    };
    out.push(plain);
    bent.get(2..).unwrap_or_default()
}

fn unicode<'a>(bent: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let first = unit(bent);
    let rest = bent.get(6..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first) && rest.starts_with(b"\\u") {
        let second = unit(rest);
        if (0xdc00..0xe000).contains(&second) {
            push(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), out);
            return rest.get(6..).unwrap_or_default();
        }
    }
    push(first, out);
    rest
}

/// The four digits of `\uXXXX`.
fn unit(bent: &[u8]) -> u32 {
    let digits = bent.get(2..6).unwrap_or_default();
    digits.iter().fold(0, |unit, digit| unit << 4 | char::from(*digit).to_digit(16).unwrap_or_default())
}

fn push(point: u32, out: &mut Vec<u8>) {
    if let Some(c) = char::from_u32(point) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let byte = |shift: u32, mark: u32, mask: u32| (mark | (point >> shift & mask)) as u8;
        out.extend_from_slice(&[byte(12, 0xe0, 0x0f), byte(6, 0x80, 0x3f), byte(0, 0x80, 0x3f)]);
    }
}

/// Whether two texts are equal. Most are short: this is faster than the call that compares memory.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let equal = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*a) == u64::from_le_bytes(*b);
    a.iter().zip(b).all(equal) && a_rest.iter().zip(b_rest).all(|(a, b)| a == b)
}

/// Whether a text begins with another.
#[inline]
pub(crate) fn begins(text: &[u8], head: &[u8]) -> bool {
    text.get(..head.len()).is_some_and(|own| same(own, head))
}

/// Whether a text ends with another.
#[inline]
pub(crate) fn ends(text: &[u8], tail: &[u8]) -> bool {
    text.len().checked_sub(tail.len()).and_then(|from| text.get(from..)).is_some_and(|own| same(own, tail))
}

/// A name as a token of a JSON pointer (RFC 6901, section 3).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_by_all_their_bytes() {
        for length in 0..20 {
            let text = vec![b'x'; length];
            assert!(same(&text, &text) && begins(&text, &text) && ends(&text, &text));
            for at in 0..length {
                let mut other = text.clone();
                other[at] = b'y';
                assert!(!same(&text, &other), "{at} of {length}");
                assert!(!begins(&text, &other[..=at]) && !ends(&text, &other[at..]), "{at} of {length}");
                assert!(begins(&text, &other[..at]) && ends(&text, &other[at + 1..]));
            }
        }
        assert!(!begins(b"a", b"ab") && !ends(b"a", b"ba"));
    }

    #[test]
    fn escapes_say_what_they_stand_for() {
        let cases: [(&str, &[u8]); 6] = [
            (r"plain", b"plain"),
            (r#"\"\\\/\b\f\n\r\t"#, b"\"\\/\x08\x0c\n\r\t"),
            (r"a\u00e9z", "a\u{e9}z".as_bytes()),
            (r"\ud83d\ude80", "\u{1f680}".as_bytes()),
            (r"\ud83dx", b"\xed\xa0\xbdx"),
            (r"\ude80\ud83d\u0041", b"\xed\xba\x80\xed\xa0\xbdA"),
        ];
        for (inside, wanted) in cases {
            let mut out = Vec::new();
            unescape(inside.as_bytes(), &mut out);
            assert_eq!(out, wanted, "{inside}");
        }
    }
}
