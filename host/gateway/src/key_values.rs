//! A tenant's key-value buckets, read only.
//!
//! Invariant: what is shown is committed. Keys are written by handlers alone; there is no route that writes one.

use axum::extract::State;
use axum::response::Response;
use wharf_event::BucketName;

use crate::answer;
use crate::gateway::Gateway;
use crate::params::{Asked, PageQuery, Params, rows};
use crate::port::Host;
use crate::problem::Failure;

/// `GET /v1/tenants/{tenant}/kv`
pub(crate) async fn buckets<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<BucketName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.buckets(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/kv/{bucket}`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery>,
) -> Result<Response, Failure> {
    let (tenant, bucket, limit) = (params.tenant()?, params.bucket()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.list(&tenant, &bucket, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/kv/{bucket}/{*key}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let (tenant, bucket) = (params.tenant()?, params.bucket()?);
    Ok(answer::json(&gateway.host.get(&tenant, &bucket, params.text("key")).await?))
}
