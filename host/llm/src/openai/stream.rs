//! Answers of that protocol while they come: server-sent events, each a piece of the completion.

use std::{collections::BTreeMap, num::NonZeroUsize};

use serde::Deserialize;
use serde_json::Value;
use sse_core::{SseDecoder, SseEvent};

use super::answer::{self, Call, Counted, Function, Said};
use crate::{
    failed::Failed,
    limits::{EVENT_BYTES_MAX, STREAMED_CALLS_MAX},
    provider::{Answered, not_understood, parsed},
    reply::{Told, Usage},
    stream::{Piece, Reads, broke_off},
};

/// What ends a stream.
const DONE: &str = "[DONE]";

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Counted>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default, deserialize_with = "answer::words")]
    content: Option<String>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: u32,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

/// A completion that comes.
pub(crate) struct Stream {
    events: SseDecoder,
    text: String,
    thoughts: String,
    refusal: String,
    calls: BTreeMap<u32, Call>,
    finish: Option<String>,
    usage: Option<Usage>,
    is_done: bool,
    came: usize,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            events: SseDecoder::with_limit(NonZeroUsize::new(EVENT_BYTES_MAX).unwrap_or(NonZeroUsize::MIN)),
            text: String::new(),
            thoughts: String::new(),
            refusal: String::new(),
            calls: BTreeMap::new(),
            finish: None,
            usage: None,
            is_done: false,
            came: 0,
        }
    }

    fn chunk(&mut self, data: &str, pieces: &mut Vec<Piece>) -> Result<(), Failed> {
        if data.trim() == DONE {
            self.is_done = true;
            return Ok(());
        }
        let chunk = parsed(data.as_bytes()).inspect_err(|_| self.unread(data));
        let Chunk { choices, usage, error } = chunk?;
        if let Some(error) = error.filter(|error| !error.is_null()) {
            let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
            let body = serde_json::json!({ "error": error }).to_string();
            let status = status.filter(|status| (400..600).contains(status)).unwrap_or(500);
            return Err(answer::failed(Answered {
                status,
                retry_after: None,
                input_tokens: None,
                error: None,
                body: body.as_bytes(),
            }));
        }
        if let Some(counted) = usage {
            self.usage = Some(counted.usage());
        }
        // Of several choices the first is the answer, as where it comes whole.
        if let Some(Choice { delta, finish_reason }) = choices.into_iter().next() {
            self.finish = finish_reason.or(self.finish.take());
            self.delta(delta, pieces)?;
        }
        Ok(())
    }

    /// Keeps what a piece counts that cannot be read. One that counts nothing may have been paid as what it is.
    fn unread(&mut self, data: &str) {
        match answer::counted(data.as_bytes()) {
            Ok(usage) => self.usage = Some(usage),
            Err(_) => self.came += data.len(),
        }
    }

    fn delta(&mut self, delta: Delta, pieces: &mut Vec<Piece>) -> Result<(), Failed> {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(thought) = text(delta.reasoning_content).or_else(|| text(delta.reasoning)) {
            self.came += thought.len();
            self.thoughts.push_str(&thought);
            pieces.push(Piece::Reasoning(thought));
        }
        if let Some(words) = text(delta.content) {
            self.came += words.len();
            self.text.push_str(&words);
            pieces.push(Piece::Text(words));
        }
        let refusal = delta.refusal.unwrap_or_default();
        self.came += refusal.len();
        self.refusal.push_str(&refusal);
        for CallDelta { index, id, function } in delta.tool_calls.unwrap_or_default() {
            if self.calls.len() >= STREAMED_CALLS_MAX && !self.calls.contains_key(&index) {
                return Err(not_understood("it asks for too many tools"));
            }
            let empty = || Call { id: String::new(), function: Function::default() };
            let call = self.calls.entry(index).or_insert_with(empty);
            call.id.push_str(&id.unwrap_or_default());
            if let Some(FunctionDelta { name, arguments }) = function {
                let (name, arguments) = (name.unwrap_or_default(), arguments.unwrap_or_default());
                self.came += name.len() + arguments.len();
                call.function.name.push_str(&name);
                call.function.arguments.push_str(&arguments);
            }
        }
        Ok(())
    }
}

