//! The table of all routes, with the codes that each may answer.

use wharf_event::Code;

use super::{
    Operation, Route, Verb,
    problems::{
        OF_BASELINE, OF_CHANNELS, OF_INTAKE, OF_MODEL, OF_MODEL_PUT, OF_MODEL_REMOVAL, OF_PROMOTION, OF_PROMPT,
        OF_PROMPT_CHANGE, OF_PUBLISHING, OF_RECEIPTS, OF_REDRIVE, OF_ROUTE, OF_ROUTE_REMOVAL, OF_SECRET, OF_SENDING,
        OF_SIGNING_KEY, OF_WEBHOOK, OF_WEBHOOK_REMOVAL,
    },
};

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

const TENANT: &str = "/v1/tenants/{tenant}";

const BUS: &str = "/v1/tenants/{tenant}/buses/{bus}";

const RULE: &str = "/v1/tenants/{tenant}/buses/{bus}/rules/{rule}";

const REPLAY: &str = "/v1/tenants/{tenant}/replays/{replay}";

const MODEL: &str = "/v1/tenants/{tenant}/models/{model}";
const BASELINE: &str = "/v1/tenants/{tenant}/models/{model}/baseline";
const PROMPT: &str = "/v1/tenants/{tenant}/prompts/{prompt}";
const SECRET: &str = "/v1/tenants/{tenant}/secrets/{secret}";
const SIGNER: &str = "/v1/tenants/{tenant}/keys/{signer}";
const REDRIVE: &str = "/v1/tenants/{tenant}/dlq/{queue}/redrive";
const SCHEDULE: &str = "/v1/tenants/{tenant}/schedules/{schedule}";

const PLUGIN: &str = "/v1/tenants/{tenant}/plugins/{plugin}";

const RELEASE: &str = "/v1/tenants/{tenant}/plugins/{plugin}/releases/{release}";
const SCHEMA: &str = "/v1/tenants/{tenant}/schemas/{schema}";

const ROUTE: &str = "/v1/tenants/{tenant}/routes/{route}";
const WEBHOOK: &str = "/v1/tenants/{tenant}/webhooks/{webhook}";

const QUEUE: &str = "/v1/tenants/{tenant}/queues/{queue}";

const TOPIC: &str = "/v1/tenants/{tenant}/topics/{topic}";

const SUBSCRIPTIONS: &str = "/v1/tenants/{tenant}/topics/{topic}/subscriptions";

const SUBSCRIPTION: &str = "/v1/tenants/{tenant}/topics/{topic}/subscriptions/{subscription}";

const MESSAGES: &str = "/v1/tenants/{tenant}/queues/{queue}/messages";

