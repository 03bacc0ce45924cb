//! Tenants and event buses: made where a host has them not, and what is said of them changed.
//!
//! Invariant: what the file does not say of a tenant as a whole, or of how long a bus keeps its events and how much of it may wait, stays as it is: neither is anybody let go
//! on by a file that says nothing of it, nor are events lost.

use serde::Serialize;
use serde_json::{Map, Value};
use wharf_delivery::RetentionDocument;
use wharf_event::{BusName, Code, TenantName};
use wharf_gateway::view::{RetentionView, RuleOrigin};

use super::{
    super::{error::CommandError, words::clipped},
    compare::{Comparison, json},
    plan::{Action, Kind, Object, Trouble, Work},
};
use crate::{adapter::shown, client::ClientError, config::DEFAULT_BUS, project::Wanted};

/// A bus as it is put.
#[derive(Serialize)]
struct BusBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<RetentionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<u32>,
}

/// The host has no such tenant, and nobody wants to make one.
pub fn no_tenant(tenant: &TenantName) -> Trouble {
    Trouble {
        object: Object { tenant: tenant.clone(), kind: Kind::Tenant, name: tenant.to_string() },
        code: Code::TenantUnknown,
        message: format!("the host has no tenant `{tenant}`"),
        help: format!("make it: wharf tenant create {tenant}"),
    }
}

impl Comparison<'_> {
    /// The tenant as a whole.
    pub fn whole(&mut self, wanted: &Wanted) -> Result<(), CommandError> {
        let name = self.tenant.clone();
        let said = said(wanted)?;
        let Some(there) = &self.there.tenant else {
            let settings: Map<String, Value> =
                said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
            let detail: Vec<_> = settings.iter().map(|(key, value)| format!("{key} {}", text(Some(value)))).collect();
            let work = Work::Tenant { body: json(&settings)?, seen: None };
            self.step(Kind::Tenant, &name, Action::Add, detail.join(", "), work);
            return Ok(());
        };
        let (mut settings, mut parts) = (there.settings.clone(), Vec::new());
        for (key, value) in said {
            let old = settings.get(key);
            if old != value.as_ref() {
                parts.push(format!("{key} {} -> {}", text(old), text(value.as_ref())));
            }
            match value {
                Some(value) => settings.insert(key.to_owned(), value),
                None => settings.remove(key),
            };
        }
        let parts = parts.join(", ");
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Tenant, &name, Code::TenantOfFile, &parts);
        } else {
            let work = Work::Tenant { body: json(&settings)?, seen: there.version };
            self.step(Kind::Tenant, &name, Action::Change, parts, work);
        }
        Ok(())
    }

    /// One event bus: how long it keeps its events, and how much of it may wait, where that is said.
    pub fn bus(
        &mut self,
        name: &BusName,
        (retention, backlog): (Option<RetentionDocument>, Option<u32>),
    ) -> Result<(), CommandError> {
        let retention = retention.map(shown::retention);
        let there = self.there.buses.get(name);
        let Some(there) = there else {
            if retention.is_none() && backlog.is_none() && name.as_str() == DEFAULT_BUS {
                // It comes with the tenant.
                return Ok(());
            }
            let kept = retention.as_ref().map(|it| format!("keeps {} and {}", it.age, it.size));
            let parts: Vec<_> = kept.into_iter().chain(backlog.map(|most| format!("backlog {most}"))).collect();
            let work = Work::Bus { bus: name.clone(), body: json(&BusBody { retention, backlog })?, seen: None };
            self.step(Kind::Bus, name, Action::Add, parts.join(", "), work);
            return Ok(());
        };
        let mut parts = retention.as_ref().map(|wanted| between(&there.retention, wanted)).unwrap_or_default();
        if let Some(most) = backlog.filter(|most| there.backlog != Some(*most)) {
            let was = there.backlog.map_or_else(|| "none".to_owned(), |most| most.to_string());
            parts.push(format!("backlog {was} -> {most}"));
        }
        let parts = parts.join(", ");
        if parts.is_empty() {
            self.plan.unchanged += 1;
        } else if there.origin == RuleOrigin::File {
            self.of_file(Kind::Bus, name, Code::BusOfFile, &parts);
        } else {
            // What is not said stays.
            let retention = Some(retention.unwrap_or_else(|| there.retention.clone()));
            let (body, seen) = (json(&BusBody { retention, backlog: backlog.or(there.backlog) })?, there.version);
            let work = Work::Bus { bus: name.clone(), body, seen };
            self.step(Kind::Bus, name, Action::Change, parts, work);
        }
        Ok(())
    }
}

/// What is said of a tenant as a whole, as the API has it; a setting that is as if it were not said has no value.
fn said(wanted: &Wanted) -> Result<Vec<(&'static str, Option<Value>)>, CommandError> {
    let all = serde_json::to_value(shown::settings(&wanted.settings)).map_err(ClientError::NotUnderstood)?;
    Ok(wanted.settings_said.iter().map(|key| (*key, all.get(key).cloned())).collect())
}

fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| clipped(&value.to_string()))
}

fn between(there: &RetentionView, wanted: &RetentionView) -> Vec<String> {
    let parts = [("age", &there.age, &wanted.age), ("size", &there.size, &wanted.size)];
    let parts = parts.into_iter().filter(|(_, old, new)| old != new);
    parts.map(|(what, old, new)| format!("{what} {} -> {new}", clipped(old))).collect()
}
