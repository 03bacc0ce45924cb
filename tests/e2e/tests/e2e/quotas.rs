//! Goal: what a tenant or a plugin may have and do is bounded, refused by its own code where it is met, told beside what there is, and the
//! same after a crash.

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, wharf},
    registry::{run, upload, variant},
};

const TEN_YEARS: &str = r#"first = "3650d", max = "3650d", attempts = 5, age = "7300d""#;

/// A site whose probe has these limits and this retry policy, in a tenant with these keys.
fn site(limits: &str, retry: &str, tenant: &str) -> Site {
    let site = Site::probe(limits, retry);
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", format!("{config}[tenants.acme]\n{tenant}"));
    site
}

fn quotas(host: &Host) -> Value {
    let (status, quotas) = host.get("/v1/tenants/acme/quotas");
    assert_eq!(status, 200, "{quotas}");
    quotas
}

fn refused(host: &Host, id: &str) -> (u16, Option<String>, Value) {
    let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "probe.none"});
    host.refusal("/events", event.to_string())
}

/// What was said of attempts that were given up.
fn errors(host: &Host) -> Vec<String> {
    host.dead("dead").iter().map(|letter| letter["error"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn as_many_deliveries_wait_as_may_and_a_crash_forgets_none() {
    let site = site("backlog = 3", TEN_YEARS, "backlog = 5\n");
    let host = site.start("serve");
    for id in ["a", "b", "c"] {
        host.send(id, "probe.panic");
    }
    host.stats_until("acme", |stats| stats["retries"] == 3);
    let (status, retry_after, problem) = refused(&host, "d");
    assert_eq!((status, retry_after.as_deref(), &problem["code"]), (429, Some("1"), &json!("quota-backlog")));
    assert_eq!(problem["detail"], "3 deliveries of plugin `probe` wait, and 3 may", "{problem}");
    host.send("nobody's", "unmatched");
    let wanted = json!([{ "plugin": "probe", "backlog": { "used": 3, "most": 3 } }]);
    assert_eq!((&quotas(&host)["plugins"], &quotas(&host)["backlog"]), (&wanted, &json!({ "used": 3, "most": 5 })));
    let output = wharf().args(["--url", &host.url, "-o", "json", "top", "--times", "1"]).output().unwrap();
    let top: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&top["plugins"][0]["pending"], &top["quotas"]["backlog"]["most"]), (&json!(3), &json!(5)), "{top}");
    host.kill();
    let host = site.start("serve");
    assert_eq!(quotas(&host)["plugins"], wanted);
    assert_eq!(refused(&host, "d").2["code"], "quota-backlog");
    // The tenant's own bound, where the plugin has none.
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    assert_eq!(host.stop(), Some(0));
    site.write("wharf.toml", config.replace("backlog = 3", "wall_ms = 900").replace("backlog = 5", "backlog = 4"));
    let host = site.start("serve");
    host.send("d", "probe.panic");
    let (status, _, problem) = refused(&host, "e");
    assert_eq!((status, &problem["code"]), (429, &json!("quota-backlog")), "{problem}");
    assert_eq!(problem["detail"], "4 deliveries of the tenant wait, and 4 may");
}

#[test]
fn events_come_in_as_fast_as_they_may() {
    let site = site("", "attempts = 1", "receive_per_s = 5\n");
    let host = site.start("serve");
    let (mut taken, mut refusal) = (0, None);
    for n in 0..1_000 {
        match refused(&host, &n.to_string()) {
            (202, ..) => taken += 1,
            other => {
                refusal = Some(other);
                break;
            }
        }
    }
    let (status, retry_after, problem) = refusal.expect("more than five a second were taken");
    assert_eq!((status, retry_after.as_deref(), &problem["code"]), (429, Some("1"), &json!("quota-receive")));
    assert!(taken >= 5, "a second's worth may come at once: {taken}");
    assert_eq!(host.settled("acme")["events"], taken, "what was refused left nothing");
    assert_eq!(quotas(&host)["receive_per_s"], 5);
    let mut exits = (0..100).map(|n| {
        let words = ["send", "probe.none", "--id", &format!("cli{n}"), "-d", "{}"];
        wharf().args(["--url", &host.url]).args(words).output().unwrap().status.code().unwrap()
    });
    assert!(exits.any(|exit| exit == 6), "a quota has its own exit status");
}

#[test]
fn plugins_publish_as_fast_as_they_may_and_keep_as_much_as_they_may() {
    // What finds no room waits and loses no attempt, but no longer than it may grow old.
    let site = site("publish_per_s = 5", "attempts = 1, age = \"2s\"", "kv_size = \"200B\"\n");
    let host = site.start("serve");
    for n in 0..40 {
        host.send(&n.to_string(), "probe.tell");
    }
    let stats = host.settled("acme");
    let (published, dead) = (stats["published"].as_u64().unwrap(), stats["dead_letters"].as_u64().unwrap());
    assert_eq!((published + dead, published >= 5, dead >= 1), (40, true, true), "{stats}");
    assert_eq!((stats["retries"].as_u64(), stats["attempts"].as_u64().unwrap() <= 80), (Some(0), true), "{stats}");
    let said = "quota-publish: 5 events a second may be published of plugin `probe`";
    assert!(errors(&host).iter().all(|error| error.contains(said)), "{:?}", errors(&host));
    let bytes = quotas(&host)["kv_bytes"]["used"].as_u64().unwrap();
    assert_eq!(bytes, "told".len() as u64 + host.value("probe", "told").unwrap().len() as u64);
    // Each of them writes another key.
    for n in 0..40 {
        host.send(&format!("k{n:02}"), "probe.read-hot");
    }
    host.settled("acme");
    let of = quotas(&host)["kv_bytes"].clone();
    assert!((150..=200).contains(&of["used"].as_u64().unwrap()) && of["most"] == 200, "{of}");
    let said = "quota-kv: the tenant would have";
    assert!(errors(&host).iter().any(|error| error.contains(said)), "{:?}", errors(&host));
    host.kill();
    let host = site.start("serve");
    assert_eq!(quotas(&host)["kv_bytes"], of);
    assert_eq!(host.stop(), Some(0));
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, &found["findings"]), (0, &json!([])), "{found} {said}");
}

