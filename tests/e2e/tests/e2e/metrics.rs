//! Goal: what `/metrics` says is what happened, in a form that Prometheus takes, and `docs/metrics.md` lists all of it.
//!
//! promtool's own verdict is asked for by `cargo xtask strangers`.

use std::collections::BTreeSet;

use crate::{
    drift, egress,
    host::{Host, Site, guest},
    shadows,
};

/// The lines of the page that begin so.
fn lines(host: &Host, start: &str) -> Vec<String> {
    let (status, page) = host.get("/metrics");
    assert_eq!(status, 200);
    page.as_str().unwrap().lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
}

/// The value of a line, whose labels are as given.
fn value(host: &Host, series: &str) -> u64 {
    let found = lines(host, series);
    let [line] = found.as_slice() else { panic!("{series}: {found:?}") };
    line.rsplit(' ').next().unwrap().parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn metrics_count_what_happened_and_exact_ones_go_on_after_a_crash() {
    let site = Site::probe("cpu_ms = 100", "attempts = 1");
    let host = site.start("serve");
    for (id, kind) in [("1", "probe.increment"), ("2", "probe.increment"), ("2", "probe.increment"), ("3", "other")] {
        host.send(id, kind);
    }
    host.send("4", "probe.loop");
    host.send("5", "probe.reject");
    host.settled("acme");
    let release = host.get("/v1/tenants/acme/events/1").1["deliveries"][0]["attempts"][0]["release"].clone();
    let attempts = format!("wharf_attempts_total{{tenant=\"acme\",plugin=\"probe\",release={release},outcome=");
    let of_probe = "tenant=\"acme\",plugin=\"probe\"";
    for (series, expected) in [
        ("wharf_events_received_total{tenant=\"acme\"}".to_owned(), 5),
        ("wharf_events_duplicate_total{tenant=\"acme\"}".to_owned(), 1),
        ("wharf_deliveries_matched_total{tenant=\"acme\"}".to_owned(), 4),
        ("wharf_deliveries_pending{tenant=\"acme\"}".to_owned(), 0),
        ("wharf_dead_lettered_total{tenant=\"acme\"}".to_owned(), 2),
        ("wharf_dead_letters{tenant=\"acme\",queue=\"dead\"}".to_owned(), 2),
        (format!("{attempts}\"ack\"}}"), 2),
        (format!("{attempts}\"dead-letter\"}}"), 2),
        (format!("{attempts}\"retry\"}}"), 0),
        (format!("wharf_attempts_failed_total{{{of_probe},code=\"limit-cpu\"}}"), 1),
        (format!("wharf_attempts_failed_total{{{of_probe},code=\"handler-reject\"}}"), 1),
        (format!("wharf_attempts_limited_total{{{of_probe},code=\"limit-cpu\"}}"), 1),
        (format!("wharf_attempt_seconds_count{{{of_probe}}}"), 4),
        (format!("wharf_attempt_seconds_bucket{{{of_probe},le=\"0.05\"}}"), 3),
        ("wharf_artifact_cache_total{result=\"miss\"}".to_owned(), 1),
        ("wharf_http_answers_total{status=\"202\"}".to_owned(), 6),
        ("wharf_ready".to_owned(), 1),
    ] {
        assert_eq!(value(&host, &series), expected, "{series}");
    }
    // A frame for the rules, one for each event that came alone; a duplicate makes none.
    assert!(value(&host, "wharf_log_write_seconds_count") >= 6);
    let (frames, requests) = ("wharf_log_frame_requests_count", "wharf_log_frame_requests_sum");
    assert!(value(&host, requests) >= value(&host, frames));
    host.kill();
    let host = site.start("serve");
    assert_eq!(value(&host, "wharf_events_received_total{tenant=\"acme\"}"), 5);
    assert_eq!(value(&host, "wharf_artifact_cache_total{result=\"hit\"}"), 0, "nothing was needed yet");
    assert_eq!(lines(&host, "wharf_attempts_total{"), Vec::<String>::new());
}

#[test]
fn bodies_have_as_much_room_as_the_file_says() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n[host]\nbody_memory = \"7MiB\"\n");
    let host = site.start("serve");
    assert_eq!(value(&host, "wharf_http_body_bytes_max"), 7 << 20);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn the_age_of_what_waits_is_told_while_it_waits() {
    let site = Site::probe("", "first = \"1h\", max = \"1h\"");
    let host = site.start("serve");
    let age = "wharf_deliveries_oldest_age_seconds";
    assert_eq!(lines(&host, age), Vec::<String>::new());
    let before = std::time::Instant::now();
    host.send("1", "probe.panic");
    host.stats_until("acme", |stats| stats["retries"] == 1);
    let told = host.found("an age", || {
        let told = lines(&host, age);
        let [line] = told.as_slice() else { panic!("{told:?}") };
        let told = line.strip_prefix(&format!("{age}{{tenant=\"acme\",plugin=\"probe\"}} ")).unwrap();
        told.parse::<f64>().ok().filter(|age| *age > 0.0)
    });
    // However slow all of this is: it is no older than that, but for the host's clock, which may be another one.
    assert!(told < before.elapsed().as_secs_f64() + 1.0, "{told}");
}

