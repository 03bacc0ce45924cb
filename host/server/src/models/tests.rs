//! Goal: a route's models are asked in their order, as often as their errors allow, and whatever they count is paid. Method: a provider that
//! answers what it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::ControlFlow,
    sync::Mutex,
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, StatusCode};
use serde_json::{Value as Json, json};
use wharf_delivery::{BudgetOf, BudgetUnit, Cost, ReserveRequest, Reserved, SpendRequest};
use wharf_dispatch::{Books, HttpAnswer, HttpFailed, HttpRequest, LlmAnswer, LlmCall, LlmFailed, Pieces};
use wharf_egress::{Guard, Takes};
use wharf_event::Code;
use wharf_llm::{Ask, Conversation, Failed, Message, Part, Role, Told, Usage};

use super::{Answers, Auth, Catalog, Means, ModelMeters, Sends, begin, round::Sealed, scripts::Scripts};
use crate::config;

mod around;
mod resting;
mod similar;
mod streams;
mod weights;

/// Asks by a route, from the beginning.
async fn ask(means: Means<'_>, call: LlmCall, sealed: Sealed) -> Result<LlmAnswer, LlmFailed> {
    match begin((means.catalog, means.answers, means.meters), call)? {
        ControlFlow::Break(answer) => Ok(answer),
        ControlFlow::Continue(begun) => super::ask(means, begun, sealed).await,
    }
}

const CONFIG: &str = r#"
[host.prices]
currency = "EUR"
[llm.providers.cloud]
kind = "openai"
endpoint = "https://a.test/v1"
secret = "cloud"
[llm.providers.near]
kind = "openai"
endpoint = "http://10.0.0.1:8000/v1/"
tokens_field = "max_tokens"
[llm.models.small]
provider = "cloud"
model = "gpt-small"
input_price = "0.15"
output_price = "0.60"
[llm.models.large]
provider = "near"
model = "llama"
input_price = "2"
output_price = "0"
[llm.models.free]
provider = "near"
model = "llama"
[tenants.acme.llm.routes.triage]
models = ["small", "large"]
max_tokens = 100
[tenants.acme.llm.routes.bounded]
models = ["small", "large"]
max_tokens = 100
budget = { tokens_per_day = 1000 }
[tenants.acme.llm.plugins.p]
budget = { money_per_hour = "2" }
[tenants.other.llm]
budget = { tokens_per_hour = 5 }
[tenants.acme.llm.routes.again]
models = ["small"]
tries = 1
cache = "1h"
[tenants.acme.llm.routes.plain]
models = ["small"]
repair = false
[tenants.acme.llm.routes.guarded]
models = ["small"]
cache = "1h"
guardrails = { deny = ["project zephyr"], mask = ["email"], patterns = { staff = "E-[0-9]{6}" } }
[tenants.acme.llm.routes.dev]
models = ["echo"]
[tenants.acme.llm.routes.blind]
models = ["free", "small"]
"#;

/// A status, a body and fields; or none of it.
type Answer = Result<(u16, Json, HeaderMap), HttpFailed>;

/// Answers one by one, and keeps what came.
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    came: Mutex<Vec<HttpRequest>>,
}

impl Sends for Script {
    fn send(&self, request: HttpRequest, _: Auth) -> BoxFuture<'_, Result<HttpAnswer, HttpFailed>> {
        self.came.lock().unwrap().push(request);
        let next = self.answers.lock().unwrap().pop_front().expect("it is asked too often");
        async move {
            let (status, body, headers) = next?;
            let body = if let Json::String(text) = body { text } else { body.to_string() }.into();
            Ok(HttpAnswer { status: StatusCode::from_u16(status).unwrap(), headers, body, took: Duration::ZERO })
        }
        .boxed()
    }

    fn stream<'a>(
        &'a self,
        request: HttpRequest,
        auth: Auth,
        takes: &'a mut dyn Takes,
    ) -> BoxFuture<'a, Result<HttpAnswer, HttpFailed>> {
        async move {
            let mut answer = self.send(request, auth).await?;
            if takes.wants(answer.status) {
                for some in std::mem::take(&mut answer.body).chunks(7) {
                    if !takes.take(bytes::Bytes::copy_from_slice(some)).await {
                        break;
                    }
                }
            }
            Ok(answer)
        }
        .boxed()
    }
}

