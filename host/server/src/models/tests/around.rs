//! What a route has around its models: the cache, the repair, the guardrails.

use wharf_dispatch::LlmFit;
use wharf_llm::{OutputSchema, Reply};

use super::*;

fn says(text: &str) -> Answer {
    let message = json!({"message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 1_000, "completion_tokens": 10});
    Ok((200, json!({"choices": [message], "usage": usage}), HeaderMap::new()))
}

/// A call whose conversation is changed.
fn with(route: &str, change: impl FnOnce(&mut Conversation)) -> LlmCall {
    let mut call = call(route);
    let Ask::Converse(conversation) = &mut call.ask else { panic!() };
    change(conversation);
    call
}

fn text(answer: &LlmAnswer) -> String {
    let Told::Reply(Reply { content, .. }) = &answer.told else { panic!("{answer:?}") };
    let texts = content.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { panic!("{part:?}") });
    texts.collect()
}

#[tokio::test]
async fn an_answer_is_given_again_for_nothing_to_whoever_asks_the_same() {
    let (books, before) = (Ledger::default(), Answers::default());
    let by = (CONFIG, &books, &before);
    let first = asked_by(by, call("again"), vec![says("one")]).await.0.unwrap();
    assert!(!first.spent.cached && first.spent.cost > 0);
    let mut again = call("again");
    // Whose delivery it is, and which call, is no part of the question.
    (again.delivery, again.number, again.plugin) = ("2.0.t".into(), 7, "q".parse().unwrap());
    let hit = asked_by(by, again, vec![]).await.0.unwrap();
    assert_eq!((text(&hit).as_str(), hit.told.usage(), hit.spent.cost), ("one", Usage::default(), 0));
    assert!(hit.spent.cached && hit.spent.tries == 0 && hit.spent.model.unwrap().as_str() == "small");
    assert_eq!(spent(&books).len(), 1, "nobody paid for it");
    // Another question, another route, another tenant, and a route that was changed.
    let other = with("again", |it| it.temperature = Some(0.5));
    assert_eq!(text(&asked_by(by, other, vec![says("two")]).await.0.unwrap()), "two");
    assert!(!asked_by(by, call("triage"), vec![says("three")]).await.0.unwrap().spent.cached);
    let changed = CONFIG.replace("cache = \"1h\"", "cache = \"2h\"");
    assert!(!asked_by((&changed, &books, &before), call("again"), vec![says("x")]).await.0.unwrap().spent.cached);
    let changed = CONFIG.replace("gpt-small", "gpt-other");
    assert!(!asked_by((&changed, &books, &before), call("again"), vec![says("x")]).await.0.unwrap().spent.cached);
    // An error is no answer.
    for _ in 0..2 {
        let failing = with("again", |it| it.stop = vec!["x".into()]);
        assert!(asked_by(by, failing, vec![status(400)]).await.0.is_err());
    }
}

fn schema(conversation: &mut Conversation) {
    let schema = json!({"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["bug"]}}});
    conversation.output = Some(OutputSchema { name: "o".into(), schema: schema.to_string() });
}

#[tokio::test]
async fn an_answer_that_breaks_its_schema_is_asked_for_once_more_and_both_are_paid() {
    let books = Ledger::default();
    let scripted = vec![says("it is a bug"), says(r#"{"kind": "bug"}"#)];
    let (told, came) = asked_with(&books, with("bounded", schema), scripted).await;
    let answer = told.unwrap();
    assert_eq!((text(&answer).as_str(), &answer.spent.fit), (r#"{"kind": "bug"}"#, &LlmFit::Repaired));
    assert_eq!(
        (answer.told.usage().input_tokens, answer.spent.usage.output_tokens, answer.spent.tries),
        (2_000, 20, 2)
    );
    let (first, second) = (body(&came[0]), body(&came[1]));
    assert_eq!(second["model"], first["model"]);
    let said = second["messages"].as_array().unwrap();
    assert_eq!((said.len(), &said[1]["content"]), (3, &json!("it is a bug")));
    assert!(said[2]["content"].as_str().unwrap().contains("is no JSON"), "{}", said[2]);
    assert_eq!((books.reserved.lock().unwrap().len(), spent(&books).len()), (2, 2));
    // What keeps to it is not asked again, and neither is what is to be left as it is.
    let (told, _) = asked(with("triage", schema), vec![says(r#"{"kind": "bug"}"#)]).await;
    assert_eq!(told.unwrap().spent.fit, LlmFit::Fine);
    let (told, _) = asked(with("plain", schema), vec![says("no")]).await;
    assert_eq!(told.unwrap().spent.fit, LlmFit::Fine);
}

#[tokio::test]
async fn an_answer_that_is_broken_twice_is_given_as_it_is_and_not_held() {
    let (books, before) = (Ledger::default(), Answers::default());
    for _ in 0..2 {
        let scripted = vec![says("{}"), says(r#"{"kind": "feature"}"#)];
        let answer = asked_by((CONFIG, &books, &before), with("again", schema), scripted).await.0.unwrap();
        assert_eq!(text(&answer), r#"{"kind": "feature"}"#);
        assert!(matches!(&answer.spent.fit, LlmFit::Broken(why) if why.contains("/kind") && !why.contains("feature")));
    }
    // Where it cannot be asked again the first answer is given, and what it did cost is told.
    let (told, _) = asked(with("again", schema), vec![says("{}"), status(503)]).await;
    let answer = told.unwrap();
    assert_eq!((text(&answer).as_str(), answer.told.usage().input_tokens), ("{}", 1_000));
    assert!(matches!(&answer.spent.fit, LlmFit::Broken(why) if why.contains("asked once more: ")), "{answer:?}");
}

#[tokio::test]
async fn a_guardrail_masks_both_ways_and_blocks_before_anybody_is_asked() {
    let say = |text: &str| {
        let text = text.to_owned();
        with("guarded", |it| it.messages[0].content = vec![Part::Text(text)])
    };
    let (books, before) = (Ledger::default(), Answers::default());
    let by = (CONFIG, &books, &before);
    let (told, came) = asked_by(by, say("a@b.de of E-123456"), vec![says("c@d.de?")]).await;
    let answer = told.unwrap();
    assert_eq!((text(&answer).as_str(), answer.spent.masked), ("[email]?", 3));
    assert_eq!(body(&came[0])["messages"][0]["content"], json!("[email] of [staff]"));
    // What is the same behind the masks has the same answer, and that was masked before it was held.
    let answer = asked_by(by, say("x@y.de of E-654321"), vec![]).await.0.unwrap();
    assert_eq!((text(&answer).as_str(), answer.spent.cached), ("[email]?", true));
    let failed = asked_by(by, say("about Project\nZephyr"), vec![]).await.0.unwrap_err();
    assert!(matches!(failed.why, Failed::GuardrailBlocked(_)) && failed.spent.tries == 0, "{failed:?}");
    // An answer that may not be given was paid for.
    let failed = asked_by(by, say("what else?"), vec![says("Project Zephyr")]).await.0.unwrap_err();
    assert!(matches!(failed.why, Failed::GuardrailBlocked(_)) && failed.spent.cost > 0, "{failed:?}");
}
