//! Reads names, keys and queries out of the request line.
//!
//! Invariant: a name that no object can have is answered as an unknown object (404), a query that is not understood as
//! `query-invalid` (400), an unknown query parameter included. It asks the host nothing.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wharf_event::{
    BucketName, BusName, ChannelName, Code, PluginName, QueueName, ReplayName, RuleName, ScheduleName, SchemaName,
    SecretName, SigningKeyName, SubscriptionName, TenantName, TopicName, WebhookName,
};

use crate::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::principal::Principal;
use crate::problem::Problem;

/// The percent-decoded variables of the path.
#[derive(Debug)]
pub(crate) struct Params {
    path: RawPathParams,
    principal: Principal,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = RawPathParams::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Problem::new(Code::RouteUnknown, error.to_string()))?;
        let Ok(principal) = Principal::from_request_parts(parts, state).await;
        Ok(Self { path, principal })
    }
}

impl Params {
    pub(crate) fn tenant(&self) -> Result<TenantName, Problem> {
        self.seen(self.name("tenant", Code::TenantUnknown)?)
    }

    /// The tenant of a path under which there need not be one yet.
    pub(crate) fn tenant_to_make(&self) -> Result<TenantName, Problem> {
        self.seen(self.name("tenant", Code::TenantInvalid)?)
    }

    fn seen(&self, tenant: TenantName) -> Result<TenantName, Problem> {
        if self.principal.sees(&tenant) {
            return Ok(tenant);
        }
        Err(Problem::new(Code::TenantUnknown, format!("there is no tenant `{tenant}`")))
    }

    pub(crate) fn bus(&self) -> Result<BusName, Problem> {
        let bus: BusName = self.name("bus", Code::BusUnknown)?;
        match bus.is_plain() {
            true => Ok(bus),
            false => Err(Problem::new(
                Code::BusUnknown,
                format!("`{bus}` is no event bus by itself: topics and queues have paths of their own"),
            )),
        }
    }

    /// The bus of a path under which there need not be one yet.
    pub(crate) fn bus_to_make(&self) -> Result<BusName, Problem> {
        let bus: BusName = self.name("bus", Code::BusInvalid)?;
        if bus.is_plain() {
            return Ok(bus);
        }
        let detail = format!("`{bus}` is no event bus by itself: a name has no `/`");
        Err(Problem::new(Code::BusInvalid, detail))
    }

    pub(crate) fn bucket(&self) -> Result<BucketName, Problem> {
        self.name("bucket", Code::BucketUnknown)
    }

    pub(crate) fn queue(&self) -> Result<QueueName, Problem> {
        self.name("queue", Code::QueueUnknown)
    }

    /// The queue of a path under which there need not be one yet.
    pub(crate) fn queue_to_make(&self) -> Result<QueueName, Problem> {
        self.name("queue", Code::QueueInvalid)
    }

    pub(crate) fn rule(&self, unknown: Code) -> Result<RuleName, Problem> {
        let rule: RuleName = self.name("rule", unknown)?;
        match rule.is_plain() {
            true => Ok(rule),
            false => Err(Problem::new(unknown, format!("`{rule}` is a {}'s own, and no rule of a bus", rule.told().0))),
        }
    }

    pub(crate) fn topic(&self, unknown: Code) -> Result<TopicName, Problem> {
        self.name("topic", unknown)
    }

    pub(crate) fn subscription(&self, unknown: Code) -> Result<SubscriptionName, Problem> {
        self.name("subscription", unknown)
    }

    pub(crate) fn replay(&self, unknown: Code) -> Result<ReplayName, Problem> {
        self.name("replay", unknown)
    }

    pub(crate) fn schedule(&self, unknown: Code) -> Result<ScheduleName, Problem> {
        self.name("schedule", unknown)
    }

    pub(crate) fn plugin(&self, unknown: Code) -> Result<PluginName, Problem> {
        self.name("plugin", unknown)
    }

    pub(crate) fn channel(&self, unknown: Code) -> Result<ChannelName, Problem> {
        self.name("channel", unknown)
    }

    pub(crate) fn schema(&self, unknown: Code) -> Result<SchemaName, Problem> {
        self.name("schema", unknown)
    }

    pub(crate) fn webhook(&self, unknown: Code) -> Result<WebhookName, Problem> {
        self.name("webhook", unknown)
    }

    pub(crate) fn secret(&self, unknown: Code) -> Result<SecretName, Problem> {
        self.name("secret", unknown)
    }

    /// The signing key that the path names.
    pub(crate) fn signing_key(&self, unknown: Code) -> Result<SigningKeyName, Problem> {
        self.name("signer", unknown)
    }

    /// A variable as it is; the empty text if the route has none of that name.
    pub(crate) fn text(&self, variable: &str) -> &str {
        self.path.iter().find(|(name, _)| *name == variable).map_or("", |(_, value)| value)
    }

    fn name<N>(&self, variable: &str, unknown: Code) -> Result<N, Problem>
    where
        N: FromStr,
        N::Err: std::fmt::Display,
    {
        self.text(variable).parse().map_err(|error: N::Err| Problem::new(unknown, error.to_string()))
    }
}

/// The query of a page of rows that are sorted by a name of theirs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery<N = String> {
    /// Only rows behind this one.
    pub(crate) after: Option<N>,
    /// Rows at most.
    pub(crate) limit: Option<u32>,
}

/// The query of the request, with its unknown parameters refused by `T`.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(asked)| Self(asked))
            .map_err(|error| Problem::new(Code::QueryInvalid, error.body_text()))
    }
}

/// The rows that a page may have.
pub(crate) fn rows(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE_ROWS_DEFAULT) {
        rows @ 1..=PAGE_ROWS_MAX => Ok(rows),
        rows => {
            Err(Problem::new(Code::QueryInvalid, format!("limit is {rows}; it must be between 1 and {PAGE_ROWS_MAX}")))
        }
    }
}
