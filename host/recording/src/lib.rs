//! Recordings of attempts: all that the outside told a guest, kept for those who look at a failed attempt, and for trying another release on the same.
//!
//! Invariant: nothing is promised by a recording and nothing is decided by one. They lie in segments of their own, which are never synced and are bounded by
//! size and age; one that a crash, a full disk or a busy disk took is missing, and nothing else is.

mod call;
mod codec;
pub mod limits;
mod policy;
mod port;
mod recorder;
mod recording;
mod segments;
mod tape;
mod writing;

pub use call::{Call, Field, Part};
pub use codec::DecodeError;
pub use policy::Policy;
pub use port::{NoRecordings, Recordings};
pub use recorder::{Counted, Found, Recorder};
pub use recording::{Item, Recording};
pub use tape::{Asked, Begun, Holds, Tape, Taped};
