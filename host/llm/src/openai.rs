//! The protocol of OpenAI's chat completions and embeddings, which many servers speak, those that run on one's own machine among them.
//!
//! Invariant: every part of a conversation has its place in the request, or the request is refused; but for reasoning, which this protocol
//! does not take back.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};

use crate::{
    ask::{Ask, Conversation, Document, Embedding, Image, Message, Part, Role, ToolChoice},
    failed::Failed,
    provider::{Answered, Provider, Request, Step, Unanswered, settable},
    reply::Told,
    stream::Reads,
};

pub(crate) mod answer;
mod stream;

pub(crate) use stream::Stream;

/// Settings that are the plugin's to choose.
const OPTIONS: [&str; 11] = [
    "frequency_penalty",
    "logit_bias",
    "min_p",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning_effort",
    "repetition_penalty",
    "seed",
    "top_k",
    "top_p",
    "verbosity",
];

/// A server that speaks it.
#[derive(Clone, Debug)]
pub struct OpenAi {
    /// The name of the field for an answer's tokens at most: `max_completion_tokens`, or `max_tokens` as it was before.
    pub tokens_field: &'static str,
}

impl Provider for OpenAi {
    fn write(&self, model: &str, ask: &Ask) -> Result<Step, Failed> {
        let path = if matches!(ask, Ask::Embed(_)) { "/embeddings" } else { "/chat/completions" };
        let body = self.whole(Some(model), ask)?;
        Ok(Step::Send(Request { path: path.to_owned(), body: body.to_string().into_bytes() }))
    }

    fn stream(&self, model: &str, ask: &Ask) -> Result<(Step, Option<Box<dyn Reads>>), Failed> {
        let Ask::Converse(conversation) = ask else { return Ok((self.write(model, ask)?, None)) };
        let body = self.in_pieces(Some(model), conversation)?;
        let request = Request { path: "/chat/completions".to_owned(), body: body.to_string().into_bytes() };
        Ok((Step::Send(request), Some(Box::new(Stream::new()))))
    }

    fn read(&self, ask: &Ask, answered: Answered<'_>) -> Result<Told, Unanswered> {
        if !(200..300).contains(&answered.status) {
            return Err(Unanswered::unpaid(answer::failed(answered)));
        }
        match ask {
            Ask::Embed(embedding) => answer::vectors(answered.body, embedding.texts.len()),
            _ => answer::reply(answered.body),
        }
    }
}

fn embeddings(model: Option<&str>, embedding: &Embedding) -> Value {
    let mut body = json!({"input": embedding.texts, "encoding_format": "float"});
    put(&mut body, "model", model.map(|model| json!(model)));
    put(&mut body, "dimensions", embedding.dimensions.map(|number| json!(number)));
    body
}

/// Adds a member that is there.
fn put(body: &mut Value, name: &str, value: Option<Value>) {
    if let (Value::Object(members), Some(value)) = (body, value) {
        members.insert(name.to_owned(), value);
    }
}

/// JSON that was looked at before.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A number as it was written, not as its bits are.
fn number(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, |number| json!(number))
}

impl OpenAi {
    /// What is asked, by that model; by the only one that a server has where none is named.
    pub(crate) fn whole(&self, model: Option<&str>, ask: &Ask) -> Result<Value, Failed> {
        match ask {
            Ask::Converse(conversation) => self.chat(model, conversation),
            Ask::Embed(embedding) => Ok(embeddings(model, embedding)),
            Ask::Count(_) => Err(Failed::Unsupported("servers of this protocol count no tokens beforehand".to_owned())),
        }
    }

    /// The same for an answer in pieces.
    pub(crate) fn in_pieces(&self, model: Option<&str>, conversation: &Conversation) -> Result<Value, Failed> {
        let mut body = self.chat(model, conversation)?;
        put(&mut body, "stream", Some(json!(true)));
        put(&mut body, "stream_options", Some(json!({"include_usage": true})));
        Ok(body)
    }

