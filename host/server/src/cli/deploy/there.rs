//! What a host has of a tenant, as far as a plan needs it.
//!
//! Invariant: lists are read to their end. Nothing is changed.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
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

/// Rows that one request asks for.
const PAGE: u32 = 1_000;

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
    let page = |rows, after: Option<String>| plugins.clone().ask("limit", rows).ask_some("after", after);
    let plugins = all(client, page, |view: &PluginView| view.plugin.to_string()).await?;
    there.plugins.extend(plugins.into_iter().map(|view| (view.plugin.clone(), view)));
    for (name, plugin) in &wanted.plugins {
        let at = of.clone().at("plugins").at(name);
        if there.plugins.contains_key(name) {
            there.details.extend(client.find(&at).await?.map(|detail| (name.clone(), detail)));
            let release = at.at("releases").at(plugin.component.release.hex());
            there.releases.extend(client.find(&release).await?.map(|release| (name.clone(), release)));
        }
    }
    let schemas: Vec<SchemaView> = client.get(&of.clone().at("schemas")).await?;
    for schema in schemas {
        let whole = match wanted.schemas.contains_key(&schema.schema) {
            true => client.find(&of.clone().at("schemas").at(&schema.schema)).await?,
            false => Some(schema),
        };
        there.schemas.extend(whole.map(|schema| (schema.schema.clone(), schema)));
    }
    let webhooks: Vec<WebhookView> = client.get(&of.clone().at("webhooks")).await?;
    for webhook in webhooks {
        let whole = match wanted.webhooks.contains_key(&webhook.webhook) {
            true => client.find(&of.clone().at("webhooks").at(&webhook.webhook)).await?,
            false => Some(webhook),
        };
        there.webhooks.extend(whole.map(|webhook| (webhook.webhook.clone(), webhook)));
    }
    let queues: Vec<MessageQueueView> = client.get(&of.clone().at("queues")).await?;
    for queue in queues {
        let whole = match wanted.queues.contains_key(&queue.queue) {
            true => client.find(&of.clone().at("queues").at(&queue.queue)).await?,
            false => Some(queue),
        };
        there.queues.extend(whole.map(|queue| (queue.queue.clone(), queue)));
    }
    there.routes = routes(client, of.clone().at("routes"), wanted).await?;
    let schedules = of.clone().at("schedules");
    let page = |rows, after: Option<String>| schedules.clone().ask("limit", rows).ask_some("after", after);
    let schedules = all(client, page, |view: &ScheduleView| view.schedule.to_string()).await?;
    there.schedules.extend(schedules.into_iter().map(|view| (view.schedule.clone(), view)));
    let buses: Vec<BusView> = client.get(&of.clone().at("buses")).await?;
    for view in buses {
        let rules = of.clone().at("buses").at(&view.bus).at("rules");
        let page = |rows, after: Option<String>| rules.clone().ask("limit", rows).ask_some("after", after);
        let rules = all(client, page, |rule: &RuleView| rule.rule.to_string()).await?;
        there.rules.extend(rules.into_iter().map(|rule| (rule.rule.clone(), rule)));
        there.buses.insert(view.bus.clone(), view);
    }
    let topics: Vec<TopicView> = client.get(&of.clone().at("topics")).await?;
    for view in topics {
        let subscriptions = of.clone().at("topics").at(&view.topic).at("subscriptions");
        let page = |rows, after: Option<String>| subscriptions.clone().ask("limit", rows).ask_some("after", after);
        let subscriptions = all(client, page, |it: &SubscriptionView| it.subscription.to_string()).await?;
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
    for route in client.get::<Vec<RouteView>>(&at).await? {
        let whole = match wanted.routes.contains_key(&route.route) {
            true => client.find(&at.clone().at(&route.route)).await?,
            false => Some(route),
        };
        routes.extend(whole.map(|route: RouteView| (route.route.clone(), route)));
    }
    Ok(routes)
}

/// A list to its end.
async fn all<T: DeserializeOwned>(
    client: &Client,
    page: impl Fn(u32, Option<String>) -> Resource,
    name_of: impl Fn(&T) -> String,
) -> Result<Vec<T>, CommandError> {
    let page = |rows: u32, after| page(rows.min(PAGE), after);
    pages::gather(client, u32::MAX, None, page, name_of).await
}
