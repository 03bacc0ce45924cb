//! Amazon SageMaker's runtime: InvokeEndpoint and InvokeEndpointWithResponseStream, of real-time endpoints whose containers take OpenAI's chat
//! completions and embeddings at `/invocations`, as those for language models do (LMI, vLLM, TGI).
//!
//! Invariant: what the container is told and says is `openai`'s to write and read; what the endpoint says of itself, and of a container that fails, is
//! read here. A model is an endpoint by its name: the container has one, so none is named to it.

use aws_smithy_types::event_stream::Message;
use serde_json::Value;

use crate::{
    ask::Ask,
    aws::{Error, Frames, encoded, exception, header},
    failed::Failed,
    openai::{self, OpenAi},
    provider::{Answered, Provider, Request, Step, Unanswered},
    reply::{Told, Usage},
    stream::{Piece, Reads},
};

/// The end of a stream whose container took longer than it may.
const TOOK_TOO_LONG: &str = "ModelInvocationTimeExceeded";

/// SageMaker of a region.
#[derive(Clone, Debug)]
pub struct SageMaker {
    /// What its containers speak.
    pub openai: OpenAi,
}

impl SageMaker {
    /// Where an endpoint is asked, behind the runtime's: it begins with a slash, and what needs to be is encoded.
    #[must_use]
    pub fn invocations(endpoint: &str) -> String {
        format!("/endpoints/{}/invocations", encoded(endpoint))
    }

    /// What an answer means whose status is no success, whatever the endpoint was asked.
    #[must_use]
    pub fn refused(answered: Answered<'_>) -> Failed {
        failed(answered)
    }
}

impl Provider for SageMaker {
    fn write(&self, model: &str, ask: &Ask) -> Result<Step, Failed> {
        let body = self.openai.whole(None, ask)?.to_string().into_bytes();
        Ok(Step::Send(Request { path: Self::invocations(model), body }))
    }

    fn stream(&self, model: &str, ask: &Ask) -> Result<(Step, Option<Box<dyn Reads>>), Failed> {
        let Ask::Converse(conversation) = ask else { return Ok((self.write(model, ask)?, None)) };
        let body = self.openai.in_pieces(None, conversation)?.to_string().into_bytes();
        let request = Request { path: format!("{}-response-stream", Self::invocations(model)), body };
        let reads = Stream { frames: Frames::default(), of_container: openai::Stream::new() };
        Ok((Step::Send(request), Some(Box::new(reads))))
    }

    fn read(&self, ask: &Ask, answered: Answered<'_>) -> Result<Told, Unanswered> {
        if (200..300).contains(&answered.status) {
            self.openai.read(ask, answered)
        } else {
            Err(Unanswered::unpaid(failed(answered)))
        }
    }
}

/// What a status that is no success means.
fn failed(answered: Answered<'_>) -> Failed {
    let Error { name, text, words, body } = Error::read(answered);
    match (name.as_str(), answered.status) {
        ("ModelError", _) => of_container(&body, &text, words),
        ("ModelStreamError", _) if body.get("ErrorCode").and_then(Value::as_str) == Some(TOOK_TOO_LONG) => {
            Failed::Timeout
        }
        ("ThrottlingException", _) | ("", 429) => Failed::RateLimited(answered.retry_after),
        ("", 408 | 504) => Failed::Timeout,
        (
            "ModelNotReadyException"
            | "ServiceUnavailable"
            | "InternalFailure"
            | "InternalDependencyException"
            | "InternalStreamFailure"
            | "ModelStreamError",
            _,
        )
        | (_, 500..) => Failed::Overloaded(words),
        // An endpoint that is not there is `ValidationError`, and so is a body of more than it takes: another model may do.
        _ => Failed::Provider(words),
    }
}

/// What a container answered that was no success; none of 0 where it did not answer in the time that SageMaker gives it.
fn of_container(body: &Value, text: &str, words: String) -> Failed {
    let status = body.get("OriginalStatusCode").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    match status {
        Some(status @ 400..) => {
            let said = body.get("OriginalMessage").and_then(Value::as_str).unwrap_or_default();
            // Most say it in JSON, as servers of this protocol do.
            let is_json = serde_json::from_str::<Value>(said).is_ok_and(|said| said.is_object());
            let said = if is_json { said.to_owned() } else { serde_json::json!({ "error": said }).to_string() };
            openai::answer::failed(Answered {
                status,
                retry_after: None,
                input_tokens: None,
                error: None,
                body: said.as_bytes(),
            })
        }
        _ if text.to_lowercase().contains("timed out") => Failed::Timeout,
        _ => Failed::Overloaded(words),
    }
}

/// An answer that comes: parts of what the container says, cut anywhere.
struct Stream {
    frames: Frames,
    of_container: openai::Stream,
}

/// What says that there will be no more.
fn broken(message: &Message) -> Failed {
    let (name, body) = exception(message);
    failed(Answered { status: 500, retry_after: None, input_tokens: None, error: Some(name), body: &body })
}

impl Reads for Stream {
    fn take(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Failed> {
        self.frames.add(bytes);
        while let Some(message) = self.frames.message()? {
            if header(&message, ":message-type") != "event" {
                return Err(broken(&message));
            }
            if header(&message, ":event-type") == "PayloadPart" {
                self.of_container.take(message.payload(), pieces)?;
            }
        }
        Ok(())
    }

    fn usage(&self) -> Option<Usage> {
        self.of_container.usage()
    }

    fn bytes(&self) -> usize {
        self.of_container.bytes()
    }

    fn end(&mut self) -> Result<Told, Failed> {
        self.of_container.end()
    }
}

#[cfg(test)]
mod tests;
