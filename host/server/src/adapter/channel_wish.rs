//! What is wished of a plugin's channels, understood, and done to its object.

use wharf_catalog::{CanaryWish, Cause, ChannelError, Channels, Condition, PluginObject};
use wharf_event::{ChannelName, Code, Digest};
use wharf_gateway::{
    ChannelWish, Refusal,
    view::{CanaryDraft, Promotion, RollBack},
};

use crate::config::parse_duration;

/// A wish about channels, understood.
pub(super) enum Wish {
    Promote { release: Digest, reason: String },
    PromoteOn { channel: ChannelName, release: Digest, reason: String },
    TryOut { wish: CanaryWish, reason: String },
    RollBack { to: Option<Digest>, reason: String },
    RollBackOn { channel: ChannelName, to: Option<Digest>, reason: String },
    Close { channel: ChannelName },
}

impl Wish {
    pub(super) fn read(wish: ChannelWish) -> Result<Self, Refusal> {
        let reason = |reason: Option<String>| reason.unwrap_or_default();
        // The plain name is the channel `stable` with what is on trial beside it.
        let own = |channel: Option<ChannelName>| channel.filter(|channel| channel.as_str() != "stable");
        Ok(match wish {
            ChannelWish::Close(channel) => Self::Close { channel },
            ChannelWish::RollBack(RollBack { channel, to, reason: why }) => match own(channel) {
                Some(channel) => Self::RollBackOn { channel, to, reason: reason(why) },
                None => Self::RollBack { to, reason: reason(why) },
            },
            ChannelWish::Promote(Promotion { channel, release, canary, reason: why }) => match (own(channel), canary) {
                (None, None) => Self::Promote { release, reason: reason(why) },
                (None, Some(draft)) => Self::TryOut { wish: tried_out(release, &draft)?, reason: reason(why) },
                (Some(channel), None) => Self::PromoteOn { channel, release, reason: reason(why) },
                (Some(channel), Some(_)) => {
                    let detail =
                        format!("a canary gets a part of all traffic, and `{channel}` is a channel beside that");
                    return Err(Refusal::new(Code::QueryInvalid, detail));
                }
            },
        })
    }

    pub(super) fn apply(&self, object: &mut PluginObject, now_ms: u64) -> Result<(), ChannelError> {
        self.apply_to(&mut object.channels, now_ms)
    }

    /// The same to the channels of whatever it is.
    pub(super) fn apply_to(&self, channels: &mut Option<Channels>, now_ms: u64) -> Result<(), ChannelError> {
        match (self, channels) {
            (Self::Promote { release, reason }, channels @ None) => {
                *channels = Some(Channels::new(*release, now_ms, reason));
                Ok(())
            }
            (Self::Promote { release, reason }, Some(channels)) => {
                channels.promote(*release, now_ms, Cause::Request, reason)
            }
            (Self::TryOut { wish, reason }, Some(channels)) => {
                // The one that is on trial already gets more.
                match channels.canary().filter(|canary| canary.release == wish.release) {
                    Some(_) => channels.widen(wish.clone(), now_ms, reason),
                    None => channels.try_out(wish.clone(), now_ms, reason),
                }
            }
            (Self::RollBack { to, reason }, Some(channels)) => channels.roll_back(*to, now_ms, Cause::Request, reason),
            (Self::PromoteOn { channel, release, reason }, Some(channels)) => {
                channels.promote_on(channel, *release, now_ms, reason)
            }
            (Self::RollBackOn { channel, to, reason }, Some(channels)) => {
                channels.roll_back_on(channel, *to, now_ms, reason)
            }
            (Self::Close { channel }, Some(channels)) => channels.close(channel, now_ms, ""),
            (_, None) => Err(ChannelError::NoStable),
        }
    }
}

pub(super) fn tried_out(release: Digest, draft: &CanaryDraft) -> Result<CanaryWish, Refusal> {
    let invalid = |what: &str, why: String| Refusal::new(Code::QueryInvalid, format!("`{what}`: {why}"));
    let share = draft.share.parse().map_err(|error: wharf_catalog::ShareError| invalid("share", error.to_string()))?;
    let for_ms = match &draft.time {
        None => None,
        Some(text) => {
            let time = parse_duration(text).map_err(|error| invalid("for", error.to_string()))?;
            Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        }
    };
    let abort_on = draft.abort_on.as_deref().map(Condition::list).transpose();
    let abort_on = abort_on.map_err(|error| invalid("abort_on", error.to_string()))?.unwrap_or_default();
    Ok(CanaryWish { release, share, for_ms, abort_on })
}
