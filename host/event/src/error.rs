//! Why something is not an event. Invariant: every variant has a stable code, and every message says what to do about it.
//! No variant carries the payload, and a refused value is never repeated at length.

use crate::{
    code::Code,
    limits::{ATTRIBUTE_NAME_BYTES_MAX, BATCH_BYTES_MAX, BATCH_EVENTS_MAX, EXTENSIONS_MAX},
};

/// Why something is not an event, or not a batch of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The event is no JSON object.
    #[error("the event is not a JSON object: {message}")]
    Json {
        /// What the parser says, with line and column.
        message: String,
    },
    /// The payload claims to be JSON and is not.
    #[error("the payload is not JSON, which {declared} says it is: {message}")]
    DataJson {
        /// What says that it is JSON: a media type, or the lack of one.
        declared: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// The payload is JSON, but not the string that its media type needs.
    #[error("`data` must be a JSON string because `datacontenttype` is `{media_type}`; send bytes in `data_base64`")]
    DataText {
        /// The event's `datacontenttype`.
        media_type: String,
    },
    /// Both payload members are there.
    #[error("the event has both `data` and `data_base64`; send one of them")]
    DataTwice,
    /// `data_base64` is not base64.
    #[error("`data_base64` is not a string of padded standard base64 (RFC 4648, section 4)")]
    DataBase64,
    /// A member of the event's JSON object is there twice.
    #[error("the event has the member `{name}` more than once")]
    Duplicate {
        /// The member.
        name: String,
    },
    /// A required attribute is not there.
    #[error("the required attribute `{name}` is missing")]
    Missing {
        /// The attribute.
        name: &'static str,
    },
    /// An attribute breaks a rule.
    #[error("the attribute `{name}` {reason}")]
    Attribute {
        /// The attribute.
        name: String,
        /// The rule.
        reason: AttributeReason,
    },
    /// Not version 1.0, or no version at all.
    #[error("`specversion` must be the string \"1.0\", {}", found.as_ref().map_or("it is missing".to_owned(), |it| format!("it is `{it}`")))]
    Specversion {
        /// What is there.
        found: Option<String>,
    },
    /// A header cannot be read.
    #[error("the header `{name}` {reason}")]
    Header {
        /// The header, in lower case.
        name: String,
        /// What is wrong.
        reason: HeaderReason,
    },
    /// The event, or one of its attributes, is too large.
    #[error("{what} has {bytes} bytes, at most {max} are allowed; keep large data elsewhere and send a reference")]
    TooLarge {
        /// `the event`, or an attribute.
        what: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Too many extension attributes.
    #[error(
        "the event has {count} extension attributes, at most {EXTENSIONS_MAX} are allowed; put them into the payload"
    )]
    TooManyExtensions {
        /// How many there are.
        count: usize,
    },
    /// The batch is no JSON array.
    #[error("the batch is not a JSON array of events: {message}")]
    Batch {
        /// What the parser says, with line and column.
        message: String,
    },
    /// The batch has too many events.
    #[error("the batch has {count} events, at most {BATCH_EVENTS_MAX} are allowed; send several batches")]
    BatchEvents {
        /// How many there are.
        count: usize,
    },
    /// The batch has too many bytes.
    #[error("the batch has {bytes} bytes, at most {BATCH_BYTES_MAX} are allowed; send several batches")]
    BatchBytes {
        /// How many there are.
        bytes: usize,
    },
    /// No events are read from this media type.
    #[error(
        "no events are read from {}; send application/cloudevents+json, application/cloudevents-batch+json, `ce-` headers \
         with any content type, or plain application/json",
        found.as_ref().map_or("a body without a content type".to_owned(), |it| format!("`{it}`"))
    )]
    ContentType {
        /// What was sent.
        found: Option<String>,
    },
}

/// The rule that an attribute breaks. Reads on from "the attribute `x`".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeReason {
    /// The name has other characters, or too many.
    #[error("has a name that is not 1 to {ATTRIBUTE_NAME_BYTES_MAX} lower-case letters and digits")]
    Name,
    /// The name belongs to the specification.
    #[error("is no extension: its name belongs to CloudEvents itself")]
    Reserved,
    /// Nothing is in it.
    #[error("must not be empty")]
    Empty,
    /// A control character, U+0000-001F or U+007F-009F.
    #[error("must not have control characters (U+{found:04X})")]
    Control {
        /// The character.
        found: u32,
    },
    /// One of the code points that Unicode never assigns.
    #[error("must not have Unicode noncharacters (U+{found:04X})")]
    Noncharacter {
        /// The code point.
        found: u32,
    },
    /// An escape of half a surrogate pair.
    #[error("has an escape that is no Unicode character")]
    Surrogate,
    /// The JSON value must be a string.
    #[error("must be a JSON string")]
    NotString,
    /// A JSON type that attributes do not have.
    #[error("must be a string, a boolean or an integer; JSON objects, arrays and fractions are not attribute values")]
    Kind,
    /// An integer that does not fit 32 bits.
    #[error("must be an integer from -2147483648 to 2147483647, or a string")]
    Integer,
    /// An edit of the event leaves it as it is.
    #[error("cannot be changed: it says which event this is, or is the host's own")]
    Fixed,
    /// Not an RFC 3339 timestamp.
    #[error("must be an RFC 3339 timestamp, such as 2026-01-31T23:59:59Z")]
    Time,
    /// Not a URI reference.
    #[error("must be a URI reference: no spaces, quotes or any of `<>{{}}|\\^` and backtick; percent-encode them")]
    UriReference,
    /// Not an absolute URI.
    #[error("must be an absolute URI, such as https://example.com/schema.json")]
    Uri,
    /// Not a media type.
    #[error("must be a media type, such as application/json")]
    MediaType,
}

/// What is wrong with a header. Reads on from "the header `x`".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderReason {
    /// The bytes, or what they decode to, are not UTF-8.
    #[error("is not UTF-8; percent-encode what is not printable ASCII")]
    NotUtf8,
    /// It is there more than once.
    #[error("is there more than once")]
    Repeated,
    /// A percent sign without two hex digits.
    #[error("has a `%` without two hex digits after it; write a percent sign as %25")]
    Percent,
    /// A quoted string that does not end where the value ends.
    #[error("begins with a quote that is not closed at its end")]
    Quote,
    /// `ce-datacontenttype`.
    #[error("is not allowed; the content type of the request is the event's `datacontenttype`")]
    NotAllowed,
}

impl EventError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Json { .. }
            | Self::DataJson { .. }
            | Self::DataText { .. }
            | Self::DataTwice
            | Self::DataBase64
            | Self::Duplicate { .. } => Code::EventJson,
            Self::Missing { .. } | Self::Attribute { .. } => Code::EventAttribute,
            Self::Specversion { .. } => Code::EventSpecversion,
            Self::Header { .. } => Code::EventHeader,
            Self::TooLarge { .. } | Self::TooManyExtensions { .. } => Code::EventTooLarge,
            Self::Batch { .. } => Code::BatchInvalid,
            Self::BatchEvents { .. } | Self::BatchBytes { .. } => Code::BatchTooLarge,
            Self::ContentType { .. } => Code::ContentTypeUnsupported,
        }
    }
}
