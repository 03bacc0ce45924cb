//! Goal: a script says what is written in it, to whom it is written for, and a question that it has no line for gets the line to add.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    ask::{Embedding, ToolResult, ToolUse},
    reply::{Reply, StopReason, Usage, Vectors},
    stream::Piece,
};

fn said(text: &str) -> Ask {
    let messages = vec![Message { role: Role::User, content: vec![Part::Text(text.into())] }];
    Ask::Converse(Conversation { messages, ..Conversation::default() })
}

fn replay(lines: &[Value]) -> Replay {
    let text = lines.iter().map(|line| format!("{line}\n\n")).collect::<String>();
    Replay { script: Arc::new(Script::parse("a.jsonl", &text).unwrap()), route: "triage".into() }
}

fn asked(replay: &Replay, ask: &Ask) -> Result<Told, Failed> {
    match replay.write("m", ask)? {
        Step::Done(told) => Ok(told),
        other => panic!("{other:?}"),
    }
}

fn text(replay: &Replay, ask: &Ask) -> String {
    match asked(replay, ask).unwrap() {
        Told::Reply(Reply { content, .. }) => content.iter().map(|part| format!("{part:?}")).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_line_answers_that_is_for_the_route_the_words_and_the_question() {
    let long = "x".repeat(300);
    let digits = digest(&said(&long))[..16].to_owned();
    let replay = replay(&[
        json!({"route": "other", "text": "no"}),
        json!({"route": "triage", "user": "one", "text": "1"}),
        json!({"request": digits, "text": "long"}),
        json!({"user": "two", "json": {"kind": "bug"}}),
    ]);
    assert_eq!(text(&replay, &said("one")), "Text(\"1\")");
    assert_eq!(text(&replay, &said(&long)), "Text(\"long\")");
    assert_eq!(text(&replay, &said("two")), r#"Text("{\"kind\":\"bug\"}")"#);
    // How long an answer may be does not make it another question.
    let Ask::Converse(mut conversation) = said(&long) else { panic!() };
    conversation.max_tokens = Some(7);
    assert_eq!(text(&replay, &Ask::Converse(conversation.clone())), "Text(\"long\")");
    conversation.system = Some("be brief".into());
    assert!(asked(&replay, &Ask::Converse(conversation)).is_err());
}

#[test]
fn a_line_is_used_as_often_as_it_says_and_then_the_next_one_is() {
    let replay = replay(&[
        json!({"error": "rate-limited", "after_ms": 5, "times": 2}),
        json!({"text": "there", "usage": {"input_tokens": 7, "output_tokens": 9}}),
    ]);
    for _ in 0..2 {
        assert_eq!(asked(&replay, &said("x")), Err(Failed::RateLimited(Some(Duration::from_millis(5)))));
    }
    for _ in 0..3 {
        let told = asked(&replay, &said("x")).unwrap();
        assert_eq!(told.usage(), Usage { input_tokens: 7, output_tokens: 9 });
    }
}

#[test]
fn tools_vectors_and_numbers_are_said_to_who_asks_for_them() {
    let replay = replay(&[
        json!({"user": "find", "tools": [{"name": "search", "input": {"q": 1}}, {"name": "now", "id": "7"}]}),
        json!({"vectors": [[0.5, 1.0]]}),
        json!({"count": 42}),
        json!({"user": "found", "text": "so it is", "stop": "max-tokens"}),
    ]);
    let Told::Reply(reply) = asked(&replay, &said("find")).unwrap() else { panic!() };
    let tool = |id: &str, name: &str, input: &str| {
        Part::ToolUse(ToolUse { id: id.into(), name: name.into(), input: input.into() })
    };
    assert_eq!(reply.content, [tool("replay-1", "search", "{\"q\":1}"), tool("7", "now", "{}")]);
    assert_eq!(reply.stop, StopReason::ToolUse);
    let Ask::Converse(mut conversation) = said("find") else { panic!() };
    let result = ToolResult { id: "replay-1".into(), content: "found".into(), is_error: false };
    conversation.messages.push(Message { role: Role::User, content: vec![Part::ToolResult(result)] });
    let Told::Reply(reply) = asked(&replay, &Ask::Converse(conversation)).unwrap() else { panic!() };
    assert_eq!((reply.stop, reply.usage), (StopReason::MaxTokens, Usage { input_tokens: 1, output_tokens: 3 }));
    let embed = |texts: &[&str]| {
        Ask::Embed(Embedding { texts: texts.iter().map(ToString::to_string).collect(), dimensions: None })
    };
    let vectors = vec![vec![0.5, 1.0]];
    let usage = Usage { input_tokens: 1, output_tokens: 0 };
    assert_eq!(asked(&replay, &embed(&["a"])), Ok(Told::Vectors(Vectors { vectors, usage })));
    assert!(asked(&replay, &embed(&["a", "b"])).is_err(), "there is a vector for one text only");
    assert_eq!(asked(&replay, &Ask::Count(Conversation::default())), Ok(Told::Count(42)));
}

#[test]
fn an_answer_comes_in_the_pieces_that_are_written_and_may_break_off_behind_them() {
    let replay = replay(&[
        json!({"user": "whole", "text": "all at once"}),
        json!({"user": "apart", "pieces": ["one ", "two"]}),
        json!({"user": "broken", "pieces": ["one "], "error": "overloaded", "message": "gone"}),
    ]);
    let stream = |text: &str| replay.stream("m", &said(text)).unwrap().0;
    assert!(matches!(stream("whole"), Step::Done(Told::Reply(_))));
    let Step::Said(pieces, Ok(Told::Reply(reply))) = stream("apart") else { panic!() };
    assert_eq!(pieces, [Piece::Text("one ".into()), Piece::Text("two".into())]);
    assert_eq!(reply.content, [Part::Text("one two".into())]);
    let Step::Said(pieces, ended) = stream("broken") else { panic!() };
    assert_eq!((pieces.len(), ended), (1, Err(Failed::Overloaded("gone".into()))));
    assert_eq!(asked(&replay, &said("broken")), Err(Failed::Overloaded("gone".into())));
}

#[test]
fn what_no_line_answers_is_told_with_the_line_to_add_which_then_answers_it() {
    let long = "y".repeat(300);
    let embed = Ask::Embed(Embedding { texts: vec!["a \"b\"".into()], dimensions: None });
    let Ask::Converse(conversation) = said("how long") else { panic!() };
    for ask in [said("it \"crashes\"\nagain"), said(&long), said(""), embed, Ask::Count(conversation)] {
        let Err(Failed::Provider(why)) = asked(&replay(&[]), &ask) else { panic!() };
        let (before, line) = why.split_once("what is to be said: ").unwrap();
        assert_eq!(before, "no line of `a.jsonl` answers this; add one, with ");
        assert!(line.len() < 400, "{line}");
        assert!(asked(&replay(&[serde_json::from_str(line).unwrap()]), &ask).is_ok(), "{line}");
    }
}

#[test]
fn a_line_that_is_none_is_told_with_its_number() {
    for (line, wanted) in [
        ("nonsense", "line 2: expected"),
        (r#"{"txet": "a"}"#, "unknown field `txet`"),
        (r#"{"route": "a"}"#, "a line says one of"),
        (r#"{"text": "a", "json": 1}"#, "a line says one of"),
        (r#"{"text": "a", "error": "timeout"}"#, "a line says one of"),
        (r#"{"vectors": [], "count": 1}"#, "a line says one of"),
        (r#"{"error": "denied"}"#, "`denied` is no error of a provider; those are: rate-limited"),
        (r#"{"error": "timeout", "after_ms": 1}"#, "`after_ms` goes with the error `rate-limited`"),
        (r#"{"text": "a", "message": "b"}"#, "go with `error`"),
        (r#"{"count": 1, "stop": "end-turn"}"#, "`stop` goes with"),
        (r#"{"count": 1, "usage": {"input_tokens": 1, "output_tokens": 1}}"#, "`usage` goes with"),
        (r#"{"text": "a", "times": 0}"#, "`times` is at least 1"),
        (r#"{"text": "a", "request": "ABCDEF012345"}"#, "`request` is the first 12 to 64 digits"),
    ] {
        let error = Script::parse("a.jsonl", &format!("\n{line}\n")).unwrap_err().to_string();
        assert!(error.starts_with("line 2: ") && error.contains(wanted), "{line}: {error}");
    }
    let many = "{\"text\": \"a\"}\n".repeat(SCRIPT_LINES_MAX + 1);
    assert_eq!(Script::parse("a.jsonl", &many), Err(NotScript::Size));
}
