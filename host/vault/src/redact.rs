//! Values taken out of what is shown.
//!
//! Invariant: a value is found where it stands whole and as it is; one that was encoded, or is in parts, is not. Each byte is looked at once for all of the values: what
//! stands in the place of one is not searched again, so what is shown has at most 9 times the bytes (a value of 8, under a name of 63), however many
//! values there are.

use memchr::memmem;

use crate::Value;

/// Shorter values are not looked for: they would be found by chance.
const SOUGHT_BYTES_MIN: usize = 8;

/// Values that nothing shows, under the names that stand in their place.
#[derive(Clone, Default)]
pub struct Hidden(Vec<(Box<str>, Value)>);

/// What is shown of bytes that more may follow.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown {
    /// What is shown; absent where that is how they stand, up to what is held back.
    pub bytes: Option<Vec<u8>>,
    /// How many bytes at their end are held back: a value may begin there.
    pub held: usize,
}

impl Hidden {
    /// Hides a value. One that is too short to be looked for, or is hidden under this name already, changes nothing.
    pub fn add(&mut self, name: &str, value: &Value) {
        let is_there = self.0.iter().any(|(known, same)| (&**known, same) == (name, value));
        if value.reveal().len() >= SOUGHT_BYTES_MIN && !is_there {
            self.0.push((name.into(), value.clone()));
        }
    }

    /// Bytes in which `[secret:NAME]` stands in the place of each value; absent where there is none in them.
    #[must_use]
    pub fn without(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.shown(bytes, |_| bytes.len()).bytes
    }

    /// The same of bytes that are the beginning of more.
    #[must_use]
    pub fn begun(&self, bytes: &[u8]) -> Shown {
        self.shown(bytes, |from| bytes.len() - self.open(bytes.get(from..).unwrap_or_default()))
    }

    /// `ends` is up to where values may begin that are whole, of bytes from a place on.
    fn shown(&self, bytes: &[u8], ends: impl Fn(usize) -> usize) -> Shown {
        let mut sought: Vec<_> = self.0.iter().map(|(name, value)| Sought::new(name, value.reveal())).collect();
        let (mut shown, mut from, mut end) = (None::<Vec<u8>>, 0, ends(0));
        loop {
            // The first, and the longest of those that begin there.
            let places = sought.iter_mut().filter_map(|one| {
                let at = one.at(bytes, from)?;
                Some((at, std::cmp::Reverse(one.bytes), one.name))
            });
            let Some((at, std::cmp::Reverse(long), name)) = places.min().filter(|(at, ..)| *at < end) else { break };
            let shown = shown.get_or_insert_default();
            shown.extend_from_slice(bytes.get(from..at).unwrap_or_default());
            shown.extend_from_slice(format!("[secret:{name}]").as_bytes());
            from = at + long;
            if end < from {
                end = ends(from);
            }
        }
        if let Some(shown) = &mut shown {
            shown.extend_from_slice(bytes.get(from..end).unwrap_or_default());
        }
        Shown { bytes: shown, held: bytes.len() - end }
    }

    /// How many bytes at the end are the beginning of a value.
    fn open(&self, bytes: &[u8]) -> usize {
        self.0.iter().map(|(_, value)| open(bytes, value.reveal())).max().unwrap_or(0)
    }
}

/// A value that is looked for.
struct Sought<'a> {
    name: &'a str,
    bytes: usize,
    finder: memmem::Finder<'a>,
    /// Where it stands next, as far as that was looked up.
    next: Option<Option<usize>>,
}

impl<'a> Sought<'a> {
    fn new(name: &'a str, value: &'a [u8]) -> Self {
        Self { name, bytes: value.len(), finder: memmem::Finder::new(value), next: None }
    }

    /// Where it stands from a place on, which is none before one that was asked for.
    fn at(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        match self.next {
            Some(Some(at)) if at >= from => {}
            Some(None) => {}
            _ => self.next = Some(self.finder.find(bytes.get(from..)?).map(|at| from + at)),
        }
        self.next.flatten()
    }
}

