//! Goal: of more than two hundred requests that are dressed up as something else none reaches anything that was not granted, each is refused on its
//! own, and the attempt says with which code and, where there is one, with the line that would grant it.
//! Method: the guest `caller` tries all of them, with and without the help of its SDK, under a grant to all public hosts and to one path of this
//! machine; the server of the test hears of none.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    egress::{calls, lines, server, site},
    recordings::recorded,
};

/// So many ways are tried by one event: a recording has room for them.
const AT_ONCE: usize = 50;

/// What a request is recorded as.
const HANDLE: &str = "wasi:http/outgoing-handler.handle";

/// What a call was refused with; nothing where it was not.
struct Denial {
    code: String,
    why: String,
}

impl Denial {
    fn of(told: &[Value]) -> Self {
        let text = |name: &str| {
            let field = told.iter().find(|field| field["name"] == name);
            field.and_then(|field| field["text"].as_str()).unwrap_or_default().to_owned()
        };
        Self { code: text("error"), why: text("why") }
    }
}

/// What a guest is told by the types of `wasi:http`, which make no request of such a text: nothing was asked of the host, so nothing is its to deny.
const NO_REQUEST: [&str; 6] = [
    // `set-scheme`, `set-authority`, `set-path-with-query` and `set-method`, which have no error but that.
    "scheme",
    "authority",
    "path",
    "it is no request: its method",
    // `fields`: names and values that are none, and names that are the host's.
    "it is no request: HeaderError::InvalidSyntax",
    "it is no request: HeaderError::Forbidden",
];

/// And what by each code of the host's, without its SDK and with it.
const REFUSED: [(&str, &str); 7] = [
    ("address", "address-denied"),
    ("ErrorCode::DestinationIpProhibited", "address-denied"),
    ("denied", "http-denied"),
    ("ErrorCode::HttpRequestUriInvalid", "http-invalid"),
    ("it is no request: ErrorCode::HttpRequestMethodInvalid", "http-invalid"),
    ("ErrorCode::ConnectionTerminated", "http-unreachable"),
    ("no answer: ErrorCode::ConnectionTerminated", "http-unreachable"),
];

/// What no grant leads to: many at once, what tells a machine its secrets, and what nobody has.
const NOWHERE: [&str; 14] = [
    "0.0.0.0",
    "[::]",
    "224.0.0.1",
    "239.255.255.250",
    "[ff02::1]",
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "169.254.170.2",
    "100.100.100.200",
    "[fd00:ec2::254]",
    "192.0.2.1",
    "240.0.0.1",
    "255.255.255.255",
    "[2001:db8::1]",
];

/// This machine, spelled as programs have read it: short, octal, hexadecimal, as one number, beyond a byte, with zeros, with a point behind it.
const THIS: [&str; 34] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.1",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "2130706433.",
    "4294967295",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0177.1",
    "0177.0000.0000.0001",
    "00000000177.0.0.1",
    "127.000.000.001",
    "127.0.0.0x1",
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "localhost.",
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0001]",
    "[::]",
    "[0::0]",
];

/// Addresses in IPv6 that have another one within them: mapped, compatible, translated, tunnelled.
const WITHIN: [&str; 28] = [
    "[::ffff:127.0.0.1]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:7f00:0001]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[0:0:0:0:0:FFFF:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0.0.0.0]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:abcd::10.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2002:a9fe:a9fe::]",
    "[2002:c0a8:1::1]",
    "[2001:0:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::5efe:127.0.0.1]",
    "[2001:db8::1]",
    "[2001:10::1]",
];

/// What is near: private, link-local, carriers', metadata services', multicast, reserved.
const NEAR: [&str; 37] = [
    "10.0.0.1",
    "10.255.255.255",
    "0xa000001",
    "167772161",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "0xc0a80001",
    "192.168.257",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.43518",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "100.64.0.1",
    "100.127.255.254",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[100::1]",
    "[3fff::1]",
];

/// Paths that are another path to whoever reads them once more. `/v1/` alone is granted.
const PATHS: [&str; 31] = [
    "/",
    "/V1/x",
    "/v1",
    "/v2/x",
    "/x/v1/",
    "/v1/../x",
    "/v1/./../x",
    "/v1/..",
    "/v1/.",
    "/v1/./x",
    "/v1/%2e%2e/x",
    "/v1/%2E%2E/x",
    "/v1/.%2e/x",
    "/v1/%2e./x",
    "/v1/..%2fx",
    "/v1/..%2Fx",
    "/v1/%2e%2e%2fx",
    "/v1/..%5cx",
    "/v1/..%5Cx",
    "/v1/%5c../x",
    "/v1/..;/x",
    "/v1/..;a=b/x",
    "/v1/%252e%252e/x",
    "/v1/%25%32%65/x",
    "/v1/x%00",
    "/v1//x",
    "//v1/x",
    "/v1/x//../y",
    "/%76%31/../x",
    "/v%31/x",
    "/./v1/x",
];

