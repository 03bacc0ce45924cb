//! What the host itself has to tell a tenant, as events on the tenant's bus: rules match them as they match any other.
//!
//! Invariant: each is told once, however often it takes until the log takes it, since it keeps its id. It is made after what it tells
//! of: a host that is killed in between does not tell it.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use wharf_catalog::{Cause, ColumnDrift};
use wharf_delivery::Refused;
use wharf_event::{
    Code, Digest, Event, EventBuilder, EventError, ModelName, PluginName, RuleName, Target, TenantName, WebhookName,
};

use crate::{
    clock::{FrameClock, rfc3339},
    dispatcher::{AcceptError, Dispatcher},
    limits::{DRIFTED_TOLD_MAX, NOTICE_PAUSE},
    partition::{AskError, chain},
    sample, watched as watch,
};

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Notice {
    /// A release is not run any more.
    Quarantined {
        tenant: TenantName,
        plugin: PluginName,
        release: Digest,
        /// Attempts in which the host failed, close together.
        faults: usize,
    },
    /// A webhook is off, since nothing but failures came, or since its receiver wants nothing more.
    WebhookDisabled {
        tenant: TenantName,
        webhook: WebhookName,
        /// Since when it failed, in milliseconds since 1970.
        since_ms: u64,
        /// What the last attempt ended with.
        code: Code,
        reason: String,
        /// The rule, or the subscription of a topic, that the last event was sent for.
        rule: RuleName,
        /// The last event that was not taken.
        sample: Box<Event>,
    },
    /// A release on trial gets no more traffic.
    RolledBack {
        tenant: TenantName,
        plugin: PluginName,
        release: Digest,
        stable: Digest,
        cause: String,
        reason: String,
    },
    /// A model's version on trial answers nobody any more.
    ModelRolledBack { tenant: TenantName, model: ModelName, version: Digest, stable: Digest, reason: String },
    /// What a model is asked about is not what it was trained with.
    Drifted { tenant: TenantName, model: ModelName, drifted: Box<Drifted> },
    /// A target's breaker opened: its deliveries wait.
    Opened {
        tenant: TenantName,
        target: Target,
        /// Attempts that failed in a row.
        row: u32,
        /// Attempts of late, and those of them that failed.
        calls: u32,
        failed: u32,
        /// The last failure.
        last: Option<(Code, String)>,
        /// How long it is until one delivery is tried.
        open_ms: u64,
    },
    /// A target's breaker closed: its deliveries are tried as ever.
    Closed {
        tenant: TenantName,
        target: Target,
        /// `probe`: a delivery was tried and the target worked; `changed`: the target is another one.
        cause: &'static str,
        open_for: Duration,
    },
}

impl Notice {
    fn tenant(&self) -> &TenantName {
        match self {
            Self::Quarantined { tenant, .. }
            | Self::RolledBack { tenant, .. }
            | Self::WebhookDisabled { tenant, .. }
            | Self::ModelRolledBack { tenant, .. }
            | Self::Drifted { tenant, .. }
            | Self::Opened { tenant, .. }
            | Self::Closed { tenant, .. } => tenant,
        }
    }

