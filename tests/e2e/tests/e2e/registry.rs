//! Plugins are made while a host runs: uploaded, promoted amid events, rolled back, found again after a kill; and what is no plugin
//! leaves nothing behind.

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, wharf};

const PLUGIN: &str = "/v1/tenants/acme/plugins/made";

/// Runs a command on a host: exit status, and what it printed as JSON.
pub fn run(host: &Host, words: &[&str]) -> (i32, Value) {
    let output = wharf().args(["-o", "json"]).args(words).env("WHARF_URL", &host.url).output().unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed)
}

/// The probe, with a few bytes more that say nothing: another release that does the same.
pub fn variant(site: &Site, number: u8) -> String {
    let mut wasm = std::fs::read(guest("probe")).unwrap();
    // A custom section: its length, the length of its name, its name, its content.
    wasm.extend_from_slice(&[0, 4, 2, b'v', b'n', number]);
    let name = format!("probe-{number}.wasm");
    site.write(&name, wasm);
    site.folder.path().join(name).display().to_string()
}

pub fn upload(host: &Host, file: &str) -> String {
    let (exit, release) = run(host, &["plugin", "upload", "made", file, "-m", "a message"]);
    assert_eq!((exit, release["state"].as_str()), (0, Some("ready")), "{release}");
    release["release"].as_str().unwrap().to_owned()
}

