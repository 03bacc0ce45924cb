//! Goal: what is asked is written as Bedrock documents it, and each answer means what it says.

use super::*;
use crate::{
    ask::{OutputSchema, Tool, ToolResult, ToolUse},
    reply::{Reply, StopReason, Usage, Vectors},
};

fn written(model: &str, ask: &Ask) -> (String, Value) {
    match Bedrock.write(model, ask) {
        Ok(Step::Send(Request { path, body })) => (path, serde_json::from_slice(&body).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn told(ask: &Ask, status: u16, error: Option<&str>, body: &Value) -> Result<Told, Unanswered> {
    let body = body.to_string();
    Bedrock.read(ask, Answered { status, retry_after: None, input_tokens: None, error, body: body.as_bytes() })
}

fn message(role: Role, content: Vec<Part>) -> Message {
    Message { role, content }
}

fn conversation() -> Conversation {
    let wanted = ToolUse { id: "t1".into(), name: "find".into(), input: "{\"n\":1}".into() };
    let result = ToolResult { id: "t1".into(), content: "gone".into(), is_error: true };
    let image = Image { media_type: "image/jpeg".into(), data: vec![1, 2, 3] };
    let (name, media_type) = ("a_b  c.pdf".into(), "application/pdf".into());
    let document = Document { name, media_type, data: vec![1] };
    let thought = |text: &str, signature: &str| {
        Part::Reasoning(Reasoning { text: text.into(), signature: Some(signature.into()) })
    };
    Conversation {
        system: Some("be brief".into()),
        messages: vec![
            message(Role::User, vec![Part::Text("hello".into()), Part::Image(image), Part::Document(document)]),
            message(Role::Assistant, vec![thought("hm", "sig"), thought("", "redacted:AQ=="), Part::ToolUse(wanted)]),
            message(Role::User, vec![Part::ToolResult(result)]),
        ],
        tools: vec![Tool {
            name: "find".into(),
            description: String::new(),
            input_schema: "{\"type\":\"object\"}".into(),
        }],
        tool_choice: Some(ToolChoice::Any),
        output: Some(OutputSchema { name: "out".into(), schema: "{\"type\":\"object\"}".into() }),
        stop: vec!["END".into()],
        max_tokens: Some(7),
        temperature: Some(0.2),
        options: vec![("top_p".into(), "0.5".into()), ("top_k".into(), "3".into())],
    }
}

#[test]
fn a_conversation_is_written_as_bedrock_has_it() {
    let (path, body) = written("eu.anthropic.claude-x:0", &Ask::Converse(conversation()));
    assert_eq!(path, "/model/eu.anthropic.claude-x%3A0/converse");
    let wanted = json!({
        "messages": [
            {"role": "user", "content": [
                {"text": "hello"},
                {"image": {"format": "jpeg", "source": {"bytes": "AQID"}}},
                {"document": {"format": "pdf", "name": "a-b c-pdf", "source": {"bytes": "AQ=="}}},
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "AQ=="}},
                {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"n": 1}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "gone"}], "status": "error"}},
            ]},
        ],
        "system": [{"text": "be brief"}],
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "find", "inputSchema": {"json": {"type": "object"}}}}],
            "toolChoice": {"any": {}},
        },
        "inferenceConfig": {"maxTokens": 7, "temperature": 0.2, "stopSequences": ["END"], "topP": 0.5},
        "additionalModelRequestFields": {"top_k": 3},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "out", "schema": "{\"type\":\"object\"}"}}}},
    });
    assert_eq!(body, wanted);
    let (path, counted) = written("m", &Ask::Count(conversation()));
    assert_eq!(
        (path.as_str(), &counted["input"]["converse"]["messages"]),
        ("/model/m/count-tokens", &wanted["messages"])
    );
    assert!(counted["input"]["converse"].get("inferenceConfig").is_none());
    let embedding = |texts: &[&str]| {
        Ask::Embed(Embedding { texts: texts.iter().map(ToString::to_string).collect(), dimensions: Some(256) })
    };
    let (path, body) = written("amazon.titan-embed-text-v2:0", &embedding(&["a"]));
    assert_eq!(path, "/model/amazon.titan-embed-text-v2%3A0/invoke");
    assert_eq!(body, json!({"inputText": "a", "dimensions": 256}));
    let (path, body) = written("eu.cohere.embed-v4:0", &embedding(&["a", "b"]));
    assert_eq!(path, "/model/eu.cohere.embed-v4%3A0/invoke");
    assert_eq!(body, json!({"texts": ["a", "b"], "input_type": "search_document", "output_dimension": 256}));
    let unsized_of = |texts: Vec<String>| Ask::Embed(Embedding { texts, dimensions: None });
    let (_, body) = written("cohere.embed-multilingual-v3", &unsized_of(vec!["a".into()]));
    assert_eq!(body, json!({"texts": ["a"], "input_type": "search_document"}));
    let arn = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x";
    assert_eq!(
        written(arn, &Ask::Converse(conversation())).0,
        "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x/converse"
    );
    for (model, ask) in [
        ("amazon.titan-embed-text-v2:0", embedding(&["a", "b"])),
        ("cohere.embed-english-v3", embedding(&["a"])),
        ("cohere.embed-v4:0", unsized_of(vec!["a".into(); 97])),
        ("amazon.nova-x", embedding(&["a"])),
    ] {
        assert!(matches!(Bedrock.write(model, &ask), Err(Failed::Unsupported(_))), "{model}");
    }
    let forbidden = Conversation { tool_choice: Some(ToolChoice::None), ..conversation() };
    assert!(matches!(Bedrock.write("m", &Ask::Converse(forbidden)), Err(Failed::Unsupported(_))));
}

