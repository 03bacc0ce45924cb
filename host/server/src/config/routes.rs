//! A tenant's routes: which plugin answers the requests of which path.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use serde_json::json;
use wharf_delivery::RouteDocument;
use wharf_event::{PluginAt, RoutePath};

use super::{
    keys::{Key, Otherwise, Shape, key},
    size::size_text,
    table::{Found, Sink, Table},
    tenant::Known,
};

/// Bytes that the body of a request or an answer may be let have.
const BODY_BYTES: RangeInclusive<u64> = 0..=1 << 30;

/// What holds where nothing is said.
const BODY_BYTES_DEFAULT: u64 = 10 << 20;

/// Methods that a route may name, and the length of each.
pub(super) const METHODS_MAX: usize = 16;
const METHOD_BYTES_MAX: usize = 32;

pub(super) static ROUTE: &[Key] = &[
    key(
        "plugin",
        "The plugin that answers, or `PLUGIN@CHANNEL`: a component of the world wasi:http/proxy.",
        Shape::Text,
        Otherwise::Required,
    ),
    key(
        "methods",
        "The methods that it takes; all where nothing is said.",
        Shape::Methods(METHODS_MAX),
        Otherwise::Nothing,
    ),
    key(
        "request_size",
        "How large the body of a request may be.",
        Shape::Size,
        Otherwise::Default(|| json!(size_text(BODY_BYTES_DEFAULT))),
    ),
    key(
        "answer_size",
        "How large the body of an answer may be.",
        Shape::Size,
        Otherwise::Default(|| json!(size_text(BODY_BYTES_DEFAULT))),
    ),
    key(
        "reuse",
        "Requests that one instance answers, one after the other: with 1 each has a fresh one.",
        Shape::Integer(1..=1_000_000),
        Otherwise::Default(|| json!(1)),
    ),
];

/// A method of HTTP.
struct Method(String);

/// A text that is none.
#[derive(Debug)]
struct NoMethod(String);

impl fmt::Display for NoMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no method: write it in capital letters, such as GET", self.0)
    }
}

impl FromStr for Method {
    type Err = NoMethod;

    fn from_str(text: &str) -> Result<Self, NoMethod> {
        let is_one = (1..=METHOD_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
            && text != "CONNECT";
        if is_one {
            return Ok(Self(text.to_owned()));
        }
        Err(NoMethod(text.chars().take(METHOD_BYTES_MAX).collect()))
    }
}

/// Reads all of them.
pub(super) fn read(table: &Table<'_>, known: Known<'_>, sink: &Sink) -> BTreeMap<RoutePath, RouteDocument> {
    let named = table.named::<RoutePath>("routes").into_iter();
    named.filter_map(|(path, table)| Some((path, read_one(&table, Some(known), sink)?))).collect()
}

/// Reads one; where `known` is given, its plugin has to be there.
pub(super) fn read_one(table: &Table<'_>, known: Option<Known<'_>>, sink: &Sink) -> Option<RouteDocument> {
    if table.value("plugin").is_none() {
        table.missing("plugin", "name the plugin that answers: plugin = \"web\"");
    }
    let at = table.parsed::<PluginAt>("plugin");
    let (plugin, channel) = match at {
        Some(Found { value: PluginAt { plugin, channel }, span }) => {
            let plugin = Found { value: plugin, span: span.clone() };
            if let Some(known) = known {
                known.check_plugin(&plugin, sink);
                if let Some(none) = channel.as_ref().filter(|it| known.of_file && it.as_str() != "stable") {
                    let message = format!("a plugin of this file has one release and no channel `{none}`");
                    sink.report(
                        span,
                        message,
                        format!("leave `@{none}` out; channels are for plugins that are uploaded"),
                    );
                }
            }
            (Some(plugin.value), channel)
        }
        None => (None, None),
    };
    let methods = table.placed_list::<Method>("methods");
    if methods.len() > METHODS_MAX {
        let span = table.value_span("methods").unwrap_or(table.span.clone());
        sink.report(span, format!("{} has more than {METHODS_MAX} methods", table.what()), "leave some out");
    }
    Some(RouteDocument {
        request_bytes: read_size(table, "request_size", sink),
        answer_bytes: read_size(table, "answer_size", sink),
        methods: methods.into_iter().map(|found| found.value.0).collect(),
        reuse: table.integer("reuse").unwrap_or(1),
        plugin: plugin?,
        channel,
    })
}

fn read_size(table: &Table<'_>, key: &'static str, sink: &Sink) -> u64 {
    let bytes = table.size_bytes(key).unwrap_or(BODY_BYTES_DEFAULT);
    if !BODY_BYTES.contains(&bytes) {
        let message = format!("`{key}` of {} is out of range", table.what());
        let help = format!("give at most {}", size_text(*BODY_BYTES.end()));
        sink.report(table.value_span(key).unwrap_or(table.span.clone()), message, help);
    }
    bytes
}
