//! The channels of a plugin, and what may be done with them. Every change gives its entry in the history.

mod own;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_event::{ChannelName, Digest};

use crate::{
    Action, Canary, CanaryWish, Cause, Entry, Share,
    limits::{CANARY_MS_MAX, CHANNELS_MAX, CONDITIONS_MAX, HISTORY_MAX},
};

/// Which release gets which traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// The release of all traffic but the canary's.
    stable: Digest,
    /// The release on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canary: Option<Canary>,
    /// Other names for releases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    named: BTreeMap<ChannelName, Digest>,
    /// What happened, the newest last.
    history: Vec<Entry>,
}

/// Which release an attempt is made with, and whether it is one on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Which one.
    pub release: Digest,
    /// Whether it counts for a canary.
    pub canary: bool,
}

/// Why channels stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// It has the traffic already.
    #[error("the release {} has all traffic already", .0.short())]
    Already(Digest),
    /// There is a canary.
    #[error("the release {} is on trial: promote it or roll it back first", .0.short())]
    CanaryRuns(Digest),
    /// There is no canary.
    #[error("no release is on trial")]
    NoCanary,
    /// A share that is not larger.
    #[error("the canary has {now} already; its share only grows")]
    Narrower {
        /// What it has.
        now: Share,
    },
    /// Nobody has the traffic yet.
    #[error("no release has the plugin's traffic yet: promote one first")]
    NoStable,
    /// Nothing to go back to.
    #[error("no other release had all traffic before, as far as the history goes")]
    NoBefore,
    /// A release to go back to that never had all traffic.
    #[error("the release {} never had all traffic, as far as the history goes: promote it", .0.short())]
    NeverHad(Digest),
    /// A time that is none.
    #[error("a canary lasts at least 1 ms and at most {} days", CANARY_MS_MAX / 86_400_000)]
    CanaryTime,
    /// Too many conditions.
    #[error("a canary has at most {CONDITIONS_MAX} conditions")]
    Conditions,
    /// A name that stands for something.
    #[error("`{0}` is no name for a channel of one's own")]
    Reserved(ChannelName),
    /// Too many channels.
    #[error("a plugin has at most {CHANNELS_MAX} channels of its own")]
    TooMany,
    /// No such channel.
    #[error("there is no channel `{0}`")]
    Unknown(ChannelName),
}

impl Channels {
    /// The channels of a plugin whose first release this is.
    #[must_use]
    pub fn new(release: Digest, at_ms: u64, reason: &str) -> Self {
        let first = Entry::new(at_ms, Action::Promoted { release }, Cause::Request, reason);
        Self { stable: release, canary: None, named: BTreeMap::new(), history: vec![first] }
    }

    /// The release of all traffic but the canary's.
    #[must_use]
    pub fn stable(&self) -> Digest {
        self.stable
    }

    /// The release on trial.
    #[must_use]
    pub fn canary(&self) -> Option<&Canary> {
        self.canary.as_ref()
    }

    /// What happened, the newest last.
    #[must_use]
    pub fn history(&self) -> &[Entry] {
        &self.history
    }

    /// The same as far as [`Self::pick`] needs it.
    #[must_use]
    pub fn without_history(self) -> Self {
        Self { history: Vec::new(), ..self }
    }

