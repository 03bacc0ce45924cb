//! A stream of JSON lines, line by line.
//!
//! Invariant: a line is given only when it is complete, and no line is held beyond the bound. A stream that ends in the
//! middle of a line loses that line: its reader follows again from the last one. It does not look into a line.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::ClientError;

/// One line, in bytes: an attempt that published 4 MiB, in base64 and with every attribute.
const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The lines of an answer that may never end.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    splitter: Splitter,
}

impl Lines {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, splitter: Splitter::new(LINE_BYTES_MAX) }
    }

    /// The next line without its end, or none once the host has ended the stream. It may be dropped while it waits and
    /// asked again.
    ///
    /// # Errors
    /// When the connection breaks or a line is too long.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(line) = self.splitter.line() {
                return Ok(Some(line));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| ClientError::Broken(error.into()))?;
            if let Ok(bytes) = frame.into_data() {
                self.splitter.put(&bytes)?;
            }
        }
    }
}

/// Cuts what arrives into lines.
#[derive(Debug)]
struct Splitter {
    held: Vec<u8>,
    /// Bytes at the front that were given out already.
    given: usize,
    /// Bytes after `given` that have no line end in them.
    searched: usize,
    bytes_max: usize,
}

impl Splitter {
    fn new(bytes_max: usize) -> Self {
        Self { held: Vec::new(), given: 0, searched: 0, bytes_max }
    }

    /// Takes more bytes. It is called when `line` has no more, so what is held is the front of one line.
    fn put(&mut self, bytes: &Bytes) -> Result<(), ClientError> {
        self.held.drain(..self.given);
        self.given = 0;
        let open = match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => bytes.len() - end - 1,
            None => self.held.len() + bytes.len(),
        };
        self.held.extend_from_slice(bytes);
        if open > self.bytes_max {
            return Err(ClientError::TooLarge { what: "a line of the stream", bytes_max: self.bytes_max });
        }
        Ok(())
    }

    /// The next complete line that is not empty.
    fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = self.held.get(self.given..)?;
            let Some(more) = rest.get(self.searched..)?.iter().position(|&byte| byte == b'\n') else {
                self.searched = rest.len();
                return None;
            };
            let line = rest.get(..self.searched + more)?.to_vec();
            self.given += line.len() + 1;
            self.searched = 0;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes_max: usize, parts: &[&'static str]) -> Result<Vec<String>, ClientError> {
        let mut splitter = Splitter::new(bytes_max);
        let mut lines = Vec::new();
        for part in parts {
            splitter.put(&Bytes::from_static(part.as_bytes()))?;
            lines.extend(std::iter::from_fn(|| splitter.line()).map(|line| String::from_utf8(line).unwrap()));
        }
        Ok(lines)
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        for parts in [
            &["one\ntwo\n\nthree\nrest"][..],
            &["o", "ne", "\ntw", "o\n", "\n", "three\nre", "st"],
            &["one\n", "two\n", "three\n"],
        ] {
            assert_eq!(lines(5, parts).unwrap(), ["one", "two", "three"], "{parts:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_bound() {
        assert_eq!(lines(4, &["ab", "cd"]).unwrap(), Vec::<String>::new());
        assert!(matches!(lines(4, &["ab", "cd", "e"]), Err(ClientError::TooLarge { .. })));
        assert_eq!(lines(4, &["abcd\nabcd\n"]).unwrap().len(), 2);
    }
}
