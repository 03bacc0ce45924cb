//! The way out of the host: webhooks, and what plugins send, go by `wharf-egress`, on threads of their own.
//!
//! Invariant: a request reaches what its tenant names of the networks that the operator grants at that moment, and else public addresses only.

use std::{
    collections::BTreeMap,
    mem,
    net::IpAddr,
    ops::ControlFlow,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::USER_AGENT};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinHandle};
use wharf_aws::Finder;
use wharf_catalog::PromptDocument;
use wharf_delivery::Object;
use wharf_dispatch::{
    Books, HttpAnswer, HttpFailed, HttpRequest, InferCall, InferFailed, InferSpent, Inferred, LEADS_NOWHERE, Leaves,
    LlmAnswer, LlmCall, LlmFailed, NoAnswer, NotHeld, Outgoing as Port, OutgoingAnswer, OutgoingRequest, chain,
};
use wharf_egress::{
    Answer, Egress, EgressError, Granted, Guard, Held, Leave, NotPlace, Outgoing, Place, Settings, Takes, Why,
    limits::{MODELS_OPEN_PER_OWNER_MAX, OPEN_PER_OWNER_MAX},
    refused,
};
use wharf_event::{Code, PromptName, SecretName, TenantName};
use wharf_llm::Failed;
use wharf_vault::{Key, SealError, Sealer as _, Value};

use crate::{
    beside::beside,
    config::EgressConfig,
    filling::{Redacting, place},
    infer::{Asks, OwnModels},
    models::{self, Answers, Asked, AskedOf, Auth, Catalog, Means, ModelMeters, Sends, StepOf, authorize},
    secret_key::SecretKey,
    sent::{CameOf, Sent, SentMeters, SentTo, UnderWay},
    signing::sign,
};

/// Who sends, where the tenant says nothing else.
const AGENT: &str = concat!("wharf/", env!("CARGO_PKG_VERSION"));

/// The way out.
pub struct Outside {
    outward: Handle,
    ways: RwLock<Arc<Ways>>,
    models: RwLock<Arc<Catalog>>,
    meters: Arc<ModelMeters>,
    answers: Arc<Answers>,
    infer: Arc<Asks>,
    guard: Guard,
    /// Which models of routes rest.
    rests: Guard,
    sent: Arc<SentMeters>,
    key: Arc<SecretKey>,
}

/// What the operator says of it, and what follows from that. Without the certificates of the machine nothing is sent.
struct Ways {
    config: EgressConfig,
    egress: Result<Arc<Egress>, String>,
    /// The host's own credentials for AWS.
    finder: Finder,
}

impl Ways {
    fn new(config: EgressConfig, before: Option<&Self>) -> Self {
        let egress = Egress::new(Settings { dns: config.dns.clone() }).map(Arc::new);
        let egress = egress.map_err(|error| format!("the certificates of this machine cannot be read: {error}"));
        if let Err(error) = &egress {
            tracing::warn!("nothing is sent: {error}");
        }
        let finder = match before {
            Some(before) => before.finder.leaving_by(egress.clone()),
            None => Finder::new(egress.clone()),
        };
        Self { config, egress, finder }
    }
}

/// What the operator said before.
pub struct Before {
    ways: Arc<Ways>,
    models: Arc<Catalog>,
    own_models: Arc<OwnModels>,
}

impl Outside {
    /// The way out of this machine.
    pub fn new(outward: Handle, config: EgressConfig, models: Catalog, key: SecretKey) -> Arc<Self> {
        let (ways, models) = (RwLock::new(Arc::new(Ways::new(config, None))), RwLock::new(Arc::new(models)));
        let (meters, answers, guard, rests) = (Arc::default(), Arc::default(), Guard::default(), Guard::default());
        let infer = Arc::new(Asks::new());
        Arc::new(Self {
            outward,
            ways,
            models,
            meters,
            answers,
            infer,
            guard,
            rests,
            sent: Arc::default(),
            key: Arc::new(key),
        })
    }

    /// What the operator says from now on. Connections that wait for requests are closed with what was said before, which is given.
    pub fn set(&self, config: EgressConfig, models: Catalog, own_models: OwnModels) -> Before {
        let before = self.ways();
        let ways = if before.config == config { before } else { Arc::new(Ways::new(config, Some(&before))) };
        self.set_back(Before { ways, models: Arc::new(models), own_models: Arc::new(own_models) })
    }

