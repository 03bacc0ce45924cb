//! Port: plugins, their releases, and which of those gets which traffic.
//!
//! Invariant: a plugin of the configuration file is read here and never changed. A release is promoted only when it is ready to be called:
//! it is put on the shelf before the record that lets attempts begin with it.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use wharf_catalog::{ChannelError, Channels, PluginObject};
use wharf_delivery::{Changed, Expected as Taken, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish};
use wharf_dispatch::{AskError, ChangeError, EditError};
use wharf_event::{Code, Digest, Grants, PluginName, Position, Target, TenantName};
use wharf_gateway::{
    ChannelWish, Expected, PluginPut, PluginRef, Refusal, ReleaseRef, UploadNote,
    view::{BreakerStanding, PluginDetail, PluginView, Promotion, ReleaseState, ReleaseView, RollBack},
};

use super::{HostAdapter, channel_wish::Wish, not_asked, page::is_behind, registry_view as view, rules, was_read};
use crate::{
    config::read_plugin_settings,
    registry::{NotKept, Place},
};

impl wharf_gateway::Registry for HostAdapter {
    async fn plugins(
        &self,
        tenant: &TenantName,
        after: Option<PluginName>,
        limit: u32,
    ) -> Result<Vec<PluginView>, Refusal> {
        self.known(tenant)?;
        let set = self.dispatcher.rules();
        let of_file = set.document().tenants.get(tenant).map(|of| &of.plugins).into_iter().flatten();
        let of_file = of_file.filter(|(name, _)| is_behind(*name, after.as_ref())).take(limit as usize);
        let mut page: Vec<PluginView> = of_file.map(|(name, plugin)| view::of_file(name, plugin.release)).collect();
        let behind = after.as_ref().map(ObjectName::from);
        let read = |state: &_| Object::page(state, tenant, ObjectKind::Plugin, behind.as_ref(), limit as usize);
        for object in was_read(self.dispatcher.read(read).await)? {
            let name = name_of(&object)?;
            let document = document(&object)?;
            let counts = document.channels.as_ref().and_then(|of| self.dispatcher.trial(tenant, &name, of));
            page.push(view::plugin(&name, document.channels.as_ref(), counts));
        }
        page.sort_by(|one, other| one.plugin.cmp(&other.plugin));
        page.truncate(limit as usize);
        Ok(page)
    }

    async fn plugin(&self, of: PluginRef) -> Result<PluginDetail, Refusal> {
        if let Some(detail) = self.of_file(&of)? {
            return Ok(detail);
        }
        let object = self.object(&of).await?.ok_or_else(|| unknown(&of))?;
        self.detail(&of, &document(&object)?, object.version)
    }

