//! The keys of what plugins may use, and of the most that a tenant lets them.
//!
//! Invariant: both have the same kinds, so that whatever can be granted can be bounded.

use serde_json::json;

use super::keys::{Key, Otherwise, Shape, key};

pub(super) static CEILING: &[Key] = &[
    key("publish", "Event types; a `*` at the end stands for anything.", Shape::Types, Otherwise::Nothing),
    key("kv", "Key-value buckets; with `:read` behind its name one is only read.", Shape::Buckets, Otherwise::Nothing),
    key("http", "Requests; as in `grants` of a plugin.", Shape::Requests, Otherwise::Nothing),
    key("secrets", "Fields and queries with secrets; as in `grants` of a plugin.", Shape::Fields, Otherwise::Nothing),
    key("llm", "Routes to models; as in `grants` of a plugin.", Shape::Routes, Otherwise::Nothing),
    key("infer", "Models of the tenant; as in `grants` of a plugin.", Shape::Routes, Otherwise::Nothing),
    key("hold", "Secrets that are held; as in `grants` of a plugin.", Shape::Routes, Otherwise::Nothing),
];

pub(super) static GRANTS: &[Key] = &[
    key(
        "publish",
        "Event types that it may publish; a `*` at the end stands for anything.",
        Shape::Types,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "kv",
        "Key-value buckets that it may open; with `:read` behind its name one is only read.",
        Shape::Buckets,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "http",
        "Requests that it may send, such as `POST https://api.example.com/v1/*`; with ` private` at the end also to addresses that are not public, as far as `egress.networks` lets them be reached.",
        Shape::Requests,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "secrets",
        "Fields of its requests that the host puts a secret into, such as `https://api.example.com authorization: Bearer {secret:NAME}`; with `?` before a name, pairs of their query, such as `https://api.example.com ?key={secret:NAME}`.",
        Shape::Fields,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "llm",
        "Routes by which it may ask models (`llm.routes` of its tenant).",
        Shape::Routes,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "infer",
        "Models of its tenant that it may ask (`models` of the tenant).",
        Shape::Routes,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "hold",
        "Secrets of its tenant whose values it may have in its own memory, by name. Where a service takes a key in a field of a request, `secrets` puts it there and the plugin never has it.",
        Shape::Routes,
        Otherwise::Default(|| json!([])),
    ),
];
