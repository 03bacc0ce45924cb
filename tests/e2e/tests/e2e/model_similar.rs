//! Goal: an answer is given again to what means the same, for its vector alone, and never where a number, an id or all else of the question is another;
//! in its shadow it is only counted how often that would be, and how often it would be right.
//! Method: a stand-in for the provider whose vectors count words, and which bills what it answers; the guest `asker` asks.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_models::{Bill, Server};

use crate::{
    budgets::today,
    egress::{calls, lines},
    host::{Host, Site},
    model_routes::{came, steps},
    models::{asker, provided, with_key},
};

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[llm.models.vectors]
provider = "cloud"
model = "words"
input_price = "0.02"
[llm.models.dear]
provider = "cloud"
model = "words"
input_price = "1000000"
[tenants.acme.llm.budget]
money_per_day = "1"
[tenants.acme.llm.routes.near]
models = ["small"]
cache = "1h"
similar = {{ model = "vectors", at_least = 0.8, shadow = false }}
[tenants.acme.llm.routes.shadow]
models = ["small"]
cache = "1h"
similar = {{ model = "vectors", at_least = 0.8 }}
[tenants.acme.llm.routes.dear]
models = ["small"]
cache = "1h"
similar = {{ model = "dear", at_least = 0.8, shadow = false }}
[tenants.acme.llm.routes.patient]
models = ["small"]
tries = 4
[tenants.acme.llm.prompts.brief]
route = "near"
system = "Be brief."
user = "{{{{ text }}}}"
[tenants.acme.llm.prompts.kind]
route = "near"
system = "Be kind."
user = "{{{{ text }}}}"
{}"#,
        provided(port),
        asker(&["near", "shadow", "dear", "patient"])
    ))
}

fn start(site: &Site) -> Host {
    with_key(site.start("serve"))
}

/// Asks one thing in an event of its own, and gives what came of it with the lines of all attempts.
fn ask(host: &Host, id: &str, kind: &str, question: Value) -> (Value, Vec<String>) {
    let attempts = calls(host, id, kind, &json!([question]));
    (came(host)[0].clone(), attempts.iter().map(lines).collect())
}

const FIRST: &str = "where is my order A-17 please";

/// Five words of six are the same.
const SIMILAR: &str = "where is my order A-17 now";

#[test]
fn an_answer_is_given_to_what_means_the_same_and_not_where_a_number_or_the_rest_is_another() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let (first, said) = ask(&host, "one", "ask", json!({"route": "near", "text": FIRST}));
    assert_eq!((&first["text"][0], &first["text"][4]), (&json!(format!("you said: {FIRST}")), &json!(false)));
    assert!(said[0].contains("; nothing similar was asked before"), "{said:?}");
    let (hit, said) = ask(&host, "two", "ask", json!({"route": "near", "text": SIMILAR}));
    assert_eq!(hit["text"], json!([format!("you said: {FIRST}"), "StopReason::EndTurn", 0, 0, true]));
    assert!(
        said[0].contains("small, from the route's cache (similar 0.8333): only a vector was asked for, "),
        "{said:?}"
    );
    assert!(said[0].contains(" 6 tokens in, 0 out, 0.000000120 EUR"), "{said:?}");
    assert_eq!(server.billed().answers, 3);
    // It is the same now, and nobody is asked; in pieces too.
    let (hit, _) = ask(&host, "three", "ask", json!({"route": "near", "text": SIMILAR, "stream": true}));
    assert_eq!((&hit["pieces"][1]["text"][0], server.billed().answers), (&json!(format!("you said: {FIRST}")), 3));
    let (hit, _) =
        ask(&host, "four", "ask", json!({"route": "near", "text": "order A-17 where is my please", "stream": true}));
    assert_eq!((&hit["pieces"][1]["text"][4], server.billed().answers), (&json!(true), 4));
    let of = |name: &str| json!({"route": "near", "prompt": [name, {"text": SIMILAR}]});
    for (n, other) in [
        json!({"route": "near", "text": "where is my order A-18 please"}),
        json!({"route": "near", "text": "where is not my order A-17 please"}),
        json!({"route": "near", "text": SIMILAR, "max_tokens": 7}),
        of("brief"),
        of("kind"),
        json!({"route": "near", "text": "what became of order A-17"}),
    ]
    .into_iter()
    .enumerate()
    {
        let (other, _) = ask(&host, &format!("other {n}"), "ask", other);
        assert_eq!((&other["text"][4], server.billed().answers), (&json!(false), 6 + 2 * n as u64), "{other}");
    }
    assert_eq!(steps(&host, "near", "similar-hit"), "2");
    assert_eq!(steps(&host, "near", "similar-miss"), "7");
    assert_eq!(steps(&host, "near", "cache-hit"), "1");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_was_given_for_its_vector_is_given_again_to_the_delivery_when_the_host_is_killed_before_it_settles() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    ask(&host, "one", "ask", json!({"route": "near", "text": FIRST}));
    let list = json!([{"route": "near", "text": SIMILAR}, {"route": "patient", "text": "fail:429"}]);
    let event = json!({"specversion": "1.0", "id": "two", "source": "test", "type": "ask", "data": list});
    let (_, two) = host.post("/events", "application/cloudevents+json", event.to_string());
    let put_off = || server.heard.recv_timeout(Duration::from_secs(30)).unwrap().json().to_string();
    while !put_off().contains("fail:429") {}
    let paid = server.billed();
    assert_eq!(paid.answers, 3, "two vectors and one answer");
    // What the second question may cost was in the log before it left, and the answer before that. With the host goes the cache that it came from.
    host.kill();
    let host = start(&site);
    host.settled("acme");
    let came = came(&host);
    assert_eq!(came[0]["text"][0], json!(format!("you said: {FIRST}")), "{came:?}");
    assert_eq!(server.billed(), paid);
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{}", two["position"].as_str().unwrap()));
    let said = lines(detail["deliveries"][0]["attempts"].as_array().unwrap().last().unwrap());
    assert!(said.contains("near, chat: small, kept from an attempt before: nobody was asked"), "{said}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn in_the_shadow_hits_are_counted_and_compared_and_not_given() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let schema = json!({"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["bug", "wish"]}}});
    for (n, schema) in [&schema, &Value::Null].into_iter().enumerate() {
        let of = |text: &str| json!({"route": "shadow", "text": text, "schema": schema});
        ask(&host, &format!("first {n}"), "ask", of(FIRST));
        let (answer, said) = ask(&host, &format!("similar {n}"), "ask", of(SIMILAR));
        let wanted = if n == 0 { "and is the same" } else { "and is another" };
        assert!(
            said[0].contains(&format!("; similar 0.8333: that answer would have been given, {wanted}")),
            "{said:?}"
        );
        assert_eq!((&answer["text"][4], server.billed().answers), (&json!(false), 4 * (n as u64 + 1)), "{answer}");
    }
    for (step, wanted) in [
        ("similar-shadow", "2"),
        ("similar-shadow-same", "1"),
        ("similar-shadow-other", "1"),
        ("similar-miss", "2"),
        ("similar-hit", "0"),
    ] {
        assert_eq!(steps(&host, "shadow", step), wanted, "{step}");
    }
    assert_eq!(host.stop(), Some(0));
}

