//! Judges what attempts are charged with: what each run said that it used, once, and what that comes to by tenant, hour and plugin.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{Attempt, Outcome, Record, Table, UsageRow, Used, keys};
use wharf_dispatch::Item;
use wharf_event::{Code, Event};

use super::{Wrong, log::Log};
use crate::{
    client::World,
    life::Dump,
    observed::{Ran, Run, Seen},
    rules, sieve,
};

/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;

/// How many, and what they used.
type Sum = (u64, [u64; 5]);

/// What was charged.
#[derive(Default)]
pub(super) struct Charged {
    /// By tenant, hour and plugin.
    sums: BTreeMap<(String, u32, String), Sum>,
    /// Requests, by life and tenant.
    requests: BTreeMap<(usize, String), Sum>,
}

/// What a settle may be charged with, worked out from the runs of its attempt.
struct Due<'a> {
    attempt: &'a Attempt,
    outcome: &'a Outcome,
    /// The runs of that attempt in its life.
    runs: &'a [&'a Run],
    /// Since when the delivery is owed, the time of the settle's frame, and until when a run that it tells of may have begun:
    /// requests join a frame while the one before is being synced.
    times_ms: (u64, u64, u64),
    /// The delivery was redriven, so that there may be runs of other attempts of that number.
    redriven: bool,
    /// The event as the transform of its rule met it, and whether it did: sometime, and sometime not.
    sieved: (&'a Event, bool, bool),
}

/// Judges what a settle is charged with, of whose attempt these are the runs in its life, and adds it to the sums.
pub(super) fn take(
    log: &mut Log<'_>,
    item: &Item,
    (runs, since_ms, joined_ms_max): (&[&Run], u64, u64),
    world: &World,
    wrong: &mut Wrong,
) {
    let Record::Settle { tenant, delivery: id, target, attempt, outcome, .. } = &item.record else { return };
    let (sieves, passes) = log.sieving(tenant.as_str(), target.rule.as_str());
    let due = log.deliveries.get(id).map(|delivery| Due {
        attempt,
        outcome,
        runs,
        times_ms: (since_ms, item.time_ms, joined_ms_max),
        redriven: log.redriven.contains(id),
        sieved: (delivery.event, sieves, passes),
    });
    wrong.unless(due.is_none_or(|due| due.is_right(world.seed)), || {
        let (at, used) = (item.position, attempt.used());
        let of = runs.iter().map(|run| format!("{:?} from {} on: {:?}", run.ran, run.frame_ms, run.used));
        let of: Vec<_> = of.collect();
        format!("the settle of {id} at {at} is charged with {used:?}, and its runs since {since_ms} are {of:?}")
    });
    log.charged.add((tenant.as_str(), target.to.name()), item.time_ms, attempt);
}

/// Turns that an attempt has at most before it comes to something.
const TURNS_MAX: u32 = 3;

fn numbers(used: &Used) -> [u64; 5] {
    [used.cpu_ns, used.memory_kib_us, used.bytes_in, used.bytes_out, used.host_calls]
}

fn plus(one: [u64; 5], other: [u64; 5]) -> [u64; 5] {
    let mut sum = one;
    sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
    sum
}

fn add(sum: &mut Sum, (number, used): Sum) {
    *sum = (sum.0 + number, plus(sum.1, used));
}

