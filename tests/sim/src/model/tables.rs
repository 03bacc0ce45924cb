//! Judges the state at the end, and holds one state against another.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wharf_delivery::{BucketRow, DeadLetterRow, StatsRow, Table, ValueRow, keys};

use super::{
    Wrong,
    log::{Log, Stats},
};
use crate::life::{Dump, Rows};

pub(super) fn check(dump: &Dump, log: &Log<'_>, wrong: &mut Wrong) {
    wrong.unless(log.unsettled() == 0, || format!("{} deliveries are owed by the log in the end", log.unsettled()));
    for table in [Table::Deliveries, Table::Timers] {
        let rows = rows(dump, table).len();
        wrong.unless(rows == 0, || format!("{rows} rows are left in {}", table.name()));
    }
    values(dump, log, wrong);
    sizes(dump, log, wrong);
    letters(dump, log, wrong);
    let mut figures = BTreeMap::new();
    for (key, row) in rows(dump, Table::Stats) {
        if let Ok(row) = StatsRow::from_bytes(&Bytes::copy_from_slice(row)) {
            let stats = Stats {
                events: row.events,
                published: row.published,
                deliveries: row.deliveries,
                attempts: row.attempts,
                retries: row.retries,
                dead_letters: row.dead_letters,
                redriven: row.redriven,
            };
            wrong.unless(row.pending == 0, || format!("{} are pending in the end", row.pending));
            figures.insert(parts(key).first().cloned().unwrap_or_default(), stats);
        }
    }
    wrong.unless(figures == log.stats, || format!("the figures are {figures:?} and should be {:?}", log.stats));
}

fn values(dump: &Dump, log: &Log<'_>, wrong: &mut Wrong) {
    let mut found = BTreeMap::new();
    for (key, row) in rows(dump, Table::Values) {
        if let ([tenant, bucket, key], Ok(row)) = (&parts(key)[..], ValueRow::from_bytes(&Bytes::copy_from_slice(row)))
        {
            found.insert((tenant.clone(), bucket.clone(), key.clone()), (row.version, row.value));
        }
    }
    for (key, value) in &log.values {
        wrong.unless(found.get(key) == Some(value), || {
            format!("{key:?} is {:?} and should be {value:?}", found.get(key))
        });
    }
    wrong.unless(found.len() == log.values.len(), || {
        format!("there are {} values and should be {}", found.len(), log.values.len())
    });
    let mut buckets = BTreeMap::new();
    for (key, row) in rows(dump, Table::Buckets) {
        if let ([tenant, bucket, ..], Ok(row)) = (&parts(key)[..], BucketRow::from_bytes(&Bytes::copy_from_slice(row)))
        {
            buckets.insert((tenant.clone(), bucket.clone()), (row.membership, row.keys));
        }
    }
    for (bucket, (membership, keys)) in log.buckets.iter().filter(|(_, (_, keys))| !keys.is_empty()) {
        let expected = (*membership, keys.len() as u64);
        wrong.unless(buckets.get(bucket) == Some(&expected), || {
            format!("bucket {bucket:?} is {:?} and should be {expected:?}", buckets.get(bucket))
        });
    }
}

/// Nothing waits in the end, so only tenants that have values have a size.
fn sizes(dump: &Dump, log: &Log<'_>, wrong: &mut Wrong) {
    let mut expected: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for ((tenant, _, key), (_, value)) in &log.values {
        *expected.entry([tenant.as_bytes(), &[0]].concat()).or_default() += (key.len() + value.len()) as u64;
    }
    let number = |row: &[u8]| row.try_into().map_or(u64::MAX, u64::from_le_bytes);
    let found: BTreeMap<_, _> = rows(dump, Table::Sizes).iter().map(|(key, row)| (key.clone(), number(row))).collect();
    wrong.unless(found == expected, || format!("the sizes are {found:?} and should be {expected:?}"));
}

fn letters(dump: &Dump, log: &Log<'_>, wrong: &mut Wrong) {
    let mut found: BTreeMap<(String, String), BTreeSet<_>> = BTreeMap::new();
    for (key, _) in rows(dump, Table::DeadLetters) {
        if let ([tenant, queue, ..], Some(id)) = (&parts(key)[..], keys::delivery_of(key)) {
            found.entry((tenant.clone(), queue.clone())).or_default().insert(id);
        }
    }
    let full = log.queues.iter().filter(|(_, letters)| !letters.is_empty());
    let expected: BTreeMap<_, _> = full.map(|(queue, letters)| (queue.clone(), letters.clone())).collect();
    wrong.unless(found == expected, || format!("the dead letters are {found:?} and should be {expected:?}"));
    for (key, row) in rows(dump, Table::Queues) {
        let [tenant, queue, ..] = &parts(key)[..] else { continue };
        let depth = DeadLetterRow::depth_of(&Bytes::copy_from_slice(row)).unwrap_or(u64::MAX);
        let letters = expected.get(&(tenant.clone(), queue.clone())).map_or(0, |letters| letters.len() as u64);
        wrong.unless(depth == letters, || format!("queue {tenant} {queue} says {depth} and holds {letters}"));
    }
    let (letters, total) = (rows(dump, Table::Letters).len(), expected.values().map(BTreeSet::len).sum::<usize>());
    wrong.unless(letters == total, || format!("{letters} dead letters are listed by id, and there are {total}"));
}

fn rows(dump: &Dump, table: Table) -> &[(Vec<u8>, Vec<u8>)] {
    dump.get(&table).map(Vec::as_slice).unwrap_or_default()
}

/// The names in a key.
fn parts(key: &[u8]) -> Vec<String> {
    key.splitn(3, |byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Where two states differ. What is known of segments is left out: it says nothing about what anybody sees, and goes as they do.
pub(crate) fn differences<'a>(one: &'a Dump, other: &'a Dump) -> impl Iterator<Item = String> + 'a {
    let tables = Table::ALL.into_iter().filter(|table| *table != Table::Segments);
    tables.filter_map(|table| {
        let empty = Rows::new();
        let (of_one, of_other) = (one.get(&table).unwrap_or(&empty), other.get(&table).unwrap_or(&empty));
        let differs = of_one.iter().zip(of_other).find(|(one, other)| one != other);
        (of_one != of_other).then(|| {
            format!("table {} has {} rows and had {}: {differs:?}", table.name(), of_other.len(), of_one.len())
        })
    })
}
