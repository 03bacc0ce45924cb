//! The seam to those who have models: a request is written, an answer is read.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    ask::Ask,
    failed::Failed,
    limits::SAID_CHARS_MAX,
    reply::{Told, Usage},
    stream::{Piece, Reads},
};

/// A request to be sent: a `POST` of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where, behind the provider's endpoint; it begins with a slash, and what needs to be is encoded.
    pub path: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// This is to be sent, and what comes back to be read.
    Send(Request),
    /// The answer is known.
    Done(Told),
    /// It is known too, and comes in these pieces, behind which it may break off.
    Said(Vec<Piece>, Result<Told, Failed>),
}

/// An answer of a provider.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its status.
    pub status: u16,
    /// What its head says of when to come again, if anything.
    pub retry_after: Option<Duration>,
    /// The field in which its head names the error, if it has it (`x-amzn-errortype`).
    pub error: Option<&'a str>,
    /// The tokens that its head counts as read, where it does (`x-amzn-bedrock-input-token-count`).
    pub input_tokens: Option<u64>,
    /// Its body.
    pub body: &'a [u8],
}

/// Why a provider's answer is none, and what it counted all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Why.
    pub why: Failed,
    /// What is paid for nevertheless; none where nobody knows.
    pub usage: Option<Usage>,
}

impl Unanswered {
    /// It was refused, so nothing is paid.
    pub(crate) fn unpaid(why: Failed) -> Self {
        Self::paid(why, Usage::default())
    }

    /// So much is paid all the same.
    pub(crate) const fn paid(why: Failed, usage: Usage) -> Self {
        Self { why, usage: Some(usage) }
    }

    /// Something is paid, and it does not say what.
    pub(crate) const fn uncounted(why: Failed) -> Self {
        Self { why, usage: None }
    }
}

/// Somebody who has models.
pub trait Provider: Send + Sync {
    /// Writes what is asked of a model for it.
    ///
    /// # Errors
    /// When it cannot be asked that.
    fn write(&self, model: &str, ask: &Ask) -> Result<Step, Failed>;

    /// The same for an answer that is to come in pieces, with what reads it; without that where it comes whole all the same.
    ///
    /// # Errors
    /// When it cannot be asked that.
    fn stream(&self, model: &str, ask: &Ask) -> Result<(Step, Option<Box<dyn Reads>>), Failed> {
        Ok((self.write(model, ask)?, None))
    }

    /// Reads the answer to that.
    ///
    /// # Errors
    /// When it is none, or says so.
    fn read(&self, ask: &Ask, answered: Answered<'_>) -> Result<Told, Unanswered>;
}

/// Whether a setting is the plugin's to choose: one of these. All others are the host's, such as the model, or change what is paid.
pub(crate) fn settable(name: &str, known: &[&str]) -> Result<(), Failed> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(Failed::Invalid(format!("`{name}` is no setting here: there are {}", known.join(", "))))
}

/// What is told of a provider's own words.
pub(crate) fn said(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect()
}

/// Reads an answer, or some members of it. All of them are objects; a list would be taken for the members in their order.
pub(crate) fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failed> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(not_understood("it is no JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| not_understood(&error.to_string()))
}

/// What is no answer of that protocol.
pub(crate) fn not_understood(what: &str) -> Failed {
    Failed::Provider(format!("the provider's answer is not understood: {what}"))
}
