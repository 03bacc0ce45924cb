//! Schedules: what the command line says of when they are due, how they are made and changed, and that each due time fires once, over kills.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::host::{Host, Site, told, wharf};

/// Runs `wharf schedule next …` where no host is: exit status, what it printed, stderr.
fn next(words: &[&str]) -> (i32, Value, String) {
    let mut command = wharf();
    let output =
        command.args(["schedule", "next", "-o", "json", "--url", "http://127.0.0.1:9"]).args(words).output().unwrap();
    let stderr = told(output.stderr);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), stderr)
}

#[test]
fn next_says_when_an_expression_is_due_and_asks_no_host() {
    let (exit, report, _) =
        next(&["cron(30 2 * * ? *)", "--timezone", "europe/berlin", "-n", "3", "--after", "2026-03-27T12:00:00Z"]);
    let due = |due: &str, local: &str| json!({"due": due, "local": local});
    let dues = json!([
        due("2026-03-28T01:30:00.000Z", "2026-03-28T02:30:00+01:00"),
        due("2026-03-29T01:00:00.000Z", "2026-03-29T03:00:00+02:00"),
        due("2026-03-30T00:30:00.000Z", "2026-03-30T02:30:00+02:00"),
    ]);
    assert_eq!((exit, &report["timezone"], &report["next"]), (0, &json!("Europe/Berlin"), &dues));
    let span = ["--start", "2026-01-01T00:00:01Z", "--end", "2026-01-03T00:00:01Z", "--after", "2026-01-02T12:00:00Z"];
    let (_, report, _) = next(&[&["rate(1 day)"][..], &span[..]].concat());
    assert_eq!(report["next"], json!([due("2026-01-03T00:00:01.000Z", "2026-01-03T00:00:01+00:00")]));
    assert_eq!(next(&["at(2020-01-01T00:00:00)"]).1["next"], json!([]));
    for (wrong, said) in [("0 9 * * *", "no schedule expression"), ("cron(0 9 30 2 ? *)", "never due")] {
        let (exit, _, stderr) = next(&[wrong]);
        assert!(exit == 1 && stderr.contains("error[schedule-invalid]") && stderr.contains(said), "{stderr}");
    }
}

const SCHEDULES: &str = "/v1/tenants/acme/schedules";

/// The due times, in seconds, for which events of a type are there, in their order; each event names its schedule and its time.
fn fired(host: &Host, schedule: &str) -> Vec<i64> {
    let (status, events) = host.get("/v1/tenants/acme/events?limit=1000");
    assert_eq!(status, 200, "{events}");
    let mut fired = BTreeMap::new();
    for event in events.as_array().unwrap().iter().map(|view| &view["event"]) {
        if event["wharfschedule"] == json!(schedule) {
            let (id, time) = (event["id"].as_str().unwrap(), event["time"].as_str().unwrap());
            assert_eq!(id, format!("{schedule}-{time}"));
            let due = time.parse::<jiff::Timestamp>().unwrap().as_second();
            assert!(fired.insert(due, id.to_owned()).is_none(), "{id} came twice");
        }
    }
    fired.into_keys().collect()
}

/// Waits until so many due times of a schedule fired.
fn fired_so_many(host: &Host, schedule: &str, many: usize) -> Vec<i64> {
    loop {
        let fired = fired(host, schedule);
        if fired.len() >= many {
            return fired;
        }
        host.wait(Duration::from_millis(100));
    }
}

fn site() -> Site {
    Site::with_probe(
        r#"
[tenants.acme.rules.probe]
pattern = { type = ["probe.increment"] }
targets = [{ plugin = "probe" }]
[tenants.acme.schedules.filed]
expression = "rate(1 second)"
type = "probe.increment"
subject = "s"
"#,
    )
}

