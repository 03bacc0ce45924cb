//! Port: baselines of models, and how far what those are asked about is from them.
//!
//! Invariant: a baseline is durable before its answer; what is counted against it is not.

use std::sync::atomic::{AtomicBool, Ordering};

use wharf_catalog::{Baseline, BaselineColumn, ColumnDrift};
use wharf_dispatch::rfc3339;
use wharf_event::{Code, Digest};
use wharf_gateway::{
    ModelRef, Refusal,
    view::{
        BaselineColumnDraft, BaselineDraft, BaselineView, ColumnDriftView, DriftView, VersionDriftView, WindowView,
    },
};

use super::HostAdapter;
use crate::infer::{Ended, Progress};

/// Rows of a window, where nothing is said.
const WINDOW: u32 = 1_000;

/// The largest PSI and KS of a column that did not drift, where nothing is said.
const BOUND: f64 = 0.2;

impl wharf_gateway::ModelDrift for HostAdapter {
    async fn put_baseline(&self, of: ModelRef, draft: BaselineDraft) -> Result<BaselineView, Refusal> {
        let baseline = drafted(draft);
        baseline.check().map_err(|error| Refusal::new(Code::BaselineInvalid, error.to_string()))?;
        let is_new = AtomicBool::new(false);
        let kept = |model: &mut wharf_catalog::ModelObject| {
            let unknown = baseline.inputs.keys().find(|input| !model.takes(input));
            if let Some(unknown) = unknown {
                let detail = format!("no version of model `{}` has an input `{unknown}`", of.model);
                return Err(Refusal::new(Code::BaselineInvalid, detail));
            }
            is_new.store(model.baseline.as_ref() != Some(&baseline), Ordering::Relaxed);
            model.baseline = Some(baseline.clone());
            Ok(is_new.load(Ordering::Relaxed))
        };
        self.edit_model(&of, kept).await?;
        if is_new.into_inner() {
            // What was counted was held against another one.
            self.outside.own_models().drifts().forget(&of.tenant, &of.model);
        }
        Ok(view(&baseline))
    }

    async fn remove_baseline(&self, of: ModelRef) -> Result<(), Refusal> {
        self.edit_model(&of, |model| Ok(model.baseline.take().is_some())).await?;
        self.outside.own_models().drifts().forget(&of.tenant, &of.model);
        Ok(())
    }

    async fn drift(&self, of: ModelRef) -> Result<DriftView, Refusal> {
        let baseline = self.baseline(&of).await?;
        let watched = self.outside.own_models().drifts().of_model(&of.tenant, &of.model);
        let versions = if baseline.is_none() { Vec::new() } else { watched.into_iter().map(version).collect() };
        Ok(DriftView { model: of.model, baseline: baseline.as_ref().map(view), versions })
    }
}

fn drafted(draft: BaselineDraft) -> Baseline {
    let BaselineDraft { rows, window, psi, ks, inputs } = draft;
    let column = |BaselineColumnDraft { name, quantiles }| BaselineColumn { name, quantiles };
    let inputs = inputs.into_iter().map(|(input, all)| (input, all.into_iter().map(column).collect())).collect();
    let (window, psi, ks) = (window.unwrap_or(WINDOW), psi.unwrap_or(BOUND), ks.unwrap_or(BOUND));
    Baseline { rows, window, psi, ks, inputs }
}

fn view(of: &Baseline) -> BaselineView {
    let names = |columns: &Vec<BaselineColumn>| columns.iter().map(|column| column.name.clone()).collect();
    let inputs = of.inputs.iter().map(|(input, columns)| (input.clone(), names(columns))).collect();
    BaselineView { rows: of.rows, window: of.window, psi: of.psi, ks: of.ks, inputs }
}

fn version((version, of): (Digest, Progress)) -> VersionDriftView {
    VersionDriftView { version, rows: of.rows, unfit: of.unfit, last: of.last.map(window) }
}

fn window(of: Ended) -> WindowView {
    let drifted = of.drifted();
    let column = |ColumnDrift { input, column, distances, missing, drifted }| {
        let (psi, ks) = distances.unzip();
        ColumnDriftView { input, column, psi, ks, missing, drifted }
    };
    let columns = of.columns.into_iter().map(column).collect();
    WindowView { at: rfc3339(of.at_ms), rows: of.rows, drifted, columns }
}
