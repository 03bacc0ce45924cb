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

use crate::{
    bindings::wasi::logging::logging::Level,
    limits::{LOG_LINE_BYTES_MAX, RANDOM_KIB_SETTABLE_MAX, SECRET_BYTES_MAX},
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
        self.to.log.line(self.to.level, self.to.context, &String::from_utf8_lossy(line))
    }
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            // What hides a secret has to see all of it, and shortens the line then.
            let room = (LOG_LINE_BYTES_MAX + SECRET_BYTES_MAX).saturating_sub(self.partial.len());
            self.partial.extend_from_slice(line.get(..room.min(line.len())).unwrap_or_default());
            if lines.peek().is_some() {
                let whole = self.partial.split();
                self.emit(&whole).map_err(|spent| StreamError::Trap(spent.into()))?;
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
