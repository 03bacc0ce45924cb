//! Goal: what Bedrock is paid is known to the cent, whatever becomes of an answer: a stream that breaks off costs what came of it and no more, what Bedrock
//! refuses costs nothing, and what was paid before the host was killed is paid once.
//! Method: the stand-in for Bedrock checks signatures, streams, throttles, breaks off and bills; the guest `asker` asks; what the host says of its budgets
//! is held against the bytes that went and came, and against the bill.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_models::{ACCESS_KEY, Bill, Heard, SECRET_KEY, Server};

use crate::{
    egress::{calls, lines},
    host::{Host, Site},
    models::asker,
};

/// The tokens that an answer may have at most.
const MAX_TOKENS: usize = 100;

/// A site whose routes lead to Bedrock, with a budget for an hour, in tokens.
fn site(port: u16, tokens_per_hour: u32) -> Site {
    Site::new(&format!(
        r#"
default_tenant = "acme"
[host.prices]
currency = "EUR"
[egress]
networks = ["127.0.0.0/8"]
[llm.providers.aws]
kind = "bedrock"
region = "eu-central-1"
endpoint = "http://127.0.0.1:{port}"
secret = "aws"
[llm.models.claude]
provider = "aws"
model = "anthropic.claude-x"
input_price = "0.15"
output_price = "0.60"
[llm.models.titan]
provider = "aws"
model = "amazon.titan-embed-text-v2:0"
input_price = "0.15"
[tenants.acme.llm.budget]
money_per_day = "100"
tokens_per_hour = {tokens_per_hour}
[tenants.acme.llm.routes]
claude = {{ models = ["claude"], tries = 1, max_tokens = {MAX_TOKENS} }}
patient = {{ models = ["claude"], tries = 4, max_tokens = {MAX_TOKENS} }}
vectors = {{ models = ["titan"], tries = 1 }}
{}"#,
        asker(&["claude", "patient", "vectors"])
    ))
}

fn start(site: &Site) -> Host {
    let host = site.start("serve");
    let secret = json!({"value": format!("{ACCESS_KEY}:{SECRET_KEY}")}).to_string();
    let status = host.put("/v1/tenants/acme/secrets/aws", None, &secret).0;
    assert!(matches!(status, 200 | 201), "{status}");
    host
}

/// What came of the questions of the last event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events[0]["event"]["data"].as_array().unwrap().clone()
}

/// What the tenant has spent today, and what is reserved.
fn today(host: &Host) -> (u64, u64) {
    let (_, quotas) = host.get("/v1/tenants/acme/quotas");
    let budgets = quotas["budgets"].as_array().unwrap().clone();
    let day = &budgets.iter().find(|budget| budget["of"] == "tenant").unwrap()["day"];
    let of = |name: &str| day[name].as_str().unwrap().replace('.', "").parse().unwrap();
    (of("cost"), of("reserved_cost"))
}

/// What tokens come to at the model's prices, in 10⁻⁹ of the unit.
fn money(input_tokens: usize, output_tokens: usize) -> u64 {
    (input_tokens * 150 + output_tokens * 600) as u64
}

fn bill(bill: Bill) -> u64 {
    bill.input_tokens * 150 + bill.output_tokens * 600
}

fn heard(server: &Server) -> Heard {
    server.heard.recv_timeout(Duration::from_secs(30)).unwrap()
}

/// What a request says last.
fn says(heard: &Heard) -> Value {
    let body = heard.json();
    body["messages"].as_array().unwrap().last().unwrap()["content"][0]["text"].clone()
}

