//! Goal: what a delivery had paid for is paid again where docs/design/llm.md says so, once each time, and nowhere else: when a dead letter is sent again, and
//! not when messages come again in other batches; and the books say the same as the bill, to the cent.
//! Method: a stand-in for the provider that counts what it bills; the guest `asker` asks and fails, the guest `batch-asker` asks about each message.

use serde_json::{Value, json};
use wharf_models::{Bill, Server};

use crate::{
    host::{Host, Site, guest},
    models::{provided, with_key},
};

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[tenants.acme.llm.budget]
money_per_day = "1"
[tenants.acme.llm.routes.triage]
models = ["small"]
tries = 1
max_tokens = 100
[tenants.acme.plugins.asker]
component = "{}"
grants = {{ publish = ["asked"], llm = ["triage"] }}
limits = {{ wall_ms = 60000 }}
[tenants.acme.rules.asks]
pattern = {{ type = ["ask", "fail", "always"] }}
targets = [{{ plugin = "asker", retry = {{ first = "10ms", attempts = 3 }}, dead_letter = "dead" }}]
[tenants.acme.plugins.batches]
component = "{}"
grants = {{ llm = ["triage"] }}
limits = {{ wall_ms = 60000 }}
[tenants.acme.queues.jobs]
consumer = {{ plugin = "batches", batch = 3, window = "1s" }}
[tenants.acme.queues.many]
consumer = {{ plugin = "batches", batch = 30, window = "1s" }}
"#,
        provided(port),
        guest("asker").display(),
        guest("batch-asker").display(),
    ))
}

/// What the host says that the tenant has spent and reserved today.
fn today(host: &Host) -> (Value, Value) {
    let (_, quotas) = host.get("/v1/tenants/acme/quotas");
    let budgets = quotas["budgets"].as_array().unwrap().clone();
    let day = &budgets.iter().find(|budget| budget["of"] == "tenant").unwrap()["day"];
    (day["cost"].clone(), day["reserved_cost"].clone())
}

/// Holds the books against so many answers and the bill.
fn is_exact(host: &Host, server: &Server, answers: u64) {
    let Bill { answers: billed, input_tokens, output_tokens } = server.billed();
    assert_eq!(billed, answers);
    let money = format!("0.{:09}", input_tokens * 150 + output_tokens * 600);
    assert_eq!(today(host), (json!(money), json!("0.000000000")));
}

fn sends(host: &Host, id: &str, kind: &str, data: &Value) {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": kind, "data": data});
    assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    host.settled("acme");
}