    /// The event that tells it, which came about at a time in milliseconds since 1970.
    fn event(&self, deliveries: &str, at_ms: u64) -> Result<Event, EventError> {
        let (kind, plugin, release, data) = match self {
            Self::WebhookDisabled { webhook, since_ms, code, reason, rule, sample, .. } => {
                let (sent_for, name) = rule.told();
                let topic = rule.subscription().map(|(topic, _)| topic);
                let data = json!({
                    "webhook": webhook, "failing_since": rfc3339(*since_ms), "code": code, "reason": reason,
                    "deliveries": "wait", "topic": topic, sent_for: name,
                    "sample": sample::sample(sample), "sample_cut": sample::cut(sample),
                });
                return of_webhook(webhook, at_ms, &data);
            }
            Self::Drifted { model, drifted, .. } => {
                return of_model("drifted", (model, &drifted.version), &of_drift(model, drifted), at_ms);
            }
            Self::ModelRolledBack { model, version, stable, reason, .. } => {
                let data = json!({
                    "model": model, "version": version, "stable": stable, "cause": Cause::Judgement.as_str(), "reason": reason,
                });
                return of_model("rolled-back", (model, version), &data, at_ms);
            }
            Self::Opened { target, row, calls, failed, last, open_ms, .. } => {
                let (code, reason) = last.clone().map_or((None, None), |(code, reason)| (Some(code), Some(reason)));
                let data = json!({
                    "failures": row, "calls": calls, "failed": failed, "open_ms": open_ms, "code": code, "reason": reason,
                });
                return of_target("open", target, data, at_ms);
            }
            Self::Closed { target, cause, open_for, .. } => {
                let open_ms = u64::try_from(open_for.as_millis()).unwrap_or(u64::MAX);
                return of_target("closed", target, json!({ "cause": cause, "open_ms": open_ms }), at_ms);
            }
            Self::Quarantined { plugin, release, faults, .. } => {
                let reason = format!("the host failed in {faults} attempts of the release within an hour");
                let data = json!({ "faults": faults, "reason": reason, "deliveries": deliveries });
                ("quarantined", plugin, release, data)
            }
            Self::RolledBack { plugin, release, stable, cause, reason, .. } => {
                let data = json!({ "stable": stable, "cause": cause, "reason": reason });
                ("rolled-back", plugin, release, data)
            }
        };
        let mut data = data;
        if let Some(data) = data.as_object_mut() {
            data.insert("plugin".to_owned(), Value::from(plugin.as_str()));
            data.insert("release".to_owned(), Value::from(release.to_string()));
        }
        EventBuilder::new(
            format!("{kind}-{}-{at_ms}", release.short()),
            source(plugin),
            format!("dev.wharf.plugin.{kind}"),
        )
        .subject(plugin.as_str())
        .time(rfc3339(at_ms))
        .datacontenttype("application/json")
        .data(data.to_string())
        .build()
    }
}

/// An event about a webhook that was disabled.
fn of_webhook(webhook: &WebhookName, at_ms: u64, data: &Value) -> Result<Event, EventError> {
    EventBuilder::new(
        format!("disabled-{webhook}-{at_ms}"),
        format!("/wharf/webhooks/{webhook}"),
        "dev.wharf.webhook.disabled".to_owned(),
    )
    .subject(webhook.as_str())
    .time(rfc3339(at_ms))
    .datacontenttype("application/json")
    .data(data.to_string())
    .build()
}

/// What is told of a model whose inputs drifted. Those that did so furthest come first, and no more of them than an event has room for.
fn of_drift(model: &ModelName, drifted: &Drifted) -> Value {
    let Drifted { version, rows, psi, ks, columns } = drifted;
    let mut furthest: Vec<&ColumnDrift> = columns.iter().filter(|column| column.drifted).collect();
    furthest.sort_by(|one, other| other.distances.partial_cmp(&one.distances).unwrap_or(Ordering::Equal));
    let column = |column: &&ColumnDrift| {
        let (psi, ks) = column.distances.unzip();
        json!({ "input": column.input, "column": column.column, "psi": psi, "ks": ks })
    };
    let told: Vec<Value> = furthest.iter().take(DRIFTED_TOLD_MAX).map(column).collect();
    json!({
        "model": model, "version": version, "rows": rows, "bounds": { "psi": psi, "ks": ks },
        "drifted": furthest.len(), "of": columns.len(), "columns": told,
    })
}

/// An event about a version of a model.
fn of_model(
    kind: &str,
    (model, version): (&ModelName, &Digest),
    data: &Value,
    at_ms: u64,
) -> Result<Event, EventError> {
    EventBuilder::new(
        format!("{kind}-{model}-{}-{at_ms}", version.short()),
        format!("/wharf/models/{model}"),
        format!("dev.wharf.model.{kind}"),
    )
    .subject(model.as_str())
    .time(rfc3339(at_ms))
    .datacontenttype("application/json")
    .data(data.to_string())
    .build()
}

