//! Asks a model about each event of its batches, in their order, and ends each event as its type says, so that a test can see what is paid for a batch that
//! comes again in part.
//!
//! It is no example: plugins/ has those.

use std::time::Duration;

use wharf::{Context, Conversation, Failure, Item, Outcomes};

#[wharf::batch_handler]
fn asker(batch: Vec<Item>, cx: &Context) -> Outcomes {
    let model = cx.llm("triage");
    for item in &batch {
        let text = item.event.data.as_str().unwrap_or_default();
        model.converse(&Conversation::new(text)).map_err(Failure::reject)?;
    }
    let outcome = |item: &Item| match item.event.kind.as_str() {
        "ask.reject" => Err(Failure::reject("as asked")),
        "ask.again" if item.attempt() == 1 => Err(Failure::retry_after(Duration::from_millis(10), "as asked")),
        "ask.later" if item.attempt() == 1 => Err(Failure::retry_after(Duration::from_secs(2), "as asked")),
        _ => Ok(()),
    };
    Ok(batch.iter().map(outcome).collect())
}
