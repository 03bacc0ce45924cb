//! Two states, row by row: the one that was found and the one that the log gives.
//!
//! Invariant: it reads both in pages, so neither has to fit into memory. Which rows differ is said in words up to a bound, and
//! counted beyond it.

use std::{collections::BTreeMap, fmt::Write as _, ops::Bound};

use bytes::Bytes;
use wharf_delivery::{DeliveryId, Table, TableError, Tables, keys};
use wharf_state::State;

use crate::limits::{ROWS_LISTED_MAX, ROWS_PAGE};

/// What comparing gave.
pub(super) struct Compared {
    /// Rows of both together.
    pub(super) rows: u64,
    /// Those that differ: their table, and what is wrong in words.
    pub(super) differences: Vec<(Table, String)>,
}

/// Which of the two states could not be read.
pub(super) enum Side {
    /// The one that was found.
    Found(TableError),
    /// The one that the log gives.
    Anew(TableError),
}

/// Compares all tables.
pub(super) fn compare(found: &State, anew: &State) -> Result<Compared, Side> {
    let mut compared = Compared { rows: 0, differences: Vec::new() };
    for table in Table::ALL {
        let mut unlisted = 0u64;
        let mut rows = Merged { found, anew, table, after: None };
        loop {
            let page = rows.next_page()?;
            if page.is_empty() {
                break;
            }
            for (key, (there, wanted)) in page {
                compared.rows += 1;
                let what = match (there, wanted) {
                    (there, wanted) if there == wanted => continue,
                    (Some(_), Some(_)) => "is not what the log gives",
                    (Some(_), None) => "should not be there",
                    _ => "is missing",
                };
                if compared.differences.len() < ROWS_LISTED_MAX {
                    compared.differences.push((table, format!("row {} {what}", printed(table, &key))));
                } else {
                    unlisted += 1;
                }
            }
        }
        if unlisted > 0 {
            compared.differences.push((table, format!("{unlisted} more rows are not what the log gives")));
        }
    }
    Ok(compared)
}

/// A row of one table as both states have it.
type Pair = (Option<Bytes>, Option<Bytes>);

/// The rows of one table in both states, page by page.
struct Merged<'a> {
    found: &'a State,
    anew: &'a State,
    table: Table,
    after: Option<Bytes>,
}

impl Merged<'_> {
    fn next_page(&mut self) -> Result<BTreeMap<Bytes, Pair>, Side> {
        let after = self.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let page = |state: &State| state.scan(self.table, &[], after, ROWS_PAGE);
        let (found, anew) = (page(self.found).map_err(Side::Found)?, page(self.anew).map_err(Side::Anew)?);
        // Beyond the last key of a full page the other state's rows have no counterpart yet.
        let last =
            |rows: &[(Bytes, Bytes)]| rows.last().filter(|_| rows.len() >= ROWS_PAGE).map(|(key, _)| key.clone());
        let until = [last(&found), last(&anew)].into_iter().flatten().min();
        let within = |key: &Bytes| until.as_ref().is_none_or(|until| key <= until);
        let mut rows: BTreeMap<Bytes, Pair> = BTreeMap::new();
        for (key, row) in found.into_iter().filter(|(key, _)| within(key)) {
            rows.entry(key).or_default().0 = Some(row);
        }
        for (key, row) in anew.into_iter().filter(|(key, _)| within(key)) {
            rows.entry(key).or_default().1 = Some(row);
        }
        self.after = rows.last_key_value().map(|(key, _)| key.clone()).or(self.after.take());
        Ok(rows)
    }
}

