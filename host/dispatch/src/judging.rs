//! Judges releases on trial, again and again: one that breaks a bound gets no more traffic, one that kept them gets all of it.
//!
//! Invariant: what is judged is what the channels are when they change; somebody who changes them meanwhile wins, and it is looked at again.

use wharf_catalog::{Canary, Cause, ChannelError, Channels, Judgement, PluginObject, ReleaseObject, judge};
use wharf_delivery::{Expected, Object, ObjectKind, ObjectName, ObjectWish, TableError};
use wharf_event::{Digest, PluginName, Position, TenantName};
use wharf_signature::{Keys, SignatureError, check};

use crate::{
    configuring::ChangeError,
    dispatcher::Dispatcher,
    limits::{EDITS_MAX, JUDGE_EVERY},
    notices::Notice,
    partition::{AskError, chain},
    plugins::Plugin,
    watched as watch,
};

/// Why a plugin stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is none of that name that is a control object.
    #[error("there is no plugin `{0}` that was made by the API")]
    Unknown(PluginName),
    /// Its channels cannot be changed like that.
    #[error(transparent)]
    Channels(#[from] ChannelError),
    /// It did not change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Its document cannot be read, which no change of this host writes.
    #[error("the plugin's document is damaged: {0}")]
    Damaged(String),
}

impl From<AskError> for EditError {
    fn from(error: AskError) -> Self {
        ChangeError::from(error).into()
    }
}

/// The task that judges.
pub(crate) struct Judge {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Judge {
    /// Looks again and again until the host stops.
    pub(crate) async fn run(mut self) {
        loop {
            let stopped = self.stopping.wait_for(|stopping| *stopping);
            if tokio::time::timeout(JUDGE_EVERY, stopped).await.is_ok() {
                return;
            }
            for (tenant, plugin) in self.dispatcher.attempts.trials.running() {
                let why = self.dispatcher.judge(&tenant, &plugin).await.err().map(|error| chain(&error));
                let is_new = self.dispatcher.attempts.trials.is_stuck_anew(&tenant, &plugin, why.as_deref());
                if let (Some(why), true) = (why, is_new) {
                    tracing::warn!(%tenant, %plugin, "a release on trial is not judged: {why}");
                }
            }
        }
    }
}

impl Dispatcher {
    async fn judge(&self, tenant: &TenantName, name: &PluginName) -> Result<(), EditError> {
        let plugin = self.rules().plugin(tenant, name);
        let channels = plugin.as_deref().and_then(Plugin::channels);
        let Some((canary, channels)) = channels.and_then(|of| of.canary().map(|canary| (canary.clone(), of.clone())))
        else {
            self.attempts.trials.end(tenant, name);
            return Ok(());
        };
        let now_ms = self.now_ms();
        let (cause, judgement) = self.judged(tenant, name, &canary, &channels, now_ms);
        let (advances, reason) = match judgement {
            Judgement::GoesOn | Judgement::Waits { .. } => return Ok(()),
            Judgement::Aborts { reason } => (false, reason),
            Judgement::Advances { reason } => match self.refused(tenant, name, canary.release).await? {
                None => (true, reason),
                Some(error) => (false, format!("no key vouches for it any more: {error}")),
            },
        };
        let release = canary.release.short();
        let edited = self.edit_plugin(tenant, name, &[], |object| {
            let channels = object.channels.as_mut().ok_or(ChannelError::NoCanary)?;
            channels.judged(&canary, advances, now_ms, cause, &reason)
        });
        match edited.await {
            // Somebody changed them since they were judged: what is there now is judged next time.
            Err(EditError::Channels(ChannelError::NoCanary)) => return Ok(()),
            edited => _ = edited?,
        }
        match advances {
            true => tracing::info!(%tenant, plugin = %name, release, "a release on trial gets all traffic: {reason}"),
            false => {
                tracing::warn!(%tenant, plugin = %name, release, "a release on trial gets no more traffic: {reason}");
                let (tenant, plugin, cause) = (tenant.clone(), name.clone(), cause.as_str().to_owned());
                let (release, stable) = (canary.release, channels.stable());
                // A host that stops tells nobody any more.
                let _ =
                    self.attempts.notices.send(Notice::RolledBack { tenant, plugin, release, stable, cause, reason });
            }
        }
        Ok(())
    }

