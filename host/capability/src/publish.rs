//! Capability: publishing. An event joins the attempt's effects with an id that follows from its delivery, so that the same
//! attempt run again publishes the same events. What a request brings may have an id of its own.

use bytes::Bytes;
use wharf_delivery::{HOPS_ATTRIBUTE, hops};
use wharf_event::{AttributeValue, Event, EventBuilder, EventError, Grants, is_mark};

use crate::{
    Attempt, AttemptContext,
    bindings::{
        receiver::wharf::plugin::receiver,
        wharf::plugin::publisher::{Draft, Host, PublishError},
    },
};

/// Extension attributes that the host alone sets, beside its marks.
const RESERVED: [&str; 3] = ["correlationid", "causationid", HOPS_ATTRIBUTE];

impl Host for Attempt {
    fn publish(&mut self, draft: Draft) -> wasmtime::Result<Result<String, PublishError>> {
        let event = match self.drafted(draft, None) {
            Ok(event) => event,
            Err(error) => return Ok(Err(error)),
        };
        let id = event.id().to_owned();
        self.effects.publish(event)?;
        Ok(Ok(id))
    }
}

impl receiver::Host for Attempt {
    fn receive(&mut self, id: String, draft: Draft) -> wasmtime::Result<Result<(), PublishError>> {
        if self.context.occasion.delivery().is_some() {
            let why = "an event with an id of its own is brought by a request; what handles an event publishes";
            return Ok(Err(PublishError::Invalid(why.to_owned())));
        }
        match self.drafted(draft, Some(id)) {
            Ok(event) => Ok(Ok(self.effects.publish(event)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl crate::bindings::wharf::plugin::types::Host for Attempt {}

impl Attempt {
    /// The event of a draft, if it is granted and valid, under this id or one that follows from the call.
    pub(crate) fn drafted(&self, draft: Draft, id: Option<String>) -> Result<Event, PublishError> {
        if !self.context.grants.may_publish(&draft.type_) {
            let line = match draft.type_.parse() {
                Ok(types) => self.context.grants_line(&Grants { publish: vec![types], ..Grants::default() }),
                Err(error) => format!("{error}"),
            };
            return Err(PublishError::Denied(format!("publishing `{}` is not granted; {line}", draft.type_)));
        }
        let id = id.unwrap_or_else(|| format!("{}.{}", self.context.occasion, self.effects.published() + 1));
        built(&self.context, id, draft).map_err(|error| PublishError::Invalid(error.to_string()))
    }
}

fn built(context: &AttemptContext, id: String, draft: Draft) -> Result<Event, EventError> {
    let parent = &context.received;
    let source = draft.source.unwrap_or_else(|| format!("plugin/{}", context.plugin));
    let mut event = EventBuilder::new(id, source, draft.type_);
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
