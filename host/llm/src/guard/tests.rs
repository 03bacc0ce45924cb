//! Goal: what is personal or denied is found wherever it is said, and what only looks like it stays. Method: texts, each with what becomes of it.

use super::*;
use crate::{
    ask::{Embedding, Message, OutputSchema, Role, Tool, ToolResult, ToolUse},
    reply::{Reply, StopReason, Usage},
};

fn guard(deny: &[&str], mask: &[Kind], patterns: &[(&str, &str)]) -> Result<Guard, NotGuard> {
    let deny = deny.iter().map(ToString::to_string).collect();
    let patterns = patterns.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Guard::new(Rules { deny, mask: mask.to_vec(), patterns })
}

/// A text behind a guard that masks whatever is known.
fn masked(text: &str) -> String {
    let all = guard(&[], &Kind::ALL, &[("employee", "E-[0-9]{6}")]).unwrap();
    let mut ask = Ask::Embed(Embedding { texts: vec![text.to_owned()], dimensions: None });
    all.ask(&mut ask).unwrap();
    let Ask::Embed(embedding) = ask else { panic!() };
    embedding.texts.concat()
}

#[test]
fn what_is_personal_is_replaced_by_what_it_is() {
    for (text, wanted) in [
        ("write to Jöhn.Doe+x@mail.example.com, please", "write to [email], please"),
        ("4111 1111 1111 1111 and 4111111111111111 or 3782-822463-10005", "[card] and [card] or [card]"),
        ("of 1 4111111111111111 12", "of 1 [card] 12"),
        ("account DE89 3704 0044 0532 0130 00 BUT NOT MORE", "account [iban] BUT NOT MORE"),
        ("gb82west12345698765432.", "[iban]."),
        ("ab12 DE89370400440532013000", "ab12 [iban]"),
        ("123-45-6789", "[us-ssn]"),
        ("from 192.168.1.10, ::1 and 2001:db8::ff00:42:8329", "from [ip], [ip] and [ip]"),
        ("+49 (0)30 901820 or (415) 555-2671 or 0049-30-901820", "[phone] or [phone] or [phone]"),
        ("E-123456é", "[employee]é"),
    ] {
        assert_eq!(masked(text), wanted, "{text}");
    }
}

