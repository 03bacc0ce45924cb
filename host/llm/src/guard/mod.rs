//! Guardrails: what may not be said to models or by them, and what is masked in both.
//!
//! Invariant: every text that goes to a model or comes from it is looked at: system texts, turns, documents that are text, arguments of tools and
//! what they gave, thoughts, texts that become vectors. JSON stays JSON: it is looked at token by token, as it is written. Pictures and documents that
//! are no text are not looked at. What is denied is named by its place in the list, never by what was said.

mod json;
mod kind;
mod text;

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

pub use kind::Kind;

use crate::{
    ask::{Ask, Conversation, Document, Part, Reasoning},
    failed::Failed,
    limits::{DENIED_MAX, EXPRESSION_BYTES_MAX, EXPRESSION_COMPILED_BYTES_MAX, PATTERNS_MAX},
    reply::Told,
};

/// What an operator says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Words, and words one after the other, that may not be said; whatever their case.
    pub deny: Vec<String>,
    /// What is masked.
    pub mask: Vec<Kind>,
    /// What is masked besides, each a name and an expression.
    pub patterns: BTreeMap<String, String>,
}

/// Why rules cannot be kept to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGuard {
    /// Entry of the list, from 1.
    #[error("entry {0} of the denied words has to have a letter or a digit, and at most {EXPRESSION_BYTES_MAX} bytes")]
    Deny(usize),
    /// More than may be.
    #[error("there are more than {1} {0}")]
    TooMany(&'static str, usize),
    /// All of them together.
    #[error("the denied words are too much for one list")]
    DenyTooLarge,
    /// An expression that is none.
    #[error(
        "the pattern `{0}` is no regular expression of at most {EXPRESSION_BYTES_MAX} bytes that finds something: {1}"
    )]
    Pattern(String, String),
    /// A name that could not stand in a text.
    #[error(
        "`{0}` is no name of a pattern: it has lower-case letters, digits and `-`, at most 32, and is none of those that there are"
    )]
    Name(String),
}

/// Guardrails, ready to be kept to.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    deny: RegexSet,
    masks: Vec<Mask>,
}

impl PartialEq for Guard {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for Guard {}

#[derive(Debug)]
struct Mask {
    name: String,
    expression: Regex,
    kind: Option<Kind>,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    masked: u32,
    denied: Option<usize>,
}

impl Guard {
    /// Makes them ready.
    ///
    /// # Errors
    /// When an entry is none.
    pub fn new(rules: Rules) -> Result<Self, NotGuard> {
        if rules.deny.len() > DENIED_MAX {
            return Err(NotGuard::TooMany("denied words", DENIED_MAX));
        }
        if rules.patterns.len() > PATTERNS_MAX {
            return Err(NotGuard::TooMany("patterns", PATTERNS_MAX));
        }
        let deny: Result<Vec<_>, _> =
            rules.deny.iter().enumerate().map(|(at, words)| denied(words).ok_or(NotGuard::Deny(at + 1))).collect();
        let deny = RegexSetBuilder::new(deny?).size_limit(DENIED_MAX * 16 * EXPRESSION_BYTES_MAX).build();
        let mut masks = Vec::new();
        for (name, expression) in &rules.patterns {
            masks.push(own(name, expression)?);
        }
        for kind in Kind::ALL.into_iter().filter(|kind| rules.mask.contains(kind)) {
            let expression = compiled(kind.expression());
            let expression = expression.map_err(|why| NotGuard::Pattern(kind.to_string(), why))?;
            masks.push(Mask { name: kind.to_string(), expression, kind: Some(kind) });
        }
        Ok(Self { rules, deny: deny.map_err(|_| NotGuard::DenyTooLarge)?, masks })
    }

    /// What the operator says of them.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Looks at what is to be asked, and masks in it. Gives how often it did.
    ///
    /// # Errors
    /// When something in it is denied.
    pub fn ask(&self, ask: &mut Ask) -> Result<u32, Failed> {
        let mut found = Found::default();
        match ask {
            Ask::Converse(conversation) | Ask::Count(conversation) => self.conversation(conversation, &mut found),
            Ask::Embed(embedding) => embedding.texts.iter_mut().for_each(|text| self.text(text, &mut found)),
        }
        found.of("what is sent")
    }