/// What is told of a target.
fn of_target(kind: &str, target: &Target, mut data: Value, at_ms: u64) -> Result<Event, EventError> {
    if let Some(data) = data.as_object_mut() {
        data.insert("target".to_owned(), Value::from(target.to_string()));
        data.insert("kind".to_owned(), Value::from(target.kind()));
    }
    let source = format!("/wharf/{}s/{}", target.kind(), target.name());
    EventBuilder::new(format!("{kind}-{}-{at_ms}", target.name()), source, format!("dev.wharf.target.{kind}"))
        .subject(target.to_string())
        .time(rfc3339(at_ms))
        .datacontenttype("application/json")
        .data(data.to_string())
        .build()
}

/// What the host's events about a plugin come from.
fn source(plugin: &PluginName) -> String {
    format!("/wharf/plugins/{plugin}")
}

/// What is told of a model whose inputs drifted.
#[derive(Clone, Debug, PartialEq)]
pub struct Drifted {
    /// The version that was asked.
    pub version: Digest,
    /// Rows that were held against the baseline.
    pub rows: u32,
    /// The largest PSI of a column that did not drift.
    pub psi: f64,
    /// The largest KS of one.
    pub ks: f64,
    /// All columns.
    pub columns: Vec<ColumnDrift>,
}

/// Tells tenants what others than the dispatcher find out.
#[derive(Clone)]
pub struct Teller {
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
    pub(crate) clock: Arc<FrameClock>,
}

impl Teller {
    /// Frame time now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Tells that the inputs of a model drifted, by an event on the tenant's bus.
    pub fn drifted(&self, tenant: TenantName, model: ModelName, drifted: Drifted) {
        // A host that stops tells nobody any more.
        let _ = self.notices.send(Notice::Drifted { tenant, model, drifted: Box::new(drifted) });
    }

    /// Tells that a model's version on trial broke a bound, and that the stable one answers all again.
    pub fn model_rolled_back(
        &self,
        (tenant, model): (TenantName, ModelName),
        (version, stable): (Digest, Digest),
        reason: String,
    ) {
        let _ = self.notices.send(Notice::ModelRolledBack { tenant, model, version, stable, reason });
    }
}

/// The task that tells.
pub(crate) struct Herald {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Herald {
    /// Tells one after the other until the host stops.
    pub(crate) async fn run(mut self) {
        loop {
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            let notice = tokio::select! {
                biased;
                _ = stopped => return,
                notice = self.notices.recv() => notice,
            };
            let Some(notice) = notice else { return };
            self.tell(&notice).await;
        }
    }

