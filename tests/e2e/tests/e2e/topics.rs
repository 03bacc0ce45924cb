//! Goal: what is published to a topic reaches each that subscribes to it, once, as it asked for it: the event itself, or an envelope with the
//! event in it; a topic goes with all its subscriptions, and not while something publishes to it.

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, told, wharf},
    webhooks::receiver,
};

const TOPICS: &str = "/v1/tenants/acme/topics";

/// A site with one of each kind of target, and the topic `filed` to which the probe subscribes.
fn site(port: u16) -> Site {
    Site::with_probe(&format!(
        "[egress]\nnetworks = [\"127.0.0.1\"]\n[tenants.acme.webhooks.crm]\nurl = \"http://127.0.0.1:{port}/hook\"\n\
         networks = [\"127.0.0.1\"]\n[tenants.acme.buses.audit]\n[tenants.acme.queues.raw]\n[tenants.acme.queues.jobs]\n\
         [tenants.acme.topics.filed.subscriptions.counts]\npattern = {{ type = [{{ prefix = \"probe.\" }}] }}\n\
         targets = [{{ plugin = \"probe\", dead_letter = \"dead\" }}]\n"
    ))
}

/// What a command says, as JSON, and its exit status.
fn run(host: &Host, words: &[&str]) -> (i32, Value, String) {
    let mut command = wharf();
    let output = command.args(["--url", &host.url, "-t", "acme", "-o", "json"]).args(words).output().unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), said, told(output.stderr))
}

fn done(host: &Host, words: &[&str]) -> Value {
    let (exit, said, talk) = run(host, words);
    assert_eq!(exit, 0, "{words:?}: {talk}");
    said
}