/// A host with the plugin `made`, granted what the probe needs, and a rule for it.
pub fn made(site: &Site) -> (Host, [String; 2]) {
    let host = site.start("serve");
    site.write("settings.json", r#"{"grants": {"kv": ["made"], "publish": ["probe.*"]}}"#);
    let settings = site.folder.path().join("settings.json").display().to_string();
    assert_eq!(run(&host, &["plugin", "set", "made", "--file", &settings]).0, 0);
    let releases = [1, 2].map(|number| upload(&host, &variant(site, number)));
    assert_eq!(run(&host, &["promote", "made", &releases[0][..20]]).0, 0);
    let rule = ["rules", "add", "made", "--pattern", r#"{"type": [{"prefix": "probe."}]}"#, "--target", "made"];
    assert_eq!(run(&host, &rule).0, 0);
    (host, releases)
}

/// The release that handled an event of which all deliveries ended.
pub fn handled_by(host: &Host, id: &str, kind: &str) -> String {
    let position = host.send(id, kind)["position"].as_str().unwrap().to_owned();
    host.settled("acme");
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{position}"));
    detail["deliveries"][0]["attempts"][0]["release"].as_str().unwrap().to_owned()
}

fn files(site: &Site) -> usize {
    std::fs::read_dir(site.folder.path().join("data/components")).unwrap().count()
}

#[test]
fn a_plugin_is_uploaded_and_promoted_amid_events_and_is_the_same_after_a_kill() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let (host, releases) = made(&site);
    assert_eq!(handled_by(&host, "first", "probe.increment"), releases[0]);
    let url = host.url.clone();
    let sending = std::thread::spawn(move || {
        (0..400).all(|n| crate::host::try_send(&url, &format!("amid-{n}"), "probe.add-hot") == Some(202))
    });
    for n in 0..20 {
        let (exit, plugin) = run(&host, &["promote", "made", &releases[(n + 1) % 2]]);
        assert_eq!((exit, plugin["stable"].as_str()), (0, Some(releases[(n + 1) % 2].as_str())));
    }
    assert!(sending.join().unwrap(), "no event was refused");
    let stats = host.settled("acme");
    assert_eq!((stats["retries"].as_u64(), stats["dead_letters"].as_u64()), (Some(0), Some(0)), "{stats}");
    assert_eq!(host.value("made", "hot").as_deref(), Some("400"));
    let (exit, plugin) = run(&host, &["promote", "made", &releases[1]]);
    assert_eq!(exit, 0, "{plugin}");
    host.kill();

    let host = site.start("serve");
    assert_eq!(host.get(PLUGIN).1["stable"].as_str(), Some(releases[1].as_str()));
    assert_eq!(handled_by(&host, "after", "probe.increment"), releases[1]);
    assert_eq!(
        run(&host, &["rollback", "made", "-m", "not that one"]).1["stable"].as_str(),
        Some(releases[0].as_str())
    );
    assert_eq!(handled_by(&host, "back", "probe.increment"), releases[0]);
    // Neither what never had the traffic nor what is not the plugin's own can be gone back to.
    let never = upload(&host, &variant(&site, 3));
    assert_eq!(run(&host, &["rollback", "made", &never]).0, 5);
    let (exit, other) = run(&host, &["plugin", "upload", "other", &guest("counter").display().to_string()]);
    assert_eq!((exit, run(&host, &["rollback", "made", other["release"].as_str().unwrap()]).0), (0, 3));
    assert_eq!(run(&host, &["plugin", "rm", "other"]).0, 0);
    let (_, history) = run(&host, &["plugin", "history", "made"]);
    let last = history.as_array().unwrap().last().unwrap();
    assert_eq!((&last["action"], &last["reason"]), (&json!("rolled-back"), &json!("not that one")));
    assert_eq!(run(&host, &["plugin", "rm", "made"]).0, 5, "a rule names it");
    assert_eq!(run(&host, &["rules", "rm", "made"]).0, 0);
    assert_eq!(run(&host, &["plugin", "rm", "made"]).0, 0);
    assert_eq!(files(&site), 0);
    assert_eq!(host.get(PLUGIN).0, 404);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_canary_that_fails_is_rolled_back_by_itself_and_every_event_is_settled() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let host = site.start("serve");
    // What only the other one reads: every second event fails at its first attempt.
    let settings = r#"{"config": {"retry_every": 2, "fail_every": 0, "after_ms": 1}, "grants": {"kv": ["made"], "publish": ["probe.*"]}}"#;
    site.write("settings.json", settings);
    let settings = site.folder.path().join("settings.json").display().to_string();
    assert_eq!(run(&host, &["plugin", "set", "made", "--file", &settings]).0, 0);
    let good = upload(&host, &guest("probe").display().to_string());
    assert_eq!(run(&host, &["promote", "made"]).0, 0);
    let bad = upload(&host, &guest("flaky").display().to_string());
    let rule = ["rules", "add", "made", "--pattern", r#"{"type": ["order.placed"]}"#, "--target", "made"];
    assert_eq!(run(&host, &rule).0, 0);
    let canary = ["promote", "made", &bad, "--canary", "30%", "--abort-on", "error_rate>5%"];
    let (exit, plugin) = run(&host, &canary);
    assert_eq!((exit, plugin["canary"]["share"].as_str()), (0, Some("30%")), "{plugin}");
    let mut sent = 0;
    let ended = loop {
        for _ in 0..20 {
            sent += 1;
            host.send(&format!("gh-{sent}"), "order.placed");
        }
        let (_, plugin) = host.get(PLUGIN);
        if plugin.get("canary").is_none() {
            break plugin;
        }
        assert!(sent < 20_000, "{plugin}");
    };
    assert_eq!(ended["stable"].as_str(), Some(good.as_str()));
    let last = ended["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((last["action"].as_str(), last["cause"].as_str()), (Some("canary-ended"), Some("judgement")), "{last}");
    let stats = host.settled("acme");
    assert_eq!(stats["dead_letters"].as_u64(), Some(0), "{stats}");
    assert!(stats["retries"].as_u64().unwrap() > 0, "{stats}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_is_no_plugin_is_told_by_its_code_and_leaves_nothing() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let host = site.start("serve");
    let wasm = std::fs::read(guest("probe")).unwrap();
    let upload = |name: &str, bytes: &[u8]| {
        site.write("bad.wasm", bytes);
        let file = site.folder.path().join("bad.wasm").display().to_string();
        let (exit, release) = run(&host, &["plugin", "upload", "bad", &file]);
        (exit, release["failure"]["code"].as_str().unwrap_or("none").to_owned(), name.to_owned())
    };
    let failed = |code: &str, name: &str| (10, code.to_owned(), name.to_owned());
    assert_eq!(upload("text", b"no wasm at all"), failed("component-not-wasm", "text"));
    assert_eq!(upload("module", b"\0asm\x01\0\0\0"), failed("component-core-module", "module"));
    assert_eq!(upload("cut", &wasm[..wasm.len() / 2]), failed("component-invalid", "cut"));
    let impure = std::fs::read(guest("impure-transform")).unwrap();
    assert_eq!(upload("impure", &impure), failed("component-impure", "impure"));
    // A real one with some bytes changed: fit or not, but never a fault of the host.
    for n in 0..40_usize {
        let mut mutated = wasm.clone();
        for step in 1..=3 {
            let at = (n * 7_919 + step * 104_729) % mutated.len();
            mutated[at] ^= 1 << (n % 8);
        }
        let (exit, code, _) = upload("mutated", &mutated);
        assert!(exit == 0 && code == "none" || exit == 10 && code.starts_with("component-"), "{n}: {exit} {code}");
    }
    let ready = host.get("/v1/tenants/acme/plugins/bad/releases").1;
    let ready = ready.as_array().map_or(0, |all| all.iter().filter(|it| it["state"] == "needs-grant").count());
    assert_eq!(files(&site), ready, "only what is fit is kept");
    let zeros = "0".repeat(64);
    let (status, _, told) = host.put(&format!("/v1/tenants/acme/plugins/x/releases/{zeros}"), None, b"other bytes");
    assert_eq!((status, told["code"].as_str()), (422, Some("release-mismatch")));
    assert_eq!(files(&site), ready);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_digest_alone_gives_nobody_the_component_of_another_tenant() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n[tenants.north]\n");
    let host = site.start("serve");
    let (exit, release) = run(&host, &["plugin", "upload", "made", &guest("probe").display().to_string()]);
    assert_eq!(exit, 0, "{release}");
    let hex = release["release"].as_str().unwrap().trim_start_matches("sha256:");
    let of = |tenant: &str, plugin: &str| format!("/v1/tenants/{tenant}/plugins/{plugin}/releases/{hex}");
    let (status, _, told) = host.put(&of("north", "stolen"), None, b"other bytes");
    assert_eq!((status, told["code"].as_str()), (422, Some("release-mismatch")), "it has the digest only");
    assert_eq!(host.get(&of("north", "stolen")).0, 404);
    assert_eq!(files(&site), 1, "what the other tenant has stays");
    let (status, ..) = host.put(&of("north", "own"), None, std::fs::read(guest("probe")).unwrap());
    assert_eq!(status, 202);
    // What a tenant has sent it need not send again, whatever the plugin.
    assert_eq!(host.put(&of("acme", "made"), None, b"").0, 200);
    assert_eq!(host.put(&of("acme", "other"), None, b"").0, 202);
    let (exit, other) = run(&host, &["plugin", "upload", "other", &guest("probe").display().to_string()]);
    assert_eq!((exit, &other["bytes"]), (0, &release["bytes"]), "{other}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_transform_is_not_tried_out_beside_a_handler_and_the_reason_says_so() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let (host, _) = made(&site);
    let (exit, transform) = run(&host, &["plugin", "upload", "made", &guest("transform-probe").display().to_string()]);
    assert_eq!((exit, transform["state"].as_str()), (0, Some("ready")), "{transform}");
    let release = format!("{}/promote", PLUGIN);
    let promotion = json!({ "release": transform["release"], "canary": { "share": "10%" } }).to_string();
    let (status, told) = host.post(&release, "application/json", promotion);
    assert_eq!((status, &told["code"]), (409, &json!("channel-invalid")), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("is a transform"), "{told}");
    let (status, told) =
        host.post(&release, "application/json", json!({ "release": transform["release"] }).to_string());
    assert_eq!((status, &told["code"]), (409, &json!("plugin-in-use")), "{told}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_tenant_has_a_thousand_plugins_and_no_more() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let host = site.start("serve");
    let put = |name: &str| host.put(&format!("/v1/tenants/acme/plugins/{name}"), None, "{}").0;
    for n in 0..1_000 {
        assert_eq!(put(&format!("p{n}")), 201);
    }
    assert_eq!((put("more"), put("p7")), (409, 200));
    let refused = wharf().args(["--url", &host.url, "plugin", "upload", "more", &variant(&site, 1)]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(5) && said.contains("plugins-too-many"), "{refused:?}");
    assert_eq!((host.delete("/v1/tenants/acme/plugins/p7"), put("more")), (204, 201));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_release_that_is_lost_keeps_no_other_tenant_from_being_served() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let (host, releases) = made(&site);
    assert_eq!(run(&host, &["tenant", "create", "other"]).0, 0);
    let of_other = |words: &[&str]| run(&host, &[&["-t", "other"], words].concat()).0;
    let settings = site.folder.path().join("settings.json").display().to_string();
    assert_eq!(of_other(&["plugin", "set", "made", "--file", &settings]), 0);
    assert_eq!(of_other(&["plugin", "upload", "made", &variant(&site, 3)]), 0);
    let (_, theirs) = run(&host, &["-t", "other", "plugin", "releases", "made"]);
    let theirs = theirs[0]["release"].as_str().unwrap().to_owned();
    assert_eq!(of_other(&["promote", "made", &theirs]), 0);
    assert_eq!(host.stop(), Some(0));
    // Neither its code nor its component is there any more.
    let data = site.folder.path().join("data");
    let hex = theirs.trim_start_matches("sha256:");
    let of_them = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().contains(hex);
    let files: Vec<_> = std::fs::read_dir(data.join("components")).unwrap().map(Result::unwrap).collect();
    std::fs::remove_file(files.iter().find(|file| of_them(file)).unwrap().path()).unwrap();
    for file in std::fs::read_dir(data.join("cache")).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().ends_with(".cwasm") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let host = site.start("serve");
    assert_eq!(handled_by(&host, "after", "probe.increment"), releases[0]);
    assert_eq!(host.stop(), Some(0));
}