    fn chat(&self, model: Option<&str>, conversation: &Conversation) -> Result<Value, Failed> {
        let mut messages = Vec::new();
        messages.extend(conversation.system.as_ref().map(|system| json!({"role": "system", "content": system})));
        for message in &conversation.messages {
            turn(message, &mut messages)?;
        }
        let mut body = json!({"messages": messages});
        put(&mut body, "model", model.map(|model| json!(model)));
        let tools: Vec<_> = conversation.tools.iter().map(|tool| {
            let function = json!({"name": tool.name, "description": tool.description, "parameters": parsed(&tool.input_schema)});
            json!({"type": "function", "function": function})
        }).collect();
        let choice = conversation.tool_choice.as_ref().filter(|_| !tools.is_empty()).map(|choice| match choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::Any => json!("required"),
            ToolChoice::None => json!("none"),
            ToolChoice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        });
        put(&mut body, "tools", (!tools.is_empty()).then(|| json!(tools)));
        put(&mut body, "tool_choice", choice);
        let output = conversation.output.as_ref().map(|output| {
            let schema = json!({"name": output.name, "schema": parsed(&output.schema), "strict": true});
            json!({"type": "json_schema", "json_schema": schema})
        });
        put(&mut body, "response_format", output);
        put(&mut body, "stop", (!conversation.stop.is_empty()).then(|| json!(conversation.stop)));
        put(&mut body, self.tokens_field, conversation.max_tokens.map(|most| json!(most)));
        put(&mut body, "temperature", conversation.temperature.map(number));
        for (name, value) in &conversation.options {
            settable(name, &OPTIONS)?;
            put(&mut body, name, Some(parsed(value)));
        }
        Ok(body)
    }
}

/// A turn: what tools gave are messages of their own, before what the user says beside it.
fn turn(message: &Message, messages: &mut Vec<Value>) -> Result<(), Failed> {
    let (mut content, mut calls) = (Vec::new(), Vec::new());
    for part in &message.content {
        match part {
            Part::Text(text) => content.push(json!({"type": "text", "text": text})),
            Part::Image(image) => content.push(picture(image)),
            Part::Document(document) => content.push(file(document)?),
            Part::ToolUse(wanted) => {
                let function = json!({"name": wanted.name, "arguments": wanted.input});
                calls.push(json!({"id": wanted.id, "type": "function", "function": function}));
            }
            Part::ToolResult(result) => {
                // There is no place for it but the text.
                let failed = if result.is_error { "error: " } else { "" };
                let content = format!("{failed}{}", result.content);
                messages.push(json!({"role": "tool", "tool_call_id": result.id, "content": content}));
            }
            Part::Reasoning(_) => {}
        }
    }
    if content.is_empty() && calls.is_empty() {
        return Ok(());
    }
    let role = match message.role {
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut said = Map::from_iter([("role".to_owned(), json!(role))]);
    // The shortest form, which the oldest servers take too.
    let content = match content.as_slice() {
        [] => Value::Null,
        [one] if one.get("text").is_some() => one.get("text").cloned().unwrap_or_default(),
        _ => json!(content),
    };
    said.insert("content".to_owned(), content);
    if !calls.is_empty() {
        said.insert("tool_calls".to_owned(), json!(calls));
    }
    messages.push(Value::Object(said));
    Ok(())
}

fn data_url(media_type: &str, data: &[u8]) -> String {
    format!("data:{media_type};base64,{}", BASE64.encode(data))
}

fn picture(image: &Image) -> Value {
    json!({"type": "image_url", "image_url": {"url": data_url(&image.media_type, &image.data)}})
}

/// A document of words is told as words; of the others this protocol takes PDF.
fn file(document: &Document) -> Result<Value, Failed> {
    let Document { name, media_type, data } = document;
    if media_type == "application/pdf" {
        let file = json!({"filename": name, "file_data": data_url(media_type, data)});
        return Ok(json!({"type": "file", "file": file}));
    }
    let unsupported =
        || Failed::Unsupported(format!("`{name}` is neither text nor PDF, and no other document is taken"));
    let text = std::str::from_utf8(data).map_err(|_| unsupported())?;
    Ok(json!({"type": "text", "text": format!("{name}\n\n{text}")}))
}

#[cfg(test)]
mod tests;
