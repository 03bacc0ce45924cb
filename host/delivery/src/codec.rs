//! Bytes of records and rows: little-endian integers and length-prefixed strings, written and read in one order.
//!
//! It knows no versions: a record's kind carries its version, so that an old record decodes the same for ever.

use bytes::{Buf, Bytes};
use wharf_event::{Digest, Event, Position};

use crate::DeliveryId;

/// Bytes that are no record or row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the bytes end inside `{0}`")]
    Truncated(&'static str),
    /// A field holds what it cannot hold.
    #[error("`{0}` holds an impossible value")]
    Invalid(&'static str),
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
}

/// Room for what stands around an event in its record, in bytes: names, targets, lengths. More grows the buffer.
const EVENT_ROOM_BYTES: usize = 256;

/// Appends fields to a buffer.
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// With room for so many bytes; more grow it.
    pub(crate) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A count of things that follow. The machine's limits keep every count far below 2^32.
    pub(crate) fn count(&mut self, value: usize) -> &mut Self {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX))
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.count(value.len());
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn str(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// A text that is at hand in parts.
    pub(crate) fn parts(&mut self, parts: &[&str]) -> &mut Self {
        self.count(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.0.extend_from_slice(part.as_bytes());
        }
        self
    }

    pub(crate) fn position(&mut self, value: Position) -> &mut Self {
        self.u64(value.k).u32(value.i)
    }

    pub(crate) fn delivery(&mut self, value: DeliveryId) -> &mut Self {
        self.position(value.event).u16(value.n)
    }

    pub(crate) fn digest(&mut self, value: &Digest) -> &mut Self {
        self.0.extend_from_slice(value.as_bytes());
        self
    }

    pub(crate) fn event(&mut self, value: &Event) -> &mut Self {
        // Written in place: an event may have a megabyte. The length stands before it, and is known behind it.
        let at = self.0.len();
        self.0.reserve(value.size() + EVENT_ROOM_BYTES);
        self.u32(0);
        value.encode(&mut self.0);
        let from = at + size_of::<u32>();
        let len = u32::try_from(self.0.len().saturating_sub(from)).unwrap_or(u32::MAX);
        if let Some(place) = self.0.get_mut(at..from) {
            place.copy_from_slice(&len.to_le_bytes());
        }
        self
    }

    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Takes fields off the front of some bytes. Slices share the bytes, nothing is copied.
pub(crate) struct Reader(Bytes);

type Field<T> = Result<T, DecodeError>;

impl Reader {
    pub(crate) fn new(bytes: &Bytes) -> Self {
        Self(bytes.clone())
    }

    fn need(&self, len: usize, field: &'static str) -> Field<()> {
        if self.0.len() < len { Err(DecodeError::Truncated(field)) } else { Ok(()) }
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Field<u8> {
        self.need(1, field)?;
        Ok(self.0.get_u8())
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Field<u16> {
        self.need(2, field)?;
        Ok(self.0.get_u16_le())
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Field<u32> {
        self.need(4, field)?;
        Ok(self.0.get_u32_le())
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Field<u64> {
        self.need(8, field)?;
        Ok(self.0.get_u64_le())
    }

    /// Reads a counted list. The count is checked against the bytes left, so a lie cannot ask for memory.
    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        mut item: impl FnMut(&mut Self) -> Field<T>,
    ) -> Field<Vec<T>> {
        let count = self.u32(field)? as usize;
        self.need(count, field)?;
        let mut items = Vec::with_capacity(count.min(1_024));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(crate) fn bytes(&mut self, field: &'static str) -> Field<Bytes> {
        let len = self.u32(field)? as usize;
        self.need(len, field)?;
        Ok(self.0.split_to(len))
    }

    pub(crate) fn str(&mut self, field: &'static str) -> Field<String> {
        String::from_utf8(self.bytes(field)?.to_vec()).map_err(|_| DecodeError::Invalid(field))
    }

    pub(crate) fn parse<T: std::str::FromStr>(&mut self, field: &'static str) -> Field<T> {
        let bytes = self.bytes(field)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DecodeError::Invalid(field))?;
        text.parse().map_err(|_| DecodeError::Invalid(field))
    }

    pub(crate) fn position(&mut self, field: &'static str) -> Field<Position> {
        Ok(Position { k: self.u64(field)?, i: self.u32(field)? })
    }

    pub(crate) fn delivery(&mut self, field: &'static str) -> Field<DeliveryId> {
        Ok(DeliveryId { event: self.position(field)?, n: self.u16(field)? })
    }

    pub(crate) fn digest(&mut self, field: &'static str) -> Field<Digest> {
        self.need(32, field)?;
        let bytes = self.0.split_to(32);
        Ok(Digest(bytes.as_ref().try_into().map_err(|_| DecodeError::Invalid(field))?))
    }

    pub(crate) fn event(&mut self, field: &'static str) -> Field<Event> {
        Event::decode(&self.bytes(field)?).map_err(|_| DecodeError::Invalid(field))
    }

    pub(crate) fn end(self) -> Field<()> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.0.len())) }
    }
}
