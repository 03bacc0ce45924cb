//! Before rules come into force: the releases that plugins made by the API are called with are put on the shelf.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Bound,
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use wharf_catalog::{Channels, ModelObject, PluginObject, ReleaseObject};
use wharf_delivery::{Object, ObjectKind, ObjectName, Table, Tables as _, TenantLife, ValueRow, keys};
use wharf_dispatch::{Callable, RuleSet, Sandboxed, SandboxedBatch, SandboxedHttp, SandboxedTransform};
use wharf_event::{Digest, GrantBounds, TenantName};
use wharf_inspect::needs;
use wharf_runtime::{ComponentFiles as _, Kind, Prepared, Runtime};

use super::Registry;

/// Objects that are read at a time.
const PAGE: usize = 500;

/// Plugins that are read at a time, each of which may have a large configuration.
const PLUGINS_PAGE: usize = 20;

impl Registry {
    /// Puts the releases on the shelf that channels of the plugins of these rules' tenants name. No tenant's release keeps the host from serving: one that cannot be run any more fails its own
    /// attempts (`release-unready`).
    ///
    /// # Errors
    /// When the state cannot be read, or a component of which there is no record is not there or cannot be run any more.
    pub async fn restock(self: &Arc<Self>, rules: &RuleSet) -> Result<()> {
        let mut missing = BTreeMap::new();
        for tenant in self.tenants(rules).await? {
            let mut after = None;
            while let Some((last, page)) = self.plugins_behind(&tenant, after).await? {
                for (plugin, object) in page {
                    let named = object.channels.iter().flat_map(|channels| channels.releases());
                    let named = named.filter(|release| self.dispatcher.shelf().get(release).is_none());
                    missing.extend(named.map(|release| (release, (tenant.clone(), plugin.clone()))));
                }
                after = Some(last);
            }
        }
        let mut lost = Vec::new();
        for (release, (tenant, plugin)) in missing {
            match self.recorded(&tenant, &plugin, release).await? {
                Some((callable, is_compiled)) => {
                    self.dispatcher.shelf().put(release, callable);
                    lost.extend((!is_compiled).then_some(release));
                }
                None => self.shelve(release).await?,
            }
        }
        self.compile_behind(lost);
        Ok(())
    }

    /// A page of a tenant's plugins behind one, and the last of them; none at the end.
    async fn plugins_behind(
        &self,
        tenant: &TenantName,
        after: Option<ObjectName>,
    ) -> Result<Option<(ObjectName, Vec<(ObjectName, PluginObject)>)>> {
        let page = |state: &_| Object::page(state, tenant, ObjectKind::Plugin, after.as_ref(), PLUGINS_PAGE);
        let page = self.dispatcher.read(page).await??;
        let Some(last) = page.last().map(|last| last.name.clone()) else { return Ok(None) };
        let read = |object: Object| -> Result<_> {
            let plugin = serde_json::from_slice(&object.document)
                .with_context(|| format!("plugin {} of tenant {tenant} cannot be read", object.name))?;
            Ok((object.name, plugin))
        };
        Ok(Some((last, page.into_iter().map(read).collect::<Result<_>>()?)))
    }

    /// How many plugins a tenant has.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn plugins(&self, tenant: &TenantName) -> Result<usize> {
        let (mut count, mut after) = (0, None);
        while let Some((last, page)) = self.plugins_behind(tenant, after).await? {
            count += page.len();
            after = Some(last);
        }
        Ok(count)
    }

    /// Compiles what this host made ready before and has not compiled any more, one after the other: whoever needs one before its turn waits for it, and nobody else does.
    fn compile_behind(self: &Arc<Self>, lost: Vec<Digest>) {
        if lost.is_empty() {
            return;
        }
        tracing::info!(
            releases = lost.len(),
            "compiled code of releases is not in the cache: it is made again while the host serves"
        );
        let this = Arc::clone(self);
        tokio::spawn(async move {
            for release in lost {
                // What is not needed any more is not compiled either.
                if this.dispatcher.shelf().get(&release).is_none() {
                    continue;
                }
                if let Err(error) = this.compiled(release).await {
                    tracing::error!(%release, "a release is not ready, and its attempts fail: {error:#}");
                }
            }
        });
    }

    /// The tenants of a configuration, and those that are control objects.
    async fn tenants(&self, rules: &RuleSet) -> Result<BTreeSet<TenantName>> {
        let objects = self.dispatcher.tenant_objects().await?.into_iter();
        let active = objects.filter(|(_, object)| object.life == TenantLife::Active).map(|(tenant, _)| tenant);
        Ok(rules.tenants().into_iter().chain(active).collect())
    }

    /// A release by its record, whose code is loaded when an attempt needs it, and whether it is compiled.
    async fn recorded(
        &self,
        tenant: &TenantName,
        plugin: &ObjectName,
        release: Digest,
    ) -> Result<Option<(Callable, bool)>> {
        let name = ObjectName::of_release(&plugin.as_str().parse()?, &release);
        let object = self.dispatcher.read(|state| Object::get(state, tenant, ObjectKind::Release, &name)).await??;
        let Some(object) = object else { return Ok(None) };
        let object: ReleaseObject = serde_json::from_slice(&object.document)?;
        let Some(kind) = Kind::of_world(&object.world) else { return Ok(None) };
        let prepared = self.runtime.at_hand(kind, release);
        let is_compiled = prepared.is_some();
        let prepared = prepared.unwrap_or_else(|| Prepared::unloaded(kind, release));
        Ok(Some((callable(&self.runtime, prepared, object.asks.said), is_compiled)))
    }

    /// Puts a release on the shelf, if it is not there.
    ///
    /// # Errors
    /// When its component is not there or cannot be run.
    pub async fn shelve(&self, release: Digest) -> Result<()> {
        if self.dispatcher.shelf().get(&release).is_some() {
            return Ok(());
        }
        let (prepared, needs) = self.compiled(release).await?;
        let callable = callable(&self.runtime, prepared, needs);
        self.dispatcher.shelf().put(release, callable);
        Ok(())
    }

    /// The code of a release, from the cache or compiled, which takes its time: and from then on it is in the cache.
    ///
    /// # Errors
    /// When its component is not there, has other bytes, or cannot be run.
    pub async fn compiled(&self, release: Digest) -> Result<(Prepared, GrantBounds)> {
        let (components, runtime) = (Arc::clone(&self.components), Arc::clone(&self.runtime));
        let prepared = tokio::task::spawn_blocking(move || -> Result<_> {
            let wasm = components.read(&release).with_context(|| format!("the component {release} cannot be read"))?;
            ensure!(Digest::of(&wasm) == release, "the file of the component {release} has other bytes");
            let unfit = || format!("the component {release} cannot be run");
            Ok((runtime.prepare(&wasm).with_context(unfit)?, needs(&wasm).with_context(unfit)?))
        });
        prepared.await?
    }

    /// Whether the code of a release is in the cache.
    #[must_use]
    pub fn is_compiled(&self, release: &Digest) -> bool {
        // Of which kind it is says nothing about that.
        self.runtime.at_hand(Kind::Handler, *release).is_some()
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
