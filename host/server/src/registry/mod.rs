//! Releases: kept, made ready, and found again at a start. Which of them gets which traffic is decided in `wharf-catalog`, and comes
//! into force in `wharf-dispatch`.

mod components;
mod kept;
mod places;
mod prepare;
mod restock;

pub use components::{Components, NotKept};
pub use places::{Place, Places};
pub use prepare::{Progress, Registry};
