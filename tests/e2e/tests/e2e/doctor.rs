//! A folder whose bits were flipped behind a host's back: what is wrong is named, what is a projection is made again, and the
//! host goes on with everything that was in it.

use std::path::PathBuf;

use serde_json::Value;

use crate::host::{Site, wharf};

/// A folder that a host has used and left cleanly: counted events, two dead letters, a retry far away.
fn used() -> Site {
    let site = Site::probe("", "first = \"1h\", max = \"1h\", attempts = 3");
    let host = site.start("serve");
    for n in 0..20 {
        host.send(&format!("counted-{n}"), "probe.increment");
    }
    host.send("rejected-a", "probe.reject");
    host.send("rejected-b", "probe.reject");
    host.send("retried", "probe.panic");
    host.stats_until("acme", |stats| stats["attempts"].as_u64() >= Some(23) && stats["pending"] == 1);
    assert_eq!(host.stop(), Some(0));
    site
}

/// The one file in a folder of the data folder whose name ends so.
fn file(site: &Site, folder: &str, suffix: &str) -> PathBuf {
    let entries = std::fs::read_dir(site.folder.path().join("data").join(folder)).unwrap();
    let mut files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.to_str().unwrap().ends_with(suffix));
    let file = files.next().unwrap();
    assert_eq!(files.next(), None);
    file
}

fn flip(file: &PathBuf, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 4;
    std::fs::write(file, bytes).unwrap();
}

/// Every place where the file has this text.
fn places(file: &PathBuf, text: &str) -> Vec<usize> {
    let bytes = std::fs::read(file).unwrap();
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(text.as_bytes())).collect()
}

fn the_finding(found: &Value) -> &Value {
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(1), "{found}");
    &found["findings"][0]
}

/// What a host must have after every repair.
fn goes_on(site: &Site) {
    let host = site.start("serve");
    let stats = host.stats("acme");
    let totals =
        ["events", "deliveries", "pending", "dead_letters", "retries"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(totals, [23, 23, 1, 2, 1], "{stats}");
    assert_eq!(host.value("probe", "shared").as_deref(), Some("20"));
    assert_eq!(host.dead("dead").len(), 2);
    assert_eq!(host.stop(), Some(0));
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, &found["ok"]), (0, &true.into()), "{found} {said}");
}

#[test]
fn a_folder_that_was_left_cleanly_is_sound_and_one_in_use_is_not_looked_at() {
    let site = used();
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, found["findings"].as_array().map(Vec::len), said.as_str()), (0, Some(0), ""), "{found}");
    assert_eq!((&found["components"], &found["artifacts"]), (&1.into(), &1.into()));
    assert!(found["state"]["rows"].as_u64().unwrap() > 5 && found["log"]["records"].as_u64().unwrap() > 40, "{found}");
    let host = site.start("serve");
    for command in [&["log", "verify"][..], &["doctor"], &["doctor", "--repair"]] {
        let (status, _, said) = site.examine(command);
        assert!(status == 5 && said.contains("error[folder-locked]"), "{status} {said}");
    }
    host.kill();
    // What a kill leaves to replay is no damage.
    let (status, found, said) = site.examine(&["doctor"]);
    assert_eq!((status, &found["ok"]), (0, &true.into()), "{found} {said}");
    let nowhere = Site::new("");
    let (status, _, said) = nowhere.examine(&["doctor"]);
    assert!(status == 3 && said.contains("error[folder-unknown]"), "{status} {said}");
    assert!(!nowhere.folder.path().join("data").exists());
}

#[test]
fn a_flipped_bit_in_an_event_is_told_with_its_position_and_id_and_never_repaired() {
    let site = used();
    let segment = file(&site, "log", ".seg");
    let at = places(&segment, "rejected-b")[0];
    flip(&segment, at + 3);
    for command in [&["log", "verify"][..], &["doctor", "--repair"]] {
        let (status, found, said) = site.examine(command);
        assert_eq!((status, &found["ok"]), (10, &false.into()), "{found} {said}");
        let finding = the_finding(&found);
        assert_eq!((&finding["severity"], &finding["structure"]), (&"loss".into(), &"record-body".into()));
        let lost = &finding["lost"][0];
        assert_eq!((&lost["record"], &lost["tenant"]), (&"accept".into(), &"acme".into()), "{lost}");
        assert_eq!(
            (&lost["events"][0]["id"], &lost["events"][0]["type"]),
            (&"rejected-b".into(), &"probe.reject".into())
        );
        assert_eq!(lost["events"][0]["position"], lost["position"]);
        assert!(lost["named_by"][0].as_str().unwrap().contains("dead-lettered to dead, handler-reject"), "{lost}");
    }
    let text = wharf().current_dir(site.folder.path()).args(["log", "verify", "--data", "data"]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("rejected-b") && text.contains("1 with data lost"), "{text}");
    flip(&segment, at + 3);
    goes_on(&site);
}

#[test]
fn a_damaged_state_is_set_aside_and_rebuilt_from_the_log() {
    let site = used();
    let state = site.folder.path().join("data/state.redb");
    let damage = || places(&state, "probe\0shared").iter().for_each(|at| flip(&state, at + 8));
    // Where the key of a value stands, in the page in use and perhaps in an older one.
    damage();
    let (status, found, said) = site.examine(&["doctor"]);
    let told = found["findings"].as_array().unwrap();
    assert!(status == 10 && told.iter().all(|finding| finding["part"] == "state"), "{found} {said}");
    assert!(told.iter().any(|finding| finding["structure"] == "values"), "the row is named: {found}");
    let (status, found, said) = site.examine(&["doctor", "--repair"]);
    assert_eq!((status, &found["ok"]), (0, &true.into()), "{found} {said}");
    assert!(!state.exists());
    goes_on(&site);
    // A start finds it as well, and does the same by itself.
    damage();
    let host = site.start("serve");
    assert!(host.ready["frames_replayed"].as_u64() > Some(0), "{}", host.ready);
    assert_eq!(host.stop(), Some(0));
    goes_on(&site);
}

#[test]
fn a_damaged_artifact_and_a_damaged_component_are_made_again() {
    let site = used();
    let (artifact, component) = (file(&site, "cache", ".cwasm"), file(&site, "components", ".wasm"));
    flip(&artifact, 5_000);
    flip(&component, 5_000);
    let (status, found, said) = site.examine(&["doctor"]);
    let parts: Vec<_> =
        found["findings"].as_array().unwrap().iter().map(|finding| finding["part"].as_str().unwrap()).collect();
    assert_eq!((status, parts), (10, vec!["components", "cache"]), "{found} {said}");
    let (status, found, said) = site.examine(&["doctor", "--repair"]);
    assert_eq!((status, &found["ok"]), (0, &true.into()), "{found} {said}");
    assert!(!artifact.exists() && !component.exists());
    goes_on(&site);
    assert!(artifact.exists() && component.exists());
}
