//! `wharf stats`: the totals of a tenant.
//!
//! Invariant: the numbers are the host's; nothing is added up here.

use wharf_gateway::view::StatsView;

use super::{
    args::Global,
    error::{CommandError, Exit},
    events::fact,
    output::Output,
    session::Session,
};

/// Shows the totals.
pub async fn run(global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let stats: StatsView = session.client.get(&session.own().at("stats")).await?;
    if out.is_json() {
        out.document(&stats)?;
    } else {
        lines(&stats).iter().try_for_each(|line| out.line(line))?;
    }
    Ok(Exit::Success)
}

fn lines(stats: &StatsView) -> Vec<String> {
    let ms = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2} ms"));
    let facts = [
        ("events", stats.events.to_string()),
        ("duplicates", stats.duplicates.to_string()),
        ("deliveries", stats.deliveries.to_string()),
        ("pending", stats.pending.to_string()),
        ("attempts", stats.attempts.to_string()),
        ("published", stats.published.to_string()),
        ("retries", stats.retries.to_string()),
        ("dead letters", stats.dead_letters.to_string()),
        ("conflicts", stats.conflicts.to_string()),
        ("received to settled", format!("p50 {}  p99 {}", ms(stats.p50_ms), ms(stats.p99_ms))),
    ];
    let quarantined = stats.quarantined.iter().map(|release| ("quarantined", release.to_string()));
    facts.into_iter().chain(quarantined).map(|(name, value)| fact(name, &value)).collect()
}
