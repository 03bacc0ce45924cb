//! Providers of models for tests: a server that speaks their documented protocols, says what it was asked, and fails as they do.
//!
//! Invariant: what it takes and what it answers is what the providers document, so that their own SDKs can talk to it (`cargo xtask strangers`
//! has them do so); a request that they would refuse is refused. It knows nothing of Wharf, and shares no code with it.
//!
//! What is said last tells it what to do: `fail:429` and the like has it answer that status, `slow` has it take its time, `refuse` has it not
//! answer, `echo` has it repeat how it was asked, `number` has it answer with the number of its answer, which no two have alike, `break` has it
//! break the schema that it is to keep to; `cut`, `cut early`, `cut late`, `fail early` and `fail late` have an answer in pieces break off in its middle, before
//! anything was said, and when all was said, be refused before anything was said, and end in an error. Vectors of the model `words` count
//! words, so that texts with many of them in common are near. It counts what it bills, also of an answer that broke off.

#![allow(clippy::indexing_slicing, reason = "JSON that is not there is null")]

mod bedrock;
mod http;
mod lender;
pub mod onnx;
mod openai;
mod sagemaker;
mod sample;
mod sigv4;
mod streams;

use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
};

pub use http::{Answer, Heard, Streamed};
pub use lender::{CONTAINER_PATH, CONTAINER_TOKEN, LATE, Lender, Lends, METADATA_TOKEN, ROLE, WEB_IDENTITY};
pub use sigv4::{ACCESS_KEY, Lent, SECRET_KEY, SESSION_TOKEN, lender_of, lent};

/// The key that it knows.
pub const KEY: &str = "sk-standin-8Zk2Q0";

/// A server that runs until its process ends.
pub struct Server {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// What it hears.
    pub heard: Receiver<Heard>,
    bill: Arc<Mutex<Bill>>,
    said: Arc<AtomicU64>,
}

/// What a server bills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Answers.
    pub answers: u64,
    /// Tokens that were read for them.
    pub input_tokens: u64,
    /// Tokens that were written.
    pub output_tokens: u64,
}

impl Server {
    /// Starts it, on any port.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "it is for tests")]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hears, heard) = channel();
        let bill = Arc::<Mutex<Bill>>::default();
        let said = Arc::<AtomicU64>::default();
        let answers = {
            let (bill, said) = (Arc::clone(&bill), Arc::clone(&said));
            move |heard: &Heard| {
                let answer = answer(heard, &bill);
                if answer.streamed.is_none() {
                    said.fetch_add(answer.body.to_string().len() as u64, Ordering::SeqCst);
                }
                answer
            }
        };
        std::thread::spawn(move || http::serve(&listener, &hears, &Arc::new(answers)));
        Self { port, heard, bill, said }
    }

    /// Bytes of the bodies of all answers that it gave whole.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.said.load(Ordering::SeqCst)
    }

    /// What it has billed so far.
    #[must_use]
    pub fn billed(&self) -> Bill {
        *self.bill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(heard: &Heard, bill: &Mutex<Bill>) -> Answer {
    let number = bill.lock().unwrap_or_else(PoisonError::into_inner).answers + 1;
    let answer = match heard {
        heard if bedrock::is_for(heard) => bedrock::answer(heard, number),
        heard if sagemaker::is_for(heard) => sagemaker::answer(heard, number),
        heard => openai::answer(heard, number),
    };
    // Every answer that says what was counted is paid for, whether whoever asked still listens or not.
    let usage = &answer.body["usage"];
    let tokens = |name: &str, other: &str| usage[name].as_u64().or_else(|| usage[other].as_u64());
    let of_vector = answer.body["inputTextTokenCount"].as_u64();
    if let Some(read) = tokens("prompt_tokens", "inputTokens").or(of_vector) {
        let mut bill = bill.lock().unwrap_or_else(PoisonError::into_inner);
        bill.answers += 1;
        bill.input_tokens += read;
        bill.output_tokens += tokens("completion_tokens", "outputTokens").unwrap_or(0);
    }
    answer
}
