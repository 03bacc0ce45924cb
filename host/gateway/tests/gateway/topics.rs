//! Topics and their subscriptions are listed, shown, put and removed as the host says, and events published. The made-up host has a topic in its
//! file, `filed`, and one with a subscription that was made, `made`.

use bytes::Bytes;
use serde_json::Value;
use wharf_event::{BusName, Code, Event, SubscriptionName, TenantName, TopicName};
use wharf_gateway::view::{RetentionView, RuleOrigin, RuleVerdict, SubscriptionView, TopicView};
use wharf_gateway::{Archive as _, Expected, Put, Refusal, SubscriptionRef, TopicRef, Topics};

use crate::client::{delete, get, post, put};
use crate::host::{FakeHost, paged, position, tenant_is_known};
use crate::receiving::structured;
use crate::server::Server;

fn view(topic: &TopicName, origin: RuleOrigin, age: &str) -> TopicView {
    let retention = RetentionView { age: age.to_owned(), size: "10GiB".to_owned() };
    TopicView { topic: topic.clone(), origin, version: Some(position(1)), retention, subscriptions: 1 }
}

fn known(of: &TopicRef) -> Result<TopicView, Refusal> {
    tenant_is_known(&of.tenant)?;
    match of.topic.as_str() {
        "filed" => Ok(view(&of.topic, RuleOrigin::File, "7d")),
        "made" => Ok(view(&of.topic, RuleOrigin::Api, "7d")),
        _ => Err(Refusal::new(Code::TopicUnknown, "the made-up host has none")),
    }
}

fn subscribed(SubscriptionRef { of, subscription }: &SubscriptionRef, raw: bool) -> SubscriptionView {
    SubscriptionView {
        subscription: subscription.clone(),
        topic: of.topic.clone(),
        origin: RuleOrigin::Api,
        version: Some(position(2)),
        pattern: None,
        transforms: Vec::new(),
        targets: Vec::new(),
        raw,
        enabled: true,
    }
}

fn is_there(of: &SubscriptionRef) -> Result<(), Refusal> {
    known(&of.of)?;
    match of.subscription.as_str() {
        "billing" => Ok(()),
        _ => Err(Refusal::new(Code::SubscriptionUnknown, "the made-up host has none")),
    }
}

impl Topics for FakeHost {
    async fn topics(
        &self,
        tenant: &TenantName,
        after: Option<TopicName>,
        limit: u32,
    ) -> Result<Vec<TopicView>, Refusal> {
        tenant_is_known(tenant)?;
        let all = vec![view(&"filed".parse().unwrap(), RuleOrigin::File, "7d")];
        Ok(paged(all, |one| &one.topic, after.as_ref(), limit))
    }

    async fn topic(&self, of: TopicRef) -> Result<TopicView, Refusal> {
        known(&of)
    }

    async fn put_topic(&self, of: TopicRef, document: Bytes, expected: Expected) -> Result<Put<TopicView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.topic.as_str() == "filed" {
            return Err(Refusal::new(Code::BusOfFile, "it stands in the file"));
        }
        let document: Value =
            serde_json::from_slice(&document).map_err(|error| Refusal::new(Code::BusInvalid, error.to_string()))?;
        if expected == Expected::Absent && of.topic.as_str() == "made" {
            return Err(Refusal::new(Code::VersionConflict, "there is one"));
        }
        let age = document["retention"]["age"].as_str().unwrap_or("7d");
        Ok(Put { now: view(&of.topic, RuleOrigin::Api, age), created: of.topic.as_str() != "made" })
    }

    async fn remove_topic(&self, of: TopicRef, _: Expected) -> Result<(), Refusal> {
        match known(&of)?.origin {
            RuleOrigin::File => Err(Refusal::new(Code::TopicInUse, "a rule publishes to it")),
            RuleOrigin::Api => Ok(()),
        }
    }

    async fn subscriptions(
        &self,
        of: TopicRef,
        after: Option<SubscriptionName>,
        limit: u32,
    ) -> Result<Vec<SubscriptionView>, Refusal> {
        known(&of)?;
        let name = format!("{}-{limit}", after.as_ref().map_or("first", SubscriptionName::as_str));
        Ok(vec![subscribed(&SubscriptionRef { of, subscription: name.parse().unwrap() }, true)])
    }

    async fn subscription(&self, of: SubscriptionRef) -> Result<SubscriptionView, Refusal> {
        is_there(&of).map(|()| subscribed(&of, true))
    }

    async fn put_subscription(
        &self,
        of: SubscriptionRef,
        document: Bytes,
        _: Expected,
    ) -> Result<Put<SubscriptionView>, Refusal> {
        known(&of.of)?;
        let document: Value =
            serde_json::from_slice(&document).map_err(|error| Refusal::new(Code::RuleInvalid, error.to_string()))?;
        let (raw, created) = (document["raw"].as_bool().unwrap_or(true), is_there(&of).is_err());
        Ok(Put { now: subscribed(&of, raw), created })
    }

    async fn explain_subscription(&self, of: SubscriptionRef, event: Event) -> Result<RuleVerdict, Refusal> {
        is_there(&of)?;
        self.explain(&of.of.tenant, &BusName::of_topic(&of.of.topic), event, (None, 1))
            .await
            .map(|mut verdicts| verdicts.remove(0))
    }

    async fn remove_subscription(&self, of: SubscriptionRef, _: Expected) -> Result<(), Refusal> {
        is_there(&of)
    }
}

