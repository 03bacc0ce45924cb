//! A line of a script: what it answers, and what it says.
//!
//! Invariant: it says one thing: words, tools, vectors, a number, or an error; and nothing in it is left unread.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    ask::{Ask, Part, ToolUse},
    failed::Failed,
    reply::{Reply, StopReason, Told, Usage, Vectors},
    stream::Piece,
};

/// Errors that a line may name: those that come of a provider.
const ERRORS: &str = "rate-limited, overloaded, timeout, context-too-long, content-filtered, guardrail-blocked, invalid, unsupported, provider";

/// Digits of a digest that tell a question.
const DIGITS_MIN: usize = 12;

/// A line as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    route: Option<String>,
    user: Option<String>,
    request: Option<String>,
    times: Option<u32>,
    text: Option<String>,
    json: Option<Value>,
    pieces: Option<Vec<String>>,
    tools: Vec<WrittenTool>,
    stop: Option<Stop>,
    vectors: Option<Vec<Vec<f32>>>,
    count: Option<u64>,
    error: Option<String>,
    message: Option<String>,
    after_ms: Option<u64>,
    usage: Option<WrittenUsage>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTool {
    name: String,
    #[serde(default)]
    input: Value,
    id: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUsage {
    input_tokens: u64,
    output_tokens: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stop {
    EndTurn,
    ToolUse,
    MaxTokens,
    #[serde(rename = "stop-sequence")]
    Sequence,
}

/// What a line says.
#[derive(Clone, Debug)]
pub(super) enum Says {
    /// Words, as they come, and tools that are to be asked.
    Words { pieces: Vec<String>, are_apart: bool, tools: Vec<ToolUse>, stop: StopReason },
    /// Vectors.
    Vectors(Vec<Vec<f32>>),
    /// A number of tokens.
    Count(u64),
    /// An error, behind these words.
    Error(Vec<String>, Failed),
}

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    route: Option<String>,
    user: Option<String>,
    request: Option<String>,
    pub(super) times: Option<u32>,
    pub(super) says: Says,
    usage: Option<WrittenUsage>,
}

impl Line {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if let Some(request) = &written.request {
            let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if !(DIGITS_MIN..=64).contains(&request.len()) || !request.bytes().all(digit) {
                return Err(format!(
                    "`request` is the first {DIGITS_MIN} to 64 digits of a question's digest, in lower case"
                ));
            }
        }
        if written.times == Some(0) {
            return Err("`times` is at least 1".to_owned());
        }
        let says = says(&written)?;
        let Written { route, user, request, times, usage, .. } = written;
        if usage.is_some() && matches!(says, Says::Count(_) | Says::Error(..)) {
            return Err("`usage` goes with `text`, `json`, `pieces`, `tools` or `vectors`".to_owned());
        }
        Ok(Self { route, user, request, times, says, usage })
    }

    /// Whether it is for a question.
    pub(super) fn is_for(&self, route: &str, user: &str, request: impl Fn() -> String) -> bool {
        self.route.as_deref().is_none_or(|wanted| wanted == route)
            && self.user.as_deref().is_none_or(|wanted| wanted == user)
            && self.request.as_deref().is_none_or(|digits| request().starts_with(digits))
    }

    /// How its words come, where it says so.
    pub(super) fn pieces(&self) -> Option<Vec<Piece>> {
        match &self.says {
            Says::Words { pieces, are_apart: true, .. } | Says::Error(pieces, _) if !pieces.is_empty() => {
                Some(pieces.iter().cloned().map(Piece::Text).collect())
            }
            _ => None,
        }
    }

    /// What it comes to in the end.
    pub(super) fn ended(&self, ask: &Ask) -> Result<Told, Failed> {
        let read = words(&super::user(ask));
        let usage = |output_tokens| match self.usage {
            Some(WrittenUsage { input_tokens, output_tokens }) => Usage { input_tokens, output_tokens },
            None => Usage { input_tokens: read, output_tokens },
        };
        Ok(match &self.says {
            Says::Words { pieces, tools, stop, .. } => {
                let text = pieces.concat();
                let told = tools.iter().map(|tool| words(&tool.input)).sum::<u64>() + words(&text);
                let text = (!text.is_empty() || tools.is_empty()).then_some(Part::Text(text));
                let content = text.into_iter().chain(tools.iter().cloned().map(Part::ToolUse)).collect();
                Told::Reply(Reply { content, stop: *stop, usage: usage(told) })
            }
            Says::Vectors(vectors) => Told::Vectors(Vectors { vectors: vectors.clone(), usage: usage(0) }),
            Says::Count(count) => Told::Count(*count),
            Says::Error(_, why) => return Err(why.clone()),
        })
    }
}

