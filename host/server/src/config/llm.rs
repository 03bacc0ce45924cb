//! Models: who has them, which there are and what they cost, and by which routes a tenant's plugins reach them.
//!
//! Invariant: every model that a route names is there, and every provider that a model names. No key of anybody stands in the file: it names a
//! secret or a variable.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use serde_json::json;
use wharf_egress::Place;
use wharf_event::{ModelName, ProviderName, RouteName, SecretName};
use wharf_llm::Guard;

use super::{
    budgets::{self, BUDGET, BudgetConfig, PLUGINS},
    caches::CACHE,
    duration::duration_text,
    guardrails::{self, GUARDRAILS},
    keys::{Key, Named, Otherwise, Shape, key},
    prompts::PROMPTS,
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

/// The field for an answer's tokens, and what it was called before.
const TOKENS_FIELDS: [&str; 2] = ["max_completion_tokens", "max_tokens"];

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

/// A protocol of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's, which many servers speak.
    OpenAi,
    /// Amazon Bedrock's runtime.
    Bedrock,
    /// Amazon SageMaker's runtime: endpoints whose containers speak OpenAI's.
    SageMaker,
    /// None: the host answers by itself.
    Echo,
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "openai" => Ok(Self::OpenAi),
            "bedrock" => Ok(Self::Bedrock),
            "sagemaker" => Ok(Self::SageMaker),
            "echo" => Ok(Self::Echo),
            other => Err(format!("`{other}` is no protocol of models")),
        }
    }
}

/// Somebody who has models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Its protocol.
    pub kind: Protocol,
    /// Where: an absolute URL without a slash at its end; empty where nobody is asked.
    pub endpoint: String,
    /// The secret of the tenant that asks.
    pub secret: Option<SecretName>,
    /// The variable with the operator's own key.
    pub key_env: Option<String>,
    /// The field for an answer's tokens.
    pub tokens_field: &'static str,
    /// The region of AWS; empty where there is none.
    pub region: String,
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

static PROVIDER: &[Key] = &[
    key(
        "kind",
        "Its protocol: `openai`, which many servers speak (chat completions and embeddings); `bedrock`, Amazon Bedrock's runtime (Converse, CountTokens, Titan's embeddings); `sagemaker`, real-time endpoints of Amazon SageMaker whose containers speak `openai`; or `echo`, where the host answers by itself.",
        Shape::Choice(&["openai", "bedrock", "sagemaker", "echo"]),
        Otherwise::Required,
    ),
    key(
        "endpoint",
        "Where it is: the URL before `/chat/completions`, as in `https://api.openai.com/v1`. An address that is not public has to be in `egress.networks`. For `bedrock` and `sagemaker` that of the region if none is given.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key("region", "The region of `bedrock` or `sagemaker`, as in `eu-central-1`.", Shape::Name, Otherwise::Nothing),
    key(
        "secret",
        "The secret with its key, of the tenant that asks (`wharf secret set`); for `bedrock` and `sagemaker` `ACCESS_KEY_ID:SECRET_ACCESS_KEY`; for `bedrock` also one of its API keys.",
        Shape::Name,
        Otherwise::Nothing,
    ),
    key(
        "key_env",
        "The host's variable with its key, where it is the operator's. With neither of them `bedrock` and `sagemaker` take AWS's own variables or profile. `sagemaker` has no such keys.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "tokens_field",
        "The field for the tokens of an answer at most; older servers know `max_tokens` only.",
        Shape::Choice(&TOKENS_FIELDS),
        Otherwise::Default(|| json!(TOKENS_FIELDS[0])),
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
        config.providers.extend(read_provider(&table, sink).map(|provider| (name, provider)));
    }
    for (name, table) in table.named::<ModelName>("models") {
        config.models.extend(read_model(&table, &providers, sink).map(|model| (name, model)));
    }
    config
}

fn read_provider(table: &Table<'_>, sink: &Sink) -> Option<ProviderConfig> {
    let whole = |text: &str| text.parse::<Place>().map(|_| text.trim_end_matches('/').to_owned());
    let kind = table.parsed::<Protocol>("kind").map(|found| found.value);
    if table.value("kind").is_none() {
        table.missing("kind", "say its protocol: kind = \"openai\"");
    }
    let endpoint = table.parsed_by("endpoint", whole);
    let region = table.parsed_by("region", |text| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fine = !text.is_empty() && text.len() <= 63 && text.bytes().all(letter);
        if fine { Ok(text.to_owned()) } else { Err(format!("`{text}` is no region")) }
    });
    let region = region.map(|found| found.value).unwrap_or_default();
    match kind {
        Some(Protocol::OpenAi) if table.value("endpoint").is_none() => {
            table.missing("endpoint", "say where it is: endpoint = \"https://api.openai.com/v1\"");
        }
        Some(Protocol::Bedrock | Protocol::SageMaker) if table.value("region").is_none() => {
            table.missing("region", "say which it is: region = \"eu-central-1\"");
        }
        _ => {}
    }
    let secret = table.parsed::<SecretName>("secret").map(|found| found.value);
    let key_env = table.parsed_by("key_env", |text| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !text.is_empty() && text.bytes().all(letter) {
            Ok(text.to_owned())
        } else {
            Err(format!("`{text}` is no variable"))
        }
    });
    let key_env = key_env.map(|found| found.value);
    if secret.is_some() && key_env.is_some() {
        let span = table.value_span("key_env").unwrap_or(table.span.clone());
        sink.report(span, format!("{} has both a `secret` and a `key_env`", table.what()), "leave one of them out");
    }
    if kind == Some(Protocol::SageMaker) && key_env.is_some() {
        let span = table.value_span("key_env").unwrap_or(table.span.clone());
        let help = "leave it out: requests are signed by a `secret`, or by AWS's own variables or profile";
        sink.report(span, "there are no keys of `sagemaker` that are sent as they are".to_owned(), help);
    }
    let tokens_field = table.parsed_by("tokens_field", |text| {
        TOKENS_FIELDS.iter().find(|field| **field == text).copied().ok_or_else(|| format!("`{text}` is no such field"))
    });
    let tokens_field = tokens_field.map_or(TOKENS_FIELDS[0], |found| found.value);
    let kind = kind?;
    let endpoint = endpoint.map(|found| found.value).unwrap_or_else(|| match kind {
        Protocol::Bedrock => format!("https://bedrock-runtime.{region}.amazonaws.com"),
        Protocol::SageMaker => format!("https://runtime.sagemaker.{region}.amazonaws.com"),
        _ => String::new(),
    });
    Some(ProviderConfig { kind, endpoint, secret, key_env, tokens_field, region })
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
            repair: table.boolean("repair").unwrap_or(true),
            guard: guardrails::read(&table, sink),
        };
        routes.insert(name, route);
    }
    routes
}
