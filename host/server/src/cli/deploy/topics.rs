//! Topics of a file beside those of a host, and their subscriptions. Invariant: a topic's retention that the file does not say stays as it is.

use serde::Serialize;
use serde_json::value::RawValue;
use wharf_delivery::{RetentionDocument, RuleDocument};
use wharf_event::{Code, PluginName, RuleName, TopicName};
use wharf_gateway::view::{RetentionView, RuleOrigin, SubscriptionView, TargetView};

use super::{
    super::error::CommandError,
    compare::{Comparison, json, unshown},
    plan::{Action, Kind, Work},
};
use crate::adapter::shown;

/// A topic as it is put.
#[derive(Serialize)]
struct TopicBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<RetentionView>,
}

/// A subscription as it is put.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'a RawValue>,
    transforms: &'a [PluginName],
    targets: &'a [TargetView],
    raw: bool,
    enabled: bool,
}

impl<'a> From<&'a SubscriptionView> for Body<'a> {
    fn from(SubscriptionView { pattern, transforms, targets, raw, enabled, .. }: &'a SubscriptionView) -> Self {
        Self { pattern: pattern.as_deref(), transforms, targets, raw: *raw, enabled: *enabled }
    }
}

impl Comparison<'_> {
    /// Compares one topic, its subscriptions aside.
    pub(super) fn topic(&mut self, name: &TopicName, wanted: Option<RetentionDocument>) -> Result<(), CommandError> {
        let retention = wanted.map(shown::retention);
        let put = |retention, seen| {
            Ok::<_, CommandError>(Work::Topic { topic: name.clone(), body: json(&TopicBody { retention })?, seen })
        };
        let kept = |it: &RetentionView| format!("keeps {} and {}", it.age, it.size);
        match (self.there.topics.get(name), retention) {
            (None, retention) => {
                let detail = retention.as_ref().map(kept).unwrap_or_default();
                let work = put(retention, None)?;
                self.step(Kind::Topic, name, Action::Add, detail, work);
            }
            (Some(there), Some(retention)) if there.retention != retention => {
                if there.origin == RuleOrigin::File {
                    self.of_file(Kind::Topic, name, Code::BusOfFile, "retention");
                } else {
                    let detail = kept(&retention);
                    let work = put(Some(retention), there.version)?;
                    self.step(Kind::Topic, name, Action::Change, detail, work);
                }
            }
            _ => self.plan.unchanged += 1,
        }
        Ok(())
    }

    /// Compares one subscription.
    pub(super) fn subscription(&mut self, name: &RuleName, wanted: &RuleDocument) -> Result<(), CommandError> {
        let rule = shown::rule(name, wanted).map_err(unshown)?;
        let Some(shown) = shown::subscription(rule) else { return Ok(()) };
        let body = Body::from(&shown);
        let put = |body: &Body<'_>, seen| {
            let (topic, subscription) = (shown.topic.clone(), shown.subscription.clone());
            Ok::<_, CommandError>(Work::Subscription { topic, subscription, body: json(body)?, seen })
        };
        let Some(there) = self.there.subscriptions.get(name) else {
            let targets: Vec<_> = body.targets.iter().map(ToString::to_string).collect();
            let form = if body.raw { "" } else { ", in an envelope" };
            let (detail, work) = (format!("to {}{form}", targets.join(", ")), put(&body, None)?);
            self.step(Kind::Subscription, name, Action::Add, detail, work);
            return Ok(());
        };
        let parts = between(there, &body).join(", ");
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Subscription, name, Code::RuleOfFile, &parts);
        } else {
            let work = put(&body, there.version)?;
            self.step(Kind::Subscription, name, Action::Change, parts, work);
        }
        Ok(())
    }
}

/// What becomes different.
fn between(there: &SubscriptionView, wanted: &Body<'_>) -> Vec<&'static str> {
    let parts = [
        ("pattern", there.pattern.as_ref().map(|it| it.get()) == wanted.pattern.map(RawValue::get)),
        ("transforms", there.transforms == wanted.transforms),
        ("targets", there.targets == wanted.targets),
        (if wanted.raw { "raw" } else { "in an envelope" }, there.raw == wanted.raw),
        (if wanted.enabled { "enabled" } else { "disabled" }, there.enabled == wanted.enabled),
    ];
    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}
