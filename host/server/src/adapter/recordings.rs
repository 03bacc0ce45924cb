//! Recordings of attempts, found by what their settlements name.

use wharf_delivery::RecordingAt;
use wharf_dispatch::{Dispatcher, rfc3339};
use wharf_event::{Code, Event, Position, TenantName};
use wharf_gateway::{
    AttemptQuery, DeliveriesQuery, Refusal,
    view::{
        AttemptView, CallField, CallView, CallsView, DeliveryView, EventDetail, RecordedItem, RecordingPlace,
        RecordingState, RecordingView, event_json,
    },
};
use wharf_recording::{Call, Field, Found, Item, Part, Recorder, Recording};

use super::{detail::detail, search::Asked};

/// What an attempt of the event at `position` asked and was told.
pub(super) fn calls(
    asked: &Asked,
    (dispatcher, recorder): (&Dispatcher, Option<&Recorder>),
    tenant: &TenantName,
    position: Position,
    AttemptQuery { delivery, attempt }: AttemptQuery,
) -> Result<CallsView, Refusal> {
    // Two say that there are several.
    let mut query = DeliveriesQuery { limit: 2, only: delivery, ..DeliveriesQuery::default() };
    loop {
        let EventDetail { mut deliveries, next, .. } = detail(asked, dispatcher, tenant, position, query)?;
        if deliveries.len() > 1 || next.is_some() {
            let several = format!("the event {position} has several deliveries: say which one is meant");
            return Err(Refusal::new(Code::QueryInvalid, several));
        }
        let Some(told) = deliveries.pop() else {
            return Err(no_attempt(match delivery {
                Some(n) => format!("there is no delivery {position}.{n}"),
                None => format!("the event {position} is owed to nobody"),
            }));
        };
        let DeliveryView { id, attempts, attempts_before, .. } = told;
        let is_meant = |one: &&AttemptView| attempt.is_none_or(|number| one.attempt == number);
        if let Some(found) = attempts.iter().rev().find(is_meant) {
            return view(id, found, recorder);
        }
        if attempts_before.is_none() {
            return Err(no_attempt(match attempt {
                Some(number) => format!("the delivery {id} has no attempt {number} that has ended"),
                None => format!("no attempt of the delivery {id} has ended"),
            }));
        }
        query.attempts_before = attempts_before;
    }
}

fn no_attempt(detail: String) -> Refusal {
    Refusal::new(Code::AttemptUnknown, detail)
}

fn view(delivery: String, attempt: &AttemptView, recorder: Option<&Recorder>) -> Result<CallsView, Refusal> {
    let found = match (attempt.recording, recorder) {
        (None, _) => None,
        (Some(_), None) => Some(Found::Gone),
        (Some(place), Some(recorder)) => Some(
            recorder
                .read(&at(place))
                .map_err(|error| Refusal::new(Code::Internal, format!("the recordings cannot be read: {error}")))?,
        ),
    };
    let (state, recording) = match (found, attempt.recording) {
        (Some(Found::Recording(recording)), Some(place)) => (RecordingState::Kept, Some(recorded(*recording, place))),
        (Some(Found::Lost), _) => (RecordingState::Lost, None),
        (Some(Found::Unreadable(_)), _) => (RecordingState::Unreadable, None),
        (Some(_), _) => (RecordingState::Gone, None),
        (None, _) => (RecordingState::None, None),
    };
    let AttemptView { attempt, position, .. } = *attempt;
    Ok(CallsView { delivery, attempt, position, state, recording })
}

fn at(RecordingPlace { segment, offset, bytes, digest }: RecordingPlace) -> RecordingAt {
    RecordingAt { segment, offset, bytes, digest }
}

/// Where a recording is, as the API shows it.
pub(super) fn place(RecordingAt { segment, offset, bytes, digest }: RecordingAt) -> RecordingPlace {
    RecordingPlace { segment, offset, bytes, digest }
}

fn recorded(recording: Recording, at: RecordingPlace) -> RecordingView {
    let item = |Item { delivery, rule, attempt, max_attempts, event }: Item| RecordedItem {
        delivery: delivery.to_string(),
        rule,
        attempt,
        max_attempts,
        event: match event {
            Part::Whole(bytes) => Event::decode(&bytes).ok().and_then(|event| event_json(&event).ok()),
            Part::Digest { .. } => None,
        },
    };
    RecordingView {
        at,
        plugin: recording.plugin,
        release: recording.release,
        ended: rfc3339(recording.ended_ms),
        took_us: recording.took_us,
        deadline_ms: recording.deadline_ms,
        items: recording.items.into_iter().map(item).collect(),
        calls: recording.calls.into_iter().map(call).collect(),
        calls_not_kept: recording.not_kept,
    }
}

fn call(Call { function, began, took, asked, told }: Call) -> CallView {
    let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let fields = |fields: Vec<Field>| fields.into_iter().map(field).collect();
    CallView {
        function: function.into_owned(),
        at_us: us(began),
        took_us: us(took),
        asked: fields(asked),
        told: fields(told),
    }
}

fn field(Field { name, part }: Field) -> CallField {
    match part {
        Part::Whole(bytes) => CallField::whole(name.into_owned(), &bytes),
        Part::Digest { bytes, digest } => CallField::digest(name.into_owned(), bytes, digest),
    }
}
