//! HTTP in: events are received here, and what the host knows is read back from here.
//!
//! Invariant: this crate names `wharf-event` and the ports of [`port`], never the log, the state or the dispatcher; every
//! refusal leaves as problem+json with a code of the registry. It deliberately knows no identity yet: the server binds to
//! loopback only, and [`guard`] refuses what a browser or a rebound name sends.

mod answer;
pub mod bodies;
mod body;
mod condition;
mod dead_letters;
mod endpoints;
mod events;
mod feeds;
mod gateway;
mod grants;
pub mod guard;
mod incoming;
mod key_values;
mod keys;
pub mod limits;
pub mod measure;
mod metrics;
mod models;
mod object;
mod openapi;
pub mod pages;
mod params;
mod patience;
pub mod port;
mod principal;
mod probes;
mod problem;
mod prompts;
mod queues;
mod receive;
mod registry;
mod replays;
pub mod routes;
mod rules;
mod schedules;
mod schemas;
pub mod secrets;
mod serve;
pub mod starting;
mod steps;
mod tenant_routes;
mod tenants;
mod topics;
mod traffic;
mod unparsed;
mod usage;
pub mod view;
mod webhooks;

pub use bodies::Bodies;
pub use guard::HostList;
pub use pages::page;
pub use port::{
    Archive, AttemptQuery, BusRef, ChannelWish, Compatibility, DeadLetters, DeliveriesQuery, Ending, Endpoints,
    EventQuery, EventRef, Expected, Granting, Host, Intake, KeyValue, Measures, Messages, ModelDrift, ModelNote,
    ModelRef, Models, Pieces, PlainIdentity, PluginPut, PluginRef, PromptRef, Prompts, Put, QueueRef, Queues, Redrives,
    Refusal, Registry, ReleaseRef, ReplayRef, Replays, RouteRef, RulePut, RuleRef, Rules, ScheduleRef, Schedules,
    SchemaPut, SchemaRef, Schemas, SecretRef, Secrets, Served, Signing, SigningKeyRef, SubscriptionRef, TenantRoutes,
    Tenants, TopicRef, Topics, Unserved, UploadNote, Usage, UsageBy, UsageQuery, WebhookRef, Webhooks, WhichLetters,
};
pub use problem::{Mistake, Problem};
pub use registry::SIGNATURE_HEADER;
pub use serve::{ServeOptions, serve};
pub use starting::Starting;
