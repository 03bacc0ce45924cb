//! Schemas by the configuration: what breaks one is refused or marked, and told; they are listed, inferred, compared and exported.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const EVENTS: &str = "/v1/tenants/acme/buses/default/events";
const STRUCTURED: &str = "application/cloudevents+json";

fn order() -> Value {
    json!({
        "type": "object", "required": ["id", "lines"],
        "properties": {
            "id": {"type": "string", "pattern": "^o-[0-9]+$"},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        },
        "$defs": {"line": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}},
    })
}

fn site(mode: &str) -> Site {
    let site = Site::new(&format!(
        "default_tenant = 'acme'\n[tenants.acme.buses.audit]\n[tenants.acme.schemas.'order.created']\n\
         file = 'order.json'\nmode = '{mode}'\n"
    ));
    site.write("order.json", order().to_string());
    site
}

fn event(id: &str, kind: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "test", "type": kind, "data": data})
}

fn wrong() -> Value {
    json!({"id": "1", "lines": [{"sku": 7}, {}]})
}

/// Runs `wharf schema …`: exit status and stdout.
fn schema(site: &Site, host: Option<&Host>, line: &str) -> (i32, String) {
    let mut command = wharf();
    command.current_dir(site.folder.path()).arg("schema").args(line.split(' '));
    command.envs(host.map(|host| ("WHARF_URL", &host.url)));
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn violations(host: &Host, mode: &str) -> String {
    let (_, metrics) = host.get("/metrics");
    let line = format!("wharf_schema_violations_total{{tenant=\"acme\",bus=\"default\",mode=\"{mode}\"}} ");
    let found = metrics.as_str().unwrap().lines().find_map(|text| text.strip_prefix(&line)).map(ToOwned::to_owned);
    found.unwrap_or_default()
}

#[test]
fn an_event_that_breaks_its_schema_is_refused_with_every_failing_place_and_the_others_are_not() {
    let site = site("enforce");
    let host = site.start("serve");
    let (status, problem) = host.post(EVENTS, STRUCTURED, event("1", "order.created", &wrong()).to_string());
    assert_eq!((status, &problem["code"]), (422, &json!("schema-violation")));
    let pointers: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|it| it["pointer"].clone()).collect();
    assert_eq!(pointers, ["/id", "/lines/0/sku", "/lines/1"]);
    assert!(!problem.to_string().contains("{\"sku\":7}"), "a refusal does not repeat the payload: {problem}");

    let batch = json!([
        event("2", "order.created", &json!({"id": "o-1", "lines": []})),
        event("3", "order.created", &wrong()),
        event("4", "other", &wrong()),
        {"specversion": "1.0", "id": "5", "source": "test", "type": "order.created"},
        {"specversion": "1.0", "id": "6", "source": "test", "type": "order.created", "data_base64": "AAEC",
            "datacontenttype": "application/octet-stream"},
    ]);
    let (status, answers) = host.post(EVENTS, "application/cloudevents-batch+json", batch.to_string());
    assert_eq!(status, 200);
    let codes: Vec<_> =
        answers.as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap_or("accepted")).collect();
    assert_eq!(codes, ["accepted", "schema-violation", "accepted", "schema-violation", "schema-violation"]);
    // The same type on another bus has no schema.
    let (status, _) =
        host.post(&EVENTS.replace("default", "audit"), STRUCTURED, event("7", "order.created", &wrong()).to_string());
    assert_eq!(status, 202);
    assert_eq!(host.stats("acme")["events"], 3);
    assert_eq!((violations(&host, "enforce"), violations(&host, "warn")), ("4".to_owned(), String::new()));
}

#[test]
fn in_warn_it_is_accepted_with_a_mark_and_in_off_it_is_not_looked_at() {
    let warned = site("warn");
    let host = warned.start("serve");
    for (id, data) in [("bad", wrong()), ("good", json!({"id": "o-1", "lines": []}))] {
        assert_eq!(host.post(EVENTS, STRUCTURED, event(id, "order.created", &data).to_string()).0, 202);
    }
    let mark = |id: &str| host.get(&format!("/v1/tenants/acme/events/{id}")).1["event"]["event"]["wharfschema"].clone();
    assert_eq!((mark("bad"), mark("good")), (json!("violated"), Value::Null));
    assert_eq!(violations(&host, "warn"), "1");

    let off = site("off");
    let host = off.start("serve");
    assert_eq!(host.post(EVENTS, STRUCTURED, event("bad", "order.created", &wrong()).to_string()).0, 202);
    assert_eq!(violations(&host, "off"), "");
    let (exit, listed) = schema(&off, Some(&host), "ls");
    assert_eq!(
        (exit, listed.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>()),
        (0, vec!["order.created", "default", "order.created", "off", "2020-12", "file"])
    );
}

