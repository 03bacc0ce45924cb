//! What a bench came to, for people and for programs.
//!
//! Invariant: a figure that was not measured is null and not zero, and it stands beside what it was measured with.

use std::sync::atomic::Ordering;

use clap::ValueEnum as _;
use hdrhistogram::Histogram;
use serde::Serialize;
use wharf_gateway::view::StatsView;

use super::{
    super::{
        error::CommandError,
        events::fact,
        output::Output,
        words::{counted, lasted},
    },
    BenchArgs, Scenario,
    clients::Run,
};

/// What is printed.
#[derive(Serialize)]
pub struct Report {
    scenario: String,
    /// `closed`: the next is sent when the one before was answered; `open`: at a rate.
    #[serde(rename = "loop")]
    kind: &'static str,
    /// Events that were sent, and messages that were settled.
    events: u64,
    settled: u64,
    /// From the first request to the last settlement, or the last answer where nothing is to be settled.
    seconds: f64,
    /// Events a second in that time.
    per_s: f64,
    /// Messages a second; null where nothing is to be settled.
    settled_per_s: Option<f64>,
    /// Processor time of the host, in microseconds an event.
    cpu_us: Option<f64>,
    /// From when a request was due to its answer.
    answered_ms: Times,
    /// From acknowledged receipt to settlement; null where nothing is to be settled, or its time is not known.
    settled_ms: Option<Times>,
    /// Who took that time: `client` or `host`.
    settled_by: Option<&'static str>,
    /// Requests that were refused and sent again.
    refused: u64,
    /// Messages that were received a second time.
    again: u64,
    /// By how much the latest request missed its time, since those before it were not answered; null without a rate.
    late_ms: Option<f64>,
    /// Events a second while the backlog was sent that waits.
    fill_per_s: Option<f64>,
    settings: Settings,
}

#[derive(Serialize)]
struct Settings {
    rate: Option<u32>,
    batch: u32,
    producers: u32,
    consumers: Option<u32>,
    bytes: u32,
    keys: u32,
    waiting: Option<u32>,
    subscriptions: Option<u32>,
    backlog: Option<u32>,
    plugins: Option<u32>,
    rules: Option<u32>,
    warm_up_s: f64,
}

/// Times in milliseconds.
#[derive(Serialize)]
struct Times {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
}

