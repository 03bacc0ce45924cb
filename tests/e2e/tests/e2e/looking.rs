//! Commands that look at files and ask no host: check, config show, inspect.

use serde_json::Value;

use crate::host::{Site, guest, wharf};

/// Runs a command in a site's folder: exit status, stdout, stderr.
fn run(site: &Site, line: &str) -> (i32, String, String) {
    let mut command = wharf();
    command.current_dir(site.folder.path()).args(line.split_whitespace());
    command.env_remove("WHARF_LISTEN").env("WHARF_DRAIN", "3s");
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn check_says_what_a_host_would_say_and_starts_none() {
    let site = Site::probe("", "attempts = 1");
    let (status, said, _) = run(&site, "check");
    assert_eq!((status, said.as_str()), (0, "ok  1 tenant, 1 plugin, 1 rule\n"));
    site.write("bad.wasm", b"no component");
    site.write("bad.toml", "[tenants.acme.plugins.p]\ncomponent = \"bad.wasm\"\nlimit = 3\n");
    let (status, _, said) = run(&site, "check --config bad.toml");
    assert_eq!(status, 10);
    for part in ["error[component-not-wasm]", "bad.toml:2:13", "bad.toml:3:1", "help: did you mean `limits`?"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let component = guest("github-triage").display().to_string();
    site.write("asks.toml", format!("[tenants.acme.plugins.triage]\ncomponent = {component:?}\n"));
    let (status, said, told) = run(&site, "check --config asks.toml");
    assert_eq!((status, said.as_str()), (0, "ok  1 tenant, 1 plugin, 0 rules\n"));
    assert!(told.contains("is not granted that; in wharf.toml: grants = { publish = [\"triage.*\"] }"), "{told}");
    let ungranted = json(&run(&site, "check --config asks.toml -o json").1)["ungranted"][0].clone();
    assert_eq!(ungranted["asks"], serde_json::json!(["publish triage.*"]));
    let (status, said, _) = run(&site, "check --config bad.toml -o json");
    let problems = &json(&said)["problems"];
    assert_eq!((status, &problems[1]["line"], &problems[1]["column"]), (10, &3.into(), &1.into()), "{said}");
    assert_eq!(run(&site, "check --config nowhere.toml").0, 1);
    assert!(!site.folder.path().join("wharf-data").exists());
}

#[test]
fn config_show_says_where_each_value_comes_from() {
    let site = Site::probe("cpu_ms = 77", "attempts = 1");
    let (status, said, _) = run(&site, "config show --listen 127.0.0.1:9 -o json");
    assert_eq!(status, 0);
    let from = |key: &str| {
        let rows = json(&said);
        let row =
            rows.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key}: {said}"));
        format!("{} {}", row["value"], row["from"])
    };
    assert_eq!(from("listen"), r#""127.0.0.1:9" {"flag":"--listen","source":"flag"}"#);
    assert_eq!(from("drain"), r#""3s" {"source":"environment","variable":"WHARF_DRAIN"}"#);
    assert_eq!(from("dedup_window"), r#""5m" {"source":"default"}"#);
    let place = r#"{"column":21,"file":"wharf.toml","line":6,"source":"file"}"#;
    assert_eq!(from("tenants.acme.plugins.probe.limits.cpu_ms"), format!("77 {place}"));
    assert_eq!(from("tenants.acme.plugins.probe.limits.wall_ms"), r#"10000 {"source":"default"}"#);
    assert!(run(&site, "config show").1.contains("wharf.toml:6"));
    site.write("wharf.toml", "tenant = 1");
    let (status, _, said) = run(&site, "config show");
    assert!(status == 1 && said.contains("did you mean `tenants`?"), "{said}");
}

#[test]
fn inspect_tells_what_a_component_is_and_what_it_may_do() {
    let site = Site::new("");
    let inspect = |name: &str| run(&site, &format!("inspect {} -o json", guest(name).display()));
    let (status, said, _) = inspect("probe");
    let found = json(&said);
    assert_eq!(
        (status, &found["world"], &found["language"]),
        (0, &"wharf:plugin/event-handler".into(), &"Rust".into())
    );
    let bytes = std::fs::read(guest("probe")).unwrap();
    assert_eq!(found["bytes"], bytes.len());
    assert!(found["wasi"].is_null(), "it imports drafts only: {said}");
    let needs = found["needs"].as_array().unwrap();
    assert!(
        needs.contains(&"kv".into()) && needs.contains(&"publish".into()) && !needs.contains(&"http".into()),
        "{said}"
    );
    let imports = found["imports"].as_array().unwrap();
    let grants: std::collections::BTreeSet<_> = imports.iter().filter_map(|import| import["grant"].as_str()).collect();
    assert_eq!(grants.into_iter().collect::<Vec<_>>(), ["kv", "publish"]);
    assert!(imports.iter().all(|import| import["allows"] != "unknown to this host"), "{said}");
    assert_eq!(json(&inspect("transform-probe").1)["world"], "wharf:plugin/event-transform");
    let (status, said, talk) = inspect("impure-transform");
    assert_eq!((status, &json(&said)["unfit"]["code"]), (10, &"component-impure".into()));
    assert_eq!((&json(&said)["wasi"], &json(&said)["needs"]), (&"0.2.12".into(), &serde_json::json!(["random"])));
    assert_eq!(json(&talk)["error"]["code"], "component-impure", "{talk}");
    site.write("text.wasm", "no component");
    let (status, said, talk) = run(&site, "inspect text.wasm");
    assert!(status == 1 && said.is_empty() && talk.contains("error[component-not-wasm]"), "{talk}");
    let (status, _, talk) = run(&site, "inspect nowhere.wasm");
    assert!(
        status == 1 && talk.starts_with("error[component-missing]: component nowhere.wasm cannot be read"),
        "{talk}"
    );
}

#[test]
fn for_programs_an_error_is_one_line_of_json_on_stderr() {
    let site = Site::new("");
    site.write("text.wasm", "no component");
    site.write("strin.json", r#"{"type": "strin"}"#);
    for (line, status, code) in [
        ("inspect text.wasm -o json", 1, "component-not-wasm"),
        ("inspect nowhere.wasm --output=json", 1, "component-missing"),
        ("-o json check --config nowhere.toml", 1, "config-invalid"),
        ("doctor --data nowhere -o json", 3, "folder-unknown"),
        ("-o json rules test {\"a\":1} --events text.wasm", 1, "pattern-invalid"),
        ("-o json stats --url http://127.0.0.1:9", 7, ""),
        ("-o json explain nonsense", 3, ""),
        ("-o json dlq redrive jobs", 2, ""),
        ("nonsense -o json", 2, ""),
    ] {
        let (exit, said, talk) = run(&site, line);
        assert_eq!((exit, said.as_str(), talk.lines().count()), (status, "", 1), "{line}: {said}{talk}");
        let told = &json(&talk)["error"];
        assert_eq!(
            (told["code"].as_str().unwrap_or_default(), &told["status"]),
            (code, &status.into()),
            "{line}: {talk}"
        );
        let words = [&told["message"], &told["help"]].map(|text| text.as_str().unwrap());
        assert!(words.iter().all(|text| !text.is_empty() && !text.starts_with("error: ")), "{line}: {talk}");
    }
    // What was found stays a document; that it is a failure is told beside it.
    let (exit, said, talk) = run(&site, "-o json schema check strin.json");
    assert_eq!(
        (exit, &json(&said)["ok"], &json(&talk)["error"]["code"]),
        (10, &false.into(), &"schema-invalid".into())
    );
    assert!(said.contains("a type is"), "{said}");
    let (exit, _, talk) = run(&site, "schema check strin.json");
    assert!(exit == 10 && talk.starts_with("error[schema-invalid]: strin.json has 1 mistake\nhelp: "), "{talk}");
}

#[test]
fn what_is_missing_on_a_command_line_is_told_in_all_its_ways() {
    let site = Site::new("");
    let (exit, _, talk) = run(&site, "topic subscribe news one");
    assert!(
        exit == 2 && ["--target <PLUGIN>", "--queue <QUEUE>", "--file <FILE>"].iter().all(|it| talk.contains(it)),
        "{talk}"
    );
    let (exit, _, talk) = run(&site, "dlq redrive jobs");
    assert!(exit == 2 && ["ID", "--all", "--since <TIME>"].iter().all(|it| talk.contains(it)), "{talk}");
    let (exit, _, talk) = run(&site, "dlq redrive jobs --since 1x");
    assert!(exit == 2 && talk.contains("`1x` is no time: write it as 2026-12-01T09:00:00Z, or as 2h"), "{talk}");
}
