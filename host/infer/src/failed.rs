//! Why a model is none that can be asked, and why one that was asked has no answer.
//!
//! Invariant: whoever reads a variant knows what to change: the model, what is asked, or when. Texts are for people only.

use std::iter;

use serde::{Deserialize, Serialize};

use crate::limits::REASON_CHARS_MAX;

/// Why a file is no model that can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Unfit {
    /// It is none.
    #[error("it is no ONNX model: {0}")]
    NotOnnx(String),
    /// It has more of something than it may.
    #[error("it has more than it may have: {0}")]
    TooLarge(String),
    /// It needs an operator that is not there.
    #[error("the engine has no operator {0}")]
    Operator(String),
    /// What goes in or comes out is no tensor that can be said.
    #[error("{0}")]
    Port(String),
    /// It cannot be made ready.
    #[error("it cannot be made ready: {0}")]
    Engine(String),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Failed {
    /// The model itself is none that can be asked.
    #[error("{0}")]
    Unfit(Unfit),
    /// What was asked does not fit the model.
    #[error("{0}")]
    Invalid(String),
    /// It would need more than it may.
    #[error("{0}")]
    TooLarge(String),
    /// The model failed with it.
    #[error("the model failed: {0}")]
    Model(String),
    /// No worker was free in time.
    #[error("no worker was free in time")]
    Busy,
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// The host failed.
    #[error("{0}")]
    Host(String),
}

impl Failed {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unfit(_) => "unfit",
            Self::Invalid(_) => "invalid",
            Self::TooLarge(_) => "too-large",
            Self::Model(_) => "model",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Host(_) => "host",
        }
    }
}

/// The beginning of a reason, in one line.
#[must_use]
pub fn short(reason: &str) -> String {
    let spaced = reason.split_whitespace().flat_map(|word| iter::once(' ').chain(word.chars()));
    spaced.skip(1).take(REASON_CHARS_MAX).collect()
}
