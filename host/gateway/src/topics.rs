//! A tenant's topics and their subscriptions: read, changed; and what is published to a topic.
//!
//! Invariant: what is published is received as on a bus, with the same bodies and answers. A document reaches the host byte for byte, so that
//! a number in a pattern counts as it is spelled.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{BusName, Code, SubscriptionName, TopicName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::events::one;
use crate::gateway::Gateway;
use crate::incoming::{Parcel, PlainQuery};
use crate::limits::RULE_BYTES_MAX;
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, Put, SubscriptionRef, TopicRef};
use crate::problem::{Failure, Problem};
use crate::receive::receive;
use crate::tenants::sent;

/// `GET /v1/tenants/{tenant}/topics`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<TopicName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.topics(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/topics/{topic}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let topic = gateway.host.topic(named(&params, Code::TopicUnknown)?).await?;
    Ok(object::shown(&topic, topic.version))
}

/// `PUT /v1/tenants/{tenant}/topics/{topic}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::BusInvalid)?;
    let expected = condition::of_change(&headers)?;
    let document = sent(&headers, body, Code::BusInvalid, &gateway).await?;
    let location = format!("/v1/tenants/{}/topics/{}", of.tenant, of.topic);
    let Put { now, created } = gateway.host.put_topic(of, document, expected).await?;
    Ok(object::put(&now, now.version, created, location))
}

/// `DELETE /v1/tenants/{tenant}/topics/{topic}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    gateway.host.remove_topic(named(&params, Code::TopicUnknown)?, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/tenants/{tenant}/topics/{topic}/publish`
pub(crate) async fn publish<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PlainQuery>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let TopicRef { tenant, topic } = named(&params, Code::TopicUnknown)?;
    receive(gateway, tenant, BusName::of_topic(&topic), Parcel { headers, query, body }).await
}

/// `GET /v1/tenants/{tenant}/topics/{topic}/subscriptions`
pub(crate) async fn subscriptions<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<SubscriptionName>>,
) -> Result<Response, Failure> {
    let (of, limit) = (named(&params, Code::TopicUnknown)?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.subscriptions(of, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/topics/{topic}/subscriptions/{subscription}`
pub(crate) async fn subscription<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
) -> Result<Response, Failure> {
    let subscription = gateway.host.subscription(subscribed(&params, Code::SubscriptionUnknown)?).await?;
    Ok(object::shown(&subscription, subscription.version))
}

/// `PUT /v1/tenants/{tenant}/topics/{topic}/subscriptions/{subscription}`
pub(crate) async fn subscribe<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    // Of a name that no subscription can have the document cannot be put.
    let of = subscribed(&params, Code::RuleInvalid)?;
    body::must_be_json(&headers)?;
    let expected = condition::of_change(&headers)?;
    let bound = Bound { bytes: RULE_BYTES_MAX, code: Code::RuleInvalid, within: gateway.body_timeout };
    let document = body::read(&headers, body, bound).await?;
    let TopicRef { tenant, topic } = &of.of;
    let location = format!("/v1/tenants/{tenant}/topics/{topic}/subscriptions/{}", of.subscription);
    let Put { now, created } = gateway.host.put_subscription(of, document, expected).await?;
    Ok(object::put(&now, now.version, created, location))
}

/// `DELETE /v1/tenants/{tenant}/topics/{topic}/subscriptions/{subscription}`
pub(crate) async fn unsubscribe<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let of = subscribed(&params, Code::SubscriptionUnknown)?;
    gateway.host.remove_subscription(of, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/tenants/{tenant}/topics/{topic}/subscriptions/{subscription}/explain`
pub(crate) async fn explain<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PlainQuery>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = subscribed(&params, Code::SubscriptionUnknown)?;
    let event = one(&gateway, Parcel { headers, query, body }).await?;
    Ok(answer::json(&gateway.host.explain_subscription(of, event).await?))
}

/// The topic that the path names; `unknown` is the code of a name that no topic can have.
fn named(params: &Params, unknown: Code) -> Result<TopicRef, Problem> {
    Ok(TopicRef { tenant: params.tenant()?, topic: params.topic(unknown)? })
}

fn subscribed(params: &Params, unknown: Code) -> Result<SubscriptionRef, Problem> {
    Ok(SubscriptionRef { of: named(params, Code::TopicUnknown)?, subscription: params.subscription(unknown)? })
}
