//! Four clients that send until the host is gone.
//!
//! Invariant: every event that was sent is afterwards known as acknowledged, refused or unanswered. A request counts as in
//! flight at the kill if it was begun before and got no answer.
//!
//! It does not kill anybody.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::host::Api;
use crate::host::api::Answer;
use crate::payloads::Payload;
use crate::poll;

/// Clients at the same time.
pub const CLIENTS: usize = 4;

/// Every how many events one is taken from those that make plugins publish or count commits, or that fail.
const LIVELY_EVERY: u64 = 3;

/// Before the next event to a host that was busy.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// An event that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// The line of its payload.
    pub line: u64,
}

/// What one client saw until the host was gone.
#[derive(Debug, Default)]
pub struct Seen {
    /// What was acknowledged, with its position.
    pub acknowledged: Vec<(Sent, String)>,
    /// The request that got no answer, and when it was begun.
    pub unanswered: Option<(Sent, Instant)>,
}

/// Where new events come from; every one has an id of its own.
pub struct Source<'a> {
    payloads: &'a [Payload],
    lively: Vec<&'a Payload>,
    next: AtomicU64,
}

impl<'a> Source<'a> {
    /// A source of events out of these payloads.
    pub fn new(payloads: &'a [Payload]) -> Self {
        let is_lively = |payload: &&Payload| {
            matches!(payload.kind.as_str(), "issues.opened" | "push") || payload.line.is_multiple_of(10)
        };
        Self { payloads, lively: payloads.iter().filter(is_lively).collect(), next: AtomicU64::new(0) }
    }

    fn next(&self) -> Option<(Sent, &'a Payload)> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let payload = if n.is_multiple_of(LIVELY_EVERY) {
            *pick(&self.lively, n / LIVELY_EVERY)?
        } else {
            pick(self.payloads, n)?
        };
        Some((Sent { id: format!("gh-{}-{n}", payload.line), line: payload.line }, payload))
    }
}

fn pick<T>(list: &[T], n: u64) -> Option<&T> {
    list.get(usize::try_from(n).ok()?.checked_rem(list.len())?)
}

/// One client: sends until a request gets no answer.
pub fn client(url: &str, source: &Source<'_>) -> Result<Seen> {
    let api = Api::new(url);
    let mut seen = Seen::default();
    while let Some((sent, payload)) = source.next() {
        let event = payload.event(&sent.id)?;
        let begun = Instant::now();
        match api.post(&event) {
            Ok(Answer::Accepted(admission)) if admission.duplicate => {
                bail!("the new event {} was taken for a duplicate", sent.id)
            }
            Ok(Answer::Accepted(admission)) => seen.acknowledged.push((sent, admission.position)),
            Ok(Answer::Busy) => poll::pause(BUSY_PAUSE),
            Ok(Answer::Refused(why)) => bail!("{} was refused: {why}", sent.id),
            Err(_) => {
                seen.unanswered = Some((sent, begun));
                break;
            }
        }
    }
    Ok(seen)
}

/// A moment within these bounds.
pub fn random_moment(from: Duration, to: Duration) -> Duration {
    // A new hasher is keyed at random, which is all the randomness that is needed here.
    let random = RandomState::new().build_hasher().finish();
    let span_us = u64::try_from(to.saturating_sub(from).as_micros()).unwrap_or(u64::MAX).max(1);
    from + Duration::from_micros(random % span_us)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_source_gives_each_event_an_id_of_its_own_and_enough_of_what_publishes() {
        let payloads = crate::payloads::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        let source = Source::new(&payloads);
        let sent: Vec<_> = (0..300).map(|_| source.next().unwrap()).collect();
        assert_eq!(sent.iter().map(|(sent, _)| &sent.id).collect::<BTreeSet<_>>().len(), 300);
        assert!(sent.iter().filter(|(_, payload)| payload.kind == "issues.opened").count() >= 8);
    }

    #[test]
    fn a_random_moment_is_within_its_bounds() {
        let (from, to) = (Duration::from_millis(5), Duration::from_millis(6));
        for _ in 0..100 {
            let moment = random_moment(from, to);
            assert!(from <= moment && moment <= to, "{moment:?}");
        }
    }
}
