//! Folders of earlier formats open with everything that is in them; those of formats to come are refused with what to do.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::host::{Host, Site, guest};

/// A file of tests/data.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
}

/// Puts what is in an archive of tests/data into a folder.
pub fn unpack(name: &str, to: &Path) {
    let status = Command::new("tar").arg("-xzf").arg(data(name)).arg("-C").arg(to).status().unwrap();
    assert!(status.success());
}

/// A site with one of the folders in an archive, and the configuration that it was made with.
fn unpacked(format: u32, folder: &str) -> Site {
    let site = Site::new("");
    let to = site.folder.path();
    unpack(&format!("folder-format-{format}.tar.gz"), to);
    std::fs::rename(to.join(folder), to.join("data")).unwrap();
    let config = std::fs::read_to_string(to.join("wharf.toml")).unwrap();
    let placed = |line: &str| match line.strip_prefix("component = \"").and_then(|rest| rest.strip_suffix(".wasm\"")) {
        Some(name) => format!("component = \"{}\"\n", guest(name).display()),
        None => format!("{line}\n"),
    };
    site.write("wharf.toml", config.lines().map(placed).collect::<String>());
    site
}

/// Events, those of them published, deliveries, those that wait, dead letters, and totals of the three plugins that count.
type Held = (u64, u64, u64, u64, u64, [u64; 3]);

/// The host has what is said of a folder.
fn holds(host: &Host, (events, published, deliveries, waiting, dead, totals): Held) {
    let stats = host.stats("demo");
    let found =
        ["events", "published", "deliveries", "pending", "dead_letters"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(found, [events, published, deliveries, waiting, dead], "{stats}");
    let (status, letters) = host.get("/v1/tenants/demo/dlq/never-done?limit=1000");
    assert_eq!((status, letters.as_array().map(|letters| letters.len() as u64)), (200, Some(dead)));
    for letter in letters.as_array().unwrap() {
        assert_eq!(letter["code"], "retries-spent", "{letter}");
    }
    for (bucket, total) in ["event-stats", "push-stats", "label-stats"].into_iter().zip(totals) {
        assert_eq!(sum(host, bucket), total, "{bucket}");
    }
    let (_, listed) = host.get("/v1/tenants/demo/events?limit=1000");
    assert_eq!(listed.as_array().map(|listed| listed.len() as u64), Some(events + published));
}

/// The sum of the counts in a bucket.
fn sum(host: &Host, bucket: &str) -> u64 {
    let (_, keys) = host.get(&format!("/v1/tenants/demo/kv/{bucket}?limit=1000"));
    let value = |key: &Value| {
        let key = key["key"].as_str().unwrap().replace('/', "%2F");
        let (status, answer) = host.get(&format!("/v1/tenants/demo/kv/{bucket}/{key}"));
        assert_eq!(status, 200, "{bucket} {key}: {answer}");
        answer["value"]["text"].as_str().unwrap().parse::<u64>().unwrap()
    };
    keys.as_array().unwrap().iter().map(value).sum()
}

/// What the pages beside the archives say of the folders `clean` and `killed`.
const FOLDERS: [(u32, Held, Held); 2] = [
    (1, (25, 2, 83, 12, 2, [50, 2, 2]), (50, 4, 165, 23, 6, [100, 4, 4])),
    (2, (25, 1, 78, 7, 2, [50, 2, 1]), (50, 2, 156, 17, 6, [100, 4, 2])),
];

#[test]
fn a_folder_of_an_earlier_format_opens_with_everything_that_is_in_it() {
    for ((format, clean, _), round) in FOLDERS.into_iter().flat_map(|of| [(of, 0), (of, 1)]) {
        let site = unpacked(format, "clean");
        if round == 1 {
            std::fs::remove_file(site.folder.path().join("data/state.redb")).unwrap();
        }
        let host = site.start("serve");
        holds(&host, clean);
        assert_eq!(host.stop(), Some(0));
        // And again as a folder of today, with which the doctor is content.
        let (status, found, said) = site.examine(&["doctor"]);
        assert_eq!((status, &found["findings"]), (0, &json!([])), "{found} {said}");
        let host = site.start("serve");
        assert_eq!(host.ready["frames_replayed"], 0);
        holds(&host, clean);
    }
}

#[test]
fn a_folder_of_an_earlier_format_that_was_killed_opens_with_everything_that_was_acknowledged() {
    for (format, _, killed) in FOLDERS {
        let site = unpacked(format, "killed");
        let host = site.start("serve");
        assert!(host.ready["frames_replayed"].as_u64().unwrap() > 0, "{}", host.ready);
        holds(&host, killed);
        // What waits is counted anew, plugin by plugin.
        let (_, quotas) = host.get("/v1/tenants/demo/quotas");
        assert_eq!(quotas["plugins"], json!([{ "plugin": "later", "backlog": { "used": killed.3 } }]), "{quotas}");
        assert!(quotas["kv_bytes"]["used"].as_u64().unwrap() > 100, "{quotas}");
        // What is in it can be used: a letter goes out again and comes back.
        let redrive = json!({ "all": true }).to_string();
        let (status, answer) = host.post("/v1/tenants/demo/dlq/never-done/redrive", "application/json", redrive);
        assert_eq!(status, 200, "{answer}");
    }
}

#[test]
fn a_log_of_a_later_format_is_refused_and_nothing_is_changed() {
    let site = unpacked(1, "clean");
    let segment = site.folder.path().join("data/log/00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..56]);
    bytes[56..60].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&segment, &bytes).unwrap();
    let (status, said) = site.refuse("serve");
    assert!(status != 0 && said.contains("error[folder-version]"), "{status} {said}");
    assert!(said.contains("has format version 2, this build reads version 1"), "{said}");
    assert!(std::fs::read(&segment).unwrap() == bytes);
    for command in [&["log", "verify"][..], &["doctor"]] {
        let (status, _, said) = site.examine(command);
        assert!(status == 1 && said.contains("error[folder-version]"), "{status} {said}");
    }
}

#[test]
fn a_state_of_a_later_format_is_refused_until_it_is_set_aside() {
    let site = unpacked(1, "clean");
    assert_eq!(site.start("serve").stop(), Some(0));
    let later = std::fs::File::open(data("state-format-99.redb.gz")).unwrap();
    let mut file = std::fs::File::create(site.folder.path().join("data/state.redb")).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(later), &mut file).unwrap();
    let (status, said) = site.refuse("serve");
    assert!(status != 0 && said.contains("error[folder-version]"), "{status} {said}");
    assert!(said.contains("has format 99, and this program reads format 4"), "{said}");
    let (status, found, said) = site.examine(&["doctor", "--repair"]);
    assert_eq!((status, &found["ok"]), (0, &true.into()), "{found} {said}");
    let host = site.start("serve");
    holds(&host, FOLDERS[0].1);
}