impl Says {
    /// Whether that answers what is asked.
    pub(super) fn answers(&self, ask: &Ask) -> bool {
        match (self, ask) {
            (Self::Words { .. }, Ask::Converse(_)) | (Self::Count(_), Ask::Count(_)) => true,
            (Self::Vectors(vectors), Ask::Embed(embedding)) => vectors.len() == embedding.texts.len(),
            (Self::Error(pieces, _), ask) => pieces.is_empty() || matches!(ask, Ask::Converse(_)),
            _ => false,
        }
    }
}

/// A token is a word.
fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// What a line says, if it is one thing.
fn says(written: &Written) -> Result<Says, String> {
    let Written { text, json, pieces, tools, stop, vectors, count, error, message, after_ms, .. } = written;
    let saying = [text.is_some(), json.is_some(), pieces.is_some()].into_iter().filter(|is_there| *is_there).count();
    let talks = saying > 0 || !tools.is_empty();
    let others = [vectors.is_some(), count.is_some(), error.is_some()].into_iter().filter(|is_there| *is_there).count();
    let breaks = error.is_some() && pieces.is_some() && tools.is_empty();
    if saying > 1 || others > 1 || (talks && others > 0 && !breaks) || (!talks && others == 0) {
        return Err("a line says one of `text`, `json` and `pieces` (with `tools`, or those alone), or `vectors`, `count` or `error` (behind `pieces`, where an answer breaks off)".to_owned());
    }
    if error.is_none() && (message.is_some() || after_ms.is_some()) {
        return Err("`message` and `after_ms` go with `error`".to_owned());
    }
    if stop.is_some() && (!talks || error.is_some()) {
        return Err("`stop` goes with `text`, `json`, `pieces` or `tools`".to_owned());
    }
    if let Some(name) = error {
        let why = failed(name, message.clone().unwrap_or_else(|| "the script says so".to_owned()), *after_ms)?;
        return Ok(Says::Error(pieces.clone().unwrap_or_default(), why));
    }
    if let Some(vectors) = vectors {
        return Ok(Says::Vectors(vectors.clone()));
    }
    if let Some(count) = count {
        return Ok(Says::Count(*count));
    }
    let whole = text.clone().or_else(|| json.as_ref().map(Value::to_string));
    let are_apart = pieces.is_some();
    let pieces = pieces.clone().unwrap_or_else(|| whole.into_iter().collect());
    let tools = tools.iter().enumerate().map(|(n, WrittenTool { name, input, id })| {
        let input = if input.is_null() { "{}".to_owned() } else { input.to_string() };
        ToolUse { id: id.clone().unwrap_or_else(|| format!("replay-{}", n + 1)), name: name.clone(), input }
    });
    let tools: Vec<_> = tools.collect();
    let stop = match stop {
        Some(Stop::ToolUse) => StopReason::ToolUse,
        Some(Stop::MaxTokens) => StopReason::MaxTokens,
        Some(Stop::Sequence) => StopReason::StopSequence,
        Some(Stop::EndTurn) => StopReason::EndTurn,
        None if tools.is_empty() => StopReason::EndTurn,
        None => StopReason::ToolUse,
    };
    Ok(Says::Words { pieces, are_apart, tools, stop })
}

fn failed(name: &str, message: String, after_ms: Option<u64>) -> Result<Failed, String> {
    if after_ms.is_some() && name != "rate-limited" {
        return Err("`after_ms` goes with the error `rate-limited`".to_owned());
    }
    Ok(match name {
        "rate-limited" => Failed::RateLimited(after_ms.map(Duration::from_millis)),
        "overloaded" => Failed::Overloaded(message),
        "timeout" => Failed::Timeout,
        "context-too-long" => Failed::ContextTooLong(message),
        "content-filtered" => Failed::ContentFiltered(message),
        "guardrail-blocked" => Failed::GuardrailBlocked(message),
        "invalid" => Failed::Invalid(message),
        "unsupported" => Failed::Unsupported(message),
        "provider" => Failed::Provider(message),
        other => return Err(format!("`{other}` is no error of a provider; those are: {ERRORS}")),
    })
}
