//! What a release may use: what it asks for, what the tenant granted, and the operator's ceiling, all three.
//!
//! Method: what a component says that it needs is a custom section, so one component with other such sections is a release each.

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, told, wharf};

const GRANTS: &str = "/v1/tenants/acme/plugins/made/grants";

/// Runs a command on a host: exit status, what it printed as JSON, what it said.
fn run(host: &Host, words: &[&str]) -> (i32, Value, String) {
    let output = wharf().args(["-o", "json"]).args(words).env("WHARF_URL", &host.url).output().unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed, told(output.stderr))
}

/// Uploads the probe, which says that it needs this, and gives what is known of the release.
fn upload(site: &Site, host: &Host, says: &str) -> Value {
    let mut wasm = std::fs::read(guest("probe")).unwrap();
    let body = [b"\x0bwharf:needs", says.as_bytes()].concat();
    let length = u8::try_from(body.len()).unwrap();
    assert!(length < 128, "more would be two bytes");
    wasm.extend([&[0, length], body.as_slice()].concat());
    site.write("probe.wasm", wasm);
    let file = site.folder.path().join("probe.wasm").display().to_string();
    let (exit, release, said) = run(host, &["plugin", "upload", "made", &file]);
    assert_eq!(exit, 0, "{release} {said}");
    release
}

fn digest(release: &Value) -> &str {
    release["release"].as_str().unwrap()
}

