//! Port: tenants and their event buses.
//!
//! Invariant: what stands in the configuration file is read here and never changed.

use std::sync::Arc;

use bytes::Bytes;
use wharf_delivery::{
    BusDocument, Expected as Taken, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, RetentionDocument,
    TenantObject, TenantSettings, sizes,
};
use wharf_dispatch::{ChangeError, Origin, RulesError, Unknown};
use wharf_event::{BusName, Code, Position, TenantName};
use wharf_gateway::{
    BusRef, Expected, Put, Refusal, Tenants,
    view::{BusView, RetentionView, RuleOrigin, TenantSettingsView, TenantView, TenantsView},
};

use super::{HostAdapter, not_asked, page::is_behind, registry, rules, unknown, was_read};
use crate::config::{duration_text, read_bus, read_tenant_settings, size_text};

impl Tenants for HostAdapter {
    fn tenants(&self) -> TenantsView {
        let set = self.dispatcher.rules();
        let tenants = set.tenants();
        let suspended = tenants.iter().filter(|tenant| set.settings(tenant).suspended).cloned().collect();
        let default = set.document().default_tenant.clone();
        TenantsView { default, suspended, deleting: set.deleting(), tenants }
    }

    async fn tenant(&self, tenant: &TenantName) -> Result<TenantView, Refusal> {
        let set = self.dispatcher.rules();
        let origin = set.origin(tenant).ok_or_else(|| unknown(&Unknown::Tenant(tenant.clone())))?;
        let version = match origin {
            Origin::File => None,
            Origin::Object => self.version(tenant, ObjectKind::Tenant, ObjectName::from(tenant)).await?,
        };
        Ok(tenant_view(tenant, origin, version, &set.settings(tenant)))
    }

