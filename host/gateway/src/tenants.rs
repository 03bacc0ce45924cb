//! Tenants and their event buses, read and changed.
//!
//! Invariant: what deletes a tenant says its name twice: in the path, and in `confirm`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use wharf_event::{BusName, Code, TenantName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::gateway::Gateway;
use crate::limits::PLUGIN_BYTES_MAX;
use crate::object;
use crate::params::{Asked, PageQuery, Params, page, rows};
use crate::port::{BusRef, Host, Put};
use crate::principal::Principal;
use crate::problem::{Failure, Problem};

/// The query of a deletion.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteQuery {
    confirm: Option<String>,
}

/// `GET /v1/tenants`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    principal: Principal,
    Asked(query): Asked<PageQuery<TenantName>>,
) -> Result<Response, Failure> {
    let mut all = gateway.host.tenants();
    // Those that go stand among the others: there is one order, and one cursor.
    let names = all.tenants.iter().chain(&all.deleting).filter(|tenant| principal.sees(tenant)).cloned();
    let mut page: Vec<TenantName> = page(names.collect(), query, |name| name)?;
    page.dedup();
    for names in [&mut all.tenants, &mut all.suspended, &mut all.deleting] {
        names.retain(|tenant| page.binary_search(tenant).is_ok());
    }
    all.default = all.default.filter(|tenant| principal.sees(tenant));
    Ok(answer::json(&all))
}

/// `GET /v1/tenants/{tenant}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let tenant = gateway.host.tenant(&params.tenant()?).await?;
    Ok(object::shown(&tenant, tenant.version))
}

/// `PUT /v1/tenants/{tenant}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let tenant: TenantName = params.tenant_to_make()?;
    let expected = condition::of_change(&headers)?;
    let settings = sent(&headers, body, Code::TenantInvalid, &gateway).await?;
    let path = format!("/v1/tenants/{tenant}");
    let Put { now, created } = gateway.host.put_tenant(tenant, settings, expected).await?;
    Ok(object::put(&now, now.version, created, path))
}

/// `DELETE /v1/tenants/{tenant}?confirm={tenant}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    Asked(query): Asked<DeleteQuery>,
) -> Result<Response, Failure> {
    let tenant = params.tenant()?;
    let expected = condition::of_change(&headers)?;
    // Whether it is there comes first: nobody confirms what there is not.
    gateway.host.tenant(&tenant).await?;
    if query.confirm.as_deref() != Some(tenant.as_str()) {
        let detail = format!(
            "all that `{tenant}` has goes with it, and does not come back: say so by ?confirm={tenant} or --yes"
        );
        return Err(Problem::new(Code::Unconfirmed, detail).into());
    }
    gateway.host.delete_tenant(tenant, expected).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// `GET /v1/tenants/{tenant}/buses`
pub(crate) async fn buses<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<BusName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.buses(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/buses/{bus}`
pub(crate) async fn bus<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let bus = gateway.host.bus(named(&params)?).await?;
    Ok(object::shown(&bus, bus.version))
}

/// `PUT /v1/tenants/{tenant}/buses/{bus}`
pub(crate) async fn put_bus<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = BusRef { tenant: params.tenant()?, bus: params.bus_to_make()? };
    let expected = condition::of_change(&headers)?;
    let settings = sent(&headers, body, Code::BusInvalid, &gateway).await?;
    let path = format!("/v1/tenants/{}/buses/{}", of.tenant, of.bus);
    let Put { now, created } = gateway.host.put_bus(of, settings, expected).await?;
    Ok(object::put(&now, now.version, created, path))
}

/// `DELETE /v1/tenants/{tenant}/buses/{bus}`
pub(crate) async fn remove_bus<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    gateway.host.remove_bus(named(&params)?, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn named(params: &Params) -> Result<BusRef, Problem> {
    Ok(BusRef { tenant: params.tenant()?, bus: params.bus()? })
}

pub(crate) async fn sent<H: Host>(
    headers: &HeaderMap,
    body: Sent,
    code: Code,
    gateway: &Gateway<H>,
) -> Result<Bytes, Failure> {
    body::must_be_json(headers)?;
    let bound = Bound { bytes: PLUGIN_BYTES_MAX, code, within: gateway.body_timeout };
    Ok(body::read(headers, body, bound).await?)
}
