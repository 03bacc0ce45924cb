//! Goal: an answer comes in pieces while a model makes it, by both protocols; whatever becomes of the stream, what was counted is paid to the cent, what
//! nobody counted is paid by what came of it, never less than was billed, and nothing stays reserved.
//! Method: stand-ins for providers that stream, break off and fail in the middle, and count what they bill; the guest `asker` takes the pieces.

use serde_json::{Value, json};
use wharf_models::{ACCESS_KEY, SECRET_KEY, Server};

use crate::{
    egress::{calls, lines},
    host::{Host, Site},
    models::{asker, provided, with_key},
    recordings::recorded,
};

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[llm.providers.aws]
kind = "bedrock"
region = "eu-central-1"
endpoint = "http://127.0.0.1:{port}"
secret = "aws"
[llm.models.claude]
provider = "aws"
model = "anthropic.claude-x"
input_price = "0.15"
output_price = "0.60"
[tenants.acme.llm.budget]
money_per_day = "100"
[tenants.acme.llm.routes]
triage = {{ models = ["small", "claude"], tries = 1, max_tokens = 100 }}
claude = {{ models = ["claude", "small"], tries = 1, max_tokens = 100 }}
fallback = {{ models = ["gone", "small"], tries = 1 }}
dev = {{ models = ["echo"] }}
guarded = {{ models = ["small"], guardrails = {{ mask = ["email"] }} }}
{}"#,
        provided(port),
        asker(&["triage", "claude", "fallback", "dev", "guarded"])
    ))
}

fn start(site: &Site) -> Host {
    let host = with_key(site.start("serve"));
    let secret = json!({"value": format!("{ACCESS_KEY}:{SECRET_KEY}")}).to_string();
    assert_eq!(host.put("/v1/tenants/acme/secrets/aws", None, &secret).0, 201);
    host
}

/// What came of the questions of the last event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events[0]["event"]["data"].as_array().unwrap().clone()
}

/// What the tenant has spent today, and what is reserved.
fn today(host: &Host) -> (String, String) {
    let (_, quotas) = host.get("/v1/tenants/acme/quotas");
    let budgets = quotas["budgets"].as_array().unwrap().clone();
    let day = &budgets.iter().find(|budget| budget["of"] == "tenant").unwrap()["day"];
    (day["cost"].as_str().unwrap().to_owned(), day["reserved_cost"].as_str().unwrap().to_owned())
}

/// What all that was billed comes to at the models' prices.
fn money(server: &Server) -> String {
    let billed = server.billed();
    format!("0.{:09}", billed.input_tokens * 150 + billed.output_tokens * 600)
}

const NOTHING: &str = "0.000000000";

#[test]
fn an_answer_comes_in_pieces_by_both_protocols_and_is_paid_to_the_cent() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    // Only Bedrock says who did not let the model answer.
    for (id, route, why) in [("one", "triage", "ContentFiltered("), ("two", "claude", "GuardrailBlocked(")] {
        let list = json!([
            {"route": route, "text": "one two three", "stream": true},
            {"route": route, "text": "refuse", "stream": true},
            {"route": route, "text": "fail:400", "stream": true},
        ]);
        let attempts = calls(&host, id, "ask", &list);
        let came = came(&host);
        let (pieces, whole) = (&came[0]["pieces"][0], &came[0]["pieces"][1]["text"]);
        assert_eq!(*pieces, json!(["you ", "said: ", "one ", "two ", "three"]), "{came:?}");
        assert_eq!(*whole, json!(["you said: one two three", "StopReason::EndTurn", 3, 5, false]));
        let refused = came[1]["pieces"][1]["refused"].as_str().unwrap();
        assert!(refused.starts_with(why), "{refused}");
        assert!(came[2]["pieces"][1]["refused"].as_str().unwrap().starts_with("Invalid("), "{came:?}");
        assert!(lines(&attempts[0]).contains("3 tokens in, 5 out, 0.000003450 EUR"), "{}", lines(&attempts[0]));
        assert_eq!(today(&host), (money(&server), NOTHING.to_owned()));
    }
    let asked: Vec<_> = server.heard.try_iter().map(|heard| heard.target).collect();
    assert_eq!(asked[0], "/v1/chat/completions");
    assert_eq!(asked[3], "/model/anthropic.claude-x/converse-stream");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_stream_that_breaks_off_is_an_error_behind_its_pieces_and_no_other_model_goes_on() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    for (id, route) in [("one", "triage"), ("two", "claude")] {
        for text in ["cut", "fail late"] {
            let (before, billed) = (today(&host).0, server.billed());
            let attempts =
                calls(&host, &format!("{id} {text}"), "ask", &json!([{"route": route, "text": text, "stream": true}]));
            let came = came(&host);
            let pieces = came[0]["pieces"][0].as_array().unwrap();
            assert_eq!(pieces.first(), Some(&json!("you ")), "{came:?}");
            assert!(came[0]["pieces"][1]["refused"].as_str().unwrap().starts_with("Overloaded("), "{came:?}");
            assert_eq!(server.heard.try_iter().count(), 1, "another model was asked");
            assert!(lines(&attempts[0]).contains(" at most, since it broke off"), "{}", lines(&attempts[0]));
            // Somebody was paid, and nobody said what: no less is written down, and nothing is held back for it.
            let (spent, held) = today(&host);
            let more = server.billed();
            let paid =
                (more.input_tokens - billed.input_tokens) * 150 + (more.output_tokens - billed.output_tokens) * 600;
            assert!(paid > 0 && of(&spent) >= of(&before) + paid, "{spent} {before} {paid}");
            assert_eq!(held, NOTHING);
        }
    }
    assert_eq!(host.stop(), Some(0));
}

