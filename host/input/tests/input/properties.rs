//! Goal: whatever an event and a template hold, what comes out is JSON, and is what the oracle says. Method: payloads, paths and
//! templates over one small alphabet, so that paths often lead somewhere.

use proptest::prelude::*;
use serde_json::{Map, Value};
use wharf_input::Input;

use crate::{
    event, json,
    oracle::{Step, Tree, follow, write},
    paths, payload,
};

/// Texts of which some are names, some look like variables, and some need escapes.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "<v0>", "<", ">", "\"", "\\", "\n", "\u{0}", "'", "é", "🚀", " "]);
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned), 1 => text()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            // In the order of their names, since `*` goes by the order of the text.
            prop::collection::btree_map(name(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => name().prop_map(Step::Name),
        2 => (0_usize..3).prop_map(Step::Index),
        1 => Just(Step::Every),
    ];
    prop::collection::vec(step, 0..4)
}

const VARIABLES: usize = 4;

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        1 => value().prop_map(Tree::Is),
        3 => (0..VARIABLES).prop_map(Tree::Variable),
        // A value that is no string is looked for in the text by trying: few of them.
        3 => (prop::collection::vec((text(), 0..VARIABLES), 0..3), text()).prop_map(|(parts, end)| Tree::Text(parts, end)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::vec((name(), inner), 0..4).prop_map(Tree::Object),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_path_leads_where_the_oracle_says(data in value(), steps in steps(), pretty in any::<bool>()) {
        let spelled = if pretty { serde_json::to_string_pretty(&data).unwrap() } else { data.to_string() };
        let (media_type, made) = payload(&Input::path(&write(&steps)).unwrap(), &event(spelled)).unwrap();
        prop_assert_eq!(media_type.map(|_| json(&made)), follow(&data, &steps));
    }

    #[test]
    fn a_template_makes_what_the_oracle_says(
        data in value(),
        of in prop::collection::vec(steps(), VARIABLES),
        tree in tree(),
        pretty in any::<bool>(),
    ) {
        let spelled = if pretty { serde_json::to_string_pretty(&data).unwrap() } else { data.to_string() };
        let values: Vec<Option<Value>> = of.iter().map(|steps| follow(&data, steps)).collect();
        let named: Vec<(String, String)> = of.iter().enumerate().map(|(n, steps)| (format!("v{n}"), write(steps))).collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(name, path)| (name.as_str(), path.as_str())).collect();
        let mut template = String::new();
        tree.write(&mut template);
        let input = Input::template(&paths(&named), &template).map_err(|errors| TestCaseError::fail(format!("{template}: {errors}")))?;
        let (media_type, made) = payload(&input, &event(spelled)).unwrap();
        prop_assert_eq!(media_type.as_deref(), Some("application/json"));
        let read = serde_json::from_str::<Value>(&made).map_err(|error| TestCaseError::fail(format!("{made}: {error}")))?;
        prop_assert!(tree.is(&values, &read), "{} made {}", template, made);
    }

    #[test]
    fn any_text_is_a_template_or_is_not_and_what_it_makes_is_json(template in "[\\[\\]{}\":,<>v0\\\\ntrue1e. \n]{0,24}", data in value()) {
        let Ok(input) = Input::template(&paths(&[("v0", "$.data"), ("v", "$.nothing")]), &template) else { return Ok(()) };
        let (media_type, made) = payload(&input, &event(data.to_string())).unwrap();
        let is_json = media_type.as_deref() == Some("application/json");
        prop_assert!(!is_json || serde_json::from_str::<Value>(&made).is_ok(), "{} made {}", template, made);
    }
}
