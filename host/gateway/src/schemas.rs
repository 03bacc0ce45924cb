//! A tenant's schemas: read, changed, and as an AsyncAPI document.
//!
//! Invariant: what is shown is what received events are held against now. An answer that shows a schema has its version for an
//! ETag, if it has one: what stands in the configuration file has none.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use wharf_event::{Code, SchemaName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::gateway::Gateway;
use crate::limits::SCHEMA_BYTES_MAX;
use crate::object;
use crate::params::{Asked, PageQuery, Params, WholeQuery, rows};
use crate::port::{Compatibility, Host, SchemaPut, SchemaRef};
use crate::problem::{Failure, Problem};

/// `GET /v1/tenants/{tenant}/schemas`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<SchemaName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.schemas(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/schemas/{schema}`
pub(crate) async fn show<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let schema = gateway.host.schema(named(&params, Code::SchemaUnknown)?).await?;
    Ok(object::shown_to(&headers, &schema, schema.version))
}

/// What a version that is put has to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutQuery {
    /// What has to hold between it and the version before.
    #[serde(default)]
    compatibility: Compatibility,
}

/// `PUT /v1/tenants/{tenant}/schemas/{schema}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(PutQuery { compatibility }): Asked<PutQuery>,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    // Of a name that no schema can have the document cannot be put.
    let of = named(&params, Code::SchemaInvalid)?;
    body::must_be_json(&headers)?;
    let expected = condition::of_change(&headers)?;
    let bound = Bound { bytes: SCHEMA_BYTES_MAX, code: Code::SchemaInvalid, within: gateway.body_timeout };
    let document = body::read(&headers, body, bound).await?;
    let location = format!("/v1/tenants/{}/schemas/{}", of.tenant, of.schema);
    let SchemaPut { schema, created } = gateway.host.put_schema(of, document, compatibility, expected).await?;
    Ok(object::put(&schema, schema.version, created, location))
}

/// `DELETE /v1/tenants/{tenant}/schemas/{schema}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let of = named(&params, Code::SchemaUnknown)?;
    gateway.host.remove_schema(of, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/tenants/{tenant}/schemas/{schema}/versions`
pub(crate) async fn versions<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(WholeQuery {}): Asked<WholeQuery>,
) -> Result<Response, Failure> {
    let mut versions = gateway.host.schema_versions(named(&params, Code::SchemaUnknown)?).await?;
    versions.iter_mut().for_each(|version| version.document = None);
    Ok(answer::json(&versions))
}

/// `GET /v1/tenants/{tenant}/schemas/{schema}/versions/{number}`
pub(crate) async fn version<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let of = named(&params, Code::SchemaUnknown)?;
    let number = params.text("number");
    let unknown = || Problem::new(Code::SchemaUnknown, format!("no version `{number}` of the schema is kept"));
    let versions = gateway.host.schema_versions(of).await?;
    let found = versions.iter().find(|version| version.number.to_string() == number);
    Ok(answer::json(found.ok_or_else(unknown)?))
}

/// The schema that the path names; `unknown` is the code of a name that no schema can have.
fn named(params: &Params, unknown: Code) -> Result<SchemaRef, Problem> {
    Ok(SchemaRef { tenant: params.tenant()?, schema: params.schema(unknown)? })
}

/// `GET /v1/tenants/{tenant}/asyncapi.json`
pub(crate) async fn asyncapi<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.asyncapi(&params.tenant()?).await?))
}
