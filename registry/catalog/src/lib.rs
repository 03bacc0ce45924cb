//! Which release of a plugin, and which version of a prompt or a model, gets which traffic: channels, canaries, rollbacks, and the history of all that; and how far
//! what a model is asked about is from what it was trained with.
//!
//! Everything here is a pure value: a channel set and a wish give another channel set and an entry of its history, or say why not;
//! counts and a clock's reading give a judgement. Invariant: at every time exactly one release has all traffic that is not the
//! canary's, and no release comes to that without somebody's word or a canary that kept its bounds. Nothing is stored, called or
//! counted here: records are `wharf-delivery`'s, attempts are counted where they are made.

mod canary;
mod channels;
mod condition;
mod drift;
mod history;
mod judge;
pub mod limits;
mod model;
mod objects;
mod prompt;
mod share;
mod tally;

pub use canary::{Canary, CanaryWish};
pub use channels::{ChannelError, Channels, Pick};
pub use condition::{Bound, Condition, ConditionError, Measure};
pub use drift::{Baseline, BaselineColumn, BaselineError, ColumnDrift, Scales, Seen, Window, quantiles};
pub use history::{Action, Cause, Entry};
pub use judge::{Judgement, judge};
pub use model::{Joining, ModelBatch, ModelObject, ModelVersion};
pub use objects::{PluginObject, ReleaseObject};
pub use prompt::{PromptCanary, PromptDocument, PromptError, PromptObject, PromptVersion};
pub use share::{Share, ShareError};
pub use tally::Tally;
