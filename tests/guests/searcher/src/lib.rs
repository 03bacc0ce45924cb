//! Sends what it is told to, and then searches all of its own memory for bytes, so that a test can say that a secret is not there; or that it is, where the
//! plugin holds it.
//!
//! Invariant: what is sought is given masked and stays so: each byte of the memory is masked before it is compared. So the search finds nothing that came
//! by the event itself.
#![allow(unsafe_code, reason = "no safe code reads memory that is nobody's")]

use serde::{Deserialize, Serialize};
use wharf::{Context, Draft, Event, Failure, Outcome};

/// What each byte is masked with.
const MASK: u8 = 0x5a;

/// What to do, and what to look for then.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// Requests: a URL, and fields that the guest itself puts there.
    #[serde(default)]
    calls: Vec<(String, Vec<(String, String)>)>,
    /// A secret that is to be held.
    hold: Option<String>,
    /// What is sought, masked.
    sought: Vec<u8>,
}

/// What there was.
#[derive(Serialize)]
struct Told {
    answers: Vec<String>,
    /// Bytes that were looked at.
    bytes: usize,
    /// How often it was there.
    found: usize,
}

#[wharf::handler]
fn searcher(event: Event<Wish>, cx: &Context) -> Outcome {
    let Wish { calls, hold, sought } = event.data;
    let mut answers = Vec::new();
    for (url, fields) in calls {
        let request = fields.into_iter().fold(cx.http().get(url), |request, (name, value)| request.header(name, value));
        answers.push(request.send().map_err(Failure::reject)?.text());
    }
    let held = hold.map(|name| cx.secret(&name)).transpose().map_err(Failure::reject)?;
    let (bytes, found) = search(&sought);
    // What is held is held until here.
    drop(std::hint::black_box(held));
    cx.publish(Draft::new("searched").json(&Told { answers, bytes, found })?)?;
    Ok(())
}

/// How many bytes there are, and how often those are among them that are these when they are masked.
fn search(sought: &[u8]) -> (usize, usize) {
    // A native build is only looked at by clippy.
    #[cfg(target_arch = "wasm32")]
    let bytes = core::arch::wasm32::memory_size::<0>() * 65_536;
    #[cfg(not(target_arch = "wasm32"))]
    let bytes = 0_usize;
    // The first byte is where a pointer would be null: it is left out.
    let ends = 1..bytes.saturating_sub(sought.len());
    let is_there = |start: &usize| sought.iter().enumerate().all(|(at, byte)| masked(start + at) == *byte);
    (bytes, ends.filter(is_there).count())
}

fn masked(address: usize) -> u8 {
    // SAFETY: the address is within the memory, all of which may be read in WebAssembly, and nothing is written meanwhile.
    unsafe { core::ptr::read_volatile(core::ptr::with_exposed_provenance::<u8>(address)) ^ MASK }
}