fn redrives(host: &Host, queue: &str) {
    let path = format!("/v1/tenants/acme/dlq/{queue}/redrive");
    assert_eq!(host.post(&path, "application/json", r#"{"all": true}"#), (200, json!({"redriven": 1})));
    host.settled("acme");
}

#[test]
fn a_budget_is_asked_again_once_for_each_time_that_a_dead_letter_is_sent_again() {
    let server = Server::start();
    let site = site(server.port);
    let mut host = with_key(site.start("serve"));
    let list = json!([{"route": "triage", "text": "number"}, {"route": "triage", "text": "one two", "stream": true}]);
    // Tried three times, and paid once.
    sends(&host, "one", "always", &list);
    is_exact(&host, &server, 2);
    for times in 2..=4 {
        assert_eq!(host.dead("dead").len(), 1);
        // What was kept of it is gone, and does not come back with a restart.
        if times == 3 {
            host.kill();
            let (status, found, said) = site.examine(&["doctor"]);
            assert_eq!(status, 0, "{found} {said}");
            host = with_key(site.start("serve"));
        }
        redrives(&host, "dead");
        is_exact(&host, &server, 2 * times);
    }
    let letter = host.dead("dead").remove(0);
    let (_, shown) = host.get(&format!("/v1/tenants/acme/dlq/dead/{}", letter["id"].as_str().unwrap()));
    assert_eq!(shown["history"].as_array().map(Vec::len), Some(12), "{shown}");
    let kept = shown.to_string().matches("kept from an attempt before").count();
    assert_eq!(kept, 2 * 2 * 4, "two attempts of each three had both answers: {shown}");
    assert_eq!(host.stop(), Some(0));
}

/// Sends messages to a queue: of each its type and what is asked about it.
fn queues(host: &Host, queue: &str, round: &str, messages: [(&str, &str); 3]) {
    let message = |(n, (kind, text)): (usize, (&str, &str))| json!({"specversion": "1.0", "id": format!("{round}-{n}"), "source": "test", "type": kind, "data": text});
    let batch: Vec<_> = messages.into_iter().enumerate().map(message).collect();
    let path = format!("/v1/tenants/acme/queues/{queue}/messages");
    let (status, sent) = host.post(&path, "application/cloudevents-batch+json", Value::from(batch).to_string());
    assert_eq!(status, 200, "{sent}");
}

/// What the provider was asked since it was looked for last.
fn heard(server: &Server) -> Vec<Value> {
    server.heard.try_iter().map(|heard| heard.json()["messages"][0]["content"].clone()).collect()
}

#[test]
fn a_budget_is_asked_once_about_each_message_of_a_batch_that_is_handed_over_again_in_part() {
    let server = Server::start();
    let site = site(server.port);
    let host = with_key(site.start("serve"));
    let asks = |round: &str, messages| {
        queues(&host, "jobs", round, messages);
        host.settled("acme");
    };
    let texts = ["one", "two two", "three three three"];
    // The first one is rejected, so what was the second question is the first one now; and then the second one, so that the third is the second.
    asks("first", [("ask.reject", texts[0]), ("ask", texts[1]), ("ask", texts[2])]);
    is_exact(&host, &server, 3);
    assert_eq!(heard(&server), texts);
    asks("second", [("ask", texts[0]), ("ask.reject", texts[1]), ("ask", texts[2])]);
    is_exact(&host, &server, 3 + 3);
    assert_eq!(heard(&server), texts, "other messages are asked about anew");
    // Nothing is wrong with these.
    asks("third", [("ask", texts[0]), ("ask", texts[1]), ("ask", texts[2])]);
    is_exact(&host, &server, 6 + 3);
    // Those that say the same are two questions, also where one of them comes again alone.
    asks("fourth", [("ask.reject", texts[0]), ("ask", texts[0]), ("ask", texts[1])]);
    is_exact(&host, &server, 9 + 3);
    // A message that is sent again is a batch of its own.
    let dead = host.dead("jobs");
    assert_eq!(dead.len(), 3, "{dead:?}");
    let path = "/v1/tenants/acme/dlq/jobs/redrive";
    let id = dead.iter().find(|letter| letter["event"]["event"]["id"] == "first-0").unwrap()["id"].clone();
    let (status, told) = host.post(path, "application/json", json!({"ids": [id]}).to_string());
    assert_eq!((status, told), (200, json!({"redriven": 1})));
    host.settled("acme");
    is_exact(&host, &server, 12 + 1);
    assert_eq!(host.stop(), Some(0));
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!(status, 0, "{found} {said}");
}

#[test]
fn a_budget_is_asked_once_about_each_message_that_comes_again_in_another_batch() {
    let server = Server::start();
    let site = site(server.port);
    let mut host = with_key(site.start("serve"));
    let texts = ["one", "two two", "three three three"];
    // The first message comes last and alone, and the others before it.
    queues(&host, "many", "first", [("ask.later", texts[0]), ("ask.again", texts[1]), ("ask.again", texts[2])]);
    host.settled("acme");
    assert_eq!(heard(&server), texts);
    is_exact(&host, &server, 3);
    // The first one is done, by another call than that which asked, and so is the second, before the third comes.
    queues(&host, "many", "second", [("ask", texts[0]), ("ask.again", texts[1]), ("ask.later", texts[2])]);
    host.settled("acme");
    assert_eq!(heard(&server), texts);
    is_exact(&host, &server, 6);
    // All come again at a host that was killed meanwhile, whose state is that of its log.
    let before = host.stats("acme")["retries"].as_u64().unwrap();
    queues(&host, "many", "third", [("ask.later", texts[0]), ("ask.later", texts[1]), ("ask.later", texts[2])]);
    host.stats_until("acme", |stats| stats["retries"].as_u64() == Some(before + 3));
    host.kill();
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!(status, 0, "{found} {said}");
    host = with_key(site.start("serve"));
    host.settled("acme");
    assert_eq!(heard(&server), texts);
    is_exact(&host, &server, 9);
    assert_eq!(host.stop(), Some(0));
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!(status, 0, "{found} {said}");
}