/// Authorities and targets that no URL has. Each is scheme, authority and path, as a guest without an SDK can put them together.
fn raw(port: u16) -> Vec<[String; 3]> {
    let own = format!("127.0.0.1:{port}");
    let authorities = [
        format!("127.0.0.1@evil.example:{port}"),
        format!("evil.example@{own}"),
        format!("user:word@{own}"),
        format!(":@{own}"),
        format!("@{own}"),
        format!("{own}@"),
        format!("{own}@evil.example"),
        format!("evil.example#@{own}"),
        format!("evil.example?@{own}"),
        format!("evil.example/@{own}"),
        format!("evil.example\\@{own}"),
        format!("{own}\r\nx: y"),
        format!("{own}\nhost: evil.example"),
        format!("{own}\t"),
        format!(" {own}"),
        format!("{own} HTTP/1.1"),
        format!("{own}\0.example"),
        format!("{own}/v1/"),
        format!("{own},evil.example"),
        "127.0.0.1:".to_owned(),
        "127.0.0.1:0".to_owned(),
        "127.0.0.1:99999".to_owned(),
        format!("127.0.0.1:+{port}"),
        format!("127.0.0.1:-{port}"),
        format!("127.0.0.1:{port}a"),
        format!("127.0.0.1::{port}"),
        format!("[127.0.0.1]:{port}"),
        format!("[::1%25lo]:{port}"),
        format!("[::1%lo]:{port}"),
        format!("[::1:{port}"),
        format!("::1:{port}"),
        format!("\u{ff11}\u{ff12}\u{ff17}.0.0.1:{port}"),
        format!("\u{2460}\u{2461}\u{2466}.0.0.1:{port}"),
        format!("127\u{3002}0\u{3002}0\u{3002}1:{port}"),
        format!("\u{24db}ocalhost:{port}"),
        format!("b\u{fc}cher.example:{port}"),
        format!("%6c%6f%63alhost:{port}"),
        format!("127.0.0.1%2f:{port}"),
        String::new(),
        format!(":{port}"),
    ];
    let of_authority = |authority| ["http".to_owned(), authority, "/v1/x".to_owned()];
    let targets = ["http://evil.example/", "*", "v1/x", "/v1/x y", "/v1/x\r\nhost: evil.example", "/v1/x#y", "", "?x"];
    // A fragment is cut off by who reads it, and an empty path is the root: neither is `/v1/`.
    let targets = targets.iter().filter(|it| !it.contains('#')).map(|path| ["http", &own, path].map(str::to_owned));
    let schemes = ["gopher", "file", "ftp", "ws", "unix", "httpx", "HTTP+unix", "", "ht tp", "data"];
    let schemes = schemes.map(|scheme| [scheme, &own, "/v1/x"].map(str::to_owned));
    authorities.into_iter().map(of_authority).chain(targets).chain(schemes).collect()
}

