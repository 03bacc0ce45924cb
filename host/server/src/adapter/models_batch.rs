//! Setting models to have questions to them asked together.
//!
//! Invariant: questions are joined to versions only of which a worker found out, by what their files say, that they can be.

use std::collections::BTreeMap;

use wharf_catalog::{Joining, ModelBatch};
use wharf_event::{Code, Digest};
use wharf_gateway::{ModelRef, Refusal, view::ModelBatching};

use super::{
    HostAdapter,
    models::unknown,
    models_view::{document, joining, short},
};
use crate::config::{BATCH_ROWS, BATCH_WAIT_MS};

/// How questions are to be asked together, if they are.
pub(super) fn wished(ModelBatching { batch, batch_wait_ms }: ModelBatching) -> Result<Option<ModelBatch>, Refusal> {
    let invalid = |detail: String| Err(Refusal::new(Code::QueryInvalid, detail));
    let (rows, wait_ms) = match (batch, batch_wait_ms) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return invalid("`batch_wait_ms`: it is for nothing without a `batch`".to_owned()),
        (Some(rows), wait_ms) => (rows, wait_ms.unwrap_or(0)),
    };
    if !BATCH_ROWS.contains(&rows) {
        return invalid(format!("`batch`: a run has {} to {} rows", BATCH_ROWS.start(), BATCH_ROWS.end()));
    }
    if !BATCH_WAIT_MS.contains(&wait_ms) {
        return invalid(format!("`batch_wait_ms`: at most {}", BATCH_WAIT_MS.end()));
    }
    Ok(Some(ModelBatch { rows, wait_ms }))
}

impl HostAdapter {
    /// Has a worker look at each version of a model of which it is not known yet whether questions to it can be joined.
    pub(super) async fn look_for_joining(&self, of: &ModelRef) -> Result<BTreeMap<Digest, Joining>, Refusal> {
        self.known(&of.tenant)?;
        self.model_not_of_file(of)?;
        let model = document(&self.model_object(of).await?.ok_or_else(|| unknown(of))?)?;
        let mut looked = BTreeMap::new();
        for version in model.versions.iter().filter(|version| version.joining.is_none()) {
            let found = match self.looked(&of.tenant, version.digest).await {
                Ok(description) => joining(&description),
                // A host of before took it, and this one cannot ask it at all.
                Err(unfit) if unfit.code == Code::ModelUnfit => Joining::Alone(short(&unfit.detail)),
                Err(other) => return Err(other),
            };
            looked.insert(version.digest, found);
        }
        Ok(looked)
    }
}
