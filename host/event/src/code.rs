//! The one registry of stable codes that a user can meet: in answers, in attempts' records, on the command line. Invariant:
//! a code never changes its text or its meaning once it is released; codes are only added. What a code means at length is a
//! page in `docs/errors/`, not here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::ERROR_VALUE_CHARS_MAX;

/// A text that is no code of this release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a code of this release of Wharf")]
pub struct UnknownCode(String);

macro_rules! codes {
    ($($name:ident $text:literal $status:literal $title:literal;)+) => {
        /// A stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            /// Every code, in the order of the registry.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code's text, which is the same in every release.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The HTTP status of an answer with this code. Codes that end attempts never are answers: 500.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// What happened, in one line with no full stop.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

codes! {
    EventJson "event-json" 400 "The event is not the JSON that it should be";
    EventAttribute "event-attribute" 400 "An attribute of the event breaks the rules of CloudEvents";
    EventSpecversion "event-specversion" 400 "The event is not of CloudEvents version 1.0";
    EventHeader "event-header" 400 "A header of the event cannot be read";
    EventTooLarge "event-too-large" 413 "The event is larger than allowed";
    BatchInvalid "batch-invalid" 400 "The batch is not a JSON array";
    BatchTooLarge "batch-too-large" 413 "The batch has too many events or bytes";
    ContentTypeUnsupported "content-type-unsupported" 415 "No events are read from this media type";
    TenantUnknown "tenant-unknown" 404 "There is no such tenant";
    BusUnknown "bus-unknown" 404 "The tenant has no such event bus";
    TenantInvalid "tenant-invalid" 422 "The tenant's settings cannot be put to use";
    TenantOfFile "tenant-of-file" 409 "The tenant stands in the configuration file";
    TenantSuspended "tenant-suspended" 403 "The tenant is suspended";
    TenantDeleting "tenant-deleting" 409 "The tenant is being deleted";
    TenantsTooMany "tenants-too-many" 409 "The host has as many tenants as it can hold";
    Unconfirmed "unconfirmed" 400 "What cannot be taken back was not confirmed";
    BusInvalid "bus-invalid" 422 "The event bus cannot be put to use";
    BusOfFile "bus-of-file" 409 "The event bus stands in the configuration file";
    BusInUse "bus-in-use" 409 "A rule or a schema needs the event bus";
    BusesTooMany "buses-too-many" 409 "The tenant has as many event buses as it can hold";
    RouteUnknown "route-unknown" 404 "There is nothing at this path";
    MethodNotAllowed "method-not-allowed" 405 "This path does not take this method";
    RequestMalformed "request-malformed" 400 "The request is not HTTP as it should be";
    RequestHeadTooLarge "request-head-too-large" 431 "The head of the request is larger than allowed";
    HostForeign "host-foreign" 403 "The request is addressed to a host that is not this one";
    OriginForeign "origin-foreign" 403 "The request comes from a web page that has no business here";
    QueryInvalid "query-invalid" 400 "A parameter of the request cannot be used";
    TopicUnknown "topic-unknown" 404 "The tenant has no such topic";
    TopicInUse "topic-in-use" 409 "A rule or a schedule publishes to the topic";
    TopicsTooMany "topics-too-many" 409 "The tenant has as many topics as it can hold";
    SubscriptionUnknown "subscription-unknown" 404 "The topic has no such subscription";
    SubscriptionsTooMany "subscriptions-too-many" 409 "The topic has as many subscriptions as it can hold";
    EventUnknown "event-unknown" 404 "There is no such event";
    AttemptUnknown "attempt-unknown" 404 "The delivery has no such attempt";
    BucketUnknown "bucket-unknown" 404 "There is no such bucket";
    KeyUnknown "key-unknown" 404 "The bucket has no such key";
    QueueUnknown "queue-unknown" 404 "There is no such queue";
    QueueInvalid "queue-invalid" 422 "The queue cannot be put to use";
    QueueOfFile "queue-of-file" 409 "The queue stands in the configuration file";
    QueueInUse "queue-in-use" 409 "A rule has the queue for a target";
    HandlerKind "handler-kind" 422 "The plugin does not handle events in the way that is asked of it";
    QueuesTooMany "queues-too-many" 409 "The tenant has as many queues as it can hold";
    QueuePaused "queue-paused" 409 "The queue is paused";
    QueueInFlight "queue-in-flight" 429 "Clients have as many messages of the queue as they may";
    ReceiptInvalid "receipt-invalid" 400 "The text is no receipt";
    ReceiptStale "receipt-stale" 409 "The receipt's lease has ended";
    DeadLetterUnknown "dead-letter-unknown" 404 "The queue has no such dead letter";
    RuleUnknown "rule-unknown" 404 "The event bus has no such rule";
    RuleInvalid "rule-invalid" 422 "The rule cannot be put to use";
    RuleOfFile "rule-of-file" 409 "The rule stands in the configuration file";
    RuleElsewhere "rule-elsewhere" 409 "A rule of that name listens on another event bus";
    RulesTooMany "rules-too-many" 409 "The event bus has as many rules as it can hold";
    ReplayUnknown "replay-unknown" 404 "The tenant has no such replay";
    ReplayInvalid "replay-invalid" 422 "The replay cannot be begun";
    ReplayExists "replay-exists" 409 "There is a replay of that name that brings something else";
    ReplayRunning "replay-running" 409 "The replay goes on";
    RedriveUnknown "redrive-unknown" 404 "No redrive of the queue was begun at a rate";
    RedriveRunning "redrive-running" 409 "A redrive goes on already";
    ReplaysTooMany "replays-too-many" 409 "The tenant has as many replays as it can have";
    ScheduleUnknown "schedule-unknown" 404 "The tenant has no such schedule";
    ScheduleInvalid "schedule-invalid" 422 "The schedule cannot be put to use";
    SchedulePast "schedule-past" 422 "Nothing of the schedule is due any more";
    ScheduleOfFile "schedule-of-file" 409 "The schedule stands in the configuration file";
    SchedulesTooMany "schedules-too-many" 409 "The tenant has as many schedules as it can hold";
    PluginUnknown "plugin-unknown" 404 "The tenant has no such plugin";
    PluginInvalid "plugin-invalid" 422 "The plugin cannot be put to use";
    PluginOfFile "plugin-of-file" 409 "The plugin stands in the configuration file";
    PluginInUse "plugin-in-use" 409 "A rule needs the plugin as it is";
    ReleaseUnknown "release-unknown" 404 "The plugin has no such release";
    ReleaseUnready "release-unready" 409 "The release is not ready to run";
    ReleaseMismatch "release-mismatch" 422 "The bytes are not those of the release that they are sent as";
    GrantNeeded "grant-needed" 409 "The release asks for more than its plugin is granted";
    GrantUnsaid "grant-unsaid" 409 "What is to be granted has to be named";
    GrantCeiling "grant-ceiling" 403 "The grant lies beyond what the operator lets the tenant grant";
    ChannelUnknown "channel-unknown" 404 "The plugin has no such channel";
    ChannelInvalid "channel-invalid" 409 "What gets the traffic cannot be changed like that";
    WebhookUnknown "webhook-unknown" 404 "The tenant has no such webhook";
    WebhookInvalid "webhook-invalid" 422 "The webhook cannot be put to use";
    WebhookOfFile "webhook-of-file" 409 "The webhook stands in the configuration file";
    WebhookInUse "webhook-in-use" 409 "A rule sends to the webhook";
    WebhooksTooMany "webhooks-too-many" 409 "The tenant has as many webhooks as it can hold";
    VersionConflict "version-conflict" 412 "What was to be changed is not what it was taken to be";
    TargetsTooMany "targets-too-many" 413 "The event matches more targets than one event may have";
    QuotaBacklog "quota-backlog" 429 "As many deliveries wait as may";
    QuotaReceive "quota-receive" 429 "More events come in a second than the tenant may send";
    QuotaPublish "quota-publish" 500 "More events are published a second than may be";
    QuotaKv "quota-kv" 500 "The tenant has as many bytes of keys and values as it may";
    QuotaUploads "quota-uploads" 413 "The tenant keeps as many bytes of components and models as it may";
    QuotaCpu "quota-cpu" 429 "The tenant's plugins used their CPU time of this hour";
    QuotaBytes "quota-bytes" 429 "The tenant's plugins passed their bytes of this hour";
    QuotaCalls "quota-calls" 429 "The tenant's plugins made their host calls of this hour";
    Overloaded "overloaded" 503 "The host has as much work as it can hold";
    DiskFull "disk-full" 503 "The disk has only its reserve left";
    LogFailed "log-failed" 503 "The log cannot be written";
    ShuttingDown "shutting-down" 503 "The host is shutting down";
    DedupFull "dedup-full" 503 "The index of duplicates is full";
    NotReady "not-ready" 503 "The host is not ready yet";
    PatternInvalid "pattern-invalid" 422 "An event pattern cannot be used";
    InputInvalid "input-invalid" 422 "The input of a target cannot be used";
    SchemaInvalid "schema-invalid" 422 "The schema cannot be put to use";
    SchemaViolation "schema-violation" 422 "The payload is not what its schema says";
    SchemaUnknown "schema-unknown" 404 "The tenant has no such schema";
    SchemaIncompatible "schema-incompatible" 409 "The schema is not compatible with the version before";
    SchemaOfFile "schema-of-file" 409 "The schema stands in the configuration file";
    SchemaTaken "schema-taken" 409 "Another schema is for the same events";
    SchemasTooMany "schemas-too-many" 409 "The tenant has as many schemas as it can hold";
    ConfigInvalid "config-invalid" 400 "The configuration has mistakes";
    BuildFailed "build-failed" 400 "A plugin was not built";
    TemplateUnknown "template-unknown" 404 "There is no such language or template";
    FolderThere "folder-there" 409 "The folder of a new plugin is there already";
    FixtureInvalid "fixture-invalid" 400 "A fixture cannot be used";
    ComponentMissing "component-missing" 400 "The component's file is not there";
    ComponentNotWasm "component-not-wasm" 400 "The component's file is not WebAssembly";
    ComponentCoreModule "component-core-module" 400 "The file is a core module, not a component";
    ComponentPrecompiled "component-precompiled" 400 "The file is compiled code, which is never taken from outside";
    ComponentTooLarge "component-too-large" 413 "The component is larger than allowed";
    ComponentBounds "component-bounds" 400 "The component has more of something than is allowed";
    ComponentInvalid "component-invalid" 400 "The component does not validate";
    ComponentWasi "component-wasi" 400 "The component is made for a WASI that this host does not run";
    ComponentWorld "component-world" 400 "The component exports nothing that Wharf can run";
    ComponentImpure "component-impure" 400 "The component is a transform and imports a capability";
    ComponentImport "component-import" 400 "The component imports what there is not";
    ComponentProbe "component-probe" 400 "No instance of the component can be made within its limits";
    ComponentNeeds "component-needs" 400 "What the component says that it needs is not understood";
    ComponentHandler "component-handler" 400 "What the component says of its handler is not understood";
    SignatureMissing "signature-missing" 403 "The release is not signed, and it has to be";
    SignatureWrong "signature-wrong" 403 "A signature of the release is wrong";
    SignatureInvalid "signature-invalid" 400 "The text is no signature";
    SigningKeyUnknown "signing-key-unknown" 403 "The release is signed by a key that is not registered";
    SigningKeyRevoked "signing-key-revoked" 403 "The release is signed by a key that was revoked";
    SignerUnknown "signer-unknown" 404 "The tenant has registered no key of that name";
    SigningKeyInvalid "signing-key-invalid" 400 "The text is no key that signs releases";
    OciReference "oci-reference" 400 "The text names no artifact of a registry";
    OciUnknown "oci-unknown" 404 "The registry has nothing of that name";
    OciDenied "oci-denied" 403 "The registry does not allow it";
    OciUnavailable "oci-unavailable" 503 "The registry does not answer as it should";
    OciForeign "oci-foreign" 422 "What the registry has under that name is no component";
    OciDigest "oci-digest" 422 "The registry gave something else than it said";
    FolderLocked "folder-locked" 409 "Another host uses this data folder";
    FolderDamaged "folder-damaged" 500 "The data folder is damaged";
    FolderVersion "folder-version" 500 "The data folder was written by another version of Wharf";
    FolderUnknown "folder-unknown" 404 "There is no data folder here";
    FolderOccupied "folder-occupied" 409 "The folder that is to be restored into holds something";
    BackupUnknown "backup-unknown" 404 "There is no backup here that this release can read";
    BackupForeign "backup-foreign" 409 "The backup is of another log";
    BackupLocked "backup-locked" 409 "Another command uses the backup";
    BackupRange "backup-range" 422 "The backup cannot give a state of that time";
    BackupDamaged "backup-damaged" 500 "The backup is damaged or cannot be used";
    BindNotLoopback "bind-not-loopback" 400 "The address to listen on is not a loopback address";
    Internal "internal" 500 "Wharf failed in a way that it should not";
    HandlerRetry "handler-retry" 500 "The handler asked to be tried again";
    HandlerReject "handler-reject" 500 "The handler rejected the event";
    HandlerTrap "handler-trap" 500 "The handler trapped";
    LimitWall "limit-wall" 500 "The attempt took more wall time than allowed";
    LimitCpu "limit-cpu" 500 "The attempt took more CPU time than allowed";
    LimitMemory "limit-memory" 500 "The attempt took more memory than allowed";
    LimitPublish "limit-publish" 500 "The attempt published more than allowed";
    LimitKv "limit-kv" 500 "The attempt wrote more keys or bytes than allowed";
    LimitHost "limit-host" 500 "The attempt made the host do more work than allowed";
    ComponentCompile "component-compile" 400 "The component cannot be compiled within its limits";
    ReleaseQuarantined "release-quarantined" 500 "The host failed in attempts of the release, so it is not run";
    LimitStack "limit-stack" 500 "The attempt's calls were nested deeper than allowed";
    LimitLog "limit-log" 500 "The attempt logged far more than allowed";
    Conflict "conflict" 500 "What the attempt had read was changed meanwhile";
    RetriesSpent "retries-spent" 500 "The retry policy is spent";
    HopLimit "hop-limit" 500 "The chain of published events is longer than allowed";
    BatchOutcomes "batch-outcomes" 500 "A batch handler gave another number of outcomes than it got events";
    TransformOutput "transform-output" 500 "A transform gave an event that breaks the rules";
    TargetInput "target-input" 500 "The target's input cannot be made of the event";
    WebhookGone "webhook-gone" 500 "The webhook's receiver wants nothing more";
    WebhookTimeout "webhook-timeout" 500 "The webhook's receiver did not answer in time";
    WebhookUnreachable "webhook-unreachable" 500 "The webhook's receiver cannot be reached, or broke off";
    WebhookBusy "webhook-busy" 500 "The webhook's receiver asks to be left alone for a while";
    WebhookDisabled "webhook-disabled" 500 "The webhook is disabled, and its deliveries wait";
    AddressDenied "address-denied" 500 "The address is not public, and the operator did not grant it";
    WebhookStatus "webhook-status" 500 "The webhook's receiver answered that it did not take the event";
    WebhookRedirect "webhook-redirect" 500 "The webhook's receiver sent somewhere else, which is not followed";
    HttpDenied "http-denied" 500 "No grant of the plugin allows the request";
    HttpInvalid "http-invalid" 500 "The plugin's request cannot be sent as it is";
    HttpTimeout "http-timeout" 500 "The plugin's request got no answer in time";
    HttpUnreachable "http-unreachable" 500 "The host of the plugin's request cannot be reached, or broke off";
    HttpRest "http-rest" 500 "Requests to the host fail, so none is sent for a while";
    SecretUnknown "secret-unknown" 404 "The tenant has no such secret";
    SecretInvalid "secret-invalid" 422 "The text cannot be kept as a secret";
    SecretsTooMany "secrets-too-many" 409 "The tenant has as many secrets as it can hold";
    SecretClosed "secret-closed" 500 "The secret cannot be sealed or opened with the key of this host";
    CredentialsUnavailable "credentials-unavailable" 500 "The host has no credentials for AWS to sign a request with";
    PromptUnknown "prompt-unknown" 404 "The tenant has no such prompt";
    PromptInvalid "prompt-invalid" 422 "The prompt cannot be put to use";
    PromptOfFile "prompt-of-file" 409 "The prompt stands in the configuration file";
    PromptsTooMany "prompts-too-many" 409 "The tenant has as many prompts as it can hold";
    PromptFailed "prompt-failed" 500 "The prompt cannot be filled with what the plugin gave";
    LlmDenied "llm-denied" 500 "No grant of the plugin names the route to a model";
    LlmRouteUnknown "llm-route-unknown" 500 "The tenant has no such route to a model";
    LlmInvalid "llm-invalid" 500 "A model cannot be asked like this";
    LlmUnsupported "llm-unsupported" 500 "The route's provider cannot do what was asked of it";
    LlmRateLimited "llm-rate-limited" 500 "The model takes no more calls at this time";
    LlmOverloaded "llm-overloaded" 500 "The model has too much to do, or cannot be reached";
    LlmTimeout "llm-timeout" 500 "The model gave no answer in time";
    LlmContext "llm-context" 500 "It is more than the model can read";
    LlmFiltered "llm-filtered" 500 "The provider does not let the model answer";
    LlmGuardrail "llm-guardrail" 500 "A guardrail stopped a call of a model";
    LlmUnpriced "llm-unpriced" 500 "Nobody said what the model costs, so it is not called";
    LlmProvider "llm-provider" 500 "The model's provider refused the call, or its answer is not understood";
    BudgetExceeded "budget-exceeded" 500 "A budget has not enough left for what the model may cost";
    LimitLlm "limit-llm" 500 "The attempt made more calls of models, or sent and got more, than allowed";
    HoldDenied "hold-denied" 500 "No grant of the plugin names the secret that it wants to hold";
    InferDenied "infer-denied" 500 "No grant of the plugin names the model";
    InferInvalid "infer-invalid" 500 "What a model was asked does not fit it";
    InferFailed "infer-failed" 500 "The model failed with what it was asked";
    InferTimeout "infer-timeout" 500 "The model gave no answer in the time that it may take";
    InferBusy "infer-busy" 500 "As many models run as may, and none ended in time";
    LimitInfer "limit-infer" 500 "The attempt asked models more often, or with more tensors, than allowed";
    ModelUnknown "model-unknown" 404 "The tenant has no such model";
    ModelOfFile "model-of-file" 409 "The model stands in the configuration file";
    PluginsTooMany "plugins-too-many" 409 "The tenant has as many plugins as it can hold";
    ModelsTooMany "models-too-many" 409 "The tenant has as many models as it can hold";
    ModelVersionUnknown "model-version-unknown" 404 "The model has no such version";
    BaselineInvalid "baseline-invalid" 422 "The baseline is none that inputs can be held against";
    ModelUnfit "model-unfit" 422 "The file is no model that can be asked";
    LimitHttp "limit-http" 500 "The attempt sent more requests or bytes by HTTP than allowed";
    TargetGone "target-gone" 500 "The delivery's target is gone";
    HeldPlugin "held-plugin" 500 "As many attempts of the plugin run as may, and others wait";
    HeldTenant "held-tenant" 500 "As many attempts of the tenant run as may, and others wait";
    HeldMemory "held-memory" 500 "The tenant's attempts have the memory that they may have, and others wait";
    ReceivesSpent "receives-spent" 500 "The message was received as often as it may be";
    HeldRate "held-rate" 500 "As many attempts of the target began as may in a second, and others wait";
    HeldBreaker "held-breaker" 500 "Attempts of the target fail, so none is made for a while";
    HeldPlaces "held-places" 500 "The tenant has its share of the host's places, and further attempts wait";
    RouteInvalid "route-invalid" 422 "The route cannot be put to use";
    RouteOfFile "route-of-file" 409 "The route stands in the configuration file";
    RoutesTooMany "routes-too-many" 409 "The tenant has as many routes as it can hold";
    RouteIdle "route-idle" 503 "The plugin of the route cannot be called";
    RouteBusy "route-busy" 503 "The plugin of the route has no room for another request";
    RouteFailed "route-failed" 502 "The plugin of the route failed before it had answered";
    RouteConflict "route-conflict" 503 "What the plugin had read for a request was changed meanwhile";
    RouteUnkept "route-unkept" 503 "What the plugin did for a request cannot be kept at this time";
    RouteTimeout "route-timeout" 504 "The plugin of the route did not answer in time";
    RequestTooLarge "request-too-large" 413 "The body of the request is larger than the route takes";
}

impl Code {
    /// Whether it says that an attempt met one of its limits.
    #[must_use]
    pub fn is_limit(self) -> bool {
        self.as_str().starts_with("limit-")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        found.ok_or_else(|| UnknownCode(text.chars().take(ERROR_VALUE_CHARS_MAX).collect()))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_kebab_case_and_survives_its_text() {
        for &code in Code::ALL {
            let text = code.as_str();
            assert!(text.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase())), "{text}");
            assert_eq!(text.parse(), Ok(code));
            assert_eq!(serde_json::from_str::<Code>(&serde_json::to_string(&code).unwrap()).unwrap(), code);
            assert!((400..600).contains(&code.status()), "{text}");
            assert!(!code.title().ends_with('.') && code.title().len() < 80, "{text}");
            // The name in Rust is the text in camel case, so that a search for either finds both.
            assert_eq!(format!("{code:?}").to_lowercase(), text.replace('-', ""));
        }
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!("no-such-code".parse::<Code>().is_err());
    }
}
