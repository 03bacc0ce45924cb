//! Before rules come into force: the releases that plugins made by the API are called with are put on the shelf.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Bound,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use wharf_catalog::{Channels, ModelObject, PluginObject, ReleaseObject};
use wharf_delivery::{Object, ObjectKind, ObjectName, Table, Tables as _, TenantLife, ValueRow, keys};
use wharf_dispatch::{Callable, RuleSet, Sandboxed, SandboxedBatch, SandboxedHttp, SandboxedTransform};
use wharf_event::{Digest, GrantBounds, TenantName};
use wharf_inspect::needs;
use wharf_runtime::{ComponentFiles as _, Kind, Prepared, Runtime};

use super::Registry;
use crate::progress::Progress;

/// Objects that are read at a time.
const PAGE: usize = 500;

impl Registry {
    /// Makes the releases ready that channels of the plugins of these rules' tenants name.
    ///
    /// # Errors
    /// When the state cannot be read, or a component that is named is not there or cannot be run any more.
    pub async fn restock(&self, rules: &RuleSet, progress: Progress) -> Result<()> {
        let mut missing = BTreeMap::new();
        for tenant in self.tenants(rules).await? {
            for object in self.objects(&tenant, ObjectKind::Plugin).await? {
                let plugin: PluginObject = serde_json::from_slice(&object.document)
                    .with_context(|| format!("plugin {} of tenant {tenant} cannot be read", object.name))?;
                let named = plugin.channels.iter().flat_map(|channels| channels.releases());
                let named = named.filter(|release| self.dispatcher.shelf().get(release).is_none());
                missing.extend(named.map(|release| (release, (tenant.clone(), object.name.clone()))));
            }
        }
        // What this host made ready before and still has compiled is loaded when an event comes.
        let mut left = Vec::new();
        for (release, (tenant, plugin)) in missing {
            match self.at_hand(&tenant, &plugin, release).await? {
                Some(callable) => self.dispatcher.shelf().put(release, callable),
                None => left.push(release),
            }
        }
        let total = left.len();
        for (done, release) in left.into_iter().enumerate() {
            progress.show(&format!("{done} of {total} releases ready"));
            self.shelve(release).await?;
        }
        progress.clear();
        Ok(())
    }

    /// The tenants of a configuration, and those that are control objects.
    async fn tenants(&self, rules: &RuleSet) -> Result<BTreeSet<TenantName>> {
        let objects = self.dispatcher.tenant_objects().await?.into_iter();
        let active = objects.filter(|(_, object)| object.life == TenantLife::Active).map(|(tenant, _)| tenant);
        Ok(rules.tenants().into_iter().chain(active).collect())
    }

    /// A release whose artifact is in the cache.
    async fn at_hand(&self, tenant: &TenantName, plugin: &ObjectName, release: Digest) -> Result<Option<Callable>> {
        let name = ObjectName::of_release(&plugin.as_str().parse()?, &release);
        let object = self.dispatcher.read(|state| Object::get(state, tenant, ObjectKind::Release, &name)).await??;
        let Some(object) = object else { return Ok(None) };
        let object: ReleaseObject = serde_json::from_slice(&object.document)?;
        let prepared = Kind::of_world(&object.world).and_then(|kind| self.runtime.at_hand(kind, release));
        Ok(prepared.map(|prepared| callable(&self.runtime, prepared, object.asks.said)))
    }

    /// Puts a release on the shelf, if it is not there.
    ///
    /// # Errors
    /// When its component is not there or cannot be run.
    pub async fn shelve(&self, release: Digest) -> Result<()> {
        if self.dispatcher.shelf().get(&release).is_some() {
            return Ok(());
        }
        let (components, runtime) = (Arc::clone(&self.components), Arc::clone(&self.runtime));
        let prepared = tokio::task::spawn_blocking(move || -> Result<_> {
            let wasm = components.read(&release).with_context(|| format!("the component {release} cannot be read"))?;
            let unfit = || format!("the component {release} cannot be run");
            Ok((runtime.prepare(&wasm).with_context(unfit)?, needs(&wasm).with_context(unfit)?))
        });
        let (prepared, needs) = prepared.await??;
        let callable = callable(&self.runtime, prepared, needs);
        self.dispatcher.shelf().put(release, callable);
        Ok(())
    }

