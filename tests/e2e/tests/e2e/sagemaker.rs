//! Goal: a route leads to a real-time endpoint of Amazon SageMaker as it does to any other model: signed, in pieces and whole, with errors that mean what
//! they say, and paid to the cent.
//! Method: a stand-in for SageMaker's runtime, which `boto3` talks to as well (`cargo xtask strangers`); the guest `asker` asks.

use serde_json::{Value, json};
use wharf_models::{ACCESS_KEY, SECRET_KEY, Server};

use crate::{
    egress::{calls, lines},
    host::{Host, Site},
    models::{asker, provided, with_key},
};

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[llm.providers.aws]
kind = "sagemaker"
region = "eu-central-1"
endpoint = "http://127.0.0.1:{port}"
secret = "aws"
tokens_field = "max_tokens"
[llm.models.llama]
provider = "aws"
model = "llama-3"
input_price = "0.15"
output_price = "0.60"
[llm.models.busy]
provider = "aws"
model = "busy"
input_price = "1"
output_price = "1"
[llm.models.lost]
provider = "aws"
model = "gone"
input_price = "1"
output_price = "1"
[tenants.acme.llm.budget]
money_per_day = "100"
[tenants.acme.llm.routes]
llama = {{ models = ["llama"], tries = 1, max_tokens = 100, timeout = "2s" }}
again = {{ models = ["busy", "small"], tries = 2 }}
fallback = {{ models = ["lost", "llama"], tries = 1 }}
{}"#,
        provided(port),
        asker(&["llama", "again", "fallback"])
    ))
}

fn keep(host: &Host, value: &str) {
    let status = host.put("/v1/tenants/acme/secrets/aws", None, json!({ "value": value }).to_string()).0;
    assert!(matches!(status, 200 | 201), "{status}");
}

fn start(site: &Site) -> Host {
    let host = with_key(site.start("serve"));
    keep(&host, &format!("{ACCESS_KEY}:{SECRET_KEY}"));
    host
}

/// What came of the questions of the last event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events[0]["event"]["data"].as_array().unwrap().clone()
}

/// What the tenant has spent today, in 10⁻⁹ of the unit, and what is reserved.
fn today(host: &Host) -> (u64, u64) {
    let (_, quotas) = host.get("/v1/tenants/acme/quotas");
    let budgets = quotas["budgets"].as_array().unwrap().clone();
    let day = &budgets.iter().find(|budget| budget["of"] == "tenant").unwrap()["day"];
    let of = |name: &str| day[name].as_str().unwrap().replace('.', "").parse().unwrap();
    (of("cost"), of("reserved_cost"))
}

/// What all that was billed comes to at the models' prices.
fn billed(server: &Server) -> u64 {
    let billed = server.billed();
    billed.input_tokens * 150 + billed.output_tokens * 600
}

