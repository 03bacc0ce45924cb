//! Levels of log lines, and the two ways on which a line reaches the host: by the handler's word, and by its panic.
//!
//! Invariant: a panic is on the log, with its place, before the instance traps.
//!
//! It does not filter or format: the host does.

use crate::bindings::wasi::logging::logging;
use crate::port;

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Values and control flow.
    Trace,
    /// For debugging.
    Debug,
    /// For monitoring.
    Info,
    /// Something is hazardous.
    Warn,
    /// Something failed.
    Error,
    /// Nothing can go on.
    Critical,
}

/// The group of lines that panics are in.
const PANIC_CONTEXT: &str = "panic";

/// Writes one line.
pub(crate) fn write(level: Level, context: &str, message: &str) {
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
        Level::Critical => logging::Level::Critical,
    };
    port::log(level, context, message);
}

/// Makes every panic a log line. The trap after it is the target's own way of ending.
pub(crate) fn panics_to_host() {
    std::panic::set_hook(Box::new(|panic| write(Level::Critical, PANIC_CONTEXT, &panic.to_string())));
}
