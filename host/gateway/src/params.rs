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
    BucketName, BusName, ChannelName, Code, ModelName, PluginName, PromptName, QueueName, ReplayName, RoutePath,
    RuleName, ScheduleName, SchemaName, SecretName, SigningKeyName, SubscriptionName, TenantName, TopicName,
    WebhookName,
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

    pub(crate) fn model(&self, unknown: Code) -> Result<ModelName, Problem> {
        self.name("model", unknown)
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

    pub(crate) fn route(&self, unknown: Code) -> Result<RoutePath, Problem> {
        self.name("route", unknown)
    }

    pub(crate) fn prompt(&self, unknown: Code) -> Result<PromptName, Problem> {
        self.name("prompt", unknown)
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

/// The query of a list that is one page at most: it has no parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WholeQuery {}

/// The page of `all` that is asked for, by name.
pub(crate) fn page<T, N: Ord>(all: Vec<T>, query: PageQuery<N>, name: impl Fn(&T) -> &N) -> Result<Vec<T>, Problem> {
    let (limit, after) = (rows(query.limit)?, query.after);
    let mut behind: Vec<T> =
        all.into_iter().filter(|row| after.as_ref().is_none_or(|after| name(row) > after)).collect();
    behind.sort_by(|one, other| name(one).cmp(name(other)));
    behind.truncate(limit as usize);
    Ok(behind)
}

/// The query of the request, with its unknown parameters refused by `T`.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(asked)| Self(asked))
            .map_err(|error| Problem::new(Code::QueryInvalid, mistake(&error.body_text())))
    }
}

/// What is wrong with a query, in words of this API. It names the parameter and, where that is unknown, those that there are.
fn mistake(text: &str) -> String {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (of, what) = match text.split_once(": ") {
        Some((of, what)) if is_name(of) => (Some(of), what),
        _ => (None, text),
    };
    let unknown = what.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, "));
    if let Some((name, rest)) = unknown {
        let known = rest.strip_prefix("expected one of ").or_else(|| rest.strip_prefix("expected "));
        return match known {
            Some(known) => format!("there is no parameter `{name}`: there are {}", known.replace("` or `", "` and `")),
            None => format!("there is no parameter `{name}`, and no other"),
        };
    }
    if let Some(name) = what.strip_prefix("missing field ") {
        return format!("the parameter {name} is missing");
    }
    if let Some(name) = what.strip_prefix("duplicate field ") {
        return format!("the parameter {name} is there more than once");
    }
    match of {
        Some(of) => format!("the parameter `{of}`: {what}"),
        None => format!("the query: {what}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Needed {
        #[serde(rename = "name")]
        _name: String,
    }

    fn said<T: DeserializeOwned>(query: &str) -> String {
        let uri = format!("/x?{query}").parse().unwrap();
        Query::<T>::try_from_uri(&uri).map(drop).map_err(|error| mistake(&error.body_text())).unwrap_err()
    }

    #[test]
    fn a_mistake_of_a_query_names_the_parameter_in_words_of_this_api() {
        assert_eq!(said::<PageQuery>("limmit=1"), "there is no parameter `limmit`: there are `after` and `limit`");
        assert_eq!(said::<Needed>("nam=1"), "there is no parameter `nam`: there are `name`");
        assert_eq!(said::<PageQuery>("limit=x"), "the parameter `limit`: invalid digit found in string");
        assert_eq!(said::<PageQuery>("limit=1&limit=2"), "the parameter `limit` is there more than once");
        assert_eq!(said::<Needed>(""), "the parameter `name` is missing");
        let name = said::<PageQuery<RuleName>>("after=A");
        assert!(name.starts_with("the parameter `after`: `A` is not a rule name"), "{name}");
    }
}
