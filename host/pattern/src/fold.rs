//! Text that is compared without regard to case, as event-ruler does: each character of a pattern stands for its lower and
//! its upper case, whatever their lengths; characters beyond the basic plane stand for themselves. Invariant: the three
//! questions (equal, begins, ends) agree with each other.

use std::fmt;

/// A text of a pattern whose case does not count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Folded {
    text: Box<str>,
    /// What each character may be; absent where all are ASCII, which is compared faster.
    choices: Option<Box<[Choice]>>,
}

/// The two forms of a character, which may be one.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    lower: Box<str>,
    upper: Box<str>,
}

impl Folded {
    pub(crate) fn new(text: &str) -> Self {
        let choices = (!text.is_ascii()).then(|| text.chars().map(Choice::of).collect());
        Self { text: text.into(), choices }
    }

    pub(crate) fn equals(&self, found: &[u8]) -> bool {
        match &self.choices {
            None => found.eq_ignore_ascii_case(self.text.as_bytes()),
            Some(choices) => begins(choices, found, &|rest| rest.is_empty()),
        }
    }

    pub(crate) fn begins(&self, found: &[u8]) -> bool {
        match &self.choices {
            None => found.get(..self.text.len()).is_some_and(|head| head.eq_ignore_ascii_case(self.text.as_bytes())),
            Some(choices) => begins(choices, found, &|_| true),
        }
    }

    pub(crate) fn ends(&self, found: &[u8]) -> bool {
        match &self.choices {
            None => {
                let tail = found.len().checked_sub(self.text.len()).and_then(|from| found.get(from..));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(self.text.as_bytes()))
            }
            Some(choices) => ends(choices, found),
        }
    }

    /// The ASCII characters that it begins with, in lower case, and whether that is all of it.
    pub(crate) fn head(&self) -> (Vec<u8>, bool) {
        let head: Vec<u8> = self.text.bytes().take_while(u8::is_ascii).map(|byte| byte.to_ascii_lowercase()).collect();
        let all = head.len() == self.text.len();
        (head, all)
    }

    /// The ASCII characters that it ends with, in lower case, and whether that is all of it.
    pub(crate) fn tail(&self) -> (Vec<u8>, bool) {
        let after = self.text.bytes().rposition(|byte| !byte.is_ascii()).map_or(0, |at| at + 1);
        (self.text.bytes().skip(after).map(|byte| byte.to_ascii_lowercase()).collect(), after == 0)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Choice {
    fn of(c: char) -> Self {
        if c.len_utf16() > 1 {
            let same: Box<str> = c.to_string().into();
            return Self { lower: same.clone(), upper: same };
        }
        Self { lower: c.to_lowercase().collect::<String>().into(), upper: c.to_uppercase().collect::<String>().into() }
    }

    fn forms(&self) -> impl Iterator<Item = &[u8]> {
        let upper = (self.upper != self.lower).then_some(self.upper.as_bytes());
        std::iter::once(self.lower.as_bytes()).chain(upper)
    }
}

/// No form of a character begins another form of it, so that at most one way is open at a time.
fn begins(choices: &[Choice], found: &[u8], then: &impl Fn(&[u8]) -> bool) -> bool {
    let mut rest = found;
    for choice in choices {
        let Some(after) = choice.forms().find_map(|form| rest.strip_prefix(form)) else { return false };
        rest = after;
    }
    then(rest)
}

fn ends(choices: &[Choice], found: &[u8]) -> bool {
    let mut rest = found;
    for choice in choices.iter().rev() {
        let Some(before) = choice.forms().find_map(|form| rest.strip_suffix(form)) else { return false };
        rest = before;
    }
    true
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_character_begins_or_ends_another_form_of_it() {
        for c in '\0'..=char::MAX {
            let Choice { lower, upper } = Choice::of(c);
            if lower != upper {
                assert!(!upper.starts_with(&*lower) && !lower.starts_with(&*upper), "{c}");
            }
        }
    }

    #[test]
    fn characters_stand_for_their_cases() {
        let equal = |pattern: &str, found: &str| Folded::new(pattern).equals(found.as_bytes());
        assert!(equal("AbC", "aBc") && equal("\u{e9}A", "\u{c9}a") && equal("stra\u{df}e", "STRASSE"));
        assert!(equal("\u{212a}", "k") && !equal("k", "\u{212a}"));
        assert!(!equal("ab", "abc") && !equal("\u{e9}", "\u{e9}e"));
        let folded = Folded::new("\u{e9}T\u{c9}");
        assert!(folded.begins("\u{c9}t\u{e9}x".as_bytes()) && folded.ends("x\u{e9}t\u{e9}".as_bytes()));
        assert_eq!(Folded::new("AB\u{e9}cD").head(), (b"ab".to_vec(), false));
        assert_eq!(Folded::new("AB\u{e9}cD").tail(), (b"cd".to_vec(), false));
    }
}