/// A key for people: `acme/counts/key`, `acme/counter/42-0.1`, `due 1767225600000 acme/flaky/42-0.1`.
fn printed(table: Table, key: &[u8]) -> String {
    match table {
        Table::Rules => "of the rule set".to_owned(),
        Table::Timers => match keys::timer_parts(key) {
            Some((due_ms, delivery)) => format!("due {due_ms} {}", printed(Table::Deliveries, delivery)),
            None => text(key),
        },
        Table::Deliveries | Table::DeadLetters | Table::Letters => match keys::delivery_of(key) {
            Some(id) => {
                let before = key.get(..key.len() - DeliveryId::KEY_LEN).unwrap_or_default();
                // Whether it waits for a time stands behind the plugin, and that row is the only one of the delivery.
                let names = if table == Table::Deliveries {
                    before.split_last().map_or(before, |(_, names)| names)
                } else {
                    before
                };
                format!("{}{id}", text(names))
            }
            None => text(key),
        },
        Table::Segments => match key.first_chunk() {
            Some(first_k) => format!("of the segment that begins at frame {}", u64::from_be_bytes(*first_k)),
            None => text(key),
        },
        Table::Objects => match keys::object_parts(key) {
            Some((tenant, kind, name)) => format!("{} {name} of {tenant}", kind.as_str()),
            None => text(key),
        },
        Table::Usage => match keys::first(key).zip(keys::usage_parts(key)) {
            Some((tenant, (hour, plugin))) => format!("{tenant}/{plugin} in hour {hour}"),
            None => text(key),
        },
        Table::Values | Table::Buckets | Table::Queues | Table::Stats | Table::Sizes => text(key),
        Table::Schedules | Table::Replays | Table::Redrives => text(key),
        Table::FanOuts => match keys::fan_out_parts(key) {
            Some((tenant, event)) => format!("{tenant}/{event}"),
            None => text(key),
        },
        Table::Behind => match keys::delivery_of(key) {
            Some(id) => format!("{}{id}", text(key.get(..key.len() - DeliveryId::KEY_LEN).unwrap_or_default())),
            None => text(key),
        },
        Table::Models => match keys::answer_parts(key) {
            Some((tenant, delivery, call)) => format!("{tenant}/{delivery} call {call}"),
            None => match keys::first(key).zip(keys::spent_parts(key)) {
                Some((tenant, (hour, of))) => format!("{tenant}/{of} in hour {hour}"),
                None => match keys::share_parts(key) {
                    Some((tenant, message, of)) => format!("{tenant}/{message} shares {of}"),
                    None => text(key),
                },
            },
        },
        Table::Hidden => match keys::delivery_of(key).zip(keys::hidden_until(key)).zip(keys::lane_of(key)) {
            Some(((id, until_ms), (tenant, target))) => format!("until {until_ms} {tenant}/{target}/{id}"),
            None => text(key),
        },
    }
}

/// Bytes with the zeros between names as slashes, and what cannot be printed in hex.
fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        // Writing to a string cannot fail.
        let _ = match byte {
            0 => write!(text, "/"),
            b'!'..=b'~' => write!(text, "{}", char::from(byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use wharf_event::Position;

    use super::*;

    #[test]
    fn keys_are_shown_as_what_they_stand_for() {
        let (tenant, plugin) = ("acme".parse().unwrap(), "flaky".parse().unwrap());
        let id = DeliveryId { event: Position { k: 42, i: 256 }, n: 1 };
        let delivery = keys::delivery(&tenant, &plugin, true, id);
        let cases = [
            (Table::Rules, vec![], "of the rule set"),
            (Table::Timers, keys::timer(1_767, &delivery), "due 1767 acme/flaky/42-256.1"),
            (Table::Deliveries, delivery, "acme/flaky/42-256.1"),
            (Table::Letters, id.to_key().to_vec(), "42-256.1"),
            (Table::DeadLetters, keys::dead_letter(&tenant, &"dead".parse().unwrap(), id), "acme/dead/42-256.1"),
            (Table::Values, keys::value(&tenant, &"counts".parse().unwrap(), "a\u{7}"), "acme/counts/a\\x07"),
            (Table::Stats, keys::tenant(&tenant), "acme/"),
            (Table::Usage, keys::usage(&tenant, 490_000, &"flaky".parse().unwrap()), "acme/flaky in hour 490000"),
            (Table::Models, keys::answer(&tenant, id, 3), "acme/42-256.1 call 3"),
            (Table::Models, keys::share(&tenant, id, id), "acme/42-256.1 shares 42-256.1"),
            (Table::Deliveries, b"odd".to_vec(), "odd"),
        ];
        for (table, key, wanted) in cases {
            assert_eq!(printed(table, &key), wanted);
        }
    }
}
