//! Goal: an event of a topic with very many subscriptions reaches each of them once, however often the host is killed meanwhile.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const TOPIC: &str = "/v1/tenants/acme/topics/orders";

/// A site with the topic `orders`, to which so many subscribe, all with the queue `jobs`.
fn site(subscriptions: usize) -> Site {
    let mut config = String::from("default_tenant = \"acme\"\n[tenants.acme.queues.jobs]\n");
    for n in 0..subscriptions {
        // Writing to a string cannot fail.
        let _ = writeln!(config, "[tenants.acme.topics.orders.subscriptions.s{n}]\ntargets = [{{ queue = \"jobs\" }}]");
    }
    Site::new(&config)
}

fn publish(host: &Host, id: &str) -> (u16, Value) {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "order.placed"});
    host.post(&format!("{TOPIC}/publish"), "application/cloudevents+json", event.to_string())
}

fn depth(host: &Host) -> u64 {
    host.get("/v1/tenants/acme/queues/jobs").1["depth"].as_u64().unwrap()
}

/// Receives and ends all messages, and gives the rules that they came by, sorted.
fn received(host: &Host) -> Vec<String> {
    let mut rules = Vec::new();
    loop {
        let wish = r#"{"max": 1000, "wait": "1s"}"#;
        let (status, answer) = host.post("/v1/tenants/acme/queues/jobs/receive", "application/json", wish);
        assert_eq!(status, 200, "{answer}");
        let messages = answer["messages"].as_array().unwrap().clone();
        if messages.is_empty() {
            rules.sort();
            return rules;
        }
        rules.extend(messages.iter().map(|message| message["rule"].as_str().unwrap().to_owned()));
        let receipts: Vec<_> = messages.iter().map(|message| message["receipt"].clone()).collect();
        let body = json!({"receipts": receipts}).to_string();
        assert_eq!(host.post("/v1/tenants/acme/queues/jobs/ack", "application/json", body).0, 200);
    }
}

/// The numbers of the deliveries of an event, page by page.
fn paged(host: &Host, event: &str, limit: usize) -> Vec<Vec<u64>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = host.get(&format!("/v1/tenants/acme/events/{event}?limit={limit}{after}"));
        assert_eq!(status, 200, "{page}");
        let targets = page["event"]["deliveries"].as_array().unwrap().iter().map(|of| of["n"].as_u64().unwrap());
        let ids = page["deliveries"].as_array().unwrap().iter().map(|of| of["id"].as_str().unwrap().to_owned());
        let numbers: Vec<_> = targets.collect();
        assert_eq!(ids.collect::<Vec<_>>(), numbers.iter().map(|n| format!("{event}.{n}")).collect::<Vec<_>>());
        pages.push(numbers);
        match page["next"].as_u64() {
            Some(next) => after = format!("&after={next}"),
            None => return pages,
        }
    }
}

