//! The variables that every template has. Invariant: the names of EventBridge give what EventBridge gives, in its envelope;
//! their twins give the event in the JSON event format of CloudEvents.

use serde_json::Value;
use wharf_event::{AttributeValue, Data, Event};

use crate::input::Occasion;

/// A variable that is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    /// `<aws.events.event>`: the envelope without `detail`.
    Envelope,
    /// `<aws.events.event.json>`: all of it.
    EnvelopeAll,
    /// `<cloudevents.event>`: the attributes.
    Attributes,
    /// `<cloudevents.event.json>`: all of it.
    All,
    /// `<aws.events.rule-name>` and `<wharf.rule-name>`.
    RuleName,
    /// `<aws.events.rule-arn>`.
    RuleArn,
    /// `<aws.events.event.ingestion-time>` and `<wharf.event.ingestion-time>`.
    Accepted,
}

const NAMES: [(&str, Reserved); 9] = [
    ("aws.events.event", Reserved::Envelope),
    ("aws.events.event.json", Reserved::EnvelopeAll),
    ("aws.events.event.ingestion-time", Reserved::Accepted),
    ("aws.events.rule-arn", Reserved::RuleArn),
    ("aws.events.rule-name", Reserved::RuleName),
    ("cloudevents.event", Reserved::Attributes),
    ("cloudevents.event.json", Reserved::All),
    ("wharf.event.ingestion-time", Reserved::Accepted),
    ("wharf.rule-name", Reserved::RuleName),
];

impl Reserved {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(own, _)| *own == name).map(|(_, reserved)| *reserved)
    }

    /// Its value, as JSON. `all` is the event in its JSON form.
    pub(crate) fn value(self, event: &Event, all: &str, occasion: &Occasion<'_>) -> String {
        let text = |text: &str| Value::from(text).to_string();
        match self {
            Self::Envelope => envelope(event, "detailType", None),
            Self::EnvelopeAll => envelope(event, "detail-type", detail(event).as_deref()),
            Self::Attributes => Value::Object(event.attributes_to_value()).to_string(),
            Self::All => all.to_owned(),
            Self::RuleName => text(occasion.rule),
            Self::RuleArn => text(&rule_arn(occasion)),
            Self::Accepted => text(occasion.accepted),
        }
    }
}

/// The rule's name in the form that EventBridge gives rules: the tenant is the account, and there are no regions.
fn rule_arn(Occasion { tenant, bus, rule, .. }: &Occasion<'_>) -> String {
    let bus = if *bus == "default" { String::new() } else { format!("{bus}/") };
    format!("arn:wharf:events::{tenant}:rule/{bus}{rule}")
}

/// The subject as the list that resources are.
pub(crate) fn resources(event: &Event) -> String {
    event.subject().map_or_else(|| "[]".to_owned(), |subject| format!("[{}]", Value::from(subject)))
}

/// The payload, if it has a form in JSON.
fn detail(event: &Event) -> Option<String> {
    match event.data()? {
        Data::Json(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Data::Text(bytes) => Some(Value::from(String::from_utf8_lossy(bytes)).to_string()),
        Data::Binary(_) => None,
    }
}

/// The event as EventBridge would send it. What the event has not is not there, and what has no name there neither.
fn envelope(event: &Event, type_name: &str, detail: Option<&str>) -> String {
    let text = |text: &str| Some(Value::from(text).to_string());
    let extension = |name: &str| event.extension(name).map(AttributeValue::to_string).as_deref().and_then(text);
    let members = [
        ("version", text("0")),
        ("id", text(event.id())),
        (type_name, text(event.kind())),
        ("source", text(event.source())),
        ("account", extension("account")),
        ("time", event.time().and_then(text)),
        ("region", extension("region")),
        ("resources", Some(resources(event))),
        ("detail", detail.map(str::to_owned)),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}
