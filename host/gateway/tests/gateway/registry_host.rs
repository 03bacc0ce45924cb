//! The plugins of the made-up host: those that were put or uploaded to, and `of-file`, which stands in its file.
//!
//! Invariant: a release is ready when its bytes begin with `ready`, and unfit else. No release but a ready one is promoted.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use wharf_event::{Code, Digest, GrantBounds, Grants, PluginName, TenantName};
use wharf_gateway::view::{
    Approval, GrantsDetail, PluginDetail, PluginView, Promotion, ReleaseFailure, ReleaseState, ReleaseView, RollBack,
    RuleOrigin,
};
use wharf_gateway::{ChannelWish, Expected, Granting, PluginPut, PluginRef, Refusal, Registry, ReleaseRef, UploadNote};

use crate::host::{FakeHost, TIME, position, tenant_is_known};

fn none(code: Code) -> Refusal {
    Refusal::new(code, "the made-up host has none")
}

fn detail(plugin: &PluginName, stable: Option<Digest>) -> PluginDetail {
    PluginDetail {
        breaker: None,
        breaker_state: None,
        plugin: PluginView { plugin: plugin.clone(), origin: RuleOrigin::Api, stable, canary: None },
        version: Some(position(0)),
        config: BTreeMap::new(),
        grants: Default::default(),
        limits: BTreeMap::new(),
        channels: BTreeMap::new(),
        history: Vec::new(),
    }
}

impl FakeHost {
    fn made(&self, of: &PluginRef) -> Result<PluginDetail, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.plugin.as_str() == "of-file" {
            return Err(Refusal::new(Code::PluginOfFile, "it stands in the file"));
        }
        self.plugins.lock().unwrap().get(&of.plugin).cloned().ok_or_else(|| none(Code::PluginUnknown))
    }
}

impl Registry for FakeHost {
    async fn plugins(
        &self,
        tenant: &TenantName,
        after: Option<PluginName>,
        limit: u32,
    ) -> Result<Vec<PluginView>, Refusal> {
        tenant_is_known(tenant)?;
        let plugins = self.plugins.lock().unwrap();
        let behind = plugins.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
        Ok(behind.take(limit.try_into().unwrap()).map(|(_, detail)| detail.plugin.clone()).collect())
    }

    async fn plugin(&self, of: PluginRef) -> Result<PluginDetail, Refusal> {
        self.made(&of)
    }

    async fn put_plugin(&self, of: PluginRef, settings: Bytes, _: Expected) -> Result<PluginPut, Refusal> {
        let created = match self.made(&of) {
            Err(refusal) if refusal.code != Code::PluginUnknown => return Err(refusal),
            found => found.is_err(),
        };
        if settings != "{}" {
            return Err(Refusal::new(Code::PluginInvalid, "the made-up host minds"));
        }
        let plugin = self.plugins.lock().unwrap().entry(of.plugin.clone()).or_insert(detail(&of.plugin, None)).clone();
        Ok(PluginPut { plugin, created })
    }

    async fn remove_plugin(&self, of: PluginRef, _: Expected) -> Result<(), Refusal> {
        self.made(&of)?;
        self.plugins.lock().unwrap().remove(&of.plugin);
        Ok(())
    }

    async fn releases(&self, of: PluginRef) -> Result<Vec<ReleaseView>, Refusal> {
        self.made(&of)?;
        Ok(self.releases.lock().unwrap().values().cloned().collect())
    }

    async fn release(&self, of: ReleaseRef) -> Result<ReleaseView, Refusal> {
        self.made(&of.of)?;
        self.releases.lock().unwrap().get(&of.release).cloned().ok_or_else(|| none(Code::ReleaseUnknown))
    }

