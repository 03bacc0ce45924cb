//! A model asked for an answer in pieces.
//!
//! Invariant: what such an asking cost takes the place of what was reserved for it, however it ends: when all was said, when it broke off, and when the
//! guest, its attempt or the host's time for it let go of it. What the provider counted is that; else what nobody could be billed more than, by what came.

use std::time::Instant;

use wharf_delivery::Reserved;
use wharf_dispatch::{HttpAnswer, HttpFailed, HttpRequest};
use wharf_egress::Takes as _;
use wharf_llm::{Ask, Failed, Piece, Reads, Told, Usage};

use super::{
    catalog::{Model, billionths},
    key::Auth,
    passing::Passing,
    round::{Round, unsent},
};
use crate::sent::Carried;

/// What came of a request whose answer comes in pieces.
pub(super) enum Came {
    /// An answer that did not.
    Whole(HttpAnswer),
    /// None, and nobody knows of any of it.
    Failed(HttpFailed),
    /// One that did, or broke off; what that is paid as; and the bytes of both sides.
    Streamed(Result<Told, Failed>, Usage, Carried),
}

/// A request that is to be answered in pieces.
pub(super) struct Streamed<'a> {
    pub(super) request: HttpRequest,
    pub(super) auth: Auth,
    pub(super) reads: Box<dyn Reads>,
    pub(super) pieces: &'a tokio::sync::mpsc::Sender<Piece>,
    pub(super) reserved: Option<Reserved>,
}

/// A stream that is under way. Whoever drops it before its end pays for what came of it.
struct Open<'a> {
    round: &'a Round<'a>,
    model: &'a Model<'a>,
    ask: &'a Ask,
    passing: Passing<'a>,
    reserved: Option<Reserved>,
    /// Bytes of the request.
    bytes: u64,
    began: Instant,
    is_over: bool,
}

impl Open<'_> {
    /// What it is paid as, and whether the provider said so.
    fn usage(&self) -> (Usage, bool) {
        if let Some(usage) = self.passing.usage() {
            return (usage, true);
        }
        let most = match self.ask {
            Ask::Converse(conversation) => conversation.max_tokens.unwrap_or(u32::MAX).into(),
            Ask::Embed(_) | Ask::Count(_) => 0,
        };
        // No token has less than a byte. Of an answer that did not even begin nobody knows how far its model was.
        let came = if self.passing.has_begun() { self.passing.bytes() as u64 } else { most };
        (Usage { input_tokens: self.bytes, output_tokens: came.min(most) }, false)
    }

    /// Bytes that were sent and received.
    const fn carried(&self) -> Carried {
        Carried { sent: self.bytes, received: self.passing.received() }
    }

    /// Puts what it did cost in the place of what was reserved.
    fn settle(&mut self) -> (Usage, bool) {
        self.is_over = true;
        let (usage, is_counted) = self.usage();
        self.round.settle(self.model, self.reserved.take(), usage);
        (usage, is_counted)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (usage, _) = self.settle();
        let Ok(cost) = self.model.cost(self.ask, usage) else { return };
        self.round.count(self.model, (self.began, Some(LET_GO)), (usage, billionths(cost), self.carried()));
    }
}

/// What the meters call the end of a stream that nobody waits for any more.
const LET_GO: &str = "let-go";

impl Round<'_> {
    /// Sends a request whose answer comes in pieces, and passes them on.
    pub(super) async fn streamed(&mut self, model: &Model<'_>, ask: &Ask, streamed: Streamed<'_>) -> Came {
        let Streamed { request, auth, reads, pieces, reserved } = streamed;
        let (bytes, began) = (request.body.len() as u64, Instant::now());
        let passing = Passing::new(reads, pieces, self.call.answer_bytes_max);
        let round: &Round<'_> = self;
        let mut open = Open { round, model, ask, passing, reserved, bytes, began, is_over: false };
        let answered = round.means.sends.stream(request, auth, &mut open.passing).await;
        let has_passed = open.passing.has_passed();
        let (came, is_guess) = match answered {
            Ok(answer) if !open.passing.wants(answer.status) => {
                open.is_over = true;
                (Came::Whole(answer), false)
            }
            // It was not reached, or it took nothing.
            Err(failed) if !failed.may_be_done => {
                open.is_over = true;
                (Came::Failed(failed), false)
            }
            answered => {
                // What was counted is known until the end is asked for.
                let (usage, is_counted) = open.settle();
                let told = answered.map_err(|failed| unsent(failed).why).and_then(|_| open.passing.end());
                (Came::Streamed(told, usage, open.carried()), !is_counted)
            }
        };
        drop(open);
        self.has_passed |= has_passed;
        self.told.guessed |= is_guess;
        came
    }
}
