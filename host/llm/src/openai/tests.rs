//! Goal: what is asked is written as the protocol has it, and each answer means what it says. Method: requests and answers as OpenAI's reference
//! shows them.

use super::*;
use crate::{
    ask::{OutputSchema, Reasoning, Tool, ToolResult, ToolUse},
    provider::Unanswered,
    reply::{Reply, StopReason, Usage, Vectors},
    stream::Piece,
};

const SERVER: OpenAi = OpenAi { tokens_field: "max_completion_tokens" };

fn written(ask: &Ask) -> (String, Value) {
    match SERVER.write("gpt-x", ask) {
        Ok(Step::Send(Request { path, body })) => (path, serde_json::from_slice(&body).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn told(status: u16, body: &Value) -> Result<Told, Unanswered> {
    let body = body.to_string();
    let answered = Answered { status, retry_after: None, input_tokens: None, error: None, body: body.as_bytes() };
    SERVER.read(&Ask::Converse(Conversation::default()), answered)
}

fn message(role: Role, content: Vec<Part>) -> Message {
    Message { role, content }
}

#[test]
fn a_conversation_is_written_as_the_protocol_has_it() {
    let wanted = ToolUse { id: "c1".into(), name: "find".into(), input: "{\"n\":1}".into() };
    let result = ToolResult { id: "c1".into(), content: "gone".into(), is_error: true };
    let image = Image { media_type: "image/png".into(), data: vec![1, 2, 3] };
    let pdf = Document { name: "a.pdf".into(), media_type: "application/pdf".into(), data: vec![1] };
    let note = Document { name: "a.txt".into(), media_type: "text/plain".into(), data: b"words".to_vec() };
    let thought = Reasoning { text: "hm".into(), signature: None };
    let conversation = Conversation {
        system: Some("be brief".into()),
        messages: vec![
            message(Role::User, vec![Part::Text("hello".into())]),
            message(Role::Assistant, vec![Part::Reasoning(thought), Part::ToolUse(wanted)]),
            message(
                Role::User,
                vec![Part::ToolResult(result), Part::Image(image), Part::Document(pdf), Part::Document(note)],
            ),
        ],
        tools: vec![Tool {
            name: "find".into(),
            description: "finds".into(),
            input_schema: "{\"type\":\"object\"}".into(),
        }],
        tool_choice: Some(ToolChoice::Tool("find".into())),
        output: Some(OutputSchema { name: "out".into(), schema: "{}".into() }),
        stop: vec!["END".into()],
        max_tokens: Some(7),
        temperature: Some(0.2),
        options: vec![("seed".into(), "7".into())],
    };
    let (path, body) = written(&Ask::Converse(conversation));
    assert_eq!(path, "/chat/completions");
    let call = json!({"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{\"n\":1}"}});
    let wanted = json!({
        "model": "gpt-x",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "error: gone"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AQID"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AQ=="}},
                {"type": "text", "text": "a.txt\n\nwords"},
            ]},
        ],
        "tools": [{"type": "function", "function": {"name": "find", "description": "finds", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "find"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": {}, "strict": true}},
        "stop": ["END"],
        "max_completion_tokens": 7,
        "temperature": 0.2,
        "seed": 7,
    });
    assert_eq!(body, wanted);
    let embedding = Embedding { texts: vec!["a".into()], dimensions: Some(3) };
    let (path, body) = written(&Ask::Embed(embedding));
    let wanted = json!({"model": "gpt-x", "input": ["a"], "encoding_format": "float", "dimensions": 3});
    assert_eq!((path.as_str(), body), ("/embeddings", wanted));
}

