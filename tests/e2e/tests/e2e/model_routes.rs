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
pub fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events.as_array().unwrap().first().unwrap()["event"]["data"].as_array().unwrap().clone()
}

pub fn steps(host: &Host, route: &str, step: &str) -> String {
    steps_of(host, route, "small", step)
}

fn steps_of(host: &Host, route: &str, model: &str, step: &str) -> String {
    let name = format!(
        "wharf_llm_route_steps_total{{tenant=\"acme\",route=\"{route}\",gen_ai_request_model=\"{model}\",step=\"{step}\"}} "
    );
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

#[test]
fn models_are_asked_by_their_weights_and_an_attempt_that_comes_again_asks_the_same() {
    let server = Server::start();
    let site = Site::new(&format!(
        r#"
{}[llm.models.large]
provider = "cloud"
model = "gpt-large"
input_price = "3"
output_price = "15"
[tenants.acme.llm.routes.split]
models = ["small", "large"]
weights = {{ small = 1, large = 1 }}
cache = "1h"
{}"#,
        provided(server.port),
        asker(&["split"])
    ));
    let host = with_key(site.start("serve"));
    let mut by_model = std::collections::BTreeMap::<&str, (usize, usize)>::new();
    // Which one a delivery falls to follows from its position: one in a million million has forty heads.
    for n in 0..40 {
        let list = json!([{"route": "split", "text": format!("question {n}")}, {"route": "split", "text": format!("and {n}")}]);
        let attempts = calls(&host, &format!("of {n}"), "again", &list);
        assert_eq!(attempts.len(), 2);
        let heard = [server.heard.try_recv().unwrap(), server.heard.try_recv().unwrap()];
        let [first, second] = [heard[0].json(), heard[1].json()];
        assert_eq!(first["model"], second["model"], "the calls of a delivery stay with one model");
        assert!(server.heard.try_recv().is_err(), "the second attempt asked again");
        let model = if first["model"] == "gpt-small" { "small" } else { "large" };
        for attempt in &attempts {
            assert!(lines(attempt).contains(model), "{}", lines(attempt));
        }
        let (asked, sent) = by_model.entry(model).or_default();
        *asked += 2;
        *sent += heard.iter().map(|heard| heard.body.len()).sum::<usize>();
    }
    assert_eq!(by_model.len(), 2, "{by_model:?}");
    // Each arm is counted by itself: what it took, what it cost, and what came of its answers.
    let (_, page) = host.get("/metrics");
    let mut received_of_all = 0;
    for (model, (asked, sent)) in &by_model {
        let of = format!("tenant=\"acme\",route=\"split\",gen_ai_request_model=\"{model}\"");
        let took = format!(
            "gen_ai_client_operation_duration_seconds_count{{{of},gen_ai_operation_name=\"chat\",error_type=\"\"}} {asked}\n"
        );
        assert!(page.as_str().unwrap().contains(&took), "{took}");
        assert!(page.as_str().unwrap().contains(&format!("wharf_llm_cost_total{{{of},")));
        let bytes = |direction: &str| {
            let bytes =
                format!("wharf_llm_bytes_total{{{of},gen_ai_operation_name=\"chat\",direction=\"{direction}\"}} ");
            let bytes = page.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&bytes)).unwrap();
            bytes.parse::<usize>().unwrap()
        };
        assert_eq!(bytes("sent"), *sent, "{model}");
        assert!(bytes("received") > 0, "{model}");
        received_of_all += bytes("received");
        assert_eq!(steps_of(&host, "split", model, "cache-miss"), asked.to_string());
    }
    assert_eq!(received_of_all as u64, server.said(), "what came is what was said, once");
    assert_eq!(host.stop(), Some(0));
}