#[test]
fn an_endpoint_is_asked_with_requests_that_sigv4_signs_and_its_errors_mean_what_they_say() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let attempts = calls(
        &host,
        "one",
        "ask",
        &json!([
            {"route": "llama", "text": "one two", "option": ["top_p", 0.5]},
            {"route": "llama", "embed": ["a", "bb"]},
            {"route": "llama", "count": true, "text": "a"},
            {"route": "llama", "text": "fail:429"},
            {"route": "llama", "text": "fail:503"},
            {"route": "llama", "text": "refuse"},
            {"route": "llama", "text": "x ".repeat(3_000)},
            {"route": "llama", "text": "slow"},
        ]),
    );
    let heard: Vec<_> = server.heard.try_iter().collect();
    assert_eq!(heard[0].target, "/endpoints/llama-3/invocations");
    assert!(heard[0].header("authorization").unwrap().contains("/eu-central-1/sagemaker/aws4_request"), "{heard:?}");
    let body = heard[0].json();
    assert_eq!((&body["model"], &body["max_tokens"], &body["top_p"]), (&Value::Null, &json!(100), &json!(0.5)));
    let came = came(&host);
    assert_eq!(came[0]["text"], json!(["you said: one two", "StopReason::EndTurn", 2, 4, false]), "{came:?}");
    assert_eq!(came[1]["vectors"].as_array().unwrap().len(), 2);
    let refused = came[2..].iter().map(|it| it["refused"].as_str().unwrap_or("").to_owned());
    let wanted = ["Unsupported(", "RateLimited(None)", "Overloaded(", "ContentFiltered(", "ContextTooLong(", "Timeout"];
    for (refused, wanted) in refused.zip(wanted) {
        assert!(refused.starts_with(wanted), "{wanted}: {refused}");
    }
    // 2 tokens at 0.15 and 4 at 0.60 a million.
    let said = lines(&attempts[0]);
    assert!(said.contains("llama, chat: llama, ") && said.contains("2 tokens in, 4 out, 0.000002700 EUR"), "{said}");
    assert!(!attempts[0].to_string().contains(SECRET_KEY));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_an_endpoint_cannot_answer_another_model_does() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let list = json!([{"route": "again", "text": "one"}, {"route": "fallback", "text": "two"}]);
    let attempts = calls(&host, "one", "ask", &list);
    let asked: Vec<_> = server.heard.try_iter().map(|heard| heard.target).collect();
    let invoked = |name: &str| format!("/endpoints/{name}/invocations");
    let chat = "/v1/chat/completions".to_owned();
    assert_eq!(asked, [invoked("busy"), invoked("busy"), chat, invoked("gone"), invoked("llama-3")]);
    let said = lines(&attempts[0]);
    assert!(
        said.contains("again, chat: small at try 3, ") && said.contains("fallback, chat: llama at try 2, "),
        "{said}"
    );
    assert_eq!(today(&host), (billed(&server), 0));
    // A secret that is no pair of keys signs nothing, and none is sent as it is.
    keep(&host, "sent-as-it-is");
    let attempts = calls(&host, "two", "ask", &json!([{"route": "llama", "text": "one"}]));
    assert!(lines(&attempts[0]).contains("ACCESS_KEY_ID:SECRET_ACCESS_KEY"), "{}", lines(&attempts[0]));
    assert_eq!((server.heard.try_iter().count(), &attempts[0]["limits"]), (0, &json!(["secret-closed"])));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn an_answer_comes_in_pieces_is_paid_to_the_cent_and_to_no_less_where_it_breaks_off() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let list = json!([
        {"route": "llama", "text": "one two three", "stream": true},
        {"route": "llama", "text": "refuse", "stream": true},
        {"route": "llama", "text": "fail:400", "stream": true},
    ]);
    calls(&host, "one", "ask", &list);
    let first = came(&host);
    let (pieces, whole) = (&first[0]["pieces"][0], &first[0]["pieces"][1]["text"]);
    assert_eq!(*pieces, json!(["you ", "said: ", "one ", "two ", "three"]), "{first:?}");
    assert_eq!(*whole, json!(["you said: one two three", "StopReason::EndTurn", 3, 5, false]));
    assert!(first[1]["pieces"][1]["refused"].as_str().unwrap().starts_with("ContentFiltered("), "{first:?}");
    assert!(first[2]["pieces"][1]["refused"].as_str().unwrap().starts_with("Invalid("), "{first:?}");
    assert_eq!(server.heard.try_iter().next().unwrap().target, "/endpoints/llama-3/invocations-response-stream");
    assert_eq!(today(&host), (billed(&server), 0));
    calls(&host, "two", "ask", &json!([{"route": "llama", "text": "cut late", "stream": true}]));
    assert_eq!(today(&host), (billed(&server), 0), "what was counted before it broke is paid exactly");
    for text in ["cut", "fail late"] {
        let (before, bill) = (today(&host).0, billed(&server));
        calls(&host, text, "ask", &json!([{"route": "llama", "text": text, "stream": true}]));
        let broken = came(&host);
        assert_eq!(broken[0]["pieces"][0][0], json!("you "), "{broken:?}");
        let refused = broken[0]["pieces"][1]["refused"].as_str().unwrap_or_default();
        assert!(refused.starts_with("Overloaded("), "{broken:?}");
        let (spent, held) = today(&host);
        assert!(billed(&server) > bill && spent >= before + billed(&server) - bill && held == 0, "{spent} {before}");
    }
    assert_eq!(host.stop(), Some(0));
}
