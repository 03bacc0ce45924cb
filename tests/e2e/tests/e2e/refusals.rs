//! Bad input is answered with a stable code, and nothing changes.

use serde_json::json;

use crate::{
    artifacts::parts,
    host::{Site, guest, wharf},
};

#[test]
fn a_bad_component_is_refused_by_its_own_code() {
    let site = Site::probe("", "attempts = 1");
    let core_module = b"\0asm\x01\0\0\0".to_vec();
    let empty_component = b"\0asm\x0d\0\x01\0".to_vec();
    // Noise, made the same every time.
    let random: Vec<u8> = (0u32..1 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut cut = std::fs::read(guest("probe")).unwrap();
    cut.truncate(cut.len() / 2);
    let cases = [
        ("component-not-wasm", b"fn main() {}".to_vec()),
        ("component-not-wasm", random),
        ("component-core-module", core_module),
        ("component-world", empty_component),
        ("component-invalid", cut),
        ("component-import", with_unknown_import()),
        ("component-precompiled", precompiled()),
        ("component-too-large", vec![0; (64 << 20) + 1]),
    ];
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let probe = guest("probe").display().to_string();
    for (code, bytes) in cases {
        site.write("bad.wasm", bytes);
        site.write("wharf.toml", config.replace(&probe, "bad.wasm"));
        let (status, said) = site.refuse("serve");
        assert!(
            status != 0 && said.contains(&format!("error[{code}]")) && said.contains("wharf.toml:4:13"),
            "{code}: {said}"
        );
    }
    // A section of its own says what it needs, in words that are none.
    let mut needs = std::fs::read(guest("flaky")).unwrap();
    needs.extend([&[0, 16, 11][..], b"wharf:needs", b"nope"].concat());
    site.write("bad.wasm", needs);
    let (status, said) = site.refuse("serve");
    assert!(status != 0 && said.contains("error[component-needs]"), "{said}");
    let output = wharf().current_dir(site.folder.path()).arg("check").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(10) && said.contains("error[component-needs]"), "{said}");
    assert!(!site.folder.path().join("data").exists(), "no data folder is made for what cannot run");
    site.write("wharf.toml", config.replace(&probe, "nowhere.wasm"));
    assert!(site.refuse("serve").1.contains("error[component-missing]"));
}

/// The probe as this very host compiles it.
fn precompiled() -> Vec<u8> {
    let probe = std::fs::File::open(guest("probe")).unwrap();
    let output = wharf().arg("compile").stdin(probe).output().unwrap();
    assert!(output.status.success());
    // Before the artifact it says whether it had a network.
    parts(&output.stdout).pop().unwrap()
}

/// The probe, with the name of one of its imports changed to one that there is not.
fn with_unknown_import() -> Vec<u8> {
    let mut bytes = std::fs::read(guest("probe")).unwrap();
    let (name, other) = (b"wasi:keyvalue/atomics@0.2.0-draft", b"wasi:keyvalue/atomicz@0.2.0-draft");
    let places: Vec<_> = bytes.windows(name.len()).enumerate().filter(|(_, w)| w == name).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "the probe imports atomics");
    for at in places {
        bytes[at..at + other.len()].copy_from_slice(other);
    }
    bytes
}

#[test]
fn all_mistakes_of_a_configuration_are_told_at_once_with_their_places() {
    let site = Site::new(
        r#"default_tenant = "nobody"
[tenants.acme.plugins.p]
component = "p.wasm"
limit = { wall_ms = 1 }
[tenants.acme.rules.r]
pattern = { type = [{ prefixx = "a" }] }
[[tenants.acme.rules.r.targets]]
plugin = "q"
retry = { first = "5 minutes" }
"#,
    );
    let (status, said) = site.refuse("serve");
    assert_ne!(status, 0);
    assert_eq!(said.matches("which is not a tenant").count(), 1, "told once:\n{said}");
    for expected in [
        "wharf.toml:1:18",
        "which is not a tenant",
        "wharf.toml:4:1",
        "has no key `limit`",
        "wharf.toml:6:",
        "error[pattern-invalid]",
        "there is no plugin `q`",
        "wharf.toml:9:19",
        "`5 minutes` is no length of time",
        "help:",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
}

#[test]
fn a_configuration_that_is_too_large_is_refused_and_not_read_in_part() {
    let site = Site::probe("", "attempts = 1");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", format!("{config}\n{}", "# padding\n".repeat((16 << 20) / 10 + 1)));
    let (status, said) = site.refuse("serve");
    assert!(
        status != 0 && said.contains("error[config-invalid]") && said.contains("larger than 16777216 bytes"),
        "{said}"
    );
}

#[test]
fn bad_events_change_nothing() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    let event = |change: fn(&mut serde_json::Value)| {
        let mut event = json!({"specversion": "1.0", "id": "a", "source": "s", "type": "probe.increment"});
        change(&mut event);
        event.to_string()
    };
    let structured = "application/cloudevents+json";
    let cases = [
        ("/events", structured, "{\"specversion\":".to_owned(), 400, "event-json"),
        ("/events", structured, event(|e| e["specversion"] = "0.3".into()), 400, "event-specversion"),
        ("/events", structured, event(|e| e["id"] = "".into()), 400, "event-attribute"),
        ("/events", structured, event(|e| e["source"] = "a\r\nHost: evil".into()), 400, "event-attribute"),
        ("/events", structured, event(|e| e["data"] = "x".repeat(2 << 20).into()), 413, "event-too-large"),
        ("/v1/tenants/nobody/buses/default/events", structured, event(|_| ()), 404, "tenant-unknown"),
        ("/v1/tenants/acme/buses/nowhere/events", structured, event(|_| ()), 404, "bus-unknown"),
    ];
    for (path, content_type, body, status, code) in cases {
        let (got, answer) = host.post(path, content_type, body);
        assert_eq!((got, &answer["code"]), (status, &code.into()), "{answer}");
    }
    assert_eq!(host.stats("acme")["events"], 0);
    assert_eq!(host.send("a", "probe.increment")["duplicate"], false, "a refused event is not remembered");
}

#[test]
fn a_bind_that_is_not_loopback_is_refused() {
    let site = Site::probe("", "attempts = 1");
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7070"] {
        let args = ["serve", "--config", "wharf.toml", "--data", "data", "--listen", address];
        let output = wharf().current_dir(site.folder.path()).args(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("error[bind-not-loopback]"), "{address}: {said}");
    }
}
