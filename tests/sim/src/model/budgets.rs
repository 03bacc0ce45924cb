//! Judges what models cost: a reservation fits into its budgets, as the sums of the log have them at that moment; what was told to be reserved is
//! there, what a model cost is there once at most, and the sums by hour, of tenant, plugin and route, are exact.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{BudgetOf, Cost, ModelStep, SpentRow, Table, keys};
use wharf_event::Position;

use super::Wrong;
use crate::{life::Dump, observed::Seen, oracle};

/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;

/// A tenant's life of the process, and what it reserved or paid in it.
type Of = (usize, String, [u64; 3]);

/// Calls, what they cost, and what is reserved.
type Sum = (u64, [u64; 3], [u64; 3]);

/// What models cost.
#[derive(Default)]
pub(super) struct Budgets {
    /// By tenant, hour and whose.
    sums: BTreeMap<(String, u32, String), Sum>,
    /// How often each is in the log.
    reserved: BTreeMap<Of, u64>,
    spent: BTreeMap<Of, u64>,
}

fn numbers(cost: &Cost) -> [u64; 3] {
    [cost.input_tokens, cost.output_tokens, cost.money]
}

impl Budgets {
    pub(super) fn take(
        &mut self,
        (life, tenant): (usize, &str),
        step: &ModelStep,
        (at, time_ms): (Position, u64),
        seed: u64,
        wrong: &mut Wrong,
    ) {
        match step {
            ModelStep::Reserved { plugin, route, hour, cost } => {
                let now = u32::try_from(time_ms / HOUR_MS).unwrap_or(u32::MAX);
                wrong.unless(*hour == now, || format!("at {at} a cost is reserved in hour {hour}, and it is {now}"));
                let more = numbers(cost);
                for of in whose(plugin.as_str(), route.as_str()) {
                    let (_, _, reserved) = self.sums.entry((tenant.to_owned(), *hour, of)).or_default();
                    reserved.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                }
                for budget in oracle::budgets(seed) {
                    let used: u64 = self.counted(tenant, &budget.of, *hour).map(|cost| cost.of(budget.unit)).sum();
                    wrong.unless(used <= budget.most, || {
                        format!("at {at} {used} are spent or reserved of the {} of {:?}", budget.most, budget.of)
                    });
                }
                *self.reserved.entry((life, tenant.to_owned(), more)).or_default() += 1;
            }
            ModelStep::Spent { plugin, route, hour, reserved, cost } => {
                for of in whose(plugin.as_str(), route.as_str()) {
                    let (calls, spent, left) = self.sums.entry((tenant.to_owned(), *hour, of)).or_default();
                    *calls += 1;
                    spent.iter_mut().zip(numbers(cost)).for_each(|(sum, more)| *sum += more);
                    let is_there = left.iter().zip(numbers(reserved)).all(|(left, reserved)| *left >= reserved);
                    wrong.unless(is_there, || format!("at {at} a model was asked for which nothing was reserved"));
                    left.iter_mut().zip(numbers(reserved)).for_each(|(sum, less)| *sum = sum.saturating_sub(less));
                }
                *self.spent.entry((life, tenant.to_owned(), numbers(cost))).or_default() += 1;
            }
            _ => {}
        }
    }

    /// What a budget of an hour counts.
    fn counted(&self, tenant: &str, of: &BudgetOf, hour: u32) -> impl Iterator<Item = Cost> {
        let sums = self.sums.get(&(tenant.to_owned(), hour, of.to_string())).copied();
        let cost = |[input_tokens, output_tokens, money]: [u64; 3]| Cost { input_tokens, output_tokens, money };
        sums.into_iter().flat_map(move |(_, spent, reserved)| [cost(spent), cost(reserved)])
    }

    /// A sum goes with its tenant; none where the key is of no sum.
    pub(super) fn erase(&mut self, tenant: &str, key: &[u8]) -> Option<bool> {
        let (hour, of) = keys::spent_parts(key)?;
        Some(self.sums.remove(&(tenant.to_owned(), hour, of.to_string())).is_some())
    }

    pub(super) fn check(&self, seen: &Seen, dump: &Dump, wrong: &mut Wrong) {
        let count = |all: &[(usize, String, Cost)]| {
            let mut counted: BTreeMap<Of, u64> = BTreeMap::new();
            for (life, tenant, cost) in all {
                *counted.entry((*life, tenant.clone(), numbers(cost))).or_default() += 1;
            }
            counted
        };
        for (of, times) in count(&seen.books.reserved) {
            let there = self.reserved.get(&of).copied().unwrap_or(0);
            wrong.unless(there >= times, || format!("{of:?} was reserved {times} times, and the log has {there}"));
        }
        let told = count(&seen.books.spent);
        for (of, there) in &self.spent {
            let times = told.get(of).copied().unwrap_or(0);
            wrong.unless(*there <= times, || format!("{of:?} was paid {times} times, and the log has {there}"));
        }
        let mut found = BTreeMap::new();
        for (key, row) in dump.get(&Table::Models).into_iter().flatten() {
            let row = SpentRow::from_bytes(&Bytes::copy_from_slice(row));
            if let (Some(tenant), Some((hour, of)), Ok(row)) = (keys::first(key), keys::spent_parts(key), row) {
                let sums = (row.calls, numbers(&row.spent), numbers(&row.reserved));
                found.insert((tenant.to_string(), hour, of.to_string()), sums);
            }
        }
        wrong.unless(found == self.sums, || format!("models cost {found:?} and should have cost {:?}", self.sums));
    }
}

fn whose(plugin: &str, route: &str) -> [String; 3] {
    ["tenant".to_owned(), format!("plugin/{plugin}"), format!("route/{route}")]
}
