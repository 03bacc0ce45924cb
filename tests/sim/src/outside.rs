//! A receiver of webhooks that follows a script: what it answers is a pure function of the history's seed, the event and the attempt.
//!
//! It stands outside of the host and sees what leaves it: each request is noted as a run, so that what holds for the runs of handlers is asked of
//! requests too. Nothing may reach it before what it follows from is durable.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use wharf_delivery::{DeliveryId, DeliveryRow, Failure, Used, Verdict};
use wharf_dispatch::{
    Books, Dispatcher, LlmAnswer, LlmCall, LlmFailed, NoAnswer, Outgoing, OutgoingAnswer, OutgoingRequest,
};
use wharf_event::{Code, Event, SecretName, Target};

use crate::{
    observed::{Observed, Ran, Run},
    oracle,
    rng::{Rng, of_text},
    rules,
};

/// What it answers to one request.
#[derive(Clone, Copy, Debug)]
enum Reply {
    Status(u16),
    /// 429, and after how many seconds it wants the next.
    Later(u64),
    Nothing,
}

impl Reply {
    fn of(seed: u64, event: &Event, attempt: u32) -> (u64, Self) {
        let parts = [seed, of_text(rules::HOOK), of_text(event.source()), of_text(event.id()), u64::from(attempt)];
        let mut rng = Rng::of(&parts);
        let pause_ms = if rng.chance(6) { rng.between(500, 4_000) } else { rng.between(1, 40) };
        let reply = match rng.below(100) {
            0..=59 => Self::Status(204),
            60..=71 => Self::Status(500),
            72..=77 => Self::Status(404),
            78..=82 => Self::Status(302),
            83..=91 => Self::Later(rng.below(4)),
            _ => Self::Nothing,
        };
        (pause_ms, reply)
    }

    /// What follows from it, by what the design says of answers.
    fn verdict(self) -> Verdict {
        let failed = |code, status, retry_after_ms| {
            Verdict::Failed(Failure { status, retry_after_ms, ..Failure::new(code, "as scripted") })
        };
        match self {
            Self::Status(204) => Verdict::Ok,
            Self::Status(302) => failed(Code::WebhookRedirect, Some(302), None),
            Self::Status(status) => failed(Code::WebhookStatus, Some(status), None),
            // Nothing asks for nothing.
            Self::Later(0) => failed(Code::WebhookStatus, Some(429), None),
            Self::Later(seconds) => failed(Code::WebhookStatus, Some(429), Some(seconds * 1_000)),
            Self::Nothing => failed(Code::WebhookUnreachable, None, None),
        }
    }

    fn answer(self) -> Result<OutgoingAnswer, NoAnswer> {
        let (status, headers) = match self {
            Self::Status(status) => (status, Vec::new()),
            Self::Later(seconds) => (429, vec![("retry-after".to_owned(), seconds.to_string())]),
            Self::Nothing => return Err(nobody()),
        };
        Ok(OutgoingAnswer { status, headers, body: Bytes::new(), is_cut: false })
    }
}

fn nobody() -> NoAnswer {
    NoAnswer { code: Code::WebhookUnreachable, reason: "as scripted".to_owned() }
}

/// The receiver of one life.
#[derive(Clone)]
pub struct Outside {
    seed: u64,
    observed: Observed,
    host: Arc<Mutex<Option<Dispatcher>>>,
}

impl Outside {
    /// One that tells `observed` what reaches it.
    #[must_use]
    pub fn new(seed: u64, observed: Observed) -> Self {
        Self { seed, observed, host: Arc::default() }
    }

    /// The host whose requests these are, from now on or no more.
    pub fn serve(&self, host: Option<Dispatcher>) {
        *self.host.lock().unwrap_or_else(PoisonError::into_inner) = host;
    }

    async fn take(self, request: OutgoingRequest) -> Result<OutgoingAnswer, NoAnswer> {
        let host = self.host.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some(host), Some(delivery)) = (host, delivery(&request)) else { return Err(nobody()) };
        let (frame_ms, durable_k) = (host.now_ms(), host.archive().last_k());
        let Ok(event) = Event::from_json(&request.message.body) else {
            self.wrong(format!("what was sent for {delivery} is no event"));
            return Err(nobody());
        };
        if delivery.event.k > durable_k {
            self.wrong(format!("{delivery} was sent when {durable_k} was the last durable frame"));
        }
        let Some(attempt) = attempt(&host, &request, delivery).await else { return Err(nobody()) };
        let number = self.began(&request, (delivery, attempt), (frame_ms, &event));
        let (pause_ms, reply) = Reply::of(self.seed, &event, attempt);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let (published, writes, reads) = (Vec::new(), Vec::new(), Vec::new());
        let ran = Ran::Ended { verdict: reply.verdict(), published, writes, reads };
        self.observed.note(
            || format!("answer to {number}: {reply:?}"),
            |seen| {
                let step = seen.step();
                if let Some(run) = seen.runs.get_mut(number) {
                    (run.ended, run.ran) = (Some(step), ran);
                }
            },
        );
        reply.answer()
    }

    fn began(
        &self,
        request: &OutgoingRequest,
        (delivery, attempt): (DeliveryId, u32),
        (frame_ms, event): (u64, &Event),
    ) -> usize {
        let mut number = usize::MAX;
        let line = || format!("request of {} for {delivery} attempt {attempt} at {frame_ms}", request.tenant);
        self.observed.note(line, |seen| {
            let began = seen.step();
            number = seen.runs.len();
            seen.runs.push(Run {
                life: seen.lives.len(),
                tenant: request.tenant.to_string(),
                plugin: rules::HOOK.to_owned(),
                delivery,
                attempt,
                event: event.clone(),
                received: event.clone(),
                frame_ms,
                began,
                ended: None,
                ran: Ran::Cut,
                used: Used::default(),
            });
        });
        number
    }

    fn wrong(&self, what: String) {
        self.observed.note(|| what.clone(), |seen| seen.wrong.push(what.clone()));
    }
}

impl Outgoing for Outside {
    fn send(&self, request: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>> {
        self.clone().take(request).boxed()
    }

    fn ask(
        &self,
        call: LlmCall,
        _: BTreeMap<SecretName, String>,
        books: Arc<dyn Books>,
    ) -> BoxFuture<'static, Result<LlmAnswer, LlmFailed>> {
        oracle::answer(self.seed, self.observed.clone(), call, books).boxed()
    }
}

/// The delivery that a request says that it is of.
fn delivery(request: &OutgoingRequest) -> Option<DeliveryId> {
    let (_, id) = request.message.headers.iter().find(|(name, _)| name == "webhook-id")?;
    let (event, n) = id.rsplit_once('-')?;
    format!("{event}.{n}").parse().ok()
}

/// The number of the attempt that is under way, by what the state says; absent where the delivery is gone.
async fn attempt(host: &Dispatcher, request: &OutgoingRequest, id: DeliveryId) -> Option<u32> {
    let to: Target = format!("webhook/{}", rules::HOOK).parse().ok()?;
    let row = host.read(|state| DeliveryRow::find(state, &request.tenant, &to, id)).await;
    Some(row.ok()?.ok()??.attempts + 1)
}
