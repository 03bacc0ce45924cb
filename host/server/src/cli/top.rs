//! `wharf top`: what plugins and webhooks do, second by second, until Ctrl-C.
//!
//! Invariant: attempts are counted from the feed, each in the interval in which it was heard of; what is pending is the host's
//! own number. Nothing is estimated but the quantiles of more than [`DURATIONS_MAX`] attempts, which are of the first ones.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    time::Duration,
};

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};
use wharf_event::{Code, Digest, PluginName, Target, WebhookName};
use wharf_gateway::view::{BudgetView, FeedItem, Outcome, QuotaView, QuotasView, SpentView, StatsView};

use super::{
    args::{Global, TopArgs},
    error::{CommandError, Exit},
    follow::{Feed, Heard},
    limits::DURATIONS_MAX,
    output::Output,
    session::Session,
    usage::amount,
    words::{faint, lasted, strong},
};

/// Puts the cursor of a terminal at its top left and clears the rest.
const CLEAR: &[u8] = b"\x1b[H\x1b[J";

/// Shows what they do.
pub async fn run(args: TopArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    tokio::select! {
        watched = watch(args, session, out) => watched,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Success),
    }
}

async fn watch(args: TopArgs, session: Session, out: &mut Output) -> Result<Exit, CommandError> {
    let mut feed = Feed::new(session.clone(), None);
    let redraws = !out.is_json() && io::stdout().is_terminal();
    let mut ticks = tokio::time::interval_at(Instant::now() + args.interval, args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut counted, mut since, mut rounds) = (Counted::default(), Instant::now(), 0);
    loop {
        let next = feed.next();
        tokio::pin!(next);
        let Heard { item, .. } = loop {
            tokio::select! {
                heard = &mut next => break heard?,
                now = ticks.tick() => {
                    let stats: StatsView = session.client.get(&session.own().at("stats")).await?;
                    let quotas: QuotasView = session.client.get(&session.own().at("quotas")).await?;
                    let interval = std::mem::take(&mut counted).view(&stats, quotas, now.duration_since(since));
                    since = now;
                    if redraws {
                        out.bytes(CLEAR)?;
                    }
                    show(&interval, out)?;
                    rounds += 1;
                    if args.times.is_some_and(|times| rounds >= times) {
                        return Ok(Exit::Success);
                    }
                }
            }
        };
        counted.hear(&item);
    }
}

/// What was heard of since the last look.
#[derive(Default)]
struct Counted {
    received: u64,
    plugins: BTreeMap<PluginName, Attempts>,
    webhooks: BTreeMap<WebhookName, Attempts>,
}

#[derive(Default)]
struct Attempts {
    release: Option<Digest>,
    pending: u64,
    ack: u64,
    filtered: u64,
    retry: u64,
    dead_letter: u64,
    published: u64,
    durations_us: Vec<u64>,
}

impl Counted {
    fn hear(&mut self, item: &FeedItem) {
        match item {
            FeedItem::Received { .. } => self.received += 1,
            FeedItem::Redriven { .. }
            | FeedItem::Discarded { .. }
            | FeedItem::Moved { .. }
            | FeedItem::Edited { .. } => {}
            FeedItem::Settled { to, attempt, published, .. } => {
                let of = match to {
                    Target::Plugin(plugin) => self.plugins.entry(plugin.clone()).or_default(),
                    Target::Webhook(webhook) => self.webhooks.entry(webhook.clone()).or_default(),
                    _ => match &attempt.consumer {
                        Some(plugin) => self.plugins.entry(plugin.clone()).or_default(),
                        None => return,
                    },
                };
                of.release = attempt.release.or(of.release);
                of.published += published.len() as u64;
                match attempt.outcome {
                    Outcome::Ack => of.ack += 1,
                    Outcome::Filtered { .. } => of.filtered += 1,
                    Outcome::Retry { .. } => of.retry += 1,
                    Outcome::DeadLetter { .. } => of.dead_letter += 1,
                }
                if of.durations_us.len() < DURATIONS_MAX {
                    of.durations_us.push(attempt.duration_us);
                }
            }
        }
    }

    fn view(mut self, stats: &StatsView, quotas: QuotasView, lasted: Duration) -> Interval {
        // Something may wait for a plugin that did nothing.
        for of in quotas.plugins.iter().filter(|of| of.backlog.used > 0) {
            self.plugins.entry(of.plugin.clone()).or_default().pending = of.backlog.used;
        }
        Interval {
            seconds: lasted.as_secs_f64(),
            received: self.received,
            pending: stats.pending,
            conflicts: stats.conflicts,
            running: stats.load.running,
            held_by: stats.load.held_by,
            quotas,
            webhooks: self.webhooks(stats),
            plugins: self.with_held(stats).into_iter().map(|(plugin, of)| of.view(plugin, stats)).collect(),
        }
    }

