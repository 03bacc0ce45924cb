//! Capability: publishing. An event joins the attempt's effects with an id that follows from its delivery, so that the same
//! attempt run again publishes the same events.

use bytes::Bytes;
use wharf_delivery::{HOPS_ATTRIBUTE, hops};
use wharf_event::{AttributeValue, Event, EventBuilder, EventError, Grants, is_mark};

use crate::{
    Attempt, AttemptContext,
    bindings::wharf::plugin::publisher::{Draft, Host, PublishError},
};

/// Extension attributes that the host alone sets, beside its marks.
const RESERVED: [&str; 3] = ["correlationid", "causationid", HOPS_ATTRIBUTE];

impl Host for Attempt {
    fn publish(&mut self, draft: Draft) -> wasmtime::Result<Result<String, PublishError>> {
        let event = match self.drafted(draft) {
            Ok(event) => event,
            Err(error) => return Ok(Err(error)),
        };
        let id = event.id().to_owned();
        self.effects.publish(event)?;
        Ok(Ok(id))
    }
}

impl crate::bindings::wharf::plugin::types::Host for Attempt {}

impl Attempt {
    /// The event of a draft, if it is granted and valid.
    pub(crate) fn drafted(&self, draft: Draft) -> Result<Event, PublishError> {
        if !self.context.grants.may_publish(&draft.type_) {
            let line = match draft.type_.parse() {
                Ok(types) => self.context.grants_line(&Grants { publish: vec![types], ..Grants::default() }),
                Err(error) => format!("{error}"),
            };
            return Err(PublishError::Denied(format!("publishing `{}` is not granted; {line}", draft.type_)));
        }
        let index = self.effects.published();
        built(&self.context, index, draft).map_err(|error| PublishError::Invalid(error.to_string()))
    }
}

fn built(context: &AttemptContext, index: usize, draft: Draft) -> Result<Event, EventError> {
    let parent = &context.received;
    let source = draft.source.unwrap_or_else(|| format!("plugin/{}", context.plugin));
    let mut event = EventBuilder::new(format!("{}.{}", context.occasion, index + 1), source, draft.type_);
    event = event.time(context.time.clone());
    if let Some(subject) = draft.subject {
        event = event.subject(subject);
    }
    for attribute in draft.extensions {
        if !RESERVED.contains(&attribute.name.as_str()) && !is_mark(&attribute.name) {
            event = event.extension(attribute.name, AttributeValue::String(attribute.value));
        }
    }
    for (name, value) in inherited(parent) {
        event = event.extension(name, value);
    }
    if let Some(data) = draft.data {
        event = event.datacontenttype(draft.datacontenttype.unwrap_or_else(|| "application/json".into()));
        event = event.data(Bytes::from(data));
    }
    event.build()
}

/// What an event passes on to those that it causes.
#[must_use]
pub fn inherited(parent: &Event) -> Vec<(&'static str, AttributeValue)> {
    let hops = i32::try_from(hops(parent)).unwrap_or(i32::MAX).saturating_add(1);
    let first = parent.extension("correlationid").cloned();
    let mut attributes = vec![
        ("correlationid", first.unwrap_or_else(|| AttributeValue::String(parent.id().to_owned()))),
        ("causationid", AttributeValue::String(parent.id().to_owned())),
        (HOPS_ATTRIBUTE, AttributeValue::Integer(hops)),
    ];
    attributes.extend(parent.extension("traceparent").map(|value| ("traceparent", value.clone())));
    attributes
}
