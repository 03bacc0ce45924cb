//! `wharf bench`: every scenario measures something, and leaves a host as it found it.
//!
//! Method: a few hundred events each, on a host that has a tenant of its own. No figure is looked at but those that cannot be otherwise.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const SITE: &str = "default_tenant = \"acme\"\n[tenants.acme]\n";

fn bench(host: &Host, words: &str) -> Command {
    let mut command = wharf();
    command.args(["-o", "json", "bench"]).args(words.split(' ')).env("WHARF_URL", &host.url);
    command
}

fn measured(host: &Host, words: &str) -> Value {
    let output = bench(host, words).output().unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The tenants that are there, or on their way out.
fn tenants(host: &Host) -> (Value, usize) {
    let all = host.get("/v1/tenants").1;
    (all["tenants"].clone(), all["deleting"].as_array().map_or(0, Vec::len))
}

#[test]
fn every_scenario_settles_all_that_it_sends_and_leaves_no_tenant() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    for (words, settled) in [
        ("ingest", 0),
        ("pull", 300),
        ("pull --batch 1 --bytes 100", 300),
        ("plugin", 300),
        ("plugin --plugins 3 --rules 40", 300),
        ("batch", 300),
        ("fanout --subscriptions 3", 900),
        ("fanout --subscriptions 300 --waiting 100000", 90_000),
        ("ordered --keys 5", 300),
        ("backlog --backlog 500", 300),
    ] {
        let report = measured(&host, &format!("{words} --events 300 --warm-up 0s"));
        assert_eq!(report["scenario"], words.split(' ').next().unwrap());
        assert_eq!(report["events"], 300, "{words}: {report}");
        // Consumers that are under way may settle more of a backlog than came meanwhile.
        assert!(report["settled"].as_u64().unwrap() >= settled, "{words}: {report}");
        assert_eq!((&report["again"], &report["loop"]), (&json!(0), &json!("closed")), "{words}");
        assert!(
            report["per_s"].as_f64().unwrap() > 0.0 && report["answered_ms"]["p99"].is_number(),
            "{words}: {report}"
        );
        let told = report["settled_ms"].is_object();
        assert_eq!(told, !matches!(report["scenario"].as_str(), Some("ingest" | "backlog")), "{words}: {report}");
    }
    assert_eq!(tenants(&host).0, json!(["acme"]));
    assert_eq!(host.stats("acme")["events"], 0);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn at_a_rate_as_much_is_sent_as_the_rate_says() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    let report = measured(&host, "plugin --rate 1000/s --for 500ms --batch 10 --warm-up 100ms");
    assert_eq!((&report["events"], &report["settled"], &report["loop"]), (&json!(500), &json!(500), &json!("open")));
    assert_eq!(report["settled_by"], "host");
    assert!(report["late_ms"].is_number());
    assert_eq!(tenants(&host).0, json!(["acme"]));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_tenant_that_is_there_is_not_touched() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    for tenant in ["acme", "made"] {
        if tenant == "made" {
            assert_eq!(host.put("/v1/tenants/made", None, "{}").0, 201);
        }
        for warm_up in ["0s", "100ms"] {
            let output = bench(&host, &format!("pull --events 10 --warm-up {warm_up} -t {tenant}")).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(5), "{said}");
            // That it is there is known to the warm-up before, and to the host.
            assert!(said.contains(&format!("`{tenant}` already")) || said.contains("tenant-of-file"), "{said}");
        }
        assert_eq!(host.get(&format!("/v1/tenants/{tenant}/queues")).1, json!([]));
    }
    assert_eq!(tenants(&host), (json!(["acme", "made"]), 0));
    // One that is not there is made under the name that was said, and goes.
    measured(&host, "pull --events 10 --warm-up 0s -t other");
    assert_eq!(tenants(&host).0, json!(["acme", "made"]));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn stopped_in_the_middle_it_takes_away_what_it_made() {
    let site = Site::new(SITE);
    let host = site.start("serve");
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = bench(&host, "pull --for 10m --warm-up 0s -t stopped");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = |stats: &Value| stats["events"].as_u64().is_some_and(|events| events > 0);
        host.stats_until("stopped", begun);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(String::from_utf8_lossy(&output.stderr).contains("stopped before"));
        assert_eq!(tenants(&host).0, json!(["acme"]));
        // The name is free again when the tenant is gone as a whole.
        while tenants(&host).1 > 0 {
            std::thread::yield_now();
        }
    }
    assert_eq!(host.stop(), Some(0));
}