/// Heads that say something else than the request: to a path that is granted, so that it is they that are refused, or nothing of them is sent.
fn heads(url: &str) -> Vec<Value> {
    let fields = [
        ("host", "evil.example"),
        ("Host", "169.254.169.254"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("connection", "close, host"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("keep-alive", "timeout=600"),
        ("proxy-connection", "keep-alive"),
        ("x", "a\r\ny: b"),
        ("x", "a\ny: b"),
        ("x", "a\0b"),
        ("x\r\ny", "z"),
        ("x y", "z"),
        ("x:", "z"),
        ("", "z"),
        (":authority", "evil.example"),
        (":path", "/x"),
    ];
    let of = |(name, value)| json!({"url": url, "headers": [[name, value]]});
    let methods = ["CONNECT", "TRACE", "GET / HTTP/1.1\r\nx:", "GET /x", "", "G\0ET", "GET\n", "connect\r\n"];
    let methods = methods.map(|method| json!({"method": method, "url": url}));
    fields.into_iter().map(of).chain(methods).collect()
}

#[test]
fn egress_lets_none_of_two_hundred_ways_lead_around_its_grants() {
    let (port, server) = server();
    let granted = format!("\"http://*:*\", \"http://127.0.0.1:{port}/v1/* private\"");
    let site = site(&granted, "http_ms = 5000, http_calls = 1000, wall_ms = 120000, cpu_ms = 60000");
    let host = site.start("serve");
    let own = |path: &str| json!({"url": format!("http://127.0.0.1:{port}{path}")});
    let mut ways: Vec<Value> =
        THIS.iter().chain(&WITHIN).chain(&NEAR).map(|of| json!({"url": format!("http://{of}:{port}/x")})).collect();
    ways.extend(PATHS.iter().map(|path| own(path)));
    ways.extend(raw(port).into_iter().map(|parts| json!({"raw": parts})));
    ways.extend(heads(&format!("http://127.0.0.1:{port}/v1/x")));
    ways.push(json!({"url": format!("https://127.0.0.1:{port}/v1/x")}));
    ways.push(json!({"url": "http://127.0.0.1:1/v1/x"}));
    assert!(ways.len() >= 200, "{}", ways.len());
    let (mut came, mut denials) = (Vec::new(), Vec::new());
    for (n, ways) in ways.chunks(AT_ONCE).enumerate() {
        let id = format!("ways-{n}");
        calls(&host, &id, "call", &json!(ways));
        let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=called");
        let newest = events.as_array().unwrap().iter().find(|it| it["event"]["correlationid"] == json!(id));
        came.extend(newest.unwrap_or_else(|| panic!("{events}"))["event"]["data"].as_array().unwrap().clone());
        let asked = recorded(&host, &id, 1);
        denials.extend(asked.into_iter().filter(|(function, _)| function == HANDLE).map(|(_, told)| Denial::of(&told)));
    }
    assert_eq!(came.len(), ways.len());
    let heard: Vec<_> = server.try_iter().collect();
    assert!(heard.is_empty(), "{heard:#?}");
    // What the types of WASI take for no request does not come as far as the host. All else is a denial of the host's, in the order of the ways.
    let mut denied = denials.iter();
    let (mut typed, mut codes) = (BTreeSet::new(), BTreeSet::new());
    for (way, came) in ways.iter().zip(&came) {
        let refused = came["refused"].as_str().unwrap_or_else(|| panic!("{way} passed: {came}"));
        if let Some(kind) = NO_REQUEST.iter().find(|kind| **kind == refused) {
            typed.insert(*kind);
            continue;
        }
        let Denial { code, why } = denied.next().unwrap_or_else(|| panic!("{way} was refused without a code: {came}"));
        let (_, known) = REFUSED.iter().find(|(said, _)| *said == refused).unwrap_or_else(|| panic!("{way}: {came}"));
        assert_eq!(code, known, "{way}: {came}, {why}");
        codes.insert(code.as_str());
        // Whoever may grant it is told how; nobody is told a line that would not help. (No grant can name a host with a point behind it.)
        let is_told = [why.contains("grants = "), why.contains("no grant of a tenant leads there")];
        let can_be_told = known.ends_with("-denied") && !way["url"].as_str().is_some_and(|url| url.contains(".:"));
        assert_eq!(is_told.iter().filter(|is_told| **is_told).count(), usize::from(can_be_told), "{way}: {why}");
        let leads_nowhere = NOWHERE.iter().any(|host| way["url"] == json!(format!("http://{host}:{port}/x")));
        assert!(!leads_nowhere || is_told[1], "{way}: {why}");
    }
    assert_eq!(denied.next().map(|denial| &denial.why), None, "what was denied was asked for");
    assert_eq!(typed, BTreeSet::from(NO_REQUEST));
    assert_eq!(codes, BTreeSet::from(REFUSED.map(|(_, code)| code)));
    // Nor is one told where nothing of it was granted.
    let https = ["https://169.254.169.254/latest", "https://[ff02::1]/x", "https://10.1.2.3/x"];
    let https = https.map(|url| json!({"url": url}));
    let attempts = calls(&host, "https", "fail", &json!(https));
    let said = lines(&attempts[0]);
    let of = |code: &str, rest: &str| said.lines().filter(|line| line.starts_with(code) && line.contains(rest)).count();
    let nowhere = of("http-denied: ", "is not granted; no grant of a tenant leads there");
    assert_eq!((nowhere, of("http-denied: ", "grants = ")), (2, 1), "{said}");
    // What is granted goes on.
    calls(&host, "two", "fail", &json!([own("/v1/x")]));
    assert!(server.recv().unwrap().starts_with("GET /v1/x HTTP/1.1\r\n"));
    assert_eq!(host.stop(), Some(0));
}
