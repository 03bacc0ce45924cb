//! Answers to questions that only mean the same.

use wharf_dispatch::LlmSimilar;
use wharf_llm::{Likeness, OutputSchema, Tool};

use super::*;

const SIMILAR: &str = r#"
[llm.models.vectors]
provider = "near"
model = "v"
input_price = "1"
[tenants.acme.llm.routes.similar]
models = ["small"]
tries = 1
cache = "1h"
similar = { model = "vectors", at_least = 0.9, shadow = false }
[tenants.acme.llm.routes.shadow]
models = ["small"]
tries = 1
cache = "1h"
similar = { model = "vectors", at_least = 0.9 }
"#;

fn config() -> String {
    format!("{CONFIG}{SIMILAR}")
}

fn vector(numbers: &[f32]) -> Answer {
    let body = json!({"data": [{"index": 0, "embedding": numbers}], "usage": {"prompt_tokens": 4}});
    Ok((200, body, HeaderMap::new()))
}

fn says(text: &str) -> Answer {
    let mut answer = fine().unwrap();
    answer.1["choices"][0]["message"]["content"] = json!(text);
    Ok(answer)
}

fn with(route: &str, text: &str, change: impl FnOnce(&mut Conversation)) -> LlmCall {
    let mut call = call(route);
    let Ask::Converse(conversation) = &mut call.ask else { panic!() };
    conversation.messages[0].content = vec![Part::Text(text.into())];
    change(conversation);
    call
}

fn says_of(route: &str, text: &str) -> LlmCall {
    with(route, text, |_| {})
}

fn text(answer: &LlmAnswer) -> &str {
    let Told::Reply(reply) = &answer.told else { panic!("{answer:?}") };
    let [Part::Text(text)] = reply.content.as_slice() else { panic!("{answer:?}") };
    text
}

/// What was asked before, and by which books.
struct Desk(String, Ledger, Answers);

impl Desk {
    fn new() -> Self {
        Self(config(), Ledger::default(), Answers::default())
    }

    /// An answer, with how often somebody was asked for it.
    async fn ask(&self, call: LlmCall, answers: Vec<Answer>) -> LlmAnswer {
        asked_by((&self.0, &self.1, &self.2), call, answers).await.0.unwrap()
    }
}

/// Vectors whose neighbours are near, and those beyond are not: the cosine of one step is 0.95, and of two 0.81.
fn step(n: u8) -> Answer {
    let angle = f32::from(n) * 0.95_f32.acos();
    vector(&[angle.cos() * 7.0, angle.sin() * 7.0])
}

#[tokio::test]
async fn the_answer_to_what_means_the_same_is_given_for_its_vector_alone() {
    let desk = Desk::new();
    let first = desk.ask(says_of("similar", "where is order A-17"), vec![step(0), says("one")]).await;
    assert_eq!((first.spent.similar, first.spent.cached), (LlmSimilar::Nothing(None), false));
    // 1,000 at 0.15 and 10 at 0.60 a million, and 4 at 1 for the vector.
    assert_eq!(
        (first.spent.cost, first.spent.usage.input_tokens, first.told.usage().input_tokens),
        (160_000, 1_004, 1_000)
    );
    let hit = desk.ask(says_of("similar", "my order A-17 is where?"), vec![step(1)]).await;
    assert_eq!((text(&hit), hit.told.usage(), hit.spent.cost), ("one", Usage::default(), 4_000));
    assert_eq!(hit.spent.similar, LlmSimilar::Given(Likeness::of(9_500)));
    assert!(hit.spent.cached && hit.spent.outside && hit.spent.model.as_ref().unwrap().as_str() == "small");
    // Now it is the same.
    let exact = desk.ask(says_of("similar", "my order A-17 is where?"), vec![]).await;
    assert_eq!((text(&exact), &exact.spent.similar, exact.spent.cost), ("one", &LlmSimilar::No, 0));
    // And what is near to that, and not to the first, is answered anew.
    let third = desk.ask(says_of("similar", "A-17 has not come"), vec![step(2), says("two")]).await;
    assert_eq!((text(&third), &third.spent.similar), ("two", &LlmSimilar::Nothing(None)), "another negation");
    let fourth = desk.ask(says_of("similar", "order A-17 please"), vec![step(2), says("three")]).await;
    assert_eq!((text(&fourth), &fourth.spent.similar), ("three", &LlmSimilar::Nothing(Some(Likeness::of(8_050)))));
    // Of several the nearest is.
    let fifth = desk.ask(says_of("similar", "order A-17!"), vec![step(3)]).await;
    assert_eq!((text(&fifth), &fifth.spent.similar), ("three", &LlmSimilar::Given(Likeness::of(9_500))));
}

