//! A provider that says what is written down, for tests and while a plugin is written: a script of answers, a line of JSON each.
//!
//! Invariant: the same question gets the same line, but for lines that are used up (`times`). What no line answers is an error that says which line to
//! add; nothing is made up. A script with a mistake in it is none.

mod line;

use std::{
    cell::LazyCell,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    ask::{Ask, Conversation, Message, Part, Role},
    failed::Failed,
    limits::{SCRIPT_BYTES_MAX, SCRIPT_LINES_MAX},
    provider::{Answered, Provider, Step, Unanswered},
    reply::Told,
};
use line::Line;

/// Digits of a question's digest in a line that is proposed.
const DIGITS: usize = 16;

/// Bytes of a user's words that a line is proposed with; longer ones are told by their digest.
const WORDS_BYTES_MAX: usize = 200;

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotScript {
    /// It is too long.
    #[error("it has more than {SCRIPT_BYTES_MAX} bytes or {SCRIPT_LINES_MAX} lines")]
    Size,
    /// A line is none.
    #[error("line {0}: {1}")]
    Line(usize, String),
}

/// Answers that are written down.
#[derive(Debug)]
pub struct Script {
    /// What it is called where a line is missing.
    name: String,
    lines: Vec<Line>,
    /// How often each was used.
    used: Mutex<Vec<u32>>,
    digest: String,
}

/// A script is what is written in it, not what was used of it.
impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.digest) == (&other.name, &other.digest)
    }
}

impl Eq for Script {}

impl Script {
    /// Reads one, of which nothing is used.
    ///
    /// # Errors
    /// When a line is none; the first such one.
    pub fn parse(name: &str, text: &str) -> Result<Self, NotScript> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(NotScript::Size);
        }
        let mut lines = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            lines.push(Line::parse(line).map_err(|why| NotScript::Line(n + 1, why))?);
        }
        if lines.len() > SCRIPT_LINES_MAX {
            return Err(NotScript::Size);
        }
        let used = Mutex::new(vec![0; lines.len()]);
        Ok(Self { name: name.to_owned(), lines, used, digest: hex(text.as_bytes()) })
    }

    /// What tells its text from others.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The first line that answers a question of a route and is not used up.
    fn line(&self, route: &str, ask: &Ask) -> Result<&Line, Failed> {
        // Few files name questions by their digests.
        let (user, request) = (user(ask), LazyCell::new(|| digest(ask)));
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for (line, used) in self.lines.iter().zip(used.iter_mut()) {
            if line.is_for(route, &user, || request.clone())
                && line.says.answers(ask)
                && line.times.is_none_or(|times| *used < times)
            {
                *used = used.saturating_add(1);
                return Ok(line);
            }
        }
        let missing = missing(route, ask, &user, &request);
        Err(Failed::Provider(format!(
            "no line of `{}` answers this; add one, with what is to be said: {missing}",
            self.name
        )))
    }
}

/// Says what a script has for a route.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What there is to be said.
    pub script: Arc<Script>,
    /// By which route it is asked.
    pub route: String,
}

impl Provider for Replay {
    fn write(&self, _: &str, ask: &Ask) -> Result<Step, Failed> {
        let line = self.script.line(&self.route, ask)?;
        line.ended(ask).map(Step::Done)
    }

    fn stream(&self, _: &str, ask: &Ask) -> Result<(Step, Option<Box<dyn crate::Reads>>), Failed> {
        let line = self.script.line(&self.route, ask)?;
        let step = match line.pieces() {
            Some(pieces) => Step::Said(pieces, line.ended(ask)),
            None => Step::Done(line.ended(ask)?),
        };
        Ok((step, None))
    }

    fn read(&self, _: &Ask, _: Answered<'_>) -> Result<Told, Unanswered> {
        Err(Unanswered::unpaid(Failed::Provider("a script sends nothing".to_owned())))
    }
}

/// The line that would answer a question.
fn missing(route: &str, ask: &Ask, user: &str, request: &str) -> String {
    let (key, of) = if user.is_empty() || user.len() > WORDS_BYTES_MAX {
        ("request", request.get(..DIGITS).unwrap_or(request))
    } else {
        ("user", user)
    };
    let (says, value) = match ask {
        Ask::Converse(_) => ("text", json!("…")),
        Ask::Embed(_) => ("vectors", json!([[0.5]])),
        Ask::Count(_) => ("count", json!(1)),
    };
    // Written by hand, so that what is asked stands before what is said.
    format!("{{\"route\": {}, \"{key}\": {}, \"{says}\": {value}}}", json!(route), json!(of))
}

/// What the user said last, or the texts that are to be made vectors.
fn user(ask: &Ask) -> String {
    match ask {
        Ask::Converse(Conversation { messages, .. }) | Ask::Count(Conversation { messages, .. }) => last(messages),
        Ask::Embed(embedding) => embedding.texts.join("\n"),
    }
}

/// The words of the user's last turn, results of tools among them.
pub(crate) fn last(messages: &[Message]) -> String {
    let said = messages.iter().rev().find(|message| message.role == Role::User);
    let parts = said.iter().flat_map(|message| &message.content);
    let texts = parts.filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::ToolResult(result) => Some(result.content.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The digest of a question as the plugin asks it: how long an answer may be is the route's to say as well.
fn digest(ask: &Ask) -> String {
    let mut ask = ask.clone();
    if let Ask::Converse(conversation) | Ask::Count(conversation) = &mut ask {
        conversation.max_tokens = None;
    }
    hex(&ask.to_bytes())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
