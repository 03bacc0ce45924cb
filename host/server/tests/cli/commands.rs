//! The commands that read and repair: which request they make, and what they print of its answer.

use std::io::{BufRead as _, BufReader, Read as _};

use serde_json::{Value, json};

use crate::scripted::Host;

fn event() -> Value {
    json!({
        "position": "1-0", "time": "2026-01-31T12:00:00.000Z", "bus": "default",
        "event": {"specversion": "1.0", "type": "a.b", "source": "s", "id": "x\u{9b}2J", "data": {"n": [1, {}]}},
        "deliveries": [{"rule": "r", "plugin": "p", "target": "p", "n": 0}],
    })
}

fn letter() -> Value {
    json!({"id": "1-0.0", "queue": "q", "rule": "r", "plugin": "p", "target": "p", "event": event(), "code": "retries-spent", "cause": "handler-trap",
        "reason": "spent", "error": "3 attempts", "attempts": 3, "time": "2026-01-31T12:00:01.000Z"})
}

fn redrive(phase: &str) -> Value {
    json!({"queue": "q", "phase": phase, "redriven": 3, "letters": 7, "begun": "2026-01-31T12:00:00.000Z", "letters_per_s": 5})
}

/// Each command with its request, the answer, and the text that it prints.
fn table() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let key = json!({"key": "k/1", "value": {"text": "a\nb"}, "version": "1-0"});
    vec![
        ("kv ls", "GET kv?limit=1000", json!([{"bucket": "b", "keys": 2}]), "BUCKET  KEYS\nb       2\n"),
        (
            "kv ls b --after 'a b' --limit 5",
            "GET kv/b?limit=5&after=a%20b",
            json!([key]),
            "KEY  VALUE  VERSION\nk/1  a\\nb   1-0\n",
        ),
        ("kv get b k/1", "GET kv/b/k%2F1", key, "a\nb"),
        ("kv get b k", "GET kv/b/k", json!({"key": "k", "value": {"base64": "aGk="}, "version": "1-0"}), "hi"),
        (
            "schema ls",
            "GET schemas?limit=1000",
            json!([{"schema": "order", "origin": "file", "bus": "default", "type": "a.b", "mode": "warn", "draft": "2020-12"}]),
            "SCHEMA  BUS      TYPE  MODE  DRAFT    FROM\norder   default  a.b   warn  2020-12  file\n",
        ),
        (
            "schema show order",
            "GET schemas/order",
            json!({"schema": "order", "origin": "file", "bus": "default", "type": "a.b", "mode": "off", "draft": "draft-07",
                "document": {"type": "object"}}),
            "{\n  \"type\": \"object\"\n}\n",
        ),
        ("dlq ls", "GET dlq?limit=1000", json!([{"queue": "q", "depth": 1}]), "QUEUE  LETTERS\nq      1\n"),
        (
            "dlq ls q",
            "GET dlq/q?limit=100",
            json!([letter()]),
            "ID     TIME                      TYPE  TARGET  ATTEMPTS  REASON\n\
             1-0.0  2026-01-31T12:00:01.000Z  a.b   r → p   3         retries-spent: 3 attempts\n",
        ),
        ("dlq edit q 1-0.0 -d [1]", "PUT dlq/q/1-0.0/event", letter(), "edited 1-0.0\n"),
        ("dlq redrive q --all", "POST dlq/q/redrive", json!({"redriven": 7}), "redriven 7\n"),
        ("dlq rm q 1-0.0", "POST dlq/q/discard", json!({"discarded": 1}), "discarded 1\n"),
        ("dlq rm q --all --dry-run", "POST dlq/q/discard", json!({"discarded": 0, "matching": 7}), "would discard 7\n"),
        (
            "dlq redrive q --all --rate 5/s",
            "POST dlq/q/redrive",
            redrive("running"),
            "redriving at 5/s: 7 letters lie in q; wharf dlq progress q shows how far it came\n",
        ),
        (
            "dlq progress q",
            "GET dlq/q/redrive",
            redrive("running"),
            "queue               q\nphase               running\nredriven            3 of 7 letters\n\
             begun               2026-01-31T12:00:00.000Z\nrate                5/s\n",
        ),
        (
            "dlq cancel q",
            "POST dlq/q/redrive/cancel",
            redrive("cancelled"),
            "queue               q\nphase               cancelled\nredriven            3 of 7 letters\n\
             begun               2026-01-31T12:00:00.000Z\nrate                5/s\n",
        ),
        (
            "events ls --type a. --before 9-0",
            "GET events?type_prefix=a.&limit=50&before=9-0",
            json!([event()]),
            "POSITION  TIME                      BUS      TYPE  SOURCE  ID         DELIVERIES\n\
             1-0       2026-01-31T12:00:00.000Z  default  a.b   s       x\\u{9b}2J  1\n",
        ),
    ]
}