#[tokio::test]
async fn only_the_last_words_may_be_others_and_their_numbers_may_not() {
    let desk = Desk::new();
    desk.ask(says_of("similar", "refund 100 for A-17"), vec![step(0), says("one")]).await;
    for (n, other) in [
        says_of("similar", "refund 1000 for A-17"),
        says_of("similar", "refund 100 for A-18"),
        says_of("similar", "do not refund 100 for A-17"),
        with("similar", "give 100 back for A-17", |it| it.system = Some("Be brief.".into())),
        with("similar", "give 100 back for A-17", |it| it.temperature = Some(0.5)),
        with("similar", "give 100 back for A-17", |it| {
            let text = Part::Text("before".into());
            it.messages.insert(0, Message { role: Role::User, content: vec![text] });
        }),
        with("similar", "give 100 back for A-17", |it| {
            it.output = Some(OutputSchema { name: "o".into(), schema: "{}".into() });
        }),
        says_of("shadow", "give 100 back for A-17"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = desk.ask(other, vec![step(0), says("{}")]).await;
        assert_eq!(answer.spent.similar, LlmSimilar::Nothing(None), "{n}");
    }
    // What ends with something else is not looked at.
    let parts = with("similar", "x", |it| it.messages[0].content.push(Part::Text("y".into())));
    assert_eq!(desk.ask(parts, vec![says("two")]).await.spent.similar, LlmSimilar::No);
    // Somebody else's vectors are others.
    let changed = desk.0.replace("model = \"v\"", "model = \"w\"");
    let by = (changed.as_str(), &desk.1, &desk.2);
    let (told, _) = asked_by(by, says_of("similar", "give 100 back for A-17"), vec![step(0), says("two")]).await;
    assert_eq!(told.unwrap().spent.similar, LlmSimilar::Nothing(None));
}

#[tokio::test]
async fn what_asks_for_a_tool_is_of_its_own_words_only() {
    let desk = Desk::new();
    let tool = |it: &mut Conversation| {
        it.tools = vec![Tool { name: "find".into(), description: String::new(), input_schema: "{}".into() }];
    };
    let wanted = || {
        let mut answer = fine().unwrap();
        let function = json!({"name": "find", "arguments": "{\"q\": \"anna\"}"});
        let calls = json!([{"id": "1", "type": "function", "function": function}]);
        answer.1["choices"][0] =
            json!({"message": {"role": "assistant", "tool_calls": calls}, "finish_reason": "tool_calls"});
        Ok(answer)
    };
    desk.ask(with("similar", "find anna", tool), vec![step(0), wanted()]).await;
    let other = desk.ask(with("similar", "find berta", tool), vec![step(0), wanted()]).await;
    assert_eq!(other.spent.similar, LlmSimilar::Nothing(None));
    assert!(desk.ask(with("similar", "find anna", tool), vec![]).await.spent.cached);
}

#[tokio::test]
async fn in_the_shadow_the_models_are_asked_as_ever_and_their_answers_compared() {
    let desk = Desk::new();
    desk.ask(says_of("shadow", "where is it"), vec![step(0), says("one")]).await;
    let near = |same| LlmSimilar::Shadow(Likeness::of(9_500), same);
    let same = desk.ask(says_of("shadow", "where has it gone"), vec![step(1), says("one")]).await;
    assert_eq!((text(&same), &same.spent.similar, same.spent.cached), ("one", &near(Some(true)), false));
    assert_eq!(same.spent.cost, 160_000);
    let other = desk.ask(says_of("shadow", "where did it go"), vec![step(2), says("two")]).await;
    assert_eq!((text(&other), &other.spent.similar), ("two", &near(Some(false))));
    // Where there is no answer nothing is compared.
    let (told, _) =
        asked_by((&desk.0, &desk.1, &desk.2), says_of("shadow", "where does it go"), vec![step(3), status(400)]).await;
    let failed = told.unwrap_err();
    assert_eq!((&failed.spent.similar, failed.spent.cost), (&near(None), 4_000));
    assert!(desk.ask(says_of("shadow", "where did it go"), vec![]).await.spent.cached, "what is the same is given");
}

#[tokio::test]
async fn a_vector_that_is_not_to_be_had_makes_it_a_miss() {
    let desk = Desk::new();
    desk.ask(says_of("similar", "where is it"), vec![step(0), says("one")]).await;
    for (n, (answer, wanted)) in [
        (status(503), "so it is"),
        (status(404), "so it is"),
        (vector(&[]), "a text has no vector"),
        (vector(&[0.0, 0.0]), "no vector that can be compared"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = desk.ask(says_of("similar", &format!("where is it {n}")), vec![answer, says("two")]).await;
        let LlmSimilar::Failed(why) = &answer.spent.similar else { panic!("{:?}", answer.spent) };
        assert!(why.contains(wanted) && text(&answer) == "two", "{why}");
    }
    // A vector of another length is near to nothing.
    let answer = desk.ask(says_of("similar", "where was it"), vec![vector(&[1.0]), says("three")]).await;
    assert_eq!(answer.spent.similar, LlmSimilar::Nothing(Some(Likeness::of(0))));
}

#[tokio::test]
async fn a_vector_is_taken_out_of_the_budgets_and_one_that_is_spent_makes_it_a_miss() {
    let desk = Desk::new();
    desk.ask(says_of("similar", "where is it"), vec![step(0), says("one")]).await;
    desk.ask(says_of("similar", "where was it"), vec![step(0)]).await;
    {
        let reserved = desk.1.reserved.lock().unwrap();
        assert_eq!(reserved.iter().map(|it| it.most.output_tokens).collect::<Vec<_>>(), [0, 1_000, 0]);
        let most = reserved[0].most;
        assert_eq!(most.money, most.input_tokens * 1_000, "at its own price");
    }
    let vector = (true, Cost { input_tokens: 4, output_tokens: 0, money: 4_000 });
    let answer = (true, Cost { input_tokens: 1_000, output_tokens: 10, money: 156_000 });
    assert_eq!(spent(&desk.1), [vector, answer, vector]);
    let desk = Desk(desk.0, Ledger { no_vectors: true, ..Ledger::default() }, desk.2);
    let miss = desk.ask(says_of("similar", "where could it be"), vec![says("two")]).await;
    assert_eq!((text(&miss), &miss.spent.similar), ("two", &LlmSimilar::Failed("spent".into())));
    assert_eq!(spent(&desk.1), [answer]);
}
