//! Goal: a component of `wasi:http/proxy` that was made for other hosts answers the requests of a route, within every limit; what it does wrong
//! harms nobody else, and whoever asks is told so by a stable code.
//! Method: `web-probe`, which is made with nothing of Wharf's, does what a path says; requests come by plain sockets, so that a slow or a
//! broken one can be sent too.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    egress,
    host::{Host, PATIENCE, Site, guest, left_out, wharf},
};

/// An answer as it came.
pub struct Got {
    pub status: u16,
    /// Its head, in lower case.
    pub head: String,
    pub body: Vec<u8>,
    /// Whether it came to its end.
    pub is_whole: bool,
}

impl Got {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn code(&self) -> String {
        let problem: Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no problem: {}", self.text()));
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        assert_eq!(problem["status"], self.status, "{problem}");
        problem["code"].as_str().unwrap().to_owned()
    }

    fn field(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
    }
}

pub fn connected(host: &Host) -> TcpStream {
    let stream = TcpStream::connect(host.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn authority(host: &Host) -> &str {
    host.url.strip_prefix("http://").unwrap()
}

/// Sends the head of a request, and what else there is.
fn sent(host: &Host, line: &str, fields: &str, body: &[u8]) -> TcpStream {
    let mut stream = connected(host);
    write!(stream, "{line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{fields}\r\n", authority(host)).unwrap();
    stream.write_all(body).unwrap();
    stream
}

pub fn asked(host: &Host, line: &str, body: &[u8]) -> Got {
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    got(&mut sent(host, line, &length, body))
}

/// The same with more fields, each with its line's end.
pub fn asked_with(host: &Host, line: &str, fields: &str, body: &[u8]) -> Got {
    got(&mut sent(host, line, &format!("{fields}content-length: {}\r\n", body.len()), body))
}

/// A request without a body that is on its way.
pub fn begun(host: &Host, line: &str) -> TcpStream {
    sent(host, line, "", b"")
}

/// Reads an answer to its end, or to where it breaks off.
pub fn got(stream: &mut TcpStream) -> Got {
    let mut reading = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reading.read_line(&mut head).unwrap() > 0, "no answer: {head:?}");
    }
    let head = head.replace("\r\n", "\n").to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let (mut body, mut is_whole) = (Vec::new(), true);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|it| it.parse().unwrap());
    if let Some(length) = length {
        body.resize(length, 0);
        is_whole = reading.read_exact(&mut body).is_ok();
    } else if head.contains("transfer-encoding: chunked") {
        loop {
            let mut size = String::new();
            let read = reading.read_line(&mut size).unwrap_or(0);
            let Some(size) = (read > 0).then(|| usize::from_str_radix(size.trim(), 16).ok()).flatten() else {
                is_whole = false;
                break;
            };
            let mut piece = vec![0; size + 2];
            is_whole &= reading.read_exact(&mut piece).is_ok();
            if size == 0 || !is_whole {
                break;
            }
            body.extend_from_slice(&piece[..size]);
        }
    }
    Got { status, head, body, is_whole }
}

/// A site with the probe behind `/probe/*`, these limits and grants, and what follows.
pub fn site(limits: &str, rest: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.0/8\"]\n[tenants.acme.plugins.web]\ncomponent = \"{}\"\n\
         limits = {{ {limits} }}\n{rest}\n[tenants.acme.routes.\"/probe/*\"]\nplugin = \"web\"\nrequest_size = \"1MiB\"\nanswer_size = \"1MiB\"\n",
        guest("web-probe").display()
    ))
}