fn rule(enabled: bool) -> Value {
    json!({"rule": "orders", "bus": "default", "origin": "api", "version": "7-0", "pattern": {"type": ["a\nb"]},
        "transforms": [], "enabled": enabled, "targets": [{"plugin": "p", "dead_letter": "q", "of_a_newer_host": 1,
        "retry": {"first": "1s", "max": "5m", "attempts": 3, "age": "1d"}}]})
}

#[test]
fn rules_are_listed_with_where_they_were_made() {
    let mut of_file = rule(false);
    (of_file["rule"], of_file["origin"]) = ("z".into(), "file".into());
    of_file.as_object_mut().unwrap().remove("version");
    let host = || {
        let host = Host::start().answers("GET buses/audit/rules?limit=100", 200, json!([rule(true), of_file]));
        host.answers("GET buses/audit/rules?limit=98&after=z", 200, "[]")
    };
    assert_eq!(
        host().run("rules ls --bus audit").stdout,
        "RULE    STATE     FROM  TARGETS  PATTERN\n\
         orders  enabled   api   p        {\"type\":[\"a\\nb\"]}\n\
         z       disabled  file  p        {\"type\":[\"a\\nb\"]}\n"
    );
    let said: Value = serde_json::from_str(&host().run("rules ls --bus audit -o json").stdout).unwrap();
    assert_eq!((&said[0]["version"], &said[1]["version"]), (&"7-0".into(), &Value::Null));
}

#[test]
fn a_rule_is_made_of_a_command_line_as_it_is_spelled() {
    const PUT: &str = "PUT buses/default/rules/orders";
    let host = Host::start().answers(PUT, 201, rule(true));
    let add = "rules add orders --pattern '{\"n\": [3.0e2]}' --target p --target q --transform t --disabled";
    assert_eq!(host.run(add).stdout, "in force  orders on default  version 7-0\n");
    assert_eq!(
        host.bodies("PUT"),
        [
            r#"{"pattern":"{\"n\": [3.0e2]}","transforms":["t"],"targets":[{"plugin":"p"},{"plugin":"q"}],"enabled":false}"#
        ]
    );
    assert_eq!(host.headers("PUT", "if-none-match"), ["*"]);
    let host = Host::start().answers(PUT, 200, rule(true));
    assert_eq!(host.run_with("rules add orders --file - --replace", "{\"as\": \"it is\"}").exit, 0);
    assert_eq!(
        (host.bodies("PUT"), host.headers("PUT", "if-none-match")),
        (vec!["{\"as\": \"it is\"}".to_owned()], vec![])
    );
    let ran = Host::start().refuses(PUT, 412, "version-conflict").run(add);
    assert_eq!(ran.exit, 5);
    assert!(
        ran.stderr.ends_with("help: --replace puts this rule in the place of the one that is there\n"),
        "{}",
        ran.stderr
    );
    let host = Host::start();
    let ran = host.run("rules add orders --pattern '{\"n\": 1}' --target p");
    assert!(ran.exit == 1 && ran.stderr.starts_with("error[pattern-invalid]: "), "{}", ran.stderr);
    assert!(host.bodies("PUT").is_empty(), "what is no pattern is not sent");
}

#[test]
fn a_rule_is_switched_as_it_was_read_and_only_if_it_still_is_so() {
    const AT: &str = "buses/default/rules/orders";
    let host =
        Host::start().answers(&format!("GET {AT}"), 200, rule(true)).answers(&format!("PUT {AT}"), 200, rule(false));
    assert_eq!(host.run("rules disable orders").stdout, "disabled  orders on default  version 7-0\n");
    assert_eq!(host.headers("PUT", "if-match"), ["\"7-0\""]);
    let mut wanted = rule(false);
    ["rule", "origin", "version"].iter().for_each(|name| drop(wanted.as_object_mut().unwrap().remove(*name)));
    assert_eq!(serde_json::from_str::<Value>(&host.bodies("PUT")[0]).unwrap(), wanted, "a newer host's member stays");
    let host = Host::start().answers(&format!("GET {AT}"), 200, rule(true));
    assert_eq!(host.run("rules enable orders").stdout, "enabled  orders on default  version 7-0\n");
    assert!(host.bodies("PUT").is_empty(), "it is so already");
    let host = Host::start().answers(&format!("GET {AT}"), 200, rule(true)).refuses(
        &format!("PUT {AT}"),
        412,
        "version-conflict",
    );
    assert_eq!(host.run("rules disable orders").exit, 5);
    let host = Host::start().answers(&format!("DELETE {AT}"), 204, "");
    assert_eq!(host.run("rules rm orders -o json").stdout, "{\"removed\":\"orders\",\"bus\":\"default\"}\n");
    let host = Host::start().refuses(&format!("DELETE {AT}"), 404, "rule-unknown");
    let ran = host
        .answers("GET buses/default/rules?limit=1000", 200, json!([{"rule": "order"}, rule(true)]))
        .run("rules rm orders");
    assert_eq!(ran.exit, 3);
}

