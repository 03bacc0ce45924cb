//! What models were asked since the host started, by the names of OpenTelemetry (`gen_ai.*`).
//!
//! Invariant: it is bounded: beyond [`SERIES_MAX`] tenants, routes and models the others are counted together. Each asking of a model is counted, tries and
//! fallbacks too; what an attempt before was answered is none. Nothing here is durable: what has to be exact is in the state (docs/design/llm.md, "Budgets").

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use wharf_dispatch::LlmCall;
use wharf_event::ModelName;
use wharf_gateway::measure::OTHER;
use wharf_llm::Usage;
use wharf_runtime::histogram::{Distribution, Histogram};

use crate::sent::Carried;

/// Tenants with their routes and models that are counted apart.
const SERIES_MAX: usize = 500;

/// Bounds for how long a model takes, in microseconds, as OpenTelemetry has them: 10 ms to 82 s.
const TOOK_US: &[u64] = &[
    10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000, 10_240_000, 20_480_000,
    40_960_000, 81_920_000,
];

/// Bounds for tokens, as OpenTelemetry has them.
const TOKENS: &[u64] =
    &[1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

/// Whose askings are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskedOf {
    /// The tenant.
    pub tenant: String,
    /// Its route.
    pub route: String,
    /// The model, as the operator calls it.
    pub model: String,
    /// What was asked of it.
    pub operation: &'static str,
}

struct Meter {
    /// How long it took, by the error that it ended with; empty where it was answered.
    took_us: BTreeMap<&'static str, Histogram>,
    input_tokens: Histogram,
    output_tokens: Histogram,
    cost: u64,
    carried: Carried,
}

/// What was counted.
pub struct Asked {
    /// How long it took, by the error that it ended with; empty where it was answered. In microseconds.
    pub took_us: BTreeMap<&'static str, Distribution>,
    /// Tokens that were read.
    pub input_tokens: Distribution,
    /// Tokens that were written.
    pub output_tokens: Distribution,
    /// What it cost, in 10⁻⁹ of the unit.
    pub cost: u64,
    /// Bytes that went to it and came back.
    pub carried: Carried,
}

/// What a route did besides asking models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteStep {
    /// It had the answer.
    CacheHit,
    /// It had not.
    CacheMiss,
    /// It had the answer to what means the same.
    SimilarHit,
    /// It had none to that either.
    SimilarMiss,
    /// Whether it had could not be told.
    SimilarFailed,
    /// It had one, which was not given: the models were asked as ever.
    SimilarShadow,
    /// What they said then was the same.
    SimilarSame,
    /// It was something else.
    SimilarOther,
    /// An answer broke its schema, and another one did not.
    Repaired,
    /// An answer breaks its schema.
    Broken,
    /// Something was masked.
    Masked,
    /// Its guardrails stopped a call.
    Blocked,
    /// A model was not asked, since it only failed.
    Rest,
}

impl RouteStep {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CacheHit => "cache-hit",
            Self::CacheMiss => "cache-miss",
            Self::SimilarHit => "similar-hit",
            Self::SimilarMiss => "similar-miss",
            Self::SimilarFailed => "similar-failed",
            Self::SimilarShadow => "similar-shadow",
            Self::SimilarSame => "similar-shadow-same",
            Self::SimilarOther => "similar-shadow-other",
            Self::Repaired => "schema-repaired",
            Self::Broken => "schema-broken",
            Self::Masked => "masked",
            Self::Blocked => "blocked",
            Self::Rest => "rest",
        }
    }
}

/// Whose steps are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepOf {
    /// The tenant.
    pub tenant: String,
    /// Its route.
    pub route: String,
    /// The model that is the first of the call.
    pub model: String,
    /// What was done.
    pub step: RouteStep,
}

/// The meters of all tenants.
#[derive(Default)]
pub struct ModelMeters {
    asked: Mutex<BTreeMap<AskedOf, Meter>>,
    steps: Mutex<BTreeMap<StepOf, u64>>,
}

impl ModelMeters {
    /// Counts a step of a call's route.
    pub(super) fn step(&self, (call, first): (&LlmCall, Option<&ModelName>), step: RouteStep) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let model = first.map(ToString::to_string).unwrap_or_default();
        let mut of = StepOf { tenant: call.tenant.to_string(), route: call.route.to_string(), model, step };
        if steps.len() >= SERIES_MAX && !steps.contains_key(&of) {
            let other = || OTHER.to_owned();
            of = StepOf { tenant: other(), route: other(), model: other(), step };
        }
        *steps.entry(of).or_default() += 1;
    }

    /// The steps so far.
    pub fn steps(&self) -> Vec<(StepOf, u64)> {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.iter().map(|(of, count)| (of.clone(), *count)).collect()
    }

    /// Counts that a model was asked, for so long, with that error if there is one.
    pub(super) fn count(
        &self,
        (call, model): (&LlmCall, &ModelName),
        (took, error): (Duration, Option<&'static str>),
        (usage, cost, carried): (Usage, u64, Carried),
    ) {
        let mut meters = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (tenant, route, model) = (call.tenant.to_string(), call.route.to_string(), model.to_string());
        let mut of = AskedOf { tenant, route, model, operation: call.ask.operation() };
        if meters.len() >= SERIES_MAX && !meters.contains_key(&of) {
            let other = || OTHER.to_owned();
            of = AskedOf { tenant: other(), route: other(), model: other(), operation: OTHER };
        }
        let new = || Meter {
            took_us: BTreeMap::new(),
            input_tokens: Histogram::new(TOKENS),
            output_tokens: Histogram::new(TOKENS),
            cost: 0,
            carried: Carried::default(),
        };
        let meter = meters.entry(of).or_insert_with(new);
        let took_us = meter.took_us.entry(error.unwrap_or_default()).or_insert_with(|| Histogram::new(TOOK_US));
        took_us.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if usage != Usage::default() {
            meter.input_tokens.record(usage.input_tokens);
            meter.output_tokens.record(usage.output_tokens);
        }
        meter.cost = meter.cost.saturating_add(cost);
        meter.carried.sent += carried.sent;
        meter.carried.received += carried.received;
    }

    /// What was counted so far.
    pub fn read(&self) -> Vec<(AskedOf, Asked)> {
        let meters = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = |meter: &Meter| Asked {
            took_us: meter.took_us.iter().map(|(error, took)| (*error, took.read())).collect(),
            input_tokens: meter.input_tokens.read(),
            output_tokens: meter.output_tokens.read(),
            cost: meter.cost,
            carried: meter.carried,
        };
        meters.iter().map(|(of, meter)| (of.clone(), asked(meter))).collect()
    }
}