#[test]
fn what_is_the_hosts_to_say_or_changes_what_is_paid_no_plugin_says() {
    let with = |name: &str, value: &str| {
        let options = vec![(name.to_owned(), value.to_owned())];
        Ask::Converse(Conversation { options, ..conversation() })
    };
    for name in [
        "anthropic_beta",
        "max_gen_len",
        "max_tokens",
        "n",
        "num_generations",
        "messages",
        "service_tier",
        "system",
        "tools",
    ] {
        let Err(Failed::Invalid(why)) = Bedrock.write("m", &with(name, "1")) else { panic!("{name}") };
        assert!(why.starts_with(&format!("`{name}` is no setting here: there are frequency_penalty, k, ")), "{why}");
        assert!(matches!(Bedrock.stream("m", &with(name, "1")), Err(Failed::Invalid(_))), "{name}");
    }
    let thinking = r#"{"type":"enabled","budget_tokens":1024}"#;
    for (name, value) in [("thinking", thinking), ("reasoning_config", thinking), ("top_k", "3"), ("seed", "7")] {
        let (_, body) = written("m", &with(name, value));
        assert_eq!(body["additionalModelRequestFields"], json!({ name: parsed(value) }));
    }
    assert_eq!(written("m", &with("top_p", "0.5")).1["inferenceConfig"]["topP"], json!(0.5));
}

