//! Port: a tenant's models: their versions, and which of those answers.
//!
//! Invariant: a version is in the log only when a worker could make it ready, and its bytes are durable before that. A model of the configuration file
//! is read here and never changed.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use wharf_catalog::{Baseline, ChannelError, Channels, ModelObject, ModelVersion};
use wharf_delivery::{Expected as Taken, Object, ObjectKind, ObjectName, ObjectWish};
use wharf_event::{ChannelName, Code, Digest, ModelName, Position, TenantName};
use wharf_gateway::{
    Expected, ModelNote, ModelRef, Put, Refusal,
    view::{ModelBatching, ModelDetail, ModelPromotion, ModelRollBack, ModelVersionView, ModelView},
};
use wharf_infer::{Description, Failed};
use wharf_runtime::ComponentFiles as _;

use super::{
    HostAdapter,
    channel_wish::{Wish, tried_out},
    models_batch,
    models_view::{detail, document, made, of_file_version, of_file_view, version_view, view},
    registry::{broken, not_changed},
    tenants::must_hold,
    was_read,
};
use crate::{infer::SHADOW, registry::NotKept};

/// Models of a tenant.
const MODELS_MAX: usize = 100;

/// How long it may take to find out what a model is.
const LOOK: Duration = Duration::from_secs(60);

impl wharf_gateway::Models for HostAdapter {
    async fn models(
        &self,
        tenant: &TenantName,
        after: Option<ModelName>,
        limit: u32,
    ) -> Result<Vec<ModelView>, Refusal> {
        self.known(tenant)?;
        let of_file = self.outside.own_models().of_file(tenant);
        let mut all: Vec<ModelView> = of_file.iter().map(|(name, own)| of_file_view(name, own)).collect();
        for object in self.registry.objects(tenant, ObjectKind::Model).await.map_err(|error| broken(&error))? {
            let name: ModelName = object
                .name
                .as_str()
                .parse()
                .map_err(|_| Refusal::new(Code::Internal, "a model in the state has no name"))?;
            if !of_file.contains_key(&name) {
                let named = ModelRef { tenant: tenant.clone(), model: name };
                all.push(view(&named, &document(&object)?, self.outside.own_models()));
            }
        }
        all.sort_by(|one, other| one.model.cmp(&other.model));
        let behind = all.into_iter().filter(|view| after.as_ref().is_none_or(|after| view.model > *after));
        Ok(behind.take(limit as usize).collect())
    }

    async fn model(&self, of: ModelRef) -> Result<ModelDetail, Refusal> {
        self.known(&of.tenant)?;
        if let Some(own) = self.outside.own_models().of_file(&of.tenant).get(&of.model) {
            let versions = vec![of_file_version(own)];
            let model = of_file_view(&of.model, own);
            return Ok(ModelDetail { model, version: None, versions, history: Vec::new() });
        }
        let object = self.model_object(&of).await?.ok_or_else(|| unknown(&of))?;
        Ok(detail(&of, &document(&object)?, object.version, self.outside.own_models()))
    }

    async fn put_model(
        &self,
        of: ModelRef,
        version: Digest,
        note: ModelNote,
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    ) -> Result<Put<ModelVersionView>, Refusal> {
        self.known(&of.tenant)?;
        self.model_not_of_file(&of)?;
        let there = self.model_object(&of).await?.as_ref().map(document).transpose()?.unwrap_or_default();
        if let (Some(known), Some(_)) = (there.version(&version), self.registry.models.size(&version)) {
            return Ok(Put { now: version_view(known, there.batch.is_some()), created: false });
        }
        self.may_keep_more(&of.tenant).await?;
        let (this, since_k) = (self.clone(), self.dispatcher.rules().since_k(&of.tenant));
        // What was begun is ended: who goes away when all bytes are here leaves a version, and not a file that nobody knows.
        let received = tokio::spawn(async move { this.model_received(of, since_k, (version, note), bytes).await });
        received.await.map_err(|_| Refusal::new(Code::Internal, "a task of the host failed"))?
    }

