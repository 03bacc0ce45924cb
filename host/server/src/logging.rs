//! The host's own log, on stderr: text for people at a terminal, JSON for everyone else.
//!
//! Invariant: nobody waits for whoever reads the log. A thread of its own writes; when too many lines wait for it, new ones are
//! dropped. What AWS's crates would log is never written: they log requests and answers whole, and credentials stand in those.

use std::io::IsTerminal as _;

use anstream::{AutoStream, ColorChoice};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text at a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// Lines that may wait to be written.
const LINES_WAITING_MAX: usize = 16_384;

/// How the names of AWS's crates begin.
const AWS: &str = "aws_";

/// Starts logging. `filter` is one of tracing's, as `info,plugin=debug`. What waits is written when the guard is dropped.
pub fn start(format: LogFormat, filter: &str) -> WorkerGuard {
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING_MAX).finish(std::io::stderr());
    let filter = EnvFilter::new(filter);
    let terminal = std::io::stderr().is_terminal();
    // Whoever sets NO_COLOR, to anything but nothing, wants none (no-color.org); nor can a dumb terminal show them.
    let colours = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(|of| !of.target().starts_with(AWS)));
    let layer = fmt::layer().with_writer(writer);
    // Logging can be started once; a second start changes nothing.
    let _ = if json {
        registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init()
    } else {
        registry.with(layer.with_ansi(colours).with_target(false)).try_init()
    };
    guard
}
