//! Goal: dead letters are counted exactly, chosen by what is known of them, and sent again with their id and their history.

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const RULES: &str = r#"
[tenants.acme.rules.probe]
pattern = { type = [{ prefix = "probe." }] }
targets = [{ plugin = "probe", retry = { attempts = 1 }, dead_letter = "dead" }]
[tenants.acme.rules.also]
pattern = { type = ["probe.reject"] }
targets = [{ plugin = "probe", retry = { attempts = 1 }, dead_letter = "dead" }]
"#;

/// Four rejected events, each of two rules, and three that panicked.
fn host(site: &Site) -> Host {
    let host = site.start("serve");
    // The groups are met in another order than they are told in.
    (0..3).for_each(|n| drop(host.send(&format!("p{n}"), "probe.panic")));
    (0..4).for_each(|n| drop(host.send(&format!("r{n}"), "probe.reject")));
    host.settled("acme");
    host
}

fn counts(host: &Host, query: &str) -> Vec<(String, u64)> {
    let (status, groups) = host.get(&format!("/v1/tenants/acme/dlq/dead/groups{query}"));
    assert_eq!((status, &groups["others"]), (200, &json!(0)), "{groups}");
    let count = |of: &Value| (of["code"].as_str().unwrap().to_owned(), of["count"].as_u64().unwrap());
    groups["groups"].as_array().unwrap().iter().map(count).collect()
}

fn redrive(host: &Host, body: Value) -> (u16, Value) {
    host.post("/v1/tenants/acme/dlq/dead/redrive", "application/json", body.to_string())
}

#[test]
fn groups_of_letters_are_told_a_page_at_a_time_by_the_cursor_of_the_page_before() {
    let site = Site::with_probe(RULES);
    let host = host(&site);
    let grouped = |more: &[&str]| {
        let mut command = wharf();
        command
            .args(["--url", &host.url, "-t", "acme", "-o", "json", "dlq", "groups", "dead", "--limit", "1"])
            .args(more);
        let page: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        let (count, next) = (page["groups"][0]["count"].clone(), page["next"].as_str().map(str::to_owned));
        (page["groups"].as_array().unwrap().len(), count, page["others"].clone(), next)
    };
    let first = grouped(&[]);
    let next = first.3.clone().unwrap();
    assert_eq!(
        (first.0, first.1, first.2, next.as_str()),
        (1, json!(8), json!(3), "probe,handler-reject,handler-reject")
    );
    assert_eq!(grouped(&["--after", &next]), (1, json!(3), json!(0), None));
    let (status, refused) = host.get("/v1/tenants/acme/dlq/dead/groups?after=probe");
    assert_eq!((status, &refused["code"]), (400, &json!("query-invalid")));
}

