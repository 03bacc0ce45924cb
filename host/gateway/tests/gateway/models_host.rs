//! The models of the made-up host: those that were put, and `of-file`, which stands in its file.
//!
//! Invariant: a version is fit when its bytes begin with `fit`.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use wharf_event::{Code, Digest, ModelName, TenantName};
use wharf_gateway::view::{
    BaselineDraft, BaselineView, DriftView, ModelBatching, ModelDetail, ModelPromotion, ModelRollBack,
    ModelVersionView, ModelView, RuleOrigin,
};
use wharf_gateway::{Expected, ModelDrift, ModelNote, ModelRef, Models, Put, Refusal};

use crate::host::{FakeHost, TIME, position, tenant_is_known};

fn none(code: Code) -> Refusal {
    Refusal::new(code, "the made-up host has none")
}

impl FakeHost {
    fn kept(&self, of: &ModelRef) -> Result<ModelDetail, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.model.as_str() == "of-file" {
            return Err(Refusal::new(Code::ModelOfFile, "it stands in the file"));
        }
        self.models.lock().unwrap().get(&of.model).cloned().ok_or_else(|| none(Code::ModelUnknown))
    }
}

impl Models for FakeHost {
    async fn models(
        &self,
        tenant: &TenantName,
        after: Option<ModelName>,
        limit: u32,
    ) -> Result<Vec<ModelView>, Refusal> {
        tenant_is_known(tenant)?;
        let models = self.models.lock().unwrap();
        let behind = models.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
        Ok(behind.take(limit.try_into().unwrap()).map(|(_, detail)| detail.model.clone()).collect())
    }

    async fn model(&self, of: ModelRef) -> Result<ModelDetail, Refusal> {
        self.kept(&of)
    }

    async fn put_model(
        &self,
        of: ModelRef,
        version: Digest,
        note: ModelNote,
        mut bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    ) -> Result<Put<ModelVersionView>, Refusal> {
        let found = match self.kept(&of) {
            Err(refusal) if refusal.code != Code::ModelUnknown => return Err(refusal),
            found => found.ok(),
        };
        let mut all = Vec::new();
        while let Some(piece) = bytes.next().await {
            all.extend(piece?);
        }
        if Digest::of(&all) != version {
            return Err(Refusal::new(Code::ReleaseMismatch, "others came"));
        }
        if !all.starts_with(b"fit") {
            return Err(Refusal::new(Code::ModelUnfit, "the made-up host minds"));
        }
        let now = ModelVersionView {
            digest: version,
            bytes: all.len() as u64,
            at: Some(TIME.to_owned()),
            version: note.version,
            message: note.message,
            nodes: 1,
            opset: 17,
            producer: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            alone: None,
        };
        let created = found.is_none();
        let (model, origin) = (of.model.clone(), RuleOrigin::Api);
        let model =
            ModelView { model, origin, stable: None, canary: None, shadow: None, batch: None, batch_wait_ms: None };
        let detail =
            ModelDetail { model, version: Some(position(0)), versions: vec![now.clone()], history: Vec::new() };
        self.models.lock().unwrap().insert(of.model, detail);
        Ok(Put { now, created })
    }

    async fn promote_model(&self, of: ModelRef, wish: ModelPromotion) -> Result<ModelDetail, Refusal> {
        let mut detail = self.kept(&of)?;
        let version = wish.version.unwrap_or(detail.versions[0].digest);
        if detail.versions[0].digest != version {
            return Err(none(Code::ModelVersionUnknown));
        }
        detail.model.stable = Some(version);
        self.models.lock().unwrap().insert(of.model, detail.clone());
        Ok(detail)
    }

    async fn roll_back_model(&self, of: ModelRef, _: ModelRollBack) -> Result<ModelDetail, Refusal> {
        self.kept(&of)?;
        Err(none(Code::ChannelInvalid))
    }

    async fn batch_model(&self, of: ModelRef, wish: ModelBatching) -> Result<ModelDetail, Refusal> {
        let mut detail = self.kept(&of)?;
        (detail.model.batch, detail.model.batch_wait_ms) = (wish.batch, wish.batch_wait_ms);
        self.models.lock().unwrap().insert(of.model, detail.clone());
        Ok(detail)
    }

    async fn remove_model(&self, of: ModelRef, _: Expected) -> Result<(), Refusal> {
        self.kept(&of)?;
        self.models.lock().unwrap().remove(&of.model);
        Ok(())
    }
}

impl ModelDrift for FakeHost {
    async fn put_baseline(&self, of: ModelRef, draft: BaselineDraft) -> Result<BaselineView, Refusal> {
        self.kept(&of)?;
        let inputs = draft.inputs.into_iter();
        let inputs = inputs.map(|(input, all)| (input, all.into_iter().map(|column| column.name).collect())).collect();
        let (window, psi, ks) = (draft.window.unwrap_or(1_000), draft.psi.unwrap_or(0.2), draft.ks.unwrap_or(0.2));
        let view = BaselineView { rows: draft.rows, window, psi, ks, inputs };
        self.baselines.lock().unwrap().insert(of.model, view.clone());
        Ok(view)
    }

    async fn remove_baseline(&self, of: ModelRef) -> Result<(), Refusal> {
        self.kept(&of)?;
        self.baselines.lock().unwrap().remove(&of.model);
        Ok(())
    }

    async fn drift(&self, of: ModelRef) -> Result<DriftView, Refusal> {
        self.kept(&of)?;
        let baseline = self.baselines.lock().unwrap().get(&of.model).cloned();
        Ok(DriftView { model: of.model, baseline, versions: Vec::new() })
    }
}