#[test]
fn what_is_the_hosts_to_say_no_plugin_says() {
    for name in ["model", "stream", "n", "service_tier", "messages", "max_tokens"] {
        let options = vec![(name.to_owned(), "1".to_owned())];
        let ask = Ask::Converse(Conversation { options, ..Conversation::default() });
        assert!(matches!(SERVER.write("m", &ask), Err(Failed::Invalid(_))), "{name}");
    }
    let count = SERVER.write("m", &Ask::Count(Conversation::default()));
    assert!(matches!(count, Err(Failed::Unsupported(_))));
    let data = Document { name: "x".into(), media_type: "application/zip".into(), data: vec![0xff] };
    let messages = vec![message(Role::User, vec![Part::Document(data)])];
    let ask = Ask::Converse(Conversation { messages, ..Conversation::default() });
    assert!(matches!(SERVER.write("m", &ask), Err(Failed::Unsupported(_))));
}

#[test]
fn an_answer_means_what_it_says() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13});
    let counted = Usage { input_tokens: 9, output_tokens: 4 };
    let with = |message: Value, finish: &str| json!({"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage});
    let call = json!({"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}});
    let answer = with(
        json!({"role": "assistant", "content": "hi", "reasoning_content": "hm", "tool_calls": [call]}),
        "tool_calls",
    );
    let content = vec![
        Part::Reasoning(Reasoning { text: "hm".into(), signature: None }),
        Part::Text("hi".into()),
        Part::ToolUse(ToolUse { id: "c1".into(), name: "find".into(), input: "{}".into() }),
    ];
    let reply = Told::Reply(Reply { content, stop: StopReason::ToolUse, usage: counted });
    assert_eq!(told(200, &answer), Ok(reply));
    let cut = told(200, &with(json!({"content": "h"}), "length"));
    assert!(matches!(cut, Ok(Told::Reply(Reply { stop: StopReason::MaxTokens, .. }))), "{cut:?}");
    // It is paid for, and no answer.
    let refused = told(200, &with(json!({"content": null, "refusal": "no"}), "stop")).unwrap_err();
    assert_eq!(refused, Unanswered::paid(Failed::ContentFiltered("no".into()), counted));
    let held = told(200, &with(json!({"content": ""}), "content_filter")).unwrap_err();
    assert!(matches!(held.why, Failed::ContentFiltered(_)));
    let call = json!({"id": "c1", "function": {"name": "find", "arguments": "{\"n\":"}});
    let broken = told(200, &with(json!({"content": null, "tool_calls": [call]}), "tool_calls")).unwrap_err();
    assert!(matches!(broken.why, Failed::Provider(_)) && broken.usage == Some(counted));
    let data = json!([{"index": 1, "embedding": [0.5]}, {"index": 0, "embedding": [0.25]}]);
    let body = json!({"data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}}).to_string();
    let usage = Usage { input_tokens: 2, output_tokens: 0 };
    let vectors = Told::Vectors(Vectors { vectors: vec![vec![0.25], vec![0.5]], usage });
    assert_eq!(answer::vectors(body.as_bytes(), 2), Ok(vectors));
}

#[test]
fn what_an_answer_counted_is_known_also_where_the_rest_cannot_be_read() {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 4});
    let counted = Usage { input_tokens: 9, output_tokens: 4 };
    let call = json!({"type": "function", "function": {"name": "find", "arguments": "{}"}});
    for choices in [
        json!([]),
        json!("none"),
        json!([{"finish_reason": "stop"}]),
        json!([{"message": {"content": 7}}]),
        json!([{"message": {"content": null, "tool_calls": [call]}}]),
    ] {
        let unread = told(200, &json!({"choices": choices, "usage": usage})).unwrap_err();
        assert!(matches!(unread.why, Failed::Provider(_)) && unread.usage == Some(counted), "{choices}: {unread:?}");
    }
    let vectors = |data: &Value, usage: &Value| {
        let body = json!({"data": data, "usage": usage}).to_string();
        answer::vectors(body.as_bytes(), 1).unwrap_err()
    };
    for data in [json!(null), json!([]), json!([{"embedding": [1]}]), json!([{"index": 1, "embedding": [1]}])] {
        let unread = vectors(&data, &json!({"prompt_tokens": 9}));
        assert_eq!(unread.usage, Some(Usage { input_tokens: 9, output_tokens: 0 }), "{data}: {unread:?}");
    }
    // Where it counts nothing nobody knows, and where it was refused nobody pays.
    let fine = json!([{"message": {"content": "x"}}]);
    let uncounted = json!({"choices": fine, "usage": {"prompt_tokens": "many"}});
    for body in [json!({}), json!({"choices": fine}), uncounted, json!([[], usage]), json!("x")] {
        let unread = told(200, &body).unwrap_err();
        assert!(matches!(unread.why, Failed::Provider(_)) && unread.usage.is_none(), "{body}: {unread:?}");
    }
    assert_eq!(vectors(&json!([{"index": 0, "embedding": [1]}]), &Value::Null).usage, None);
    assert_eq!(told(500, &json!({"usage": usage})).unwrap_err().usage, Some(Usage::default()));
}

#[test]
fn words_may_come_in_parts() {
    let parts = json!([{"type": "thinking", "thinking": []}, {"type": "text", "text": "one "}, {"text": "two"}]);
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 1});
    let answer = json!({"choices": [{"message": {"content": parts}}], "usage": usage});
    let Ok(Told::Reply(reply)) = told(200, &answer) else { panic!() };
    assert_eq!(reply.content, [Part::Text("one two".into())]);
    let events =
        [json!({"choices": [{"delta": {"content": parts}, "finish_reason": "stop"}]}), json!({"usage": usage})];
    let (mut stream, mut pieces) = (Stream::new(), Vec::new());
    for event in events {
        stream.take(format!("data: {event}\n\n").as_bytes(), &mut pieces).unwrap();
    }
    assert_eq!((pieces, stream.end().unwrap()), (vec![Piece::Text("one two".into())], Told::Reply(reply)));
}

#[test]
fn a_piece_that_cannot_be_read_is_counted_all_the_same() {
    let read = |event: &Value| {
        let mut stream = Stream::new();
        let told = stream.take(format!("data: {event}\n\n").as_bytes(), &mut Vec::new());
        assert!(matches!(told, Err(Failed::Provider(_))), "{event}: {told:?}");
        (stream.usage(), stream.bytes())
    };
    let counted = json!({"choices": 7, "usage": {"prompt_tokens": 9, "completion_tokens": 4}});
    assert_eq!(read(&counted), (Some(Usage { input_tokens: 9, output_tokens: 4 }), 0));
    let uncounted = json!({"choices": [{"delta": {"content": {"words": "one"}}}]});
    assert_eq!(read(&uncounted), (None, uncounted.to_string().len()));
}

#[test]
fn an_error_leads_to_what_can_be_done_about_it() {
    let error = |code: &str, text: &str| json!({"error": {"message": text, "type": "t", "code": code}});
    let why = |status, body: &Value| told(status, body).unwrap_err().why;
    assert_eq!(why(429, &error("rate_limit_exceeded", "slow")), Failed::RateLimited(None));
    assert!(matches!(why(429, &error("insufficient_quota", "pay")), Failed::Provider(_)));
    assert!(matches!(why(400, &error("context_length_exceeded", "x")), Failed::ContextTooLong(_)));
    assert!(matches!(why(400, &error("", "This model's maximum context length is 8")), Failed::ContextTooLong(_)));
    assert!(matches!(why(400, &error("content_filter", "x")), Failed::ContentFiltered(_)));
    assert_eq!(why(400, &error("", "no such field")), Failed::Invalid("status 400: no such field".into()));
    assert_eq!(why(401, &error("invalid_api_key", "who?")), Failed::Provider("status 401: who?".into()));
    assert_eq!(why(404, &json!({"error": "gone"})), Failed::Provider("status 404: gone".into()));
    assert_eq!(why(503, &Value::Null), Failed::Overloaded("status 503: without a word".into()));
    assert_eq!(why(504, &Value::Null), Failed::Timeout);
}
