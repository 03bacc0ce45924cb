//! Answers in pieces: OpenAI's server-sent events, and AWS's event stream with its sums, as their references have them.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Streamed},
    openai::said,
    sample::{Going, going, words},
};

/// A completion in pieces; an error stays what it is.
pub(crate) fn openai(asked: &Value, mut answer: Answer) -> Answer {
    if answer.status != 200 {
        return answer;
    }
    let going = going(&asked["messages"].as_array().and_then(|all| all.last()).map(said).unwrap_or_default());
    let (message, finish) = (&answer.body["choices"][0]["message"], &answer.body["choices"][0]["finish_reason"]);
    let chunk = |delta: Value, finish: &Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": answer.body["model"], "choices": [choice]})
    };
    let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), &Value::Null)];
    let text = message["content"].as_str().unwrap_or_default();
    chunks.extend(words(text).into_iter().map(|word| chunk(json!({"content": word}), &Value::Null)));
    if message["refusal"].is_string() {
        chunks.push(chunk(json!({"refusal": message["refusal"]}), &Value::Null));
    }
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let (first, second) = arguments.split_at(arguments.len() / 2);
        let function = json!({"name": call["function"]["name"], "arguments": ""});
        let begin = json!({"index": index, "id": call["id"], "type": "function", "function": function});
        chunks.push(chunk(json!({"tool_calls": [begin]}), &Value::Null));
        for part in [first, second] {
            let more = json!({"index": index, "function": {"arguments": part}});
            chunks.push(chunk(json!({"tool_calls": [more]}), &Value::Null));
        }
    }
    match going {
        Going::Cut => chunks.truncate(chunks.len() / 2 + 1),
        Going::CutEarly => chunks.clear(),
        Going::FailEarly | Going::FailLate => {
            if going == Going::FailEarly {
                chunks.clear();
            }
            chunks.push(json!({"error": {"message": "as it was told", "type": "server_error", "code": null}}));
        }
        Going::Well | Going::CutLate => {
            chunks.push(chunk(json!({}), finish));
            if asked["stream_options"]["include_usage"] == true {
                let (model, usage) = (&answer.body["model"], &answer.body["usage"]);
                chunks.push(json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model, "choices": [], "usage": usage}));
            }
        }
    }
    let mut pieces: Vec<_> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n").into_bytes()).collect();
    if going == Going::Well {
        pieces.push(b"data: [DONE]\n\n".to_vec());
    }
    let breaks = matches!(going, Going::Cut | Going::CutEarly | Going::CutLate);
    answer.streamed = Some(Streamed { kind: "text/event-stream", pieces, breaks });
    answer
}

/// An answer of Converse as ConverseStream gives it; an error stays what it is.
pub(crate) fn bedrock(last: &str, mut answer: Answer) -> Answer {
    if answer.status != 200 {
        return answer;
    }
    let going = going(last);
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    let parts = answer.body["output"]["message"]["content"].as_array().cloned().unwrap_or_default();
    for (index, part) in parts.iter().enumerate() {
        let delta = |delta: Value| ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        let tool = &part["toolUse"];
        if tool.is_object() {
            let start = json!({"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}});
            events.push(("contentBlockStart", json!({"contentBlockIndex": index, "start": start})));
            let input = tool["input"].to_string();
            let (first, second) = input.split_at(input.len() / 2);
            events.extend([first, second].map(|input| delta(json!({"toolUse": {"input": input}}))));
        }
        let text = part["text"].as_str().unwrap_or_default();
        events.extend(words(text).into_iter().map(|word| delta(json!({"text": word}))));
        events.push(("contentBlockStop", json!({"contentBlockIndex": index})));
    }
    let half = events.len() / 2 + 1;
    let end = [
        ("messageStop", json!({"stopReason": answer.body["stopReason"]})),
        ("metadata", json!({"usage": answer.body["usage"], "metrics": {"latencyMs": 1}})),
    ];
    match going {
        Going::Cut => events.truncate(half),
        Going::CutEarly | Going::FailEarly => events.clear(),
        Going::FailLate => {}
        Going::Well | Going::CutLate => events.extend(end),
    }
    let mut pieces: Vec<_> = events
        .iter()
        .map(|(name, body)| {
            message(&[(":event-type", name), (":content-type", "application/json"), (":message-type", "event")], body)
        })
        .collect();
    if let Going::FailEarly | Going::FailLate = going {
        let kind = if going == Going::FailEarly { "throttlingException" } else { "modelStreamErrorException" };
        let headers = [(":exception-type", kind), (":message-type", "exception")];
        pieces.push(message(&headers, &json!({"message": "as it was told"})));
    }
    if going == Going::FailEarly {
        answer.body["usage"].take();
    }
    let breaks = matches!(going, Going::Cut | Going::CutEarly | Going::CutLate);
    answer.streamed = Some(Streamed { kind: "application/vnd.amazon.eventstream", pieces, breaks });
    answer
}

/// What a container answers in pieces, as SageMaker passes them on: cut where they happen to be, so in the middle of events too.
pub(crate) fn sagemaker(asked: &Value, answer: Answer) -> Answer {
    let mut answer = openai(asked, answer);
    let Some(streamed) = answer.streamed.take() else { return answer };
    let Streamed { pieces, breaks, .. } = streamed;
    let last = asked["messages"].as_array().and_then(|all| all.last()).map(said).unwrap_or_default();
    let fails = matches!(going(&last), Going::FailEarly | Going::FailLate);
    let whole = if fails { pieces.split_last().map_or(&[][..], |(_, before)| before) } else { pieces.as_slice() };
    let head =
        [(":event-type", "PayloadPart"), (":content-type", "application/octet-stream"), (":message-type", "event")];
    let parts = whole.iter().flat_map(|piece| {
        let (first, second) = piece.split_at(piece.len() / 3);
        [first, second]
    });
    let mut pieces: Vec<_> = parts.map(|part| framed(&head, part)).collect();
    if fails {
        let headers = [(":exception-type", "ModelStreamError"), (":message-type", "exception")];
        pieces.push(message(&headers, &json!({"Message": "as it was told", "ErrorCode": "StreamBroken"})));
    }
    answer.streamed = Some(Streamed { kind: "application/vnd.amazon.eventstream", pieces, breaks });
    answer
}

fn message(headers: &[(&str, &str)], body: &Value) -> Vec<u8> {
    framed(headers, body.to_string().as_bytes())
}

/// A message: the lengths of all and of its head, their sum, the head, the body, and the sum of all before.
fn framed(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend(name.as_bytes());
        head.push(7);
        head.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend(value.as_bytes());
    }
    let mut bytes = [length(16 + head.len() + body.len()), length(head.len())].concat();
    bytes.extend(sum(&bytes).to_be_bytes());
    bytes.extend(head);
    bytes.extend(body);
    bytes.extend(sum(&bytes).to_be_bytes());
    bytes
}

/// CRC-32 as ISO/HDLC has it.
fn sum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}
