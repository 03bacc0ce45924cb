//! Goal: a plugin's request leaves the host where a grant allows it, as it was made, once for each attempt; nothing else leaves, whatever it is
//! dressed up as; and people see what left, what did not, and how it would be granted.
//! Method: a server of the test's own counts what comes; the guest `caller` sends what an event has for it and publishes what came of it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, guest, wharf},
    recordings::recorded,
    services,
    webhooks::names,
};

/// A server whose answer is what it was asked, as text; a path tells it to do otherwise. What came is given on.
pub fn server() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (came, coming) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, came) = (stream.unwrap(), came.clone());
            std::thread::spawn(move || {
                // A host that gives up breaks off.
                let _ = serve(stream, &came);
            });
        }
    });
    (port, coming)
}

fn serve(mut stream: TcpStream, came: &std::sync::mpsc::Sender<String>) -> std::io::Result<()> {
    let mut reading = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        if reading.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reading.read_exact(&mut body)?;
    let text = head.clone() + &String::from_utf8_lossy(&body);
    let _ = came.send(text.clone());
    let answer = |status: &str, more: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{more}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    match head.split(' ').nth(1).unwrap_or_default() {
        "/moved" => write!(stream, "{}", answer("302 Found", "location: /elsewhere\r\n", "")),
        "/large" => write!(stream, "{}", answer("200 OK", "", &"x".repeat(3 << 20))),
        "/fields" => write!(stream, "{}", answer("200 OK", &format!("x: {}\r\n", "x".repeat(300_000)), "")),
        // A byte now and then, for ever.
        "/slow" => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
            loop {
                write!(stream, "x")?;
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        "/broken" => Ok(()),
        path => match services::answer(path, &text) {
            Some((status, more, body)) => write!(stream, "{}", answer(status, more, &body)),
            None => write!(stream, "{}", answer("200 OK", "", &text)),
        },
    }
}

/// A site whose plugin `caller` is granted this, within these limits.
pub fn site(grants: &str, limits: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.0/8\"]\n[tenants.acme.plugins.caller]\n\
         component = \"{}\"\ngrants = {{ publish = [\"called\"], http = [{grants}] }}\nlimits = {{ {limits} }}\n\
         [tenants.acme.rules.calls]\npattern = {{ type = [\"call\", \"fail\", \"again\"] }}\n\
         targets = [{{ plugin = \"caller\", retry = {{ attempts = 2, first = \"1ms\" }} }}]\n",
        guest("caller").display()
    ))
}

pub const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Sends an event with requests to be sent, and gives its attempts when all is done.
pub fn calls(host: &Host, id: &str, kind: &str, calls: &Value) -> Vec<Value> {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "test", "type": kind, "traceparent": TRACE, "data": calls
    });
    let (status, answer) = host.post("/events", "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
    host.settled("acme");
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{}", answer["position"].as_str().unwrap()));
    detail["deliveries"][0]["attempts"].as_array().unwrap().clone()
}

/// What came of the requests of the only event whose attempt ended well.
pub fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=called");
    assert_eq!(events.as_array().unwrap().len(), 1, "{events}");
    events[0]["event"]["data"].as_array().unwrap().clone()
}

pub fn lines(attempt: &Value) -> String {
    attempt["log"].as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned() + "\n").collect()
}

/// Whether a line of the host's log has these fields, whatever they are where nothing is said.
pub fn has_fields(line: &str, fields: &[(&str, Value)]) {
    let line: Value = serde_json::from_str(line).unwrap();
    for (name, value) in fields {
        assert!(!line[name].is_null() && (value.is_null() || line[name] == *value), "{name}: {line}");
    }
}

/// How many requests of the tenant to a port of this machine came to that, as `/metrics` says it.
fn told(host: &Host, port: u16, came: &str) -> Option<String> {
    let head = format!(
        "http_client_request_duration_seconds_count{{tenant=\"acme\",server_address=\"127.0.0.1\",server_port=\"{port}\",{came}}} "
    );
    let (_, metrics) = host.get("/metrics");
    let metrics = metrics.as_str().unwrap().to_owned();
    metrics.lines().find_map(|line| line.strip_prefix(&head)).map(str::to_owned)
}

/// Bytes that went to a port of this machine and came from there, as `/metrics` says it.
fn carried(host: &Host, port: u16) -> [u64; 2] {
    let (_, metrics) = host.get("/metrics");
    ["request", "response"].map(|side| {
        let place = format!("tenant=\"acme\",server_address=\"127.0.0.1\",server_port=\"{port}\"");
        let head = format!("http_client_{side}_body_size_bytes_sum{{{place}}} ");
        let line = metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&head));
        line.unwrap_or_else(|| panic!("{head}")).parse().unwrap()
    })
}

