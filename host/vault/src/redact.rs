//! Values taken out of what is shown.
//!
//! Invariant: a value is found where it stands whole and as it is. One that was encoded, or is in parts, is not.

/// Shorter values are not looked for: they would be found by chance.
pub const SOUGHT_BYTES_MIN: usize = 8;

/// Bytes in which `[secret:NAME]` stands in the place of the value; absent where the value is not in them, or is too short to be looked for.
#[must_use]
pub fn without(bytes: &[u8], value: &[u8], name: &str) -> Option<Vec<u8>> {
    if value.len() < SOUGHT_BYTES_MIN {
        return None;
    }
    let finder = memchr::memmem::Finder::new(value);
    let mut found = finder.find_iter(bytes).peekable();
    found.peek()?;
    let (mut kept, mut from) = (Vec::with_capacity(bytes.len()), 0);
    for at in found {
        kept.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        kept.extend_from_slice(format!("[secret:{name}]").as_bytes());
        from = at + value.len();
    }
    kept.extend_from_slice(bytes.get(from..).unwrap_or_default());
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands_whole() {
        let told = |bytes: &[u8]| without(bytes, b"whsec_123", "signing").map(|it| String::from_utf8(it).unwrap());
        assert_eq!(told(b"whsec_123, and whsec_123").as_deref(), Some("[secret:signing], and [secret:signing]"));
        assert_eq!((told(b"whsec_12"), told(b"")), (None, None));
        assert_eq!(without(b"a 1234567 b", b"1234567", "short"), None);
    }
}
