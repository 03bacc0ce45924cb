//! Models of tenants: which version of one answers, and the processes that they run in.

mod asking;
mod files;
mod metering;
mod worker;

pub use asking::{Asks, OwnModel, OwnModels};
pub use files::read;
pub use metering::{InferMeters, Inferences, InferencesOf};
pub use worker::run;
