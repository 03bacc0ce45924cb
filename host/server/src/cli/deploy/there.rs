//! What a host has of a tenant, as far as a plan needs it.
//!
//! Invariant: lists are read to their end. Nothing is changed.

use std::collections::BTreeMap;

use wharf_event::{
    BusName, PluginName, QueueName, RoutePath, RuleName, ScheduleName, SchemaName, TenantName, TopicName, WebhookName,
};
use wharf_gateway::view::{
    BusView, MessageQueueView, PluginDetail, PluginView, ReleaseView, RouteView, RuleView, ScheduleView, SchemaView,
    SubscriptionView, TopicView, WebhookView,
};

use super::super::{error::CommandError, pages, tenant::Whole};
use crate::{
    client::{Client, Resource},
    project::Wanted,
};

/// What there is.
#[derive(Debug, Default)]
pub struct There {
    /// The tenant; all else is empty if there is none.
    pub tenant: Option<Whole>,
    /// All buses.
    pub buses: BTreeMap<BusName, BusView>,
    /// All plugins.
    pub plugins: BTreeMap<PluginName, PluginView>,
    /// Those that are wanted, in full.
    pub details: BTreeMap<PluginName, PluginDetail>,
    /// The releases that are wanted, if the host knows them.
    pub releases: BTreeMap<PluginName, ReleaseView>,
    /// All schemas; those that are wanted with what they say.
    pub schemas: BTreeMap<SchemaName, SchemaView>,
    /// All webhooks, those that are wanted with their versions.
    pub webhooks: BTreeMap<WebhookName, WebhookView>,
    /// All queues, those that are wanted with their versions.
    pub queues: BTreeMap<QueueName, MessageQueueView>,
    /// All schedules.
    pub schedules: BTreeMap<ScheduleName, ScheduleView>,
    /// All routes, those that are wanted with their versions.
    pub routes: BTreeMap<RoutePath, RouteView>,
    /// All rules.
    pub rules: BTreeMap<RuleName, RuleView>,
    /// All topics.
    pub topics: BTreeMap<TopicName, TopicView>,
    /// All subscriptions, by the rules that they are.
    pub subscriptions: BTreeMap<RuleName, SubscriptionView>,
}

/// Reads it.
pub async fn read(client: &Client, tenant: &TenantName, wanted: &Wanted) -> Result<There, CommandError> {
    let of = Resource::of(tenant);
    let mut there = There { tenant: Whole::read(client, tenant).await?, ..There::default() };
    if there.tenant.is_none() {
        return Ok(there);
    }
    let plugins = of.clone().at("plugins");
    let plugins = pages::whole(client, plugins, |view: &PluginView| view.plugin.to_string()).await?;
    there.plugins.extend(plugins.into_iter().map(|view| (view.plugin.clone(), view)));
    for (name, plugin) in &wanted.plugins {
        let at = of.clone().at("plugins").at(name);
        if there.plugins.contains_key(name) {
            there.details.extend(client.find(&at).await?.map(|detail| (name.clone(), detail)));
            let release = at.at("releases").at(plugin.component.release.hex());
            there.releases.extend(client.find(&release).await?.map(|release| (name.clone(), release)));
        }
    }
    let schemas = of.clone().at("schemas");
    let schemas = pages::whole(client, schemas, |view: &SchemaView| view.schema.to_string()).await?;
    for schema in schemas {
        let whole = match wanted.schemas.contains_key(&schema.schema) {
            true => client.find(&of.clone().at("schemas").at(&schema.schema)).await?,
            false => Some(schema),
        };
        there.schemas.extend(whole.map(|schema| (schema.schema.clone(), schema)));
    }
    let webhooks = of.clone().at("webhooks");
    let webhooks = pages::whole(client, webhooks, |view: &WebhookView| view.webhook.to_string()).await?;
    for webhook in webhooks {
        let whole = match wanted.webhooks.contains_key(&webhook.webhook) {
            true => client.find(&of.clone().at("webhooks").at(&webhook.webhook)).await?,
            false => Some(webhook),
        };
        there.webhooks.extend(whole.map(|webhook| (webhook.webhook.clone(), webhook)));
    }
    let queues = of.clone().at("queues");
    let queues = pages::whole(client, queues, |view: &MessageQueueView| view.queue.to_string()).await?;
    for queue in queues {
        let whole = match wanted.queues.contains_key(&queue.queue) {
            true => client.find(&of.clone().at("queues").at(&queue.queue)).await?,
            false => Some(queue),
        };
        there.queues.extend(whole.map(|queue| (queue.queue.clone(), queue)));
    }
    there.routes = routes(client, of.clone().at("routes"), wanted).await?;
    let schedules = of.clone().at("schedules");
    let schedules = pages::whole(client, schedules, |view: &ScheduleView| view.schedule.to_string()).await?;
    there.schedules.extend(schedules.into_iter().map(|view| (view.schedule.clone(), view)));
    let buses = of.clone().at("buses");
    let buses = pages::whole(client, buses, |view: &BusView| view.bus.to_string()).await?;
    for view in buses {
        let rules = of.clone().at("buses").at(&view.bus).at("rules");
        let rules = pages::whole(client, rules, |rule: &RuleView| rule.rule.to_string()).await?;
        there.rules.extend(rules.into_iter().map(|rule| (rule.rule.clone(), rule)));
        there.buses.insert(view.bus.clone(), view);
    }
    let topics = of.clone().at("topics");
    let topics = pages::whole(client, topics, |view: &TopicView| view.topic.to_string()).await?;
    for view in topics {
        let subscriptions = of.clone().at("topics").at(&view.topic).at("subscriptions");
        let subscriptions =
            pages::whole(client, subscriptions, |it: &SubscriptionView| it.subscription.to_string()).await?;
        let named = |it: SubscriptionView| (RuleName::of_subscription(&it.topic, &it.subscription), it);
        there.subscriptions.extend(subscriptions.into_iter().map(named));
        there.topics.insert(view.topic.clone(), view);
    }
    Ok(there)
}

/// The routes, those that are wanted with their versions.
async fn routes(
    client: &Client,
    at: Resource,
    wanted: &Wanted,
) -> Result<BTreeMap<RoutePath, RouteView>, CommandError> {
    let mut routes = BTreeMap::new();
    for route in pages::whole(client, at.clone(), |route: &RouteView| route.route.to_string()).await? {
        let whole = match wanted.routes.contains_key(&route.route) {
            true => client.find(&at.clone().at(&route.route)).await?,
            false => Some(route),
        };
        routes.extend(whole.map(|route: RouteView| (route.route.clone(), route)));
    }
    Ok(routes)
}
