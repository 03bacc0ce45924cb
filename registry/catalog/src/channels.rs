//! The channels of a plugin, and what may be done with them. Every change gives its entry in the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_event::{Digest, PluginName};

use crate::{
    Action, Canary, CanaryWish, Cause, Entry, Share,
    limits::{CANARY_MS_MAX, CHANNELS_MAX, CONDITIONS_MAX, HISTORY_MAX},
};

/// The channel that a plugin's plain name stands for.
const STABLE: &str = "stable";

/// The channel of the release on trial.
const CANARY: &str = "canary";

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
    named: BTreeMap<PluginName, Digest>,
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
    Reserved(PluginName),
    /// Too many channels.
    #[error("a plugin has at most {CHANNELS_MAX} channels of its own")]
    TooMany,
    /// No such channel.
    #[error("there is no channel `{0}`")]
    Unknown(PluginName),
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

    /// The release of a channel by its name; `canary` is the stable one where none is on trial.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn named(&self, channel: &PluginName) -> Result<Digest, ChannelError> {
        match channel.as_str() {
            STABLE => Ok(self.stable),
            CANARY => Ok(self.canary.as_ref().map_or(self.stable, |canary| canary.release)),
            _ => self.named.get(channel).copied().ok_or_else(|| ChannelError::Unknown(channel.clone())),
        }
    }

    /// Channels beside `stable` and `canary`.
    pub fn named_channels(&self) -> impl Iterator<Item = (&PluginName, Digest)> {
        self.named.iter().map(|(name, release)| (name, *release))
    }

    /// Lets a channel of one's own name a release, or nothing any more.
    ///
    /// # Errors
    /// When the name stands for something, there is no such channel, or there are too many.
    pub fn name(&mut self, channel: PluginName, release: Option<Digest>) -> Result<(), ChannelError> {
        if [STABLE, CANARY].contains(&channel.as_str()) {
            return Err(ChannelError::Reserved(channel));
        }
        match release {
            None if self.named.remove(&channel).is_none() => Err(ChannelError::Unknown(channel)),
            None => Ok(()),
            Some(_) if self.named.len() >= CHANNELS_MAX && !self.named.contains_key(&channel) => {
                Err(ChannelError::TooMany)
            }
            Some(release) => {
                self.named.insert(channel, release);
                Ok(())
            }
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

    /// Gives the canary a larger part.
    ///
    /// # Errors
    /// When there is none, or it has as much.
    pub fn widen(&mut self, share: Share, at_ms: u64, reason: &str) -> Result<(), ChannelError> {
        let canary = self.canary.as_mut().ok_or(ChannelError::NoCanary)?;
        if share <= canary.share {
            return Err(ChannelError::Narrower { now: canary.share });
        }
        canary.share = share;
        let action = Action::CanaryWidened { release: canary.release, share };
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
        let to = match to {
            Some(to) if to == from => return Err(ChannelError::Already(to)),
            Some(to) if !self.has_had(to) => return Err(ChannelError::NeverHad(to)),
            Some(to) => to,
            None => self.before().ok_or(ChannelError::NoBefore)?,
        };
        self.end_canary(Some(to), at_ms, cause, "another release was rolled back to");
        self.stable = to;
        self.note(Entry::new(at_ms, Action::RolledBack { from, to }, cause, reason));
        Ok(())
    }

    /// Whether a release had all traffic at some time.
    fn has_had(&self, release: Digest) -> bool {
        self.history.iter().any(|entry| match entry.action {
            Action::Promoted { release: had } | Action::RolledBack { to: had, .. } => had == release,
            _ => false,
        })
    }

    /// The last release that had all traffic before the stable one. One that was rolled back is not gone back to.
    fn before(&self) -> Option<Digest> {
        let mut had: Vec<Digest> = Vec::new();
        for entry in &self.history {
            match entry.action {
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
        had.into_iter().rev().find(|release| *release != self.stable)
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
            self.history.remove(self.history.iter().position(of_trial).unwrap_or(0));
        }
        self.history.push(entry);
    }
}