#[test]
fn each_due_time_fires_once_over_kills_and_what_a_short_absence_missed_is_fired_then() {
    let site = site();
    let host = site.start("serve");
    let (status, _, made) = host.put(
        &format!("{SCHEDULES}/made"),
        None,
        r#"{"expression": "rate(1 second)", "type": "made", "data": {"n": 1.50}}"#,
    );
    assert_eq!(status, 201, "{made}");
    for lives in 1..=2 {
        fired_so_many(&host, "made", lives * 2);
    }
    let first = fired(&host, "filed")[0];
    host.kill();
    let mut host = site.start("serve");
    for lives in 4..=6 {
        fired_so_many(&host, "made", lives * 2);
        host.kill();
        host = site.start("serve");
    }
    let all = fired_so_many(&host, "filed", 14);
    // One a second, from the first to the last: none was left out.
    assert_eq!(all, (first..first + i64::try_from(all.len()).unwrap()).collect::<Vec<_>>());
    let made = fired(&host, "made");
    assert_eq!(made, (made[0]..made[0] + i64::try_from(made.len()).unwrap()).collect::<Vec<_>>());
    let (_, events) = host.get("/v1/tenants/acme/events?limit=1000");
    let sources = events.as_array().unwrap().iter().filter(|view| view["event"]["type"] == "made");
    assert!(
        sources.clone().count() >= 10 && sources.clone().all(|view| view["event"]["source"] == "/wharf/schedules/made")
    );
    let counted: usize = host.value("probe", "shared").map_or(0, |count| count.parse().unwrap());
    assert!(counted > 0, "its rule gave them to the plugin");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_is_past_is_refused_by_the_api_and_left_out_by_deploy_and_the_file() {
    let site = Site::with_probe(
        r#"
[tenants.acme.schedules.gone]
expression = "at(2020-01-01T00:00:00)"
type = "gone"
"#,
    );
    let host = site.start("serve");
    let at = format!("{SCHEDULES}/once");
    let past = r#"{"expression": "at(2020-01-01T00:00:00)", "type": "once"}"#;
    let (status, _, refused) = host.put(&at, None, past);
    assert_eq!((status, &refused["code"]), (422, &json!("schedule-past")), "{refused}");
    let over = r#"{"expression": "rate(1 minute)", "end": "2020-01-01T00:00:00Z", "type": "once"}"#;
    assert_eq!(host.put(&at, None, over).2["code"], "schedule-past");
    // One of the file is there, and never fires.
    assert_eq!(host.get(&format!("{SCHEDULES}/gone")).1.get("next"), None);

    let soon = (jiff::Timestamp::now() + Duration::from_secs(2)).strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
    let once = |more: &str| format!(r#"{{"expression": "{soon}", "type": "once"{more}}}"#);
    assert_eq!(host.put(&at, None, once("")).0, 201);
    assert_eq!(fired_so_many(&host, "once", 1).len(), 1);
    // It is there, so the same wish is no other, and its payload may become another one.
    assert_eq!(host.put(&at, None, once("")).0, 200);
    assert_eq!(host.put(&at, None, once(r#", "data": 1"#)).0, 200);
    assert_eq!(host.put(&at, None, once(r#", "enabled": false"#)).0, 200);
    let resumed = wharf().args(["schedule", "resume", "once", "--url", &host.url]).output().unwrap();
    let stderr = told(resumed.stderr);
    assert!(resumed.status.code() == Some(1) && stderr.contains("error[schedule-past]"), "{stderr}");

    let project = tempfile::tempdir().unwrap();
    let file = project.path().join("wharf.toml");
    let schedule = |name: &str| {
        format!("[tenants.other.schedules.{name}]\nexpression = \"at(2020-01-01T00:00:00)\"\ntype = \"once\"\n")
    };
    std::fs::write(&file, schedule("once") + &schedule("twice")).unwrap();
    for changes in [1, 0] {
        let deploy =
            wharf().args(["deploy", "--yes", "-o", "json", "-c"]).arg(&file).args(["--url", &host.url]).output();
        let deploy = deploy.unwrap();
        let report: Value = serde_json::from_slice(&deploy.stdout).unwrap_or_default();
        assert_eq!(deploy.status.code(), Some(0), "{}", told(deploy.stderr));
        assert_eq!((&report["ok"], report["changes"].as_array().unwrap().len()), (&json!(true), changes), "{report}");
        let notes = report["notes"].to_string();
        assert!(notes.contains("schedule other/twice is not made: nothing of it is due any more"), "{notes}");
    }
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    assert_eq!(fired(&host, "gone"), Vec::<i64>::new());
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn schedules_are_made_paused_resumed_and_removed_and_what_is_over_removes_itself() {
    let site = site();
    let host = site.start("serve");
    let schedule = |line: &[&str]| {
        let output = wharf().args(["schedule", "-o", "json"]).args(line).env("WHARF_URL", &host.url).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or(Value::Null), stderr)
    };
    let (exit, made, _) = schedule(&[
        "put",
        "nightly",
        "cron(0 3 * * ? *)",
        "--timezone",
        "europe/berlin",
        "--type",
        "nightly",
        "-d",
        "[1.50]",
    ]);
    assert_eq!((exit, &made["timezone"], &made["data"]), (0, &json!("Europe/Berlin"), &json!([1.50])));
    assert!(made["next"].is_string() && made["version"].is_string(), "{made}");
    let (exit, _, stderr) = schedule(&["put", "nightly", "rate(1 hour)", "--type", "nightly"]);
    assert!(exit == 5 && stderr.contains("--replace"), "{stderr}");
    let (exit, paused, _) = schedule(&["pause", "nightly"]);
    assert_eq!((exit, &paused["enabled"], paused.get("next")), (0, &json!(false), None));
    assert_eq!(schedule(&["resume", "nightly"]).1["enabled"], true);
    let (exit, _, stderr) = schedule(&["pause", "filed"]);
    assert!(exit == 5 && stderr.contains("schedule-of-file"), "{stderr}");
    let (exit, _, stderr) = schedule(&["put", "x", "cron(0 3 * * *)", "--type", "x"]);
    assert!(exit == 1 && stderr.contains("schedule-invalid") && stderr.contains("six fields"), "{stderr}");
    let names = |listed: &Value| -> Vec<String> {
        listed.as_array().unwrap().iter().map(|one| one["schedule"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&schedule(&["ls"]).1), ["filed", "nightly"]);
    for line in [["show", "nightli"], ["pause", "nigtly"], ["rm", "nighly"]] {
        let (exit, _, stderr) = schedule(&line);
        assert!(exit == 3 && stderr.contains("did you mean `nightly`?"), "{stderr}");
    }
    assert_eq!(schedule(&["rm", "nightly"]).0, 0);
    assert_eq!(schedule(&["show", "nightly"]).0, 3);

    let now = jiff::Timestamp::now().as_second();
    let soon = jiff::Timestamp::from_second(now + 2).unwrap().strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
    assert_eq!(schedule(&["put", "once", &soon, "--type", "once", "--after", "delete"]).0, 0);
    assert_eq!(fired_so_many(&host, "once", 1), [now + 2]);
    while names(&schedule(&["ls"]).1).contains(&"once".to_owned()) {
        host.wait(Duration::from_millis(50));
    }
    assert_eq!(host.stop(), Some(0));
    let host = site.start("serve");
    assert_eq!(fired(&host, "once"), [now + 2]);
    assert_eq!(host.stop(), Some(0));
}
