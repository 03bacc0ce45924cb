//! Goal: an endpoint is asked as SageMaker documents it, and what it or its container answers means what it says.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue};
use serde_json::json;

use super::*;
use crate::{
    ask::{Conversation, Embedding, Message as Turn, Part, Role},
    reply::{Reply, StopReason},
    stream::broke_off,
};

const ENDPOINT: SageMaker = SageMaker { openai: OpenAi { tokens_field: "max_tokens" } };

fn conversation() -> Ask {
    let turn = Turn { role: Role::User, content: vec![Part::Text("hello".into())] };
    Ask::Converse(Conversation { messages: vec![turn], max_tokens: Some(7), ..Conversation::default() })
}

fn sent(step: Step) -> (String, Value) {
    match step {
        Step::Send(Request { path, body }) => (path, serde_json::from_slice(&body).unwrap()),
        Step::Done(_) | Step::Said(..) => panic!("nothing is sent"),
    }
}

#[test]
fn an_endpoint_is_asked_for_what_its_only_model_says() {
    let messages = json!([{"role": "user", "content": "hello"}]);
    let whole = sent(ENDPOINT.write("llama-3", &conversation()).unwrap());
    assert_eq!(whole, ("/endpoints/llama-3/invocations".to_owned(), json!({"messages": messages, "max_tokens": 7})));
    let (step, reads) = ENDPOINT.stream("llama-3", &conversation()).unwrap();
    let body =
        json!({"messages": messages, "max_tokens": 7, "stream": true, "stream_options": {"include_usage": true}});
    assert_eq!(sent(step), ("/endpoints/llama-3/invocations-response-stream".to_owned(), body));
    assert!(reads.is_some());
    let embedding = Ask::Embed(Embedding { texts: vec!["a".into()], dimensions: None });
    let body = json!({"input": ["a"], "encoding_format": "float"});
    assert_eq!(sent(ENDPOINT.write("b/c", &embedding).unwrap()), ("/endpoints/b%2Fc/invocations".to_owned(), body));
    let Ask::Converse(counted) = conversation() else { panic!() };
    assert!(matches!(ENDPOINT.write("x", &Ask::Count(counted)), Err(Failed::Unsupported(_))));
}

#[test]
fn an_error_of_the_endpoint_and_one_of_its_container_lead_to_what_they_say() {
    let read = |status: u16, error: &str, body: Value| {
        let body = body.to_string();
        let answered =
            Answered { status, retry_after: None, input_tokens: None, error: Some(error), body: body.as_bytes() };
        ENDPOINT.read(&conversation(), answered).unwrap_err().why
    };
    let message = json!({"Message": "so it is"});
    let words = |name: &str| format!("{name}: so it is");
    assert_eq!(read(400, "ThrottlingException", message.clone()), Failed::RateLimited(None));
    for (status, name) in
        [(429, "ModelNotReadyException"), (503, "ServiceUnavailable"), (530, "InternalDependencyException")]
    {
        assert_eq!(read(status, name, message.clone()), Failed::Overloaded(words(name)));
    }
    assert_eq!(read(400, "ValidationError", message.clone()), Failed::Provider(words("ValidationError")));
    assert_eq!(read(403, "AccessDeniedException", message), Failed::Provider(words("AccessDeniedException")));
    let container = |status: u16, said: &str| {
        let message = format!("Received an error ({status}) from primary with message \"{said}\".");
        read(424, "ModelError", json!({"Message": message, "OriginalStatusCode": status, "OriginalMessage": said}))
    };
    let long = json!({"error": {"message": "the context length is 8 tokens", "code": "context_length_exceeded"}});
    assert!(matches!(container(400, &long.to_string()), Failed::ContextTooLong(_)));
    assert_eq!(container(422, "no role"), Failed::Invalid("status 422: no role".into()));
    assert_eq!(container(429, "later"), Failed::RateLimited(None));
    assert_eq!(container(503, "{\"error\": \"busy\"}"), Failed::Overloaded("status 503: busy".into()));
    let silent = "Your invocation timed out while waiting for a response from container primary.";
    assert_eq!(read(424, "ModelError", json!({"Message": silent, "OriginalStatusCode": 0})), Failed::Timeout);
}

