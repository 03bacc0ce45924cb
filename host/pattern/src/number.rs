//! JSON numbers, compared by what they are worth: 300 = 300.0 = 3e2. Invariant: two numbers that doubles tell apart have
//! different keys, in the order of the numbers. A number that no double is written as (more digits than a double tells
//! apart, or beyond its range) has no key: it equals its own spelling only, as in event-ruler.

use std::fmt;

use crate::limits::NUMBER_DIGITS_MAX;

/// What a number is worth, as decimal digits in a form that integers compare: sign, exponent, digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u128);

/// A number of a pattern.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    text: Box<str>,
    pub(crate) key: Option<Key>,
}

/// Bits of the digits in a key: 10^17 - 1 needs 57.
const DIGIT_BITS: u32 = 57;
/// Added to exponents so that they are positive.
const EXPONENT_BIAS: i64 = 1 << 20;
const SIGN: u128 = 1 << 127;
/// 10^17, one above the largest digits.
const DIGITS_END: u64 = 100_000_000_000_000_000;

impl Key {
    /// Zero, of either sign.
    pub(crate) const ZERO: Self = Self(SIGN);
    /// Below every number.
    pub(crate) const LOWEST: Self = Self(0);
    /// Above every number.
    pub(crate) const HIGHEST: Self = Self(u128::MAX);

    /// The key of a JSON number that stands in a text, if a double could be written like that. It must be asked
    /// [`Key::holds`] before it counts: this much costs little, and most numbers of events equal nothing.
    #[inline]
    pub(crate) fn within(text: &[u8], start: usize, end: usize) -> Option<Self> {
        Self::plain(text, start, end).or_else(|| Self::sketch(text.get(start..end).unwrap_or_default()))
    }

    /// The same for what most numbers are: digits of which the first is not zero, and maybe a point and some more.
    #[inline]
    fn plain(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let negative = text.get(start) == Some(&b'-');
        let start = start + usize::from(negative);
        let first = run(text, start)?;
        // Digits have the high nibble 3, and only they and what is not in numbers have it.
        let whole = ((first ^ 0x3030_3030_3030_3030) & 0xf0f0_f0f0_f0f0_f0f0).trailing_zeros() as usize / 8;
        let point = usize::from(start + whole < end);
        let part = end.checked_sub(start + whole + point)?;
        if text.get(start) == Some(&b'0') || whole == 0 || whole == 8 || whole + part > NUMBER_DIGITS_MAX || part > 16 {
            return None;
        }
        if point == 1 && text.get(start + whole) != Some(&b'.') {
            return None;
        }
        let (mut digits, mut left, mut at) = (eight(first << (64 - 8 * whole)), part, start + whole + point);
        while left > 0 {
            let taken = left.min(8);
            let next = run(text, at)?;
            if ((next ^ 0x3030_3030_3030_3030) & 0xf0f0_f0f0_f0f0_f0f0) << (64 - 8 * taken) != 0 {
                // An exponent.
                return None;
            }
            digits = digits * POWERS.get(taken).copied()? + eight(next << (64 - 8 * taken));
            at += taken;
            left -= taken;
        }
        let filled = digits * POWERS.get(NUMBER_DIGITS_MAX - whole - part).copied()?;
        Some(Self::assemble(negative, whole as i64, filled))
    }

    #[inline]
    const fn assemble(negative: bool, scale: i64, filled: u64) -> Self {
        let worth = ((scale + EXPONENT_BIAS) as u128) << DIGIT_BITS | filled as u128;
        Self(if negative { SIGN - 1 - worth } else { SIGN + worth })
    }

    /// The same for any number.
    pub(crate) fn sketch(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, text),
        };
        // The digits seen, how many of them count, how many places the point is to the left of the last of them, and
        // zeros that count only if a digit follows.
        let (mut digits, mut count, mut zeros, mut places, mut point) = (0u64, 0usize, 0u32, 0i64, false);
        let mut exponent = 0i64;
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'0' if count == 0 => places += i64::from(point),
                b'0' => {
                    zeros += 1;
                    places += i64::from(point);
                }
                b'1'..=b'9' => {
                    count += zeros as usize + 1;
                    if count > NUMBER_DIGITS_MAX {
                        return None;
                    }
                    digits = digits * 10u64.pow(zeros + 1) + u64::from(byte - b'0');
                    zeros = 0;
                    places += i64::from(point);
                }
                b'.' => point = true,
                _ => {
                    exponent = read_exponent(bytes.as_slice())?;
                    break;
                }
            }
        }
        if digits == 0 {
            return Some(Self::ZERO);
        }
        // 0.digits * 10^scale, with the digits filled up to 17.
        let scale = exponent - places + i64::from(zeros) + count as i64;
        if !(-400..=400).contains(&scale) {
            return None;
        }
        let filled = digits * 10u64.pow((NUMBER_DIGITS_MAX - count) as u32);
        Some(Self::assemble(negative, scale, filled))
    }

    /// Whether this is how some double is written: the shortest digits that give it.
    pub(crate) fn holds(self) -> bool {
        if self == Self::ZERO {
            return true;
        }
        let worth = if self.0 >= SIGN { self.0 - SIGN } else { SIGN - 1 - self.0 };
        let digits = (worth & ((1 << DIGIT_BITS) - 1)) as u64;
        let scale = (worth >> DIGIT_BITS) as i64 - EXPONENT_BIAS;
        // Fifteen digits are always told apart, but at the ends of the range. Of two spellings that are equally short and
        // equally near, the even one is the double's.
        if digits.is_multiple_of(100) && (-300..=300).contains(&scale) {
            return true;
        }
        let exponent = scale - NUMBER_DIGITS_MAX as i64;
        let Ok(double) = format!("{digits}e{exponent}").parse::<f64>() else { return false };
        let back = Self::sketch(zmij::Buffer::new().format(double.abs()).as_bytes());
        double.is_finite() && back == Some(Self::assemble(false, scale, digits))
    }

    /// The key of a number that doubles tell apart from all others.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        Self::sketch(text).filter(|key| key.holds())
    }

    /// The key in the form that keys of a trie have.
    pub(crate) const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The next key, as an open end of a range has it. No number is between them.
    pub(crate) const fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The key before.
    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Powers of ten, up to what fills up the digits of a key.
