//! Everything that is refused, as tables of a request and its code. Each table ends by looking whether the host was changed.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wharf_event::Code;
use wharf_gateway::routes::{ROUTES, Route, Verb};

use crate::client::{Answer, Request, delete, exchange, get, post, put, rest};
use crate::receiving::{binary, structured};
use crate::server::Server;

const EVENTS: &str = "/v1/tenants/acme/buses/default/events";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const REDRIVE: &str = "/v1/tenants/acme/dlq/failed/redrive";

async fn check(cases: Vec<(Request, Code)>) {
    let server = Server::start().await;
    for (request, code) in cases {
        request.send(server.addr).await.refused(code);
    }
    assert_eq!(server.host.accepted(), 0, "a refused event was accepted");
    assert!(server.host.redriven.lock().unwrap().is_empty(), "a refused redrive was done");
}

fn event(body: impl Into<Vec<u8>>) -> Request {
    post(EVENTS, STRUCTURED, body)
}

#[tokio::test]
async fn a_bad_event_is_refused_with_its_code() {
    let with = |member: &str| event(structured("1", &format!("1,{member}")));
    check(vec![
        (event(""), Code::EventJson),
        (event(r#"{"specversion":"1.0","id":"1","#), Code::EventJson),
        (event("[]"), Code::EventJson),
        (event(b"{\"id\":\"\xff\"}"), Code::EventJson),
        (with(r#""id":"2""#), Code::EventJson),
        (with(r#""data_base64":"AA==""#), Code::EventJson),
        (event(structured("1", "1").replace("1.0", "0.3")), Code::EventSpecversion),
        (event(structured("1", "1").replace("1.0", "2.0")), Code::EventSpecversion),
        (event("{}"), Code::EventSpecversion),
        (event(structured("", "1")), Code::EventAttribute),
        (event(structured("1", "1").replace("source", "sauce")), Code::EventAttribute),
        (event(structured("1\\u0000", "1")), Code::EventAttribute),
        (event(structured("1\\r\\nX-Evil: 1", "1")), Code::EventAttribute),
        (with(r#""time":"yesterday""#), Code::EventAttribute),
        (with(r#""Upper":"1""#), Code::EventAttribute),
        (with(r#""nested":{"a":1}"#), Code::EventAttribute),
        (with(&format!(r#""large":"{}""#, "x".repeat(9 * 1024))), Code::EventTooLarge),
        (event(structured("1", &format!("\"{}\"", "x".repeat(1024 * 1024)))), Code::EventTooLarge),
        (binary(b"{\"cut\":"), Code::EventJson),
        (binary(b"1").with("ce-bad", b"\xff\xfe"), Code::EventHeader),
        (binary(b"1").with("ce-bad", "%FF"), Code::EventHeader),
        (binary(b"1").with("ce-bad", "100%"), Code::EventHeader),
        (binary(b"1").with("ce-id", "again"), Code::EventHeader),
        (binary(b"1").with("ce-datacontenttype", "text/plain"), Code::EventHeader),
        (binary(b"1").with("content-type", "text/plain"), Code::EventHeader),
        (binary(b"1").with("ce-bad", "1%0d%0aX-Evil: 1"), Code::EventAttribute),
        (binary(b"1").with("ce-far_too_odd", "1"), Code::EventAttribute),
        (post(EVENTS, "", "1").with("ce-id", "1"), Code::EventSpecversion),
        (post(EVENTS, "", "1").with("ce-specversion", "1.0"), Code::EventAttribute),
        (post(EVENTS, "application/json\u{e9}", "1"), Code::EventHeader),
    ])
    .await;
}

#[tokio::test]
async fn a_batch_or_media_type_that_cannot_be_read_is_refused_as_a_whole() {
    let many = |n: usize| format!("[{}]", vec![structured("1", "1"); n].join(","));
    check(vec![
        (post(EVENTS, BATCH, ""), Code::BatchInvalid),
        (post(EVENTS, BATCH, structured("1", "1")), Code::BatchInvalid),
        (post(EVENTS, BATCH, format!("[{},", structured("1", "1"))), Code::BatchInvalid),
        (post(EVENTS, BATCH, many(1001)), Code::BatchTooLarge),
        (post(EVENTS, BATCH, vec![b' '; 8 * 1024 * 1024 + 1]), Code::BatchTooLarge),
        (post(EVENTS, "application/cloudevents+xml", "<event/>"), Code::ContentTypeUnsupported),
        (post(EVENTS, "application/cloudevents+avro", "1"), Code::ContentTypeUnsupported),
        (post(format!("{EVENTS}?type=t&source=s"), "text/csv", "a,b"), Code::ContentTypeUnsupported),
        (post(format!("{EVENTS}?type=t&source=s"), "nonsense", "1"), Code::ContentTypeUnsupported),
        (post("/v1/tenants/acme/buses/default/explain", BATCH, many(1)), Code::ContentTypeUnsupported),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_even_while_its_sender_still_writes() {
    let two_mib = || vec![b'x'; 2 * 1024 * 1024];
    let chunked = [format!("{:x}\r\n", 2 * 1024 * 1024).into_bytes(), two_mib(), b"\r\n0\r\n\r\n".to_vec()].concat();
    check(vec![
        (event(structured("1", &format!("\"{}\"", "x".repeat(2 * 1024 * 1024)))), Code::EventTooLarge),
        (binary(&two_mib()), Code::EventTooLarge),
        (post(format!("{EVENTS}?type=t&source=s"), "application/json", two_mib()), Code::EventTooLarge),
        (event(chunked).with("transfer-encoding", "chunked"), Code::EventTooLarge),
        (post(REDRIVE, "application/json", two_mib()), Code::BatchTooLarge),
        // The sender waits for leave, gets the answer instead, and never sends the body.
        (event("").with("expect", "100-continue").with("content-length", "2097152"), Code::EventTooLarge),
    ])
    .await;
}

#[tokio::test]
async fn a_query_or_redrive_that_is_not_understood_is_refused() {
    let redrive = |body: &str| (post(REDRIVE, "application/json", body), Code::QueryInvalid);
    let ids = vec!["\"1-0.0\""; 1001].join(",");
    let mut cases = vec![
        (post(EVENTS, "application/json", "1"), Code::QueryInvalid),
        (post(format!("{EVENTS}?type=t"), "application/json", "1"), Code::QueryInvalid),
        (post(format!("{EVENTS}?source=s"), "", "1"), Code::QueryInvalid),
        (post(format!("{EVENTS}?type=t&source=s&subject=x"), "application/json", "1"), Code::QueryInvalid),
        (post(format!("{EVENTS}?type=t&type=u&source=s"), "application/json", "1"), Code::QueryInvalid),
        (post(format!("{EVENTS}?type=t&source=s"), STRUCTURED, structured("1", "1")), Code::QueryInvalid),
        (post(format!("{EVENTS}?type=&source=s"), "application/json", "1"), Code::EventAttribute),
        (post(format!("{EVENTS}?type=t%0d%0aX-Evil:1&source=s"), "application/json", "1"), Code::EventAttribute),
        (post(REDRIVE, "text/plain", "{\"all\":true}"), Code::ContentTypeUnsupported),
        (post(REDRIVE, "", "{\"all\":true}"), Code::ContentTypeUnsupported),
        redrive(""),
        redrive("{}"),
        redrive("{\"all\":false}"),
        redrive("{\"all\":true,\"ids\":[\"1-0.0\"]}"),
        redrive("{\"ids\":[]}"),
        redrive("{\"ids\":[1]}"),
        redrive("{\"everything\":true}"),
        redrive("{\"where\":{}}"),
        redrive("{\"where\":{\"color\":\"red\"}}"),
        redrive("{\"where\":{\"code\":\"no-such-code\"}}"),
        redrive("{\"all\":true,\"where\":{\"rule\":\"r\"}}"),
        redrive("{\"dry_run\":true}"),
        redrive(&format!("{{\"ids\":[{ids}]}}")),
    ];
    let queries = ["events?limit=0", "events?limit=1001", "events?limit=-1", "events?limit=ten", "events?limit="];
    let more = ["events?before=17", "events?after=1-0", "events?limit=1&limit=2", "feed?from=now", "feed?from="];
    let others = [
        "feed?since=1-0",
        "kv/stats?limit=0",
        "kv/stats?page=2",
        "dlq/failed?limit=5000",
        "dlq/failed?x",
        "dlq/failed?code=x",
        "dlq/failed/groups?limit=1001",
    ];
    for query in queries.iter().chain(&more).chain(&others) {
        cases.push((get(format!("/v1/tenants/acme/{query}")), Code::QueryInvalid));
    }
    check(cases).await;
}

#[tokio::test]
async fn what_there_is_not_is_404_whatever_its_name() {
    let bus = |bus: &str| post(format!("/v1/tenants/acme/buses/{bus}/events"), STRUCTURED, structured("1", "1"));
    check(vec![
        (bus("nowhere"), Code::BusUnknown),
        (bus("Default"), Code::BusUnknown),
        (bus("..%2f..%2fetc"), Code::BusUnknown),
        (bus("a%0d%0aX-Evil:%201"), Code::BusUnknown),
        (bus(&"b".repeat(5000)), Code::BusUnknown),
        (get("/v1/tenants/acme%00/events"), Code::TenantUnknown),
        (get("/v1/tenants/%ff/events"), Code::RouteUnknown),
        (get("/v1/tenants/acme/events/7-0"), Code::EventUnknown),
        (get("/v1/tenants/acme/events/7-0/trace"), Code::EventUnknown),
        (get("/v1/tenants/acme/events/1-0/trace?limit=1001"), Code::QueryInvalid),
        (get("/v1/tenants/acme/events/no%2Fsuch%20id"), Code::EventUnknown),
        (get("/v1/tenants/acme/kv/nothing"), Code::BucketUnknown),
        (get("/v1/tenants/acme/kv/NOT%20A%20NAME"), Code::BucketUnknown),
        (get("/v1/tenants/acme/kv/nothing/key"), Code::BucketUnknown),
        (get("/v1/tenants/acme/kv/stats/no/such/key"), Code::KeyUnknown),
        (get("/v1/tenants/acme/dlq/nothing"), Code::QueueUnknown),
        (get("/v1/tenants/acme/dlq/failed/9-0.0"), Code::DeadLetterUnknown),
        (put("/v1/tenants/acme/dlq/failed/9-0.0/event", "{\"data\":1}"), Code::DeadLetterUnknown),
        (post("/v1/tenants/acme/dlq/nothing/redrive", "application/json", "{\"all\":true}"), Code::QueueUnknown),
        (get("/errors/no-such-code"), Code::RouteUnknown),
        (get("/"), Code::RouteUnknown),
        (get("/v1"), Code::RouteUnknown),
        (get("/v1/tenants/acme/events/"), Code::RouteUnknown),
        (get("/../etc/passwd"), Code::RouteUnknown),
        (post("/nowhere", STRUCTURED, structured("1", "1")), Code::RouteUnknown),
    ])
    .await;
}

/// A digest, as paths have it.
const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The path of a route, with something in the place of each variable.
fn path(route: &Route, tenant: &str) -> String {
    let variables = [
        ("{tenant}", tenant),
        ("{bus}", "default"),
        ("{event}", "1-0"),
        ("{bucket}", "stats"),
        ("{*key}", "a"),
        ("{queue}", "failed"),
        ("{route}", "%2Fhooks"),
        ("{rule}", "orders"),
        ("{replay}", "again"),
        ("{schedule}", "nightly"),
        ("{plugin}", "triage"),
        ("{channel}", "next"),
        ("{release}", DIGITS),
        ("{schema}", "order"),
        ("{number}", "1"),
        ("{id}", "1-0.0"),
        ("{signer}", "ci"),
        ("{secret}", "stripe"),
        ("{prompt}", "classify"),
        ("{model}", "fraud"),
        ("{version}", DIGITS),
        ("{webhook}", "filed"),
        ("{topic}", "made"),
        ("{subscription}", "billing"),
    ];
    variables.into_iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value))
}

#[tokio::test]
async fn what_is_put_is_refused_while_the_host_takes_nothing_new() {
    let server = Server::start().await;
    *server.host.refuses_ready.lock().unwrap() = true;
    let puts: Vec<_> = ROUTES.iter().filter(|route| route.verb == Verb::Put).collect();
    assert!(puts.len() > 4);
    for route in puts {
        put(path(route, "acme"), "{}").send(server.addr).await.refused(Code::NotReady);
        assert!(route.problems.contains(&Code::DiskFull), "{}", route.path);
    }
}

#[tokio::test]
async fn every_route_of_a_tenant_knows_no_other_tenant() {
    // All but the one that makes a tenant.
    let of_tenants: Vec<_> = ROUTES
        .iter()
        .filter(|route| route.path.contains("{tenant}"))
        .filter(|route| (route.verb, route.path) != (Verb::Put, "/v1/tenants/{tenant}"))
        .collect();
    assert!(of_tenants.len() > 10);
    let mut cases = Vec::new();
    for tenant in ["rival", "Not-A-Name", "%2e%2e"] {
        for route in &of_tenants {
            let path = path(route, tenant);
            let request = match route.verb {
                Verb::Get => get(path),
                Verb::Post if ["/redrive", "/discard"].iter().any(|verb| path.ends_with(verb)) => {
                    post(path, "application/json", "{\"all\":true}")
                }
                Verb::Post if path.contains("/prompts/") || path.contains("/models/") => {
                    post(path, "application/json", "{}")
                }
                Verb::Post if path.ends_with("/promote") => {
                    post(path, "application/json", format!("{{\"release\":\"sha256:{DIGITS}\"}}"))
                }
                Verb::Post if ["/ack", "/release", "/extend"].iter().any(|verb| path.ends_with(verb)) => {
                    post(path, "application/json", "{\"receipts\":[\"x\"]}")
                }
                Verb::Post if path.ends_with("/receive") => post(path, "application/json", "{}"),
                Verb::Post if path.contains("/grants/") || path.ends_with("/rotate") => {
                    post(path, "application/json", "{}")
                }
                Verb::Post if path.ends_with("/rollback") => post(path, "application/json", "{}"),
                Verb::Post => post(path, STRUCTURED, structured("1", "1")),
                Verb::Put if path.ends_with("/baseline") => put(path, "{\"rows\":100,\"inputs\":{}}"),
                Verb::Put if path.contains("/keys/") => put(path, "{\"key\":\"x\"}"),
                Verb::Put if path.contains("/secrets/") => put(path, "{\"value\":\"x\"}"),
                Verb::Put if path.contains("/prompts/") => put(path, "{\"route\":\"r\",\"user\":\"x\"}"),
                Verb::Put => put(path, "{}"),
                Verb::Delete => delete(path),
            };
            cases.push((request, Code::TenantUnknown));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let server = Server::start().await;
    for route in ROUTES {
        let verbs: Vec<_> = ROUTES.iter().filter(|other| other.path == route.path).map(|other| other.verb).collect();
        let other = match (verbs.contains(&Verb::Get), verbs.contains(&Verb::Post)) {
            (true, true) => put(route.path, ""),
            (true, false) => post(route.path, "", ""),
            (false, _) => get(route.path),
        };
        let answer = other.send(server.addr).await;
        answer.refused(Code::MethodNotAllowed);
        let name = |verb: &Verb| if *verb == Verb::Get { "GET,HEAD" } else { verb.as_str() };
        let allowed = verbs.iter().map(name).collect::<Vec<_>>().join(",");
        assert_eq!(answer.header("allow"), Some(allowed.as_str()), "{}", route.path);
    }
}

#[tokio::test]
async fn a_request_to_another_host_or_from_another_origin_is_refused_on_every_route() {
    let server = Server::start().await;
    let port = server.addr.port();
    let ours = |name: &str| format!("{name}:{port}");
    let get = || get("/livez");
    for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
        assert_eq!(get().with("host", ours(host)).send(server.addr).await.status, 200, "{host}");
    }
    let hosts = ["evil.example", "localhost", "localhost:1", "10.0.0.1", "", "localhost.evil.example"];
    for host in
        hosts.map(str::to_owned).into_iter().chain([ours("evil.example"), ours("10.0.0.1"), ours("a@localhost")])
    {
        get().with("host", &host).send(server.addr).await.refused(Code::HostForeign);
        let event = post(EVENTS, STRUCTURED, structured("1", "1")).with("host", &host);
        event.send(server.addr).await.refused(Code::HostForeign);
    }
    let origins = ["null", "https://evil.example", "http://evil.example", "http://localhost", ""].map(str::to_owned);
    // A page of this very origin is a plugin's.
    let own = [format!("http://{}", ours("localhost")), format!("https://{}", ours("localhost")), ours("localhost")];
    for origin in origins.into_iter().chain(own) {
        get().with("origin", &origin).send(server.addr).await.refused(Code::OriginForeign);
        let event = post(EVENTS, STRUCTURED, structured("1", "1")).with("origin", &origin);
        event.send(server.addr).await.refused(Code::OriginForeign);
    }
    for site in ["same-origin", "same-site", "cross-site", ""] {
        get().with("sec-fetch-site", site).send(server.addr).await.refused(Code::OriginForeign);
    }
    assert_eq!(get().with("sec-fetch-site", "none").send(server.addr).await.status, 200, "its address was typed");
    let unusual = [
        ("GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), Some(Code::HostForeign)),
        (
            format!("GET /livez HTTP/1.1\r\nhost: {0}\r\nhost: {0}\r\nconnection: close\r\n\r\n", ours("localhost")),
            Some(Code::HostForeign),
        ),
        (
            format!(
                "GET http://evil.example/livez HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
                ours("localhost")
            ),
            Some(Code::HostForeign),
        ),
        (format!("GET http://{0}/livez HTTP/1.1\r\nhost: {0}\r\nconnection: close\r\n\r\n", ours("localhost")), None),
        ("GET /livez HTTP/1.0\r\n\r\n".to_owned(), None),
    ];
    for (bytes, code) in unusual {
        let answer = Answer::of(&exchange(server.addr, bytes.as_bytes()).await);
        match code {
            Some(code) => drop(answer.refused(code)),
            None => assert_eq!(answer.status, 200, "{bytes}"),
        }
    }
    assert_eq!(server.host.accepted(), 0);
}

#[tokio::test]
async fn bytes_that_are_not_http_are_answered_with_a_problem_and_change_nothing() {
    let server = Server::start().await;
    let head = format!("POST /events HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n", server.addr.port());
    let wrong = [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "what is this\r\n\r\n".to_owned(),
        "GET /livez\r\n\r\n".to_owned(),
        "GET /livez HTTP/3.0\r\n\r\n".to_owned(),
        "GET http://[ HTTP/1.1\r\n\r\n".to_owned(),
        format!("{head}ce-id: a\0b\r\n\r\n"),
        format!("{head}ce-id: a\rb\r\n\r\n"),
        format!("{head}ce id: 1\r\n\r\n"),
        format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        format!("{head}content-length: -1\r\n\r\n"),
        format!("{head} folded: 1\r\n\r\n"),
    ];
    // A HEAD has no body in its answer; what cannot be read after it has one.
    let before = |verb: &str| format!("{verb} /livez HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", server.addr.port());
    for bytes in wrong {
        let said = exchange(server.addr, bytes.as_bytes()).await;
        let answer = Answer::of(&said);
        answer.refused(Code::RequestMalformed);
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{bytes:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{bytes:?}");
        assert!(answer.header("date").is_some(), "{bytes:?}");
        // The same behind good requests, which are answered before, whether all comes at once or not.
        for verb in ["GET", "HEAD"] {
            let good = before(verb);
            for parts in [vec![good.as_str(), &good, &bytes], vec![&format!("{good}{good}{bytes}")]] {
                let said = in_turn(server.addr, &parts).await;
                let said = String::from_utf8(said).unwrap();
                let answers: Vec<_> = said.split("HTTP/1.").skip(1).collect();
                assert_eq!(answers.len(), 3, "{bytes:?}: {said}");
                assert!(answers[..2].iter().all(|answer| answer.starts_with("1 200 OK")), "{bytes:?}: {said}");
                let last = format!("HTTP/1.{}", answers[2]);
                Answer::of(last.as_bytes()).refused(Code::RequestMalformed);
            }
        }
    }
    assert_eq!(server.host.accepted(), 0);
}

/// Writes these one after the other, each when something has come back of the one before, and reads until the end.
async fn in_turn(addr: SocketAddr, parts: &[&str]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut said = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            said.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(part.as_bytes()).await.unwrap();
    }
    said.extend(rest(&mut stream).await);
    said
}

#[tokio::test]
async fn a_client_that_goes_on_sending_still_reads_why_its_request_was_refused() {
    let server = Server::start().await;
    let mut bytes = b"GET /livez HTTP/1.1\r\nx: \0\r\n\r\n".to_vec();
    // More than the buffers of both sides hold: it can only be written while somebody reads.
    bytes.resize(12 << 20, b'x');
    Answer::of(&exchange(server.addr, &bytes).await).refused(Code::RequestMalformed);
}
