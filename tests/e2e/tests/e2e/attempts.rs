//! Goal: what an attempt used and said is kept with it: the API tells it, `wharf events show` prints it, a crash does not lose it.

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

/// The only attempt of the only delivery of an event.
fn attempt(host: &Host, event: &str) -> Value {
    let detail = host.get(&format!("/v1/tenants/acme/events/{event}")).1;
    let attempts = detail["deliveries"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{detail}");
    attempts[0].clone()
}

#[test]
fn an_attempt_keeps_its_log_its_cpu_time_its_memory_and_the_limits_that_it_met() {
    let site = Site::probe("cpu_ms = 100", "attempts = 1");
    let host = site.start("serve");
    for kind in ["probe.increment", "probe.panic", "probe.loop"] {
        host.send(kind, kind);
    }
    host.settled("acme");
    let quiet = attempt(&host, "probe.increment");
    assert_eq!(
        (&quiet["log"], &quiet["limits"], &quiet["log_lines_dropped"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert!(quiet["cpu_us"].as_u64().unwrap() > 0 && quiet["memory_bytes"].as_u64().unwrap() >= 64 << 10, "{quiet}");

    let panicked = attempt(&host, "probe.panic");
    let line = &panicked["log"][0];
    assert_eq!(line["level"], "error", "{panicked}");
    assert!(line["message"].as_str().unwrap().contains("the probe panics as asked"), "{panicked}");

    let looped = attempt(&host, "probe.loop");
    assert_eq!(looped["limits"], json!(["limit-cpu"]), "{looped}");
    assert!(looped["cpu_us"].as_u64().unwrap() >= 100_000, "{looped}");

    host.kill();
    let host = site.start("serve");
    assert_eq!(attempt(&host, "probe.panic"), panicked);
    let shown = wharf().args(["--url", &host.url, "events", "show", "probe.panic"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("error") && shown.contains("the probe panics as asked"), "{shown}");
    assert!(shown.contains("cpu ") && shown.contains(" KiB"), "{shown}");
}
