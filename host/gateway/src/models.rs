//! A tenant's models: their versions, and which of those answers.
//!
//! Invariant: the bytes of a version are handed on as they come, and never held whole.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use wharf_event::{Code, Digest, ModelName};

use crate::answer;
use crate::bodies::Sent;
use crate::condition;
use crate::gateway::Gateway;
use crate::object;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, ModelNote, ModelRef, Put};
use crate::problem::{Failure, Problem};
use crate::registry::{UploadQuery, chunks, noted, read};
use crate::tenants::sent;
use crate::view::{BaselineDraft, ModelBatching, ModelPromotion, ModelRollBack};

/// `GET /v1/tenants/{tenant}/models`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<ModelName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.models(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/models/{model}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let detail = gateway.host.model(named(&params)?).await?;
    Ok(object::shown(&detail, detail.version))
}

/// `PUT /v1/tenants/{tenant}/models/{model}/versions/{version}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<UploadQuery>,
    body: Body,
) -> Result<Response, Failure> {
    let of = named(&params)?;
    let hex = params.text("version");
    let version: Result<Digest, _> = format!("sha256:{hex}").parse();
    let version = version
        .map_err(|error| Problem::new(Code::ModelVersionUnknown, format!("`{hex}` names no version: {error}")))?;
    let note = ModelNote { version: noted(query.version, "version")?, message: noted(query.message, "message")? };
    let Put { now, created } = gateway.host.put_model(of, version, note, chunks(body, gateway.body_timeout)).await?;
    Ok(answer::json_as(if created { StatusCode::CREATED } else { StatusCode::OK }, "application/json", &now))
}

/// `POST /v1/tenants/{tenant}/models/{model}/promote`
pub(crate) async fn promote<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let wish: ModelPromotion = read(&sent(&headers, body, Code::QueryInvalid, &gateway).await?)?;
    let detail = gateway.host.promote_model(named(&params)?, wish).await?;
    Ok(object::shown(&detail, detail.version))
}

/// `POST /v1/tenants/{tenant}/models/{model}/rollback`
pub(crate) async fn roll_back<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let wish: ModelRollBack = read(&sent(&headers, body, Code::QueryInvalid, &gateway).await?)?;
    let detail = gateway.host.roll_back_model(named(&params)?, wish).await?;
    Ok(object::shown(&detail, detail.version))
}

/// `POST /v1/tenants/{tenant}/models/{model}/batch`
pub(crate) async fn batch<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let wish: ModelBatching = read(&sent(&headers, body, Code::QueryInvalid, &gateway).await?)?;
    let detail = gateway.host.batch_model(named(&params)?, wish).await?;
    Ok(object::shown(&detail, detail.version))
}

/// `DELETE /v1/tenants/{tenant}/models/{model}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    gateway.host.remove_model(named(&params)?, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PUT /v1/tenants/{tenant}/models/{model}/baseline`
pub(crate) async fn put_baseline<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = named(&params)?;
    let body = sent(&headers, body, Code::BaselineInvalid, &gateway).await?;
    let draft: BaselineDraft = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Code::BaselineInvalid, format!("the body is not understood: {error}")))?;
    Ok(answer::json(&gateway.host.put_baseline(of, draft).await?))
}

/// `DELETE /v1/tenants/{tenant}/models/{model}/baseline`
pub(crate) async fn remove_baseline<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
) -> Result<Response, Failure> {
    gateway.host.remove_baseline(named(&params)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/tenants/{tenant}/models/{model}/drift`
pub(crate) async fn drift<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.drift(named(&params)?).await?))
}

fn named(params: &Params) -> Result<ModelRef, Problem> {
    Ok(ModelRef { tenant: params.tenant()?, model: params.model(Code::ModelUnknown)? })
}
