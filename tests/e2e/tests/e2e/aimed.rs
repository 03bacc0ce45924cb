//! Goal: what a schedule sends to targets of its own reaches each of them once for each due time, over a kill, and no rule meets it; what it sends
//! to stays, and its dead letters are like any others.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    host::{Host, PATIENCE, Site, told, wharf},
    webhooks::receiver,
};

/// What a command says, as JSON, its exit status, and its talk.
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

/// A site whose rule would give everything to the queue `all`, and which has one of each kind of target.
fn site(port: u16) -> Site {
    Site::with_probe(&format!(
        "[egress]\nnetworks = [\"127.0.0.1\"]\n[tenants.acme.webhooks.crm]\nurl = \"http://127.0.0.1:{port}/hook\"\n\
         networks = [\"127.0.0.1\"]\n[tenants.acme.queues.all]\n[tenants.acme.queues.jobs]\n[tenants.acme.topics.orders]\n\
         [tenants.acme.rules.all]\npattern = {{ type = [{{ exists = true }}] }}\ntargets = [{{ queue = \"all\" }}]\n\
         [tenants.acme.schedules.filed]\nexpression = \"rate(1 second)\"\ntype = \"probe.increment\"\n\
         targets = [{{ plugin = \"probe\", dead_letter = \"dead\" }}, {{ queue = \"jobs\" }}]\n"
    ))
}

/// Takes all messages of a queue: the ids of their events, each once, and the rules that they came by.
fn take(host: &Host, queue: &str, ids: &mut BTreeSet<String>) -> BTreeSet<String> {
    let mut rules = BTreeSet::new();
    loop {
        let received = done(host, &["queue", "receive", queue, "--ack", "--max", "100", "--wait", "0s"]);
        let messages = received["messages"].as_array().unwrap();
        for message in messages {
            let id = message["event"]["id"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} came twice");
            rules.insert(message["rule"].as_str().unwrap().to_owned());
        }
        if messages.is_empty() {
            return rules;
        }
    }
}