impl Due<'_> {
    /// Whether it is charged with exactly the runs that came to an end, and with its transform.
    fn is_right(&self, seed: u64) -> bool {
        let told = self.attempt.used().map(numbers).unwrap_or_default();
        // What a run that panicked used is lost with it.
        let ended = |run: &&&Run| matches!(run.ran, Ran::Ended { .. } | Ran::Contended);
        let (since_ms, at_ms, joined_ms_max) = self.times_ms;
        let own = |run: &&&Run| (since_ms..=joined_ms_max).contains(&run.frame_ms);
        let surely = |run: &&&Run| !self.redriven || (run.frame_ms > since_ms && run.frame_ms < at_ms);
        let (sure, maybe): (Vec<&&Run>, Vec<_>) = self.runs.iter().filter(ended).filter(own).partition(surely);
        let base = sure.iter().fold([0; 5], |sum, run| plus(sum, numbers(&run.used)));
        let (event, sieves, passes) = self.sieved;
        let sieve = numbers(&sieve::used(seed, event));
        let gone = matches!(self.outcome, Outcome::DeadLetter { code: Code::TargetGone, .. });
        let mut possible = Vec::new();
        if sieves && !gone {
            // It is transformed in each turn of the attempt: of one that was held, or found no room, there are more than one.
            possible.extend((0..TURNS_MAX).scan(base, |sum, _| {
                *sum = plus(*sum, sieve);
                Some(*sum)
            }));
        }
        // One whose release is not run any more may not have come to its transform.
        let quarantined = match self.outcome {
            Outcome::Retry { code, .. } => *code == Code::ReleaseQuarantined,
            Outcome::DeadLetter { code, reason, .. } => {
                *code == Code::ReleaseQuarantined || reason.contains(Code::ReleaseQuarantined.as_str())
            }
            Outcome::Ack | Outcome::Filtered { .. } => false,
        };
        if passes || !sieves || gone || quarantined {
            possible.push(base);
        }
        for run in maybe {
            let with: Vec<_> = possible.iter().map(|sum| plus(*sum, numbers(&run.used))).collect();
            possible.extend(with);
        }
        possible.contains(&told)
    }
}

impl Charged {
    pub(super) fn add(&mut self, (tenant, plugin): (&str, &str), time_ms: u64, attempt: &Attempt) {
        let Some(used) = attempt.used() else { return };
        self.add_to((tenant, plugin), time_ms, (1, numbers(used)));
    }

    fn add_to(&mut self, (tenant, plugin): (&str, &str), time_ms: u64, more: Sum) {
        let hour = u32::try_from(time_ms / HOUR_MS).unwrap_or(u32::MAX);
        add(self.sums.entry((tenant.to_owned(), hour, plugin.to_owned())).or_default(), more);
    }

    /// Adds requests that were charged.
    pub(super) fn add_requests(&mut self, (life, tenant): (usize, &str), time_ms: u64, calls: u64, used: &Used) {
        let more = (calls, numbers(used));
        self.add_to((tenant, rules::WEB), time_ms, more);
        add(self.requests.entry((life, tenant.to_owned())).or_default(), more);
    }

    /// What requests used is charged to their tenants, all of it where the host stopped by itself, and never more.
    pub(super) fn check_requests(&self, seen: &Seen, wrong: &mut Wrong) {
        let mut used: BTreeMap<(usize, String), Sum> = BTreeMap::new();
        for (life, tenant, more) in &seen.served {
            add(used.entry((*life, tenant.clone())).or_default(), (1, numbers(more)));
        }
        for of in used.keys().chain(self.requests.keys()) {
            let sum = |sums: &BTreeMap<(usize, String), Sum>| sums.get(of).copied().unwrap_or_default();
            let (used, charged) = (sum(&used), sum(&self.requests));
            let is_clean = seen.lives.get(of.0 - 1).is_some_and(|life| life.clean);
            let is_part = charged.0 <= used.0 && charged.1.iter().zip(used.1).all(|(charged, used)| *charged <= used);
            wrong.unless(if is_clean { charged == used } else { is_part }, || {
                format!("requests of life {} of {} used {used:?}, and {charged:?} is charged", of.0, of.1)
            });
        }
    }

    /// A sum goes with its tenant. False when there was none.
    pub(super) fn erase(&mut self, tenant: &str, key: &[u8]) -> bool {
        let Some((hour, plugin)) = keys::usage_parts(key) else { return false };
        self.sums.remove(&(tenant.to_owned(), hour, plugin.to_string())).is_some()
    }

    /// Whether there is any of a tenant.
    pub(super) fn has(&self, tenant: &str) -> bool {
        self.sums.keys().any(|(of, ..)| of == tenant)
    }

    /// The sums of the state are these.
    pub(super) fn check(&self, dump: &Dump, wrong: &mut Wrong) {
        let mut found = BTreeMap::new();
        for (key, row) in dump.get(&Table::Usage).into_iter().flatten() {
            let row = UsageRow::from_bytes(&Bytes::copy_from_slice(row));
            if let (Some(tenant), Some((hour, plugin)), Ok(row)) = (keys::first(key), keys::usage_parts(key), row) {
                let of = (tenant.to_string(), hour, plugin.to_string());
                found.insert(of, (row.attempts, numbers(&row.used)));
            }
        }
        wrong.unless(found == self.sums, || format!("usage is {found:?} and should be {:?}", self.sums));
    }
}
