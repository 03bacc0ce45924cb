//! What a component is, found from its bytes alone: whether this host can run it, what it needs, who made it.
//!
//! Invariant: any bytes at all give an answer or an error with a code, in time and memory bounded by the limits; nothing is compiled, linked
//! or written. That a component compiles and that its imports have the types that this host gives them, only the engine shows.

mod check;
mod describe;
mod error;
pub mod limits;
mod names;
mod offers;
mod outline;
mod producers;
mod pure;
mod said;
mod strip;

pub use check::{Kind, check};
pub use describe::{Description, Import, describe};
pub use error::ComponentError;
pub use names::WasiLevel;
pub use offers::{Capability, OFFERS, Offer, Offered, find, offered};
pub use producers::Made;
pub use said::{declared, needs};
pub use strip::{Names, strip};