#[test]
fn what_only_looks_like_it_stays() {
    for text in [
        "order 4111 1111 1111 1112 of 2026-11-28T04:31:12",
        "DE88 3704 1044 1532 1130 11",
        "std::fmt::Debug, ::fmt, dead::beef and version 1.2.3.400 at 12:30",
        "1234567890 items, build 20261128",
        "a @ b, @name, E-12345",
        "0000 0000 0000 0000",
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn json_stays_json_and_is_looked_at_value_by_value() {
    let text = r#"{"a@b.de": [{"card": 4111111111111111, "n": 7}], "ok": true, "note": "E-123456 \"x\""}"#;
    let wanted = r#"{"[email]": [{"card": "[card]", "n": 7}], "ok": true, "note": "[employee] \"x\""}"#;
    let all = guard(&[], &Kind::ALL, &[("employee", "E-[0-9]{6}")]).unwrap();
    let wanted_part = Part::ToolUse(ToolUse { id: "1".into(), name: "t".into(), input: text.into() });
    let mut told =
        Told::Reply(Reply { content: vec![wanted_part], stop: StopReason::ToolUse, usage: Usage::default() });
    assert_eq!(all.told(&mut told), Ok(3));
    let Told::Reply(reply) = told else { panic!() };
    assert!(matches!(&reply.content[0], Part::ToolUse(wanted_part) if wanted_part.input == wanted), "{reply:?}");
    // A tool may give a text alone, as JSON, and spell it as it likes.
    let content = r#""of a\u0040b.de""#.to_owned();
    let gave = Part::ToolResult(ToolResult { id: "1".into(), content, is_error: false });
    let messages = vec![Message { role: Role::User, content: vec![gave] }];
    let mut ask = Ask::Converse(Conversation { messages, ..Conversation::default() });
    assert_eq!(all.ask(&mut ask), Ok(1));
    let Ask::Converse(asked) = ask else { panic!() };
    let said = &asked.messages[0].content[0];
    assert!(matches!(said, Part::ToolResult(gave) if gave.content == r#""of [email]""#), "{said:?}");
}

/// JSON wherever a question may have it: a text, a document, what a tool is asked and what it gave.
fn asked_with(json: &str) -> Conversation {
    let (id, name, media_type) = ("1".to_owned(), "t".to_owned(), "application/json".to_owned());
    let content = vec![
        Part::Text(json.into()),
        Part::Document(Document { name: "n".into(), media_type, data: json.into() }),
        Part::ToolUse(ToolUse { id: id.clone(), name, input: json.into() }),
        Part::ToolResult(ToolResult { id, content: json.into(), is_error: false }),
    ];
    Conversation { messages: vec![Message { role: Role::User, content }], ..Conversation::default() }
}

/// The same of answers.
fn told_with(json: &str) -> Told {
    let wanted = ToolUse { id: "1".into(), name: "t".into(), input: json.into() };
    let content = vec![Part::Text(json.into()), Part::ToolUse(wanted)];
    Told::Reply(Reply { content, stop: StopReason::ToolUse, usage: Usage::default() })
}

#[test]
fn json_is_looked_at_as_it_is_written_whatever_a_reader_makes_of_it() {
    let all = guard(&["project zephyr"], &[Kind::Email, Kind::Card], &[("long", "[0-9]{25}")]).unwrap();
    for (json, wanted) in [
        // Of members of one name a reader keeps one, and the models get all.
        (r#"{"to": "a@b.de", "to": "x"}"#, r#"{"to": "[email]", "to": "x"}"#),
        (r#"{"to":"x","n":[{"to":"a\u0040b.de","to":1}]}"#, r#"{"to":"x","n":[{"to":"[email]","to":1}]}"#),
        (r#"{"n": 4111111111111111, "n": -1.5e3}"#, r#"{"n": "[card]", "n": -1.5e3}"#),
        (r#" {"a@b.de": 1, "a@b.de": {}} "#, r#" {"[email]": 1, "[email]": {}} "#),
        // Of numbers that are too long a reader keeps the first digits.
        ("[1234567890123456789012345, 0.1]", r#"["[long]", 0.1]"#),
        (r#"["\ud800", "a@b.de", "\"a\\"]"#, r#"["\ud800", "[email]", "\"a\\"]"#),
    ] {
        let mut ask = Ask::Converse(asked_with(json));
        assert!(all.ask(&mut ask).unwrap() >= 4, "{json}");
        assert_eq!(ask, Ask::Converse(asked_with(wanted)));
        let mut told = told_with(json);
        assert!(all.told(&mut told).unwrap() >= 2, "{json}");
        assert_eq!(told, told_with(wanted));
    }
    let untouched = r#"{"b": 1.0, "a": [], "b": 1e400, "c": "\u0041"}"#;
    let mut ask = Ask::Converse(asked_with(untouched));
    assert_eq!((all.ask(&mut ask), ask), (Ok(0), Ask::Converse(asked_with(untouched))));
    for denied in [
        r#"{"about": "Project Zephyr", "about": "x"}"#,
        r#"{"about": "x", "about": "project\u0020zephyr"}"#,
        r#"{"project zephyr": 1, "project zephyr": 2}"#,
    ] {
        for part in asked_with(denied).messages.remove(0).content {
            let messages = vec![Message { role: Role::User, content: vec![part] }];
            let told = all.ask(&mut Ask::Converse(Conversation { messages, ..Conversation::default() }));
            assert!(matches!(told, Err(Failed::GuardrailBlocked(_))), "{denied}");
        }
        assert!(matches!(all.told(&mut told_with(denied)), Err(Failed::GuardrailBlocked(_))), "{denied}");
    }
}

/// A conversation whose parts all have the same text.
fn everywhere(text: &str) -> Conversation {
    let part = |part| Message { role: Role::User, content: vec![part] };
    let (id, name) = ("1".to_owned(), "t".to_owned());
    let data = text.as_bytes().to_vec();
    let messages = vec![
        part(Part::Text(text.into())),
        part(Part::Document(Document { name: "n".into(), media_type: "text/plain".into(), data })),
        part(Part::ToolUse(ToolUse { id: id.clone(), name, input: serde_json::json!({ "x": text }).to_string() })),
        part(Part::ToolResult(ToolResult { id, content: text.into(), is_error: false })),
        part(Part::Reasoning(Reasoning { text: text.into(), signature: Some("s".into()) })),
    ];
    let tools = vec![Tool { name: "t".into(), description: text.into(), input_schema: "{}".into() }];
    Conversation { system: Some(text.into()), messages, tools, ..Conversation::default() }
}

#[test]
fn nothing_that_is_said_is_left_out() {
    let all = guard(&["Project Zephyr"], &[Kind::Email], &[]).unwrap();
    let mut ask = Ask::Converse(everywhere("of a@b.de"));
    assert_eq!(all.ask(&mut ask), Ok(7));
    assert_eq!(ask, {
        let mut wanted = everywhere("of [email]");
        wanted.messages[4].content = vec![Part::Reasoning(Reasoning { text: "of [email]".into(), signature: None })];
        Ask::Converse(wanted)
    });
    let blocked = |change: &dyn Fn(&mut Conversation)| {
        let mut conversation = everywhere("x");
        change(&mut conversation);
        matches!(all.ask(&mut Ask::Converse(conversation)), Err(Failed::GuardrailBlocked(_)))
    };
    let words = || "of PROJECT\n zephyr.".to_owned();
    assert!(!blocked(&|_| {}));
    assert!(blocked(&|it| it.system = Some(words())));
    for at in 0..5 {
        assert!(blocked(&|it| it.messages[at] = everywhere(&words()).messages[at].clone()), "{at}");
    }
    assert!(blocked(&|it| it.tools[0].input_schema = words()));
    assert!(blocked(&|it| it.output = Some(OutputSchema { name: "n".into(), schema: words() })));
    assert!(blocked(&|it| it.stop = vec![words()]));
    assert!(blocked(&|it| it.options = vec![("a".into(), words())]));
    assert!(blocked(&|it| it.options = vec![("a".into(), r#"["project\u0020zephyr"]"#.into())]));
    assert!(!blocked(&|it| it.system = Some("projects zephyrs, subproject zephyr".into())));
}

#[test]
fn what_is_denied_is_named_by_its_place_only() {
    let all = guard(&["a", "c++", "ünwort"], &[], &[]).unwrap();
    let said = |text: &str| {
        let content = vec![Part::Text(text.into())];
        all.told(&mut Told::Reply(Reply { content, stop: StopReason::EndTurn, usage: Usage::default() }))
    };
    let Err(Failed::GuardrailBlocked(why)) = said("about C++ and so on") else { panic!() };
    assert!(why.contains("entry 2 of `deny`") && !why.contains("c++"), "{why}");
    assert!(said("ÜNWORT").is_err());
    assert_eq!(said("b"), Ok(0));
}

#[test]
fn rules_that_cannot_be_kept_to_are_told() {
    assert_eq!(guard(&["x", " -- "], &[], &[]), Err(NotGuard::Deny(2)));
    assert_eq!(guard(&["x"; 257], &[], &[]), Err(NotGuard::TooMany("denied words", 256)));
    for (name, expression) in [("email", "x"), ("No", "x"), ("", "x")] {
        assert_eq!(guard(&[], &[], &[(name, expression)]), Err(NotGuard::Name(name.into())));
    }
    let long = "x".repeat(513);
    for expression in ["(", "x*", r"\w{5000}", r"(?=x)", long.as_str()] {
        let refused = guard(&[], &[], &[("p", expression)]);
        assert!(matches!(refused, Err(NotGuard::Pattern(..))), "{expression}: {refused:?}");
    }
}