    /// Takes off the shelf what no plugin is called with any more.
    pub fn unshelve(&self) {
        let used = self.dispatcher.rules().releases();
        self.dispatcher.shelf().keep(|release| used.contains(release));
    }

    /// Removes components that nothing names. To be called before anything is served.
    ///
    /// # Errors
    /// When the state or the folder cannot be read.
    pub async fn sweep(&self, of_file: HashSet<Digest>) -> Result<()> {
        let mut wanted = self.named().await?;
        wanted.extend(of_file);
        let (components, models) = (Arc::clone(&self.components), Arc::clone(&self.models));
        let sweep = move || components.sweep(&wanted).and_then(|removed| Ok(removed + models.sweep(&wanted)?));
        let removed = tokio::task::spawn_blocking(sweep).await??;
        if removed > 0 {
            tracing::info!(removed, "components and models that nothing names are removed");
        }
        Ok(())
    }

    /// Every release and every version of a model that is in the log, or that a channel names. Tenants that the configuration does not have keep what is theirs; those that
    /// are being deleted need nothing any more.
    pub(super) async fn named(&self) -> Result<HashSet<Digest>> {
        let (mut named, mut after) = (HashSet::new(), None::<Bytes>);
        loop {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let rows = self.dispatcher.read(|state| state.scan(Table::Objects, &[], from, PAGE)).await??;
            let Some((last, _)) = rows.last() else { return Ok(named) };
            let rules = self.dispatcher.rules();
            for (key, row) in &rows {
                if keys::object_parts(key).is_some_and(|(tenant, ..)| rules.is_departed(&tenant)) {
                    continue;
                }
                match keys::object_parts(key) {
                    Some((_, ObjectKind::Release, name)) => named.extend(ObjectName::release_in(name)),
                    Some((_, ObjectKind::Plugin, _)) => {
                        let plugin: PluginObject = serde_json::from_slice(&ValueRow::from_bytes(row)?.value)?;
                        named.extend(plugin.channels.iter().flat_map(Channels::releases));
                    }
                    Some((_, ObjectKind::Model, _)) => {
                        let model: ModelObject = serde_json::from_slice(&ValueRow::from_bytes(row)?.value)?;
                        named.extend(model.versions.iter().map(|version| version.digest));
                    }
                    _ => {}
                }
            }
            after = Some(last.clone());
        }
    }

    /// All objects of a tenant of that kind.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn objects(&self, tenant: &TenantName, kind: ObjectKind) -> Result<Vec<Object>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = |state: &_| Object::page(state, tenant, kind, after.as_ref(), PAGE);
            let page = self.dispatcher.read(page).await??;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.name.clone());
            all.extend(page);
        }
    }
}

/// A release that says that it needs this, which stands in its component and in its record.
fn callable(runtime: &Arc<Runtime>, prepared: Prepared, needs: GrantBounds) -> Callable {
    let runtime = Arc::clone(runtime);
    match prepared {
        Prepared::Handler(release) => Callable::Handler(Arc::new(Sandboxed::new(runtime, release).needing(needs))),
        Prepared::Batch(release) => Callable::Handler(Arc::new(SandboxedBatch::new(runtime, release).needing(needs))),
        Prepared::Http(release) => Callable::Handler(Arc::new(SandboxedHttp::new(runtime, release).needing(needs))),
        Prepared::Transform(release) => Callable::Transform(Arc::new(SandboxedTransform::new(runtime, release))),
    }
}