const POWERS: [u64; 18] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
    1_000_000_000_000,
    10_000_000_000_000,
    100_000_000_000_000,
    1_000_000_000_000_000,
    10_000_000_000_000_000,
    100_000_000_000_000_000,
];

#[inline(always)]
fn run(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
}

/// What eight digits are worth; bytes that are zero count as the digit.
#[inline(always)]
const fn eight(word: u64) -> u64 {
    // Neighbours are put together: digits to pairs, pairs to fours, fours to eight.
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(2561) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(6_553_601) >> 16;
    (fours & 0x0000_ffff_0000_ffff).wrapping_mul(42_949_672_960_001) >> 32
}

/// The exponent after its `e`, if it is of any use.
fn read_exponent(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    let mut exponent = 0i64;
    for digit in digits {
        // Beyond this no double is: its digits would have to be more than an event has bytes.
        exponent = (exponent * 10 + i64::from(digit - b'0')).min(1 << 40);
    }
    Some(if negative { -exponent } else { exponent })
}

impl Number {
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.into(), key: Key::of(text.as_bytes()) }
    }

    /// Whether a number of an event is this one. Its key may be a sketch: what equals a key that holds, holds.
    pub(crate) fn equals(&self, text: &[u8], key: Option<Key>) -> bool {
        match self.key {
            Some(own) => key == Some(own),
            None => self.text.as_bytes() == text,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other.text.as_bytes(), other.key)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const _: () = assert!(DIGITS_END <= 1 << DIGIT_BITS);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_number_have_one_key() {
        let groups: [&[&str]; 7] = [
            &["300", "300.0", "3e2", "3.0e2", "30000e-2", "3E+2", "0.3e3", "300.00000000000000000000"],
            &["0", "-0", "0.0", "-0.0e5", "0e999999999999999999999"],
            &["-1.5", "-15e-1", "-0.00015e4"],
            &["1e-7", "0.0000001", "0.1e-6"],
            &["123456789012", "1.23456789012e11"],
            &["5e-324", "0.5e-323"],
            &["-122.46806156382938", "-12246806156382938e-14"],
        ];
        for group in groups {
            let wanted = Key::of(group[0].as_bytes());
            assert!(wanted.is_some());
            for spelling in group {
                assert_eq!(Key::of(spelling.as_bytes()), wanted, "{spelling}");
            }
        }
    }

    #[test]
    fn numbers_that_no_double_is_written_as_have_no_key() {
        for text in [
            "9007199254740993",
            "0.1000000000000000055",
            "1e400",
            "-1e400",
            "1e-400",
            "4e-324",
            "123456789012345678901",
        ] {
            assert_eq!(Key::of(text.as_bytes()), None, "{text}");
        }
        let own = Number::of("9007199254740993");
        assert!(own.equals(b"9007199254740993", None) && !own.equals(b"9007199254740993.0", None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_number_within_a_text_has_the_key_that_it_has_alone(text in "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?") {
            let around = format!("[{text}, 12345678, 12345678]");
            prop_assert_eq!(Key::within(around.as_bytes(), 1, 1 + text.len()), Key::sketch(text.as_bytes()), "{}", text);
            prop_assert_eq!(Key::within(text.as_bytes(), 0, text.len()), Key::sketch(text.as_bytes()), "{}", text);
        }

        #[test]
        fn keys_are_in_the_order_of_doubles(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite());
            let key = |x: f64| Key::of(serde_json::Value::from(x).to_string().as_bytes()).unwrap();
            prop_assert_eq!(key(a).cmp(&key(b)), a.partial_cmp(&b).unwrap(), "{} {}", a, b);
        }
    }
}
