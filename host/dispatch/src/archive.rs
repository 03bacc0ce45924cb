//! The archive: the log, read by position.

use std::collections::BTreeMap;

use wharf_delivery::{DecodeError, Record, RecordKind, TargetRef};
use wharf_event::{Event, Position};
use wharf_log::{AnyDisk, Frame, LogError, LogReader, RecordOut, SegmentInfo};

use crate::limits::{HELD_BYTES_MAX, WHOLE_FROM};

/// The archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record does not decode.
    #[error("record {position} of the log is damaged")]
    Record {
        /// Where it stands.
        position: Position,
        /// What is wrong.
        source: DecodeError,
    },
    /// There is no event there.
    #[error("there is no event at position {0}: it is past retention, or it never was")]
    NoEvent(Position),
}

/// A record with its place.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it stands.
    pub position: Position,
    /// Frame time, in milliseconds since 1970.
    pub time_ms: u64,
    /// Length of its bytes in the log.
    pub bytes: u64,
    /// What it says.
    pub record: Record,
}

/// Reads the log up to its last durable frame.
#[derive(Clone)]
pub struct Archive {
    reader: LogReader<AnyDisk>,
}

impl Archive {
    pub(crate) fn new(reader: LogReader<AnyDisk>) -> Self {
        Self { reader }
    }

    /// The oldest frame that is kept.
    #[must_use]
    pub fn first_k(&self) -> u64 {
        self.reader.first_k()
    }

    /// The last durable frame.
    #[must_use]
    pub fn last_k(&self) -> u64 {
        self.reader.last_k()
    }

    /// The segments that hold it, the oldest first; the last one is still being written.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.reader.segments()
    }

    /// The records of frame `k`, in order; none when it holds none or is not there.
    ///
    /// # Errors
    /// When the frame cannot be read.
    pub fn frame(&self, k: u64) -> Result<Vec<Item>, ArchiveError> {
        self.items(Position { k, i: 0 })?.collect()
    }

    /// The records of a frame from that on which `from` is in, each taken apart only when it is asked for.
    pub(crate) fn items(
        &self,
        from: Position,
    ) -> Result<impl Iterator<Item = Result<Item, ArchiveError>>, ArchiveError> {
        let records = self.reader.read_frame(from.k)?.map(|frame| frame.records).unwrap_or_default();
        let items = (0..).zip(records).skip((from.i >> 8) as usize);
        Ok(items.map(move |(index, record)| item(Position { k: from.k, i: index << 8 }, &record)))
    }

    /// The record that brought the event at `position`, be it received or published.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn record(&self, position: Position) -> Result<Item, ArchiveError> {
        let Some(record) = self.reader.read_record(position.k, position.i >> 8)? else {
            return Err(ArchiveError::NoEvent(position));
        };
        item(Position { k: position.k, i: position.i & !0xff }, &record)
    }

    /// What [`Archive::events`] gives, where the frames are held in memory, as those are that were written a moment ago: it takes about a millisecond at most
    /// and waits for nothing, unless a frame leaves the memory meanwhile. Absent where one is not, or they are too many bytes for that.
    pub(crate) fn events_held(&self, positions: &[Position], bytes_max: usize) -> Option<Vec<Option<Event>>> {
        let bytes: usize = by_frame(positions).into_keys().map(|k| self.reader.held_bytes(k)).sum::<Option<usize>>()?;
        (bytes <= HELD_BYTES_MAX).then(|| self.events(positions, bytes_max))
    }

    /// The events at `positions`, read until they have `bytes_max` bytes together, each with a payload of its own.
    /// Absent is what was not read, for whatever reason: who asks for it alone is told why.
    pub(crate) fn events(&self, positions: &[Position], bytes_max: usize) -> Vec<Option<Event>> {
        let (mut records, mut last, mut bytes) = (Records::of(&self.reader, positions), None, 0);
        let mut read = |position: &Position| {
            if bytes >= bytes_max {
                return None;
            }
            // Messages that one event became stand beside each other, and a record names all their targets: it is taken apart once.
            let place = (position.k, position.i >> 8);
            if last.as_ref().is_none_or(|(of, _)| *of != place) {
                let record = records.get(place.0, place.1)?;
                last = Some((place, Brought::of(&record).ok()?));
            }
            let (_, brought) = last.as_ref()?;
            let event = brought.event(*position)?.detached();
            bytes += event.size();
            Some(event)
        };
        positions.iter().map(&mut read).collect()
    }

    /// Who the event at `position` is owed to, as it was decided when it arose.
    ///
    /// # Errors
    /// When there is no event, or it cannot be read.
    pub(crate) fn targets(&self, position: Position) -> Result<Vec<TargetRef>, ArchiveError> {
        let published_n = (position.i & 0xff) as usize;
        match (self.record(position)?.record, published_n.checked_sub(1)) {
            (Record::Accept { targets, .. }, None) => Ok(targets),
            (Record::Settle { mut published, .. }, Some(n)) if n < published.len() => {
                Ok(published.swap_remove(n).targets)
            }
            _ => Err(ArchiveError::NoEvent(position)),
        }
    }

    /// The event at `position`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn event(&self, position: Position) -> Result<Event, ArchiveError> {
        let record = self.reader.read_record(position.k, position.i >> 8)?.ok_or(ArchiveError::NoEvent(position))?;
        let place = Position { k: position.k, i: position.i & !0xff };
        let brought = Brought::of(&record).map_err(|source| ArchiveError::Record { position: place, source })?;
        brought.event(position).cloned().ok_or(ArchiveError::NoEvent(position))
    }
}

