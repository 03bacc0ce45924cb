//! Bad components by the hundred.
//!
//! Goal: whatever is uploaded in place of a component is answered with a code that is written down, and leaves nothing: no file, no memory,
//! and a host that goes on as before.
//! Method: real components are damaged (bits, cuts, sections left out, put in twice, exchanged, put from one into the other, nested, names
//! changed), by a seed that is fixed, and uploaded to one host, which is looked at before and after.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::host::{Host, Site, guest, sha256};

/// Uploads before which memory is looked at for the first time: what the host needs once it has by then.
const FIRST: usize = 60;

/// Uploads in all.
const ALL: usize = 360;

/// KiB by which the host's memory may differ: what its allocator keeps for the next time.
const GROWTH_KIB_MAX: u64 = 24 << 10;

/// How long one may take to be judged.
const PATIENCE: Duration = Duration::from_secs(60);

/// Random numbers of a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % end.max(1) as u64) as usize
    }
}

/// Where the sections of a component lie.
fn sections(wasm: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 8);
    while at < wasm.len() {
        let (start, mut size, mut shift) = (at, 0, 0);
        loop {
            at += 1;
            size |= usize::from(wasm[at] & 0x7f) << shift;
            shift += 7;
            if wasm[at] < 0x80 {
                break;
            }
        }
        at += 1 + size;
        found.push((start, at));
    }
    found
}

/// A number as WebAssembly writes it.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Something that was a component.
fn damaged(random: &mut Random, wasm: &[u8], other: &[u8]) -> Vec<u8> {
    let of = sections(wasm);
    let (from, to) = of[random.below(of.len())];
    match random.below(9) {
        0 => wasm[..random.below(wasm.len())].to_vec(),
        1 => [&wasm[..from], &wasm[to..]].concat(),
        2 => [&wasm[..from], &wasm[from..to], &wasm[from..]].concat(),
        3 => {
            let theirs = sections(other);
            let (start, end) = theirs[random.below(theirs.len())];
            [&wasm[..from], &other[start..end], &wasm[to..]].concat()
        }
        4 => {
            let at = random.below(wasm.len());
            [&wasm[..at], &wasm[(at + 1 + random.below(64)).min(wasm.len())..]].concat()
        }
        5 => (0..=random.below(8))
            .fold(wasm.to_vec(), |inner, _| [&wasm[..8], &[4], number(inner.len()).as_slice(), &inner].concat()),
        6 => {
            let (name, by) = [("wharf:plugin/", "wharf:unknown"), ("handler@0.1.0", "handler@9.9.9")][random.below(2)];
            let mut bytes = wasm.to_vec();
            for at in 0..bytes.len() - name.len() {
                if bytes[at..].starts_with(name.as_bytes()) {
                    bytes[at..at + by.len()].copy_from_slice(by.as_bytes());
                }
            }
            bytes
        }
        7 => (0..random.below(2_000)).map(|_| random.below(256) as u8).collect(),
        _ => {
            let mut bytes = wasm.to_vec();
            for _ in 0..=random.below(6) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            bytes
        }
    }
}

/// Uploads some bytes and waits until they are judged: the code of what is wrong with them, or `ready`.
fn judged(host: &Host, hex: &str, bytes: &[u8]) -> String {
    let path = format!("/v1/tenants/acme/plugins/bad/releases/{hex}");
    let (status, told) = host.put_bytes(&path, "application/wasm", bytes);
    assert!(matches!(status, 200 | 202), "{status} {told}");
    let began = Instant::now();
    loop {
        let (status, release) = host.get(&path);
        assert_eq!(status, 200, "{release}");
        match release["state"].as_str().unwrap() {
            "failed" => return release["failure"]["code"].as_str().unwrap().to_owned(),
            state @ ("ready" | "needs-grant") => return state.to_owned(),
            _ => assert!(began.elapsed() < PATIENCE, "{release}"),
        }
    }
}

/// Bytes below a folder of the data folder, and files.
fn held(site: &Site, folder: &str) -> (u64, usize) {
    let entries = std::fs::read_dir(site.folder.path().join("data").join(folder)).unwrap();
    let sizes: Vec<u64> = entries.map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    (sizes.iter().sum(), sizes.len())
}

#[test]
fn bad_components_by_the_hundred_get_a_code_each_and_leave_nothing() {
    let site = Site::probe("", "attempts = 1");
    let host = site.start("serve");
    let known = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors")).unwrap();
    let known: Vec<String> = known.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    let guests =
        ["probe", "counter", "transform-probe", "impure-transform"].map(|name| std::fs::read(guest(name)).unwrap());
    let mut random = Random(6);
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let (mut before, mut resident_kib) = ((0, 0), 0);
    for n in 0..ALL {
        if n == FIRST {
            resident_kib = host.resident_kib();
        }
        if n == 0 {
            before = held(&site, "components");
        }
        let (wasm, other) = (&guests[random.below(guests.len())], &guests[random.below(guests.len())]);
        let bad = damaged(&mut random, wasm, other);
        let code = judged(&host, &sha256(&bad), &bad);
        assert!(code == "ready" || code == "needs-grant" || known.contains(&format!("{code}.md")), "{n}: {code}");
        assert!(code != "internal", "{n}: a fault of the host");
        *codes.entry(code).or_default() += 1;
    }
    let unfit: usize = codes.iter().filter(|(code, _)| code.starts_with("component-")).map(|(_, count)| count).sum();
    assert!(unfit > ALL * 3 / 4 && codes.len() >= 6, "they are bad in many ways: {codes:?}");
    let grown_kib = host.resident_kib().saturating_sub(resident_kib);
    assert!(grown_kib <= GROWTH_KIB_MAX, "the host's memory grew by {grown_kib} KiB: {codes:?}");
    // Those that were fit all the same go with their plugin.
    let (_, plugin) = host.get("/v1/tenants/acme/plugins/bad");
    if plugin["plugin"] == json!("bad") {
        assert_eq!(host.delete("/v1/tenants/acme/plugins/bad"), 204);
    }
    assert_eq!(held(&site, "components"), before, "no file stays");
    let fit = ALL - unfit;
    let (_, artifacts) = held(&site, "cache");
    // The secret, the probe's, and those of what was fit.
    assert!(artifacts <= 2 + fit, "{artifacts} files in the cache, and {fit} were fit");
    host.send("after", "probe.increment");
    host.settled("acme");
    assert_eq!(host.value("probe", "shared").as_deref(), Some("1"));
    assert_eq!(host.get("/readyz").0, 200);
    assert_eq!(host.stop(), Some(0));
}