    async fn put_plugin(&self, of: PluginRef, settings: Bytes, expected: Expected) -> Result<PluginPut, Refusal> {
        self.not_of_file(&of)?;
        let settings = read_plugin_settings(&settings, &of.plugin).map_err(rules::wrong)?;
        self.within_ceiling(&of, &settings.grants)?;
        // Another change of it may come between: then it is looked at again.
        loop {
            let there = self.expected(&of, expected).await?;
            if there.is_none() {
                self.may_have_more_plugins(&of.tenant).await?;
            }
            let before = there.as_ref().map(document).transpose()?;
            let object = PluginObject {
                config: settings.config.clone(),
                grants: settings.grants.clone(),
                limits: settings.limits,
                breaker: settings.breaker,
                channels: before.and_then(|before| before.channels),
            };
            match self.put(&of, &object, there.map(|there| there.version)).await {
                Ok(fate) => {
                    let version = fate.version().ok_or_else(|| unknown(&of))?;
                    let created = matches!(fate, ObjectFate::Created(_));
                    return Ok(PluginPut { plugin: self.detail(&of, &object, version)?, created });
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }

    async fn remove_plugin(&self, of: PluginRef, expected: Expected) -> Result<(), Refusal> {
        self.not_of_file(&of)?;
        let _shelving = self.registry.shelving.lock().await;
        // No release comes between the look at them and their end.
        let recording = self.registry.recording.lock().await;
        let releases = loop {
            let there = self.expected(&of, expected).await?.ok_or_else(|| unknown(&of))?;
            let releases = self.registry.releases(&of.tenant, &of.plugin).await.map_err(|error| broken(&error))?;
            let wish = |kind, name, expected| ObjectWish { kind, name, document: None, expected };
            let version = Taken::Version(there.version);
            let mut wishes = vec![wish(ObjectKind::Plugin, ObjectName::from(&of.plugin), version)];
            wishes.extend(releases.iter().map(|(name, ..)| wish(ObjectKind::Release, name.clone(), Taken::Any)));
            match self.dispatcher.change(&of.tenant, wishes).await {
                Ok(_) => break releases,
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        };
        drop(recording);
        self.registry.unshelve();
        for (_, release, _) in releases {
            if let Err(error) = self.registry.forget(&release).await {
                tracing::warn!(%release, "a component that nothing names stays until the next start: {error:#}");
            }
        }
        Ok(())
    }

    async fn releases(&self, of: PluginRef) -> Result<Vec<ReleaseView>, Refusal> {
        self.known(&of.tenant)?;
        let on_their_way = self.registry.preparing.of(&of.tenant, &of.plugin);
        let object = self.object(&of).await?;
        if self.of_file(&of)?.is_none() && on_their_way.is_empty() && object.is_none() {
            return Err(unknown(&of));
        }
        let object = object.as_ref().map(document).transpose()?.unwrap_or_default();
        let standing = self.grant_standing(&of, &object).await?;
        let ready = self.registry.releases(&of.tenant, &of.plugin).await.map_err(|error| broken(&error))?;
        let known: Vec<Digest> = ready.iter().map(|(_, release, _)| *release).collect();
        let mut all: Vec<(u64, ReleaseView)> =
            ready.into_iter().map(|(_, release, of)| (of.at_ms, view::recorded(release, of, &standing))).collect();
        for (release, progress) in on_their_way {
            if !known.contains(&release) {
                all.push((progress.at_ms, view::on_its_way(release, progress)));
            }
        }
        all.sort_by_key(|(at_ms, release)| (std::cmp::Reverse(*at_ms), release.release));
        Ok(all.into_iter().map(|(_, release)| release).collect())
    }

    async fn release(&self, of: ReleaseRef) -> Result<ReleaseView, Refusal> {
        self.known(&of.of.tenant)?;
        self.found(&of).await?.ok_or_else(|| unknown_release(&of.of, &of.release))
    }

    async fn follow(&self, of: ReleaseRef) -> Result<BoxStream<'static, ReleaseView>, Refusal> {
        // Whether there is one is said before the stream begins.
        self.release(of.clone()).await?;
        Ok(self.following(of))
    }

    async fn upload(
        &self,
        of: ReleaseRef,
        mut note: UploadNote,
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    ) -> Result<ReleaseView, Refusal> {
        self.not_of_file(&of.of)?;
        note.signatures = self.signatures(&of, note.signatures).await?;
        if self.known_release(&of).await? {
            self.add_signatures(&of, &note.signatures).await?;
            return self.release(of).await;
        }
        if self.registry.preparing.is_full(&of.of.tenant) {
            let detail = "as many releases of this tenant as may wait until they are made ready";
            return Err(Refusal::new(Code::Overloaded, detail).retry_after_s(5));
        }
        self.may_keep_more(&of.of.tenant).await?;
        if self.object(&of.of).await?.is_none() {
            self.may_have_more_plugins(&of.of.tenant).await?;
        }
        let (this, since_k) = (self.clone(), self.dispatcher.rules().since_k(&of.of.tenant));
        // What was begun is ended: who goes away when all bytes are here leaves a release, and not a file that nobody knows.
        let received = tokio::spawn(async move { this.received(of, (since_k, note), bytes).await });
        received.await.map_err(|_| Refusal::new(Code::Internal, "a task of the host failed"))?
    }

    async fn lift_quarantine(&self, of: PluginRef) -> Result<Vec<Digest>, Refusal> {
        if self.of_file(&of)?.is_none() && self.object(&of).await?.is_none() {
            return Err(unknown(&of));
        }
        Ok(self.dispatcher.lift_quarantine(&of.tenant, &of.plugin))
    }

    async fn change_channels(&self, of: PluginRef, wish: ChannelWish) -> Result<PluginDetail, Refusal> {
        self.not_of_file(&of)?;
        let named = match &wish {
            ChannelWish::Promote(Promotion { release, .. }) => Some((*release, true)),
            // What was granted when it had the traffic may be taken back since; that must keep nobody from going back.
            ChannelWish::RollBack(RollBack { to, .. }) => to.map(|release| (release, false)),
            ChannelWish::Close(_) => None,
        };
        let wish = Wish::read(wish)?;
        self.compile_first(&of, named, &wish).await?;
        let _shelving = self.registry.shelving.lock().await;
        let there = self.object(&of).await?.ok_or_else(|| unknown(&of))?;
        if let Some((release, granted)) = named {
            self.must_be_ready(&of, release, granted).await?;
        }
        let now_ms = self.dispatcher.now_ms();
        // What attempts are to begin with has to be ready before they do, and has to be there still when they may.
        let mut after = document(&there)?;
        let had: Vec<Digest> = after.channels.iter().flat_map(Channels::releases).collect();
        wish.apply(&mut after, now_ms).map_err(|error| no_channels(&error))?;
        let mut beside = Vec::new();
        for release in after.channels.iter().flat_map(Channels::releases) {
            beside.push(self.present(&of, release).await?);
            self.registry.shelve(release).await.map_err(|error| not_ready(release, &error))?;
        }
        // At the end, since what is above may take long: a key that is revoked meanwhile vouches for nothing.
        let begins = |release: &Digest| named.is_some_and(|(named, _)| named == *release) || !had.contains(release);
        for release in after.channels.iter().flat_map(Channels::releases).filter(begins) {
            let signatures = self.recorded(&of, release).await?.map(|release| release.signatures).unwrap_or_default();
            self.must_be_vouched_for(&of.tenant, &release, &signatures).await?;
        }
        let edit = |object: &mut PluginObject| wish.apply(object, now_ms);
        let edited = self.dispatcher.edit_plugin(&of.tenant, &of.plugin, &beside, edit).await;
        self.registry.unshelve();
        let (object, version) = edited.map_err(|error| not_edited(&of, &error))?;
        self.detail(&of, &object, version)
    }
}

impl HostAdapter {
    pub(super) async fn object(&self, of: &PluginRef) -> Result<Option<Object>, Refusal> {
        self.known(&of.tenant)?;
        let name = ObjectName::from(&of.plugin);
        was_read(self.dispatcher.read(|state| Object::get(state, &of.tenant, ObjectKind::Plugin, &name)).await)
    }

    /// Lets what attempts are to begin with be compiled, where the cache has it no more: before anybody has to wait for that who promotes or goes back, too.
    async fn compile_first(&self, of: &PluginRef, named: Option<(Digest, bool)>, wish: &Wish) -> Result<(), Refusal> {
        let there = self.object(of).await?.ok_or_else(|| unknown(of))?;
        if let Some((release, granted)) = named {
            self.must_be_ready(of, release, granted).await?;
        }
        let mut after = document(&there)?;
        wish.apply(&mut after, self.dispatcher.now_ms()).map_err(|error| no_channels(&error))?;
        for release in after.channels.iter().flat_map(Channels::releases) {
            if self.dispatcher.shelf().get(&release).is_none() && !self.registry.is_compiled(&release) {
                let _turn = self.registry.turns.take(&of.tenant).await;
                self.registry.compiled(release).await.map_err(|error| not_ready(release, &error))?;
            }
        }
        Ok(())
    }

    /// What the configuration file grants a plugin of its own.
    pub(super) fn granted_by_file(&self, of: &PluginRef) -> Result<Option<Grants>, Refusal> {
        self.known(&of.tenant)?;
        let set = self.dispatcher.rules();
        let tenant = set.document().tenants.get(&of.tenant);
        Ok(tenant.and_then(|tenant| tenant.plugins.get(&of.plugin)).map(|plugin| plugin.grants.clone()))
    }

    /// A plugin of the configuration file.
    fn of_file(&self, of: &PluginRef) -> Result<Option<PluginDetail>, Refusal> {
        self.known(&of.tenant)?;
        let set = self.dispatcher.rules();
        let found = set.document().tenants.get(&of.tenant).and_then(|tenant| tenant.plugins.get(&of.plugin));
        Ok(found.map(|plugin| {
            let object = PluginObject {
                config: plugin.config.clone(),
                grants: plugin.grants.clone(),
                limits: plugin.limits,
                breaker: plugin.breaker,
                channels: None,
            };
            self.with_breaker(of, view::detail(view::of_file(&of.plugin, plugin.release), None, &object))
        }))
    }

    pub(super) fn not_of_file(&self, of: &PluginRef) -> Result<(), Refusal> {
        match self.of_file(of)? {
            None => Ok(()),
            Some(_) => {
                let detail = format!(
                    "plugin `{}` stands in the configuration file: change it there, and start the host again",
                    of.plugin
                );
                Err(Refusal::new(Code::PluginOfFile, detail))
            }
        }
    }

    fn detail(&self, of: &PluginRef, object: &PluginObject, version: Position) -> Result<PluginDetail, Refusal> {
        let counts = object.channels.as_ref().and_then(|it| self.dispatcher.trial(&of.tenant, &of.plugin, it));
        let shown = view::detail(view::plugin(&of.plugin, object.channels.as_ref(), counts), Some(version), object);
        Ok(self.with_breaker(of, shown))
    }

    /// The same with where its breaker stands.
    fn with_breaker(&self, of: &PluginRef, shown: PluginDetail) -> PluginDetail {
        let breaker_state = self.breaker_standing(&of.tenant, &Target::Plugin(of.plugin.clone()));
        PluginDetail { breaker_state, ..shown }
    }

    /// Where a target's breaker stands; absent where it was not called yet.
    pub(super) fn breaker_standing(&self, tenant: &TenantName, target: &Target) -> Option<BreakerStanding> {
        let figures = self.dispatcher.breakers(Some(tenant)).into_iter().find(|it| it.target == *target)?;
        Some(view::breaker_standing(figures, self.dispatcher.now_ms()))
    }

    /// A plugin, if it is what a request takes it to be.
    async fn expected(&self, of: &PluginRef, expected: Expected) -> Result<Option<Object>, Refusal> {
        let there = self.object(of).await?;
        let held = there.as_ref().map(|there| there.version);
        let holds = match expected {
            Expected::Any => true,
            Expected::Absent => held.is_none(),
            Expected::Present => held.is_some(),
            Expected::Version(version) => held == Some(version),
        };
        if holds {
            return Ok(there);
        }
        let detail = match held {
            Some(version) => format!("plugin `{}` has version {version}", of.plugin),
            None => format!("there is no plugin `{}`", of.plugin),
        };
        Err(Refusal::new(Code::VersionConflict, detail))
    }

    /// Puts a plugin in the place of the one that has this version, or of none.
    pub(super) async fn put(
        &self,
        of: &PluginRef,
        object: &PluginObject,
        held: Option<Position>,
    ) -> Result<ObjectFate, ChangeError> {
        let document = serde_json::to_vec(object).map_err(|error| AskError::Failed(error.to_string()))?;
        let wish = ObjectWish {
            kind: ObjectKind::Plugin,
            name: ObjectName::from(&of.plugin),
            document: Some(document.into()),
            expected: held.map_or(Taken::Absent, Taken::Version),
        };
        let Changed { objects, .. } = self.dispatcher.change(&of.tenant, vec![wish]).await?;
        Ok(objects.into_iter().next().unwrap_or(ObjectFate::Absent))
    }

    /// A release that needs not be sent again: it is on its way, or it is ready and its bytes are here.
    async fn known_release(&self, of: &ReleaseRef) -> Result<bool, Refusal> {
        let is_here = |state| !is_recorded(state) || self.registry.components.size(&of.release).is_some();
        Ok(self.found(of).await?.is_some_and(|found| found.failure.is_none() && is_here(found.state)))
    }

    /// Whether the tenant sent these bytes before. That others did says nothing: whoever knows a digest need not have the component.
    async fn has_sent(&self, of: &ReleaseRef) -> Result<bool, Refusal> {
        if self.registry.components.size(&of.release).is_none() {
            return Ok(false);
        }
        let own = self.registry.objects(&of.of.tenant, ObjectKind::Release).await.map_err(|error| broken(&error))?;
        Ok(own.iter().filter_map(|release| release.name.release()).any(|(_, release)| release == of.release))
    }

    /// Takes the bytes of a release, unless the tenant sent them before, and begins to make it ready.
    async fn received(
        &self,
        of: ReleaseRef,
        (since_k, note): (u64, UploadNote),
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin,
    ) -> Result<ReleaseView, Refusal> {
        let place = self.place(&of.of.tenant, of.release)?;
        if !self.has_sent(&of).await? {
            // The reserve of the disk is not for this.
            let bytes = bytes.map(|piece| piece.and_then(|piece| self.has_room().map(|()| piece)));
            self.registry.components.receive(of.release, bytes).await.map_err(not_kept)?;
        }
        let files = self.registry.files.lock().await;
        let rules = self.dispatcher.rules();
        if !rules.has_tenant(&of.of.tenant) || rules.since_k(&of.of.tenant) != since_k {
            drop((place, files));
            self.registry.forget(&of.release).await.map_err(|error| broken(&error))?;
            return Err(Refusal::new(Code::TenantUnknown, "the tenant was deleted while its component came"));
        }
        let size = self.registry.components.size(&of.release).ok_or_else(|| {
            Refusal::new(Code::Overloaded, "the component was removed meanwhile: send it again").retry_after_s(1)
        })?;
        let whose = (of.of.tenant.clone(), of.of.plugin.clone(), of.release);
        self.registry.prepare(whose, since_k, (size, note));
        self.found(&of).await?.ok_or_else(|| unknown_release(&of.of, &of.release))
    }

    /// A place for an upload of a tenant.
    pub(super) fn place(&self, tenant: &TenantName, digest: Digest) -> Result<Place, Refusal> {
        self.registry.uploads.take(tenant, digest).ok_or_else(|| {
            Refusal::new(Code::Overloaded, "as many uploads as there may be are under way").retry_after_s(1)
        })
    }

    pub(super) fn has_room(&self) -> Result<(), Refusal> {
        match self.dispatcher.short_of() {
            None => Ok(()),
            Some(_) => wharf_gateway::Intake::ready(self),
        }
    }

    /// The wish that a release is there, as it is.
    async fn present(&self, of: &PluginRef, release: Digest) -> Result<ObjectWish, Refusal> {
        let name = ObjectName::of_release(&of.plugin, &release);
        let found = self.dispatcher.read(|state| Object::get(state, &of.tenant, ObjectKind::Release, &name)).await;
        let found = was_read(found)?;
        let detail = || format!("the release {release} is gone: send it again");
        let found = found.ok_or_else(|| Refusal::new(Code::ReleaseUnready, detail()))?;
        let (kind, document) = (ObjectKind::Release, Some(found.document));
        Ok(ObjectWish { kind, name, document, expected: Taken::Version(found.version) })
    }

    /// A release, wherever it is known.
    async fn found(&self, of: &ReleaseRef) -> Result<Option<ReleaseView>, Refusal> {
        let ReleaseRef { of, release } = of;
        if let Some(recorded) = self.recorded(of, *release).await? {
            let plugin = self.object(of).await?.as_ref().map(document).transpose()?.unwrap_or_default();
            return Ok(Some(view::recorded(*release, recorded, &self.grant_standing(of, &plugin).await?)));
        }
        let whose = (of.tenant.clone(), of.plugin.clone(), *release);
        Ok(self.registry.preparing.get(&whose).map(|progress| view::on_its_way(*release, progress)))
    }

    /// `granted`: it must not wait for a grant either.
    async fn must_be_ready(&self, of: &PluginRef, release: Digest, granted: bool) -> Result<(), Refusal> {
        let found = self.found(&ReleaseRef { of: of.clone(), release }).await?;
        let found = found.ok_or_else(|| unknown_release(of, &release))?;
        match (found.state, found.failure) {
            (ReleaseState::Ready, _) => Ok(()),
            (ReleaseState::NeedsGrant, _) if !granted => Ok(()),
            (ReleaseState::NeedsGrant, _) => {
                let (plugin, missing) = (&of.plugin, found.missing.join(", "));
                let short = release.short();
                let detail = format!("it asks for {missing}: `wharf grant approve {plugin} {short}` grants it");
                Err(Refusal::new(Code::GrantNeeded, detail))
            }
            (_, Some(failure)) => Err(Refusal::new(Code::ReleaseUnready, format!("it is unfit: {}", failure.detail))),
            (_, None) => Err(Refusal::new(Code::ReleaseUnready, "it is still made ready").retry_after_s(1)),
        }
    }
}

/// Whether a release in this state is in the log.
fn is_recorded(state: ReleaseState) -> bool {
    matches!(state, ReleaseState::Ready | ReleaseState::NeedsGrant)
}

fn name_of(object: &Object) -> Result<PluginName, Refusal> {
    object.name.as_str().parse().map_err(|_| Refusal::new(Code::Internal, "a plugin in the state has no name"))
}

pub(super) fn document(object: &Object) -> Result<PluginObject, Refusal> {
    serde_json::from_slice(&object.document).map_err(|error| damaged(&error))
}

pub(super) fn damaged(error: &serde_json::Error) -> Refusal {
    tracing::error!("a plugin in the state cannot be read: {error}");
    Refusal::new(Code::Internal, "a plugin in the state cannot be read")
}

pub(super) fn broken(error: &anyhow::Error) -> Refusal {
    // The state cannot be read because the log failed, or the host stops.
    if let Some(error) = error.downcast_ref::<AskError>() {
        return not_asked(error);
    }
    tracing::error!("the registry cannot be read: {error:#}");
    Refusal::new(Code::Internal, "the registry cannot be read")
}

pub(super) fn unknown(of: &PluginRef) -> Refusal {
    Refusal::new(Code::PluginUnknown, format!("tenant `{}` has no plugin `{}`", of.tenant, of.plugin))
}

fn unknown_release(of: &PluginRef, release: &Digest) -> Refusal {
    Refusal::new(Code::ReleaseUnknown, format!("plugin `{}` has no release {release}", of.plugin))
}

fn not_kept(error: NotKept) -> Refusal {
    match error {
        NotKept::Sender(refusal) => refusal,
        NotKept::TooLarge => Refusal::new(Code::ComponentTooLarge, error.to_string()),
        NotKept::Mismatch { .. } => Refusal::new(Code::ReleaseMismatch, error.to_string()),
        NotKept::Disk(source) if source.kind() == std::io::ErrorKind::StorageFull => {
            Refusal::new(Code::DiskFull, "there is no room for the component").retry_after_s(10)
        }
        NotKept::Disk(source) => {
            tracing::error!("a component cannot be kept: {source}");
            Refusal::new(Code::Internal, "the component cannot be kept")
        }
    }
}

fn no_channels(error: &ChannelError) -> Refusal {
    let code = if matches!(error, ChannelError::Unknown(_)) { Code::ChannelUnknown } else { Code::ChannelInvalid };
    Refusal::new(code, error.to_string())
}

pub(super) fn not_changed(error: &ChangeError) -> Refusal {
    match error {
        ChangeError::Ask(error) => not_asked(error),
        ChangeError::Rules(error) => Refusal::new(error.code(), error.to_string()),
    }
}

fn not_edited(of: &PluginRef, error: &EditError) -> Refusal {
    match error {
        EditError::Unknown(_) => unknown(of),
        EditError::Channels(error) => no_channels(error),
        // The plugin was read again and again: what is not as it was is a release.
        EditError::Change(error) if error.is_conflict() => {
            Refusal::new(Code::ReleaseUnready, "a release that it needs changed meanwhile: try again").retry_after_s(1)
        }
        EditError::Change(error) => not_changed(error),
        EditError::Damaged(_) => {
            tracing::error!("{error}");
            Refusal::new(Code::Internal, "a plugin in the state cannot be read")
        }
    }
}

fn not_ready(release: Digest, error: &anyhow::Error) -> Refusal {
    tracing::warn!(%release, "a release is not ready: {error:#}");
    Refusal::new(Code::ReleaseUnready, format!("the release {release} cannot be made ready: send it again"))
}