#[test]
fn a_schema_that_cannot_be_used_is_told_at_its_place_in_the_file_and_nothing_starts() {
    let site = site("enforce");
    site.write("order.json", r#"{"type": "strin", "properties": {"a": {"$ref": "https://example.com/a"}}}"#);
    let (exit, said) = site.refuse("serve");
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("error[schema-invalid]") && said.contains("wharf.toml:4:8"), "{said}");
    assert!(said.contains("/properties/a/$ref: `https://example.com/a` is not in this document"), "{said}");
    let (exit, told) = schema(&site, None, "check order.json");
    assert!(exit == 10 && told.starts_with("mistake: /properties/a/$ref"), "{told}");
    site.write("order.json", r#"{"type": "strin"}"#);
    assert!(schema(&site, None, "check order.json").1.starts_with("mistake: /type"));
    site.write("order.json", order().to_string());
    assert_eq!(schema(&site, None, "check order.json"), (0, "ok  JSON Schema 2020-12\n".to_owned()));
}

#[test]
fn a_schema_is_inferred_of_the_archive_and_holds_for_it() {
    let site = Site::new("default_tenant = 'acme'\n[tenants.acme]\n");
    let host = site.start("serve");
    let mut lines = String::new();
    for n in 0..450 {
        let data = if n % 3 == 0 { json!({"id": n, "note": "x"}) } else { json!({"id": n, "total": 1.5}) };
        let sent = event(&n.to_string(), "order.created", &data);
        lines.push_str(&format!("{sent}\n"));
    }
    lines.push_str(&format!("{}\n", event("other", "order.created.too", &json!("no order"))));
    site.write("events.ndjson", &lines);
    let sent = wharf()
        .current_dir(site.folder.path())
        .env("WHARF_URL", &host.url)
        .args(["send", "--batch", "events.ndjson"])
        .output();
    assert!(sent.unwrap().status.success());
    let (exit, text) = schema(&site, Some(&host), "infer --type order.created --last 400");
    assert_eq!(exit, 0);
    let inferred: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(inferred["required"], json!(["id"]));
    assert_eq!(inferred["properties"]["total"], json!({"type": "number"}));
    site.write("inferred.json", &text);
    let (exit, said) = schema(&site, None, "validate inferred.json events.ndjson");
    assert_eq!(
        (exit, said.as_str()),
        (10, "line 451: the payload: the value is not of type \"object\"\n450 of 451 events are valid\n")
    );
    assert_eq!(schema(&site, Some(&host), "infer --type none").0, 3);
}

#[test]
fn two_versions_are_compared_and_what_is_not_compatible_ends_with_a_status_of_its_own() {
    let site = site("enforce");
    let mut next = order();
    next["required"] = json!(["id", "lines", "at"]);
    site.write("next.json", next.to_string());
    let (exit, said) = schema(&site, None, "diff order.json next.json");
    assert_eq!(exit, 10);
    assert_eq!(
        said,
        "~ /required: [\"id\",\"lines\"] -> [\"id\",\"lines\",\"at\"]\nnot backward compatible: /required: `at` must be there now\n"
    );
    assert_eq!(schema(&site, None, "diff order.json next.json --compatibility forward").0, 0);
    let (exit, said) = schema(&site, None, "-o json diff next.json order.json");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((exit, &said["compatible"], &said["changes"][0]["pointer"]), (0, &json!(true), &json!("/required")));
}

#[test]
fn what_a_tenant_receives_is_an_asyncapi_document_whose_references_stay_in_it() {
    let site = site("enforce");
    let host = site.start("serve");
    let (exit, text) = schema(&site, Some(&host), "asyncapi");
    assert_eq!(exit, 0);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(host.get("/v1/tenants/acme/asyncapi.json"), (200, document.clone()));
    assert_eq!(document["channels"].as_object().unwrap().keys().collect::<Vec<_>>(), ["audit", "default"]);
    let reference = &document["components"]["schemas"]["order.created"]["properties"]["lines"]["items"]["$ref"];
    assert_eq!(
        document.pointer(reference.as_str().unwrap().trim_start_matches('#')).unwrap()["required"],
        json!(["sku"])
    );
    let (status, shown) = host.get("/v1/tenants/acme/schemas/order.created");
    assert_eq!((status, &shown["document"]), (200, &order()));
    let (_, said) = schema(&site, Some(&host), "show order.created");
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap(), order());
}

#[test]
fn a_changed_schema_is_swapped_in_while_events_flow() {
    let site = site("enforce");
    let host = site.start("dev");
    let send = |id: &str| host.post(EVENTS, STRUCTURED, event(id, "order.created", &json!({"total": 1})).to_string()).0;
    assert_eq!(send("before"), 422);
    site.write("order.json", r#"{"required": ["total"]}"#);
    // One that is read while it is being written is `not reloaded`.
    host.wait_for_log("reloaded rules");
    assert_eq!(send("after"), 202);
}
