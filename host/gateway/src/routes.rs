//! The one table of routes: the router is made of it, and tests compare the OpenAPI document with it.
//!
//! Invariant: there is no route that is not in [`ROUTES`], and none of it lacks a handler (the match below is total). What
//! every route may answer because of the request's head alone is in [`PROBLEMS_OF_ALL`].

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};
use wharf_event::Code;

use crate::gateway::Gateway;
use crate::guard::{self, HostList};
use crate::port::Host;
use crate::problem::Problem;
use crate::{dead_letters, events, key_values, metrics, openapi, probes, receive, registry, rules, schemas, traffic};

/// The methods that routes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads (and `HEAD` with it).
    Get,
    /// Changes something, or sends a body.
    Post,
    /// Puts an object where the path says.
    Put,
    /// Removes an object.
    Delete,
}

impl Verb {
    /// The method's name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Lists tenants.
    ListTenants,
    /// Receives events on a bus.
    PostEvents,
    /// Receives events on the default bus of the default tenant.
    PostDefaultEvents,
    /// Says what rules would do with an event.
    Explain,
    /// Lists events.
    ListEvents,
    /// Shows one event.
    ShowEvent,
    /// Follows what happens.
    Feed,
    /// Shows totals.
    Stats,
    /// Lists buckets.
    ListBuckets,
    /// Lists the keys of a bucket.
    ListKeys,
    /// Shows one key.
    ShowKey,
    /// Lists dead-letter queues.
    ListQueues,
    /// Lists the letters of a queue.
    ListLetters,
    /// Shows one letter.
    ShowLetter,
    /// Sends letters again.
    Redrive,
    /// Says whether a pattern matches an event.
    TestPattern,
    /// Lists the rules of a bus.
    ListRules,
    /// Shows one rule.
    ShowRule,
    /// Puts a rule.
    PutRule,
    /// Removes a rule.
    RemoveRule,
    /// Lists plugins.
    ListPlugins,
    /// Shows one plugin.
    ShowPlugin,
    /// Puts the settings of a plugin.
    PutPlugin,
    /// Removes a plugin.
    RemovePlugin,
    /// Gives a release all traffic, or a part of it.
    Promote,
    /// Goes back to a release from before.
    RollBack,
    /// Lists the releases of a plugin.
    ListReleases,
    /// Shows one release.
    ShowRelease,
    /// Takes a release.
    Upload,
    /// Lists schemas.
    ListSchemas,
    /// Shows one schema.
    ShowSchema,
    /// Puts a schema.
    PutSchema,
    /// Removes a schema.
    RemoveSchema,
    /// Lists the versions of a schema.
    ListSchemaVersions,
    /// Shows one version of a schema.
    ShowSchemaVersion,
    /// Describes what a tenant's buses receive.
    AsyncApi,
    /// Says that the process lives.
    Live,
    /// Says whether events are taken.
    Ready,
    /// Tells what is measured.
    Metrics,
    /// Describes this API.
    OpenApi,
    /// Explains an error code.
    ErrorPage,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub verb: Verb,
    /// Its path, variables in braces (`{*key}` takes slashes too).
    pub path: &'static str,
    /// What it does.
    pub operation: Operation,
    /// The codes that it may answer, [`PROBLEMS_OF_ALL`] aside.
    pub problems: &'static [Code],
}

const fn get(path: &'static str, operation: Operation, problems: &'static [Code]) -> Route {
    Route { verb: Verb::Get, path, operation, problems }
}

const fn post(path: &'static str, operation: Operation, problems: &'static [Code]) -> Route {
    Route { verb: Verb::Post, path, operation, problems }
}

const fn put(path: &'static str, operation: Operation, problems: &'static [Code]) -> Route {
    Route { verb: Verb::Put, path, operation, problems }
}

const fn delete(path: &'static str, operation: Operation, problems: &'static [Code]) -> Route {
    Route { verb: Verb::Delete, path, operation, problems }
}

