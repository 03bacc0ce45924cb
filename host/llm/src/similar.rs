//! Questions that mean the same: where a conversation's last words are apart from all else of it, and how near vectors are to each other.
//!
//! Invariant: only the last words may be others. How near is a whole number, so that what is written in a file, compared and shown is the same.

use std::{fmt, str::FromStr, sync::Arc};

use serde_json::Value;

use crate::{
    ask::{Ask, Message, Part, Role},
    limits::{DIMENSIONS_MAX, SIMILAR_BYTES_MAX},
    repair::words,
    reply::Reply,
};

/// Numbers that are multiplied at a time.
const LANES: usize = 16;

/// How near two vectors are: the cosine of the angle between them, in 10⁻⁴, and 0 for all that is less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness(u16);

/// A text that says no likeness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no number from 0 to 1 with at most four decimals")]
pub struct NotLikeness;

impl Likeness {
    /// That many of 10,000.
    #[must_use]
    pub const fn of(ten_thousandths: u16) -> Self {
        Self(ten_thousandths)
    }

    /// In 10⁻⁴.
    #[must_use]
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }
}

impl FromStr for Likeness {
    type Err = NotLikeness;

    fn from_str(text: &str) -> Result<Self, NotLikeness> {
        let number = text.parse::<f64>().map_err(|_| NotLikeness)?;
        let (scaled, is_fine) = (number * 10_000.0, (0.0..=1.0).contains(&number));
        if !is_fine || (scaled - scaled.round()).abs() > 1e-6 {
            return Err(NotLikeness);
        }
        Ok(Self(scaled.round() as u16))
    }
}

impl fmt::Display for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// Where a vector points: a vector of length 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction(Arc<[f32]>);

impl Direction {
    /// That of a vector; nothing where it has none, or is too long to be compared.
    #[must_use]
    pub fn of(vector: &[f32]) -> Option<Self> {
        let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
        if vector.len() > DIMENSIONS_MAX || !length.is_normal() {
            return None;
        }
        Some(Self(vector.iter().map(|number| (f64::from(*number) / length) as f32).collect()))
    }

    /// Bytes of its numbers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// How near another one is; not at all, where it has more numbers or less.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> Likeness {
        if self.0.len() != other.0.len() {
            return Likeness(0);
        }
        let mut sums = [0.0_f32; LANES];
        let (ours, our_rest) = self.0.as_chunks::<LANES>();
        let (theirs, their_rest) = other.0.as_chunks::<LANES>();
        for (one, other) in ours.iter().zip(theirs) {
            for ((sum, one), other) in sums.iter_mut().zip(one).zip(other) {
                *sum += one * other;
            }
        }
        let rest: f32 = our_rest.iter().zip(their_rest).map(|(one, other)| one * other).sum();
        let cosine = sums.iter().sum::<f32>() + rest;
        // Both have the length 1 but for the last bit.
        Likeness((cosine.clamp(0.0, 1.0) * 10_000.0).round() as u16)
    }

    /// Which of some is the nearest, and how near it is.
    pub fn nearest<'a, K>(&self, others: impl IntoIterator<Item = &'a (K, Self)>) -> Option<(&'a K, Likeness)>
    where
        K: 'a,
    {
        others.into_iter().map(|(key, other)| (key, self.likeness(other))).max_by_key(|(_, likeness)| *likeness)
    }
}

impl Ask {
    /// A conversation without the words of the user that it ends with, and these; nothing where it ends with something else, or with too much.
    #[must_use]
    pub fn parted(&self) -> Option<(Self, String)> {
        let Self::Converse(conversation) = self else { return None };
        let Message { role: Role::User, content } = conversation.messages.last()? else { return None };
        let [Part::Text(text)] = content.as_slice() else { return None };
        if text.trim().is_empty() || text.len() > SIMILAR_BYTES_MAX {
            return None;
        }
        let (text, mut conversation) = (text.clone(), conversation.clone());
        conversation.messages.last_mut()?.content.clear();
        Some((Self::Converse(conversation), text))
    }

    /// Whether two answers to it are the same: as JSON where a schema was asked for, and else to the letter.
    #[must_use]
    pub fn same(&self, one: &Reply, other: &Reply) -> bool {
        let (first, second) = (words(one), words(other));
        let has_schema = matches!(self, Self::Converse(conversation) if conversation.output.is_some());
        let json = |text: &str| serde_json::from_str::<Value>(text).ok().filter(|_| has_schema);
        let are_same = match (json(&first), json(&second)) {
            (Some(first), Some(second)) => first == second,
            _ => first == second,
        };
        are_same && !one.wants_tools() && !other.wants_tools()
    }
}

