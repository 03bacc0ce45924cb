//! A delivery as the log tells of it: when it arose, how each attempt ended, where it stands.

use wharf_event::{Event, Position};

/// What happened to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// An attempt of this number was acknowledged.
    Acked(u32),
    /// An attempt of this number is to be followed by another at this time.
    Retried(u32, u64),
    /// An attempt of this number was the last; 0 where none was made.
    Dead(u32),
    /// It is tried again from the start.
    Redriven,
    /// It is a dead letter no more, and nothing else.
    Discarded,
    /// It is the first of its line from now on.
    First,
    /// Its tenant is deleted, and its row with it.
    Erased,
}

impl Turn {
    /// Whether it comes to its turn.
    pub(super) fn begins(self) -> bool {
        self == Self::First
    }

    /// Whether it lets those behind it pass, for good or until it is redriven.
    pub(super) fn ends(self) -> bool {
        matches!(self, Self::Acked(_) | Self::Dead(_) | Self::Erased)
    }
}

/// One thing that happened, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Position,
    pub(super) time_ms: u64,
    pub(super) turn: Turn,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// So many attempts were settled; the next one is due at this time.
    Waits { attempts: u32, due_ms: u64, since_ms: u64 },
    /// It is done.
    Acked,
    /// It is a dead letter.
    Dead,
    /// It was let go of.
    Gone,
    /// It went with its tenant.
    Erased,
}

/// A delivery.
pub(super) struct Delivery<'a> {
    pub(super) tenant: &'a str,
    pub(super) rule: &'a str,
    pub(super) plugin: &'a str,
    /// The event that it has now.
    pub(super) event: &'a Event,
    /// The events that it had: that which came in, and those of edits, by when.
    pub(super) edits: Vec<(Position, &'a Event)>,
    pub(super) arose: Position,
    pub(super) arose_ms: u64,
    /// Whether others of its line were there when it arose.
    pub(super) came_behind: bool,
    pub(super) moments: Vec<Moment>,
}

impl<'a> Delivery<'a> {
    /// What an attempt at that frame time is about: the event that the delivery had when it arose, or was redriven last.
    pub(super) fn had(&self, frame_ms: u64) -> impl Iterator<Item = &'a Event> {
        let again = self.moments.iter().filter(|moment| moment.turn == Turn::Redriven);
        let mut begins = vec![(self.arose, self.arose_ms)];
        begins.extend(again.map(|moment| (moment.at, moment.time_ms)));
        let ends = begins.iter().skip(1).map(|(_, time_ms)| *time_ms).chain([u64::MAX]);
        let may = begins.iter().zip(ends).filter(move |((_, from_ms), to_ms)| (*from_ms..=*to_ms).contains(&frame_ms));
        // The first of them is the one that came in, which a settle may have published behind its record.
        let had = |at: &Position| self.edits.iter().enumerate().rfind(|(n, (edited, _))| *n == 0 || edited < at);
        let events: Vec<_> = may.filter_map(|((at, _), _)| had(at).map(|(_, (_, event))| *event)).collect();
        events.into_iter()
    }

    /// Where it stands after all that was told.
    pub(super) fn standing(&self) -> Standing {
        self.standing_at(u64::MAX)
    }

    /// Where it stood after frame `k`.
    pub(super) fn standing_at(&self, k: u64) -> Standing {
        let fresh = |ms| Standing::Waits { attempts: 0, due_ms: ms, since_ms: ms };
        let mut standing = fresh(self.arose_ms);
        for moment in self.moments.iter().take_while(|moment| moment.at.k <= k) {
            let since_ms = if let Standing::Waits { since_ms, .. } = standing { since_ms } else { moment.time_ms };
            standing = match moment.turn {
                Turn::Acked(_) => Standing::Acked,
                Turn::Retried(attempts, due_ms) => Standing::Waits { attempts, due_ms, since_ms },
                Turn::Dead(_) => Standing::Dead,
                Turn::Redriven => fresh(moment.time_ms),
                Turn::Discarded => Standing::Gone,
                Turn::First => match standing {
                    Standing::Waits { attempts, .. } => Standing::Waits { attempts, due_ms: moment.time_ms, since_ms },
                    other => other,
                },
                Turn::Erased => Standing::Erased,
            };
        }
        standing
    }

    pub(super) fn was_redriven(&self) -> bool {
        self.moments.iter().any(|moment| moment.turn == Turn::Redriven)
    }
}
