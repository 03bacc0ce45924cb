//! Requests of routes: who answers one, when it is its turn, and what that came to.
//!
//! Invariant: a request has a place among the attempts of its tenant and plugin, and its guest has turns as theirs have; what waits for one is
//! bounded in number and time, and refused beyond that. A request is no delivery: it is tried once, and nothing of it is in the log but what its
//! plugin published and stored for it (`bringing.rs`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, header};
use tokio::sync::oneshot;
use wharf_capability::{AttemptContext, BodyBounds, HttpBody, Late, Occasion, Tape};
use wharf_delivery::{Failure, Outcome, Used};
use wharf_event::{Code, Event, EventBuilder, QueueName, Target, TenantName};
use wharf_runtime::{RequestInvocation, RequestReport};

use crate::{
    answering::Answering,
    attempt::Attempts,
    breaker::Sign,
    bringing::{self, UNSURE},
    calling::Calls,
    charging::Charges,
    clock::rfc3339,
    dispatcher::Dispatcher,
    handler::Takes,
    limits::{REQUEST_WAIT, REQUESTS_PER_TENANT_MAX},
    meters::Settling,
    plugins::{Picked, Plugin},
    quarantine::Whose,
    routes::RouteInForce,
    rules::RuleSet,
    slot::Slot,
    turns::Caller,
    values::AttemptValues,
};

/// The type of the event that stands for a request.
const REQUEST: &str = "dev.wharf.request";

/// The answer to a request.
pub struct Served {
    /// The answer.
    pub response: Response<HttpBody>,
    /// The request's id.
    pub id: Arc<str>,
}

/// Why a request has no answer of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Unserved {
    /// The stable code.
    pub code: Code,
    /// What happened, for whoever asked: nothing of what the plugin said is in it.
    pub detail: String,
    /// The methods that there are, where another one was asked for.
    pub allow: Option<String>,
    /// The request's id, if it has one.
    pub id: Option<Arc<str>>,
    /// Seconds after which the same may be answered, where that is known.
    pub after_s: Option<u32>,
}

impl Unserved {
    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), allow: None, id: None, after_s: None }
    }

    fn of(self, id: &Arc<str>) -> Self {
        Self { id: Some(Arc::clone(id)), ..self }
    }
}

/// Requests that wait or are answered, by tenant.
#[derive(Clone, Default)]
pub(crate) struct Crowds(Arc<Mutex<HashMap<TenantName, usize>>>);

/// One of them. It is one until this is dropped.
pub(crate) struct InCrowd(Crowds, TenantName);

impl Crowds {
    /// One more of a tenant, if there may be.
    fn enter(&self, tenant: &TenantName) -> Option<InCrowd> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = all.entry(tenant.clone()).or_default();
        if *of >= REQUESTS_PER_TENANT_MAX {
            return None;
        }
        *of += 1;
        Some(InCrowd(self.clone(), tenant.clone()))
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        let Self(crowds, tenant) = self;
        let mut all = crowds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = all.get_mut(tenant) {
            *of -= 1;
            if *of == 0 {
                all.remove(tenant);
            }
        }
    }
}

/// What a client is told of a log that failed.
const KEPT_NO_MORE: &str = "nothing that a plugin does can be kept any more";

/// A request that has its place.
struct Turn {
    rules: Arc<RuleSet>,
    route: Arc<RouteInForce>,
    plugin: Arc<Plugin>,
    picked: Picked,
    tenant: TenantName,
    id: Arc<str>,
    slot: Arc<Slot>,
    _crowd: InCrowd,
}