/// The one message of a queue.
fn message(host: &Host, queue: &str) -> Value {
    let (_, page) = host.get(&format!("/v1/tenants/acme/queues/{queue}/messages"));
    let received = done(host, &["queue", "receive", queue, "--ack"]);
    let messages = received["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[0]["event"]), (1, &page[0]["event"]), "{received}");
    messages[0].clone()
}

#[test]
fn what_is_published_reaches_each_who_subscribes_as_it_asked_for_it() {
    let (port, came) = receiver(&[200]);
    let site = site(port);
    let host = site.start("serve");
    assert_eq!(done(&host, &["topic", "create", "orders"])["subscriptions"], 0);
    let subscribe = |words: &[&str]| done(&host, &[&["topic", "subscribe", "orders"], words].concat());
    let probe = r#"{"type": [{"prefix": "probe."}]}"#;
    assert_eq!(subscribe(&["counts", "--target", "probe", "--pattern", probe])["raw"], true);
    assert_eq!(subscribe(&["jobs", "--queue", "jobs", "--envelope"])["raw"], false);
    subscribe(&["raw", "--queue", "raw"]);
    subscribe(&["crm", "--webhook", "crm", "--envelope"]);
    subscribe(&["audit", "--to-bus", "audit", "--envelope"]);
    subscribe(&["further", "--to-topic", "filed"]);
    subscribe(&["none", "--queue", "raw", "--pattern", r#"{"type": ["other"]}"#]);
    let published =
        ["topic", "publish", "orders", "probe.increment", "-d", "{\"n\": 1.50}", "--id", "a", "--source", "test"];
    let accepted = done(&host, &published);
    assert_eq!(done(&host, &published)["duplicate"], true);
    let stats = host.stats_until("acme", |stats| stats["pending"] == 2);
    assert_eq!((&stats["events"], &stats["published"], &stats["dead_letters"]), (&json!(1), &json!(2), &json!(0)));
    // The probe counts what came by `orders`, and what came by `filed`.
    assert_eq!(host.value("probe", "shared").as_deref(), Some("2"));
    let position = accepted["position"].as_str().unwrap();
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{position}"));
    let detail = &detail["event"];
    let event = detail["event"].clone();
    assert_eq!((&detail["bus"], &event["data"]["n"]), (&json!("topic/orders"), &json!(1.5)));
    let raw = message(&host, "raw");
    assert_eq!((&raw["event"], &raw["rule"]), (&event, &json!("orders/raw")));
    let enveloped = message(&host, "jobs")["event"].clone();
    let accepted = enveloped["data"]["accepted"].clone();
    let envelope = |subscription: &str| json!({"topic": "orders", "subscription": subscription, "accepted": accepted, "event": event});
    assert_eq!((&enveloped["data"], &enveloped["id"]), (&envelope("jobs"), &json!("a")));
    assert_eq!(came.recv().unwrap().body["data"], envelope("crm"));
    let events = host.get("/v1/tenants/acme/events?limit=100").1;
    let on = |bus: &str| events.as_array().unwrap().iter().find(|it| it["bus"] == bus).unwrap()["event"].clone();
    assert_eq!(on("audit")["data"], envelope("audit"));
    assert_eq!((&on("topic/filed")["data"], &on("topic/filed")["causationid"]), (&event["data"], &json!("a")));
    let names = done(&host, &["topic", "subscriptions", "orders", "--after", "crm", "--limit", "3"]);
    let names: Vec<_> = names.as_array().unwrap().iter().map(|it| it["subscription"].clone()).collect();
    assert_eq!(names, ["further", "jobs", "none"]);
    let sent = done(&host, &["send", "other", "--topic", "orders", "--id", "b"]);
    assert_eq!((&sent["rules"], sent["tree"].is_object()), (&json!([]), true), "{sent}");
    // A host that was killed has all of it.
    host.kill();
    let host = site.start("serve");
    assert_eq!(done(&host, &["topic", "show", "orders"])["subscriptions"], 7);
    done(&host, &["topic", "publish", "orders", "other", "-d", "7"]);
    assert_eq!(host.stats_until("acme", |stats| stats["pending"] == 6)["events"], 3);
}

#[test]
fn a_topic_goes_with_its_subscriptions_and_not_while_something_publishes_to_it() {
    let site = site(1);
    let host = site.start("serve");
    done(&host, &["topic", "create", "orders", "--age", "30d"]);
    for n in 0..300 {
        let document = json!({"targets": [{"queue": "raw"}], "enabled": n != 7}).to_string();
        assert_eq!(host.put(&format!("{TOPICS}/orders/subscriptions/s{n}"), None, document).0, 201);
    }
    done(&host, &["rules", "add", "into", "--pattern", r#"{"type": ["order"]}"#, "--to-topic", "orders"]);
    let (exit, _, talk) = run(&host, &["topic", "rm", "orders"]);
    assert_eq!((exit, talk.contains("topic-in-use")), (5, true), "{talk}");
    assert_eq!(done(&host, &["topic", "ls"])[1]["subscriptions"], 300);
    done(&host, &["rules", "rm", "into"]);
    done(&host, &["topic", "rm", "orders"]);
    assert_eq!(host.get(&format!("{TOPICS}/orders")).1["code"], "topic-unknown");
    // One of its name that is made again has none of them.
    done(&host, &["topic", "create", "orders"]);
    assert_eq!(done(&host, &["topic", "subscriptions", "orders"]), json!([]));
    assert_eq!(done(&host, &["topic", "show", "orders"])["retention"]["age"], "7d");
}

#[test]
fn what_cannot_be_done_with_a_topic_has_its_code() {
    let site = site(1);
    let host = site.start("serve");
    done(&host, &["topic", "create", "orders"]);
    let put = |path: &str, document: &str| {
        let (status, _, answer) = host.put(&format!("{TOPICS}/{path}"), None, document);
        (status, answer["code"].as_str().unwrap_or_default().to_owned(), answer["errors"][0]["pointer"].clone())
    };
    let to = r#"{"targets": [{"queue": "raw"}]}"#;
    for (path, document, code, pointer) in [
        ("nowhere/subscriptions/s", to, "topic-unknown", Value::Null),
        ("filed/subscriptions/counts", to, "rule-of-file", Value::Null),
        ("orders/subscriptions/s", "{}", "rule-invalid", json!("")),
        ("orders/subscriptions/s", r#"{"targets": [{"topic": "nowhere"}]}"#, "rule-invalid", json!("/targets/0/topic")),
        ("orders/subscriptions/s", r#"{"bus": "audit", "targets": [{"queue": "raw"}]}"#, "rule-invalid", json!("/bus")),
        (
            "orders/subscriptions/s",
            r#"{"raw": false, "targets": [{"bus": "audit", "input": "1"}]}"#,
            "rule-invalid",
            json!("/raw"),
        ),
        (
            "orders/subscriptions/s",
            r#"{"pattern": {"a": 1}, "targets": [{"queue": "raw"}]}"#,
            "pattern-invalid",
            json!("/pattern/a"),
        ),
        ("filed", "{}", "bus-of-file", Value::Null),
        ("orders", r#"{"retention": {"age": "soon"}}"#, "bus-invalid", json!("/retention/age")),
    ] {
        let answer = put(path, document);
        assert_eq!((answer.1.as_str(), answer.2), (code, pointer), "{path} {document}");
    }
    // What is taken meanwhile: subscriptions of the API on a topic of the file, which goes only there.
    assert_eq!(put("filed/subscriptions/more", to).0, 201);
    assert_eq!(host.delete(&format!("{TOPICS}/filed")), 409);
    assert_eq!(host.delete(&format!("{TOPICS}/filed/subscriptions/counts")), 409);
    assert_eq!(host.delete(&format!("{TOPICS}/filed/subscriptions/none")), 404);
    assert_eq!(host.get(&format!("{TOPICS}/filed/subscriptions/none")).1["code"], "subscription-unknown");
    let (exit, _, talk) = run(&host, &["topic", "publish", "order", "a"]);
    assert_eq!((exit, talk.contains("did you mean `orders`?")), (3, true), "{talk}");
    let (exit, ..) = run(&host, &["topic", "create", "orders"]);
    assert_eq!(exit, 5);
    assert_eq!(host.get("/v1/tenants/acme/buses").1.as_array().unwrap().len(), 2);
}

#[test]
fn a_topic_of_a_file_is_deployed_with_its_subscriptions() {
    let site = Site::new("[tenants.acme.queues.jobs]\n[tenants.acme.queues.rest]\n");
    let host = site.start("serve");
    let project = |more: &str| {
        format!(
            "[tenants.acme.queues.jobs]\n[tenants.acme.queues.rest]\n[tenants.acme.topics.orders.subscriptions.jobs]\n\
                 raw = false\ntargets = [{{ queue = \"jobs\" }}]\n{more}"
        )
    };
    let deploy = |words: &[&str]| {
        let mut command = wharf();
        command.current_dir(site.folder.path()).args([
            "--url",
            &host.url,
            "-o",
            "json",
            "deploy",
            "-c",
            "project.toml",
            "--yes",
        ]);
        let output = command.args(words).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let change = |it: &Value| {
            format!(
                "{} {} {}",
                it["action"].as_str().unwrap(),
                it["kind"].as_str().unwrap(),
                it["name"].as_str().unwrap()
            )
        };
        let changes: Vec<_> = said["changes"].as_array().unwrap().iter().map(change).collect();
        (output.status.code().unwrap(), changes)
    };
    site.write(
        "project.toml",
        project("[tenants.acme.topics.orders.subscriptions.rest]\ntargets = [{ queue = \"rest\" }]\n"),
    );
    let all =
        ["add topic orders", "add subscription orders/jobs", "add subscription orders/rest"].map(ToOwned::to_owned);
    assert_eq!(deploy(&[]), (0, all.to_vec()));
    assert_eq!(deploy(&[]), (0, vec![]));
    assert_eq!(host.get(&format!("{TOPICS}/orders/subscriptions/jobs")).1["raw"], false);
    site.write("project.toml", project("enabled = false\n"));
    let changes = ["change subscription orders/jobs", "remove subscription orders/rest"].map(ToOwned::to_owned);
    assert_eq!(deploy(&["--prune"]), (0, changes.to_vec()));
    site.write("project.toml", "[tenants.acme.queues.jobs]\n[tenants.acme.queues.rest]\n");
    let removed = ["remove subscription orders/jobs", "remove topic orders"].map(ToOwned::to_owned);
    assert_eq!(deploy(&["--prune"]), (0, removed.to_vec()));
}
