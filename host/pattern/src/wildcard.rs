//! Wildcards: text with `*` for any run of bytes. Invariant: a match costs at most the length of the text times the length of
//! the longest piece between two `*`, and usually the length of the text once, since each piece is taken at the first place
//! where it fits.

use std::fmt;

use crate::limits::WILDCARD_COMPLEXITY_MAX;

/// A parsed wildcard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wildcard {
    text: Box<str>,
    /// The literal texts around the `*`: one more than there are of them.
    pieces: Box<[Box<[u8]>]>,
}

/// Why a text is no wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WildcardFault {
    /// `**`.
    Doubled,
    /// A backslash before something other than `*` and `\`.
    Escape,
    /// More readings than the limit.
    Complex(usize),
}

impl Wildcard {
    pub(crate) fn new(text: &str) -> Result<Self, WildcardFault> {
        let (mut pieces, mut piece) = (Vec::new(), Vec::new());
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'*' if bytes.peek() == Some(&b'*') => return Err(WildcardFault::Doubled),
                b'*' => pieces.push(std::mem::take(&mut piece).into_boxed_slice()),
                b'\\' => match bytes.next() {
                    Some(escaped @ (b'*' | b'\\')) => piece.push(escaped),
                    _ => return Err(WildcardFault::Escape),
                },
                byte => piece.push(byte),
            }
        }
        pieces.push(piece.into_boxed_slice());
        let wildcard = Self { text: text.into(), pieces: pieces.into() };
        match wildcard.complexity() {
            complexity if complexity > WILDCARD_COMPLEXITY_MAX => Err(WildcardFault::Complex(complexity)),
            _ => Ok(wildcard),
        }
    }

    /// How many readings of it one string can keep open at once: all `*`, and the pieces after them that the string's end is
    /// in the middle of. The worst end is the beginning of some piece.
    fn complexity(&self) -> usize {
        let after = self.pieces.get(1..).unwrap_or_default();
        // So many `*` are too many in themselves, and counting would take long.
        if after.len() > WILDCARD_COMPLEXITY_MAX {
            return after.len();
        }
        let begun = |piece: &[u8], end: &[u8]| {
            (1..=piece.len().min(end.len())).any(|n| piece.get(..n).is_some_and(|head| end.ends_with(head)))
        };
        let open = |end: &[u8]| after.iter().filter(|piece| begun(piece, end)).count();
        let ends = after.iter().flat_map(|piece| (1..=piece.len().min(64)).filter_map(|n| piece.get(..n)));
        after.len() + ends.map(open).max().unwrap_or(0)
    }

    pub(crate) fn matches(&self, found: &[u8]) -> bool {
        let Some((head, after)) = self.pieces.split_first() else { return false };
        let Some((tail, middle)) = after.split_last() else { return **head == *found };
        let Some(rest) = found.strip_prefix(&**head) else { return false };
        let Some(mut rest) = rest.strip_suffix(&**tail) else { return false };
        for piece in middle {
            let Some(at) = memchr::memmem::find(rest, piece) else { return false };
            rest = rest.get(at + piece.len()..).unwrap_or_default();
        }
        true
    }

    /// The text before the first `*`, the text after the last, the longest between two, and whether that text alone decides.
    pub(crate) fn anchors(&self) -> Anchors<'_> {
        let between = self.pieces.get(1..self.pieces.len().saturating_sub(1)).unwrap_or_default();
        Anchors {
            head: self.pieces.first().map(|piece| &**piece).unwrap_or_default(),
            tail: self.pieces.get(1..).and_then(<[_]>::last).map(|piece| &**piece).unwrap_or_default(),
            inner: between.iter().max_by_key(|piece| piece.len()).map(|piece| &**piece).unwrap_or_default(),
            stars: self.pieces.len() - 1,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// What a string must have to match a wildcard.
pub(crate) struct Anchors<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) tail: &'a [u8],
    pub(crate) inner: &'a [u8],
    pub(crate) stars: usize,
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_are_any_run() {
        let cases = [
            ("*", "", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*", "xaby", true),
            ("*ab*ab", "ab", false),
            ("*ab*ab", "abab", true),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
            ("", "", true),
            ("", "x", false),
            (r"\**\\", r"*x\", true),
            (r"a\*b", "axb", false),
        ];
        for (text, found, wanted) in cases {
            assert_eq!(Wildcard::new(text).unwrap().matches(found.as_bytes()), wanted, "{text} on {found}");
        }
    }

    #[test]
    fn what_is_no_wildcard_is_refused() {
        for (text, wanted) in
            [("a**", WildcardFault::Doubled), (r"a\b", WildcardFault::Escape), (r"a\", WildcardFault::Escape)]
        {
            assert_eq!(Wildcard::new(text), Err(wanted), "{text}");
        }
    }

    #[test]
    fn readings_are_counted() {
        let complexity = |text: &str| match Wildcard::new(text) {
            Ok(wildcard) => wildcard.complexity(),
            Err(WildcardFault::Complex(complexity)) => complexity,
            Err(fault) => panic!("{text}: {fault:?}"),
        };
        assert_eq!(complexity("*:*:*:*:*:event-bus/*"), 11);
        assert_eq!(complexity("arn:aws:events:us-east-1:*:event-bus/*"), 3);
        assert_eq!(complexity("*a*b*c*d*e*f"), 7);
        assert_eq!(complexity("plain"), 0);
        assert_eq!(complexity("*aaaa"), 2);
        assert_eq!(complexity("*ab*ac*bc"), 5);
        assert_eq!(complexity(&"*a".repeat(1_000)), 1_000);
    }
}
