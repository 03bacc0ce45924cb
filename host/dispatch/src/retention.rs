//! Which full segments are past retention. Pure: facts, rules and time in, a number out.

use std::collections::HashMap;

use wharf_delivery::{RetentionDocument, SegmentFacts};
use wharf_event::{BusName, TenantName};

/// What each bus keeps. Of one that is not named nobody can ask for its events any more.
pub(crate) type Kept = HashMap<(TenantName, BusName), RetentionDocument>;

/// How many of the oldest segments are past retention at `now_ms`.
///
/// A segment is when each bus that has events in it lets go of them: they are too old, or as many bytes as it keeps came after
/// them. It never is within the deduplication window, since that is read from the log at every start. One that mostly holds
/// what was carried there stays as long as the slowest bus keeps anything: else what is needed for long would be carried
/// round and round.
pub(crate) fn past(facts: &[SegmentFacts], kept: &Kept, now_ms: u64, dedup_window_ms: u64) -> usize {
    let aged = |segment: &SegmentFacts, age_ms: u64| segment.last_ms.saturating_add(age_ms) < now_ms;
    let longest_ms = kept.values().map(|kept| kept.age_ms).max();
    let longest_ms = longest_ms.unwrap_or_else(|| RetentionDocument::default().age_ms);
    let is_past = |at: usize, segment: &SegmentFacts| {
        let lets_go = |(bus, _): (&(TenantName, BusName), &u64)| {
            let Some(kept) = kept.get(bus) else { return true };
            let after = facts.iter().skip(at + 1).filter_map(|later| later.by_bus.get(bus));
            aged(segment, kept.age_ms) || after.sum::<u64>() >= kept.size_bytes
        };
        let carried = segment.carried_bytes > segment.bytes / 2;
        aged(segment, dedup_window_ms) && (!carried || aged(segment, longest_ms)) && segment.by_bus.iter().all(lets_go)
    };
    facts.iter().enumerate().take_while(|(at, segment)| is_past(*at, segment)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_MS: u64 = 10;

    fn kept(buses: &[(&str, u64, u64)]) -> Kept {
        let of = |(bus, age_ms, size_bytes): &(&str, u64, u64)| {
            let retention = RetentionDocument { age_ms: *age_ms, size_bytes: *size_bytes };
            (("acme".parse().unwrap(), bus.parse().unwrap()), retention)
        };
        buses.iter().map(of).collect()
    }

    /// A segment whose last record came at `last_ms`, with so many bytes of each bus.
    fn segment(last_ms: u64, buses: &[(&str, u64)]) -> SegmentFacts {
        let of = |(bus, bytes): &(&str, u64)| (("acme".parse().unwrap(), bus.parse().unwrap()), *bytes);
        let bytes = buses.iter().map(|(_, bytes)| bytes).sum();
        SegmentFacts { last_ms, bytes, by_bus: buses.iter().map(of).collect(), ..SegmentFacts::default() }
    }

    #[test]
    fn a_segment_goes_when_every_bus_in_it_lets_go() {
        let kept = kept(&[("fast", 100, 1_000), ("slow", 1_000, 50)]);
        let facts = [
            segment(0, &[("fast", 10)]),
            segment(50, &[("fast", 10), ("slow", 10)]),
            segment(60, &[("slow", 30)]),
            segment(70, &[("slow", 30)]),
        ];
        let cases = [
            (99, 0, "nothing is old enough"),
            (101, 1, "the first is too old for its bus"),
            (151, 2, "of the second one bus is too old, of the other enough came after it"),
            (1_060, 2, "of the third too little came after it, and it is just young enough"),
            (1_061, 3, "until it is too old"),
        ];
        for (now_ms, expected, why) in cases {
            assert_eq!(past(&facts, &kept, now_ms, WINDOW_MS), expected, "at {now_ms}: {why}");
        }
    }

    #[test]
    fn nothing_goes_within_the_deduplication_window_and_all_of_a_bus_that_is_gone() {
        let facts = [segment(100, &[("gone", 10)])];
        assert_eq!(past(&facts, &kept(&[]), 110, WINDOW_MS), 0);
        assert_eq!(past(&facts, &kept(&[]), 111, WINDOW_MS), 1);
    }

    #[test]
    fn what_was_carried_is_not_carried_round_and_round() {
        let kept = kept(&[("bus", 1_000, 10)]);
        let carried = SegmentFacts { bytes: 100, carried_bytes: 60, ..segment(0, &[]) };
        let facts = [carried, segment(500, &[("bus", 100)])];
        assert_eq!(past(&facts, &kept, 1_000, WINDOW_MS), 0);
        assert_eq!(past(&facts, &kept, 1_001, WINDOW_MS), 1);
    }

    #[test]
    fn the_oldest_go_first_and_none_is_passed_over() {
        let kept = kept(&[("long", 1_000, 1_000), ("short", 10, 1_000)]);
        let facts = [segment(0, &[("long", 1)]), segment(1, &[("short", 1)])];
        assert_eq!(past(&facts, &kept, 500, WINDOW_MS), 0);
    }
}
