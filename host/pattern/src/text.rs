//! What the inside of a JSON string says, with its escapes resolved. Invariant: the result is UTF-8, but for halves of
//! surrogate pairs that stand alone, which JSON allows and Unicode does not: those become the three bytes that UTF-8 would
//! give them, so that they equal nothing that a pattern can say.

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

#[cfg(test)]
mod tests {
    use super::*;

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
