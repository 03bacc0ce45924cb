//! Answers of ConverseStream while they come: messages of AWS's event stream, each checked by its sums.

use std::collections::BTreeMap;

use aws_smithy_types::event_stream::Message;
use serde_json::{Value, json};

use super::answer::{self, counted};
use crate::{
    aws::{Frames, exception, header},
    failed::Failed,
    limits::STREAMED_CALLS_MAX,
    provider::{Answered, not_understood},
    reply::{Told, Usage},
    stream::{Piece, Reads, broke_off},
};

/// Where what comes of a part stands: words, what a tool is asked, thoughts, their signature, and thoughts that are kept from readers.
const DELTAS: [&str; 5] = [
    "/delta/text",
    "/delta/toolUse/input",
    "/delta/reasoningContent/text",
    "/delta/reasoningContent/signature",
    "/delta/reasoningContent/redactedContent",
];

/// What refuses a request, in the stream as at once: where nothing came before it nobody is billed.
const REFUSALS: [&str; 3] = ["serviceUnavailableException", "throttlingException", "validationException"];

/// A part of an answer.
#[derive(Default)]
struct Block {
    text: String,
    thoughts: String,
    signature: Option<String>,
    redacted: Option<String>,
    /// The id and the name of the tool.
    tool: Option<(String, String)>,
    input: String,
}

/// An answer that comes.
#[derive(Default)]
pub(super) struct Stream {
    frames: Frames,
    blocks: BTreeMap<u64, Block>,
    stop: Option<String>,
    usage: Option<Value>,
    came: usize,
    is_refused: bool,
}

impl Stream {
    fn message(&mut self, message: &Message, pieces: &mut Vec<Piece>) -> Result<(), Failed> {
        let kind = header(message, ":message-type");
        if kind != "event" {
            self.is_refused = self.blocks.is_empty() && REFUSALS.contains(&header(message, ":exception-type"));
            return Err(broken(message));
        }
        let body: Value =
            serde_json::from_slice(message.payload()).map_err(|error| not_understood(&error.to_string()))?;
        let owned = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
        match header(message, ":event-type") {
            "contentBlockStart" => {
                let block = self.block(&body)?;
                if let (Some(id), Some(name)) = (owned("/start/toolUse/toolUseId"), owned("/start/toolUse/name")) {
                    block.tool = Some((id, name));
                }
            }
            "contentBlockDelta" => self.delta(&body, pieces)?,
            "messageStop" => self.stop = owned("/stopReason"),
            "metadata" => self.usage = body.get("usage").cloned(),
            // What begins, what ends, and what later versions add.
            _ => {}
        }
        Ok(())
    }

    fn block(&mut self, body: &Value) -> Result<&mut Block, Failed> {
        let index = body.get("contentBlockIndex").and_then(Value::as_u64).unwrap_or(0);
        if self.blocks.len() >= STREAMED_CALLS_MAX && !self.blocks.contains_key(&index) {
            return Err(not_understood("it has too many parts"));
        }
        Ok(self.blocks.entry(index).or_default())
    }

    fn delta(&mut self, body: &Value, pieces: &mut Vec<Piece>) -> Result<(), Failed> {
        let text = |at: &str| body.pointer(at).and_then(Value::as_str);
        self.came += DELTAS.iter().filter_map(|at| text(at)).map(str::len).sum::<usize>();
        let block = self.block(body)?;
        let [words, input, thought, signature, redacted] = DELTAS.map(text);
        if let Some(words) = words {
            block.text.push_str(words);
            pieces.push(Piece::Text(words.to_owned()));
        }
        if let Some(input) = input {
            block.input.push_str(input);
        }
        if let Some(thought) = thought {
            block.thoughts.push_str(thought);
            pieces.push(Piece::Reasoning(thought.to_owned()));
        }
        if let Some(signature) = signature {
            block.signature.get_or_insert_default().push_str(signature);
        }
        if let Some(redacted) = redacted {
            block.redacted.get_or_insert_default().push_str(redacted);
        }
        Ok(())
    }
}

impl Block {
    /// The part as an answer that comes whole has it.
    fn whole(self) -> Result<Value, Failed> {
        let Self { text, thoughts, signature, redacted, tool, input } = self;
        if let Some((id, name)) = tool {
            let input = if input.trim().is_empty() { "{}" } else { &input };
            let input: Value = serde_json::from_str(input).unwrap_or_default();
            if !input.is_object() {
                return Err(not_understood("the input of a tool is no JSON object"));
            }
            return Ok(json!({"toolUse": {"toolUseId": id, "name": name, "input": input}}));
        }
        if let Some(redacted) = redacted {
            return Ok(json!({"reasoningContent": {"redactedContent": redacted}}));
        }
        if !thoughts.is_empty() || signature.is_some() {
            return Ok(json!({"reasoningContent": {"reasoningText": {"text": thoughts, "signature": signature}}}));
        }
        Ok(json!({ "text": text }))
    }
}

/// What says that there will be no answer: its name is that of an error that comes at once, but for its first letter.
fn broken(message: &Message) -> Failed {
    let (name, body) = exception(message);
    let mut letters = name.chars();
    let name: String = letters.next().iter().flat_map(|first| first.to_uppercase()).chain(letters).collect();
    answer::failed(Answered { status: 500, retry_after: None, input_tokens: None, error: Some(&name), body: &body })
}

