//! What is personal by how it looks: the patterns that a route can name, with what tells a number of that kind from any other.
//!
//! Invariant: a text takes time in proportion to its length, whatever it has in it: no expression backtracks, and what an expression found is
//! looked at within bounds of its own length. What looks like something else is left as it is: this finds the usual spellings, and not all of them.

use std::{fmt, net::IpAddr, ops::Range, str::FromStr};

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An address for e-mail.
    Email,
    /// The number of a bank account, by its check digits.
    Iban,
    /// The number of a payment card, by its check digit.
    Card,
    /// A social security number of the United States.
    UsSsn,
    /// An address of a machine.
    Ip,
    /// A telephone number, with the code of its country or as it is written in North America.
    Phone,
}

/// Digits of a card's number.
const CARD: std::ops::RangeInclusive<usize> = 13..=19;

/// Letters and digits of an account's number.
const IBAN: std::ops::RangeInclusive<usize> = 15..=34;

impl Kind {
    /// All of them, in the order in which they are looked for: the surest first.
    pub const ALL: [Self; 6] = [Self::Email, Self::Iban, Self::Card, Self::UsSsn, Self::Ip, Self::Phone];

    /// Its name, which takes the place of what is found.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Card => "card",
            Self::UsSsn => "us-ssn",
            Self::Ip => "ip",
            Self::Phone => "phone",
        }
    }

    /// What finds whatever may be one.
    pub(super) const fn expression(self) -> &'static str {
        match self {
            Self::Email => r"\b[\w.%+-]+@[\w-]+(?:\.[\w-]+)+\b",
            Self::Iban => r"(?i)\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){11,30}\b",
            Self::Card => r"\b[0-9](?:[ -]?[0-9]){12,18}\b",
            Self::UsSsn => r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
            Self::Ip => {
                r"(?i)\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|(?:\b[0-9a-f]{1,4}|\B:):(?:[0-9a-f]{0,4}:){0,6}(?:[0-9a-f]{1,4}\b)?"
            }
            Self::Phone => {
                r"(?:\+|\b00)[1-9](?:[ ()./-]{0,2}[0-9]){6,14}\b|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b"
            }
        }
    }

    /// Which part of what was found is one.
    pub(super) fn within(self, found: &str) -> Option<Range<usize>> {
        let whole = 0..found.len();
        match self {
            Self::Email | Self::UsSsn | Self::Phone => Some(whole),
            // Names of programs have colons too, and seldom digits beside them.
            Self::Ip => {
                let is_one = found.parse::<IpAddr>().is_ok() && found.contains(|letter: char| letter.is_ascii_digit());
                is_one.then_some(whole)
            }
            Self::Card => longest(found, is_card),
            Self::Iban => longest(found, is_iban),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("`{text}` is no kind of personal data: there are {}", known()))
    }
}

/// The longest part from the beginning to the end of a group of letters and digits that is what is looked for.
fn longest(text: &str, is: fn(&str) -> bool) -> Option<Range<usize>> {
    let is_gap = |at: usize| text.as_bytes().get(at).is_none_or(|byte| matches!(byte, b' ' | b'-'));
    let mut ends = (1..=text.len()).rev().filter(|end| is_gap(*end) && !is_gap(end - 1));
    ends.find(|end| text.get(..*end).is_some_and(is)).map(|end| 0..end)
}

/// By its check digit (ISO/IEC 7812-1).
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice) => twice / 10 + twice % 10,
        })
        .sum();
    CARD.contains(&digits.len()) && sum.is_multiple_of(10) && sum > 0
}

/// By its check digits (ISO 13616).
fn is_iban(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|letter| *letter != ' ').collect();
    if !IBAN.contains(&letters.len()) {
        return false;
    }
    let (head, rest) = letters.split_at(4);
    let rest = rest.iter().chain(head).filter_map(|letter| letter.to_digit(36));
    rest.fold(0, |sum, value| (sum * (if value < 10 { 10 } else { 100 }) + value) % 97) == 1
}