    /// Those of which something was heard, that run, or that are held back.
    fn webhooks(&mut self, stats: &StatsView) -> Vec<WebhookView> {
        let mut webhooks = std::mem::take(&mut self.webhooks);
        for busy in &stats.load.webhooks {
            webhooks.entry(busy.webhook.clone()).or_default();
        }
        let view = |(webhook, of): (WebhookName, Attempts)| {
            let load = stats.load.webhooks.iter().find(|of| of.webhook == webhook);
            let (running, held_by) = load.map_or((0, None), |of| (of.running, of.held_by));
            let Attempts { ack, filtered, retry, dead_letter, mut durations_us, .. } = of;
            let [p50_us, p99_us] = quantiles(&mut durations_us);
            let attempts = ack + filtered + retry + dead_letter;
            WebhookView { webhook, running, held_by, attempts, ack, filtered, retry, dead_letter, p50_us, p99_us }
        };
        webhooks.into_iter().map(view).collect()
    }

    /// Those of which nothing was heard since they are held back are shown too.
    fn with_held(self, stats: &StatsView) -> BTreeMap<PluginName, Attempts> {
        let mut plugins = self.plugins;
        for held in stats.load.plugins.iter().filter(|of| of.held_by.is_some()) {
            plugins.entry(held.plugin.clone()).or_default();
        }
        plugins
    }
}

impl Attempts {
    fn view(mut self, plugin: PluginName, stats: &StatsView) -> PluginView {
        let load = stats.load.plugins.iter().find(|of| of.plugin == plugin);
        let (running, held_by) = load.map_or((0, None), |of| (of.running, of.held_by));
        let [p50_us, p99_us] = quantiles(&mut self.durations_us);
        PluginView {
            plugin,
            release: self.release,
            pending: self.pending,
            quarantined: self.release.is_some_and(|release| stats.quarantined.contains(&release)),
            running,
            held_by,
            attempts: self.ack + self.filtered + self.retry + self.dead_letter,
            ack: self.ack,
            filtered: self.filtered,
            retry: self.retry,
            dead_letter: self.dead_letter,
            published: self.published,
            p50_us,
            p99_us,
        }
    }
}

/// What half of these stay within, and 99 of 100; 0 where there are none.
fn quantiles(durations_us: &mut [u64]) -> [u64; 2] {
    durations_us.sort_unstable();
    let last = durations_us.len().saturating_sub(1);
    [50, 99].map(|of| durations_us.get(last * of / 100).copied().unwrap_or_default())
}

/// One look.
#[derive(Debug, Serialize)]
struct Interval {
    seconds: f64,
    received: u64,
    pending: u64,
    conflicts: u64,
    running: u32,
    held_by: Option<Code>,
    quotas: QuotasView,
    plugins: Vec<PluginView>,
    webhooks: Vec<WebhookView>,
}

#[derive(Debug, Serialize)]
struct WebhookView {
    webhook: WebhookName,
    running: u32,
    held_by: Option<Code>,
    attempts: u64,
    ack: u64,
    filtered: u64,
    retry: u64,
    dead_letter: u64,
    p50_us: u64,
    p99_us: u64,
}

#[derive(Debug, Serialize)]
struct PluginView {
    plugin: PluginName,
    release: Option<Digest>,
    quarantined: bool,
    running: u32,
    held_by: Option<Code>,
    pending: u64,
    attempts: u64,
    ack: u64,
    filtered: u64,
    retry: u64,
    dead_letter: u64,
    published: u64,
    p50_us: u64,
    p99_us: u64,
}

impl Interval {
    /// So many in a second.
    fn rate(&self, number: u64) -> String {
        // Counts of one look are far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let number = number as f64;
        format!("{:.0}", number / self.seconds.max(f64::MIN_POSITIVE))
    }
}

/// How much there is, and how much there may be.
fn beside(quota: QuotaView, text: impl Fn(u64) -> String) -> String {
    let of = quota.most.map(|most| format!("/{}", text(most))).unwrap_or_default();
    format!("{}{of}", text(quota.used))
}

/// What models cost the tenant today, and what they may.
fn spent(BudgetView { day, currency, .. }: &BudgetView) -> (&'static str, String) {
    let most = day.most_cost.as_ref().map(|most| format!("/{most}")).unwrap_or_default();
    let unit = currency.as_ref().map(|currency| format!(" {currency}")).unwrap_or_default();
    ("models/day", format!("{}{most}{unit}", day.cost))
}

