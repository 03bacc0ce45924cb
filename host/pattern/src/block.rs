//! Sixteen bytes looked at together, with whatever the processor has for that. Invariant: bit n of a mask is about byte n.

use wide::{i8x16, u8x16};

/// Sixteen bytes of a text.
#[derive(Clone, Copy)]
pub(crate) struct Block(u8x16);

impl Block {
    #[inline(always)]
    pub(crate) fn at(text: &[u8], at: usize) -> Option<Self> {
        text.get(at..).and_then(<[u8]>::first_chunk::<16>).map(Self::of)
    }

    #[inline(always)]
    pub(crate) fn of(chunk: &[u8; 16]) -> Self {
        Self(u8x16::new(*chunk))
    }

    /// Quotes.
    #[inline(always)]
    pub(crate) fn quotes(self) -> u32 {
        self.0.simd_eq(u8x16::splat(b'"')).to_bitmask()
    }

    /// What makes a string more than text to be passed over: backslashes, control characters, and bytes beyond ASCII.
    #[inline(always)]
    pub(crate) fn odd(self) -> u32 {
        // Bytes beyond ASCII are negative here, and so below a space too.
        let below = self.0.cast_signed().simd_lt(i8x16::splat(0x20)).cast_unsigned();
        (below | self.0.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
    }

    /// Digits.
    #[inline(always)]
    pub(crate) fn digits(self) -> u32 {
        // This takes digits to the highest positive numbers, and what is above them to negative ones.
        let moved = (self.0 + u8x16::splat(127 - b'9')).cast_signed();
        moved.simd_gt(i8x16::splat(127 - 10)).cast_unsigned().to_bitmask()
    }
}

/// What of sixty-four bytes ends or bends strings, so that one string after the other is taken from that: see
/// [`crate::scan::string_in`].
#[derive(Clone, Copy)]
pub(crate) struct Marks {
    base: usize,
    quotes: u64,
    odd: u64,
}

impl Marks {
    /// Nothing has been looked at.
    pub(crate) const fn new() -> Self {
        // No text is so long.
        Self { base: usize::MAX / 2, quotes: 0, odd: 0 }
    }

    /// The quotes from a place on, of which at least sixteen bytes are looked at, if nothing odd stands before the first; none
    /// too at the end of the text.
    #[inline(always)]
    pub(crate) fn quotes(&mut self, text: &[u8], at: usize) -> Option<u64> {
        let past = at.wrapping_sub(self.base);
        if past > 48 {
            return self.look(text, at);
        }
        let quotes = self.quotes >> past;
        // Mostly there is nothing odd at all.
        (self.odd == 0 || (self.odd >> past) & (quotes ^ quotes.wrapping_sub(1)) == 0).then_some(quotes)
    }

    #[inline(always)]
    fn look(&mut self, text: &[u8], at: usize) -> Option<u64> {
        let bytes = text.get(at..)?.first_chunk::<64>()?;
        let (quarters, _) = bytes.as_chunks::<16>();
        let (mut quotes, mut odd) = (0, 0);
        for quarter in quarters.iter().rev() {
            let block = Block::of(quarter);
            quotes = quotes << 16 | u64::from(block.quotes());
            odd = odd << 16 | u64::from(block.odd());
        }
        *self = Self { base: at, quotes, odd };
        (odd & (quotes ^ quotes.wrapping_sub(1)) == 0).then_some(quotes)
    }
}

/// Sixty-four bytes, and those of them that are no digits.
pub(crate) struct Figures<'a> {
    bytes: &'a [u8; 64],
    pub(crate) others: u64,
}

impl<'a> Figures<'a> {
    #[inline(always)]
    pub(crate) fn at(text: &'a [u8], at: usize) -> Option<Self> {
        let bytes = text.get(at..)?.first_chunk::<64>()?;
        let (quarters, _) = bytes.as_chunks::<16>();
        let digits =
            quarters.iter().rev().fold(0u64, |mask, quarter| mask << 16 | u64::from(Block::of(quarter).digits()));
        Some(Self { bytes, others: !digits })
    }

    /// A byte by its place among them; some byte beyond them.
    #[inline(always)]
    pub(crate) fn byte(&self, place: u32) -> u8 {
        self.bytes.get((place & 63) as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_about_each_byte() {
        for byte in 0..=u8::MAX {
            for (place, other) in
                (0..16).flat_map(|place| [b'a', b'"', b'\\', 0xff, 0x1f, b'9', b'.'].map(|other| (place, other)))
            {
                let mut chunk = [other; 16];
                chunk[place] = byte;
                let wanted = |is: fn(u8) -> bool| (0..16).filter(|n| is(chunk[*n])).fold(0u32, |mask, n| mask | 1 << n);
                let block = Block::of(&chunk);
                assert_eq!(block.quotes(), wanted(|byte| byte == b'"'), "{chunk:?}");
                assert_eq!(block.odd(), wanted(|byte| byte == b'\\' || !(0x20..0x80).contains(&byte)), "{chunk:?}");
                assert_eq!(block.digits(), wanted(|byte| byte.is_ascii_digit()), "{chunk:?}");
            }
        }
    }
}
