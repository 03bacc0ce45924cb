//! Where a bench takes place: tenants of its own, with what a scenario needs, made by the API and taken away by it.
//!
//! Invariant: only a tenant that this program has made is used and deleted. One that is there already is a refusal, whatever its name.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use wharf_event::{Code, Digest, PluginName, TenantName};
use wharf_gateway::view::{PluginDetail, Promotion, TenantView};

use super::{
    super::{error::talk, plugin::bring},
    BenchArgs, BenchError, Scenario, events,
};
use crate::client::{Client, ClientError, Condition, Resource};

/// The plugins, as build.rs makes them of `plugins/`.
const COUNT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bench-count.wasm"));
const COUNT_BATCH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bench-count-batch.wasm"));

/// The name of whatever there is one of: queue, topic, rule, plugin.
const NAME: &str = "bench";

/// Deliveries of the tenant that may wait, beyond those of a backlog that is asked for.
const BACKLOG: u32 = 1_000_000;

/// Requests at a time where many things of a kind are made.
const MADE_AT_ONCE: usize = 16;

/// Uploads at a time; a tenant has three places for them.
const UPLOADS_AT_ONCE: usize = 2;

/// How long a call of the batch plugin waits for more messages.
const WINDOW: &str = "20ms";

/// A tenant of a bench.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where events are sent to.
    pub to: Resource,
    /// The queue that clients receive of.
    pub queue: Resource,
    /// The tenant's totals.
    pub stats: Resource,
}

/// All that were made. They go with [`remove`](Self::remove), and not by themselves: that needs the host.
#[derive(Debug, Default)]
pub struct Grounds(Vec<TenantName>);

impl Grounds {
    /// Makes a tenant of that name, and in it what the scenario needs. A name that was made at random (`is_random`) is nobody else's, so
    /// it goes even if this is broken off in the middle.
    ///
    /// # Errors
    /// When there is such a tenant already, or the host refuses.
    pub async fn make(
        &mut self,
        client: &Client,
        (tenant, is_random): (TenantName, bool),
        args: &BenchArgs,
    ) -> Result<Ground, BenchError> {
        let own = Resource::of(&tenant);
        let backlog = if args.scenario == Scenario::Backlog { args.backlog } else { 0 };
        let settings = json!({ "backlog": BACKLOG + backlog });
        self.0.extend(is_random.then(|| tenant.clone()));
        match client.put::<TenantView>(&own, settings.to_string(), Condition::Absent).await {
            Ok(_) if is_random => {}
            Ok(_) => self.0.push(tenant.clone()),
            Err(ClientError::Refused(reply)) if reply.code == Code::VersionConflict.as_str() => {
                self.0.retain(|made| *made != tenant);
                return Err(BenchError::NotOurs(tenant));
            }
            Err(error) => return Err(error.into()),
        }
        let to = furnish(client, &own, args).await?;
        let (queue, stats) = (own.clone().at("queues").at(NAME), own.at("stats"));
        Ok(Ground { to, queue, stats })
    }

    /// Takes all of them away, and says which could not be.
    pub async fn remove(self, client: &Client) {
        for tenant in self.0 {
            let at = Resource::of(&tenant).ask("confirm", &tenant);
            let unknown = |error: &ClientError| matches!(error, ClientError::Refused(reply) if reply.code == Code::TenantUnknown.as_str());
            if let Some(error) = client.delete(&at).await.err().filter(|error| !unknown(error)) {
                talk(&format!(
                    "the tenant {tenant} is still there: {error}; `wharf tenant delete {tenant}` removes it"
                ));
            }
        }
    }
}

