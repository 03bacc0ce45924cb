//! A release on its way: told state by state, and started once before it is ready. And what else takes long says how far it is, where a person looks.
//!
//! Method: the states are read as a browser would, from the stream of events of the release.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, wharf};

const SITE: &str = "default_tenant = \"acme\"\n[tenants.acme]\n";

/// What a release goes through that is granted nothing yet.
const WAY: [&str; 5] = ["uploaded", "inspecting", "compiling", "probing", "needs-grant"];

fn run(host: &Host, words: &[&str]) -> (i32, Value) {
    let output = wharf().args(["-o", "json"]).args(words).env("WHARF_URL", &host.url).output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// The states that a stream of a release tells until its end.
fn states(host: &Host, path: &str) -> Vec<Value> {
    let address = host.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("text/event-stream"), "{answer}");
    let data = answer.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_takes_long_says_how_far_it_is_on_a_terminal_and_nowhere_else() {
    let site = Site::probe("", "attempts = 1");
    let binary = wharf().get_program().to_str().unwrap().to_owned();
    // A terminal of its own, which is given to stdout whole.
    let on_terminal = Command::new("script")
        .args(["-qec", &format!("{binary} check"), "/dev/null"])
        .current_dir(site.folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(on_terminal.stdout).unwrap();
    assert!(on_terminal.status.success() && said.contains("\r1 of 1 components compiled\u{1b}[K"), "{said:?}");
    assert!(said.contains("\r\u{1b}[K"), "the line is taken away: {said:?}");
    let elsewhere = wharf().arg("check").current_dir(site.folder.path()).output().unwrap();
    let said = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(elsewhere.status.success() && !said.contains('\r') && !said.contains("compiled"), "{said:?}");
}

#[test]
fn a_release_tells_every_state_that_it_is_seen_in_until_it_is_at_rest() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    let wasm = std::fs::read(guest("probe")).unwrap();
    // Its name is that of its bytes: the host finds out and says it.
    let (exit, known) = run(&host, &["plugin", "upload", "other", &guest("probe").display().to_string()]);
    assert_eq!((exit, &known["state"]), (0, &json!("needs-grant")));
    let hex = known["release"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let path = format!("/v1/tenants/acme/plugins/made/releases/{hex}");
    assert_eq!(host.get(&path).0, 404);
    assert_eq!(host.put(&path, None, wasm).0, 202);
    let told: Vec<_> = states(&host, &path).iter().map(|view| view["state"].as_str().unwrap().to_owned()).collect();
    let mut way = WAY.iter();
    assert!(told.iter().all(|state| way.any(|next| next == state)), "in their order: {told:?}");
    assert_eq!(told.last().map(String::as_str), Some("needs-grant"));
    // Of one that is at rest there is one event.
    assert_eq!(states(&host, &path).len(), 1);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_cannot_start_within_its_limits_never_becomes_ready() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    site.write("settings.json", r#"{"limits": {"memory_mib": 1}}"#);
    let file = |name: &str| site.folder.path().join(name).display().to_string();
    assert_eq!(run(&host, &["plugin", "set", "made", "--file", &file("settings.json")]).0, 0);
    let hoarder = guest("hoarder").display().to_string();
    let held = |folder: &str| std::fs::read_dir(site.folder.path().join("data").join(folder)).unwrap().count();
    let artifacts = held("cache");
    let (exit, release) = run(&host, &["plugin", "upload", "made", &hoarder]);
    assert_eq!((exit, &release["failure"]["code"]), (10, &json!("component-probe")), "{release}");
    assert!(release["failure"]["detail"].as_str().unwrap().contains("limit-memory"), "{release}");
    assert_eq!((held("components"), held("cache")), (0, artifacts), "neither its bytes nor what they were compiled to");
    // With more it can.
    site.write("settings.json", r#"{"limits": {"memory_mib": 8}}"#);
    assert_eq!(run(&host, &["plugin", "set", "made", "--file", &file("settings.json")]).0, 0);
    let (exit, release) = run(&host, &["plugin", "upload", "made", &hoarder]);
    assert_eq!((exit, &release["state"]), (0, &json!("ready")), "{release}");
    assert_eq!(host.stop(), Some(0));
}