    async fn promote_model(&self, of: ModelRef, wish: ModelPromotion) -> Result<ModelDetail, Refusal> {
        let draft = wish.canary.as_ref();
        if draft.is_some() && wish.shadow {
            let detail = "`shadow`: a canary answers some questions, and a version in the shadow none";
            return Err(Refusal::new(Code::QueryInvalid, detail));
        }
        let (reason, shadow) = (wish.reason.unwrap_or_default(), shadow()?);
        self.answered_by(&of, |model| {
            let meant = if draft.is_some() || wish.shadow { model.newest() } else { model.next() };
            let release = kept(&of, model, wish.version.or(meant))?;
            let reason = reason.clone();
            if wish.shadow {
                return match &model.channels {
                    Some(channels) if channels.stable() == release => Err(no_channels(ChannelError::Already(release))),
                    _ => Ok(Wish::PromoteOn { channel: shadow.clone(), release, reason }),
                };
            }
            Ok(match draft {
                None => Wish::Promote { release, reason },
                Some(draft) => Wish::TryOut { wish: tried_out(release, draft)?, reason },
            })
        })
        .await
    }

    async fn roll_back_model(&self, of: ModelRef, wish: ModelRollBack) -> Result<ModelDetail, Refusal> {
        let reason = wish.reason.unwrap_or_default();
        let shadow = shadow()?;
        self.answered_by(&of, |model| {
            if wish.shadow {
                return Ok(Wish::Close { channel: shadow.clone() });
            }
            let to = wish.version.map(|version| kept(&of, model, Some(version))).transpose()?;
            Ok(Wish::RollBack { to, reason: reason.clone() })
        })
        .await
    }

    async fn batch_model(&self, of: ModelRef, wish: ModelBatching) -> Result<ModelDetail, Refusal> {
        let batch = models_batch::wished(wish)?;
        let looked = match batch {
            Some(_) => self.look_for_joining(&of).await?,
            None => BTreeMap::new(),
        };
        let (model, version) = self.edit_model(&of, |model| Ok(model.join(batch, &looked))).await?;
        Ok(detail(&of, &model, version, self.outside.own_models()))
    }

    async fn remove_model(&self, of: ModelRef, expected: Expected) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        self.model_not_of_file(&of)?;
        let _files = self.registry.files.lock().await;
        let there = loop {
            let there = self.model_object(&of).await?.ok_or_else(|| unknown(&of))?;
            must_hold(expected, Some(&there), &format!("model `{}`", of.model))?;
            let (kind, name, expected) = (ObjectKind::Model, there.name.clone(), Taken::Version(there.version));
            let wish = ObjectWish { kind, name, document: None, expected };
            match self.dispatcher.change(&of.tenant, vec![wish]).await {
                Ok(_) => break there,
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        };
        let gone = document(&there)?.versions.iter().map(|version| version.digest).collect();
        self.registry.forget_models(gone).await;
        self.outside.own_models().keep(&of.tenant, &of.model, &[]);
        Ok(())
    }
}

impl HostAdapter {
    pub(super) async fn model_object(&self, of: &ModelRef) -> Result<Option<Object>, Refusal> {
        let name = ObjectName::from(&of.model);
        was_read(self.dispatcher.read(|state| Object::get(state, &of.tenant, ObjectKind::Model, &name)).await)
    }

    pub(super) fn model_not_of_file(&self, of: &ModelRef) -> Result<(), Refusal> {
        match self.outside.own_models().of_file(&of.tenant).contains_key(&of.model) {
            false => Ok(()),
            true => {
                let detail = format!(
                    "model `{}` stands in the configuration file: change it there, and start the host again",
                    of.model
                );
                Err(Refusal::new(Code::ModelOfFile, detail))
            }
        }
    }

    /// Takes the bytes of a version, and leaves nothing of them where they do not come into the log.
    async fn model_received(
        &self,
        of: ModelRef,
        since_k: u64,
        sent: (Digest, ModelNote),
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin,
    ) -> Result<Put<ModelVersionView>, Refusal> {
        let (version, place) = (sent.0, self.place(&of.tenant, sent.0)?);
        let put = self.model_kept(of, since_k, sent, bytes).await;
        if put.is_err() {
            let _files = self.registry.files.lock().await;
            // Whoever else sends the same bytes needs their file: it goes with the last of them.
            drop(place);
            self.registry.forget_models(vec![version]).await;
        }
        put
    }