impl Dispatcher {
    /// Lets the plugin of a tenant's route answer a request, whose target is the path beneath the tenant's.
    ///
    /// # Errors
    /// When there is no answer of a plugin.
    pub async fn serve(&self, tenant: &TenantName, mut request: Request<HttpBody>) -> Result<Served, Unserved> {
        let attempts = &self.attempts;
        let rules = self.rules();
        let route = routed(&rules, tenant, &request)?;
        let plugin = callable(&rules, tenant, &route)?;
        if let Some(spent) = attempts.charges.spent(tenant, &rules.settings(tenant).quotas, self.now_ms()) {
            let after_s = spent.after_ms().and_then(|after_ms| u32::try_from(after_ms.div_ceil(1_000)).ok());
            return Err(Unserved { after_s, ..Unserved::new(spent.code(), spent.to_string()) });
        }
        if self.failure().is_some() {
            return Err(Unserved::new(Code::LogFailed, KEPT_NO_MORE));
        }
        let [high, low] = [(); 2].map(|()| attempts.surroundings.random.bits());
        let id: Arc<str> = format!("{high:016x}{low:016x}").into();
        let unserved = |code, detail: &str| Unserved::new(code, detail).of(&id);
        let picked = self.picked_for(tenant, &route, &plugin, &id).ok_or_else(|| {
            let detail = "its release is not run any more, since the host failed in it, or is not there";
            unserved(Code::RouteIdle, detail)
        })?;
        let Some(crowd) = attempts.crowds.enter(tenant) else {
            let detail = format!("the tenant has {REQUESTS_PER_TENANT_MAX} requests under way already");
            return Err(unserved(Code::RouteBusy, &detail));
        };
        let key = (tenant.clone(), Target::Plugin(route.settings.plugin.clone()));
        if attempts.breakers.holds(&key, rules.guarded(&key).as_ref()) {
            return Err(unserved(Code::RouteIdle, "its requests fail, so none is tried for a while"));
        }
        let slot = match attempts.take_seat(&key, &rules) {
            Some(slot) => slot,
            None => match tokio::time::timeout(REQUEST_WAIT, attempts.seats.ask(key)).await {
                Ok(Ok(slot)) => slot,
                Ok(Err(_)) => return Err(unserved(Code::ShuttingDown, "the host is shutting down")),
                Err(_) => return Err(unserved(Code::RouteBusy, "there was no room for it in time")),
            },
        };
        request.headers_mut().entry(header::HOST).or_insert(HeaderValue::from_static("localhost"));
        let (answer, answered) = oneshot::channel();
        let turn =
            Turn { rules, route, plugin, picked, tenant: tenant.clone(), id: Arc::clone(&id), slot, _crowd: crowd };
        let this = Arc::clone(attempts);
        self.guests.spawn(async move { turn.run(&this, request, answer).await });
        match answered.await {
            Ok(Ok(response)) => Ok(Served { response, id }),
            Ok(Err(failure)) => {
                // That it failed may follow from what it read.
                let is_durable = attempts.shared.read_durable(|_| ()).await.is_some();
                if !is_durable && failure.code != Code::RouteUnkept {
                    return Err(unserved(Code::LogFailed, KEPT_NO_MORE));
                }
                Err(told(&failure).of(&id))
            }
            Err(_) => Err(unserved(Code::Internal, "the host failed in this request; that is a defect of the host")),
        }
    }

    /// The release that answers: the stable one where that on trial is quarantined; none where that is too.
    fn picked_for(&self, tenant: &TenantName, route: &RouteInForce, plugin: &Plugin, id: &str) -> Option<Picked> {
        [true, false].into_iter().find_map(|is_first| {
            let picked = plugin.pick(route.settings.channel.as_ref(), id.as_bytes(), is_first)?;
            (!self.attempts.quarantine.holds(tenant, picked.handler.digest())).then_some(picked)
        })
    }
}

