//! What an attempt used and said, kept with its settlement for the people who look at it later.
//!
//! Invariant: nothing is decided by it, and applying a record passes it over, but for the sums of what was used. It is bounded: of
//! many log lines the last are kept.

use std::collections::VecDeque;

use wharf_event::{Code, PluginName};

use crate::{
    RecordingAt, Used,
    codec::{DecodeError, Reader, Writer},
    limits::{LOG_BYTES_KEPT_MAX, LOG_LINES_KEPT_MAX},
};

/// What an attempt used and said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// CPU time, in microseconds.
    pub cpu_us: u64,
    /// Bytes of linear memory at its largest, over all memories of an instance.
    pub memory_bytes: u64,
    /// The limits that it met, whether that ended it or not.
    pub limits: Vec<Code>,
    /// The last lines that it logged.
    pub log: LogTail,
    /// What it is charged with: more than the above where conflicts made it run again. Absent where no guest ran, and for attempts
    /// of before this was kept.
    pub used: Option<Used>,
    /// Who is charged with it where that is not the target: the plugin that consumes the queue whose message it was.
    pub consumer: Option<PluginName>,
    /// Where a recording of it stands, if there is one. It goes with `used`: nothing is recorded where no guest ran.
    pub recording: Option<RecordingAt>,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For those who search for a fault in the plugin.
    Trace,
    /// The same, with less of it.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What went wrong.
    Error,
}

/// A line of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// Where it comes from, as the plugin says; `stdout` or `stderr` for what was written there.
    pub context: String,
    /// What it says.
    pub message: String,
}

/// The last lines of a log, [`LOG_LINES_KEPT_MAX`] and [`LOG_BYTES_KEPT_MAX`] at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTail {
    lines: VecDeque<LogLine>,
    bytes: usize,
    dropped: u32,
}

impl LogTail {
    /// Adds a line, which is cut where it alone is too long, and lets go of the oldest ones where there is no room.
    pub fn push(&mut self, level: LogLevel, context: &str, message: &str) {
        let context = head(context, LOG_BYTES_KEPT_MAX / 8);
        let message = head(message, LOG_BYTES_KEPT_MAX - context.len());
        self.bytes += context.len() + message.len();
        self.lines.push_back(LogLine { level, context: context.to_owned(), message: message.to_owned() });
        while self.lines.len() > LOG_LINES_KEPT_MAX || self.bytes > LOG_BYTES_KEPT_MAX {
            let Some(LogLine { context, message, .. }) = self.lines.pop_front() else { break };
            self.bytes -= context.len() + message.len();
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Adds the lines of a log that was written later.
    pub fn append(&mut self, later: &Self) {
        self.dropped = self.dropped.saturating_add(later.dropped);
        later.lines.iter().for_each(|LogLine { level, context, message }| self.push(*level, context, message));
    }

    /// The lines, the oldest first.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &LogLine> {
        self.lines.iter()
    }

    /// Lines before those, which are not kept.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Bytes of the lines that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The beginning of a text, `bytes` at most.
fn head(text: &str, bytes: usize) -> &str {
    let end = (0..=text.len().min(bytes)).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

impl Details {
    /// Adds what a later part of the same attempt used and said.
    pub fn add(&mut self, later: &Self) {
        self.cpu_us = self.cpu_us.saturating_add(later.cpu_us);
        self.memory_bytes = self.memory_bytes.max(later.memory_bytes);
        later.limits.iter().for_each(|code| self.met(*code));
        self.log.append(&later.log);
        self.charge(later.used.as_ref());
    }

    /// Adds what the attempt is charged with beside.
    pub fn charge(&mut self, used: Option<&Used>) {
        if let Some(used) = used {
            self.used.get_or_insert_default().add(used);
        }
    }

    /// Notes that a limit was met.
    pub fn met(&mut self, limit: Code) {
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
        }
    }

    /// Bytes that it takes in a record at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// Numbers and lengths, and the code of a limit.
        const FIELDS: usize = 64;
        self.log.bytes + (self.log.lines.len() + self.limits.len() + 2) * FIELDS
    }

    pub(crate) fn put(&self, w: &mut Writer) {
        w.u64(self.cpu_us).u64(self.memory_bytes).count(self.limits.len());
        self.limits.iter().for_each(|code| {
            w.str(code.as_str());
        });
        w.u32(self.log.dropped).count(self.log.lines.len());
        for LogLine { level, context, message } in &self.log.lines {
            w.u8(*level as u8).str(context).str(message);
        }
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let (cpu_us, memory_bytes) = (r.u64("cpu")?, r.u64("memory")?);
        let limits = r.list("limits", |r| r.parse("limit"))?;
        let dropped = r.u32("lines dropped")?;
        let lines = VecDeque::from(r.list("lines", take_line)?);
        let bytes = lines.iter().map(|line| line.context.len() + line.message.len()).sum();
        let log = LogTail { lines, bytes, dropped };
        Ok(Self { cpu_us, memory_bytes, limits, log, ..Self::default() })
    }
}

fn take_line(r: &mut Reader) -> Result<LogLine, DecodeError> {
    let level = usize::from(r.u8("level")?);
    let level = LogLevel::ALL.get(level).copied().ok_or(DecodeError::Invalid("level"))?;
    Ok(LogLine { level, context: r.str("context")?, message: r.str("message")? })
}

impl LogLevel {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn written(details: &Details) -> Vec<u8> {
        let mut w = Writer::with_room(64);
        details.put(&mut w);
        w.finish()
    }