#[test]
fn an_answer_means_what_it_says() {
    let ask = Ask::Converse(conversation());
    let with = |content: Value, stop: &str| {
        let usage = json!({"inputTokens": 9, "outputTokens": 4, "totalTokens": 16, "cacheReadInputTokens": 3});
        json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 1}})
    };
    let usage = Usage { input_tokens: 12, output_tokens: 4 };
    let content = json!([
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "AQ=="}},
        {"text": "hi"},
        {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"n": 1}}},
        {"somethingNew": {}},
    ]);
    let reasoning = |text: &str, signature: &str| {
        Part::Reasoning(Reasoning { text: text.into(), signature: Some(signature.into()) })
    };
    let parts = vec![
        reasoning("hm", "sig"),
        reasoning("", "redacted:AQ=="),
        Part::Text("hi".into()),
        Part::ToolUse(ToolUse { id: "t1".into(), name: "find".into(), input: "{\"n\":1}".into() }),
    ];
    let reply = Told::Reply(Reply { content: parts, stop: StopReason::ToolUse, usage });
    assert_eq!(told(&ask, 200, None, &with(content, "tool_use")), Ok(reply));
    let blocked = told(&ask, 200, None, &with(json!([{"text": "Sorry."}]), "guardrail_intervened")).unwrap_err();
    assert_eq!(blocked, Unanswered::paid(Failed::GuardrailBlocked("Sorry.".into()), usage));
    let held = told(&ask, 200, None, &with(json!([]), "content_filtered")).unwrap_err();
    assert!(matches!(held.why, Failed::ContentFiltered(_)) && held.usage == Some(usage));
    assert_eq!(told(&Ask::Count(conversation()), 200, None, &json!({"inputTokens": 7})), Ok(Told::Count(7)));
    let body = json!({"embedding": [0.5], "inputTextTokenCount": 2});
    let usage = Usage { input_tokens: 2, output_tokens: 0 };
    let vectors = Told::Vectors(Vectors { vectors: vec![vec![0.5]], usage });
    let embed = |texts: &[&str]| {
        Ask::Embed(Embedding { texts: texts.iter().map(ToString::to_string).collect(), dimensions: None })
    };
    assert_eq!(told(&embed(&["a b"]), 200, None, &body), Ok(vectors));
    let unread = json!({"embedding": "none", "inputTextTokenCount": 2});
    assert_eq!(told(&embed(&["a b"]), 200, None, &unread).unwrap_err().usage, Some(usage));
}

#[test]
fn what_an_answer_counted_is_known_also_where_the_rest_cannot_be_read() {
    let read = |status: u16, body: &Value| {
        let unread = told(&Ask::Converse(conversation()), status, None, body).unwrap_err();
        assert!(status != 200 || matches!(unread.why, Failed::Provider(_)), "{unread:?}");
        unread.usage
    };
    let counted = json!({"inputTokens": 9, "outputTokens": 4});
    let output = json!({"message": {"content": [{"text": "x"}]}});
    let usage = Usage { input_tokens: 9, output_tokens: 4 };
    for (output, stop) in
        [(json!({}), "end_turn"), (json!({"message": {"content": "x"}}), "end_turn"), (output.clone(), "x")]
    {
        let body = json!({"output": output, "stopReason": stop, "usage": counted});
        assert_eq!(read(200, &body), Some(usage), "{body}");
    }
    assert_eq!(read(200, &json!({"usage": counted})), Some(usage));
    // Where it counts nothing nobody knows, and where it was refused nobody pays.
    for counted in [Value::Null, json!({"inputTokens": 9})] {
        assert_eq!(read(200, &json!({"output": output, "stopReason": "end_turn", "usage": counted})), None);
    }
    assert_eq!(read(200, &Value::Null), None);
    assert_eq!(read(500, &json!({"usage": counted})), Some(Usage::default()));
}

