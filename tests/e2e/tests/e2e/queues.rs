//! Goal: a message of a queue is with one client at a time, comes again until somebody ends it, and is lost to nobody: not by a receipt from
//! before, a crash, or a queue that goes.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const JOBS: &str = "/v1/tenants/acme/queues/jobs";

/// A site with the queue `jobs`, and the rule `orders` that sends to it.
fn site(queue: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.queues.jobs]\n{queue}\n[tenants.acme.rules.orders]\n\
         pattern = {{ type = [\"order\"] }}\ntargets = [{{ queue = \"jobs\" }}]\n"
    ))
}

fn receive(host: &Host, wish: &str) -> Vec<Value> {
    let (status, received) = host.post(&format!("{JOBS}/receive"), "application/json", wish);
    assert_eq!(status, 200, "{received}");
    received["messages"].as_array().unwrap().clone()
}

/// What came of one receipt: nothing, or the code.
fn end(host: &Host, verb: &str, receipt: &Value, more: &Value) -> Option<String> {
    let mut body = json!({"receipts": [receipt]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, ended) = host.post(&format!("{JOBS}/{verb}"), "application/json", body.to_string());
    assert_eq!(status, 200, "{ended}");
    let result = &ended["results"][0];
    assert_eq!(result["ok"] == true, result["code"].is_null(), "{ended}");
    result["code"].as_str().map(ToOwned::to_owned)
}

fn ack(host: &Host, message: &Value) -> Option<String> {
    end(host, "ack", &message["receipt"], &json!({}))
}

/// Depth, and messages that somebody has.
fn counts(host: &Host) -> (u64, u64) {
    let (status, queue) = host.get(JOBS);
    assert_eq!(status, 200, "{queue}");
    (queue["depth"].as_u64().unwrap(), queue["in_flight"].as_u64().unwrap())
}

/// Sends a message straight to the queue.
fn send(host: &Host, id: &str, query: &str) -> (u16, Value) {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "job", "data": {"n": 7}});
    host.post(&format!("{JOBS}/messages{query}"), "application/cloudevents+json", event.to_string())
}

fn code(answer: (u16, Value)) -> (u16, String) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default().to_owned())
}

