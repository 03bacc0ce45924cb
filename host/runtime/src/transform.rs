//! One transform of one event: a fresh instance, a call, and an event that obeys the rules, or none. Every limit is on.
//!
//! Invariant: what a guest gives becomes an event only by the checks that every received event went through.

use std::time::{Duration, Instant};

use bytes::Bytes;
use wharf_capability::{AttemptContext, wharf::plugin::types};
use wharf_delivery::{Details, Failure, LimitsDocument};
use wharf_event::{Code, Event, EventBuilder, EventError};

use crate::{
    Runtime, TransformRelease,
    broken::{broken, too_long},
    cpu::{CpuMeter, Metered},
    invoke::{finish, to_guest, wished},
};

/// What a transform made of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transformed {
    /// This goes on.
    Event(Event),
    /// The event is left out.
    Filtered,
    /// It failed, and with it the attempt.
    Failed(Failure),
}

/// What came of a call.
pub struct TransformReport {
    /// What was made of the event.
    pub made: Transformed,
    /// Wall time.
    pub duration: Duration,
    /// What it used and said.
    pub details: Details,
}

impl Runtime {
    /// Calls the transform of `release` in a fresh instance. It returns when the transform does, or when a limit ends it. Waiting until
    /// its code is in memory is none of the attempt's time.
    pub async fn transform(
        &self,
        release: &TransformRelease,
        context: AttemptContext,
        limits: LimitsDocument,
    ) -> TransformReport {
        let transform = match self.code(&release.slot).await {
            Ok(transform) => transform,
            Err(failure) => {
                let made = Transformed::Failed(failure);
                return TransformReport { made, duration: Duration::ZERO, details: Details::default() };
            }
        };
        let (event, began, meter) = (to_guest(&context.event), Instant::now(), CpuMeter::default());
        let event_bytes = context.event.size();
        let mut store = self.store(context, limits, meter.clone());
        let call = async {
            let instance = transform.instantiate_async(&mut store).await?;
            instance.wharf_plugin_transformer().call_transform(&mut store, &event).await
        };
        let wall = Duration::from_millis(u64::from(limits.wall_ms));
        let made = match tokio::time::timeout(wall, Metered::new(call, meter.clone())).await {
            Ok(Ok(Ok(given))) => given
                .map(from_guest)
                .transpose()
                .map_err(|error| Failure::new(Code::TransformOutput, error.to_string())),
            Ok(Ok(Err(failure))) => Err(store.data().redacted(wished(failure))),
            Ok(Err(error)) => Err(broken(&error, store.data_mut(), limits)),
            Err(_) => Err(too_long(limits)),
        };
        let duration = began.elapsed();
        let (_, details) = finish(store, &meter, made.as_ref().err(), (duration, event_bytes));
        let made = match made {
            Ok(Some(event)) => Transformed::Event(event),
            Ok(None) => Transformed::Filtered,
            Err(failure) => Transformed::Failed(failure),
        };
        TransformReport { made, duration, details }
    }
}

/// What a guest gave, as an event.
fn from_guest(event: types::Event) -> Result<Event, EventError> {
    let mut builder = EventBuilder::new(event.id, event.source, event.type_);
    if let Some(subject) = event.subject {
        builder = builder.subject(subject);
    }
    if let Some(time) = event.time {
        builder = builder.time(time);
    }
    if let Some(datacontenttype) = event.datacontenttype {
        builder = builder.datacontenttype(datacontenttype);
    }
    if let Some(dataschema) = event.dataschema {
        builder = builder.dataschema(dataschema);
    }
    let mut names = std::collections::BTreeSet::new();
    for types::Attribute { name, value } in event.extensions {
        // The builder would take the last of two.
        if !names.insert(name.clone()) {
            return Err(EventError::Duplicate { name });
        }
        builder = builder.extension(name, value);
    }
    if let Some(data) = event.data {
        builder = builder.data(Bytes::from(data));
    }
    builder.build()
}
