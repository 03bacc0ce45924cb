//! What is read back: events, the feed, verdicts, keys, dead letters, and the host's own pages.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wharf_event::{Code, TenantName};
use wharf_gateway::WhichLetters;
use wharf_gateway::view::{
    BucketView, CallsView, DeadLetterView, DeliveryState, DiscardView, EventDetail, EventView, FeedItem, KeyView,
    LetterFilter, LetterGroupsView, QueueView, QuotasView, RedriveView, RuleVerdict, StatsView, TenantsView, TraceView,
    UsageView, ValueView,
};

use crate::client::{Answer, HUNG, delete, exchange, get, post, put};
use crate::host::{KEYS, position};
use crate::receiving::structured;
use crate::server::Server;

const STRUCTURED: &str = "application/cloudevents+json";

async fn with_events(ids: &[&str]) -> Server {
    let server = Server::start().await;
    for id in ids {
        let data = "{\n  \"n\": 1\r\n}";
        assert_eq!(post("/events", STRUCTURED, structured(id, data)).send(server.addr).await.status, 202);
    }
    server
}

#[tokio::test]
async fn events_are_listed_newest_first_and_page_by_page() {
    let server = with_events(&["a", "b", "c"]).await;
    let cases = [
        ("", vec![3, 2, 1]),
        ("?limit=2", vec![3, 2]),
        ("?limit=2&before=2-0", vec![1]),
        ("?type_prefix=order.", vec![3, 2, 1]),
        ("?type_prefix=none", vec![]),
    ];
    for (query, wanted) in cases {
        let events: Vec<EventView> = get(format!("/v1/tenants/acme/events{query}")).send(server.addr).await.json(200);
        assert_eq!(events.iter().map(|event| event.position.k).collect::<Vec<_>>(), wanted, "{query}");
    }
}

#[tokio::test]
async fn an_event_is_found_by_its_position_and_by_its_id_whatever_that_has_in_it() {
    let server = with_events(&["a", "odd/id ü?"]).await;
    for (name, wanted) in [("1-0", 0), ("a", 0), ("2-0", 1), ("odd%2Fid%20%C3%BC%3F", 1)] {
        let asked = format!("/v1/tenants/acme/events/{name}?limit=1&after=3&attempts_before=7-0");
        let detail: EventDetail = get(asked).send(server.addr).await.json(200);
        assert_eq!((detail.next, detail.deliveries[0].attempts_before), (Some(3), Some("7-0".parse().unwrap())));
        assert_eq!(detail.event.position, position(wanted), "{name}");
        assert_eq!(detail.deliveries[0].state, DeliveryState::DeadLettered);
        let trace: TraceView = get(format!("/v1/tenants/acme/events/{name}/trace?limit=1&after=5-0.9@6-0"))
            .send(server.addr)
            .await
            .json(200);
        assert_eq!((trace.events[0].event.position, trace.truncated), (position(wanted), true), "{name}");
        assert_eq!(trace.next, Some("5-0.9@6-0".parse().unwrap()), "{name}");
        let calls = format!("/v1/tenants/acme/events/{name}/calls?delivery=3&attempt=");
        let told: CallsView = get(format!("{calls}2")).send(server.addr).await.json(200);
        assert_eq!((told.delivery, told.attempt), (format!("{}.3", position(wanted)), 2), "{name}");
        get(format!("{calls}3")).send(server.addr).await.refused(Code::AttemptUnknown);
    }
}