#[test]
fn the_page_of_metrics_lists_every_family_and_no_other() {
    let site = Site::probe("cpu_ms = 100", "first = \"1h\", max = \"1h\", attempts = 2");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let schema = "[tenants.acme.schemas.'probe.reject']\nfile = 'reject.json'\nmode = 'warn'\n";
    let asker = guest("asker");
    let models = format!(
        "[tenants.acme.llm.routes.dev]\nmodels = ['echo']\ncache = '1h'\n[tenants.acme.plugins.asker]\ncomponent = '{}'\ngrants = {{ publish = ['asked'], llm = ['dev'] }}\n\
         [tenants.acme.rules.asks]\npattern = {{ type = ['ask'] }}\ntargets = [{{ plugin = 'asker' }}]\n",
        asker.display()
    );
    let own = format!(
        "[tenants.acme.models.sum]\nfile = 'sum.onnx'\nbatch = 4\n[tenants.acme.plugins.estimator]\ncomponent = '{}'\ngrants = {{ publish = ['estimated'], infer = ['sum'] }}\n\
         [tenants.acme.rules.estimates]\npattern = {{ type = ['estimate'] }}\ntargets = [{{ plugin = 'estimator' }}]\n",
        guest("estimator").display()
    );
    site.write("wharf.toml", config + schema + &models + &own);
    site.write("sum.onnx", wharf_models::onnx::sum());
    site.write("reject.json", r#"{"required": ["missing"]}"#);
    let host = site.start("serve");
    host.send("1", "probe.reject");
    host.send("2", "probe.panic");
    host.send("4", "probe.loop");
    let list = serde_json::json!([{"route": "dev", "text": "one two"}]);
    let event = serde_json::json!({"specversion": "1.0", "id": "3", "source": "test", "type": "ask", "data": list});
    assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    let list = serde_json::json!([{"model": "sum", "inputs": [{"shape": [1, 2], "values": {"f32": [1, 2]}}]}]);
    let event =
        serde_json::json!({"specversion": "1.0", "id": "5", "source": "test", "type": "estimate", "data": list});
    assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    host.stats_until("acme", |stats| stats["attempts"] == 5);
    let of = "tenant=\"acme\",route=\"dev\",gen_ai_request_model=\"echo\",gen_ai_operation_name=\"chat\"";
    assert_eq!(value(&host, &format!("gen_ai_client_token_usage_sum{{{of},gen_ai_token_type=\"input\"}}")), 2);
    assert_eq!(value(&host, &format!("gen_ai_client_operation_duration_seconds_count{{{of},error_type=\"\"}}")), 1);
    assert_eq!(
        value(
            &host,
            "wharf_llm_route_steps_total{tenant=\"acme\",route=\"dev\",gen_ai_request_model=\"echo\",step=\"cache-miss\"}"
        ),
        1
    );
    assert_eq!(value(&host, &format!("wharf_llm_cost_total{{{of},currency=\"\"}}")), 0);
    assert_eq!(host.get("/nowhere").0, 404);
    // Some are there only where a model's inputs are held against a baseline.
    let (_site, other) = drift::watched("200");
    drift::ask(&other, "rows", 200, 0.0);
    // And one where a version is asked in the shadow.
    let (_shadowed, third) = shadows::asked_once();
    // And one where a plugin sent something.
    let calling = egress::site("\"http://127.0.0.1:9 private\"", "");
    let fourth = calling.start("serve");
    egress::calls(&fourth, "one", "call", &serde_json::json!([{"url": "http://127.0.0.1:9/"}]));
    let types = [&host, &other, &third, &fourth].map(|host| lines(host, "# TYPE ")).concat();
    let told: BTreeSet<String> = types.iter().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect();
    let page = include_str!("../../../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let listed: BTreeSet<String> = rows
        .flat_map(|names| names.split(['`', ',', ' ']))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    assert_eq!(told, listed);
}
