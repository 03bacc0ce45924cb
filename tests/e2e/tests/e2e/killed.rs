//! `kill -9` in the middle of an upload, a promotion and a rollback.
//!
//! Goal: after the restart there is the old or the new, and nothing between: a release is ready or unknown, one release has the traffic and
//! handles every event once, the folders hold whole files only; what was answered is there; and the same request, made again, comes about.
//! Method: requests are sent by hand, so that they can be broken off at any byte. The host is killed when it is seen to have come so far: by
//! the bytes in its folder, by the state that it tells, by a child that compiles, or by so many other requests that it answered since.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    host::{Host, Site, sha256},
    registry::{handled_by, made, variant},
};

const PLUGIN: &str = "/v1/tenants/acme/plugins/made";

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that is sent piece by piece.
struct Sending(TcpStream);

impl Sending {
    fn begin(host: &Host, method: &str, path: &str, content_type: &str, length: usize) -> Self {
        let address = host.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self(stream)
    }

    fn post(host: &Host, path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let mut sending = Self::begin(host, "POST", path, "application/json", body.len());
        sending.send(body.as_bytes());
        sending
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The status that the host had answered with when it was killed; absent when it had not.
    fn answered(mut self) -> Option<u16> {
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        // A host that was killed resets what it had not read.
        let _ = self.0.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
    }
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what} does not come about");
        std::thread::yield_now();
    }
}

/// Names in a folder of the data folder, with their sizes.
fn files(site: &Site, folder: &str) -> Vec<(String, u64)> {
    let read = std::fs::read_dir(site.folder.path().join("data").join(folder)).unwrap();
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        Some((entry.file_name().into_string().unwrap(), entry.metadata().ok()?.len()))
    };
    read.filter_map(file).collect()
}

/// Bytes of what is not whole yet.
fn part(site: &Site) -> Option<u64> {
    files(site, "components").into_iter().find(|(name, _)| name.ends_with(".part")).map(|(_, bytes)| bytes)
}

fn state(host: &Host, hex: &str) -> String {
    host.get(&format!("{PLUGIN}/releases/{hex}")).1["state"].as_str().unwrap_or("unknown").to_owned()
}

fn stable(host: &Host) -> String {
    host.get(PLUGIN).1["stable"].as_str().unwrap().to_owned()
}

/// Starts the host again and holds it against what may be: every release that it lists is ready, its files are whole and those of the
/// releases, and the release that has the traffic is one of them.
fn started(site: &Site) -> (Host, BTreeSet<String>) {
    let host = site.start("serve");
    let (status, listed) = host.get(&format!("{PLUGIN}/releases"));
    assert_eq!(status, 200, "{listed}");
    let mut ready = BTreeSet::new();
    for release in listed.as_array().unwrap() {
        assert_eq!(release["state"], "ready", "nothing is half made: {release}");
        ready.insert(release["release"].as_str().unwrap().trim_start_matches("sha256:").to_owned());
    }
    let whole: BTreeSet<String> = ready.iter().map(|hex| format!("{hex}.wasm")).collect();
    let there: BTreeSet<String> = files(site, "components").into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, whole, "the components are those of the releases, and whole");
    let cached = files(site, "cache");
    assert!(cached.iter().all(|(name, _)| name == "secret" || name.ends_with(".cwasm")), "{cached:?}");
    assert!(ready.contains(stable(&host).trim_start_matches("sha256:")));
    (host, ready)
}

/// How far an upload comes before the kill.
#[derive(Clone, Copy, Debug)]
enum Uploaded {
    /// So many hundredths of the body are on the disk, not all.
    Body(usize),
    /// All of it is sent, and the host answered so many requests since.
    Answers(usize),
    /// A child compiles it.
    Compiling,
    /// It is ready, as the host says.
    Ready,
}

const UPLOADED: [Uploaded; 10] = [
    Uploaded::Body(0),
    Uploaded::Body(50),
    Uploaded::Body(99),
    Uploaded::Answers(0),
    Uploaded::Answers(1),
    Uploaded::Answers(3),
    Uploaded::Answers(9),
    Uploaded::Answers(27),
    Uploaded::Compiling,
    Uploaded::Ready,
];