#[tokio::test]
async fn the_feed_is_one_object_a_line_at_once_and_ends_at_shutdown() {
    let server = with_events(&["a", "b", "c"]).await;
    let stream = TcpStream::connect(server.addr).await.unwrap();
    let mut reader = BufReader::new(stream);
    let request = get("/v1/tenants/acme/feed?from=2-0").with("connection", "keep-alive").bytes(server.addr);
    reader.get_mut().write_all(&request).await.unwrap();
    let mut lines = reader.lines();
    let mut head = Vec::new();
    let mut items = Vec::new();
    // The feed goes on for ever, so that these two lines arrive shows that they are not kept back.
    while items.len() < 2 {
        let line = timeout(HUNG, lines.next_line()).await.expect("an item is kept back").unwrap().unwrap();
        match serde_json::from_str(&line) {
            Ok(FeedItem::Received { event }) => items.push(event),
            Ok(other) => panic!("{other:?}"),
            Err(_) => head.push(line),
        }
    }
    assert!(head.contains(&"content-type: application/x-ndjson".to_owned()), "{head:?}");
    assert_eq!(items.iter().map(|event| event.position).collect::<Vec<_>>(), [position(1), position(2)]);
    assert!(items[0].event.get().contains("\"data\":{   \"n\": 1  }"), "{}", items[0].event);

    let served = server.shut_down();
    let mut last = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        last.push(line);
    }
    assert!(last.contains(&"0".to_owned()), "the last chunk is missing: {last:?}");
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn rules_explain_themselves_about_an_event_that_is_not_accepted() {
    let server = Server::start().await;
    let requests = [
        post("/v1/tenants/acme/buses/default/explain", STRUCTURED, structured("1", "1")),
        post("/v1/tenants/acme/buses/default/explain?type=order.placed&source=s", "application/json", "1"),
    ];
    for request in requests {
        let verdicts: Vec<RuleVerdict> = request.send(server.addr).await.json(200);
        assert!(!verdicts[0].matched);
        assert_eq!(verdicts[0].mismatch.as_ref().unwrap().saw, "\"order.placed\"");
    }
    assert_eq!(server.host.accepted(), 0);
}

#[tokio::test]
async fn totals_are_shown() {
    let server = with_events(&["a"]).await;
    let tenants: TenantsView = get("/v1/tenants").send(server.addr).await.json(200);
    assert_eq!((tenants.default.unwrap().as_str(), tenants.tenants.len()), ("acme", 1));
    let stats: StatsView = get("/v1/tenants/acme/stats").send(server.addr).await.json(200);
    assert_eq!((stats.events, stats.p50_ms, stats.p99_ms), (1, Some(0.5), None));
}

#[tokio::test]
async fn lists_by_name_come_in_pages() {
    let server = Server::start().await;
    for list in ["kv", "dlq", "queues", "topics", "webhooks", "routes", "schemas", "buses"] {
        let (at, behind) = (format!("/v1/tenants/acme/{list}"), if list == "routes" { "%2Fzzz" } else { "zzz" });
        let all: Vec<serde_json::Value> = get(at.as_str()).send(server.addr).await.json(200);
        assert_eq!(all.len(), 1, "{list}");
        let none: Vec<serde_json::Value> =
            get(format!("{at}?after={behind}&limit=1000")).send(server.addr).await.json(200);
        assert!(none.is_empty(), "{list}");
        for query in ["limit=0", "limit=1001", "after=%00", "cursor=a"] {
            get(format!("{at}?{query}")).send(server.addr).await.refused(Code::QueryInvalid);
        }
    }
}

#[tokio::test]
async fn lists_that_were_whole_come_in_pages_or_say_that_they_do_not() {
    let server = Server::start().await;
    for list in ["/v1/tenants", "/v1/tenants/acme/replays", "/v1/tenants/acme/secrets", "/v1/tenants/acme/keys"] {
        for query in ["limit=0", "limit=1001", "after=%00", "cursor=a"] {
            get(format!("{list}?{query}")).send(server.addr).await.refused(Code::QueryInvalid);
        }
        assert_eq!(get(format!("{list}?limit=1&after=zzz")).send(server.addr).await.status, 200, "{list}");
    }
    for list in
        ["plugins/p/releases?limit=1", "schemas/s/versions?after=1", "events/1-0?after=-1", "events/1-0?limit=0"]
    {
        get(format!("/v1/tenants/acme/{list}")).send(server.addr).await.refused(Code::QueryInvalid);
    }
    let tenants = |query: &'static str| {
        let addr = server.addr;
        async move { get(format!("/v1/tenants?{query}")).send(addr).await.json::<TenantsView>(200).tenants }
    };
    put("/v1/tenants/other", "{}").send(server.addr).await;
    let named = |all: Vec<TenantName>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(named(tenants("limit=1").await), ["acme"]);
    assert_eq!(named(tenants("limit=1&after=acme").await), ["other"]);
    assert!(tenants("after=other").await.is_empty());
}

