//! The rules of attributes (CloudEvents 1.0.2, "Context Attributes" and "Type System"): one pure check for each. Invariant:
//! every way to make an event ends in `check`. URIs are checked by shape only: nothing is resolved or normalised, and what
//! was sent is what is kept.

use std::fmt;

use crate::{
    error::{AttributeReason, EventError},
    event::Attributes,
    limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ERROR_VALUE_CHARS_MAX, EXTENSIONS_MAX},
    media,
};

/// The value of an extension attribute. Binary, URI, URI reference and timestamp values are kept as their canonical
/// strings: no transport of events tells them from strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 32 bits.
    Integer(i32),
    /// Everything else.
    String(String),
}

impl AttributeValue {
    /// The length of the canonical string, in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            other => other.to_string().len(),
        }
    }
}

/// The canonical string form, which header values and guests see.
impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::String(value) => value.fmt(f),
        }
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for AttributeValue {
    fn from(value: i32) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for AttributeValue {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

/// Names that the specification uses itself, `data` among them although it is no attribute.
pub(crate) const RESERVED: [&str; 9] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];

/// Checks all attributes of an event.
pub(crate) fn check(attributes: &Attributes) -> Result<(), EventError> {
    required("id", &attributes.id, text)?;
    required("source", &attributes.source, uri_reference)?;
    required("type", &attributes.kind, text)?;
    optional("subject", attributes.subject.as_deref(), text)?;
    optional("time", attributes.time.as_deref(), time)?;
    optional("datacontenttype", attributes.datacontenttype.as_deref(), media_type)?;
    optional("dataschema", attributes.dataschema.as_deref(), uri)?;
    if attributes.extensions.len() > EXTENSIONS_MAX {
        return Err(EventError::TooManyExtensions { count: attributes.extensions.len() });
    }
    attributes.extensions.iter().try_for_each(|(name, value)| extension(name, value))
}

/// Checks one extension attribute. Unlike the specification's own attributes it may be an empty string.
pub(crate) fn extension(name: &str, value: &AttributeValue) -> Result<(), EventError> {
    extension_name(name).map_err(|reason| refused(name, reason))?;
    size(name, value.len())?;
    match value {
        AttributeValue::String(value) => text(value).map_err(|reason| refused(name, reason)),
        AttributeValue::Boolean(_) | AttributeValue::Integer(_) => Ok(()),
    }
}

/// Names an attribute in an error, cut to a sane length.
pub(crate) fn refused(name: &str, reason: AttributeReason) -> EventError {
    EventError::Attribute { name: name.chars().take(ERROR_VALUE_CHARS_MAX).collect(), reason }
}

type Rule = fn(&str) -> Result<(), AttributeReason>;

fn required(name: &'static str, value: &str, rule: Rule) -> Result<(), EventError> {
    optional(name, Some(value), rule)
}

fn optional(name: &'static str, value: Option<&str>, rule: Rule) -> Result<(), EventError> {
    let Some(value) = value else { return Ok(()) };
    size(name, value.len())?;
    if value.is_empty() {
        return Err(refused(name, AttributeReason::Empty));
    }
    text(value).and_then(|()| rule(value)).map_err(|reason| refused(name, reason))
}

fn size(name: &str, bytes: usize) -> Result<(), EventError> {
    if bytes > ATTRIBUTE_BYTES_MAX {
        return Err(EventError::TooLarge { what: format!("the attribute `{name}`"), bytes, max: ATTRIBUTE_BYTES_MAX });
    }
    Ok(())
}

fn extension_name(name: &str) -> Result<(), AttributeReason> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !plain || name.is_empty() || name.len() > ATTRIBUTE_NAME_BYTES_MAX {
        return Err(AttributeReason::Name);
    }
    if RESERVED.contains(&name) {
        return Err(AttributeReason::Reserved);
    }
    Ok(())
}

/// "String" of the type system. A Rust string has no unpaired surrogates, so those never come here.
fn text(value: &str) -> Result<(), AttributeReason> {
    for c in value.chars() {
        let found = u32::from(c);
        if c.is_control() {
            return Err(AttributeReason::Control { found });
        }
        if (0xFDD0..=0xFDEF).contains(&found) || found & 0xFFFE == 0xFFFE {
            return Err(AttributeReason::Noncharacter { found });
        }
    }
    Ok(())
}

fn uri_reference(value: &str) -> Result<(), AttributeReason> {
    let foreign = |c: char| c.is_whitespace() || c.is_control() || r#"<>"{}|\^`"#.contains(c);
    if value.chars().any(foreign) { Err(AttributeReason::UriReference) } else { Ok(()) }
}

/// A URI with a scheme (RFC 3986, section 3.1).
fn uri(value: &str) -> Result<(), AttributeReason> {
    uri_reference(value).map_err(|_| AttributeReason::Uri)?;
    let scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    match value.split_once(':') {
        Some((head, rest)) if scheme(head) && !rest.is_empty() => Ok(()),
        _ => Err(AttributeReason::Uri),
    }
}

fn media_type(value: &str) -> Result<(), AttributeReason> {
    media::MediaType::parse(value).map(|_| ()).ok_or(AttributeReason::MediaType)
}

fn time(value: &str) -> Result<(), AttributeReason> {
    timestamp(value).ok_or(AttributeReason::Time)
}

/// RFC 3339, section 5.6, `date-time`. jiff reads more than that (weeks, spaces, zone names), so the shape is checked here
/// and jiff is asked only whether the day exists.
fn timestamp(value: &str) -> Option<()> {
    let (date, rest) = value.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    // 60 is a leap second; which days have one is not checked.
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            (offset.len() < fraction.len()).then_some(offset)?
        }
        None => rest,
    };
    let (offset_hour, offset_minute) = match offset {
        "Z" | "z" => (0, 0),
        signed => {
            let [hour, minute] = numbers(signed.strip_prefix(['+', '-'])?, ':', [2, 2])?;
            (hour, minute)
        }
    };
    (hour <= 23 && minute <= 59 && second <= 60 && offset_hour <= 23 && offset_minute <= 59).then_some(())
}

/// Splits digits of these widths.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i16; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}
