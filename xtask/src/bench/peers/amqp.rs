//! AMQP 0-9-1, as far as a producer with confirms and a consumer need it: frames, the handshake, and a few methods.
//!
//! Invariant: what is not expected is an error that names the method. A connection has one channel, 1.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::wire::Wire;

/// Kinds of frames.
const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// What every frame ends with.
const FRAME_END: u8 = 0xce;

/// A frame, in bytes at most: more than any payload here.
const FRAME_BYTES_MAX: u32 = 131_072;

/// A method: its class and its number.
type Method = (u16, u16);

const START: Method = (10, 10);
const START_OK: Method = (10, 11);
const TUNE: Method = (10, 30);
const TUNE_OK: Method = (10, 31);
const OPEN: Method = (10, 40);
const OPEN_OK: Method = (10, 41);
const CHANNEL_OPEN: Method = (20, 10);
const CHANNEL_OPEN_OK: Method = (20, 11);
const DECLARE: Method = (50, 10);
const DECLARE_OK: Method = (50, 11);
const QOS: Method = (60, 10);
const QOS_OK: Method = (60, 11);
const CONSUME: Method = (60, 20);
const CONSUME_OK: Method = (60, 21);
const PUBLISH: Method = (60, 40);
const DELIVER: Method = (60, 60);
const ACK: Method = (60, 80);
const CONFIRM: Method = (85, 10);
const CONFIRM_OK: Method = (85, 11);

/// How long a consumer waits for a first message, and for another one before it acknowledges those that it has.
const FIRST: Duration = Duration::from_millis(20);
const MORE: Duration = Duration::from_millis(1);

/// Messages that are kept on disk.
const PERSISTENT: u8 = 2;

/// A connection.
pub struct Amqp {
    wire: Wire,
    published: u64,
    confirmed: u64,
}

/// The arguments of a method, as they are written.
#[derive(Default)]
struct Arguments(Vec<u8>);

