//! Goal: a trace tells the whole of what came of an event, as much as `events show` does of each event in it, and says what it leaves out.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

fn trace(host: &Host, event: &str) -> Value {
    host.get(&format!("/v1/tenants/acme/events/{event}")).1
}

/// What `events show` tells of an event, in the words of a trace.
fn attempts(host: &Host, event: &str) -> Vec<Value> {
    let detail = trace(host, event);
    let deliveries = detail["deliveries"].as_array().unwrap();
    deliveries.iter().map(|of| json!([of["id"], of["state"], of["attempts"]])).collect()
}

fn traced(of: &Value) -> Vec<Value> {
    let tried = |step: &Value| step.get("attempt").cloned();
    let delivery = |of: &Value| {
        let tried: Vec<_> = of["steps"].as_array().unwrap().iter().filter_map(tried).collect();
        json!([of["id"], of["state"], tried])
    };
    of["deliveries"].as_array().unwrap().iter().map(delivery).collect()
}

#[test]
fn a_trace_tells_of_every_event_in_a_chain_what_showing_it_tells() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    host.send("first", "probe.chain");
    host.send("other", "probe.increment");
    host.settled("acme");
    let whole = trace(&host, "first/trace");
    assert_eq!(whole["truncated"], false);
    let events = whole["events"].as_array().unwrap();
    assert_eq!(events.len(), 18, "the first and what its chain published, up to the hop limit and one beyond: {whole}");
    for (n, of) in events.iter().enumerate() {
        let position = of["event"]["position"].as_str().unwrap();
        assert_eq!(traced(of), attempts(&host, position), "{position}");
        if n > 0 {
            assert_eq!(of["event"]["parent"], events[n - 1]["event"]["position"]);
        }
    }
    let last = &events.last().unwrap()["deliveries"][0]["steps"][0];
    assert_eq!(
        (&last["step"], &last["code"], &last["queue"]),
        (&json!("given-up"), &json!("hop-limit"), &json!("dead"))
    );

    let part = trace(&host, "first/trace?limit=3");
    assert_eq!((part["events"].as_array().unwrap().len(), &part["truncated"]), (3, &json!(true)));
    // Pages of three are the same events.
    let (mut paged, mut page) = (part["events"].as_array().unwrap().clone(), part);
    while let Some(next) = page["next"].as_str() {
        page = trace(&host, &format!("first/trace?limit=3&after={next}"));
        paged.extend(page["events"].as_array().unwrap().clone());
    }
    assert_eq!((&paged, &page["truncated"]), (events, &json!(false)));
    let (status, refused) = host.get("/v1/tenants/acme/events/first/trace?limit=0");
    assert_eq!((status, &refused["code"]), (400, &json!("query-invalid")));
    let other = trace(&host, "other/trace");
    assert_eq!(other["events"].as_array().unwrap().len(), 1);
    assert_eq!(other["events"][0]["deliveries"][0]["steps"][0]["writes"][0]["bucket"], "probe");

    // A restart tells the same, a redrive is told, and the rest of the chain is found.
    let letter = host.dead("dead")[0]["id"].as_str().unwrap().to_owned();
    let body = json!({"ids": [letter]}).to_string();
    assert_eq!(host.post("/v1/tenants/acme/dlq/dead/redrive", "application/json", body).1["redriven"], 1);
    host.settled("acme");
    let before = trace(&host, "first/trace");
    host.kill();
    let host = site.start("serve");
    assert_eq!(trace(&host, "first/trace"), before);
    let again = &before["events"][17];
    let steps: Vec<_> = again["deliveries"][0]["steps"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
    assert_eq!(steps[..3], [&json!("given-up"), &json!("redriven"), &json!("attempt")], "{again}");
}

#[test]
fn a_waterfall_has_a_line_for_each_step_and_no_colour_where_there_is_no_terminal() {
    let site = Site::with_probe(
        r#"
[tenants.acme.queues.jobs]
[tenants.acme.rules.probe]
pattern = { type = [{ prefix = "probe." }] }
targets = [{ plugin = "probe", retry = { attempts = 2, first = "1ms" }, dead_letter = "dead" }, { queue = "jobs" }]
"#,
    );
    let host = site.start("serve");
    host.send("one", "probe.panic");
    let run = |words: &[&str]| {
        let output = wharf().args(["--url", &host.url]).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["queue", "receive", "jobs", "--ack", "--wait", "10s"]);
    host.settled("acme");
    let shown = run(&["trace", "one"]);
    for wanted in
        ["probe.panic", "probe → probe", "retry", "attempt 2", "dead-letter", "queue/jobs", "received", "acked"]
    {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert_eq!(shown.lines().count(), 6, "{shown}");
    let mut tail = wharf();
    tail.args(["--url", &host.url, "tail", "--from", "1-0"]).stdout(Stdio::piped());
    let mut tail = tail.spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let told: Vec<String> = lines.map(Result::unwrap).find_map(gathered(" acked ")).unwrap();
    tail.kill().unwrap();
    tail.wait().unwrap();
    let words: Vec<_> = told.iter().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!((words[0], words.len()), ("received", 5), "{told:?}");
    for word in ["retry", "dead-letter", "leased"] {
        assert!(words.contains(&word), "{word}: {told:?}");
    }
    assert!(told[4].contains("probe.panic  queue/jobs"), "{told:?}");
}

/// Gathers lines up to the first that has this text.
fn gathered(last: &str) -> impl FnMut(String) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    move |line| {
        let is_last = line.contains(last);
        lines.push(line);
        is_last.then(|| std::mem::take(&mut lines))
    }
}