/// What a bill comes to beyond another one, in 10⁻⁹ of the unit.
fn cost(bill: Bill, before: Bill, (input, output): (u64, u64)) -> u64 {
    (bill.input_tokens - before.input_tokens) * input + (bill.output_tokens - before.output_tokens) * output
}

#[test]
fn a_budget_pays_for_a_vector_once_though_its_delivery_comes_again() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    ask(&host, "one", "ask", json!({"route": "near", "text": FIRST}));
    let first = server.billed();
    let (hit, said) = ask(&host, "two", "again", json!({"route": "near", "text": SIMILAR}));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("(similar 0.8333): only a vector was asked for, "), "{said:?}");
    assert!(said[1].contains("small, kept from an attempt before: nobody was asked"), "{said:?}");
    // What the second attempt was told is what the first one was.
    assert_eq!(hit["text"], json!([format!("you said: {FIRST}"), "StopReason::EndTurn", 0, 0, true]));
    let all = server.billed();
    assert_eq!((first.answers, all.answers), (2, 3));
    // Six words of the first vector and six of the first question are the first bill's.
    let nothing = Bill::default();
    let one = Bill { answers: 1, input_tokens: 6, output_tokens: 0 };
    let money = cost(one, nothing, (20, 0)) + cost(first, one, (150, 600)) + cost(all, first, (20, 0));
    let day = today(&host, "tenant");
    assert_eq!(day["cost"], json!(format!("0.{money:09}")), "{day}");
    assert_eq!((&day["calls"], &day["reserved_cost"]), (&json!(3), &json!("0.000000000")), "{day}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_budget_that_has_no_vector_left_makes_it_a_miss_and_no_error() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    for (n, text) in [FIRST, SIMILAR].into_iter().enumerate() {
        let (answer, said) = ask(&host, text, "ask", json!({"route": "dear", "text": text}));
        assert_eq!((&answer["text"][0], server.billed().answers), (&json!(format!("you said: {text}")), n as u64 + 1));
        assert!(said[0].contains("; nothing similar was looked for: the call may cost "), "{said:?}");
    }
    assert_eq!(steps(&host, "dear", "similar-failed"), "2");
    let day = today(&host, "tenant");
    assert_eq!((&day["calls"], &day["reserved_cost"]), (&json!(2), &json!("0.000000000")), "{day}");
    assert_eq!(host.stop(), Some(0));
}