fn show(interval: &Interval, out: &mut Output) -> Result<(), CommandError> {
    if out.is_json() {
        return out.document(interval);
    }
    let facts = [
        ("received/s", interval.rate(interval.received)),
        ("pending", beside(interval.quotas.backlog, |number| number.to_string())),
        ("kv", beside(interval.quotas.kv_bytes, amount)),
        ("cpu/h", beside(interval.quotas.cpu_ms_per_hour, |ms| lasted(ms.saturating_mul(1_000)))),
        ("conflicts", interval.conflicts.to_string()),
        ("running", interval.running.to_string()),
    ];
    let models = interval.quotas.budgets.iter().find(|budget| budget.of == "tenant").map(spent);
    let held = interval.held_by.map(|code| ("held by", code.to_string()));
    let facts: Vec<_> = facts
        .iter()
        .chain(&models)
        .chain(&held)
        .map(|(name, value)| format!("{} {}", faint(name), strong(value)))
        .collect();
    out.line(&facts.join("   "))?;
    let row = |it: &PluginView| {
        let mark = if it.quarantined { " quarantined" } else { "" };
        let release = it.release.map(|release| format!("{}{mark}", release.short())).unwrap_or_default();
        let counts = [it.attempts, it.ack, it.filtered, it.retry, it.dead_letter, it.published];
        let [attempts, ack, filtered, retry, dead_letter, published] = counts.map(|number| interval.rate(number));
        let (p50, p99) = (lasted(it.p50_us), lasted(it.p99_us));
        let (pending, held) = (it.pending.to_string(), it.held_by.map(|code| code.to_string()).unwrap_or_default());
        [
            it.plugin.to_string(),
            release,
            pending,
            attempts,
            ack,
            filtered,
            retry,
            dead_letter,
            published,
            p50,
            p99,
            held,
        ]
    };
    let head = [
        "TARGET",
        "RELEASE",
        "PENDING",
        "ATTEMPTS/S",
        "ACK",
        "FILTERED",
        "RETRY",
        "DEAD",
        "PUBLISHED",
        "P50",
        "P99",
        "HELD BY",
    ];
    let webhook = |it: &WebhookView| {
        let counts = [it.attempts, it.ack, it.filtered, it.retry, it.dead_letter];
        let [attempts, ack, filtered, retry, dead_letter] = counts.map(|number| interval.rate(number));
        let held = it.held_by.map(|code| code.to_string()).unwrap_or_default();
        // It has no releases and publishes nothing; what waits for it is among what waits for the tenant.
        let [release, pending, published] = [const { String::new() }; 3];
        let (name, [p50, p99]) = (Target::Webhook(it.webhook.clone()).to_string(), [it.p50_us, it.p99_us].map(lasted));
        [name, release, pending, attempts, ack, filtered, retry, dead_letter, published, p50, p99, held]
    };
    let webhooks = interval.webhooks.iter().map(webhook);
    out.table(head, interval.plugins.iter().map(row).chain(webhooks).collect())?;
    show_budgets(&interval.quotas.budgets, out)
}

/// Those that were used or bound something.
fn show_budgets(budgets: &[BudgetView], out: &mut Output) -> Result<(), CommandError> {
    let rows: Vec<_> = budgets.iter().filter(|it| says_something(it)).map(budget).collect();
    if rows.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.table(["BUDGET", "TOKENS/H", "COST/H", "TOKENS/DAY", "COST/DAY"], rows)
}

/// Whether a budget was used today, or is bounded.
fn says_something(BudgetView { hour, day, .. }: &BudgetView) -> bool {
    day.calls > 0 || [hour, day].iter().any(|spent| spent.most_tokens.is_some() || spent.most_cost.is_some())
}

/// What models took of it, what is reserved for calls that are under way included, and what they may.
fn budget(BudgetView { of, currency, hour, day }: &BudgetView) -> [String; 5] {
    let tokens = |spent: &SpentView| {
        let used =
            [spent.input_tokens, spent.output_tokens, spent.reserved_tokens].into_iter().fold(0, u64::saturating_add);
        beside(QuotaView { used, most: spent.most_tokens }, |number| number.to_string())
    };
    let unit = currency.as_ref().map(|currency| format!(" {currency}")).unwrap_or_default();
    let cost = |spent: &SpentView| {
        let most = spent.most_cost.as_ref().map(|most| format!("/{most}")).unwrap_or_default();
        let is_nothing = spent.reserved_cost.chars().all(|digit| matches!(digit, '0' | '.'));
        let reserved = if is_nothing { String::new() } else { format!("+{}", spent.reserved_cost) };
        format!("{}{reserved}{most}{unit}", spent.cost)
    };
    [of.clone(), tokens(hour), cost(hour), tokens(day), cost(day)]
}

#[cfg(test)]
mod tests {
    use wharf_gateway::view::{LoadView, PluginLoadView, PluginQuotasView, WebhookLoadView};

    use super::super::tree::tests::story;
    use super::*;

