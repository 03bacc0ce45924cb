//! A data folder as a host leaves it, small enough to flip every bit of interest.

use std::{collections::BTreeMap, fs, path::PathBuf};

use bytes::Bytes;
use cap_std::{ambient_authority, fs::Dir};
use wharf_delivery::{
    Attempt, DeliveryId, Document, History, Outcome, PluginDocument, Published, Record, TargetRef, TenantDocument,
    ValueWrite, apply,
};
use wharf_dispatch::doctor::{Report, examine, verify_log};
use wharf_event::{Code, Digest, Event, EventBuilder, Position, TenantName};
use wharf_log::{FolderDisk, Log, LogOptions, RecordIn, SegmentSizes};
use wharf_state::State;

/// What the component of the folder is.
pub const COMPONENT: &[u8] = b"\0asm this is as good a component as any, to have a digest";

/// A folder on disk.
pub struct Folder {
    pub path: tempfile::TempDir,
}

/// Who makes it.
struct Maker {
    log: Log<FolderDisk>,
    state: State,
    now_ms: u64,
}

pub fn tenant() -> TenantName {
    "acme".parse().unwrap()
}

fn target(plugin: &str) -> TargetRef {
    TargetRef::new("everything".parse().unwrap(), plugin.parse().unwrap())
}

fn event(id: &str, kind: &str) -> Event {
    let data = format!("{{\"of\":\"{id}\",\"filling\":\"{}\"}}", id.repeat(20));
    EventBuilder::new(id, "doctor/test", kind).data(data).build().unwrap()
}

pub fn accept(id: &str) -> Record {
    let targets = vec![target("counter"), target("flaky")];
    Record::Accept { tenant: tenant(), bus: "default".parse().unwrap(), event: event(id, "order.placed"), targets }
}

pub fn settle(
    delivery: DeliveryId,
    plugin: &str,
    outcome: Outcome,
    writes: &[(&str, &str)],
    publishes: &[&str],
) -> Record {
    let write = |(key, value): &(&str, &str)| ValueWrite {
        bucket: "counts".parse().unwrap(),
        key: (*key).to_owned(),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    };
    let publish = |id: &&str| Published { event: event(id, "order.counted"), targets: vec![], given_up: vec![] };
    Record::Settle {
        tenant: tenant(),
        bus: "default".parse().unwrap(),
        delivery,
        target: target(plugin),
        attempt: Attempt { number: 1, release: Some(Digest::of(COMPONENT)), duration_us: 1_000, details: None },
        outcome,
        published: publishes.iter().map(publish).collect(),
        writes: writes.iter().map(write).collect(),
    }
}

fn configure() -> Record {
    let plugin = || PluginDocument {
        breaker: None,
        release: Digest::of(COMPONENT),
        config: BTreeMap::new(),
        grants: wharf_event::Grants::default(),
        limits: wharf_delivery::LimitsDocument::default(),
    };
    let plugins = ["counter", "flaky"].map(|name| (name.parse().unwrap(), plugin())).into();
    let of = TenantDocument { buses: ["default".parse().unwrap()].into(), plugins, ..TenantDocument::default() };
    let document = Document { default_tenant: None, tenants: [(tenant(), of)].into() };
    Record::Configure { document: serde_json::to_vec(&document).unwrap().into() }
}

impl Maker {
    /// Appends one frame and applies it.
    fn frame(&mut self, records: &[Record]) -> u64 {
        self.now_ms += 10;
        let bodies: Vec<Vec<u8>> = records.iter().map(Record::encode).collect();
        let number = |record: &Record| {
            let tenant = record.tenant();
            tenant.map_or(0, |name| {
                u64::from_le_bytes(Digest::of(name.as_str().as_bytes()).as_bytes()[..8].try_into().unwrap())
            })
        };
        let of = |(record, body)| RecordIn { tenant: number(record), kind: record.kind() as u16, key_id: 0, body };
        let list: Vec<_> = records.iter().zip(bodies.iter().map(Vec::as_slice)).map(of).collect();
        let k = self.log.append(self.now_ms, &list).unwrap();
        for (index, record) in (0..).zip(records) {
            apply(record, Position { k, i: index << 8 }, self.now_ms, History::Whole, &mut self.state).unwrap();
        }
        k
    }

    fn checkpoint(&mut self) {
        let checkpoint = self.state.freeze(self.log.last_k()).unwrap();
        drop(self.state.thaw(checkpoint.write().unwrap()));
    }
}

