//! An input: read once, applied to many events. Invariant: the event that comes out is the one that went in, with another
//! payload. Whose input it is, and when it is applied, is decided elsewhere.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;
use wharf_event::{Data, Event};

use crate::{
    error::{InputError, InputErrors, InputPlace, InputReason, Unmade},
    fill,
    find::find,
    limits::CONSTANT_BYTES_MAX,
    path::{Path, Root},
    reserved::resources,
    template::{Shape, Template, Variable},
};

/// What a target gets in place of an event's payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Input(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Path(Path),
    Constant(String),
    Template(Template),
    Envelope,
}

/// What a template can say beside the event.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// Whose event it is.
    pub tenant: &'a str,
    /// The bus that it came by.
    pub bus: &'a str,
    /// The rule that it matched.
    pub rule: &'a str,
    /// When the host accepted it, an RFC 3339 timestamp.
    pub accepted: &'a str,
}

/// A value for each variable, as JSON; none where a path leads nowhere.
type Values<'t> = Vec<Option<Cow<'t, str>>>;

impl Input {
    /// The part of the event that a path leads to, such as `$.data.issue`.
    ///
    /// # Errors
    /// When it is no path.
    pub fn path(text: &str) -> Result<Self, InputErrors> {
        let path = Path::parse(text).map_err(|reason| InputError { place: InputPlace::Path, reason })?;
        Ok(Self(Kind::Path(path)))
    }

    /// A JSON text, whatever the event is.
    ///
    /// # Errors
    /// When it is not JSON, or too long.
    pub fn constant(text: &str) -> Result<Self, InputErrors> {
        let fault = |reason| InputError { place: InputPlace::Constant, reason };
        if text.len() > CONSTANT_BYTES_MAX {
            return Err(fault(InputReason::ConstantTooLarge).into());
        }
        let read = serde_json::from_str::<Value>(text);
        read.map_err(|error| fault(InputReason::Json { message: error.to_string() }))?;
        Ok(Self(Kind::Constant(text.to_owned())))
    }

    /// A template, with the paths that its variables lead to: `{"number": <n>}` and `n` = `$.data.issue.number`.
    ///
    /// # Errors
    /// All mistakes of the paths, and those of the template up to the first that hides what follows it.
    pub fn template(paths: &BTreeMap<String, String>, template: &str) -> Result<Self, InputErrors> {
        Template::parse(paths, template).map(|template| Self(Kind::Template(template)))
    }

    /// The whole event, with the topic and the subscription that it came by.
    #[must_use]
    pub const fn envelope() -> Self {
        Self(Kind::Envelope)
    }

    /// The event with this input in place of its payload.
    ///
    /// # Errors
    /// When it would be no event: too large, or nested too deep.
    pub fn apply(&self, event: &Event, occasion: &Occasion<'_>) -> Result<Event, Unmade> {
        let payload = match &self.0 {
            Kind::Path(path) => {
                let texts = Texts::of(event);
                texts.values(event, &[path])?.pop().flatten().map(|value| Payload::Json(value.into_owned()))
            }
            Kind::Constant(text) => Some(Payload::Json(text.clone())),
            Kind::Envelope => Some(Payload::Json(envelope(event, occasion))),
            Kind::Template(template) => Some(filled(template, event, occasion)?),
        };
        let payload = payload.map(|payload| match payload {
            Payload::Json(text) => ("application/json", Data::Json(text.into())),
            Payload::Text(text) => ("text/plain; charset=utf-8", Data::Text(text.into())),
        });
        event.clone().with_data(payload).map_err(Unmade::Event)
    }
}

enum Payload {
    Json(String),
    Text(String),
}

/// What a subscription that is not raw gets: the event as it was published, and by what it came.
fn envelope(event: &Event, Occasion { bus, rule, accepted, .. }: &Occasion<'_>) -> String {
    let topic = bus.strip_prefix("topic/").unwrap_or(bus);
    let subscription = rule.rsplit_once('/').map_or(*rule, |(_, subscription)| subscription);
    let [topic, subscription, accepted] = [topic, subscription, accepted].map(|text| Value::from(text).to_string());
    let event = String::from_utf8_lossy(&event.to_json()).into_owned();
    format!(r#"{{"topic":{topic},"subscription":{subscription},"accepted":{accepted},"event":{event}}}"#)
}

fn filled(template: &Template, event: &Event, occasion: &Occasion<'_>) -> Result<Payload, Unmade> {
    let texts = Texts::of(event);
    let paths = template.variables.iter().filter_map(|variable| match variable {
        Variable::Path(path) => Some(path),
        Variable::Reserved(_) => None,
    });
    let mut found = texts.values(event, &paths.collect::<Vec<_>>())?.into_iter();
    let value = |variable: &Variable| match variable {
        Variable::Path(_) => found.next().flatten(),
        Variable::Reserved(reserved) => Some(Cow::Owned(reserved.value(event, &texts.event, occasion))),
    };
    let values: Values<'_> = template.variables.iter().map(value).collect();
    match &template.shape {
        Shape::Json(pieces) => fill::json(pieces, &values).map(Payload::Json),
        Shape::Lines(pieces) => fill::text(pieces, &values).map(Payload::Text),
    }
}

/// The texts that paths lead into.
struct Texts {
    /// The event in its JSON form.
    event: String,
    /// Its subject as the list that resources are.
    resources: String,
}

impl Texts {
    fn of(event: &Event) -> Self {
        let text = String::from_utf8_lossy(&event.to_json()).into_owned();
        Self { event: text, resources: resources(event) }
    }

    /// What each path leads to. Both texts are gone over with all paths that begin there.
    fn values(&self, event: &Event, paths: &[&Path]) -> Result<Values<'_>, Unmade> {
        let mut values: Values<'_> = vec![None; paths.len()];
        for (root, text) in [(Root::Event, &self.event), (Root::Resources, &self.resources)] {
            let here = paths.iter().enumerate().filter_map(|(n, path)| {
                let (from, steps) = path.resolve(|name| event.extension(name).is_some());
                (from == root).then_some((n, steps))
            });
            let (numbers, steps): (Vec<usize>, Vec<_>) = here.unzip();
            if steps.is_empty() {
                continue;
            }
            for (number, found) in numbers.into_iter().zip(find(text, &steps)?) {
                let list = paths.get(number).is_some_and(|path| path.is_list());
                let value = if list {
                    Some(Cow::Owned(format!("[{}]", found.join(","))))
                } else {
                    found.first().map(|piece| Cow::Borrowed(*piece))
                };
                if let Some(place) = values.get_mut(number) {
                    *place = value;
                }
            }
        }
        Ok(values)
    }
}
