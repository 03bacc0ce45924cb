//! A release on trial: its share of the traffic, for how long, and what ends it.

use serde::{Deserialize, Serialize};
use wharf_event::Digest;

use crate::{
    ChannelError, Condition, Share,
    limits::{CANARY_MS_MAX, CONDITIONS_MAX},
};

/// The wish to try a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryWish {
    /// Which one.
    pub release: Digest,
    /// Its share of first attempts.
    pub share: Share,
    /// How long, in milliseconds, until it gets all traffic by itself; none = until somebody says so.
    pub for_ms: Option<u64>,
    /// What ends it before.
    pub abort_on: Vec<Condition>,
}

/// A release on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Which one.
    pub release: Digest,
    /// Its share of first attempts.
    pub share: Share,
    /// Since when, in frame time.
    pub since_ms: u64,
    /// How long.
    pub for_ms: Option<u64>,
    /// What ends it.
    pub abort_on: Vec<Condition>,
}

impl CanaryWish {
    pub(crate) fn begin(self, at_ms: u64) -> Result<Canary, ChannelError> {
        let Self { release, share, for_ms, abort_on } = self;
        if for_ms.is_some_and(|ms| ms == 0 || ms > CANARY_MS_MAX) {
            return Err(ChannelError::CanaryTime);
        }
        if abort_on.len() > CONDITIONS_MAX {
            return Err(ChannelError::Conditions);
        }
        Ok(Canary { release, share, since_ms: at_ms, for_ms, abort_on })
    }
}
