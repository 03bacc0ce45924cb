//! Times calls of models from where they are made: in a plugin. What it measured it publishes.
//!
//! Invariant: a time is from before a call until its answer is there, and nothing else is done in between. A call that fails fails the event.

use serde::{Deserialize, Serialize};
use wasip2::clocks::monotonic_clock;
use wharf::llm::Piece;
use wharf::{Context, Conversation, Draft, Event, Failure, Outcome};

/// What is to be timed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    route: String,
    text: String,
    /// Calls, one after the other. Unless they are to be the `same`, each asks something else.
    #[serde(default)]
    calls: u32,
    #[serde(default)]
    same: bool,
    /// Answers in pieces, all of which are begun before one is read.
    #[serde(default)]
    streams: u32,
}

/// What came of it.
#[derive(Default, Serialize)]
struct Clocked {
    /// Of each call, in microseconds.
    us: Vec<f64>,
    /// Answers that somebody else had been given.
    cached: u32,
    /// Pieces of answers, and answers that came to their end.
    pieces: u64,
    ended: u32,
}

#[wharf::handler]
fn model_clock(event: Event<Wanted>, cx: &Context) -> Outcome {
    let Wanted { route, text, calls, same, streams } = event.data;
    let (model, mut clocked) = (cx.llm(route), Clocked::default());
    for call in 0..calls {
        let text = if same { text.clone() } else { format!("{text} {} {call}", event.id) };
        let conversation = Conversation::new(text);
        let began = monotonic_clock::now();
        let reply = model.converse(&conversation)?;
        clocked.us.push((monotonic_clock::now() - began) as f64 / 1e3);
        clocked.cached += u32::from(reply.cached);
    }
    let mut open = Vec::new();
    for stream in 0..streams {
        open.push(model.stream(&Conversation::new(format!("{text} {} {stream}", event.id)))?);
    }
    for stream in open {
        for piece in stream {
            match piece? {
                Piece::End(_) => clocked.ended += 1,
                Piece::Text(_) | Piece::Reasoning(_) => clocked.pieces += 1,
            }
        }
    }
    if clocked.ended != streams {
        return Err(Failure::reject("an answer came to no end"));
    }
    cx.publish(Draft::new("clocked").json(&clocked)?)?;
    Ok(())
}
