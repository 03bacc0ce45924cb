//! Goal: what an attempt used and said is kept with it: the API tells it, `wharf events show` prints it, a crash does not lose it.
//! And what follows from its outcome is what the target's policy says of that.

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, wharf};

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

#[test]
fn what_follows_from_an_outcome_is_what_the_policy_says_of_it() {
    let outcomes = [
        r#"{ reason = "*rejects*", then = "dead-letter" }"#,
        r#"{ code = "limit-*", attempts = 2, first = "0ms" }"#,
        r#"{ code = "handler-trap", backoff = "fixed", jitter = "none", first = "70ms" }"#,
    ];
    let site = Site::probe("cpu_ms = 50", &format!("attempts = 4, first = '1m', on = [{}]", outcomes.join(", ")));
    let host = site.start("serve");
    for kind in ["probe.panic", "probe.loop", "probe.reject"] {
        host.send(kind, kind);
    }
    host.settled("acme");
    let delivery = |event: &str| host.get(&format!("/v1/tenants/acme/events/{event}")).1["deliveries"][0].clone();
    let ends = |delivery: &Value| {
        let attempts = delivery["attempts"].as_array().unwrap();
        let end = |attempt: &Value| {
            let outcome = &attempt["outcome"];
            format!("{} {}", outcome["outcome"].as_str().unwrap(), outcome["code"].as_str().unwrap())
        };
        attempts.iter().map(end).collect::<Vec<_>>().join(", ")
    };
    // By the policy's own pauses this would take minutes.
    let thrice = ["retry handler-trap"; 3].join(", ");
    assert_eq!(ends(&delivery("probe.panic")), format!("{thrice}, dead-letter retries-spent"));
    assert_eq!(ends(&delivery("probe.loop")), "retry limit-cpu, dead-letter retries-spent");
    assert_eq!(ends(&delivery("probe.reject")), "dead-letter handler-reject");
}

#[test]
fn an_instance_makes_as_many_attempts_as_its_plugin_says_and_none_behind_one_that_failed() {
    let component = guest("languages-rust-handler");
    let host = Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.probe]\ncomponent = \"{}\"\n\
         limits = {{ reuse = 3, concurrency = 1 }}\ngrants = {{ publish = [\"probe.*\"], kv = [\"probe\"] }}\n\
         [tenants.acme.rules.all]\npattern = {{ source = [\"test\"] }}\n\
         targets = [{{ plugin = \"probe\", retry = {{ attempts = 1 }} }}]\n",
        component.display()
    ))
    .start("serve");
    let counted = |id: &str| {
        host.send(id, "probe.counter");
        host.settled("acme");
        host.value("probe", id)
    };
    let counts: Vec<_> = ["a", "b", "c", "d", "e"].map(counted).into_iter().flatten().collect();
    assert_eq!(counts, ["1", "2", "3", "1", "2"]);
    // What it did is of its own attempt, in an instance that others had before, and what failed leaves no instance.
    host.send("half", "probe.half");
    host.settled("acme");
    assert_eq!((host.value("probe", "half"), counted("f").as_deref()), (None, Some("1")));
    let detail = host.get("/v1/tenants/acme/events/e").1;
    let used = &detail["deliveries"][0]["attempts"][0];
    assert!(used["memory_bytes"].as_u64().unwrap() >= 64 << 10 && used["log"].is_null(), "{used}");
}