fn run(site: &Site, host: &Host, line: &str) -> (i32, String, String) {
    let mut command = wharf();
    command.current_dir(site.folder.path()).args(line.split(' ')).env("WHARF_URL", &host.url).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_a_rule_brings_into_a_queue_is_received_once_and_ended_and_the_event_says_so() {
    let site = site("");
    let host = site.start("serve");
    let sent = host.send("one", "order");
    assert_eq!(send(&host, "two", "").0, 202);
    assert_eq!(send(&host, "two", "").1["duplicate"], true);
    assert_eq!(counts(&host), (2, 0));
    let received = receive(&host, "{}");
    let told: Vec<_> =
        received.iter().map(|it| (&it["event"]["id"], &it["bus"], &it["rule"], &it["receives"])).collect();
    let wanted = [
        (&json!("one"), &json!("default"), &json!("orders"), &json!(1)),
        (&json!("two"), &Value::Null, &Value::Null, &json!(1)),
    ];
    assert_eq!(told, wanted);
    assert_eq!(receive(&host, r#"{"max": 1000}"#), Vec::<Value>::new(), "each is somebody's");
    assert_eq!(counts(&host), (2, 2));
    let position = sent["position"].as_str().unwrap();
    let state = || host.get(&format!("/v1/tenants/acme/events/{position}")).1["deliveries"][0]["state"].clone();
    assert_eq!(state(), "running");
    assert_eq!(received.iter().map(|message| ack(&host, message)).collect::<Vec<_>>(), [None, None]);
    assert_eq!((state(), counts(&host), host.stats("acme")["pending"].clone()), (json!("settled"), (0, 0), json!(0)));
    assert_eq!(ack(&host, &received[0]).as_deref(), Some("receipt-stale"), "it is ended once");
    assert_eq!(end(&host, "ack", &json!("17-0.0"), &json!({})).as_deref(), Some("receipt-invalid"));
    // For whoever sends, what is in a queue has arrived.
    let (exit, said, _) = run(&site, &host, "send order --id three");
    assert_eq!((exit, said.contains("orders → queue/jobs  queued")), (0, true), "{said}");
    assert_eq!(host.stop(), Some(0));
}

/// A program that waits for a message.
fn waiting(host: &Host) -> Child {
    let mut command = wharf();
    command.args(["--url", &host.url, "-t", "acme", "-o", "json", "queue", "receive", "jobs", "--wait", "20s"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What it got in the end.
fn got(waiting: Child) -> Value {
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn whoever_waits_gets_what_arrives_and_a_host_that_stops_lets_nobody_wait() {
    let site = site("");
    let host = site.start("serve");
    let first = waiting(&host);
    host.send("one", "order");
    assert_eq!(got(first)["messages"][0]["event"]["id"], "one");
    // One that is delayed is waited for until it comes.
    let second = waiting(&host);
    assert_eq!(send(&host, "late", "?delay=50ms").0, 202);
    assert_eq!(got(second)["messages"][0]["event"]["id"], "late");
    let third = waiting(&host);
    // Its connection beside the one that asks.
    host.until("a second connection", || {
        host.get("/metrics").1.as_str().unwrap().contains("\nwharf_http_connections 2\n")
    });
    host.wait(Duration::from_millis(200));
    host.ask_to_stop();
    assert_eq!(got(third), json!({"messages": []}));
    assert_eq!(host.ended(), Some(0));
}

#[test]
fn a_lease_that_is_over_brings_its_message_again_and_its_receipt_does_nothing_to_it() {
    let site = site("visibility = \"20ms\"");
    let host = site.start("serve");
    host.send("one", "order");
    let first = receive(&host, "{}").remove(0);
    let second = receive(&host, r#"{"wait": "20s", "visibility": "1h"}"#).remove(0);
    assert_eq!((&second["event"]["id"], &second["receives"]), (&json!("one"), &json!(2)));
    assert_ne!(first["receipt"], second["receipt"]);
    for (verb, more) in
        [("ack", json!({})), ("release", json!({"delay": "0s"})), ("extend", json!({"visibility": "1h"}))]
    {
        assert_eq!(end(&host, verb, &first["receipt"], &more).as_deref(), Some("receipt-stale"), "{verb}");
    }
    assert_eq!(counts(&host), (1, 1), "a stale receipt deletes nothing");
    let (exit, said, talk) = run(&site, &host, &format!("queue ack jobs {}", first["receipt"].as_str().unwrap()));
    assert_eq!((exit, talk.contains("error[receipt-stale]")), (5, true), "{said}{talk}");
    // What is given back comes at once, and what is given back for later does not.
    assert_eq!(end(&host, "release", &second["receipt"], &json!({})), None);
    let third = receive(&host, r#"{"visibility": "1h"}"#).remove(0);
    assert_eq!(end(&host, "release", &third["receipt"], &json!({"delay": "12h"})), None);
    assert_eq!((receive(&host, "{}"), counts(&host)), (Vec::new(), (1, 0)));
    let (_, peeked) = host.get(&format!("{JOBS}/messages"));
    assert_eq!((&peeked[0]["state"], &peeked[0]["receives"]), (&json!("delayed"), &json!(3)));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_is_extended_does_not_come_again_when_its_first_lease_would_have_ended() {
    let site = site("visibility = \"6s\"");
    let host = site.start("serve");
    host.send("by-api", "order");
    host.send("by-cli", "order");
    let had = receive(&host, "{}");
    assert_eq!(end(&host, "extend", &had[0]["receipt"], &json!({"visibility": "1h"})), None);
    let line = format!("queue extend jobs {} --visibility 1h", had[1]["receipt"].as_str().unwrap());
    let (exit, said, talk) = run(&site, &host, &line);
    assert_eq!(exit, 0, "{said}{talk}");
    // The lease of another, which is as long as theirs was and began later, ends: that one comes again, and nothing else.
    host.send("other", "order");
    assert_eq!(receive(&host, "{}")[0]["event"]["id"], "other");
    let again = receive(&host, r#"{"wait": "20s"}"#);
    assert_eq!(again.iter().map(|it| it["event"]["id"].as_str().unwrap()).collect::<Vec<_>>(), ["other"]);
    assert_eq!((ack(&host, &again[0]), receive(&host, "{}"), counts(&host)), (None, Vec::new(), (2, 2)));
    // The receipt is the same until its lease ends, which may be earlier than it was to.
    assert_eq!(end(&host, "extend", &had[0]["receipt"], &json!({"visibility": "1ms"})), None);
    let again = receive(&host, r#"{"wait": "20s", "visibility": "1h"}"#).remove(0);
    assert_eq!((&again["event"]["id"], &again["receives"]), (&json!("by-api"), &json!(2)));
    assert_eq!(end(&host, "extend", &had[0]["receipt"], &json!({})).as_deref(), Some("receipt-stale"));
    assert_eq!((ack(&host, &had[1]), ack(&host, &again), counts(&host)), (None, None, (0, 0)));
    let (_, trace) = host.get("/v1/tenants/acme/events/by-cli/trace");
    let steps = trace["events"][0]["deliveries"][0]["steps"].as_array().unwrap();
    assert_eq!(
        steps.iter().map(|of| of["step"].as_str().unwrap()).collect::<Vec<_>>(),
        ["received", "extended", "acked"]
    );
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_message_past_the_retention_of_its_queue_is_dropped_and_one_that_somebody_has_is_not() {
    let site = site("retention = \"4s\"\nmax_receives = 1");
    let host = site.start("serve");
    host.send("had", "order");
    let had = receive(&host, r#"{"visibility": "1h"}"#).remove(0);
    // When it could be received first it is too old already.
    let (status, late) = send(&host, "late", "?delay=5s");
    assert_eq!((status, counts(&host)), (202, (2, 1)));
    host.until("that the late one is dropped", || {
        assert_eq!(receive(&host, "{}"), Vec::<Value>::new());
        counts(&host).0 <= 1
    });
    let position = late["position"].as_str().unwrap();
    let (_, trace) = host.get(&format!("/v1/tenants/acme/events/{position}/trace"));
    let delivery = &trace["events"][0]["deliveries"][0];
    let last = delivery["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&delivery["state"], &last["step"]), (&json!("dropped"), &json!("expired")), "{trace}");
    let stats = host.stats("acme");
    assert_eq!((counts(&host), &stats["pending"], &stats["dead_letters"]), ((1, 1), &json!(1), &json!(0)));
    assert_eq!((ack(&host, &had), counts(&host)), (None, (0, 0)));
    // Nor does a crash bring it back.
    host.kill();
    let host = site.start("serve");
    assert_eq!((receive(&host, "{}"), counts(&host)), (Vec::new(), (0, 0)));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_was_received_too_often_is_a_dead_letter_and_comes_back_when_it_is_redriven() {
    let site = site("visibility = \"1ms\"\nmax_receives = 2\ndead_letter = \"dead\"");
    let host = site.start("serve");
    let sent = host.send("one", "order");
    for receives in 1..=2 {
        assert_eq!(receive(&host, r#"{"wait": "20s"}"#)[0]["receives"], receives);
    }
    host.wait(Duration::from_millis(5));
    assert_eq!(receive(&host, "{}"), Vec::<Value>::new());
    let letters = host.dead("dead");
    assert_eq!((&letters[0]["code"], &letters[0]["target"]), (&json!("receives-spent"), &json!("queue/jobs")));
    assert_eq!((counts(&host), &host.stats("acme")["dead_letters"]), ((0, 0), &json!(1)));
    let position = sent["position"].as_str().unwrap();
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{position}"));
    assert_eq!(detail["deliveries"][0]["state"], "dead-lettered");
    let (exit, said, talk) = run(&site, &host, "dlq redrive dead --all");
    assert_eq!((exit, said.as_str()), (0, "redriven 1\n"), "{talk}");
    let again = receive(&host, r#"{"visibility": "1h"}"#).remove(0);
    assert_eq!((&again["event"]["id"], &again["receives"]), (&json!("one"), &json!(1)));
    assert_eq!((ack(&host, &again), host.dead("dead").len()), (None, 0));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn equal_content_is_another_message_in_another_group_and_a_batch_that_never_fits_is_told_so() {
    let site = site("ordered = true\ncontent_deduplication = true\nbacklog = 3");
    let host = site.start("serve");
    let send = |groups: &[&str]| {
        let message = |(n, group): (usize, &&str)| {
            json!({
                "specversion": "1.0", "id": format!("{n}"), "source": "test", "type": "job", "partitionkey": group,
                "data": {"n": 7},
            })
        };
        let batch: Vec<_> = groups.iter().enumerate().map(message).collect();
        host.post(&format!("{JOBS}/messages"), "application/cloudevents-batch+json", json!(batch).to_string())
    };
    let (status, answers) = send(&["a", "b", "a"]);
    let duplicates: Vec<_> = answers.as_array().unwrap().iter().map(|of| of["duplicate"].clone()).collect();
    assert_eq!((status, json!(duplicates), counts(&host)), (200, json!([false, false, true]), (2, 0)), "{answers}");
    // There is room for one more, and for four there never is.
    assert_eq!(code(send(&["c", "d"])), (429, "quota-backlog".to_owned()));
    let (status, refused) = send(&["c", "d", "e", "f"]);
    assert_eq!((status, &refused["code"]), (413, &json!("batch-too-large")));
    assert_eq!(
        refused["detail"],
        "the events make 4 deliveries to queue `jobs`, and 3 may wait at most: send fewer events at a time"
    );
}

#[test]
fn messages_wait_their_delay_are_looked_at_by_pages_and_purged_and_nothing_comes_of_a_queue_that_is_paused() {
    let site = site("delay = \"15m\"\ncontent_deduplication = true");
    let host = site.start("serve");
    for (id, query, duplicate) in [("a", "", false), ("b", "", true), ("c", "?delay=0s", true)] {
        assert_eq!(send(&host, id, query).1["duplicate"], duplicate, "what says the same is the same: {id}");
    }
    host.send("one", "order");
    host.send("two", "order");
    assert_eq!((receive(&host, "{}"), counts(&host)), (Vec::new(), (3, 0)));
    let mut ids: Vec<String> = Vec::new();
    let page = |after: Option<&String>| {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        host.get(&format!("{JOBS}/messages?limit=2{after}")).1
    };
    let mut seen = page(None);
    while let Some(last) = seen.as_array().unwrap().last() {
        assert!(seen.as_array().unwrap().iter().all(|it| it["state"] == "delayed" && it["receives"] == 0), "{seen}");
        ids.extend(seen.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()));
        assert_eq!(ids.last().map(String::as_str), last["id"].as_str());
        seen = page(ids.last());
    }
    assert_eq!(ids.len(), 3);
    let event = r#"{"specversion":"1.0","id":"d","source":"test","type":"job","data":8}"#;
    let now = host.post(&format!("{JOBS}/messages?delay=0s"), "application/cloudevents+json", event);
    assert_eq!((now.0, receive(&host, "{}").len()), (202, 1), "its own delay is none");
    let (status, purged) = host.post(&format!("{JOBS}/purge"), "application/json", "");
    assert_eq!((status, &purged, counts(&host)), (200, &json!({"purged": 4}), (0, 0)));
    for (path, body) in [
        ("receive", r#"{"max": 0}"#),
        ("receive", r#"{"max": 1001}"#),
        ("receive", r#"{"wait": "21s"}"#),
        ("receive", r#"{"visibility": "13h"}"#),
        ("release", r#"{"receipts": ["x"], "delay": "13h"}"#),
        ("extend", r#"{"receipts": ["x"], "visibility": "0s"}"#),
    ] {
        let refused = code(host.post(&format!("{JOBS}/{path}"), "application/json", body));
        assert_eq!(refused, (400, "query-invalid".to_owned()), "{path} {body}");
    }
    assert_eq!(code(send(&host, "x", "?delay=16m")), (400, "query-invalid".to_owned()));
    let (exit, _, talk) = run(&site, &host, "queue create side --visibility 20ms");
    assert_eq!(exit, 0, "{talk}");
    for (line, exit, says) in [
        ("queue create side", 5, "--replace"),
        ("queue send side job", 0, ""),
        ("queue pause side", 0, ""),
        ("queue receive side", 5, "error[queue-paused]"),
        ("queue send side job", 0, ""),
        ("queue resume side", 0, ""),
        ("queue receive side --max 1 --ack", 0, ""),
        ("queue receive sied", 3, "did you mean `side`?"),
        ("queue show side -o json", 0, ""),
    ] {
        let (was, said, talk) = run(&site, &host, line);
        assert_eq!((was, talk.contains(says)), (exit, true), "{line}: {said}{talk}");
    }
    let (_, side) = host.get("/v1/tenants/acme/queues/side");
    assert_eq!((&side["depth"], &side["visibility"], &side["paused"]), (&json!(1), &json!("20ms"), &json!(false)));
    let (exit, said, talk) = run(&site, &host, "queue rm side");
    assert_eq!((exit, said.as_str()), (0, "removed  side\n"), "{talk}");
    assert!(talk.starts_with("1 message goes to the dead letters") && talk.contains("wharf dlq ls side"), "{talk}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_queue_goes_when_no_rule_needs_it_and_its_messages_are_dead_letters_then() {
    let site = site("");
    let host = site.start("serve");
    let side = "/v1/tenants/acme/queues/side";
    let rule = "/v1/tenants/acme/buses/default/rules/side";
    assert_eq!(host.put(side, None, "{}").0, 201);
    assert_eq!(host.put(rule, None, r#"{"pattern": {"type": ["side"]}, "targets": [{"queue": "side"}]}"#).0, 201);
    let (_, shown) = host.get(rule);
    assert_eq!(shown["targets"], json!([{"queue": "side"}]), "it is put as it is shown");
    for id in ["one", "two"] {
        host.send(id, "side");
    }
    let (_, received) = host.post(&format!("{side}/receive"), "application/json", r#"{"max": 1}"#);
    assert_eq!(received["messages"][0]["event"]["id"], "one");
    assert_eq!((host.delete(side), host.delete(JOBS)), (409, 409), "it is in use, or of the file");
    assert_eq!((host.delete(rule), host.delete(side)), (204, 204));
    assert_eq!(code(host.get(side)), (404, "queue-unknown".to_owned()));
    host.stats_until("acme", |stats| stats["dead_letters"] == 2);
    let letters = host.dead("side");
    assert_eq!(letters.iter().map(|it| it["code"].as_str().unwrap()).collect::<Vec<_>>(), ["target-gone"; 2]);
    // Made again, it gets them back.
    assert_eq!(host.put(side, None, r#"{"visibility": "1h"}"#).0, 201);
    assert_eq!(run(&site, &host, "dlq redrive side --all").1, "redriven 2\n");
    let (_, received) = host.post(&format!("{side}/receive"), "application/json", "{}");
    assert_eq!(received["messages"].as_array().unwrap().len(), 2);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_queue_that_is_made_again_knows_nothing_of_what_was_sent_to_the_one_before() {
    let site = site("");
    let host = site.start("serve");
    let side = "/v1/tenants/acme/queues/side";
    let sent = |host: &Host| {
        let message = json!({"specversion": "1.0", "id": "one", "source": "test", "type": "side"});
        let (status, answer) =
            host.post(&format!("{side}/messages"), "application/cloudevents+json", message.to_string());
        assert_eq!(status, 202, "{answer}");
        answer["duplicate"] == true
    };
    assert_eq!(host.put(side, None, "{}").0, 201);
    assert_eq!([sent(&host), sent(&host)], [false, true]);
    assert_eq!((host.delete(side), host.put(side, None, "{}").0), (204, 201));
    assert_eq!([sent(&host), sent(&host)], [false, true]);
    // Other settings make it no other queue, and neither does a start.
    assert_eq!((host.put(side, None, r#"{"visibility": "1h"}"#).0, sent(&host)), (200, true));
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    assert!(sent(&host));
    assert_eq!((host.delete(side), host.put(side, None, "{}").0), (204, 201));
    assert!(!sent(&host));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn messages_of_an_ordered_queue_come_one_after_the_other_in_each_key_and_side_by_side_across_keys() {
    let site = site("ordered = true\nvisibility = \"1h\"");
    let host = site.start("serve");
    for (id, key) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("b2", "b")] {
        let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "order", "partitionkey": key});
        assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    }
    let ids = |received: &[Value]| {
        received.iter().map(|it| it["event"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = receive(&host, "{}");
    assert_eq!((ids(&first), counts(&host)), (vec!["a1".to_owned(), "b1".to_owned()], (5, 2)));
    // Who waits behind others is seen by its key.
    let peek = |query: &str| host.get(&format!("{JOBS}/messages{query}")).1.as_array().unwrap().clone();
    let seen = |query: &str| -> Vec<String> {
        let of = |it: &Value| format!("{} {}", it["event"]["id"].as_str().unwrap(), it["state"].as_str().unwrap());
        peek(query).iter().map(of).collect()
    };
    assert_eq!(seen(""), ["a1 leased", "b1 leased"]);
    assert_eq!(
        (seen("?key=a"), seen("?key=")),
        (["a1 leased", "a2 behind", "a3 behind"].map(String::from).into(), vec![])
    );
    let second = peek("?key=a&limit=2")[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(seen(&format!("?key=a&after={second}")), ["a3 behind"]);
    let (exit, said, _) = run(&site, &host, "queue peek jobs --key b");
    assert_eq!((exit, said.lines().count()), (0, 3), "{said}");
    assert_eq!(end(&host, "release", &first[0]["receipt"], &json!({})), None);
    assert_eq!(ids(&receive(&host, "{}")), ["a1"], "nothing passes what was given back");
    assert_eq!(ack(&host, &first[1]), None);
    host.kill();
    let host = site.start("serve");
    let second = receive(&host, "{}");
    assert_eq!((ids(&second), counts(&host)), (vec!["b2".to_owned()], (4, 2)));
    assert_eq!(code(send(&host, "late", "?delay=1s")), (400, "query-invalid".to_owned()), "it would hold up its key");
    let purged = host.post(&format!("{JOBS}/purge"), "application/json", "").1;
    assert_eq!((&purged["purged"], counts(&host)), (&json!(4), (0, 0)));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_crash_forgets_neither_messages_nor_who_has_them() {
    let site = site("visibility = \"1h\"");
    let host = site.start("serve");
    for id in ["one", "two", "three"] {
        host.send(id, "order");
    }
    let held = receive(&host, r#"{"max": 2}"#);
    assert_eq!(ack(&host, &held[0]), None);
    host.kill();
    let host = site.start("serve");
    assert_eq!(counts(&host), (2, 1));
    let received = receive(&host, "{}");
    assert_eq!(received.iter().map(|it| it["event"]["id"].as_str().unwrap()).collect::<Vec<_>>(), ["three"]);
    assert_eq!((ack(&host, &held[0]).as_deref(), ack(&host, &held[1])), (Some("receipt-stale"), None));
    assert_eq!((ack(&host, &received[0]), counts(&host)), (None, (0, 0)));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_queue_of_the_api_and_one_of_the_file_do_not_share_a_name() {
    let site = site("");
    let host = site.start("serve");
    assert_eq!(host.put("/v1/tenants/acme/queues/side", None, "{}").0, 201);
    assert_eq!(host.stop(), Some(0));
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", format!("{config}[tenants.acme.queues.side]\n"));
    let (exit, said) = site.refuse("serve");
    assert_eq!(
        (exit, said.contains("error[queue-of-file]"), said.contains("`wharf queue rm`")),
        (5, true, true),
        "{said}"
    );
}

#[test]
fn a_queue_is_deployed_once_and_then_is_as_the_file_says() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let project = |queue: &str| {
        format!(
            "[tenants.acme.queues.jobs]\n{queue}\n[tenants.acme.rules.orders]\npattern = {{ type = [\"order\"] }}\n\
             targets = [{{ queue = \"jobs\" }}]\n"
        )
    };
    site.write("project.toml", project("max_receives = 5"));
    let host = site.start("serve");
    let deploy = |more: &str| run(&site, &host, &format!("deploy -c project.toml -o json {more}"));
    let steps = |said: &str| {
        let document: Value = serde_json::from_str(said).unwrap();
        let steps = document["changes"].as_array().unwrap().iter();
        steps
            .map(|step| format!("{} {}", step["action"].as_str().unwrap(), step["kind"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let (exit, said, talk) = deploy("--yes");
    assert_eq!((exit, steps(&said)), (0, vec!["add queue".to_owned(), "add rule".to_owned()]), "{talk}");
    assert_eq!(host.get(JOBS).1["max_receives"], 5);
    assert_eq!(steps(&deploy("--dry-run").1), Vec::<String>::new());
    site.write("project.toml", project("visibility = \"1m\"\npaused = true"));
    assert_eq!(steps(&deploy("--yes").1), ["change queue"]);
    let (_, queue) = host.get(JOBS);
    assert_eq!(
        (&queue["visibility"], &queue["paused"], &queue["max_receives"]),
        (&json!("1m"), &json!(true), &Value::Null)
    );
    site.write("project.toml", "[tenants.acme]\n");
    assert_eq!(steps(&deploy("--yes --prune").1), ["remove rule", "remove queue"]);
    assert_eq!(host.get(JOBS).0, 404);
    assert_eq!(host.stop(), Some(0));
}
