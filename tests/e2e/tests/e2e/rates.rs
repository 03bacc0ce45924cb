//! Goal: attempts of a plugin begin at its rate, those of one key at the rate of the key, and what waits for that is neither lost nor counted.

use serde_json::{Value, json};

use crate::host::{Host, Site};

/// A site with the probe plugin under these limits, and a rule whose target says this too.
fn site(limits: &str, target: &str) -> Site {
    Site::with_probe(&format!(
        "limits = {{ {limits} }}\n[tenants.acme.rules.probe]\npattern = {{ type = [{{ prefix = \"probe.\" }}] }}\n\
         targets = [{{ plugin = \"probe\"{target} }}]\n"
    ))
}

/// Sends events of these customers.
fn send(host: &Host, customers: &[&str]) {
    for (n, customer) in customers.iter().enumerate() {
        let data = json!({"customer": customer});
        let event = json!({"specversion": "1.0", "id": n.to_string(), "source": "test", "type": "probe.increment", "data": data});
        assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    }
}

/// What holds the plugin back.
fn held(stats: &Value) -> Option<&str> {
    let plugins = stats["load"]["plugins"].as_array()?;
    plugins.iter().find(|of| of["plugin"] == "probe")?["held_by"].as_str()
}

#[test]
fn attempts_of_a_plugin_begin_at_its_rate_and_others_wait() {
    let site = site("attempts_per_s = 1", "");
    let host = site.start("serve");
    send(&host, &["a", "b", "c"]);
    let stats = host.stats_until("acme", |stats| held(stats) == Some("held-rate"));
    assert!(stats["attempts"].as_u64() < Some(3), "{stats}");
    let stats = host.settled("acme");
    assert_eq!((&stats["attempts"], &stats["retries"]), (&json!(3), &json!(0)));
    assert_eq!(host.value("probe", "shared").as_deref(), Some("3"));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn events_of_one_key_come_at_its_rate_and_those_of_others_do_not_wait_for_them() {
    let site = site("", ", order_by = \"$.data.customer\", key_per_s = 1");
    let host = site.start("serve");
    send(&host, &["a", "a", "a", "b", "c", "d"]);
    // The first of each key at once; of `a` two more, a second apart.
    let stats = host.stats_until("acme", |stats| stats["attempts"].as_u64() >= Some(4));
    assert!(stats["pending"].as_u64() >= Some(1), "{stats}");
    let stats = host.settled("acme");
    assert_eq!((&stats["attempts"], &stats["retries"]), (&json!(6), &json!(0)));
    assert_eq!(host.stop(), Some(0));
    // What holds nothing is no limit.
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", config.replace(", order_by = \"$.data.customer\"", ""));
    let (status, said) = site.refuse("serve");
    assert!(status != 0 && said.contains("a `key_per_s` and no keys"), "{said}");
}