#[tokio::test]
async fn buckets_and_keys_are_shown_as_text_where_they_are_text() {
    let server = Server::start().await;
    let buckets: Vec<BucketView> = get("/v1/tenants/acme/kv").send(server.addr).await.json(200);
    assert_eq!((buckets[0].bucket.as_str(), buckets[0].keys), ("stats", 4));
    let all: Vec<KeyView> = get("/v1/tenants/acme/kv/stats").send(server.addr).await.json(200);
    assert_eq!(
        all.iter().map(|view| view.key.as_str()).collect::<Vec<_>>(),
        KEYS.iter().map(|k| k.0).collect::<Vec<_>>()
    );
    let page: Vec<KeyView> =
        get("/v1/tenants/acme/kv/stats?after=repo%2Fwharf/wharf&limit=1").send(server.addr).await.json(200);
    assert_eq!(page, all[2..3]);

    let values = [
        ("a", ValueView::Text("1".to_owned())),
        ("repo/wharf/wharf", ValueView::Text("17".to_owned())),
        ("repo%2Fwharf%2Fwharf", ValueView::Text("17".to_owned())),
        ("100%25%20%C3%A9%3F", ValueView::Text("yes".to_owned())),
        ("raw", ValueView::Base64("/wA=".to_owned())),
    ];
    for (path, value) in values {
        let key: KeyView = get(format!("/v1/tenants/acme/kv/stats/{path}")).send(server.addr).await.json(200);
        assert_eq!(key.value, value, "{path}");
    }
}

#[tokio::test]
async fn dead_letters_are_shown_and_sent_again() {
    let server = with_events(&["a"]).await;
    let queues: Vec<QueueView> = get("/v1/tenants/acme/dlq").send(server.addr).await.json(200);
    assert_eq!((queues[0].queue.as_str(), queues[0].depth), ("failed", 1));
    let letters: Vec<DeadLetterView> = get("/v1/tenants/acme/dlq/failed?limit=10").send(server.addr).await.json(200);
    let letter: DeadLetterView = get("/v1/tenants/acme/dlq/failed/1-0.0").send(server.addr).await.json(200);
    assert_eq!((letters.len(), &letters[0].id, letter.code), (1, &letter.id, Code::RetriesSpent));

    let groups = get("/v1/tenants/acme/dlq/failed/groups?since=x&code=retries-spent").send(server.addr).await;
    let groups: LetterGroupsView = groups.json(200);
    assert_eq!((groups.groups[0].sample.as_str(), groups.groups[0].count, groups.others), ("1-0.0", 1, 1));
    for (query, asked) in [("after=x", "x 1000"), ("limit=7&after=y", "y 7")] {
        let page = get(format!("/v1/tenants/acme/dlq/failed/groups?{query}")).send(server.addr).await;
        assert_eq!(page.json::<LetterGroupsView>(200).next.as_deref(), Some(asked));
    }
    let of_one: Vec<DeadLetterView> =
        get("/v1/tenants/acme/dlq/failed?target=queue/q&until=x").send(server.addr).await.json(200);
    assert_eq!(of_one.len(), 0, "the filter came through");

    let dry = "{\"all\":true,\"dry_run\":true}";
    let edit = put("/v1/tenants/acme/dlq/failed/1-0.0/event", "{\"data\":[1]}").send(server.addr).await;
    assert!(edit.json::<DeadLetterView>(200).edited.is_some());
    let dry = post("/v1/tenants/acme/dlq/failed/redrive", "application/json", dry).send(server.addr).await;
    assert_eq!(dry.json::<RedriveView>(200), RedriveView { redriven: 0, matching: Some(1) });
    let bodies = [
        "{\"all\":true}",
        "{\"ids\":[\"1-0.0\",\"2-0.0\"]}",
        "{\"since\":\"x\"}",
        "{\"where\":{\"since\":\"x\"},\"dry_run\":false}",
    ];
    for body in bodies {
        let request = post("/v1/tenants/acme/dlq/failed/redrive", "application/json; charset=utf-8", body);
        assert_eq!(
            request.send(server.addr).await.json::<RedriveView>(200),
            RedriveView { redriven: 1, matching: None }
        );
    }
    let since = WhichLetters::Where(LetterFilter { since: Some("x".to_owned()), ..LetterFilter::default() });
    let ids = WhichLetters::Ids(vec!["1-0.0".to_owned(), "2-0.0".to_owned()]);
    let wanted = [WhichLetters::All, ids, since.clone(), since];
    assert_eq!(*server.host.redriven.lock().unwrap(), wanted);

    let of = "/v1/tenants/acme/dlq/failed/discard";
    let gone = post(of, "application/json", "{\"all\":true}").send(server.addr).await;
    assert_eq!(gone.json::<DiscardView>(200), DiscardView { discarded: 1, matching: None });
    for body in ["{}", "{\"where\":{}}", "{\"all\":true,\"letters_per_s\":7}", "{\"all\":true,\"ids\":[\"1-0.0\"]}"] {
        post(of, "application/json", body).send(server.addr).await.refused(Code::QueryInvalid);
    }
    assert_eq!(delete("/v1/tenants/acme/dlq/failed/1-0.0").send(server.addr).await.status, 204);
    let gone = WhichLetters::Ids(vec!["1-0.0".to_owned()]);
    assert_eq!(server.host.redriven.lock().unwrap()[4..], [WhichLetters::All, gone]);
}

