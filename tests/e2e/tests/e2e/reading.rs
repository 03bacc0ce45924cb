//! Reading back is bounded: pages end by bytes and continue by their cursor, and nothing is left out or told twice.

use serde_json::{Value, json};

use crate::host::{Host, Site};

/// Sends an event with a payload of so many bytes.
fn send(host: &Host, id: &str, kind: &str, bytes: usize) {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": kind, "data": "x".repeat(bytes)});
    let (status, answer) = host.post("/events", "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
}

/// All pages of a list, each asked for with the cursor that the one before ends with.
fn pages(host: &Host, list: &str, cursor: impl Fn(&Value) -> String) -> Vec<Vec<Value>> {
    let (mut pages, mut more) = (Vec::new(), String::new());
    loop {
        let page = host.get(&format!("{list}?limit=100{more}")).1;
        let page = page.as_array().unwrap_or_else(|| panic!("{page}")).clone();
        let Some(last) = page.last() else { return pages };
        more = cursor(last);
        pages.push(page);
    }
}

#[test]
fn pages_of_large_events_end_by_their_bytes_and_nothing_is_left_out() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    let ids: Vec<_> = (0..11).map(|n| format!("large-{n}")).collect();
    ids.iter().for_each(|id| send(&host, id, "probe.reject", 900_000));
    host.settled("acme");
    let cases = [
        pages(&host, "/v1/tenants/acme/dlq/dead", |last| format!("&after={}", last["id"].as_str().unwrap())),
        pages(&host, "/v1/tenants/acme/events", |last| format!("&before={}", last["position"].as_str().unwrap())),
    ];
    for (pages, newest_first) in cases.into_iter().zip([false, true]) {
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 3]);
        let id = |row: &Value| {
            let event = if newest_first { &row["event"] } else { &row["event"]["event"] };
            event["id"].as_str().unwrap().to_owned()
        };
        let mut told: Vec<_> = pages.iter().flatten().map(id).collect();
        if newest_first {
            told.reverse();
        }
        assert_eq!(told, ids);
    }
}

#[test]
fn an_event_beyond_the_hop_limit_shows_its_deliveries_as_dead_lettered_until_they_go_out_again() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("first", "probe.chain");
    host.settled("acme");
    let letter = host.dead("dead")[0].clone();
    let event = letter["event"]["position"].as_str().unwrap();
    let delivery = |of: &str| host.get(&format!("/v1/tenants/acme/events/{of}")).1["deliveries"][0].clone();
    let state = |of: &str| delivery(of)["state"].as_str().unwrap().to_owned();
    assert_eq!(state(event), "dead-lettered");
    assert_eq!(state("first"), "settled");
    let (status, _) = host.post("/v1/tenants/acme/dlq/dead/redrive", "application/json", "{\"all\":true}");
    assert_eq!(status, 200);
    host.settled("acme");
    assert_eq!((state(event), delivery(event)["attempts"].as_array().unwrap().len()), ("settled".to_owned(), 1));
}

#[test]
fn a_delivery_that_went_out_again_tells_the_attempts_before_and_after() {
    let site = Site::probe("", "first = \"1ms\", max = \"1ms\", attempts = 2");
    let host = site.start("serve");
    host.send("a", "probe.panic");
    for rounds in 1..=3 {
        host.settled("acme");
        let delivery = host.get("/v1/tenants/acme/events/a").1["deliveries"][0].clone();
        let numbers: Vec<_> = delivery["attempts"].as_array().unwrap().iter().map(|a| a["attempt"].clone()).collect();
        assert_eq!(json!(numbers), json!([1, 2].repeat(rounds)), "{delivery}");
        assert_eq!(delivery["state"], "dead-lettered");
        host.post("/v1/tenants/acme/dlq/dead/redrive", "application/json", "{\"all\":true}");
    }
}

#[test]
fn of_very_many_attempts_the_newest_are_told_and_the_others_on_pages_before() {
    let site = Site::probe("", "first = \"1ms\", max = \"1ms\", attempts = 130");
    let host = site.start("serve");
    host.send("a", "probe.panic");
    host.settled("acme");
    let numbers = |query: &str| {
        let delivery = host.get(&format!("/v1/tenants/acme/events/a?{query}")).1["deliveries"][0].clone();
        let numbers = delivery["attempts"].as_array().unwrap().iter().map(|it| it["attempt"].as_u64().unwrap());
        (numbers.collect::<Vec<_>>(), delivery["attempts_before"].as_str().map(str::to_owned))
    };
    let (newest, before) = numbers("limit=1");
    assert_eq!(newest, (31..=130).collect::<Vec<_>>());
    let (older, none) = numbers(&format!("delivery=0&attempts_before={}", before.unwrap()));
    assert_eq!((older, none), ((1..=30).collect(), None));
    let letter = host.dead("dead")[0]["id"].as_str().unwrap().to_owned();
    let letter = host.get(&format!("/v1/tenants/acme/dlq/dead/{letter}")).1;
    assert_eq!((letter["history"].as_array().map(Vec::len), &letter["truncated"]), (Some(100), &json!(true)));
}

#[test]
fn a_feed_from_a_published_event_begins_with_the_attempt_that_published_it() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("first", "probe.chain");
    host.settled("acme");
    let events = host.get("/v1/tenants/acme/events?limit=100").1;
    let published = events[0]["position"].as_str().unwrap();
    let first = host.first_line(&format!("/v1/tenants/acme/feed?from={published}"));
    assert_eq!(first["settled"]["published"][0]["position"], published, "{first}");
    assert_eq!(first["settled"]["event"], events[1]["position"]);
}

#[test]
fn what_is_not_there_is_told_by_what_is_missing() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("a", "probe.increment");
    host.send("b", "probe.reject");
    host.settled("acme");
    for (path, status, code) in [
        ("kv/nothing/k", 404, "bucket-unknown"),
        ("kv/nothing", 404, "bucket-unknown"),
        ("kv/probe/nothing", 404, "key-unknown"),
        ("dlq/dead?after=garbage", 400, "query-invalid"),
        ("dlq/dead/garbage", 404, "dead-letter-unknown"),
        ("dlq/nothing", 404, "queue-unknown"),
        ("events/nothing", 404, "event-unknown"),
        ("events/18446744073709551615-0", 404, "event-unknown"),
    ] {
        let (got, answer) = host.get(&format!("/v1/tenants/acme/{path}"));
        assert_eq!((got, &answer["code"]), (status, &code.into()), "{path}: {answer}");
    }
}
