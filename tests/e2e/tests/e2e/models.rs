//! Goal: a plugin's call reaches the model that its route leads to, with a key that it never sees, and what comes of it is what the provider says;
//! nothing is asked that is not granted, priced and within bounds; and people see what was asked and what it cost.
//! Method: a stand-in for the provider, which its own SDKs talk to as well (`cargo xtask strangers`); the guest `asker` asks what an event has
//! for it and publishes what came of it.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_models::{ACCESS_KEY, Heard, KEY, SECRET_KEY, SESSION_TOKEN, Server};

use crate::{
    egress::{TRACE, has_fields, lines},
    host::{Host, Site, guest, wharf},
    secrets::found_in_data,
};

/// What a configuration with the stand-in as a provider begins with: a model that it has, and one that it does not have.
pub fn provided(port: u16) -> String {
    format!(
        r#"
default_tenant = "acme"
[host.prices]
currency = "EUR"
[egress]
networks = ["127.0.0.0/8"]
[llm.providers.cloud]
kind = "openai"
endpoint = "http://127.0.0.1:{port}/v1"
secret = "cloud"
[llm.models.small]
provider = "cloud"
model = "gpt-small"
input_price = "0.15"
output_price = "0.60"
[llm.models.gone]
provider = "cloud"
model = "gone"
input_price = "1"
output_price = "1"
"#
    )
}

/// The guest that asks, by these routes, as often as it takes; handed what it is to ask by events of two types.
pub fn asker(routes: &[&str]) -> String {
    format!(
        r#"[tenants.acme.plugins.asker]
component = "{}"
grants = {{ publish = ["asked"], llm = {routes:?} }}
limits = {{ wall_ms = 60000 }}
[tenants.acme.rules.asks]
pattern = {{ type = ["ask", "again"] }}
targets = [{{ plugin = "asker", retry = {{ first = "10ms", attempts = 5 }} }}]
"#,
        guest("asker").display()
    )
}

/// A host whose tenant has the provider's key.
pub fn with_key(host: Host) -> Host {
    let status = host.put("/v1/tenants/acme/secrets/cloud", None, json!({"value": KEY}).to_string()).0;
    assert!(matches!(status, 200 | 201), "{status}");
    host
}

/// A site whose plugin may ask by some routes.
fn site(port: u16, limits: &str) -> Site {
    Site::new(&format!(
        r#"
{}[llm.providers.own]
kind = "openai"
endpoint = "http://127.0.0.1:{port}/v1"
key_env = "MODELS_KEY"
tokens_field = "max_tokens"
[llm.models.own]
provider = "own"
model = "llama"
input_price = "0"
output_price = "0"
[llm.models.free]
provider = "own"
model = "llama"
[tenants.acme.llm.routes]
triage = {{ models = ["small"], max_tokens = 50, tries = 1, timeout = "1s" }}
fallback = {{ models = ["gone", "own"], tries = 1 }}
unpriced = {{ models = ["free"] }}
dev = {{ models = ["echo"] }}
secret = {{ models = ["small"] }}
[tenants.acme.plugins.asker]
component = "{}"
grants = {{ publish = ["asked"], llm = ["triage", "fallback", "unpriced", "dev", "lost"] }}
limits = {{ {limits}wall_ms = 60000 }}
[tenants.acme.rules.asks]
pattern = {{ type = ["ask", "fail"] }}
targets = [{{ plugin = "asker", retry = {{ attempts = 1 }} }}]
"#,
        provided(port),
        guest("asker").display()
    ))
}

fn start(site: &Site) -> Host {
    start_with(site, &[])
}

fn start_with(site: &Site, arguments: &[&str]) -> Host {
    let mut command = site.command("serve");
    command.args(arguments).env("MODELS_KEY", KEY);
    let host = site.start_command(command);
    assert_eq!(host.put("/v1/tenants/acme/secrets/cloud", None, json!({"value": KEY}).to_string()).0, 201);
    host
}

/// Has the plugin ask, and gives its attempts.
fn asks(host: &Host, id: &str, kind: &str, list: &Value) -> Vec<Value> {
    crate::egress::calls(host, id, kind, list)
}

