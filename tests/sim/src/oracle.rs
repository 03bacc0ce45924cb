//! A model outside of the host, which answers no two questions alike, and what is seen of it: what it was asked, and what handlers were told.
//!
//! Invariant: what a handler asks follows from the history's seed and its event, and not from the attempt, so that attempts of a delivery ask the same, and
//! calls with a message of a queue too, whichever messages they have beside it.

use std::time::Duration;

use wharf_capability::{AttemptContext, LlmAnswer, LlmCall, LlmFailed, LlmSpent, Pieces};
use wharf_delivery::DeliveryId;
use wharf_event::{Digest, Event};
use wharf_llm::{Ask, Embedding, Told};
use wharf_runtime::BatchItem;

use crate::{
    observed::Observed,
    rng::{Rng, of_text},
};

/// The route to it.
pub const ROUTE: &str = "oracle";

/// Events of so many in a hundred about which it is asked.
const ASKED_OF: u64 = 15;

/// What a handler was told.
#[derive(Clone, Debug)]
pub struct ToldBy {
    /// In which life of the process.
    pub life: usize,
    /// For which delivery.
    pub delivery: DeliveryId,
    /// In which attempt.
    pub attempt: u32,
    /// As which call of its attempt; none of a message of a batch, since that is another one each time.
    pub call: Option<u32>,
    /// The answer's number.
    pub answer: u64,
}

/// Whether a handler asks about an event.
pub(crate) fn is_asked(seed: u64, plugin: &str, event: &Event) -> bool {
    let parts = [seed, of_text(ROUTE), of_text(plugin), of_text(event.source()), of_text(event.id())];
    Rng::of(&parts).chance(ASKED_OF)
}

/// Has a handler ask, twice, and notes what it was told.
pub(crate) async fn ask(observed: &Observed, context: &AttemptContext) {
    let Some(delivery) = context.occasion.delivery() else { return };
    for number in 1..=2 {
        let Some(answer) = asked(context, number, question(format!("{delivery} {number}"))).await else { return };
        observed.note(
            || format!("{delivery} call {number} is told {answer}"),
            |seen| {
                let (life, mut runs) = (seen.lives.len(), seen.runs.iter().rev());
                let attempt = runs.find(|run| run.delivery == delivery).map_or(0, |run| run.attempt);
                seen.told.push(ToldBy { life, delivery, attempt, call: Some(number), answer });
            },
        );
    }
}

/// Has a handler ask about each of these messages of a batch, and notes what it was told.
pub(crate) async fn ask_about(observed: &Observed, context: &AttemptContext, items: impl Iterator<Item = &BatchItem>) {
    for (number, item) in (1..).zip(items) {
        let (delivery, attempt) = (item.delivery, item.attempt);
        let Some(answer) = asked(context, number, about(delivery)).await else { return };
        observed.note(
            || format!("a call with {delivery} attempt {attempt} is told {answer} about it"),
            |seen| seen.told.push(ToldBy { life: seen.lives.len(), delivery, attempt, call: None, answer }),
        );
    }
}

/// Asks; none where the host stops, which gives no answer.
async fn asked(context: &AttemptContext, number: u32, ask: Ask) -> Option<u64> {
    let call = LlmCall {
        tenant: context.tenant.clone(),
        plugin: context.plugin.clone(),
        delivery: context.occasion.to_string(),
        number,
        route: ROUTE.parse().ok()?,
        ask,
        trace: None,
        timeout: Duration::from_secs(10),
        answer_bytes_max: 1_000,
        pieces: Pieces::default(),
    };
    match context.llm.ask(call).await {
        Ok(LlmAnswer { told: Told::Count(answer), .. }) => Some(answer),
        _ => None,
    }
}

fn question(text: String) -> Ask {
    Ask::Embed(Embedding { texts: vec![text], dimensions: None })
}

/// What is asked about a message of a batch.
fn about(message: DeliveryId) -> Ask {
    question(format!("about {message}"))
}

/// The digest by which the host knows that again.
pub(crate) fn digest_about(message: DeliveryId) -> Digest {
    Digest::of(&[ROUTE.as_bytes(), &[0], &about(message).to_bytes()].concat())
}

/// Answers with a number that no answer had before.
pub(crate) async fn answer(seed: u64, observed: Observed, call: LlmCall) -> Result<LlmAnswer, LlmFailed> {
    let pause_ms = Rng::of(&[seed, of_text(ROUTE), of_text(&call.delivery), call.number.into()]).between(1, 30);
    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    let mut number = 0;
    observed.note(
        || format!("the oracle answers {} call {}", call.delivery, call.number),
        |seen| {
            seen.answered += 1;
            number = seen.answered;
        },
    );
    let spent = LlmSpent { model: ROUTE.parse().ok(), tries: 1, outside: true, ..LlmSpent::default() };
    Ok(LlmAnswer { told: Told::Count(number), spent })
}