    /// Looks at what came, and masks in it. Gives how often it did.
    ///
    /// # Errors
    /// When something in it is denied.
    pub fn told(&self, told: &mut Told) -> Result<u32, Failed> {
        let mut found = Found::default();
        if let Told::Reply(reply) = told {
            reply.content.iter_mut().for_each(|part| self.part(part, &mut found));
        }
        found.of("the answer")
    }

    fn conversation(&self, conversation: &mut Conversation, found: &mut Found) {
        let Conversation { system, messages, tools, output, stop, options, .. } = conversation;
        system.iter_mut().for_each(|text| self.text(text, found));
        let parts = messages.iter_mut().flat_map(|message| &mut message.content);
        parts.for_each(|part| self.part(part, found));
        for tool in tools {
            self.text(&mut tool.description, found);
            // Names, schemas and settings mean something as they are.
            self.look(&tool.name, found);
            self.look_at_json(&tool.input_schema, found);
        }
        let schemas = output.iter().map(|output| (&output.name, &output.schema));
        for (name, json) in schemas.chain(options.iter().map(|(name, value)| (name, value))) {
            self.look(name, found);
            self.look_at_json(json, found);
        }
        stop.iter().for_each(|text| self.look(text, found));
    }

    fn part(&self, part: &mut Part, found: &mut Found) {
        match part {
            Part::Text(text) => self.json_text(text, found),
            Part::Image(_) => {}
            Part::Document(Document { name, data, .. }) => {
                self.text(name, found);
                if let Ok(text) = std::str::from_utf8(data) {
                    let mut text = text.to_owned();
                    let before = found.masked;
                    self.json_text(&mut text, found);
                    if found.masked > before {
                        *data = text.into_bytes();
                    }
                }
            }
            Part::ToolUse(wanted) => {
                self.look(&wanted.name, found);
                self.json_text(&mut wanted.input, found);
            }
            Part::ToolResult(result) => self.json_text(&mut result.content, found),
            Part::Reasoning(Reasoning { text, signature }) => {
                let before = found.masked;
                self.text(text, found);
                // It is not what was signed any more.
                if found.masked > before {
                    *signature = None;
                }
            }
        }
    }
}

impl Found {
    fn of(self, place: &str) -> Result<u32, Failed> {
        match self.denied {
            None => Ok(self.masked),
            Some(entry) => Err(Failed::GuardrailBlocked(format!(
                "{place} has what the route's guardrails deny (entry {} of `deny`)",
                entry + 1
            ))),
        }
    }
}

/// An expression for words that are denied: each by itself, however far apart.
fn denied(words: &str) -> Option<String> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    if words.len() > EXPRESSION_BYTES_MAX || !words.contains(is_word) {
        return None;
    }
    let each: Vec<_> = words.split_whitespace().map(regex::escape).collect();
    let border = |at: Option<char>| if at.is_some_and(is_word) { r"\b" } else { "" };
    let words = words.trim();
    Some(format!("(?i){}{}{}", border(words.chars().next()), each.join(r"\s+"), border(words.chars().next_back())))
}

fn compiled(expression: &str) -> Result<Regex, String> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err("it is too long".to_owned());
    }
    let built = RegexBuilder::new(expression).size_limit(EXPRESSION_COMPILED_BYTES_MAX).build();
    let built = built.map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())?;
    if built.is_match("") { Err("it finds what is empty".to_owned()) } else { Ok(built) }
}

fn own(name: &str, expression: &str) -> Result<Mask, NotGuard> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = !name.is_empty() && name.len() <= 32 && name.bytes().all(letter);
    if !is_name || name.parse::<Kind>().is_ok() {
        return Err(NotGuard::Name(name.chars().take(64).collect()));
    }
    let expression = compiled(expression).map_err(|why| NotGuard::Pattern(name.to_owned(), why))?;
    Ok(Mask { name: name.to_owned(), expression, kind: None })
}

#[cfg(test)]
mod tests;