/// The payload of the only event of a type.
fn published(host: &Host, kind: &str) -> Value {
    let (_, events) = host.get(&format!("/v1/tenants/acme/events?type_prefix={kind}"));
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    events[0]["event"]["data"].clone()
}

/// What came of the questions of the only event whose attempt ended well.
fn came(host: &Host) -> Vec<Value> {
    published(host, "asked").as_array().unwrap().clone()
}

fn heard(server: &Server) -> Heard {
    server.heard.recv_timeout(Duration::from_secs(10)).unwrap()
}

#[test]
fn a_call_reaches_the_model_of_its_route_and_costs_what_it_costs() {
    let server = Server::start();
    let site = site(server.port, "");
    let host = start_with(&site, &["--log", "debug"]);
    let attempts = asks(
        &host,
        "one",
        "ask",
        &json!([
            {"route": "triage", "text": "one two three", "parts": true, "max_tokens": 900},
            {"route": "triage", "embed": ["a", "bb"]},
            {"route": "fallback", "text": "hello"},
            {"route": "dev", "text": "hello there"},
            {"route": "dev", "count": true, "text": "a b c"},
        ]),
    );
    let first = heard(&server);
    let body = first.json();
    assert_eq!((first.target.as_str(), &body["model"]), ("/v1/chat/completions", &json!("gpt-small")));
    assert_eq!(first.header("traceparent"), Some(TRACE));
    has_fields(
        &host.wait_for_log("a plugin's call of a model"),
        &[
            ("gen_ai.operation.name", json!("chat")),
            ("gen_ai.request.model", json!("small")),
            ("gen_ai.usage.input_tokens", json!(5)),
            ("gen_ai.usage.output_tokens", json!(7)),
            ("gen_ai.client.operation.duration", Value::Null),
        ],
    );
    // The route says how much there is at most.
    assert_eq!(body["max_completion_tokens"], json!(50));
    assert_eq!(body["messages"][0]["content"][1]["image_url"]["url"], json!("data:image/png;base64,AQID"));
    assert_eq!(heard(&server).target, "/v1/embeddings");
    assert_eq!(heard(&server).json()["model"], json!("gone"));
    let own = heard(&server).json();
    assert_eq!((&own["model"], &own["max_tokens"]), (&json!("llama"), &json!(4_096)));
    let came = came(&host);
    assert_eq!(came[0]["text"][0], json!("you said: one two three note\n\nwords"), "{came:?}");
    assert_eq!(came[0]["text"][1], json!("StopReason::EndTurn"));
    assert_eq!(came[1]["vectors"], json!([[0.015_625, 0.031_25, 0.046_875], [0.031_25, 0.046_875, 0.0625]]));
    assert_eq!(came[2]["text"][0], json!("you said: hello"));
    assert_eq!((&came[3]["text"][0], &came[4]["count"]), (&json!("hello there"), &json!(3)));
    let said = lines(&attempts[0]);
    // 5 words at 0.15 and 7 at 0.60 a million.
    assert!(said.contains("triage, chat: small, ") && said.contains("5 tokens in, 7 out, 0.000004950 EUR"), "{said}");
    assert!(said.contains("fallback, chat: own at try 2, "), "{said}");
    assert!(attempts[0]["limits"].as_array().is_none_or(Vec::is_empty), "{}", attempts[0]);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn nothing_is_asked_that_is_not_granted_priced_and_within_bounds() {
    let server = Server::start();
    let site = site(server.port, "llm_calls = 6, llm_kib = 16, ");
    let host = start(&site);
    let attempts = asks(
        &host,
        "one",
        "ask",
        &json!([
            {"route": "secret", "text": "x"},
            {"route": "lost", "text": "x"},
            {"route": "unpriced", "text": "x"},
            {"route": "triage", "text": "x", "bytes": 20_000},
            {"route": "triage", "text": "x", "option": ["model", "other"]},
            {"route": "dev", "count": true, "text": "x"},
            {"route": "dev", "text": "x"},
            {"route": "dev", "text": "x"},
        ]),
    );
    let refused: Vec<_> = came(&host).iter().map(|it| it["refused"].as_str().unwrap_or("").to_owned()).collect();
    let wanted = ["Denied", "Denied", "Unpriced", "Limit", "Invalid", "", "", "Limit"];
    for (refused, wanted) in refused.iter().zip(wanted) {
        assert!(refused.starts_with(wanted) && refused.is_empty() == wanted.is_empty(), "{wanted}: {refused}");
    }
    let said = lines(&attempts[0]);
    let line = "grants = { publish = [\"asked\"], llm = [\"triage\", \"fallback\", \"unpriced\", \"dev\", \"lost\", \"secret\"] }";
    assert!(said.contains(line) && said.contains("wharf grant approve asker --llm secret"), "{said}");
    let codes = ["llm-denied", "llm-route-unknown", "llm-unpriced", "limit-llm", "llm-invalid"];
    assert_eq!(attempts[0]["limits"], json!(codes));
    assert!(server.heard.try_recv().is_err(), "somebody was asked");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_provider_says_is_what_the_plugin_is_told() {
    let server = Server::start();
    let site = site(server.port, "");
    let host = start(&site);
    let list = json!([
        {"route": "triage", "text": "fail:429"},
        {"route": "triage", "text": "fail:503"},
        {"route": "triage", "text": "refuse"},
        {"route": "triage", "text": "slow"},
        {"route": "triage", "text": "x ".repeat(3_000)},
        {"route": "triage", "count": true, "text": "x"},
    ]);
    let attempts = asks(&host, "one", "ask", &list);
    let refused: Vec<_> = came(&host).iter().map(|it| it["refused"].as_str().unwrap_or("").to_owned()).collect();
    let wanted =
        ["RateLimited(Some(1s))", "Overloaded(", "ContentFiltered(", "Timeout", "ContextTooLong(", "Unsupported("];
    for (refused, wanted) in refused.iter().zip(wanted) {
        assert!(refused.starts_with(wanted), "{wanted}: {refused}");
    }
    let codes = ["llm-rate-limited", "llm-overloaded", "llm-filtered", "llm-timeout", "llm-context", "llm-unsupported"];
    assert_eq!(attempts[0]["limits"], json!(codes));
    // What was refused was paid.
    assert!(lines(&attempts[0]).contains("1 tokens in, 6 out, 0.000003750 EUR"), "{}", lines(&attempts[0]));
    let usage = wharf().args(["--url", &host.url, "-o", "json", "usage"]).output().unwrap();
    assert!(String::from_utf8(usage.stdout).unwrap().contains("asker"));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_call_takes_no_longer_than_its_plugin_may_let_it() {
    let server = Server::start();
    // The route lets it take 30 s.
    let site = site(server.port, "llm_ms = 200, ");
    let host = start(&site);
    asks(&host, "one", "ask", &json!([{"route": "fallback", "text": "slow"}]));
    let refused = came(&host)[0]["refused"].to_string();
    assert!(refused.contains("Timeout"), "{refused}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_secret_of_a_provider_is_nobodys_to_see() {
    let server = Server::start();
    let site = site(server.port, "");
    let host = start(&site);
    let wrong = "sk-wrong-Jd83kLq0";
    assert_eq!(host.put("/v1/tenants/acme/secrets/cloud", None, json!({"value": wrong}).to_string()).0, 200);
    let attempts = asks(&host, "one", "ask", &json!([{"route": "triage", "text": "x"}]));
    assert!(heard(&server).header("authorization").unwrap().contains(wrong));
    // The provider repeats the key that it does not know.
    let told = came(&host)[0]["refused"].as_str().unwrap().to_owned();
    assert!(told.starts_with("Provider(") && told.contains("[secret:cloud]") && !told.contains(wrong), "{told}");
    assert_eq!(attempts[0]["limits"], json!(["llm-provider"]));
    assert!(!attempts[0].to_string().contains(wrong));
    assert_eq!(host.delete("/v1/tenants/acme/secrets/cloud"), 204);
    let attempts = asks(&host, "two", "fail", &json!([{"route": "triage", "text": "x"}]));
    assert_eq!(attempts[0]["limits"], json!(["secret-unknown"]));
    assert!(server.heard.try_recv().is_err());
    assert!(!host.get("/metrics").1.to_string().contains(wrong));
    host.kill();
    for key in [wrong, KEY] {
        assert_eq!(found_in_data(&site, key.as_bytes()), Vec::<String>::new());
    }
}

#[test]
fn support_triage_sorts_tickets_by_a_provider_and_by_echo() {
    let server = Server::start();
    let config = |models: &str| {
        format!(
            r#"
default_tenant = "acme"
[egress]
networks = ["127.0.0.1"]
[llm.providers.cloud]
kind = "openai"
endpoint = "http://127.0.0.1:{}/v1"
secret = "cloud"
[llm.models.small]
provider = "cloud"
model = "gpt-small"
input_price = "0.15"
output_price = "0.60"
[tenants.acme.llm.routes.triage]
models = ["{models}"]
[tenants.acme.plugins.support-triage]
component = "{}"
grants = {{ publish = ["ticket.triaged"], kv = ["customers:read"], llm = ["triage"] }}
limits = {{ wall_ms = 60000 }}
[tenants.acme.rules.tickets]
pattern = {{ type = ["ticket.opened"] }}
targets = [{{ plugin = "support-triage" }}]
"#,
            server.port,
            guest("support-triage").display()
        )
    };
    let ticket = json!({"number": 7, "customer": "c1", "subject": "Paid twice", "text": "The invoice was paid twice."});
    for (models, category, asked) in [("small", "other", 2), ("echo", "bug", 0)] {
        let site = Site::new(&config(models));
        let host = site.start("dev");
        assert_eq!(host.put("/v1/tenants/acme/secrets/cloud", None, json!({"value": KEY}).to_string()).0, 201);
        let attempts = asks(&host, "one", "ticket.opened", &ticket);
        assert_eq!(attempts.last().unwrap()["outcome"]["outcome"], "ack", "{attempts:?}");
        let triaged = published(&host, "ticket.triaged");
        assert_eq!(triaged["category"], json!(category), "{triaged}");
        let asked_of: Vec<_> = server.heard.try_iter().collect();
        assert_eq!(asked_of.len(), asked, "once for the tool and once with what it gave");
        if let Some(last) = asked_of.last() {
            let messages = last.json()["messages"].as_array().unwrap().clone();
            assert_eq!(messages.last().unwrap()["content"], json!("\"nothing is known of this customer\""));
        }
        assert_eq!(host.stop(), Some(0));
    }
}

/// A site whose plugin asks Bedrock: with a secret of the tenant, and as the host itself.
fn bedrock(port: u16) -> Site {
    Site::new(&format!(
        r#"
default_tenant = "acme"
[egress]
networks = ["127.0.0.1"]
[llm.providers.tenants]
kind = "bedrock"
region = "eu-central-1"
endpoint = "http://127.0.0.1:{port}"
secret = "aws"
[llm.providers.own]
kind = "bedrock"
region = "us-east-1"
endpoint = "http://127.0.0.1:{port}"
[llm.models.claude]
provider = "tenants"
model = "eu.anthropic.claude-x-20260101-v1:0"
input_price = "3"
output_price = "15"
[llm.models.nova]
provider = "own"
model = "amazon.nova-x-v1:0"
input_price = "1"
output_price = "1"
[llm.models.titan]
provider = "own"
model = "amazon.titan-embed-text-v2:0"
input_price = "0.02"
[llm.models.cohere]
provider = "own"
model = "eu.cohere.embed-v4:0"
input_price = "0.12"
[tenants.acme.llm.routes]
many = {{ models = ["cohere"] }}
claude = {{ models = ["claude"], tries = 1, timeout = "1s" }}
nova = {{ models = ["nova"] }}
vectors = {{ models = ["titan"] }}
[tenants.acme.plugins.asker]
component = "{}"
grants = {{ publish = ["asked"], llm = ["claude", "nova", "vectors", "many"] }}
limits = {{ wall_ms = 60000 }}
[tenants.acme.rules.asks]
pattern = {{ type = ["ask", "fail"] }}
targets = [{{ plugin = "asker", retry = {{ attempts = 1 }} }}]
"#,
        guest("asker").display()
    ))
}

#[test]
fn bedrock_is_asked_with_requests_that_sigv4_signs() {
    let server = Server::start();
    let site = bedrock(server.port);
    // The host's own credentials are those of a profile; they are for a while.
    let profile = format!(
        "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\naws_session_token = {SESSION_TOKEN}\n"
    );
    site.write("credentials", profile);
    let mut command = site.command("serve");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command.env("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    let host = site.start_command(command);
    let secret = json!({"value": format!("{ACCESS_KEY}:{SECRET_KEY}")}).to_string();
    assert_eq!(host.put("/v1/tenants/acme/secrets/aws", None, &secret).0, 201);
    let attempts = asks(
        &host,
        "one",
        "ask",
        &json!([
            {"route": "claude", "text": "one two", "parts": true, "option": ["top_p", 0.5]},
            {"route": "nova", "text": "hello"},
            {"route": "claude", "count": true, "text": "a b c"},
            {"route": "vectors", "embed": ["a"]},
            {"route": "claude", "text": "fail:429"},
            {"route": "claude", "text": "refuse"},
            {"route": "claude", "text": "x ".repeat(3_000)},
            {"route": "vectors", "embed": ["a", "b"]},
            {"route": "many", "embed": ["one two", "three"]},
        ]),
    );
    let first = heard(&server);
    assert_eq!(first.target, "/model/eu.anthropic.claude-x-20260101-v1%3A0/converse");
    assert!(first.header("authorization").unwrap().contains("/eu-central-1/bedrock/aws4_request"), "{first:?}");
    assert_eq!(first.json()["inferenceConfig"], json!({"maxTokens": 4_096, "topP": 0.5}));
    assert_eq!(heard(&server).header("x-amz-security-token"), Some(SESSION_TOKEN));
    let came = came(&host);
    assert_eq!(came[0]["text"][0], json!("you said: one two  "), "{came:?}");
    assert_eq!((&came[1]["text"][0], &came[2]["count"]), (&json!("you said: hello"), &json!(3)));
    assert_eq!(came[3]["vectors"][0].as_array().unwrap().len(), 1_024);
    let refused: Vec<_> = came[4..8].iter().map(|it| it["refused"].as_str().unwrap().to_owned()).collect();
    for (refused, wanted) in
        refused.iter().zip(["RateLimited(None)", "GuardrailBlocked(", "ContextTooLong(", "Unsupported("])
    {
        assert!(refused.starts_with(wanted), "{wanted}: {refused}");
    }
    let vectors = came[8]["vectors"].as_array().unwrap();
    assert_eq!((vectors.len(), vectors[1].as_array().unwrap().len()), (2, 1_536), "{came:?}");
    // Three tokens at 0.12 a million, which stand in the head of the answer alone.
    assert!(lines(&attempts[0]).contains("3 tokens in, 0 out, 0.000000360"), "{}", lines(&attempts[0]));
    // 2 tokens at 3 and 4 at 15 a million.
    assert!(lines(&attempts[0]).contains("claude, chat: claude, "), "{}", lines(&attempts[0]));
    assert!(lines(&attempts[0]).contains("2 tokens in, 4 out, 0.000066000"), "{}", lines(&attempts[0]));
    assert!(!attempts[0].to_string().contains(SECRET_KEY));
    // Another secret key signs something else.
    let wrong = json!({"value": format!("{ACCESS_KEY}:wrong{SECRET_KEY}")}).to_string();
    assert_eq!(host.put("/v1/tenants/acme/secrets/aws", None, &wrong).0, 200);
    let attempts = asks(&host, "two", "fail", &json!([{"route": "claude", "text": "x"}]));
    assert!(lines(&attempts[0]).contains("InvalidSignatureException"), "{}", lines(&attempts[0]));
    assert_eq!(attempts[0]["limits"], json!(["llm-provider"]));
    assert_eq!(host.stop(), Some(0));
}