#[test]
fn a_tenant_uploads_no_more_than_it_may_keep() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\nupload_size = \"1KiB\"\n");
    let host = site.start("serve");
    let kept = |host: &Host| quotas(host)["upload_bytes"].clone();
    assert_eq!(kept(&host), json!({"used": 0, "most": 1_024}));
    let [first, second] = [1, 2].map(|number| variant(&site, number));
    site.write("settings.json", r#"{"grants": {"kv": ["made"], "publish": ["probe.*"]}}"#);
    let settings = site.folder.path().join("settings.json").display().to_string();
    let set = ["plugin", "set", "made", "--file", &settings];
    assert_eq!(run(&host, &set).0, 0);
    let release = upload(&host, &first);
    let bytes = std::fs::metadata(&first).unwrap().len();
    assert_eq!(kept(&host)["used"], bytes);
    let refused = wharf().args(["--url", &host.url, "plugin", "upload", "made", &second]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(6) && said.contains("quota-uploads"), "{refused:?}");
    // What is kept already is no more, and a plugin that goes makes room.
    assert_eq!(upload(&host, &first), release);
    assert_eq!(run(&host, &["plugin", "rm", "made"]).0, 0);
    assert_eq!(run(&host, &set).0, 0);
    assert_eq!(kept(&host)["used"], 0);
    upload(&host, &second);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_tenant_that_used_what_it_may_in_an_hour_takes_no_events_until_the_next() {
    let cases = [
        ("cpu_per_hour = \"50ms\"", "probe.loop", "quota-cpu"),
        ("bytes_per_hour = \"50B\"", "probe.tell", "quota-bytes"),
        ("host_calls_per_hour = 2", "probe.tell", "quota-calls"),
    ];
    for (quota, kind, code) in cases {
        let site = site("cpu_ms = 60", "attempts = 1", &format!("{quota}\n"));
        let host = site.start("serve");
        // An hour may begin between the two.
        let refusal = (0..3).find_map(|n| {
            host.send(&format!("use{n}"), kind);
            host.settled("acme");
            let answer = refused(&host, &format!("n{n}"));
            (answer.0 != 202).then_some(answer)
        });
        let (status, retry_after, problem) = refusal.unwrap_or_else(|| panic!("{quota} is not used up"));
        assert_eq!((status, &problem["code"]), (429, &json!(code)), "{problem}");
        assert!((1..=3_600).contains(&retry_after.unwrap().parse::<u32>().unwrap()));
        host.send("nobody's", "unmatched");
    }
}

#[test]
fn what_a_tenant_may_is_set_and_shown_by_the_command_line() {
    let host_site = Site::new("[tenants.acme]\n");
    let host = host_site.start("serve");
    let run = |words: &[&str]| {
        let output = wharf().args(["--url", &host.url]).args(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(run(&["tenant", "create", "north"]).0, 0);
    let set = [
        "tenant",
        "set",
        "north",
        "backlog=10",
        "kv_size=2MiB",
        "cpu_per_hour=20m",
        "publish_per_s=7",
        "bytes_per_hour=1GiB",
    ];
    assert_eq!(run(&set).0, 0);
    assert_eq!(run(&["tenant", "suspend", "north"]).0, 0);
    let (_, told) = host.get("/v1/tenants/north");
    let wanted =
        ["suspended", "backlog", "kv_size", "cpu_per_hour", "publish_per_s", "bytes_per_hour", "receive_per_s"]
            .map(|key| told[key].clone());
    assert_eq!(wanted, [json!(true), json!(10), json!("2MiB"), json!("20m"), json!(7), json!("1GiB"), Value::Null]);
    let (exit, shown) = run(&["tenant", "show", "north"]);
    assert_eq!(exit, 0);
    for part in ["0 of 10", "0 B of 2.1 MB", "7 a second", "any"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert_eq!(run(&["tenant", "set", "north", "backlog="]).0, 0);
    assert_eq!(host.get("/v1/tenants/north/quotas").1["backlog"]["most"], 500_000);
    let (exit, said) = run(&["tenant", "set", "north", "backlog=0", "nonsense=1"]);
    assert!(exit == 1 && said.contains("tenant-invalid"), "{exit} {said}");
    assert_eq!(run(&["tenant", "set", "north", "backlog"]).0, 2);
}