/// Makes what the scenario needs, and says where its events go.
async fn furnish(client: &Client, own: &Resource, args: &BenchArgs) -> Result<Resource, BenchError> {
    let bus = own.clone().at("buses").at("default");
    let queue = own.clone().at("queues").at(NAME);
    match args.scenario {
        Scenario::Ingest => Ok(bus.at("events")),
        Scenario::Pull | Scenario::Backlog => {
            put(client, &queue, json!({ "visibility": "5m" })).await?;
            Ok(queue.at("messages"))
        }
        Scenario::Ordered => {
            put(client, &queue, json!({ "visibility": "5m", "ordered": true })).await?;
            Ok(queue.at("messages"))
        }
        Scenario::Plugin => {
            let lanes = u64::from(args.lanes());
            many(lanes, UPLOADS_AT_ONCE, |number| lane(client.clone(), own.clone(), (number, lanes))).await?;
            let first = name_of(0, lanes);
            many(u64::from(args.rules), MADE_AT_ONCE, |number| {
                unmet(client.clone(), bus.clone(), number, first.clone())
            })
            .await?;
            Ok(bus.at("events"))
        }
        Scenario::Batch => {
            let plugin = plugin(client, own, NAME, COUNT_BATCH).await?;
            let consumer = json!({ "plugin": plugin, "batch": args.batch, "window": WINDOW });
            put(client, &queue, json!({ "visibility": "5m", "consumer": consumer })).await?;
            Ok(queue.at("messages"))
        }
        Scenario::Fanout => {
            put(client, &queue, json!({ "visibility": "5m" })).await?;
            let topic = own.clone().at("topics").at(NAME);
            put(client, &topic, json!({})).await?;
            let subscription = json!({ "targets": [{ "queue": NAME }] });
            for number in 1..=args.subscriptions {
                let at = topic.clone().at("subscriptions").at(format!("s{number:05}"));
                put(client, &at, subscription.clone()).await?;
            }
            Ok(topic.at("publish"))
        }
    }
}

/// Makes many things of a kind, so many at a time.
async fn many<M: Future<Output = Result<(), BenchError>> + Send + 'static>(
    number: u64,
    at_once: usize,
    make: impl Fn(u64) -> M,
) -> Result<(), BenchError> {
    let mut making = JoinSet::new();
    for one in 0..number {
        if making.len() >= at_once
            && let Some(made) = making.join_next().await
        {
            made.unwrap_or(Err(BenchError::Ended))?;
        }
        making.spawn(make(one));
    }
    while let Some(made) = making.join_next().await {
        made.unwrap_or(Err(BenchError::Ended))?;
    }
    Ok(())
}

/// Makes the plugin of a lane, and the rule by which the events of that lane are its own.
async fn lane(client: Client, own: Resource, (number, lanes): (u64, u64)) -> Result<(), BenchError> {
    let name = name_of(number, lanes);
    let plugin = plugin(&client, &own, &name, COUNT).await?;
    let kind = json!(["bench.event"]);
    let pattern =
        if lanes == 1 { json!({ "type": kind }) } else { json!({ "type": kind, "lane": [events::lane(number)] }) };
    let rule = json!({ "pattern": pattern, "targets": [{ "plugin": plugin }] });
    put(&client, &own.at("buses").at("default").at("rules").at(&name), rule).await
}

/// What the plugin of a lane is called, and its rule.
fn name_of(lane: u64, lanes: u64) -> String {
    if lanes == 1 { NAME.to_owned() } else { format!("{NAME}-{lane}") }
}

/// Makes a rule that no event of a bench meets.
async fn unmet(client: Client, bus: Resource, number: u64, plugin: String) -> Result<(), BenchError> {
    let pattern =
        json!({ "type": [format!("bench.other-{number}")], "subject": [{ "prefix": format!("o-{number}-") }] });
    let rule = json!({ "pattern": pattern, "targets": [{ "plugin": plugin }] });
    put(&client, &bus.at("rules").at(format!("other-{number}")), rule).await
}

async fn put(client: &Client, at: &Resource, document: Value) -> Result<(), BenchError> {
    let _: serde::de::IgnoredAny = client.put(at, document.to_string(), Condition::Absent).await?;
    Ok(())
}

/// Makes a plugin of a component: granted what it uses, and with all traffic.
async fn plugin(client: &Client, own: &Resource, name: &str, wasm: &[u8]) -> Result<PluginName, BenchError> {
    let name: PluginName = name.parse().map_err(|_| BenchError::Unmade)?;
    let at = own.clone().at("plugins").at(&name);
    let settings = json!({ "grants": { "kv": [NAME] } });
    let _: PluginDetail = client.put(&at, settings.to_string(), Condition::None).await?;
    let release = Digest::of(wasm);
    let view = bring(client, &at.clone().at("releases").at(release.hex()), Default::default(), wasm.to_vec()).await?;
    if let Some(failure) = view.failure {
        return Err(BenchError::Unfit(failure.detail));
    }
    let wish = Promotion { release, channel: None, canary: None, reason: None };
    let wish = serde_json::to_vec(&wish).map_err(ClientError::NotUnderstood)?;
    let _: PluginDetail = client.post(&at.at("promote"), "application/json", wish).await?;
    Ok(name)
}