/// The route that a request is for, if it takes it.
fn routed(rules: &RuleSet, tenant: &TenantName, request: &Request<HttpBody>) -> Result<Arc<RouteInForce>, Unserved> {
    if !rules.has_tenant(tenant) {
        return Err(Unserved::new(Code::TenantUnknown, format!("there is no tenant `{tenant}`")));
    }
    if rules.settings(tenant).suspended {
        return Err(Unserved::new(Code::TenantSuspended, format!("tenant `{tenant}` is suspended")));
    }
    let Some(route) = rules.routed(tenant, request.uri().path()) else {
        let path = request.uri().path();
        let path: String = path.chars().take(wharf_event::limits::ERROR_VALUE_CHARS_MAX).collect();
        let detail = format!("no route of the tenant is for `{path}`");
        return Err(Unserved::new(Code::RouteUnknown, detail));
    };
    let methods = &route.settings.methods;
    if !methods.is_empty() && !methods.contains(request.method().as_str()) {
        let allow = methods.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let detail = "the Allow header names the methods of this route";
        return Err(Unserved { allow: Some(allow), ..Unserved::new(Code::MethodNotAllowed, detail) });
    }
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|bytes| bytes > route.settings.request_bytes) {
        let most = route.settings.request_bytes;
        return Err(Unserved::new(Code::RequestTooLarge, format!("the route takes bodies of {most} bytes")));
    }
    Ok(Arc::clone(route))
}

/// The plugin of a route, if it answers requests.
fn callable(rules: &RuleSet, tenant: &TenantName, route: &RouteInForce) -> Result<Arc<Plugin>, Unserved> {
    let name = &route.settings.plugin;
    let idle = |why: &str| Err(Unserved::new(Code::RouteIdle, format!("the plugin `{name}` {why}")));
    match rules.plugin(tenant, name) {
        None => idle("is not there, or has no release that is in use"),
        Some(plugin) if plugin.takes() != Takes::Requests => idle("handles events, and answers no requests"),
        Some(plugin) => match &route.settings.channel {
            Some(channel) if !plugin.has_channel(channel) => idle(&format!("has no channel `{channel}`")),
            _ => Ok(plugin),
        },
    }
}

/// What whoever asked is told of a failure of the plugin: its code, and nothing of what it said.
fn told(failure: &Failure) -> Unserved {
    match failure.code {
        Code::LimitWall => Unserved::new(Code::RouteTimeout, "the plugin did not answer within its time"),
        Code::RouteConflict => {
            again(failure, "what the plugin had read was changed meanwhile, and nothing that it did is kept")
        }
        Code::RouteUnkept if failure.reason.ends_with(UNSURE) => Unserved::new(
            Code::RouteUnkept,
            "whether what the plugin did is kept shows when the host has started again",
        ),
        Code::RouteUnkept => again(failure, "what the plugin did cannot be kept at this time"),
        Code::Overloaded => Unserved::new(Code::Overloaded, "the host has no room for another instance"),
        Code::RouteFailed => Unserved::new(Code::RouteFailed, "the plugin gave no answer that can be sent"),
        Code::ReleaseQuarantined | Code::HandlerKind | Code::ReleaseUnready => {
            Unserved::new(Code::RouteIdle, "the plugin's release cannot be called")
        }
        code => Unserved::new(Code::RouteFailed, format!("the plugin ended with `{code}`")),
    }
}

/// What may be answered when it is asked again.
fn again(failure: &Failure, detail: &str) -> Unserved {
    let after_s = failure.retry_after_ms.map(|ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX));
    Unserved { after_s, ..Unserved::new(failure.code, detail) }
}

impl Turn {
    async fn run(
        self,
        attempts: &Arc<Attempts>,
        request: Request<HttpBody>,
        answer: oneshot::Sender<wharf_runtime::Answer>,
    ) {
        let shown = format!("{} {}", request.method(), request.uri().path());
        let report = match self.call(attempts, request, answer, &shown).await {
            Ok(report) => report,
            // The host panicked: whoever waits is told by the channel that was dropped.
            Err(failure) => RequestReport::unstarted(failure),
        };
        let sign = report.failure.as_ref().map_or(Sign::Good, sign);
        self.slot.tell(sign, report.failure.as_ref());
        self.count(attempts, &report);
        self.log(&shown, &report);
        self.slot.free();
    }