    /// What was said before holds again; gives what held meanwhile.
    pub fn set_back(&self, before: Before) -> Before {
        let Before { ways, models, own_models } = before;
        let ways = mem::replace(&mut *self.ways.write().unwrap_or_else(PoisonError::into_inner), ways);
        let models = mem::replace(&mut *self.models.write().unwrap_or_else(PoisonError::into_inner), models);
        Before { ways, models, own_models: self.infer.set(own_models) }
    }

    /// Models of tenants.
    pub fn own_models(&self) -> &Asks {
        &self.infer
    }

    /// What models were asked since the start.
    pub fn asked(&self) -> Vec<(AskedOf, Asked)> {
        self.meters.read()
    }

    /// What requests of plugins came to, by where they went.
    pub fn sent(&self) -> Vec<(SentTo, Sent)> {
        self.sent.read()
    }

    /// What routes to models did besides.
    pub fn route_steps(&self) -> Vec<(StepOf, u64)> {
        self.meters.steps()
    }

    /// What is said of models.
    pub fn models(&self) -> Arc<Catalog> {
        Arc::clone(&self.models.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Networks that tenants may have reached though they are not public.
    pub fn granted(&self) -> Granted {
        self.ways().config.networks.clone()
    }

    /// The key that secrets are sealed under, made where there is none.
    pub fn key(&self) -> Result<&Key, SealError> {
        self.key.made()
    }

    /// The name of that key, where there is one.
    pub fn key_name(&self) -> Option<&str> {
        self.key.get().ok().map(Key::name)
    }

    fn ways(&self) -> Arc<Ways> {
        Arc::clone(&self.ways.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Port for Outside {
    fn send(&self, request: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>> {
        let (ways, mut request) = (self.ways(), request);
        if let Err(failed) = sign(&mut request, self.key.get()) {
            return async move { Err(failed) }.boxed();
        }
        // Timers and sockets are those of the threads for what leaves.
        let sent = self.outward.spawn(async move { ways.send(request).await });
        async move {
            let failed = || NoAnswer { code: Code::Internal, reason: "the host failed while it sent".to_owned() };
            sent.await.unwrap_or_else(|_| Err(failed()))
        }
        .boxed()
    }

    fn call(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpAnswer, HttpFailed>> {
        let calls = self.calls(Lane::Requests);
        let called = Abandoned(self.outward.spawn(async move { calls.send(request, Auth::Filled).await }));
        async move {
            let mut called = called;
            let failed = || HttpFailed::new(Code::Internal, "the host failed while it sent");
            (&mut called.0).await.unwrap_or_else(|_| Err(failed()))
        }
        .boxed()
    }

    fn leads(&self, host: &str) -> bool {
        host.parse().map_or(true, |address| self.ways().may_be_granted(address))
    }

    fn prompt(&self, tenant: &TenantName, prompt: &PromptName) -> Option<PromptDocument> {
        self.models().prompt(tenant, prompt).cloned()
    }

    fn ask(
        &self,
        call: LlmCall,
        secrets: BTreeMap<SecretName, String>,
        books: Arc<dyn Books>,
    ) -> BoxFuture<'static, Result<LlmAnswer, LlmFailed>> {
        let catalog = self.models();
        // What the route has needs no other thread.
        let begun = match models::begin((&catalog, &self.answers, &self.meters), call) {
            Ok(ControlFlow::Continue(begun)) => begun,
            Ok(ControlFlow::Break(answer)) => return async { Ok(answer) }.boxed(),
            Err(failed) => return async { Err(failed) }.boxed(),
        };
        let calls = self.calls(Lane::Models);
        let (meters, answers, rests) = (Arc::clone(&self.meters), Arc::clone(&self.answers), self.rests.clone());
        let asked = Abandoned(self.outward.spawn(async move {
            let (books, meters, answers) = (books.as_ref(), meters.as_ref(), answers.as_ref());
            let means = Means { catalog: &catalog, sends: &calls, books, meters, answers, rests: &rests };
            models::ask(means, begun, secrets).await
        }));
        async move {
            let mut asked = asked;
            let failed =
                || LlmFailed::of(Code::Internal, Failed::Provider("the host failed while it asked".to_owned()));
            (&mut asked.0).await.unwrap_or_else(|_| Err(failed()))
        }
        .boxed()
    }

    fn open(&self, tenant: &TenantName, secret: &SecretName, sealed: &str) -> Result<Value, NotHeld> {
        let opened = self.key.get().and_then(|key| key.open(&place(tenant, secret), sealed));
        opened.map_err(|error| {
            let reason = format!("the secret `{secret}` cannot be opened: {error}");
            NotHeld { code: Code::SecretClosed, reason }
        })
    }

    fn infer(
        &self,
        call: InferCall,
        model: Option<Object>,
        leaves: Arc<dyn Leaves>,
    ) -> BoxFuture<'static, Result<Inferred, InferFailed>> {
        let (asks, calls) = (Arc::clone(&self.infer), self.calls(Lane::Models));
        // Timers are those of the threads for what leaves.
        let asked = Abandoned(self.outward.spawn(async move {
            match asks.outside(&call.tenant, &call.model) {
                Some(there) => asks.ask_outside(there, call, (&calls, leaves.as_ref())).await,
                None => asks.ask(call, model).await,
            }
        }));
        async move {
            let mut asked = asked;
            let failed = || wharf_infer::Failed::Host("the host failed while it asked".to_owned());
            (&mut asked.0).await.unwrap_or_else(|_| Err(InferFailed::Asked(failed(), InferSpent::default())))
        }
        .boxed()
    }
}

impl Outside {
    fn calls(&self, lane: Lane) -> Calls {
        let (guard, sent, key) = (self.guard.clone(), Arc::clone(&self.sent), Arc::clone(&self.key));
        Calls { ways: self.ways(), guard, sent, key, lane }
    }
}

/// With what a request of a guest shares its bound of how many are under way.
#[derive(Clone, Copy)]
enum Lane {
    /// Its tenant's requests by HTTP.
    Requests,
    /// What its tenant asks of models.
    Models,
}

impl Lane {
    /// Who is counted, and how many it may have.
    fn of(self, tenant: &TenantName) -> (Arc<str>, usize) {
        match self {
            Self::Requests => (tenant.as_str().into(), OPEN_PER_OWNER_MAX),
            Self::Models => (format!("{tenant} llm").into(), MODELS_OPEN_PER_OWNER_MAX),
        }
    }
}

/// What sends a request with the secrets that belong into it, and gives its answer without them.
struct Calls {
    ways: Arc<Ways>,
    guard: Guard,
    sent: Arc<SentMeters>,
    key: Arc<SecretKey>,
    lane: Lane,
}

impl Sends for Calls {
    fn send(&self, mut request: HttpRequest, auth: Auth) -> BoxFuture<'_, Result<HttpAnswer, HttpFailed>> {
        async move {
            let finder = &self.ways.finder;
            let authorized = authorize(&mut request, auth, (self.key.get(), finder)).await?;
            let mut answer = self.ways.call(request, (&self.guard, self.lane, &self.sent), None).await?;
            authorized.answered(answer.status, &answer.headers, finder);
            let filled = authorized.filled;
            filled.redact_fields(&mut answer.headers);
            answer.body = beside(answer.body.len(), || filled.redact(answer.body));
            Ok(answer)
        }
        .boxed()
    }

    fn stream<'a>(
        &'a self,
        mut request: HttpRequest,
        auth: Auth,
        takes: &'a mut dyn Takes,
    ) -> BoxFuture<'a, Result<HttpAnswer, HttpFailed>> {
        async move {
            let finder = &self.ways.finder;
            let authorized = authorize(&mut request, auth, (self.key.get(), finder)).await?;
            let filled = &authorized.filled;
            let mut redacted = Redacted { redacting: filled.redacting(), takes };
            let mut answer = self.ways.call(request, (&self.guard, self.lane, &self.sent), Some(&mut redacted)).await?;
            let Redacted { redacting, takes } = redacted;
            let rest = redacting.end();
            if !rest.is_empty() {
                takes.take(rest).await;
            }
            authorized.answered(answer.status, &answer.headers, finder);
            filled.redact_fields(&mut answer.headers);
            answer.body = beside(answer.body.len(), || filled.redact(answer.body));
            Ok(answer)
        }
        .boxed()
    }
}

/// What takes a body without the keys that it may repeat.
struct Redacted<'a> {
    redacting: Redacting<'a>,
    takes: &'a mut dyn Takes,
}

impl Takes for Redacted<'_> {
    fn wants(&self, status: StatusCode) -> bool {
        self.takes.wants(status)
    }