/// Every route.
pub const ROUTES: &[Route] = &[
    get("/v1/tenants", Operation::ListTenants, &[Code::QueryInvalid]),
    get(TENANT, Operation::ShowTenant, &[Code::TenantUnknown]),
    put(
        TENANT,
        Operation::PutTenant,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantInvalid,
            Code::TenantOfFile,
            Code::TenantDeleting,
            Code::TenantsTooMany,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        TENANT,
        Operation::DeleteTenant,
        &[Code::QueryInvalid, Code::Unconfirmed, Code::TenantUnknown, Code::TenantOfFile, Code::VersionConflict],
    ),
    get("/v1/tenants/{tenant}/buses", Operation::ListBuses, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(BUS, Operation::ShowBus, &[Code::TenantUnknown, Code::BusUnknown]),
    put(
        BUS,
        Operation::PutBus,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::BusInvalid,
            Code::BusOfFile,
            Code::BusesTooMany,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        BUS,
        Operation::RemoveBus,
        &[
            Code::QueryInvalid,
            Code::TenantUnknown,
            Code::BusUnknown,
            Code::BusOfFile,
            Code::BusInUse,
            Code::VersionConflict,
        ],
    ),
    post("/v1/tenants/{tenant}/buses/{bus}/events", Operation::PostEvents, OF_INTAKE),
    post("/events", Operation::PostDefaultEvents, OF_INTAKE),
    post("/v1/tenants/{tenant}/buses/{bus}/explain", Operation::Explain, OF_INTAKE),
    get("/v1/tenants/{tenant}/events", Operation::ListEvents, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(
        "/v1/tenants/{tenant}/events/{event}",
        Operation::ShowEvent,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::EventUnknown],
    ),
    get(
        "/v1/tenants/{tenant}/events/{event}/trace",
        Operation::TraceEvent,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::EventUnknown],
    ),
    get("/v1/tenants/{tenant}/feed", Operation::Feed, &[Code::QueryInvalid, Code::TenantUnknown, Code::EventUnknown]),
    get("/v1/tenants/{tenant}/stats", Operation::Stats, &[Code::TenantUnknown]),
    get("/v1/tenants/{tenant}/quotas", Operation::Quotas, &[Code::TenantUnknown]),
    get("/v1/tenants/{tenant}/usage", Operation::Usage, &[Code::QueryInvalid, Code::TenantUnknown]),
    get("/v1/tenants/{tenant}/kv", Operation::ListBuckets, &[Code::QueryInvalid, Code::TenantUnknown]),
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
    get("/v1/tenants/{tenant}/dlq", Operation::ListQueues, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(
        "/v1/tenants/{tenant}/dlq/{queue}",
        Operation::ListLetters,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::QueueUnknown, Code::PatternInvalid],
    ),
    get(
        "/v1/tenants/{tenant}/dlq/{queue}/groups",
        Operation::GroupLetters,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::QueueUnknown, Code::PatternInvalid],
    ),
    get(REDRIVE, Operation::ShowRedrive, &[Code::TenantUnknown, Code::RedriveUnknown]),
    get(
        "/v1/tenants/{tenant}/dlq/{queue}/{id}",
        Operation::ShowLetter,
        &[Code::TenantUnknown, Code::QueueUnknown, Code::DeadLetterUnknown],
    ),
    put(
        "/v1/tenants/{tenant}/dlq/{queue}/{id}/event",
        Operation::EditLetter,
        &[
            Code::ContentTypeUnsupported,
            Code::EventJson,
            Code::EventAttribute,
            Code::EventTooLarge,
            Code::TenantUnknown,
            Code::QueueUnknown,
            Code::DeadLetterUnknown,
            Code::EventUnknown,
            Code::DiskFull,
        ],
    ),
    post(REDRIVE, Operation::Redrive, OF_REDRIVE),
    post(
        "/v1/tenants/{tenant}/dlq/{queue}/redrive/cancel",
        Operation::CancelRedrive,
        &[Code::TenantUnknown, Code::RedriveUnknown],
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
    get("/v1/tenants/{tenant}/replays", Operation::ListReplays, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(REPLAY, Operation::ShowReplay, &[Code::TenantUnknown, Code::ReplayUnknown]),
    put(
        REPLAY,
        Operation::BeginReplay,
        &[
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::BusUnknown,
            Code::RuleUnknown,
            Code::PatternInvalid,
            Code::ReplayInvalid,
            Code::ReplayExists,
            Code::ReplaysTooMany,
            Code::DiskFull,
        ],
    ),
    post(
        "/v1/tenants/{tenant}/replays/{replay}/cancel",
        Operation::CancelReplay,
        &[Code::TenantUnknown, Code::ReplayUnknown],
    ),
    delete(REPLAY, Operation::RemoveReplay, &[Code::TenantUnknown, Code::ReplayUnknown, Code::ReplayRunning]),
    get("/v1/tenants/{tenant}/schedules", Operation::ListSchedules, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(SCHEDULE, Operation::ShowSchedule, &[Code::TenantUnknown, Code::ScheduleUnknown]),
    put(
        SCHEDULE,
        Operation::PutSchedule,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::ScheduleInvalid,
            Code::SchedulePast,
            Code::ScheduleOfFile,
            Code::SchedulesTooMany,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        SCHEDULE,
        Operation::RemoveSchedule,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::ScheduleUnknown, Code::ScheduleOfFile, Code::VersionConflict],
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
            Code::GrantCeiling,
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
    post("/v1/tenants/{tenant}/plugins/{plugin}/promote", Operation::Promote, OF_PROMOTION),
    post("/v1/tenants/{tenant}/plugins/{plugin}/rollback", Operation::RollBack, OF_CHANNELS),
    delete(
        "/v1/tenants/{tenant}/plugins/{plugin}/channels/{channel}",
        Operation::CloseChannel,
        &[Code::TenantUnknown, Code::PluginUnknown, Code::PluginOfFile, Code::PluginInUse, Code::ChannelUnknown],
    ),
    post(
        "/v1/tenants/{tenant}/plugins/{plugin}/lift",
        Operation::LiftQuarantine,
        &[Code::TenantUnknown, Code::PluginUnknown],
    ),
    get(
        "/v1/tenants/{tenant}/plugins/{plugin}/grants",
        Operation::ShowGrants,
        &[Code::TenantUnknown, Code::PluginUnknown],
    ),
    post(
        "/v1/tenants/{tenant}/plugins/{plugin}/grants/approve",
        Operation::ApproveGrants,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::PluginUnknown,
            Code::PluginInvalid,
            Code::PluginOfFile,
            Code::ReleaseUnknown,
            Code::GrantUnsaid,
            Code::GrantCeiling,
            Code::DiskFull,
        ],
    ),
    post(
        "/v1/tenants/{tenant}/plugins/{plugin}/grants/revoke",
        Operation::RevokeGrants,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::PluginUnknown,
            Code::PluginInvalid,
            Code::PluginOfFile,
            Code::DiskFull,
        ],
    ),
    get(
        "/v1/tenants/{tenant}/plugins/{plugin}/releases",
        Operation::ListReleases,
        &[Code::QueryInvalid, Code::TenantUnknown, Code::PluginUnknown],
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
            Code::SignatureInvalid,
            Code::SignatureMissing,
            Code::SignatureWrong,
            Code::SigningKeyUnknown,
            Code::SigningKeyRevoked,
            Code::ComponentTooLarge,
            Code::DiskFull,
        ],
    ),
    get("/v1/tenants/{tenant}/models", Operation::ListModels, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(MODEL, Operation::ShowModel, &[Code::TenantUnknown, Code::ModelUnknown]),
    put("/v1/tenants/{tenant}/models/{model}/versions/{version}", Operation::PutModel, OF_MODEL_PUT),
    post("/v1/tenants/{tenant}/models/{model}/promote", Operation::PromoteModel, OF_MODEL),
    post("/v1/tenants/{tenant}/models/{model}/rollback", Operation::RollBackModel, OF_MODEL),
    delete(MODEL, Operation::RemoveModel, OF_MODEL_REMOVAL),
    put(BASELINE, Operation::PutBaseline, OF_BASELINE),
    delete(
        BASELINE,
        Operation::RemoveBaseline,
        &[Code::TenantUnknown, Code::ModelUnknown, Code::ModelOfFile, Code::DiskFull],
    ),
    get("/v1/tenants/{tenant}/models/{model}/drift", Operation::ShowDrift, &[Code::TenantUnknown, Code::ModelUnknown]),
    get("/v1/tenants/{tenant}/prompts", Operation::ListPrompts, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(PROMPT, Operation::ShowPrompt, &[Code::TenantUnknown, Code::PromptUnknown]),
    put(PROMPT, Operation::PutPrompt, OF_PROMPT),
    delete(
        PROMPT,
        Operation::RemovePrompt,
        &[Code::TenantUnknown, Code::PromptUnknown, Code::PromptOfFile, Code::DiskFull],
    ),
    post("/v1/tenants/{tenant}/prompts/{prompt}/promote", Operation::PromotePrompt, OF_PROMPT_CHANGE),
    post("/v1/tenants/{tenant}/prompts/{prompt}/rollback", Operation::RollBackPrompt, OF_PROMPT_CHANGE),
    get("/v1/tenants/{tenant}/secrets", Operation::ListSecrets, &[Code::QueryInvalid, Code::TenantUnknown]),
    put(SECRET, Operation::PutSecret, OF_SECRET),
    delete(SECRET, Operation::RemoveSecret, &[Code::TenantUnknown, Code::SecretUnknown, Code::DiskFull]),
    get("/v1/tenants/{tenant}/keys", Operation::ListSigningKeys, &[Code::QueryInvalid, Code::TenantUnknown]),
    put(SIGNER, Operation::AddSigningKey, OF_SIGNING_KEY),
    delete(SIGNER, Operation::RevokeSigningKey, &[Code::TenantUnknown, Code::SignerUnknown, Code::DiskFull]),
    get("/v1/tenants/{tenant}/schemas", Operation::ListSchemas, &[Code::QueryInvalid, Code::TenantUnknown]),
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
            Code::DiskFull,
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
        &[Code::QueryInvalid, Code::TenantUnknown, Code::SchemaUnknown],
    ),
    get(
        "/v1/tenants/{tenant}/schemas/{schema}/versions/{number}",
        Operation::ShowSchemaVersion,
        &[Code::TenantUnknown, Code::SchemaUnknown],
    ),
    get("/v1/tenants/{tenant}/routes", Operation::ListRoutes, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(ROUTE, Operation::ShowRoute, &[Code::TenantUnknown]),
    put(ROUTE, Operation::PutRoute, OF_ROUTE),
    delete(ROUTE, Operation::RemoveRoute, OF_ROUTE_REMOVAL),
    get("/v1/tenants/{tenant}/webhooks", Operation::ListWebhooks, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(WEBHOOK, Operation::ShowWebhook, &[Code::TenantUnknown, Code::WebhookUnknown]),
    put(WEBHOOK, Operation::PutWebhook, OF_WEBHOOK),
    delete(WEBHOOK, Operation::RemoveWebhook, OF_WEBHOOK_REMOVAL),
    post(
        "/v1/tenants/{tenant}/webhooks/{webhook}/rotate",
        Operation::RotateWebhook,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::WebhookUnknown,
            Code::WebhookInvalid,
            Code::DiskFull,
        ],
    ),
    post(
        "/v1/tenants/{tenant}/webhooks/{webhook}/enable",
        Operation::EnableWebhook,
        &[Code::TenantUnknown, Code::WebhookUnknown, Code::DiskFull],
    ),
    post(
        "/v1/tenants/{tenant}/webhooks/{webhook}/disable",
        Operation::DisableWebhook,
        &[Code::TenantUnknown, Code::WebhookUnknown, Code::DiskFull],
    ),
    get("/v1/tenants/{tenant}/queues", Operation::ListMessageQueues, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(QUEUE, Operation::ShowMessageQueue, &[Code::TenantUnknown, Code::QueueUnknown]),
    put(
        QUEUE,
        Operation::PutMessageQueue,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::QueueInvalid,
            Code::QueueOfFile,
            Code::QueuesTooMany,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        QUEUE,
        Operation::RemoveMessageQueue,
        &[
            Code::QueryInvalid,
            Code::TenantUnknown,
            Code::QueueUnknown,
            Code::QueueOfFile,
            Code::QueueInUse,
            Code::VersionConflict,
        ],
    ),
    post(MESSAGES, Operation::SendMessages, OF_SENDING),
    get(MESSAGES, Operation::PeekMessages, &[Code::QueryInvalid, Code::TenantUnknown, Code::QueueUnknown]),
    post(
        "/v1/tenants/{tenant}/queues/{queue}/receive",
        Operation::ReceiveMessages,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::BatchTooLarge,
            Code::TenantUnknown,
            Code::TenantSuspended,
            Code::QueueUnknown,
            Code::QueuePaused,
            Code::QueueInFlight,
        ],
    ),
    post("/v1/tenants/{tenant}/queues/{queue}/ack", Operation::AckMessages, OF_RECEIPTS),
    post("/v1/tenants/{tenant}/queues/{queue}/release", Operation::ReleaseMessages, OF_RECEIPTS),
    post("/v1/tenants/{tenant}/queues/{queue}/extend", Operation::ExtendMessages, OF_RECEIPTS),
    post(
        "/v1/tenants/{tenant}/queues/{queue}/purge",
        Operation::PurgeQueue,
        &[Code::TenantUnknown, Code::QueueUnknown],
    ),
    get("/v1/tenants/{tenant}/topics", Operation::ListTopics, &[Code::QueryInvalid, Code::TenantUnknown]),
    get(TOPIC, Operation::ShowTopic, &[Code::TenantUnknown, Code::TopicUnknown]),
    put(
        TOPIC,
        Operation::PutTopic,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::BusInvalid,
            Code::BusOfFile,
            Code::TopicsTooMany,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        TOPIC,
        Operation::RemoveTopic,
        &[
            Code::QueryInvalid,
            Code::TenantUnknown,
            Code::TopicUnknown,
            Code::BusOfFile,
            Code::TopicInUse,
            Code::VersionConflict,
        ],
    ),
    post("/v1/tenants/{tenant}/topics/{topic}/publish", Operation::Publish, OF_PUBLISHING),
    post(
        "/v1/tenants/{tenant}/topics/{topic}/subscriptions/{subscription}/explain",
        Operation::ExplainSubscription,
        &[
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
            Code::TopicUnknown,
            Code::SubscriptionUnknown,
        ],
    ),
    get(SUBSCRIPTIONS, Operation::ListSubscriptions, &[Code::QueryInvalid, Code::TenantUnknown, Code::TopicUnknown]),
    get(
        SUBSCRIPTION,
        Operation::ShowSubscription,
        &[Code::TenantUnknown, Code::TopicUnknown, Code::SubscriptionUnknown],
    ),
    put(
        SUBSCRIPTION,
        Operation::Subscribe,
        &[
            Code::QueryInvalid,
            Code::ContentTypeUnsupported,
            Code::TenantUnknown,
            Code::TopicUnknown,
            Code::RuleInvalid,
            Code::PatternInvalid,
            Code::InputInvalid,
            Code::RuleOfFile,
            Code::RulesTooMany,
            Code::SubscriptionsTooMany,
            Code::VersionConflict,
            Code::DiskFull,
        ],
    ),
    delete(
        SUBSCRIPTION,
        Operation::Unsubscribe,
        &[
            Code::QueryInvalid,
            Code::TenantUnknown,
            Code::TopicUnknown,
            Code::SubscriptionUnknown,
            Code::RuleOfFile,
            Code::VersionConflict,
        ],
    ),
    get("/v1/tenants/{tenant}/asyncapi.json", Operation::AsyncApi, &[Code::TenantUnknown]),
    get("/livez", Operation::Live, &[]),
    get("/readyz", Operation::Ready, &[]),
    get("/metrics", Operation::Metrics, &[]),
    get("/openapi.json", Operation::OpenApi, &[]),
    get("/errors/{code}", Operation::ErrorPage, &[]),
];
