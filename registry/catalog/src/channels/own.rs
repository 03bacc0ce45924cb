//! Channels of a plugin's own: other names for its releases, which rules may call beside the plain name. They are promoted and rolled
//! back as the plain name is, and apart from it.

use wharf_event::{ChannelName, Digest};

use super::{ChannelError, Channels};
use crate::{Action, Cause, Entry, limits::CHANNELS_MAX};

/// The channel that has all traffic but the canary's.
const STABLE: &str = "stable";

/// The channel of the release on trial.
const CANARY: &str = "canary";

impl Channels {
    /// The release of a channel by its name; `canary` is the stable one where none is on trial.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn named(&self, channel: &ChannelName) -> Result<Digest, ChannelError> {
        match channel.as_str() {
            STABLE => Ok(self.stable),
            CANARY => Ok(self.canary.as_ref().map_or(self.stable, |canary| canary.release)),
            _ => self.named.get(channel).copied().ok_or_else(|| ChannelError::Unknown(channel.clone())),
        }
    }

    /// Channels beside `stable` and `canary`.
    pub fn named_channels(&self) -> impl Iterator<Item = (&ChannelName, Digest)> {
        self.named.iter().map(|(name, release)| (name, *release))
    }

    /// Lets a channel of one's own name a release. It is made if there is none.
    ///
    /// # Errors
    /// When it names that already, its name stands for something, or there are too many.
    pub fn promote_on(
        &mut self,
        channel: &ChannelName,
        release: Digest,
        at_ms: u64,
        reason: &str,
    ) -> Result<(), ChannelError> {
        if [STABLE, CANARY].contains(&channel.as_str()) {
            return Err(ChannelError::Reserved(channel.clone()));
        }
        match self.named.get(channel) {
            Some(now) if *now == release => return Err(ChannelError::Already(release)),
            None if self.named.len() >= CHANNELS_MAX => return Err(ChannelError::TooMany),
            _ => {}
        }
        self.named.insert(channel.clone(), release);
        self.note_on(channel, Action::Promoted { release }, at_ms, reason);
        Ok(())
    }

    /// Lets a channel of one's own name `to` again, or what it named before.
    ///
    /// # Errors
    /// When there is no such channel, or nothing to go back to.
    pub fn roll_back_on(
        &mut self,
        channel: &ChannelName,
        to: Option<Digest>,
        at_ms: u64,
        reason: &str,
    ) -> Result<(), ChannelError> {
        let from = self.own(channel)?;
        let to = self.back(Some(channel), from, to)?;
        self.named.insert(channel.clone(), to);
        self.note_on(channel, Action::RolledBack { from, to }, at_ms, reason);
        Ok(())
    }

    /// Takes a channel of one's own away.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn close(&mut self, channel: &ChannelName, at_ms: u64, reason: &str) -> Result<(), ChannelError> {
        let release = self.own(channel)?;
        self.named.remove(channel);
        self.note_on(channel, Action::ChannelClosed { release }, at_ms, reason);
        Ok(())
    }

    fn own(&self, channel: &ChannelName) -> Result<Digest, ChannelError> {
        self.named.get(channel).copied().ok_or_else(|| ChannelError::Unknown(channel.clone()))
    }

    fn note_on(&mut self, channel: &ChannelName, action: Action, at_ms: u64, reason: &str) {
        let entry = Entry::new(at_ms, action, Cause::Request, reason);
        self.note(Entry { channel: Some(channel.clone()), ..entry });
    }
}