#[test]
fn what_a_container_counted_is_known_also_where_the_rest_cannot_be_read() {
    let read = |status: u16, body: Value| {
        let body = body.to_string();
        let answered = Answered { status, retry_after: None, input_tokens: None, error: None, body: body.as_bytes() };
        ENDPOINT.read(&conversation(), answered).unwrap_err().usage
    };
    let counted = json!({"prompt_tokens": 9, "completion_tokens": 4});
    assert_eq!(read(200, json!({"choices": 7, "usage": counted})), Some(Usage { input_tokens: 9, output_tokens: 4 }));
    assert_eq!(read(200, json!([{"generated_text": "x"}])), None, "nobody knows");
    assert_eq!(read(424, json!({"usage": counted})), Some(Usage::default()), "nobody pays");
}

fn message(kind: &str, name: (&'static str, &str), body: &[u8]) -> Vec<u8> {
    let text = |text: &str| HeaderValue::String(text.to_owned().into());
    let message = Message::new(body.to_vec())
        .add_header(Header::new(":message-type", text(kind)))
        .add_header(Header::new(name.0, text(name.1)));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8], step: usize) -> (Vec<Piece>, Option<Usage>, Result<Told, Failed>) {
    let (_, reads) = ENDPOINT.stream("x", &conversation()).unwrap();
    let (mut reads, mut pieces) = (reads.unwrap(), Vec::new());
    for some in bytes.chunks(step) {
        if let Err(why) = reads.take(some, &mut pieces) {
            return (pieces, reads.usage(), Err(why));
        }
    }
    let usage = reads.usage();
    (pieces, usage, reads.end())
}

const SAID: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hé \"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"there\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn an_answer_is_the_same_however_the_container_and_the_stream_cut_it() {
    let usage = Usage { input_tokens: 3, output_tokens: 4 };
    let content = vec![Part::Text("hé there".into())];
    let told = Told::Reply(Reply { content, stop: StopReason::EndTurn, usage });
    let pieces = vec![Piece::Text("hé ".into()), Piece::Text("there".into())];
    for part in [1, 7, 200, SAID.len()] {
        let parts = SAID.as_bytes().chunks(part).map(|part| message("event", (":event-type", "PayloadPart"), part));
        let bytes = parts.collect::<Vec<_>>().concat();
        for step in [1, 64, bytes.len()] {
            assert_eq!(read(&bytes, step), (pieces.clone(), Some(usage), Ok(told.clone())), "{part} {step}");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_or_fails_is_no_answer_and_keeps_what_was_counted() {
    let (first, rest) = SAID.split_at(SAID.find("data: {\"choices\":[]").unwrap());
    let begun = message("event", (":event-type", "PayloadPart"), &SAID.as_bytes()[..60]);
    assert_eq!(read(&begun, 9).2, Err(broke_off()));
    let counted = message("event", (":event-type", "PayloadPart"), rest.as_bytes());
    let whole = [message("event", (":event-type", "PayloadPart"), first.as_bytes()), counted].concat();
    let body = |code: &str| json!({"Message": "so it is", "ErrorCode": code}).to_string();
    let failing = |name: &str, code: &str| {
        let end = message("exception", (":exception-type", name), body(code).as_bytes());
        read(&[whole.clone(), end].concat(), 50)
    };
    let (_, usage, ended) = failing("ModelStreamError", "StreamBroken");
    assert_eq!(usage, Some(Usage { input_tokens: 3, output_tokens: 4 }));
    assert_eq!(ended, Err(Failed::Overloaded("ModelStreamError: so it is".into())));
    assert_eq!(failing("ModelStreamError", TOOK_TOO_LONG).2, Err(Failed::Timeout));
    let ended = failing("InternalStreamFailure", "").2;
    assert_eq!(ended, Err(Failed::Overloaded("InternalStreamFailure: so it is".into())));
}
