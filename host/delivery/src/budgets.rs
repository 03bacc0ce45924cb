//! Transition: what models may cost is taken out of budgets before they are asked, and what they did cost is put in its place.
//!
//! Invariant: for every hour of frame time there are sums of a tenant, of each of its plugins and of each of its routes. What a call may cost at most is
//! reserved in the sums of the hour in which it begins, and settled in the same ones, so a budget is never exceeded by what is under way. Whoever
//! asked knows what it reserved; where nobody does any more, because the host was killed or the call given up, it stays reserved: somebody may have
//! been paid, and a budget counts it. What was spent is exact, and is there without a budget too. Which budgets hold, whoever asks says.

use std::{fmt, ops::Bound};

use bytes::Bytes;
use wharf_event::{PluginName, Position, RouteName, TenantName};

use crate::{
    CarriedRow, DecodeError, ModelStep, Record, TenantObject,
    codec::{Reader, Writer},
    hour_of, keys,
    limits::USAGE_FORGOTTEN_MAX,
    rows::{Row, place_room, put_place, take_place},
    sequencer::{Answer, Decision, Refused},
    tables::{Table, TableError, Tables},
    usage,
};

/// Hours of a day.
const DAY_HOURS: u32 = 24;

/// Whose models cost something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BudgetOf {
    /// All of the tenant's.
    Tenant,
    /// Those that a plugin asks.
    Plugin(PluginName),
    /// Those that are asked by a route.
    Route(RouteName),
}

impl fmt::Display for BudgetOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Plugin(plugin) => write!(f, "plugin/{plugin}"),
            Self::Route(route) => write!(f, "route/{route}"),
        }
    }
}

impl BudgetOf {
    /// Reads its text back.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None => (text == "tenant").then_some(Self::Tenant),
            Some(("plugin", name)) => Some(Self::Plugin(name.parse().ok()?)),
            Some(("route", name)) => Some(Self::Route(name.parse().ok()?)),
            Some(_) => None,
        }
    }
}

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetUnit {
    /// Tokens, read and written.
    Tokens,
    /// Money, in 10⁻⁹ of the unit.
    Money,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetPer {
    /// An hour of frame time.
    Hour,
    /// A day of it, by UTC.
    Day,
}

/// How much may be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// By whom.
    pub of: BudgetOf,
    /// Of what.
    pub unit: BudgetUnit,
    /// In which time.
    pub per: BudgetPer,
    /// How much of it.
    pub most: u64,
}

/// A budget has not enough left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the call may cost {}, and of the {} a {} of {} {} are spent or reserved",
    amount(*wanted, budget.unit), amount(budget.most, budget.unit),
    match budget.per { BudgetPer::Hour => "hour", BudgetPer::Day => "day" }, whose(&budget.of), amount(*used, budget.unit)
)]
pub struct BudgetSpent {
    /// Which one.
    pub budget: Budget,
    /// How much of it is spent or reserved.
    pub used: u64,
    /// How much the call may cost.
    pub wanted: u64,
}

fn amount(number: u64, unit: BudgetUnit) -> String {
    match unit {
        BudgetUnit::Tokens => format!("{number} tokens"),
        BudgetUnit::Money => format!("{}.{:09}", number / 1_000_000_000, number % 1_000_000_000),
    }
}

fn whose(of: &BudgetOf) -> String {
    match of {
        BudgetOf::Tenant => "the tenant".to_owned(),
        BudgetOf::Plugin(plugin) => format!("plugin `{plugin}`"),
        BudgetOf::Route(route) => format!("route `{route}`"),
    }
}

/// What one asking of a model comes to, or may come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens that are read.
    pub input_tokens: u64,
    /// Tokens that are written.
    pub output_tokens: u64,
    /// Money, in 10⁻⁹ of the unit.
    pub money: u64,
}

impl Cost {
    pub(crate) fn put(self, w: &mut Writer) {
        w.u64(self.input_tokens).u64(self.output_tokens).u64(self.money);
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let (input_tokens, output_tokens) = (r.u64("input tokens")?, r.u64("output tokens")?);
        Ok(Self { input_tokens, output_tokens, money: r.u64("money")? })
    }

    fn add(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.money = self.money.saturating_add(other.money);
    }

