//! Queues are listed, shown, put and removed as the host says, and messages sent, received, ended and looked at. The made-up host has a queue in
//! its file, `filed`, and gives whatever is asked back, so that a test can see it.

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_event::{Code, Event, QueueName, TenantName};
use wharf_gateway::view::{
    Accepted, Admission, MessageQueueView, MessageState, MessageView, PeekedView, PurgedView, ReceiptResult,
    ReceiptsView, ReceiptsWish, ReceiveWish, ReceivedView, RuleOrigin, event_json,
};
use wharf_gateway::{Ending, Expected, Messages, Put, QueueRef, Queues, Refusal};

use crate::client::{delete, get, post, put};
use crate::host::{FakeHost, TIME, paged, position, tenant_is_known};
use crate::receiving::structured;
use crate::server::Server;

fn view(queue: &QueueName, origin: RuleOrigin, version: usize) -> MessageQueueView {
    MessageQueueView {
        queue: queue.clone(),
        origin,
        version: Some(position(version)),
        visibility: "30s".to_owned(),
        delay: "0ms".to_owned(),
        retention: "4d".to_owned(),
        max_receives: None,
        backlog: None,
        dead_letter: queue.clone(),
        content_deduplication: false,
        ordered: false,
        paused: false,
        consumer: None,
        consumer_waits: None,
        depth: 7,
        in_flight: 1,
        oldest_since: Some(TIME.to_owned()),
    }
}

fn known(of: &QueueRef) -> Result<MessageQueueView, Refusal> {
    tenant_is_known(&of.tenant)?;
    match of.queue.as_str() {
        "filed" => Ok(view(&of.queue, RuleOrigin::File, 0)),
        "made" => Ok(view(&of.queue, RuleOrigin::Api, 1)),
        _ => Err(Refusal::new(Code::QueueUnknown, "the made-up host has none")),
    }
}

impl Queues for FakeHost {
    async fn message_queues(
        &self,
        tenant: &TenantName,
        after: Option<QueueName>,
        limit: u32,
    ) -> Result<Vec<MessageQueueView>, Refusal> {
        tenant_is_known(tenant)?;
        let all = vec![view(&"filed".parse().unwrap(), RuleOrigin::File, 0)];
        Ok(paged(all, |one| &one.queue, after.as_ref(), limit))
    }

    async fn message_queue(&self, of: QueueRef) -> Result<MessageQueueView, Refusal> {
        known(&of)
    }

    async fn put_queue(
        &self,
        of: QueueRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<MessageQueueView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.queue.as_str() == "filed" {
            return Err(Refusal::new(Code::QueueOfFile, "it stands in the file"));
        }
        let document: Value =
            serde_json::from_slice(&document).map_err(|error| Refusal::new(Code::QueueInvalid, error.to_string()))?;
        if expected == Expected::Absent && of.queue.as_str() == "made" {
            return Err(Refusal::new(Code::VersionConflict, "there is one"));
        }
        let visibility = document["visibility"].as_str().unwrap_or_default().to_owned();
        let now = MessageQueueView { visibility, ..view(&of.queue, RuleOrigin::Api, 2) };
        Ok(Put { now, created: of.queue.as_str() != "made" })
    }

    async fn remove_queue(&self, of: QueueRef, _: Expected) -> Result<(), Refusal> {
        match known(&of)?.origin {
            RuleOrigin::File => Err(Refusal::new(Code::QueueInUse, "a rule sends to it")),
            RuleOrigin::Api => Ok(()),
        }
    }
}

