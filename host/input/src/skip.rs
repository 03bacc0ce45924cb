//! Passing over JSON that was checked before. Invariant: on text that is no JSON it ends too, wherever; nothing here checks
//! anything.

/// The byte at a place; 0, which is no token, beyond the end.
pub(crate) fn byte(text: &str, at: usize) -> u8 {
    text.as_bytes().get(at).copied().unwrap_or(0)
}

/// The place of the next byte that is no space.
pub(crate) fn spaces(text: &str, mut at: usize) -> usize {
    while matches!(byte(text, at), b' ' | b'\n' | b'\r' | b'\t') {
        at += 1;
    }
    at
}

/// The place after a string whose opening quote is at a place.
pub(crate) fn string(text: &str, at: usize) -> usize {
    let mut at = at + 1;
    loop {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(found) if byte(text, at + found) == b'"' => return at + found + 1,
            Some(found) => at += found + 2,
            None => return text.len(),
        }
    }
}

/// The place after a value that begins at a place.
pub(crate) fn value(text: &str, mut at: usize) -> usize {
    let mut open = 0_usize;
    loop {
        match byte(text, at) {
            b'"' => at = string(text, at),
            b'{' | b'[' => {
                (open, at) = (open + 1, at + 1);
            }
            b'}' | b']' => {
                (open, at) = (open.saturating_sub(1), at + 1);
            }
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => {
                let rest = text.as_bytes().get(at..).unwrap_or_default();
                let ends = |byte: &u8| matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        if open == 0 || at >= text.len() {
            return at.min(text.len());
        }
    }
}
