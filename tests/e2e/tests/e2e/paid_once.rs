//! Goal: a delivery pays once for a question of its plugin, however often it is tried and wherever the host is killed behind the answer, and every
//! attempt sees the same answer.
//! Method: a stand-in for the provider that answers no two questions alike and counts what it bills; the guest `asker` asks, and then has a question
//! that the provider puts off, while the host is killed.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_models::{Bill, Server};

use crate::{
    egress::{calls, lines},
    host::{Host, Site},
    models::{asker, provided, with_key},
};

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[tenants.acme.llm.routes]
triage = {{ models = ["small"], tries = 1 }}
patient = {{ models = ["small"], tries = 4 }}
{}"#,
        provided(port),
        asker(&["triage", "patient"])
    ))
}

fn start(site: &Site) -> Host {
    with_key(site.start("serve"))
}

/// What the next one that asks says last.
fn heard(server: &Server) -> Value {
    let heard = server.heard.recv_timeout(Duration::from_secs(30)).unwrap().json();
    heard["messages"].as_array().map_or(heard["input"].clone(), |said| said.last().unwrap()["content"].clone())
}

/// What came of the questions of each event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events.as_array().unwrap().iter().map(|event| event["event"]["data"].clone()).collect()
}

#[test]
fn a_host_that_is_killed_between_an_answer_and_its_settlement_pays_once() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let list = json!([{"route": "triage", "text": "number"}, {"route": "patient", "text": "fail:429"}]);
    let event = json!({"specversion": "1.0", "id": "one", "source": "test", "type": "ask", "data": list});
    let (status, answer) = host.post("/events", "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
    let (paid, mut host) = (Bill { answers: 1, input_tokens: 1, output_tokens: 2 }, host);
    assert_eq!(heard(&server), "number");
    for _ in 0..2 {
        // The guest asks its second question when it has the first answer: the provider's, or that of an attempt before.
        assert_eq!(heard(&server), "fail:429");
        assert_eq!(server.billed(), paid);
        // It was handed to the log before the second question left, so it is there before whatever comes now.
        assert_eq!(host.post("/events?type=other&source=test", "application/json", "1").0, 202);
        host.kill();
        assert!(server.heard.try_iter().all(|heard| heard.json().to_string().contains("fail:429")));
        let (status, found, said) = site.examine(&["doctor"]);
        assert_eq!(status, 0, "{found} {said}");
        host = start(&site);
    }
    host.settled("acme");
    let came = came(&host);
    assert_eq!((came.len(), &came[0][0]["text"][0]), (1, &json!("number 1")), "{came:?}");
    assert!(came[0][1]["refused"].as_str().unwrap().starts_with("RateLimited"), "{came:?}");
    assert!(server.heard.try_iter().all(|heard| heard.json().to_string().contains("fail:429")));
    assert_eq!(server.billed(), paid);
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{}", answer["position"].as_str().unwrap()));
    let attempts = detail["deliveries"][0]["attempts"].as_array().unwrap().clone();
    let said = lines(attempts.last().unwrap());
    assert!(said.contains("triage, chat: small, kept from an attempt before: nobody was asked"), "{said}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_delivery_that_is_tried_again_is_answered_as_before_and_another_is_not() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let list = json!([
        {"route": "triage", "text": "number"},
        {"route": "triage", "embed": ["a", "bb"]},
        {"route": "triage", "text": "refuse"},
        {"route": "triage", "text": "number"},
    ]);
    let attempts = calls(&host, "one", "again", &list);
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    let asked: Vec<_> = server.heard.try_iter().map(|heard| heard.target).collect();
    let chat = "/v1/chat/completions";
    assert_eq!(asked, [chat, "/v1/embeddings", chat, chat], "the second attempt asked nobody");
    assert_eq!(server.billed(), Bill { answers: 4, input_tokens: 5, output_tokens: 10 });
    let first = came(&host).remove(0);
    // The same question as another call is another one.
    assert_eq!((&first[0]["text"][0], &first[3]["text"][0]), (&json!("number 1"), &json!("number 4")), "{first}");
    assert_eq!(first[1]["vectors"], json!([[0.015_625, 0.031_25, 0.046_875], [0.031_25, 0.046_875, 0.0625]]));
    assert!(first[2]["refused"].as_str().unwrap().starts_with("ContentFiltered"), "{first}");
    let (before, after) = (lines(&attempts[0]), lines(&attempts[1]));
    assert!(before.contains("1 tokens in, 2 out, 0.000001350 EUR") && !before.contains("kept"), "{before}");
    assert_eq!(after.matches("kept from an attempt before").count(), 4, "{after}");
    assert_eq!(after.matches("tokens in").count(), 0, "{after}");
    // What another delivery asks is asked.
    calls(&host, "two", "ask", &json!([{"route": "triage", "text": "number"}]));
    assert_eq!(server.billed().answers, 5);
    assert_eq!(host.stop(), Some(0));
    // Nothing is left of what is settled.
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!(status, 0, "{found} {said}");
}