impl Messages for FakeHost {
    async fn send_messages(
        &self,
        of: &QueueRef,
        events: Vec<Event>,
        delay: Option<String>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, Refusal> {
        known(of)?;
        let id = |event: &Event| format!("{} {}", event.id(), delay.as_deref().unwrap_or("at once"));
        let accepted = |event: &Event| Ok(Accepted { id: id(event), position: position(0), duplicate: false });
        Ok(events.iter().map(accepted).collect())
    }

    async fn receive(&self, of: QueueRef, wish: ReceiveWish) -> Result<ReceivedView, Refusal> {
        known(&of)?;
        if wish.max == Some(0) {
            return Err(Refusal::new(Code::QueuePaused, "it is paused"));
        }
        let event = Event::from_json(&structured("1", "7").into()).unwrap();
        let message = MessageView {
            receipt: serde_json::to_string(&wish).unwrap(),
            event: event_json(&event).unwrap(),
            receives: 1,
            until: TIME.to_owned(),
            since: TIME.to_owned(),
            bus: None,
            rule: None,
        };
        Ok(ReceivedView { messages: vec![message] })
    }

    async fn end(&self, of: QueueRef, ending: Ending, wish: ReceiptsWish) -> Result<ReceiptsView, Refusal> {
        known(&of)?;
        let detail = Some(format!("{ending:?} {:?} {:?}", wish.delay, wish.visibility));
        let result = |receipt| ReceiptResult { receipt, ok: true, code: None, detail: detail.clone() };
        Ok(ReceiptsView { results: wish.receipts.into_iter().map(result).collect() })
    }

    async fn peek(
        &self,
        of: QueueRef,
        key: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<PeekedView>, Refusal> {
        known(&of)?;
        let message = PeekedView {
            id: format!("{key:?} {after:?} {limit}"),
            state: MessageState::Leased,
            until: Some(TIME.to_owned()),
            receives: 1,
            since: TIME.to_owned(),
            bus: None,
            rule: None,
            event: None,
        };
        Ok(vec![message])
    }

    async fn purge(&self, of: QueueRef) -> Result<PurgedView, Refusal> {
        known(&of)?;
        Ok(PurgedView { purged: 7 })
    }
}

const ALL: &str = "/v1/tenants/acme/queues";
const JSON: &str = "application/json";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

#[tokio::test]
async fn a_queue_is_read_put_and_removed_with_its_version_in_the_etag() {
    let server = Server::start().await;
    let all: Vec<MessageQueueView> = get(ALL).send(server.addr).await.json(200);
    assert_eq!((all.len(), all[0].queue.as_str(), all[0].depth), (1, "filed", 7));
    let shown = get(format!("{ALL}/made")).send(server.addr).await;
    assert_eq!(shown.header("etag"), Some("\"2-0\""));
    let made = put(format!("{ALL}/new"), r#"{"visibility": "1m"}"#).send(server.addr).await;
    assert_eq!(made.json::<MessageQueueView>(201).visibility, "1m");
    assert_eq!(made.header("location"), Some(format!("{ALL}/new").as_str()));
    assert_eq!(put(format!("{ALL}/made"), "{}").send(server.addr).await.status, 200);
    assert_eq!(delete(format!("{ALL}/made")).send(server.addr).await.status, 204);
}

#[tokio::test]
async fn messages_are_sent_as_events_are_and_what_is_asked_of_them_reaches_the_host() {
    let server = Server::start().await;
    let sent = post(format!("{ALL}/made/messages?delay=5s"), STRUCTURED, structured("1", "7")).send(server.addr).await;
    assert_eq!(sent.header("location"), Some("/v1/tenants/acme/events/1-0"));
    assert_eq!(sent.json::<Accepted>(202).id, "1 5s");
    let batch = format!("[{}, 7]", structured("2", "7"));
    let sent: Vec<Admission> = post(format!("{ALL}/made/messages"), BATCH, batch).send(server.addr).await.json(200);
    assert!(matches!(&sent[0], Admission::Accepted(it) if it.id == "2 at once"), "{sent:?}");
    assert!(matches!(&sent[1], Admission::Refused(it) if it.code == Code::EventJson), "{sent:?}");
    let wish = r#"{"max":3,"wait":"1s","visibility":"2s"}"#;
    let received: Value = post(format!("{ALL}/made/receive"), JSON, wish).send(server.addr).await.json(200);
    for content_type in ["", JSON] {
        let plain: Value = post(format!("{ALL}/made/receive"), content_type, "").send(server.addr).await.json(200);
        assert_eq!(plain["messages"][0]["receipt"], "{}", "nothing has to be said");
    }
    assert_eq!(
        (&received["messages"][0]["receipt"], &received["messages"][0]["event"]["data"]),
        (&json!(wish), &json!(7))
    );
    for (verb, more, saw) in [
        ("ack", "", "Ack None None"),
        ("release", r#", "delay": "1s""#, "Release Some(\"1s\") None"),
        ("extend", r#", "visibility": "1s""#, "Extend None Some(\"1s\")"),
    ] {
        let body = format!(r#"{{"receipts": ["a", "b"]{more}}}"#);
        let ended: ReceiptsView = post(format!("{ALL}/made/{verb}"), JSON, body).send(server.addr).await.json(200);
        assert_eq!((ended.results[1].receipt.as_str(), ended.results[1].detail.as_deref()), ("b", Some(saw)));
    }
    let peeked: Vec<PeekedView> =
        get(format!("{ALL}/made/messages?key=&after=x&limit=3")).send(server.addr).await.json(200);
    assert_eq!((peeked[0].id.as_str(), peeked[0].state), ("Some(\"\") Some(\"x\") 3", MessageState::Leased));
    let purged: PurgedView = post(format!("{ALL}/made/purge"), JSON, "").send(server.addr).await.json(200);
    assert_eq!(purged.purged, 7);
}

#[tokio::test]
async fn what_cannot_be_done_with_a_queue_has_its_code() {
    let server = Server::start().await;
    let many = format!(r#"{{"receipts": [{}]}}"#, vec!["\"a\""; 1_001].join(","));
    for (request, code) in [
        (get(format!("{ALL}/none")), Code::QueueUnknown),
        (get(format!("{ALL}/NONE")), Code::QueueUnknown),
        (put(format!("{ALL}/NONE"), "{}"), Code::QueueInvalid),
        (put(format!("{ALL}/new"), "no"), Code::QueueInvalid),
        (put(format!("{ALL}/filed"), "{}"), Code::QueueOfFile),
        (put(format!("{ALL}/made"), "{}").with("if-none-match", "*"), Code::VersionConflict),
        (delete(format!("{ALL}/filed")), Code::QueueInUse),
        (delete(format!("{ALL}/none")), Code::QueueUnknown),
        (post(format!("{ALL}/none/messages"), STRUCTURED, structured("1", "1")), Code::QueueUnknown),
        (post(format!("{ALL}/made/messages?delays=1s"), STRUCTURED, structured("1", "1")), Code::QueryInvalid),
        (post(format!("{ALL}/made/messages"), STRUCTURED, "{}"), Code::EventSpecversion),
        (get(format!("{ALL}/made/messages?limit=0")), Code::QueryInvalid),
        (post(format!("{ALL}/made/receive"), JSON, r#"{"most": 1}"#), Code::QueryInvalid),
        (post(format!("{ALL}/made/receive"), "text/plain", "{}"), Code::ContentTypeUnsupported),
        (post(format!("{ALL}/made/receive"), "", "{}"), Code::ContentTypeUnsupported),
        (post(format!("{ALL}/made/receive"), JSON, r#"{"max": 0}"#), Code::QueuePaused),
        (post(format!("{ALL}/none/receive"), JSON, "{}"), Code::QueueUnknown),
        (post(format!("{ALL}/made/ack"), JSON, "{}"), Code::QueryInvalid),
        (post(format!("{ALL}/made/ack"), JSON, r#"{"receipts": []}"#), Code::QueryInvalid),
        (post(format!("{ALL}/made/ack"), JSON, many), Code::QueryInvalid),
        (post(format!("{ALL}/made/ack"), JSON, vec![b' '; 300 * 1024]), Code::BatchTooLarge),
        (post(format!("{ALL}/made/ack"), JSON, r#"{"receipts": ["a"], "delay": "1s"}"#), Code::QueryInvalid),
        (post(format!("{ALL}/made/release"), JSON, r#"{"receipts": ["a"], "visibility": "1s"}"#), Code::QueryInvalid),
        (post(format!("{ALL}/none/purge"), JSON, ""), Code::QueueUnknown),
    ] {
        request.send(server.addr).await.refused(code);
    }
}
