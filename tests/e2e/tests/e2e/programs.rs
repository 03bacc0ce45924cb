//! Goal: a program (`wasi:cli/command`) handles events: the event on stdin, what it publishes on stdout, and nothing of it is kept where it ends
//! badly. Method: a core module as a compiler makes it, made a component by `wharf componentize`, called without a host and behind a rule.

use serde_json::{Value, json};

use crate::host::{Site, guest, wharf};

fn run(site: &Site, args: &[&str]) -> (i32, String, String) {
    let output = wharf().current_dir(site.folder.path()).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Makes `echo.wasm` in a site.
fn componentized(site: &Site) {
    let module = guest("program").display().to_string();
    let (status, _, talk) = run(site, &["componentize", &module, "--to", "echo.wasm", "--world", "command"]);
    assert_eq!(status, 0, "{talk}");
}

/// Calls it with an event of that type: exit status, and what programs read.
fn invoked(site: &Site, kind: &str, more: &[&str]) -> (i32, Value) {
    let event = json!({"specversion": "1.0", "id": "7", "source": "s", "type": kind, "data": {"n": 1}});
    site.write("event.json", event.to_string());
    let line = [&["invoke", "echo.wasm", "-e", "event.json", "-o", "json"], more].concat();
    let (status, said, talk) = run(site, &line);
    (status, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{kind}: {talk}")))
}

const GRANTED: [&str; 2] = ["--publish", "program.heard"];

#[test]
fn a_program_reads_the_event_and_what_it_writes_is_published() {
    let site = Site::new("");
    componentized(&site);
    let (status, told) = invoked(&site, "a.b", &GRANTED);
    assert_eq!((status, &told["outcome"]), (0, &json!("ok")), "{told}");
    let heard = &told["published"][0];
    let said = json!(["program.heard", "plugin/echo", "s", "m", "7"]);
    let of = |name: &str| heard[name].clone();
    assert_eq!(json!([of("type"), of("source"), of("subject"), of("mark"), of("causationid")]), said, "{told}");
    let event = json!({"specversion": "1.0", "id": "7", "source": "s", "type": "a.b", "data": {"n": 1}});
    let got = &heard["data"];
    for name in ["id", "source", "type", "data"] {
        assert_eq!(got[name], event[name], "{told}");
    }
    let (_, said, _) = run(&site, &["inspect", "echo.wasm"]);
    assert!(said.contains("wasi:cli/command"), "{said}");
}

#[test]
fn a_program_that_ends_badly_or_says_something_else_publishes_nothing() {
    let site = Site::new("");
    componentized(&site);
    let ended = |kind: &str, more: &[&str]| {
        let (status, told) = invoked(&site, kind, more);
        assert_eq!(told["published"], json!([]), "{told}");
        let outcome = &told["outcomes"][0];
        let of = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
        (status, of("code"), of("reason"))
    };
    assert_eq!(ended("program.fail", &GRANTED), (8, "handler-retry".to_owned(), "it broke".to_owned()));
    assert_eq!(ended("program.reject", &GRANTED), (9, "handler-reject".to_owned(), "not for me".to_owned()));
    let (status, code, reason) = ended("program.words", &GRANTED);
    assert_eq!((status, code.as_str()), (8, "handler-retry"));
    assert!(
        reason.starts_with("line 1 of its stdout is no event: ") && reason.ends_with("these are words"),
        "{reason}"
    );
    let (status, code, reason) = ended("a.b", &[]);
    assert_eq!((status, code.as_str()), (8, "handler-retry"));
    assert!(reason.contains("publishing `program.heard` is not granted"), "{reason}");
    let (status, code, _) = ended("program.loop", &["--cpu", "20ms"]);
    assert_eq!((status, code.as_str()), (1, "limit-cpu"));
    let (status, code, _) = ended("program.flood", &GRANTED);
    assert_eq!((status, code.as_str()), (1, "limit-publish"));
}

#[test]
fn a_program_is_a_target_of_rules_and_keeps_the_contract() {
    let site = Site::new(
        r#"
default_tenant = "acme"
[tenants.acme.plugins.echo]
component = "echo.wasm"
grants = { publish = ["program.heard"] }
[tenants.acme.rules.echo]
pattern = { type = [{ prefix = "program." }] }
targets = [{ plugin = "echo", retry = { first = "1ms", max = "1ms", attempts = 2 }, dead_letter = "dead" }]
"#,
    );
    componentized(&site);
    let host = site.start("serve");
    host.send("1", "program.reject");
    host.send("2", "program.fail");
    let stats = host.settled("acme");
    assert_eq!((&stats["dead_letters"], &stats["published"], &stats["attempts"]), (&json!(2), &json!(0), &json!(3)));
    host.send("3", "program.go");
    // What it publishes comes to it again, and so on, until there were too many hops.
    let stats = host.settled("acme");
    assert!(stats["published"].as_u64().unwrap() >= 1, "{stats}");
    assert_eq!(host.stop(), Some(0));
    let (status, said, talk) = run(&site, &["conformance", "echo.wasm"]);
    assert!(status == 0 && said.contains("it keeps the contract of wasi:cli/command"), "{said}{talk}");
}
