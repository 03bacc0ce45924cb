//! JSON text, read byte by byte and exactly: RFC 8259, with UTF-8 checked. Invariant: what is skipped is checked as strictly
//! as what is read; sixteen bytes are looked at together wherever text is long. It builds nothing, and keeps no numbers: see
//! `number.rs` and `text.rs` for what bytes are worth.

use crate::{
    block::{Block, Marks},
    limits::EVENT_DEPTH_MAX,
    numeral::{is_number, number, numbers},
};

/// Text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON: {what} at byte {offset}")]
pub struct JsonError {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What is wrong there.
    pub what: JsonFault,
}

/// What is wrong with a text that is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// It ends too early.
    #[error("the text ends too early")]
    End,
    /// A byte that cannot stand there.
    #[error("an unexpected byte")]
    Byte,
    /// A control character in a string.
    #[error("a control character in a string")]
    Control,
    /// An escape that there is not.
    #[error("an unknown escape")]
    Escape,
    /// Bytes that are no UTF-8.
    #[error("bytes that are not UTF-8")]
    Utf8,
    /// More after the value.
    #[error("more text after the value")]
    Tail,
    /// Nested too deep.
    #[error("lists and objects nested deeper than {EVENT_DEPTH_MAX}")]
    Depth,
    /// Something else where an object must be.
    #[error("a value that is not an object")]
    NotObject,
}

/// A fault and where it is, in one word, so that results stay in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop(u64);

impl From<Stop> for JsonError {
    fn from(stop: Stop) -> Self {
        let what = match stop.0 & 0xff {
            0 => JsonFault::End,
            1 => JsonFault::Byte,
            2 => JsonFault::Control,
            3 => JsonFault::Escape,
            4 => JsonFault::Utf8,
            5 => JsonFault::Tail,
            6 => JsonFault::Depth,
            _ => JsonFault::NotObject,
        };
        Self { offset: (stop.0 >> 8) as usize, what }
    }
}

/// Where reading goes on.
pub(crate) type Next = Result<usize, Stop>;

/// The inside of a string, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) escaped: bool,
}

#[inline(always)]
pub(crate) fn byte(text: &[u8], at: usize) -> u8 {
    // 0 is no token, and so stands for the end.
    text.get(at).copied().unwrap_or(0)
}

/// The fault of reading on at a place.
#[cold]
pub(crate) fn stop<T>(text: &[u8], at: usize, what: JsonFault) -> Result<T, Stop> {
    let what =
        if at >= text.len() && matches!(what, JsonFault::Byte | JsonFault::Control) { JsonFault::End } else { what };
    Err(Stop((at as u64) << 8 | what as u64))
}

/// The place of the next byte that is no space. There is mostly none, or one.
#[inline(always)]
pub(crate) fn token(text: &[u8], at: usize) -> usize {
    if byte(text, at) > b' ' {
        return at;
    }
    if byte(text, at) == b' ' && byte(text, at + 1) > b' ' {
        return at + 1;
    }
    spaces(text, at)
}

#[inline(never)]
fn spaces(text: &[u8], mut at: usize) -> usize {
    while matches!(byte(text, at), b' ' | b'\n' | b'\r' | b'\t') {
        at += 1;
    }
    at
}

/// Reads a string whose opening quote is at a place.
#[inline(always)]
pub(crate) fn string(text: &[u8], at: usize) -> Result<Quoted, Stop> {
    let start = at + 1;
    let mut at = start;
    while let Some(block) = Block::at(text, at) {
        let (quotes, odd) = (block.quotes(), block.odd());
        if odd & (quotes ^ quotes.wrapping_sub(1)) != 0 {
            break;
        }
        if quotes != 0 {
            return Ok(Quoted { start, end: at + quotes.trailing_zeros() as usize, escaped: false });
        }
        at += 16;
    }
    bent_string(text, start, at)
}

/// The same, with what is known of the bytes around it.
#[inline(always)]
pub(crate) fn string_in(text: &[u8], at: usize, marks: &mut Marks) -> Result<Quoted, Stop> {
    let start = at + 1;
    match marks.quotes(text, start) {
        Some(quotes) if quotes != 0 => {
            Ok(Quoted { start, end: start + quotes.trailing_zeros() as usize, escaped: false })
        }
        _ => string(text, at),
    }
}