    #[test]
    fn every_attempt_is_counted_once_with_its_outcome() {
        let mut counted = Counted::default();
        story().iter().for_each(|item| counted.hear(item));
        let stats = StatsView { pending: 3, ..StatsView::default() };
        let backlog = QuotaView { used: 3, most: None };
        let waiting = PluginQuotasView { plugin: "waits".parse().unwrap(), backlog, publish_per_s: None };
        let quotas = QuotasView { plugins: vec![waiting], ..QuotasView::default() };
        let view = serde_json::to_value(counted.view(&stats, quotas, Duration::from_secs(2))).unwrap();
        let [plugin, waits] = view["plugins"].as_array().unwrap().as_slice() else { panic!("{view}") };
        assert_eq!((&waits["plugin"], &waits["pending"], &waits["attempts"]), (&"waits".into(), &3.into(), &0.into()));
        let found = ["attempts", "ack", "retry", "dead_letter", "filtered", "published", "p50_us", "p99_us"];
        assert_eq!(found.map(|name| plugin[name].as_u64().unwrap()), [6, 4, 1, 1, 0, 1, 1_500, 1_500]);
        assert_eq!((&view["received"], &view["pending"]), (&2.into(), &3.into()));
    }

    #[test]
    fn quantiles_are_of_what_was_counted() {
        let attempts = Attempts { durations_us: (1..=100).rev().collect(), ..Attempts::default() };
        let view = attempts.view("p".parse().unwrap(), &StatsView::default());
        assert_eq!((view.p50_us, view.p99_us), (50, 99));
        assert_eq!(Attempts::default().view("p".parse().unwrap(), &StatsView::default()).p99_us, 0);
    }

    #[test]
    fn a_release_that_is_not_run_any_more_is_marked() {
        let [one, other] = [b"one".as_slice(), b"other"].map(Digest::of);
        let marked = |release| {
            let attempts = Attempts { release: Some(release), ..Attempts::default() };
            let stats = StatsView { quarantined: vec![one], ..StatsView::default() };
            attempts.view("p".parse().unwrap(), &stats).quarantined
        };
        assert!(marked(one) && !marked(other));
    }

    #[test]
    fn a_plugin_that_is_held_back_is_shown_though_nothing_was_heard_of_it() {
        let held = PluginLoadView {
            plugin: "p".parse().unwrap(),
            running: 3,
            running_max: 3,
            held_by: Some(Code::HeldPlugin),
        };
        let load = LoadView { running: 3, plugins: vec![held], ..LoadView::default() };
        let stats = StatsView { load, ..StatsView::default() };
        let view = serde_json::to_value(Counted::default().view(&stats, QuotasView::default(), Duration::from_secs(1)))
            .unwrap();
        assert_eq!((&view["running"], &view["held_by"]), (&3.into(), &serde_json::Value::Null));
        let plugin = &view["plugins"][0];
        assert_eq!((&plugin["plugin"], &plugin["held_by"]), (&"p".into(), &"held-plugin".into()));
    }

    #[test]
    fn webhooks_are_counted_too_and_shown_while_they_run_or_are_held_back() {
        let mut counted = Counted::default();
        let json = |to: &str| {
            serde_json::json!({"settled": {"delivery": "1-0.0", "event": "1-0", "rule": "r", "target": to, "published": [],
                "attempt": {"attempt": 1, "position": "2-0", "time": "", "outcome": {"outcome": "ack"}, "duration_us": 7,
                "published": [], "kv_writes": 0}}})
        };
        for to in ["webhook/crm", "queue/jobs"] {
            counted.hear(&serde_json::from_value(json(to)).unwrap());
        }
        let (held_by, webhook) = (Some(Code::HeldPlugin), "slow".parse().unwrap());
        let slow = WebhookLoadView { webhook, running: 2, running_max: 2, held_by };
        let stats =
            StatsView { load: LoadView { webhooks: vec![slow], ..LoadView::default() }, ..StatsView::default() };
        let view = counted.view(&stats, QuotasView::default(), Duration::from_secs(1));
        let told = |it: &WebhookView| (it.webhook.to_string(), it.attempts, it.ack, it.running, it.p99_us);
        let told: Vec<_> = view.webhooks.iter().map(told).collect();
        assert_eq!(told, [("crm".to_owned(), 1, 1, 0, 7), ("slow".to_owned(), 0, 0, 2, 0)]);
        assert!(view.plugins.is_empty());
    }

    #[test]
    fn counts_are_shown_a_second() {
        let (stats, quotas) = (StatsView::default(), QuotasView::default());
        let counted = Counted { received: 10, ..Counted::default() };
        let interval = counted.view(&stats, quotas, Duration::from_millis(500));
        assert_eq!(interval.rate(10), "20");
    }
}
