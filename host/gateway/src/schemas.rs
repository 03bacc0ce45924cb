//! A tenant's schemas, read, and as an AsyncAPI document.
//!
//! Invariant: what is shown is what received events are held against now.

use axum::extract::State;
use axum::response::Response;
use wharf_event::Code;

use crate::answer;
use crate::gateway::Gateway;
use crate::params::Params;
use crate::port::Host;
use crate::problem::Failure;

/// `GET /v1/tenants/{tenant}/schemas`
pub(crate) async fn list<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.schemas(&params.tenant()?).await?))
}

/// `GET /v1/tenants/{tenant}/schemas/{schema}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let (tenant, schema) = (params.tenant()?, params.schema(Code::SchemaUnknown)?);
    Ok(answer::json(&gateway.host.schema(&tenant, &schema).await?))
}

/// `GET /v1/tenants/{tenant}/asyncapi.json`
pub(crate) async fn asyncapi<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.asyncapi(&params.tenant()?).await?))
}
