//! Schemas made, followed by others and removed while events flow, by the command line and by HTTP; they outlive a kill.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const SCHEMA: &str = "/v1/tenants/acme/schemas/order.created";
const OF_FILE: &str = "default_tenant = 'acme'\n[tenants.acme.schemas.filed]\nfile = 'filed.json'\n";

fn site() -> Site {
    let site = Site::new(OF_FILE);
    site.write("filed.json", "{}");
    site.write("v1.json", r#"{"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}"#);
    // More has to be there, at two places.
    site.write("narrow.json", r#"{"type": "object", "required": ["id", "at"], "properties": {"id": {"const": "x"}}}"#);
    site.write("v2.json", r#"{"type": "object", "properties": {"id": {"type": ["string", "integer"]}}}"#);
    site
}

/// Runs `wharf schema …`: exit status, stdout, stderr.
fn schema(site: &Site, host: &Host, line: &str) -> (i32, String, String) {
    let mut command = wharf();
    command.current_dir(site.folder.path()).arg("schema").args(line.split(' ')).env("WHARF_URL", &host.url);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The status of an event with that payload.
fn send(host: &Host, id: &str, data: &Value) -> u16 {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "order.created", "data": data});
    let events = "/v1/tenants/acme/buses/default/events";
    host.post(events, "application/cloudevents+json", event.to_string()).0
}

#[test]
fn a_version_holds_for_the_next_event_and_only_a_compatible_one_follows_it_and_all_outlives_a_kill() {
    let site = site();
    let host = site.start("serve");
    let (text, number) = (json!({"id": "a"}), json!({"id": 1}));
    assert_eq!(send(&host, "1", &number), 202);
    let (exit, said, talk) = schema(&site, &host, "add order.created v1.json");
    assert_eq!((exit, talk.as_str()), (0, ""));
    assert_eq!(said, "in force  order.created version 1 for order.created on default  enforce\n");
    assert_eq!((send(&host, "2", &number), send(&host, "3", &text)), (422, 202));

    let (exit, said, talk) = schema(&site, &host, "add order.created narrow.json");
    assert_eq!((exit, said.as_str()), (5, ""));
    assert!(talk.starts_with("error[schema-incompatible]: it cannot follow version 1: "), "{talk}");
    let narrow: Value =
        serde_json::from_slice(&std::fs::read(site.folder.path().join("narrow.json")).unwrap()).unwrap();
    let (status, _, answer) = host.put(SCHEMA, None, json!({"schema": narrow}).to_string());
    assert_eq!((status, &answer["code"]), (409, &json!("schema-incompatible")));
    let pointers: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|it| it["pointer"].clone()).collect();
    assert_eq!(pointers, ["/schema/properties/id/const", "/schema/required"], "{answer}");
    assert_eq!(send(&host, "4", &text), 202, "it is not in force");

    let (exit, said, _) = schema(&site, &host, "add order.created v2.json --mode warn");
    assert_eq!((exit, said.as_str()), (0, "in force  order.created version 2 for order.created on default  warn\n"));
    assert_eq!((send(&host, "5", &number), send(&host, "6", &json!([]))), (202, 202));
    assert_eq!(schema(&site, &host, "add order.created v2.json --mode enforce").0, 0);
    assert_eq!((send(&host, "7", &number), send(&host, "8", &json!([]))), (202, 422));
    host.kill();

    let host = site.start("serve");
    assert_eq!((send(&host, "9", &number), send(&host, "10", &json!([]))), (202, 422));
    let (exit, said, _) = schema(&site, &host, "versions order.created");
    let numbers: Vec<_> = said.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!((exit, numbers), (0, vec!["VERSION", "2", "1"]), "a change of the mode alone makes no version");
    let (exit, said, _) = schema(&site, &host, "versions order.created 1");
    assert_eq!((exit, serde_json::from_str::<Value>(&said).unwrap()["required"].clone()), (0, json!(["id"])));
    assert_eq!(schema(&site, &host, "versions order.created 3").0, 3);
    assert_eq!(schema(&site, &host, "add order.created narrow.json --compatibility none").0, 0);
    assert_eq!(send(&host, "11", &text), 422);

    assert_eq!(schema(&site, &host, "rm order.created").0, 0);
    assert_eq!(send(&host, "12", &json!([])), 202);
    host.kill();
    let host = site.start("serve");
    assert_eq!(send(&host, "13", &json!([])), 202);
    let (exit, _, talk) = schema(&site, &host, "rm fild");
    assert!(exit == 3 && talk.contains("help: did you mean `filed`?"), "{talk}");
}

#[test]
fn what_cannot_be_put_changes_nothing_and_an_equal_one_makes_no_version() {
    let site = site();
    let host = site.start("serve");
    let body = |schema: &str| format!(r#"{{"type": "t", "mode": "warn", "schema": {schema}}}"#);
    let (status, tag, made) = host.put(SCHEMA, Some(("if-none-match", "*")), body("{}"));
    assert_eq!((status, &made["number"], &made["origin"]), (201, &json!(1), &json!("api")));
    let (status, same, again) = host.put(SCHEMA, Some(("if-match", &tag)), body("{ }"));
    assert_eq!((status, &same, &again), (200, &tag, &made));
    let filed = SCHEMA.replace("order.created", "filed");
    for (path, condition, body, status, code, pointer) in [
        (SCHEMA, Some(("if-none-match", "*")), body("{}"), 412, "version-conflict", None),
        (SCHEMA, Some(("if-match", "\"1-0\"")), body("{}"), 412, "version-conflict", None),
        (SCHEMA, None, body(r#"{"type": 1}"#), 422, "schema-invalid", Some("/schema/type")),
        (SCHEMA, None, body("{}").replace("warn", "maybe"), 422, "schema-invalid", Some("")),
        (SCHEMA, None, r#"{"bus": "nowhere", "schema": {}}"#.to_owned(), 422, "schema-invalid", Some("/bus")),
        (SCHEMA, None, r#"{"type": "", "schema": {}}"#.to_owned(), 422, "schema-invalid", Some("/type")),
        (SCHEMA, None, r#"{"type": "filed", "schema": {}}"#.to_owned(), 409, "schema-taken", None),
        (&filed, None, body("{}").replace("\"t\"", "\"u\""), 409, "schema-of-file", None),
    ] {
        let (said, _, answer) = host.put(path, condition, &body);
        assert_eq!((said, &answer["code"]), (status, &json!(code)), "{body}: {answer}");
        assert_eq!(answer["errors"][0]["pointer"].as_str(), pointer, "{answer}");
        assert_eq!(host.get(SCHEMA).1, made);
    }
    for command in ["rm filed", "add filed v1.json"] {
        let (exit, said, talk) = schema(&site, &host, command);
        assert_eq!((exit, said.as_str()), (5, ""), "{command}: {talk}");
        assert!(talk.starts_with("error[schema-of-file]: it stands in the configuration file"), "{talk}");
    }
    assert_eq!(host.get(&format!("{filed}/versions")), (200, json!([])));
    let forward = format!("{SCHEMA}?compatibility=forward");
    let (status, _, next) = host.put(&forward, None, body(r#"{"type": "object"}"#));
    assert_eq!((status, &next["number"]), (200, &json!(2)));
    let (status, _, answer) = host.put(&forward, None, body("{}"));
    assert_eq!((status, &answer["errors"][0]["pointer"]), (409, &json!("/schema")), "{answer}");
    host.kill();
    // What the file takes is not given to two.
    site.write("wharf.toml", format!("{OF_FILE}type = 't'\n"));
    let (exit, said) = site.refuse("serve");
    assert!(exit != 0 && said.contains("schema `filed` is for events of that type on that bus already"), "{said}");
}
