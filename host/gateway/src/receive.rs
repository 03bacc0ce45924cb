//! Receive: the first phase of an event's life. Events are parsed, handed to the host, and answered once durable.
//!
//! Invariant: the answer to a batch has one element for each event, in order, and one bad event never stops the others.
//! It does not match, number or store anything.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tracing::Instrument;
use wharf_event::{BusName, Code, Event, EventError, TenantName};

use crate::answer;
use crate::bodies::Sent;
use crate::gateway::Gateway;
use crate::incoming::{Incoming, Parcel, PlainQuery};
use crate::params::{Asked, Params};
use crate::port::{Host, Refusal};
use crate::principal::Principal;
use crate::problem::{Failure, Problem};
use crate::view::{Accepted, Admission};

/// The bus that `POST /events` puts events on.
const DEFAULT_BUS: &str = "default";

/// `POST /v1/tenants/{tenant}/buses/{bus}/events`
pub(crate) async fn to_bus<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PlainQuery>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let (tenant, bus) = (params.tenant()?, params.bus()?);
    receive(gateway, tenant, bus, Parcel { headers, query, body }).await
}

/// `POST /events`
pub(crate) async fn to_default_bus<H: Host>(
    State(gateway): State<Gateway<H>>,
    principal: Principal,
    Asked(query): Asked<PlainQuery>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let tenant = gateway.host.default_tenant().filter(|tenant| principal.sees(tenant)).ok_or_else(|| {
        let detail = "the configuration has no `default_tenant`; post to /v1/tenants/{tenant}/buses/{bus}/events";
        Problem::new(Code::TenantUnknown, detail)
    })?;
    let bus = DEFAULT_BUS.parse().map_err(|_| Problem::new(Code::BusUnknown, "there is no default bus"))?;
    receive(gateway, tenant, bus, Parcel { headers, query, body }).await
}

/// Receives events on a bus, or on a topic.
pub(crate) async fn receive<H: Host>(
    gateway: Gateway<H>,
    tenant: TenantName,
    bus: BusName,
    parcel: Parcel,
) -> Result<Response, Failure> {
    let span = tracing::debug_span!("receive", %tenant, %bus);
    async move {
        let incoming = parcel.open(gateway.body_timeout, || gateway.host.plain_identity()).await?;
        take(&tenant, incoming, |events| gateway.host.accept(&tenant, &bus, events)).await
    }
    .instrument(span)
    .await
}

/// What the host says to events, once each is durable or refused.
type Admissions = Result<Vec<Result<Accepted, Refusal>>, Refusal>;

/// Hands events to the host, be it for a bus or for a queue, and answers as many came.
pub(crate) async fn take<F: Future<Output = Admissions>>(
    tenant: &TenantName,
    incoming: Incoming,
    accept: impl FnOnce(Vec<Event>) -> F,
) -> Result<Response, Failure> {
    match incoming {
        Incoming::One(event) => one(tenant, accept(vec![event]).await?),
        Incoming::Many(events) => many(events, accept).await,
    }
}

fn one(tenant: &TenantName, admissions: Vec<Result<Accepted, Refusal>>) -> Result<Response, Failure> {
    let accepted = admissions.into_iter().next().unwrap_or_else(|| Err(unanswered()))?;
    let location = format!("/v1/tenants/{tenant}/events/{}", accepted.position);
    let mut response = answer::json_as(StatusCode::ACCEPTED, "application/json", &accepted);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn many<F: Future<Output = Admissions>>(
    events: Vec<Result<Event, EventError>>,
    accept: impl FnOnce(Vec<Event>) -> F,
) -> Result<Response, Failure> {
    let mut good = Vec::with_capacity(events.len());
    let places: Vec<Option<Problem>> =
        events.into_iter().map(|event| event.map(|event| good.push(event)).err().map(Problem::from)).collect();
    let admissions = accept(good).await?;
    Ok(answer::json(&merge(places, admissions)).into_response())
}

/// Puts the host's answers where no problem was found.
fn merge(places: Vec<Option<Problem>>, admissions: Vec<Result<Accepted, Refusal>>) -> Vec<Admission> {
    let mut admissions = admissions.into_iter();
    let admission = |place: Option<Problem>| match place {
        Some(problem) => Admission::Refused(problem),
        None => match admissions.next().unwrap_or_else(|| Err(unanswered())) {
            Ok(accepted) => Admission::Accepted(accepted),
            Err(refusal) => Admission::Refused(refusal.into()),
        },
    };
    places.into_iter().map(admission).collect()
}

fn unanswered() -> Refusal {
    Refusal::new(Code::Internal, "the host gave no answer for this event; whether it was accepted is not known")
}
