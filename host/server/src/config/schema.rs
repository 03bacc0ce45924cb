//! The JSON Schema of `wharf.toml`, made of its keys: editors complete and check with it.
//!
//! Invariant: what the schema refuses the host refuses too. It is not the whole truth: whether names point at something, and
//! whether a component can run, only the host knows. It is of draft 7, which all editors of TOML read.

use serde_json::{Map, Value, json};
use wharf_event::limits::NAME_BYTES_MAX;

use super::keys::{Key, Named, Otherwise, ROOT, Shape};

/// The schema.
pub fn schema() -> Value {
    let mut schema = table(ROOT);
    if let Value::Object(members) = &mut schema {
        members.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
        members.insert("title".into(), json!("wharf.toml"));
        members.insert("description".into(), json!("The configuration of a Wharf host."));
        members.insert("definitions".into(), definitions());
    }
    schema
}

/// A table of these keys and no others.
fn table(keys: &[Key]) -> Value {
    let properties: Map<_, _> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required = keys.iter().filter(|key| matches!(key.otherwise, Otherwise::Required)).map(|key| key.name);
    let required: Vec<_> = required.collect();
    let mut table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let (Value::Object(members), false) = (&mut table, required.is_empty()) {
        members.insert("required".into(), json!(required));
    }
    table
}

fn property(key: &Key) -> Value {
    let mut property = shape(&key.shape);
    if let Value::Object(members) = &mut property {
        members.insert("description".into(), json!(key.about));
        if let Otherwise::Default(default) | Otherwise::Instead(_, default) = key.otherwise {
            members.insert("default".into(), default());
        }
    }
    property
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Name => name(),
        Shape::Text => json!({ "type": "string" }),
        Shape::Duration => {
            json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["50ms", "1s", "24h"] })
        }
        Shape::Size => json!({ "type": "string", "pattern": "^[0-9]+([KMGT]i)?B$", "examples": ["64MiB", "10GiB"] }),
        Shape::Integer(bounds) => json!({ "type": "integer", "minimum": bounds.start(), "maximum": bounds.end() }),
        Shape::Part(bounds) => json!({ "type": "number", "minimum": bounds.start(), "maximum": bounds.end() }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Buckets => {
            let pattern = format!("^[a-z0-9][a-z0-9._-]{{0,{}}}(:read)?$", NAME_BYTES_MAX - 1);
            json!({ "type": "array", "items": { "type": "string", "pattern": pattern } })
        }
        Shape::Names(max) => json!({ "type": "array", "items": name(), "maxItems": max }),
        Shape::Types => json!({ "type": "array", "items": { "type": "string", "pattern": r"^([^*]+\*?|\*)$" } }),
        Shape::Requests => {
            json!({ "type": "array", "items": { "type": "string", "pattern": r"^([A-Z]+(,[A-Z]+)* )?https?://[^\s/]+(/\S*)?( private)?$" }, "examples": [["POST https://api.example.com/v1/*"]] })
        }
        Shape::Fields => {
            json!({ "type": "array", "items": { "type": "string", "pattern": r"^https?://\S+ ([A-Za-z0-9_-]+: |\?[A-Za-z0-9_-]+=).*\{secret:[a-z0-9][a-z0-9._-]*\}.*$" } })
        }
        Shape::Routes => json!({ "type": "array", "items": name() }),
        Shape::Networks => {
            json!({ "type": "array", "items": { "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" }, "examples": [["10.1.0.0/16"]] })
        }
        Shape::Sockets => {
            json!({ "type": "array", "items": { "type": "string", "pattern": r"^([0-9.]+|\[[0-9a-fA-F.:]+\]):[0-9]{1,5}$" } })
        }
        Shape::Settings => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
        }
        Shape::Words(max) => json!({ "type": "array", "items": { "type": "string" }, "maxItems": max }),
        Shape::Texts => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Shape::Weights(bounds) => {
            let weight = json!({ "type": "integer", "minimum": bounds.start(), "maximum": bounds.end() });
            json!({ "type": "object", "additionalProperties": weight, "propertyNames": name(), "minProperties": 2 })
        }
        Shape::Pattern => json!({ "anyOf": [{ "$ref": "#/definitions/pattern" }, { "type": "string" }] }),
        Shape::Payload => json!({ "type": ["object", "string"] }),
        Shape::Choice(words) => json!({ "type": "string", "enum": words }),
        Shape::Table(keys) | Shape::Given(keys) => table(keys),
        Shape::List(_, max, keys) => json!({ "type": "array", "items": table(keys), "maxItems": max }),
        Shape::Tables(_, keys) => json!({ "type": "array", "items": table(keys), "minItems": 1 }),
        Shape::Methods(max) => {
            json!({ "type": "array", "items": { "type": "string", "pattern": "^[A-Z-]{1,32}$" }, "maxItems": max, "examples": [["GET", "POST"]] })
        }
        Shape::Named(Named { keys, names, .. }) => {
            let names = names.map_or_else(name, |pattern| json!({ "type": "string", "pattern": pattern }));
            json!({ "type": "object", "additionalProperties": table(keys), "propertyNames": names })
        }
    }
}

