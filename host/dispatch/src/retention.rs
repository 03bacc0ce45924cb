//! Which full segments are past retention. Pure: facts, rules and time in, a number out.

use wharf_delivery::{Document, RetentionDocument, SegmentFacts};
use wharf_event::{BusName, TenantName};

/// How many of the oldest segments are past retention at `now_ms`.
///
/// A segment is when each bus that has events in it lets go of them: they are too old, or as many bytes as it keeps came after
/// them. It never is within the deduplication window, since that is read from the log at every start. One that mostly holds
/// what was carried there stays as long as the slowest bus keeps anything: else what is needed for long would be carried
/// round and round.
pub(crate) fn past(facts: &[SegmentFacts], document: &Document, now_ms: u64, dedup_window_ms: u64) -> usize {
    let aged = |segment: &SegmentFacts, age_ms: u64| segment.last_ms.saturating_add(age_ms) < now_ms;
    let longest_ms = longest_ms(document);
    let is_past = |at: usize, segment: &SegmentFacts| {
        let lets_go = |((tenant, bus), _): (&(TenantName, BusName), &u64)| {
            let Some(kept) = kept(document, tenant, bus) else { return true };
            let after = facts.iter().skip(at + 1).filter_map(|later| later.by_bus.get(&(tenant.clone(), bus.clone())));
            aged(segment, kept.age_ms) || after.sum::<u64>() >= kept.size_bytes
        };
        let carried = segment.carried_bytes > segment.bytes / 2;
        aged(segment, dedup_window_ms) && (!carried || aged(segment, longest_ms)) && segment.by_bus.iter().all(lets_go)
    };
    facts.iter().enumerate().take_while(|(at, segment)| is_past(*at, segment)).count()
}

/// What a bus keeps; absent when there is no such bus any more, so that nobody can ask for its events.
fn kept(document: &Document, tenant: &TenantName, bus: &BusName) -> Option<RetentionDocument> {
    let tenant = document.tenants.get(tenant)?;
    tenant.buses.get(bus)?;
    Some(tenant.retention.get(bus).copied().unwrap_or_default())
}

fn longest_ms(document: &Document) -> u64 {
    let buses = document.tenants.iter().flat_map(|(name, tenant)| tenant.buses.iter().map(move |bus| (name, bus)));
    let ages = buses.filter_map(|(tenant, bus)| kept(document, tenant, bus)).map(|kept| kept.age_ms);
    ages.max().unwrap_or_else(|| RetentionDocument::default().age_ms)
}

#[cfg(test)]
mod tests {
    use wharf_delivery::TenantDocument;

    use super::*;

    const WINDOW_MS: u64 = 10;

    fn document(buses: &[(&str, u64, u64)]) -> Document {
        let mut tenant = TenantDocument::default();
        for (bus, age_ms, size_bytes) in buses {
            let bus: BusName = bus.parse().unwrap();
            tenant.buses.insert(bus.clone());
            tenant.retention.insert(bus, RetentionDocument { age_ms: *age_ms, size_bytes: *size_bytes });
        }
        let mut document = Document::default();
        document.tenants.insert("acme".parse().unwrap(), tenant);
        document
    }

    /// A segment whose last record came at `last_ms`, with so many bytes of each bus.
    fn segment(last_ms: u64, buses: &[(&str, u64)]) -> SegmentFacts {
        let of = |(bus, bytes): &(&str, u64)| (("acme".parse().unwrap(), bus.parse().unwrap()), *bytes);
        let bytes = buses.iter().map(|(_, bytes)| bytes).sum();
        SegmentFacts { last_ms, bytes, by_bus: buses.iter().map(of).collect(), ..SegmentFacts::default() }
    }

    #[test]
    fn a_segment_goes_when_every_bus_in_it_lets_go() {
        let document = document(&[("fast", 100, 1_000), ("slow", 1_000, 50)]);
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
            assert_eq!(past(&facts, &document, now_ms, WINDOW_MS), expected, "at {now_ms}: {why}");
        }
    }

    #[test]
    fn nothing_goes_within_the_deduplication_window_and_all_of_a_bus_that_is_gone() {
        let facts = [segment(100, &[("gone", 10)])];
        assert_eq!(past(&facts, &document(&[]), 110, WINDOW_MS), 0);
        assert_eq!(past(&facts, &document(&[]), 111, WINDOW_MS), 1);
    }

    #[test]
    fn what_was_carried_is_not_carried_round_and_round() {
        let document = document(&[("bus", 1_000, 10)]);
        let carried = SegmentFacts { bytes: 100, carried_bytes: 60, ..segment(0, &[]) };
        let facts = [carried, segment(500, &[("bus", 100)])];
        assert_eq!(past(&facts, &document, 1_000, WINDOW_MS), 0);
        assert_eq!(past(&facts, &document, 1_001, WINDOW_MS), 1);
    }

    #[test]
    fn the_oldest_go_first_and_none_is_passed_over() {
        let document = document(&[("long", 1_000, 1_000), ("short", 10, 1_000)]);
        let facts = [segment(0, &[("long", 1)]), segment(1, &[("short", 1)])];
        assert_eq!(past(&facts, &document, 500, WINDOW_MS), 0);
    }
}
