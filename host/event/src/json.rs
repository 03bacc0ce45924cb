//! Reading the JSON event format (CloudEvents 1.0.2, JSON format): one event, or a batch. Invariant: the payload is a slice
//! of the input, never re-written; what is accepted as a JSON payload is exactly what `serde_json` reads into a value, so
//! that showing or matching it later cannot fail. Writing is `render.rs`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    attribute::{self, AttributeValue},
    error::{AttributeReason, EventError},
    event::{Attributes, Data, Event},
    limits::{ATTRIBUTE_BYTES_MAX, BATCH_BYTES_MAX, BATCH_EVENTS_MAX, ERROR_VALUE_CHARS_MAX, EXTENSIONS_MAX},
    media,
};

/// The members of an event's JSON object: what the specification names, and extensions.
const MEMBERS_MAX: usize = 10 + EXTENSIONS_MAX;

impl Event {
    /// Reads one event of the structured mode.
    ///
    /// # Errors
    /// When it is no JSON object, has a member twice, or breaks a rule or limit.
    pub fn from_json(bytes: &Bytes) -> Result<Self, EventError> {
        read_event(bytes, members(bytes)?, None)
    }
}

/// What an event that is to be published need not say: its source. The others are the host's to say.
pub(crate) struct Unsaid<'a>(pub &'a str);

/// The id of an event that has none yet.
const NO_ID: &str = "none";

/// The members of a JSON object in order, duplicates included.
pub(crate) fn members(bytes: &Bytes) -> Result<Vec<(String, &RawValue)>, EventError> {
    let members: Members =
        serde_json::from_slice(bytes).map_err(|error| EventError::Json { message: error.to_string() })?;
    if members.count > MEMBERS_MAX {
        return Err(EventError::TooManyExtensions { count: members.count });
    }
    Ok(members.first)
}

/// Reads a batch. The outer error is the whole batch's; one bad event does not spoil the others.
///
/// # Errors
/// When it is no JSON array, or larger than a batch may be.
pub fn batch_from_json(bytes: &Bytes) -> Result<Vec<Result<Event, EventError>>, EventError> {
    Ok(batch_elements(bytes)?.iter().map(Event::from_json).collect())
}

/// The events of a batch, each still to be read.
///
/// # Errors
/// When it is no JSON array, or larger than a batch may be.
pub fn batch_elements(bytes: &Bytes) -> Result<Vec<Bytes>, EventError> {
    if bytes.len() > BATCH_BYTES_MAX {
        return Err(EventError::BatchBytes { bytes: bytes.len() });
    }
    let elements: Elements =
        serde_json::from_slice(bytes).map_err(|error| EventError::Batch { message: error.to_string() })?;
    if elements.count > BATCH_EVENTS_MAX {
        return Err(EventError::BatchEvents { count: elements.count });
    }
    Ok(elements.first.into_iter().map(|raw| slice(bytes, raw)).collect())
}

/// Checks that a payload is JSON; the media type is for the message.
pub(crate) fn check_payload(bytes: &[u8], media_type: Option<&str>) -> Result<(), EventError> {
    serde_json::from_slice::<Json>(bytes).map(|Json| ()).map_err(|error| EventError::DataJson {
        declared: media_type.map_or("an absent `datacontenttype`".to_owned(), |it| format!("`{it}`")),
        message: error.to_string(),
    })
}

/// The bytes of a raw value, shared with the input that it was borrowed from.
fn slice(whole: &Bytes, raw: &RawValue) -> Bytes {
    whole.slice_ref(raw.get().as_bytes())
}

pub(crate) fn read_event(
    bytes: &Bytes,
    members: Vec<(String, &RawValue)>,
    unsaid: Option<Unsaid<'_>>,
) -> Result<Event, EventError> {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some([name, _]) = names.array_windows::<2>().find(|[a, b]| a == b) {
        return Err(EventError::Duplicate { name: name.chars().take(ERROR_VALUE_CHARS_MAX).collect() });
    }
    let mut attributes = Attributes::default();
    let (mut specversion, mut id, mut source, mut kind) = (None, None, None, None);
    let (mut data, mut base64) = (None, None);
    // `null` is the same as absent, for the payload too.
    for (name, raw) in members.into_iter().filter(|(_, raw)| raw.get() != "null") {
        match name.as_str() {
            "specversion" => specversion = Some(raw),
            "id" => id = Some(string(&name, raw)?),
            "source" => source = Some(string(&name, raw)?),
            "type" => kind = Some(string(&name, raw)?),
            "subject" => attributes.subject = Some(string(&name, raw)?),
            "time" => attributes.time = Some(string(&name, raw)?),
            "datacontenttype" => attributes.datacontenttype = Some(string(&name, raw)?),
            "dataschema" => attributes.dataschema = Some(string(&name, raw)?),
            "data" => data = Some(raw),
            "data_base64" => base64 = Some(raw),
            _ => {
                let value = attribute_value(&name, raw)?;
                attributes.extensions.push((name, value));
            }
        }
    }
    match specversion.map(|raw| serde_json::from_str::<String>(raw.get()).map_err(|_| raw.get())) {
        Some(Ok(version)) if version == "1.0" => {}
        None if unsaid.is_some() => {}
        found => {
            let found = found.map(|it| it.unwrap_or_else(str::to_owned).chars().take(ERROR_VALUE_CHARS_MAX).collect());
            return Err(EventError::Specversion { found });
        }
    }
    if let Some(Unsaid(otherwise)) = unsaid {
        id.get_or_insert_with(|| NO_ID.to_owned());
        source.get_or_insert_with(|| otherwise.to_owned());
    }
    attributes.id = id.ok_or(EventError::Missing { name: "id" })?;
    attributes.source = source.ok_or(EventError::Missing { name: "source" })?;
    attributes.kind = kind.ok_or(EventError::Missing { name: "type" })?;
    let data = read_data(bytes, data, base64, attributes.datacontenttype.as_deref())?;
    Event::assemble(attributes, data)
}