    fn take(&mut self, bytes: Bytes) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        let bytes = self.redacting.take(bytes);
        if bytes.is_empty() {
            return Box::pin(async { true });
        }
        self.takes.take(bytes)
    }
}

/// A request that ends when nobody waits for its answer any more.
struct Abandoned<T>(JoinHandle<T>);

impl<T> Drop for Abandoned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Ways {
    async fn send(&self, request: OutgoingRequest) -> Result<OutgoingAnswer, NoAnswer> {
        let OutgoingRequest { tenant, url, message, networks, timeout, keep_bytes, .. } = request;
        // All of this was checked when it was put: what is wrong now is told all the same.
        let unusable =
            |error: &dyn std::fmt::Display| NoAnswer { code: Code::WebhookUnreachable, reason: error.to_string() };
        let place = url.parse().map(Arc::new).map_err(|error| unusable(&error))?;
        let asked = Granted::parse(networks.iter().map(String::as_str)).map_err(|error| unusable(&error))?;
        let mut fields = HeaderMap::new();
        for (name, value) in message.headers {
            let name = HeaderName::try_from(name).map_err(|error| unusable(&error))?;
            fields.insert(name, HeaderValue::try_from(value).map_err(|error| unusable(&error))?);
        }
        fields.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let outgoing = Outgoing {
            owner: tenant.as_str().into(),
            place,
            method: Method::POST,
            headers: fields,
            body: message.body,
            granted: asked.within(&self.config.networks),
            timeout,
            room: Arc::new(Semaphore::new(keep_bytes)),
            passed: Arc::default(),
        };
        let egress = self.egress.as_ref().map_err(|error| unusable(error))?;
        let answer = egress.send(outgoing).await.map_err(|error| {
            let mut failed = no_answer(&error);
            failed.reason += &self.who_grants(&error);
            if is_inside(&error).is_some_and(|address| refused(address, &asked).is_some()) {
                failed.reason += "; the webhook's own `networks` has to name it";
            }
            failed
        })?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(OutgoingAnswer {
            status: answer.status.as_u16(),
            headers: answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: answer.body,
            is_cut: answer.is_cut,
        })
    }
}

