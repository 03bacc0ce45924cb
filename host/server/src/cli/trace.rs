//! `wharf trace`: an event and everything that came of it, as a waterfall.
//!
//! Invariant: it shows what the host tells, a page at a time, and names the command that shows the next one.

use std::io::{self, IsTerminal as _};

use clap::Args;
use wharf_gateway::{
    limits::{TRACED_EVENTS_DEFAULT, TRACED_EVENTS_MAX},
    view::{TraceCursor, TraceView},
};

use super::{
    args::Global,
    error::{CommandError, Exit, talk},
    output::Output,
    session::Session,
    waterfall,
};

/// The width of what is no terminal, in columns.
const COLUMNS: usize = 120;

/// `wharf trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Its position, or its id (the newest event with this id)
    #[arg(value_name = "POSITION|ID")]
    event: String,
    /// Events at most
    #[arg(long, default_value_t = TRACED_EVENTS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=i64::from(TRACED_EVENTS_MAX)))]
    limit: u32,
    /// Only what is behind this place, which the page before named
    #[arg(long, value_name = "PLACE")]
    after: Option<TraceCursor>,
}

/// Shows a trace.
pub async fn run(args: TraceArgs, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let TraceArgs { event, limit, after } = args;
    let of = session.own().at("events").at(&event).at("trace").ask("limit", limit).ask_some("after", after);
    let trace: TraceView = session.client.get(&of).await?;
    if out.is_json() {
        out.document(&trace)?;
    } else {
        waterfall::lines(&trace, after, columns()).iter().try_for_each(|line| out.line(line))?;
    }
    match trace.next {
        Some(next) => {
            // By its position, since another event may have its id by then.
            let first = trace.events.first().filter(|_| after.is_none()).map(|first| first.event.position.to_string());
            talk(&format!("more came of it: wharf trace {} --after {next}", first.unwrap_or(event)));
        }
        None if trace.truncated => talk("more came of it, of too much at a time to be told"),
        None => {}
    }
    Ok(Exit::Success)
}

/// The width of the terminal.
fn columns() -> usize {
    if !io::stdout().is_terminal() {
        return COLUMNS;
    }
    // SAFETY: four numbers, for which zero is a value.
    #[allow(unsafe_code, reason = "the features of rustix stay as they are, and libc has no safe door to this")]
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        // SAFETY: the call writes these four numbers and keeps no pointer; where it fails they stay zero.
        let _ = libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size);
        size
    };
    if size.ws_col == 0 { COLUMNS } else { usize::from(size.ws_col) }
}