impl Times {
    /// Of what was measured; nothing if that is nothing.
    fn of(times: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| Some(ms(times.value_at_quantile(quantile)));
        let max = Some(ms(times.max()));
        (!times.is_empty()).then(|| Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }

    fn text(&self) -> String {
        let named = [("p50", self.p50), ("p90", self.p90), ("p99", self.p99), ("p99.9", self.p999), ("max", self.max)];
        let known = named.iter().filter_map(|(name, value)| value.map(|value| format!("{name} {}", time(value))));
        known.collect::<Vec<_>>().join("  ")
    }
}

impl Report {
    /// Of a run for which the host used `cpu_s`; `stats` are the tenant's totals where the host settles.
    pub fn new(args: &BenchArgs, run: &Run, cpu_s: f64, stats: Option<StatsView>, fill_per_s: Option<f64>) -> Self {
        let (book, is_ingest) = (&run.book, args.scenario == Scenario::Ingest);
        let (accepted, settled) = book.lasted();
        let (events, messages) = (book.accepted(), book.settled());
        let us = if is_ingest { accepted } else { settled };
        let (answered, by_clients) = book.times(|answered, settled| (Times::of(answered), Times::of(settled)));
        let by_host = stats.filter(|_| !is_ingest).map(|stats| Times {
            p50: stats.p50_ms,
            p90: None,
            p99: stats.p99_ms,
            p999: None,
            max: None,
        });
        // Behind a backlog nobody knows when what was settled had come.
        let by_clients = by_clients.filter(|_| args.scenario != Scenario::Backlog);
        let settled_by = by_clients.as_ref().map(|_| "client").or(by_host.as_ref().map(|_| "host"));
        let cpu_us = (cpu_s.is_finite() && events > 0).then(|| rounded(cpu_s * 1e6 / events as f64));
        Self {
            scenario: args.scenario.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default(),
            kind: if args.rate.is_some() { "open" } else { "closed" },
            events,
            settled: messages,
            seconds: rounded(us as f64 / 1e6),
            per_s: if is_ingest { per_s(events, us) } else { per_s(messages / run.owed.max(1), us) },
            settled_per_s: (!is_ingest).then(|| per_s(messages, us)),
            cpu_us,
            answered_ms: answered.unwrap_or(Times { p50: None, p90: None, p99: None, p999: None, max: None }),
            settled_ms: by_clients.or(by_host),
            settled_by,
            refused: book.refused.load(Ordering::Relaxed),
            again: book.again.load(Ordering::Relaxed),
            late_ms: args.rate.map(|_| ms(book.latest())),
            fill_per_s,
            settings: Settings::of(args, run),
        }
    }
}

impl Settings {
    fn of(args: &BenchArgs, run: &Run) -> Self {
        Self {
            rate: args.rate,
            batch: args.batch,
            producers: args.producers,
            consumers: run.is_pulled.then_some(args.consumers),
            bytes: args.bytes,
            keys: args.keys,
            waiting: args.rate.is_none().then_some(args.waiting),
            subscriptions: (args.scenario == Scenario::Fanout).then_some(args.subscriptions),
            backlog: (args.scenario == Scenario::Backlog).then_some(args.backlog),
            plugins: (args.scenario == Scenario::Plugin).then_some(args.plugins),
            rules: (args.scenario == Scenario::Plugin).then_some(args.rules),
            warm_up_s: args.warm_up.as_secs_f64(),
        }
    }
}

/// Prints it.
///
/// # Errors
/// When stdout is gone.
pub fn tell(report: &Report, out: &mut Output) -> Result<(), CommandError> {
    if out.is_json() {
        return out.document(report);
    }
    let Settings { batch, producers, consumers, bytes, .. } = report.settings;
    let receivers = consumers.map(|number| format!(", {}", counted(number as usize, "consumer", "consumers")));
    let how =
        report.settings.rate.map_or_else(|| "as fast as it goes".to_owned(), |rate| format!("at {rate} events/s"));
    let senders = counted(producers as usize, "producer", "producers");
    let mut facts = vec![
        ("scenario", format!("{}, {how}", report.scenario)),
        ("clients", format!("{senders}{}, {batch} at a time, {bytes} bytes each", receivers.unwrap_or_default())),
        ("events", format!("{} in {} s", report.events, report.seconds)),
        ("rate", format!("{:.0} events/s", report.per_s)),
    ];
    facts.extend(report.settled_per_s.map(|per_s| ("settled", format!("{} messages, {per_s:.0}/s", report.settled))));
    facts.extend(report.fill_per_s.map(|per_s| ("filled at", format!("{per_s:.0} events/s"))));
    facts.extend(report.cpu_us.map(|us| ("host's cpu", format!("{us:.1} us an event"))));
    facts.push(("answered", report.answered_ms.text()));
    facts.extend(report.settled_ms.as_ref().map(|times| {
        ("receipt to settled", format!("{}  ({}'s clock)", times.text(), report.settled_by.unwrap_or_default()))
    }));
    facts.extend(report.late_ms.filter(|late| *late > 0.0).map(|late| ("latest by", time(late))));
    if report.refused + report.again > 0 {
        facts.push(("trouble", format!("{} requests refused, {} messages again", report.refused, report.again)));
    }
    facts.iter().try_for_each(|(name, value)| out.line(&fact(name, value)))
}

/// So many in so many microseconds, a second.
pub fn per_s(number: u64, us: u64) -> f64 {
    if us == 0 { 0.0 } else { rounded(number as f64 * 1e6 / us as f64) }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

fn time(ms: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of at most an hour")]
    lasted((ms * 1_000.0) as u64)
}

/// To two digits behind the point.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_time_it_took() {
        assert_eq!([per_s(500, 2_000_000), per_s(1, 3_000_000), per_s(7, 0)], [250.0, 0.33, 0.0]);
    }

    #[test]
    fn nothing_measured_is_nothing_and_not_zero() {
        let mut times = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        assert!(Times::of(&times).is_none());
        times.record_n(2_000, 99).unwrap();
        times.record(50_000).unwrap();
        let times = Times::of(&times).unwrap();
        assert_eq!(times.p50, Some(2.0));
        assert!(times.max.is_some_and(|max| (49.0..51.0).contains(&max)));
        assert!(times.text().starts_with("p50 2.0 ms"), "{}", times.text());
    }
}
