//! An answer that comes in pieces, as the guest holds it.
//!
//! Invariant: the pieces are those of the answer at the end, however it came: from a model word by word, or whole, since it was kept, held by the route, or
//! looked at by guardrails. A guest that lets go of it gives up the call.

use std::collections::VecDeque;

use tokio::sync::mpsc::{self, Receiver, Sender};
use wasmtime::component::Resource;
use wharf_llm::{Ask, Failed, Piece, Told};

use super::{Asking, LlmAnswer, LlmFailed, contract, recorded::Recorded};
use crate::{Attempt, bindings::llm::wharf::llm::models, effects::bytes};

/// Pieces that wait for the guest. When there are as many the provider is read no further.
const PIECES_WAITING_MAX: usize = 16;

/// Where pieces of an answer go while it comes; nowhere, where it is waited for.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Option<Sender<Piece>>);

impl Pieces {
    /// Those of one answer, and where they come out.
    pub(super) fn new() -> (Self, Receiver<Piece>) {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        (Self(Some(sender)), receiver)
    }

    /// What goes there.
    #[must_use]
    pub const fn of(sender: Sender<Piece>) -> Self {
        Self(Some(sender))
    }

    /// Where they go.
    #[must_use]
    pub const fn sender(&self) -> Option<&Sender<Piece>> {
        self.0.as_ref()
    }
}

impl PartialEq for Pieces {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => one.same_channel(other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

/// An answer that comes.
pub struct ReplyStream {
    /// Which of the attempt's calls it is.
    number: u32,
    route: String,
    asking: Option<Asking>,
    pieces: Receiver<Piece>,
    /// What of a whole answer was not given yet.
    rest: VecDeque<Piece>,
    has_come: bool,
    /// Bytes that the guest was given.
    given: u64,
    ended: Option<Result<LlmAnswer, LlmFailed>>,
    /// What is recorded of it, until it has ended.
    recorded: Option<Recorded>,
}

/// What comes next.
enum Next {
    Piece(Piece),
    End(Result<LlmAnswer, LlmFailed>),
    Over,
}

impl ReplyStream {
    /// Gives up what did not come yet.
    fn let_go(&mut self) {
        self.asking = None;
        self.ended = None;
        self.rest.clear();
    }

    async fn next(&mut self) -> Next {
        loop {
            if let Some(piece) = self.rest.pop_front() {
                return Next::Piece(piece);
            }
            let Some(asking) = &mut self.asking else {
                return self.ended.take().map_or(Next::Over, Next::End);
            };
            tokio::select! {
                biased;
                Some(piece) = self.pieces.recv() => {
                    self.has_come = true;
                    return Next::Piece(piece);
                }
                ended = asking => {
                    self.asking = None;
                    while let Ok(piece) = self.pieces.try_recv() {
                        self.rest.push_back(piece);
                    }
                    if let (Ok(answer), true) = (&ended, self.rest.is_empty() && !self.has_come) {
                        self.rest.extend(answer.told.pieces());
                    }
                    self.ended = Some(ended);
                }
            }
        }
    }
}

impl Attempt {
    /// Begins a call whose answer comes in pieces.
    pub(super) fn streamed(&mut self, route: String, ask: Ask) -> Result<ReplyStream, models::LlmError> {
        let operation = ask.operation();
        let (own, pieces) = Pieces::new();
        let recorded = Recorded::begin_stream(&self.context.tape, &route, &ask);
        match self.call(&route, ask) {
            Ok(call) => {
                let number = call.number;
                self.llm.open.insert(number, format!("{route}, {operation}"));
                let asking = self.context.llm.ask(super::LlmCall { pieces: own, ..call });
                let (rest, has_come, given, ended) = (VecDeque::new(), false, 0, None);
                let (asking, recorded) = (Some(asking), Some(recorded));
                Ok(ReplyStream { number, route, asking, pieces, rest, has_come, given, ended, recorded })
            }
            Err(failed) => {
                let why = self.failed(&route, operation, failed);
                recorded.end_with(|call| super::recorded::failed(call, &why));
                Err(contract::failed(why))
            }
        }
    }
}

impl models::HostReplyStream for Attempt {
    async fn next(
        &mut self,
        stream: Resource<ReplyStream>,
    ) -> wasmtime::Result<Result<Option<models::Piece>, models::LlmError>> {
        let most = bytes(self.limits.host.llm_kib) as u64;
        let open = self.table.get_mut(&stream)?;
        let ended = match open.next().await {
            Next::Over => return Ok(Ok(None)),
            Next::End(ended) => ended,
            Next::Piece(piece) => {
                let size = piece.bytes() as u64;
                open.given += size;
                self.llm.bytes_in += size;
                // Several answers may come at a time, each of which had the room that was there when it was asked for.
                if self.llm.bytes_out + self.llm.bytes_in <= most {
                    if let Some(recorded) = &open.recorded {
                        recorded.gave(&piece);
                    }
                    return Ok(Ok(Some(match piece {
                        Piece::Text(text) => models::Piece::Text(text),
                        Piece::Reasoning(text) => models::Piece::Reasoning(text),
                    })));
                }
                open.let_go();
                let why = format!("an attempt may send to models and get of them {} KiB", self.limits.host.llm_kib);
                Err(Failed::Limit(why).into())
            }
        };
        let (number, route, given, recorded) = (open.number, open.route.clone(), open.given, open.recorded.take());
        let over = self.over((number, &route), given, ended);
        if let Some(recorded) = recorded {
            recorded.end(&over);
        }
        Ok(match over {
            Ok((Told::Reply(reply), cached)) => Ok(Some(models::Piece::End(contract::reply(reply, cached)))),
            Ok(_) => Err(super::another()),
            Err(why) => Err(contract::failed(why)),
        })
    }

    async fn drop(&mut self, stream: Resource<ReplyStream>) -> wasmtime::Result<()> {
        let ReplyStream { number, route, given, ended, asking, .. } = self.table.delete(stream)?;
        if let Some(ended) = ended {
            // It came to its end, which nobody waited for.
            let _ = self.over((number, &route), given, ended);
        } else if asking.is_some() {
            self.given_up(number);
        }
        Ok(())
    }
}

impl Attempt {
    /// Leaves the trace of a stream that has ended, of which the guest was given so many bytes before.
    fn over(
        &mut self,
        (number, route): (u32, &str),
        given: u64,
        ended: Result<LlmAnswer, LlmFailed>,
    ) -> Result<(Told, bool), Failed> {
        self.llm.open.remove(&number);
        if ended.is_ok() {
            // The whole answer counts, and the pieces are of it.
            self.llm.bytes_in -= given.min(self.llm.bytes_in);
        }
        self.answered(route, OPERATION, ended)
    }
}

/// What is asked in pieces.
const OPERATION: &str = "chat";
