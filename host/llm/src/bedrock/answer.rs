//! Answers of Bedrock, errors included.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::Value;

use super::REDACTED;
use crate::{
    ask::{Embedding, Part, Reasoning, ToolUse},
    aws::Error,
    failed::Failed,
    provider::{Answered, Unanswered, not_understood, parsed, said},
    reply::{Reply, StopReason, Told, Usage, Vectors},
};

/// What an answer counted, whatever else it says.
#[derive(Deserialize)]
struct Counts {
    usage: Counted,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conversed {
    output: Output,
    stop_reason: String,
}

#[derive(Deserialize)]
struct Output {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    #[serde(default)]
    cache_write_input_tokens: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    input_tokens: u64,
}

/// Tokens that a model may put around each text.
const TOKENS_AROUND: u64 = 2;

/// What Titan counted for a vector.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfTitan {
    input_text_token_count: Option<u64>,
}

/// Vectors, as the models have them: Titan's one, or Cohere's.
#[derive(Deserialize)]
struct Embedded {
    embedding: Option<Vec<f32>>,
    embeddings: Option<Embeddings>,
}

/// Cohere's vectors, which stand by their kind where it was asked for kinds.
struct Embeddings(Vec<Vec<f32>>);

#[derive(Deserialize)]
struct Kinds {
    float: Vec<Vec<f32>>,
}

impl<'de> Deserialize<'de> for Embeddings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfEmbeddings)
    }
}

struct OfEmbeddings;

impl<'de> Visitor<'de> for OfEmbeddings {
    type Value = Embeddings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vectors, or vectors by their kind")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Embeddings, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Embeddings)
    }

    fn visit_map<A: MapAccess<'de>>(self, kinds: A) -> Result<Embeddings, A::Error> {
        Kinds::deserialize(MapAccessDeserializer::new(kinds)).map(|kinds| Embeddings(kinds.float))
    }
}

impl Counted {
    const fn usage(&self) -> Usage {
        // Those of a cache are not among the others.
        let cached = self.cache_read_input_tokens.saturating_add(self.cache_write_input_tokens);
        Usage { input_tokens: self.input_tokens.saturating_add(cached), output_tokens: self.output_tokens }
    }
}

/// What a part of an answer counted.
pub(super) fn counted(usage: &Value) -> Option<Usage> {
    Counted::deserialize(usage).ok().map(|counted| counted.usage())
}

/// An answer to a conversation. What it counted is read by itself, so that it is paid whatever the rest is.
pub(super) fn reply(body: &[u8]) -> Result<Told, Unanswered> {
    let usage = parsed::<Counts>(body).map_err(Unanswered::uncounted)?.usage.usage();
    let failed = |why| Unanswered::paid(why, usage);
    let Conversed { output, stop_reason } = parsed(body).map_err(failed)?;
    let stop = match stop_reason.as_str() {
        "end_turn" => StopReason::EndTurn,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "guardrail_intervened" => {
            let words = output.message.content.iter().filter_map(|part| part.get("text")?.as_str()).collect::<String>();
            return Err(failed(Failed::GuardrailBlocked(said(&words))));
        }
        "content_filtered" => return Err(failed(Failed::ContentFiltered("the answer was held back".to_owned()))),
        other => return Err(failed(not_understood(&format!("it ended by `{}`", said(other))))),
    };
    let content = output.message.content.iter().filter_map(part).collect();
    Ok(Told::Reply(Reply { content, stop, usage }))
}

/// A part of an answer; none where it is of a kind that is not asked for.
fn part(part: &Value) -> Option<Part> {
    let owned = |at: &str| part.pointer(at).and_then(Value::as_str).map(str::to_owned);
    if let Some(text) = owned("/text") {
        return Some(Part::Text(text));
    }
    if let (Some(id), Some(name)) = (owned("/toolUse/toolUseId"), owned("/toolUse/name")) {
        let input = part.pointer("/toolUse/input").map_or_else(|| "{}".to_owned(), Value::to_string);
        return Some(Part::ToolUse(ToolUse { id, name, input }));
    }
    if let Some(text) = owned("/reasoningContent/reasoningText/text") {
        let signature = owned("/reasoningContent/reasoningText/signature");
        return Some(Part::Reasoning(Reasoning { text, signature }));
    }
    let redacted = owned("/reasoningContent/redactedContent")?;
    Some(Part::Reasoning(Reasoning { text: String::new(), signature: Some(format!("{REDACTED}{redacted}")) }))
}

/// A number of tokens.
pub(super) fn count(body: &[u8]) -> Result<Told, Failed> {
    Ok(Told::Count(parsed::<Tokens>(body)?.input_tokens))
}

/// Vectors of texts. Cohere counts its tokens in the head; where it does not, they are as many as there can be: no token of a text has less than a byte.
/// That is paid, whether the vectors can be read or not.
pub(super) fn vectors(asked: &Embedding, answered: Answered<'_>) -> Result<Told, Unanswered> {
    let OfTitan { input_text_token_count } = parsed(answered.body).unwrap_or_default();
    let most = || asked.texts.iter().map(|text| text.len() as u64 + TOKENS_AROUND).sum();
    let input_tokens = input_text_token_count.or(answered.input_tokens).unwrap_or_else(most);
    let usage = Usage { input_tokens, output_tokens: 0 };
    let Embedded { embedding, embeddings } = parsed(answered.body).map_err(|why| Unanswered::paid(why, usage))?;
    let failed = |why: String| Err(Unanswered::paid(not_understood(&why), usage));
    let vectors = match (embedding, embeddings) {
        (Some(only), None) => vec![only],
        (None, Some(Embeddings(all))) => all,
        _ => return failed("it has neither one vector nor several".to_owned()),
    };
    if vectors.len() != asked.texts.len() {
        return failed(format!("it has {} vectors for {} texts", vectors.len(), asked.texts.len()));
    }
    let dimensions = asked.dimensions.and_then(|wanted| usize::try_from(wanted).ok());
    if let Some((wanted, other)) = dimensions.and_then(|wanted| Some((wanted, other_than(&vectors, wanted)?))) {
        return failed(format!("it has a vector of {other} dimensions where {wanted} were asked for"));
    }
    Ok(Told::Vectors(Vectors { vectors, usage }))
}

/// The length of a vector that has another one.
fn other_than(vectors: &[Vec<f32>], wanted: usize) -> Option<usize> {
    vectors.iter().map(Vec::len).find(|length| *length != wanted)
}

/// What a status that is no success means: the error's name says it, which stands in the head, or else in the body.
pub(super) fn failed(answered: Answered<'_>) -> Failed {
    let Error { name, text, words, .. } = Error::read(answered);
    let lower = text.to_lowercase();
    let is_context = lower.contains("too long") || lower.contains("context window") || lower.contains("context length");
    match (name.as_str(), answered.status) {
        ("ThrottlingException", _) => Failed::RateLimited(answered.retry_after),
        ("ModelTimeoutException", _) | ("", 408 | 504) => Failed::Timeout,
        (
            "ModelNotReadyException"
            | "ModelErrorException"
            | "ServiceUnavailableException"
            | "InternalServerException",
            _,
        ) => Failed::Overloaded(words),
        ("ValidationException", _) if is_context => Failed::ContextTooLong(words),
        ("ValidationException", _) => Failed::Invalid(words),
        ("", 429) => Failed::RateLimited(answered.retry_after),
        (_, 500..) => Failed::Overloaded(words),
        _ => Failed::Provider(words),
    }
}
