//! Which model of a route is asked first where they have weights.

use wharf_llm::Embedding;

use super::*;

const WEIGHED: &str = r#"
[tenants.acme.llm.routes.split]
models = ["small", "large", "echo"]
weights = { small = 3, large = 1 }
tries = 1
cache = "1h"
"#;

fn config() -> String {
    format!("{CONFIG}{WEIGHED}")
}

fn of(delivery: u32, number: u32) -> LlmCall {
    LlmCall { delivery: format!("1.{delivery}.t"), number, ..call("split") }
}

/// The model that answers a call when the first that is asked does, by what the provider got.
async fn first(call: LlmCall) -> String {
    let (books, answers) = (Ledger::default(), Answers::default());
    let (told, came) = asked_by((&config(), &books, &answers), call, vec![fine()]).await;
    let model = told.unwrap().spent.model.unwrap().to_string();
    assert_eq!(body(&came[0])["model"], if model == "small" { "gpt-small" } else { "llama" });
    model
}

#[tokio::test]
async fn deliveries_begin_with_each_model_as_often_as_it_weighs_and_never_with_one_that_has_no_weight() {
    let mut small = 0;
    for delivery in 0..400 {
        match first(of(delivery, 1)).await.as_str() {
            "small" => small += 1,
            model => assert_eq!(model, "large"),
        }
    }
    // Three of four of 400 are 300, give or take four standard deviations. The draw is a digest, so it is always the same.
    assert!((265..=335).contains(&small), "{small}");
}

#[tokio::test]
async fn all_calls_and_attempts_of_a_delivery_begin_with_the_same_model() {
    let mut seen = std::collections::BTreeSet::new();
    for delivery in 0..20 {
        let model = first(of(delivery, 1)).await;
        assert_eq!((first(of(delivery, 1)).await, first(of(delivery, 7)).await), (model.clone(), model.clone()));
        seen.insert(model);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

/// A delivery whose first model is this.
async fn beginning_with(model: &str) -> u32 {
    for delivery in 0..100 {
        if first(of(delivery, 1)).await == model {
            return delivery;
        }
    }
    panic!("no delivery begins with {model}");
}

#[tokio::test]
async fn the_others_are_asked_in_their_order_where_the_first_does_not_answer() {
    let (books, large) = (Ledger::default(), beginning_with("large").await);
    let by = |answers| (answers, Answers::default());
    let (scripted, before) = by(vec![status(503), fine()]);
    let (told, came) = asked_by((&config(), &books, &before), of(large, 1), scripted).await;
    assert_eq!(told.unwrap().spent.model.unwrap().as_str(), "small");
    assert_eq!(
        (body(&came[0])["model"].clone(), body(&came[1])["model"].clone()),
        (json!("llama"), json!("gpt-small"))
    );
    let (scripted, before) = by(vec![status(503), status(503)]);
    let (told, _) = asked_by((&config(), &books, &before), of(large, 1), scripted).await;
    assert_eq!(told.unwrap().spent.model.unwrap().as_str(), "echo", "what has no weight stands behind them");
}

#[tokio::test]
async fn vectors_come_of_the_first_model_that_is_listed_whatever_it_weighs() {
    let large = beginning_with("large").await;
    let embed = LlmCall { ask: Ask::Embed(Embedding { texts: vec!["a".into()], dimensions: None }), ..of(large, 1) };
    let answer = json!({"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1}});
    let (books, before) = (Ledger::default(), Answers::default());
    let by = (config(), &books, &before);
    let (told, came) = asked_by((&by.0, by.1, by.2), embed, vec![Ok((200, answer, HeaderMap::new()))]).await;
    assert!(told.is_ok(), "{told:?}");
    assert_eq!(body(&came[0])["model"], "gpt-small");
}

#[tokio::test]
async fn an_answer_is_given_again_only_to_whoever_begins_with_the_same_model() {
    let (books, before) = (Ledger::default(), Answers::default());
    let (small, large, config) = (beginning_with("small").await, beginning_with("large").await, config());
    let by = (config.as_str(), &books, &before);
    for delivery in [small, large] {
        assert!(!asked_by(by, of(delivery, 1), vec![fine()]).await.0.unwrap().spent.cached);
    }
    for (delivery, model) in [(small, "small"), (large, "large")] {
        let spent = asked_by(by, of(delivery, 2), vec![]).await.0.unwrap().spent;
        assert_eq!((spent.cached, spent.model.unwrap().as_str()), (true, model));
    }
}
