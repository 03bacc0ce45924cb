//! The page of each error code, as it stands in `docs/errors/`.
//!
//! Invariant: every code of the registry has a page and every page a code, which a test compares both ways. The text is
//! Markdown and served as it is; nothing is rendered here.

use wharf_event::Code;

macro_rules! pages {
    ($($code:ident $name:literal,)+) => {
        /// The page of a code, in Markdown: what it means, why it comes, what to do, an example.
        pub fn page(code: Code) -> &'static str {
            match code {
                $(Code::$code => {
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors/", $name, ".md"))
                })+
            }
        }

        #[cfg(test)]
        const NAMES: &[(Code, &str)] = &[$((Code::$code, $name),)+];
    };
}

pages! {
    EventJson "event-json",
    EventAttribute "event-attribute",
    EventSpecversion "event-specversion",
    EventHeader "event-header",
    EventTooLarge "event-too-large",
    BatchInvalid "batch-invalid",
    BatchTooLarge "batch-too-large",
    ContentTypeUnsupported "content-type-unsupported",
    TenantUnknown "tenant-unknown",
    BusUnknown "bus-unknown",
    TenantInvalid "tenant-invalid",
    TenantOfFile "tenant-of-file",
    TenantSuspended "tenant-suspended",
    TenantDeleting "tenant-deleting",
    TenantsTooMany "tenants-too-many",
    Unconfirmed "unconfirmed",
    BusInvalid "bus-invalid",
    BusOfFile "bus-of-file",
    BusInUse "bus-in-use",
    BusesTooMany "buses-too-many",
    RouteUnknown "route-unknown",
    MethodNotAllowed "method-not-allowed",
    RequestMalformed "request-malformed",
    RequestHeadTooLarge "request-head-too-large",
    HostForeign "host-foreign",
    OriginForeign "origin-foreign",
    QueryInvalid "query-invalid",
    TopicUnknown "topic-unknown",
    TopicInUse "topic-in-use",
    TopicsTooMany "topics-too-many",
    SubscriptionUnknown "subscription-unknown",
    SubscriptionsTooMany "subscriptions-too-many",
    EventUnknown "event-unknown",
    AttemptUnknown "attempt-unknown",
    BucketUnknown "bucket-unknown",
    KeyUnknown "key-unknown",
    QueueUnknown "queue-unknown",
    QueueInvalid "queue-invalid",
    QueueOfFile "queue-of-file",
    QueueInUse "queue-in-use",
    QueuesTooMany "queues-too-many",
    QueuePaused "queue-paused",
    QueueInFlight "queue-in-flight",
    ReceiptInvalid "receipt-invalid",
    ReceiptStale "receipt-stale",
    DeadLetterUnknown "dead-letter-unknown",
    RuleUnknown "rule-unknown",
    RuleInvalid "rule-invalid",
    RuleOfFile "rule-of-file",
    RuleElsewhere "rule-elsewhere",
    RulesTooMany "rules-too-many",
    ReplayUnknown "replay-unknown",
    ReplayInvalid "replay-invalid",
    ReplayExists "replay-exists",
    ReplayRunning "replay-running",
    RedriveUnknown "redrive-unknown",
    RedriveRunning "redrive-running",
    ReplaysTooMany "replays-too-many",
    ScheduleUnknown "schedule-unknown",
    ScheduleInvalid "schedule-invalid",
    SchedulePast "schedule-past",
    ScheduleOfFile "schedule-of-file",
    SchedulesTooMany "schedules-too-many",
    PluginUnknown "plugin-unknown",
    PluginInvalid "plugin-invalid",
    PluginOfFile "plugin-of-file",
    PluginInUse "plugin-in-use",
    ReleaseUnknown "release-unknown",
    ReleaseUnready "release-unready",
    ReleaseMismatch "release-mismatch",
    GrantNeeded "grant-needed",
    GrantUnsaid "grant-unsaid",
    GrantCeiling "grant-ceiling",
    ChannelUnknown "channel-unknown",
    ChannelInvalid "channel-invalid",
    VersionConflict "version-conflict",
    TargetsTooMany "targets-too-many",
    QuotaBacklog "quota-backlog",
    QuotaReceive "quota-receive",
    QuotaPublish "quota-publish",
    QuotaKv "quota-kv",
    QuotaUploads "quota-uploads",
    QuotaCpu "quota-cpu",
    QuotaBytes "quota-bytes",
    QuotaCalls "quota-calls",
    Overloaded "overloaded",
    DiskFull "disk-full",
    LogFailed "log-failed",
    ShuttingDown "shutting-down",
    DedupFull "dedup-full",
    NotReady "not-ready",
    PatternInvalid "pattern-invalid",
    InputInvalid "input-invalid",
    SchemaInvalid "schema-invalid",
    SchemaViolation "schema-violation",
    SchemaUnknown "schema-unknown",
    SchemaIncompatible "schema-incompatible",
    SchemaOfFile "schema-of-file",
    SchemaTaken "schema-taken",
    SchemasTooMany "schemas-too-many",
    ConfigInvalid "config-invalid",
    BuildFailed "build-failed",
    TemplateUnknown "template-unknown",
    FolderThere "folder-there",
    FixtureInvalid "fixture-invalid",
    ComponentMissing "component-missing",
    ComponentNotWasm "component-not-wasm",
    ComponentCoreModule "component-core-module",
    ComponentPrecompiled "component-precompiled",
    ComponentTooLarge "component-too-large",
    ComponentBounds "component-bounds",
    ComponentInvalid "component-invalid",
    ComponentWasi "component-wasi",
    ComponentWorld "component-world",
    ComponentImpure "component-impure",
    ComponentImport "component-import",
    ComponentProbe "component-probe",
    ComponentNeeds "component-needs",
    ComponentHandler "component-handler",
    SignatureMissing "signature-missing",
    SignatureWrong "signature-wrong",
    SignatureInvalid "signature-invalid",
    SigningKeyUnknown "signing-key-unknown",
    SigningKeyRevoked "signing-key-revoked",
    SigningKeyInvalid "signing-key-invalid",
    SignerUnknown "signer-unknown",
    OciReference "oci-reference",
    OciUnknown "oci-unknown",
    OciDenied "oci-denied",
    OciUnavailable "oci-unavailable",
    OciForeign "oci-foreign",
    OciDigest "oci-digest",
    FolderLocked "folder-locked",
    FolderDamaged "folder-damaged",
    FolderVersion "folder-version",
    FolderUnknown "folder-unknown",
    FolderOccupied "folder-occupied",
    BackupUnknown "backup-unknown",
    BackupForeign "backup-foreign",
    BackupLocked "backup-locked",
    BackupRange "backup-range",
    BackupDamaged "backup-damaged",
    BindNotLoopback "bind-not-loopback",
    Internal "internal",
    HandlerRetry "handler-retry",
    HandlerReject "handler-reject",
    HandlerTrap "handler-trap",
    LimitWall "limit-wall",
    LimitCpu "limit-cpu",
    LimitMemory "limit-memory",
    LimitPublish "limit-publish",
    LimitKv "limit-kv",
    LimitHost "limit-host",
    ComponentCompile "component-compile",
    ReleaseQuarantined "release-quarantined",
    LimitStack "limit-stack",
    LimitLog "limit-log",
    Conflict "conflict",
    RetriesSpent "retries-spent",
    HopLimit "hop-limit",
    TransformOutput "transform-output",
    TargetInput "target-input",
    WebhookUnknown "webhook-unknown",
    WebhookInvalid "webhook-invalid",
    WebhookOfFile "webhook-of-file",
    WebhookInUse "webhook-in-use",
    WebhooksTooMany "webhooks-too-many",
    WebhookGone "webhook-gone",
    WebhookTimeout "webhook-timeout",
    WebhookUnreachable "webhook-unreachable",
    WebhookBusy "webhook-busy",
    WebhookDisabled "webhook-disabled",
    AddressDenied "address-denied",
    HttpDenied "http-denied",
    HttpInvalid "http-invalid",
    HttpTimeout "http-timeout",
    HttpUnreachable "http-unreachable",
    HttpRest "http-rest",
    SecretUnknown "secret-unknown",
    SecretInvalid "secret-invalid",
    SecretsTooMany "secrets-too-many",
    SecretClosed "secret-closed",
    CredentialsUnavailable "credentials-unavailable",
    PromptUnknown "prompt-unknown",
    PromptInvalid "prompt-invalid",
    PromptOfFile "prompt-of-file",
    PromptsTooMany "prompts-too-many",
    PromptFailed "prompt-failed",
    LlmDenied "llm-denied",
    LlmRouteUnknown "llm-route-unknown",
    LlmInvalid "llm-invalid",
    LlmUnsupported "llm-unsupported",
    LlmRateLimited "llm-rate-limited",
    LlmOverloaded "llm-overloaded",
    LlmTimeout "llm-timeout",
    LlmContext "llm-context",
    LlmFiltered "llm-filtered",
    LlmGuardrail "llm-guardrail",
    LlmUnpriced "llm-unpriced",
    LlmProvider "llm-provider",
    BudgetExceeded "budget-exceeded",
    LimitLlm "limit-llm",
    HoldDenied "hold-denied",
    InferDenied "infer-denied",
    InferInvalid "infer-invalid",
    InferFailed "infer-failed",
    InferTimeout "infer-timeout",
    InferBusy "infer-busy",
    LimitInfer "limit-infer",
    ModelUnknown "model-unknown",
    ModelOfFile "model-of-file",
    PluginsTooMany "plugins-too-many",
    ModelsTooMany "models-too-many",
    ModelVersionUnknown "model-version-unknown",
    BaselineInvalid "baseline-invalid",
    ModelUnfit "model-unfit",
    LimitHttp "limit-http",
    WebhookStatus "webhook-status",
    WebhookRedirect "webhook-redirect",
    TargetGone "target-gone",
    HeldPlugin "held-plugin",
    HeldTenant "held-tenant",
    HeldMemory "held-memory",
    ReceivesSpent "receives-spent",
    HeldRate "held-rate",
    HeldBreaker "held-breaker",
    HeldPlaces "held-places",
    HandlerKind "handler-kind",
    BatchOutcomes "batch-outcomes",
    RouteInvalid "route-invalid",
    RouteOfFile "route-of-file",
    RoutesTooMany "routes-too-many",
    RouteIdle "route-idle",
    RouteBusy "route-busy",
    RouteFailed "route-failed",
    RouteConflict "route-conflict",
    RouteUnkept "route-unkept",
    RouteTimeout "route-timeout",
    RequestTooLarge "request-too-large",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wharf_event::Code;

    use super::{NAMES, page};

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let files: BTreeSet<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
        assert_eq!(files, codes);
        for (code, name) in NAMES {
            assert_eq!(code.as_str(), *name);
        }
        assert_eq!(NAMES.len(), Code::ALL.len());
    }

    #[test]
    fn every_page_says_what_it_means_why_what_to_do_and_gives_an_example() {
        for &code in Code::ALL {
            let page = page(code);
            assert!(page.starts_with(&format!("# {code}\n\n{}.", code.title())), "{code}: head");
            for heading in ["\n## Why\n", "\n## What to do\n", "\n## Example\n"] {
                assert!(page.contains(heading), "{code}: {heading:?}");
            }
            let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
            let answered = format!("HTTP status {}.", code.status());
            let places = [
                &answered,
                "It ends an attempt and is no answer to a request.",
                "It ends no attempt and is no answer to a request.",
                "It is printed by the command line.",
            ];
            assert!(places.iter().any(|place| words.contains(place)), "{code}: where it is met");
        }
    }
}