impl Ways {
    /// Sends a guest's request.
    async fn call(
        &self,
        request: HttpRequest,
        (guard, lane, meters): (&Guard, Lane, &SentMeters),
        takes: Option<&mut dyn Takes>,
    ) -> Result<HttpAnswer, HttpFailed> {
        let HttpRequest { tenant, plugin, policy, method, url, mut headers, body, private, timeout, room, secrets: _ } =
            request;
        let failed = |code, reason: String| HttpFailed::new(code, reason);
        let place: Place = url.parse().map_err(|error: NotPlace| failed(Code::HttpInvalid, error.to_string()))?;
        let (host, port) = (place.host().to_owned(), place.port());
        let egress = self.egress.as_ref().map_err(|error| failed(Code::HttpUnreachable, error.clone()))?;
        let leave = guard.enter(lane.of(&tenant), &format!("{host}:{port}"));
        let leave = leave.map_err(|held| {
            let code = if matches!(held, Held::Busy(_)) { Code::LimitHttp } else { Code::HttpRest };
            failed(code, held.to_string())
        })?;
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let (under_way, is_empty) = (UnderWay::begin(meters, &tenant, (&host, port)), body.is_empty());
        let most = room.available_permits();
        let outgoing = Outgoing {
            owner: policy,
            place: Arc::new(place),
            method: method.clone(),
            headers,
            body,
            granted: if private { self.config.networks.clone() } else { Granted::default() },
            timeout,
            room,
            passed: Arc::clone(under_way.passed()),
        };
        let sent = match takes {
            Some(takes) => egress.send_to(outgoing, takes).await,
            None => egress.send(outgoing).await,
        };
        let status = sent.as_ref().ok().map(|answer| answer.status.as_u16());
        let came_of =
            sent.as_ref().map_or_else(|error| CameOf::Failed(code_of(error)), |it| CameOf::Status(it.status.as_u16()));
        let (took, carried) = under_way.ends(came_of);
        tracing::debug!(
            %tenant, %plugin, http.request.method = %method, server.address = host, server.port = port,
            http.response.status_code = status, http.client.request.duration = took.as_secs_f64(),
            http.request.body.size = carried.sent, http.response.body.size = carried.received, "a plugin's request"
        );
        let refused = sent.as_ref().err().filter(|_| matches!(lane, Lane::Requests));
        let hint = refused.map_or_else(String::new, |error| self.who_grants(error));
        let refused_at = refused.and_then(refused_at);
        let may_be_granted = refused_at.is_some_and(|address| self.may_be_granted(address));
        came(sent, leave, (most, took)).map_err(|failed| {
            let bytes_in = carried.received.min(most as u64);
            // Before anything is sent there is a name to be found, and a connection to be made.
            let may_be_done = failed.may_be_done && (carried.sent > 0 || is_empty);
            HttpFailed { reason: failed.reason + &hint, may_be_done, bytes_in, may_be_granted, ..failed }
        })
    }