    async fn call(
        &self,
        attempts: &Arc<Attempts>,
        request: Request<HttpBody>,
        answer: oneshot::Sender<wharf_runtime::Answer>,
        shown: &str,
    ) -> Result<RequestReport, Failure> {
        let (tenant, name) = (&self.tenant, &self.route.settings.plugin);
        let handler = Arc::clone(&self.picked.handler);
        let grants = self.picked.granted(&self.rules.settings(tenant).ceiling);
        let event = standing_for(&request, &self.id, tenant)
            .map_err(|error| Failure::new(Code::Internal, format!("a request has no event: {error}")))?;
        let (shared, contention) = (Arc::clone(&attempts.shared), Arc::clone(&attempts.contention));
        // Whoever may publish or store nothing has nothing to wait for.
        let keep = (!grants.publish.is_empty() || !grants.kv.is_empty()).then(|| {
            let (plugin, request) = (name.clone(), Arc::clone(&self.id));
            bringing::keeps(attempts, bringing::Whose { tenant: tenant.clone(), plugin, request })
        });
        let answering = Arc::new(Answering(Arc::clone(&attempts.calls)));
        let context = AttemptContext {
            tenant: tenant.clone(),
            plugin: name.clone(),
            occasion: Occasion::Request(Arc::clone(&self.id)),
            event: event.clone(),
            received: event,
            config: Arc::clone(&self.plugin.config),
            grants,
            values: Arc::new(AttemptValues { shared, contention, holds: false }),
            http: Arc::<Calls>::clone(&attempts.calls),
            llm: Arc::<Answering>::clone(&answering),
            infer: Arc::<Answering>::clone(&answering),
            secrets: answering,
            time: rfc3339(attempts.clock.now_ms()),
            clock_ms: None,
            tape: Tape::default(),
        };
        let settings = &self.route.settings;
        let bounds = BodyBounds { request_bytes: settings.request_bytes, answer_bytes: settings.answer_bytes };
        let reuse = self.plugin.reuse(settings.reuse);
        let late = self.late(&attempts.charges, shown.to_owned());
        let limits = self.plugin.limits;
        let invocation = RequestInvocation { context, limits, bounds, request, answer, reuse, late, keep };
        let target = Target::Plugin(name.clone());
        let (of_tenant, of_target) = self.rules.shares(tenant, &target);
        let caller =
            Caller { tenant: tenant.clone(), target, weights: (of_tenant.weight, of_target.weight), steps_back: false };
        let whose = Whose { tenant, plugin: name, release: handler.digest() };
        let call = attempts.turns.take(caller, async move { handler.answer(invocation).await }.boxed());
        attempts.quarantine.guard(whose, || attempts.surroundings.clock.monotonic(), call).await
    }

    /// Charges what leaves behind the end of the call, and has a line for an answer that breaks off though its call did not fail.
    fn late(&self, charges: &Arc<Charges>, shown: String) -> Late {
        let (charges, id) = (Arc::clone(charges), Arc::clone(&self.id));
        let whose = (self.tenant.clone(), self.route.settings.plugin.clone());
        Box::new(move |bytes, cut| {
            charges.add(&whose, 0, &Used { bytes_out: bytes, ..Used::default() });
            if let Some(cut) = cut {
                let ((tenant, plugin), request, code) = (&whose, &*id, Code::RouteFailed);
                tracing::info!(%tenant, %plugin, request, %code, "{shown} failed, and its call did not: {cut}");
            }
        })
    }