#[test]
fn egress_sends_what_is_granted_as_it_was_made_and_people_see_it() {
    let (port, server) = server();
    let site = site(&format!("\"POST http://127.0.0.1:{port}/v1/* private\""), "");
    let host = site.start_with("serve", &["--log", "debug"]);
    let call = json!({
        "method": "POST", "url": format!("http://127.0.0.1:{port}/v1/notes?a=b"), "body": "hello",
        "headers": [["x-note", "1"]]
    });
    let attempts = calls(&host, "one", "call", &json!([call, call]));
    let [first, second] = [server.recv().unwrap(), server.recv().unwrap()];
    assert!(first.starts_with("POST /v1/notes?a=b HTTP/1.1\r\n") && first.ends_with("\r\n\r\nhello"), "{first}");
    for field in ["x-note: 1", "user-agent: wharf/", "content-length: 5", &format!("traceparent: {TRACE}")] {
        assert!(first.contains(field), "{field}: {first}");
    }
    assert_eq!(first.matches("host: ").count(), 1, "{first}");
    let key = |text: &str| text.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap().to_owned();
    assert!(key(&first) != key(&second) && key(&first).ends_with("-1") && key(&second).ends_with("-2"), "{first}");
    assert_eq!(came(&host)[0]["status"][0], 200);
    has_fields(
        &host.wait_for_log("a plugin's request"),
        &[
            ("http.request.method", json!("POST")),
            ("server.address", json!("127.0.0.1")),
            ("server.port", json!(port)),
            ("http.response.status_code", json!(200)),
            ("http.client.request.duration", Value::Null),
        ],
    );
    let measured = told(&host, port, "http_response_status_code=\"200\",error_type=\"\"");
    assert_eq!(measured.as_deref(), Some("2"));
    // What was answered is what was asked, as it came.
    assert_eq!(carried(&host, port), [10, (first.len() + second.len()) as u64]);
    let said = lines(&attempts[0]);
    assert!(said.contains(&format!("POST http://127.0.0.1:{port}/v1/notes: 200 in ")), "{said}");
    assert!(!said.contains("a=b"), "what stands behind a question mark may be a secret: {said}");
    // What was asked for twice, since its attempt failed, carries the same key both times.
    let got = json!({"method": "POST", "url": format!("http://127.0.0.1:{port}/broken"), "body": "x"});
    let attempts = calls(&host, "two", "again", &json!([call, got]));
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(attempts[0]["limits"], json!(["http-denied"]));
    let [again, once_more] = [server.recv().unwrap(), server.recv().unwrap()].map(|heard| key(&heard));
    assert!(again == once_more && again != key(&first) && again.ends_with("-1"), "{again} {once_more}");
    let usage = wharf().args(["--url", &host.url, "-o", "json", "usage"]).output().unwrap();
    let usage = String::from_utf8(usage.stdout).unwrap();
    assert!(usage.contains("\"bytes_out\"") && usage.contains("caller"), "{usage}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn egress_is_denied_until_granted_and_the_line_that_grants_it_is_told() {
    let (port, server) = server();
    let site = site("", "");
    let host = site.start("serve");
    let attempts = calls(&host, "one", "call", &json!([{"url": format!("http://localhost:{port}/a/b")}]));
    assert_eq!(came(&host), [json!({"refused": "denied"})]);
    assert_eq!(attempts[0]["limits"], json!(["http-denied"]));
    let said = lines(&attempts[0]);
    let line = format!("grants = {{ publish = [\"called\"], http = [\"GET http://localhost:{port}/a/b\"] }}");
    assert!(said.contains("http-denied: GET http://localhost") && said.contains(&line), "{said}");
    assert!(said.contains(&format!("wharf grant approve caller --http 'GET http://localhost:{port}/a/b'")), "{said}");
    assert!(server.try_recv().is_err());
    assert_eq!(host.stop(), Some(0));
}

/// Names and spellings of this machine and of what lies near it.
const NEAR: [&str; 32] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "localhost",
    "LOCALHOST",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "100.64.0.1",
    "[fe80::1]",
    "[fc00::1]",
    "224.0.0.1",
    "255.255.255.255",
];

/// Paths that are another path to whoever reads them once more.
const AMBIGUOUS: [&str; 8] =
    ["/v1/../x", "/v1/%2e%2e/x", "/v1/.%2E/x", "/v1/..%2fx", "/v1/..;/x", "/v1/%252e%252e/x", "//v1/x", "/V1/x"];

