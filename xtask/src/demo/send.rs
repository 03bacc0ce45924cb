//! Sending the payloads, one event a request, over a few connections.
//!
//! Invariant: every event is accepted once, or this is an error.
//!
//! It does not wait for deliveries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::host::Api;
use crate::host::api::Answer;
use crate::interrupt::Interrupt;
use crate::payloads::Payload;
use crate::poll;

/// Connections that send at the same time.
const CLIENTS: usize = 4;

/// Before an event is sent again to a host that was busy.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// How long a host may be busy for one event.
const BUSY_S_MAX: Duration = Duration::from_secs(60);

/// An event to send.
pub struct Event<'a> {
    id: String,
    /// What it says.
    pub payload: &'a Payload,
}

/// The id of a line's event in a round; it does not name the round if there is only one.
pub fn id(line: u64, round: u32, rounds: u32) -> String {
    if rounds == 1 { format!("gh-{line}") } else { format!("gh-{line}-{round}") }
}

/// The events of so many rounds.
pub fn events(payloads: &[Payload], rounds: u32) -> Vec<Event<'_>> {
    let of_round =
        |round: u32| payloads.iter().map(move |payload| Event { id: id(payload.line, round, rounds), payload });
    (1..=rounds).flat_map(of_round).collect()
}

/// Sends all of them.
pub fn all(url: &str, events: &[Event<'_>], interrupt: &Interrupt) -> Result<()> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| client(url, events, &next, interrupt))).collect();
        clients.into_iter().try_for_each(|client| client.join().ok().context("a client ended in a panic")?)
    })
}

fn client(url: &str, events: &[Event<'_>], next: &AtomicUsize, interrupt: &Interrupt) -> Result<()> {
    let api = Api::new(url);
    while let Some(Event { id, payload }) = events.get(next.fetch_add(1, Ordering::Relaxed)) {
        interrupt.check()?;
        let event = payload.event(id)?;
        let start = Instant::now();
        loop {
            match api.post(&event).with_context(|| format!("sending {id}"))? {
                Answer::Accepted(admission) if admission.duplicate => bail!("{id} was taken for a duplicate"),
                Answer::Accepted(_) => break,
                Answer::Busy if start.elapsed() < BUSY_S_MAX => poll::pause(BUSY_PAUSE),
                Answer::Busy => bail!("the host did not take {id} for {} s", BUSY_S_MAX.as_secs()),
                Answer::Refused(why) => bail!("the host refused {id}: {why}"),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn ids_name_the_round_where_there_are_several() {
        let payloads = crate::payloads::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        let ids = |rounds| events(&payloads, rounds).into_iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!((ids(1).len(), ids(1)[328].as_str()), (329, "gh-329"));
        assert_eq!((ids(2)[0].as_str(), ids(2)[657].as_str()), ("gh-1-1", "gh-329-2"));
    }
}
