//! The tries of one call of a plugin: the models of its route, one after the other, until one answers.
//!
//! Invariant: every try is paid for in the sum, whether it led to an answer or not; and all of them together end in the time that the call has.
//! Where there are budgets, what a try may cost is taken out of them before it leaves, and what it did cost is put in its place.
//! What each error leads to is `wharf-llm`'s to say (`Failed::next`). A model that only fails by a route is not asked by it for a while, and the next one is.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::sync::{Semaphore, mpsc::Sender};
use wharf_delivery::{Cost, ReserveRequest, Reserved, SpendRequest};
use wharf_dispatch::{HttpAnswer, HttpFailed, HttpRequest, LlmCall, LlmSpent};
use wharf_egress::Takes;
use wharf_event::{Code, Digest, ModelName, SecretName};
use wharf_llm::{Answered, Ask, Failed, Next, Piece, Request, Step, Told, Unanswered, Usage};

use super::{
    asking::Means,
    catalog::{Model, billionths},
    key::{self, Auth},
    metering::RouteStep,
    streaming::{Came, Streamed},
};
use crate::{
    beside::beside,
    config::{ProviderConfig, RouteConfig},
    prices::Money,
    sent::Carried,
};

/// Bytes of an answer of a provider: JSON, which is longer than what it says.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The field of that key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What is waited before a second try.
const WAIT: Duration = Duration::from_millis(250);

/// The longest that is waited for one model, where another may be asked or nobody knows how long it takes.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A tenant's secrets as they are kept.
pub(super) type Sealed = BTreeMap<SecretName, String>;

/// Sends requests of the host's own.
pub trait Sends: Send + Sync {
    /// Sends one, with the key that belongs into it, and gives the answer without keys in it.
    fn send(&self, request: HttpRequest, auth: Auth) -> BoxFuture<'_, Result<HttpAnswer, HttpFailed>>;

    /// The same, but that the body of an answer is given to whoever takes it, while it comes.
    fn stream<'a>(
        &'a self,
        request: HttpRequest,
        auth: Auth,
        takes: &'a mut dyn Takes,
    ) -> BoxFuture<'a, Result<HttpAnswer, HttpFailed>>;
}

/// Why one try came to nothing.
pub(super) struct Unable {
    pub(super) code: Option<Code>,
    pub(super) why: Failed,
    pub(super) usage: Usage,
}

impl From<Failed> for Unable {
    fn from(why: Failed) -> Self {
        Self { code: None, why, usage: Usage::default() }
    }
}

impl From<Unanswered> for Unable {
    fn from(Unanswered { why, usage }: Unanswered) -> Self {
        Self { code: None, why, usage: usage.unwrap_or_default() }
    }
}

/// How often each model is asked, and how long each time.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) tries: u32,
    pub(super) timeout: Duration,
}

impl Patience {
    /// That of a route.
    pub(super) const fn of(route: &RouteConfig) -> Self {
        Self { tries: route.tries, timeout: Duration::from_millis(route.timeout_ms) }
    }
}

/// The tries of one call.
pub(super) struct Round<'a> {
    pub(super) means: Means<'a>,
    pub(super) call: &'a LlmCall,
    sealed: &'a Sealed,
    began: Instant,
    spent: Money,
    pub(super) told: LlmSpent,
    /// Where pieces of an answer go, where they go on as they come.
    live: Option<&'a Sender<Piece>>,
    /// Whether any went.
    pub(super) has_passed: bool,
    /// Bytes that the try which is under way sent and received.
    pub(super) carried: Carried,
}