#[tokio::test]
async fn the_host_says_that_it_lives_whether_it_is_ready_and_what_its_errors_mean() {
    let server = Server::start().await;
    assert_eq!(get("/livez").send(server.addr).await.status, 200);
    assert_eq!(get("/readyz").send(server.addr).await.status, 200);
    *server.host.refuses_ready.lock().unwrap() = true;
    get("/readyz").send(server.addr).await.refused(Code::NotReady);
    assert_eq!(get("/livez").send(server.addr).await.status, 200);

    let document: serde_json::Value = get("/openapi.json").send(server.addr).await.json(200);
    assert_eq!(document["openapi"], "3.1.0");
    for &code in Code::ALL {
        let answer = get(format!("/errors/{code}")).send(server.addr).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
        assert_eq!(answer.body, wharf_gateway::page(code).as_bytes());
    }
}

#[tokio::test]
async fn metrics_are_those_of_the_host_and_what_was_answered_by_status_and_code() {
    let server = with_events(&["a", "b"]).await;
    get("/nowhere").send(server.addr).await.refused(Code::RouteUnknown);
    Answer::of(&exchange(server.addr, b"this is no HTTP\r\n\r\n").await).refused(Code::RequestMalformed);
    let answer = get("/metrics").send(server.addr).await;
    let page = String::from_utf8(answer.body).unwrap();
    for line in [
        "made_up_total 2",
        "wharf_http_answers_total{status=\"202\"} 2",
        "wharf_http_answers_total{status=\"404\"} 1",
        "wharf_http_problems_total{code=\"route-unknown\"} 1",
        "wharf_http_problems_total{code=\"request-malformed\"} 1",
        "wharf_http_feeds 0",
    ] {
        assert!(page.lines().any(|other| other == line), "no line {line}:\n{page}");
    }
}

#[tokio::test]
async fn quotas_are_told_beside_what_there_is() {
    let server = Server::start().await;
    let told: QuotasView = get("/v1/tenants/acme/quotas").send(server.addr).await.json(200);
    assert_eq!((told.kv_bytes.used, told.kv_bytes.most, told.backlog.most), (7, Some(8), None));
    get("/v1/tenants/other/quotas").send(server.addr).await.refused(Code::TenantUnknown);
}

#[tokio::test]
async fn usage_is_asked_for_by_a_query_that_is_understood_whole() {
    let server = Server::start().await;
    let cases = [
        ("", "- - plugin - -"),
        ("?by=plugin", "- - plugin - -"),
        ("?by=hour&from=7d&to=2026-11-01&plugin=p.q&after=7%2Fp", "7d 2026-11-01 hour p.q 7/p"),
    ];
    for (query, asked) in cases {
        let told: UsageView = get(format!("/v1/tenants/acme/usage{query}")).send(server.addr).await.json(200);
        assert_eq!((told.from.as_str(), told.items[0].attempts), (asked, 7), "{query}");
    }
    for query in ["?by=day", "?limit=5", "?plugin=No"] {
        let refused = get(format!("/v1/tenants/acme/usage{query}")).send(server.addr).await;
        refused.refused(Code::QueryInvalid);
    }
    get("/v1/tenants/other/usage").send(server.addr).await.refused(Code::TenantUnknown);
}