/// The codes that any route may answer.
pub const PROBLEMS_OF_ALL: &[Code] = &[
    Code::RequestMalformed,
    Code::RequestHeadTooLarge,
    Code::RouteUnknown,
    Code::MethodNotAllowed,
    Code::HostForeign,
    Code::OriginForeign,
    Code::Overloaded,
    Code::NotReady,
    Code::ShuttingDown,
    Code::LogFailed,
    Code::Internal,
];

const OF_INTAKE: &[Code] = &[
    Code::EventJson,
    Code::EventAttribute,
    Code::EventSpecversion,
    Code::EventHeader,
    Code::EventTooLarge,
    Code::BatchInvalid,
    Code::BatchTooLarge,
    Code::ContentTypeUnsupported,
    Code::QueryInvalid,
    Code::TenantUnknown,
    Code::BusUnknown,
    Code::TargetsTooMany,
    Code::DedupFull,
    Code::SchemaViolation,
];

const RULE: &str = "/v1/tenants/{tenant}/buses/{bus}/rules/{rule}";

const PLUGIN: &str = "/v1/tenants/{tenant}/plugins/{plugin}";

const RELEASE: &str = "/v1/tenants/{tenant}/plugins/{plugin}/releases/{release}";
const SCHEMA: &str = "/v1/tenants/{tenant}/schemas/{schema}";

const OF_CHANNELS: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::PluginUnknown,
    Code::PluginInvalid,
    Code::PluginOfFile,
    Code::PluginInUse,
    Code::ReleaseUnknown,
    Code::ReleaseUnready,
    Code::ChannelInvalid,
];

