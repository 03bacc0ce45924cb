//! What a tenant used, read.
//!
//! Invariant: what is shown is durable. What it costs is the host's to say.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use wharf_event::PluginName;

use crate::answer;
use crate::gateway::Gateway;
use crate::params::{Asked, Params};
use crate::port::{Host, UsageBy, UsageQuery};
use crate::problem::Failure;

/// The query of a page of usage.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    from: Option<String>,
    to: Option<String>,
    by: Option<By>,
    plugin: Option<PluginName>,
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Plugin,
    Hour,
}

/// `GET /v1/tenants/{tenant}/quotas`
pub(crate) async fn quotas<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.quotas(&params.tenant()?).await?))
}

/// `GET /v1/tenants/{tenant}/usage`
pub(crate) async fn show<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(Query { from, to, by, plugin, after }): Asked<Query>,
) -> Result<Response, Failure> {
    let by = match by {
        None | Some(By::Plugin) => UsageBy::Plugin,
        Some(By::Hour) => UsageBy::Hour,
    };
    let query = UsageQuery { from, to, by, plugin, after };
    Ok(answer::json(&gateway.host.usage(&params.tenant()?, query).await?))
}
