//! A model outside of the host, which answers no two questions alike, and what is seen of it: what it was asked, and what handlers were told.
//!
//! Invariant: what a handler asks follows from the history's seed and its event, and not from the attempt, so that attempts of a delivery ask the same, and
//! calls with a message of a queue too, whichever messages they have beside it.

use std::{sync::Arc, time::Duration};

use wharf_capability::{AttemptContext, LlmAnswer, LlmCall, LlmFailed, LlmSpent, Pieces};
use wharf_delivery::{Budget, BudgetOf, BudgetPer, BudgetUnit, Cost, DeliveryId, ReserveRequest, SpendRequest};
use wharf_dispatch::Books;
use wharf_event::{Code, Digest, Event};
use wharf_llm::{Ask, Embedding, Failed, Told};
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

/// What asking it may cost in an hour: of some histories little.
pub(crate) fn budgets(seed: u64) -> [Budget; 2] {
    let mut rng = Rng::of(&[seed, of_text(ROUTE), 0xB0D9]);
    let mut most = || if rng.chance(40) { rng.between(100, 3_000) } else { u64::MAX };
    let of_route = ROUTE.parse().map_or(BudgetOf::Tenant, BudgetOf::Route);
    let per = BudgetPer::Hour;
    [
        Budget { of: BudgetOf::Tenant, unit: BudgetUnit::Tokens, per, most: most() },
        Budget { of: of_route, unit: BudgetUnit::Money, per, most: most() },
    ]
}

/// Answers with a number that no answer had before. Where a budget has not enough left, it answers for nothing.
pub(crate) async fn answer(
    seed: u64,
    observed: Observed,
    call: LlmCall,
    books: Arc<dyn Books>,
) -> Result<LlmAnswer, LlmFailed> {
    let mut rng = Rng::of(&[seed, of_text(ROUTE), of_text(&call.delivery), call.number.into()]);
    let pause_ms = rng.between(1, 30);
    let mut cost =
        || Cost { input_tokens: rng.between(1, 50), output_tokens: rng.between(1, 50), money: rng.below(90) };
    let (most, cost) = (cost(), cost());
    let (tenant, plugin, route) = (call.tenant.clone(), call.plugin.clone(), call.route.clone());
    let request = ReserveRequest { tenant, plugin, route, most, budgets: budgets(seed).to_vec() };
    let reserved = match books.reserve(request).await {
        Ok(reserved) => Some(reserved),
        Err(Failed::BudgetExceeded(_)) => None,
        Err(failed) => return Err(LlmFailed::of(Code::LlmOverloaded, failed)),
    };
    if let Some(reserved) = reserved {
        let of = call.tenant.to_string();
        observed.note(
            || format!("{} call {} reserves {reserved:?}", call.delivery, call.number),
            |seen| seen.books.reserved.push((seen.lives.len(), of, reserved.cost)),
        );
    }
    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    let mut number = 0;
    observed.note(
        || format!("the oracle answers {} call {}", call.delivery, call.number),
        |seen| {
            seen.answered += 1;
            number = seen.answered;
        },
    );
    if let Some(reserved) = reserved {
        let of = call.tenant.to_string();
        observed.note(
            || format!("{} call {} costs {cost:?}", call.delivery, call.number),
            |seen| seen.books.spent.push((seen.lives.len(), of, cost)),
        );
        let LlmCall { tenant, plugin, route, .. } = call;
        books.spend(SpendRequest { tenant, plugin, route, reserved: Some(reserved), cost });
    }
    let spent = LlmSpent { model: ROUTE.parse().ok(), tries: 1, outside: true, ..LlmSpent::default() };
    Ok(LlmAnswer { told: Told::Count(number), spent })
}
