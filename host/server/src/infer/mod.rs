//! Models of tenants: which version of one answers, the processes that they run in, and how far what they are asked about is from a baseline.

mod asking;
mod drift;
mod endpoint;
mod files;
mod metering;
mod shadow;
mod worker;

pub use asking::{Asks, OwnModel, OwnModels};
pub use drift::{Ended, Progress, WatchedOf};
pub use files::read;
pub use metering::{InferMeters, Inferences, InferencesOf};
pub use shadow::{SHADOW, ShadowCounts};
pub use worker::run;