/// Every route.
pub const ROUTES: &[Route] = &[
    get("/v1/tenants", Operation::ListTenants, &[]),
    post("/v1/tenants/{tenant}/buses/{bus}/events", Operation::PostEvents, OF_INTAKE),
    post("/events", Operation::PostDefaultEvents, OF_INTAKE),
    post("/v1/tenants/{tenant}/buses/{bus}/explain", Operation::Explain, OF_INTAKE),
    get("/v1/tenants/{tenant}/events", Operation::ListEvents, &[Code::QueryInvalid, Code::TenantUnknown]),
    get("/v1/tenants/{tenant}/events/{event}", Operation::ShowEvent, &[Code::TenantUnknown, Code::EventUnknown]),
    get("/v1/tenants/{tenant}/feed", Operation::Feed, &[Code::QueryInvalid, Code::TenantUnknown, Code::EventUnknown]),
    get("/v1/tenants/{tenant}/stats", Operation::Stats, &[Code::TenantUnknown]),
    get("/v1/tenants/{tenant}/kv", Operation::ListBuckets, &[Code::TenantUnknown]),
    get(
        "/v1/tenants/{tenant}/kv/{bucket}",
        Operation::ListKeys,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::BucketUnknown],
    ),
    get(
        "/v1/tenants/{tenant}/kv/{bucket}/{*key}",
        Operation::ShowKey,
        &[Code::TenantUnknown, Code::BucketUnknown, Code::KeyUnknown],
    ),
    get("/v1/tenants/{tenant}/dlq", Operation::ListQueues, &[Code::TenantUnknown]),
    get(
        "/v1/tenants/{tenant}/dlq/{queue}",
        Operation::ListLetters,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::QueueUnknown],
    ),
    get(
        "/v1/tenants/{tenant}/dlq/{queue}/{id}",
        Operation::ShowLetter,
        &[Code::TenantUnknown, Code::QueueUnknown, Code::DeadLetterUnknown],
    ),
    post(
        "/v1/tenants/{tenant}/dlq/{queue}/redrive",
        Operation::Redrive,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::BatchTooLarge,
            Code::TenantUnknown,
            Code::QueueUnknown,
            Code::DeadLetterUnknown,
        ],
    ),
    get(
        "/v1/tenants/{tenant}/buses/{bus}/rules",
        Operation::ListRules,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::BusUnknown],
    ),
    get(RULE, Operation::ShowRule, &[Code::TenantUnknown, Code::BusUnknown, Code::RuleUnknown]),
    put(
        RULE,
        Operation::PutRule,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::BusUnknown,
            Code::RuleInvalid,
            Code::PatternInvalid,
            Code::InputInvalid,
            Code::RuleOfFile,
            Code::RuleElsewhere,
            Code::RulesTooMany,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        RULE,
        Operation::RemoveRule,
        &[
            Code::QueryInvalid,
            Code::TenantUnknown,
            Code::BusUnknown,
            Code::RuleUnknown,
            Code::RuleOfFile,
            Code::VersionConflict,
        ],
    ),
    post(
        "/v1/tenants/{tenant}/rules:test",
        Operation::TestPattern,
        &[Code::QueryInvalid, Code::EventJson, Code::EventTooLarge, Code::TenantUnknown, Code::PatternInvalid],
    ),
    get("/v1/tenants/{tenant}/plugins", Operation::ListPlugins, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(PLUGIN, Operation::ShowPlugin, &[Code::TenantUnknown, Code::PluginUnknown]),
    put(
        PLUGIN,
        Operation::PutPlugin,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::PluginInvalid,
            Code::PluginOfFile,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        PLUGIN,
        Operation::RemovePlugin,
        &[
            Code::QueryInvalid,
            Code::TenantUnknown,
            Code::PluginUnknown,
            Code::PluginOfFile,
            Code::PluginInUse,
            Code::VersionConflict,
        ],
    ),
    post("/v1/tenants/{tenant}/plugins/{plugin}/promote", Operation::Promote, OF_CHANNELS),
    post("/v1/tenants/{tenant}/plugins/{plugin}/rollback", Operation::RollBack, OF_CHANNELS),
    get(
        "/v1/tenants/{tenant}/plugins/{plugin}/releases",
        Operation::ListReleases,
        &[Code::TenantUnknown, Code::PluginUnknown],
    ),
    get(RELEASE, Operation::ShowRelease, &[Code::TenantUnknown, Code::PluginUnknown, Code::ReleaseUnknown]),
    put(
        RELEASE,
        Operation::Upload,
        &[
            Code::QueryInvalid,
            Code::TenantUnknown,
            Code::PluginUnknown,
            Code::PluginOfFile,
            Code::ReleaseUnknown,
            Code::ReleaseMismatch,
            Code::ComponentTooLarge,
            Code::DiskFull,
        ],
    ),
    get("/v1/tenants/{tenant}/schemas", Operation::ListSchemas, &[Code::TenantUnknown]),
    get(SCHEMA, Operation::ShowSchema, &[Code::TenantUnknown, Code::SchemaUnknown]),
    put(
        SCHEMA,
        Operation::PutSchema,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::SchemaInvalid,
            Code::SchemaIncompatible,
            Code::SchemaOfFile,
            Code::SchemaTaken,
            Code::SchemasTooMany,
            Code::VersionConflict,
        ],
    ),
    delete(
        SCHEMA,
        Operation::RemoveSchema,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::SchemaUnknown, Code::SchemaOfFile, Code::VersionConflict],
    ),
    get(
        "/v1/tenants/{tenant}/schemas/{schema}/versions",
        Operation::ListSchemaVersions,
        &[Code::TenantUnknown, Code::SchemaUnknown],
    ),
    get(
        "/v1/tenants/{tenant}/schemas/{schema}/versions/{number}",
        Operation::ShowSchemaVersion,
        &[Code::TenantUnknown, Code::SchemaUnknown],
    ),
    get("/v1/tenants/{tenant}/asyncapi.json", Operation::AsyncApi, &[Code::TenantUnknown]),
    get("/livez", Operation::Live, &[]),
    get("/readyz", Operation::Ready, &[]),
    get("/metrics", Operation::Metrics, &[]),
    get("/openapi.json", Operation::OpenApi, &[]),
    get("/errors/{code}", Operation::ErrorPage, &[]),
];

