//! JSON as it is written, token by token.
//!
//! Invariant: the tokens of a text are that text, so nothing of it is lost: a member that is named twice is there twice, and a number has all its
//! digits. Whether they are in an order that JSON has is looked at before.

use std::iter;

use serde::de::IgnoredAny;

/// The tokens of a text that is an object, a list or a text as JSON has them; none of any other.
pub(super) fn tokens(text: &str) -> Option<impl Iterator<Item = &str>> {
    let first = text.trim_start().bytes().next();
    let is_json = matches!(first, Some(b'{' | b'[' | b'"')) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    let mut left = text;
    let next = move || {
        let (token, rest) = left.split_at_checked(length(left)).filter(|(token, _)| !token.is_empty())?;
        left = rest;
        Some(token)
    };
    is_json.then(|| iter::from_fn(next))
}

/// What a token says, where it is a text, a name or a number; and nothing of what stands between them.
pub(super) fn said(token: &str) -> Option<String> {
    match token.bytes().next()? {
        // One that stands for no text, such as half of a character, is looked at as it is written.
        b'"' => Some(serde_json::from_str(token).unwrap_or_else(|_| token.trim_matches('"').to_owned())),
        b'-' | b'0'..=b'9' => Some(token.to_owned()),
        _ => None,
    }
}

/// The bytes of the token that a text begins with.
fn length(text: &str) -> usize {
    let while_it_is = |is: fn(&u8) -> bool| text.bytes().take_while(is).count();
    match text.bytes().next() {
        Some(b'"') => 1 + behind_quote(text),
        Some(b'-' | b'0'..=b'9') => while_it_is(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')),
        _ => while_it_is(|byte| !matches!(byte, b'"' | b'-' | b'0'..=b'9')),
    }
}

/// The bytes behind a quote up to the one that closes it, which is among them.
fn behind_quote(text: &str) -> usize {
    let (mut is_escaped, mut bytes) = (false, 0);
    for byte in text.bytes().skip(1) {
        bytes += 1;
        if byte == b'"' && !is_escaped {
            break;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    bytes
}
