//! What models cost a tenant, beside what they may.
//!
//! Invariant: what is told is durable, and what was spent and what is reserved are together what a budget counts.

use std::collections::{BTreeMap, btree_map::Entry};

use wharf_delivery::{Budget, BudgetOf, BudgetPer, BudgetUnit, SpentRow, TableError, Tables};
use wharf_event::TenantName;
use wharf_gateway::view::{BudgetView, SpentView};

/// Of whom something was spent today or has a budget: what of it in this hour, and in this day.
pub(super) type Sums = BTreeMap<BudgetOf, [SpentRow; 2]>;

/// Reads the sums up to an hour.
pub(super) fn sums(
    state: &impl Tables,
    tenant: &TenantName,
    hour: u32,
    budgets: &[Budget],
) -> Result<Sums, TableError> {
    let mut sums = Sums::new();
    let known = budgets.iter().map(|budget| budget.of.clone());
    for of in SpentRow::of_day(state, tenant, hour)?.into_iter().chain(known) {
        if let Entry::Vacant(place) = sums.entry(of) {
            let sum = |per| SpentRow::sum(state, tenant, place.key(), (hour, per));
            let both = [sum(BudgetPer::Hour)?, sum(BudgetPer::Day)?];
            place.insert(both);
        }
    }
    Ok(sums)
}

/// What people are shown of them.
pub(super) fn view(sums: &Sums, budgets: &[Budget], currency: Option<&str>) -> Vec<BudgetView> {
    let most = |of: &BudgetOf, unit, per| {
        budgets.iter().find(|it| it.of == *of && it.unit == unit && it.per == per).map(|budget| budget.most)
    };
    let spent = |of: &BudgetOf, row: &SpentRow, per| SpentView {
        calls: row.calls,
        input_tokens: row.spent.input_tokens,
        output_tokens: row.spent.output_tokens,
        reserved_tokens: row.reserved.of(BudgetUnit::Tokens),
        most_tokens: most(of, BudgetUnit::Tokens, per),
        cost: decimals(row.spent.money),
        reserved_cost: decimals(row.reserved.money),
        most_cost: most(of, BudgetUnit::Money, per).map(decimals),
    };
    let one = |(of, [hour, day]): (&BudgetOf, &[SpentRow; 2])| BudgetView {
        of: of.to_string(),
        currency: currency.map(str::to_owned),
        hour: spent(of, hour, BudgetPer::Hour),
        day: spent(of, day, BudgetPer::Day),
    };
    sums.iter().map(one).collect()
}

/// Money as the log has it, in decimals.
fn decimals(billionths: u64) -> String {
    format!("{}.{:09}", billionths / 1_000_000_000, billionths % 1_000_000_000)
}
