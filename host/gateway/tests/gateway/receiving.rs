//! Events that are taken: in every mode, one by one and in batches.

use wharf_event::{Code, Data};
use wharf_gateway::Problem;
use wharf_gateway::view::{Accepted, Admission, EventDetail};

use crate::client::{Request, get, post};
use crate::host::{FakeHost, position};
use crate::server::Server;

const EVENTS: &str = "/v1/tenants/acme/buses/default/events";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

pub fn binary(body: &[u8]) -> Request {
    post(EVENTS, "application/json", body)
        .with("ce-specversion", "1.0")
        .with("ce-id", "b-1")
        .with("ce-source", "/shop")
        .with("ce-type", "order.placed")
}

pub fn structured(id: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/shop","type":"order.placed","data":{data}}}"#)
}

#[tokio::test]
async fn an_event_in_any_mode_is_accepted_with_its_payload_as_it_came() {
    let payload = "{ \"total\" : 1.10,\n\t\"big\":123456789012345678901234567890 }";
    let modes = [
        ("b-1", binary(payload.as_bytes())),
        ("s-1", post(EVENTS, STRUCTURED, structured("s-1", payload))),
        ("s-2", post("/events", "application/cloudevents+json; charset=UTF-8", structured("s-2", payload))),
        ("made-up-1", post(format!("{EVENTS}?type=order.placed&source=%2Fshop"), "application/json", payload)),
        (
            "c-1",
            post(
                EVENTS,
                STRUCTURED,
                format!("{:x}\r\n{}\r\n0\r\n\r\n", structured("c-1", payload).len(), structured("c-1", payload)),
            )
            .with("transfer-encoding", "chunked"),
        ),
    ];
    let server = Server::start().await;
    for (k, (id, request)) in modes.into_iter().enumerate() {
        let answer = request.send(server.addr).await;
        let accepted: Accepted = answer.json(202);
        assert_eq!(accepted, Accepted { id: id.to_owned(), position: position(k), duplicate: false });
        let location = answer.header("location").unwrap();
        assert_eq!(location, format!("/v1/tenants/acme/events/{}", accepted.position));
        let shown: EventDetail = get(location).send(server.addr).await.json(200);
        assert!(shown.event.event.get().contains(payload), "{}", shown.event.event);

        let events = server.host.events.lock().unwrap();
        assert_eq!((events[k].id(), events[k].source(), events[k].kind()), (id, "/shop", "order.placed"));
        assert!(matches!(events[k].data(), Some(Data::Json(bytes)) if bytes == payload), "{id}");
    }
}

#[tokio::test]
async fn plain_json_gets_its_id_and_time_from_the_host() {
    let server = Server::start().await;
    let request = post("/events?source=/shop&type=order.placed", "", "[1]");
    let _: Accepted = request.send(server.addr).await.json(202);
    let events = server.host.events.lock().unwrap();
    assert_eq!((events[0].id(), events[0].time()), ("made-up-1", Some(crate::host::TIME)));
}

#[tokio::test]
async fn attributes_in_headers_are_percent_decoded() {
    let server = Server::start().await;
    let _: Accepted = binary(b"1").with("ce-city", "Z%C3%BCrich").send(server.addr).await.json(202);
    assert_eq!(server.host.events.lock().unwrap()[0].extension("city").unwrap().to_string(), "Zürich");
}

#[tokio::test]
async fn a_duplicate_is_answered_with_the_position_of_the_first() {
    let server = Server::start().await;
    for duplicate in [false, true] {
        let accepted: Accepted = binary(b"1").send(server.addr).await.json(202);
        assert_eq!(accepted, Accepted { id: "b-1".to_owned(), position: position(0), duplicate });
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_one_bad_event_stops_no_other() {
    let server = Server::start().await;
    let batch = [
        structured("1", "1"),
        r#"{"specversion":"1.0","id":"2"}"#.to_owned(),
        structured("3", "3"),
        r#"{"specversion":"1.0","id":"4","source":"/shop","type":"too.many"}"#.to_owned(),
        r#"{"specversion":"0.3","id":"5","source":"/shop","type":"t"}"#.to_owned(),
        "17".to_owned(),
        structured("1", "1"),
        structured("8", &format!("\"{}\"", "x".repeat(1024 * 1024))),
    ];
    let answer = post(EVENTS, BATCH, format!("[{}]", batch.join(","))).send(server.addr).await;
    let said: Vec<String> = answer
        .json::<Vec<Admission>>(200)
        .into_iter()
        .map(|admission| match admission {
            Admission::Accepted(Accepted { id, position, duplicate }) => format!("{id} {position} {duplicate}"),
            Admission::Refused(Problem { code, status, .. }) => format!("{status} {code}"),
        })
        .collect();
    let wanted = [
        "1 1-0 false",
        "400 event-attribute",
        "3 2-0 false",
        "413 targets-too-many",
        "400 event-specversion",
        "400 event-json",
        "1 1-0 true",
        "413 event-too-large",
    ];
    assert_eq!(said, wanted);
    assert_eq!(server.host.accepted(), 2);
}

#[tokio::test]
async fn a_batch_of_a_thousand_is_taken_and_an_empty_one_asks_for_the_bus_only() {
    let server = Server::start().await;
    let events: Vec<String> = (0..1000).map(|n| structured(&n.to_string(), "1")).collect();
    let answers: Vec<Accepted> =
        post(EVENTS, BATCH, format!("[{}]", events.join(","))).send(server.addr).await.json(200);
    assert_eq!(answers.len(), 1000);
    assert_eq!(server.host.accepted(), 1000);

    assert_eq!(post(EVENTS, BATCH, "[]").send(server.addr).await.json::<Vec<Accepted>>(200), []);
    let unknown = post("/v1/tenants/acme/buses/nowhere/events", BATCH, "[]");
    unknown.send(server.addr).await.refused(Code::BusUnknown);
}

#[tokio::test]
async fn a_host_that_refuses_all_is_passed_on_with_its_time_to_wait() {
    let server = Server::start().await;
    for (media_type, body) in [(STRUCTURED, structured("1", "1")), (BATCH, format!("[{}]", structured("1", "1")))] {
        let answer = post("/v1/tenants/acme/buses/full/events", media_type, body).send(server.addr).await;
        assert_eq!(answer.refused(Code::Overloaded).retry_after_s, Some(7));
    }
}

#[tokio::test]
async fn without_a_default_tenant_the_short_path_knows_no_tenant() {
    let host = FakeHost { no_default_tenant: true, ..FakeHost::default() };
    let server = Server::start_with(host, |_| {}).await;
    let request = post("/events", STRUCTURED, structured("1", "1"));
    request.send(server.addr).await.refused(Code::TenantUnknown);
}