/// The payload of a structured event (JSON format, section 3.1).
fn read_data(
    bytes: &Bytes,
    data: Option<&RawValue>,
    base64: Option<&RawValue>,
    media_type: Option<&str>,
) -> Result<Option<Data>, EventError> {
    match (data, base64) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(EventError::DataTwice),
        (Some(raw), None) if media_type.is_none_or(media::is_json) => {
            check_payload(raw.get().as_bytes(), media_type)?;
            Ok(Some(Data::Json(slice(bytes, raw))))
        }
        (Some(raw), None) => {
            let text: String = serde_json::from_str(raw.get())
                .map_err(|_| EventError::DataText { media_type: media_type.unwrap_or_default().to_owned() })?;
            Ok(Some(Data::Text(text.into())))
        }
        (None, Some(raw)) => {
            let text: String = serde_json::from_str(raw.get()).map_err(|_| EventError::DataBase64)?;
            let decoded = Bytes::from(STANDARD.decode(text).map_err(|_| EventError::DataBase64)?);
            // Some producers encode everything. What says that it is JSON and is can be matched as JSON.
            let json = media_type.is_some_and(media::is_json) && serde_json::from_slice::<Json>(&decoded).is_ok();
            Ok(Some(if json { Data::Json(decoded) } else { Data::Binary(decoded) }))
        }
    }
}

/// The value of an attribute that is a string in JSON.
fn string(name: &str, raw: &RawValue) -> Result<String, EventError> {
    if !raw.get().starts_with('"') {
        return Err(attribute::refused(name, AttributeReason::NotString));
    }
    // The raw value is a well-formed JSON string, so only an escape of half a surrogate pair can fail here.
    serde_json::from_str(raw.get()).map_err(|_| attribute::refused(name, AttributeReason::Surrogate))
}

/// The value of an extension attribute (JSON format, section 2.2).
fn attribute_value(name: &str, raw: &RawValue) -> Result<AttributeValue, EventError> {
    match raw.get() {
        "true" => Ok(AttributeValue::Boolean(true)),
        "false" => Ok(AttributeValue::Boolean(false)),
        text if text.starts_with('"') => string(name, raw).map(AttributeValue::String),
        text if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && text.len() <= ATTRIBUTE_BYTES_MAX => {
            text.parse().map(AttributeValue::Integer).map_err(|_| attribute::refused(name, AttributeReason::Integer))
        }
        _ => Err(attribute::refused(name, AttributeReason::Kind)),
    }
}

/// The members of a JSON object in order, duplicates included; kept up to the limit and counted beyond it.
struct Members<'a> {
    first: Vec<(String, &'a RawValue)>,
    count: usize,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut first = Vec::new();
                while first.len() < MEMBERS_MAX {
                    let Some(member) = map.next_entry()? else { break };
                    first.push(member);
                }
                let mut count = first.len();
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members { first, count })
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The elements of a JSON array, kept up to the limit and counted beyond it.
struct Elements<'a> {
    first: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut first = Vec::new();
                while first.len() < BATCH_EVENTS_MAX {
                    let Some(element) = array.next_element()? else { break };
                    first.push(element);
                }
                let mut count = first.len();
                while array.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Elements { first, count })
            }
        }

        deserializer.deserialize_seq(Array)
    }
}

/// Any JSON value, looked at and thrown away. Unlike `IgnoredAny` it refuses what a value could not hold: too deep nesting,
/// numbers out of range, escapes that are no character.
struct Json;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_str<E>(self, _: &str) -> Result<Json, E> {
                Ok(Json)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Json, A::Error> {
                while array.next_element::<Json>()?.is_some() {}
                Ok(Json)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
                while object.next_entry::<Json, Json>()?.is_some() {}
                Ok(Json)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
