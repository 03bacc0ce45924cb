//! Goal: what plugins used is told by plugin and by hour, to the last attempt, whatever came of it; a crash does not change it; and
//! it costs what the price list says.

use serde_json::{Value, json};

use crate::host::{Host, Site, wharf};

const PRICES: &str = "[host.prices]\ncurrency = \"EUR\"\nattempts_million = \"1\"\ncpu_hour = \"3600\"\n";

fn usage(host: &Host, query: &str) -> Value {
    let (status, usage) = host.get(&format!("/v1/tenants/acme/usage{query}"));
    assert_eq!(status, 200, "{usage}");
    usage
}

fn number(of: &Value, key: &str) -> u64 {
    of[key].as_u64().unwrap_or_else(|| panic!("{key} of {of}"))
}

/// A site whose probe is tried once, with prices and whatever else.
fn site(more: &str) -> Site {
    let site = Site::probe("cpu_ms = 100", "attempts = 1");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", format!("{config}{more}"));
    site
}

#[test]
fn every_attempt_is_charged_once_whatever_came_of_it_and_a_crash_changes_nothing() {
    let site = site(PRICES);
    let host = site.start("serve");
    let kinds = ["probe.increment", "probe.increment", "probe.reject", "probe.panic", "probe.loop", "unmatched"];
    for (id, kind) in kinds.iter().enumerate() {
        host.send(&id.to_string(), kind);
        // One after the other: runs that come to nothing by a conflict are charged, and no attempt tells of them.
        host.settled("acme");
    }
    let told = usage(&host, "");
    let of_probe = &told["items"][0];
    assert_eq!((told["items"].as_array().unwrap().len(), &of_probe["plugin"]), (1, &json!("probe")), "{told}");
    assert_eq!((number(of_probe, "attempts"), &told["currency"]), (5, &json!("EUR")), "{told}");
    // What each attempt says of itself, in whole microseconds, comes to what is charged.
    let attempts = (0..5).map(|id| host.get(&format!("/v1/tenants/acme/events/{id}")).1);
    let cpu_us: u64 = attempts.map(|event| number(&event["deliveries"][0]["attempts"][0], "cpu_us")).sum();
    assert!((cpu_us..cpu_us + 5).contains(&number(of_probe, "cpu_us")), "{cpu_us} and {told}");
    assert!(cpu_us >= 100_000, "the loop was charged: {told}");
    for (key, least) in [("memory_mib_ms", 1), ("bytes_in", 5 * 10), ("bytes_out", 2), ("host_calls", 5)] {
        assert!(number(of_probe, key) >= least, "{key}: {told}");
    }
    // A second of CPU time costs 1, an attempt a millionth: what is shown is rounded down to whole microseconds, the cost is not.
    let cost = of_probe["cost"].as_str().unwrap().replace('.', "").parse::<u64>().unwrap();
    let wanted = number(of_probe, "cpu_us") + 5;
    assert!((wanted..=wanted + 1).contains(&cost), "{cost} and {told}");
    assert_eq!((&told["total"]["cost"], &told["total"]["attempts"]), (&of_probe["cost"], &json!(5)));
    host.kill();

    let host = site.start("serve");
    assert_eq!(usage(&host, "")["items"], told["items"]);
    let by_hour = usage(&host, "?by=hour&from=2d");
    let hours = by_hour["items"].as_array().unwrap();
    assert!((1..=2).contains(&hours.len()) && hours.iter().all(|hour| hour["hour"].is_string()), "{by_hour}");
    assert_eq!(by_hour["total"], told["total"]);
    assert_eq!(usage(&host, "?plugin=other")["items"], json!([]));
    assert_eq!(usage(&host, "?to=2026-01-01")["total"]["attempts"], 0);
}

#[test]
fn the_command_shows_a_table_with_totals_and_json_has_the_figures() {
    let site = site(PRICES);
    let host = site.start("serve");
    host.send("1", "probe.increment");
    host.settled("acme");
    let said = |arguments: &[&str]| {
        let output = wharf().args(["--url", &host.url]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = said(&["usage", "--from", "1d"]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["PLUGIN", "ATTEMPTS", "CPU", "MEMORY", "IN", "OUT", "CALLS", "COST", "EUR"], "{text}");
    assert_eq!((&lines[1][..2], &lines[2][..2]), (&["probe", "1"][..], &["total", "1"][..]), "{text}");
    let json: Value = serde_json::from_str(&said(&["-o", "json", "usage", "--by", "hour"])).unwrap();
    assert_eq!((json["total"]["attempts"].as_u64(), json["next"].is_null()), (Some(1), true), "{json}");
    let wrong = wharf().args(["--url", &host.url, "usage", "--from", "yesterday"]).output().unwrap();
    let stderr = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(1) && stderr.contains("query-invalid"), "{:?} {stderr}", wrong.status);
}

#[test]
fn without_a_price_list_nothing_has_a_cost_and_a_new_one_holds_at_once() {
    let site = site("");
    let host = site.start("dev");
    host.send("1", "probe.increment");
    host.settled("acme");
    let told = usage(&host, "");
    assert_eq!((&told["total"]["cost"], &told["currency"]), (&Value::Null, &Value::Null), "{told}");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", format!("{config}[host.prices]\nattempts_million = \"2.5\"\n"));
    host.stats_until("acme", |_| usage(&host, "")["total"]["cost"] == "0.000003");
    let (status, problem) = host.get("/v1/tenants/acme/usage?from=2026-01-02&to=2026-01-01");
    assert_eq!((status, &problem["code"]), (400, &json!("query-invalid")));
}
