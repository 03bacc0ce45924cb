//! Weights among the models of a route: which of them is asked first, how often.
//!
//! Invariant: each is of a model that the route names, and there are none or at least two.

use std::{collections::BTreeMap, ops::RangeInclusive};

use toml::de::DeValue;
use wharf_event::ModelName;

use super::{
    keys::{Key, Otherwise, Shape, key},
    table::{Found, Sink, Table},
};

/// What a model may weigh. Together the models of a route weigh no more than a number of 32 bits takes.
pub(super) const WEIGHTS: RangeInclusive<u32> = 1..=1_000;

pub(super) const KEY: Key = key(
    "weights",
    "Which of `models` is asked first by how many of the deliveries, as in `{ small = 90, large = 10 }`: each model's part of the sum, 1 to 1000. The others are asked behind it in their order. Without it the first always is.",
    Shape::Weights(WEIGHTS),
    Otherwise::Nothing,
);

/// Reads those of a route with these models.
pub(super) fn read(table: &Table<'_>, models: &[Found<ModelName>], sink: &Sink) -> BTreeMap<ModelName, u32> {
    let mut weights = BTreeMap::new();
    let written = table.settings("weights");
    for (name, value) in &written {
        let Some(model) = models.iter().find(|model| model.value.as_str() == *name) else {
            let message = format!("`weights` of {} names `{name}`, which is none of its `models`", table.what());
            let names = models.iter().map(|model| model.value.as_str());
            sink.report_unknown(value.span(), message, name, names, "name it in `models` too");
            continue;
        };
        let number = match value.get_ref() {
            DeValue::Integer(integer) => u32::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        match number.filter(|number| WEIGHTS.contains(number)) {
            Some(number) => {
                weights.insert(model.value.clone(), number);
            }
            None => {
                let message = format!("the weight of `{name}` in {} is no whole number from 1 to 1000", table.what());
                sink.report(value.span(), message, "leave the model out of `weights` if it is never to be the first");
            }
        }
    }
    if written.len() == 1 {
        let span = table.value_span("weights").unwrap_or(table.span.clone());
        let message = format!("`weights` of {} names one model only", table.what());
        sink.report(span, message, "weigh two at least, or leave `weights` out: the first of `models` is asked first");
    }
    weights
}

#[cfg(test)]
mod tests {
    const BASE: &str = "default_tenant = 'acme'\n[llm.providers.echo]\nkind = 'echo'\n[llm.models.small]\nprovider = 'echo'\nmodel = 'echo'\n[tenants.acme.llm.routes.triage]\nmodels = ['small', 'echo']\n";

    fn problems(weights: &str) -> Vec<String> {
        let (_, problems) = crate::config::read(&format!("{BASE}weights = {weights}\n"));
        problems.iter().map(|problem| format!("{}; {}", problem.message, problem.help)).collect()
    }

    #[test]
    fn weights_are_of_models_of_the_route_and_between_1_and_1000() {
        assert_eq!(problems("{ small = 1, echo = 1000 }"), [] as [String; 0]);
        for (weights, wanted) in [
            ("{ small = 90, large = 10 }", "names `large`, which is none of its `models`; name it in `models` too"),
            ("{ small = 90, ecko = 10 }", "which is none of its `models`; did you mean `echo`? or name it"),
            ("{ small = 0, echo = 10 }", "the weight of `small` in route `triage` is no whole number from 1 to 1000"),
            ("{ small = 90, echo = 1001 }", "the weight of `echo` in route"),
            ("{ small = '90', echo = 10 }", "the weight of `small` in route"),
            ("{ small = 0.5, echo = 0.5 }", "the weight of `small` in route"),
            ("{ small = 90 }", "`weights` of route `triage` names one model only; weigh two at least"),
            ("[90, 10]", "is of type array"),
        ] {
            let found = problems(weights);
            assert!(found.iter().any(|problem| problem.contains(wanted)), "{weights}: {found:?}");
        }
    }
}
