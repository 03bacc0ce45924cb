//! Goal: what an attempt asked the outside and was told is recorded where the configuration says so, is shown to whoever asks, outlives a restart, and is told as
//! missing where it is; and a secret that the plugin held is in none of it.
//! Method: the guest `witness` asks for all that there is, sends what it holds to a server that answers with what it was sent, and fails where it is told to.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{
    egress::server,
    host::{Host, Site, guest, wharf},
    secrets::{found, secret},
};

/// In strings of JSON it is spelled in another way.
const VALUE: &str = "whsec_\"Qq27\"NobodyElseSeesThis";

/// The part of it that is spelled in one way.
const PART: &str = "NobodyElseSeesThis";

/// All that the plugin asks, in this order.
const ASKED: [&str; 8] = [
    "wharf:secrets/held.get",
    "wasi:keyvalue/store.open",
    "wasi:keyvalue/store.get",
    "wasi:config/store.get",
    "wasi:clocks/wall-clock.now",
    "wasi:random/random.get-random-u64",
    "wharf:llm/models.converse",
    "wasi:http/outgoing-handler.handle",
];

/// What else there is to be asked.
const REST: [&str; 14] = [
    "wasi:keyvalue/store.exists",
    "wasi:keyvalue/store.list-keys",
    "wasi:keyvalue/atomics.increment",
    "wasi:random/random.get-random-bytes",
    "wasi:random/insecure.get-insecure-random-u64",
    "wasi:random/insecure-seed.insecure-seed",
    "wasi:random/insecure.get-insecure-random-bytes",
    "wasi:clocks/monotonic-clock.now",
    "wasi:clocks/monotonic-clock.resolution",
    "wharf:llm/models.embed",
    "wharf:llm/models.count-tokens",
    "wasi:clocks/wall-clock.resolution",
    "wharf:llm/models.render",
    "wasi:config/store.get-all",
];

fn site(port: u16, recordings: &str) -> Site {
    Site::new(&format!(
        r#"
default_tenant = "acme"
[host.recordings]
{recordings}
[egress]
networks = ["127.0.0.0/8"]
[tenants.acme.llm.routes.dev]
models = ["echo"]
[tenants.acme.plugins.witness]
component = "{}"
config = {{ tone = "dry", voice = "low" }}
grants = {{ kv = ["witness"], llm = ["dev"], hold = ["signing"], http = ["http://127.0.0.1:{port} private"] }}
[tenants.acme.rules.asks]
pattern = {{ type = ["ask"] }}
targets = [{{ plugin = "witness", retry = {{ attempts = 2, first = "1ms" }} }}]
"#,
        guest("witness").display()
    ))
}

/// Sends an event that the plugin fails with or not, and gives its position when all is done.
fn asks(host: &Host, id: &str, port: u16, fails: bool) -> String {
    wishes(host, id, &json!({"url": format!("http://127.0.0.1:{port}/said"), "fails": fails}))
}

fn wishes(host: &Host, id: &str, data: &Value) -> String {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "ask", "data": data});
    let (status, answer) = host.post("/events", "application/cloudevents+json", event.to_string());
    assert_eq!(status, 202, "{answer}");
    host.settled("acme");
    answer["position"].as_str().unwrap().to_owned()
}

/// The recording of an attempt of an event's only delivery.
fn calls(host: &Host, event: &str, attempt: u32) -> Value {
    let (status, calls) = host.get(&format!("/v1/tenants/acme/events/{event}/calls?attempt={attempt}"));
    assert_eq!(status, 200, "{calls}");
    calls
}

/// The calls in it: of each its function, and the fields that were told.
pub fn recorded(host: &Host, event: &str, attempt: u32) -> Vec<(String, Vec<Value>)> {
    let recording = calls(host, event, attempt);
    let calls = recording["recording"]["calls"].as_array().unwrap_or_else(|| panic!("{recording}"));
    let of = |call: &Value| (call["function"].as_str().unwrap().to_owned(), call["told"].as_array().unwrap().clone());
    calls.iter().map(of).collect()
}