fn handler<H: Host>(route: &Route) -> MethodRouter<Gateway<H>> {
    let verb = match route.verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Delete => MethodFilter::DELETE,
    };
    match route.operation {
        Operation::ListTenants => on(verb, events::tenants::<H>),
        Operation::PostEvents => on(verb, receive::to_bus::<H>),
        Operation::PostDefaultEvents => on(verb, receive::to_default_bus::<H>),
        Operation::Explain => on(verb, events::explain::<H>),
        Operation::ListEvents => on(verb, events::list::<H>),
        Operation::ShowEvent => on(verb, events::show::<H>),
        Operation::Feed => on(verb, events::feed::<H>),
        Operation::Stats => on(verb, events::stats::<H>),
        Operation::ListBuckets => on(verb, key_values::buckets::<H>),
        Operation::ListKeys => on(verb, key_values::list::<H>),
        Operation::ShowKey => on(verb, key_values::show::<H>),
        Operation::ListQueues => on(verb, dead_letters::queues::<H>),
        Operation::ListLetters => on(verb, dead_letters::list::<H>),
        Operation::ShowLetter => on(verb, dead_letters::show::<H>),
        Operation::Redrive => on(verb, dead_letters::redrive::<H>),
        Operation::TestPattern => on(verb, rules::test::<H>),
        Operation::ListRules => on(verb, rules::list::<H>),
        Operation::ShowRule => on(verb, rules::show::<H>),
        Operation::PutRule => on(verb, rules::put::<H>),
        Operation::RemoveRule => on(verb, rules::remove::<H>),
        Operation::ListPlugins => on(verb, registry::list::<H>),
        Operation::ShowPlugin => on(verb, registry::show::<H>),
        Operation::PutPlugin => on(verb, registry::put::<H>),
        Operation::RemovePlugin => on(verb, registry::remove::<H>),
        Operation::Promote => on(verb, registry::promote::<H>),
        Operation::RollBack => on(verb, registry::roll_back::<H>),
        Operation::ListReleases => on(verb, registry::releases::<H>),
        Operation::ShowRelease => on(verb, registry::release::<H>),
        Operation::Upload => on(verb, registry::upload::<H>),
        Operation::ListSchemas => on(verb, schemas::list::<H>),
        Operation::ShowSchema => on(verb, schemas::show::<H>),
        Operation::PutSchema => on(verb, schemas::put::<H>),
        Operation::RemoveSchema => on(verb, schemas::remove::<H>),
        Operation::ListSchemaVersions => on(verb, schemas::versions::<H>),
        Operation::ShowSchemaVersion => on(verb, schemas::version::<H>),
        Operation::AsyncApi => on(verb, schemas::asyncapi::<H>),
        Operation::Live => on(verb, probes::live),
        Operation::Ready => on(verb, probes::ready::<H>),
        Operation::Metrics => on(verb, metrics::page::<H>),
        Operation::OpenApi => on(verb, openapi::document),
        Operation::ErrorPage => on(verb, probes::error_page),
    }
}

/// The router of [`ROUTES`], behind the guard. Whatever it answers is counted.
pub(crate) fn router<H: Host>(gateway: Gateway<H>, hosts: HostList) -> Router {
    let counted = Arc::clone(&gateway.traffic);
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| router.route(route.path, handler::<H>(route)))
        .fallback(|| async { Problem::new(Code::RouteUnknown, "see /openapi.json for the paths of this host") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "the Allow header names the methods of this path")
        })
        .layer(axum::middleware::from_fn_with_state(hosts, guard::check))
        .layer(axum::middleware::from_fn_with_state(counted, traffic::count))
        .with_state(gateway)
}
