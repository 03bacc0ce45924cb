//! From uploaded bytes to a release that can be promoted: inspected, compiled, linked, started once, and then in the log.
//!
//! Invariant: a release is in the log only when it can run on this host, and its bytes are durable before that. What was found unfit leaves
//! nothing behind but the memory of why, for as long as the host runs. One is made ready at a time, and of one tenant no other before those of others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use wharf_catalog::{ModelObject, PluginObject, ReleaseObject};
use wharf_delivery::{Expected, Object, ObjectKind, ObjectName, ObjectWish};
use wharf_dispatch::Dispatcher;
use wharf_event::{Code, Digest, PluginName, TenantName};
use wharf_gateway::{UploadNote, view::ReleaseState};
use wharf_runtime::{ComponentError, ComponentFiles as _, Prepared, Probe, Runtime, describe};

use super::{Components, Places};
use crate::{behind::behind, shares::Shares};

/// Unfit releases that are remembered.
const REMEMBERED_MAX: usize = 1_000;

/// Releases of a plugin that are kept: beyond them the oldest go that no channel names.
const RELEASES_MAX: usize = 100;

/// Releases of a tenant that wait until they are made ready.
const WAITING_MAX: usize = 16;

/// The longest that a first instance may take, by the clock and of the processor, in milliseconds: others wait behind it, whatever the plugin's
/// attempts may take.
const PROBE_MS_MAX: u32 = 2_000;

/// How often a record is tried anew because the plugin changed.
const TRIES_MAX: u32 = 10;

/// Which release of whom.
pub type Whose = (TenantName, PluginName, Digest);

/// How far a release has come that is not in the log.
#[derive(Clone, Debug)]
pub struct Progress {
    /// How far.
    pub state: ReleaseState,
    /// Bytes of the component.
    pub bytes: u64,
    /// When it was uploaded, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was said about it.
    pub note: UploadNote,
    /// Why it is not fit to run.
    pub failure: Option<(Code, String)>,
}

/// Why a release is not fit to run.
type Unfit = (Code, String);

/// What is being made ready, and what was found unfit.
#[derive(Default)]
pub struct Preparing {
    all: Mutex<HashMap<Whose, Progress>>,
    changed: watch::Sender<()>,
}

impl Preparing {
    /// How far a release has come.
    pub fn get(&self, whose: &Whose) -> Option<Progress> {
        self.all().get(whose).cloned()
    }

    /// Those of a plugin.
    pub fn of(&self, tenant: &TenantName, plugin: &PluginName) -> Vec<(Digest, Progress)> {
        let all = self.all();
        let of = all.iter().filter(|((of, name, _), _)| of == tenant && name == plugin);
        of.map(|((_, _, release), progress)| (*release, progress.clone())).collect()
    }

