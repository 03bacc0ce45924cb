//! What a model answers.

use serde::{Deserialize, Serialize};

use crate::ask::Part;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopReason {
    /// It was complete.
    EndTurn,
    /// The model waits for tools.
    ToolUse,
    /// It has as many tokens as it may have.
    MaxTokens,
    /// A text came that ends it.
    StopSequence,
}

/// What was counted, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Read by the model.
    pub input_tokens: u64,
    /// Written by it.
    pub output_tokens: u64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What the model says.
    pub content: Vec<Part>,
    /// Why it ended.
    pub stop: StopReason,
    /// What was counted.
    pub usage: Usage,
}

/// Vectors, in the order of their texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vectors {
    /// One for each text.
    #[serde(with = "crate::kept::vectors")]
    pub vectors: Vec<Vec<f32>>,
    /// What was counted.
    pub usage: Usage,
}

/// What came of whatever was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Told {
    /// An answer.
    Reply(Reply),
    /// Vectors.
    Vectors(Vectors),
    /// A number of tokens.
    Count(u64),
}

impl Told {
    /// What is paid for.
    #[must_use]
    pub fn usage(&self) -> Usage {
        match self {
            Self::Reply(reply) => reply.usage,
            Self::Vectors(vectors) => vectors.usage,
            Self::Count(_) => Usage::default(),
        }
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts, whole numbers and base64; there is nothing in it that JSON has no word for.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Its bytes for whoever is given it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Reply(reply) => reply.content.iter().map(Part::bytes).sum(),
            Self::Vectors(Vectors { vectors, .. }) => vectors.iter().map(|vector| 4 * vector.len()).sum(),
            Self::Count(_) => 8,
        }
    }
}
