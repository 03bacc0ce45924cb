//! OpenAI's chat completions and embeddings, as its API reference has them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    KEY,
    http::{Answer, Heard},
    sample::{Told, sample, tokens, told},
    streams,
};

/// How long an answer takes that takes its time.
const SLOW: Duration = Duration::from_secs(5);

/// Words that a model reads.
const CONTEXT: usize = 2_000;

/// Places of a vector of the model `words`.
const WORDS: u64 = 1_021;

fn error(status: u16, kind: &str, code: &str, message: &str) -> Answer {
    Answer::new(status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

fn invalid(message: &str) -> Answer {
    error(400, "invalid_request_error", "", message)
}

pub(crate) fn answer(heard: &Heard, number: u64) -> Answer {
    if heard.header("authorization") != Some(format!("Bearer {KEY}").as_str()) {
        // The real one repeats a part of the key as well.
        let given = heard.header("authorization").unwrap_or_default();
        return error(401, "invalid_request_error", "invalid_api_key", &format!("Incorrect API key provided: {given}"));
    }
    let body = heard.json();
    if !body["model"].is_string() {
        return invalid("you must provide a model parameter");
    }
    if body["model"] == "gone" {
        return error(404, "invalid_request_error", "model_not_found", "The model `gone` does not exist");
    }
    match (heard.method.as_str(), heard.target.as_str()) {
        ("POST", "/v1/chat/completions") if body["stream"] == true => streams::openai(&body, chat(&body, number)),
        ("POST", "/v1/chat/completions") => chat(&body, number),
        ("POST", "/v1/embeddings") => embeddings(&body),
        _ => error(404, "invalid_request_error", "", "Unknown request URL"),
    }
}

/// What is wrong with a message, by the reference.
fn wrong(message: &Value) -> Option<String> {
    let parts_fine = |content: &Value| {
        content.is_string()
            || content.as_array().is_some_and(|parts| {
                parts.iter().all(|part| match part["type"].as_str() {
                    Some("text") => part["text"].is_string(),
                    Some("image_url") => {
                        part["image_url"]["url"].as_str().is_some_and(|url| url.starts_with("data:image/"))
                    }
                    Some("file") => part["file"]["file_data"].is_string(),
                    _ => false,
                })
            })
    };
    let fine = match message["role"].as_str() {
        Some("system" | "developer" | "user") => parts_fine(&message["content"]),
        Some("assistant") => parts_fine(&message["content"]) || message["tool_calls"].is_array(),
        Some("tool") => message["tool_call_id"].is_string() && message["content"].is_string(),
        _ => false,
    };
    (!fine).then(|| format!("Invalid message: {message}"))
}

pub(crate) fn said(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

pub(crate) fn chat(body: &Value, number: u64) -> Answer {
    let none = Vec::new();
    let messages = body["messages"].as_array().unwrap_or(&none);
    if messages.is_empty() {
        return invalid("'messages' is a required property");
    }
    if let Some(problem) = messages.iter().find_map(wrong) {
        return invalid(&problem);
    }
    let last = messages.last().map(said).unwrap_or_default();
    let read: usize = messages.iter().map(|message| tokens(&said(message))).sum();
    if read > CONTEXT {
        let message = format!("This model's maximum context length is {CONTEXT} tokens.");
        return error(400, "invalid_request_error", "context_length_exceeded", &message);
    }
    match told(&last) {
        Told::Fail(status) => {
            let mut answer = error(status, "error", "", "as it was told");
            if status == 429 {
                answer.headers.push(("retry-after", "1".to_owned()));
            }
            return answer;
        }
        Told::Slow => std::thread::park_timeout(SLOW),
        Told::Refuse => {
            let message = json!({"role": "assistant", "content": null, "refusal": "I can't help with that."});
            return completion(body, &message, "stop", read, 6);
        }
        Told::Answer => {}
    }
    let tools = body["tools"].as_array().unwrap_or(&none);
    let has_result = messages.iter().any(|message| message["role"] == "tool");
    if let (Some(tool), false) = (tools.first(), has_result || body["tool_choice"] == "none") {
        let arguments = sample(&tool["function"]["parameters"]).to_string();
        let function = json!({"name": tool["function"]["name"], "arguments": arguments});
        let call = json!({"id": "call_1", "type": "function", "function": function});
        let message = json!({"role": "assistant", "content": null, "tool_calls": [call], "refusal": null});
        return completion(body, &message, "tool_calls", read, tokens(&arguments));
    }
    let format = &body["response_format"];
    let text = if format["type"] == "json_schema" && last == "break" {
        // A model that does not keep to what it is told, until it is told so.
        "so it is".to_owned()
    } else if format["type"] == "json_schema" {
        sample(&format["json_schema"]["schema"]).to_string()
    } else if last == "echo" {
        body.to_string()
    } else if last == "number" {
        format!("number {number}")
    } else {
        format!("you said: {last}")
    };
    let most = body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64());
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let is_cut = tokens(&text) > most && last != "echo";
    let text = if is_cut { text.split_whitespace().take(most).collect::<Vec<_>>().join(" ") } else { text };
    let message = json!({"role": "assistant", "content": text, "refusal": null});
    completion(body, &message, if is_cut { "length" } else { "stop" }, read, tokens(&text))
}

fn completion(body: &Value, message: &Value, finish: &str, read: usize, wrote: usize) -> Answer {
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish});
    let usage = json!({"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote});
    Answer::new(
        200,
        json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }),
    )
}

/// A vector that means something: each place counts the words that fall to it.
fn words_of(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; WORDS as usize];
    for word in text.split_whitespace() {
        let digest = word
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        vector[(digest % WORDS) as usize] += 1.0;
    }
    vector
}

pub(crate) fn embeddings(body: &Value) -> Answer {
    let texts: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => return invalid("'input' is a required property"),
    };
    if texts.iter().any(|text| text.is_empty()) || texts.is_empty() {
        return invalid("'$.input' is invalid");
    }
    if !matches!(body["encoding_format"].as_str(), None | Some("float" | "base64")) {
        return invalid("'encoding_format' is not one of float, base64");
    }
    let numbers = usize::try_from(body["dimensions"].as_u64().unwrap_or(3)).unwrap_or(3);
    let is_of_words = body["model"] == "words";
    #[allow(clippy::cast_precision_loss, reason = "a text is short")]
    let vector = |text: &str| match is_of_words {
        true => words_of(text),
        false => (0..numbers).map(|n| (text.len() + n) as f32 / 64.0).collect::<Vec<_>>(),
    };
    let data = texts.iter().enumerate().rev();
    let data: Vec<_> =
        data.map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text)})).collect();
    let read: usize = texts.iter().map(|text| tokens(text)).sum();
    let usage = json!({"prompt_tokens": read, "total_tokens": read});
    Answer::new(200, json!({"object": "list", "data": data, "model": body["model"], "usage": usage}))
}
