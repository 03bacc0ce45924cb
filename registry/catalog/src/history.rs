//! What happened to a plugin's channels: one entry a change, the newest last. It is part of the plugin's control object, so it is as
//! durable as the change itself.

use serde::{Deserialize, Serialize};
use wharf_event::{ChannelName, Digest};

use crate::{Share, limits::REASON_CHARS_MAX};

/// Whose word a change was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody asked for it.
    Request,
    /// The host judged a canary.
    Judgement,
    /// The host failed in attempts of the release.
    Quarantine,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Judgement => "judgement",
            Self::Quarantine => "quarantine",
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// The release has all traffic from now on, or the channel names it.
    Promoted {
        /// Which one.
        release: Digest,
    },
    /// A part of the traffic goes to another release.
    CanaryStarted {
        /// Which one.
        release: Digest,
        /// How much of it.
        share: Share,
    },
    /// More of it.
    CanaryWidened {
        /// Which one.
        release: Digest,
        /// How much of it.
        share: Share,
    },
    /// No traffic goes to the canary any more.
    CanaryEnded {
        /// Which one.
        release: Digest,
    },
    /// There is no such channel any more.
    ChannelClosed {
        /// The release that it named.
        release: Digest,
    },
    /// A release that had all traffic before has it again, or the channel names it again.
    RolledBack {
        /// The release that had it meanwhile.
        from: Digest,
        /// The one that has it again.
        to: Digest,
    },
}

impl Action {
    /// The release that it is about: the one that has the traffic from then on, or has none of it any more.
    #[must_use]
    pub fn release(self) -> Digest {
        match self {
            Self::Promoted { release }
            | Self::CanaryStarted { release, .. }
            | Self::CanaryWidened { release, .. }
            | Self::CanaryEnded { release }
            | Self::ChannelClosed { release }
            | Self::RolledBack { to: release, .. } => release,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promoted { .. } => "promoted",
            Self::CanaryStarted { .. } => "canary-started",
            Self::CanaryWidened { .. } => "canary-widened",
            Self::CanaryEnded { .. } => "canary-ended",
            Self::ChannelClosed { .. } => "channel-closed",
            Self::RolledBack { .. } => "rolled-back",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Frame time, in milliseconds since 1970.
    pub at_ms: u64,
    /// What was done.
    pub action: Action,
    /// To which channel of one's own, where it was one. (Not written otherwise, as before there were any.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// Whose word it was.
    pub cause: Cause,
    /// Why, in words.
    pub reason: String,
}

impl Entry {
    pub(crate) fn new(at_ms: u64, action: Action, cause: Cause, reason: &str) -> Self {
        Self { at_ms, action, channel: None, cause, reason: reason.chars().take(REASON_CHARS_MAX).collect() }
    }
}