fn name() -> Value {
    json!({ "type": "string", "pattern": format!("^[a-z0-9][a-z0-9._-]{{0,{}}}$", NAME_BYTES_MAX - 1) })
}

/// The language of event patterns (docs/design/patterns.md), of each operand only its kind.
fn definitions() -> Value {
    let one = |operator: &str, operand: Value| json!({ "type": "object", "properties": { operator: operand }, "required": [operator], "maxProperties": 1 });
    let some = |item: Value| json!({ "type": "array", "items": item, "minItems": 1 });
    let (text, pattern) = (json!({ "type": "string" }), json!({ "$ref": "#/definitions/pattern" }));
    let end = json!({ "anyOf": [text, one("equals-ignore-case", text.clone())] });
    let unwanted = json!({ "anyOf": [
        { "type": ["string", "number", "object"] }, some(text.clone()), some(json!({ "type": "number" })),
    ] });
    let range = json!({ "type": "array", "items": { "type": ["string", "number"] }, "minItems": 2, "maxItems": 4 });
    json!({
        "pattern": {
            "type": "object",
            "minProperties": 1,
            "properties": { "$or": { "anyOf": [
                { "type": "array", "items": pattern, "minItems": 2 },
                { "$ref": "#/definitions/field" },
            ] } },
            "additionalProperties": { "$ref": "#/definitions/field" },
        },
        "field": { "anyOf": [pattern, some(json!({ "$ref": "#/definitions/condition" }))] },
        "condition": { "anyOf": [
            { "type": ["string", "number", "boolean", "null"] },
            one("exactly", text.clone()),
            one("prefix", end.clone()),
            one("suffix", end),
            one("equals-ignore-case", text.clone()),
            one("wildcard", text.clone()),
            one("anything-but", unwanted),
            one("numeric", range),
            one("cidr", text),
            one("exists", json!({ "type": "boolean" })),
        ] },
    })
}

/// The schema as the file has it.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The copy of the repository, which editors of its own files and readers of its pages use.
    const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wharf.schema.json");

    #[test]
    fn the_copy_of_the_repository_is_the_schema() {
        let copy = std::fs::read_to_string(COPY).unwrap_or_default();
        assert!(copy == schema_text(), "write it again: wharf config schema --write docs/wharf.schema.json");
    }

    #[test]
    fn the_demonstration_has_a_valid_configuration_that_names_the_schema() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/wharf.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let named = text.lines().find_map(|line| line.strip_prefix("#:schema ")).unwrap();
        assert_eq!(path.parent().unwrap().join(named).canonicalize().unwrap(), Path::new(COPY).canonicalize().unwrap());
        let document: Value = toml::from_str(&text).unwrap();
        let validator = jsonschema::draft7::new(&schema()).unwrap();
        let mistakes: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(mistakes, Vec::<String>::new());
    }

    #[test]
    fn the_schema_is_one() {
        assert!(jsonschema::draft7::meta::is_valid(&schema()));
    }

    /// Whether the schema takes a pattern, and whether the host does.
    fn takes(pattern: &Value) -> (bool, bool) {
        let rule = json!({ "pattern": pattern, "targets": [{ "plugin": "p" }] });
        let document = json!({ "tenants": { "a": { "rules": { "r": rule } } } });
        let validator = jsonschema::draft7::new(&schema()).unwrap();
        (validator.is_valid(&document), wharf_pattern::Pattern::parse(pattern).is_ok())
    }

    #[test]
    fn the_schema_takes_every_pattern_that_the_host_takes() {
        let entries = [
            r#""text""#,
            "true",
            "null",
            "300",
            r#"{"exactly": "10.0.0.1"}"#,
            r#"{"prefix": "a"}"#,
            r#"{"suffix": {"equals-ignore-case": "a"}}"#,
            r#"{"equals-ignore-case": "a"}"#,
            r#"{"wildcard": "a*b"}"#,
            r#"{"anything-but": "a"}"#,
            r#"{"anything-but": [1, 2]}"#,
            r#"{"anything-but": {"prefix": ["a", "b"]}}"#,
            r#"{"numeric": [">", 0, "<=", 5]}"#,
            r#"{"cidr": "10.0.0.0/8"}"#,
            r#"{"exists": false}"#,
        ];
        for entry in entries {
            let pattern: Value = serde_json::from_str(&format!(r#"{{"data": {{"x": [{entry}, "other"]}}}}"#)).unwrap();
            assert_eq!(takes(&pattern), (true, true), "{entry}");
        }
        let or = json!({"type": ["t"], "$or": [{"a": [1]}, {"$or": [{"b": [2]}, {"c": {"d": [3]}}]}]});
        assert_eq!(takes(&or), (true, true));
        for wrong in
            [json!({}), json!({"a": 1}), json!({"a": []}), json!({"a": [{"prefixx": "a"}]}), json!({"a": [[1]]})]
        {
            assert_eq!(takes(&wrong), (false, false), "{wrong}");
        }
    }
}
