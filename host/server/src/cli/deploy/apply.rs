//! A plan is done, step by step.
//!
//! Invariant: a step is done only upon what it was planned upon. The first one that fails is the last one that is tried; those before
//! it stay, and a new plan has what is left.

use serde::Serialize;
use wharf_event::{Code, Digest, PluginName, TenantName};
use wharf_gateway::view::{
    BusView, MessageQueueView, PluginDetail, Promotion, ReleaseState, ReleaseView, RouteView, RuleView, ScheduleView,
    SchemaView, SubscriptionView, TenantView, TopicView, WebhookView,
};
use wharf_oci::{Found, OciError, Reference, Registry};
use wharf_runtime::limits::COMPONENT_BYTES_MAX;

use super::{
    super::{
        error::{CommandError, Exit},
        output::Output,
        plugin::{self, PushedView},
    },
    failure::{DeployFailure, StepError},
    plan::{Plan, Work},
    show,
};
use crate::{
    client::{Client, ClientError, Condition, Resource},
    compile::read_bounded,
    progress::Progress,
    project::{Component, Source},
};

/// What the history has for a reason where none was given.
const REASON: &str = "wharf deploy";

/// Does all of it.
pub async fn run(
    mut plan: Plan,
    client: &Client,
    message: Option<&str>,
    pushed: Option<PushedView>,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let steps = std::mem::take(&mut plan.steps);
    let mut done = show::Done::new(&plan, &steps, pushed);
    for (applied, step) in steps.iter().enumerate() {
        let doing = Doing { client, message, tenant: &step.object.tenant };
        if let Err(error) = doing.step(&step.work).await {
            let failure = DeployFailure { object: step.object.clone(), error, applied, steps: steps.len() };
            done.fail(&failure, out)?;
            return Err(CommandError::Deploy(failure.into()));
        }
        done.step(step, out)?;
    }
    done.end(out)?;
    Ok(Exit::Success)
}

struct Doing<'a> {
    client: &'a Client,
    message: Option<&'a str>,
    tenant: &'a TenantName,
}

