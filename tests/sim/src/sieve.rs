//! A transform that follows a script: what it makes of an event is a pure function of the history's seed and the event.

use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_capability::AttemptContext;
use wharf_delivery::{Details, Failure, LimitsDocument, Used};
use wharf_dispatch::Transform;
use wharf_event::{Code, Event};
use wharf_runtime::{TransformReport, Transformed};

use crate::{
    rng::{Rng, of_text},
    script,
};

/// The transform.
pub struct Sieve {
    seed: u64,
}

/// What it makes of an event.
#[must_use]
pub fn sieved(seed: u64, event: &Event) -> Transformed {
    let mut rng = Rng::of(&[seed, of_text(event.source()), of_text(event.id()), 0x51E]);
    match rng.below(10) {
        0 | 1 => Transformed::Filtered,
        2 => Transformed::Failed(Failure::new(Code::HandlerTrap, "as scripted")),
        _ => match event.clone().with_extension("sieved", "yes") {
            Ok(event) => Transformed::Event(event),
            Err(_) => Transformed::Filtered,
        },
    }
}

/// What it uses for that.
#[must_use]
pub fn used(seed: u64, event: &Event) -> Used {
    script::used(seed, of_text(event.id()))
}

impl Sieve {
    /// The transform of a history.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Transform for Sieve {
    fn transform(&self, context: AttemptContext, _: LimitsDocument) -> BoxFuture<'_, TransformReport> {
        async move {
            let pause_ms = Rng::of(&[self.seed, of_text(context.event.id())]).below(20);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            TransformReport {
                made: sieved(self.seed, &context.event),
                duration: Duration::ZERO,
                details: Details { used: Some(used(self.seed, &context.event)), ..Details::default() },
            }
        }
        .boxed()
    }
}