    fn judged(
        &self,
        tenant: &TenantName,
        name: &PluginName,
        canary: &Canary,
        channels: &Channels,
        now_ms: u64,
    ) -> (Cause, Judgement) {
        if self.attempts.quarantine.holds(tenant, canary.release) {
            let reason = "the host failed in too many attempts of it: it is quarantined".to_owned();
            return (Cause::Quarantine, Judgement::Aborts { reason });
        }
        let releases = [canary.release, channels.stable()];
        let [on_canary, on_stable] = self.attempts.trials.tallies(tenant, name, canary.since_ms, releases);
        (Cause::Judgement, judge(canary, &on_canary, &on_stable, now_ms, "first attempts"))
    }

    /// Why the tenant does not take a release, as its keys and its policy are now.
    async fn refused(
        &self,
        tenant: &TenantName,
        plugin: &PluginName,
        release: Digest,
    ) -> Result<Option<SignatureError>, EditError> {
        let policy = self.rules().settings(tenant).signatures;
        let (keys, named) = (ObjectName::from(tenant), ObjectName::of_release(plugin, &release));
        let read = self.read(|state| {
            let keys = Object::get(state, tenant, ObjectKind::Keys, &keys)?;
            Ok::<_, TableError>((keys, Object::get(state, tenant, ObjectKind::Release, &named)?))
        });
        let (keys, recorded) = read.await?.map_err(|error| EditError::Damaged(chain(&error)))?;
        let damaged = |error: serde_json::Error| EditError::Damaged(error.to_string());
        let keys = keys.map(|keys| serde_json::from_slice::<Keys>(&keys.document)).transpose().map_err(damaged)?;
        let recorded = recorded.map(|of| serde_json::from_slice::<ReleaseObject>(&of.document)).transpose();
        let signatures = recorded.map_err(damaged)?.map(|of| of.signatures).unwrap_or_default();
        let signatures = signatures.iter().filter_map(|text| text.parse().ok()).collect::<Vec<_>>();
        Ok(check(policy, &keys.unwrap_or_default(), &release, &signatures).err())
    }

    /// Changes a plugin that is a control object, on what it is at that moment, and gives it with its version. What is wished
    /// `beside` has to come about too.
    ///
    /// # Errors
    /// When there is none, `edit` refuses, or it cannot be put to use.
    pub async fn edit_plugin(
        &self,
        tenant: &TenantName,
        plugin: &PluginName,
        beside: &[ObjectWish],
        edit: impl Fn(&mut PluginObject) -> Result<(), ChannelError>,
    ) -> Result<(PluginObject, Position), EditError> {
        let name = ObjectName::from(plugin);
        let mut tries = 0;
        loop {
            let found = self.read(|state| Object::get(state, tenant, ObjectKind::Plugin, &name)).await?;
            let found = found.map_err(|error| EditError::Damaged(chain(&error)))?;
            let found = found.ok_or_else(|| EditError::Unknown(plugin.clone()))?;
            let damaged = |error: serde_json::Error| EditError::Damaged(error.to_string());
            let mut object: PluginObject = serde_json::from_slice(&found.document).map_err(damaged)?;
            edit(&mut object)?;
            let document = serde_json::to_vec(&object).map_err(damaged)?;
            let expected = Expected::Version(found.version);
            let wish =
                ObjectWish { kind: ObjectKind::Plugin, name: name.clone(), document: Some(document.into()), expected };
            let wishes = std::iter::once(wish).chain(beside.iter().cloned()).collect();
            match self.change(tenant, wishes).await {
                Ok(changed) => {
                    let version = changed.objects.first().and_then(|fate| fate.version()).unwrap_or(found.version);
                    return Ok((object, version));
                }
                // Somebody else was faster.
                Err(error) if tries < EDITS_MAX && error.is_conflict() => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What was counted since a plugin's release is on trial: first attempts and failures of the canary and of the stable release.
    #[must_use]
    pub fn trial(&self, tenant: &TenantName, plugin: &PluginName, channels: &Channels) -> Option<[(u64, u64); 2]> {
        let canary = channels.canary()?;
        let releases = [canary.release, channels.stable()];
        let tallies = self.attempts.trials.tallies(tenant, plugin, canary.since_ms, releases);
        Some(tallies.map(|tally| (tally.attempts(), tally.failures())))
    }
}
