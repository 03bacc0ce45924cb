//! Goal: a plugin that consumes a queue handles each message once as far as anybody can see: what is kept comes from calls in which all
//! events succeeded, a bad event ends in the dead letters and takes nobody along, and a crash changes no sum.
//!
//! Method: the guest `batch-probe` adds to its counters before it says which events fail.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, wharf};

const JOBS: &str = "/v1/tenants/acme/queues/jobs";

/// A site with the queue `jobs`, which `batch-probe` consumes; what it publishes waits in the queue `told`.
fn site(consumer: &str) -> Site {
    limited("", consumer)
}

/// The same, whose plugin has these limits.
fn limited(limits: &str, consumer: &str) -> Site {
    Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.sums]\ncomponent = {:?}\n\
         limits = {{ {limits} }}\n\
         grants = {{ kv = [\"sums\"], publish = [\"probe.*\"] }}\n\
         [tenants.acme.queues.told]\n[tenants.acme.queues.jobs]\nmax_receives = 4\n\
         consumer = {{ plugin = \"sums\", {consumer} }}\n\
         [tenants.acme.rules.orders]\npattern = {{ type = [{{ prefix = \"order\" }}] }}\ntargets = [{{ queue = \"jobs\" }}]\n\
         [tenants.acme.rules.told]\npattern = {{ type = [\"probe.published\"] }}\ntargets = [{{ queue = \"told\" }}]\n",
        guest("batch-probe")
    ))
}

/// Sends messages straight to the queue: their types by their numbers, which are their payloads.
fn send(host: &Host, count: u64, kind: impl Fn(u64) -> &'static str) {
    let message =
        |n: u64| json!({"specversion": "1.0", "id": n.to_string(), "source": "test", "type": kind(n), "data": n});
    let batch: Vec<_> = (0..count).map(message).collect();
    let path = format!("{JOBS}/messages");
    let (status, sent) = host.post(&path, "application/cloudevents-batch+json", Value::from(batch).to_string());
    assert_eq!(status, 200, "{sent}");
}

/// What the plugin is charged with; nothing where it did nothing.
fn charged(host: &Host) -> Value {
    let (status, usage) = host.get("/v1/tenants/acme/usage");
    assert_eq!(status, 200, "{usage}");
    assert!(usage["items"].as_array().unwrap().iter().all(|of| of["plugin"] == "sums"), "{usage}");
    usage["items"].get(0).cloned().unwrap_or_default()
}

fn number(host: &Host, key: &str) -> u64 {
    host.value("sums", key).map_or(0, |text| text.parse().unwrap())
}

