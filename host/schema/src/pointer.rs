//! JSON pointers (RFC 6901), written and read. Invariant: a pointer that is made here is escaped, so that equal places have
//! equal pointers.

/// The pointer of a member or an element below this one.
pub(crate) fn below(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

/// The pointer behind the `#` of a reference, with its percent-escapes undone; `None` where those are none.
pub(crate) fn of_fragment(fragment: &str) -> Option<String> {
    let mut bytes = fragment.bytes();
    let mut plain = Vec::with_capacity(fragment.len());
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            plain => plain,
        };
        plain.push(decoded);
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_escaped_and_a_fragment_is_not() {
        assert_eq!(below("/a", "b/c~d"), "/a/b~1c~0d");
        assert_eq!(of_fragment("/$defs/a%20b%25").as_deref(), Some("/$defs/a b%"));
        for wrong in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(of_fragment(wrong), None, "{wrong}");
        }
    }
}
