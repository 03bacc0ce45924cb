//! Where numbers end, and whether what stands before that is one. Invariant: what is read fast and what is read byte by byte is
//! the same grammar, that of RFC 8259. What a number is worth is not asked here: see `number.rs`.

use crate::{
    block::{Block, Figures},
    scan::{JsonFault, Next, byte, stop},
};

/// The place after a number whose first byte is at a place.
#[inline(always)]
pub(crate) fn number(text: &[u8], at: usize) -> Next {
    let (Some(low), Some(high)) = (Block::at(text, at), Block::at(text, at + 16)) else { return long_number(text, at) };
    // Where it ends is found at once, and where reading goes on hangs on nothing else; whether what stands before that is a
    // number is looked at beside it. What is less common is read again byte by byte.
    let sign = u32::from(byte(text, at) == b'-');
    let others = !(low.digits() | high.digits() << 16) & !sign;
    let whole = others.trailing_zeros();
    let (mut length, mut point) = (whole, whole);
    if byte(text, at + whole as usize) == b'.' {
        length = (others & others.wrapping_sub(1)).trailing_zeros();
        point += 1;
    }
    let end = at + length as usize;
    let zero = byte(text, at + sign as usize) == b'0' && whole > sign + 1;
    if whole == sign || (point > whole && length == point) || zero || length > 31 || byte(text, end) | 0x20 == b'e' {
        return long_number(text, at);
    }
    Ok(end)
}

/// Whether a number may begin with a byte.
#[inline(always)]
pub(crate) const fn is_number(first: u8) -> bool {
    first.wrapping_sub(b'-') < 13
}

/// The place after the last of a run of numbers with commas between them, the first of which is at a place. If the list is in a
/// list (`nested`), the run goes on in the next list of numbers there. Sixty-four bytes are sorted into digits and others at a time, and one number after the other is taken from that: looking for the end of
/// each anew would make every number wait for the one before.
#[inline(always)]
pub(crate) fn numbers(text: &[u8], mut at: usize, nested: bool) -> Next {
    loop {
        let Some(figures) = Figures::at(text, at) else { return number(text, at) };
        let (mut others, mut start) = (figures.others, 0);
        loop {
            let sign = u32::from(figures.byte(start) == b'-');
            if sign == 1 {
                others &= others.wrapping_sub(1);
            }
            let whole = others.trailing_zeros();
            let mut end = whole;
            if figures.byte(whole) == b'.' {
                others &= others.wrapping_sub(1);
                end = others.trailing_zeros();
            }
            let next = figures.byte(end);
            let zero = figures.byte(start + sign) == b'0' && whole > start + sign + 1;
            if end > 61 || whole == start + sign || end == whole + 1 || zero || next | 0x20 == b'e' {
                // What is unusual is read alone, and what the sixty-four bytes cut is read from its beginning.
                if start == 0 {
                    return number(text, at);
                }
                break;
            }
            if next != b',' {
                // Lists of points are lists of such lists.
                let beside = [b']', b',', b' ', b'[']
                    == [next, figures.byte(end + 1), figures.byte(end + 2), figures.byte(end + 3)];
                if !nested || !beside || end > 58 || !is_number(figures.byte(end + 4)) {
                    return Ok(at + end as usize);
                }
                // Looked at from its beginning, the next one is mostly whole.
                start = end + 4;
                break;
            }
            others &= others.wrapping_sub(1);
            let space = u32::from(figures.byte(end + 1) == b' ');
            if space == 1 {
                others &= others.wrapping_sub(1);
            }
            if !is_number(figures.byte(end + 1 + space)) {
                return Ok(at + end as usize);
            }
            start = end + 1 + space;
            // What is begun so late is mostly cut.
            if start > 44 {
                break;
            }
        }
        at += start as usize;
    }
}

/// The same, byte by byte.
#[inline(never)]
fn long_number(text: &[u8], at: usize) -> Next {
    let first = at + usize::from(byte(text, at) == b'-');
    let mut at = if byte(text, first) == b'0' { first + 1 } else { digits(text, first)? };
    if byte(text, at) == b'.' {
        at = digits(text, at + 1)?;
    }
    if byte(text, at) | 0x20 == b'e' {
        let sign = matches!(byte(text, at + 1), b'+' | b'-');
        at = digits(text, at + 1 + usize::from(sign))?;
    }
    Ok(at)
}

/// The place after the digits at a place, of which there must be one.
fn digits(text: &[u8], at: usize) -> Next {
    let rest = text.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    if length == 0 { stop(text, at, JsonFault::Byte) } else { Ok(at + length) }
}
