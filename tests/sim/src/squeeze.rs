//! A time in which another program has the disk to itself: the reserve is for settles and checkpoints, and what is new is refused.
//!
//! Invariant: a squeeze changes how much room there is and nothing else. The log may fail in it when the ballast is used up, and for no other
//! reason; it takes events again by itself when there is room again.

use std::time::Duration;

use tokio::time::Instant;
use wharf_dispatch::{Dispatcher, Home};
use wharf_faults::{SimHome, SmallHome};

use crate::{observed::Observed, plan::Squeeze};

/// As much as nothing needs.
const PLENTY: u64 = 1 << 40;

/// How soon behind a squeeze events are taken again: the disk is looked at now and then, and the ballast is made in steps.
const RESUMES_WITHIN: Duration = Duration::from_secs(20);

/// A life's squeeze.
pub struct Squeezing {
    home: SmallHome,
    plan: Squeeze,
    began: Instant,
    turn: Turn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Before,
    /// It began with so many bytes of the ballast.
    Within(u64),
    Behind,
}

impl Squeezing {
    /// On the disk of this home, with room for everything until it comes.
    #[must_use]
    pub fn new(home: SimHome, plan: Squeeze) -> Self {
        Self { home: SmallHome::of(home, PLENTY, plan.ballast), plan, began: Instant::now(), turn: Turn::Before }
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> &dyn Home {
        &self.home
    }

    /// Lets it begin and end when it is time.
    pub fn turn(&mut self, observed: &Observed) {
        let Squeeze { at_ms, for_ms, leaves, .. } = self.plan;
        let from = self.began + Duration::from_millis(at_ms);
        match self.turn {
            Turn::Before if Instant::now() >= from => {
                self.home.take_but(leaves);
                observed.note(|| format!("the disk is full but for {leaves} bytes"), |seen| seen.squeezes.push(false));
                self.turn = Turn::Within(self.home.ballast());
            }
            Turn::Within(ballast) if Instant::now() >= from + Duration::from_millis(for_ms) => {
                self.tell_need(ballast, observed);
                self.end();
                observed.note(|| "the disk has room again".to_owned(), |_| {});
                self.turn = Turn::Behind;
            }
            Turn::Before | Turn::Within(_) | Turn::Behind => {}
        }
    }

    /// What the host should not have come to, where nothing else went wrong with its disk.
    pub fn judge(&self, dispatcher: &Dispatcher, observed: &Observed) {
        if let Turn::Within(ballast) = self.turn {
            self.tell_need(ballast, observed);
        }
        let (failure, ballast) = (dispatcher.failure(), self.home.ballast());
        let wrong = match self.turn {
            _ if failure.is_some() && ballast > 0 => {
                format!("the log failed with {ballast} bytes of the ballast left: {failure:?}")
            }
            Turn::Behind if failure.is_none() && self.is_long_over() && dispatcher.short_of().is_some() => {
                format!("there is room again, and events are refused: {:?}", dispatcher.short_of())
            }
            _ => return,
        };
        observed.note(|| wrong.clone(), |seen| seen.wrong.push(wrong.clone()));
    }

    /// There is room for everything again.
    pub fn end(&self) {
        self.home.resize(PLENTY);
    }

    fn tell_need(&self, ballast: u64, observed: &Observed) {
        let left = self.home.ballast();
        observed.note(
            || format!("the ballast had {ballast} bytes, and has {left}"),
            |seen| seen.squeezes.last_mut().into_iter().for_each(|needed| *needed = left < ballast),
        );
    }

    fn is_long_over(&self) -> bool {
        self.began.elapsed() > Duration::from_millis(self.plan.at_ms + self.plan.for_ms) + RESUMES_WITHIN
    }
}