/// Sends a release and kills the host at that moment: whether it had said that it is ready.
fn killed_at(site: &Site, host: Host, at: Uploaded, (hex, wasm): (&str, &[u8])) -> bool {
    let path = format!("{PLUGIN}/releases/{hex}");
    let mut sending = Sending::begin(&host, "PUT", &path, "application/wasm", wasm.len());
    let mut was_ready = false;
    match at {
        Uploaded::Body(hundredths) => {
            let sent = wasm.len() * hundredths / 100;
            sending.send(&wasm[..sent]);
            until("that what was sent is on the disk", || part(site) == Some(sent as u64));
        }
        Uploaded::Answers(answers) => {
            sending.send(wasm);
            for _ in 0..answers {
                was_ready |= state(&host, hex) == "ready";
            }
        }
        Uploaded::Compiling => {
            sending.send(wasm);
            until("that a child compiles it", || !host.children().is_empty());
        }
        Uploaded::Ready => {
            sending.send(wasm);
            until("that it is ready", || state(&host, hex) == "ready");
            was_ready = true;
        }
    }
    let children = host.children();
    host.kill();
    for child in children {
        until("that what it had compile ends with it", || !std::path::Path::new(&format!("/proc/{child}")).exists());
    }
    let answered = sending.answered();
    assert!(matches!(answered, None | Some(200 | 202)), "{at:?}: {answered:?}");
    was_ready
}

#[test]
fn a_host_that_is_killed_while_a_release_comes_has_it_whole_or_not_at_all() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let (mut host, first) = made(&site);
    let before = stable(&host);
    for (n, at) in (10..).zip(UPLOADED) {
        let wasm = std::fs::read(PathBuf::from(variant(&site, n))).unwrap();
        let hex = sha256(&wasm);
        let was_ready = killed_at(&site, host, at, (&hex, &wasm));
        let (again, ready) = started(&site);
        host = again;
        assert!(!was_ready || ready.contains(&hex), "{at:?}: it was said to be ready");
        assert_eq!(stable(&host), before, "{at:?}: an upload changes no traffic");
        assert_eq!(handled_by(&host, &format!("after-{n}"), "probe.increment"), before);
        let (status, told) = host.put_bytes(&format!("{PLUGIN}/releases/{hex}"), "application/wasm", &wasm);
        assert!(matches!(status, 200 | 202), "{at:?}: {told}");
        until("that the second attempt makes it ready", || state(&host, &hex) == "ready");
    }
    let (_, listed) = host.get(&format!("{PLUGIN}/releases"));
    assert_eq!(listed.as_array().unwrap().len(), first.len() + UPLOADED.len(), "{listed}");
    assert_eq!(host.value("made", "shared"), Some(UPLOADED.len().to_string()), "each event was handled once");
    assert_eq!(host.stop(), Some(0));
}

/// Asks for a change of traffic amid events and kills the host when it answered so many other requests since: the status, if it was
/// answered.
fn killed_amid(host: Host, (action, wish): (&str, &Value), answers: Option<usize>, round: usize) -> Option<u16> {
    for n in 0..3 {
        host.send(&format!("amid-{round}-{n}"), "probe.increment");
    }
    let sending = Sending::post(&host, &format!("{PLUGIN}/{action}"), wish);
    match answers {
        Some(answers) => (0..answers).for_each(|_| _ = host.get("/livez")),
        None => {
            let mut first = [0];
            assert_eq!(sending.0.peek(&mut first).unwrap(), 1, "it is answered");
        }
    }
    host.kill();
    sending.answered()
}

#[test]
fn a_host_that_is_killed_while_traffic_changes_hands_has_it_with_the_old_or_the_new_release() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let (mut host, releases) = made(&site);
    let mut sent = 0;
    for (round, answers) in [Some(0), Some(1), Some(2), Some(4), Some(8), None].into_iter().enumerate() {
        for action in ["promote", "rollback"] {
            let old = stable(&host);
            let new = releases.iter().find(|release| **release != old).unwrap().clone();
            let wish = if action == "promote" { json!({ "release": new }) } else { json!({ "to": new }) };
            let told = killed_amid(host, (action, &wish), answers, round * 2 + usize::from(action == "rollback"));
            sent += 3;
            let (again, ready) = started(&site);
            host = again;
            assert_eq!(ready.len(), 2);
            let now = stable(&host);
            assert!(now == old || now == new, "{action} {answers:?}: {now}");
            match told {
                Some(200) => assert_eq!(now, new, "{action} {answers:?}: it was answered"),
                other => assert_eq!(other, None, "{action} {answers:?}"),
            }
            assert!(answers.is_some() || told == Some(200));
            host.settled("acme");
            assert_eq!(handled_by(&host, &format!("{action}-{round}"), "probe.increment"), now);
            sent += 1;
            assert_eq!(host.value("made", "shared"), Some(sent.to_string()), "each event was handled once");
            // The second attempt comes about, or finds that the first one did.
            let (status, told) = host.post(&format!("{PLUGIN}/{action}"), "application/json", wish.to_string());
            assert!(if now == new { status == 409 } else { status == 200 }, "{action} {answers:?}: {status} {told}");
            assert_eq!(stable(&host), new);
        }
    }
    let (_, events) = host.get("/v1/tenants/acme/stats");
    assert_eq!((&events["dead_letters"], &events["pending"]), (&json!(0), &json!(0)), "{events}");
    assert_eq!(host.stop(), Some(0));
}