    /// Releases that some channel names: they have to stay ready.
    pub fn releases(&self) -> impl Iterator<Item = Digest> + '_ {
        let canary = self.canary.iter().map(|canary| canary.release);
        std::iter::once(self.stable).chain(canary).chain(self.named.values().copied())
    }

    /// The release of an attempt: `key` is the ordering key, or what names the delivery. A delivery that was tried before goes to the
    /// stable release: it may be there because of the canary.
    #[must_use]
    pub fn pick(&self, key: &[u8], is_first: bool) -> Pick {
        match &self.canary {
            Some(Canary { release, share, .. }) if is_first && share.has(release, key) => {
                Pick { release: *release, canary: true }
            }
            _ => Pick { release: self.stable, canary: false },
        }
    }

    /// Gives a release all traffic. A canary ends with it, the one that is promoted or another.
    ///
    /// # Errors
    /// When it has it already.
    pub fn promote(&mut self, release: Digest, at_ms: u64, cause: Cause, reason: &str) -> Result<(), ChannelError> {
        if self.stable == release && self.canary.is_none() {
            return Err(ChannelError::Already(release));
        }
        self.end_canary(Some(release), at_ms, cause, "another release was promoted");
        if self.stable != release {
            self.stable = release;
            self.note(Entry::new(at_ms, Action::Promoted { release }, cause, reason));
        }
        Ok(())
    }

    /// Gives a release a part of the traffic.
    ///
    /// # Errors
    /// When one is on trial, it is the stable one, or the wish is out of bounds.
    pub fn try_out(&mut self, wish: CanaryWish, at_ms: u64, reason: &str) -> Result<(), ChannelError> {
        if let Some(canary) = &self.canary {
            return Err(ChannelError::CanaryRuns(canary.release));
        }
        if self.stable == wish.release {
            return Err(ChannelError::Already(wish.release));
        }
        let canary = wish.begin(at_ms)?;
        let action = Action::CanaryStarted { release: canary.release, share: canary.share };
        self.canary = Some(canary);
        self.note(Entry::new(at_ms, action, Cause::Request, reason));
        Ok(())
    }

    /// Gives the canary a larger part; a time counts from now on, and it keeps the time and the bounds that are not said.
    ///
    /// # Errors
    /// When it is not on trial, it has as much, or the wish is out of bounds.
    pub fn widen(&mut self, wish: CanaryWish, at_ms: u64, reason: &str) -> Result<(), ChannelError> {
        let canary = self.canary.as_mut().filter(|canary| canary.release == wish.release);
        let canary = canary.ok_or(ChannelError::NoCanary)?;
        if wish.share <= canary.share {
            return Err(ChannelError::Narrower { now: canary.share });
        }
        let Canary { release, share, for_ms, abort_on, .. } = wish.begin(at_ms)?;
        canary.share = share;
        if let Some(ms) = for_ms {
            canary.for_ms = Some(at_ms.saturating_sub(canary.since_ms).saturating_add(ms));
        }
        if !abort_on.is_empty() {
            canary.abort_on = abort_on;
        }
        let action = Action::CanaryWidened { release, share };
        self.note(Entry::new(at_ms, action, Cause::Request, reason));
        Ok(())
    }

    /// Goes back: with a canary, to what has all other traffic; else to `to`, or to the last other release that had all traffic.
    ///
    /// # Errors
    /// When there is nothing to go back to.
    pub fn roll_back(
        &mut self,
        to: Option<Digest>,
        at_ms: u64,
        cause: Cause,
        reason: &str,
    ) -> Result<(), ChannelError> {
        if self.canary.is_some() && to.is_none_or(|to| to == self.stable) {
            self.end_canary(None, at_ms, cause, reason);
            return Ok(());
        }
        let from = self.stable;
        let to = self.back(None, from, to)?;
        self.end_canary(Some(to), at_ms, cause, "another release was rolled back to");
        self.stable = to;
        self.note(Entry::new(at_ms, Action::RolledBack { from, to }, cause, reason));
        Ok(())
    }

    /// Ends a trial as it was judged: its release gets all traffic, or none.
    ///
    /// # Errors
    /// When it is not that trial any more: somebody changed the channels since it was judged.
    pub fn judged(
        &mut self,
        canary: &Canary,
        advances: bool,
        at_ms: u64,
        cause: Cause,
        reason: &str,
    ) -> Result<(), ChannelError> {
        if self.canary() != Some(canary) {
            return Err(ChannelError::NoCanary);
        }
        match advances {
            true => self.promote(canary.release, at_ms, cause, reason),
            false => self.roll_back(None, at_ms, cause, reason),
        }
    }

    /// What happened to a channel since it is there; to the traffic of the plain name without one.
    fn past(&self, channel: Option<&ChannelName>) -> impl Iterator<Item = Action> {
        let of_it = move |entry: &&Entry| entry.channel.as_ref() == channel;
        let closed = |entry: &Entry| of_it(&entry) && matches!(entry.action, Action::ChannelClosed { .. });
        let since = self.history.iter().rposition(closed).map_or(0, |at| at + 1);
        self.history.iter().skip(since).filter(of_it).map(|entry| entry.action)
    }

    /// Whether a release had all traffic of the plain name, or of a channel, at some time.
    fn has_had(&self, channel: Option<&ChannelName>, release: Digest) -> bool {
        self.past(channel).any(|action| match action {
            Action::Promoted { release: had } | Action::RolledBack { to: had, .. } => had == release,
            _ => false,
        })
    }

    /// The last release that had all traffic before `now`. One that was rolled back is not gone back to.
    fn before(&self, channel: Option<&ChannelName>, now: Digest) -> Option<Digest> {
        let mut had: Vec<Digest> = Vec::new();
        for action in self.past(channel) {
            match action {
                Action::Promoted { release } => had.push(release),
                Action::RolledBack { to, .. } => {
                    match had.iter().rposition(|release| *release == to) {
                        Some(at) => had.truncate(at + 1),
                        // What was before it is no longer in the history.
                        None => had = vec![to],
                    }
                }
                _ => {}
            }
        }
        had.into_iter().rev().find(|release| *release != now)
    }

    /// What a channel that has `now` goes back to.
    fn back(&self, channel: Option<&ChannelName>, now: Digest, to: Option<Digest>) -> Result<Digest, ChannelError> {
        match to {
            Some(to) if to == now => Err(ChannelError::Already(to)),
            Some(to) if !self.has_had(channel, to) => Err(ChannelError::NeverHad(to)),
            Some(to) => Ok(to),
            None => self.before(channel, now).ok_or(ChannelError::NoBefore),
        }
    }

    fn end_canary(&mut self, promoted: Option<Digest>, at_ms: u64, cause: Cause, reason: &str) {
        if let Some(canary) = self.canary.take().filter(|canary| promoted != Some(canary.release)) {
            self.note(Entry::new(at_ms, Action::CanaryEnded { release: canary.release }, cause, reason));
        }
    }

    fn note(&mut self, entry: Entry) {
        if self.history.len() >= HISTORY_MAX {
            // Who had all traffic is gone back to; trials that came to nothing are only told of.
            let of_trial = |entry: &Entry| !matches!(entry.action, Action::Promoted { .. } | Action::RolledBack { .. });
            let of_own = |entry: &Entry| entry.channel.is_some();
            let least = self.history.iter().position(of_trial).or_else(|| self.history.iter().position(of_own));
            self.history.remove(least.unwrap_or(0));
        }
        self.history.push(entry);
    }
}
