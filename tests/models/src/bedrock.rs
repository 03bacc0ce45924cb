//! Amazon Bedrock's runtime, as its service model has it: Converse, CountTokens, and InvokeModel of Titan's and Cohere's embeddings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    http::{Answer, Heard},
    sample::{Told, sample, tokens, told},
    sigv4, streams,
};

/// How long an answer takes that takes its time.
const SLOW: Duration = Duration::from_secs(5);

/// Words that a model reads.
const CONTEXT: usize = 2_000;

/// Whether a request is for it.
pub(crate) fn is_for(heard: &Heard) -> bool {
    heard.target.starts_with("/model/")
}

fn error(status: u16, kind: &str, message: &str) -> Answer {
    let mut answer = Answer::new(status, json!({"message": message}));
    answer.headers.push(("x-amzn-errortype", format!("{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/")));
    answer
}

fn invalid(message: &str) -> Answer {
    error(400, "ValidationException", message)
}

pub(crate) fn answer(heard: &Heard, number: u64) -> Answer {
    if let Some((kind, why)) = sigv4::wrong(heard, "bedrock") {
        return error(403, kind, &why);
    }
    let mut parts = heard.target.trim_start_matches("/model/").splitn(2, '/');
    let (model, operation) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if model == "gone" {
        return error(404, "ResourceNotFoundException", "The provided model identifier is invalid.");
    }
    let body = heard.json();
    match operation {
        "converse" => converse(&body, number),
        "converse-stream" => streams::bedrock(&last(&body), converse(&body, number)),
        "count-tokens" => match wrong(&body["input"]["converse"]) {
            Some(problem) => invalid(&problem),
            None => Answer::new(200, json!({"inputTokens": read(&body["input"]["converse"])})),
        },
        "invoke" if model.contains("titan-embed") => titan(&body),
        "invoke" if model.contains("cohere.embed-") => cohere(model, &body),
        _ => error(404, "UnknownOperationException", ""),
    }
}

fn texts(value: &Value) -> String {
    let parts = value.as_array().into_iter().flatten();
    let text = |part: &Value| {
        let own = part["text"].as_str().map(str::to_owned);
        own.unwrap_or_else(|| texts(&part["toolResult"]["content"]))
    };
    parts.map(text).collect::<Vec<_>>().join(" ")
}

fn read(body: &Value) -> usize {
    let messages = body["messages"].as_array().into_iter().flatten();
    messages.map(|message| tokens(&texts(&message["content"]))).sum::<usize>() + tokens(&texts(&body["system"]))
}