/// The page behind the rows of each listing, which is empty: pages are cut by bytes too, so a short one is not the last.
const LAST_PAGES: [&str; 6] = [
    "GET kv?limit=1000&after=b",
    "GET kv/b?limit=4&after=k%2F1",
    "GET schemas?limit=1000&after=order",
    "GET dlq?limit=1000&after=q",
    "GET dlq/q?limit=99&after=1-0.0",
    "GET events?type_prefix=a.&limit=49&before=1-0",
];

#[test]
fn a_command_makes_its_request_and_prints_the_answer() {
    for (line, request, answer, text) in table() {
        let host = || {
            let host = Host::start().answers(request, 200, &answer);
            LAST_PAGES.into_iter().fold(host, |host, page| host.answers(page, 200, json!([])))
        };
        let ran = host().run(line);
        assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.as_str()), (0, text, ""), "{line}");
        let ran = host().run(&format!("{line} -o json"));
        assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), answer, "{line}");
    }
}

#[test]
fn a_full_page_says_how_to_go_on() {
    let keys = json!([{"key": "k", "value": {"text": ""}, "version": "1-0"}]);
    let ran = Host::start().answers("GET kv/b?limit=1", 200, keys).run("kv ls b --limit 1");
    assert_eq!(ran.stderr, "more: --after 'k'\n");
}

