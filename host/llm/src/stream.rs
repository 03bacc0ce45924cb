//! Answers that come in pieces.
//!
//! Invariant: the pieces, one behind the other, are the words and the thoughts of the whole answer. What cannot be given in pieces, such as the use of a
//! tool, is in the whole one only. What a provider counted is known when it said so, and never guessed.

use crate::{
    ask::{Part, Reasoning},
    failed::Failed,
    reply::{Told, Usage},
};

/// Bytes of a piece of an answer that was whole before.
const PIECE_BYTES_MIN: usize = 12;

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Text(String),
    /// Thoughts.
    Reasoning(String),
}

/// Reads an answer while it comes.
pub trait Reads: Send {
    /// Takes its next bytes, and adds the pieces that they complete.
    ///
    /// # Errors
    /// When they are no answer, or say that there will be none.
    fn take(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Failed>;

    /// What was counted, if that was said.
    fn usage(&self) -> Option<Usage>;

    /// Bytes of the answer that came: words, thoughts, and what tools are to be asked. No token has less than one.
    fn bytes(&self) -> usize;

    /// The whole answer, when there are no more bytes.
    ///
    /// # Errors
    /// When it is not whole, or none.
    fn end(&mut self) -> Result<Told, Failed>;
}

impl Piece {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Reasoning(text) => text.len(),
        }
    }
}

impl Told {
    /// An answer that is there, in pieces of a few words.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        let Self::Reply(reply) = self else { return Vec::new() };
        let mut pieces = Vec::new();
        for part in &reply.content {
            match part {
                Part::Text(text) => pieces.extend(apart(text).map(Piece::Text)),
                Part::Reasoning(Reasoning { text, .. }) => pieces.extend(apart(text).map(Piece::Reasoning)),
                _ => {}
            }
        }
        pieces
    }
}

/// A text in pieces that end behind a space.
fn apart(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().find(|(at, letter)| letter.is_whitespace() && *at + 1 >= PIECE_BYTES_MIN);
        let end = end.map_or(rest.len(), |(at, letter)| at + letter.len_utf8());
        let (piece, more) = rest.split_at_checked(end)?;
        rest = more;
        (!piece.is_empty()).then(|| piece.to_owned())
    })
}

/// A stream that ended before its answer did.
pub(crate) fn broke_off() -> Failed {
    Failed::Provider("the answer broke off".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ask::ToolUse,
        reply::{Reply, StopReason},
    };

    #[test]
    fn a_whole_answer_is_the_sum_of_its_pieces() {
        let texts = ["one two three four five six", "", "äöü äöü äöü äöü ", "unbroken-unbroken-unbroken"];
        let mut content: Vec<_> = texts.iter().map(|text| Part::Text((*text).to_owned())).collect();
        content.push(Part::ToolUse(ToolUse { id: "1".into(), name: "t".into(), input: "{}".into() }));
        content.push(Part::Reasoning(Reasoning { text: "so it is".into(), signature: None }));
        let told = Told::Reply(Reply { content, stop: StopReason::EndTurn, usage: Usage::default() });
        let pieces = told.pieces();
        assert_eq!(pieces[..2], [Piece::Text("one two three ".into()), Piece::Text("four five six".into())]);
        assert_eq!(pieces.last(), Some(&Piece::Reasoning("so it is".into())));
        let text = |piece: &Piece| if let Piece::Text(text) = piece { text.clone() } else { String::new() };
        assert_eq!(pieces.iter().map(text).collect::<String>(), texts.concat());
        assert_eq!(Told::Count(1).pieces(), []);
    }
}
