//! JSON text, read byte by byte and exactly: RFC 8259, with UTF-8 checked. Invariant: what is skipped is checked as strictly
//! as what is read; eight bytes are looked at together wherever text is long. It builds nothing, and keeps no numbers: see
//! `number.rs` and `text.rs` for what bytes are worth.

use crate::limits::EVENT_DEPTH_MAX;

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
    /// An event that is no object.
    #[error("an event that is not an object")]
    NotObject,
}

/// The inside of a string, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) escaped: bool,
}

/// A place in a text.
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

type Read<T> = Result<T, JsonError>;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of a word that end or bend a string: a quote, a backslash, a control character. The lowest mark is exact.
#[inline]
const fn bends(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    ((quote.wrapping_sub(ONES) & !quote)
        | (slash.wrapping_sub(ONES) & !slash)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGHS
}

/// Marks the bytes of a word that are no digits. The lowest mark is exact.
#[inline]
const fn not_digits(word: u64) -> u64 {
    // The high nibble must be 3, also after adding 6, which takes ':' and above out of it. Only a byte that is marked
    // itself carries into the next.
    let low = (word & 0xf0f0_f0f0_f0f0_f0f0) ^ 0x3030_3030_3030_3030;
    let high = (word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0) ^ 0x3030_3030_3030_3030;
    low | high
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn fail<T>(&self, what: JsonFault) -> Read<T> {
        let what = if self.at >= self.bytes.len() && matches!(what, JsonFault::Byte) { JsonFault::End } else { what };
        Err(JsonError { offset: self.at, what })
    }

    #[inline]
    fn word(&self) -> Option<u64> {
        let rest = self.bytes.get(self.at..)?;
        rest.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is no space, not taken; 0, which is never a token, at the end.
    #[inline]
    pub(crate) fn token(&mut self) -> u8 {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Takes a token that must be there.
    #[inline]
    pub(crate) fn expect(&mut self, wanted: u8) -> Read<()> {
        if self.token() != wanted {
            return self.fail(JsonFault::Byte);
        }
        self.at += 1;
        Ok(())
    }

    /// Takes a string whose opening quote is next.
    #[inline]
    pub(crate) fn string(&mut self) -> Read<Quoted> {
        self.at += 1;
        let start = self.at;
        let (mut escaped, mut seen) = (false, 0u64);
        loop {
            if let Some(word) = self.word() {
                let marks = bends(word);
                if marks == 0 {
                    seen |= word;
                    self.at += 8;
                    continue;
                }
                let length = marks.trailing_zeros() / 8;
                // What lies before the mark.
                seen |= word & !(u64::MAX << (length * 8));
                self.at += length as usize;
            }
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(..0x20) => return self.fail(JsonFault::Control),
                Some(byte) => {
                    seen |= u64::from(byte);
                    self.at += 1;
                }
                None => return self.fail(JsonFault::End),
            }
        }
        let end = self.at;
        self.at += 1;
        if seen & HIGHS != 0 {
            self.utf8(start, end)?;
        }
        Ok(Quoted { start, end, escaped })
    }

    #[cold]
    fn utf8(&self, start: usize, end: usize) -> Read<()> {
        match std::str::from_utf8(self.bytes.get(start..end).unwrap_or_default()) {
            Ok(_) => Ok(()),
            Err(error) => Err(JsonError { offset: start + error.valid_up_to(), what: JsonFault::Utf8 }),
        }
    }

    #[cold]
    fn escape(&mut self) -> Read<()> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fail(JsonFault::Escape);
                }
                self.at += 6;
            }
            Some(_) => return self.fail(JsonFault::Escape),
            None => return self.fail(JsonFault::End),
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while let Some(word) = self.word() {
            let marks = not_digits(word);
            if marks == 0 {
                self.at += 8;
                continue;
            }
            self.at += marks.trailing_zeros() as usize / 8;
            return if self.at == start { self.fail(JsonFault::Byte) } else { Ok(()) };
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.fail(JsonFault::Byte) } else { Ok(()) }
    }

    /// Takes a number whose first byte is next, and gives where it began.
    #[inline]
    pub(crate) fn number(&mut self) -> Read<usize> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(start)
    }

    /// Takes `null`, `true` or `false`.
    #[inline]
    pub(crate) fn word_of(&mut self, wanted: &'static [u8]) -> Read<()> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(wanted)) {
            self.at += wanted.len();
            return Ok(());
        }
        self.fail(JsonFault::Byte)
    }

    /// Takes a member's name and its colon; the opening quote need not be next.
    #[inline]
    pub(crate) fn key(&mut self) -> Read<Quoted> {
        if self.token() != b'"' {
            return self.fail(JsonFault::Byte);
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key)
    }

    /// Takes one scalar, whose first byte is given.
    #[inline]
    pub(crate) fn skip_scalar(&mut self, first: u8) -> Read<()> {
        match first {
            b'"' => self.string().map(|_| ()),
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            b'n' => self.word_of(b"null"),
            b't' => self.word_of(b"true"),
            b'f' => self.word_of(b"false"),
            _ => self.fail(JsonFault::Byte),
        }
    }

    /// Takes a whole value, `depth` levels down. A bit for each open level says whether it is an object.
    pub(crate) fn skip(&mut self, depth: usize) -> Read<()> {
        let (mut objects, mut open) = (0u128, 0usize);
        loop {
            match self.token() {
                first @ (b'{' | b'[') => {
                    let object = first == b'{';
                    self.at += 1;
                    if self.token() == if object { b'}' } else { b']' } {
                        self.at += 1;
                    } else {
                        open += 1;
                        if depth + open > EVENT_DEPTH_MAX {
                            return self.fail(JsonFault::Depth);
                        }
                        objects = objects << 1 | u128::from(object);
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                first => self.skip_scalar(first)?,
            }
            loop {
                if open == 0 {
                    return Ok(());
                }
                let object = objects & 1 == 1;
                match self.token() {
                    b',' => {
                        self.at += 1;
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return self.fail(JsonFault::Byte),
                }
                self.at += 1;
                open -= 1;
                objects >>= 1;
            }
        }
    }

    /// That nothing but spaces is left.
    pub(crate) fn finish(&mut self) -> Read<()> {
        let _ = self.token();
        if self.at < self.bytes.len() { self.fail(JsonFault::Tail) } else { Ok(()) }
    }
}
