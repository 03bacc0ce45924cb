//! Does what the event's type says, good or bad, so that a test can watch the host take it.
//!
//! It is no example: plugins/ has those.

use std::hint::black_box;

use wharf::{Context, Draft, Event, Failure, Outcome};

#[wharf::handler]
fn probe(event: Event<Vec<u8>>, cx: &Context) -> Outcome {
    match event.kind.as_str() {
        // Reads and writes one key: two of these at a time conflict.
        "probe.increment" => {
            cx.kv().increment("shared", 1)?;
            cx.kv().add("added", 1)?;
        }
        // Only adds, to the key that the next one reads.
        "probe.add-hot" => cx.kv().add("hot", 1)?,
        "probe.read-hot" => {
            let seen = cx.kv().get("hot")?.unwrap_or_default();
            spin(20_000);
            cx.kv().set(&format!("saw/{}", event.id), &seen)?;
        }
        // Read, think, write by hand, over two keys and a listing.
        "probe.read-modify-write" => {
            let before: u64 = cx.kv().get_json("pair")?.unwrap_or(0);
            spin(20_000);
            cx.kv().set_json("pair", &(before + 1))?;
            cx.kv().set(&format!("seen/{}", event.id), b"1")?;
            let seen = cx.kv().list_keys()?.iter().filter(|key| key.starts_with("seen/")).count() as u64;
            if seen != before + 1 {
                return Err(Failure::reject(format!("{seen} keys seen, and the count says {}", before + 1)));
            }
        }
        // Publishes itself again, for ever.
        "probe.chain" => {
            cx.publish(Draft::new("probe.chain"))?;
        }
        // Publishes two events and writes, then fails: nothing of it may stay.
        "probe.half" => {
            cx.publish(Draft::new("probe.ghost"))?;
            cx.kv().set("ghost", b"boo")?;
            cx.kv().add("ghosts", 1)?;
            return Err(Failure::reject("half done"));
        }
        "probe.tell" => tell(&event, cx)?,
        "probe.loop" => loop {
            spin(1_000);
        },
        #[allow(clippy::panic, reason = "that is the test")]
        "probe.panic" => panic!("the probe panics as asked"),
        "probe.reject" => return Err(Failure::reject("the probe rejects as asked")),
        "probe.ungranted" => {
            cx.publish(Draft::new("elsewhere.event"))?;
        }
        "probe.other-bucket" => {
            cx.bucket("not-mine").set("k", b"v")?;
        }
        _ => {}
    }
    Ok(())
}

/// Writes down what it got, and publishes.
fn tell(event: &Event<Vec<u8>>, cx: &Context) -> Outcome {
    let data = String::from_utf8_lossy(&event.data);
    let attributes = [&event.id, &event.source, event.subject.as_deref().unwrap_or_default()].join(" ");
    let rounds = event.extension("rounds").unwrap_or_default();
    cx.kv().set("told", format!("{attributes} {rounds} {data}").as_bytes())?;
    cx.publish(Draft::new("probe.told"))?;
    Ok(())
}

/// Work that the compiler cannot take away.
fn spin(rounds: u64) {
    for n in 0..rounds {
        black_box(n);
    }
}