#[test]
fn bad_events_go_to_the_dead_letters_and_the_good_ones_of_their_batches_count_once() {
    let site = limited("cpu_ms = 20000, wall_ms = 60000", "batch = 100, window = \"200ms\"");
    let host = site.start("serve");
    let kind = |n| match n {
        7 | 70 | 177 => "probe.reject",
        133 => "probe.panic",
        220 => "probe.retry",
        _ => "job",
    };
    send(&host, 250, kind);
    let stats = host.settled("acme");
    let bad = [7, 70, 133, 177, 220];
    assert_eq!(number(&host, "events"), 250 - 5, "{stats}");
    assert_eq!(number(&host, "sum"), (0..250).filter(|n| !bad.contains(n)).sum::<u64>());
    for n in 0..250 {
        assert_eq!(number(&host, &format!("seen/{n}")), u64::from(!bad.contains(&n)), "{n}");
    }
    let dead = host.dead("jobs");
    // Whether the calls that 133 broke were of 177 too, of a hundred and then of ten, is a matter of when each was there.
    let attempts =
        |one: &Value| if one["event"]["event"]["id"] == "177" { "1 to 3".into() } else { one["attempts"].to_string() };
    let told = |one: &Value| format!("{} {} {}", one["event"]["event"]["id"], one["code"], attempts(one));
    let mut told: Vec<_> = dead.iter().map(told).collect();
    told.sort_unstable();
    assert!(
        dead.iter().all(|one| one["event"]["event"]["id"] != "177" || one["attempts"].as_u64() <= Some(3)),
        "{dead:?}"
    );
    assert_eq!(
        told,
        [
            r#""133" "retries-spent" 4"#,
            r#""177" "handler-reject" 1 to 3"#,
            r#""220" "retries-spent" 4"#,
            r#""7" "handler-reject" 1"#,
            r#""70" "handler-reject" 1"#
        ]
    );
    assert_eq!(stats["dead_letters"], 5);
    let (_, queue) = host.get(JOBS);
    assert_eq!((&queue["depth"], &queue["in_flight"], &queue["consumer_waits"]), (&json!(0), &json!(0), &Value::Null));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_batch_that_succeeds_is_one_call_with_all_its_effects() {
    let site = site("batch = 50, window = \"5s\"");
    let host = site.start("serve");
    send(&host, 50, |n| if n == 3 { "probe.publish" } else { "job" });
    host.stats_until("acme", |stats| stats["published"] == 1);
    assert_eq!((number(&host, "batches"), number(&host, "events")), (1, 50), "it was full, and waited for no window");
    let (_, received) = host.post("/v1/tenants/acme/queues/told/receive", "application/json", r#"{"wait": "20s"}"#);
    let event = &received["messages"][0]["event"];
    assert_eq!((&event["data"], &event["source"]), (&json!(50), &json!("plugin/sums")));
    assert!(event["causationid"].is_string(), "{event}");
}

#[test]
fn a_call_that_takes_long_keeps_no_other_waiting_where_two_may_be_made_at_a_time() {
    let site = limited("cpu_ms = 20000, wall_ms = 60000", "batch = 1, window = \"0ms\", concurrency = 2");
    let host = site.start("serve");
    send(&host, 20, |n| if n == 0 { "probe.loop" } else { "job" });
    host.stats_until("acme", |_| number(&host, "events") == 19);
    let (_, queue) = host.get(JOBS);
    assert_eq!(&queue["in_flight"], 1, "the first is still at it: {queue}");
    assert_eq!(queue["consumer"]["concurrency"], 2);
    host.kill();
}

#[test]
fn one_outcome_too_few_fails_the_call_and_says_so() {
    let site = site("batch = 10, window = \"100ms\"");
    let host = site.start("serve");
    send(&host, 3, |n| if n == 1 { "probe.short" } else { "job" });
    host.settled("acme");
    assert_eq!(number(&host, "events"), 2, "the others came again without it");
    let dead = host.dead("jobs");
    assert_eq!((dead.len(), &dead[0]["code"]), (1, &json!("retries-spent")));
    let reason = dead[0]["error"].as_str().unwrap();
    assert!(reason.contains("batch-outcomes: it gave 0 outcomes for 1 event"), "{reason}");
}

#[test]
fn a_host_that_is_killed_in_the_middle_counts_each_message_once_all_the_same() {
    let site = site("batch = 7, window = \"0s\"");
    let mut host = site.start("serve");
    // A lease of before the crash comes back by its time.
    send(&host, 1_000, |_| "job");
    for _ in 0..3 {
        let before = number(&host, "events");
        host.stats_until("acme", |_| number(&host, "events") > before.min(900));
        host.kill();
        host = site.start("serve");
    }
    // Those that were leased at a crash come back later; one that counted twice would never let this hold.
    host.stats_until("acme", |stats| {
        let pending = stats["pending"].as_u64().unwrap();
        pending <= 21 && number(&host, "events") + pending == 1_000
    });
    let seen = |n: u64| number(&host, &format!("seen/{n}"));
    assert!((0..1_000).all(|n| seen(n) <= 1));
    assert_eq!((0..1_000).map(seen).sum::<u64>(), number(&host, "events"));
    // What the host was killed in the middle of is charged no more than it is kept.
    assert_eq!(charged(&host)["attempts"], number(&host, "events"));
}

#[test]
fn what_calls_use_is_charged_to_their_plugin_seen_at_the_top_and_there_after_a_crash() {
    let site = site("batch = 10, window = \"5s\"");
    let mut host = site.start("serve");
    assert_eq!(charged(&host), Value::Null);
    let mut top = wharf();
    top.args(["--url", &host.url, "-o", "json", "top", "--interval", "100ms"]).stdout(Stdio::piped());
    let mut top = top.spawn().unwrap();
    let mut looks = BufReader::new(top.stdout.take().unwrap()).lines();
    looks.next().unwrap().unwrap();
    // The first call is charged to the one that failed in it, the second to the others.
    send(&host, 10, |n| if n == 3 { "probe.reject" } else { "job" });
    host.settled("acme");
    let mut seen = 0;
    while seen < 10 {
        let look: Value = serde_json::from_str(&looks.next().unwrap().unwrap()).unwrap();
        seen += look["plugins"][0]["attempts"].as_u64().unwrap_or(0);
    }
    top.kill().unwrap();
    top.wait().unwrap();
    assert_eq!(seen, 10);

    let told = charged(&host);
    // Each call has 3 counters and one for each of its events.
    assert_eq!((&told["attempts"], &told["host_calls"]), (&json!(10), &json!(3 + 10 + 3 + 9)), "{told}");
    for figure in ["cpu_us", "bytes_in", "bytes_out"] {
        assert!(told[figure].as_u64().unwrap() > 0, "{told}");
    }
    let (_, event) = host.get("/v1/tenants/acme/events/3");
    let attempt = &event["deliveries"][0]["attempts"][0];
    assert_eq!(
        (&attempt["consumer"], &attempt["outcome"]["outcome"]),
        (&json!("sums"), &json!("dead-letter")),
        "{event}"
    );
    host.kill();
    host = site.start("serve");
    assert_eq!(charged(&host), told);
}

#[test]
fn what_handles_batches_is_no_target_of_a_rule_and_what_does_not_consumes_no_queue() {
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.sums]\ncomponent = {:?}\n[tenants.acme.plugins.one]\n\
         component = {:?}\n",
        guest("batch-probe"),
        guest("probe")
    ));
    let host = site.start("serve");
    let rule = json!({"pattern": {"type": ["t"]}, "targets": [{"plugin": "sums"}]});
    let (status, _, said) = host.put("/v1/tenants/acme/buses/default/rules/r", None, rule.to_string());
    assert_eq!((status, &said["code"]), (422, &json!("handler-kind")), "{said}");
    for plugin in ["one", "none"] {
        let queue = json!({"consumer": {"plugin": plugin}});
        let (status, _, said) = host.put(JOBS, None, queue.to_string());
        assert_eq!((status, &said["code"]), (422, &json!("handler-kind")), "{said}");
    }
    let (status, _, queue) = host.put(JOBS, None, json!({"consumer": {"plugin": "sums"}}).to_string());
    let consumer = json!({"plugin": "sums", "batch": 100, "window": "500ms", "concurrency": 1});
    assert_eq!((status, &queue["consumer"]), (201, &consumer), "{queue}");
    let paused = json!({"consumer": {"plugin": "sums"}, "paused": true}).to_string();
    assert_eq!(host.put(JOBS, None, paused).2["consumer_waits"], "the queue is paused");
}

