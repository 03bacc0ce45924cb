//! Goal: a route may lead to answers that are written down: each question gets its line, whole, in pieces or as an error, and one without a line says which
//! to add; the same file serves a host and `wharf test`.
//! Method: a file of answers beside the configuration, changed while the host runs; the guest `asker` asks.

use serde_json::{Value, json};

use crate::{
    egress::{calls, lines},
    host::{Host, Site, guest, wharf},
    models::asker,
};

const ANSWERS: &str = r#"
{"route": "triage", "user": "it crashes", "text": "bug"}
{"route": "triage", "user": "slowly", "pieces": ["one ", "two ", "three"]}
{"route": "triage", "user": "broken", "pieces": ["one "], "error": "overloaded", "message": "it broke"}
{"route": "triage", "user": "later", "error": "rate-limited", "after_ms": 1, "times": 1}
{"route": "triage", "user": "later", "text": "now", "usage": {"input_tokens": 7, "output_tokens": 9}}
{"user": "refuse", "error": "content-filtered", "message": "not that"}
{"vectors": [[0.5, 0.25]]}
"#;

fn site() -> Site {
    let site = Site::new(&format!(
        r#"
default_tenant = "acme"
[llm.providers.told]
kind = "replay"
answers = "answers.jsonl"
[llm.models.told]
provider = "told"
model = "any"
input_price = "1"
output_price = "1"
[tenants.acme.llm.routes.triage]
models = ["told"]
{}"#,
        asker(&["triage"])
    ));
    site.write("answers.jsonl", ANSWERS);
    site
}

/// What came of the questions of the last event that was handled.
fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events[0]["event"]["data"].as_array().unwrap().clone()
}

#[test]
fn a_route_says_what_is_written_down_and_tells_the_line_that_is_missing() {
    let site = site();
    let host = site.start("serve");
    let of = |text: &str| json!({"route": "triage", "text": text});
    let stream = |text: &str| json!({"route": "triage", "text": text, "stream": true});
    let list = json!([
        of("it crashes"), stream("slowly"), stream("broken"), of("later"), of("refuse"),
        {"route": "triage", "embed": ["a"]}, of("what else"),
    ]);
    let attempts = calls(&host, "one", "ask", &list);
    let first = came(&host);
    assert_eq!(first[0]["text"][0], "bug", "{first:?}");
    assert_eq!(first[1]["pieces"][0], json!(["one ", "two ", "three"]), "{first:?}");
    assert_eq!(first[2]["pieces"][0], json!(["one "]), "{first:?}");
    assert!(first[2]["pieces"][1]["refused"].as_str().unwrap().starts_with("Overloaded("), "{first:?}");
    // The first try of it found too much to do.
    assert_eq!(first[3]["text"], json!(["now", "StopReason::EndTurn", 7, 9, false]), "{first:?}");
    assert!(first[4]["refused"].as_str().unwrap().starts_with("ContentFiltered("), "{first:?}");
    assert!(first[5]["refused"].is_null(), "{first:?}");
    let line = r#"{"route": "triage", "user": "what else", "text": "…"}"#;
    assert!(
        lines(&attempts[0])
            .contains(&format!("no line of `answers.jsonl` answers this; add one, with what is to be said: {line}")),
        "{}",
        lines(&attempts[0])
    );
    assert_eq!(host.stop(), Some(0));
    // That line, added, answers it.
    site.write("answers.jsonl", format!("{ANSWERS}{line}\n"));
    let host = site.start("serve");
    calls(&host, "two", "ask", &json!([of("what else")]));
    assert_eq!(came(&host)[0]["text"][0], "…");
    assert_eq!(host.stop(), Some(0));
    // A mistake in it is one of the configuration.
    site.write("answers.jsonl", "\n{\"txet\": \"bug\"}\n");
    let output = site.command("serve").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("answers.jsonl: line 2: unknown field `txet`"), "{said}");
}

#[test]
fn a_fixture_is_answered_by_the_same_file() {
    let site = Site::new("");
    std::fs::create_dir(site.folder.path().join("fixtures")).unwrap();
    site.write("answers.jsonl", ANSWERS);
    let asked = json!([{"route": "triage", "text": "it crashes"}, {"route": "triage", "text": "slowly", "stream": true}, {"route": "triage", "text": "else"}]);
    let fixture = json!({
        "event": {"type": "call", "data": asked}, "grants": {"publish": ["asked"], "llm": ["triage"]},
        "answers": "../answers.jsonl",
    });
    site.write("fixtures/asker.json", fixture.to_string());
    let run = |more: &[&str]| {
        let output =
            wharf().current_dir(site.folder.path()).arg("test").arg(guest("asker")).args(more).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (status, said) = run(&["--bless"]);
    assert_eq!(status, Some(0), "{said}");
    let blessed = std::fs::read(site.folder.path().join("fixtures/asker.json")).unwrap();
    let blessed: Value = serde_json::from_slice(&blessed).unwrap();
    let came = &blessed["expect"]["published"][0]["data"];
    assert_eq!(
        (&came[0]["text"][0], &came[1]["pieces"][0]),
        (&json!("bug"), &json!(["one ", "two ", "three"])),
        "{came}"
    );
    assert!(came[2]["refused"].as_str().unwrap().contains("add one, with what is to be said: "), "{came}");
    site.write("fixtures/asker.json", json!({"event": {"type": "call"}, "answers": "nowhere.jsonl"}).to_string());
    let (status, said) = run(&[]);
    assert!(status == Some(10) && said.contains("its `answers`: the file cannot be read"), "{status:?} {said}");
}
