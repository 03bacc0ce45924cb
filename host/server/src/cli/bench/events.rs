//! The events of a bench: numbered from 0 on, each with a payload of so many bytes and one of so many keys for its subject.
//!
//! Invariant: the same number gives the same event, whoever asks, and what of it can be made ahead is, so that sending is all that is
//! left to do.

use std::fmt::Write as _;

use bytes::Bytes;

/// Payloads that events take in turns.
const PAYLOADS: usize = 64;

/// What a payload has around the letters that fill it.
const AROUND: [&str; 2] = [r#"{"note":""#, r#""}"#];

/// Bytes of a payload at least.
pub const PAYLOAD_BYTES_MIN: u32 = 16;

/// All events that there may be.
#[derive(Debug)]
pub struct Events {
    payloads: Vec<String>,
    keys: u64,
    batch: u64,
    lanes: u64,
    is_keyed: bool,
}

impl Events {
    /// Events with payloads of `bytes`, in batches of `batch`, with `keys` different subjects. If they are keyed, the subject is the
    /// partition key too.
    pub fn new(bytes: u32, batch: u32, keys: u32, is_keyed: bool) -> Self {
        let mut random = 1;
        let payloads = (0..PAYLOADS).map(|_| payload(bytes as usize, &mut random)).collect();
        Self { payloads, keys: u64::from(keys.max(1)), batch: u64::from(batch.max(1)), lanes: 1, is_keyed }
    }

    /// The same in so many lanes: if there is more than one, each event has the attribute `lane`.
    pub fn in_lanes(self, lanes: u32) -> Self {
        Self { lanes: u64::from(lanes.max(1)), ..self }
    }

    /// How many events one batch has.
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// The media type of a body.
    pub fn media_type(&self) -> &'static str {
        if self.batch == 1 { "application/cloudevents+json" } else { "application/cloudevents-batch+json" }
    }

    /// The batch of that number, as it is sent; an event alone where a batch has only one.
    pub fn body(&self, number: u64) -> Bytes {
        let first = number * self.batch;
        let each = self.payloads.first().map_or(0, String::len) + 200;
        let mut text = String::with_capacity(each * usize::try_from(self.batch).unwrap_or(1));
        for event in first..first + self.batch {
            if self.batch > 1 {
                text.push(if event == first { '[' } else { ',' });
            }
            self.write(event, &mut text);
        }
        if self.batch > 1 {
            text.push(']');
        }
        text.into()
    }

    fn write(&self, event: u64, text: &mut String) {
        let key = self.key(event);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"{{"specversion":"1.0","id":"{event}","source":"bench","type":"bench.event","subject":"k-{key}""#
        );
        if self.is_keyed {
            let _ = write!(text, r#","partitionkey":"k-{key}""#);
        }
        if self.lanes > 1 {
            let _ = write!(text, r#","lane":"{}""#, lane(key % self.lanes));
        }
        text.push_str(r#","datacontenttype":"application/json","data":"#);
        let turn = usize::try_from(event).unwrap_or(0) % PAYLOADS;
        text.push_str(self.payloads.get(turn).map_or("null", String::as_str));
        text.push('}');
    }

    /// The number of an event's key.
    pub fn key(&self, event: u64) -> u64 {
        mixed(event) % self.keys
    }
}

/// What a lane is called.
pub fn lane(number: u64) -> String {
    format!("l-{number}")
}

fn payload(bytes: usize, random: &mut u64) -> String {
    let [before, behind] = AROUND;
    let mut text = String::with_capacity(bytes);
    text.push_str(before);
    while text.len() + behind.len() < bytes {
        *random = random.wrapping_add(1);
        text.push(char::from(b'a' + u8::try_from(mixed(*random) % 26).unwrap_or(0)));
    }
    text + behind
}

/// A number without pattern (splitmix64), so that no run depends on luck.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_event_has_its_number_and_a_payload_of_the_size() {
        let events = Events::new(1_024, 100, 50, true);
        let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for number in 0..5 {
            for event in serde_json::from_slice::<Vec<Value>>(&events.body(number)).unwrap() {
                assert_eq!(event["data"].to_string().len(), 1_024);
                assert_eq!(event["subject"], event["partitionkey"]);
                ids.insert(event["id"].as_str().unwrap().parse::<u64>().unwrap());
                keys.insert(event["subject"].to_string());
            }
        }
        assert_eq!((ids, keys.len()), ((0..500).collect(), 50));
    }

    #[test]
    fn lanes_have_their_part_of_the_events_each() {
        let events = Events::new(PAYLOAD_BYTES_MIN, 100, 10_000, false).in_lanes(4);
        let mut of_lanes = [0; 4];
        for event in serde_json::from_slice::<Vec<Value>>(&events.body(0)).unwrap() {
            let at = (0..4).position(|number| event["lane"] == lane(number)).unwrap();
            of_lanes[at] += 1;
        }
        assert!(of_lanes.iter().sum::<usize>() == 100 && of_lanes.iter().all(|of| *of > 10), "{of_lanes:?}");
    }

    #[test]
    fn a_batch_of_one_is_an_event_alone() {
        let events = Events::new(PAYLOAD_BYTES_MIN, 1, 1, false);
        let event: Value = serde_json::from_slice(&events.body(7)).unwrap();
        assert_eq!((event["id"].as_str(), event["subject"].as_str()), (Some("7"), Some("k-0")));
        assert!(event.get("partitionkey").is_none() && event["data"].to_string().len() == 16);
        assert_eq!(events.media_type(), "application/cloudevents+json");
    }
}