#[test]
fn vectors_of_cohere_are_paid_as_its_head_counts_or_as_the_most_that_they_can_be() {
    let texts = ["one".to_owned(), "three".to_owned()].to_vec();
    let ask = Ask::Embed(Embedding { texts, dimensions: None });
    let read = |body: &Value, input_tokens| {
        let body = body.to_string();
        let answered = Answered { status: 200, retry_after: None, input_tokens, error: None, body: body.as_bytes() };
        Bedrock.read(&ask, answered)
    };
    let vectors = |input_tokens| {
        let usage = Usage { input_tokens, output_tokens: 0 };
        Ok(Told::Vectors(Vectors { vectors: vec![vec![0.5], vec![0.25]], usage }))
    };
    let plain = json!({"id": "x", "embeddings": [[0.5], [0.25]], "response_type": "embeddings_floats", "texts": ["one", "three"]});
    assert_eq!(read(&plain, Some(4)), vectors(4));
    assert_eq!(read(&plain, None), vectors(8 + 2 * 2), "with what a model may put around each text");
    let kinds = json!({"id": "x", "embeddings": {"float": [[0.5], [0.25]]}, "response_type": "embeddings_by_type"});
    assert_eq!(read(&kinds, Some(4)), vectors(4));
    // What its head counted is paid, whatever its body is.
    let unanswered = |body: &Value, input_tokens| {
        let Unanswered { why, usage } = read(body, input_tokens).unwrap_err();
        let Failed::Provider(why) = why else { panic!("{why:?}") };
        (why.strip_prefix("the provider's answer is not understood: ").unwrap().to_owned(), usage.unwrap().input_tokens)
    };
    let paid = |why: &str| (why.to_owned(), 4);
    let neither = "it has neither one vector nor several";
    assert_eq!(unanswered(&json!({"embeddings": [[0.5]]}), Some(4)), paid("it has 1 vectors for 2 texts"));
    assert_eq!(unanswered(&json!({"id": "x"}), Some(4)), paid(neither));
    assert_eq!(unanswered(&json!({"embedding": [0.5], "embeddings": [[0.5], [0.5]]}), Some(4)), paid(neither));
    let unread = unanswered(&json!({"embeddings": "none"}), Some(4));
    assert!(unread.0.contains("expected vectors, or vectors by their kind at line 1") && unread.1 == 4, "{unread:?}");
    assert_eq!(unanswered(&json!([1]), Some(4)).1, 4);
    assert_eq!(unanswered(&json!({"embeddings": {"int8": [[1], [1]]}}), None).1, 12, "the most that they can be");
}

#[test]
fn a_vector_has_as_many_dimensions_as_were_asked_for() {
    let read = |body: Value, dimensions| {
        let ask = Ask::Embed(Embedding { texts: vec!["one".to_owned()], dimensions });
        told(&ask, 200, None, &body)
    };
    for body in [json!({"embedding": [0.5, 1.0], "inputTextTokenCount": 3}), json!({"embeddings": [[0.5, 1.0]]})] {
        assert!(read(body.clone(), None).is_ok() && read(body.clone(), Some(2)).is_ok(), "{body}");
        let other = read(body, Some(256)).unwrap_err();
        assert!(
            other.why.to_string().ends_with("it has a vector of 2 dimensions where 256 were asked for"),
            "{other:?}"
        );
        assert!(other.usage.unwrap().input_tokens > 0, "what was read is paid");
    }
}

#[test]
fn an_error_leads_to_what_can_be_done_about_it() {
    let why = |status, error: Option<&str>, body: Value| {
        told(&Ask::Converse(conversation()), status, error, &body).unwrap_err().why
    };
    let text = |text: &str| json!({"message": text});
    assert_eq!(
        why(429, Some("ThrottlingException:http://internal.amazon.com/coral/"), text("slow")),
        Failed::RateLimited(None)
    );
    assert!(matches!(why(429, Some("ModelNotReadyException"), text("x")), Failed::Overloaded(_)));
    assert!(matches!(why(424, Some("ModelErrorException"), text("x")), Failed::Overloaded(_)));
    assert_eq!(why(408, Some("ModelTimeoutException"), text("x")), Failed::Timeout);
    assert!(matches!(
        why(400, Some("ValidationException"), text("Input is too long for requested model.")),
        Failed::ContextTooLong(_)
    ));
    let wrong = Failed::Invalid("ValidationException: no such field".into());
    assert_eq!(
        why(400, None, json!({"__type": "com.amazon.coral#ValidationException", "message": "no such field"})),
        wrong
    );
    assert!(matches!(why(403, Some("AccessDeniedException"), text("x")), Failed::Provider(_)));
    assert_eq!(why(502, None, Value::Null), Failed::Overloaded("502: without a word".into()));
}
