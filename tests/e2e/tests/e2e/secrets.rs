//! Goal: a secret reaches the host that it is granted for, in its field, and can be found nowhere else: not by the guest, not in what people are
//! shown, not in the host's files. Under another key it does not open.

use std::{io::Write as _, path::Path, process::Stdio};

use serde_json::{Value, json};

use crate::{
    egress::{calls, came, lines, server},
    host::{Host, Site, guest, told, wharf},
};

const VALUE: &str = "sk_live_Zq81NoBodyElseHasThis";

/// A site whose plugin reaches two servers, of which one is to get the secret.
fn site(port: u16, other: u16) -> Site {
    site_with(port, other, "Authorization: Bearer {secret:stripe}")
}

/// The same, where this of a request has it.
fn site_with(port: u16, other: u16, place: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.0/8\"]\n[tenants.acme.plugins.caller]\n\
         component = \"{}\"\n[tenants.acme.plugins.caller.grants]\npublish = [\"called\"]\n\
         http = [\"http://127.0.0.1:{port} private\", \"http://127.0.0.1:{other} private\"]\n\
         secrets = [\"http://127.0.0.1:{port} {place}\"]\n\
         [tenants.acme.rules.calls]\npattern = {{ type = [\"call\", \"fail\"] }}\n\
         targets = [{{ plugin = \"caller\", retry = {{ attempts = 1 }} }}]\n",
        guest("caller").display()
    ))
}

/// What `wharf secret` says and how it ends, with this on its stdin.
pub fn secret(host: &Host, words: &[&str], stdin: &str) -> (i32, String) {
    let mut command = wharf();
    command.args(["--url", &host.url, "-o", "json", "secret"]).args(words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that reads nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains(VALUE), "{said}");
    (output.status.code().unwrap(), said)
}

