//! The description of this API, `openapi.json` beside the sources, served as it is.
//!
//! Invariant: its paths, methods and codes are those of the route table, which a test compares both ways. It is written by
//! hand, since a document made from the table would agree with it even where both are wrong.

use axum::response::Response;
use http::StatusCode;

use crate::answer;

/// The document, OpenAPI 3.1.
pub(crate) const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /openapi.json`
pub(crate) async fn document() -> Response {
    answer::content(StatusCode::OK, "application/json", DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;
    use wharf_event::Code;

    use super::DOCUMENT;
    use crate::routes::{PROBLEMS_OF_ALL, ROUTES};

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// (method, path) to the codes that the document gives it, each seen to stand under its own status.
    fn described() -> BTreeMap<(String, String), BTreeSet<Code>> {
        let document = document();
        let mut all = BTreeMap::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
                let mut codes = BTreeSet::new();
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let listed = response["x-codes"].as_array().map_or(&[][..], Vec::as_slice);
                    for code in listed.iter().map(|code| code.as_str().unwrap().parse::<Code>().unwrap()) {
                        assert!(status == "default" || *status == code.status().to_string(), "{method} {path}: {code}");
                        assert!(codes.insert(code), "{method} {path} lists {code} twice");
                    }
                }
                all.insert((method.to_uppercase(), path.clone()), codes);
            }
        }
        all
    }

    #[test]
    fn the_document_has_exactly_the_routes_and_their_codes() {
        let routes: BTreeMap<_, BTreeSet<Code>> = ROUTES
            .iter()
            .map(|route| {
                // OpenAPI has no variable that takes slashes.
                let path = route.path.replace("{*", "{");
                ((route.verb.as_str().to_owned(), path), route.problems.iter().copied().collect())
            })
            .collect();
        assert_eq!(routes.len(), ROUTES.len(), "a route is in the table twice");
        assert_eq!(described(), routes);
    }

    #[test]
    fn every_variable_of_a_path_is_described() {
        for (path, methods) in document()["paths"].as_object().unwrap() {
            let named: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let described: BTreeSet<&str> = methods["parameters"]
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .map(|parameter| parameter["$ref"].as_str().unwrap().rsplit('/').next().unwrap())
                .collect();
            assert_eq!(named, described, "{path}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(root: &Value, at: &Value) {
            match at {
                Value::Object(members) => {
                    if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                        assert!(root.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
                    }
                    members.values().for_each(|value| check(root, value));
                }
                Value::Array(values) => values.iter().for_each(|value| check(root, value)),
                _ => {}
            }
        }
        let document = document();
        check(&document, &document);
    }

    #[test]
    fn the_problem_schema_lists_every_code_that_a_route_may_answer() {
        let document = document();
        let codes = document.pointer("/components/schemas/Problem/properties/code/enum").unwrap();
        let listed: BTreeSet<Code> =
            codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap().parse().unwrap()).collect();
        let used: BTreeSet<Code> =
            ROUTES.iter().flat_map(|route| route.problems).chain(PROBLEMS_OF_ALL).copied().collect();
        assert_eq!(listed, used);
    }
}
