//! A recording as bytes (docs/design/recordings.md).
//!
//! Invariant: what is read back is what was written, to the bit, in every later release: it begins with its version.

use std::{borrow::Cow, time::Duration};

use bytes::{Buf, Bytes};
use wharf_delivery::DeliveryId;
use wharf_event::{Digest, Position};

use crate::{
    call::{Call, Field, Part},
    recording::{Item, Recording},
};

/// The version that is written.
const VERSION: u16 = 1;

/// Bytes that are no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Of a later release.
    #[error("a recording of version {0}; this release of Wharf reads version {VERSION}")]
    Version(u16),
    /// They end inside a field, or go on behind the last one.
    #[error("the bytes do not end with the last field")]
    Length,
    /// A field holds what it cannot hold.
    #[error("`{0}` holds an impossible value")]
    Invalid(&'static str),
}

impl Recording {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(Vec::with_capacity(self.calls.iter().map(Call::bytes).sum()));
        w.raw(&VERSION.to_le_bytes()).text(self.tenant.as_str()).text(self.plugin.as_str()).raw(&self.release.0);
        w.u64(self.ended_ms).u64(self.took_us).u32(self.deadline_ms).count(self.items.len());
        for Item { delivery, rule, attempt, max_attempts, event } in &self.items {
            let DeliveryId { event: Position { k, i }, n } = *delivery;
            w.u64(k).u32(i).raw(&n.to_le_bytes()).text(rule).u32(*attempt).u32(*max_attempts).part(event);
        }
        w.u32(self.not_kept).count(self.calls.len());
        for Call { function, began, took, asked, told } in &self.calls {
            w.text(function).micros(*began).micros(*took).fields(asked).fields(told);
        }
        w.0
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When the bytes are none that `encode` writes.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader(bytes.clone());
        let version = r.u16()?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let (tenant, plugin) = (r.name("tenant")?, r.name("plugin")?);
        let release = r.digest()?;
        let (ended_ms, took_us, deadline_ms) = (r.u64()?, r.u64()?, r.u32()?);
        let items = r.list(Reader::item)?;
        let not_kept = r.u32()?;
        let calls = r.list(Reader::call)?;
        if !r.0.is_empty() {
            return Err(DecodeError::Length);
        }
        Ok(Self { tenant, plugin, release, ended_ms, took_us, deadline_ms, items, calls, not_kept })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// A count of things that follow. What a tape holds keeps every count far below 2^32.
    fn count(&mut self, value: usize) -> &mut Self {
        self.u32(u32::try_from(value).unwrap_or(u32::MAX))
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    fn micros(&mut self, time: Duration) -> &mut Self {
        self.u64(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }

    fn part(&mut self, part: &Part) -> &mut Self {
        match part {
            Part::Whole(whole) => self.raw(&[0]).bytes(whole),
            Part::Digest { bytes, digest } => self.raw(&[1]).u64(*bytes).raw(&digest.0),
        }
    }

    fn fields(&mut self, fields: &[Field]) -> &mut Self {
        self.count(fields.len());
        for Field { name, part } in fields {
            self.text(name).part(part);
        }
        self
    }
}

struct Reader(Bytes);

impl Reader {
    fn bytes_of(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if self.0.len() < length {
            return Err(DecodeError::Length);
        }
        Ok(self.0.split_to(length))
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.bytes_of(1)?.get_u8())
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(self.bytes_of(2)?.get_u16_le())
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(self.bytes_of(4)?.get_u32_le())
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(self.bytes_of(8)?.get_u64_le())
    }

    fn digest(&mut self) -> Result<Digest, DecodeError> {
        let bytes = self.bytes_of(32)?;
        Ok(Digest(bytes.as_ref().try_into().map_err(|_| DecodeError::Length)?))
    }

    fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.u32()? as usize;
        self.bytes_of(length)
    }

    fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        String::from_utf8(self.bytes()?.into()).map_err(|_| DecodeError::Invalid(field))
    }

    fn name<T: std::str::FromStr>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        self.text(field)?.parse().map_err(|_| DecodeError::Invalid(field))
    }

    fn micros(&mut self) -> Result<Duration, DecodeError> {
        Ok(Duration::from_micros(self.u64()?))
    }

    /// Nothing is set aside for what a count promises.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, DecodeError>) -> Result<Vec<T>, DecodeError> {
        let mut list = Vec::new();
        for _ in 0..self.u32()? {
            list.push(one(self)?);
        }
        Ok(list)
    }

    fn part(&mut self) -> Result<Part, DecodeError> {
        match self.u8()? {
            0 => Ok(Part::Whole(self.bytes()?)),
            1 => Ok(Part::Digest { bytes: self.u64()?, digest: self.digest()? }),
            _ => Err(DecodeError::Invalid("part")),
        }
    }

    fn item(&mut self) -> Result<Item, DecodeError> {
        let event = Position { k: self.u64()?, i: self.u32()? };
        let delivery = DeliveryId { event, n: self.u16()? };
        let (rule, attempt, max_attempts) = (self.text("rule")?, self.u32()?, self.u32()?);
        Ok(Item { delivery, rule, attempt, max_attempts, event: self.part()? })
    }

    fn field(&mut self) -> Result<Field, DecodeError> {
        Ok(Field { name: Cow::Owned(self.text("name")?), part: self.part()? })
    }

    fn call(&mut self) -> Result<Call, DecodeError> {
        let function = Cow::Owned(self.text("function")?);
        let (began, took) = (self.micros()?, self.micros()?);
        Ok(Call { function, began, took, asked: self.list(Self::field)?, told: self.list(Self::field)? })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A recording with everything that one can have.
    pub(crate) fn recording(plugin: &str) -> Recording {
        let item = Item {
            delivery: DeliveryId { event: Position { k: 3, i: 256 }, n: 1 },
            rule: "r".into(),
            attempt: 2,
            max_attempts: 5,
            event: vec![1, 2].into(),
        };
        let kept = Call { began: Duration::from_micros(7), took: Duration::from_micros(8), ..Call::of("f") };
        Recording {
            tenant: "t".parse().unwrap(),
            plugin: plugin.parse().unwrap(),
            release: Digest([9; 32]),
            ended_ms: 0x0102,
            took_us: 4,
            deadline_ms: 6,
            items: vec![item],
            calls: vec![kept.asked("a", "x").told("b", Part::Digest { bytes: 70, digest: Digest([5; 32]) })],
            not_kept: 1,
        }
    }

    #[test]
    fn the_bytes_are_those_that_segments_on_disk_hold() {
        let wanted = [
            &b"\x01\0\x01\0\0\0t\x01\0\0\0p"[..],
            &[9; 32],
            b"\x02\x01\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x06\0\0\0",
            b"\x01\0\0\0\x03\0\0\0\0\0\0\0\0\x01\0\0\x01\0\x01\0\0\0r\x02\0\0\0\x05\0\0\0\0\x02\0\0\0\x01\x02",
            b"\x01\0\0\0\x01\0\0\0\x01\0\0\0f\x07\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0",
            b"\x01\0\0\0\x01\0\0\0a\0\x01\0\0\0x",
            b"\x01\0\0\0\x01\0\0\0b\x01\x46\0\0\0\0\0\0\0",
            &[5; 32],
        ]
        .concat();
        assert_eq!(recording("p").encode(), wanted);
    }

    #[test]
    fn a_recording_survives_its_bytes_and_nothing_else_passes_for_one() {
        let (recording, bytes) = (recording("p"), Bytes::from(recording("p").encode()));
        assert_eq!(Recording::decode(&bytes), Ok(recording));
        for end in 0..bytes.len() {
            assert_eq!(Recording::decode(&bytes.slice(..end)), Err(DecodeError::Length), "{end}");
        }
        let more = Bytes::from([&bytes[..], b"\0"].concat());
        assert_eq!(Recording::decode(&more), Err(DecodeError::Length));
        let later = Bytes::from([&b"\x02"[..], &bytes[1..]].concat());
        assert_eq!(Recording::decode(&later), Err(DecodeError::Version(2)));
    }
}
