//! Goal: a wall clock that jumps, forwards and backwards, neither loses nor repeats a retry, nor breaks ids or deduplication.
//! Method: Debian's libfaketime under the host, with a file that says how far its wall clock is off; its monotonic clock is the
//! machine's. Every event asks to be tried again once; the clock jumps while they wait.
//!
//! `cargo xtask test` fetches the library and says where it is (`WHARF_FAKETIME`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::host::{Host, Site, built, guest};

const HOUR_MS: i64 = 3_600_000;

/// By how much a settlement may seem to be older than it is: its frame has the time at which it began to gather.
const FRAME_MS: i64 = 1_000;

/// How long an event's retry waits.
const RETRY_MS: i64 = 3_000;

struct Faked {
    site: Site,
    ids: BTreeSet<String>,
    sent: usize,
}

impl Faked {
    fn new() -> Self {
        let site = Site::new(&format!(
            r#"
default_tenant = "acme"
[tenants.acme.plugins.flaky]
component = "{}"
config = {{ retry_every = 1, fail_every = 0, after_ms = {RETRY_MS} }}
[tenants.acme.rules.all]
pattern = {{ type = ["jumpy"] }}
targets = [{{ plugin = "flaky", retry = {{ first = "{RETRY_MS}ms", max = "{RETRY_MS}ms" }} }}]
"#,
            guest("flaky").display()
        ));
        Self { site, ids: BTreeSet::new(), sent: 0 }
    }

    /// From now on the wall clock is so far off, in the words of faketime.
    fn jump(&self, by: &str) {
        self.site.write("faketime", by);
    }

    fn start(&self, more: &[&str]) -> Host {
        let mut command = self.site.command("serve");
        command.args(more).env(
            "LD_PRELOAD",
            built("WHARF_FAKETIME", "target/faketime/root/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"),
        );
        command.env("FAKETIME_TIMESTAMP_FILE", self.site.folder.path().join("faketime"));
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        self.site.start_command(command)
    }

    /// Sends ten more events with ids of their own, and ten that get theirs from the host.
    fn send(&mut self, host: &Host) {
        for n in self.sent..self.sent + 10 {
            let answer = host.send(&format!("gh-{n}"), "jumpy");
            assert_eq!(answer["duplicate"], false, "{answer}");
            let (status, answer) = host.post("/events?type=plain&source=test", "application/json", "{}");
            assert_eq!(status, 202, "{answer}");
            assert!(self.ids.insert(answer["id"].as_str().unwrap().to_owned()), "an id came twice: {answer}");
        }
        self.sent += 10;
    }

    /// Everything that was sent comes again, and is known.
    fn send_again(&self, host: &Host) {
        for n in 0..self.sent {
            assert_eq!(host.send(&format!("gh-{n}"), "jumpy")["duplicate"], true, "gh-{n}");
        }
    }

    /// Every event was tried twice, the second time when the first had said, by a clock that does not jump.
    fn settled(&self, host: &Host) {
        let stats = host.settled("acme");
        assert_eq!((&stats["attempts"], &stats["dead_letters"]), (&(self.sent * 2).into(), &0.into()), "{stats}");
        for n in 0..self.sent {
            let (_, detail) = host.get(&format!("/v1/tenants/acme/events/gh-{n}"));
            let attempts = detail["deliveries"][0]["attempts"].as_array().unwrap();
            assert_eq!(attempts.len(), 2, "gh-{n}: {attempts:?}");
            let (due, again) = (ms(&attempts[0]["outcome"]["at"]), ms(&attempts[1]["time"]));
            assert!((due - FRAME_MS..due + HOUR_MS).contains(&again), "gh-{n}: {attempts:?}");
        }
    }

    /// When the host says that its last event came, in milliseconds since 1970.
    fn last_time(&self, host: &Host) -> i64 {
        let (_, detail) = host.get(&format!("/v1/tenants/acme/events/gh-{}", self.sent - 1));
        ms(&detail["event"]["time"])
    }
}

/// RFC 3339 in UTC, as the host writes it, in milliseconds since 1970.
fn ms(time: &Value) -> i64 {
    let time = time.as_str().unwrap();
    let number = |from: usize, to: usize| time[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Years begin in March, so that the leap day is the last one.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 719_469;
    ((days * 24 + number(11, 13)) * 60 + number(14, 16)) * 60_000 + number(17, 19) * 1_000 + number(20, 23)
}

fn warns(host: &Host) -> bool {
    let (status, ready) = host.get("/readyz");
    assert_eq!(status, 200, "{ready}");
    ready["warnings"].as_array().is_some_and(|warnings| warnings[0].as_str().unwrap().contains("--follow-clock"))
}

#[test]
fn jumps_of_the_wall_clock_neither_lose_nor_repeat_a_retry_nor_break_ids_or_deduplication() {
    assert_eq!(ms(&"2026-11-26T19:46:37.123Z".into()), 1_795_722_397_123);
    let mut faked = Faked::new();
    faked.jump("+0");
    let host = faked.start(&[]);
    faked.send(&host);
    let began = faked.last_time(&host);
    assert!(!warns(&host));
    // Retries wait while the clock jumps, both ways.
    for by in ["+2h", "-3h"] {
        faked.jump(by);
        faked.send_again(&host);
        faked.send(&host);
        host.wait_for_log("is not believed yet");
        assert!(warns(&host), "{by}");
        faked.jump("+0");
        host.wait_for_log("agree again");
        faked.jump(by);
    }
    faked.settled(&host);
    faked.send_again(&host);
    let now = faked.last_time(&host);
    assert!((began..began + HOUR_MS).contains(&now), "nothing was followed: {began} {now}");
    assert_eq!(host.stop(), Some(0));

    // After a stop it is believed, and what is remembered is not forgotten by that.
    faked.jump("+200h");
    let host = faked.start(&[]);
    faked.send_again(&host);
    faked.send(&host);
    let after_stop = faked.last_time(&host);
    assert!(after_stop > began + 199 * HOUR_MS && !warns(&host), "{began} {after_stop}");
    faked.settled(&host);
    assert_eq!(host.stop(), Some(0));

    // A stop of months is not, but by command.
    faked.jump("+2000h");
    let host = faked.start(&[]);
    faked.send_again(&host);
    faked.send(&host);
    assert!(faked.last_time(&host) < after_stop + HOUR_MS && warns(&host));
    faked.settled(&host);
    assert_eq!(host.stop(), Some(0));
    let host = faked.start(&["--follow-clock"]);
    faked.send_again(&host);
    faked.send(&host);
    let followed = faked.last_time(&host);
    assert!(followed > began + 1_999 * HOUR_MS && !warns(&host), "{began} {followed}");
    faked.settled(&host);
    assert_eq!(host.stop(), Some(0));

    // Time does not go back, whatever the clock says.
    faked.jump("-3h");
    let host = faked.start(&[]);
    faked.send_again(&host);
    faked.send(&host);
    assert!(faked.last_time(&host) >= followed && warns(&host));
    faked.settled(&host);
    assert_eq!(host.stop(), Some(0));
    let host = faked.start(&["--follow-clock"]);
    host.wait_for_log("comes back to it by a tenth of the time that passes");
    let (status, ready) = host.get("/readyz");
    assert!(status == 200 && ready["warnings"][0].as_str().unwrap().contains("ms ahead of the wall clock"), "{ready}");
    assert!(!warns(&host));
    faked.send(&host);
    faked.settled(&host);
}
