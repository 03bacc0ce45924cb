//! The ambient parts of WASI, linked for the toolchains that always import them and empty: no arguments, no environment,
//! no folders, closed stdin, no sockets. What goes to stdout and stderr becomes lines of the plugin's log. A program has its event on stdin,
//! and what it says on stdout is for `program.rs`.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use wasmtime_wasi::{
    HostWallClock, WasiCtx, WasiCtxBuilder,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};
use wharf_vault::SECRET_BYTES_MAX;

use crate::{
    bindings::wasi::logging::logging::Level,
    limits::{LOG_LINE_BYTES_MAX, RANDOM_KIB_SETTABLE_MAX},
    logging::AttemptLog,
    program::Streams,
    spent::Spent,
};

/// What lines of stderr are called in the log.
pub(crate) const STDERR: &str = "stderr";

pub(crate) fn wasi(log: &AttemptLog, clock_ms: Option<u64>, program: Option<&Streams>) -> WasiCtx {
    let mut wasi = WasiCtxBuilder::new();
    if let Some(ms) = clock_ms {
        wasi.wall_clock(Frozen(Duration::from_millis(ms)));
    }
    // Whoever asks for a socket or an address is denied it before there is one.
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    match program {
        Some(streams) => wasi.stdin(streams.stdin()).stdout(streams.stdout()),
        None => wasi.stdout(Lines { log: log.clone(), level: Level::Info, context: "stdout" }),
    };
    wasi.stderr(Lines { log: log.clone(), level: Level::Warn, context: STDERR })
        // What an attempt may draw in all is counted in `random.rs`.
        .max_random_size(u64::from(RANDOM_KIB_SETTABLE_MAX) << 10)
        .build()
}

/// A wall clock that stands still.
struct Frozen(Duration);

impl HostWallClock for Frozen {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// A stream into the plugin's log.
#[derive(Clone)]
struct Lines {
    log: AttemptLog,
    level: Level,
    context: &'static str,
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only the p2 streams below are ever linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(LineStream { to: self.clone(), partial: BytesMut::new() })
    }
}

struct LineStream {
    to: Lines,
    partial: BytesMut,
}

impl LineStream {
    fn emit(&self, line: &[u8]) -> Result<(), Spent> {
        let Lines { log, level, context } = &self.to;
        log.line(*level, context, &String::from_utf8_lossy(line))
    }
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            // What hides a secret has to see all of it, or that the line goes on.
            let room = (LOG_LINE_BYTES_MAX + SECRET_BYTES_MAX + 1).saturating_sub(self.partial.len());
            self.partial.extend_from_slice(line.get(..room.min(line.len())).unwrap_or_default());
            if lines.peek().is_some() {
                let whole = self.partial.split();
                let emitted = self.emit(&whole);
                emitted.map_err(|spent| StreamError::Trap(spent.into()))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LOG_LINE_BYTES_MAX)
    }
}

impl Drop for LineStream {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            // The attempt has ended; a line more or less ends it no more.
            let _ = self.emit(&self.partial);
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::tests::{VALUE, holding};

    /// The lines that come of what is written, as errors, so that the last one is whole.
    fn last(value: &str, pieces: &[&str]) -> String {
        let attempt = holding(value);
        let to = Lines { log: attempt.log.clone(), level: Level::Error, context: "stdout" };
        let mut stream = to.p2_stream();
        for piece in pieces {
            stream.write(Bytes::copy_from_slice(piece.as_bytes())).unwrap();
        }
        drop(stream);
        attempt.log.last_error().unwrap()
    }

    #[test]
    fn a_secret_is_in_no_line_that_is_written_in_pieces_or_cut_off() {
        let (begin, end) = VALUE.split_at(9);
        assert_eq!(last(VALUE, &["it is ", begin, end, "\n"]), "it is [secret:signing]");
        assert_eq!(last(VALUE, &["it is ", begin, end]), "it is [secret:signing]");
        // What stands in the place of the first one is shorter, which brings the end of what is kept of the line nearer: the second one is cut off there.
        let long: String = ('a'..='z').cycle().take(SECRET_BYTES_MAX - 1).chain(['!']).collect();
        let rest = LOG_LINE_BYTES_MAX - 1_000;
        let line = format!("{long}{}{long} and more", "-".repeat(rest));
        let shown = last(&long, &[&line]);
        assert_eq!(shown, format!("[secret:signing]{}", "-".repeat(rest)));
        // A line that is as long without a secret has all that a line may.
        assert_eq!(last(VALUE, &[&"-".repeat(20_000)]), "-".repeat(LOG_LINE_BYTES_MAX));
        assert_eq!(last(VALUE, &[&"-".repeat(20_000), "\nnext"]), "next");
    }
}
