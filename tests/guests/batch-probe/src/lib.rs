//! Counts the events of its batches, and does beside what the type of one says, so that a test can watch the host take it.
//!
//! Invariant: `events` is the number of events of which all in one call succeeded, `sum` that of their payloads.
//!
//! It is no example: plugins/ has those.

use wharf::{Context, Draft, Failure, Item, Outcomes};

#[wharf::batch_handler]
fn probe(batch: Vec<Item>, cx: &Context) -> Outcomes {
    let has = |kind: &str| batch.iter().any(|item| item.event.kind == kind);
    #[allow(clippy::panic, reason = "that is the test")]
    if has("probe.panic") {
        panic!("the probe panics as asked");
    }
    while has("probe.loop") {
        std::hint::black_box(&batch);
    }
    if has("probe.fail-all") {
        return Err(Failure::retry("all fail as asked"));
    }
    // Before it is known which events fail: the host has to let go of it.
    cx.kv().add("events", i64::try_from(batch.len()).unwrap_or(i64::MAX))?;
    cx.kv().add("sum", batch.iter().filter_map(|item| item.event.data.as_i64()).sum())?;
    cx.kv().add("batches", 1)?;
    for item in &batch {
        cx.kv().add(&format!("seen/{}", item.event.id), 1)?;
    }
    if has("probe.publish") {
        cx.publish(Draft::new("probe.published").json(&batch.len())?)?;
    }
    if has("probe.increment") {
        cx.kv().increment("shared", 1)?;
    }
    let outcome = |item: &Item| match item.event.kind.as_str() {
        "probe.reject" => Err(Failure::reject("the probe rejects as asked")),
        "probe.retry" => Err(Failure::retry_after(std::time::Duration::from_millis(1), "the probe retries as asked")),
        _ => Ok(()),
    };
    let short = usize::from(has("probe.short"));
    Ok(batch.iter().skip(short).map(outcome).collect())
}
