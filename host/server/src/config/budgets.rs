//! Budgets of models: how much a tenant, a plugin of it or a route may spend in an hour or a day.
//!
//! Invariant: money is read as prices are, and in the currency that prices are in. What is not said is not bounded.

use std::collections::BTreeMap;

use wharf_event::PluginName;

use super::{
    keys::{Key, Named, Otherwise, Shape, key},
    table::Table,
};
use crate::prices::Money;

/// How much may be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetConfig {
    /// Tokens in an hour.
    pub tokens_per_hour: Option<u64>,
    /// Tokens in a day.
    pub tokens_per_day: Option<u64>,
    /// Money in an hour.
    pub money_per_hour: Option<Money>,
    /// Money in a day.
    pub money_per_day: Option<Money>,
}

/// The budgets of a tenant that are of no route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetsConfig {
    /// That of all of it.
    pub tenant: BudgetConfig,
    /// Those of single plugins.
    pub plugins: BTreeMap<PluginName, BudgetConfig>,
}

const AMOUNTS: &[Key] = &[
    key(
        "tokens_per_hour",
        "Tokens that may be read and written in an hour. What a call may come to is taken before it is made.",
        Shape::Integer(1..=u32::MAX),
        Otherwise::Nothing,
    ),
    key("tokens_per_day", "The same in a day, by UTC.", Shape::Integer(1..=u32::MAX), Otherwise::Nothing),
    key(
        "money_per_hour",
        "What calls may cost in an hour, in the currency that prices are in, as in \"2.50\".",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key("money_per_day", "The same in a day, by UTC.", Shape::Text, Otherwise::Nothing),
];

pub(super) const BUDGET: Key = key("budget", "What its models may cost.", Shape::Table(AMOUNTS), Otherwise::Nothing);

const PLUGIN: &[Key] = &[BUDGET];

pub(super) const PLUGINS: Key = key(
    "plugins",
    "What the models may cost that single plugins ask.",
    Shape::Named(Named { one: "plugin", always: None, names: None, keys: PLUGIN }),
    Otherwise::Nothing,
);

/// Reads the budget in a table, if one is there.
pub(super) fn read(table: &Table<'_>) -> BudgetConfig {
    let Some(table) = table.table("budget") else { return BudgetConfig::default() };
    let money = |key| table.parsed::<Money>(key).map(|found| found.value);
    BudgetConfig {
        tokens_per_hour: table.integer("tokens_per_hour").map(u64::from),
        tokens_per_day: table.integer("tokens_per_day").map(u64::from),
        money_per_hour: money("money_per_hour"),
        money_per_day: money("money_per_day"),
    }
}

/// Reads those of a tenant and its plugins.
pub(super) fn read_all(table: &Table<'_>) -> BudgetsConfig {
    let plugins = table.named::<PluginName>("plugins").into_iter().map(|(name, table)| (name, read(&table)));
    BudgetsConfig { tenant: read(table), plugins: plugins.collect() }
}
