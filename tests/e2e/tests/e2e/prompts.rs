//! Goal: what a model is asked can be kept outside of a plugin, in versions that are given to some and to all and taken back, while it runs; and a prompt
//! is filled within bounds, for whoever may ask by its route.
//! Method: the guest `asker` has prompts filled and asks with them; a stand-in for the provider tells what came.

use serde_json::{Value, json};
use wharf_models::Server;

use crate::{
    egress::{calls, lines},
    host::{Host, Site, wharf},
    models::{asker, provided, with_key},
};

const PROMPTS: &str = "/v1/tenants/acme/prompts";

fn site(port: u16) -> Site {
    Site::new(&format!(
        r#"
{}[tenants.acme.llm.routes]
triage = {{ models = ["small"], tries = 1, max_tokens = 100 }}
other = {{ models = ["small"], tries = 1 }}
[tenants.acme.llm.prompts.filed]
route = "triage"
system = "You are {{{{ mood | default('calm') }}}}."
user = "file {{{{ text }}}}"
{}"#,
        provided(port),
        asker(&["triage"])
    ))
}

fn put(host: &Host, name: &str, user: &str) -> (u16, Value) {
    let body = json!({"route": "triage", "system": "Sort.", "user": user}).to_string();
    let (status, _, answer) = host.put(&format!("{PROMPTS}/{name}"), None, &body);
    (status, answer)
}

fn changed(host: &Host, name: &str, what: &str, wish: &Value) -> (u16, Value) {
    host.post(&format!("{PROMPTS}/{name}/{what}"), "application/json", wish.to_string())
}

fn asks(route: &str, prompt: &str, variables: &Value) -> Value {
    json!([{"route": route, "prompt": [prompt, variables]}])
}

/// What the model was asked last: what the system says, and the user.
fn heard(server: &Server) -> (Value, Value) {
    let messages = server.heard.try_iter().last().unwrap().json()["messages"].clone();
    let of = |role: &str| messages.as_array().unwrap().iter().find(|it| it["role"] == role).unwrap()["content"].clone();
    (of("system"), of("user"))
}

