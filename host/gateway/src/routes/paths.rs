//! The paths that several routes have in common, or that are long.

pub(super) const TENANT: &str = "/v1/tenants/{tenant}";
pub(super) const BUS: &str = "/v1/tenants/{tenant}/buses/{bus}";
pub(super) const RULE: &str = "/v1/tenants/{tenant}/buses/{bus}/rules/{rule}";
pub(super) const REPLAY: &str = "/v1/tenants/{tenant}/replays/{replay}";
pub(super) const MODEL: &str = "/v1/tenants/{tenant}/models/{model}";
pub(super) const BASELINE: &str = "/v1/tenants/{tenant}/models/{model}/baseline";
pub(super) const PROMPT: &str = "/v1/tenants/{tenant}/prompts/{prompt}";
pub(super) const SECRET: &str = "/v1/tenants/{tenant}/secrets/{secret}";
pub(super) const SIGNER: &str = "/v1/tenants/{tenant}/keys/{signer}";
pub(super) const REDRIVE: &str = "/v1/tenants/{tenant}/dlq/{queue}/redrive";
pub(super) const SCHEDULE: &str = "/v1/tenants/{tenant}/schedules/{schedule}";
pub(super) const PLUGIN: &str = "/v1/tenants/{tenant}/plugins/{plugin}";
pub(super) const RELEASE: &str = "/v1/tenants/{tenant}/plugins/{plugin}/releases/{release}";
pub(super) const SCHEMA: &str = "/v1/tenants/{tenant}/schemas/{schema}";
pub(super) const ROUTE: &str = "/v1/tenants/{tenant}/routes/{route}";
pub(super) const WEBHOOK: &str = "/v1/tenants/{tenant}/webhooks/{webhook}";
pub(super) const QUEUE: &str = "/v1/tenants/{tenant}/queues/{queue}";
pub(super) const TOPIC: &str = "/v1/tenants/{tenant}/topics/{topic}";
pub(super) const SUBSCRIPTIONS: &str = "/v1/tenants/{tenant}/topics/{topic}/subscriptions";
pub(super) const SUBSCRIPTION: &str = "/v1/tenants/{tenant}/topics/{topic}/subscriptions/{subscription}";
pub(super) const MESSAGES: &str = "/v1/tenants/{tenant}/queues/{queue}/messages";
pub(super) const EVENT: &str = "/v1/tenants/{tenant}/events/{event}";
