//! What the author of a plugin needs of a host without there being one: a component is called as a host would call it, with all
//! limits on, and what it did is told instead of kept.
//!
//! Invariant: a call goes through the very runtime and capabilities of a host; only the committed values and the clock are given.
//! Nobody outside is reached, and nothing is written but the fixtures that are blessed.

mod conform;
mod diff;
mod echo;
mod ended;
mod expectation;
mod fixture;
mod form;
mod junit;
mod lines;
mod secrets;
mod seed;
mod stage;
mod stub;
mod tested;

pub use conform::{Finding, conform};
pub use ended::{Ended, View, Word};
pub use fixture::{Usual, files};
pub use form::Form;
pub use junit::document as junit;
pub use lines::lines;
pub use secrets::Secrets;
pub use seed::Seed;
pub use stage::{Call, Stage, plugin_name};
pub use tested::Tested;
