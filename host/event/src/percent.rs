//! Attribute values in HTTP headers (CloudEvents 1.0.2, HTTP protocol binding, section 3.1.3.2), read. Invariant: one round
//! of unquoting, then one round of percent-decoding, and the result is UTF-8. What the value may hold is for `attribute.rs`.

use crate::error::HeaderReason;

/// Decodes the value of a `ce-` header.
pub(crate) fn decode(value: &[u8]) -> Result<String, HeaderReason> {
    let value = value.trim_ascii();
    let unquoted = match value.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted)?,
        None => value.to_vec(),
    };
    let decoded = percent_decode(&unquoted)?;
    String::from_utf8(decoded).map_err(|_| HeaderReason::NotUtf8)
}

/// The rest of a quoted string (RFC 7230, section 3.2.6), which older senders used for spaces and quotes.
fn unquote(quoted: &[u8]) -> Result<Vec<u8>, HeaderReason> {
    let mut out = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if bytes.len() == 0 => return Ok(out),
            b'"' => return Err(HeaderReason::Quote),
            b'\\' => out.push(bytes.next().ok_or(HeaderReason::Quote)?),
            other => out.push(other),
        }
    }
    Err(HeaderReason::Quote)
}

fn percent_decode(text: &[u8]) -> Result<Vec<u8>, HeaderReason> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(hex_digit).ok_or(HeaderReason::Percent);
        out.push(digit()? << 4 | digit()?);
    }
    Ok(out)
}

fn hex_digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_value_is_unquoted_and_decoded_once() {
        let cases: &[(&[u8], Result<&str, HeaderReason>)] = &[
            (b"plain", Ok("plain")),
            (b"  padded\t", Ok("padded")),
            (b"", Ok("")),
            (b"Euro%20%E2%82%AC%20%F0%9F%98%80", Ok("Euro \u{20ac} \u{1f600}")),
            (b"%e2%82%ac", Ok("\u{20ac}")),
            ("Euro \u{20ac}".as_bytes(), Ok("Euro \u{20ac}")),
            (b"%2525", Ok("%25")),
            (b"\"quoted \\\"text\\\" 100%25\"", Ok("quoted \"text\" 100%")),
            (b"\"\"", Ok("")),
            (b"5\" disk", Ok("5\" disk")),
            (b"\"open", Err(HeaderReason::Quote)),
            (b"\"", Err(HeaderReason::Quote)),
            (b"\"a\" b", Err(HeaderReason::Quote)),
            (b"\"a\\", Err(HeaderReason::Quote)),
            (b"100%", Err(HeaderReason::Percent)),
            (b"%4", Err(HeaderReason::Percent)),
            (b"%zz", Err(HeaderReason::Percent)),
            (b"%+1", Err(HeaderReason::Percent)),
            (b"\xff", Err(HeaderReason::NotUtf8)),
            (b"%C0%A0", Err(HeaderReason::NotUtf8)),
            (b"%ED%A0%80", Err(HeaderReason::NotUtf8)),
        ];
        for (value, wanted) in cases {
            assert_eq!(decode(value), wanted.map(str::to_owned), "{}", value.escape_ascii());
        }
    }
}
