//! What a connection may do: its limits, several requests on one, and how shutdown treats it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use wharf_event::Code;
use wharf_gateway::view::Accepted;
use wharf_gateway::{Bodies, ServeOptions, serve};

use crate::client::{Answer, exchange, get, post, rest};
use crate::host::FakeHost;
use crate::receiving::structured;
use crate::server::Server;

const STRUCTURED: &str = "application/cloudevents+json";
const SLOW: &str = "/v1/tenants/acme/buses/slow/events";
const SOON: Duration = Duration::from_millis(50);

async fn connect(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut() {
    let server = Server::start_with(FakeHost::default(), |options| options.header_timeout = SOON).await;
    for begun in ["", "GET /livez HT", "GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "] {
        let mut stream = connect(&server, begun.as_bytes()).await;
        let said = rest(&mut stream).await;
        assert!(!String::from_utf8_lossy(&said).contains(" 200 "), "{begun:?}");
    }
    assert_eq!(get("/livez").send(server.addr).await.status, 200);
}

#[tokio::test]
async fn a_client_that_never_ends_its_body_is_cut_and_nothing_is_accepted() {
    let server = Server::start_with(FakeHost::default(), |options| options.body_timeout = SOON).await;
    for length in ["1000", "2000000"] {
        let request = post("/events", STRUCTURED, structured("1", "1")).with("content-length", length);
        let mut stream = connect(&server, &request.bytes(server.addr)).await;
        assert_eq!(rest(&mut stream).await, b"", "{length}");
    }
    assert_eq!(server.host.accepted(), 0);
    assert_eq!(get("/livez").send(server.addr).await.status, 200);
}

#[tokio::test]
async fn bodies_that_stall_hold_no_more_than_there_is_room_for_and_small_ones_go_on() {
    let server = Server::start_with(FakeHost::default(), |options| options.bodies = Bodies::new(1 << 20, SOON)).await;
    let batch = "application/cloudevents-batch+json";
    let stalled = post("/events", batch, "x".repeat(900_000)).with("content-length", "8000000").bytes(server.addr);
    let large = |id: &str| post("/events", STRUCTURED, structured(id, &format!("\"{}\"", "x".repeat(900_000))));
    assert_eq!(large("0").send(server.addr).await.status, 202);
    let mut held = Vec::new();
    // One holds what there is, one goes on without, and all others are read and thrown away.
    for _ in 0..20 {
        held.push(connect(&server, &stalled).await);
    }
    while large("1").send(server.addr).await.status == 202 {}
    let refused = large("1").send(server.addr).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.refused(Code::Overloaded);
    let page = String::from_utf8(get("/metrics").send(server.addr).await.body).unwrap();
    assert!(page.contains("wharf_http_body_bytes_max 1048576\n"), "{page}");
    assert!(!page.contains("wharf_http_body_bytes 0\n"), "{page}");
    let small = post("/events", STRUCTURED, structured("2", &format!("\"{}\"", "x".repeat(60_000))));
    assert_eq!(small.send(server.addr).await.status, 202);
    drop(held);
    while large("3").send(server.addr).await.status == 503 {}
    assert_eq!(large("4").send(server.addr).await.status, 202);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start().await;
    let mut lines = get("/livez");
    for n in 0..200 {
        lines = lines.with(&format!("x-{n}"), "1");
    }
    let large = get("/livez").with("x-large", "x".repeat(65 * 1024));
    let long = get(format!("/{}", "x".repeat(65_535)));
    for request in [lines, large, long] {
        let answer = Answer::of(&exchange(server.addr, &request.bytes(server.addr)).await);
        answer.refused(Code::RequestHeadTooLarge);
    }
    let full = get("/livez").with("x-large", "x".repeat(60 * 1024));
    assert_eq!(full.send(server.addr).await.status, 200);
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = Server::start().await;
    let first = post("/events", STRUCTURED, structured("1", "1")).with("connection", "keep-alive").bytes(server.addr);
    let refused = get("/nowhere").with("connection", "keep-alive").bytes(server.addr);
    let last = get("/livez").bytes(server.addr);
    let said = exchange(server.addr, &[first, refused, last].concat()).await;
    let said = String::from_utf8(said).unwrap();
    let statuses: Vec<&str> = said.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["202", "404", "200"]);
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_their_turn() {
    let server = Server::start_with(FakeHost::default(), |options| options.connections_max = 1).await;
    let first = connect(&server, &post(SLOW, STRUCTURED, structured("1", "1")).bytes(server.addr)).await;
    server.host.entered.notified().await;
    let mut second = connect(&server, &get("/livez").bytes(server.addr)).await;
    let waits = tokio::time::timeout(SOON, second.read_u8()).await;
    assert!(waits.is_err(), "the second connection was served beside the first");
    drop(first);
    assert!(String::from_utf8(rest(&mut second).await).unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn where_many_connections_are_open_a_new_one_has_to_speak_soon() {
    let server = Server::start_with(FakeHost::default(), |options| {
        options.connections_max = 4;
        options.header_timeout_crowded = SOON;
    })
    .await;
    let mut first = connect(&server, b"").await;
    let mut second = connect(&server, b"GET /livez HT").await;
    let mut third = connect(&server, b"").await;
    rest(&mut third).await;
    // Those that came before may still take their time.
    first.write_all(&get("/livez").bytes(server.addr)).await.unwrap();
    second.write_all(&get("/livez").bytes(server.addr)[b"GET /livez HT".len()..]).await.unwrap();
    for stream in [&mut first, &mut second] {
        assert_eq!(Answer::of(&rest(stream).await).status, 200);
    }
}

#[tokio::test]
async fn feeds_above_the_limit_are_refused_and_a_reader_that_goes_makes_room() {
    let server = Server::start_with(FakeHost::default(), |options| options.feeds_max = 1).await;
    let mut first = connect(&server, &get("/v1/tenants/acme/feed").bytes(server.addr)).await;
    first.read_u8().await.unwrap();
    get("/v1/tenants/acme/feed").send(server.addr).await.refused(Code::Overloaded);
    drop(first);
    loop {
        let mut next = connect(&server, &get("/v1/tenants/acme/feed").bytes(server.addr)).await;
        let mut status = [0; 12];
        next.read_exact(&mut status).await.unwrap();
        if status == *b"HTTP/1.1 200" {
            break;
        }
        assert_eq!(status, *b"HTTP/1.1 503");
    }
}

#[tokio::test]
async fn until_there_is_a_host_it_is_told_that_it_lives_and_what_it_waits_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (options, (come, host), (stop, stopped)) =
        (ServeOptions::loopback(addr.port()), oneshot::channel(), oneshot::channel());
    let starting = options.starting.clone();
    let host = async { host.await.unwrap() };
    let served = tokio::spawn(serve::<FakeHost>(listener, host, options, async { stopped.await.unwrap() }));
    starting.waits_for("the log is read");
    // One connection from before to after.
    let early = get("/readyz").with("connection", "keep-alive").bytes(addr);
    let mut kept = TcpStream::connect(addr).await.unwrap();
    kept.write_all(&early).await.unwrap();
    let mut status = [0; 12];
    kept.read_exact(&mut status).await.unwrap();
    assert_eq!(status, *b"HTTP/1.1 503");
    assert_eq!(get("/livez").send(addr).await.status, 200);
    for request in [get("/readyz"), get("/metrics"), get("/nowhere"), post("/events", STRUCTURED, structured("1", "1"))]
    {
        let answer = request.send(addr).await;
        assert!(answer.header("retry-after").is_some());
        assert!(answer.refused(Code::NotReady).detail.contains("the log is read"));
    }
    get("/readyz").with("host", "rebound.example").send(addr).await.refused(Code::HostForeign);
    let fake = FakeHost::default();
    come.send(fake.clone()).ok().unwrap();
    while get("/readyz").send(addr).await.status == 503 {}
    assert_eq!(post("/events", STRUCTURED, structured("1", "1")).send(addr).await.status, 202);
    assert_eq!(fake.accepted(), 1);
    kept.write_all(&get("/readyz").bytes(addr)).await.unwrap();
    assert!(String::from_utf8_lossy(&rest(&mut kept).await).contains("HTTP/1.1 200 "));
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_lets_requests_in_flight_finish_and_takes_no_new_connection() {
    let server = Server::start().await;
    let (addr, host) = (server.addr, server.host.clone());
    let mut idle = connect(&server, b"").await;
    let mut kept = connect(&server, &get("/livez").with("connection", "keep-alive").bytes(addr)).await;
    kept.read_u8().await.unwrap();
    let mut in_flight = connect(&server, &post(SLOW, STRUCTURED, structured("1", "1")).bytes(addr)).await;
    host.entered.notified().await;

    let served = server.shut_down();
    rest(&mut idle).await;
    rest(&mut kept).await;
    assert!(TcpStream::connect(addr).await.is_err(), "the listener is still open");
    host.released.notify_one();
    let accepted: Accepted = Answer::of(&rest(&mut in_flight).await).json(202);
    assert_eq!(accepted.id, "1");
    served.await.unwrap().unwrap();
    assert_eq!(host.accepted(), 1);
}

#[tokio::test]
async fn what_is_in_flight_at_the_shutdown_deadline_is_dropped() {
    let server = Server::start_with(FakeHost::default(), |options| options.shutdown_timeout = SOON).await;
    let mut in_flight = connect(&server, &post(SLOW, STRUCTURED, structured("1", "1")).bytes(server.addr)).await;
    server.host.entered.notified().await;
    server.shut_down().await.unwrap().unwrap();
    assert_eq!(rest(&mut in_flight).await, b"");
}

#[tokio::test]
async fn a_reader_who_stops_reading_is_cut_and_what_was_cut_is_counted() {
    let server = Server::start_with(FakeHost::default(), |options| {
        options.write_timeout = SOON;
        options.header_timeout = 10 * SOON;
    })
    .await;
    let large = format!("\"{}\"", "x".repeat(1_000_000));
    for n in 0..16 {
        let sent = post("/events", STRUCTURED, structured(&n.to_string(), &large)).send(server.addr).await;
        assert_eq!(sent.status, 202);
    }
    let _held = connect(&server, &get("/v1/tenants/acme/events").bytes(server.addr)).await;
    let _idle = connect(&server, b"").await;
    loop {
        let page = String::from_utf8(get("/metrics").send(server.addr).await.body).unwrap();
        let cut = |by: &str| page.contains(&format!("wharf_http_cut_total{{by=\"{by}\"}} 1\n"));
        assert!(!cut("body"), "{page}");
        // Both are gone when nothing but this request is left.
        if cut("answer") && cut("head") && page.contains("wharf_http_connections 1\n") {
            break;
        }
        tokio::task::yield_now().await;
    }
}