/// What a call of a function was told in a field.
fn told<'a>(calls: &'a Value, function: &str, name: &str) -> &'a Value {
    let calls = calls["recording"]["calls"].as_array().unwrap();
    let call =
        calls.iter().find(|call| call["function"] == function).unwrap_or_else(|| panic!("{function}: {calls:?}"));
    call["told"].as_array().unwrap().iter().find(|field| field["name"] == name).unwrap_or(&Value::Null)
}

fn text<'a>(calls: &'a Value, function: &str, name: &str) -> &'a str {
    told(calls, function, name)["text"].as_str().unwrap_or_default()
}

/// The files of all recordings.
fn segments(site: &Site) -> Vec<PathBuf> {
    let folder = site.folder.path().join("data/recordings");
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_failure_is_recorded_and_a_success_only_where_it_is_sampled() {
    let (port, _server) = server();
    let site = site(port, "hourly = 1");
    let host = site.start("serve");
    assert_eq!(secret(&host, &["set", "signing"], VALUE).0, 0);
    let failed = asks(&host, "failed", port, true);
    let [good, other] = ["good", "other"].map(|id| asks(&host, id, port, false));

    let first = calls(&host, &failed, 1);
    assert_eq!((&first["state"], &first["attempt"]), (&json!("kept"), &json!(1)), "{first}");
    let recording = &first["recording"];
    assert_eq!((&recording["plugin"], &recording["calls_not_kept"]), (&json!("witness"), &json!(0)));
    let item = &recording["items"][0];
    assert_eq!(
        (&item["delivery"], &item["attempt"], &item["max_attempts"]),
        (&first["delivery"], &json!(1), &json!(2))
    );
    assert_eq!((&item["event"]["id"], &item["event"]["data"]["fails"]), (&json!("failed"), &json!(true)));
    let functions: Vec<_> = recording["calls"].as_array().unwrap().iter().map(|call| &call["function"]).collect();
    assert_eq!(functions, ASKED);

    assert_eq!(text(&first, ASKED[0], "value"), "[secret:signing]");
    assert_eq!(told(&first, ASKED[2], "value"), &Value::Null);
    assert_eq!(text(&first, ASKED[3], "value"), "dry");
    let seconds: u64 = text(&first, ASKED[4], "seconds").parse().unwrap();
    assert!(seconds > 1_700_000_000, "{seconds}");
    assert_eq!(told(&first, ASKED[5], "bytes")["bytes"], 8);
    assert!(text(&first, ASKED[6], "answer").contains("[secret:signing]"), "{first}");
    assert_eq!(text(&first, ASKED[7], "status"), "200");
    let body = text(&first, ASKED[7], "body");
    assert!(body.contains("x-key: [secret:signing]") && body.contains("idempotency-key"), "{body}");
    // What the second one was told is its own.
    let second = calls(&host, &failed, 2);
    assert_eq!(second["state"], "kept", "{second}");
    assert_ne!(told(&first, ASKED[5], "bytes"), told(&second, ASKED[5], "bytes"));
    let (status, refused) = host.get(&format!("/v1/tenants/acme/events/{failed}/calls?attempt=3"));
    assert_eq!((status, &refused["code"]), (404, &json!("attempt-unknown")));

    assert_eq!(calls(&host, &good, 1)["state"], "kept");
    // There is nothing under the key yet.
    assert_eq!(told(&calls(&host, &good, 1), ASKED[2], "value"), &Value::Null);
    assert_eq!(calls(&host, &other, 1)["state"], "none");
    let metrics = host.get("/metrics").1;
    assert!(metrics.as_str().unwrap().contains("wharf_recordings_total{result=\"kept\"} 3\n"), "{metrics}");
    host.kill();
    assert_eq!(found(&site.folder.path().join("data"), PART.as_bytes()), Vec::<String>::new());
}

#[test]
fn whatever_a_plugin_may_ask_is_recorded() {
    let site = site(9, "hourly = 100");
    let host = site.start("serve");
    let event = wishes(&host, "rest", &json!({"url": "", "fails": false, "rest": true}));
    let asked = recorded(&host, &event, 1);
    // Buckets are opened besides.
    let functions: Vec<_> =
        asked.iter().map(|(function, _)| function.as_str()).filter(|name| !name.ends_with("store.open")).collect();
    assert_eq!(functions, REST);
    let all = calls(&host, &event, 1);
    let of = |n: usize, name: &str| text(&all, REST[n], name).to_owned();
    assert_eq!((of(0, "exists").as_str(), of(2, "value").as_str()), ("false", "2"), "{all}");
    assert_eq!(told(&all, REST[1], "key"), &Value::Null, "there is none: {all}");
    assert_eq!([3, 4, 6].map(|n| told(&all, REST[n], "bytes")["bytes"].clone()), [json!(5), json!(8), json!(3)]);
    assert!([7, 8].iter().all(|n| of(*n, "nanoseconds").parse::<u64>().is_ok()), "{all}");
    assert!([9, 10].iter().all(|n| !of(*n, "answer").is_empty()), "{all}");
    assert!(!of(12, "error").is_empty(), "there is no such prompt: {all}");
    let (_, settings) = asked.last().unwrap();
    let settings: Vec<_> = settings.iter().map(|field| (&field["name"], &field["text"])).collect();
    let pairs = [("key", "tone"), ("value", "dry"), ("key", "voice"), ("value", "low")];
    assert_eq!(
        settings,
        pairs.map(|(name, text)| (json!(name), json!(text))).iter().map(|(n, t)| (n, t)).collect::<Vec<_>>()
    );
    let output =
        wharf().args(["--url", &host.url, "events", "show", &event, "--attempt", "1", "--calls"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("wasi:config/store.get-all") && shown.contains("voice"), "{shown}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_recording_is_shown_by_the_command_line_and_told_as_gone_or_lost_where_it_is() {
    let (port, _server) = server();
    let site = site(port, "hourly = 0");
    let host = site.start("serve");
    assert_eq!(secret(&host, &["set", "signing"], VALUE).0, 0);
    let position = asks(&host, "failed", port, true);
    let show = |host: &Host, more: &[&str]| {
        let output =
            wharf().args(["--url", &host.url]).args(more).args(["events", "show", &position, "--calls"]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    let (shown, _) = show(&host, &[]);
    for wanted in ASKED.iter().chain(&["attempt 2", "[secret:signing]", "tone", "dry"]) {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    let (document, _) = show(&host, &["-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&document).unwrap(), calls(&host, &position, 2));
    let detail = host.get(&format!("/v1/tenants/acme/events/{position}")).1;
    assert_eq!(detail["deliveries"][0]["attempts"][1]["recording"], calls(&host, &position, 2)["recording"]["at"]);
    assert_eq!(host.stop(), Some(0));

    // Another life begins another segment, and finds what the one before kept.
    let host = site.start("serve");
    assert_eq!(show(&host, &["-o", "json"]).0, document);
    let later = asks(&host, "later", port, true);
    let mut files = segments(&site);
    files.sort();
    assert_eq!((files.len(), &calls(&host, &later, 1)["state"]), (2, &json!("kept")));
    // A crash leaves a file that ends too early.
    std::fs::OpenOptions::new().write(true).open(&files[0]).unwrap().set_len(100).unwrap();
    assert_eq!(calls(&host, &position, 2)["state"], "lost");
    assert!(show(&host, &[]).1.contains("is lost"));
    std::fs::remove_file(&files[0]).unwrap();
    assert_eq!(calls(&host, &position, 2)["state"], "gone");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn an_author_has_every_attempt_recorded() {
    let (port, _server) = server();
    let site = site(port, "failures = false\nhourly = 0");
    let host = site.start("dev");
    assert_eq!(secret(&host, &["set", "signing"], VALUE).0, 0);
    let kept = ["one", "two"].map(|id| calls(&host, &asks(&host, id, port, false), 1)["state"].clone());
    assert_eq!(kept, ["kept", "kept"]);
    assert_eq!(host.stop(), Some(0));
    // Where nothing is asked for nothing is kept.
    let host = site.start("serve");
    assert_eq!(calls(&host, &asks(&host, "three", port, true), 1)["state"], "none");
    assert_eq!(host.stop(), Some(0));
}