#[test]
fn a_prompt_changes_while_its_plugin_runs_for_some_then_for_all_and_back() {
    let server = Server::start();
    let site = site(server.port);
    let host = with_key(site.start("serve"));
    let (status, made) = put(&host, "classify", "{% for it in tickets %}- {{ it.text }}\n{% endfor %}");
    assert_eq!((status, &made["stable"], &made["newest"]), (201, &json!(1), &json!(1)), "{made}");
    let tickets = json!({"tickets": [{"text": "one"}, {"text": "two"}]});
    let attempts = calls(&host, "a", "ask", &asks("triage", "classify", &tickets));
    assert!(lines(&attempts[0]).contains("triage, prompt classify: version 1, "), "{}", lines(&attempts[0]));
    assert_eq!(heard(&server), (json!("Sort."), json!("- one\n- two\n")));
    // A further version is nobody's until it is promoted.
    assert_eq!(put(&host, "classify", "second").0, 200);
    calls(&host, "b", "ask", &asks("triage", "classify", &tickets));
    assert_eq!(heard(&server).1, json!("- one\n- two\n"));
    let (status, now) = changed(&host, "classify", "promote", &json!({"canary": {"share": "50%"}}));
    assert_eq!((status, &now["canary"]), (200, &json!({"version": 2, "share": "50%"})), "{now}");
    let mut got = Vec::new();
    for number in 0..24 {
        let attempts = calls(&host, &format!("c{number}"), "again", &asks("triage", "classify", &tickets));
        // Each attempt of a delivery gets the same version, so a model is asked once.
        assert_eq!(attempts.len(), 2);
        assert!(lines(&attempts[1]).contains("kept from an attempt before"), "{}", lines(&attempts[1]));
        got.push(heard(&server).1 == "second");
    }
    assert!(got.contains(&true) && got.contains(&false), "{got:?}");
    assert_eq!(changed(&host, "classify", "promote", &json!({})).1["stable"], 2);
    calls(&host, "d", "ask", &asks("triage", "classify", &tickets));
    assert_eq!(heard(&server).1, json!("second"));
    // What was made is there when the host starts again, and goes back.
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    assert_eq!(host.get(&format!("{PROMPTS}/classify")).1["versions"].as_array().unwrap().len(), 2);
    assert_eq!(changed(&host, "classify", "rollback", &json!({})).1["stable"], 1);
    calls(&host, "e", "ask", &asks("triage", "classify", &tickets));
    assert_eq!(heard(&server).1, json!("- one\n- two\n"));
    assert_eq!(host.delete(&format!("{PROMPTS}/classify")), 204);
    assert_eq!(host.get(&format!("{PROMPTS}/classify")).0, 404);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_prompt_is_filled_for_whoever_may_ask_by_its_route_and_for_nobody_else() {
    let server = Server::start();
    let site = site(server.port);
    let host = with_key(site.start("serve"));
    put(&host, "endless", "{% for a in n %}{% for b in n %}{% for c in n %}x{% endfor %}{% endfor %}{% endfor %}");
    put(&host, "deep", "{{ a.b }}");
    let many: Vec<u32> = (0..200).collect();
    let list = json!([
        {"route": "triage", "prompt": ["filed", {"text": "it"}]},
        {"route": "triage", "prompt": ["filed", {}]},
        {"route": "triage", "prompt": ["filed", [1]]},
        {"route": "triage", "prompt": ["gone", {}]},
        {"route": "other", "prompt": ["filed", {"text": "it"}]},
        {"route": "triage", "prompt": ["endless", {"n": many}]},
        {"route": "triage", "prompt": ["deep", {"a": {}}]},
        {"route": "triage", "prompt": ["filed", {"text": "x".repeat(300_000)}]},
    ]);
    let attempts = calls(&host, "a", "ask", &list);
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    let came = events.as_array().unwrap().last().unwrap()["event"]["data"].clone();
    assert_eq!(came[0]["text"][0], "you said: file it", "{came}");
    assert_eq!(server.heard.try_iter().count(), 1, "nobody is asked with what was not filled");
    for (at, wanted) in [
        (1, "Invalid("),
        (2, "Invalid("),
        (3, "Denied("),
        (4, "Denied("),
        (5, "Invalid("),
        (6, "Invalid("),
        (7, "Invalid("),
    ] {
        let refused = came[at]["refused"].as_str().unwrap_or_default();
        assert!(refused.starts_with(wanted), "{at}: {came}");
    }
    let limits = attempts[0]["limits"].to_string();
    for code in ["prompt-failed", "prompt-unknown", "llm-denied"] {
        assert!(limits.contains(code), "{limits}");
    }
    assert!(lines(&attempts[0]).contains("prompt filed: of the file"), "{}", lines(&attempts[0]));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_prompt_that_cannot_be_is_refused() {
    let server = Server::start();
    let site = site(server.port);
    let host = with_key(site.start("serve"));
    for user in
        ["{{", "{% for %}", "{{ a ~ a }}", "{{ a * 9 }}", "{{ a() }}", "{% include 'x' %}", "{{ x | batch(2) }}"]
    {
        let (status, answer) = put(&host, "wrong", user);
        assert_eq!((status, &answer["code"]), (422, &json!("prompt-invalid")), "{user}: {answer}");
    }
    assert_eq!(put(&host, "wrong", &"x".repeat(20_000)).1["code"], "prompt-invalid");
    assert_eq!(put(&host, "filed", "x").1["code"], "prompt-of-file");
    assert_eq!(changed(&host, "filed", "promote", &json!({})).1["code"], "prompt-of-file");
    assert_eq!(put(&host, "one", "x").0, 201);
    let elsewhere = json!({"route": "other", "user": "x"}).to_string();
    let (status, _, answer) = host.put(&format!("{PROMPTS}/one"), None, &elsewhere);
    assert_eq!((status, &answer["code"]), (422, &json!("prompt-invalid")), "{answer}");
    let nowhere = json!({"route": "nowhere", "user": "x"}).to_string();
    let (status, _, answer) = host.put(&format!("{PROMPTS}/two"), None, &nowhere);
    assert_eq!((status, &answer["code"]), (422, &json!("prompt-invalid")), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("has no route `nowhere`"), "{answer}");
    for share in ["10", "0%", "100%", "x%"] {
        let (status, answer) = changed(&host, "one", "promote", &json!({"canary": {"share": share}}));
        assert_eq!((status, &answer["code"]), (400, &json!("query-invalid")), "{share}: {answer}");
    }
    assert_eq!(changed(&host, "one", "rollback", &json!({})).1["code"], "prompt-invalid");
    assert_eq!(changed(&host, "one", "promote", &json!({"version": 9})).1["code"], "prompt-unknown");
    for number in 1..200 {
        assert_eq!(put(&host, &format!("p{number}"), "x").0, 201, "{number}");
    }
    assert_eq!(put(&host, "more", "x").1["code"], "prompts-too-many");
    assert_eq!(put(&host, "one", "y").0, 200);
    let (_, page) = host.get(&format!("{PROMPTS}?limit=3"));
    let names = |page: &Value| -> Vec<String> {
        page.as_array().unwrap().iter().map(|it| it["prompt"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&page), ["filed", "one", "p1"]);
    let (_, rest) = host.get(&format!("{PROMPTS}?limit=1000&after=p1"));
    assert_eq!((names(&rest).len(), names(&rest).first().map(String::as_str)), (198, Some("p10")));
    let shown = wharf().args(["prompt", "show", "filed"]).env("WHARF_URL", &host.url).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("file {{ text }}"), "{shown:?}");
    assert_eq!(host.stop(), Some(0));
}