/// What is wrong with a conversation, by the service model.
fn wrong(body: &Value) -> Option<String> {
    let known = |value: &Value, names: &[&str]| {
        value.as_object().is_some_and(|members| members.keys().all(|name| names.contains(&name.as_str())))
    };
    let fields =
        ["messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig"];
    if !known(body, &fields) {
        return Some("1 validation error detected: a field is not known".to_owned());
    }
    if !body["inferenceConfig"].is_null()
        && !known(&body["inferenceConfig"], &["maxTokens", "temperature", "topP", "stopSequences"])
    {
        return Some("1 validation error detected: inferenceConfig".to_owned());
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let mut role = "assistant";
    for message in &messages {
        let own = message["role"].as_str().unwrap_or_default();
        if own == role || !matches!(own, "user" | "assistant") {
            return Some("A conversation must alternate between user and assistant roles.".to_owned());
        }
        role = own;
        let parts = message["content"].as_array().cloned().unwrap_or_default();
        let fine = |part: &Value| match part.as_object().filter(|it| it.len() == 1).and_then(|it| it.iter().next()) {
            Some((name, value)) => match name.as_str() {
                "text" => value.as_str().is_some_and(|text| !text.is_empty()),
                "image" => value["source"]["bytes"].is_string() && value["format"].is_string(),
                "document" => value["source"]["bytes"].is_string() && value["name"].is_string(),
                "toolUse" => value["toolUseId"].is_string() && value["name"].is_string() && value["input"].is_object(),
                "toolResult" => value["toolUseId"].is_string() && value["content"].is_array(),
                "reasoningContent" => true,
                _ => false,
            },
            None => false,
        };
        if parts.is_empty() || !parts.iter().all(fine) {
            return Some(format!("The content of a message is not valid: {}", message["content"]));
        }
    }
    let uses_tools = messages.iter().any(|message| {
        let mut parts = message["content"].as_array().into_iter().flatten();
        parts.any(|part| part["toolUse"].is_object() || part["toolResult"].is_object())
    });
    if uses_tools && body["toolConfig"].is_null() {
        return Some(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.".to_owned(),
        );
    }
    messages.is_empty().then(|| "A conversation must start with a user message.".to_owned())
}

/// What is said last.
fn last(body: &Value) -> String {
    let last = body["messages"].as_array().and_then(|messages| messages.last());
    last.map(|message| texts(&message["content"])).unwrap_or_default()
}

fn converse(body: &Value, number: u64) -> Answer {
    if let Some(problem) = wrong(body) {
        return invalid(&problem);
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let last = last(body);
    let read = read(body);
    if read > CONTEXT {
        return invalid("Input is too long for requested model.");
    }
    match told(&last) {
        Told::Fail(429) => {
            return error(429, "ThrottlingException", "Too many requests, please wait before trying again.");
        }
        Told::Fail(408) => return error(408, "ModelTimeoutException", "as it was told"),
        Told::Fail(424) => return error(424, "ModelErrorException", "as it was told"),
        Told::Fail(status @ 500..) => return error(status, "InternalServerException", "as it was told"),
        Told::Fail(_) => return invalid("as it was told"),
        Told::Slow => std::thread::park_timeout(SLOW),
        Told::Refuse => {
            return conversed(&json!([{"text": "Sorry, a guardrail said no."}]), "guardrail_intervened", read, 6);
        }
        Told::Answer => {}
    }
    let tool = &body["toolConfig"]["tools"][0]["toolSpec"];
    let has_result = messages.last().is_some_and(|message| {
        message["content"].as_array().into_iter().flatten().any(|part| part["toolResult"].is_object())
    });
    if tool.is_object() && !has_result {
        let input = sample(&tool["inputSchema"]["json"]);
        let wanted = json!({"toolUseId": "tooluse_1", "name": tool["name"], "input": input});
        return conversed(&json!([{"toolUse": wanted}]), "tool_use", read, tokens(&input.to_string()));
    }
    let format = &body["outputConfig"]["textFormat"];
    let text = if format["type"] == "json_schema" {
        let schema = format["structure"]["jsonSchema"]["schema"].as_str().unwrap_or_default();
        sample(&serde_json::from_str(schema).unwrap_or_default()).to_string()
    } else if last == "echo" {
        body.to_string()
    } else if last == "number" {
        format!("number {number}")
    } else {
        format!("you said: {last}")
    };
    let most = body["inferenceConfig"]["maxTokens"].as_u64().and_then(|most| usize::try_from(most).ok());
    let most = most.unwrap_or(usize::MAX);
    let is_cut = tokens(&text) > most && last != "echo";
    let text = if is_cut { text.split_whitespace().take(most).collect::<Vec<_>>().join(" ") } else { text };
    conversed(&json!([{"text": text}]), if is_cut { "max_tokens" } else { "end_turn" }, read, tokens(&text))
}

fn conversed(content: &Value, stop: &str, read: usize, wrote: usize) -> Answer {
    let usage = json!({"inputTokens": read, "outputTokens": wrote, "totalTokens": read + wrote});
    let message = json!({"role": "assistant", "content": content});
    let body = json!({"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 1}});
    Answer::new(200, body)
}

fn titan(body: &Value) -> Answer {
    let Some(text) = body["inputText"].as_str().filter(|text| !text.is_empty()) else {
        return invalid("Malformed input request: #: required key [inputText] not found");
    };
    let numbers = body["dimensions"].as_u64().unwrap_or(1_024);
    if ![256, 512, 1_024].contains(&numbers) {
        return invalid("Malformed input request: #/dimensions: is not a valid enum value");
    }
    let vector = vector(text, numbers);
    Answer::new(200, json!({"embedding": vector, "inputTextTokenCount": tokens(text)}))
}

fn vector(text: &str, numbers: u64) -> Vec<f32> {
    #[allow(clippy::cast_precision_loss, reason = "a text is short")]
    (0..numbers).map(|n| (text.len() as u64 + n) as f32 / 2_048.0).collect()
}

/// Many texts at a time. How many tokens they had is told in the head only.
fn cohere(model: &str, body: &Value) -> Answer {
    let known = ["texts", "input_type", "truncate", "embedding_types", "output_dimension"];
    if let Some(name) = body.as_object().and_then(|it| it.keys().find(|name| !known.contains(&name.as_str()))) {
        return invalid(&format!("Malformed input request: #: extraneous key [{name}] is not permitted"));
    }
    if !matches!(
        body["input_type"].as_str(),
        Some("search_document" | "search_query" | "classification" | "clustering")
    ) {
        return invalid("Malformed input request: #: required key [input_type] not found");
    }
    let texts: Vec<_> = body["texts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if texts.is_empty() || texts.len() > 96 {
        return invalid("Malformed input request: #/texts: expected 1 to 96 texts");
    }
    let is_sized = model.contains("embed-v4");
    let numbers = match (body["output_dimension"].as_u64(), is_sized) {
        (None, true) => 1_536,
        (None, false) => 1_024,
        (Some(numbers @ (256 | 512 | 1_024 | 1_536)), true) => numbers,
        _ => return invalid("Malformed input request: #/output_dimension"),
    };
    let vectors: Vec<_> = texts.iter().map(|text| vector(text, numbers)).collect();
    let body = json!({"id": "1", "embeddings": vectors, "response_type": "embeddings_floats", "texts": texts});
    let mut answer = Answer::new(200, body);
    let count: usize = texts.iter().map(|text| tokens(text)).sum();
    answer.headers.push(("x-amzn-bedrock-input-token-count", count.to_string()));
    answer
}