    async fn put_tenant(
        &self,
        tenant: TenantName,
        settings: Bytes,
        expected: Expected,
    ) -> Result<Put<TenantView>, Refusal> {
        let settings = read_tenant_settings(&settings, &tenant).map_err(rules::wrong)?;
        let name = ObjectName::from(&tenant);
        loop {
            let set = self.dispatcher.rules();
            let known = set.has_tenant(&tenant);
            let of = |state: &_| Object::get(state, &tenant, ObjectKind::Tenant, &name);
            let held = was_read(self.dispatcher.read(of).await)?;
            // One that is gone is none, to whoever asks.
            must_hold(expected, held.as_ref().filter(|_| known), &format!("tenant `{tenant}`"))?;
            let before = held.as_ref().map(document).transpose()?;
            let TenantObject { since_k, mut resumed_ms, settings: rested, .. } = before.unwrap_or_default();
            if rested.suspended && !settings.suspended {
                resumed_ms = self.dispatcher.now_ms();
            }
            let object = TenantObject { settings: settings.clone(), since_k, resumed_ms, ..TenantObject::default() };
            let there = held.map_or(Taken::Absent, |held| Taken::Version(held.version));
            match self.put_object(&tenant, (ObjectKind::Tenant, name.clone()), &object, there).await {
                Ok(fate) => {
                    let now = tenant_view(&tenant, Origin::Object, fate.version(), &settings);
                    return Ok(Put { now, created: !known });
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }

    async fn delete_tenant(&self, tenant: TenantName, expected: Expected) -> Result<(), Refusal> {
        self.known(&tenant)?;
        let releases = self.registry.objects(&tenant, ObjectKind::Release).await;
        let releases = releases.map_err(|error| registry::broken(&error))?;
        let models = self.registry.versions(&tenant).await.map_err(|error| registry::broken(&error))?;
        let _shelving = self.registry.shelving.lock().await;
        let taken = match expected {
            // There is a document under its name, be it of one that is long gone.
            Expected::Any => Taken::Present,
            expected => rules::taken(expected),
        };
        if self.dispatcher.rules().origin(&tenant) == Some(Origin::File) {
            let detail = format!(
                "tenant `{tenant}` stands in the configuration file: remove it there, and start the host again"
            );
            return Err(Refusal::new(Code::TenantOfFile, detail));
        }
        let deleted = tenant.clone();
        let erased = self.dispatcher.delete_tenant(&tenant, taken).await.map_err(|error| not_changed(&error))?;
        self.registry.preparing.let_go(&deleted);
        self.outside.own_models().forget_tenant(&deleted);
        self.registry.unshelve();
        let registry = Arc::clone(&self.registry);
        tokio::spawn(async move {
            // What the tenant had names its components and models to the end.
            if !erased.await.unwrap_or(false) {
                return;
            }
            for (_, release) in releases.iter().filter_map(|release| release.name.release()) {
                if let Err(error) = registry.forget(&release).await {
                    tracing::warn!(%release, "a component that nothing names stays until the next start: {error:#}");
                }
            }
            let _files = registry.files.lock().await;
            registry.forget_models(models).await;
        });
        Ok(())
    }

    async fn buses(&self, tenant: &TenantName, after: Option<BusName>, limit: u32) -> Result<Vec<BusView>, Refusal> {
        self.known(tenant)?;
        let set = self.dispatcher.rules();
        let mut buses = Vec::new();
        let behind = set.buses(tenant).filter(|(bus, ..)| is_behind(*bus, after.as_ref()));
        for (bus, origin, retention) in behind.take(limit as usize) {
            let document = BusDocument { backlog: set.bus_backlog(tenant, bus), ..BusDocument::keeping(retention) };
            let version = self.bus_version(tenant, bus, origin).await?;
            buses.push(bus_view(bus, (origin, version), document, self.bus_waiting(tenant, bus).await?));
        }
        Ok(buses)
    }

    async fn bus(&self, of: BusRef) -> Result<BusView, Refusal> {
        let set = self.dispatcher.rules();
        set.check_bus(&of.tenant, &of.bus).map_err(|error| unknown(&error))?;
        let found = set.buses(&of.tenant).find(|(bus, ..)| **bus == of.bus);
        let (_, origin, retention) = found.ok_or_else(|| unknown_bus(&of))?;
        let backlog = set.bus_backlog(&of.tenant, &of.bus);
        let document = BusDocument { backlog, ..BusDocument::keeping(retention) };
        let version = self.bus_version(&of.tenant, &of.bus, origin).await?;
        let waiting = self.bus_waiting(&of.tenant, &of.bus).await?;
        Ok(bus_view(&of.bus, (origin, version), document, waiting))
    }

    async fn put_bus(&self, of: BusRef, settings: Bytes, expected: Expected) -> Result<Put<BusView>, Refusal> {
        self.known(&of.tenant)?;
        let document = read_bus(&settings, &of.bus).map_err(rules::wrong)?;
        let is_new = self.dispatcher.rules().check_bus(&of.tenant, &of.bus).is_err();
        let named = (ObjectKind::Bus, ObjectName::from(&of.bus));
        let put = self.put_object(&of.tenant, named, &document, rules::taken(expected)).await;
        let fate = put.map_err(|error| not_changed(&error))?;
        let waiting = self.bus_waiting(&of.tenant, &of.bus).await?;
        Ok(Put { now: bus_view(&of.bus, (Origin::Object, fate.version()), document, waiting), created: is_new })
    }

    async fn remove_bus(&self, of: BusRef, expected: Expected) -> Result<(), Refusal> {
        self.dispatcher.rules().check_bus(&of.tenant, &of.bus).map_err(|error| unknown(&error))?;
        let (name, expected) = (ObjectName::from(&of.bus), rules::taken(expected));
        let wish = ObjectWish { kind: ObjectKind::Bus, name, document: None, expected };
        let changed = self.dispatcher.change(&of.tenant, vec![wish]).await;
        match changed.map_err(|error| not_changed(&error))?.objects.first() {
            Some(ObjectFate::Removed) => Ok(()),
            // The bus that every tenant has, as it is where nobody says anything.
            _ => Err(Refusal::new(Code::BusInUse, format!("every tenant has the bus `{}`", of.bus))),
        }
    }
}

impl HostAdapter {
    async fn version(
        &self,
        tenant: &TenantName,
        kind: ObjectKind,
        name: ObjectName,
    ) -> Result<Option<Position>, Refusal> {
        let found = was_read(self.dispatcher.read(|state| Object::get(state, tenant, kind, &name)).await)?;
        Ok(found.map(|object| object.version))
    }

    /// Deliveries of events of a bus that wait.
    async fn bus_waiting(&self, tenant: &TenantName, bus: &BusName) -> Result<u64, Refusal> {
        was_read(self.dispatcher.read(|state| sizes::bus_backlog(state, tenant, bus)).await)
    }

    pub(super) async fn bus_version(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        origin: Origin,
    ) -> Result<Option<Position>, Refusal> {
        match origin {
            Origin::File => Ok(None),
            Origin::Object => self.version(tenant, ObjectKind::Bus, ObjectName::from(bus)).await,
        }
    }

    pub(super) async fn put_object(
        &self,
        tenant: &TenantName,
        (kind, name): (ObjectKind, ObjectName),
        document: &impl serde::Serialize,
        expected: Taken,
    ) -> Result<ObjectFate, ChangeError> {
        let document = serde_json::to_vec(document);
        let document = document.map_err(|error| wharf_dispatch::AskError::Failed(error.to_string()))?;
        let wish = ObjectWish { kind, name, document: Some(document.into()), expected };
        let changed = self.dispatcher.change(tenant, vec![wish]).await?;
        let fate = changed.objects.into_iter().next();
        Ok(fate.unwrap_or(ObjectFate::Absent))
    }
}

/// What whoever asks takes an object to be has to be so.
pub(super) fn must_hold(expected: Expected, held: Option<&Object>, what: &str) -> Result<(), Refusal> {
    let version = held.map(|held| held.version);
    let holds = match expected {
        Expected::Any => true,
        Expected::Absent => version.is_none(),
        Expected::Present => version.is_some(),
        Expected::Version(wanted) => version == Some(wanted),
    };
    match (holds, version) {
        (true, _) => Ok(()),
        (false, Some(version)) => {
            Err(Refusal::new(Code::VersionConflict, format!("there is a {what} of version {version}")))
        }
        (false, None) => Err(Refusal::new(Code::VersionConflict, format!("there is no {what}"))),
    }
}

fn document(object: &Object) -> Result<TenantObject, Refusal> {
    serde_json::from_slice(&object.document).map_err(|error| {
        tracing::error!("a tenant in the state cannot be read: {error}");
        Refusal::new(Code::Internal, "a tenant in the state cannot be read")
    })
}

pub(super) fn not_changed(error: &ChangeError) -> Refusal {
    match error {
        ChangeError::Ask(error) => not_asked(error),
        ChangeError::Rules(RulesError::Tenant(error)) => unknown(error),
        ChangeError::Rules(error) => Refusal::new(error.code(), error.to_string()),
    }
}

fn unknown_bus(of: &BusRef) -> Refusal {
    unknown(&Unknown::Bus(of.tenant.clone(), of.bus.clone()))
}

pub(super) fn made(origin: Origin) -> RuleOrigin {
    match origin {
        Origin::File => RuleOrigin::File,
        Origin::Object => RuleOrigin::Api,
    }
}

fn tenant_view(
    tenant: &TenantName,
    origin: Origin,
    version: Option<Position>,
    settings: &TenantSettings,
) -> TenantView {
    TenantView { tenant: tenant.clone(), origin: made(origin), version, settings: self::settings(settings) }
}

/// What holds for a tenant as a whole.
pub fn settings(settings: &TenantSettings) -> TenantSettingsView {
    let quotas = settings.quotas;
    TenantSettingsView {
        suspended: settings.suspended,
        ceiling: settings.ceiling.clone(),
        signatures: settings.signatures,
        weight: settings.weight,
        concurrency: settings.concurrency,
        memory_mib: settings.memory_mib,
        kv_size: quotas.kv_bytes.map(size_text),
        upload_size: quotas.upload_bytes.map(size_text),
        backlog: quotas.backlog,
        receive_per_s: quotas.receive_per_s,
        publish_per_s: quotas.publish_per_s,
        cpu_per_hour: quotas.cpu_ms_per_hour.map(duration_text),
        bytes_per_hour: quotas.bytes_per_hour.map(size_text),
        host_calls_per_hour: quotas.host_calls_per_hour,
    }
}

fn bus_view(
    bus: &BusName,
    (origin, version): (Origin, Option<Position>),
    document: BusDocument,
    waiting: u64,
) -> BusView {
    let (retention, backlog) = (self::retention(document.retention()), document.backlog);
    BusView { bus: bus.clone(), origin: made(origin), version, retention, backlog, waiting }
}

/// How long a bus keeps its events.
pub fn retention(retention: RetentionDocument) -> RetentionView {
    RetentionView { age: duration_text(retention.age_ms), size: size_text(retention.size_bytes) }
}
