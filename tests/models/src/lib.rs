//! Providers of models for tests: a server that speaks their documented protocols, says what it was asked, and fails as they do.
//!
//! Invariant: what it takes and what it answers is what the providers document, so that their own SDKs can talk to it (`cargo xtask strangers`
//! has them do so); a request that they would refuse is refused. It knows nothing of Wharf, and shares no code with it.
//!
//! What is said last tells it what to do: `fail:429` and the like has it answer that status, `slow` has it take its time, `refuse` has it not
//! answer, `echo` has it repeat how it was asked.

#![allow(clippy::indexing_slicing, reason = "JSON that is not there is null")]

mod bedrock;
mod http;
mod openai;
mod sample;
mod sigv4;

use std::{
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
};

pub use http::{Answer, Heard};
pub use sigv4::{ACCESS_KEY, SECRET_KEY, SESSION_TOKEN};

/// The key that it knows.
pub const KEY: &str = "sk-standin-8Zk2Q0";

/// A server that runs until its process ends.
pub struct Server {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// What it hears.
    pub heard: Receiver<Heard>,
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
        std::thread::spawn(move || http::serve(&listener, &hears, answer));
        Self { port, heard }
    }
}

fn answer(heard: &Heard) -> Answer {
    if bedrock::is_for(heard) { bedrock::answer(heard) } else { openai::answer(heard) }
}