/// How many bytes at the end are the beginning of the value, and not all of it, by the table of Knuth, Morris and Pratt.
fn open(bytes: &[u8], value: &[u8]) -> usize {
    let step = |table: &[usize], mut matched: usize, byte: u8| {
        while value.get(matched) != Some(&byte) {
            let Some(shorter) = matched.checked_sub(1) else { return 0 };
            matched = table.get(shorter).copied().unwrap_or(0);
        }
        matched + 1
    };
    let mut table = vec![0];
    for byte in value.iter().skip(1) {
        table.push(step(&table, table.last().copied().unwrap_or(0), *byte));
    }
    let last = bytes.len().saturating_sub(value.len().saturating_sub(1));
    bytes.get(last..).unwrap_or_default().iter().fold(0, |matched, byte| step(&table, matched, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(all: &[(&str, &str)]) -> Hidden {
        let mut hidden = Hidden::default();
        all.iter().for_each(|(name, value)| hidden.add(name, &Value::new(value.as_bytes().to_vec())));
        hidden
    }

    fn told(all: &[(&str, &str)], text: &str) -> Option<String> {
        hidden(all).without(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands_whole() {
        let signing = [("signing", "whsec_123")];
        let both = told(&signing, "whsec_123, and whsec_123");
        assert_eq!(both.as_deref(), Some("[secret:signing], and [secret:signing]"));
        assert_eq!((told(&signing, "whsec_12"), told(&signing, ""), told(&[], "a")), (None, None, None));
        assert_eq!(told(&[("short", "1234567")], "a 1234567 b"), None);
    }

    #[test]
    fn of_values_that_begin_at_one_place_the_longest_is_taken_out() {
        let two = [("old", "whsec_old_value"), ("longer", "whsec_old_value.and.more"), ("inner", "old_value.and")];
        assert_eq!(told(&two, "whsec_old_value.and.more").as_deref(), Some("[secret:longer]"));
        assert_eq!(told(&two, "whsec_old_value.and whsec").as_deref(), Some("[secret:old].and whsec"));
    }

    #[test]
    fn what_stands_in_the_place_of_a_value_is_not_searched_again() {
        let name = |n: usize| format!("{}{n:02}", "a".repeat(61));
        // Each value is in the name of the one before.
        let all: Vec<_> = (0..12).map(|n| (name(n), "a".repeat(8 + n % 2))).collect();
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(told(&all, "aaaaaaaa"), Some(format!("[secret:{}]", name(0))));
        let text = "a".repeat(80);
        assert!(told(&all, &text).unwrap().len() <= 9 * text.len());
    }

    #[test]
    fn of_bytes_that_more_may_follow_the_beginning_of_a_value_is_held_back() {
        let hidden = hidden(&[("a", "abcabcabd"), ("b", "abdxxxxxx"), ("longer", "abcabcabd+")]);
        let begun = |text: &str| {
            let Shown { bytes, held } = hidden.begun(text.as_bytes());
            (bytes.map(|bytes| String::from_utf8(bytes).unwrap()), held)
        };
        assert_eq!(begun("nothing"), (None, 0));
        assert_eq!(begun("some abcabcabc"), (None, 9 - 3));
        assert_eq!(begun("abcabcabd"), (None, 9), "a longer one may be it");
        assert_eq!(begun("abcabcabd-ab"), (Some("[secret:a]-".to_owned()), 2));
        assert_eq!(begun("abcabcabd+abd"), (Some("[secret:longer]".to_owned()), 3));
    }

    #[test]
    fn the_beginning_of_a_value_is_what_a_plain_search_finds() {
        for value in ["aaaaaaaa", "abababab", "abacabad", "aabaaabaa"] {
            for n in 0..1_u32 << 10 {
                let text: Vec<u8> = (0..10).map(|bit| b'a' + u8::try_from(n >> bit & 1).unwrap()).collect();
                let plain = (0..value.len()).rev().find(|long| text.ends_with(&value.as_bytes()[..*long]));
                assert_eq!(Some(open(&text, value.as_bytes())), plain, "{value} {text:?}");
            }
        }
    }
}