/// Money in 10⁻⁹ of the unit.
fn of(money: &str) -> u64 {
    money.replace('.', "").parse().unwrap()
}

#[test]
fn what_was_counted_before_a_stream_broke_is_paid_exactly() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    for (id, route) in [("one", "triage"), ("two", "claude")] {
        calls(&host, id, "ask", &json!([{"route": route, "text": "cut late", "stream": true}]));
        let came = came(&host);
        assert_eq!(came[0]["pieces"][0], json!(["you ", "said: ", "cut ", "late"]), "{came:?}");
        assert!(came[0]["pieces"][1]["refused"].is_string(), "{came:?}");
        assert_eq!(today(&host), (money(&server), NOTHING.to_owned()));
    }
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_delivery_that_is_tried_again_has_the_same_answer_in_pieces_and_pays_once() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site);
    let list = json!([
        {"route": "triage", "text": "number", "stream": true},
        {"route": "fallback", "text": "one", "stream": true},
        {"route": "guarded", "text": "a@b.de", "stream": true},
        {"route": "dev", "text": "one two three four", "stream": true},
        {"route": "triage", "text": "one two three", "stream": true, "take": 1},
    ]);
    let attempts = calls(&host, "one", "again", &list);
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    let came = came(&host);
    let text =
        |at: usize| came[at]["pieces"][0].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect::<String>();
    assert_eq!(text(0), "number 1", "{came:?}");
    assert_eq!((text(1), text(2)), ("you said: one".into(), "you said: [email]".into()), "{came:?}");
    assert_eq!(came[3]["pieces"][0], json!(["one two three ", "four"]), "{came:?}");
    assert_eq!(came[4], json!("let_go"));
    for at in 0..4 {
        assert_eq!(came[at]["pieces"][1]["text"][0], json!(text(at)), "{came:?}");
    }
    assert_eq!(lines(&attempts[1]).matches("kept from an attempt before").count(), 3, "{}", lines(&attempts[1]));
    assert!(lines(&attempts[0]).contains("the plugin let go of it before its end"), "{}", lines(&attempts[0]));
    let recorded = recorded(&host, "one", 1);
    assert!(recorded.iter().all(|(function, _)| function == "wharf:llm/models.converse-stream"), "{recorded:?}");
    // Each piece is there, and then the whole answer with whether it was kept; of what was let go of what came.
    let names =
        |told: &Vec<Value>| told.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let names: Vec<_> = recorded.iter().map(|(_, told)| names(told)).collect();
    assert_eq!(names[3], ["text", "text", "answer", "cached"]);
    assert!(names[..3].iter().all(|names| names.ends_with(&["answer".into(), "cached".into()])), "{names:?}");
    assert!(names[4].starts_with(&["text".into()]) && names[4].ends_with(&["error".into()]), "{names:?}");
    assert!(!names[4].contains(&"answer".into()), "{names:?}");
    // What was let go of is paid by what came of it, and holds nothing back.
    host.until("that nothing is held back", || today(&host).1 == NOTHING);
    assert!(of(&today(&host).0) >= of(&money(&server)), "{:?}", today(&host));
    // What was kept was asked for once; what was let go of has no answer that could be kept.
    let asked = server.heard.try_iter().filter(|heard| heard.json().to_string().contains("number")).count();
    assert_eq!(asked, 1);
    assert_eq!(host.stop(), Some(0));
}
