//! Rules are made, changed and removed while events flow, by the command line and by HTTP; they outlive a kill.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde_json::{Value, json};

use crate::host::{Host, Site, try_send, wharf};

const RULES: &str = "/v1/tenants/acme/buses/default/rules";

/// Runs `wharf rules …` on a host: exit status, stdout, stderr. `'` quotes a word with spaces.
fn rules(host: &Host, line: &str) -> (i32, String, String) {
    let words = line.split('\'').enumerate().flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(ToOwned::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    let output = wharf().arg("rules").args(words).env("WHARF_URL", &host.url).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Sends an event that the file's rule is not for, and gives the rules that it is delivered by.
fn matched(host: &Host, id: &str) -> Vec<String> {
    let answer = host.send(id, "order.created");
    let (_, detail) = host.get(&format!("/v1/tenants/acme/events/{}", answer["position"].as_str().unwrap()));
    let deliveries = detail["deliveries"].as_array().unwrap().iter();
    deliveries.map(|delivery| delivery["rule"].as_str().unwrap().to_owned()).collect()
}

/// Events sent by another thread until it is told to stop; the number of those that were accepted.
struct Stream {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Stream {
    fn to(host: &Host) -> Self {
        let (stop, sent, url) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), host.url.clone());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let n = counted.fetch_add(1, Ordering::Relaxed);
                assert_eq!(try_send(&url, &format!("stream-{n}"), "probe.none"), Some(202));
            }
        });
        Self { stop, sent, thread }
    }

    /// Waits until another event was accepted.
    fn goes_on(&self) {
        let before = self.sent.load(Ordering::Relaxed);
        while self.sent.load(Ordering::Relaxed) < before + 2 {
            assert!(!self.thread.is_finished(), "an event was refused");
            std::thread::yield_now();
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

#[test]
fn a_rule_that_is_made_while_events_flow_matches_the_next_event_and_outlives_a_kill() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    let stream = Stream::to(&host);
    assert_eq!(matched(&host, "before"), [""; 0]);
    let (exit, said, talk) = rules(&host, "add made --pattern '{\"type\": [{\"prefix\": \"order.\"}]}' --target probe");
    assert_eq!((exit, talk.as_str()), (0, ""));
    assert!(said.starts_with("in force  made on default  version "), "{said}");
    assert_eq!(matched(&host, "next"), ["made"]);
    stream.goes_on();
    stream.end();
    host.kill();

    let host = site.start("serve");
    assert_eq!(matched(&host, "after-kill"), ["made"]);
    let stream = Stream::to(&host);
    for (command, wanted) in [("disable", &[][..]), ("disable", &[]), ("enable", &["made"]), ("rm", &[])] {
        let (exit, said, _) = rules(&host, &format!("{command} made"));
        assert_eq!(exit, 0, "{said}");
        assert_eq!(
            matched(&host, &format!("{command}-{said}").replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
            wanted
        );
        stream.goes_on();
    }
    stream.end();
    let stats = host.settled("acme");
    assert_eq!(stats["dead_letters"], 0, "{stats}");
    host.kill();
    let host = site.start("serve");
    assert_eq!(matched(&host, "gone"), [""; 0]);
    assert_eq!(rules(&host, "rm made").0, 3);
}

#[test]
fn a_rule_of_the_file_is_shown_and_never_changed() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    let (_, said, _) = rules(&host, "ls");
    assert_eq!(
        said,
        "RULE   STATE    FROM  TARGETS  PATTERN\nprobe  enabled  file  probe    {\"type\":[{\"prefix\":\"probe.\"}]}\n"
    );
    let add = "add probe --pattern '{\"id\": [\"x\"]}' --target probe";
    for command in [add, &format!("{add} --replace"), "rm probe", "disable probe"] {
        let (exit, said, talk) = rules(&host, command);
        assert_eq!((exit, said.as_str()), (5, ""), "{command}: {talk}");
        assert!(talk.starts_with("error[rule-of-file]: it stands in the configuration file"), "{command}: {talk}");
        assert!(talk.contains("\nhelp: "), "{talk}");
    }
    let (exit, said, _) = rules(&host, "enable probe");
    assert_eq!((exit, said.as_str()), (0, "enabled  probe on default\n"), "it is so already");
    let (status, rule) = host.get(&format!("{RULES}/probe"));
    assert_eq!((status, &rule["origin"], &rule["version"]), (200, &"file".into(), &Value::Null));
    let policy =
        json!({"backoff": "exponential", "jitter": "full", "first": "1s", "max": "5m", "attempts": 1, "age": "1d"});
    assert_eq!(rule["targets"], json!([{"plugin": "probe", "retry": policy, "dead_letter": "dead"}]));
}

#[test]
fn what_is_put_under_a_condition_or_with_a_mistake_changes_nothing_unless_it_may() {
    let site = Site::probe("", "attempts = 1");
    site.write(
        "wharf.toml",
        std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap() + "[tenants.acme.buses.audit]\n",
    );
    let host = site.start("serve");
    let rule = format!("{RULES}/orders");
    let document = |pattern: &str| format!("{{\"pattern\": {pattern}, \"targets\": [{{\"plugin\": \"probe\"}}]}}");
    let (status, tag, made) = host.put(&rule, Some(("if-none-match", "*")), document(r#"{"n":["x"]}"#));
    assert_eq!((status, tag.as_str()), (201, format!("\"{}\"", made["version"].as_str().unwrap()).as_str()));
    let (status, same, again) = host.put(&rule, None, document(r#"{"n":["x"]}"#));
    assert_eq!((status, &same, &again), (200, &tag, &made), "an equal one changes nothing");
    // The answer is what a rule is put as, but for what it says beside.
    let mut whole = made.clone();
    ["rule", "origin", "version"].iter().for_each(|name| drop(whole.as_object_mut().unwrap().remove(*name)));
    assert_eq!(host.put(&rule, Some(("if-match", &tag)), whole.to_string()).0, 200);
    for (condition, body, status, code) in [
        (Some(("if-none-match", "*")), document("{\"n\": [4]}"), 412, "version-conflict"),
        (Some(("if-match", "\"1-0\"")), document("{\"n\": [4]}"), 412, "version-conflict"),
        (None, document("{\"n\": [], \"m\": 1}"), 422, "pattern-invalid"),
        (None, document("{\"n\": [4]}").replace("probe", "prob"), 422, "rule-invalid"),
        (None, document("{\"n\": [4]}").replace("targets", "target"), 422, "rule-invalid"),
    ] {
        let (said, _, answer) = host.put(&rule, condition, &body);
        assert_eq!((said, &answer["code"]), (status, &code.into()), "{body}: {answer}");
        if status == 422 {
            assert!(answer["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{answer}");
        }
        let (_, now) = host.get(&rule);
        assert_eq!((&now["version"], &now["pattern"]), (&made["version"], &made["pattern"]));
    }
    let (_, _, answer) = host.put("/v1/tenants/acme/buses/audit/rules/orders", None, document("{\"n\": [4]}"));
    assert_eq!(answer["code"], "rule-elsewhere", "{answer}");
    assert_eq!(host.get("/v1/tenants/acme/buses/audit/rules/orders").0, 404);
    let (status, tag, _) = host.put(&rule, Some(("if-match", &tag)), document("{\"n\": [4]}"));
    assert_eq!(status, 200);
    assert_eq!(host.get(&rule).1["version"], tag.trim_matches('"'));
    assert_eq!(rules(&host, "rm orders --bus audit").0, 3);
    let (exit, _, talk) = rules(&host, "rm order");
    assert!(exit == 3 && talk.contains("help: did you mean `orders`?"), "{talk}");
}

#[test]
fn a_rule_is_made_of_a_file_and_names_what_it_needs() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    let file = site.folder.path().join("rule.json");
    let on = json!([{"code": "limit-*", "then": "dead-letter"}, {"status": "5xx", "reason": "*x*", "then": "retry",
        "backoff": "exponential", "jitter": "none", "first": "1s", "max": "30s", "attempts": 2}]);
    let policy = json!({"backoff": "fixed", "jitter": "equal", "first": "20ms", "max": "1m", "attempts": 3, "age": "2h", "on": on});
    let target = json!({"plugin": "probe", "retry": policy, "dead_letter": "lost"});
    let document = json!({"pattern": {"type": ["order.created"]}, "targets": [target], "enabled": false});
    std::fs::write(&file, document.to_string()).unwrap();
    let (exit, said, talk) = rules(&host, &format!("add orders --file {} -o json", file.display()));
    assert_eq!(exit, 0, "{talk}");
    let made: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&made["targets"], &made["enabled"]), (&json!([target]), &false.into()));
    assert_eq!(matched(&host, "disabled"), [""; 0]);
    assert_eq!(rules(&host, "enable orders").0, 0);
    assert_eq!(host.get(&format!("{RULES}/orders")).1["targets"], json!([target]), "all else stays");
    assert_eq!(matched(&host, "enabled"), ["orders"]);
    let (exit, _, talk) = rules(&host, "add orders --pattern '{\"id\": [\"x\"]}' --target probe");
    assert!(exit == 5 && talk.contains("help: --replace puts this rule in the place"), "{talk}");
    let (exit, _, talk) = rules(&host, "add wrong --pattern '{\"id\": \"x\", \"type\": []}' --target probe");
    assert!(exit == 1 && talk.starts_with("error[pattern-invalid]: ") && talk.contains("/type: "), "{talk}");
    let (exit, _, talk) = rules(&host, "add wrong --pattern '{\"id\": [\"x\"]}' --target prob --transform probe");
    assert!(exit == 1 && talk.starts_with("error[rule-invalid]: ") && talk.contains("did you mean `probe`?"), "{talk}");
    let (exit, _, talk) = rules(&host, "add wrong --pattern '{\"id\": [\"x\"]}' --target probe --transform probe");
    assert!(exit == 1 && talk.starts_with("error[rule-invalid]: there is no transform `probe`"), "{talk}");
}

#[test]
fn dev_tells_of_an_event_that_no_rule_is_for_and_what_it_lacked() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("dev");
    host.send("lost", "order.created");
    let line = host.wait_for_log("no rule is for event lost");
    assert!(line.contains("probe wants") && line.contains("at /type"), "{line}");
    assert_eq!(host.stop(), Some(0));
}