impl Reads for Stream {
    fn take(&mut self, mut bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Failed> {
        while let Some(event) = self.events.next(&mut bytes) {
            let event = event.map_err(|_| not_understood("a part of it is too long"))?;
            if let SseEvent::Message(message) = event {
                self.chunk(&message.data, pieces)?;
            }
        }
        Ok(())
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn bytes(&self) -> usize {
        self.came
    }

    fn end(&mut self) -> Result<Told, Failed> {
        // Some servers close the connection in place of the last word.
        if !self.is_done && self.finish.is_none() {
            return Err(broke_off());
        }
        let usage = self.usage.ok_or_else(|| not_understood("it counts no tokens"))?;
        let text = |text: &mut String| Some(std::mem::take(text)).filter(|text| !text.is_empty());
        let said = Said {
            content: text(&mut self.text),
            refusal: text(&mut self.refusal),
            reasoning_content: text(&mut self.thoughts),
            reasoning: None,
            tool_calls: Some(std::mem::take(&mut self.calls).into_values().collect()),
        };
        answer::whole(said, self.finish.as_deref(), usage).map_err(|unanswered| unanswered.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ask::{Part, Reasoning, ToolUse},
        reply::{Reply, StopReason},
    };

    const ANSWER: &str = concat!(
        ": hello\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"hé \"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"there\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"find\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"n\\\":\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"7}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n",
        "data: [DONE]\n\n",
    );

    fn read(bytes: &[u8], step: usize) -> (Vec<Piece>, Option<Usage>, Result<Told, Failed>) {
        let (mut stream, mut pieces) = (Stream::new(), Vec::new());
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
        let pieces = [Piece::Reasoning("hm".into()), Piece::Text("hé ".into()), Piece::Text("there".into())];
        let usage = Usage { input_tokens: 3, output_tokens: 4 };
        let content = vec![
            Part::Reasoning(Reasoning { text: "hm".into(), signature: None }),
            Part::Text("hé there".into()),
            Part::ToolUse(ToolUse { id: "c1".into(), name: "find".into(), input: "{\"n\":7}".into() }),
        ];
        let told = Told::Reply(Reply { content, stop: StopReason::ToolUse, usage });
        for step in [1, 2, 7, 100, ANSWER.len()] {
            assert_eq!(read(ANSWER.as_bytes(), step), (pieces.to_vec(), Some(usage), Ok(told.clone())), "{step}");
        }
    }

    #[test]
    fn what_broke_off_is_no_answer_and_what_was_counted_is_known() {
        let whole = ANSWER.as_bytes();
        for end in 0..whole.len() {
            let (_, usage, told) = read(&whole[..end], 64);
            assert!(told.is_err() || usage.is_some(), "{end}");
        }
        let cut = ANSWER.find("data: [DONE]").unwrap();
        assert!(read(&whole[..cut], 64).2.is_ok(), "it had come to its end");
        assert_eq!(read(&whole[..300], 64).2, Err(broke_off()));
        let error = "data: {\"error\":{\"message\":\"too much\",\"type\":\"server_error\",\"code\":null}}\n\n";
        assert_eq!(read(error.as_bytes(), 64).2, Err(Failed::Overloaded("status 500: too much".into())));
        let refused = "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n";
        assert_eq!(read(refused.as_bytes(), 64).2, Err(Failed::ContentFiltered("no".into())));
        for wrong in ["data: {\n\n".to_owned(), format!("data: {}\n\n", "x".repeat(EVENT_BYTES_MAX + 1))] {
            assert!(matches!(read(wrong.as_bytes(), 4_096).2, Err(Failed::Provider(_))));
        }
    }
}