    /// The components of a tenant that are on their way, each with its bytes.
    pub fn sizes(&self, tenant: &TenantName) -> Vec<(Digest, u64)> {
        let all = self.all();
        let its = all.iter().filter(|((of, ..), progress)| of == tenant && progress.state != ReleaseState::Failed);
        its.map(|((.., release), progress)| (*release, progress.bytes)).collect()
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<Whose, Progress>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whenever something here changes.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Notes that a release is being made ready. False when it is already.
    fn begin(&self, whose: &Whose, progress: Progress) -> bool {
        let mut all = self.all();
        if all.get(whose).is_some_and(|there| there.state != ReleaseState::Failed) {
            return false;
        }
        let failed = all.iter().filter(|(_, progress)| progress.state == ReleaseState::Failed);
        if failed.clone().count() >= REMEMBERED_MAX {
            let oldest = failed.min_by_key(|(_, progress)| progress.at_ms).map(|(whose, _)| whose.clone());
            oldest.map(|oldest| all.remove(&oldest));
        }
        all.insert(whose.clone(), progress);
        self.changed.send_replace(());
        true
    }

    fn set(&self, whose: &Whose, state: ReleaseState) {
        self.all().get_mut(whose).into_iter().for_each(|progress| progress.state = state);
        self.changed.send_replace(());
    }

    fn fail(&self, whose: &Whose, code: Code, detail: String) {
        if let Some(progress) = self.all().get_mut(whose) {
            (progress.state, progress.failure) = (ReleaseState::Failed, Some((code, detail)));
        }
        self.changed.send_replace(());
    }

    /// Adds signatures to a release that is on its way. False when it is not.
    pub fn sign(&self, whose: &Whose, signatures: &[String]) -> bool {
        let mut all = self.all();
        let on_its_way = all.get_mut(whose).filter(|progress| progress.state != ReleaseState::Failed);
        on_its_way.map(|progress| progress.note.signatures = signatures.to_vec()).is_some()
    }

    /// Ends with a release that is in the log with these signatures. False when others came meanwhile.
    fn end(&self, whose: &Whose, signatures: &[String]) -> bool {
        let mut all = self.all();
        if all.get(whose).is_some_and(|progress| progress.note.signatures != signatures) {
            return false;
        }
        all.remove(whose);
        self.changed.send_replace(());
        true
    }

    /// Forgets all of a tenant that is deleted: who has its name next knows none of it.
    pub fn let_go(&self, tenant: &TenantName) {
        self.all().retain(|(of, ..), _| of != tenant);
        self.changed.send_replace(());
    }

    /// Whether a tenant has as many releases on their way as it may.
    pub fn is_full(&self, tenant: &TenantName) -> bool {
        let all = self.all();
        let waits = |((of, ..), progress): &(&Whose, &Progress)| of == tenant && progress.state != ReleaseState::Failed;
        all.iter().filter(waits).count() >= WAITING_MAX
    }

    /// Whether a component is needed to make a release ready, one `but` this.
    fn is_awaited(&self, release: &Digest, but: Option<&Whose>) -> bool {
        let all = self.all();
        let awaits = |(of, progress): (&Whose, &Progress)| {
            of.2 == *release && progress.state != ReleaseState::Failed && Some(of) != but
        };
        all.iter().any(awaits)
    }
}

/// Releases of this host.
pub struct Registry {
    pub(super) dispatcher: Dispatcher,
    pub(super) runtime: Arc<Runtime>,
    /// Their bytes.
    pub components: Arc<Components>,
    /// The bytes of models.
    pub models: Arc<Components>,
    /// What is not in the log.
    pub preparing: Preparing,
    /// Places for uploads.
    pub uploads: Places,
    /// Held while the file of a component is looked for or removed: what is found is still there when it is waited for.
    pub files: tokio::sync::Mutex<()>,
    /// Held while a release comes into the log, or all of a plugin go with it.
    pub recording: tokio::sync::Mutex<()>,
    /// Held from before releases are put on the shelf until the plugins that need them are in use, and while what no plugin needs is
    /// taken off it.
    pub shelving: tokio::sync::Mutex<()>,
    /// Turns to make a release ready.
    pub turns: Shares,
    guests: Handle,
}

impl Registry {
    /// The registry of a host; first instances are made on `guests`.
    #[must_use]
    pub fn new(
        dispatcher: Dispatcher,
        runtime: Arc<Runtime>,
        (components, models): (Components, Components),
        guests: Handle,
    ) -> Arc<Self> {
        let (uploads, turns) = (Places::default(), Shares::new(1, 1));
        let (components, models, preparing) = (Arc::new(components), Arc::new(models), Preparing::default());
        let [files, recording, shelving] = [(); 3].map(|()| tokio::sync::Mutex::default());
        Arc::new(Self {
            dispatcher,
            runtime,
            components,
            models,
            preparing,
            uploads,
            files,
            recording,
            shelving,
            turns,
            guests,
        })
    }

