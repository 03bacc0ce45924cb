//! Goal: a plugin is owed the events of one key one after the other, however an attempt ends and though the host is killed meanwhile; events of other keys wait
//! for none of them.

use serde_json::{Value, json};

use crate::host::{Host, Site};

/// Sends an event of this customer, and gives where it is in the log.
fn send(host: &Host, id: &str, kind: &str, customer: &str) -> String {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": kind, "data": {"customer": customer}});
    let (status, answer) = host.post("/events", "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
    answer["position"].as_str().unwrap().to_owned()
}

/// The ids of what the plugin published, the first one first.
fn told(host: &Host) -> Vec<String> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=probe.told");
    events.as_array().unwrap().iter().rev().map(|event| event["event"]["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_of_one_key_come_in_order_over_retries_a_kill_and_an_event_that_is_given_up() {
    let site = Site::with_probe(
        "[tenants.acme.rules.probe]\npattern = { type = [{ prefix = \"probe.\" }] }\ntargets = [{ plugin = \"probe\", \
         order_by = \"$.data.customer\", retry = { first = \"1s\", max = \"1s\", attempts = 4, jitter = \"none\" } }]\n",
    );
    let host = site.start("serve");
    let first = send(&host, "1", "probe.panic", "a");
    let behind = ["2", "3"].map(|id| send(&host, id, "probe.tell", "a"));
    let other = send(&host, "4", "probe.tell", "b");
    let published = |stats: &Value| stats["published"].as_u64();
    host.stats_until("acme", |stats| stats["retries"].as_u64() >= Some(1) && published(stats) >= Some(1));
    let came = told(&host);
    assert!(came.len() == 1 && came[0].starts_with(&other), "{came:?}: those behind {first} wait for it");
    host.kill();

    let host = site.start("serve");
    let stats = host.settled("acme");
    assert_eq!((&stats["dead_letters"], published(&stats)), (&json!(1), Some(3)), "{stats}");
    let wanted = [&other, &behind[0], &behind[1]];
    let came = told(&host);
    assert!(
        came.len() == 3 && came.iter().zip(wanted).all(|(id, of)| id.starts_with(of.as_str())),
        "{came:?} {wanted:?}"
    );
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{first}"));
    assert_eq!(detail["deliveries"][0]["attempts"].as_array().unwrap().len(), 4, "{detail}");
    assert_eq!(host.stop(), Some(0));
}
