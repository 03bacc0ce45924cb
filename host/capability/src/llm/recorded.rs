//! What is recorded of a call of a model: the question, and the answer as the guest got it.
//!
//! Invariant: a call stands where it was asked, with all that the guest was given of its answer, also where that broke off, the guest let go of it, or the
//! attempt ended first.

use wharf_llm::{Ask, Failed, Piece, Told};
use wharf_recording::{Asked, Call, Tape};

/// A call that is under way.
pub(super) struct Recorded {
    tape: Tape,
    asked: Asked,
}

impl Recorded {
    /// A question that is about to be asked.
    pub(super) fn begin(tape: &Tape, route: &str, ask: &Ask) -> Self {
        let function = match ask {
            Ask::Converse(_) => "wharf:llm/models.converse",
            Ask::Embed(_) => "wharf:llm/models.embed",
            Ask::Count(_) => "wharf:llm/models.count-tokens",
        };
        Self::of(tape, || Call::of(function).asked("route", route).asked("ask", ask.to_bytes()))
    }

    /// A question whose answer comes in pieces.
    pub(super) fn begin_stream(tape: &Tape, route: &str, ask: &Ask) -> Self {
        let function = "wharf:llm/models.converse-stream";
        Self::of(tape, || Call::of(function).asked("route", route).asked("ask", ask.to_bytes()))
    }

    /// Any other call.
    pub(super) fn of(tape: &Tape, call: impl FnOnce() -> Call) -> Self {
        Self { tape: tape.clone(), asked: tape.ask(call) }
    }

    /// The guest was given this piece.
    pub(super) fn gave(&self, piece: &Piece) {
        self.tape.add(&self.asked, |call| match piece {
            Piece::Text(text) => call.told("text", text.as_str()),
            Piece::Reasoning(text) => call.told("reasoning", text.as_str()),
        });
    }

    /// It ended so; whether the route had the answer is told too.
    pub(super) fn end(self, answered: &Result<(Told, bool), Failed>) {
        self.end_with(|call| match answered {
            Ok((told, cached)) => {
                call.told("answer", told.to_bytes()).told("cached", if *cached { "true" } else { "false" })
            }
            Err(why) => failed(call, why),
        });
    }

    /// It ended with what `with` adds.
    pub(super) fn end_with(self, with: impl FnOnce(Call) -> Call) {
        self.tape.close(self.asked, with);
    }
}

/// An answer that did not come.
pub(super) fn failed(call: Call, why: &Failed) -> Call {
    call.told("error", super::of(why).as_str()).told("why", why.to_string())
}
