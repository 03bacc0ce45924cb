//! Letters sent again at a rate, which this program keeps: the host knows nothing of it.
//!
//! Invariant: each letter that is in the queue goes out once, also where it comes back while this runs, since a letter that comes back
//! is behind the cursor. When this ends early, what did not go out lies where it lay; what went out is told.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use wharf_event::Code;
use wharf_gateway::view::{DeadLetterView, LetterFilter, RedriveView};

use super::Redrive;
use crate::{
    cli::{error::CommandError, pages},
    client::{Client, ClientError, Resource},
};

/// Letters that are looked up in one go; each comes with its event.
const LETTERS_PER_LOOK: u32 = 100;

/// Sends these letters again, or, where no ids are given, those of `letters`: so many a second.
pub async fn paced(
    client: &Client,
    queue: &Resource,
    letters: Resource,
    ids: Vec<String>,
    per_second: u32,
) -> Result<RedriveView, CommandError> {
    let mut paced = Paced { client, queue, redriven: 0, ticks: ticks(per_second) };
    tokio::select! {
        done = paced.run(letters, ids) => done?,
        // What went out is told.
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(RedriveView { redriven: paced.redriven, matching: None })
}

fn ticks(per_second: u32) -> tokio::time::Interval {
    let each = Duration::from_secs(1) / per_second;
    let mut ticks = interval_at(Instant::now(), each);
    // What was late stays late: a burst would be faster than what was asked for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

struct Paced<'a> {
    client: &'a Client,
    queue: &'a Resource,
    redriven: u64,
    ticks: tokio::time::Interval,
}

impl Paced<'_> {
    async fn run(&mut self, letters: Resource, ids: Vec<String>) -> Result<(), CommandError> {
        if !ids.is_empty() {
            return self.send(ids).await;
        }
        let mut after = None;
        loop {
            let page = |rows, after| letters.clone().ask("limit", rows).ask_some("after", after);
            let id = |letter: &DeadLetterView| letter.id.clone();
            let found = pages::gather(self.client, LETTERS_PER_LOOK, after, page, id).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = Some(last.id.clone());
            self.send(found.into_iter().map(|letter| letter.id).collect()).await?;
        }
    }

    async fn send(&mut self, ids: Vec<String>) -> Result<(), CommandError> {
        for id in ids {
            self.ticks.tick().await;
            let one = Redrive::of(vec![id], false, LetterFilter::default(), false);
            match super::redrive(self.client, self.queue, &one).await {
                Ok(done) => self.redriven += done.redriven,
                // Somebody else sent it again meanwhile.
                Err(CommandError::Client(ClientError::Refused(reply)))
                    if reply.code == Code::DeadLetterUnknown.as_str() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
