//! What models of tenants were asked, as families of measures.

use wharf_gateway::measure::{Family, Kind};

use super::measures::times;
use crate::infer::{Inferences, InferencesOf};

pub(super) fn families(inferred: &[(InferencesOf, Inferences)]) -> [Family; 2] {
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
    for (InferencesOf { tenant, model, version }, of) in inferred {
        for (error, distribution) in &of.took_us {
            took.push(&[tenant.as_str(), model, version, error], times(distribution));
        }
        waited.push(&[tenant.as_str(), model, version], times(&of.waited_us));
    }
    [took, waited]
}
