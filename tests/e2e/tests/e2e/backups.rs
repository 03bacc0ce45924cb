//! Backups of a host that takes events meanwhile, and hosts that go on from what was restored.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use serde_json::Value;

use crate::host::{Host, Site, told, try_send};

/// `wharf` in a site's folder: exit status, the document that it printed, and what it said.
fn wharf(site: &Site, arguments: &[&str]) -> (i32, Value, String) {
    let output =
        crate::host::wharf().current_dir(site.folder.path()).args(arguments).args(["-o", "json"]).output().unwrap();
    let said = told(output.stderr);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

fn back_up(site: &Site) -> Value {
    let (status, taken, said) = wharf(site, &["backup", "backup", "--data", "data"]);
    assert_eq!(status, 0, "{said}");
    taken
}

/// Makes a site's data folder of another one's backup.
fn restored(from: &Site, until: Option<&str>) -> (Site, Value) {
    let config = std::fs::read_to_string(from.folder.path().join("wharf.toml")).unwrap();
    let site = Site::new(&config);
    let backup = from.folder.path().join("backup");
    let mut arguments = vec!["restore", backup.to_str().unwrap(), "--data", "data"];
    arguments.extend(until.into_iter().flat_map(|until| ["--until", until]));
    let (status, made, said) = wharf(&site, &arguments);
    assert_eq!(status, 0, "{said}");
    (site, made)
}

fn site() -> Site {
    Site::probe("", "first = \"1ms\", max = \"1ms\", attempts = 2")
}

fn counted(host: &Host) -> u64 {
    host.value("probe", "shared").map_or(0, |value| value.parse().unwrap())
}

/// The events of a host, the earliest first: id and time.
fn events(host: &Host) -> Vec<(String, String)> {
    let (status, page) = host.get("/v1/tenants/acme/events?limit=1000");
    assert_eq!(status, 200, "{page}");
    let of = |event: &Value| {
        let text = |at: &str| event.pointer(at).and_then(Value::as_str).unwrap().to_owned();
        (text("/event/id"), text("/time"))
    };
    let mut all: Vec<_> = page.as_array().unwrap().iter().map(of).collect();
    all.reverse();
    all
}

#[test]
fn what_was_acknowledged_before_a_backup_is_in_it_though_the_host_goes_on_meanwhile() {
    let site = site();
    let host = site.start("serve");
    host.send("rejected", "probe.reject");
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let before: Vec<u64> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                assert_eq!(try_send(&host.url, &format!("counted-{n}"), "probe.increment"), Some(202));
                acknowledged.store(n + 1, Ordering::SeqCst);
            }
        });
        // Each goes on where the one before ended; each is whole.
        let taken = (0..5).map(|_| {
            let before = acknowledged.load(Ordering::SeqCst);
            back_up(&site);
            before
        });
        let before = taken.collect();
        stop.store(true, Ordering::SeqCst);
        before
    });
    host.settled("acme");
    let (all, letters) = (counted(&host), host.dead("dead").len());
    let (copy, made) = restored(&site, None);
    assert!(made["components"].as_u64() >= Some(1), "{made}");
    let second = copy.start("serve");
    second.settled("acme");
    let there = counted(&second);
    assert!(there >= before[4] && there <= all && before[4] > 0, "{before:?} {there} {all}");
    assert_eq!(second.dead("dead").len(), letters);
    assert_eq!(events(&second).len() as u64, there + 1, "each event that is there was counted once");
    // It goes on by itself, and so does the one that was backed up.
    second.send("counted-more", "probe.increment");
    host.send("counted-more", "probe.increment");
    second.settled("acme");
    host.settled("acme");
    assert_eq!((counted(&second), counted(&host)), (there + 1, all + 1));
    let (status, found, said) = copy.examine(&["doctor"]);
    assert_eq!((status, said.contains("folder-locked")), (5, true), "{found}");
    assert_eq!(second.stop(), Some(0));
    let (status, found, said) = copy.examine(&["doctor"]);
    assert_eq!((status, &found["ok"]), (0, &true.into()), "{found} {said}");
}

#[test]
fn a_folder_is_restored_to_any_moment_of_its_backup() {
    let site = site();
    let host = site.start("serve");
    for n in 0..20 {
        host.send(&format!("counted-{n}"), "probe.increment");
        host.settled("acme");
    }
    let all = events(&host);
    back_up(&site);
    host.kill();
    for at in [0, 7, 19] {
        let (_, until) = &all[at];
        let (copy, _) = restored(&site, Some(until));
        let second = copy.start("serve");
        second.settled("acme");
        // Those of the same millisecond came by then too.
        let by_then = all.iter().filter(|(_, time)| time <= until).count();
        assert_eq!((events(&second), counted(&second)), (all[..by_then].to_vec(), by_then as u64));
    }
}

#[test]
fn what_is_no_backup_or_no_place_for_one_is_refused_and_nothing_is_changed() {
    let first = site();
    let refused = |arguments: &[&str], expected: i32, code: &str| {
        let (status, _, said) = wharf(&first, arguments);
        assert!(status == expected && said.contains(&format!("error[{code}]")), "{arguments:?}: {status} {said}");
    };
    refused(&["backup", "backup", "--data", "nowhere"], 3, "folder-unknown");
    refused(&["restore", "backup", "--data", "new"], 3, "backup-unknown");
    let host = first.start("serve");
    host.send("counted", "probe.increment");
    host.settled("acme");
    back_up(&first);
    refused(&["restore", "backup", "--data", "data"], 5, "folder-occupied");
    refused(&["restore", "backup", "--data", "new", "--until", "2001-01-01T00:00:00Z"], 1, "backup-range");
    refused(&["backup", ".", "--data", "data"], 3, "backup-unknown");
    let second = site();
    second.start("serve").kill();
    let other = second.folder.path().join("data");
    refused(&["backup", "backup", "--data", other.to_str().unwrap()], 5, "backup-foreign");
    first.write("backup/backup.json", "{}");
    refused(&["restore", "backup", "--data", "new"], 1, "backup-damaged");
    assert!(!first.folder.path().join("new").exists() && !first.folder.path().join("new.restoring").exists());
    std::fs::remove_dir_all(first.folder.path().join("backup")).unwrap();
    back_up(&first);
    let copies = std::fs::read_dir(first.folder.path().join("backup/log")).unwrap();
    flip(&copies.map(|entry| entry.unwrap().path()).next().unwrap());
    refused(&["restore", "backup", "--data", "new"], 1, "backup-damaged");
    assert_eq!(counted(&host), 1);
}

/// Flips a bit of the header of the first frame.
fn flip(segment: &Path) {
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[520] ^= 1;
    std::fs::write(segment, bytes).unwrap();
}
