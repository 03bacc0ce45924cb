//! Models: who has them, which there are and what they cost, and by which routes a tenant's plugins reach them.
//!
//! Invariant: every model that a route names is there, and every provider that a model names. No key of anybody stands in the file: it names a
//! secret or a variable.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use wharf_event::{ModelName, ProviderName, RouteName};
use wharf_llm::Guard;

use super::{
    budgets::{self, BUDGET, BudgetConfig, PLUGINS},
    caches::CACHE,
    duration::duration_text,
    guardrails::{self, GUARDRAILS},
    keys::{Key, Named, Otherwise, Shape, key},
    prompts::PROMPTS,
    providers::{self, PROVIDER, ProviderConfig},
    similar::{self, SIMILAR, SimilarConfig},
    table::{Sink, Table},
    weights,
};
use crate::prices::Money;

/// Models of a route.
pub(super) const MODELS_MAX: usize = 8;

/// How long one model may take, in milliseconds.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=900_000;

/// The same where it is not said.
const TIMEOUT_MS_DEFAULT: u64 = 30_000;

/// How long an answer may be given again, in milliseconds.
const CACHE_MS: std::ops::RangeInclusive<u64> = 1_000..=30 * 24 * 3_600_000;

/// Tokens of an answer where it is not said.
const MAX_TOKENS_DEFAULT: u32 = 4_096;

/// How often a model is asked where it is not said.
const TRIES_DEFAULT: u32 = 2;

/// The model that is always there: it answers by itself.
pub const ECHO: &str = "echo";

/// What an operator says of models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LlmConfig {
    /// Who has them.
    pub providers: BTreeMap<ProviderName, ProviderConfig>,
    /// Which there are.
    pub models: BTreeMap<ModelName, ModelConfig>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelConfig {
    /// Who has it.
    pub provider: ProviderName,
    /// What it is called there.
    pub model: String,
    /// What a million tokens cost that it reads.
    pub input_price: Option<Money>,
    /// What a million cost that it writes.
    pub output_price: Option<Money>,
}

/// A tenant's way to models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// Those that are asked, one after the other until one answers.
    pub models: Vec<ModelName>,
    /// Which of them is asked first, how often; none = the first.
    pub weights: BTreeMap<ModelName, u32>,
    /// Tokens of an answer at most.
    pub max_tokens: u32,
    /// How often each is asked that has too much to do.
    pub tries: u32,
    /// How long each may take, in milliseconds.
    pub timeout_ms: u64,
    /// What they may cost.
    pub budget: BudgetConfig,
    /// For how long an answer is given again to the same question, in milliseconds; none = not at all.
    pub cache_ms: Option<u64>,
    /// Which questions mean the same; none = those that are the same.
    pub similar: Option<SimilarConfig>,
    /// Whether a model is asked once more where its answer breaks its schema.
    pub repair: bool,
    /// What may not be said, and what is masked.
    pub guard: Option<Arc<Guard>>,
}

const fn named(one: &'static str, keys: &'static [Key]) -> Shape {
    Shape::Named(Named { one, always: None, names: None, keys })
}

pub(super) static LLM: &[Key] = &[
    key("providers", "Who has models.", named("provider", PROVIDER), Otherwise::Nothing),
    key(
        "models",
        "Which models there are. One that answers by itself, `echo`, always is.",
        named("model", MODEL),
        Otherwise::Nothing,
    ),
];

static MODEL: &[Key] = &[
    key("provider", "Who has it.", Shape::Name, Otherwise::Required),
    key("model", "What it is called there; of `sagemaker` the name of the endpoint.", Shape::Text, Otherwise::Required),
    key(
        "input_price",
        "What a million tokens cost that it reads, as in \"0.15\". Without a price it is not called; \"0\" is one.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "output_price",
        "What a million tokens cost that it writes, its thoughts included.",
        Shape::Text,
        Otherwise::Nothing,
    ),
];

pub(super) static ROUTES: &[Key] = &[
    key("routes", "Ways to models, which plugins name and `grants` allow.", named("route", ROUTE), Otherwise::Nothing),
    BUDGET,
    PLUGINS,
    CACHE,
    PROMPTS,
];

