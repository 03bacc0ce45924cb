//! Amazon Bedrock's runtime: Converse, CountTokens, and InvokeModel for the embeddings of Titan and of Cohere.
//!
//! Invariant: every part of a conversation has its place in the request, or the request is refused. It is signed elsewhere (`sigv4`), as it is
//! written here.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};

use crate::{
    ask::{Ask, Conversation, Document, Embedding, Image, Message, Part, Reasoning, Role, ToolChoice},
    aws::encoded,
    failed::Failed,
    provider::{Answered, Provider, Request, Step, Unanswered, settable},
    reply::Told,
    stream::Reads,
};

mod answer;
mod stream;

/// What stands before thoughts that are kept from readers, in the place of their signature.
const REDACTED: &str = "redacted:";

/// The models whose embeddings are spoken here, by what their names begin with behind a region's.
const TITAN: &str = "amazon.titan-embed-text-v2";
const COHERE: &str = "cohere.embed-";

/// Those of Cohere whose vectors can have another length.
const COHERE_SIZED: &str = "cohere.embed-v4";

/// Texts that Cohere takes in a call.
const COHERE_TEXTS_MAX: usize = 96;

/// What Cohere makes vectors for. The contract has no word for it, so all have the same, and can be compared.
const COHERE_INPUT: &str = "search_document";

/// Settings that are the plugin's to choose: how a model of any vendor picks its words, and how it thinks. What it thinks is of its `max_tokens`.
const OPTIONS: [&str; 14] = [
    "frequency_penalty",
    "k",
    "logit_bias",
    "min_p",
    "output_config",
    "p",
    "presence_penalty",
    "reasoning_config",
    "reasoning_effort",
    "repetition_penalty",
    "seed",
    "thinking",
    "top_k",
    "top_p",
];

/// Documents that are taken, by their media types.
const DOCUMENTS: [(&str, &str); 9] = [
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
];

/// Bedrock of a region.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bedrock;

impl Provider for Bedrock {
    fn write(&self, model: &str, ask: &Ask) -> Result<Step, Failed> {
        let (operation, body) = match ask {
            Ask::Converse(conversation) => ("converse", converse(conversation)?),
            Ask::Count(conversation) => {
                let mut body = spoken(conversation)?;
                body.extend(tools(conversation)?.map(|tools| ("toolConfig".to_owned(), tools)));
                ("count-tokens", Map::from_iter([("input".to_owned(), json!({"converse": body}))]))
            }
            Ask::Embed(embedding) => ("invoke", embed(model, embedding)?),
        };
        let path = format!("/model/{}/{operation}", encoded(model));
        Ok(Step::Send(Request { path, body: Value::Object(body).to_string().into_bytes() }))
    }

    fn stream(&self, model: &str, ask: &Ask) -> Result<(Step, Option<Box<dyn Reads>>), Failed> {
        let Ask::Converse(conversation) = ask else { return Ok((self.write(model, ask)?, None)) };
        let body = Value::Object(converse(conversation)?).to_string().into_bytes();
        let request = Request { path: format!("/model/{}/converse-stream", encoded(model)), body };
        Ok((Step::Send(request), Some(Box::new(stream::Stream::default()))))
    }

    fn read(&self, ask: &Ask, answered: Answered<'_>) -> Result<Told, Unanswered> {
        if !(200..300).contains(&answered.status) {
            return Err(Unanswered::unpaid(answer::failed(answered)));
        }
        match ask {
            Ask::Converse(_) => answer::reply(answered.body),
            Ask::Count(_) => answer::count(answered.body).map_err(Unanswered::unpaid),
            Ask::Embed(embedding) => answer::vectors(embedding, answered),
        }
    }
}

/// JSON that was looked at before.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn embed(model: &str, embedding: &Embedding) -> Result<Map<String, Value>, Failed> {
    if model.contains(TITAN) {
        titan(embedding)
    } else if model.contains(COHERE) {
        cohere(model, embedding)
    } else {
        no("of Bedrock's models only Titan Text Embeddings V2 and Cohere Embed make vectors here")
    }
}

fn no<T>(why: &str) -> Result<T, Failed> {
    Err(Failed::Unsupported(why.to_owned()))
}

fn titan(embedding: &Embedding) -> Result<Map<String, Value>, Failed> {
    let [text] = embedding.texts.as_slice() else {
        return no("this model makes a vector of one text in a call");
    };
    let mut body = Map::from_iter([("inputText".to_owned(), json!(text))]);
    body.extend(embedding.dimensions.map(|number| ("dimensions".to_owned(), json!(number))));
    Ok(body)
}

fn cohere(model: &str, embedding: &Embedding) -> Result<Map<String, Value>, Failed> {
    let Embedding { texts, dimensions } = embedding;
    if texts.len() > COHERE_TEXTS_MAX {
        return no(&format!("this model makes vectors of {COHERE_TEXTS_MAX} texts in a call"));
    }
    if dimensions.is_some() && !model.contains(COHERE_SIZED) {
        return no("the vectors of this model have one length");
    }
    let mut body = Map::from_iter([("texts".to_owned(), json!(texts)), ("input_type".to_owned(), json!(COHERE_INPUT))]);
    body.extend(dimensions.map(|number| ("output_dimension".to_owned(), json!(number))));
    Ok(body)
}