impl Doing<'_> {
    fn plugin(&self, plugin: &PluginName) -> Resource {
        Resource::of(self.tenant).at("plugins").at(plugin)
    }

    async fn step(&self, work: &Work) -> Result<(), StepError> {
        let of = Resource::of(self.tenant);
        let seen = |version: &Option<_>| version.map_or(Condition::Absent, Condition::Version);
        match work {
            Work::Tenant { body, seen: version } => self.put::<TenantView>(&of, body, seen(version)).await,
            Work::Bus { bus, body, seen: version } => {
                self.put::<BusView>(&of.at("buses").at(bus), body, seen(version)).await
            }
            Work::Settings { plugin, body, seen } => self.settings(plugin, body, seen.as_deref()).await,
            Work::Release { plugin, component, regranted } => self.release(plugin, component, *regranted).await,
            Work::Promote { plugin, release, seen } => self.promote(plugin, *release, *seen).await,
            Work::Schema { schema, body, seen: version } => {
                self.put::<SchemaView>(&of.at("schemas").at(schema), body, seen(version)).await
            }
            Work::Rule { bus, rule, body, seen: version } => {
                self.put::<RuleView>(&of.at("buses").at(bus).at("rules").at(rule), body, seen(version)).await
            }
            Work::Webhook { webhook, body, seen: version } => {
                self.put::<WebhookView>(&of.at("webhooks").at(webhook), body, seen(version)).await
            }
            Work::Queue { queue, body, seen: version, .. } => {
                self.put::<MessageQueueView>(&of.at("queues").at(queue), body, seen(version)).await
            }
            Work::Topic { topic, body, seen: version } => {
                self.put::<TopicView>(&of.at("topics").at(topic), body, seen(version)).await
            }
            Work::Subscription { topic, subscription, body, seen: version } => {
                let at = of.at("topics").at(topic).at("subscriptions").at(subscription);
                self.put::<SubscriptionView>(&at, body, seen(version)).await
            }
            Work::Schedule { schedule, body, seen: version } => {
                self.put::<ScheduleView>(&of.at("schedules").at(schedule), body, seen(version)).await
            }
            Work::Route { route, body, seen: version } => {
                self.put::<RouteView>(&of.at("routes").at(route), body, seen(version)).await
            }
            Work::Remove { at, seen } => self.remove(at, seen.map_or(Condition::None, Condition::Version)).await,
        }
    }

    async fn put<T: serde::de::DeserializeOwned>(
        &self,
        at: &Resource,
        body: &[u8],
        condition: Condition,
    ) -> Result<(), StepError> {
        upon(self.client.put::<T>(at, body.to_vec(), condition).await).map(drop)
    }

    async fn remove(&self, at: &Resource, condition: Condition) -> Result<(), StepError> {
        upon(self.client.delete_under(at, condition).await)
    }

    /// A plugin's version changes with each release of it, so its settings are compared instead.
    async fn settings(&self, name: &PluginName, body: &[u8], seen: Option<&PluginDetail>) -> Result<(), StepError> {
        let at = self.plugin(name);
        let condition = match seen {
            None => Condition::Absent,
            Some(seen) => {
                let now: PluginDetail = self.client.get(&at).await?;
                let settings =
                    |of: &PluginDetail| (of.config.clone(), of.grants.clone(), of.limits.clone(), of.breaker.clone());
                if settings(&now) != settings(seen) {
                    return Err(StepError::Overtaken);
                }
                now.version.map_or(Condition::None, Condition::Version)
            }
        };
        self.put::<PluginDetail>(&at, body, condition).await
    }

    async fn release(&self, name: &PluginName, component: &Component, regranted: bool) -> Result<(), StepError> {
        let Component { source, release, bytes } = component;
        let (wasm, signatures) = match source {
            Source::File(file) => {
                let wasm = read_bounded(file, COMPONENT_BYTES_MAX as u64 + 1)
                    .map_err(|source| StepError::Unreadable { path: file.clone(), source })?;
                if Digest::of(&wasm) != *release {
                    return Err(StepError::Replaced(file.clone()));
                }
                let signatures = plugin::signatures_beside(file);
                (wasm, signatures.map_err(|(path, source)| StepError::Unreadable { path, source })?)
            }
            Source::Registry(reference, found) => (pulled(reference, found, *bytes).await?, Vec::new()),
        };
        let at = self.plugin(name).at("releases").at(release.hex());
        let note = (None, self.message.map(ToOwned::to_owned), signatures);
        match plugin::bring(self.client, &at, note, wasm).await? {
            ReleaseView { failure: Some(failure), .. } => Err(StepError::Unfit(failure)),
            ReleaseView { state: ReleaseState::NeedsGrant, missing, .. } if !regranted => {
                Err(StepError::NeedsGrant(missing))
            }
            _ => Ok(()),
        }
    }

    /// Its traffic is not another's than it was: somebody who promoted or rolled back meanwhile had a reason.
    async fn promote(
        &self,
        name: &PluginName,
        release: Digest,
        seen: (Option<Digest>, Option<Digest>),
    ) -> Result<(), StepError> {
        let PluginDetail { plugin, .. } = self.client.get(&self.plugin(name)).await?;
        if (plugin.stable, plugin.canary.map(|canary| canary.release)) != seen {
            return Err(StepError::Overtaken);
        }
        let reason = Some(self.message.unwrap_or(REASON).to_owned());
        let body = json(&Promotion { channel: None, release, canary: None, reason })?;
        let at = self.plugin(name).at("promote");
        self.client.post::<PluginDetail>(&at, "application/json", body).await?;
        Ok(())
    }
}

/// What came of a change under a condition.
fn upon<T>(changed: Result<T, ClientError>) -> Result<T, StepError> {
    match changed {
        Err(ClientError::Refused(reply)) if reply.code == Code::VersionConflict.as_str() => Err(StepError::Overtaken),
        changed => Ok(changed?),
    }
}

/// The component of a registry.
async fn pulled(reference: &Reference, found: &Found, bytes: u64) -> Result<Vec<u8>, OciError> {
    let progress = Progress::on_terminal();
    let show = |here: u64| progress.show(&format!("pulled {} of {} KB", here / 1_000, bytes / 1_000));
    let wasm = Registry::of(reference)?.pull(found, show).await;
    progress.clear();
    Ok(wasm?.into())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(value).map_err(ClientError::NotUnderstood)
}
