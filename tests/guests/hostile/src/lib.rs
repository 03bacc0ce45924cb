//! Breaks the limit that the event's type names, so that a test can watch the host end it.
//!
//! Invariant: each of these ends by a limit or a trap and never by itself, or it would show nothing. What needs tables, several
//! memories or a heap of garbage is in `hoarder.wat`, since Rust has no words for it.

use std::hint::black_box;

use wasip2::{cli::stdout::get_stdout, clocks::monotonic_clock::subscribe_duration};
use wharf::{Context, Draft, Event, Failure, Outcome};

/// Nanoseconds of an hour, which no deadline is as late as.
const HOUR_NS: u64 = 3_600_000_000_000;

#[wharf::handler]
fn hostile(event: Event<Vec<u8>>, cx: &Context) -> Outcome {
    match event.kind.as_str() {
        // What is served between all this.
        "hostile.count" => cx.kv().add("count", 1)?,
        "hostile.loop" => loop {
            spin(1_000);
        },
        // Little at a time, and a pause after each: no single stretch of work is long.
        "hostile.slow-loop" => loop {
            spin(10_000);
            subscribe_duration(100_000).block();
        },
        "hostile.sleep" => subscribe_duration(HOUR_NS).block(),
        "hostile.memory" => hoard(),
        "hostile.recurse" => drop(black_box(recurse(0))),
        "hostile.log" => loop {
            cx.info("and another line");
        },
        "hostile.stdout" => loop {
            let _ = get_stdout().blocking_write_and_flush(&[b'\n'; 4_096]);
        },
        "hostile.publish" => loop {
            cx.publish(Draft::new("hostile.published"))?;
        },
        "hostile.publish-bytes" => loop {
            cx.publish(Draft::new("hostile.published").data("text/plain", vec![b'1'; 1_000_000]))?;
        },
        "hostile.kv-writes" => {
            for n in 0_u64.. {
                cx.kv().set(&n.to_string(), b"x")?;
            }
        }
        "hostile.kv-bytes" => loop {
            cx.kv().set("large", vec![b'x'; 1_000_000])?;
        },
        "hostile.kv-reads" => {
            for n in 0_u64.. {
                drop(cx.kv().get(&n.to_string())?);
            }
        }
        "hostile.random" => loop {
            black_box(cx.random_bytes(1 << 10));
        },
        "hostile.random-at-once" => drop(black_box(cx.random_bytes(1 << 30))),
        "hostile.handles" => {
            let timers: Vec<_> = (0..10_000).map(|_| subscribe_duration(HOUR_NS)).collect();
            black_box(timers);
        }
        "hostile.argument" => cx.info("x".repeat(12 << 20)),
        "hostile.result" => return Err(Failure::reject("x".repeat(12 << 20))),
        // Small enough to pass, and far more than anybody reads.
        "hostile.long-reason" => return Err(Failure::reject("x".repeat(2 << 20))),
        "hostile.trap" => trap(),
        #[allow(clippy::panic, reason = "that is the test")]
        "hostile.panic" => panic!("it panics as asked"),
        _ => {}
    }
    Ok(())
}

/// Takes memory and writes to all of it.
fn hoard() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(black_box(vec![1; 1 << 20]));
    }
}

/// Work that the compiler cannot take away.
fn spin(rounds: u64) {
    for n in 0..rounds {
        black_box(n);
    }
}

fn recurse(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1) + black_box(1) }
}

/// An `unreachable`, without a word before.
fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}
