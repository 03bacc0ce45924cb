//! What routes do, and who does it.
//!
//! Invariant: every operation has its handler, since the match is total.

use axum::routing::{MethodFilter, MethodRouter, on};

use super::{Route, Verb};
use crate::gateway::Gateway;
use crate::port::Host;
use crate::{
    dead_letters, events, grants, key_values, keys, metrics, models, openapi, probes, prompts, queues, receive,
    registry, replays, rules, schedules, schemas, secrets, tenant_routes, tenants, topics, usage, webhooks,
};

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Lists tenants.
    ListTenants,
    /// Shows one tenant.
    ShowTenant,
    /// Makes a tenant, or changes its settings.
    PutTenant,
    /// Deletes a tenant.
    DeleteTenant,
    /// Lists the buses of a tenant.
    ListBuses,
    /// Shows one bus.
    ShowBus,
    /// Makes a bus, or changes its settings.
    PutBus,
    /// Removes a bus.
    RemoveBus,
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
    /// Shows what an attempt asked the outside and was told.
    ShowCalls,
    /// See [`crate::port::Archive::trace`].
    TraceEvent,
    /// Follows what happens.
    Feed,
    /// Shows totals.
    Stats,
    /// Shows what was used.
    Usage,
    /// Shows what there is and may be.
    Quotas,
    /// Lists buckets.
    ListBuckets,
    /// Lists the keys of a bucket.
    ListKeys,
    /// Shows one key.
    ShowKey,
    /// Lists dead-letter queues.
    ListQueues,
    /// Counts dead letters by target and code.
    GroupLetters,
    /// Lists the letters of a queue.
    ListLetters,
    /// Shows one letter.
    ShowLetter,
    /// Changes the event of one letter.
    EditLetter,
    /// Lets go of one letter.
    RemoveLetter,
    /// Lets go of letters.
    DiscardLetters,
    /// Sends letters again.
    Redrive,
    /// See [`crate::port::Redrives::paced_redrive`].
    ShowRedrive,
    /// Cancels a redrive at a rate.
    CancelRedrive,
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
    /// Lists replays.
    ListReplays,
    /// Shows one replay.
    ShowReplay,
    /// Begins a replay.
    BeginReplay,
    /// Cancels a replay.
    CancelReplay,
    /// Lets go of a replay.
    RemoveReplay,
    /// Lists schedules.
    ListSchedules,
    /// Shows one schedule.
    ShowSchedule,
    /// Puts a schedule.
    PutSchedule,
    /// Removes a schedule.
    RemoveSchedule,
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
    /// Lets quarantined releases run again.
    LiftQuarantine,
    /// Shows what a plugin is granted.
    ShowGrants,
    /// Grants something to a plugin.
    ApproveGrants,
    /// Takes a grant back.
    RevokeGrants,
    /// Lists the keys that sign releases.
    ListSigningKeys,
    /// Lists models.
    ListModels,
    /// Shows one model.
    ShowModel,
    /// Takes the file of a version of a model.
    PutModel,
    /// Has a version of a model answer.
    PromoteModel,
    /// Has the version answer that did before.
    RollBackModel,
    /// Has questions to a model asked together.
    BatchModel,
    /// Removes a model.
    RemoveModel,
    /// Holds what a model is asked against a baseline.
    PutBaseline,
    /// Holds it against none any more.
    RemoveBaseline,
    /// Shows how far a model's inputs are from its baseline.
    ShowDrift,
    /// Lists prompts.
    ListPrompts,
    /// Shows one prompt.
    ShowPrompt,
    /// Makes a prompt, or adds a version.
    PutPrompt,
    /// Gives a version of a prompt to all, or to some.
    PromotePrompt,
    /// Goes back to a version of a prompt.
    RollBackPrompt,
    /// Removes a prompt.
    RemovePrompt,
    /// Lists secrets.
    ListSecrets,
    /// Keeps a secret.
    PutSecret,
    /// Removes a secret.
    RemoveSecret,
    /// Registers one.
    AddSigningKey,
    /// Revokes one.
    RevokeSigningKey,
    /// Takes a channel away.
    CloseChannel,
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
    /// Lists routes.
    ListRoutes,
    /// Shows one route.
    ShowRoute,
    /// Puts a route.
    PutRoute,
    /// Removes a route.
    RemoveRoute,
    /// Lists webhooks.
    ListWebhooks,
    /// Shows one webhook.
    ShowWebhook,
    /// Makes a webhook, or changes where it leads.
    PutWebhook,
    /// Removes a webhook.
    RemoveWebhook,
    /// Gives a webhook another secret.
    RotateWebhook,
    /// Enables a webhook.
    EnableWebhook,
    /// Disables a webhook.
    DisableWebhook,
    /// Lists the queues that clients receive of.
    ListMessageQueues,
    /// Shows one queue.
    ShowMessageQueue,
    /// Makes a queue, or changes it.
    PutMessageQueue,
    /// Removes a queue.
    RemoveMessageQueue,
    /// Sends messages to a queue.
    SendMessages,
    /// Shows messages that nobody receives by that.
    PeekMessages,
    /// Receives messages.
    ReceiveMessages,
    /// Ends messages.
    AckMessages,
    /// Gives messages back.
    ReleaseMessages,
    /// Keeps messages longer.
    ExtendMessages,
    /// Empties a queue.
    PurgeQueue,
    /// Lists topics.
    ListTopics,
    /// Shows one topic.
    ShowTopic,
    /// Makes a topic, or changes it.
    PutTopic,
    /// Removes a topic with its subscriptions.
    RemoveTopic,
    /// Receives events on a topic.
    Publish,
    /// Lists the subscriptions of a topic.
    ListSubscriptions,
    /// Shows one subscription.
    ShowSubscription,
    /// Puts a subscription.
    Subscribe,
    /// Removes a subscription.
    Unsubscribe,
    /// Says what a subscription says to an event.
    ExplainSubscription,
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

