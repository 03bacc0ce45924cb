//! Goal: what a route has around its models holds from the file to the plugin: an answer is given again for nothing, one that breaks its schema is asked
//! for once more, and guardrails mask and block, with a code and a line for people.
//! Method: a stand-in for the provider that says what it was asked and counts what it bills; the guest `asker` asks.

use serde_json::{Value, json};
use wharf_models::Server;

use crate::{
    egress::{calls, lines},
    host::{Host, Site},
    models::{asker, provided, with_key},
};

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[tenants.acme.llm.cache]
entries = 10
size = "1MiB"
[tenants.acme.llm.routes.again]
models = ["small"]
cache = "1h"
[tenants.acme.llm.routes.sorted]
models = ["small"]
[tenants.acme.llm.routes.guarded]
models = ["small"]
[tenants.acme.llm.routes.guarded.guardrails]
deny = ["project zephyr"]
mask = ["email", "card"]
patterns = {{ staff = "E-[0-9]{{6}}" }}
{}"#,
        provided(port),
        asker(&["again", "sorted", "guarded"])
    ))
}

/// What came of the questions of the last event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events.as_array().unwrap().first().unwrap()["event"]["data"].as_array().unwrap().clone()
}

fn steps(host: &Host, route: &str, step: &str) -> String {
    let name = format!("wharf_llm_route_steps_total{{tenant=\"acme\",route=\"{route}\",step=\"{step}\"}} ");
    let (_, page) = host.get("/metrics");
    page.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&name)).unwrap_or("0").to_owned()
}

#[test]
fn an_answer_is_given_again_to_another_delivery_for_nothing() {
    let server = Server::start();
    let site = site(server.port);
    let host = with_key(site.start("serve"));
    let list = json!([{"route": "again", "text": "number"}]);
    calls(&host, "one", "ask", &list);
    let first = came(&host)[0]["text"].clone();
    assert_eq!((&first[0], &first[4]), (&json!("number 1"), &json!(false)));
    // The second delivery has it from the route, in both of its attempts.
    let attempts = calls(&host, "two", "again", &list);
    let again = came(&host)[0]["text"].clone();
    assert_eq!(again, json!(["number 1", "StopReason::EndTurn", 0, 0, true]), "{again}");
    for attempt in &attempts {
        assert!(lines(attempt).contains("small, from the route's cache: nobody was asked"), "{}", lines(attempt));
    }
    assert_eq!((server.billed().answers, attempts.len()), (1, 2));
    assert_eq!((steps(&host, "again", "cache-hit").as_str(), steps(&host, "again", "cache-miss").as_str()), ("2", "1"));
    calls(&host, "three", "ask", &json!([{"route": "again", "text": "number", "max_tokens": 7}]));
    assert_eq!(came(&host)[0]["text"][0], json!("number 2"), "it is another question");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn an_answer_that_breaks_its_schema_is_asked_for_once_more() {
    let server = Server::start();
    let site = site(server.port);
    let host = with_key(site.start("serve"));
    let schema = json!({"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["bug", "wish"]}}});
    let attempts = calls(&host, "one", "ask", &json!([{"route": "sorted", "text": "break", "schema": schema}]));
    let came = came(&host);
    assert_eq!(came[0]["text"][0], json!("{\"kind\":\"wish\"}"), "{came:?}");
    let (first, second) = (server.heard.try_recv().unwrap().json(), server.heard.try_recv().unwrap().json());
    assert_eq!(
        (first["messages"].as_array().unwrap().len(), second["messages"][1]["content"].clone()),
        (1, json!("so it is"))
    );
    assert!(
        lines(&attempts[0]).contains("small at try 2, ")
            && lines(&attempts[0]).contains("; the first answer broke its schema"),
        "{}",
        lines(&attempts[0])
    );
    let billed = server.billed();
    assert_eq!(billed.answers, 2);
    // Both are paid, and the plugin is told so.
    assert_eq!((&came[0]["text"][2], &came[0]["text"][3]), (&json!(billed.input_tokens), &json!(billed.output_tokens)));
    assert_eq!(steps(&host, "sorted", "schema-repaired"), "1");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn guardrails_mask_what_is_sent_and_block_what_is_denied() {
    let server = Server::start();
    let site = site(server.port);
    let host = with_key(site.start("serve"));
    let list = json!([
        {"route": "guarded", "text": "a@b.de paid by 4111 1111 1111 1111, says E-123456"},
        {"route": "guarded", "text": "about Project  ZEPHYR"},
        {"route": "guarded", "embed": ["of c@d.de"]},
    ]);
    let attempts = calls(&host, "one", "ask", &list);
    let masked = "[email] paid by [card], says [staff]";
    assert_eq!(server.heard.try_recv().unwrap().json()["messages"][0]["content"], json!(masked));
    assert_eq!(server.heard.try_recv().unwrap().json()["input"], json!(["of [email]"]));
    assert!(server.heard.try_recv().is_err(), "what is denied was sent");
    let came = came(&host);
    assert_eq!(came[0]["text"][0], json!(format!("you said: {masked}")), "{came:?}");
    assert!(came[1]["refused"].as_str().unwrap().starts_with("GuardrailBlocked("), "{came:?}");
    assert_eq!(attempts[0]["limits"], json!(["llm-guardrail"]));
    let said = lines(&attempts[0]);
    assert!(
        said.contains("; 3 masked")
            && said.contains("llm-guardrail: guarded, chat: ")
            && said.contains("entry 1 of `deny`"),
        "{said}"
    );
    assert!(!said.to_lowercase().contains("zephyr") && !said.contains("a@b.de"), "{said}");
    assert_eq!((steps(&host, "guarded", "masked").as_str(), steps(&host, "guarded", "blocked").as_str()), ("2", "1"));
    assert_eq!(host.stop(), Some(0));
}