impl Reads for Stream {
    fn take(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Failed> {
        self.frames.add(bytes);
        while let Some(message) = self.frames.message()? {
            self.message(&message, pieces)?;
        }
        Ok(())
    }

    fn usage(&self) -> Option<Usage> {
        let counted = self.usage.as_ref().and_then(counted);
        counted.or_else(|| self.is_refused.then(Usage::default))
    }

    fn bytes(&self) -> usize {
        self.came
    }

    fn end(&mut self) -> Result<Told, Failed> {
        let (Some(stop), Some(usage)) = (self.stop.take(), &self.usage) else { return Err(broke_off()) };
        let blocks = std::mem::take(&mut self.blocks);
        let content = blocks.into_values().map(Block::whole).collect::<Result<Vec<_>, _>>()?;
        let body = json!({"output": {"message": {"content": content}}, "stopReason": stop, "usage": usage});
        answer::reply(body.to_string().as_bytes()).map_err(|unanswered| unanswered.why)
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    use super::*;
    use crate::{
        ask::{Part, Reasoning, ToolUse},
        reply::{Reply, StopReason},
    };

    fn message(kind: &str, name: (&'static str, &str), body: &Value) -> Vec<u8> {
        let text = |text: &str| HeaderValue::String(text.to_owned().into());
        let message = Message::new(body.to_string().into_bytes())
            .add_header(Header::new(":message-type", text(kind)))
            .add_header(Header::new(name.0, text(name.1)));
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        bytes
    }

    fn event(name: &str, body: &Value) -> Vec<u8> {
        message("event", (":event-type", name), body)
    }

    fn answer() -> Vec<Vec<u8>> {
        let delta = |index: u32, delta: Value| {
            event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta, "p": "abc"}))
        };
        let tool = json!({"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "find"}}});
        vec![
            event("messageStart", &json!({"role": "assistant"})),
            delta(0, json!({"reasoningContent": {"text": "hm"}})),
            delta(0, json!({"reasoningContent": {"signature": "s"}})),
            event("contentBlockStop", &json!({"contentBlockIndex": 0})),
            delta(1, json!({"text": "hé "})),
            delta(1, json!({"text": "there"})),
            event("contentBlockStart", &tool),
            delta(2, json!({"toolUse": {"input": "{\"n\":"}})),
            delta(2, json!({"toolUse": {"input": "7}"}})),
            event("messageStop", &json!({"stopReason": "tool_use"})),
            event("metadata", &json!({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}})),
        ]
    }

    fn read(bytes: &[u8], step: usize) -> (Vec<Piece>, Option<Usage>, Result<Told, Failed>) {
        let (mut stream, mut pieces) = (Stream::default(), Vec::new());
        for some in bytes.chunks(step) {
            if let Err(why) = stream.take(some, &mut pieces) {
                return (pieces, stream.usage(), Err(why));
            }
        }
        let usage = stream.usage();
        (pieces, usage, stream.end())
    }

    #[test]
    fn an_answer_is_the_same_however_its_bytes_are_cut() {
        let bytes = answer().concat();
        let pieces = [Piece::Reasoning("hm".into()), Piece::Text("hé ".into()), Piece::Text("there".into())];
        let usage = Usage { input_tokens: 3, output_tokens: 4 };
        let content = vec![
            Part::Reasoning(Reasoning { text: "hm".into(), signature: Some("s".into()) }),
            Part::Text("hé there".into()),
            Part::ToolUse(ToolUse { id: "t1".into(), name: "find".into(), input: "{\"n\":7}".into() }),
        ];
        let told = Told::Reply(Reply { content, stop: StopReason::ToolUse, usage });
        for step in [1, 5, 64, bytes.len()] {
            assert_eq!(read(&bytes, step), (pieces.to_vec(), Some(usage), Ok(told.clone())), "{step}");
        }
    }

    #[test]
    fn what_broke_off_or_was_changed_is_no_answer() {
        let bytes = answer().concat();
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end], 97).2, Err(broke_off()), "{end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed, 97).2.is_err(), "{at}");
        }
    }

    #[test]
    fn an_exception_in_the_stream_is_the_error_that_it_names() {
        let throttled = message("exception", (":exception-type", "throttlingException"), &json!({"message": "slow"}));
        assert_eq!(read(&throttled, 9).2, Err(Failed::RateLimited(None)));
        // What was refused costs nothing; of what broke off nobody knows.
        let begun = event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "a"}}));
        assert_eq!(read(&throttled, 9).1, Some(Usage::default()));
        assert_eq!(read(&[begun, throttled].concat(), 9).1, None);
        let failed = message("exception", (":exception-type", "modelStreamErrorException"), &json!({"message": "x"}));
        assert_eq!(read(&failed, 9).1, None);
        assert_eq!(read(&failed, 9).2, Err(Failed::Overloaded("ModelStreamErrorException: x".into())));
        let blocked = [
            event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "no"}})),
            event("messageStop", &json!({"stopReason": "guardrail_intervened"})),
            event("metadata", &json!({"usage": {"inputTokens": 3, "outputTokens": 4}})),
        ];
        assert_eq!(read(&blocked.concat(), 9).2, Err(Failed::GuardrailBlocked("no".into())));
    }
}