/// Whether bytes are in a file of a folder, and where.
pub fn found(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(self::found(&entry.path(), bytes));
        } else if entry.file_name() != "ballast"
            && std::fs::read(entry.path()).unwrap().windows(bytes.len()).any(|window| window == bytes)
        {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

/// Where bytes are in the data folder of a site whose host does not run, or in a backup of it, which is made and stays.
pub fn found_in_data(site: &Site, bytes: &[u8]) -> Vec<String> {
    let backup = site.folder.path().join("backup");
    if !backup.exists() {
        let made =
            wharf().current_dir(site.folder.path()).args(["backup", "backup", "--data", "data"]).output().unwrap();
        assert_eq!(made.status.code(), Some(0), "{made:?}");
    }
    assert!(std::fs::read_dir(&backup).unwrap().count() > 0);
    let folders = [site.folder.path().join("data"), backup];
    // What is there is found: the name of the tenant.
    assert!(folders.iter().all(|folder| !found(folder, b"acme").is_empty()));
    folders.iter().flat_map(|folder| found(folder, bytes)).collect()
}

#[test]
fn a_secret_reaches_its_host_and_is_found_nowhere_else() {
    let ((port, server), (other, another)) = (server(), server());
    let site = site(port, other);
    let host = site.start_with("serve", &["--log", "trace"]);
    let call = |port| json!([{"url": format!("http://127.0.0.1:{port}/x"), "headers": [["authorization", "mine"]]}]);

    // Without it nothing is sent.
    let attempts = calls(&host, "none", "fail", &call(port));
    assert_eq!(attempts[0]["limits"], json!(["secret-unknown"]));
    assert!(lines(&attempts[0]).contains("wharf secret set stripe"), "{}", lines(&attempts[0]));
    assert!(server.try_recv().is_err());

    assert_eq!(secret(&host, &["set", "stripe"], "two\nlines\n").0, 1);
    assert_eq!(secret(&host, &["set", "stripe"], "another value\n").0, 0);
    let (exit, kept) = secret(&host, &["set", "stripe"], &format!("{VALUE}\n"));
    assert_eq!((exit, serde_json::from_str::<Value>(&kept).unwrap()["version"].as_u64()), (0, Some(2)));
    let (_, listed) = secret(&host, &["ls"], "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["secret"], &listed[0]["version"]), (&json!("stripe"), &json!(2)), "{listed}");
    let attempts = calls(&host, "one", "call", &call(port));
    let heard = server.recv().unwrap();
    assert!(heard.contains(&format!("authorization: Bearer {VALUE}\r\n")) && !heard.contains("mine"), "{heard}");
    // A guest may also say where it goes.
    let named = json!([{"url": format!("http://127.0.0.1:{port}/x"), "headers": [["authorization", "Bearer {secret:stripe}"]]}]);
    calls(&host, "named", "fail", &named);
    assert!(server.recv().unwrap().contains(&format!("authorization: Bearer {VALUE}\r\n")));
    // The server repeats all that it heard; the guest sees none of it.
    let answer = came(&host)[0]["status"][1].as_str().unwrap().to_owned();
    assert!(answer.contains("authorization: Bearer [secret:stripe]"), "{answer}");
    // It goes to nobody else.
    calls(&host, "two", "fail", &call(other));
    assert!(another.recv().unwrap().contains("authorization: mine\r\n"));

    let mut shown = attempts.iter().map(Value::to_string).collect::<String>();
    for path in ["events", "usage", "plugins/caller", "plugins/caller/grants", "secrets", "stats", "kv"] {
        shown += &host.get(&format!("/v1/tenants/acme/{path}")).1.to_string();
    }
    shown += &host.get("/metrics").1.to_string();
    let tail = wharf().args(["--url", &host.url, "-o", "json", "events", "ls"]).output().unwrap();
    shown += &String::from_utf8_lossy(&tail.stdout);
    for (words, part) in
        [(["trace", "one", "-o", "json"].as_slice(), "caller"), (&["events", "show", "one", "--calls"], "handle")]
    {
        let output = wharf().args(["--url", &host.url]).args(words).output().unwrap();
        let said = told(output.stdout);
        assert!(output.status.success() && said.contains(part), "{words:?}: {said}");
        shown += &said;
    }
    assert!(!shown.contains(VALUE) && shown.contains("stripe"), "{shown}");
    calls(&host, "mark", "fail", &json!([{"url": "http://marker.test/"}]));
    assert_eq!(host.lines_before(VALUE, "marker.test"), 0);
    // A crash leaves no image of its memory behind, not by a program either.
    let limits = host.proc("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["1", "1"], "{core}");
    host.kill();
    let folder = site.folder.path().join("data");
    assert_eq!(found_in_data(&site, VALUE.as_bytes()), Vec::<String>::new());

    let host = site.start("serve");
    calls(&host, "three", "fail", &call(port));
    assert!(server.recv().unwrap().contains(VALUE), "a crash forgets none");
    assert_eq!(found(&folder, VALUE.as_bytes()), Vec::<String>::new());
    for n in 1..64 {
        assert_eq!(host.put(&format!("/v1/tenants/acme/secrets/s{n}"), None, r#"{"value": "x"}"#).0, 201);
    }
    let full = host.put("/v1/tenants/acme/secrets/more", None, r#"{"value": "x"}"#);
    assert_eq!((full.0, &full.2["code"]), (409, &json!("secrets-too-many")));
    assert_eq!(secret(&host, &["rm", "stripe"], "").0, 0);
    assert_eq!(secret(&host, &["rm", "stripe"], "").0, 3);
    // What comes behind one that is gone is the first of its name.
    let (_, kept) = secret(&host, &["set", "stripe"], VALUE);
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap()["version"], 1);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_secret_of_a_query_reaches_its_host_and_is_found_nowhere_else() {
    const PART: &str = "NobodyReadsThisInAQuery";
    let (value, encoded) = (format!("q/4 2&{PART}"), format!("q%2F4%202%26{PART}"));
    let ((port, server), (other, another)) = (server(), server());
    let site = site_with(port, other, "?api_key=v1:{secret:stripe}");
    let host = site.start_with("serve", &["--log", "trace"]);
    assert_eq!(secret(&host, &["set", "stripe"], &value).0, 0);
    let call = |port: u16, query: &str| json!([{"url": format!("http://127.0.0.1:{port}/x{query}")}]);
    let line = |heard: String| heard.lines().next().unwrap().to_owned();
    let attempts = calls(&host, "one", "call", &call(port, "?a=1&api%5Fkey=mine&b"));
    let whole = format!("GET /x?a=1&b&api_key=v1%3A{encoded} HTTP/1.1");
    assert_eq!(line(server.recv().unwrap()), whole);
    // The server repeats all that it heard; the guest sees none of it.
    let answer = came(&host)[0]["status"][1].as_str().unwrap().to_owned();
    assert!(answer.starts_with("GET /x?a=1&b&api_key=v1%3A[secret:stripe] HTTP/1.1\r\n"), "{answer}");
    // Nor may it choose an answer that is compressed, or a part of one.
    let choosing = json!([{"url": format!("http://127.0.0.1:{port}/x"),
        "headers": [["accept-encoding", "gzip"], ["range", "bytes=0-3"], ["x", "y"]]}]);
    calls(&host, "choosing", "fail", &choosing);
    let heard = server.recv().unwrap().to_ascii_lowercase();
    assert!(heard.contains("accept-encoding: identity\r\n") && heard.contains("x: y\r\n"), "{heard}");
    assert!(!heard.contains("gzip") && !heard.contains("range"), "{heard}");
    // A guest may leave it out, or say where it goes.
    for (n, query) in ["", "?", "?api_key={secret:stripe}"].iter().enumerate() {
        calls(&host, &format!("said {n}"), "fail", &call(port, query));
        assert_eq!(line(server.recv().unwrap()), format!("GET /x?api_key=v1%3A{encoded} HTTP/1.1"));
    }
    // It goes to nobody else, and with no URL that is longer than one may be.
    calls(&host, "two", "fail", &call(other, "?api_key=mine"));
    assert_eq!(line(another.recv().unwrap()), "GET /x?api_key=mine HTTP/1.1");
    let long = calls(&host, "long", "fail", &call(port, &format!("?a={}", "x".repeat(2_000))));
    assert_eq!(long[0]["limits"], json!(["http-invalid"]), "{long:?}");
    assert!(server.try_recv().is_err());

    let mut shown = Value::from(attempts).to_string() + &Value::from(long).to_string();
    for path in ["events", "plugins/caller", "plugins/caller/grants", "secrets"] {
        shown += &host.get(&format!("/v1/tenants/acme/{path}")).1.to_string();
    }
    shown += &host.get("/metrics").1.to_string();
    for (words, part) in
        [(["trace", "one", "-o", "json"].as_slice(), "caller"), (&["events", "show", "long", "--calls"], "handle")]
    {
        let output = wharf().args(["--url", &host.url]).args(words).output().unwrap();
        let said = told(output.stdout);
        assert!(output.status.success() && said.contains(part), "{words:?}: {said}");
        shown += &said;
    }
    assert!(!shown.contains(PART) && shown.contains("?api_key=v1:{secret:stripe}"), "{shown}");
    calls(&host, "mark", "fail", &json!([{"url": "http://marker.test/"}]));
    assert_eq!(host.lines_before(PART, "marker.test"), 0);
    host.kill();
    assert_eq!(found_in_data(&site, PART.as_bytes()), Vec::<String>::new());
}

#[test]
fn a_secret_is_sealed_under_the_key_of_a_file_where_one_is_named() {
    let (port, server) = server();
    let site = site(port, port);
    let with_file = || {
        let mut command = site.command("serve");
        command.env("WHARF_SECRET_KEY_FILE", "elsewhere.key");
        command
    };
    let said = told(with_file().output().unwrap().stderr);
    assert!(said.contains("secret-closed") && said.contains("elsewhere.key"), "{said}");
    site.write("elsewhere.key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let host = site.start_command(with_file());
    assert_eq!(secret(&host, &["set", "stripe"], VALUE).0, 0);
    assert_eq!(host.stop(), Some(0));
    assert!(!site.folder.path().join("data/secret.key").exists(), "there is one key");
    let host = site.start_command(with_file());
    calls(&host, "one", "fail", &json!([{"url": format!("http://127.0.0.1:{port}/x")}]));
    assert!(server.recv().unwrap().contains(VALUE));
    assert_eq!(host.stop(), Some(0));
    // The same key, said in another way.
    let mut command = site.command("serve");
    command.env("WHARF_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let host = site.start_command(command);
    calls(&host, "two", "fail", &json!([{"url": format!("http://127.0.0.1:{port}/x")}]));
    assert!(server.recv().unwrap().contains(VALUE));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_secret_does_not_open_under_another_key() {
    let (port, server) = server();
    let site = site(port, port);
    let with = |key: &str| {
        let mut command = site.command("serve");
        command.env("WHARF_SECRET_KEY", key);
        command
    };
    let host = site.start_command(with("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    assert_eq!(secret(&host, &["set", "stripe"], VALUE).0, 0);
    assert_eq!(host.stop(), Some(0));
    let host = site.start_command(with("AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    let warned = host.wait_for_log("secrets that do not open");
    for part in ["acme/stripe", "secret-closed", "wharf secret set"] {
        assert!(warned.contains(part), "{warned}");
    }
    let call = json!([{"url": format!("http://127.0.0.1:{port}/x")}]);
    let attempts = calls(&host, "one", "fail", &call);
    assert_eq!(attempts[0]["limits"], json!(["secret-closed"]));
    assert!(server.try_recv().is_err());
    assert_eq!(host.stop(), Some(0));
    let output = with("no key").output().unwrap();
    let said = told(output.stderr);
    assert!(!output.status.success() && said.contains("error[secret-closed]: the variable WHARF_SECRET_KEY"), "{said}");
    // Without any key it is told too, and nothing but a key can stand in its place.
    let host = site.start("serve");
    assert!(host.wait_for_log("secrets that do not open").contains("this host has no key"));
    assert_eq!(host.stop(), Some(0));
    std::fs::create_dir(site.folder.path().join("data/secret.key")).unwrap();
    let (status, said) = site.refuse("serve");
    assert!(
        status == 1 && said.contains("error[secret-closed]: secret.key in the data folder cannot be read"),
        "{said}"
    );
}