#[test]
fn a_stream_of_bedrock_that_breaks_off_takes_out_of_its_budget_what_came_of_it() {
    let server = Server::start();
    let site = site(server.port, 1_000_000);
    let host = start(&site);
    // Of one that did not even begin nobody knows how far its model was.
    let cases = [
        ("cut", "you said: ".len(), "Overloaded("),
        ("fail late", "you said: fail late".len(), "Overloaded("),
        ("cut early", MAX_TOKENS, "Overloaded("),
    ];
    for (text, output, why) in cases {
        let (before, billed) = (today(&host).0, server.billed());
        let attempts = calls(&host, text, "ask", &json!([{"route": "claude", "text": text, "stream": true}]));
        let asked = heard(&server);
        assert_eq!(asked.target, "/model/anthropic.claude-x/converse-stream");
        let told = came(&host)[0]["pieces"][1]["refused"].as_str().map(str::to_owned);
        let told = told.unwrap_or_else(|| came(&host)[0]["refused"].as_str().unwrap_or_default().to_owned());
        assert!(told.starts_with(why), "{text}: {told}");
        // A token for each byte that was sent, and for each that came: that is no less than was billed.
        let wanted = money(asked.body.len(), output);
        assert_eq!(today(&host), (before + wanted, 0), "{text}");
        assert!(wanted >= bill(server.billed()) - bill(billed), "{text}");
        assert!(lines(&attempts[0]).contains(" at most, since it broke off"), "{text}: {}", lines(&attempts[0]));
    }
    // What was counted before it broke is known.
    let (before, billed) = (today(&host).0, server.billed());
    calls(&host, "late", "ask", &json!([{"route": "claude", "text": "cut late", "stream": true}]));
    assert_eq!(today(&host), (before + bill(server.billed()) - bill(billed), 0));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_bedrock_refuses_leaves_the_budget_as_it_was() {
    let server = Server::start();
    // One call fits at a time: it has some 150 bytes and may have 100 tokens.
    let site = site(server.port, 400);
    let host = start(&site);
    let refused = [
        ("fail:429", false, "RateLimited(None)"),
        ("fail:429", true, "RateLimited(None)"),
        ("fail early", true, "RateLimited(None)"),
        ("fail:503", false, "Overloaded("),
        ("fail:400", true, "Invalid("),
        ("fail:400", false, "Invalid("),
    ];
    for (text, stream, why) in refused {
        let id = format!("{text} {stream}");
        let attempts = calls(&host, &id, "ask", &json!([{"route": "claude", "text": text, "stream": stream}]));
        let came = came(&host);
        let told = if stream { &came[0]["pieces"][1]["refused"] } else { &came[0]["refused"] };
        assert!(told.as_str().is_some_and(|told| told.starts_with(why)), "{id}: {came:?}");
        assert_eq!(today(&host), (0, 0), "{id}: {}", lines(&attempts[0]));
    }
    assert_eq!(server.billed(), Bill::default());
    // What did not cost anything is there for those that follow.
    let list = json!([
        {"route": "claude", "text": "one", "stream": true},
        {"route": "vectors", "embed": ["one two"]},
        {"route": "claude", "text": "refuse"},
    ]);
    calls(&host, "last", "ask", &list);
    let came = came(&host);
    assert_eq!(came[0]["pieces"][1]["text"][0], json!("you said: one"), "{came:?}");
    assert_eq!(came[1]["vectors"][0].as_array().map(Vec::len), Some(1_024), "{came:?}");
    // A guardrail of Bedrock is an answer that was counted.
    assert!(came[2]["refused"].as_str().unwrap().starts_with("GuardrailBlocked("), "{came:?}");
    assert_eq!(server.billed().answers, 3);
    assert_eq!(today(&host), (bill(server.billed()), 0));
    assert_eq!(host.stop(), Some(0));
}

/// Has the host killed twice behind an answer of Bedrock, and before the delivery is settled.
fn killed_behind_an_answer(stream: bool) {
    let server = Server::start();
    let site = site(server.port, 1_000_000);
    let mut host = start(&site);
    let list =
        json!([{"route": "claude", "text": "number", "stream": stream}, {"route": "patient", "text": "fail:429"}]);
    let event = json!({"specversion": "1.0", "id": "one", "source": "test", "type": "ask", "data": list});
    let (status, answer) = host.post("/events", "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
    let paid = Bill { answers: 1, input_tokens: 1, output_tokens: 2 };
    assert_eq!(says(&heard(&server)), "number");
    for _ in 0..2 {
        // The guest asks its second question when it has the first answer: Bedrock's, or that of an attempt before. Where there are budgets that is in the
        // log then: what the second one may cost is reserved behind it.
        assert_eq!(says(&heard(&server)), "fail:429");
        assert_eq!(server.billed(), paid);
        host.kill();
        assert!(server.heard.try_iter().all(|heard| says(&heard) == "fail:429"), "it was asked again");
        let (status, found, said) = site.examine(&["doctor"]);
        assert_eq!(status, 0, "{found} {said}");
        host = start(&site);
        assert_eq!(today(&host).0, bill(paid));
    }
    host.settled("acme");
    let came = came(&host);
    let told = if stream { &came[0]["pieces"][1] } else { &came[0] };
    assert_eq!(told["text"][0], json!("number 1"), "{came:?}");
    assert!(server.heard.try_iter().all(|heard| says(&heard) == "fail:429"), "it was asked again");
    assert_eq!((server.billed(), today(&host).0), (paid, bill(paid)));
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{}", answer["position"].as_str().unwrap()));
    let said = lines(detail["deliveries"][0]["attempts"].as_array().unwrap().last().unwrap());
    assert!(said.contains("claude, chat: claude, kept from an attempt before: nobody was asked"), "{said}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_budget_is_exact_where_the_host_is_killed_between_an_answer_of_bedrock_and_its_settlement() {
    killed_behind_an_answer(false);
}

#[test]
fn a_budget_is_exact_where_the_host_is_killed_between_a_stream_of_bedrock_and_its_settlement() {
    killed_behind_an_answer(true);
}
