//! Attribute values in HTTP headers (CloudEvents 1.0.2, HTTP protocol binding, section 3.1.3.2), written. Invariant: what comes out is
//! printable ASCII without spaces, and `host/event` reads it back.

/// Encodes the value of a `ce-` header.
pub(crate) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            // A space, a quote and the sign itself, and whatever is not printable ASCII.
            b'!' | b'#' | b'$' | b'&'..=b'~' => out.push(char::from(byte)),
            other => {
                out.push('%');
                out.extend(
                    [other >> 4, other & 15]
                        .map(|half| char::from(HEX.get(usize::from(half)).copied().unwrap_or(b'0'))),
                );
            }
        }
    }
    out
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_printable_is_encoded_and_nothing_else() {
        assert_eq!(encode("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encode(r#"100% "x" ~!#$&'()\"#), r"100%25%20%22x%22%20~!#$&'()\");
    }
}