#[test]
fn the_example_adds_invoices_up_and_rejects_those_that_are_none() {
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.totals]\ncomponent = {:?}\ngrants = {{ kv = [\"totals\"] }}\n\
         [tenants.acme.queues.jobs]\nordered = true\nmax_receives = 4\n\
         consumer = {{ plugin = \"totals\", batch = 20, window = \"100ms\" }}\n",
        guest("invoice-totals")
    ));
    let host = site.start("serve");
    let customer = |n: u64| ["ada", "bob", "eve"][usize::try_from(n % 3).unwrap()];
    let invoice = |n: u64| {
        let cents = if n == 17 { -1 } else { i64::try_from(n).unwrap() };
        let data = if n == 40 { json!("no invoice") } else { json!({"customer": customer(n), "cents": cents}) };
        json!({"specversion": "1.0", "id": n.to_string(), "source": "shop", "type": "invoice", "data": data,
            "partitionkey": customer(n)})
    };
    let batch: Vec<_> = (0..60).map(invoice).collect();
    let path = format!("{JOBS}/messages");
    let (status, sent) = host.post(&path, "application/cloudevents-batch+json", Value::from(batch).to_string());
    assert_eq!(status, 200, "{sent}");
    host.settled("acme");
    for name in ["ada", "bob", "eve"] {
        let wanted: u64 = (0..60).filter(|n| customer(*n) == name && ![17, 40].contains(n)).sum();
        assert_eq!(host.value("totals", &format!("total/{name}")), Some(wanted.to_string()), "{name}");
    }
    let dead = host.dead("jobs");
    let mut dead: Vec<_> = dead.iter().map(|one| one["event"]["event"]["id"].as_str().unwrap()).collect();
    dead.sort_unstable();
    assert_eq!(dead, ["17", "40"]);
}