fn fine() -> Answer {
    let message = json!({"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 1_000, "completion_tokens": 10});
    Ok((200, json!({"choices": [message], "usage": usage}), HeaderMap::new()))
}

fn status(status: u16) -> Answer {
    Ok((status, json!({"error": {"message": "so it is"}}), HeaderMap::new()))
}

fn call(route: &str) -> LlmCall {
    let message = Message { role: Role::User, content: vec![Part::Text("one two".into())] };
    LlmCall {
        tenant: "acme".parse().unwrap(),
        plugin: "p".parse().unwrap(),
        delivery: "1.0.t".into(),
        number: 1,
        route: route.parse().unwrap(),
        ask: Ask::Converse(Conversation {
            messages: vec![message],
            max_tokens: Some(1_000),
            ..Conversation::default()
        }),
        trace: None,
        timeout: Duration::from_secs(5),
        answer_bytes_max: 1_000,
        pieces: Pieces::default(),
    }
}

/// Books that are written down, and may have nothing left.
#[derive(Default)]
struct Ledger {
    is_empty: bool,
    /// Whether there is nothing left for what has no answer in words.
    no_vectors: bool,
    reserved: Mutex<Vec<ReserveRequest>>,
    spent: Mutex<Vec<SpendRequest>>,
}

impl Books for Ledger {
    fn reserve(&self, request: ReserveRequest) -> BoxFuture<'static, Result<Reserved, Failed>> {
        let reserved = Reserved { hour: 1, cost: request.most };
        let is_spent = self.is_empty || (self.no_vectors && request.most.output_tokens == 0);
        self.reserved.lock().unwrap().push(request);
        let told = if is_spent { Err(Failed::BudgetExceeded("spent".into())) } else { Ok(reserved) };
        async { told }.boxed()
    }

    fn spend(&self, request: SpendRequest) {
        self.spent.lock().unwrap().push(request);
    }
}

async fn asked(call: LlmCall, answers: Vec<Answer>) -> (Result<LlmAnswer, LlmFailed>, Vec<HttpRequest>) {
    asked_with(&Ledger::default(), call, answers).await
}

async fn asked_with(
    books: &Ledger,
    call: LlmCall,
    answers: Vec<Answer>,
) -> (Result<LlmAnswer, LlmFailed>, Vec<HttpRequest>) {
    asked_by((CONFIG, books, &Answers::default()), call, answers).await
}

/// Asks as a configuration says, with what was answered before.
async fn asked_by(
    (config, books, before): (&str, &Ledger, &Answers),
    call: LlmCall,
    answers: Vec<Answer>,
) -> (Result<LlmAnswer, LlmFailed>, Vec<HttpRequest>) {
    let (config, problems) = config::read(config);
    assert_eq!(problems, []);
    let script = Script { answers: Mutex::new(answers.into()), came: Mutex::default() };
    let secrets = BTreeMap::from([("cloud".parse().unwrap(), "v1.sealed".to_owned())]);
    let (catalog, meters) = (Catalog::new(&config, Scripts::default()), ModelMeters::default());
    let means =
        Means { catalog: &catalog, sends: &script, books, meters: &meters, answers: before, rests: &Guard::default() };
    let operation = call.ask.operation();
    let told = ask(means, call, secrets).await;
    let counted = meters
        .read()
        .iter()
        .filter(|(of, _)| of.operation == operation)
        .flat_map(|(_, asked)| asked.took_us.values())
        .map(|took| took.counts.iter().sum::<u64>())
        .sum::<u64>();
    let tries = match &told {
        Ok(answer) => answer.spent.tries,
        Err(failed) => failed.spent.tries,
    };
    assert_eq!(counted, u64::from(tries), "each try is counted");
    assert_eq!(script.answers.lock().unwrap().len(), 0, "it is asked too seldom");
    (told, script.came.into_inner().unwrap())
}

fn body(request: &HttpRequest) -> Json {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn a_route_leads_to_a_model_that_the_plugin_does_not_know() {
    let (told, came) = asked(call("triage"), vec![fine()]).await;
    let LlmAnswer { told, spent } = told.unwrap();
    assert!(matches!(told, Told::Reply(reply) if reply.content == [Part::Text("hi".into())]));
    // 1,000 at 0.15 and 10 at 0.60 a million.
    assert_eq!((spent.cost, spent.currency.as_deref(), spent.tries), (156_000, Some("EUR"), 1));
    let request = &came[0];
    assert_eq!(request.url, "https://a.test/v1/chat/completions");
    let key = request.headers["idempotency-key"].to_str().unwrap();
    assert!(key.starts_with("1-0-t-1-") && key.len() == 24, "{key}");
    let (used, sealed) = &request.secrets[0];
    assert_eq!(
        (used.to_string().as_str(), sealed.as_str()),
        ("https://a.test authorization: Bearer {secret:cloud}", "v1.sealed")
    );
    assert_eq!((&body(request)["model"], &body(request)["max_completion_tokens"]), (&json!("gpt-small"), &json!(100)));
}

#[tokio::test]
async fn a_model_that_has_too_much_to_do_is_asked_again_and_then_the_next_one() {
    let (told, came) = asked(call("triage"), vec![status(503), status(429), fine()]).await;
    let spent = told.unwrap().spent;
    assert_eq!((spent.tries, spent.model.unwrap().as_str(), spent.cost), (3, "large", 2_000_000));
    assert_eq!(came[2].url, "http://10.0.0.1:8000/v1/chat/completions");
    assert_eq!((came[2].secrets.len(), &body(&came[2])["max_tokens"]), (0, &json!(100)));
    // What says when to come again is believed, if it is not too long.
    let mut soon = status(429).unwrap();
    soon.2.insert("retry-after-ms", "1".parse().unwrap());
    assert_eq!(asked(call("triage"), vec![Ok(soon), fine()]).await.0.unwrap().spent.tries, 2);
    let mut late = status(429).unwrap();
    late.2.insert("retry-after", "60".parse().unwrap());
    assert_eq!(asked(call("triage"), vec![Ok(late), fine()]).await.0.unwrap().spent.model.unwrap().as_str(), "large");
}

#[tokio::test]
async fn what_another_model_would_not_mend_ends_the_call() {
    let (told, _) = asked(call("triage"), vec![status(400)]).await;
    assert_eq!(told.unwrap_err().why, Failed::Invalid("status 400: so it is".into()));
    // A model that is not there, a key that is wrong, a context that is too short: the next one may do.
    for first in [404, 401] {
        assert!(asked(call("triage"), vec![status(first), fine()]).await.0.is_ok(), "{first}");
    }
    let lost = || Err(HttpFailed::new(Code::HttpTimeout, "too late"));
    assert!(asked(call("triage"), vec![lost(), fine()]).await.0.is_ok());
    assert_eq!(asked(call("triage"), vec![lost(), lost()]).await.0.unwrap_err().why, Failed::Timeout);
    let closed = || Err(HttpFailed::new(Code::SecretClosed, "another key"));
    let failed = asked(call("triage"), vec![closed(), closed()]).await.0.unwrap_err();
    assert_eq!((failed.code, failed.why), (Some(Code::SecretClosed), Failed::Provider("another key".into())));
}

#[tokio::test]
async fn what_is_counted_is_paid_whatever_comes_of_it() {
    let mut refused = fine().unwrap();
    refused.1["choices"][0]["message"] = json!({"content": null, "refusal": "no"});
    let failed = asked(call("triage"), vec![Ok(refused)]).await.0.unwrap_err();
    assert_eq!((failed.why, failed.spent.cost), (Failed::ContentFiltered("no".into()), 156_000));
    assert!(failed.spent.outside);
}

#[tokio::test]
async fn a_model_without_a_price_is_not_called() {
    let (told, came) = asked(call("blind"), vec![]).await;
    let failed = told.unwrap_err();
    assert!(matches!(&failed.why, Failed::Unpriced(why) if why.contains("`free` has no `input_price`")), "{failed:?}");
    assert!(came.is_empty());
    let (told, _) = asked(call("dev"), vec![]).await;
    let LlmAnswer { told, spent } = told.unwrap();
    assert_eq!((told.usage(), spent.cost), (Usage { input_tokens: 2, output_tokens: 2 }, 0));
    assert!(!spent.outside, "the host answers by itself");
    let failed = asked(call("other"), vec![]).await.0.unwrap_err();
    assert_eq!(failed.code, Some(Code::LlmRouteUnknown));
    assert!(
        failed.why.to_string().ends_with("there are: again, blind, bounded, dev, guarded, plain, triage"),
        "{}",
        failed.why
    );
}

#[tokio::test]
async fn all_tries_end_in_the_time_of_the_call() {
    let mut hasty = call("triage");
    hasty.timeout = Duration::from_millis(100);
    // There is no time to wait before a second try, so the next model is asked at once.
    let (told, _) = asked(hasty, vec![status(503), fine()]).await;
    assert_eq!(told.unwrap().spent.model.unwrap().as_str(), "large");
}

/// What was spent by each try.
fn spent(books: &Ledger) -> Vec<(bool, Cost)> {
    books.spent.lock().unwrap().iter().map(|spent| (spent.reserved.is_some(), spent.cost)).collect()
}

#[tokio::test]
async fn a_budget_is_asked_before_each_try_and_told_what_it_cost() {
    let books = Ledger::default();
    let (told, came) = asked_with(&books, call("bounded"), vec![status(503), status(429), fine()]).await;
    assert!(told.is_ok());
    let reserved = books.reserved.lock().unwrap();
    let names: Vec<_> = reserved[0].budgets.iter().map(|it| (it.of.to_string(), it.unit, it.most)).collect();
    let wanted = [
        ("plugin/p".to_owned(), BudgetUnit::Money, 2_000_000_000),
        ("route/bounded".to_owned(), BudgetUnit::Tokens, 1_000),
    ];
    assert_eq!(names, wanted);
    for (reserved, came) in reserved.iter().zip(&came) {
        assert_eq!((reserved.most.input_tokens, reserved.most.output_tokens), (came.body.len() as u64, 100));
    }
    // Nothing was counted twice, and then 1,000 tokens at 2 a million.
    let none = (true, Cost::default());
    let cost = Cost { input_tokens: 1_000, output_tokens: 10, money: 2_000_000 };
    assert_eq!(spent(&books), [none, none, (true, cost)]);
}

#[tokio::test]
async fn a_call_without_a_budget_is_written_down_when_it_cost_something() {
    let books = Ledger::default();
    let mut elsewhere = call("triage");
    elsewhere.plugin = "q".parse().unwrap();
    assert!(asked_with(&books, elsewhere, vec![status(503), fine()]).await.0.is_ok());
    assert!(books.reserved.lock().unwrap().is_empty());
    assert_eq!(spent(&books), [(false, Cost { input_tokens: 1_000, output_tokens: 10, money: 156_000 })]);
    let first = books.spent.lock().unwrap()[0].clone();
    assert_eq!(
        (BudgetOf::Plugin(first.plugin), first.route.as_str()),
        (BudgetOf::Plugin("q".parse().unwrap()), "triage")
    );
}

#[tokio::test]
async fn a_budget_that_is_spent_ends_the_call_before_anybody_is_asked() {
    let books = Ledger { is_empty: true, ..Ledger::default() };
    let (told, came) = asked_with(&books, call("bounded"), vec![]).await;
    let failed = told.unwrap_err();
    assert_eq!((failed.why, failed.spent.outside, came.len()), (Failed::BudgetExceeded("spent".into()), false, 0));
    assert_eq!(spent(&books), []);
}

#[tokio::test]
async fn what_may_have_been_answered_stays_out_of_its_budget() {
    let books = Ledger::default();
    let late = HttpFailed { may_be_done: true, ..HttpFailed::new(Code::HttpTimeout, "too late") };
    let away = HttpFailed::new(Code::SecretClosed, "another key");
    assert!(asked_with(&books, call("bounded"), vec![Err(late), Err(away)]).await.0.is_err());
    assert_eq!((books.reserved.lock().unwrap().len(), spent(&books)), (2, vec![(true, Cost::default())]));
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_paid_as_it_counts_and_one_that_counts_nothing_stays_out_of_its_budget() {
    let unread = |change: &dyn Fn(&mut Json)| {
        let mut answer = fine().unwrap();
        change(&mut answer.1);
        Ok(answer)
    };
    let books = Ledger::default();
    let words = unread(&|body| body["choices"][0]["message"]["content"] = json!({"words": "hi"}));
    let nothing = unread(&|body| body["choices"][0] = json!({"finish_reason": "stop"}));
    let failed = asked_with(&books, call("bounded"), vec![words, nothing]).await.0.unwrap_err();
    assert!(matches!(failed.why, Failed::Provider(_)), "{failed:?}");
    // 1,000 at 0.15 and 10 at 0.60 a million, and then 1,000 at 2.
    let cost = |money| (true, Cost { input_tokens: 1_000, output_tokens: 10, money });
    assert_eq!((spent(&books), failed.spent.cost), (vec![cost(156_000), cost(2_000_000)], 2_156_000));
    let books = Ledger::default();
    let uncounted = unread(&|body| body["usage"] = Json::Null);
    let other = Ok((200, Json::String("<html>".to_owned()), HeaderMap::new()));
    let failed = asked_with(&books, call("bounded"), vec![uncounted, other]).await.0.unwrap_err();
    assert!(matches!(failed.why, Failed::Provider(_)) && failed.spent.outside, "{failed:?}");
    assert_eq!((books.reserved.lock().unwrap().len(), spent(&books)), (2, vec![]), "what was taken out stays out");
}