/// The handler of a route.
#[allow(clippy::too_many_lines, reason = "a line for each operation, so that the match is total")]
pub(super) fn handler<H: Host>(route: &Route) -> MethodRouter<Gateway<H>> {
    let verb = match route.verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Delete => MethodFilter::DELETE,
    };
    match route.operation {
        Operation::ListTenants => on(verb, tenants::list::<H>),
        Operation::ShowTenant => on(verb, tenants::show::<H>),
        Operation::PutTenant => on(verb, tenants::put::<H>),
        Operation::DeleteTenant => on(verb, tenants::remove::<H>),
        Operation::ListBuses => on(verb, tenants::buses::<H>),
        Operation::ShowBus => on(verb, tenants::bus::<H>),
        Operation::PutBus => on(verb, tenants::put_bus::<H>),
        Operation::RemoveBus => on(verb, tenants::remove_bus::<H>),
        Operation::PostEvents => on(verb, receive::to_bus::<H>),
        Operation::PostDefaultEvents => on(verb, receive::to_default_bus::<H>),
        Operation::Explain => on(verb, events::explain::<H>),
        Operation::ListEvents => on(verb, events::list::<H>),
        Operation::ShowEvent => on(verb, events::show::<H>),
        Operation::ShowCalls => on(verb, events::calls::<H>),
        Operation::TraceEvent => on(verb, events::trace::<H>),
        Operation::Feed => on(verb, events::feed::<H>),
        Operation::Stats => on(verb, events::stats::<H>),
        Operation::Usage => on(verb, usage::show::<H>),
        Operation::Quotas => on(verb, usage::quotas::<H>),
        Operation::ListBuckets => on(verb, key_values::buckets::<H>),
        Operation::ListKeys => on(verb, key_values::list::<H>),
        Operation::ShowKey => on(verb, key_values::show::<H>),
        Operation::ListQueues => on(verb, dead_letters::queues::<H>),
        Operation::GroupLetters => on(verb, dead_letters::groups::<H>),
        Operation::ListLetters => on(verb, dead_letters::list::<H>),
        Operation::ShowLetter => on(verb, dead_letters::show::<H>),
        Operation::EditLetter => on(verb, dead_letters::edit::<H>),
        Operation::RemoveLetter => on(verb, dead_letters::remove::<H>),
        Operation::DiscardLetters => on(verb, dead_letters::discard::<H>),
        Operation::Redrive => on(verb, dead_letters::redrive::<H>),
        Operation::ShowRedrive => on(verb, dead_letters::redriving::<H>),
        Operation::CancelRedrive => on(verb, dead_letters::cancel::<H>),
        Operation::TestPattern => on(verb, rules::test::<H>),
        Operation::ListRules => on(verb, rules::list::<H>),
        Operation::ShowRule => on(verb, rules::show::<H>),
        Operation::PutRule => on(verb, rules::put::<H>),
        Operation::RemoveRule => on(verb, rules::remove::<H>),
        Operation::ListReplays => on(verb, replays::list::<H>),
        Operation::ShowReplay => on(verb, replays::show::<H>),
        Operation::BeginReplay => on(verb, replays::begin::<H>),
        Operation::CancelReplay => on(verb, replays::cancel::<H>),
        Operation::RemoveReplay => on(verb, replays::remove::<H>),
        Operation::ListSchedules => on(verb, schedules::list::<H>),
        Operation::ShowSchedule => on(verb, schedules::show::<H>),
        Operation::PutSchedule => on(verb, schedules::put::<H>),
        Operation::RemoveSchedule => on(verb, schedules::remove::<H>),
        Operation::ListPlugins => on(verb, registry::list::<H>),
        Operation::ShowPlugin => on(verb, registry::show::<H>),
        Operation::PutPlugin => on(verb, registry::put::<H>),
        Operation::RemovePlugin => on(verb, registry::remove::<H>),
        Operation::Promote => on(verb, registry::promote::<H>),
        Operation::RollBack => on(verb, registry::roll_back::<H>),
        Operation::LiftQuarantine => on(verb, registry::lift::<H>),
        Operation::ShowGrants => on(verb, grants::show::<H>),
        Operation::ApproveGrants => on(verb, grants::approve::<H>),
        Operation::RevokeGrants => on(verb, grants::revoke::<H>),
        Operation::ListModels => on(verb, models::list::<H>),
        Operation::ShowModel => on(verb, models::show::<H>),
        Operation::PutModel => on(verb, models::put::<H>),
        Operation::PromoteModel => on(verb, models::promote::<H>),
        Operation::RollBackModel => on(verb, models::roll_back::<H>),
        Operation::BatchModel => on(verb, models::batch::<H>),
        Operation::RemoveModel => on(verb, models::remove::<H>),
        Operation::PutBaseline => on(verb, models::put_baseline::<H>),
        Operation::RemoveBaseline => on(verb, models::remove_baseline::<H>),
        Operation::ShowDrift => on(verb, models::drift::<H>),
        Operation::ListPrompts => on(verb, prompts::list::<H>),
        Operation::ShowPrompt => on(verb, prompts::show::<H>),
        Operation::PutPrompt => on(verb, prompts::put::<H>),
        Operation::PromotePrompt => on(verb, prompts::promote::<H>),
        Operation::RollBackPrompt => on(verb, prompts::roll_back::<H>),
        Operation::RemovePrompt => on(verb, prompts::remove::<H>),
        Operation::ListSecrets => on(verb, secrets::list::<H>),
        Operation::PutSecret => on(verb, secrets::put::<H>),
        Operation::RemoveSecret => on(verb, secrets::remove::<H>),
        Operation::ListSigningKeys => on(verb, keys::list::<H>),
        Operation::AddSigningKey => on(verb, keys::put::<H>),
        Operation::RevokeSigningKey => on(verb, keys::revoke::<H>),
        Operation::CloseChannel => on(verb, registry::close::<H>),
        Operation::ListReleases => on(verb, registry::releases::<H>),
        Operation::ShowRelease => on(verb, registry::release::<H>),
        Operation::Upload => on(verb, registry::upload::<H>),
        Operation::ListSchemas => on(verb, schemas::list::<H>),
        Operation::ShowSchema => on(verb, schemas::show::<H>),
        Operation::PutSchema => on(verb, schemas::put::<H>),
        Operation::RemoveSchema => on(verb, schemas::remove::<H>),
        Operation::ListSchemaVersions => on(verb, schemas::versions::<H>),
        Operation::ShowSchemaVersion => on(verb, schemas::version::<H>),
        Operation::ListRoutes => on(verb, tenant_routes::list::<H>),
        Operation::ShowRoute => on(verb, tenant_routes::show::<H>),
        Operation::PutRoute => on(verb, tenant_routes::put::<H>),
        Operation::RemoveRoute => on(verb, tenant_routes::remove::<H>),
        Operation::ListWebhooks => on(verb, webhooks::list::<H>),
        Operation::ShowWebhook => on(verb, webhooks::show::<H>),
        Operation::PutWebhook => on(verb, webhooks::put::<H>),
        Operation::RemoveWebhook => on(verb, webhooks::remove::<H>),
        Operation::RotateWebhook => on(verb, webhooks::rotate::<H>),
        Operation::EnableWebhook => on(verb, webhooks::enable::<H>),
        Operation::DisableWebhook => on(verb, webhooks::disable::<H>),
        Operation::ListMessageQueues => on(verb, queues::list::<H>),
        Operation::ShowMessageQueue => on(verb, queues::show::<H>),
        Operation::PutMessageQueue => on(verb, queues::put::<H>),
        Operation::RemoveMessageQueue => on(verb, queues::remove::<H>),
        Operation::SendMessages => on(verb, queues::send::<H>),
        Operation::PeekMessages => on(verb, queues::peek::<H>),
        Operation::ReceiveMessages => on(verb, queues::receive::<H>),
        Operation::AckMessages => on(verb, queues::ack::<H>),
        Operation::ReleaseMessages => on(verb, queues::release::<H>),
        Operation::ExtendMessages => on(verb, queues::extend::<H>),
        Operation::PurgeQueue => on(verb, queues::purge::<H>),
        Operation::ListTopics => on(verb, topics::list::<H>),
        Operation::ShowTopic => on(verb, topics::show::<H>),
        Operation::PutTopic => on(verb, topics::put::<H>),
        Operation::RemoveTopic => on(verb, topics::remove::<H>),
        Operation::Publish => on(verb, topics::publish::<H>),
        Operation::ListSubscriptions => on(verb, topics::subscriptions::<H>),
        Operation::ShowSubscription => on(verb, topics::subscription::<H>),
        Operation::Subscribe => on(verb, topics::subscribe::<H>),
        Operation::Unsubscribe => on(verb, topics::unsubscribe::<H>),
        Operation::ExplainSubscription => on(verb, topics::explain::<H>),
        Operation::AsyncApi => on(verb, schemas::asyncapi::<H>),
        Operation::Live => on(verb, probes::live),
        Operation::Ready => on(verb, probes::ready::<H>),
        Operation::Metrics => on(verb, metrics::page::<H>),
        Operation::OpenApi => on(verb, openapi::document),
        Operation::ErrorPage => on(verb, probes::error_page),
    }
}
