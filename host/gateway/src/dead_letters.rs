//! A tenant's dead-letter queues: read, and sent again.
//!
//! Invariant: a redrive says exactly what it means, either `{"all": true}`, `{"ids": […]}` or `{"since": "…"}`; anything else moves nothing.
//! Letters are never deleted here.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use wharf_event::Code;

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::gateway::Gateway;
use crate::limits::{REDRIVE_BYTES_MAX, REDRIVE_IDS_MAX};
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::{Host, Redrive};
use crate::problem::{Failure, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedriveBody {
    all: Option<bool>,
    ids: Option<Vec<String>>,
    since: Option<String>,
}

/// `GET /v1/tenants/{tenant}/dlq`
pub(crate) async fn queues<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.queues(&params.tenant()?).await?))
}

/// `GET /v1/tenants/{tenant}/dlq/{queue}`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery>,
) -> Result<Response, Failure> {
    let (tenant, queue, limit) = (params.tenant()?, params.queue()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.letters(&tenant, &queue, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/dlq/{queue}/{id}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let (tenant, queue) = (params.tenant()?, params.queue()?);
    Ok(answer::json(&gateway.host.letter(&tenant, &queue, params.text("id")).await?))
}

/// `POST /v1/tenants/{tenant}/dlq/{queue}/redrive`
pub(crate) async fn redrive<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let (tenant, queue) = (params.tenant()?, params.queue()?);
    body::must_be_json(&headers)?;
    let bound = Bound { bytes: REDRIVE_BYTES_MAX, code: Code::BatchTooLarge, within: gateway.body_timeout };
    let which = which(&body::read(&headers, body, bound).await?)?;
    Ok(answer::json(&gateway.host.redrive(&tenant, &queue, which).await?))
}

fn which(body: &[u8]) -> Result<Redrive, Problem> {
    let invalid = |detail: String| Problem::new(Code::QueryInvalid, detail);
    let asked: RedriveBody = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    match asked {
        RedriveBody { all: Some(true), ids: None, since: None } => Ok(Redrive::All),
        RedriveBody { all: None, ids: None, since: Some(since) } => Ok(Redrive::Since(since)),
        RedriveBody { all: None, ids: Some(ids), since: None } if (1..=REDRIVE_IDS_MAX).contains(&ids.len()) => {
            Ok(Redrive::Ids(ids))
        }
        RedriveBody { all: None, ids: Some(ids), since: None } => {
            Err(invalid(format!("there are {} ids; name between 1 and {REDRIVE_IDS_MAX}", ids.len())))
        }
        RedriveBody { .. } => {
            Err(invalid("say either {\"all\": true}, {\"ids\": [\"…\"]} or {\"since\": \"…\"}".to_owned()))
        }
    }
}