/// Reads records, of frames of which many are wanted the whole frame at once. Whoever receives from many groups, each in its order, wants few of each.
struct Records<'a> {
    reader: &'a LogReader<AnyDisk>,
    /// How many are wanted, by frame.
    wanted: BTreeMap<u64, usize>,
    frame: Option<(u64, Frame)>,
}

impl<'a> Records<'a> {
    fn of(reader: &'a LogReader<AnyDisk>, positions: &[Position]) -> Self {
        Self { reader, wanted: by_frame(positions), frame: None }
    }

    /// A record, if it can be read.
    fn get(&mut self, k: u64, index: u32) -> Option<RecordOut> {
        if self.wanted.get(&k).is_none_or(|wanted| *wanted < WHOLE_FROM) {
            let held = self.reader.held_record(k, index);
            return held.or_else(|| self.reader.read_record(k, index).ok()?);
        }
        if self.frame.as_ref().is_none_or(|(read, _)| *read != k) {
            let held = self.reader.held_frame(k);
            self.frame = Some((k, held.or_else(|| self.reader.read_frame(k).ok()?)?));
        }
        let (_, frame) = self.frame.as_ref()?;
        frame.records.get(usize::try_from(index).ok()?).cloned()
    }
}

/// How many positions are in each frame.
fn by_frame(positions: &[Position]) -> BTreeMap<u64, usize> {
    let mut frames = BTreeMap::new();
    for position in positions {
        *frames.entry(position.k).or_default() += 1;
    }
    frames
}

/// The events that a record brought.
enum Brought {
    /// One that was received, without whom it is owed to.
    Received(Event),
    Other(Box<Record>),
}

impl Brought {
    fn of(record: &RecordOut) -> Result<Self, DecodeError> {
        if record.kind == RecordKind::Accept as u16 {
            return Record::received(&record.body).map(Self::Received);
        }
        decode(record).map(|record| Self::Other(Box::new(record)))
    }

