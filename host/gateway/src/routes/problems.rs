//! The codes that routes of one kind have in common, for the table.

use wharf_event::Code;

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

pub(super) const OF_INTAKE: &[Code] = &[
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
    Code::TenantSuspended,
    Code::QuotaBacklog,
    Code::QuotaReceive,
    Code::QuotaCpu,
    Code::QuotaBytes,
    Code::QuotaCalls,
];

pub(super) const OF_PUBLISHING: &[Code] = &[
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
    Code::TargetsTooMany,
    Code::DedupFull,
    Code::TenantSuspended,
    Code::QuotaBacklog,
    Code::QuotaReceive,
    Code::QuotaCpu,
    Code::QuotaBytes,
    Code::QuotaCalls,
];

pub(super) const OF_SENDING: &[Code] = &[
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
    Code::QueueUnknown,
    Code::DedupFull,
    Code::DiskFull,
    Code::TenantSuspended,
    Code::QuotaBacklog,
    Code::QuotaReceive,
    Code::QuotaCpu,
    Code::QuotaBytes,
    Code::QuotaCalls,
];

pub(super) const OF_RECEIPTS: &[Code] =
    &[Code::QueryInvalid, Code::ContentTypeUnsupported, Code::BatchTooLarge, Code::TenantUnknown, Code::QueueUnknown];

pub(super) const OF_REDRIVE: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::BatchTooLarge,
    Code::TenantUnknown,
    Code::QueueUnknown,
    Code::DeadLetterUnknown,
    Code::PatternInvalid,
    Code::RedriveRunning,
];

pub(super) const OF_CHANNELS: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::PluginUnknown,
    Code::PluginInvalid,
    Code::PluginOfFile,
    Code::PluginInUse,
    Code::ReleaseUnknown,
    Code::ReleaseUnready,
    Code::SignatureMissing,
    Code::SignatureWrong,
    Code::SigningKeyUnknown,
    Code::SigningKeyRevoked,
    Code::ChannelUnknown,
    Code::ChannelInvalid,
];

pub(super) const OF_PROMOTION: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::PluginUnknown,
    Code::PluginInvalid,
    Code::PluginOfFile,
    Code::PluginInUse,
    Code::ReleaseUnknown,
    Code::ReleaseUnready,
    Code::GrantNeeded,
    Code::SignatureMissing,
    Code::SignatureWrong,
    Code::SigningKeyUnknown,
    Code::SigningKeyRevoked,
    Code::ChannelUnknown,
    Code::ChannelInvalid,
];

pub(super) const OF_PROMPT: &[Code] = &[
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::PromptInvalid,
    Code::PromptOfFile,
    Code::PromptsTooMany,
    Code::DiskFull,
];

pub(super) const OF_PROMPT_CHANGE: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::PromptUnknown,
    Code::PromptInvalid,
    Code::PromptOfFile,
    Code::DiskFull,
];

pub(super) const OF_SECRET: &[Code] = &[
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::SecretInvalid,
    Code::SecretsTooMany,
    Code::SecretClosed,
    Code::DiskFull,
];

pub(super) const OF_SIGNING_KEY: &[Code] =
    &[Code::QueryInvalid, Code::ContentTypeUnsupported, Code::TenantUnknown, Code::SigningKeyInvalid, Code::DiskFull];

pub(super) const OF_ROUTE: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::RouteInvalid,
    Code::RouteOfFile,
    Code::RoutesTooMany,
    Code::VersionConflict,
    Code::DiskFull,
];

pub(super) const OF_ROUTE_REMOVAL: &[Code] =
    &[Code::QueryInvalid, Code::TenantUnknown, Code::RouteOfFile, Code::VersionConflict];

pub(super) const OF_MODEL_PUT: &[Code] = &[
    Code::QueryInvalid,
    Code::TenantUnknown,
    Code::ModelUnknown,
    Code::ModelVersionUnknown,
    Code::ModelOfFile,
    Code::ModelsTooMany,
    Code::QuotaUploads,
    Code::ModelUnfit,
    Code::ReleaseMismatch,
    Code::DiskFull,
];

pub(super) const OF_MODEL: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::ModelUnknown,
    Code::ModelVersionUnknown,
    Code::ModelOfFile,
    Code::ChannelInvalid,
    Code::DiskFull,
];

pub(super) const OF_MODEL_BATCH: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::ModelUnknown,
    Code::ModelOfFile,
    Code::DiskFull,
];

pub(super) const OF_BASELINE: &[Code] = &[
    Code::BaselineInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::ModelUnknown,
    Code::ModelOfFile,
    Code::DiskFull,
];

pub(super) const OF_WEBHOOK: &[Code] = &[
    Code::QueryInvalid,
    Code::ContentTypeUnsupported,
    Code::TenantUnknown,
    Code::WebhookInvalid,
    Code::WebhookOfFile,
    Code::WebhooksTooMany,
    Code::VersionConflict,
    Code::DiskFull,
];

pub(super) const OF_WEBHOOK_REMOVAL: &[Code] = &[
    Code::QueryInvalid,
    Code::TenantUnknown,
    Code::WebhookUnknown,
    Code::WebhookOfFile,
    Code::WebhookInUse,
    Code::VersionConflict,
];

pub(super) const OF_MODEL_REMOVAL: &[Code] = &[
    Code::QueryInvalid,
    Code::TenantUnknown,
    Code::ModelUnknown,
    Code::ModelOfFile,
    Code::VersionConflict,
    Code::DiskFull,
];
