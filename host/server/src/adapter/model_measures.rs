//! What models were asked, as families of measures: the names of OpenTelemetry's conventions for generative AI, as Prometheus spells them.

use wharf_gateway::measure::{Family, Kind, Reading};

use super::measures::{counts, number, times};
use crate::models::{Asked, AskedOf, StepOf};

/// Billionths of a unit of money.
const UNIT: f64 = 1e9;

pub(super) fn families(asked: &[(AskedOf, Asked)], currency: Option<&str>) -> [Family; 4] {
    let mut took = Family::new(
        Kind::Histogram,
        "gen_ai_client_operation_duration_seconds",
        "How long models took, each try by itself.",
        &["tenant", "route", "gen_ai_request_model", "gen_ai_operation_name", "error_type"],
    );
    let mut tokens = Family::new(
        Kind::Histogram,
        "gen_ai_client_token_usage",
        "Tokens that models read and wrote, each try by itself.",
        &["tenant", "route", "gen_ai_request_model", "gen_ai_operation_name", "gen_ai_token_type"],
    );
    let mut cost = Family::new(
        Kind::Counter,
        "wharf_llm_cost_total",
        "What models cost, in units of the currency.",
        &["tenant", "route", "gen_ai_request_model", "gen_ai_operation_name", "currency"],
    );
    let mut bytes = Family::new(
        Kind::Counter,
        "wharf_llm_bytes_total",
        "Bytes of bodies that went to models and came back.",
        &["tenant", "route", "gen_ai_request_model", "gen_ai_operation_name", "direction"],
    );
    for (AskedOf { tenant, route, model, operation }, asked) in asked {
        let of = |last: &'static str| [tenant.as_str(), route, model, operation, last];
        for (error, distribution) in &asked.took_us {
            took.push(&of(error), times(distribution));
        }
        tokens.push(&of("input"), counts(&asked.input_tokens));
        tokens.push(&of("output"), counts(&asked.output_tokens));
        bytes.push(&of("sent"), Reading::Count(asked.carried.sent));
        bytes.push(&of("received"), Reading::Count(asked.carried.received));
        let labels = [tenant.as_str(), route, model, operation, currency.unwrap_or_default()];
        cost.push(&labels, Reading::Sum(number(asked.cost) / UNIT));
    }
    [took, tokens, cost, bytes]
}

pub(super) fn steps(steps: &[(StepOf, u64)]) -> Family {
    let mut family = Family::new(
        Kind::Counter,
        "wharf_llm_route_steps_total",
        "What routes to models did besides asking: answers of the cache, repairs, guardrails.",
        &["tenant", "route", "gen_ai_request_model", "step"],
    );
    for (StepOf { tenant, route, model, step }, count) in steps {
        family.push(&[tenant.as_str(), route, model, step.name()], Reading::Count(*count));
    }
    family
}