#[test]
fn each_due_time_reaches_each_target_once_over_a_kill_and_no_rule_meets_it() {
    let (port, came) = receiver(&[200]);
    let site = site(port);
    let mut host = site.start("serve");
    let made = done(
        &host,
        &[
            "schedule",
            "put",
            "made",
            "rate(1 second)",
            "--type",
            "made",
            "-d",
            "{\"n\": 1.50}",
            "--to-webhook",
            "crm",
            "--to-topic",
            "orders",
        ],
    );
    assert_eq!((made.get("bus"), &made["targets"][0]["webhook"]), (None, &json!("crm")), "{made}");
    for _ in 0..2 {
        came.recv_timeout(PATIENCE).unwrap();
        host.stats_until("acme", |stats| stats["events"].as_u64().unwrap() >= 6);
        host.kill();
        host = site.start("serve");
    }
    let body = came.recv_timeout(PATIENCE).unwrap().body;
    assert_eq!(
        (&body["type"], &body["data"], &body["wharfschedule"]),
        (&json!("made"), &json!({"n": 1.5}), &json!("made"))
    );
    // What is paused and put back keeps its targets.
    assert_eq!(done(&host, &["schedule", "pause", "made"])["targets"], made["targets"]);
    let mut ids = BTreeSet::new();
    host.until("that five due times came", || {
        let rules = take(&host, "jobs", &mut ids);
        assert!(rules.iter().all(|rule| rule == "@filed"), "{rules:?}");
        ids.len() >= 5
    });
    let mut of_rule = BTreeSet::new();
    take(&host, "all", &mut of_rule);
    assert_eq!(of_rule, BTreeSet::new(), "no rule met them");
    let due = |id: &String| id.strip_prefix("filed-").unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let dues: Vec<i64> = ids.iter().map(due).collect();
    assert_eq!(dues, (dues[0]..).take(dues.len()).collect::<Vec<_>>(), "each due time, and each once");
    let (_, events) = host.get("/v1/tenants/acme/events?limit=1000");
    let buses: BTreeSet<_> = events.as_array().unwrap().iter().map(|view| view["bus"].as_str().unwrap()).collect();
    assert_eq!(buses, BTreeSet::from(["schedule/filed", "schedule/made", "topic/orders"]));
    assert!(host.value("probe", "shared").is_some(), "the plugin counted them");
    assert_eq!(done(&host, &["rules", "ls"]).as_array().unwrap().len(), 1);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_schedule_sends_to_stays_and_its_dead_letters_are_like_any_others() {
    let (port, _came) = receiver(&[500]);
    let site = site(port);
    let host = site.start("serve");
    done(&host, &["queue", "create", "made"]);
    done(&host, &["schedule", "put", "hourly", "rate(1 hour)", "--type", "t", "--to-queue", "made", "--to", "probe"]);
    let (exit, _, talk) = run(&host, &["queue", "rm", "made"]);
    assert!(exit == 5 && talk.contains("queue-in-use") && talk.contains("schedule `hourly`"), "{talk}");
    // It is no rule that anybody lists or changes.
    for path in
        ["/v1/tenants/acme/buses/default/rules/@hourly", "/v1/tenants/acme/buses/schedule%2Fhourly/rules/@hourly"]
    {
        assert_eq!((host.get(path).0, host.delete(path)), (404, 404), "{path}");
    }
    assert_eq!(host.get("/v1/tenants/acme/buses/schedule%2Fhourly/rules").1["code"], "bus-unknown");
    done(&host, &["schedule", "rm", "hourly"]);
    done(&host, &["queue", "rm", "made"]);

    // Once into a plugin that rejects it, and into a webhook that fails for longer than its schedule stays.
    let now = jiff::Timestamp::now().as_second();
    let soon = jiff::Timestamp::from_second(now + 2).unwrap().strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
    let retry = json!({"first": "1s", "max": "1s", "attempts": 100});
    let targets =
        json!([{"plugin": "probe", "dead_letter": "lost"}, {"webhook": "crm", "retry": retry, "dead_letter": "late"}]);
    let document = json!({"expression": soon, "type": "probe.reject", "targets": targets}).to_string();
    assert_eq!(host.put("/v1/tenants/acme/schedules/once", None, document).0, 201);
    let letter = host.found("the dead letter of what was rejected", || host.dead("lost").pop());
    assert_eq!((&letter["rule"], &letter["code"]), (&json!("@once"), &json!("handler-reject")), "{letter}");
    let redriven = done(&host, &["dlq", "redrive", "lost", "--all"]);
    assert_eq!(redriven["redriven"], 1, "{redriven}");
    let at = format!("/v1/tenants/acme/dlq/lost/{}", letter["id"].as_str().unwrap());
    host.until("a second try", || host.get(&at).1["history"].as_array().is_some_and(|tries| tries.len() == 2));
    // What is owed when it goes is given up, as of a rule, to where its target said.
    assert_eq!(host.dead("late").len(), 0);
    done(&host, &["schedule", "rm", "once"]);
    let late = host.found("the dead letter of what is given up", || host.dead("late").pop());
    assert_eq!((&late["rule"], &late["code"]), (&json!("@once"), &json!("target-gone")), "{late}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_schedule_has_a_bus_or_targets_and_each_mistake_has_its_place() {
    let site = site(1);
    let host = site.start("serve");
    let document =
        json!({"expression": "rate(1 hour)", "type": "t", "bus": "default", "targets": [{"plugin": "prob"}]});
    let (status, _, told) = host.put("/v1/tenants/acme/schedules/x", None, document.to_string());
    let errors: Vec<_> = told["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(
        (status, &told["code"], errors),
        (422, &json!("schedule-invalid"), vec![json!("/bus"), json!("/targets/0/plugin")])
    );
    let (exit, _, talk) = run(&host, &["schedule", "put", "x", "rate(1 hour)", "--type", "t", "--to", "prob"]);
    assert!(exit == 1 && talk.contains("schedule-invalid") && talk.contains("did you mean `probe`?"), "{talk}");
    assert_eq!(
        run(&host, &["schedule", "put", "x", "rate(1 hour)", "--type", "t", "--to", "probe", "--bus", "default"]).0,
        2
    );
}

/// As many as a tenant may have.
const MANY: usize = 10_000;

#[test]
fn ten_thousand_schedules_of_one_second_fire_once_each_over_a_kill_in_the_middle() {
    let site = Site::new("");
    let due = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 10).unwrap();
    let at = due.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
    let schedule = |n| {
        let name = format!("[tenants.acme.schedules.s{n}]\nexpression = \"{at}\"\ntype = \"t\"\n");
        name + "targets = [{ queue = \"jobs\" }]\n"
    };
    let schedules: String = (0..MANY).map(schedule).collect();
    site.write("wharf.toml", format!("default_tenant = \"acme\"\n[tenants.acme.queues.jobs]\n{schedules}"));
    let mut host = site.start("serve");
    let depth = |host: &Host| host.get("/v1/tenants/acme/queues/jobs").1["depth"].as_u64().unwrap();
    assert_eq!(depth(&host), 0);
    host.stats_until("acme", |stats| stats["events"] != 0);
    host.kill();
    host = site.start("serve");
    host.stats_until("acme", |_| depth(&host) >= MANY as u64);
    let mut ids = BTreeSet::new();
    let receive = json!({"max": 1_000, "visibility": "10m"}).to_string();
    while ids.len() < MANY {
        let (status, received) = host.post("/v1/tenants/acme/queues/jobs/receive", "application/json", &receive);
        let messages = received["messages"].as_array().filter(|messages| status == 200 && !messages.is_empty());
        for message in messages.unwrap_or_else(|| panic!("{} came, and then {received}", ids.len())) {
            let id = message["event"]["id"].as_str().unwrap().to_owned();
            assert!(ids.insert(id), "{message} came twice");
        }
    }
    let of_due = |n| format!("s{n}-{}", due.strftime("%Y-%m-%dT%H:%M:%S.000Z"));
    assert!((0..MANY).all(|n| ids.contains(&of_due(n))), "{:?}", ids.first());
    assert_eq!((depth(&host), &host.stats("acme")["events"]), (MANY as u64, &json!(MANY)));
}