static ROUTE: &[Key] = &[
    key(
        "models",
        "The models that are asked: the first, and each of the others where those before it did not answer.",
        Shape::Names(MODELS_MAX),
        Otherwise::Required,
    ),
    weights::KEY,
    key(
        "max_tokens",
        "Tokens of an answer at most, whatever a plugin asks for.",
        Shape::Integer(1..=1_000_000),
        Otherwise::Default(|| json!(MAX_TOKENS_DEFAULT)),
    ),
    key(
        "tries",
        "How often a model is asked that has too much to do, before the next one is.",
        Shape::Integer(1..=5),
        Otherwise::Default(|| json!(TRIES_DEFAULT)),
    ),
    key(
        "timeout",
        "How long one model may take.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(TIMEOUT_MS_DEFAULT))),
    ),
    BUDGET,
    key(
        "cache",
        "For how long an answer is given again to whoever asks exactly the same, 1s to 30d. Without it nobody gets another's answer.",
        Shape::Duration,
        Otherwise::Nothing,
    ),
    SIMILAR,
    key(
        "repair",
        "Whether a model is asked once more where its answer breaks the schema that was asked for. That is paid like any other call.",
        Shape::Boolean,
        Otherwise::Default(|| json!(true)),
    ),
    GUARDRAILS,
];

/// Reads providers and models.
pub(super) fn read(table: &Table<'_>, sink: &Sink) -> LlmConfig {
    let mut config = LlmConfig::default();
    let mut providers = Vec::new();
    for (name, table) in table.named::<ProviderName>("providers") {
        providers.push(name.clone());
        config.providers.extend(providers::read(&table, sink).map(|provider| (name, provider)));
    }
    for (name, table) in table.named::<ModelName>("models") {
        config.models.extend(read_model(&table, &providers, sink).map(|model| (name, model)));
    }
    config
}

fn read_model(table: &Table<'_>, providers: &[ProviderName], sink: &Sink) -> Option<ModelConfig> {
    let provider = table.parsed::<ProviderName>("provider");
    if table.value("provider").is_none() {
        table.missing("provider", "name a table below `llm.providers`");
    }
    if let Some(named) = &provider
        && !providers.contains(&named.value)
    {
        let message = format!("there is no provider `{}`", named.value);
        let names = providers.iter().map(ProviderName::as_str);
        let help = format!("add a table `llm.providers.{}`", named.value);
        sink.report_unknown(named.span.clone(), message, named.value.as_str(), names, help);
    }
    let model = table.parsed::<String>("model");
    if table.value("model").is_none() {
        table.missing("model", "say what it is called there");
    }
    let price = |key| table.parsed::<Money>(key).map(|found| found.value);
    let (input_price, output_price) = (price("input_price"), price("output_price"));
    Some(ModelConfig { provider: provider?.value, model: model?.value, input_price, output_price })
}

/// Reads a tenant's routes.
pub(super) fn read_routes(table: &Table<'_>, known: &LlmConfig, sink: &Sink) -> BTreeMap<RouteName, RouteConfig> {
    let mut routes = BTreeMap::new();
    for (name, table) in table.named::<RouteName>("routes") {
        let models = table.placed_list::<ModelName>("models");
        let span = || table.value_span("models").unwrap_or(table.span.clone());
        if table.value("models").is_none() {
            table.missing("models", "name a model, such as the one that is always there: models = [\"echo\"]");
        } else if models.is_empty() || models.len() > MODELS_MAX {
            sink.report(span(), format!("{} names {} models", table.what(), models.len()), "name 1 to 8 models");
        }
        for named in &models {
            if named.value.as_str() != ECHO && !known.models.contains_key(&named.value) {
                let message = format!("there is no model `{}`", named.value);
                let names = known.models.keys().map(ModelName::as_str).chain([ECHO]);
                let help = format!("add a table `llm.models.{}`", named.value);
                sink.report_unknown(named.span.clone(), message, named.value.as_str(), names, help);
            }
        }
        let route = RouteConfig {
            weights: weights::read(&table, &models, sink),
            models: models.into_iter().map(|found| found.value).collect(),
            max_tokens: table.integer("max_tokens").unwrap_or(MAX_TOKENS_DEFAULT),
            tries: table.integer("tries").unwrap_or(TRIES_DEFAULT),
            timeout_ms: table.duration_between("timeout", TIMEOUT_MS).unwrap_or(TIMEOUT_MS_DEFAULT),
            budget: budgets::read(&table),
            cache_ms: table.duration_between("cache", CACHE_MS),
            similar: similar::read(&table, known, sink),
            repair: table.boolean("repair").unwrap_or(true),
            guard: guardrails::read(&table, sink),
        };
        routes.insert(name, route);
    }
    routes
}
