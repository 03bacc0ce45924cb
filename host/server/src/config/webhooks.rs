//! A tenant's webhooks: where they lead and how they are used. Their secrets stand in no file.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::json;
use wharf_delivery::{BreakerDocument, WebhookDocument};
use wharf_egress::{Granted, Place};
use wharf_event::{WebhookMode, WebhookName};
use wharf_runtime::limits::ATTEMPTS_AT_A_TIME;

use super::{
    breaker::{self, BREAKER},
    duration::duration_text,
    keys::{Key, Otherwise, Shape, key},
    quotas::BACKLOG_MAX,
    table::{Found, Sink, Table},
};

/// How long an attempt may take at most, in milliseconds.
const TIMEOUT_MS: RangeInclusive<u64> = 1..=300_000;

/// How long nothing but failures may come until a webhook is disabled, in milliseconds.
const DISABLE_AFTER_MS: RangeInclusive<u64> = 1_000..=365 * 86_400_000;

/// What holds where nothing is said.
const TIMEOUT_MS_DEFAULT: u64 = 15_000;
const CONCURRENCY_DEFAULT: u32 = 8;
const DISABLE_AFTER_MS_DEFAULT: u64 = 5 * 86_400_000;

/// Fields of a request that are not for its sender to choose, and how the names of such begin.
const OWN_FIELDS: [&str; 10] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
];
const OWN_BEGINNINGS: [&str; 3] = ["webhook-", "ce-", "proxy-"];

/// Fields that a webhook may send, and the length of each of their values.
const HEADERS_MAX: usize = 32;
const HEADER_BYTES_MAX: usize = 4_096;

pub(super) static WEBHOOK: &[Key] = &[
    key("url", "The address that events are sent to, by POST.", Shape::Text, Otherwise::Required),
    key(
        "mode",
        "`structured` sends all of an event as JSON, `binary` its payload, with its attributes as headers.",
        Shape::Choice(&["structured", "binary"]),
        Otherwise::Default(|| json!(WebhookMode::default())),
    ),
    key("headers", "Further headers, such as one that a proxy asks for.", Shape::Texts, Otherwise::Nothing),
    key(
        "timeout",
        "How long an attempt may take.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(TIMEOUT_MS_DEFAULT))),
    ),
    key(
        "concurrency",
        "Attempts at a time.",
        Shape::Integer(1..=ATTEMPTS_AT_A_TIME),
        Otherwise::Default(|| json!(CONCURRENCY_DEFAULT)),
    ),
    key("attempts_per_s", "Attempts that may begin in a second.", Shape::Integer(1..=10_000), Otherwise::Nothing),
    key(
        "backlog",
        "Deliveries to it that may wait; as many as the tenant's `backlog` lets if it is not said.",
        Shape::Integer(1..=BACKLOG_MAX),
        Otherwise::Nothing,
    ),
    key(
        "networks",
        "Networks that it may reach though they are not public; the operator has to grant them (`egress.networks`).",
        Shape::Networks,
        Otherwise::Default(|| json!([])),
    ),
    key(
        "disable_after",
        "How long nothing but failures may come until it is disabled and its deliveries wait.",
        Shape::Duration,
        Otherwise::Default(|| json!(duration_text(DISABLE_AFTER_MS_DEFAULT))),
    ),
    key(
        "breaker",
        "When its deliveries wait because attempts fail. It has one unless this says otherwise.",
        Shape::Table(BREAKER),
        Otherwise::Nothing,
    ),
];

/// Reads all of them.
pub(super) fn read(table: &Table<'_>, operator: &Granted, sink: &Sink) -> BTreeMap<WebhookName, WebhookDocument> {
    let named = table.named::<WebhookName>("webhooks").into_iter();
    named.filter_map(|(name, table)| Some((name, read_one(&table, operator, sink)?))).collect()
}

/// Reads one; `operator` is what may be granted.
pub(super) fn read_one(table: &Table<'_>, operator: &Granted, sink: &Sink) -> Option<WebhookDocument> {
    let url = table.parsed_by("url", |text| text.parse::<Place>().map(|_| text.to_owned()));
    if table.value("url").is_none() {
        table.missing("url", "say where events are sent: url = \"https://example.com/hook\"");
    }
    let url: Option<Found<String>> = url;
    let mode = table.parsed::<WebhookMode>("mode");
    Some(WebhookDocument {
        mode: mode.map(|found| found.value).unwrap_or_default(),
        headers: read_headers(table, sink),
        timeout_ms: table
            .duration_between("timeout", TIMEOUT_MS)
            .unwrap_or(TIMEOUT_MS_DEFAULT)
            .try_into()
            .unwrap_or(u32::MAX),
        concurrency: table.integer("concurrency").unwrap_or(CONCURRENCY_DEFAULT),
        per_s: table.integer("attempts_per_s"),
        backlog: table.integer("backlog"),
        networks: read_networks(table, operator, sink),
        disable_after_ms: table.duration_between("disable_after", DISABLE_AFTER_MS).unwrap_or(DISABLE_AFTER_MS_DEFAULT),
        // The default is the default, whoever says it.
        breaker: table
            .table("breaker")
            .map(|table| breaker::read(&table, sink))
            .filter(|said| *said != BreakerDocument::default()),
        url: url?.value,
    })
}

fn read_headers(table: &Table<'_>, sink: &Sink) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in table.texts("headers") {
        let place = || table.span_within("headers", name).unwrap_or(table.span.clone());
        let refuse = |message: String, help: &str| sink.report(place(), message, help);
        let is_token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        let is_own = OWN_FIELDS.contains(&name) || OWN_BEGINNINGS.iter().any(|begin| name.starts_with(begin));
        if name.is_empty() || name.len() > HEADER_BYTES_MAX || !name.bytes().all(is_token) {
            refuse(format!("`{name}` is no header"), "write its name in lower case: letters, digits, `-` and `_`");
        } else if is_own {
            refuse(format!("the header `{name}` is the request's own"), "leave it out");
        } else if value.len() > HEADER_BYTES_MAX || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            // It may be a password, so it is not repeated.
            refuse(
                format!("the value of the header `{name}` is none"),
                "give printable ASCII, at most 4096 characters",
            );
        } else {
            headers.insert(name.to_owned(), value);
        }
    }
    if headers.len() > HEADERS_MAX {
        let span = table.value_span("headers").unwrap_or(table.span.clone());
        sink.report(span, format!("{} has more than {HEADERS_MAX} headers", table.what()), "leave some out");
    }
    headers
}

/// Networks, none of which is beyond what the operator grants.
fn read_networks(table: &Table<'_>, operator: &Granted, sink: &Sink) -> Vec<String> {
    let (networks, granted) = granted(table, "networks", sink);
    if let Some(beyond) = granted.beyond(operator) {
        let message = format!("{beyond} lies beyond what the operator grants");
        let help = "name it in `networks` of the table `egress` of the operator's configuration";
        sink.report(table.value_span("networks").unwrap_or(table.span.clone()), message, help);
    }
    networks
}

/// Networks as they are written, and what they stand for.
pub(super) fn granted(table: &Table<'_>, key: &'static str, sink: &Sink) -> (Vec<String>, Granted) {
    let networks: Vec<String> = table.list(key);
    match Granted::parse(networks.iter().map(String::as_str)) {
        Ok(granted) => (networks, granted),
        Err(error) => {
            let span = table.value_span(key).unwrap_or(table.span.clone());
            sink.report(span, error, format!("correct `{key}` of {}", table.what()));
            (Vec::new(), Granted::default())
        }
    }
}