impl Reply {
    /// Whether it asks for a tool: what it tells that is of the words that it answers.
    #[must_use]
    pub fn wants_tools(&self) -> bool {
        self.content.iter().any(|part| matches!(part, Part::ToolUse(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ask::{Conversation, OutputSchema, ToolUse},
        reply::{StopReason, Usage},
    };

    fn direction(vector: &[f32]) -> Direction {
        Direction::of(vector).unwrap()
    }

    #[test]
    fn nearness_is_the_cosine_whatever_the_length() {
        let near = |one: &[f32], other: &[f32]| direction(one).likeness(&direction(other)).to_string();
        assert_eq!(near(&[1.0, 0.0], &[7.0, 0.0]), "1.0000");
        assert_eq!(near(&[1.0, 0.0], &[1.0, 1.0]), "0.7071");
        assert_eq!(near(&[1.0, 0.0], &[-1.0, 0.0]), "0.0000");
        assert_eq!(near(&[1.0], &[1.0, 0.0]), "0.0000");
        // Of as many numbers as real ones have, the same one is the same.
        let long: Vec<_> = (0..1_537_u16).map(|n| f32::from(n % 89) - 44.0).collect();
        assert_eq!(near(&long, &long), "1.0000");
        let mut other = long.clone();
        other[1_536] += 400.0;
        assert!(near(&long, &other).as_str() < "1.0000");
        for none in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0], &[1.0; DIMENSIONS_MAX + 1]] {
            assert_eq!(Direction::of(none), None);
        }
        let others = [("a", direction(&[0.0, 1.0])), ("b", direction(&[1.0, 0.1])), ("c", direction(&[1.0, 1.0]))];
        let (key, likeness) = direction(&[1.0, 0.0]).nearest(&others).unwrap();
        assert_eq!((*key, likeness.to_string().as_str()), ("b", "0.9950"));
    }

    #[test]
    fn what_is_written_of_nearness_is_exact() {
        for (text, wanted) in [("0.95", Ok(9_500)), ("1", Ok(10_000)), ("0.9999", Ok(9_999)), ("0", Ok(0))] {
            assert_eq!(text.parse::<Likeness>().map(Likeness::ten_thousandths), wanted, "{text}");
        }
        for text in ["1.1", "-0.1", "0.95001", "nan", "inf", "", "x"] {
            assert_eq!(text.parse::<Likeness>(), Err(NotLikeness), "{text}");
        }
    }

    fn said(role: Role, content: Vec<Part>) -> Message {
        Message { role, content }
    }

    fn ask(messages: Vec<Message>) -> Ask {
        Ask::Converse(Conversation { messages, ..Conversation::default() })
    }

    #[test]
    fn only_the_last_words_of_the_user_are_apart() {
        let text = |text: &str| vec![Part::Text(text.into())];
        let turns = |last: &str| ask(vec![said(Role::User, text("a")), said(Role::User, text(last))]);
        let (one, words) = turns("b").parted().unwrap();
        assert_eq!((words.as_str(), &one), ("b", &turns("c").parted().unwrap().0));
        assert_ne!(one, ask(vec![said(Role::User, text("b"))]).parted().unwrap().0);
        let long = "x".repeat(SIMILAR_BYTES_MAX + 1);
        for other in [
            ask(vec![]),
            turns(" "),
            turns(&long),
            ask(vec![said(Role::Assistant, text("a"))]),
            ask(vec![said(Role::User, [text("a"), text("b")].concat())]),
            ask(vec![said(Role::User, vec![])]),
        ] {
            assert_eq!(other.parted(), None);
        }
    }

    #[test]
    fn answers_are_the_same_as_json_where_a_schema_was_asked_for() {
        let reply = |part: Part| Reply { content: vec![part], stop: StopReason::EndTurn, usage: Usage::default() };
        let text = |text: &str| reply(Part::Text(text.into()));
        let free = ask(vec![]);
        let output = Some(OutputSchema { name: "o".into(), schema: "{}".into() });
        let bound = Ask::Converse(Conversation { output, ..Conversation::default() });
        let (one, other) = (text(r#"{"a": 1, "b": 2}"#), text(r#"{"b":2,"a":1}"#));
        assert!(bound.same(&one, &other) && !free.same(&one, &other) && free.same(&one, &one));
        assert!(
            !bound.same(&one, &text(r#"{"a":1}"#))
                && !bound.same(&one, &text("x"))
                && bound.same(&text("x"), &text("x"))
        );
        let wanted = reply(Part::ToolUse(ToolUse { id: "1".into(), name: "t".into(), input: "{}".into() }));
        assert!(!free.same(&wanted, &wanted));
    }
}