    fn sub(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_sub(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_sub(other.output_tokens);
        self.money = self.money.saturating_sub(other.money);
    }

    fn covers(self, other: Self) -> bool {
        self.input_tokens >= other.input_tokens
            && self.output_tokens >= other.output_tokens
            && self.money >= other.money
    }

    /// How much of a unit it is.
    #[must_use]
    pub fn of(self, unit: BudgetUnit) -> u64 {
        match unit {
            BudgetUnit::Tokens => self.input_tokens.saturating_add(self.output_tokens),
            BudgetUnit::Money => self.money,
        }
    }
}

/// What was reserved, and in which hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The hour, counted since 1970.
    pub hour: u32,
    /// How much.
    pub cost: Cost,
}

/// The wish to ask a model.
#[derive(Clone, Debug)]
pub struct ReserveRequest {
    /// Whose plugin asks.
    pub tenant: TenantName,
    /// Which plugin.
    pub plugin: PluginName,
    /// By which route.
    pub route: RouteName,
    /// What it costs at most.
    pub most: Cost,
    /// The budgets that hold.
    pub budgets: Vec<Budget>,
}

/// A model was asked.
#[derive(Clone, Debug)]
pub struct SpendRequest {
    /// Whose plugin asked.
    pub tenant: TenantName,
    /// Which plugin.
    pub plugin: PluginName,
    /// By which route.
    pub route: RouteName,
    /// What was reserved for it, if anything.
    pub reserved: Option<Reserved>,
    /// What it cost.
    pub cost: Cost,
}

/// What asking models cost in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpentRow {
    /// How often models were asked.
    pub calls: u64,
    /// What that cost.
    pub spent: Cost,
    /// What is reserved for calls that are under way, or whose end nobody knows.
    pub reserved: Cost,
    /// The record that it was carried to; absent where it was not, or has changed since.
    pub place: Option<Position>,
}

impl Row for SpentRow {
    const TABLE: Table = Table::Models;

    fn room(&self) -> usize {
        57 + place_room(self.place)
    }

    fn put(&self, w: &mut Writer) {
        w.u64(self.calls);
        self.spent.put(w);
        self.reserved.put(w);
        put_place(w, self.place);
    }

    fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let calls = r.u64("calls")?;
        Ok(Self { calls, spent: Cost::take(r)?, reserved: Cost::take(r)?, place: take_place(r)? })
    }
}

impl SpentRow {
    /// How much of a unit a budget counts.
    #[must_use]
    pub fn used(&self, unit: BudgetUnit) -> u64 {
        self.spent.of(unit).saturating_add(self.reserved.of(unit))
    }

    /// The sums of an hour, or of the day up to it.
    ///
    /// # Errors
    /// When the table cannot be read or a row is damaged.
    pub fn sum(
        tables: &impl Tables,
        tenant: &TenantName,
        of: &BudgetOf,
        (hour, per): (u32, BudgetPer),
    ) -> Result<Self, TableError> {
        let from = match per {
            BudgetPer::Hour => hour,
            BudgetPer::Day => hour - hour % DAY_HOURS,
        };
        let mut sum = Self::default();
        for hour in from..=hour {
            let row = Self::read(tables, &keys::spent(tenant, hour, of))?.unwrap_or_default();
            sum.calls = sum.calls.saturating_add(row.calls);
            sum.spent.add(row.spent);
            sum.reserved.add(row.reserved);
        }
        Ok(sum)
    }

    /// Of whom there are sums in the day up to an hour, with those of the day.
    ///
    /// # Errors
    /// As [`SpentRow::sum`].
    pub fn of_day(tables: &impl Tables, tenant: &TenantName, hour: u32) -> Result<Vec<BudgetOf>, TableError> {
        let from = keys::spent_hour(tenant, hour - hour % DAY_HOURS);
        let rows = tables.scan(Table::Models, &keys::spents(tenant), Bound::Included(&from), usize::MAX)?;
        let mut of: Vec<_> = rows
            .iter()
            .filter_map(|(key, _)| keys::spent_parts(key))
            .filter(|(at, _)| *at <= hour)
            .map(|it| it.1)
            .collect();
        of.sort();
        of.dedup();
        Ok(of)
    }

    /// Whether the row under a key has to be written again before the frames below `below_k` may go.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn needs_carrying(row: &Bytes, below_k: u64) -> Result<bool, TableError> {
        Ok(Self::decode(row)?.place.is_none_or(|place| place.k < below_k))
    }
}

