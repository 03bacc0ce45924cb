//! Putting rules into force: durable first, then in use. One at a time, so that rule sets come into use in the order in which
//! they came into force.
//!
//! Invariant: what was begun is ended, even if nobody waits for it any more: between the record and its use, requests of those
//! whose rules changed are refused.

use std::sync::Arc;

use wharf_delivery::{
    Answer, ChangeRequest, Changed, ConfigureRequest, Object, ObjectKind, ObjectName, ObjectWish, Refused, Request,
    RulesRow, TableError, TenantObject, limits::CHANGES_MAX,
};
use wharf_event::TenantName;
use wharf_state::State;

use crate::{
    dispatcher::Dispatcher,
    limits::{OBJECTS_PAGE, SCHEMAS_PAGE},
    mistakes::RulesError,
    partition::{AskError, chain},
    rules::RuleSet,
};

/// Why a configuration did not come into force.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// It does not go together with what was made while the host ran.
    #[error("made by the API, and not possible with this configuration: {0}")]
    Rules(RulesError),
    /// The log or the state failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Why control objects did not change.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChangeError {
    /// They cannot be put to use.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// They were refused, or the log or the state failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

impl ChangeError {
    /// Whether an object was not what it was taken to be.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Ask(AskError::Refused(Refused::ObjectChanged { .. })))
    }
}

impl Dispatcher {
    /// Puts a configuration into force, beside the control objects that there are. An equal one changes nothing.
    ///
    /// # Errors
    /// When an object cannot be put to use with it, the log failed, or it cannot be written as JSON.
    pub async fn configure(&self, rules: RuleSet) -> Result<u64, ConfigureError> {
        let this = self.clone();
        ended(tokio::spawn(async move { this.configured(rules).await })).await?
    }

    async fn configured(&self, rules: RuleSet) -> Result<u64, ConfigureError> {
        let _turn = self.attempts.configuring.write().await;
        let document = serde_json::to_vec(rules.document()).map_err(failed)?;
        let rules = self.with_objects(rules.on_shelf(self.attempts.shelf.clone())).await?;
        let in_force = self.read(|state| RulesRow::get(state, &[])).await?.map_err(failed)?;
        let before = self.rules();
        let configured = in_force.as_ref().and_then(|row| serde_json::from_slice(&row.document).ok());
        let rules = rules.after(&before, configured.as_ref());
        let (version, is_new) = match in_force {
            Some(row) if row.document == document => (row.version, false),
            _ => match self.ask(Request::Configure(ConfigureRequest { document: document.into() })).await? {
                Answer::Configured { version } => (version, true),
                _ => return Err(AskError::Stopping.into()),
            },
        };
        // What changed since an equal configuration came into force is still the newest that the sequencer knows.
        self.use_rules(rules.with_version(version, |tenant| if is_new { 0 } else { before.version_of(tenant) }));
        Ok(version)
    }

    /// A rule set with all control objects of its tenants: plugins first, since rules name them.
    async fn with_objects(&self, mut rules: RuleSet) -> Result<RuleSet, ConfigureError> {
        let objects = self.read(tenant_rows).await?.map_err(failed)?;
        for (tenant, object) in &objects {
            let objects = [(ObjectKind::Tenant, &object.name, Some(&object.document))];
            rules = rules.with(tenant, objects).map_err(ConfigureError::Rules)?;
        }
        for tenant in rules.tenants() {
            for (kind, rows) in [
                (ObjectKind::Bus, OBJECTS_PAGE),
                (ObjectKind::Webhook, OBJECTS_PAGE),
                (ObjectKind::Queue, OBJECTS_PAGE),
                (ObjectKind::Plugin, OBJECTS_PAGE),
                (ObjectKind::Rule, OBJECTS_PAGE),
                (ObjectKind::Schema, SCHEMAS_PAGE),
                (ObjectKind::Schedule, OBJECTS_PAGE),
                (ObjectKind::Route, OBJECTS_PAGE),
            ] {
                let mut after = None;
                loop {
                    let page = |state: &_| Object::page(state, &tenant, kind, after.as_ref(), rows);
                    let page = self.read(page).await?.map_err(failed)?;
                    let Some(last) = page.last() else { break };
                    let objects = page.iter().map(|object| (kind, &object.name, Some(&object.document)));
                    rules = rules.with(&tenant, objects).map_err(ConfigureError::Rules)?;
                    after = Some(last.name.clone());
                }
            }
        }
        Ok(rules)
    }

    /// Changes control objects of a tenant: all of them or none. What is wished and is so already changes nothing.
    ///
    /// # Errors
    /// When one of them cannot be put to use, is not what it was taken to be, or the log failed.
    pub async fn change(&self, tenant: &TenantName, wishes: Vec<ObjectWish>) -> Result<Changed, ChangeError> {
        let (this, tenant) = (self.clone(), tenant.clone());
        ended(tokio::spawn(async move { this.changed(tenant, wishes).await })).await?
    }

    async fn changed(&self, tenant: TenantName, wishes: Vec<ObjectWish>) -> Result<Changed, ChangeError> {
        assert!(wishes.len() <= CHANGES_MAX, "whoever asks keeps a request's changes within bounds");
        let _turn = self.attempts.configuring.write().await;
        let now = |wish: &ObjectWish| (wish.kind, wish.name.clone(), wish.document.clone());
        let objects: Vec<_> = wishes.iter().map(now).collect();
        let before = self.rules();
        let rules = before.with(&tenant, objects.iter().map(|(kind, name, now)| (*kind, name, now.as_ref())))?;
        let request = ChangeRequest { tenant: tenant.clone(), wishes };
        let Answer::Changed(changed) = self.ask(Request::Change(request)).await? else {
            return Err(AskError::Stopping.into());
        };
        if changed.rules_version != before.version_of(&tenant) {
            self.use_rules(rules.with_version_of(&tenant, changed.rules_version));
        }
        Ok(changed)
    }

    async fn ask(&self, request: Request) -> Result<Answer, AskError> {
        self.attempts.partition.ask(request).await
    }

    fn use_rules(&self, rules: RuleSet) {
        self.attempts.rules.send_replace(Arc::new(rules));
    }
}

fn failed(error: impl std::error::Error) -> AskError {
    AskError::Failed(chain(&error))
}

/// What a task of this module gave.
async fn ended<T>(task: tokio::task::JoinHandle<T>) -> Result<T, AskError> {
    task.await.map_err(failed)
}

/// The objects of tenants, as they are in the state.
fn tenant_rows(state: &State) -> Result<Vec<(TenantName, Object)>, TableError> {
    let mut rows = Vec::new();
    for (tenant, _) in TenantObject::all(state)? {
        let name = ObjectName::from(&tenant);
        rows.extend(Object::get(state, &tenant, ObjectKind::Tenant, &name)?.map(|object| (tenant, object)));
    }
    Ok(rows)
}