const ALL: &str = "/v1/tenants/acme/topics";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

#[tokio::test]
async fn topics_and_subscriptions_are_read_put_and_removed_with_their_versions_in_the_etag() {
    let server = Server::start().await;
    let all: Vec<TopicView> = get(ALL).send(server.addr).await.json(200);
    assert_eq!((all.len(), all[0].topic.as_str(), all[0].subscriptions), (1, "filed", 1));
    let shown = get(format!("{ALL}/made")).send(server.addr).await;
    assert_eq!(shown.header("etag"), Some("\"2-0\""));
    let made = put(format!("{ALL}/new"), r#"{"retention": {"age": "1d"}}"#).send(server.addr).await;
    assert_eq!(made.json::<TopicView>(201).retention.age, "1d");
    assert_eq!(made.header("location"), Some(format!("{ALL}/new").as_str()));
    assert_eq!(put(format!("{ALL}/made"), "{}").send(server.addr).await.status, 200);
    assert_eq!(delete(format!("{ALL}/made")).send(server.addr).await.status, 204);
    let of = format!("{ALL}/made/subscriptions");
    let page: Vec<SubscriptionView> = get(format!("{of}?after=a&limit=3")).send(server.addr).await.json(200);
    assert_eq!(page[0].subscription.as_str(), "a-3");
    let one: SubscriptionView = get(format!("{of}/billing")).send(server.addr).await.json(200);
    assert!(one.raw);
    let made = put(format!("{of}/new"), r#"{"raw": false}"#).send(server.addr).await;
    assert!(!made.json::<SubscriptionView>(201).raw);
    assert_eq!(made.header("location"), Some(format!("{of}/new").as_str()));
    assert_eq!(put(format!("{of}/billing"), "{}").send(server.addr).await.status, 200);
    let asked = post(format!("{of}/billing/explain"), STRUCTURED, structured("1", "1"));
    assert!(!asked.send(server.addr).await.json::<RuleVerdict>(200).matched);
    assert_eq!(delete(format!("{of}/billing")).send(server.addr).await.status, 204);
}

#[tokio::test]
async fn what_cannot_be_done_with_a_topic_has_its_code() {
    let server = Server::start().await;
    let of = format!("{ALL}/made/subscriptions");
    for (request, code) in [
        (get(format!("{ALL}/none")), Code::TopicUnknown),
        (get(format!("{ALL}/NONE")), Code::TopicUnknown),
        (put(format!("{ALL}/NONE"), "{}"), Code::BusInvalid),
        (put(format!("{ALL}/new"), "no"), Code::BusInvalid),
        (put(format!("{ALL}/filed"), "{}"), Code::BusOfFile),
        (put(format!("{ALL}/made"), "{}").with("if-none-match", "*"), Code::VersionConflict),
        (delete(format!("{ALL}/filed")), Code::TopicInUse),
        (delete(format!("{ALL}/none")), Code::TopicUnknown),
        (post(format!("{ALL}/NONE/publish"), STRUCTURED, structured("1", "1")), Code::TopicUnknown),
        (post(format!("{ALL}/made/publish"), STRUCTURED, "{}"), Code::EventSpecversion),
        (get(format!("{ALL}/none/subscriptions")), Code::TopicUnknown),
        (get(format!("{of}?limit=0")), Code::QueryInvalid),
        (get(format!("{of}?after=A")), Code::QueryInvalid),
        (get(format!("{of}/none")), Code::SubscriptionUnknown),
        (get(format!("{of}/NONE")), Code::SubscriptionUnknown),
        (post(format!("{of}/none/explain"), STRUCTURED, structured("1", "1")), Code::SubscriptionUnknown),
        (post(format!("{of}/billing/explain"), BATCH, "[]"), Code::ContentTypeUnsupported),
        (put(format!("{of}/NONE"), "{}"), Code::RuleInvalid),
        (put(format!("{of}/new"), "no"), Code::RuleInvalid),
        (delete(format!("{of}/none")), Code::SubscriptionUnknown),
        // A topic is no bus, and a subscription no rule of one.
        (get("/v1/tenants/acme/buses/topic%2Fmade/rules"), Code::BusUnknown),
        (get("/v1/tenants/acme/buses/default/rules/made%2Fbilling"), Code::RuleUnknown),
    ] {
        request.send(server.addr).await.refused(code);
    }
}