/// Frame k of the first accepted event; each following pair of events is one frame, and the settles of both the next.
pub const FIRST_EVENTS_K: u64 = 3;

impl Folder {
    /// Twelve events owed to two plugins each: the counter's attempts write and publish, the flaky one's are retried or
    /// dead-lettered. The checkpoint stands in the middle unless the folder was stopped cleanly.
    pub fn new(clean: bool) -> Self {
        let path = tempfile::tempdir().unwrap();
        for folder in ["log", "components", "cache"] {
            fs::create_dir(path.path().join(folder)).unwrap();
        }
        let component = path.path().join(format!("components/{}.wasm", Digest::of(COMPONENT).hex()));
        fs::write(component, COMPONENT).unwrap();
        let log = Dir::open_ambient_dir(path.path().join("log"), ambient_authority()).unwrap();
        let sizes = SegmentSizes { first_bytes: 4_096, max_bytes: 32_768 };
        let options = LogOptions { partition: 0, nonce: [7; 16], time_ms: 1_000, checkpoint_k: 0, sizes };
        let (log, _) = Log::open(FolderDisk::new(log), options).unwrap();
        let state = fs::File::options().read(true).write(true).create_new(true).open(path.path().join("state.redb"));
        let (state, _) = State::open(Box::new(state.unwrap())).unwrap();
        let mut maker = Maker { log, state, now_ms: 1_000 };
        maker.frame(&[configure()]);
        for pair in 0..6 {
            let ids = [format!("event-{}", pair * 2), format!("event-{}", pair * 2 + 1)];
            let k = maker.frame(&[accept(&ids[0]), accept(&ids[1])]);
            assert_eq!(k, FIRST_EVENTS_K + pair * 2);
            let of = |index: u32, n| DeliveryId { event: Position { k, i: index << 8 }, n };
            let at_ms = 4_000_000_000_000;
            let retry = Outcome::Retry { at_ms, code: Code::HandlerRetry, reason: "not now".to_owned() };
            let queue = "failed".parse().unwrap();
            let dead = Outcome::DeadLetter { queue, code: Code::HandlerReject, reason: "never".to_owned() };
            let (needle, key) = (format!("needle-in-the-state-{pair}"), format!("key-{pair}"));
            maker.frame(&[
                settle(of(0, 0), "counter", Outcome::Ack, &[(&key, &needle)], &[&format!("{k}-0.0.1")]),
                settle(of(0, 1), "flaky", retry, &[], &[]),
                settle(of(1, 1), "flaky", dead, &[], &[]),
            ]);
            if pair == 3 {
                maker.checkpoint();
            }
        }
        maker.log.append_mark(maker.now_ms).unwrap();
        if clean {
            maker.checkpoint();
        }
        Self { path }
    }

    pub fn dir(&self) -> Dir {
        Dir::open_ambient_dir(self.path.path(), ambient_authority()).unwrap()
    }

    pub fn examine(&self) -> Report {
        examine(&self.dir(), &mut |_, _| ()).unwrap()
    }

    pub fn verify_log(&self) -> Report {
        verify_log(&self.dir(), &mut |_, _| ()).unwrap()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// The segments, the oldest first.
    pub fn segments(&self) -> Vec<String> {
        let names = fs::read_dir(self.file("log")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| format!("log/{}", name.into_string().unwrap())).collect();
        names.retain(|name| name.ends_with(".seg"));
        names.sort_unstable();
        names
    }

    /// Where frame `k` begins: its segment and offset.
    pub fn frame(&self, k: u64) -> (String, usize) {
        let needle = [&b"WHARFFRM"[..]].concat();
        for name in self.segments() {
            let bytes = self.read(&name);
            for at in (512..bytes.len()).step_by(512) {
                if bytes[at..].starts_with(&needle) && bytes[at + 48..at + 56] == k.to_le_bytes() {
                    return (name, at);
                }
            }
        }
        panic!("there is no frame {k}")
    }

    /// Flips one bit, looks, and puts it right again.
    pub fn flipped<T>(&self, name: &str, at: usize, bit: u8, look: impl FnOnce(&Self) -> T) -> T {
        let flip = || {
            use std::os::unix::fs::FileExt as _;
            let file = fs::File::options().read(true).write(true).open(self.file(name)).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at as u64).unwrap();
            file.write_all_at(&[byte[0] ^ 1 << bit], at as u64).unwrap();
        };
        flip();
        let seen = look(self);
        flip();
        seen
    }
}
