//! Following the feed of a tenant over broken connections.
//!
//! Invariant: every item is given exactly once, however often the connection breaks; that it broke is said on stderr, once
//! for each time. It gives up only when the host refuses, or when it was never reached. It does not filter.

use std::time::Duration;

use wharf_event::Position;
use wharf_gateway::view::FeedItem;

use super::{
    error::{CommandError, chain, talk},
    limits::{RECONNECT_PAUSE, RECONNECT_PAUSE_MAX},
    resume::Resume,
    session::Session,
    words::{clipped, printable},
};
use crate::client::{ClientError, Lines};

/// An item as it came and as it is understood.
#[derive(Debug)]
pub struct Heard {
    /// The line, without its end.
    pub line: Vec<u8>,
    /// What it says.
    pub item: FeedItem,
}

/// A feed that is followed.
#[derive(Debug)]
pub struct Feed {
    session: Session,
    resume: Resume,
    lines: Option<Lines>,
    pause: Duration,
    was_reached: bool,
}

impl Feed {
    /// The feed from a position on (itself included), or from now. Nothing is sent yet.
    pub fn new(session: Session, from: Option<Position>) -> Self {
        Self { session, resume: Resume::new(from), lines: None, pause: RECONNECT_PAUSE, was_reached: false }
    }

    /// The next item. It may take for ever.
    pub async fn next(&mut self) -> Result<Heard, CommandError> {
        loop {
            let line = match self.line().await {
                Ok(Some(line)) => line,
                Ok(None) => {
                    self.lost("the host has ended it").await;
                    continue;
                }
                Err(error) if error.is_passing() && self.was_reached => {
                    self.lost(&chain(&error)).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let item = match serde_json::from_slice(&line) {
                Ok(item) => item,
                Err(error) => {
                    let text = String::from_utf8_lossy(&line);
                    talk(&format!("an item of the feed is not understood ({error}): {}", clipped(&text)));
                    continue;
                }
            };
            if self.resume.is_new(&item) {
                self.pause = RECONNECT_PAUSE;
                return Ok(Heard { line, item });
            }
        }
    }

    async fn line(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        if let Some(lines) = &mut self.lines {
            return lines.next().await;
        }
        let from = self.resume.connect();
        let feed = self.session.own().at("feed").ask_some("from", from);
        let lines = self.session.client.lines(&feed).await?;
        if self.was_reached {
            talk("the feed is followed again");
        }
        self.was_reached = true;
        self.lines.insert(lines).next().await
    }

    async fn lost(&mut self, why: &str) {
        if self.lines.take().is_some() {
            let from = self.resume.connect().map_or_else(|| "from now".to_owned(), |from| format!("from {from}"));
            talk(&format!("the feed broke: {}; it will be followed again {from}", printable(why)));
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(RECONNECT_PAUSE_MAX);
    }
}