pub(crate) fn reserve<T: Tables>(
    request: ReserveRequest,
    now_ms: u64,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let ReserveRequest { tenant, plugin, route, most, budgets } = request;
    if TenantObject::is_closed(tables, &tenant)? {
        return Ok(Err(Refused::Gone));
    }
    let hour = hour_of(now_ms);
    for budget in budgets {
        let used = SpentRow::sum(tables, &tenant, &budget.of, (hour, budget.per))?.used(budget.unit);
        let wanted = most.of(budget.unit);
        if used.saturating_add(wanted) > budget.most {
            return Ok(Err(Refused::Budget(Box::new(BudgetSpent { budget, used, wanted }))));
        }
    }
    let step = ModelStep::Reserved { plugin, route, hour, cost: most };
    let answer = Answer::Reserved(Reserved { hour, cost: most });
    Ok(Ok(Decision { records: vec![Record::Model { tenant, step }], answer }))
}

/// What a model cost takes the place of what was reserved for it. Where that is not there any more it went with its tenant, and whoever has the name now
/// pays nothing.
pub(crate) fn spend(request: SpendRequest, now_ms: u64, tables: &impl Tables) -> Result<Decision, TableError> {
    let SpendRequest { tenant, plugin, route, reserved, cost } = request;
    let Reserved { hour, cost: reserved } =
        reserved.unwrap_or(Reserved { hour: hour_of(now_ms), cost: Cost::default() });
    let held = SpentRow::read(tables, &keys::spent(&tenant, hour, &BudgetOf::Tenant))?.unwrap_or_default();
    let is_theirs = held.reserved.covers(reserved) && !TenantObject::is_closed(tables, &tenant)?;
    let step = ModelStep::Spent { plugin, route, hour, reserved, cost };
    let records = if is_theirs { vec![Record::Model { tenant, step }] } else { Vec::new() };
    Ok(Decision { records, answer: Answer::Noted })
}

/// Changes the sums of an hour that a call counts in.
pub(crate) fn apply(
    tenant: &TenantName,
    (plugin, route): (&PluginName, &RouteName),
    hour: u32,
    change: impl Fn(&mut SpentRow),
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    for of in [BudgetOf::Tenant, BudgetOf::Plugin(plugin.clone()), BudgetOf::Route(route.clone())] {
        let key = keys::spent(tenant, hour, &of);
        let mut row = SpentRow::read(tables, &key)?.unwrap_or_default();
        change(&mut row);
        row.place = None;
        tables.put(Table::Models, &key, row.encode());
    }
    Ok(())
}

/// What is under way costs so much at most.
pub(crate) fn reserved(row: &mut SpentRow, cost: Cost) {
    row.reserved.add(cost);
}

/// What was under way cost so much.
pub(crate) fn spent(row: &mut SpentRow, reserved: Cost, cost: Cost) {
    row.calls = row.calls.saturating_add(1);
    row.reserved.sub(reserved);
    row.spent.add(cost);
}

/// The record by which a page of sums goes that are of hours before `from_hour`; none where there are none.
pub(crate) fn forget(tenant: &TenantName, from_hour: u32, tables: &impl Tables) -> Result<Option<Record>, TableError> {
    let rows = tables.scan(Table::Models, &keys::spents(tenant), Bound::Unbounded, USAGE_FORGOTTEN_MAX)?;
    let old = rows.iter().filter_map(|(key, _)| keys::spent_parts(key)).take_while(|(hour, _)| *hour < from_hour);
    let last = old.last();
    Ok(last.map(|(hour, of)| Record::Model { tenant: tenant.clone(), step: ModelStep::Forgotten { hour, of } }))
}

/// Removes the sums up to and with those: as many rows as whoever decided saw, or fewer.
pub(crate) fn forgotten(
    tenant: &TenantName,
    hour: u32,
    of: &BudgetOf,
    tables: &mut impl Tables,
) -> Result<(), TableError> {
    usage::remove_to(Table::Models, &keys::spents(tenant), &keys::spent(tenant, hour, of), tables)
}

/// The rows of those keys that have to be written again, at their new place.
pub(crate) fn carried(
    keys: Vec<Bytes>,
    below_k: u64,
    base: Position,
    tables: &impl Tables,
) -> Result<Vec<CarriedRow>, TableError> {
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let row = SpentRow::read(tables, &key)?;
        if let Some(mut row) = row.filter(|row| row.place.is_none_or(|place| place.k < below_k)) {
            row.place = Some(base);
            rows.push(CarriedRow { table: Table::Models, key, row: row.encode().into() });
        }
    }
    Ok(rows)
}