/// Reads on in a string that is not just ASCII with enough bytes after it.
#[inline(never)]
fn bent_string(text: &[u8], start: usize, mut at: usize) -> Result<Quoted, Stop> {
    let mut escaped = false;
    loop {
        while let Some(block) = Block::at(text, at) {
            let marks = block.quotes() | block.odd();
            at += marks.trailing_zeros().min(16) as usize;
            if marks != 0 {
                break;
            }
        }
        match byte(text, at) {
            b'"' => break,
            b'\\' => {
                escaped = true;
                at = escape(text, at)?;
            }
            ..0x20 => return stop(text, at, JsonFault::Control),
            _ => at += 1,
        }
    }
    match std::str::from_utf8(text.get(start..at).unwrap_or_default()) {
        Ok(_) => Ok(Quoted { start, end: at, escaped }),
        Err(error) => stop(text, start + error.valid_up_to(), JsonFault::Utf8),
    }
}

fn escape(text: &[u8], at: usize) -> Next {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let digits = text.get(at + 2..at + 6);
            if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                return Ok(at + 6);
            }
            stop(text, at, JsonFault::Escape)
        }
        Some(_) => stop(text, at, JsonFault::Escape),
        None => stop(text, at + 1, JsonFault::End),
    }
}

#[inline(always)]
fn literal<const N: usize>(text: &[u8], at: usize, wanted: &[u8; N]) -> Next {
    // An array is compared in a register, a slice by a call.
    if text.get(at..).and_then(<[u8]>::first_chunk::<N>) == Some(wanted) {
        return Ok(at + N);
    }
    stop(text, at, JsonFault::Byte)
}

/// The place after a scalar whose first byte is at a place.
#[inline(always)]
pub(crate) fn scalar(text: &[u8], at: usize, marks: &mut Marks) -> Next {
    match byte(text, at) {
        b'"' => string_in(text, at, marks).map(|quoted| quoted.end + 1),
        // What is no number is refused there.
        ..=b'9' => number(text, at),
        b'n' => literal(text, at, b"null"),
        b't' => literal(text, at, b"true"),
        b'f' => literal(text, at, b"false"),
        _ => stop(text, at, JsonFault::Byte),
    }
}

/// Reads a member's name and the colon after it.
#[inline(always)]
pub(crate) fn key(text: &[u8], at: usize, marks: &mut Marks) -> Result<(Quoted, usize), Stop> {
    let at = token(text, at);
    if byte(text, at) != b'"' {
        return stop(text, at, JsonFault::Byte);
    }
    let key = string_in(text, at, marks)?;
    let at = token(text, key.end + 1);
    if byte(text, at) != b':' {
        return stop(text, at, JsonFault::Byte);
    }
    Ok((key, at + 1))
}

/// The place after a whole value, `depth` levels down. A bit for each open level says whether it is an object.
pub(crate) fn skip(text: &[u8], at: usize, depth: usize, marks: &mut Marks) -> Next {
    let (mut at, mut objects, mut open) = (token(text, at), 0u128, 0usize);
    loop {
        let first = byte(text, at);
        if first != b'{' && first != b'[' {
            at = if is_number(first) && objects & 1 == 0 {
                numbers(text, at, open > 1 && objects & 2 == 0)?
            } else {
                scalar(text, at, marks)?
            };
        } else {
            let object = first == b'{';
            at = token(text, at + 1);
            // Both closing brackets are two above the opening ones.
            if byte(text, at) == first + 2 {
                at += 1;
            } else {
                open += 1;
                if depth + open > EVENT_DEPTH_MAX {
                    return stop(text, at - 1, JsonFault::Depth);
                }
                objects = objects << 1 | u128::from(object);
                if object {
                    at = key(text, at, marks)?.1;
                    at = token(text, at);
                }
                continue;
            }
        }
        loop {
            if open == 0 {
                return Ok(at);
            }
            let object = objects & 1 == 1;
            at = token(text, at);
            let next = byte(text, at);
            if next == b',' {
                at += 1;
                if object {
                    at = key(text, at, marks)?.1;
                }
                at = token(text, at);
                break;
            }
            if next != if object { b'}' } else { b']' } {
                return stop(text, at, JsonFault::Byte);
            }
            at += 1;
            open -= 1;
            objects >>= 1;
        }
    }
}

/// That nothing but spaces is left.
pub(crate) fn finish(text: &[u8], at: usize) -> Result<(), Stop> {
    let at = spaces(text, at);
    if at < text.len() { stop(text, at, JsonFault::Tail) } else { Ok(()) }
}
