//! An event in the log's own form: compact, versioned, and the payload unchanged at its end, so that reading copies no
//! payload. Invariant: `decode` gives back the event that `encode` was given, in this and every later release. It checks
//! shape, not rules: an event that was accepted stays readable when a rule gets stricter.
//!
//! Version 1, all numbers little endian, all strings UTF-8:
//!
//! ```text
//! offset  size  what
//! 0       1     version, 1
//! 1       1     flags: bits 0-1 payload (0 none, 1 JSON, 2 text, 3 binary), bit 2 subject, bit 3 time,
//!               bit 4 datacontenttype, bit 5 dataschema is there; bits 6-7 are zero
//! 2       2     number of extensions
//! 4             strings, each a length (2 bytes) and its bytes: id, source, type, and of subject, time, datacontenttype,
//!               dataschema those that are there
//!               extensions, sorted by name: the name as a string, a tag (1 byte), and by the tag
//!               0, 1: nothing (the booleans false and true), 2: the integer (4 bytes), 3: a string
//!               the payload, if there is one: everything up to the end
//! ```
//!
//! The length of the whole is the container's to keep.

use bytes::Bytes;

use crate::{
    attribute::AttributeValue,
    event::{Attributes, Data, Event},
};

const VERSION: u8 = 1;
const PAYLOAD_MASK: u8 = 0b11;
const SUBJECT: u8 = 1 << 2;
const TIME: u8 = 1 << 3;
const DATACONTENTTYPE: u8 = 1 << 4;
const DATASCHEMA: u8 = 1 << 5;
const UNUSED: u8 = 0b1100_0000;

/// Why bytes are not an encoded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Of a later release, or no event at all.
    #[error("an encoded event of version {found}; this release of Wharf reads version {VERSION}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// A flag or tag that version 1 does not have.
    #[error("an encoded event has the unknown mark {found:#04x} at byte {offset}")]
    Mark {
        /// The flags or the tag.
        found: u8,
        /// Where it stands.
        offset: usize,
    },
    /// The bytes end too early.
    #[error("an encoded event ends at byte {len}, within a field")]
    Truncated {
        /// How many bytes there are.
        len: usize,
    },
    /// A string or a text payload is not UTF-8.
    #[error("an encoded event has a string that is not UTF-8 at byte {offset}")]
    Utf8 {
        /// Where it begins.
        offset: usize,
    },
    /// Bytes after an event that has no payload.
    #[error("an encoded event without a payload has bytes after byte {offset}")]
    Trailing {
        /// Where they begin.
        offset: usize,
    },
}

impl Event {
    /// Appends the event to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let payload = self.data().map(|data| match data {
            Data::Json(bytes) => (1, bytes),
            Data::Text(bytes) => (2, bytes),
            Data::Binary(bytes) => (3, bytes),
        });
        let optional = [
            (SUBJECT, self.subject()),
            (TIME, self.time()),
            (DATACONTENTTYPE, self.datacontenttype()),
            (DATASCHEMA, self.dataschema()),
        ];
        let present = optional.iter().filter(|(_, value)| value.is_some()).map(|(flag, _)| flag).sum::<u8>();
        out.reserve(self.size() + 16);
        out.push(VERSION);
        out.push(payload.map_or(0, |(kind, _)| kind) | present);
        put_length(out, self.extensions().len());
        let required = [self.id(), self.source(), self.kind()].into_iter();
        for text in required.chain(optional.into_iter().filter_map(|(_, value)| value)) {
            put_string(out, text);
        }
        for (name, value) in self.extensions() {
            put_string(out, name);
            match value {
                AttributeValue::Boolean(value) => out.push(u8::from(*value)),
                AttributeValue::Integer(value) => {
                    out.push(2);
                    out.extend_from_slice(&value.to_le_bytes());
                }
                AttributeValue::String(value) => {
                    out.push(3);
                    put_string(out, value);
                }
            }
        }
        if let Some((_, bytes)) = payload {
            out.extend_from_slice(bytes);
        }
    }

    /// Reads back what `encode` wrote; `bytes` is that and nothing else. The payload stays a slice of `bytes`.
    ///
    /// # Errors
    /// When the bytes are not what `encode` writes.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader { whole: bytes, at: 0 };
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::Version { found: version });
        }
        let flags = reader.byte()?;
        if flags & UNUSED != 0 {
            return Err(DecodeError::Mark { found: flags, offset: 1 });
        }
        let extensions = reader.length()?;
        let mut attributes = Attributes {
            id: reader.string()?,
            source: reader.string()?,
            kind: reader.string()?,
            subject: reader.optional(flags & SUBJECT)?,
            time: reader.optional(flags & TIME)?,
            datacontenttype: reader.optional(flags & DATACONTENTTYPE)?,
            dataschema: reader.optional(flags & DATASCHEMA)?,
            extensions: Vec::new(),
        };
        for _ in 0..extensions {
            attributes.extensions.push((reader.string()?, reader.value()?));
        }
        let data = reader.payload(flags & PAYLOAD_MASK)?;
        Ok(Self::trusted(attributes, data))
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    assert!(length <= usize::from(u16::MAX), "the limits keep every string and list of an event below 64 Ki");
    out.extend(length.to_le_bytes().into_iter().take(2));
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

struct Reader<'a> {
    whole: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.slice(N)?;
        bytes.try_into().map_err(|_| DecodeError::Truncated { len: self.whole.len() })
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let whole: &'a [u8] = self.whole;
        let bytes = whole.get(self.at..).and_then(|rest| rest.get(..length));
        let bytes = bytes.ok_or(DecodeError::Truncated { len: whole.len() })?;
        self.at += length;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.take().map(|[byte]| byte)
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        self.take().map(|bytes| usize::from(u16::from_le_bytes(bytes)))
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        let length = self.length()?;
        let offset = self.at;
        let text = str::from_utf8(self.slice(length)?).map_err(|_| DecodeError::Utf8 { offset })?;
        Ok(text.to_owned())
    }

    fn optional(&mut self, present: u8) -> Result<Option<String>, DecodeError> {
        if present == 0 { Ok(None) } else { self.string().map(Some) }
    }

    fn value(&mut self) -> Result<AttributeValue, DecodeError> {
        let offset = self.at;
        match self.byte()? {
            0 => Ok(AttributeValue::Boolean(false)),
            1 => Ok(AttributeValue::Boolean(true)),
            2 => self.take().map(|bytes| AttributeValue::Integer(i32::from_le_bytes(bytes))),
            3 => self.string().map(AttributeValue::String),
            found => Err(DecodeError::Mark { found, offset }),
        }
    }

    fn payload(&mut self, kind: u8) -> Result<Option<Data>, DecodeError> {
        // `at` never passes the end, so this slice is in bounds.
        let (offset, bytes) = (self.at, self.whole.slice(self.at..));
        match kind {
            0 if bytes.is_empty() => Ok(None),
            0 => Err(DecodeError::Trailing { offset }),
            1 => Ok(Some(Data::Json(bytes))),
            2 if str::from_utf8(&bytes).is_err() => Err(DecodeError::Utf8 { offset }),
            2 => Ok(Some(Data::Text(bytes))),
            _ => Ok(Some(Data::Binary(bytes))),
        }
    }
}
