//! Answers of that protocol, errors included.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{
    ask::{Part, Reasoning, ToolUse},
    failed::Failed,
    provider::{Answered, Unanswered, not_understood, parsed, said},
    reply::{Reply, StopReason, Told, Usage, Vectors},
};

/// What an answer counted, whatever else it says.
#[derive(Deserialize)]
struct Counts {
    usage: Option<Counted>,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(default, deserialize_with = "words")]
    pub(super) content: Option<String>,
    pub(super) refusal: Option<String>,
    /// What some servers tell of a model's thoughts, by one of two names.
    pub(super) reasoning_content: Option<String>,
    pub(super) reasoning: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) function: Function,
}

#[derive(Default, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arguments: String,
}

#[derive(Deserialize)]
pub(super) struct Counted {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

#[derive(Deserialize)]
struct Embeddings {
    data: Vec<Embedded>,
}

#[derive(Deserialize)]
struct Embedded {
    index: usize,
    embedding: Vec<f32>,
}

impl Counted {
    pub(super) fn usage(&self) -> Usage {
        Usage { input_tokens: self.prompt_tokens, output_tokens: self.completion_tokens }
    }
}

/// What is said: a text, or parts of which those that are texts are read.
pub(super) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Array(parts) => Ok(Some(parts.iter().filter_map(text).collect())),
        _ => Err(D::Error::custom("what is said is neither a text nor a list of parts")),
    }
}

/// What an answer counted, read by itself, so that it is paid whatever the rest is. One that counts nothing is none: nobody would know what it costs.
pub(super) fn counted(body: &[u8]) -> Result<Usage, Failed> {
    let Counts { usage } = parsed(body)?;
    usage.map(|counted| counted.usage()).ok_or_else(|| not_understood("it counts no tokens"))
}

/// An answer to a conversation.
pub(super) fn reply(body: &[u8]) -> Result<Told, Unanswered> {
    let usage = counted(body).map_err(Unanswered::uncounted)?;
    let failed = |why| Unanswered::paid(why, usage);
    let Completion { choices } = parsed(body).map_err(failed)?;
    let Choice { message, finish_reason } =
        choices.into_iter().next().ok_or_else(|| failed(not_understood("it has no choice")))?;
    whole(message, finish_reason.as_deref(), usage)
}

/// An answer by what it says and why it ended.
pub(super) fn whole(message: Said, finish_reason: Option<&str>, usage: Usage) -> Result<Told, Unanswered> {
    let failed = |why| Unanswered::paid(why, usage);
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        return Err(failed(Failed::ContentFiltered(said(&refusal))));
    }
    let mut content = Vec::new();
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let thoughts = text(message.reasoning_content).or_else(|| text(message.reasoning));
    content.extend(thoughts.map(|text| Part::Reasoning(Reasoning { text, signature: None })));
    content.extend(text(message.content).map(Part::Text));
    for Call { id, function: Function { name, arguments } } in message.tool_calls.unwrap_or_default() {
        // Some models leave out what is empty.
        let input = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
        if !serde_json::from_str::<Value>(&input).is_ok_and(|input| input.is_object()) {
            return Err(failed(not_understood(&format!("the input of the tool `{}` is no JSON object", said(&name)))));
        }
        content.push(Part::ToolUse(ToolUse { id, name, input }));
    }
    let wants_tools = content.iter().any(|part| matches!(part, Part::ToolUse(_)));
    let stop = match finish_reason {
        Some("content_filter") => {
            return Err(failed(Failed::ContentFiltered("the answer was held back".to_owned())));
        }
        Some("length") => StopReason::MaxTokens,
        _ if wants_tools => StopReason::ToolUse,
        _ => StopReason::EndTurn,
    };
    Ok(Told::Reply(Reply { content, stop, usage }))
}

/// Vectors in the order of their texts.
pub(super) fn vectors(body: &[u8], texts: usize) -> Result<Told, Unanswered> {
    let usage = counted(body).map_err(Unanswered::uncounted)?;
    let failed = |why| Unanswered::paid(why, usage);
    let Embeddings { data } = parsed(body).map_err(failed)?;
    let mut vectors = vec![Vec::new(); texts];
    for Embedded { index, embedding } in data {
        let place = vectors.get_mut(index).ok_or_else(|| failed(not_understood("a vector belongs to no text")))?;
        *place = embedding;
    }
    if vectors.iter().any(Vec::is_empty) {
        return Err(failed(not_understood("a text has no vector")));
    }
    Ok(Told::Vectors(Vectors { vectors, usage }))
}

/// What a status that is no success means.
pub(crate) fn failed(answered: Answered<'_>) -> Failed {
    let body: Value = serde_json::from_slice(answered.body).unwrap_or_default();
    // Of most servers it is below `error`; of some it is that text itself, or stands alone.
    let error = body.get("error").unwrap_or(&body);
    let text = error.as_str().or_else(|| error.get("message").and_then(Value::as_str)).unwrap_or_default();
    let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
    let kind = error.get("type").and_then(Value::as_str).unwrap_or_default();
    let words = format!("status {}: {}", answered.status, if text.is_empty() { "without a word" } else { text });
    let words = said(&words);
    let is_context =
        code == "context_length_exceeded" || text.contains("context length") || text.contains("context window");
    match answered.status {
        429 if code == "insufficient_quota" || kind == "insufficient_quota" => Failed::Provider(words),
        429 => Failed::RateLimited(answered.retry_after),
        408 | 504 => Failed::Timeout,
        500.. => Failed::Overloaded(words),
        400 | 413 | 422 if is_context => Failed::ContextTooLong(words),
        400 if matches!(code, "content_filter" | "content_policy_violation") => Failed::ContentFiltered(words),
        400 | 413 | 422 => Failed::Invalid(words),
        _ => Failed::Provider(words),
    }
}