impl<'a> Round<'a> {
    /// None yet, of a call that began then.
    pub(super) fn new(
        means: Means<'a>,
        (call, began): (&'a LlmCall, Instant),
        sealed: &'a Sealed,
        live: Option<&'a Sender<Piece>>,
    ) -> Self {
        let (spent, told) = (Money::default(), LlmSpent::default());
        Self { means, call, sealed, began, spent, told, live, has_passed: false, carried: Carried::default() }
    }

    /// Asks these models, in this order, until one answers.
    pub(super) async fn all(&mut self, patience: Patience, order: &[&ModelName]) -> Result<Told, Unable> {
        let mut last = Unable::from(Failed::Timeout);
        for name in order {
            let Some(model) = self.means.catalog.model(name) else {
                last = Failed::Provider(format!("there is no model `{name}`")).into();
                continue;
            };
            match self.rested(&model, patience).await {
                // What the guest has of one answer does not go on with another.
                Err(unable) if unable.why.next() != Next::Stop && !self.has_passed => {
                    tracing::debug!(tenant = %self.call.tenant, route = %self.call.route, model = %name, "a model did not answer: {}", unable.why);
                    last = unable;
                }
                ended => return ended,
            }
        }
        Err(last)
    }

    /// Asks one model, unless it rests: as often as all tries of a call failed in a row.
    async fn rested(&mut self, model: &Model<'_>, patience: Patience) -> Result<Told, Unable> {
        let LlmCall { tenant, route: name, .. } = self.call;
        let leave = match self.means.rests.enter((format!("{tenant} {name}").into(), usize::MAX), model.name.as_str()) {
            Ok(leave) => leave,
            Err(held) => {
                self.means.meters.step((self.call, Some(model.name)), RouteStep::Rest);
                return Err(Failed::Overloaded(format!(
                    "the model `{}` is not asked by this route: {held}",
                    model.name
                ))
                .into());
            }
        };
        let ended = self.model(model, patience).await;
        leave.ended(!self.is_failure(&ended));
        ended
    }

    /// Whether the model has to do with it: not where the time was over that the call had.
    fn is_failure(&self, ended: &Result<Told, Unable>) -> bool {
        match ended.as_ref().err().filter(|unable| unable.code.is_none()).map(|unable| &unable.why) {
            Some(Failed::Overloaded(_) | Failed::RateLimited(_)) => true,
            Some(Failed::Timeout) => !self.left().is_zero(),
            _ => false,
        }
    }

    /// Asks one model as often as it may be.
    async fn model(&mut self, model: &Model<'_>, patience: Patience) -> Result<Told, Unable> {
        let call = self.call;
        // Whether it has a price is known before it is asked.
        model.cost(&call.ask, Usage::default())?;
        let mut wait = WAIT;
        for last in (0..patience.tries).rev().map(|left| left == 0) {
            let unable = match self.once(model, &call.ask, patience.timeout).await {
                Ok(told) => return Ok(told),
                Err(unable) => unable,
            };
            let Next::Retry(after) = unable.why.next() else { return Err(unable) };
            let pause = after.unwrap_or(wait);
            if last || self.has_passed || pause > WAIT_MAX || pause >= self.left() {
                return Err(unable);
            }
            tokio::time::sleep(pause).await;
            wait = wait.saturating_mul(2);
        }
        Err(Failed::Timeout.into())
    }

    fn left(&self) -> Duration {
        self.call.timeout.saturating_sub(self.began.elapsed())
    }

    /// Asks the model that answered once more, and nobody else. None where there is none to be asked.
    pub(super) async fn again(&mut self, patience: Patience, ask: &Ask) -> Option<Result<Told, Unable>> {
        let catalog = self.means.catalog;
        let name = self.told.model.clone()?;
        let model = catalog.model(&name).filter(|model| model.provider.is_some())?;
        Some(self.once(&model, ask, patience.timeout).await)
    }

    /// Asks it once. What it counted is in the sum, whatever comes of it.
    async fn once(&mut self, model: &Model<'_>, ask: &Ask, most: Duration) -> Result<Told, Unable> {
        let timeout = most.min(self.left());
        if timeout.is_zero() {
            return Err(Failed::Timeout.into());
        }
        self.told.tries += 1;
        self.told.model = Some(model.name.clone());
        self.carried = Carried::default();
        let began = Instant::now();
        let asked = self.exchange(model, ask, timeout).await;
        let usage = match &asked {
            Ok(told) => told.usage(),
            Err(unable) => unable.usage,
        };
        self.told.usage.input_tokens += usage.input_tokens;
        self.told.usage.output_tokens += usage.output_tokens;
        let cost = model.cost(ask, usage)?;
        self.spent = self.spent + cost;
        let error = asked.as_ref().err().map(|unable| unable.why.name());
        self.count(model, (began, error), (usage, billionths(cost), self.carried));
        asked
    }

    /// Counts one asking.
    pub(super) fn count(
        &self,
        model: &Model<'_>,
        (began, error): (Instant, Option<&'static str>),
        counted: (Usage, u64, Carried),
    ) {
        self.means.meters.count((self.call, model.name), (began.elapsed(), error), counted);
    }

    async fn exchange(&mut self, model: &Model<'_>, ask: &Ask, timeout: Duration) -> Result<Told, Unable> {
        let (call, speaks) = (self.call, model.speaks(&self.call.route));
        let (step, reads) = match self.live {
            Some(_) => beside(ask.bytes(), || speaks.stream(model.id, ask))?,
            None => (beside(ask.bytes(), || speaks.write(model.id, ask))?, None),
        };
        let request = match step {
            Step::Done(told) => return Ok(told),
            Step::Said(pieces, ended) => return self.said(pieces, ended).await,
            Step::Send(request) => request,
        };
        let Some(provider) = model.provider else {
            return Err(Failed::Provider("nobody is there to be asked".to_owned()).into());
        };
        let mut sent = outgoing(call, provider, request, timeout);
        let auth = key::put(&mut sent, provider, self.sealed)?;
        let bytes = sent.body.len() as u64;
        let reserved = self.reserve((model, ask), bytes).await?;
        self.told.outside = true;
        let sent = match (reads, self.live) {
            (Some(reads), Some(pieces)) => {
                let streamed = Streamed { request: sent, auth, reads, pieces, reserved };
                match self.streamed(model, ask, streamed).await {
                    Came::Whole(answer) => Ok(answer),
                    Came::Failed(failed) => Err(failed),
                    Came::Streamed(told, usage, carried) => {
                        self.carried = carried;
                        return told.map_err(|why| Unable { code: None, why, usage });
                    }
                }
            }
            _ => self.means.sends.send(sent, auth).await,
        };
        self.carried = carried(bytes, &sent);
        let answer = match sent {
            Ok(answer) => answer,
            Err(failed) => {
                // What may have been answered stays reserved: somebody may have been paid.
                if !failed.may_be_done {
                    self.settle(model, reserved, Usage::default());
                }
                return Err(unsent(failed));
            }
        };
        let answered = Answered {
            status: answer.status.as_u16(),
            retry_after: retry_after(&answer.headers),
            error: answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()),
            input_tokens: number(&answer.headers, "x-amzn-bedrock-input-token-count"),
            body: &answer.body,
        };
        let read = beside(answer.body.len(), || speaks.read(ask, answered));
        let usage = match &read {
            Ok(told) => Some(told.usage()),
            Err(unanswered) => unanswered.usage,
        };
        // Where an answer does not say what it cost, what was taken out for it stays out.
        if let Some(usage) = usage {
            self.settle(model, reserved, usage);
        }
        Ok(read?)
    }

    /// Passes on an answer whose pieces are known.
    async fn said(&mut self, pieces: Vec<Piece>, ended: Result<Told, Failed>) -> Result<Told, Unable> {
        for piece in pieces {
            let Some(live) = self.live else { break };
            self.has_passed = true;
            let gone = |_| Failed::Provider("nobody waits for the answer any more".to_owned());
            live.send(piece).await.map_err(gone)?;
        }
        Ok(ended?)
    }

    /// Takes what asking a model may cost at most out of the budgets that there are. Nothing has more tokens than bytes, as it is sent.
    async fn reserve(&self, (model, ask): (&Model<'_>, &Ask), bytes: u64) -> Result<Option<Reserved>, Failed> {
        let LlmCall { tenant, plugin, route, .. } = self.call;
        let output_tokens = match ask {
            Ask::Converse(conversation) => conversation.max_tokens.unwrap_or(0).into(),
            Ask::Embed(_) => 0,
            // Counting costs nothing.
            Ask::Count(_) => return Ok(None),
        };
        let budgets = self.means.catalog.budgets(tenant, plugin, route);
        if budgets.is_empty() {
            return Ok(None);
        }
        let most = self.cost(model, Usage { input_tokens: bytes, output_tokens })?;
        let (tenant, plugin, route) = (tenant.clone(), plugin.clone(), route.clone());
        self.means.books.reserve(ReserveRequest { tenant, plugin, route, most, budgets }).await.map(Some)
    }

    /// Puts what it did cost in the place of that.
    pub(super) fn settle(&self, model: &Model<'_>, reserved: Option<Reserved>, usage: Usage) {
        if reserved.is_none() && usage == Usage::default() {
            return;
        }
        // It has a price, or it would not have been asked.
        let Ok(cost) = self.cost(model, usage) else { return };
        let LlmCall { tenant, plugin, route, .. } = self.call;
        let (tenant, plugin, route) = (tenant.clone(), plugin.clone(), route.clone());
        self.means.books.spend(SpendRequest { tenant, plugin, route, reserved, cost });
    }

    fn cost(&self, model: &Model<'_>, usage: Usage) -> Result<Cost, Failed> {
        let Usage { input_tokens, output_tokens } = usage;
        let money = billionths(model.cost(&self.call.ask, usage)?);
        Ok(Cost { input_tokens, output_tokens, money })
    }

    /// What all of it came to.
    pub(super) fn spent(&self) -> LlmSpent {
        let Self { told, spent, means, began, .. } = self;
        LlmSpent {
            cost: billionths(*spent),
            currency: means.catalog.currency.clone(),
            took: began.elapsed(),
            ..told.clone()
        }
    }
}

/// A request as it leaves, but for its key.
fn outgoing(call: &LlmCall, provider: (&str, &ProviderConfig), request: Request, timeout: Duration) -> HttpRequest {
    let (whose, config) = provider;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(trace) = call.trace.as_ref().and_then(|trace| trace.parse().ok()) {
        headers.insert("traceparent", trace);
    }
    if let Ok(key) = idempotency_key(call, &request.body).parse() {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    HttpRequest {
        tenant: call.tenant.clone(),
        plugin: call.plugin.clone(),
        policy: format!("{} llm {whose}", call.tenant).into(),
        method: Method::POST,
        url: format!("{}{}", config.endpoint, request.path),
        headers,
        body: Bytes::from(request.body),
        secrets: Vec::new(),
        // The operator says where it is, and which networks the host reaches.
        private: true,
        timeout,
        room: Arc::new(Semaphore::new(ANSWER_BYTES_MAX)),
    }
}

/// The same for the same question at the same place of a delivery, in every attempt: so whoever keeps to it is paid once.
fn idempotency_key(call: &LlmCall, body: &[u8]) -> String {
    let digest = Digest::of(body).hex();
    format!("{}-{}-{}", call.delivery.replace('.', "-"), call.number, digest.get(..16).unwrap_or_default())
}

/// What a request of so many bytes carried, whatever came of it.
fn carried(bytes: u64, sent: &Result<HttpAnswer, HttpFailed>) -> Carried {
    match sent {
        Ok(answer) => Carried { sent: bytes, received: answer.body.len() as u64 },
        Err(failed) => Carried { sent: if failed.may_be_done { bytes } else { 0 }, received: failed.bytes_in },
    }
}

/// What a request that came to nothing means.
pub(super) fn unsent(failed: HttpFailed) -> Unable {
    let HttpFailed { code, reason, may_be_done, .. } = failed;
    match code {
        // As many are under way as may be.
        Code::LimitHttp if !may_be_done => Failed::Overloaded(reason).into(),
        Code::HttpTimeout => Failed::Timeout.into(),
        Code::HttpUnreachable | Code::HttpRest => Failed::Overloaded(reason).into(),
        Code::LimitHttp => Failed::Provider(reason).into(),
        code => Unable::coded(code, &reason),
    }
}

/// When to come again, as an answer's head says: seconds, or milliseconds where it has those. (A date is not read: the clocks may differ.)
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wait = number(headers, "retry-after-ms").map(Duration::from_millis);
    wait.or_else(|| number(headers, "retry-after").map(Duration::from_secs))
}

/// A field that is a number.
fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
