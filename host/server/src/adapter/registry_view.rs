//! Plugins, releases and channels as the API shows them.

use std::collections::BTreeMap;

use wharf_catalog::{Action, Canary, Channels, Entry, PluginObject, ReleaseObject};
use wharf_delivery::{BreakerDocument, LimitsDocument};
use wharf_dispatch::{BreakerFigures, rfc3339};
use wharf_event::{Digest, Grants, PluginName, Position};
use wharf_gateway::view::{
    BreakerStanding, BreakerState, BreakerView, CanaryView, GrantsView, HistoryView, LimitView, PluginDetail,
    PluginView, ReleaseFailure, ReleaseState, ReleaseView, RuleOrigin,
};

use super::grants::Standing;
use crate::{config::duration_text, registry::Progress};

/// First attempts and failures of the canary and of the stable release.
pub(super) type Counts = Option<[(u64, u64); 2]>;

pub(super) fn plugin(name: &PluginName, channels: Option<&Channels>, counts: Counts) -> PluginView {
    PluginView {
        plugin: name.clone(),
        origin: RuleOrigin::Api,
        stable: channels.map(Channels::stable),
        canary: channels.and_then(Channels::canary).map(|on_trial| canary(on_trial, counts)),
    }
}

pub(super) fn of_file(name: &PluginName, release: Digest) -> PluginView {
    PluginView { plugin: name.clone(), origin: RuleOrigin::File, stable: Some(release), canary: None }
}

fn canary(canary: &Canary, counts: Counts) -> CanaryView {
    let [(attempts, failures), (stable_attempts, stable_failures)] = counts.unwrap_or_default();
    CanaryView {
        release: canary.release,
        share: canary.share.to_string(),
        since: rfc3339(canary.since_ms),
        until: canary.for_ms.map(|ms| rfc3339(canary.since_ms.saturating_add(ms))),
        abort_on: canary.abort_on.iter().map(ToString::to_string).collect(),
        attempts,
        failures,
        stable_attempts,
        stable_failures,
    }
}

pub(super) fn detail(plugin: PluginView, version: Option<Position>, object: &PluginObject) -> PluginDetail {
    let channels = object.channels.as_ref();
    let named = channels.into_iter().flat_map(Channels::named_channels);
    PluginDetail {
        plugin,
        version,
        config: object.config.clone(),
        grants: grants(&object.grants),
        limits: limits(&object.limits),
        breaker: object.breaker.as_ref().map(breaker),
        breaker_state: None,
        channels: named.map(|(name, release)| (name.to_string(), release)).collect(),
        history: channels.into_iter().flat_map(Channels::history).map(entry).collect(),
    }
}

/// What a plugin may use.
pub fn grants(of: &Grants) -> GrantsView {
    let publish = of.publish.iter().map(ToString::to_string).collect();
    let http = of.http.iter().map(ToString::to_string).collect();
    let secrets = of.secrets.iter().map(ToString::to_string).collect();
    let llm = of.llm.iter().map(ToString::to_string).collect();
    let infer = of.infer.iter().map(ToString::to_string).collect();
    let hold = of.hold.iter().map(ToString::to_string).collect();
    GrantsView { publish, kv: of.kv.iter().map(ToString::to_string).collect(), http, secrets, llm, infer, hold }
}

/// All limits by their names in the configuration file.
pub fn limits(of: &LimitsDocument) -> BTreeMap<String, LimitView> {
    // A document leaves this out where it is the default.
    let quarantine = LimitView::Word(of.quarantine.as_str().to_owned());
    let mut all = BTreeMap::from([("quarantine".to_owned(), quarantine)]);
    let of = serde_json::to_value(LimitsShown { limits: of, host: &of.host }).unwrap_or_default();
    for part in ["limits", "host"] {
        let members = of.get(part).and_then(serde_json::Value::as_object).into_iter().flatten();
        let number = |value: &serde_json::Value| Some(LimitView::Number(u32::try_from(value.as_u64()?).ok()?));
        all.extend(members.filter_map(|(name, value)| Some((name.clone(), number(value)?))));
    }
    all
}

/// When a target is given a rest.
pub fn breaker(of: &BreakerDocument) -> BreakerView {
    BreakerView {
        enabled: of.enabled,
        failures: of.failures,
        share: of.share,
        calls: of.calls,
        within: duration_text(of.within_ms),
        open: duration_text(of.open_ms),
        open_max: duration_text(of.open_max_ms),
    }
}

/// Where a breaker stands, at a frame time.
pub(super) fn breaker_standing(of: BreakerFigures, now_ms: u64) -> BreakerStanding {
    let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (code, reason) = of.last.map_or((None, None), |(code, reason)| (Some(code), Some(reason)));
    BreakerStanding {
        state: match of.state {
            wharf_dispatch::BreakerState::Closed => BreakerState::Closed,
            wharf_dispatch::BreakerState::Open => BreakerState::Open,
            wharf_dispatch::BreakerState::HalfOpen => BreakerState::HalfOpen,
        },
        failures: of.failures,
        openings: of.openings,
        since: of.open_for.map(|open_for| rfc3339(now_ms.saturating_sub(ms(open_for)))),
        probe_at: of.probe_in.map(|probe_in| rfc3339(now_ms.saturating_add(ms(probe_in)))),
        code,
        reason,
    }
}

#[derive(serde::Serialize)]
struct LimitsShown<'a> {
    limits: &'a LimitsDocument,
    host: &'a wharf_delivery::HostLimits,
}

pub(super) fn entry(entry: &Entry) -> HistoryView {
    let (share, from) = match entry.action {
        Action::CanaryStarted { share, .. } | Action::CanaryWidened { share, .. } => (Some(share.to_string()), None),
        Action::RolledBack { from, .. } => (None, Some(from)),
        Action::Promoted { .. } | Action::CanaryEnded { .. } | Action::ChannelClosed { .. } => (None, None),
    };
    HistoryView {
        at: rfc3339(entry.at_ms),
        action: entry.action.as_str().to_owned(),
        release: entry.action.release(),
        channel: entry.channel.clone(),
        share,
        from,
        cause: entry.cause.as_str().to_owned(),
        reason: entry.reason.clone(),
    }
}

/// A release that is in the log. It waits where it asks for more than its plugin may use.
pub(super) fn recorded(release: Digest, object: ReleaseObject, standing: &Standing) -> ReleaseView {
    let missing = standing.missing(&object.asks).told();
    let waits = !missing.is_empty();
    ReleaseView {
        release,
        state: if waits { ReleaseState::NeedsGrant } else { ReleaseState::Ready },
        bytes: object.bytes,
        at: rfc3339(object.at_ms),
        version: object.version,
        message: object.message,
        world: Some(object.world),
        imports: object.capabilities,
        asks: object.asks.all().told(),
        missing,
        new: if waits { standing.new_in(&object.asks).told() } else { Vec::new() },
        signed_by: standing.signed_by(&release, &object.signatures),
        failure: None,
    }
}

pub(super) fn on_its_way(release: Digest, progress: Progress) -> ReleaseView {
    ReleaseView {
        release,
        state: progress.state,
        bytes: progress.bytes,
        at: rfc3339(progress.at_ms),
        version: progress.note.version,
        message: progress.note.message,
        world: None,
        imports: Vec::new(),
        asks: Vec::new(),
        missing: Vec::new(),
        new: Vec::new(),
        signed_by: None,
        failure: progress.failure.map(|(code, detail)| ReleaseFailure { code, detail }),
    }
}