/// What is said: the system's text and the turns.
fn spoken(conversation: &Conversation) -> Result<Map<String, Value>, Failed> {
    let messages = conversation.messages.iter().map(turn).collect::<Result<Vec<_>, _>>()?;
    let mut body = Map::from_iter([("messages".to_owned(), json!(messages))]);
    let system = conversation.system.as_ref().filter(|system| !system.is_empty());
    body.extend(system.map(|system| ("system".to_owned(), json!([{"text": system}]))));
    Ok(body)
}

fn converse(conversation: &Conversation) -> Result<Map<String, Value>, Failed> {
    let mut body = spoken(conversation)?;
    body.extend(tools(conversation)?.map(|tools| ("toolConfig".to_owned(), tools)));
    let mut inference = Map::new();
    inference.extend(conversation.max_tokens.map(|most| ("maxTokens".to_owned(), json!(most))));
    let temperature = conversation.temperature.and_then(|number| number.to_string().parse::<f64>().ok());
    inference.extend(temperature.map(|number| ("temperature".to_owned(), json!(number))));
    if !conversation.stop.is_empty() {
        inference.insert("stopSequences".to_owned(), json!(conversation.stop));
    }
    let mut more = Map::new();
    for (name, value) in &conversation.options {
        settable(name, &OPTIONS)?;
        // What all models have stands beside the others.
        match name.as_str() {
            "top_p" => inference.insert("topP".to_owned(), parsed(value)),
            _ => more.insert(name.clone(), parsed(value)),
        };
    }
    if !inference.is_empty() {
        body.insert("inferenceConfig".to_owned(), Value::Object(inference));
    }
    if !more.is_empty() {
        body.insert("additionalModelRequestFields".to_owned(), Value::Object(more));
    }
    if let Some(output) = &conversation.output {
        let schema = json!({"jsonSchema": {"name": output.name, "schema": output.schema}});
        let format = json!({"textFormat": {"type": "json_schema", "structure": schema}});
        body.insert("outputConfig".to_owned(), format);
    }
    Ok(body)
}

fn tools(conversation: &Conversation) -> Result<Option<Value>, Failed> {
    if conversation.tools.is_empty() {
        return Ok(None);
    }
    let is_tool = |part: &Part| matches!(part, Part::ToolUse(_) | Part::ToolResult(_));
    let choice = match &conversation.tool_choice {
        None => None,
        Some(ToolChoice::Auto) => Some(json!({"auto": {}})),
        Some(ToolChoice::Any) => Some(json!({"any": {}})),
        Some(ToolChoice::Tool(name)) => Some(json!({"tool": {"name": name}})),
        // There is no word for it: tools that must not be asked for are left out, unless some were.
        Some(ToolChoice::None) if conversation.messages.iter().flat_map(|it| &it.content).any(is_tool) => {
            let why = "tools that were used cannot be forbidden from here on";
            return Err(Failed::Unsupported(why.to_owned()));
        }
        Some(ToolChoice::None) => return Ok(None),
    };
    let tool = |tool: &crate::ask::Tool| {
        let mut spec = json!({"name": tool.name, "inputSchema": {"json": parsed(&tool.input_schema)}});
        if let (Value::Object(members), false) = (&mut spec, tool.description.is_empty()) {
            members.insert("description".to_owned(), json!(tool.description));
        }
        json!({"toolSpec": spec})
    };
    let mut config = Map::from_iter([("tools".to_owned(), conversation.tools.iter().map(tool).collect())]);
    config.extend(choice.map(|choice| ("toolChoice".to_owned(), choice)));
    Ok(Some(Value::Object(config)))
}

fn turn(message: &Message) -> Result<Value, Failed> {
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let content = message.content.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"role": role, "content": content}))
}

fn part(part: &Part) -> Result<Value, Failed> {
    Ok(match part {
        Part::Text(text) => json!({"text": text}),
        Part::Image(Image { media_type, data }) => {
            let format = media_type.strip_prefix("image/").unwrap_or(media_type);
            json!({"image": {"format": format, "source": {"bytes": BASE64.encode(data)}}})
        }
        Part::Document(document) => file(document)?,
        Part::ToolUse(wanted) => {
            json!({"toolUse": {"toolUseId": wanted.id, "name": wanted.name, "input": parsed(&wanted.input)}})
        }
        Part::ToolResult(result) => {
            let status = if result.is_error { "error" } else { "success" };
            let content = json!([{"text": result.content}]);
            json!({"toolResult": {"toolUseId": result.id, "content": content, "status": status}})
        }
        Part::Reasoning(Reasoning { text, signature }) => match signature {
            Some(signature) if signature.starts_with(REDACTED) => {
                json!({"reasoningContent": {"redactedContent": signature.get(REDACTED.len()..)}})
            }
            Some(signature) => json!({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}),
            None => json!({"reasoningContent": {"reasoningText": {"text": text}}}),
        },
    })
}

fn file(document: &Document) -> Result<Value, Failed> {
    let Document { name, media_type, data } = document;
    let known = DOCUMENTS.iter().find(|(known, _)| known == media_type).map(|(_, format)| *format);
    let format = known.ok_or_else(|| Failed::Unsupported(format!("a document of {media_type} is not taken")))?;
    // A name has few characters, and no space twice.
    let mut plain = String::new();
    for letter in name.chars().take(200) {
        let kept = if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '(' | ')' | '[' | ']' | ' ') {
            letter
        } else {
            '-'
        };
        if !(kept == ' ' && plain.ends_with(' ')) {
            plain.push(kept);
        }
    }
    let plain = if plain.trim().is_empty() { "document" } else { plain.trim() };
    Ok(json!({"document": {"format": format, "name": plain, "source": {"bytes": BASE64.encode(data)}}}))
}

#[cfg(test)]
mod tests;
