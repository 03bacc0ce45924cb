//! A tenant's prompts: read, changed, and given to all or to some.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, PromptName};

use crate::answer;
use crate::bodies::Sent;
use crate::gateway::Gateway;
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, PromptRef, Put};
use crate::problem::{Failure, Problem};
use crate::registry::read;
use crate::tenants::sent;
use crate::view::{PromptDraft, PromptPromotion, PromptRollBack};

/// `GET /v1/tenants/{tenant}/prompts`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<PromptName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.prompts(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/prompts/{prompt}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.prompt(named(&params, Code::PromptUnknown)?).await?))
}

/// `PUT /v1/tenants/{tenant}/prompts/{prompt}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::PromptInvalid)?;
    let body = sent(&headers, body, Code::PromptInvalid, &gateway).await?;
    let draft: PromptDraft = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Code::PromptInvalid, format!("the body is not understood: {error}")))?;
    let location = format!("/v1/tenants/{}/prompts/{}", of.tenant, of.prompt);
    let Put { now, created } = gateway.host.put_prompt(of, draft).await?;
    Ok(object::put(&now, None, created, location))
}

/// `POST /v1/tenants/{tenant}/prompts/{prompt}/promote`
pub(crate) async fn promote<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::PromptUnknown)?;
    let wish: PromptPromotion = read(&sent(&headers, body, Code::PromptInvalid, &gateway).await?)?;
    Ok(answer::json(&gateway.host.promote_prompt(of, wish).await?))
}

/// `POST /v1/tenants/{tenant}/prompts/{prompt}/rollback`
pub(crate) async fn roll_back<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params, Code::PromptUnknown)?;
    let wish: PromptRollBack = read(&sent(&headers, body, Code::PromptInvalid, &gateway).await?)?;
    Ok(answer::json(&gateway.host.roll_back_prompt(of, wish).await?))
}

/// `DELETE /v1/tenants/{tenant}/prompts/{prompt}`
pub(crate) async fn remove<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    gateway.host.remove_prompt(named(&params, Code::PromptUnknown)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The prompt that the path names; `unknown` is the code of a name that no prompt can have.
fn named(params: &Params, unknown: Code) -> Result<PromptRef, Problem> {
    Ok(PromptRef { tenant: params.tenant()?, prompt: params.prompt(unknown)? })
}