    async fn tell(&mut self, notice: &Notice) {
        let tenant = notice.tenant();
        let deliveries = match notice {
            Notice::Quarantined { plugin, .. } => self.dispatcher.rules().on_quarantine(tenant, plugin).as_str(),
            _ => "",
        };
        let event = match notice.event(deliveries, self.dispatcher.now_ms()) {
            Ok(event) => event,
            Err(error) => return tracing::error!(%tenant, "{notice:?} makes no event: {}", chain(&error)),
        };
        loop {
            let Some(bus) = self.dispatcher.rules().main_bus(tenant) else { return };
            let told = self.dispatcher.tell(tenant, &bus, event.clone()).await;
            let refused = match told.map(|answers| answers.into_iter().next()) {
                Ok(Some(Ok(_)) | None) => return,
                Ok(Some(Err(refused))) | Err(AcceptError::Ask(AskError::Refused(refused))) => refused,
                // The tenant or the log is gone.
                Err(error) => return tracing::warn!(%tenant, "{notice:?} is not told: {}", chain(&error)),
            };
            if !matches!(refused, Refused::Overloaded | Refused::DiskFull | Refused::DedupFull) {
                return tracing::warn!(%tenant, "{notice:?} is not told: {refused}");
            }
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            if tokio::time::timeout(NOTICE_PAUSE, stopped).await.is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_about_a_target_says_which_and_why() {
        let (tenant, target): (TenantName, Target) = ("acme".parse().unwrap(), "triage".parse().unwrap());
        let last = Some((Code::HandlerTrap, "unreachable".to_owned()));
        let opened = Notice::Opened {
            tenant: tenant.clone(),
            target: target.clone(),
            row: 10,
            calls: 12,
            failed: 11,
            last,
            open_ms: 10_000,
        };
        let event = opened.event("", 1_780_000_000_000).unwrap();
        assert_eq!(
            (event.kind(), event.source(), event.subject()),
            ("dev.wharf.target.open", "/wharf/plugins/triage", Some("triage"))
        );
        let data: Value = serde_json::from_slice(event.data().unwrap().bytes()).unwrap();
        let wanted = json!({"target": "triage", "kind": "plugin", "failures": 10, "calls": 12, "failed": 11, "open_ms": 10_000,
            "code": "handler-trap", "reason": "unreachable"});
        assert_eq!(data, wanted);
        let closed = Notice::Closed { tenant, target, cause: "probe", open_for: Duration::from_secs(70) };
        let event = closed.event("", 1_780_000_000_000).unwrap();
        let data: Value = serde_json::from_slice(event.data().unwrap().bytes()).unwrap();
        let wanted = json!({"target": "triage", "kind": "plugin", "cause": "probe", "open_ms": 70_000});
        assert_eq!((event.kind(), data), ("dev.wharf.target.closed", wanted));
    }

    #[test]
    fn an_event_about_drift_has_what_drifted_furthest() {
        let column = |n: usize| ColumnDrift {
            input: "x".to_owned(),
            column: format!("c{n}"),
            distances: (n > 0).then_some((n as f64, 0.5)),
            missing: 0,
            drifted: n > 1,
        };
        let (tenant, model): (TenantName, ModelName) = ("acme".parse().unwrap(), "fraud".parse().unwrap());
        let columns = (0..64).map(column).collect();
        let drifted = Drifted { version: Digest::of(b"one"), rows: 1_000, psi: 0.2, ks: 0.3, columns };
        let notice = Notice::Drifted { tenant, model, drifted: Box::new(drifted) };
        let event = notice.event("", 1_780_000_000_000).unwrap();
        assert_eq!(
            (event.kind(), event.source(), event.subject()),
            ("dev.wharf.model.drifted", "/wharf/models/fraud", Some("fraud"))
        );
        let data: Value = serde_json::from_slice(event.data().unwrap().bytes()).unwrap();
        assert_eq!(
            (&data["drifted"], &data["of"], &data["bounds"]),
            (&json!(62), &json!(64), &json!({"psi": 0.2, "ks": 0.3}))
        );
        let told = data["columns"].as_array().unwrap();
        assert_eq!(
            (told.len(), &told[0]),
            (DRIFTED_TOLD_MAX, &json!({"input": "x", "column": "c63", "psi": 63.0, "ks": 0.5}))
        );
    }

    #[test]
    fn an_event_says_of_what_it_is_and_has_the_same_id_each_time() {
        let [release, stable] = [b"one".as_slice(), b"two"].map(Digest::of);
        let (tenant, plugin): (TenantName, PluginName) = ("acme".parse().unwrap(), "triage".parse().unwrap());
        let quarantined = Notice::Quarantined { tenant: tenant.clone(), plugin: plugin.clone(), release, faults: 3 };
        let event = quarantined.event("wait", 1_780_000_000_000).unwrap();
        assert_eq!(event.id(), quarantined.event("wait", 1_780_000_000_000).unwrap().id());
        assert_eq!((event.kind(), event.source()), ("dev.wharf.plugin.quarantined", "/wharf/plugins/triage"));
        let data: Value = serde_json::from_slice(event.data().unwrap().bytes()).unwrap();
        let said = ["plugin", "release", "faults", "deliveries"].map(|name| data[name].clone());
        assert_eq!(said, [json!("triage"), json!(release.to_string()), json!(3), json!("wait")]);
        let (cause, reason) = ("judgement".to_owned(), "error_rate 5% > 2%".to_owned());
        let back = Notice::RolledBack { tenant, plugin, release, stable, cause, reason };
        let event = back.event("", 1_780_000_000_000).unwrap();
        let data: Value = serde_json::from_slice(event.data().unwrap().bytes()).unwrap();
        assert_eq!((event.kind(), &data["stable"]), ("dev.wharf.plugin.rolled-back", &json!(stable.to_string())));
    }
}
