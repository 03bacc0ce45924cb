//! What models of tenants were asked, as families of measures.

use wharf_gateway::measure::{Family, Kind, Reading};

use super::measures::{counts, times};
use crate::infer::{Inferences, InferencesOf, Progress, ShadowCounts, WatchedOf};

pub(super) fn families(inferred: &[(InferencesOf, Inferences)]) -> [Family; 3] {
    let mut took = Family::new(
        Kind::Histogram,
        "wharf_infer_duration_seconds",
        "How long models of tenants ran, for each question.",
        &["tenant", "model", "version", "error_type"],
    );
    let mut waited = Family::new(
        Kind::Histogram,
        "wharf_infer_wait_seconds",
        "How long questions waited for a worker, and for the model to be ready.",
        &["tenant", "model", "version"],
    );
    let mut shared = Family::new(
        Kind::Histogram,
        "wharf_infer_batch_questions",
        "How many questions a run of a model answered, where several may share one.",
        &["tenant", "model", "version"],
    );
    for (InferencesOf { tenant, model, version }, of) in inferred {
        for (error, distribution) in &of.took_us {
            took.push(&[tenant.as_str(), model, version, error], times(distribution));
        }
        waited.push(&[tenant.as_str(), model, version], times(&of.waited_us));
        if let Some(questions) = &of.shared {
            shared.push(&[tenant.as_str(), model, version], counts(questions));
        }
    }
    [took, waited, shared]
}

/// What came of the questions that versions were asked in the shadow.
pub(super) fn shadow(counted: &[(WatchedOf, ShadowCounts)]) -> Family {
    let help = "Questions to versions of models in the shadow of those that answered.";
    let labels = &["tenant", "model", "version", "result"];
    let mut family = Family::new(Kind::Counter, "wharf_infer_shadow_total", help, labels);
    for (WatchedOf { tenant, model, version }, counts) in counted {
        let ShadowCounts { same, differing, failed, left_out } = *counts;
        for (result, count) in [("same", same), ("differing", differing), ("failed", failed), ("left-out", left_out)] {
            let labels = [tenant.as_str(), model.as_str(), &version.short(), result];
            family.push(&labels, Reading::Count(count));
        }
    }
    family
}

/// How far the inputs of models are from their baselines: of each version the column that is furthest in its last full window.
pub(super) fn drift(watched: &[(WatchedOf, Progress)]) -> [Family; 2] {
    let family = |name, help| Family::new(Kind::Gauge, name, help, &["tenant", "model", "version"]);
    let mut psi =
        family("wharf_infer_drift_psi", "The largest population stability index of a column of a model's inputs.");
    let mut ks =
        family("wharf_infer_drift_ks", "The largest distance of the distributions of a column of a model's inputs.");
    for (WatchedOf { tenant, model, version }, Progress { last, .. }) in watched {
        let Some((its_psi, its_ks)) = last.as_ref().and_then(|last| last.largest()) else { continue };
        let labels = [tenant.as_str(), model.as_str(), &version.short()];
        psi.push(&labels, Reading::Number(its_psi));
        ks.push(&labels, Reading::Number(its_ks));
    }
    [psi, ks]
}