    /// Makes a release ready whose component is kept, in the background: for the tenant that is there since that frame, and not for another one that has its name by then. One that is
    /// on its way already goes on.
    pub fn prepare(self: &Arc<Self>, whose: Whose, since_k: u64, (bytes, note): (u64, UploadNote)) {
        let at_ms = self.dispatcher.now_ms();
        let progress = Progress { state: ReleaseState::Uploaded, bytes, at_ms, note: note.clone(), failure: None };
        if !self.preparing.begin(&whose, progress) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let _turn = this.turns.take(&whose.0).await;
            let unfit = match this.made_ready(&whose, bytes, at_ms, since_k).await {
                Ok(Ok(())) => return,
                Ok(Err(unfit)) => unfit,
                Err(error) => {
                    let (tenant, plugin, release) = &whose;
                    tracing::error!(%tenant, %plugin, %release, "a release is not made ready: {error:#}");
                    (Code::Internal, "the host failed while it made the release ready: send it again".to_owned())
                }
            };
            // Whoever is told that it is unfit finds nothing of it.
            if let Err(error) = this.forget_but(&whose.2, Some(&whose)).await {
                tracing::warn!(release = %whose.2, "a component that is unfit stays in the data folder: {error:#}");
            }
            this.preparing.fail(&whose, unfit.0, unfit.1);
        });
    }

    /// The outer error is the host's, the inner one says why the component is unfit.
    async fn made_ready(&self, whose: &Whose, bytes: u64, at_ms: u64, since_k: u64) -> Result<Result<(), Unfit>> {
        let (components, runtime, release) = (Arc::clone(&self.components), Arc::clone(&self.runtime), whose.2);
        self.preparing.set(whose, ReleaseState::Inspecting);
        let looked = behind(move || -> Result<_> {
            let wasm = components.read(&release)?;
            let described = describe(&wasm).and_then(|description| {
                let asks = description.asks();
                let world = description.world?;
                Ok((world, description.imports, asks))
            });
            Ok(described.map(|looked| (wasm, looked)))
        });
        let (wasm, (world, imports, asks)) = match looked.await?? {
            Ok(looked) => looked,
            Err(error) => return Ok(Err(unfit(&error))),
        };
        self.preparing.set(whose, ReleaseState::Compiling);
        let compiled = behind(move || runtime.prepare(&wasm));
        let prepared = match compiled.await? {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(unfit(&error))),
        };
        self.preparing.set(whose, ReleaseState::Probing);
        if let Err(unfit) = self.probed(whose, prepared).await? {
            return Ok(Err(unfit));
        }
        let capabilities = imports.into_iter().filter(|import| !import.only_types);
        let capabilities: Vec<_> = capabilities.map(|import| import.interface).collect();
        loop {
            let rules = self.dispatcher.rules();
            let progress = self.preparing.get(whose).filter(|_| rules.since_k(&whose.0) == since_k);
            let Some(Progress { note, .. }) = progress.filter(|_| rules.has_tenant(&whose.0)) else {
                // Whoever has its name by now did not send it.
                return Ok(Err((Code::TenantUnknown, "the tenant was deleted meanwhile".to_owned())));
            };
            let signatures = note.signatures.clone();
            let object = ReleaseObject {
                bytes,
                at_ms,
                version: note.version,
                message: note.message,
                world: world.to_owned(),
                capabilities: capabilities.clone(),
                asks: asks.clone(),
                signatures: note.signatures,
            };
            self.record(whose, &object).await?;
            if self.preparing.end(whose, &signatures) {
                return Ok(Ok(()));
            }
        }
    }

    /// Makes one instance of a release, as an attempt of its plugin would.
    async fn probed(&self, (tenant, plugin, _): &Whose, release: Prepared) -> Result<Result<(), Unfit>> {
        let name = ObjectName::from(plugin);
        let there = self.dispatcher.read(|state| Object::get(state, tenant, ObjectKind::Plugin, &name)).await??;
        let there = there.map(|there| serde_json::from_slice::<PluginObject>(&there.document)).transpose()?;
        let PluginObject { config, mut limits, .. } = there.unwrap_or_default();
        limits.wall_ms = limits.wall_ms.min(PROBE_MS_MAX);
        limits.cpu_ms = limits.cpu_ms.min(PROBE_MS_MAX);
        let probe = Probe { release, tenant: tenant.clone(), plugin: plugin.clone(), config, limits };
        let runtime = Arc::clone(&self.runtime);
        let probed = self.guests.spawn(async move { runtime.probe(probe).await }).await?;
        Ok(probed.map_err(|failure| match failure.code {
            // It says nothing about the component.
            Code::Overloaded | Code::ReleaseUnready | Code::Internal => {
                (failure.code, format!("{}: send it again", failure.reason))
            }
            code => (Code::ComponentProbe, format!("its first instance ended with {code}: {}", failure.reason)),
        }))
    }

    /// Puts a release into the log; with the plugin, if it is its first, and without releases that are too many.
    async fn record(&self, (tenant, plugin, release): &Whose, object: &ReleaseObject) -> Result<()> {
        let wish = |kind, name, document: Option<Bytes>, expected| ObjectWish { kind, name, document, expected };
        let of = ObjectName::from(plugin);
        let mut tries = 0;
        // A plugin whose document stays as it is keeps its version: who removes it would not know of this one.
        let _recording = self.recording.lock().await;
        let surplus = loop {
            let there = self.dispatcher.read(|state| Object::get(state, tenant, ObjectKind::Plugin, &of)).await??;
            let (document, expected) = match there {
                Some(there) => (there.document, Expected::Version(there.version)),
                None => (serde_json::to_vec(&PluginObject::default())?.into(), Expected::Absent),
            };
            let surplus = self.surplus(tenant, plugin, &serde_json::from_slice(&document)?).await?;
            let name = ObjectName::of_release(plugin, release);
            let mut wishes = vec![
                wish(ObjectKind::Release, name, Some(serde_json::to_vec(object)?.into()), Expected::Any),
                // Also where it stays as it is: what is too many is so because of the plugin's channels.
                wish(ObjectKind::Plugin, of.clone(), Some(document), expected),
            ];
            wishes.extend(surplus.iter().map(|(name, _)| wish(ObjectKind::Release, name.clone(), None, Expected::Any)));
            match self.dispatcher.change(tenant, wishes).await {
                Ok(_) => break surplus,
                Err(error) if error.is_conflict() && tries < TRIES_MAX => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        for (_, release) in surplus {
            self.forget(&release).await?;
        }
        Ok(())
    }

    /// The oldest releases of a plugin beyond those that are kept, but for those that a channel names or that had all traffic.
    async fn surplus(
        &self,
        tenant: &TenantName,
        plugin: &PluginName,
        of: &PluginObject,
    ) -> Result<Vec<(ObjectName, Digest)>> {
        let mut releases = self.releases(tenant, plugin).await?;
        let keeps = |release: &Digest| {
            of.channels.as_ref().is_some_and(|channels| {
                channels.releases().any(|named| named == *release)
                    || channels.history().iter().any(|entry| entry.action.release() == *release)
            })
        };
        releases.sort_by_key(|(_, _, object)| object.at_ms);
        let surplus = (releases.len() + 1).saturating_sub(RELEASES_MAX);
        let goes = releases.into_iter().filter(|(_, release, _)| !keeps(release)).take(surplus);
        Ok(goes.map(|(name, release, _)| (name, release)).collect())
    }

    /// The releases of a plugin that are in the log.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn releases(
        &self,
        tenant: &TenantName,
        plugin: &PluginName,
    ) -> Result<Vec<(ObjectName, Digest, ReleaseObject)>> {
        let mut releases = Vec::new();
        for object in self.objects(tenant, ObjectKind::Release).await? {
            if let Some((of, release)) = object.name.release()
                && of == *plugin
            {
                let mut recorded: ReleaseObject = serde_json::from_slice(&object.document)?;
                recorded.asks = recorded.asks.of_plugin(plugin);
                releases.push((object.name, release, recorded));
            }
        }
        Ok(releases)
    }

    /// Removes a component, unless something needs it.
    ///
    /// # Errors
    /// When that cannot be found out, or it cannot be removed.
    pub async fn forget(&self, release: &Digest) -> Result<()> {
        self.forget_but(release, None).await
    }

    /// Every version of a model that a tenant has.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn versions(&self, tenant: &TenantName) -> Result<Vec<Digest>> {
        let mut versions = Vec::new();
        for object in self.objects(tenant, ObjectKind::Model).await? {
            let model: ModelObject = serde_json::from_slice(&object.document)?;
            versions.extend(model.versions.iter().map(|version| version.digest));
        }
        Ok(versions)
    }

    /// Removes the files of models, but for those that something names, or that somebody sends. Called under the lock of files. What cannot be removed now is so at the next start.
    pub async fn forget_models(&self, mut gone: Vec<Digest>) {
        if gone.is_empty() {
            return;
        }
        let forgotten = async {
            let named = self.named().await?;
            gone.retain(|version| !named.contains(version) && !self.uploads.awaits(version));
            let models = Arc::clone(&self.models);
            let remove = move || gone.iter().try_for_each(|version| models.remove(version));
            anyhow::Ok(tokio::task::spawn_blocking(remove).await??)
        };
        if let Err(error) = forgotten.await {
            tracing::warn!("models that nothing names stay until the next start: {error:#}");
        }
    }

    async fn forget_but(&self, release: &Digest, but: Option<&Whose>) -> Result<()> {
        let _files = self.files.lock().await;
        let is_used = self.preparing.is_awaited(release, but) || self.dispatcher.rules().releases().contains(release);
        if is_used || self.named().await?.contains(release) {
            return Ok(());
        }
        let (components, runtime, release) = (Arc::clone(&self.components), Arc::clone(&self.runtime), *release);
        let remove = move || {
            runtime.forget(&release);
            components.remove(&release)
        };
        Ok(tokio::task::spawn_blocking(remove).await??)
    }
}

fn unfit(error: &ComponentError) -> Unfit {
    (error.code(), error.to_string())
}