/// A rule that gives the plugin every event of the probe.
fn add_rule(host: &Host) {
    let rule = ["rules", "add", "made", "--pattern", r#"{"type": [{"prefix": "probe."}]}"#, "--target", "made"];
    assert_eq!(run(host, &rule).0, 0);
}

const SITE: &str = "default_tenant = \"acme\"\n[tenants.acme]\n";

#[test]
fn a_release_that_asks_for_more_waits_until_it_is_granted() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    let first = upload(&site, &host, r#"{"kv": ["default"], "publish": []}"#);
    assert_eq!(first["state"], "needs-grant");
    assert_eq!(first["missing"], json!(["kv made (write)"]));
    let (exit, _, said) = run(&host, &["promote", "made"]);
    assert_eq!(exit, 5, "{said}");
    assert!(said.contains("grant-needed") && said.contains("wharf grant approve made"), "{said}");
    let (_, granted, _) = run(&host, &["grant", "approve", "made"]);
    assert_eq!((&granted["granted"], &granted["waiting"]), (&json!({"publish": [], "kv": ["made"]}), &json!([])));
    assert_eq!(run(&host, &["promote", "made"]).0, 0);
    add_rule(&host);
    host.send("one", "probe.increment");
    host.settled("acme");
    assert_eq!(host.value("made", "shared").as_deref(), Some("1"));

    // The next one asks for more: the difference is told, and the old one serves on.
    let second = upload(&site, &host, r#"{"kv": ["default", "orders"], "publish": ["probe.*"]}"#);
    assert_eq!(
        (&second["state"], &second["new"]),
        (&json!("needs-grant"), &json!(["publish probe.*", "kv orders (write)"]))
    );
    let (_, waiting, _) = run(&host, &["grant", "ls", "made"]);
    assert_eq!(waiting["waiting"][0]["release"], second["release"]);
    assert_eq!(run(&host, &["promote", "made", digest(&second)]).0, 5);
    host.send("two", "probe.increment");
    host.settled("acme");
    assert_eq!(host.value("made", "shared").as_deref(), Some("2"));
    // A part of it is not enough.
    run(&host, &["grant", "approve", "made", "--publish", "probe.*"]);
    assert_eq!(run(&host, &["promote", "made", digest(&second)]).0, 5);
    host.kill();

    let host = site.start("serve");
    assert_eq!(host.get(GRANTS).1["waiting"][0]["missing"], json!(["kv orders (write)"]), "it waits still");
    assert_eq!(run(&host, &["grant", "approve", "made", digest(&second)]).0, 0);
    assert_eq!(run(&host, &["promote", "made", digest(&second)]).0, 0);
    host.send("told", "probe.tell");
    host.settled("acme");
    assert!(host.value("made", "told").is_some());

    // One that does not say what it needs is met by any grant of the kind, and cannot be granted without a name.
    assert_eq!(run(&host, &["grant", "revoke", "made", "--publish", "*"]).0, 0);
    let (exit, coarse, _) = run(&host, &["plugin", "upload", "made", &guest("probe").display().to_string()]);
    assert_eq!((exit, &coarse["missing"]), (0, &json!(["publish (which types it does not say: --publish 'TYPE.*')"])));
    let (exit, _, said) = run(&host, &["grant", "approve", "made", digest(&coarse)]);
    assert!(exit == 5 && said.contains("grant-unsaid") && said.contains("--publish"), "{exit} {said}");
    assert_eq!(run(&host, &["grant", "approve", "made", "--publish", "other.*"]).0, 0);
    assert_eq!(run(&host, &["promote", "made", digest(&coarse)]).0, 0);
    assert_eq!(host.stop(), Some(0));
}

/// The last failure of the only letter in the queue.
fn refused(host: &Host, sent: usize) -> String {
    host.settled("acme");
    let dead = host.dead("made");
    assert_eq!(dead.len(), sent, "{dead:?}");
    dead.iter().map(Value::to_string).collect()
}

#[test]
fn what_is_taken_back_or_not_asked_for_is_denied_at_the_next_attempt() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    let release = upload(&site, &host, r#"{"kv": ["default"], "publish": ["probe.told"]}"#);
    assert_eq!(run(&host, &["grant", "approve", "made"]).0, 0);
    assert_eq!(run(&host, &["promote", "made", digest(&release)]).0, 0);
    let rule =
        r#"{"pattern": {"type": [{"prefix": "probe."}]}, "targets": [{"plugin": "made", "retry": {"attempts": 1}}]}"#;
    assert_eq!(host.put("/v1/tenants/acme/buses/default/rules/made", None, rule).0, 201);
    host.send("told", "probe.tell");
    host.settled("acme");
    assert_eq!(host.value("made", "told").map(|_| ()), Some(()));

    // It did not ask for that, so it does not get it, whatever is granted.
    assert_eq!(run(&host, &["grant", "approve", "made", "--publish", "*"]).0, 0);
    host.send("chain", "probe.chain");
    assert!(refused(&host, 1).contains("publishing `probe.chain` is not granted"), "{}", refused(&host, 1));

    // Reading is not writing.
    assert_eq!(run(&host, &["grant", "revoke", "made", "--kv", "made"]).0, 0);
    assert_eq!(run(&host, &["grant", "approve", "made", "--kv", "made:read"]).0, 0);
    host.send("write", "probe.increment");
    refused(&host, 2);
    host.wait_for_log("bucket `made` is granted for reading only; in wharf.toml: grants = { publish = [\\\"probe.told\\\"], kv = [\\\"made\\\"] }");
    assert_eq!(run(&host, &["grant", "revoke", "made", "--kv", "made"]).0, 0);
    host.send("open", "probe.increment");
    refused(&host, 3);
    host.wait_for_log("bucket `made` is not granted");
    let (exit, _, said) = run(&host, &["grant", "revoke", "made", "--kv", "made"]);
    assert!(exit != 0 && said.contains("covers no grant of plugin"), "{said}");
    // Going back is always possible.
    let other = upload(&site, &host, r#"{"kv": [], "publish": []}"#);
    assert_eq!(other["state"], "ready");
    assert_eq!(run(&host, &["promote", "made", digest(&other)]).0, 0);
    assert_eq!(run(&host, &["rollback", "made"]).1["stable"], release["release"]);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn nothing_is_granted_above_the_ceiling_and_a_lower_one_counts_at_once() {
    let http = "http = [\"POST https://api.test/v1/*\"]";
    let site = Site::new(&format!("{SITE}ceiling = {{ publish = [\"probe.*\"], kv = [\"made\"], {http} }}\n"));
    let host = site.start("dev");
    upload(&site, &host, r#"{"kv": ["default"], "publish": ["probe.told"]}"#);
    assert_eq!(run(&host, &["grant", "approve", "made"]).0, 0);
    for above in [
        ["--publish", "*"],
        ["--kv", "other"],
        ["--http", "GET https://api.test/v1/x"],
        ["--http", "POST https://api.test/v2/x"],
        ["--http", "POST https://*.test/v1/x"],
    ] {
        let (exit, _, said) = run(&host, &["grant", "approve", "made", above[0], above[1]]);
        assert!(exit == 4 && said.contains("grant-ceiling"), "{above:?} {exit} {said}");
    }
    let (status, _, told) = host.put("/v1/tenants/acme/plugins/made", None, r#"{"grants": {"kv": ["other"]}}"#);
    assert_eq!((status, &told["code"]), (403, &json!("grant-ceiling")));
    assert_eq!(run(&host, &["promote", "made"]).0, 0);
    add_rule(&host);
    host.send("one", "probe.increment");
    host.settled("acme");
    assert_eq!(host.value("made", "added").as_deref(), Some("1"));

    site.write("wharf.toml", format!("{SITE}ceiling = {{ publish = [\"probe.*\"], kv = [\"made:read\"] }}\n"));
    host.wait_for_log("reloaded rules");
    host.until("the new ceiling", || host.get(GRANTS).1["ceiling"]["kv"] == json!(["made:read"]));
    assert_eq!(host.get(GRANTS).1["waiting"][0]["missing"], json!(["kv made (write)"]), "it waits again");
    host.send("two", "probe.increment");
    host.wait_for_log("bucket `made` is granted for reading only");
    host.kill();

    // A file whose plugin has more than its tenant may have is refused at its place.
    let plugin = format!(
        "[tenants.acme.plugins.p]\ncomponent = \"{}\"\ngrants = {{ kv = [\"p\"] }}\n",
        guest("probe").display()
    );
    let (exit, said) = Site::new(&format!("{SITE}ceiling = {{ kv = [] }}\n{plugin}")).refuse("serve");
    assert!(exit != 0 && said.contains("kv p (write)"), "{said}");
}

#[test]
fn what_a_plugin_in_rust_says_that_it_needs_is_in_its_component() {
    for (name, asks) in [("event-stats", "kv default (write)"), ("github-triage", "publish triage.*")] {
        let output = wharf().args(["-o", "json", "inspect"]).arg(guest(name)).output().unwrap();
        let inspected: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(inspected["asks"], json!([asks]), "{name}");
    }
}

#[test]
fn dev_says_at_once_what_a_plugin_asks_for_and_the_line_that_grants_it() {
    let component = guest("github-triage").display().to_string();
    let plugin = |grants: &str| format!("{SITE}[tenants.acme.plugins.triage]\ncomponent = {component:?}\n{grants}");
    let site = Site::new(&plugin(""));
    let host = site.start("dev");
    let line = "grants = { publish = [\\\"triage.*\\\"] }";
    let said = host.wait_for_log(line);
    assert!(said.contains("plugin `triage` asks for publish triage.* and is not granted that"), "{said}");
    assert_eq!(host.stop(), Some(0));
    site.write("wharf.toml", plugin("grants = { publish = [\"triage.*\"] }\n"));
    let host = site.start("dev");
    assert_eq!(host.lines_before(line, "\"ready\""), 0, "pasted, it is not asked for again");
    assert_eq!(host.stop(), Some(0));
}