#[test]
fn a_component_made_for_other_hosts_answers_requests_as_they_are() {
    let host = site("", "").start("serve");
    let line = "POST /t/acme/probe/x%2Fy/echo?a=b%20c";
    let fields =
        "content-length: 5\r\nx-own: One\r\nx-own: two\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-prefix: /lie\r\n";
    let echo = got(&mut sent(&host, line, fields, b"hello"));
    assert_eq!((echo.status, echo.field("x-probe").as_deref()), (200, Some("echo")), "{}", echo.text());
    let text = echo.text();
    let first = format!("Post /probe/x%2Fy/echo?a=b%20c {:?}\n", authority(&host));
    assert!(text.contains(&first), "{text}");
    assert!(text.ends_with("\n\nhello"), "{text}");
    for field in
        ["x-own: One\n", "x-own: two\n", "x-forwarded-for: 203.0.113.9, 127.0.0.1\n", "x-forwarded-prefix: /t/acme\n"]
    {
        assert!(text.contains(field), "{field}: {text}");
    }
    assert_eq!(echo.field("wharf-request-id").unwrap().len(), 32);
    let mut with_length = 0;
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let echo = asked(&host, &format!("{method} /t/acme/probe/echo"), b"");
        assert_eq!(echo.status, 200, "{method}");
        with_length += u32::from(echo.field("content-length").is_some());
        assert!(echo.text().to_uppercase().contains(method), "{method}: {}", echo.text());
    }
    // One whose guest's turn ended between its head and its end leaves without it.
    assert!(with_length > 0, "small answers have their length");
    let head = sent(&host, "HEAD /t/acme/probe/length", "", b"");
    let mut text = String::new();
    { head }.read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("content-length: 5") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    for status in [204, 301, 404, 418, 503] {
        assert_eq!(asked(&host, &format!("GET /t/acme/probe/status?n={status}"), b"").status, status);
    }
    // Each request has an instance of its own.
    for _ in 0..3 {
        assert_eq!(asked(&host, "GET /t/acme/probe/requests", b"").text(), "1");
    }
}

#[test]
fn the_closest_route_answers_and_what_has_none_is_told_so() {
    let rest = "[tenants.acme.routes.\"/probe/echo\"]\nplugin = \"web\"\nmethods = [\"GET\", \"HEAD\"]\n\
        [tenants.acme.routes.\"/gone\"]\nplugin = \"count\"\n[tenants.acme.plugins.count]\ncomponent = \"COUNTER\"\n"
        .replace("COUNTER", &guest("counter").display().to_string());
    let host = site("", &rest).start("serve");
    let refused = asked(&host, "POST /t/acme/probe/echo", b"x");
    assert_eq!((refused.status, refused.code().as_str()), (405, "method-not-allowed"));
    assert_eq!(refused.field("allow").as_deref(), Some("get, head"));
    assert_eq!(asked(&host, "GET /t/acme/probe/echo", b"").status, 200);
    assert_eq!(asked(&host, "POST /t/acme/probe/echo/", b"x").status, 404, "that is the probe's own");
    for path in ["/t/acme", "/t/acme/", "/t/acme/other", "/t/acme/probes/echo"] {
        let refused = asked(&host, &format!("GET {path}"), b"");
        assert_eq!((refused.status, refused.code().as_str()), (404, "route-unknown"), "{path}");
    }
    assert_eq!(asked(&host, "GET /t/nobody/probe/echo", b"").code(), "tenant-unknown");
    assert_eq!(asked(&host, "GET /t/acme/gone", b"").code(), "route-idle", "it handles events");
    let foreign = got(&mut sent(&host, "GET /t/acme/probe/echo", "origin: http://evil.example\r\n", b""));
    assert_eq!(foreign.code(), "origin-foreign");
    let rule = r#"{"pattern": {"type": ["t"]}, "targets": [{"plugin": "web"}]}"#;
    let (status, _, refused) = host.put("/v1/tenants/acme/buses/default/rules/r", None, rule);
    assert_eq!((status, &refused["code"]), (422, &Value::from("handler-kind")), "{refused}");
    host.stop();
    let site = site("", "[tenants.acme.rules.r]\npattern = { type = [\"t\"] }\ntargets = [{ plugin = \"web\" }]\n");
    let (_, said) = site.refuse("serve");
    assert!(said.contains("the plugin `web` answers requests"), "{said}");
}