    /// The one that stands at `position`: what was received, what a letter got in its place, or the one of those published that is meant.
    fn event(&self, position: Position) -> Option<&Event> {
        let published_n = (position.i & 0xff) as usize;
        let record = match self {
            Self::Received(event) => return Some(event).filter(|_| published_n == 0),
            Self::Other(record) => record.as_ref(),
        };
        match (record, published_n.checked_sub(1)) {
            (Record::Edited { event, .. }, None) => Some(event),
            (Record::Settle { published, .. }, Some(n)) => Some(&published.get(n)?.event),
            (Record::Carry { events, .. }, Some(n)) => events.get(n),
            _ => None,
        }
    }
}

fn item(position: Position, record: &RecordOut) -> Result<Item, ArchiveError> {
    let decoded = decode(record).map_err(|source| ArchiveError::Record { position, source })?;
    Ok(Item { position, time_ms: record.time_ms, bytes: record.body.len() as u64, record: decoded })
}

/// What a record of the log says.
pub(crate) fn decode(record: &RecordOut) -> Result<Record, DecodeError> {
    let kind = RecordKind::from_u16(record.kind).ok_or(DecodeError::Invalid("kind"))?;
    Record::decode(kind, &record.body)
}

#[cfg(test)]
mod tests {
    use cap_std::{ambient_authority, fs::Dir};
    use wharf_delivery::{AcceptEvent, AcceptRequest, Quotas, Request};

    use super::*;
    use crate::{Committer, Surroundings, machine::FolderHome};

    fn accept(id: u64) -> Request {
        let json =
            format!(r#"{{"specversion": "1.0", "id": "{id}", "type": "t", "source": "s", "data": "{:0>9000}"}}"#, id);
        let event = AcceptEvent { event: Event::from_json(&json.into()).unwrap(), targets: Vec::new() };
        Request::Accept(AcceptRequest {
            tenant: "acme".parse().unwrap(),
            bus: "default".parse().unwrap(),
            rules_version: 0,
            since_k: 0,
            quotas: Quotas::default(),
            backlogs: std::collections::BTreeMap::new(),
            events: vec![
                event.clone(),
                AcceptEvent { event: event.event.with_id(&format!("{id} again")).unwrap(), ..event },
            ],
            delayed: None,
        })
    }

    #[tokio::test]
    async fn what_is_held_in_memory_is_what_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let home = FolderHome::new(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
        let surroundings = Surroundings::of_this_machine(tokio::runtime::Handle::current());
        let (mut committer, _) = Committer::open(&home, 0, surroundings).unwrap();
        let archive = committer.archive();
        let first_k = archive.last_k() + 1;
        let frames = 2 * HELD_BYTES_MAX / 9_000;
        for id in 0..frames as u64 {
            committer.commit(accept(id), || None).unwrap();
        }
        let at = |number: u64, record: u32| Position { k: first_k + number, i: record << 8 };
        let asked = [at(0, 0), at(0, 1), at(0, 2), at(3, 1), at(2, 0), at(3, 0)];
        let read = archive.events(&asked, usize::MAX);
        assert_eq!(read.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, true, true, true]);
        assert_eq!(archive.events_held(&asked, usize::MAX).as_ref(), Some(&read));
        let whole = |at: Position| match archive.record(at).unwrap().record {
            Record::Accept { event, .. } => event,
            other => panic!("{other:?}"),
        };
        assert_eq!((read[1].clone(), archive.event(at(0, 1)).ok()), (Some(whole(at(0, 1))), Some(whole(at(0, 1)))));
        assert!(archive.event(Position { i: 1, ..at(0, 0) }).is_err(), "it published nothing");
        assert_eq!(archive.events_held(&asked, 1).unwrap().iter().flatten().count(), 1);

        let all: Vec<_> = (0..frames as u64).map(|number| at(number, 0)).collect();
        assert!(archive.events(&all, usize::MAX).iter().all(Option::is_some));
        assert_eq!(archive.events_held(&all, usize::MAX), None, "more than is to be read at once");
        committer.idle().unwrap();
        assert_eq!(archive.events_held(&asked, usize::MAX), None);
        assert_eq!(archive.events(&asked, usize::MAX), read);
    }
}
