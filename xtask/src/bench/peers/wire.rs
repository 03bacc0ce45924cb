//! A connection of a client of a peer: bytes out, bytes in, both buffered, and nothing that waits for ever.
//!
//! Invariant: a read that gets nothing for so long is an error, unless it was asked whether there is something.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long an answer may take.
const ANSWER_S_MAX: Duration = Duration::from_secs(60);

/// What is read at a time, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// A connection to a port of loopback.
pub struct Wire {
    reader: BufReader<TcpStream>,
    out: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting to a server")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_S_MAX))?;
        Ok(Self { reader: BufReader::with_capacity(BUFFER_BYTES, stream), out: Vec::new() })
    }

    /// What is sent with the next [`flush`](Self::flush).
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Sends all that was put.
    pub fn flush(&mut self) -> Result<()> {
        self.reader.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Reads so many bytes.
    pub fn bytes(&mut self, number: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; number];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads as many bytes as the array has.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a line, without its end.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        anyhow::ensure!(line.ends_with('\n'), "the server closed the connection");
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    }

    /// Whether there is something to read by now, or within that time.
    pub fn has_more(&mut self, within: Duration) -> Result<bool> {
        if !self.reader.buffer().is_empty() {
            return Ok(true);
        }
        self.reader.get_ref().set_read_timeout(Some(within))?;
        let there = match self.reader.fill_buf() {
            Ok([]) => anyhow::bail!("the server closed the connection"),
            Ok(_) => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(error) => return Err(error.into()),
        };
        self.reader.get_ref().set_read_timeout(Some(ANSWER_S_MAX))?;
        Ok(there)
    }
}