#[test]
fn what_fails_is_told_by_its_code_and_the_host_goes_on() {
    let host = site("cpu_ms = 100, wall_ms = 1000, memory_mib = 16", "").start("serve");
    for (path, status, code) in [
        ("trap", 502, "route-failed"),
        ("none", 502, "route-failed"),
        ("error", 502, "route-failed"),
        ("fields", 502, "route-failed"),
        ("spin", 502, "route-failed"),
        ("memory?n=100000000", 502, "route-failed"),
        ("sleep?n=5000", 504, "route-timeout"),
    ] {
        let failed = asked(&host, &format!("GET /t/acme/probe/{path}"), b"");
        assert_eq!((failed.status, failed.code().as_str()), (status, code), "{path}: {}", failed.text());
        let id = failed.field("wharf-request-id").unwrap();
        assert!(!failed.text().contains("as asked"), "what a plugin says is not for whoever asks: {}", failed.text());
        let line = host.wait_for_log("failed in");
        assert!(line.contains(&id), "{line}");
    }
    // Whether its head had left when its body was too short is a matter of moments: it is told, or it breaks off.
    let mut told = Vec::new();
    let _ = sent(&host, "GET /t/acme/probe/short", "", b"").read_to_end(&mut told);
    let told = String::from_utf8(told).unwrap();
    assert!(told.is_empty() || told.contains(" 502 ") || told.ends_with("five!"), "{told}");
    host.wait_for_log("/probe/short failed");
    // So is whether an answer had left when what was behind it failed, since the guest's turn may end in between.
    let set = asked(&host, "GET /t/acme/probe/set-and-trap", b"");
    if set.status == 200 {
        assert!("never seen".starts_with(&set.text()), "{}", set.text());
    } else {
        assert_eq!((set.status, set.code().as_str()), (502, "route-failed"));
    }
    host.wait_for_log("failed in");
    // Its head had left: it breaks off.
    let half = asked(&host, "GET /t/acme/probe/half-and-trap", b"");
    assert_eq!((half.status, half.body.len(), half.is_whole), (200, 1_000, false));
    assert_eq!(asked(&host, "GET /t/acme/probe/requests", b"").text(), "1");
    let (_, metrics) = host.get("/metrics");
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.lines().any(|line| line.contains("plugin=\"web\"") && line.contains("handler-trap")), "{metrics}");
    let behind = asked(&host, "GET /t/acme/probe/behind?n=100", b"");
    assert_eq!((behind.text().as_str(), behind.is_whole), ("first", true));
    host.wait_for_log("behind its answer");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_component_in_python_made_for_other_hosts_answers() {
    let component = guest("languages-python-bare-web");
    if !component.exists() {
        return left_out("a component in Python that answers requests: `cargo xtask guests --lang python` builds it");
    }
    let component = component.display();
    let host = Site::new(&format!(
        "[tenants.acme.plugins.web]\ncomponent = \"{component}\"\n[tenants.acme.routes.\"/*\"]\nplugin = \"web\"\n"
    ))
    .start("serve");
    for path in ["/hooks/a", "/hooks/b?c=d"] {
        let answer = asked(&host, &format!("GET /t/acme{path}"), b"");
        assert_eq!((answer.status, answer.text()), (200, format!("Python was asked {path}")));
    }
}

#[test]
fn a_script_that_answers_fetch_events_for_other_hosts_answers() {
    let component = guest("languages-js-fetch");
    if !component.exists() {
        return left_out("a script that answers fetch events: `cargo xtask guests --spidermonkey` builds it");
    }
    let component = component.display();
    let host = Site::new(&format!(
        "[tenants.acme.plugins.web]\ncomponent = \"{component}\"\n[tenants.acme.routes.\"/*\"]\nplugin = \"web\"\n"
    ))
    .start("serve");
    let answer = asked(&host, "GET /t/acme/hooks?c=d", b"");
    let said = "JavaScript was asked /hooks with d, and told 0 letters";
    assert_eq!((answer.status, answer.text().as_str()), (200, said));
    let answer = asked(&host, "POST /t/acme/", "ü".repeat(70_000).as_bytes());
    let said = "JavaScript was asked / with null, and told 70000 letters";
    assert_eq!((answer.status, answer.text().as_str()), (201, said));
}