#[test]
fn an_event_with_many_deliveries_is_told_in_pages() {
    const SUBSCRIPTIONS: usize = 250;
    let site = site(SUBSCRIPTIONS);
    let host = site.start("serve");
    let position = publish(&host, "a").1["position"].as_str().unwrap().to_owned();
    host.stats_until("acme", |_| depth(&host) == SUBSCRIPTIONS as u64);
    let pages = paged(&host, &position, 100);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(pages.concat(), (0..SUBSCRIPTIONS as u64).collect::<Vec<_>>());
    let one = host.get("/v1/tenants/acme/events/a?delivery=249").1;
    assert_eq!((&one["deliveries"][0]["id"], one.get("next")), (&json!(format!("{position}.249")), None));
    let beyond = host.get("/v1/tenants/acme/events/a?after=249").1;
    assert_eq!((&beyond["deliveries"], beyond.get("next")), (&json!([]), None));
    let shown = wharf().args(["--url", &host.url, "events", "show", "a", "-o", "json"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["deliveries"].as_array().unwrap().len(), SUBSCRIPTIONS);
}

/// The pages of the trace of `a`, of so many events each, and the cursors between them: by the command line, which prints the cursor.
fn traced(host: &Host, root: &str, limit: &str) -> (Vec<Value>, Vec<String>) {
    let (mut pages, mut cursors) = (Vec::new(), Vec::<String>::new());
    loop {
        let mut command = wharf();
        command.args(["--url", &host.url, "-t", "acme", "-o", "json", "trace", "a", "--limit", limit]);
        command.args(cursors.last().into_iter().flat_map(|after| ["--after", after.as_str()]));
        let output = command.output().unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{talk}");
        let page: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(page["truncated"], page["next"].is_string(), "{page}");
        let next = page["next"].as_str().map(str::to_owned);
        pages.push(page);
        let Some(next) = next else { return (pages, cursors) };
        // By its position from the first page on: another event may get its id.
        let event = if cursors.is_empty() { root } else { "a" };
        assert!(talk.contains(&format!("wharf trace {event} --after {next}")), "{talk}");
        cursors.push(next);
    }
}

#[test]
fn a_trace_of_an_event_with_many_deliveries_goes_on_within_it_and_has_all_that_came_of_them() {
    const SUBSCRIPTIONS: usize = 230;
    let mut config = String::from(
        "default_tenant = \"acme\"\n[tenants.acme.queues.jobs]\n[tenants.acme.buses.side]\n[tenants.acme.rules.side]\nbus = \"side\"\n\
         pattern = { type = [\"order.placed\"] }\ntargets = [{ queue = \"jobs\" }]\n",
    );
    for n in 0..SUBSCRIPTIONS {
        let _ = writeln!(config, "[tenants.acme.topics.orders.subscriptions.s{n}]\ntargets = [{{ bus = \"side\" }}]");
    }
    let site = Site::new(&config);
    let host = site.start("serve");
    let root = publish(&host, "a").1["position"].as_str().unwrap().to_owned();
    host.stats_until("acme", |_| depth(&host) == SUBSCRIPTIONS as u64);
    let (pages, cursors) = traced(&host, &root, "150");
    // Of the event itself a hundred of its deliveries each, and behind the last of them what came of all.
    let within = [99, 199].map(|n| format!("{root}.{n}"));
    assert_eq!((&cursors[..2], cursors.len()), (&within[..], 3), "{cursors:?}");
    let told = |of: &Value| {
        of["deliveries"].as_array().unwrap().iter().map(|of| of["id"].as_str().unwrap().to_owned()).collect()
    };
    let of_root: Vec<Vec<String>> = pages.iter().take(3).map(|page| told(&page["events"][0])).collect();
    assert_eq!(of_root.concat(), (0..SUBSCRIPTIONS).map(|n| format!("{root}.{n}")).collect::<Vec<_>>());
    for page in &pages[..3] {
        let of = &page["events"][0];
        let targets = of["event"]["deliveries"].as_array().unwrap();
        assert_eq!((&of["event"]["position"], targets.len()), (&json!(root), told(of).len()));
        let steps = |of: &Value| of["steps"].as_array().unwrap().len();
        assert!(
            of["deliveries"].as_array().unwrap().iter().all(|of| steps(of) == 1 && of["state"] == "settled"),
            "{of}"
        );
    }
    let events: Vec<_> = pages.iter().map(|page| page["events"].as_array().unwrap().len()).collect();
    assert_eq!(events, [1, 1, 150, SUBSCRIPTIONS - 149]);
    let published = |page: &Value| -> Vec<String> {
        let steps =
            page["events"][0]["deliveries"].as_array().unwrap().iter().flat_map(|of| of["steps"].as_array().unwrap());
        steps
            .flat_map(|of| of["attempt"]["published"].as_array().unwrap())
            .map(|of| of.as_str().unwrap().to_owned())
            .collect()
    };
    let mut wanted = pages[..3].iter().flat_map(published).collect::<Vec<_>>();
    let came = pages[2]["events"].as_array().unwrap().iter().skip(1).chain(pages[3]["events"].as_array().unwrap());
    let mut came: Vec<_> = came
        .map(|of| {
            assert_eq!((&of["event"]["parent"], &of["deliveries"][0]["target"]), (&json!(root), &json!("queue/jobs")));
            of["event"]["position"].as_str().unwrap().to_owned()
        })
        .collect();
    wanted.sort();
    came.sort();
    assert_eq!(came, wanted);
    let (status, refused) = host.get("/v1/tenants/acme/events/a/trace?after=1-0@2-0");
    assert_eq!((status, &refused["code"]), (400, &json!("query-invalid")));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn each_of_very_many_subscriptions_gets_an_event_once_whenever_the_host_is_killed() {
    const SUBSCRIPTIONS: usize = 2_000;
    let site = site(SUBSCRIPTIONS);
    let host = site.start("serve");
    assert_eq!(host.get(TOPIC).1["subscriptions"], SUBSCRIPTIONS);
    assert_eq!(publish(&host, "a").0, 202);
    // All of them count as owed from the beginning, whatever arose.
    assert_eq!(host.stats("acme")["deliveries"], SUBSCRIPTIONS);
    host.kill();
    let host = site.start("serve");
    assert_eq!(host.stats("acme")["pending"], SUBSCRIPTIONS);
    assert_eq!(publish(&host, "a").1["duplicate"], true);
    host.stats_until("acme", |_| depth(&host) == SUBSCRIPTIONS as u64);
    host.kill();
    let host = site.start("serve");
    let mut wanted: Vec<_> = (0..SUBSCRIPTIONS).map(|n| format!("orders/s{n}")).collect();
    wanted.sort();
    assert_eq!(received(&host), wanted);
    let stats = host.stats("acme");
    assert_eq!((&stats["pending"], &stats["deliveries"]), (&json!(0), &json!(SUBSCRIPTIONS)));
    assert_eq!(host.stop(), Some(0));
    // Out of the log alone it is the same.
    std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
    let host = site.start("serve");
    assert_eq!((depth(&host), &host.stats("acme")["deliveries"]), (0, &json!(SUBSCRIPTIONS)));
}

#[test]
fn those_in_an_order_keep_it_behind_an_event_of_very_many_subscriptions() {
    let mut config = String::from(
        "default_tenant = \"acme\"\n[tenants.acme.queues.jobs]\n[tenants.acme.queues.line]\nordered = true\n\
         [tenants.acme.topics.orders.subscriptions.zz]\ntargets = [{ queue = \"line\" }]\n",
    );
    for n in 0..300 {
        let _ = writeln!(
            config,
            "[tenants.acme.topics.orders.subscriptions.s{n}]\npattern = {{ type = [\"wide\"] }}\ntargets = [{{ queue = \"jobs\" }}]"
        );
    }
    let site = Site::new(&config);
    let host = site.start("serve");
    let event = |id: &str, kind: &str| json!({"specversion": "1.0", "id": id, "source": "test", "type": kind, "partitionkey": "k"});
    let batch = json!([event("first", "wide"), event("second", "narrow"), event("third", "wide")]).to_string();
    let (status, taken) = host.post(&format!("{TOPIC}/publish"), "application/cloudevents-batch+json", batch);
    assert_eq!(status, 200, "{taken}");
    let mut came = Vec::new();
    host.until("that all three come", || {
        let (_, answer) =
            host.post("/v1/tenants/acme/queues/line/receive", "application/json", r#"{"max": 9, "wait": "1s"}"#);
        let messages = answer["messages"].as_array().unwrap();
        came.extend(messages.iter().map(|message| message["event"]["id"].as_str().unwrap().to_owned()));
        let receipts: Vec<_> = messages.iter().map(|message| message["receipt"].clone()).collect();
        host.post("/v1/tenants/acme/queues/line/ack", "application/json", json!({"receipts": receipts}).to_string());
        came.len() >= 3
    });
    assert_eq!(came, ["first", "second", "third"]);
}
