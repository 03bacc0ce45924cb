//! Port: what a tenant used, and what that costs.
//!
//! Invariant: an answer reads [`ROWS_PAGE`] rows at most, and locks the state for [`ROWS_PER_STEP`] of them at a time. Costs are worked
//! out of the sums that are shown, by the price list in force.

use std::{collections::BTreeMap, ops::Bound};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use wharf_delivery::{Usage as Row, Used, hour_of};
use wharf_dispatch::rfc3339;
use wharf_event::{Code, PluginName, TenantName};
use wharf_gateway::{
    Refusal, Usage, UsageBy, UsageQuery,
    view::{QuotasView, UsageItem, UsageView},
};

use super::{HostAdapter, was_read};
use crate::{config::parse_duration, prices::Prices};

/// Rows that are summed up in one answer: three months of five plugins.
const ROWS_PAGE: usize = 10_000;

/// Rows that are read while the state is locked.
const ROWS_PER_STEP: usize = 200;

/// Hours that are looked at where no beginning is said.
const HOURS_DEFAULT: u32 = 30 * 24;

/// Milliseconds of an hour.
const HOUR_MS: u64 = 3_600_000;

impl Usage for HostAdapter {
    async fn quotas(&self, tenant: &TenantName) -> Result<QuotasView, Refusal> {
        self.quotas_of(tenant).await
    }

    async fn usage(&self, tenant: &TenantName, query: UsageQuery) -> Result<UsageView, Refusal> {
        self.known(tenant)?;
        let span = Span::of(&query, self.dispatcher.now_ms())?;
        let mut after = query.after.as_deref().map(|text| cursor(text, &span)).transpose()?;
        let (mut sums, mut rows) = (Sums::new(), 0);
        let next = loop {
            let read = self.dispatcher.read(|state| match &after {
                None => Row::page_from(state, tenant, span.from, span.to, ROWS_PER_STEP),
                Some((hour, plugin)) => {
                    Row::page(state, tenant, Bound::Excluded((*hour, plugin)), span.to, ROWS_PER_STEP)
                }
            });
            let step = was_read(read.await)?;
            let wanted = |row: &&Row| query.plugin.as_ref().is_none_or(|plugin| *plugin == row.plugin);
            for row in step.iter().filter(wanted) {
                sums.entry(of(query.by, row)).or_default().add(row.row.attempts, &row.row.used);
            }
            rows += step.len();
            after = step.last().map(|last| (last.hour, last.plugin.clone()));
            if step.len() < ROWS_PER_STEP {
                break None;
            }
            if rows >= ROWS_PAGE {
                break after;
            }
        };
        Ok(view(&span, sums, next, &self.prices.now()))
    }
}

/// Whole hours, counted since 1970: the first, and the one behind the last.
struct Span {
    from: u32,
    to: u32,
}

impl Span {
    fn of(query: &UsageQuery, now_ms: u64) -> Result<Self, Refusal> {
        let to_ms = query.to.as_deref().map_or(Ok(now_ms), |text| time_ms("to", text, now_ms))?;
        let to = hour_of(to_ms.saturating_add(HOUR_MS - 1));
        let from = match &query.from {
            None => to.saturating_sub(HOURS_DEFAULT),
            Some(text) => hour_of(time_ms("from", text, to_ms)?),
        };
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(Refusal::new(Code::QueryInvalid, "`from` is not before `to`"))
        }
    }
}

/// A time, a date, or how long before `until_ms`.
fn time_ms(key: &str, text: &str, until_ms: u64) -> Result<u64, Refusal> {
    let at = |time: Timestamp| u64::try_from(time.as_millisecond()).ok();
    let date = |date: Date| date.to_zoned(TimeZone::UTC).ok().and_then(|day| at(day.timestamp()));
    let before = || {
        let length = u64::try_from(parse_duration(text).ok()?.as_millis()).ok()?;
        until_ms.checked_sub(length)
    };
    let known = match text.parse::<Timestamp>() {
        Ok(time) => at(time),
        Err(_) => text.parse::<Date>().ok().and_then(date).or_else(before),
    };
    let what = "a time (2026-11-27T12:00:00Z), a date (2026-11-27) or a length of time (7d)";
    known.ok_or_else(|| Refusal::new(Code::QueryInvalid, format!("`{key}` is `{text}`, which is none of {what}")))
}