impl Arguments {
    fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn short(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn long(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn longlong(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A text of at most 255 bytes.
    fn text(self, text: &str) -> Self {
        let mut with = self.byte(u8::try_from(text.len()).unwrap_or(u8::MAX));
        with.0.extend(text.bytes().take(usize::from(u8::MAX)));
        with
    }

    /// Bytes with their number before them.
    fn bytes(self, bytes: &[u8]) -> Self {
        let mut with = self.long(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        with.0.extend_from_slice(bytes);
        with
    }

    /// A table of texts.
    fn table(self, entries: &[(&str, &str)]) -> Self {
        let entry = |table: Self, (name, value): &(&str, &str)| table.text(name).byte(b'S').bytes(value.as_bytes());
        self.bytes(&entries.iter().fold(Self::default(), entry).0)
    }
}

impl Amqp {
    /// Connects as a guest and opens a channel.
    pub fn connect(port: u16) -> Result<Self> {
        let mut amqp = Self { wire: Wire::connect(port)?, published: 0, confirmed: 0 };
        amqp.wire.out().extend_from_slice(b"AMQP\0\0\x09\x01");
        amqp.wire.flush()?;
        amqp.expect(START)?;
        let login = Arguments::default().table(&[]).text("PLAIN").bytes(b"\0guest\0guest").text("en_US");
        amqp.call(0, START_OK, &login, TUNE)?;
        let (channels, heartbeat_s) = (1, 0);
        amqp.put(0, TUNE_OK, &Arguments::default().short(channels).long(FRAME_BYTES_MAX).short(heartbeat_s));
        amqp.call(0, OPEN, &Arguments::default().text("/").text("").byte(0), OPEN_OK)?;
        amqp.call(1, CHANNEL_OPEN, &Arguments::default().text(""), CHANNEL_OPEN_OK)?;
        Ok(amqp)
    }

    /// Makes a durable quorum queue unless it is there. Gives how many messages wait in it.
    pub fn declare(&mut self, queue: &str) -> Result<u32> {
        let durable = 2;
        let wish = Arguments::default().short(0).text(queue).byte(durable).table(&[("x-queue-type", "quorum")]);
        let answer = self.call(1, DECLARE, &wish, DECLARE_OK)?;
        // Its name, then how many messages and how many consumers it has.
        let behind_name = usize::from(answer.first().copied().unwrap_or(0)) + 1;
        let waiting = answer.get(behind_name..behind_name + 4).context("the answer to a declaration is short")?;
        Ok(u32::from_be_bytes(waiting.try_into()?))
    }

    /// Lets everything be confirmed that is published from now on.
    pub fn confirm(&mut self) -> Result<()> {
        self.call(1, CONFIRM, &Arguments::default().byte(0), CONFIRM_OK).map(drop)
    }

    /// Publishes a batch to a queue and waits until all of it is confirmed.
    pub fn publish(&mut self, queue: &str, batch: &[String]) -> Result<()> {
        let to = Arguments::default().short(0).text("").text(queue).byte(0);
        for payload in batch {
            self.put(1, PUBLISH, &to);
            let has_delivery_mode = 1 << 12;
            let size = payload.len() as u64;
            let header =
                Arguments::default().short(PUBLISH.0).short(0).longlong(size).short(has_delivery_mode).byte(PERSISTENT);
            self.frame(HEADER, 1, &header.0);
            self.frame(BODY, 1, payload.as_bytes());
        }
        self.published += batch.len() as u64;
        self.wire.flush()?;
        while self.confirmed < self.published {
            let answer = self.expect(ACK)?;
            let (tag, multiple) = answer.split_first_chunk::<8>().context("a confirm is short")?;
            match multiple {
                [0] => self.confirmed += 1,
                _ => self.confirmed = self.confirmed.max(u64::from_be_bytes(*tag)),
            }
        }
        Ok(())
    }

    /// Lets messages of a queue come, of which so many at most are not acknowledged.
    pub fn consume(&mut self, queue: &str, unacknowledged_max: u16) -> Result<()> {
        self.call(1, QOS, &Arguments::default().long(0).short(unacknowledged_max).byte(0), QOS_OK)?;
        let wish = Arguments::default().short(0).text(queue).text("").byte(0).table(&[]);
        self.call(1, CONSUME, &wish, CONSUME_OK).map(drop)
    }

    /// Takes what came, so many messages at most, and acknowledges all of it at once.
    pub fn settle(&mut self, max: usize) -> Result<usize> {
        let (mut taken, mut last) = (0, None);
        while taken < max && self.wire.has_more(if taken == 0 { FIRST } else { MORE })? {
            let delivery = self.expect(DELIVER)?;
            // The consumer's name, then the message's number.
            let behind_name = usize::from(delivery.first().copied().unwrap_or(0)) + 1;
            last = Some(delivery.get(behind_name..behind_name + 8).context("a delivery is short")?.try_into()?);
            self.content()?;
            taken += 1;
        }
        let Some(last) = last else { return Ok(0) };
        let all_up_to_it = 1;
        self.put(1, ACK, &Arguments::default().longlong(u64::from_be_bytes(last)).byte(all_up_to_it));
        self.wire.flush()?;
        Ok(taken)
    }

    /// Reads the header and the body that follow a delivery.
    fn content(&mut self) -> Result<()> {
        let (kind, header) = self.read()?;
        ensure!(kind == HEADER, "a delivery has no header");
        let size = header.get(4..12).context("a header is short")?;
        let (mut left, size) = (0, u64::from_be_bytes(size.try_into()?));
        while left < size {
            let (kind, body) = self.read()?;
            ensure!(kind == BODY, "a delivery has no body");
            left += body.len() as u64;
        }
        Ok(())
    }

    fn call(&mut self, channel: u16, method: Method, arguments: &Arguments, answer: Method) -> Result<Vec<u8>> {
        self.put(channel, method, arguments);
        self.wire.flush()?;
        self.expect(answer)
    }

    fn put(&mut self, channel: u16, (class, method): Method, arguments: &Arguments) {
        let mut payload = Arguments::default().short(class).short(method);
        payload.0.extend_from_slice(&arguments.0);
        self.frame(METHOD, channel, &payload.0);
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let head = Arguments::default().byte(kind).short(channel).bytes(payload).byte(FRAME_END);
        self.wire.out().extend_from_slice(&head.0);
    }

    /// The arguments of the next method, which has to be this one.
    fn expect(&mut self, wanted: Method) -> Result<Vec<u8>> {
        let (kind, mut payload) = self.read()?;
        let arguments = payload.split_off(4.min(payload.len()));
        let method = match payload.as_slice() {
            [a, b, c, d] if kind == METHOD => (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])),
            _ => bail!("a frame of kind {kind} came where method {wanted:?} was to come"),
        };
        // What closes a connection or a channel says why.
        ensure!(
            method == wanted,
            "method {method:?} came and not {wanted:?}: {}",
            String::from_utf8_lossy(arguments.get(3..).unwrap_or_default())
        );
        Ok(arguments)
    }

    fn read(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            let [kind, _, _, size @ ..] = self.wire.array::<7>()?;
            let payload = self.wire.bytes(u32::from_be_bytes(size) as usize)?;
            ensure!(self.wire.array()? == [FRAME_END], "a frame does not end where it should");
            if kind != HEARTBEAT {
                return Ok((kind, payload));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_written_as_the_protocol_has_them() {
        let written = Arguments::default().short(1).text("ab").byte(2).table(&[("k", "v")]);
        assert_eq!(written.0, b"\0\x01\x02ab\x02\0\0\0\x08\x01kS\0\0\0\x01v");
        assert_eq!(Arguments::default().longlong(3).0, [0, 0, 0, 0, 0, 0, 0, 3]);
    }
}
