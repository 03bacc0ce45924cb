//! The events of a benchmark: orders of exactly 1 KiB, each naming one of 10,000 keys, uniformly.
//!
//! Invariant: the same numbers give the same bytes, in every run and on every machine, and everything that a client can do
//! ahead is done here, so that both sides are sent ready bytes.
//!
//! It does not send.

use std::fmt::Write as _;

/// Bytes of an event's payload.
pub const PAYLOAD_BYTES: usize = 1_024;

/// Keys that the events name.
pub const KEYS: u64 = 10_000;

/// Events of one batch.
pub const BATCH: usize = 100;

/// Clients that send at a time.
pub const PRODUCERS: usize = 4;

/// Everything that is sent in one run.
pub struct Load {
    payloads: Vec<String>,
}

impl Load {
    /// So many events, rounded up to whole batches.
    pub fn new(events: usize) -> Self {
        let mut random = Random(1);
        let payloads = (0..events.next_multiple_of(BATCH)).map(|n| payload(n, &mut random)).collect();
        Self { payloads }
    }

    /// How many events there are.
    pub fn events(&self) -> usize {
        self.payloads.len()
    }

    /// The payloads, so many each.
    pub fn batches_of(&self, events: usize) -> impl Iterator<Item = &[String]> {
        self.payloads.chunks(events.max(1))
    }

    /// The batches as CloudEvents.
    pub fn cloud_events(&self) -> Vec<Vec<u8>> {
        let mut id = 0;
        let event = |payload: &String| {
            id += 1;
            format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"bench","type":"order.placed","datacontenttype":"application/json","data":{payload}}}"#
            )
        };
        let mut events = self.payloads.iter().map(event).collect::<Vec<_>>().into_iter();
        let mut batches = Vec::new();
        while events.len() > 0 {
            let batch: Vec<String> = events.by_ref().take(BATCH).collect();
            batches.push(format!("[{}]", batch.join(",")).into_bytes());
        }
        batches
    }
}

/// An order, such as a shop would send it: strings, numbers, a list of lines, and a note that fills it up.
fn payload(n: usize, random: &mut Random) -> String {
    let key = random.below(KEYS);
    let mut text = format!(r#"{{"key":"customer-{key:04}","order":{n},"currency":"EUR","paid":true,"lines":["#);
    for line in 0..6 {
        let (article, count, cents) = (random.below(100_000), random.below(9) + 1, random.below(50_000));
        let comma = if line == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"{comma}{{"article":"a-{article:05}","count":{count},"price":{}.{:02}}}"#,
            cents / 100,
            cents % 100
        );
    }
    text.push_str(r#"],"address":{"name":"N. N.","street":"Kaistraße 1","city":"Hamburg"},"note":""#);
    let end = "\"}";
    while text.len() + end.len() < PAYLOAD_BYTES {
        text.push(char::from(b'a' + u8::try_from(random.below(26)).unwrap_or(0)));
    }
    text + end
}

/// A sequence of numbers without pattern (splitmix64), so that no run depends on luck.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_event_has_a_payload_of_one_kib_and_its_own_id() {
        let load = Load::new(2_001);
        let batches = load.cloud_events();
        assert_eq!((load.events(), batches.len()), (2_100, 21));
        let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for batch in &batches {
            for event in serde_json::from_slice::<Vec<Value>>(batch).unwrap() {
                ids.insert(event["id"].to_string());
                keys.insert(event["data"]["key"].to_string());
            }
        }
        assert_eq!(ids.len(), 2_100);
        assert!((1_500..2_100).contains(&keys.len()), "{} keys are not uniform", keys.len());
        assert!(load.batches_of(BATCH).flatten().all(|payload| payload.len() == PAYLOAD_BYTES));
    }
}
