//! Which questions of a route mean the same: by which model's vectors that is told, and how near they have to be.
//!
//! Invariant: what is read can be looked at: the model is there, has a price and makes vectors that mean something, and the route has a cache.

use serde_json::json;
use wharf_event::ModelName;
use wharf_llm::Likeness;

use super::{
    keys::{Key, Otherwise, Shape, key},
    llm::{ECHO, LlmConfig},
    providers::Protocol,
    table::{Found, Sink, Table},
};

/// How near is near where it is not said.
const AT_LEAST_DEFAULT: Likeness = Likeness::of(9_500);

/// What questions of a route mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimilarConfig {
    /// The model that makes vectors of them.
    pub model: ModelName,
    /// How near two have to be.
    pub at_least: Likeness,
    /// Whether the answer is only compared with what the models say.
    pub shadow: bool,
}

const KEYS: &[Key] = &[
    key(
        "model",
        "The model of `llm.models` that makes vectors of questions. It needs a price.",
        Shape::Name,
        Otherwise::Required,
    ),
    key(
        "at_least",
        "How near two questions have to be: the cosine of the angle between their vectors, 0.5 to 1.",
        Shape::Part(0.5..=1.0),
        Otherwise::Default(|| json!(f64::from(AT_LEAST_DEFAULT.ten_thousandths()) / 10_000.0)),
    ),
    key(
        "shadow",
        "Whether the models are asked as ever, and what the cache would have answered is only counted and compared with what they say.",
        Shape::Boolean,
        Otherwise::Default(|| json!(true)),
    ),
];

pub(super) const SIMILAR: Key = key(
    "similar",
    "Gives an answer of `cache` also to whoever asks what means the same: where all else is the same, and numbers, ids and negations are. In the shadow, unless it is said otherwise.",
    Shape::Given(KEYS),
    Otherwise::Nothing,
);

/// Reads that of a route, if it has it.
pub(super) fn read(route: &Table<'_>, known: &LlmConfig, sink: &Sink) -> Option<SimilarConfig> {
    let table = route.table("similar")?;
    if route.value("cache").is_none() {
        let message = format!("`similar` of {} has no `cache` to look into", route.what());
        sink.report(table.span.clone(), message, "say how long its answers are given again: cache = \"1h\"");
    }
    let model = table.parsed::<ModelName>("model");
    if table.value("model").is_none() {
        table.missing("model", "name a model that makes vectors");
    }
    if let Some(model) = &model {
        check(model, known, sink);
    }
    let at_least = table.part("at_least").unwrap_or(AT_LEAST_DEFAULT);
    let shadow = table.boolean("shadow").unwrap_or(true);
    Some(SimilarConfig { model: model?.value, at_least, shadow })
}

fn check(named: &Found<ModelName>, known: &LlmConfig, sink: &Sink) {
    let name = &named.value;
    let Some(model) = known.models.get(name).filter(|_| name.as_str() != ECHO) else {
        if name.as_str() == ECHO {
            let message = "the vectors of `echo` mean nothing";
            return sink.report(named.span.clone(), message, "name a model that makes vectors");
        }
        let message = format!("there is no model `{name}`");
        let names = known.models.keys().map(ModelName::as_str);
        let help = format!("add a table `llm.models.{name}`");
        return sink.report_unknown(named.span.clone(), message, name.as_str(), names, help);
    };
    if known.providers.get(&model.provider).is_some_and(|provider| provider.kind == Protocol::Echo) {
        let message = format!("the vectors of `{name}` mean nothing: its provider is of the kind `echo`");
        sink.report(named.span.clone(), message, "name a model that makes vectors");
    }
    if model.input_price.is_none() {
        let message = format!("the model `{name}` has no `input_price`, so it is never asked for a vector");
        sink.report(named.span.clone(), message, format!("say what it costs in `llm.models.{name}`; \"0\" is a price"));
    }
}

#[cfg(test)]
mod tests {
    const BASE: &str = r#"default_tenant = "acme"
[llm.providers.cloud]
kind = "openai"
endpoint = "https://a.test/v1"
[llm.providers.own]
kind = "echo"
[llm.models.vectors]
provider = "cloud"
model = "v"
input_price = "0.02"
[llm.models.free]
provider = "cloud"
model = "v"
[llm.models.said]
provider = "own"
model = "v"
input_price = "0"
[tenants.acme.llm.routes.triage]
models = ["echo"]
"#;

    fn problems(more: &str) -> Vec<String> {
        let text = format!("{BASE}{more}\n");
        let (_, problems) = crate::config::read(&text);
        let line = |at: usize| text[..at].lines().count();
        problems.iter().map(|it| format!("{}: {}; {}", line(it.span.start + 1), it.message, it.help)).collect()
    }

    #[test]
    fn what_is_similar_is_told_by_a_model_with_a_price_and_given_by_a_cache() {
        for fine in [
            "model = 'vectors'",
            "model = 'vectors', at_least = 1, shadow = false",
            "model = 'vectors', at_least = 0.5",
        ] {
            assert_eq!(problems(&format!("cache = '1h'\nsimilar = {{ {fine} }}")), [] as [String; 0], "{fine}");
        }
        for (similar, wanted) in [
            ("", "21: `similar` of route `triage` has no `model`; name a model that makes vectors"),
            ("model = 'vector'", "21: there is no model `vector`; did you mean `vectors`? or add"),
            ("model = 'echo'", "21: the vectors of `echo` mean nothing"),
            ("model = 'said'", "21: the vectors of `said` mean nothing: its provider"),
            ("model = 'free'", "21: the model `free` has no `input_price`, so it is never asked for a vector; say"),
            (
                "model = 'vectors', at_least = 0.49",
                "21: `at_least` of `similar` of route `triage` is out of range; give 0.5 to 1",
            ),
            ("model = 'vectors', at_least = 1.01", "is out of range"),
            ("model = 'vectors', at_least = 2", "is out of range"),
            ("model = 'vectors', at_least = nan", "is out of range"),
            ("model = 'vectors', at_least = 0.95001", "with at most four decimals"),
            ("model = 'vectors', at_least = '0.9'", "is of type string; give a number"),
            ("model = 'vectors', near = 1", "has no key `near`"),
        ] {
            let found = problems(&format!("cache = '1h'\nsimilar = {{ {similar} }}"));
            assert!(found.iter().any(|problem| problem.contains(wanted)), "{similar}: {found:?}");
        }
        let found = problems("similar = { model = 'vectors' }");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("20: `similar` of route `triage` has no `cache` to look into; "), "{found:?}");
    }
}
