//! Goal: a budget is never exceeded by what models may cost, and what they did cost is known to the cent, also when the host was killed.
//! Method: a stand-in for the provider that counts what it bills; the guest `asker` asks, and what the host says of its budgets is held against that.

use std::{net::TcpListener, time::Duration};

use serde_json::{Value, json};
use wharf_models::{Bill, Server};

use crate::{
    egress::{calls, lines},
    host::{Host, Site, wharf},
    models::{asker, provided, with_key},
};

fn site(port: u16, of_tenant: &str, of_route: &str) -> Site {
    Site::new(&format!(
        r#"
{}[tenants.acme.llm.budget]
{of_tenant}
[tenants.acme.llm.routes.triage]
models = ["small"]
tries = 1
max_tokens = 100
budget = {{ {of_route} }}
[tenants.acme.llm.routes.fallback]
models = ["gone", "small"]
max_tokens = 100
{}"#,
        provided(port),
        asker(&["triage", "fallback"])
    ))
}

fn start(site: &Site) -> Host {
    with_key(site.start("serve"))
}

/// What a bill comes to at the prices of the model `small`, as the host writes it.
fn money(bill: Bill) -> String {
    format!("0.{:09}", bill.input_tokens * 150 + bill.output_tokens * 600)
}

/// What the host says of a tenant, a plugin or a route in this day.
pub fn today(host: &Host, of: &str) -> Value {
    let (_, quotas) = host.get("/v1/tenants/acme/quotas");
    let budgets = quotas["budgets"].as_array().cloned().unwrap_or_default();
    budgets.into_iter().find(|budget| budget["of"] == of).map_or(Value::Null, |budget| budget["day"].clone())
}

/// What came of the questions of the last event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events.as_array().unwrap().last().unwrap()["event"]["data"].as_array().unwrap().clone()
}

#[test]
fn a_budget_refuses_what_it_cannot_pay_and_knows_what_was_paid_to_the_cent() {
    let server = Server::start();
    let site = site(server.port, "money_per_day = \"1\"", "tokens_per_hour = 700");
    let host = start(&site);
    // Each call may have as many tokens as its question has bytes, and 100: so one fits at a time, and a large one does not.
    let list = json!([
        {"route": "triage", "text": "one two three"},
        {"route": "triage", "text": "refuse"},
        {"route": "triage", "text": "x", "bytes": 1_000},
        {"route": "fallback", "text": "fail:503"},
        {"route": "fallback", "text": "four"},
    ]);
    let attempts = calls(&host, "one", "ask", &list);
    let came = came(&host);
    assert_eq!(came[0]["text"][0], json!("you said: one two three"), "{came:?}");
    assert!(came[2]["refused"].as_str().unwrap().starts_with("BudgetExceeded("), "{came:?}");
    assert_eq!(came[4]["text"][0], json!("you said: four"), "{came:?}");
    let said = lines(&attempts[0]);
    assert!(
        said.contains("budget-exceeded: triage, chat: the call may cost 1") && said.contains("of route `triage`"),
        "{said}"
    );
    assert_eq!(attempts[0]["limits"].as_array().unwrap().iter().filter(|code| **code == "budget-exceeded").count(), 1);
    // Nobody was asked what could not be paid.
    assert!(server.heard.try_iter().all(|heard| heard.body.len() < 1_000));
    let billed = server.billed();
    assert_eq!(billed.answers, 3);
    let (tenant, route) = (today(&host, "tenant"), today(&host, "route/triage"));
    assert_eq!((&tenant["cost"], &tenant["most_cost"]), (&json!(money(billed)), &json!("1.000000000")));
    assert_eq!(
        (&tenant["input_tokens"], &tenant["output_tokens"]),
        (&json!(billed.input_tokens), &json!(billed.output_tokens))
    );
    assert_eq!(tenant["cost"], today(&host, "plugin/asker")["cost"]);
    assert_eq!(route["calls"], 2, "{route}");
    for of in [&tenant, &route] {
        assert_eq!((&of["reserved_tokens"], &of["reserved_cost"]), (&json!(0), &json!("0.000000000")), "{of}");
    }
    let run = |args: &[&str]| {
        let output = wharf().args(["--url", &host.url]).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = run(&["tenant", "show", "acme"]);
    assert!(shown.contains(&format!("models: {} of 1.000000000 EUR", money(billed))), "{shown}");
    let top = run(&["-o", "json", "top", "--times", "1"]);
    assert!(top.contains(&money(billed)), "{top}");
    let top = run(&["top", "--times", "1"]);
    for part in ["BUDGET", "TOKENS/H", "/700", &format!("{}/1.000000000 EUR", money(billed))] {
        assert!(top.contains(part), "{part}: {top}");
    }
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_budget_is_exact_when_the_host_is_killed_between_an_answer_and_its_settlement() {
    let server = Server::start();
    let site = site(server.port, "money_per_day = \"1\"", "tokens_per_day = 100000");
    let host = start(&site);
    let list = json!([{"route": "triage", "text": "number"}, {"route": "triage", "text": "slow"}]);
    let event = json!({"specversion": "1.0", "id": "one", "source": "test", "type": "ask", "data": list});
    assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    for _ in 0..2 {
        server.heard.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    // The first answer is paid and kept; of the second nobody knows yet.
    let first = server.billed();
    assert_eq!(first.answers, 1);
    host.kill();
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!(status, 0, "{found} {said}");
    let host = start(&site);
    let before = today(&host, "tenant");
    assert_eq!(before["cost"], json!(money(first)), "{before}");
    assert_ne!(before["reserved_cost"], "0.000000000", "what may have been paid counts: {before}");
    host.settled("acme");
    let billed = server.billed();
    assert_eq!(billed.answers, 3, "the slow answer was paid twice, and one of them was lost with the host");
    // What is known is exact. What was lost is within what stays reserved.
    let after = today(&host, "tenant");
    let one = Bill { answers: 1, input_tokens: 1, output_tokens: (billed.output_tokens - first.output_tokens) / 2 };
    let known = Bill { answers: 2, input_tokens: 2, output_tokens: first.output_tokens + one.output_tokens };
    assert_eq!(after["cost"], json!(money(known)), "{after}");
    assert!(after["reserved_cost"].as_str().unwrap() >= money(one).as_str(), "{after}");
    assert_eq!(host.stop(), Some(0));
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!(status, 0, "{found} {said}");
}

#[test]
fn a_provider_that_is_never_reached_in_time_costs_nothing() {
    // It takes connections and says nothing: there is no TLS, so no byte of a request is sent.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let provider = provided(port).replace("http://", "https://");
    let site = Site::new(&format!(
        "{provider}[tenants.acme.llm.budget]\nmoney_per_day = \"1\"\n[tenants.acme.llm.routes.triage]\nmodels = [\"small\"]\n\
         tries = 1\nmax_tokens = 100\ntimeout = \"1s\"\n{}",
        asker(&["triage"])
    ));
    let host = start(&site);
    let list = json!([{"route": "triage", "text": "one"}, {"route": "triage", "text": "two", "stream": true}]);
    calls(&host, "one", "ask", &list);
    let came = came(&host);
    assert!(came.iter().all(|answer| answer.to_string().contains("Timeout")), "{came:?}");
    let day = today(&host, "tenant");
    let nothing = json!("0.000000000");
    assert_eq!((&day["cost"], &day["reserved_cost"]), (&nothing, &nothing), "{day}");
    assert_eq!(host.stop(), Some(0));
    drop(silent);
}