    /// Whether a grant of a tenant leads to an address: where it is public, where the operator lets it be reached, or where somebody may mean it.
    fn may_be_granted(&self, address: IpAddr) -> bool {
        let why = refused(address, &Granted::default());
        why.is_none_or(is_meant) || refused(address, &self.config.networks).is_none()
    }

    /// What the operator has to say, where an address inside was refused since nobody said so.
    fn who_grants(&self, error: &EgressError) -> String {
        match (is_inside(error), refused_at(error)) {
            (Some(address), _) if refused(address, &self.config.networks).is_some() => {
                format!(
                    "; where it is meant, the operator adds it to `networks` under [egress] in wharf.toml: \"{address}\""
                )
            }
            (_, Some(address)) if !self.may_be_granted(address) => LEADS_NOWHERE.to_owned(),
            _ => String::new(),
        }
    }
}

/// The address that was refused, where somebody may mean it: one of this machine, or of a network of somebody's own.
fn is_inside(error: &EgressError) -> Option<IpAddr> {
    let EgressError::Refused { address, why } = error else { return None };
    is_meant(*why).then(|| address.to_canonical())
}

const fn is_meant(why: Why) -> bool {
    matches!(why, Why::Loopback | Why::Private | Why::Carrier | Why::LinkLocal)
}

const fn refused_at(error: &EgressError) -> Option<IpAddr> {
    match error {
        EgressError::Refused { address, .. } => Some(*address),
        _ => None,
    }
}

/// What a request came to, which its place is known by from then on.
fn came(
    sent: Result<Answer, EgressError>,
    leave: Leave,
    (bytes_max, took): (usize, Duration),
) -> Result<HttpAnswer, HttpFailed> {
    match sent {
        Ok(answer) if answer.is_cut => {
            leave.ended(true);
            let cut = HttpFailed::new(
                Code::LimitHttp,
                format!("its answer is longer than what is left of {bytes_max} bytes"),
            );
            Err(HttpFailed { may_be_done: true, ..cut })
        }
        Ok(answer) => {
            leave.ended(true);
            Ok(HttpAnswer { status: answer.status, headers: answer.headers, body: answer.body, took })
        }
        Err(error) => {
            // An address that is refused says nothing of how anybody is.
            if !matches!(error, EgressError::Refused { .. } | EgressError::Request(_)) {
                leave.ended(false);
            }
            let may_be_done = may_be_done(&error);
            Err(HttpFailed { may_be_done, ..HttpFailed::new(code_of(&error), chain(&error)) })
        }
    }
}

/// Whether the other side may have had the request.
const fn may_be_done(error: &EgressError) -> bool {
    matches!(error, EgressError::Timeout(_) | EgressError::Broken(_))
}

/// What a guest's request came to nothing by.
const fn code_of(error: &EgressError) -> Code {
    match error {
        EgressError::Refused { .. } => Code::AddressDenied,
        EgressError::Timeout(_) => Code::HttpTimeout,
        EgressError::Request(_) => Code::HttpInvalid,
        _ => Code::HttpUnreachable,
    }
}

fn no_answer(error: &EgressError) -> NoAnswer {
    let code = match error {
        EgressError::Refused { .. } => Code::AddressDenied,
        EgressError::Timeout(_) => Code::WebhookTimeout,
        _ => Code::WebhookUnreachable,
    };
    NoAnswer { code, reason: chain(error) }
}