#[test]
fn what_the_sdks_of_go_and_c_make_of_a_function_answers() {
    for lang in ["go", "c"] {
        let component = guest(&format!("languages-{lang}-web"));
        if !component.exists() {
            left_out(&format!("a function in {lang} that answers: `cargo xtask guests --lang {lang}` builds it"));
            continue;
        }
        let output = wharf().args(["-o", "json", "inspect"]).arg(&component).output().unwrap();
        let inspected: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(inspected["world"], "wasi:http/proxy", "{inspected}");
        let needs = inspected["needs"].as_array().unwrap();
        assert!(["publish", "kv", "http", "logging"].iter().all(|it| !needs.contains(&(*it).into())), "{inspected}");
        let host = Site::new(&format!(
            "[tenants.acme.plugins.web]\ncomponent = \"{}\"\n[tenants.acme.routes.\"/*\"]\nplugin = \"web\"\nreuse = 20\n",
            component.display()
        ))
        .start("serve");
        // A name that is longer than what is read, and written, at a time.
        for name in ["Ada".to_owned(), "ü".repeat(100_000)] {
            let answer = asked(&host, "POST /t/acme/greet?loudly", format!(r#"{{"name": "{name}"}}"#).as_bytes());
            let expected = format!(r#"{{"greeting":"Hello, {name}!"}}"#);
            assert!(answer.status == 200 && answer.text() == expected, "{lang}: {}", answer.head);
            assert!(answer.head.contains("content-type: application/json"), "{lang}: {}", answer.head);
        }
        for _ in 0..50 {
            assert_eq!(asked(&host, "POST /t/acme/greet", b"Ada").status, 400, "{lang}");
        }
        assert_eq!(asked(&host, "GET /t/acme/?a", b"").text(), "POST a name to /greet", "{lang}");
        assert_eq!(asked(&host, "BREW /t/acme/tea", b"").status, 404, "{lang}");
        assert_eq!(host.stop(), Some(0));
    }
}

#[test]
fn bodies_stream_both_ways_within_their_bounds() {
    let host = site("", "").start("serve");
    // A piece comes back before the next one is sent.
    let mut stream = sent(&host, "POST /t/acme/probe/stream", "transfer-encoding: chunked\r\n", b"5\r\nfirst\r\n");
    let mut reading = BufReader::new(stream.try_clone().unwrap());
    let mut seen = String::new();
    while !seen.ends_with("first\r\n") {
        assert!(reading.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    assert!(seen.contains("transfer-encoding: chunked"), "{seen}");
    stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
    reading.read_to_string(&mut seen).unwrap();
    assert!(seen.ends_with("6\r\nsecond\r\n0\r\n\r\n"), "{seen}");
    // Large ones, in and out at once.
    let large: Vec<u8> = (0..900_000_u32).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
    let mut stream = sent(&host, "POST /t/acme/probe/stream", "content-length: 900000\r\n", b"");
    let mut sending = stream.try_clone().unwrap();
    let back = std::thread::scope(|scope| {
        scope.spawn(|| sending.write_all(&large).unwrap());
        got(&mut stream)
    });
    assert!(back.is_whole && back.body == large, "{} of {}", back.body.len(), large.len());
    let exactly = asked(&host, "GET /t/acme/probe/large?n=1048576", b"");
    assert!(exactly.is_whole && exactly.body.len() == 1_048_576);
    // An answer that is too long for its route breaks off.
    let over = asked(&host, "GET /t/acme/probe/large?n=1048577", b"");
    assert!(over.status == 200 && !over.is_whole && over.body.len() <= 1_048_576);
    // A request that says that it is too large is refused, and its sender sees why.
    let refused = asked(&host, "POST /t/acme/probe/echo", &vec![b'x'; 1_048_577]);
    assert_eq!((refused.status, refused.code().as_str()), (413, "request-too-large"));
    // One that does not say so is cut where the guest reads it.
    let piece = [format!("{:x}\r\n", 65_536).as_bytes(), &[b'x'; 65_536], b"\r\n"].concat();
    let chunked = [piece.repeat(16).as_slice(), b"1\r\nx\r\n"].concat();
    let mut stream = sent(&host, "POST /t/acme/probe/echo", "transfer-encoding: chunked\r\n", &chunked);
    let cut = got(&mut stream);
    assert_eq!(cut.status, 400, "the guest's own answer");
    assert!(cut.text().to_lowercase().contains("body"), "{}", cut.text().chars().rev().take(200).collect::<String>());
}

#[test]
fn one_who_is_slow_holds_an_instance_for_its_time_and_no_longer() {
    let host = site("wall_ms = 1000, concurrency = 2", "").start("serve");
    // Two who send a large body slowly have both places.
    let slow: Vec<_> =
        (0..2).map(|_| sent(&host, "POST /t/acme/probe/echo", "content-length: 1000000\r\n", b"a")).collect();
    // A small body that does not come holds none.
    let stalled = sent(&host, "POST /t/acme/probe/echo", "content-length: 10\r\n", b"a");
    let began = Instant::now();
    let next = asked(&host, "GET /t/acme/probe/requests", b"");
    assert_eq!((next.status, next.text().as_str()), (200, "1"), "it came to its turn when a slow one's time was over");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for mut stream in slow {
        assert_eq!(got(&mut stream).code(), "route-timeout");
    }
    // One that does not read its answer.
    let unread = sent(&host, "GET /t/acme/probe/slowly?n=100000", "", b"");
    assert_eq!(asked(&host, "GET /t/acme/probe/requests", b"").text(), "1");
    drop((stalled, unread));
    // Many at once, each with an answer of its own.
    let mut all: Vec<_> = (0..16).map(|_| sent(&host, "GET /t/acme/probe/sleep?n=20", "", b"")).collect();
    let all: Vec<_> = all.iter_mut().map(|stream| got(stream).status).collect();
    assert_eq!(all, [200; 16]);
}

#[test]
fn requests_beyond_the_places_wait_and_are_refused_in_the_end() {
    let host = site("wall_ms = 8000, concurrency = 1", "").start("serve");
    let mut first = sent(&host, "GET /t/acme/probe/sleep?n=7000", "", b"");
    host.wait(Duration::from_millis(300));
    let busy = asked(&host, "GET /t/acme/probe/requests", b"");
    assert_eq!((busy.status, busy.code().as_str()), (503, "route-busy"));
    assert_eq!(busy.field("retry-after").as_deref(), Some("1"));
    assert_eq!(got(&mut first).text(), "slept");
}

#[test]
fn what_a_request_asks_outside_goes_where_a_grant_allows_it() {
    let (port, server) = egress::server();
    let grants = format!("grants = {{ http = [\"GET http://127.0.0.1:{port}/called private\"] }}\n");
    let host = site("", &grants).start("serve");
    let call = format!("GET /t/acme/probe/call?to=127.0.0.1:{port}");
    let mut keys = Vec::new();
    for trace in ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", ""] {
        let fields = if trace.is_empty() { String::new() } else { format!("traceparent: {trace}\r\n") };
        let called = got(&mut sent(&host, &call, &fields, b""));
        assert_eq!(called.text(), "200");
        let came = server.recv_timeout(PATIENCE).unwrap();
        let id = called.field("wharf-request-id").unwrap();
        let expected =
            if trace.is_empty() { format!("traceparent: 00-{id}-") } else { format!("traceparent: {trace}") };
        assert!(came.contains(&expected), "{came}");
        keys.push(id);
    }
    assert_ne!(keys[0], keys[1]);
    let denied = asked(&host, "GET /t/acme/probe/call?to=127.0.0.1:9", b"");
    assert!(denied.text().contains("HttpRequestDenied"), "{}", denied.text());
    let line = host.wait_for_log("http-denied");
    let id = denied.field("wharf-request-id").unwrap();
    assert!(line.contains(&id) && line.contains("wharf grant approve web"), "{line}");
}

#[test]
fn an_instance_answers_more_than_one_request_where_its_route_says_so() {
    let rest = "[tenants.acme.routes.\"/kept/*\"]\nplugin = \"web\"\nreuse = 3\n";
    // An instance is kept behind its answer and before its request's place is free, for which the next one waits.
    let host = site("concurrency = 1", rest).start("serve");
    let numbers = |count: usize| -> Vec<String> {
        (0..count).map(|_| asked(&host, "GET /t/acme/kept/requests", b"").text()).collect()
    };
    assert_eq!(numbers(4), ["1", "2", "3", "1"]);
    // What writes to its log writes to that of its own request, however old its streams are.
    for _ in 0..2 {
        let behind = asked(&host, "GET /t/acme/kept/behind?n=1", b"");
        let line = host.wait_for_log("behind its answer");
        assert!(line.contains(&behind.field("wharf-request-id").unwrap()), "{line}");
    }
    // One that fails is not kept.
    assert_eq!(numbers(1), ["1"]);
    assert_eq!(asked(&host, "GET /t/acme/kept/trap", b"").code(), "route-failed");
    assert_eq!(numbers(2), ["1", "2"]);
    assert_eq!(asked(&host, "GET /t/acme/probe/requests", b"").text(), "1", "another route has fresh ones");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_requests_used_is_charged_to_their_plugin_and_counts_for_the_hour() {
    let site = site("", "[tenants.acme]\nbytes_per_hour = \"100KiB\"\n");
    let host = site.start("serve");
    let used = |host: &Host| host.get("/v1/tenants/acme/usage").1["total"].clone();
    for _ in 0..3 {
        assert_eq!(asked(&host, "POST /t/acme/probe/echo", &[b'x'; 1_000]).status, 200);
    }
    assert_eq!(asked(&host, "GET /t/acme/probe/trap", b"").status, 502, "what failed is charged too");
    // It is charged within a second, and in any case before the host stops.
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    let told = used(&host);
    assert_eq!(told["attempts"], 4, "{told}");
    for (key, least) in [("cpu_us", 1), ("bytes_in", 3_000), ("bytes_out", 3_000)] {
        assert!(told[key].as_u64().unwrap() >= least, "{key}: {told}");
    }
    // An hour may begin between the two.
    let refused = (0..3).find_map(|_| {
        assert_eq!(asked(&host, "GET /t/acme/probe/large?n=120000", b"").body.len(), 120_000);
        host.wait(Duration::from_millis(2_500));
        let next = asked(&host, "GET /t/acme/probe/requests", b"");
        (next.status != 200).then_some(next)
    });
    let refused = refused.expect("the quota is not used up");
    assert_eq!((refused.status, refused.code().as_str()), (429, "quota-bytes"));
    assert!((1..=3_600).contains(&refused.field("retry-after").unwrap().parse::<u32>().unwrap()), "{}", refused.head);
}

#[test]
fn a_suspended_tenant_answers_nothing() {
    let suspended = site("", "[tenants.acme]\nsuspended = true\n").start("serve");
    assert_eq!(asked(&suspended, "GET /t/acme/probe/echo", b"").code(), "tenant-suspended");
}

/// Runs a command against a host, and gives its exit status and what it said.
fn command(site: &Site, host: &Host, words: &[&str]) -> (i32, String) {
    let mut command = wharf();
    command.current_dir(site.folder.path()).args(words).env("WHARF_URL", &host.url).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn routes_come_and_go_while_the_host_runs_and_outlive_it() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    site.write("web.wasm", std::fs::read(guest("web-probe")).unwrap());
    site.write(
        "project.toml",
        r#"[tenants.acme.plugins.web]
component = "web.wasm"
grants = { http = ["GET http://127.0.0.1:1/"] }

[tenants.acme.routes."/a/*"]
plugin = "web"
methods = ["GET"]
"#,
    );
    let host = site.start("serve");
    assert_eq!(command(&site, &host, &["route", "put", "/early", "web"]).0, 0, "before there is its plugin");
    assert_eq!(asked(&host, "GET /t/acme/early", b"").code(), "route-idle");
    let deploy = ["deploy", "-c", "project.toml", "--yes"];
    let (exit, said) = command(&site, &host, &deploy);
    assert!(exit == 0 && said.contains("+ route /a/* (answered by web)"), "{said}");
    assert_eq!(asked(&host, "GET /t/acme/a/echo", b"").status, 200);
    assert_eq!(asked(&host, "POST /t/acme/a/echo", b"x").code(), "method-not-allowed");
    assert_eq!(asked(&host, "GET /t/acme/early", b"").status, 404, "that is the probe's own answer");
    let (_, said) = command(&site, &host, &deploy);
    assert!(said.contains("nothing changes"), "{said}");
    let (_, said) = command(&site, &host, &["-o", "json", "route", "show", "/a/*"]);
    let shown: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&shown["plugin"], &shown["request_size"]), (&"web".into(), &"10MiB".into()), "{said}");
    let (exit, said) = command(&site, &host, &["route", "show", "/b/*"]);
    assert!(exit == 3 && said.contains("route-unknown"), "{said}");
    host.kill();
    let host = site.start("serve");
    assert_eq!(asked(&host, "GET /t/acme/a/echo", b"").status, 200);
    assert_eq!(command(&site, &host, &["route", "rm", "/a/*"]).0, 0);
    assert_eq!(asked(&host, "GET /t/acme/a/echo", b"").code(), "route-unknown");
    let (_, said) = command(&site, &host, &["route", "ls"]);
    assert!(said.contains("/early") && !said.contains("/a/*"), "{said}");
    // What goes to a plugin that is removed has no answer.
    assert_eq!(command(&site, &host, &["plugin", "rm", "web"]).0, 0);
    assert_eq!(asked(&host, "GET /t/acme/early", b"").code(), "route-idle");
}
