//! A tenant's rules: asked, read and changed.
//!
//! Invariant: a question and a document reach the host byte for byte, so that a number counts as it is spelled. An answer that
//! shows a rule has its version for an ETag, if it has one: what stands in the configuration file has none.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, RuleName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::gateway::Gateway;
use crate::limits::{QUESTION_BYTES_MAX, RULE_BYTES_MAX};
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, RulePut, RuleRef};
use crate::problem::{Failure, Problem};

/// `POST /v1/tenants/{tenant}/rules:test`. It changes nothing, so its media type is not looked at.
pub(crate) async fn test<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let tenant = params.tenant()?;
    let bound = Bound { bytes: QUESTION_BYTES_MAX, code: Code::EventTooLarge, within: gateway.body_timeout };
    let question = body::read(&headers, body, bound).await?;
    Ok(answer::json(&gateway.host.test(&tenant, question).await?))
}

/// `GET /v1/tenants/{tenant}/buses/{bus}/rules`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<RuleName>>,
) -> Result<Response, Failure> {
    let (tenant, bus, limit) = (params.tenant()?, params.bus()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.rules(&tenant, &bus, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/buses/{bus}/rules/{rule}`
pub(crate) async fn show<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let rule = gateway.host.rule(named(&params, Code::RuleUnknown)?).await?;
    Ok(object::shown_to(&headers, &rule, rule.version))
}

/// `PUT /v1/tenants/{tenant}/buses/{bus}/rules/{rule}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    // Of a name that no rule can have the document cannot be put.
    let of = named(&params, Code::RuleInvalid)?;
    body::must_be_json(&headers)?;
    let expected = condition::of_change(&headers)?;
    let bound = Bound { bytes: RULE_BYTES_MAX, code: Code::RuleInvalid, within: gateway.body_timeout };
    let document = body::read(&headers, body, bound).await?;
    let location = format!("/v1/tenants/{}/buses/{}/rules/{}", of.tenant, of.bus, of.rule);
    let RulePut { rule, created } = gateway.host.put_rule(of, document, expected).await?;
    Ok(object::put(&rule, rule.version, created, location))
}

/// `DELETE /v1/tenants/{tenant}/buses/{bus}/rules/{rule}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let of = named(&params, Code::RuleUnknown)?;
    gateway.host.remove_rule(of, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The rule that the path names; `unknown` is the code of a name that no rule can have.
fn named(params: &Params, unknown: Code) -> Result<RuleRef, Problem> {
    Ok(RuleRef { tenant: params.tenant()?, bus: params.bus()?, rule: params.rule(unknown)? })
}
