//! Bad components by the thousand.
//!
//! Goal: whatever somebody uploads is described or refused with a code; nothing panics, and both faces of the inspector say the same.
//! Method: real components are damaged in every way that keeps most of them as it is, so that the damage lies behind the first look: bits,
//! cuts, sections taken out, put in twice, exchanged, taken from others, counts and names changed, components in components. The seed is fixed.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use wharf_event::Code;

use crate::{
    binary::{component, section, sections},
    guests::guest,
    sound::refused,
};

/// Mutants of each guest.
const EACH: usize = 600;

const GUESTS: [&str; 6] = ["probe", "hostile", "counter", "hoarder", "transform-probe", "impure-transform"];

/// A way to damage a component; parts may be taken from another one.
type Way = fn(&mut SmallRng, &[u8], &[u8]) -> Vec<u8>;

const WAYS: [Way; 9] = [flip, cut_end, cut_out, drop_section, twice, exchange, transplant, rename, nest];

fn flip(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    let mut bytes = wasm.to_vec();
    // The types and names are at both ends; the code between them takes most of the bytes.
    let near = if random.random_bool(0.5) { bytes.len().min(8 << 10) } else { bytes.len() };
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..near);
        let at = if random.random_bool(0.5) { at } else { bytes.len() - 1 - at };
        bytes[at] ^= 1 << random.random_range(0..8);
    }
    bytes
}

fn cut_end(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    wasm[..random.random_range(0..wasm.len())].to_vec()
}

fn cut_out(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    let from = random.random_range(0..wasm.len());
    let to = (from + random.random_range(1..64)).min(wasm.len());
    [&wasm[..from], &wasm[to..]].concat()
}

/// Any section's place.
fn any(random: &mut SmallRng, wasm: &[u8]) -> (u8, usize, usize) {
    let all = sections(wasm);
    all[random.random_range(0..all.len())]
}

fn drop_section(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    let (_, from, to) = any(random, wasm);
    [&wasm[..from], &wasm[to..]].concat()
}

fn twice(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    let (_, from, to) = any(random, wasm);
    // Now and then more often than there may be of anything.
    let times = if random.random_bool(0.1) { 300 } else { 2 };
    let times = if to - from > 1 << 10 { 2 } else { times };
    [&wasm[..from], &wasm[from..to].repeat(times), &wasm[to..]].concat()
}

fn exchange(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    let ((_, a, b), (_, c, d)) = (any(random, wasm), any(random, wasm));
    if b > c {
        return wasm[..a].to_vec();
    }
    [&wasm[..a], &wasm[c..d], &wasm[b..c], &wasm[a..b], &wasm[d..]].concat()
}

fn transplant(random: &mut SmallRng, wasm: &[u8], other: &[u8]) -> Vec<u8> {
    let ((kind, from, to), theirs) = (any(random, wasm), sections(other));
    let same: Vec<_> = theirs.iter().filter(|(other, ..)| *other == kind).collect();
    if same.is_empty() {
        return [&wasm[..from], &other[8..]].concat();
    }
    let (_, start, end) = *same[random.random_range(0..same.len())];
    [&wasm[..from], &other[start..end], &wasm[to..]].concat()
}

/// Changes each appearance of a name in one way, so that what refers to it still does.
fn rename(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    const NAMES: [(&[u8], &[u8]); 8] = [
        (b"wharf:plugin/handler@0.1.0", b"wharf:plugin/handler@0.9.0"),
        (b"wharf:plugin/handler@0.1.0", b"wharf:plugin/HANDLER@0.1.0"),
        (b"wasi:io/", b"wasi:oi/"),
        (b"@0.2.", b"@0.3."),
        (b"@0.2.", b"@0.2\0"),
        (b"wasi:", b"wasi\xff"),
        (b"store@", b"stove@"),
        (b"types@0.1.0", b"types@0.1.x"),
    ];
    let (name, by) = NAMES[random.random_range(0..NAMES.len())];
    let mut bytes = wasm.to_vec();
    let mut at = 0;
    while at + name.len() <= bytes.len() {
        if bytes[at..].starts_with(name) {
            bytes[at..at + by.len()].copy_from_slice(by);
        }
        at += 1;
    }
    bytes
}

fn nest(random: &mut SmallRng, wasm: &[u8], _: &[u8]) -> Vec<u8> {
    let levels = random.random_range(1..12);
    (0..levels).fold(wasm.to_vec(), |inner, _| component(&[section(4, &inner)]))
}

#[test]
fn a_damaged_component_is_described_or_refused_with_a_code() {
    let mut random = SmallRng::seed_from_u64(6);
    let guests = GUESTS.map(guest);
    let mut codes: BTreeMap<Option<Code>, usize> = BTreeMap::new();
    for wasm in &guests {
        for _ in 0..EACH {
            let other = &guests[random.random_range(0..guests.len())];
            let mut bad = WAYS[random.random_range(0..WAYS.len())](&mut random, wasm, other);
            if random.random_bool(0.2) && bad.len() > 16 {
                bad = flip(&mut random, &bad, other);
            }
            *codes.entry(refused(&bad).map(|error| error.code())).or_default() += 1;
        }
    }
    // The damage has to reach all that is looked at, else this tests little.
    let reached = [
        None,
        Some(Code::ComponentNotWasm),
        Some(Code::ComponentInvalid),
        Some(Code::ComponentBounds),
        Some(Code::ComponentWasi),
        Some(Code::ComponentWorld),
        Some(Code::ComponentImport),
        Some(Code::ComponentImpure),
    ];
    for code in reached {
        assert!(codes.contains_key(&code), "{code:?}: {codes:?}");
    }
    assert_eq!(codes.values().sum::<usize>(), GUESTS.len() * EACH);
}
