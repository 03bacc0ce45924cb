//! Capability: `wasi:logging`, and the lines of stdout and stderr: all go to the host's log under the plugin's name.
//!
//! A flood is cut: beyond the bounds of lines and bytes one last line says so, and whoever goes on for long after that is ended.

use std::sync::{Arc, Mutex, PoisonError};

use wharf_delivery::{HostLimits, LogLevel, LogTail};
use wharf_event::{PluginName, TenantName};

use crate::{
    Attempt, AttemptContext,
    bindings::wasi::logging::logging::{Host, Level},
    effects::bytes,
    hold::Given,
    limits::{LOG_DROPPED_FACTOR, LOG_LINE_BYTES_MAX},
    occasion::Occasion,
    spent::Spent,
};

/// The log of one attempt, shared by all ways into it.
#[derive(Clone, Debug)]
pub(crate) struct AttemptLog(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    tenant: TenantName,
    plugin: PluginName,
    occasion: Occasion,
    event: String,
    lines: u32,
    kib: u32,
    lines_left: u32,
    bytes_left: usize,
    /// Whether there was no room for some.
    is_cut: bool,
    dropped_left: u32,
    last_error: Option<String>,
    tail: LogTail,
    /// What no line shows.
    given: Given,
}

impl AttemptLog {
    pub(crate) fn new(context: &AttemptContext, limits: HostLimits) -> Self {
        Self(Arc::new(Mutex::new(Lines::new(context, limits))))
    }

    /// The log of another call from now on, for all ways into it.
    pub(crate) fn renew(&self, context: &AttemptContext, limits: HostLimits) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Its instance may have it in its memory still.
        let given = std::mem::take(&mut lines.given);
        *lines = Lines { given, ..Lines::new(context, limits) };
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last_error.clone()
    }

    /// The last line under a name.
    pub(crate) fn last_by(&self, context: &str) -> Option<String> {
        let of = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        of.tail.lines().filter(|line| line.context == context).last().map(|line| line.message.clone())
    }

    /// Whether there was no room for some of its lines.
    pub(crate) fn is_cut(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_cut
    }

    /// The last lines, which are kept with the attempt.
    pub(crate) fn take_tail(&self) -> LogTail {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).tail)
    }

    /// Notes more of what no line shows.
    pub(crate) fn hide(&self, add: impl FnOnce(&mut Given)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).given);
    }

    /// How much that is.
    pub(crate) fn hidden(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).given.len()
    }

    /// A text without that, of which no more than its first `most` bytes are to be shown.
    pub(crate) fn redact(&self, text: &str, most: usize) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).given.redact(text, most).into_owned()
    }

    /// Bytes without that; absent where they have none of it.
    pub(crate) fn redact_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).given.redact_bytes(bytes)
    }

    /// Takes a line.
    ///
    /// # Errors
    /// When far more lines were dropped than there is room for.
    pub(crate) fn line(&self, level: Level, context: &str, message: &str) -> Result<(), Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(level, context, message)
    }
}

fn kept(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error | Level::Critical => LogLevel::Error,
    }
}

fn clipped(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOG_LINE_BYTES_MAX)).unwrap_or_default()
}

impl Lines {
    fn new(context: &AttemptContext, limits: HostLimits) -> Self {
        Self {
            tenant: context.tenant.clone(),
            plugin: context.plugin.clone(),
            occasion: context.occasion.clone(),
            event: context.received.id().to_owned(),
            lines: limits.log_lines,
            kib: limits.log_kib,
            lines_left: limits.log_lines,
            bytes_left: bytes(limits.log_kib),
            is_cut: false,
            dropped_left: limits.log_lines.saturating_mul(LOG_DROPPED_FACTOR),
            last_error: None,
            tail: LogTail::default(),
            given: Given::default(),
        }
    }

    fn write(&mut self, level: Level, context: &str, message: &str) -> Result<(), Spent> {
        let [context, message] = [context, message].map(|text| self.given.redact(text, LOG_LINE_BYTES_MAX));
        let (context, message) = (clipped(&context), clipped(&message));
        let bytes = context.len() + message.len();
        self.tail.push(kept(level), context, message);
        if matches!(level, Level::Error | Level::Critical) {
            self.last_error = Some(message.to_owned());
        }
        match (self.lines_left.checked_sub(1), self.bytes_left.checked_sub(bytes)) {
            (Some(lines), Some(bytes)) => {
                (self.lines_left, self.bytes_left) = (lines, bytes);
                self.emit(level, context, message);
            }
            _ if !self.is_cut => {
                (self.is_cut, self.lines_left, self.bytes_left) = (true, 0, 0);
                self.emit(Level::Warn, "wharf", "the attempt logged too much; the rest of its lines are dropped");
            }
            _ => {
                self.dropped_left =
                    self.dropped_left.checked_sub(1).ok_or(Spent::Log { lines: self.lines, kib: self.kib })?
            }
        }
        Ok(())
    }

    fn emit(&self, level: Level, context: &str, message: &str) {
        let Self { tenant, plugin, occasion, event, .. } = self;
        let delivery = occasion.delivery().map(tracing::field::display);
        let request = occasion.request();
        // A request is no event: it has an id of its own.
        let event = delivery.is_some().then_some(event.as_str());
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(target: "plugin", %tenant, %plugin, delivery, event, request, context, "{message}")
            };
        }
        match level {
            Level::Trace => emit!(trace),
            Level::Debug => emit!(debug),
            Level::Info => emit!(info),
            Level::Warn => emit!(warn),
            Level::Error | Level::Critical => emit!(error),
        }
    }
}

impl Host for Attempt {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        Ok(self.log.line(level, &context, &message)?)
    }
}