    async fn follow(&self, of: ReleaseRef) -> Result<BoxStream<'static, ReleaseView>, Refusal> {
        let view = self.release(of).await?;
        let before = ReleaseView { state: ReleaseState::Compiling, ..view.clone() };
        Ok(stream::iter([before, view]).boxed())
    }

    async fn upload(
        &self,
        of: ReleaseRef,
        note: UploadNote,
        mut bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    ) -> Result<ReleaseView, Refusal> {
        tenant_is_known(&of.of.tenant)?;
        let mut whole = Vec::new();
        while let Some(piece) = bytes.next().await {
            whole.extend_from_slice(&piece?);
        }
        if Digest::of(&whole) != of.release {
            return Err(Refusal::new(Code::ReleaseMismatch, "the bytes are other ones"));
        }
        self.signatures.lock().unwrap().clone_from(&note.signatures);
        let is_ready = whole.starts_with(b"ready");
        let failure = (!is_ready)
            .then(|| ReleaseFailure { code: Code::ComponentNotWasm, detail: "the made-up host minds".to_owned() });
        let view = ReleaseView {
            release: of.release,
            state: if is_ready { ReleaseState::Ready } else { ReleaseState::Failed },
            bytes: whole.len().try_into().unwrap(),
            at: TIME.to_owned(),
            version: note.version,
            message: note.message,
            world: None,
            imports: Vec::new(),
            asks: Vec::new(),
            missing: Vec::new(),
            new: Vec::new(),
            signed_by: None,
            failure,
        };
        self.plugins.lock().unwrap().entry(of.of.plugin.clone()).or_insert(detail(&of.of.plugin, None));
        self.releases.lock().unwrap().insert(of.release, view.clone());
        Ok(view)
    }

    async fn lift_quarantine(&self, of: PluginRef) -> Result<Vec<Digest>, Refusal> {
        self.made(&of)?;
        Ok(vec![Digest::of(b"quarantined")])
    }

    async fn change_channels(&self, of: PluginRef, wish: ChannelWish) -> Result<PluginDetail, Refusal> {
        let mut made = self.made(&of)?;
        match wish {
            ChannelWish::Close(channel) => {
                made.channels.remove(channel.as_str()).ok_or_else(|| none(Code::ChannelUnknown))?;
            }
            ChannelWish::Promote(Promotion { release, channel: Some(channel), .. }) => {
                made.channels.insert(channel.to_string(), release);
            }
            ChannelWish::Promote(Promotion { release, .. }) => {
                let found = self.releases.lock().unwrap().get(&release).cloned();
                match found.ok_or_else(|| none(Code::ReleaseUnknown))?.state {
                    ReleaseState::Ready => made.plugin.stable = Some(release),
                    _ => return Err(none(Code::ReleaseUnready)),
                }
            }
            ChannelWish::RollBack(RollBack { .. }) => return Err(none(Code::ChannelInvalid)),
        }
        self.plugins.lock().unwrap().insert(of.plugin, made.clone());
        Ok(made)
    }
}

impl Granting for FakeHost {
    async fn grants(&self, of: PluginRef) -> Result<GrantsDetail, Refusal> {
        let made = self.made(&of)?;
        let granted = self.granted.lock().unwrap().clone();
        let (version, ceiling) = (made.version, GrantBounds::default());
        Ok(GrantsDetail { plugin: of.plugin, version, granted, ceiling, waiting: Vec::new() })
    }

    async fn approve(&self, of: PluginRef, wish: Approval) -> Result<GrantsDetail, Refusal> {
        self.made(&of)?;
        let more = Grants {
            publish: wish.publish,
            kv: wish.kv,
            http: wish.http,
            secrets: wish.secrets,
            llm: wish.llm,
            infer: wish.infer,
            hold: wish.hold,
        };
        match (wish.release, more.is_empty()) {
            (Some(_), _) => return Err(none(Code::GrantUnsaid)),
            (None, true) => return Err(none(Code::ReleaseUnknown)),
            (None, false) if more.may_publish("operator.only") => return Err(none(Code::GrantCeiling)),
            (None, false) => {}
        }
        let granted = self.granted.lock().unwrap().with(&more);
        *self.granted.lock().unwrap() = granted;
        self.grants(of).await
    }

    async fn revoke(&self, of: PluginRef, less: Grants) -> Result<GrantsDetail, Refusal> {
        self.made(&of)?;
        let granted = self.granted.lock().unwrap().without(&less);
        *self.granted.lock().unwrap() = granted;
        self.grants(of).await
    }
}