    /// Takes the bytes of a version, has a worker find out what they are, and puts it into the log: of the tenant that is there since that frame, and
    /// not of another one that has its name by then.
    async fn model_kept(
        &self,
        of: ModelRef,
        since_k: u64,
        (version, note): (Digest, ModelNote),
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin,
    ) -> Result<Put<ModelVersionView>, Refusal> {
        // The reserve of the disk is not for this.
        let bytes = bytes.map(|piece| piece.and_then(|piece| self.has_room().map(|()| piece)));
        let size = self.registry.models.receive(version, bytes).await.map_err(not_kept)?;
        let description = self.looked(&of.tenant, version).await?;
        let _files = self.registry.files.lock().await;
        self.model_recorded(&of, since_k, made(version, size, note, (&description, true))).await
    }

    pub(super) async fn looked(&self, tenant: &TenantName, version: Digest) -> Result<Description, Refusal> {
        let models = self.registry.models.clone();
        let read = tokio::task::spawn_blocking(move || models.read(&version)).await;
        let bytes = read.map_err(std::io::Error::other).and_then(|read| read).map_err(|error| {
            tracing::error!(%version, "a model cannot be read: {error}");
            Refusal::new(Code::Internal, "the model cannot be read")
        })?;
        self.outside.own_models().look(tenant, bytes, LOOK).await.map_err(|failed| match failed {
            Failed::Busy => Refusal::new(Code::Overloaded, "no worker is free to look at it").retry_after_s(1),
            Failed::Host(why) => Refusal::new(Code::Internal, why),
            Failed::Timeout => Refusal::new(Code::ModelUnfit, format!("it was not ready within {} s", LOOK.as_secs())),
            failed => Refusal::new(Code::ModelUnfit, failed.to_string()),
        })
    }