/// Where a page begins: behind that hour and plugin.
fn cursor(text: &str, span: &Span) -> Result<(u32, PluginName), Refusal> {
    let parts = text.split_once('/').and_then(|(hour, plugin)| Some((hour.parse().ok()?, plugin.parse().ok()?)));
    let within = parts.filter(|(hour, _)| (span.from..span.to).contains(hour));
    within.ok_or_else(|| Refusal::new(Code::QueryInvalid, "`after` is no `next` of a page of this query"))
}

/// What is summed together.
type Of = (Option<u32>, Option<PluginName>);

fn of(by: UsageBy, row: &Row) -> Of {
    match by {
        UsageBy::Plugin => (None, Some(row.plugin.clone())),
        UsageBy::Hour => (Some(row.hour), None),
    }
}

type Sums = BTreeMap<Of, Sum>;

#[derive(Clone, Copy, Default)]
struct Sum {
    attempts: u64,
    used: Used,
}

impl Sum {
    fn add(&mut self, attempts: u64, used: &Used) {
        self.attempts += attempts;
        self.used.add(used);
    }

    fn item(&self, (hour, plugin): Of, prices: &Prices) -> UsageItem {
        let Used { cpu_ns, memory_kib_us, bytes_in, bytes_out, host_calls } = self.used;
        UsageItem {
            hour: hour.map(beginning),
            plugin,
            attempts: self.attempts,
            cpu_us: cpu_ns / 1_000,
            memory_mib_ms: memory_kib_us / (1 << 10) / 1_000,
            bytes_in,
            bytes_out,
            host_calls,
            cost: prices.cost(self.attempts, &self.used).map(|cost| cost.to_string()),
        }
    }
}

/// When an hour begins.
fn beginning(hour: u32) -> String {
    rfc3339(u64::from(hour) * HOUR_MS)
}

fn view(span: &Span, sums: Sums, next: Option<(u32, PluginName)>, prices: &Prices) -> UsageView {
    let mut total = Sum::default();
    sums.values().for_each(|sum| total.add(sum.attempts, &sum.used));
    let total = total.item((None, None), prices);
    UsageView {
        from: beginning(span.from),
        to: beginning(span.to),
        items: sums.into_iter().map(|(of, sum)| sum.item(of, prices)).collect(),
        currency: prices.currency.filter(|_| total.cost.is_some()).map(|currency| currency.to_string()),
        total,
        next: next.map(|(hour, plugin)| format!("{hour}/{plugin}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27T12:34:56Z.
    const NOW_MS: u64 = 1_795_782_896_000;

    #[test]
    fn a_span_is_whole_hours_and_may_be_said_in_three_ways() {
        let span = |from: Option<&str>, to: Option<&str>| {
            let query =
                UsageQuery { from: from.map(str::to_owned), to: to.map(str::to_owned), ..UsageQuery::default() };
            Span::of(&query, NOW_MS).ok().map(|span| (beginning(span.from), beginning(span.to)))
        };
        let cases = [
            (None, None, Some(("2026-10-28T13:00:00", "2026-11-27T13:00:00"))),
            (Some("7d"), None, Some(("2026-11-20T12:00:00", "2026-11-27T13:00:00"))),
            (Some("2026-11-01"), Some("2026-12-01"), Some(("2026-11-01T00:00:00", "2026-12-01T00:00:00"))),
            (Some("2026-11-27T11:59:59+02:00"), Some("1h"), Some(("2026-11-27T09:00:00", "2026-11-27T12:00:00"))),
            (Some("2026-11-27T12:00:00Z"), Some("2026-11-27T12:00:00Z"), None),
            (Some("yesterday"), None, None),
            (Some("99999999999d"), None, None),
            (None, Some("1969-01-01"), None),
        ];
        for (from, to, wanted) in cases {
            let told = span(from, to);
            let told = told.as_ref().map(|(from, to)| (from.get(..19).unwrap(), to.get(..19).unwrap()));
            assert_eq!(told, wanted, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn a_cursor_lies_within_what_is_asked_for() {
        let span = Span { from: 10, to: 20 };
        for (text, good) in
            [("10/p", true), ("19/p.q", true), ("9/p", false), ("20/p", false), ("10", false), ("x/p", false)]
        {
            assert_eq!(cursor(text, &span).is_ok(), good, "{text}");
        }
    }
}