#[test]
fn a_redrive_names_its_letters() {
    let host = Host::start().answers("POST dlq/q/redrive", 200, json!({"redriven": 2}));
    assert_eq!(host.run("dlq redrive q 1-0.0 2-0.1").exit, 0);
    assert_eq!(host.bodies("POST"), [r#"{"ids":["1-0.0","2-0.1"]}"#]);
}

#[test]
fn an_event_is_shown_with_its_payload_and_what_became_of_it() {
    let detail = json!({"event": event(), "deliveries": [
        {"id": "1-0.0", "rule": "r", "plugin": "p", "target": "p", "state": "waiting", "attempts": []}]});
    let host = Host::start().answers("GET events/x%2F1?limit=1000", 200, &detail).answers(
        "GET events/1-0?limit=1000",
        200,
        &detail,
    );
    let ran = host.run("events show x/1");
    assert_eq!(ran.exit, 0, "{ran:?}");
    for part in
        ["id                  x\\u{9b}2J\n", "\n  \"n\": [\n    1,\n    {}\n  ]\n", "└─ r → p  waits for its first"]
    {
        assert!(ran.stdout.contains(part), "{part}\n{}", ran.stdout);
    }
}

#[test]
fn rules_are_asked_about_a_file() {
    let verdicts = json!([{"rule": "a", "matched": true, "plugins": ["p"], "evidence": [{"pointer": "/type", "wanted": "\"t\"", "saw": "\"t\""}]},
            {"rule": "b", "matched": false, "plugins": []}]);
    let whole = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    let asked = |line| {
        let host = Host::start().answers("POST buses/default/explain?limit=1000", 200, &verdicts);
        host.answers("POST buses/default/explain?limit=1000&after=b", 200, "[]").run_with(line, whole)
    };
    assert_eq!(
        asked("rules explain -e -").stdout,
        "matches  a → p\n         /type is \"t\"\nno match  b  the host does not say why\n"
    );
    assert_eq!(asked("rules explain a -e -").stdout, "matches  a → p\n         /type is \"t\"\n");
    assert_eq!(asked("rules explain z -e -").exit, 3);
    assert_eq!(asked("rules explain -e /no/such/file").exit, 3);
}

fn received(k: u32) -> String {
    let mut event = event();
    event["position"] = format!("{k}-0").into();
    format!("{}\n", json!({"received": {"event": event}}))
}

#[test]
fn tail_gives_every_item_once_over_broken_connections_and_as_it_came() {
    let (one, two, three) = (received(1), received(2), received(3));
    let host = Host::start()
        .breaks_after("GET feed", &(one.clone() + &two))
        .answers("GET feed?from=2-0", 200, two.clone() + &three)
        .refuses("GET feed?from=3-0", 404, "event-unknown");
    let ran = host.run("tail -o json");
    assert_eq!((ran.exit, ran.stdout), (3, one + &two + &three), "it goes on until the host refuses");
    assert_eq!(ran.stderr.matches("the feed broke").count(), 2, "{}", ran.stderr);
}

#[test]
fn tail_ends_with_the_reason_where_the_log_of_the_host_failed() {
    let host = Host::start().breaks_after("GET feed", &received(1)).refuses("GET feed?from=1-0", 503, "log-failed");
    let ran = host.run("tail -o json");
    assert_eq!((ran.exit, ran.stdout), (7, received(1)));
    assert!(ran.stderr.contains("{\"error\":{\"code\":\"log-failed\","), "{}", ran.stderr);
}

#[test]
fn tail_ends_quietly_when_its_reader_goes() {
    let many: String = (1..2_000).map(received).collect();
    let mut child = Host::start().answers("GET feed", 200, many).command("tail").spawn().unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::with_capacity(1, child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    assert!(first.contains("received     1-0  a.b"), "{first}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[test]
fn what_tail_leaves_out_for_its_rate_is_counted_and_nothing_is_left_out_untold() {
    const EVENTS: u64 = 500;
    let other = received(0).replace("a.b", "other");
    let many: String = (1..=u32::try_from(EVENTS).unwrap()).map(|k| other.clone() + &received(k)).collect();
    let host = Host::start().stays_open_after("GET feed", &many);
    let mut child = host.command("tail --type a. --rate 5 -o json").spawn().unwrap();
    let (mut shown, mut hidden) = (0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let item: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match item["not-shown"]["items"].as_u64() {
            Some(items) => hidden += items,
            None => {
                assert_eq!(item["received"]["event"]["event"]["type"], "a.b", "filters come first");
                shown += 1;
            }
        }
        if shown + hidden == EVENTS {
            break;
        }
    }
    assert!(shown >= 5 && hidden > 0, "{shown} shown, {hidden} hidden");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn top_counts_what_the_feed_tells_until_it_has_looked_often_enough() {
    let stats = json!({"events": 9, "duplicates": 0, "deliveries": 9, "attempts": 9, "published": 0, "retries": 0,
        "dead_letters": 0, "pending": 7, "conflicts": 0, "p50_ms": null, "p99_ms": null, "quarantined": []});
    let quotas = json!({"kv_bytes": {"used": 1_500, "most": 2_000_000}, "upload_bytes": {"used": 23}, "backlog": {"used": 7, "most": 9},
        "cpu_ms_per_hour": {"used": 20}, "bytes_per_hour": {"used": 21}, "host_calls_per_hour": {"used": 22}, "plugins": [{"plugin": "slow", "backlog": {"used": 7}}]});
    let host = || {
        let host = Host::start().stays_open_after("GET feed", &(received(1) + &received(2)));
        let host = host.answers("GET stats", 200, &stats).answers("GET stats", 200, &stats);
        host.answers("GET quotas", 200, &quotas).answers("GET quotas", 200, &quotas)
    };
    let ran = host().run("top --interval 200ms --times 2 -o json");
    let looks: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ran.exit, looks.len()), (0, 2), "{ran:?}");
    let received: u64 = looks.iter().map(|look| look["received"].as_u64().unwrap()).sum();
    assert_eq!((received, &looks[0]["pending"], &looks[0]["quotas"]), (2, &7.into(), &quotas));
    assert_eq!((&looks[0]["plugins"][0]["plugin"], &looks[0]["plugins"][0]["pending"]), (&"slow".into(), &7.into()));
    let ran = host().run("top --interval 200ms --times 1");
    assert!(
        ran.exit == 0 && ran.stdout.contains("pending 7/9   kv 1.5 kB/2.0 MB") && !ran.stdout.contains('\u{1b}'),
        "{ran:?}"
    );
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let host = Host::silent();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = host.run(&format!("completions {shell}"));
        assert!(ran.exit == 0 && ran.stdout.contains("redrive") && ran.stderr.is_empty(), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert_eq!(host.run(&format!("man '{}'", pages.display())).exit, 0);
    let page = std::fs::read_to_string(pages.join("wharf-dlq-redrive.1")).unwrap();
    assert!(page.contains("All letters that are in the queue now"), "{page}");
    assert_eq!(host.run("man /dev/null/x").exit, 1);
}