    fn read(details: &Details) -> Details {
        let mut r = Reader::new(&Bytes::from(written(details)));
        let read = Details::take(&mut r).unwrap();
        r.end().unwrap();
        read
    }

    #[test]
    fn of_a_flood_the_last_lines_are_kept_within_both_bounds() {
        let mut few_bytes = LogTail::default();
        (0..LOG_LINES_KEPT_MAX + 5).for_each(|n| few_bytes.push(LogLevel::Info, "c", &n.to_string()));
        assert_eq!((few_bytes.lines().len(), few_bytes.dropped()), (LOG_LINES_KEPT_MAX, 5));
        assert_eq!(few_bytes.lines().next().unwrap().message, "5");

        let mut long = LogTail::default();
        long.push(LogLevel::Error, "first", "is gone");
        long.push(LogLevel::Warn, "", &"ü".repeat(LOG_BYTES_KEPT_MAX));
        assert_eq!((long.lines().len(), long.dropped(), long.bytes()), (1, 1, LOG_BYTES_KEPT_MAX));
        few_bytes.append(&long);
        assert_eq!(few_bytes.lines().len(), 1);
        assert_eq!(few_bytes.dropped(), u32::try_from(LOG_LINES_KEPT_MAX + 6).unwrap());
    }

    #[test]
    fn the_bytes_are_those_that_logs_on_disk_hold() {
        let mut details = Details { cpu_us: 0x0102, memory_bytes: 1 << 16, ..Details::default() };
        details.met(Code::LimitCpu);
        details.log.push(LogLevel::Error, "std", "no");
        let wanted = [
            b"\x02\x01\0\0\0\0\0\0\0\0\x01\0\0\0\0\0".as_slice(),
            b"\x01\0\0\0\x09\0\0\0limit-cpu",
            b"\0\0\0\0\x01\0\0\0",
            b"\x04\x03\0\0\0std\x02\0\0\0no",
        ];
        assert_eq!(written(&details), wanted.concat());
    }

    #[test]
    fn details_survive_their_bytes() {
        let mut details = Details { cpu_us: 1, memory_bytes: 2, ..Details::default() };
        details.met(Code::LimitMemory);
        details.met(Code::LimitMemory);
        LogLevel::ALL.into_iter().for_each(|level| details.log.push(level, "stderr", level.as_str()));
        assert_eq!(read(&details), details);
        assert_eq!(details.limits, [Code::LimitMemory]);
        let mut twice = details.clone();
        twice.add(&details);
        assert_eq!((twice.cpu_us, twice.memory_bytes, twice.limits.len(), twice.log.lines().len()), (2, 2, 1, 10));
    }
}
