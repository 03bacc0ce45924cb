//! Goal: a host on a full disk refuses what is new, goes on with what it has, loses nothing, and resumes by itself.
//! Method: a real tmpfs of 512 MiB, filled by events that all have to be tried twice; then another program takes what is left,
//! so that the settlements live on the ballast; then it lets go. At last the host is started on the full disk.
//!
//! A tmpfs can only be mounted by root. Whoever may not mount one is told that this test is left out.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, left_out};

const BALLAST_BYTES: u64 = 128 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// A disk of 512 MiB; dropping it takes it away.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: PathBuf) -> Option<Self> {
        std::fs::create_dir(&folder).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=512m,mode=0700", "tmpfs"]).arg(&folder).output();
        match mount {
            Ok(mount) if mount.status.success() => Some(Self(folder)),
            refused => {
                // Nobody can do anything about that here. The same is tried on a disk in memory, everywhere:
                // `cargo test -p wharf-dispatch full_disk`.
                let said = refused.as_ref().map(|mount| String::from_utf8_lossy(&mount.stderr).to_lowercase());
                let words = ["permission denied", "not permitted", "superuser"];
                let denied = said.is_ok_and(|said| words.iter().any(|word| said.contains(word)));
                assert!(denied, "a tmpfs cannot be mounted here, and not for want of permission: {refused:?}");
                left_out(
                    "a host on a full disk: only root may mount a tmpfs, and `cargo test -p wharf-dispatch full_disk` tries it in memory",
                );
                None
            }
        }
    }

    /// Lets another program write to `name` until so many bytes are written or there is no room.
    fn take(&self, name: &str, bytes: usize) {
        let mut file = File::create(self.0.join(name)).unwrap();
        let chunk = vec![7; 1 << 16];
        (0..bytes / chunk.len()).map(|_| file.write_all(&chunk)).take_while(Result::is_ok).count();
    }

    /// Makes the disk as large as `mib` MiB.
    fn grow(&self, mib: u32) {
        let size = format!("remount,size={mib}m");
        let grown = Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap();
        assert!(grown.success(), "{grown}");
    }

    fn free(&self, name: &str) {
        std::fs::remove_file(self.0.join(name)).unwrap();
    }

    fn ballast(&self) -> u64 {
        std::fs::metadata(self.0.join("ballast")).unwrap().len()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The host that uses it may still be ending.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Every event asks to be tried again in two seconds, once.
fn site() -> Site {
    Site::new(&format!(
        r#"
default_tenant = "acme"
[tenants.acme.plugins.flaky]
component = "{}"
config = {{ retry_every = 1, fail_every = 0, after_ms = 2000 }}
[tenants.acme.rules.all]
pattern = {{ type = ["filling"] }}
targets = [{{ plugin = "flaky", retry = {{ first = "2s", max = "2s" }} }}]
"#,
        guest("flaky").display()
    ))
}

fn event(n: usize) -> String {
    let padding = "x".repeat(200_000);
    json!({"specversion": "1.0", "id": format!("gh-{n}"), "source": "test", "type": "filling", "data": padding})
        .to_string()
}

/// Sends events until one is refused: the positions of those that were taken, and the refusal.
fn fill(host: &Host, from: usize) -> (Vec<String>, Value) {
    let mut positions = Vec::new();
    for n in from.. {
        let (status, answer) = host.post("/events", "application/cloudevents+json", event(n));
        if status != 202 {
            assert_eq!(status, 503, "{answer}");
            return (positions, answer);
        }
        positions.push(answer["position"].as_str().unwrap().to_owned());
    }
    unreachable!("disks are finite")
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn is_refused(host: &Host) {
    let refused = host.refusal("/events", event(1_000_000));
    assert_eq!((refused.0, refused.1.as_deref()), (503, Some("10")), "the status and Retry-After: {}", refused.2);
    assert_eq!(refused.2["code"], "disk-full", "{}", refused.2);
    let (status, ready) = host.get("/readyz");
    assert_eq!((status, &ready["code"]), (503, &"disk-full".into()));
}

/// Every event that was acknowledged is in the archive under its position, and so are the attempts of a sample of them.
fn are_there(host: &Host, positions: &[String], settled: bool) {
    let (mut there, mut before) = (BTreeMap::new(), String::new());
    loop {
        let (status, page) = host.get(&format!("/v1/tenants/acme/events?limit=1000{before}"));
        assert_eq!(status, 200, "{page}");
        let Some(last) = page.as_array().unwrap().last() else { break };
        before = format!("&before={}", last["position"].as_str().unwrap());
        let text = |of: &Value| of.as_str().unwrap().to_owned();
        there.extend(page.as_array().unwrap().iter().map(|row| (text(&row["position"]), text(&row["event"]["id"]))));
    }
    for (n, position) in positions.iter().enumerate() {
        assert_eq!(there.get(position), Some(&format!("gh-{n}")), "{position}");
    }
    for position in positions.iter().step_by(100) {
        let (status, detail) = host.get(&format!("/v1/tenants/acme/events/{position}"));
        let attempts = detail["deliveries"][0]["attempts"].as_array().map(Vec::len);
        assert!(status == 200 && (!settled || attempts == Some(2)), "{position} {}", detail["deliveries"]);
    }
}

fn listing(folder: &Path) -> String {
    let shown = Command::new("ls").arg("-lsR").arg(folder).output().unwrap();
    String::from_utf8_lossy(&shown.stdout).into_owned()
}

#[test]
fn a_full_disk_refuses_what_is_new_and_loses_nothing_that_was_taken() {
    let site = site();
    let Some(disk) = Disk::mount(site.folder.path().join("data")) else { return };
    let host = site.start("serve");
    until("the ballast is made", || disk.ballast() == BALLAST_BYTES);
    disk.take("other", 100 << 20);

    let (mut positions, refusal) = fill(&host, 0);
    assert_eq!(refusal["code"], "disk-full", "{refusal}");
    assert!(positions.len() > 100, "{} events, then {refusal}", positions.len());
    host.wait_for_log("new events are refused until there is room");
    is_refused(&host);
    are_there(&host, positions.get(..3).unwrap(), false);

    // Somebody takes all that is left, and the settlements still come to their end.
    disk.take("rest", 512 << 20);
    let stats = host.settled("acme");
    assert_eq!(stats["attempts"], positions.len() * 2, "{stats}");
    assert_eq!(stats["dead_letters"], 0, "{stats}");
    is_refused(&host);
    are_there(&host, &positions, true);
    let feed = host.first_line(&format!("/v1/tenants/acme/feed?from={}", positions[0]));
    assert!(feed.to_string().contains("gh-0"), "{feed}");

    // A start on the full disk serves what is there.
    host.kill();
    let host = site.start("serve");
    disk.take("rest-again", 512 << 20);
    assert_eq!(host.ready["pending"], 0);
    is_refused(&host);
    are_there(&host, positions.get(..3).unwrap(), true);

    // Room comes back, and with it the service, by itself. The segments of the log may have taken nearly all that the others held:
    // there is room for two more.
    disk.grow(640);
    for name in ["rest", "rest-again", "other"] {
        disk.free(name);
    }
    host.wait_for_log("there is room on the disk again");
    let (more, refusal) = fill(&host, positions.len());
    assert_eq!(refusal["code"], "disk-full", "{refusal}");
    assert!(more.len() > 10, "{} more events, then {refusal}\n{}", more.len(), listing(&disk.0));
    positions.extend(more);
    host.settled("acme");
    until("the ballast is made again", || disk.ballast() == BALLAST_BYTES);
    assert_eq!(host.stop(), Some(0), "{}", listing(&disk.0));

    let host = site.start("serve");
    assert_eq!((&host.ready["frames_replayed"], &host.ready["pending"]), (&0.into(), &0.into()));
    assert_eq!(host.stats("acme")["attempts"], positions.len() * 2);
    are_there(&host, &positions, true);
}
