//! What the author of a plugin does before there is a host: calling a component, testing it.
//!
//! Goal: a call without a host ends as it would with one, and says so by its exit status. Method: the guests of the other tests, with
//! events and state of files.

use serde_json::{Value, json};

use crate::host::{Site, guest, wharf};

/// Runs a command in a site's folder: exit status, stdout, stderr.
fn run(site: &Site, args: &[&str]) -> (i32, String, String) {
    let output = wharf().current_dir(site.folder.path()).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn event(kind: &str, id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "s", "type": kind, "subject": "x", "data": {"n": 1}})
}

/// Calls a guest with an event: exit status, and what programs read.
fn invoked(site: &Site, name: &str, event: &Value, more: &[&str]) -> (i32, Value) {
    site.write("event.json", event.to_string());
    let file = guest(name).display().to_string();
    let line = [&["invoke", &file, "-e", "event.json", "-o", "json"], more].concat();
    let (status, said, talk) = run(site, &line);
    (status, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{line:?}: {talk}")))
}

const GRANTED: [&str; 4] = ["--publish", "probe.*", "--bucket", "probe"];

#[test]
fn a_component_is_called_without_a_host_and_tells_what_it_did() {
    let site = Site::new("");
    site.write("seed.json", r#"{"default": {"shared": 41}}"#);
    let (status, told) = invoked(&site, "probe", &event("probe.tell", "7"), &GRANTED);
    assert_eq!((status, &told["outcome"]), (0, &json!("ok")), "{told}");
    let published = &told["published"][0];
    assert_eq!(
        (&published["type"], &published["id"], &published["causationid"]),
        (&json!("probe.told"), &json!("1-0.0.1"), &json!("7"))
    );
    let set = json!({"bucket": "probe", "key": "told", "change": {"set": {"text": "7 s x  {\"n\":1}"}}});
    assert_eq!(told["writes"], json!([set]));
    let more = [&GRANTED[..], &["--kv", "seed.json"]].concat();
    let (status, told) = invoked(&site, "probe", &event("probe.increment", "7"), &more);
    assert_eq!((status, &told["writes"][1]["change"]), (0, &json!({"set": {"text": "42"}})), "{told}");
    assert_eq!(told["writes"][0]["change"], json!({"add": 1}));
    assert_eq!(
        told["reads"],
        json!([{"bucket": "probe", "key": "shared", "found": 1}, {"bucket": "probe", "key": "added", "found": 0}])
    );
    assert!(!site.folder.path().join("wharf-data").exists());
}

#[test]
fn the_exit_status_is_the_outcome_and_a_failed_attempt_leaves_nothing() {
    let site = Site::new("");
    let (status, told) = invoked(&site, "probe", &event("probe.half", "1"), &GRANTED);
    assert_eq!((status, &told["outcome"], &told["dropped"]), (9, &json!("reject"), &json!(3)), "{told}");
    assert_eq!((&told["published"], &told["writes"]), (&json!([]), &json!([])));
    let flaky = |more: &[&str]| invoked(&site, "flaky", &event("t", "gh-20"), more);
    let (status, told) = flaky(&["--config", "after_ms=70"]);
    assert_eq!((status, &told["outcomes"][0]["retry_after_ms"]), (8, &json!(70)), "{told}");
    assert_eq!(flaky(&["--attempt", "2"]).0, 0);
    let (status, told) = invoked(&site, "probe", &event("probe.panic", "1"), &[]);
    assert_eq!((status, &told["outcomes"][0]["code"]), (1, &json!("handler-trap")));
    let (status, told) = invoked(&site, "probe", &event("probe.loop", "1"), &["--cpu", "20ms"]);
    assert_eq!(
        (status, &told["outcomes"][0]["code"], &told["limits"]),
        (1, &json!("limit-cpu"), &json!(["limit-cpu"]))
    );
    let (status, told) = invoked(&site, "probe", &event("probe.tell", "1"), &[]);
    assert!(status != 0 && told.to_string().contains("not granted"), "{told}");
}

#[test]
fn batches_and_transforms_are_called_too() {
    let site = Site::new("");
    let batch = json!([event("a", "1"), event("probe.retry", "2"), event("probe.reject", "3")]);
    let (status, told) = invoked(&site, "batch-probe", &batch, &["--bucket", "batch-probe"]);
    let outcomes: Vec<_> = told["outcomes"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
    assert_eq!((status, outcomes), (8, vec![&json!("ok"), &json!("retry"), &json!("reject")]), "{told}");
    let (status, told) = invoked(&site, "batch-probe", &event("a", "1"), &["--bucket", "batch-probe"]);
    assert_eq!((status, told["writes"].as_array().unwrap().len()), (0, 4), "{told}");
    let (status, told) = invoked(&site, "transform-probe", &event("probe.tell", "1"), &[]);
    assert_eq!((status, &told["event"]["subject"]), (0, &json!("changed")), "{told}");
    assert_eq!(invoked(&site, "transform-probe", &event("probe.drop", "1"), &[]).1["outcome"], "filtered");
    let file = guest("probe").display().to_string();
    site.write("event.json", batch.to_string());
    let (status, _, talk) = run(&site, &["invoke", &file, "-e", "event.json"]);
    assert!(status != 0 && talk.contains("error[handler-kind]") && talk.contains("there are 3"), "{talk}");
}

#[test]
fn a_call_reads_well_and_what_is_no_event_is_told() {
    let site = Site::new("");
    let file = guest("probe").display().to_string();
    site.write("event.json", event("probe.increment", "1").to_string());
    let line = [&["invoke", &file, "-e", "event.json", "--trace"], &GRANTED[..]].concat();
    let (status, said, _) = run(&site, &line);
    let lines: Vec<_> = said.lines().collect();
    let begins = ["ok", "add      probe/added  +1", "set      probe/shared  1", "read     probe/shared  absent"];
    assert_eq!(status, 0);
    assert_eq!(lines[..4], begins, "{said}");
    assert!(lines.last().unwrap().starts_with("used     "), "{said}");
    site.write("event.json", "{}");
    let (status, _, talk) = run(&site, &line);
    assert!(status == 1 && talk.contains("error[event-") && talk.contains("event.json: "), "{talk}");
    let (status, _, talk) = run(&site, &["invoke", "nowhere.wasm", "-e", "event.json"]);
    assert!(status == 1 && talk.contains("error[event-"), "{talk}");
}

/// A site with the probe and fixtures of it.
fn with_fixtures() -> Site {
    let site = Site::probe("", "attempts = 1");
    std::fs::create_dir(site.folder.path().join("fixtures")).unwrap();
    site.write(
        "fixtures/counts.toml",
        "# Counted from 41.\nattempt = 2\n\n[event]\ntype = \"probe.increment\"\n\n[seed.default]\nshared = 41\n\n\
         [expect]\noutcome = \"ok\"\n\n[[expect.writes]]\nadd = 1\nbucket = \"probe\"\nkey = \"added\"\n\n\
         [[expect.writes]]\nbucket = \"probe\"\nkey = \"shared\"\nset = \"42\"\n",
    );
    site.write(
        "fixtures/rejects.json",
        json!({"event": {"type": "probe.reject"}, "expect": {"outcome": "reject"}}).to_string(),
    );
    site
}

#[test]
fn fixtures_are_tried_compared_and_blessed() {
    let site = with_fixtures();
    let read = |name: &str| std::fs::read_to_string(site.folder.path().join(name)).unwrap();
    let (status, said, talk) = run(&site, &["test"]);
    assert!(status == 0 && said.ends_with("2 fixtures passed\n"), "{said}{talk}");
    let before = read("fixtures/counts.toml");
    site.write("fixtures/counts.toml", before.replace("\"42\"", "\"43\""));
    site.write("fixtures/new.toml", "[event]\ntype = \"probe.half\"\n");
    site.write("fixtures/odd.toml", "event = { type = \"a\" }\nevnt = 1\n");
    let (status, said, _) = run(&site, &["test", "--junit", "report.xml"]);
    assert_eq!(status, 10, "{said}");
    for part in [
        "    - set = \"43\"\n    + set = \"42\"\n",
        "it expects nothing yet",
        "unknown field `evnt`",
        "1 fixture passed, 3 failed",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let report = read("report.xml");
    assert!(report.contains(r#"tests="4" failures="3""#) && report.contains("- set = &quot;43&quot;"), "{report}");
    std::fs::remove_file(site.folder.path().join("fixtures/odd.toml")).unwrap();
    assert_eq!(run(&site, &["test", "--bless"]).0, 0);
    assert_eq!(read("fixtures/counts.toml"), before);
    let new = "[event]\ntype = \"probe.half\"\n\n[expect]\noutcome = \"reject\"\nreason = \"half done\"\n";
    assert_eq!(read("fixtures/new.toml"), new);
    let (status, said, _) = run(&site, &["test", "-o", "json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &report["passed"], &report["failed"]), (0, &json!(3), &json!(0)), "{said}");
    let empty = Site::probe("", "attempts = 1");
    let (status, _, talk) = run(&empty, &["test"]);
    assert!(status == 1 && talk.contains("error[fixture-invalid]"), "{talk}");
}

#[test]
fn a_fixture_says_what_those_outside_answer() {
    let site = Site::new("");
    std::fs::create_dir(site.folder.path().join("fixtures")).unwrap();
    let get = |path: &str| json!({"url": format!("https://api.example.com{path}")});
    let fixture = |data: Value, grants: Value, stubs: Value| {
        json!({"event": {"type": "call", "data": data}, "grants": grants, "stubs": stubs}).to_string()
    };
    let http = json!({"publish": ["called"], "http": ["https://api.example.com"]});
    let stubs = json!([
        {"request": "https://api.example.com/a", "status": 503, "text": "busy"},
        {"request": "https://api.example.com/a", "data": {"n": 1}},
        {"request": "https://api.example.com/late", "fails": "http-timeout"},
    ]);
    let asked = json!([get("/a"), get("/a?b=c"), get("/late"), get("/else"), {"url": "https://elsewhere.test/"}]);
    site.write("fixtures/caller.json", fixture(asked, http, stubs));
    let (status, said, talk) = run(&site, &["test", guest("caller").to_str().unwrap(), "--bless"]);
    assert_eq!(status, 0, "{said}{talk}");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(site.folder.path().join(name)).unwrap()).unwrap()
    };
    let came = &read("fixtures/caller.json")["expect"]["published"][0]["data"];
    let expected =
        [json!({"status": [503, "busy"]}), json!({"status": [200, "{\"n\":1}"]}), json!({"refused": "timeout"})];
    assert_eq!(came.as_array().unwrap()[..3], expected, "{came}");
    assert_eq!(came[4], json!({"refused": "denied"}), "{came}");
    std::fs::remove_file(site.folder.path().join("fixtures/caller.json")).unwrap();

    let llm = json!({"publish": ["asked"], "llm": ["triage", "other"]});
    let asked = json!([{"route": "triage", "text": "it crashes"}, {"route": "other", "text": "said back"}]);
    site.write("fixtures/asker.json", fixture(asked, llm, json!([{"route": "triage", "text": "a bug"}])));
    let (status, said, talk) = run(&site, &["test", guest("asker").to_str().unwrap(), "--bless"]);
    assert_eq!(status, 0, "{said}{talk}");
    let came = &read("fixtures/asker.json")["expect"]["published"][0]["data"];
    assert_eq!((&came[0]["text"][0], &came[1]["text"][0]), (&json!("a bug"), &json!("said back")), "{came}");
    site.write("fixtures/asker.json", fixture(json!([]), json!({}), json!([{"status": 200}])));
    let (status, said, _) = run(&site, &["test", guest("asker").to_str().unwrap()]);
    assert!(status == 10 && said.contains("stub 1 has one of `request`"), "{said}");
}

#[test]
fn a_fixture_and_a_call_have_secrets_of_their_own_and_show_none() {
    let site = Site::new("");
    std::fs::create_dir(site.folder.path().join("fixtures")).unwrap();
    let holder = guest("holder");
    let holder = holder.to_str().unwrap();
    let fixture = |secret: &str, does: &str| {
        json!({"event": {"type": "hold", "data": {"secret": secret, "does": does}}, "secrets": {"signing": "whsec_of-a-test"},
            "grants": {"publish": ["held"], "hold": ["signing", "other"]}})
        .to_string()
    };
    let read = |name: &str| std::fs::read_to_string(site.folder.path().join("fixtures").join(name)).unwrap();
    site.write("fixtures/tells.json", fixture("signing", "tell"));
    site.write("fixtures/rejects.json", fixture("signing", "retry"));
    site.write("fixtures/lacks.json", fixture("other", "tell"));
    let (status, said, talk) = run(&site, &["test", holder, "--bless", "-o", "json"]);
    assert_eq!(status, 0, "{said}{talk}");
    let [tells, rejects, lacks]: [Value; 3] = ["tells.json", "rejects.json", "lacks.json"]
        .map(|name| serde_json::from_str::<Value>(&read(name)).unwrap()["expect"].clone());
    assert_eq!(tells["published"][0]["data"], json!({"bytes": 15, "end": "est"}), "{tells}");
    assert_eq!(rejects["reason"], json!("it is [secret:signing], [secret:signing]"));
    assert!(lacks["reason"].as_str().unwrap().contains("no secret `other` among those of this call"), "{lacks}");
    site.write("fixtures/tells.json", fixture("signing", "tell").replace("whsec_of-a-test", ""));
    let (status, said, _) = run(&site, &["test", holder]);
    assert!(status == 10 && said.contains("its `secrets`: a secret has 1 to"), "{said}");

    site.write("secrets.json", r#"{"signing": "whsec_of-a-test"}"#);
    site.write(
        "event.json",
        r#"{"specversion": "1.0", "id": "1", "source": "s", "type": "hold", "data": {"secret": "signing", "does": "retry"}}"#,
    );
    let (status, said, _) = run(&site, &["invoke", holder, "-e", "event.json", "--secrets", "secrets.json"]);
    assert!(status == 8 && said.contains("it is [secret:signing]") && !said.contains("whsec_of"), "{said}");
}

#[test]
fn a_fixture_is_made_of_an_event_that_there_was_and_passes_once_it_is_blessed() {
    let site = with_fixtures();
    let host = site.start("serve");
    let sent = wharf()
        .args(["send", "probe.tell", "--id", "kept", "-d", "{\"a\": null}"])
        .env("WHARF_URL", &host.url)
        .output();
    assert!(sent.unwrap().status.success());
    let shown = wharf().args(["events", "show", "kept", "--fixture"]).env("WHARF_URL", &host.url).output().unwrap();
    let fixture = String::from_utf8(shown.stdout).unwrap();
    assert!(fixture.starts_with("[event]\n") && fixture.contains("data_json = "), "{fixture}");
    site.write("fixtures/kept.toml", fixture);
    assert_eq!(run(&site, &["test", "--bless"]).0, 0);
    let (status, said, talk) = run(&site, &["test"]);
    assert!(status == 0 && said.ends_with("3 fixtures passed\n"), "{said}{talk}");
    let kept = std::fs::read_to_string(site.folder.path().join("fixtures/kept.toml")).unwrap();
    assert!(kept.contains("type = \"probe.told\"") && kept.contains("kept cli"), "{kept}");
}

#[test]
fn a_new_plugin_is_written_and_nothing_is_written_over() {
    let site = Site::new("");
    let (status, said, talk) = run(&site, &["new", "orders", "--lang", "rust", "-o", "json"]);
    let made: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{talk}"));
    assert_eq!((status, &made["template"]), (0, &json!("event")));
    let folder = site.folder.path().join("orders");
    for file in
        ["Cargo.toml", ".cargo/config.toml", "src/lib.rs", "vendor/wharf/src/lib.rs", "vendor/wharf/macros/Cargo.toml"]
    {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let config = std::fs::read_to_string(folder.join("wharf.toml")).unwrap();
    assert!(config.contains("[tenants.dev.plugins.orders]") && !config.contains("{{"), "{config}");
    let (status, _, talk) = run(&site, &["new", "orders", "--lang", "rust"]);
    assert!(status == 5 && talk.contains("error[folder-there]"), "{talk}");
    let (status, _, talk) = run(&site, &["new", "x", "--lang", "rusty"]);
    assert!(status == 3 && talk.contains("error[template-unknown]") && talk.contains("did you mean `rust`?"), "{talk}");
    let (status, _, talk) = run(&site, &["new", "x", "--lang", "rust", "--template", "common"]);
    assert!(status == 3 && talk.contains("batch, event, http, schedule, transform"), "{talk}");
    assert!(!site.folder.path().join("x").exists());
}

#[test]
fn every_language_has_its_templates_and_its_sdk_beside_them() {
    let site = Site::new("");
    for (lang, template, files) in [
        ("python", "event", ["requirements.txt", "plugin.py", "vendor/wharf/pyproject.toml"]),
        ("python", "http", ["requirements.txt", "proxy.py", "wit/proxy.wit"]),
        ("js", "http", ["package.json", "proxy.ts", "wit/proxy.wit"]),
        ("js", "batch", ["package.json", "plugin.ts", "vendor/wharf/bin/wharf-js.mjs"]),
        ("ts", "transform", ["package.json", "plugin.ts", "vendor/wharf/src/index.ts"]),
        ("go", "event", ["go.mod", "vendor/modules.txt", "vendor/wharf/cmd/wharf-go/main.go"]),
        ("golang", "http", ["go.mod", "main.go", "vendor/wharf/internal/web/contract.go"]),
        ("c", "http", ["Makefile", "handler.c", "vendor/wharf/src/export_http.c"]),
        ("c", "event", ["Makefile", "handler.c", "vendor/wharf/contract/handler/contract_component_type.o"]),
    ] {
        let name = format!("{lang}-{template}");
        let (status, said, talk) = run(&site, &["new", &name, "--lang", lang, "--template", template]);
        assert_eq!(status, 0, "{said}{talk}");
        let folder = site.folder.path().join(&name);
        for file in files.into_iter().chain(["README.md", ".gitignore", "wharf.toml"]) {
            assert!(folder.join(file).is_file(), "{name}: {file}");
        }
        // Fixtures are of events.
        let fixtures = folder.join("fixtures").read_dir().map_or(0, Iterator::count);
        assert_eq!(fixtures > 1, template != "http", "{name}");
        assert!(
            !folder.join("vendor/wharf/template").exists() && !folder.join("vendor/wharf/tests").exists(),
            "{name}"
        );
    }
}

/// A module that lets every event go no further, as a compiler would make it. Its function gives the address 128, where there is nothing
/// but zeros: no event.
pub fn core_transform() -> Vec<u8> {
    core_module(b"\x41\x80\x01")
}

/// One that traps.
fn core_trap() -> Vec<u8> {
    core_module(b"\x00")
}

/// A transform with this for its body: two functions, a memory, three exports.
fn core_module(body: &[u8]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let section = |number: u8, body: &[u8]| [&[number, u8::try_from(body.len()).unwrap()], body].concat();
    let function = |body: &[u8]| [&[u8::try_from(body.len() + 2).unwrap(), 0], body, b"\x0b"].concat();
    let exports = [
        [text("memory"), vec![2, 0]].concat(),
        [text("wharf:plugin/transformer@0.1.0#transform"), vec![0, 0]].concat(),
        [text("cabi_realloc"), vec![0, 1]].concat(),
    ]
    .concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x02\x60\x01\x7f\x01\x7f\x60\x04\x7f\x7f\x7f\x7f\x01\x7f"),
        section(3, b"\x02\x00\x01"),
        section(5, b"\x01\x00\x01"),
        section(7, &[vec![3], exports].concat()),
        // The second gives memory at 1024 for whatever is asked.
        section(10, &[vec![2], function(body), function(b"\x41\x80\x08")].concat()),
    ]
    .concat()
}

#[test]
fn a_component_is_made_of_a_compilers_module_or_it_is_said_why_not() {
    let site = Site::new("");
    site.write("made.core", core_transform());
    let make = ["componentize", "made.core", "--to", "made.wasm", "--world", "event-transform"];
    let (status, said, talk) = run(&site, &[&make[..], &["--pure", "--section", "note=mine"]].concat());
    assert_eq!(status, 0, "{said}{talk}");
    let (status, said, _) = run(&site, &["inspect", "made.wasm", "-o", "json"]);
    let inspected: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &inspected["world"]), (0, &json!("wharf:plugin/event-transform")), "{said}");
    site.write("event.json", event("x", "1").to_string());
    let (status, said, talk) = run(&site, &["invoke", "made.wasm", "-e", "event.json", "-o", "json"]);
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{talk}"));
    assert_eq!((status, &told["outcome"]), (0, &json!("filtered")), "{said}");
    site.write("empty.core", b"\0asm\x01\0\0\0");
    let before = std::fs::read(site.folder.path().join("made.wasm")).unwrap();
    for (file, world, said) in [
        ("empty.core", "event-transform", "error[build-failed]: empty.core: the module makes no plugin"),
        ("made.core", "event-poem", "there is no world `event-poem`"),
        ("none.core", "event-transform", "error[component-missing]"),
    ] {
        let (status, _, talk) = run(&site, &["componentize", file, "--to", "made.wasm", "--world", world]);
        assert!(status == 1 && talk.contains(said), "{file}: {talk}");
    }
    assert_eq!(std::fs::read(site.folder.path().join("made.wasm")).unwrap(), before);
}

#[test]
fn a_component_keeps_the_contract_or_it_is_said_where_not() {
    let site = Site::new("");
    let conformance = |name: &str| {
        let file = guest(name).display().to_string();
        let (status, said, talk) = run(&site, &["conformance", &file, "-o", "json"]);
        (status, serde_json::from_str::<Value>(&said).unwrap_or_else(|_| panic!("{talk}")))
    };
    for name in ["probe", "batch-probe", "transform-probe", "event-stats"] {
        let (status, report) = conformance(name);
        assert_eq!((status, &report["failed"]), (0, &json!(0)), "{name}: {report}");
        assert!(report["passed"].as_u64() >= Some(14), "{name}: {report}");
    }
    // One that traps on every event.
    site.write("bad.core", core_trap());
    let make = ["componentize", "bad.core", "--to", "bad.wasm", "--world", "event-transform"];
    assert_eq!(run(&site, &make).0, 0);
    let (status, said, talk) = run(&site, &["conformance", "bad.wasm"]);
    assert!(status == 10 && said.contains("fail  no payload  trap") && talk.contains("wharf explain"), "{said}{talk}");
    let (status, _, talk) = run(&site, &["conformance", "none.wasm"]);
    assert!(status == 1 && talk.contains("error[component-missing]"), "{talk}");
}

#[test]
fn a_plugin_is_built_by_its_command_or_it_is_said_why_not() {
    let config =
        |command: &str| format!("[tenants.acme.plugins.made]\ncomponent = \"out/made.wasm\"\nbuild = \"{command}\"\n");
    let copy = format!("echo building; mkdir -p out && cp {} out/made.wasm", guest("flaky").display());
    let site = Site::new(&config(&copy));
    let (status, said, talk) = run(&site, &["build", "-o", "json"]);
    let built: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{talk}"));
    assert_eq!((status, &built[0]["world"]), (0, &json!("wharf:plugin/event-handler")), "{said}");
    assert!(talk.contains("building\n"), "{talk}");
    assert_eq!(run(&site, &["build", "made"]).0, 0);
    for (command, parts) in [
        ("echo wrong >&2; exit 3", ["wrong\n", "error[build-failed]"]),
        ("no-such-compiler --release", ["`no-such-compiler` is not installed here", "error[build-failed]"]),
        (
            "test -e none || no-such-tool",
            ["no-such-tool", "a program of `test -e none || no-such-tool` is not installed here"],
        ),
        ("test -x $WHARF && exit 7", ["failed with exit status: 7", "error[build-failed]"]),
        ("true; rm -f out/made.wasm", ["error[component-missing]", "made was built, but"]),
        ("echo no > out/made.wasm", ["error[component-not-wasm]", "made: "]),
    ] {
        site.write("wharf.toml", config(command));
        let (status, _, talk) = run(&site, &["build"]);
        assert!(status == 1 && parts.iter().all(|part| talk.contains(part)), "{command}: {talk}");
    }
    let (status, _, talk) = run(&site, &["build", "other"]);
    assert!(status == 1 && talk.contains("no plugin `other` here says how it is built"), "{talk}");
}

#[test]
fn what_is_built_is_without_names_and_debug_information() {
    let site =
        Site::new("[tenants.acme.plugins.made]\ncomponent = \"made.wasm\"\nbuild = \"cp full.wasm made.wasm\"\n");
    let lean = std::fs::read(guest("web-probe")).unwrap();
    let section = |name: &str| {
        let said = [name.as_bytes(), b"more"].concat();
        let sizes = [said.len() + 1, name.len()].map(|size| u8::try_from(size).unwrap());
        [&[0, sizes[0], sizes[1]][..], &said[..]].concat()
    };
    let (names, debug) = (section("component-name"), section(".debug_line"));
    site.write("full.wasm", [&lean[..], &names, &debug].concat());
    let built = |arguments: &[&str]| {
        let (status, said, talk) = run(&site, &[&["build", "-o", "json"][..], arguments].concat());
        let built: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{talk}"));
        assert_eq!(status, 0, "{talk}");
        (built[0].clone(), std::fs::read(site.folder.path().join("made.wasm")).unwrap())
    };
    // The probe may have names of its own; what is put there again is taken out again.
    let (first, alone) = built(&[]);
    assert!(first["stripped_bytes"].as_u64() >= Some((names.len() + debug.len()) as u64), "{first}");
    assert!(alone.len() <= lean.len() && first["bytes"].as_u64() == Some(alone.len() as u64), "{first}");
    site.write("full.wasm", [&alone[..], &names, &debug].concat());
    assert_eq!(built(&[]).1, alone);
    let (kept, file) = built(&["--names"]);
    assert_eq!(file, [&alone[..], &names].concat(), "{kept}");
    assert_eq!(kept["stripped_bytes"].as_u64(), Some(debug.len() as u64));
    let (status, said, _) = run(&site, &["build"]);
    assert!(status == 0 && said.contains("KiB of names and debug information less"), "{said}");
}