#[test]
fn letters_are_counted_by_target_and_code_and_a_filter_says_the_same_everywhere() {
    let site = Site::with_probe(RULES);
    let host = host(&site);
    assert_eq!(counts(&host, ""), [("handler-reject".to_owned(), 8), ("retries-spent".to_owned(), 3)]);
    let cases = [
        (json!({"code": "handler-reject"}), 8),
        (json!({"rule": "also"}), 4),
        (json!({"rule": "probe", "code": "handler-reject"}), 4),
        (json!({"target": "probe"}), 11),
        (json!({"target": "webhook/probe"}), 0),
        (json!({"type_prefix": "probe.p"}), 3),
        (json!({"pattern": r#"{"id":["r1","p1"]}"#}), 3),
        (json!({"since": "2100-01-01T00:00:00Z"}), 0),
        (json!({"until": "2100-01-01T00:00:00Z", "since": "2000-01-01T00:00:00Z"}), 11),
    ];
    for (filter, wanted) in cases {
        let said: Vec<_> = filter.as_object().unwrap().iter().collect();
        let said: Vec<_> =
            said.iter().map(|(name, value)| format!("{name}={}", escaped(value.as_str().unwrap()))).collect();
        let query = said.join("&");
        let counted: u64 = counts(&host, &format!("?{query}")).iter().map(|(_, count)| count).sum();
        let listed = host.get(&format!("/v1/tenants/acme/dlq/dead?limit=1000&{query}")).1.as_array().unwrap().len();
        let dry = redrive(&host, json!({"where": filter, "dry_run": true}));
        assert_eq!((counted, listed as u64), (wanted, wanted), "{query}");
        assert_eq!(dry, (200, json!({"redriven": 0, "matching": wanted})), "{query}");
    }
    // Pages of one row go on behind their last, through what the filter leaves out.
    let (mut after, mut met) = (String::new(), Vec::new());
    while let Some(letter) = host.get(&format!("/v1/tenants/acme/dlq/dead?rule=also&limit=1{after}")).1.get(0) {
        let id = letter["id"].as_str().unwrap().to_owned();
        after = format!("&after={id}");
        met.push(id);
    }
    assert_eq!(met.len(), 4, "{met:?}");
    for (query, code) in
        [("since=soon", "query-invalid"), ("target=a/b/c", "query-invalid"), ("pattern={}", "pattern-invalid")]
    {
        assert_eq!(host.get(&format!("/v1/tenants/acme/dlq/dead/groups?{query}")).1["code"], code, "{query}");
    }
    assert_eq!(redrive(&host, json!({"where": {}})).1["code"], "query-invalid");
    // No more are sent than may wait.
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    assert_eq!(host.stop(), Some(0));
    site.write("wharf.toml", format!("{config}[tenants.acme]\nbacklog = 10\n"));
    let host = site.start("serve");
    for wish in [json!({"all": true}), json!({"where": {"target": "probe"}})] {
        let (status, refused) = redrive(&host, wish);
        assert_eq!((status, &refused["code"]), (429, &json!("quota-backlog")), "{refused}");
    }
    assert_eq!(counts(&host, ""), [("handler-reject".to_owned(), 8), ("retries-spent".to_owned(), 3)]);
    assert_eq!(redrive(&host, json!({"where": {"rule": "also"}})), (200, json!({"redriven": 4})));
}

/// For a query.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}

#[test]
fn a_filtered_redrive_sends_what_it_leaves_and_each_letter_keeps_its_id_and_its_history() {
    let site = Site::with_probe(RULES);
    let host = host(&site);
    let letters = host.dead("dead");
    assert_eq!(redrive(&host, json!({"where": {"rule": "also"}})), (200, json!({"redriven": 4})));
    let stats = host.settled("acme");
    assert_eq!((&stats["dead_letters"], &stats["attempts"]), (&json!(15), &json!(15)));
    let now = host.dead("dead");
    let ids = |of: &[Value]| of.iter().map(|letter| letter["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&now), ids(&letters), "they came back as what they were");
    for letter in &now {
        let shown = host.get(&format!("/v1/tenants/acme/dlq/dead/{}", letter["id"].as_str().unwrap())).1;
        let tries = if letter["rule"] == "also" { 2 } else { 1 };
        assert_eq!(shown["history"].as_array().unwrap().len(), tries, "{shown}");
        assert_eq!(shown["attempts"], 1, "counted from zero: {shown}");
    }

    let run = |words: &str| {
        let output = wharf().args(["--url", &host.url, "dlq"]).args(words.split(' ')).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run("redrive dead --code retries-spent --dry-run"), (0, "would redrive 3\n".to_owned()));
    assert_eq!(run("redrive dead --type probe.panic"), (0, "redriven 3\n".to_owned()));
    host.settled("acme");
    assert_eq!(run("redrive dead --all"), (0, "redriven 11\n".to_owned()));
    assert_eq!(host.settled("acme")["attempts"], 29);
    let (_, groups) = run("groups dead");
    assert!(groups.contains("handler-reject") && groups.lines().count() == 3, "{groups}");
    let rejected = now.iter().find(|letter| letter["code"] == "handler-reject").unwrap();
    let (_, shown) = run(&format!("show dead {}", rejected["id"].as_str().unwrap()));
    assert_eq!(shown.matches("attempt 1").count(), if rejected["rule"] == "also" { 3 } else { 2 }, "{shown}");
}

#[test]
fn letters_that_are_let_go_of_are_gone_for_good_and_the_archive_tells_of_them() {
    let site = Site::with_probe(RULES);
    let host = host(&site);
    let letters = host.dead("dead");
    let run = |host: &Host, words: &str| {
        let output = wharf().args(["--url", &host.url]).args(words.split(' ')).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&host, "dlq rm dead --rule also --dry-run"), (0, "would discard 4\n".to_owned()));
    assert_eq!(run(&host, "dlq rm dead --rule also"), (0, "discarded 4\n".to_owned()));
    let one = letters.iter().find(|letter| letter["rule"] == "probe").unwrap();
    let (id, event) = (one["id"].as_str().unwrap(), one["event"]["position"].as_str().unwrap());
    assert_eq!(host.delete(&format!("/v1/tenants/acme/dlq/dead/{id}")), 204);
    assert_eq!(host.delete(&format!("/v1/tenants/acme/dlq/dead/{id}")), 404);
    assert_eq!(run(&host, &format!("dlq redrive dead {id}")).0, 3);
    let (_, told) = host.get(&format!("/v1/tenants/acme/events/{event}"));
    let of = told["deliveries"].as_array().unwrap().iter().find(|of| of["id"] == id).unwrap();
    assert_eq!((&of["state"], of.get("queue")), (&json!("dropped"), None), "{told}");
    let traced = run(&host, &format!("trace {event}")).1;
    assert!(traced.contains("discarded"), "{traced}");
    host.kill();

    let host = site.start("serve");
    assert_eq!(host.dead("dead").len(), letters.len() - 5);
    assert_eq!(run(&host, "dlq rm dead --all"), (0, format!("discarded {}\n", letters.len() - 5)));
    assert_eq!(host.get("/v1/tenants/acme/dlq").1, json!([{"queue": "dead", "depth": 0}]));
    assert_eq!(host.stats("acme")["dead_letters"], 11, "it counts what was given up");
    assert_eq!(host.stop(), Some(0));
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, &found["findings"]), (0, &json!([])), "{found} {said}");
}

#[test]
fn a_redrive_at_a_rate_goes_on_over_a_kill_and_ends_where_it_is_cancelled() {
    let site = Site::with_probe(RULES);
    let host = host(&site);
    let at = "/v1/tenants/acme/dlq/dead/redrive";
    assert_eq!(host.get(at).1["code"], "redrive-unknown");
    for bad in
        [json!({"ids": ["1-0.0"], "letters_per_s": 1}), json!({"all": true, "dry_run": true, "letters_per_s": 1})]
    {
        assert_eq!(redrive(&host, bad).1["code"], "query-invalid");
    }
    assert_eq!(redrive(&host, json!({"all": true, "letters_per_s": 0})).1["code"], "query-invalid");
    let (status, begun) = redrive(&host, json!({"where": {"code": "handler-reject"}, "letters_per_s": 4}));
    assert_eq!((status, &begun["letters"], &begun["phase"]), (202, &json!(11), &json!("running")), "{begun}");
    assert_eq!(redrive(&host, json!({"all": true, "letters_per_s": 4})).1["code"], "redrive-running");
    let sent = |host: &Host| host.get(at).1["redriven"].as_u64().unwrap();
    host.until("that two letters are sent", || sent(&host) >= 2);
    host.kill();
    let host = site.start("serve");
    host.until("the end of the redrive", || host.get(at).1["phase"] != "running");
    let (_, done) = host.get(at);
    assert_eq!((&done["phase"], &done["redriven"]), (&json!("done"), &json!(8)), "{done}");
    // Each went once, though all of them came back meanwhile.
    let stats = host.settled("acme");
    assert_eq!((&stats["attempts"], &stats["dead_letters"]), (&json!(19), &json!(19)), "{stats}");

    let run = |words: &str| {
        let output = wharf().args(["--url", &host.url, "dlq"]).args(words.split(' ')).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (exit, said) = run("redrive dead --all --rate 1/s");
    assert!(exit == 0 && said.starts_with("redriving at 1/s: 11 letters lie in dead"), "{said}");
    let (exit, said) = run("cancel dead");
    assert!(exit == 0 && said.contains("cancelled"), "{said}");
    let sent = host.get(at).1["redriven"].as_u64().unwrap();
    host.wait(Duration::from_millis(1_500));
    let (exit, said) = run("progress dead");
    assert!(
        exit == 0 && sent < 11 && said.contains(&format!("{sent} of 11 letters")),
        "the rest lies where it lay: {said}"
    );
    assert_eq!(host.settled("acme")["attempts"], 19 + sent);
}