    /// Counts it, and for a release on trial too.
    fn count(&self, attempts: &Attempts, report: &RequestReport) {
        let release = self.picked.handler.digest();
        let took_us = u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX);
        let failed = report.failure.as_ref().map(|failure| failure.code);
        let used = report.details.used.as_ref();
        let (tenant, name) = (&self.tenant, &self.route.settings.plugin);
        // It is not tried again, so it is given up.
        let given_up = |code| Outcome::DeadLetter { queue: QueueName::from(name), code, reason: String::new() };
        let outcome = failed.map_or(Outcome::Ack, given_up);
        let settling =
            Settling { release: Some(release), outcome: &outcome, failed, took_us, details: Some(&report.details) };
        attempts.meters.settled(tenant, &Target::Plugin(name.clone()), &settling, None);
        used.into_iter().for_each(|used| attempts.charges.add(&(tenant.clone(), name.clone()), 1, used));
        if let Some(since_ms) = self.picked.trial {
            attempts.trials.count((tenant, name), (since_ms, release), failed.is_some_and(is_its_own), took_us);
        }
    }

    /// One line of the host's log for each request: what failed at `info`, as failed attempts are, others at `debug`.
    fn log(&self, shown: &str, report: &RequestReport) {
        let (tenant, plugin, request) = (&self.tenant, &self.route.settings.plugin, &*self.id);
        let (status, ms) = (report.status, report.duration.as_millis());
        match &report.failure {
            Some(Failure { code, reason, .. }) => {
                tracing::info!(%tenant, %plugin, request, %code, status, "{shown} failed in {ms} ms: {reason}");
            }
            None => tracing::debug!(%tenant, %plugin, request, status, "{shown} took {ms} ms"),
        }
    }
}

/// Whether a request failed by what its plugin did.
fn is_its_own(code: Code) -> bool {
    !matches!(code, Code::RouteConflict | Code::RouteUnkept)
}

/// What a failed request says of its plugin.
fn sign(failure: &Failure) -> Sign {
    if failure.code == Code::RouteFailed { Sign::Bad } else { Sign::of(failure) }
}

/// The event that stands for a request: for its log, and for the trace that its own requests belong to.
fn standing_for(request: &Request<HttpBody>, id: &str, tenant: &TenantName) -> Result<Event, wharf_event::EventError> {
    let said = request.headers().get("traceparent").and_then(|it| it.to_str().ok()).filter(|it| is_trace(it));
    let trace = said.map_or_else(|| format!("00-{id}-{}-00", id.get(..16).unwrap_or_default()), str::to_owned);
    EventBuilder::new(id, format!("/t/{tenant}"), REQUEST).extension("traceparent", trace).build()
}

/// Whether a text is a `traceparent` of version 00 (Trace Context, 3.2).
fn is_trace(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
    };
    matches!(parts.as_slice(), ["00", trace, parent, flags]
        if hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && [trace, parent].iter().all(|it| it.bytes().any(|byte| byte != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_so_many_requests_under_way_and_no_more() {
        let (crowds, tenant) = (Crowds::default(), "acme".parse().unwrap());
        let mut all: Vec<_> = (0..REQUESTS_PER_TENANT_MAX).filter_map(|_| crowds.enter(&tenant)).collect();
        assert_eq!(all.len(), REQUESTS_PER_TENANT_MAX);
        assert!(crowds.enter(&tenant).is_none() && crowds.enter(&"other".parse().unwrap()).is_some());
        all.pop();
        assert!(crowds.enter(&tenant).is_some());
        drop(all);
        assert!(crowds.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_trace_is_taken_over_if_it_is_one() {
        assert!(is_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for none in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(!is_trace(none), "{none}");
        }
        let request = |trace: &str| {
            let body = http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(
                http_body_util::Empty::new(),
                |never| match never {},
            ));
            Request::get("/").header("traceparent", trace).body(body).unwrap()
        };
        let id = "0123456789abcdef0123456789abcdef";
        let trace = |said: &str| {
            let event = standing_for(&request(said), id, &"acme".parse().unwrap()).unwrap();
            event.extension("traceparent").unwrap().to_string()
        };
        let said = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace(said), said);
        assert_eq!(trace("nonsense"), "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00");
    }
}
