//! The probe's batch handler in Rust; what it does is in tests/languages/README.md.
//!
//! It is no example: plugins/ has those.

use std::time::Duration;

use wharf::{Context, Draft, Failure, Item, Outcomes};

wharf::needs! { publish = ["probe.*"], kv = ["default"] }

#[wharf::batch_handler]
fn probe(batch: Vec<Item<i64>>, cx: &Context) -> Outcomes {
    let has = |kind: &str| batch.iter().any(|item| item.event.kind == kind);
    #[allow(clippy::panic, reason = "that is the test")]
    if has("probe.uncaught") {
        panic!("uncaught as asked");
    }
    if has("probe.fail-all") {
        return Err(Failure::retry("all fail as asked"));
    }
    let kv = cx.kv();
    for event in batch.iter().map(|item| &item.event) {
        kv.add(&format!("sum/{}", event.source), event.data)?;
        kv.add(&format!("seen/{}", event.id), 1)?;
        if event.kind == "probe.append" {
            let key = format!("line/{}", event.extension("partitionkey").unwrap_or_default());
            let before = kv.get(&key)?.unwrap_or_default();
            kv.set(&key, [before, format!("{},", event.data).into_bytes()].concat())?;
        }
    }
    if has("probe.publish") {
        cx.publish(Draft::new("probe.batched").json(&batch.len())?)?;
    }
    let outcome = |item: &Item<i64>| match item.event.kind.as_str() {
        "probe.reject" => Err(Failure::reject("rejected as asked")),
        "probe.retry" => Err(Failure::retry_after(Duration::from_millis(1), "again as asked")),
        _ => Ok(()),
    };
    Ok(batch.iter().map(outcome).collect())
}