#[test]
fn no_way_out_of_egress_leads_around_its_grants() {
    let (port, server) = server();
    // All hosts, but no private ones; and one path of this machine.
    let granted = format!("\"http://*:*\", \"http://127.0.0.1:{port}/v1/* private\"");
    let site = site(&granted, "http_ms = 5000, http_calls = 200");
    let host = site.start("serve");
    let mut wanted = Vec::new();
    let mut list = Vec::new();
    let mut way = |call: Value, comes: &'static str| {
        list.push(call);
        wanted.push(comes);
    };
    for host in NEAR {
        way(json!({"url": format!("http://{host}:{port}/x")}), "address");
    }
    for path in AMBIGUOUS {
        way(json!({"url": format!("http://127.0.0.1:{port}{path}")}), "address");
    }
    // Another scheme, another port, a user before the host.
    way(json!({"url": format!("https://127.0.0.1:{port}/v1/x")}), "denied");
    way(json!({"url": "http://127.0.0.1:1/v1/x"}), "address");
    for authority in [format!("127.0.0.1@evil.example:{port}"), format!("user:word@127.0.0.1:{port}")] {
        way(json!({"raw": ["http", authority, "/v1/x"]}), "ErrorCode::HttpRequestUriInvalid");
    }
    let attempts = calls(&host, "one", "call", &json!(list));
    let came: Vec<_> =
        came(&host).iter().zip(&list).map(|(came, call)| (came["refused"].clone(), call.clone())).collect();
    let wanted: Vec<_> = wanted.iter().zip(&list).map(|(wanted, call)| (json!(wanted), call.clone())).collect();
    assert_eq!(came, wanted);
    let met = attempts[0]["limits"].as_array().unwrap();
    for code in ["address-denied", "http-denied", "http-invalid"] {
        assert!(met.contains(&json!(code)), "{met:?}");
    }
    assert!(server.try_recv().is_err(), "somebody heard of it");
    // Who may change it, and how: the tenant, and the operator where that is missing too; and no more than was asked for.
    let said = |id: &str, host_name: &str| {
        let call = json!([{"url": format!("http://{host_name}:{port}/x")}]);
        lines(&calls(&host, id, "call", &call)[0])
    };
    let near = said("near", "127.0.0.1");
    let line = format!("--http 'GET http://127.0.0.1:{port}/x private'");
    assert!(near.contains("a loopback address") && near.contains(&line) && !near.contains("under [egress]"), "{near}");
    let inside = said("inside", "10.0.0.1");
    for part in
        ["under [egress] in wharf.toml: \"10.0.0.1\"", &format!("--http 'GET http://10.0.0.1:{port}/x private'")]
    {
        assert!(inside.contains(part), "{part}: {inside}");
    }
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn egress_to_a_name_that_leads_elsewhere_the_second_time_reaches_nobody() {
    let ((port, server), (dns, _asked)) = (server(), names(|look| [127, 0, 0, if look == 0 { 1 } else { 2 }]));
    let site = site(&format!("\"http://hook.test:{port} private\""), "");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let named = format!("networks = [\"127.0.0.1/32\"]\ndns = [\"127.0.0.1:{dns}\"]");
    site.write("wharf.toml", config.replace("networks = [\"127.0.0.0/8\"]", &named));
    let host = site.start("serve");
    let call = json!({"url": format!("http://hook.test:{port}/a")});
    let attempts = calls(&host, "one", "call", &json!([call, call]));
    let came = came(&host);
    assert_eq!(
        (&came[0]["status"][0], &came[1]["refused"]),
        (&json!(200), &json!("address")),
        "{}",
        lines(&attempts[0])
    );
    assert_eq!(attempts[0]["limits"], json!(["address-denied"]));
    let said = lines(&attempts[0]);
    assert!(said.contains("under [egress] in wharf.toml: \"127.0.0.2\"") && !said.contains("private'"), "{said}");
    assert_eq!(server.try_iter().count(), 1);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn egress_sets_its_own_host_and_follows_nobody() {
    let (port, server) = server();
    let site = site(&format!("\"http://127.0.0.1:{port} private\""), "");
    let host = site.start("serve");
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let list = json!([
        {"url": url("/moved")},
        {"url": url("/a"), "headers": [["host", "evil.example"]]},
        {"url": url("/a"), "headers": [["transfer-encoding", "chunked"]]},
        {"url": url("/a"), "headers": [["connection", "upgrade"]]},
        {"url": url("/a"), "headers": [["x", "a\r\ny: b"]]},
        {"url": url("/a b"), "headers": []},
        {"raw": ["gopher", format!("127.0.0.1:{port}"), "/"]},
        {"raw": ["http", format!("127.0.0.1:{port}"), "http://evil.example/"]},
        {"raw": ["http", format!("127.0.0.1:{port}\r\nx: y"), "/"]},
        {"method": "CONNECT", "url": url("/")},
        {"method": "TRACE", "url": url("/")},
        {"method": "GET / HTTP/1.1\r\nx:", "url": url("/")},
        {"url": "http://bücher.example/"},
    ]);
    calls(&host, "one", "call", &list);
    let came = came(&host);
    assert_eq!(came[0]["status"][0], 302);
    for (call, came) in list.as_array().unwrap().iter().zip(&came).skip(1) {
        assert!(came["refused"].is_string(), "{call}: {came}");
    }
    let heard: Vec<_> = server.try_iter().collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn egress_of_an_attempt_has_an_end_in_time_in_calls_and_in_bytes() {
    let (port, server) = server();
    let limits = "http_ms = 300, http_calls = 9, http_kib = 1024, wall_ms = 60000";
    let site = site(&format!("\"http://127.0.0.1:{port} private\""), limits);
    let host = site.start("serve");
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let list = json!([
        {"url": url("/a"), "headers": [["x", "x".repeat(40_000)]]},
        {"url": url("/fields")},
        {"url": url("/slow")},
        {"url": url("/slow"), "timeout_ms": 50},
        {"raw": ["http", format!("127.0.0.1:{port}"), "/a"], "endless": true},
        {"url": url("/a")},
        {"method": "POST", "url": url("/a"), "bytes": 2 << 20},
        {"url": url("/large")},
        {"url": url("/a")},
    ]);
    let attempts = calls(&host, "one", "call", &list);
    let came = came(&host);
    let refused: Vec<_> = came.iter().map(|came| came["refused"].as_str().unwrap_or("")).collect();
    assert!(refused[1].starts_with("no answer"), "{refused:?}");
    let wanted = ["timeout", "timeout", "ErrorCode::ConnectionWriteTimeout", "", "limit", "limit", "limit"];
    assert_eq!((refused[0], &refused[2..]), ("limit", wanted.as_slice()));
    let said = lines(&attempts[0]);
    for bound in [
        "40",
        "its body is longer than what is left of the 1024 KiB",
        "what is left of 10484",
        "may send and get 1024 KiB",
    ] {
        assert!(said.contains(bound), "{bound}: {said}");
    }
    let met = attempts[0]["limits"].as_array().unwrap();
    for code in ["limit-http", "http-timeout", "http-unreachable"] {
        assert!(met.contains(&json!(code)), "{met:?}");
    }
    let many: Vec<_> = (0..10).map(|_| json!({"url": url("/a")})).collect();
    let attempts = calls(&host, "two", "fail", &json!(many));
    assert!(lines(&attempts[0]).contains("an attempt may send 9 requests"), "{}", lines(&attempts[0]));
    drop(server);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn egress_that_is_under_way_when_its_attempt_ends_is_told() {
    let (port, server) = server();
    let site = site(&format!("\"http://127.0.0.1:{port} private\""), "wall_ms = 300, http_ms = 60000");
    let host = site.start("serve");
    let attempts = calls(&host, "one", "call", &json!([{"url": format!("http://127.0.0.1:{port}/slow")}]));
    assert_eq!(attempts[0]["limits"], json!(["limit-wall"]));
    let said = lines(&attempts[0]);
    assert!(said.contains("/slow: the attempt ended before its answer"), "{said}");
    let recorded = recorded(&host, "one", 1);
    let told = |name: &str| recorded[0].1.iter().find(|field| field["name"] == name).map(|field| field["text"].clone());
    assert_eq!((recorded.len(), told("error"), told("status")), (1, Some(json!("unfinished")), None), "{recorded:?}");
    server.recv().unwrap();
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn egress_rests_where_it_only_fails() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = site(&format!("\"http://127.0.0.1:{port} private\""), "");
    let host = site.start("serve");
    let list: Vec<_> =
        (0..7).map(|_| json!({"method": "POST", "url": format!("http://127.0.0.1:{port}/"), "body": "x"})).collect();
    let attempts = calls(&host, "one", "call", &json!(list));
    assert_eq!(attempts[0]["limits"], json!(["http-unreachable", "http-rest"]));
    assert_eq!(lines(&attempts[0]).matches("http-rest: ").count(), 2, "{}", lines(&attempts[0]));
    // What did not leave is not measured.
    let measured = told(&host, port, "http_response_status_code=\"\",error_type=\"http-unreachable\"");
    assert_eq!(measured.as_deref(), Some("5"));
    assert_eq!(carried(&host, port), [0, 0], "what nobody took did not go");
    assert_eq!(host.stop(), Some(0));
}