    async fn model_recorded(
        &self,
        of: &ModelRef,
        since_k: u64,
        new: ModelVersion,
    ) -> Result<Put<ModelVersionView>, Refusal> {
        if self.registry.models.size(&new.digest).is_none() {
            let detail = "the model was removed meanwhile: send it again";
            return Err(Refusal::new(Code::Overloaded, detail).retry_after_s(1));
        }
        loop {
            if self.dispatcher.rules().since_k(&of.tenant) != since_k {
                return Err(Refusal::new(
                    Code::TenantUnknown,
                    format!("the tenant `{}` was deleted meanwhile", of.tenant),
                ));
            }
            let there = self.model_object(of).await?;
            let mut model = there.as_ref().map(document).transpose()?.unwrap_or_default();
            if there.is_none() {
                let all = self.registry.objects(&of.tenant, ObjectKind::Model).await.map_err(|error| broken(&error))?;
                if all.len() >= MODELS_MAX {
                    return Err(Refusal::new(
                        Code::ModelsTooMany,
                        format!("the tenant has {MODELS_MAX} models already"),
                    ));
                }
            }
            let created = model.version(&new.digest).is_none();
            let (has_batch, at_ms) = (model.batch.is_some(), self.dispatcher.now_ms());
            let joining = new.joining.clone().filter(|_| has_batch);
            let new = ModelVersion { at_ms, joining, ..new.clone() };
            let gone = model.add(new.clone());
            let put = (ObjectKind::Model, ObjectName::from(&of.model));
            let held = there.map_or(Taken::Absent, |there| Taken::Version(there.version));
            match self.put_object(&of.tenant, put, &model, held).await {
                Ok(_) => {
                    self.registry.forget_models(gone).await;
                    return Ok(Put { now: version_view(&new, has_batch), created });
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }

    /// Changes which version of a model answers whom.
    async fn answered_by(
        &self,
        of: &ModelRef,
        wished: impl Fn(&ModelObject) -> Result<Wish, Refusal> + Send + Sync,
    ) -> Result<ModelDetail, Refusal> {
        let now_ms = self.dispatcher.now_ms();
        let answers = |model: &mut ModelObject| {
            let wish = wished(model)?;
            match (&wish, wish.apply_to(&mut model.channels, now_ms)) {
                // Whoever says it again has what they want.
                (Wish::Promote { .. } | Wish::PromoteOn { .. }, Err(ChannelError::Already(_))) => return Ok(false),
                (_, done) => done.map_err(no_channels)?,
            }
            model.missing().map_or(Ok(true), |gone| Err(not_kept_any_more(of, &gone)))
        };
        let (model, version) = self.edit_model(of, answers).await?;
        let asked: Vec<_> = model.channels.iter().flat_map(Channels::releases).collect();
        self.outside.own_models().keep(&of.tenant, &of.model, &asked);
        Ok(detail(of, &model, version, self.outside.own_models()))
    }

    /// Changes a model that was made by the API, where `change` says that it is another one; gives it as it is then.
    pub(super) async fn edit_model(
        &self,
        of: &ModelRef,
        change: impl Fn(&mut ModelObject) -> Result<bool, Refusal> + Send + Sync,
    ) -> Result<(ModelObject, Position), Refusal> {
        self.known(&of.tenant)?;
        self.model_not_of_file(of)?;
        wharf_gateway::Intake::ready(self)?;
        loop {
            let there = self.model_object(of).await?.ok_or_else(|| unknown(of))?;
            let mut model = document(&there)?;
            if !change(&mut model)? {
                return Ok((model, there.version));
            }
            let put = (ObjectKind::Model, there.name.clone());
            match self.put_object(&of.tenant, put, &model, Taken::Version(there.version)).await {
                Ok(fate) => return Ok((model, fate.version().ok_or_else(|| unknown(of))?)),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }

    /// What the inputs of a model are held against.
    pub(super) async fn baseline(&self, of: &ModelRef) -> Result<Option<Baseline>, Refusal> {
        self.known(&of.tenant)?;
        if self.outside.own_models().of_file(&of.tenant).contains_key(&of.model) {
            return Ok(None);
        }
        Ok(document(&self.model_object(of).await?.ok_or_else(|| unknown(of))?)?.baseline)
    }
}

/// The channel of the version that is asked in the shadow.
fn shadow() -> Result<ChannelName, Refusal> {
    SHADOW.parse().map_err(|_| Refusal::new(Code::Internal, "the shadow has no name"))
}

/// A version that is to answer: one that there is.
fn kept(of: &ModelRef, model: &ModelObject, version: Option<Digest>) -> Result<Digest, Refusal> {
    let none = || Refusal::new(Code::ModelVersionUnknown, format!("model `{}` has no version", of.model));
    let version = version.ok_or_else(none)?;
    model.version(&version).map(|_| version).ok_or_else(|| not_kept_any_more(of, &version))
}

fn not_kept_any_more(of: &ModelRef, version: &Digest) -> Refusal {
    Refusal::new(Code::ModelVersionUnknown, format!("model `{}` has no version {version}", of.model))
}

pub(super) fn unknown(of: &ModelRef) -> Refusal {
    Refusal::new(Code::ModelUnknown, format!("tenant `{}` has no model `{}`", of.tenant, of.model))
}

/// What is said of a plugin's releases there, of versions.
pub(super) fn no_channels(error: ChannelError) -> Refusal {
    let detail = match error {
        ChannelError::Already(version) => format!("version {} answers all questions already", version.short()),
        ChannelError::CanaryRuns(version) => {
            format!("version {} is on trial: promote it or roll it back first", version.short())
        }
        ChannelError::Unknown(_) => "no version is asked in the shadow".to_owned(),
        ChannelError::NoStable => "no version answers yet: promote one first".to_owned(),
        ChannelError::NoBefore => "no other version answered before, as far as the history goes".to_owned(),
        ChannelError::NeverHad(version) => {
            format!("version {} never answered all questions, as far as the history goes: promote it", version.short())
        }
        error => error.to_string(),
    };
    Refusal::new(Code::ChannelInvalid, detail)
}

fn not_kept(error: NotKept) -> Refusal {
    match error {
        NotKept::Sender(refusal) => refusal,
        NotKept::TooLarge => Refusal::new(Code::ModelUnfit, error.to_string()),
        NotKept::Mismatch { .. } => Refusal::new(Code::ReleaseMismatch, error.to_string()),
        NotKept::Disk(source) if source.kind() == std::io::ErrorKind::StorageFull => {
            Refusal::new(Code::DiskFull, "there is no room for the model").retry_after_s(10)
        }
        NotKept::Disk(source) => {
            tracing::error!("a model cannot be kept: {source}");
            Refusal::new(Code::Internal, "the model cannot be kept")
        }
    }
}
