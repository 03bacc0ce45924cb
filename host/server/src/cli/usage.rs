//! `wharf usage`: what a tenant's plugins used, and what that costs.
//!
//! Invariant: sums that the host spreads over pages are added up here, and nothing else is worked out: costs are the host's.

use clap::{Args, ValueEnum};
use wharf_event::PluginName;
use wharf_gateway::view::{UsageItem, UsageView};

use super::{
    args::Global,
    error::{CommandError, Exit},
    output::Output,
    session::Session,
    words::lasted,
};
use crate::prices::Money;

/// `wharf usage`.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// From when on: a time, a date (UTC), or how long before the end, as in 7d [default: 30d]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when: a time, a date (UTC), or how long ago [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// What is summed together
    #[arg(long, value_name = "WHAT", default_value = "plugin")]
    by: By,
    /// Only what this plugin used
    #[arg(long)]
    plugin: Option<PluginName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// All hours of a plugin
    Plugin,
    /// All plugins of an hour
    Hour,
}

/// Shows what was used.
pub async fn run(args: UsageArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let by = match args.by {
        By::Plugin => "plugin",
        By::Hour => "hour",
    };
    let of = session.own().at("usage").ask("by", by).ask_some("plugin", args.plugin);
    let mut whole: UsageView = session
        .client
        .get(&of.clone().ask_some("from", args.from.as_deref()).ask_some("to", args.to.as_deref()))
        .await?;
    // The pages behind are asked for by the span that the first one told, since time goes on.
    let of = of.ask("from", whole.from.clone()).ask("to", whole.to.clone());
    while let Some(next) = whole.next.take() {
        merge(&mut whole, session.client.get(&of.clone().ask("after", next)).await?);
    }
    if out.is_json() {
        out.document(&whole)?;
    } else {
        table(&whole, args.by, out)?;
    }
    Ok(Exit::Success)
}

/// Adds the next page to what was gathered.
fn merge(whole: &mut UsageView, page: UsageView) {
    for item in page.items {
        match whole.items.iter_mut().find(|known| known.hour == item.hour && known.plugin == item.plugin) {
            Some(known) => add(known, &item),
            None => whole.items.push(item),
        }
    }
    add(&mut whole.total, &page.total);
    whole.items.sort_by(|one, other| (&one.hour, &one.plugin).cmp(&(&other.hour, &other.plugin)));
    whole.next = page.next;
}

fn add(sum: &mut UsageItem, item: &UsageItem) {
    sum.attempts += item.attempts;
    sum.cpu_us += item.cpu_us;
    sum.memory_mib_ms += item.memory_mib_ms;
    sum.bytes_in += item.bytes_in;
    sum.bytes_out += item.bytes_out;
    sum.host_calls += item.host_calls;
    let money = |item: &UsageItem| item.cost.as_deref().and_then(|cost| cost.parse::<Money>().ok());
    sum.cost = money(sum).zip(money(item)).map(|(one, other)| (one + other).to_string());
}

fn table(view: &UsageView, by: By, out: &mut Output) -> Result<(), CommandError> {
    let first = match by {
        By::Plugin => "PLUGIN",
        By::Hour => "HOUR",
    };
    let rows = view.items.iter().chain([&view.total]).map(cells);
    if view.total.cost.is_none() {
        let rows = rows
            .map(|[name, attempts, cpu, memory, r#in, out, calls, _]| [name, attempts, cpu, memory, r#in, out, calls]);
        return out.table([first, "ATTEMPTS", "CPU", "MEMORY", "IN", "OUT", "CALLS"], rows.collect());
    }
    let cost = view.currency.as_ref().map_or_else(|| "COST".to_owned(), |currency| format!("COST {currency}"));
    out.table([first, "ATTEMPTS", "CPU", "MEMORY", "IN", "OUT", "CALLS", &cost], rows.collect())
}

fn cells(item: &UsageItem) -> [String; 8] {
    let name = item.plugin.as_ref().map(ToString::to_string).or_else(|| item.hour.clone());
    [
        name.unwrap_or_else(|| "total".to_owned()),
        item.attempts.to_string(),
        lasted(item.cpu_us),
        gib_hours(item.memory_mib_ms),
        amount(item.bytes_in),
        amount(item.bytes_out),
        item.host_calls.to_string(),
        item.cost.clone().unwrap_or_default(),
    ]
}

#[allow(clippy::cast_precision_loss, reason = "a few digits are shown")]
fn gib_hours(mib_ms: u64) -> String {
    format!("{:.4} GiB h", mib_ms as f64 / 1_024.0 / 3_600_000.0)
}

/// An amount of bytes in three digits or so; a GB is 10⁹ of them, as in price lists.
#[allow(clippy::cast_precision_loss, reason = "a few digits are shown")]
pub(super) fn amount(bytes: u64) -> String {
    let of = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", of(1e3)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", of(1e6)),
        _ => format!("{:.1} GB", of(1e9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(plugin: &str, attempts: u64, cost: &str) -> UsageItem {
        UsageItem { plugin: plugin.parse().ok(), attempts, cost: Some(cost.to_owned()), ..UsageItem::default() }
    }

    #[test]
    fn sums_that_go_on_on_the_next_page_are_added_up() {
        let mut whole = UsageView {
            items: vec![item("b", 1, "0.000001")],
            total: UsageItem { plugin: None, ..item("t", 1, "0.000001") },
            ..UsageView::default()
        };
        let page = UsageView {
            items: vec![item("a", 2, "0.100000"), item("b", 3, "1.000002")],
            total: UsageItem { plugin: None, ..item("t", 5, "1.100002") },
            next: Some("7/b".to_owned()),
            ..UsageView::default()
        };
        merge(&mut whole, page);
        assert_eq!(whole.items, [item("a", 2, "0.100000"), item("b", 4, "1.000003")]);
        assert_eq!((whole.total.attempts, whole.total.cost.as_deref()), (6, Some("1.100003")));
        assert_eq!(whole.next.as_deref(), Some("7/b"));
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!(["999 B", "1.5 kB", "2.0 MB", "3.1 GB"], [999, 1_500, 2_000_000, 3_100_000_000].map(amount));
        assert_eq!(gib_hours(1_024 * 3_600_000 / 2), "0.5000 GiB h");
    }
}
