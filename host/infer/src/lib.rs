//! Asking models of one's own: tensors as values, and the workers that models run in.
//!
//! Invariant: a model is code of somebody else, so a host never runs one itself: it has workers, which are processes with limits of their own. What
//! a worker does ([`serve`]) and how a host speaks to several of them ([`Pool`]) are both here; which models there are ([`Asked`]) and how a process
//! is started ([`Start`]) are not.

mod description;
mod failed;
mod fitting;
mod frame;
mod joining;
pub mod limits;
mod payload;
mod pool;
mod serving;
mod tensor;
mod worker;

pub use description::{Description, Dim, Element, Port};
pub use failed::{Failed, Unfit, short};
pub use fitting::{in_order, within_bounds};
pub use frame::encode as tensors_to_bytes;
pub use joining::apart;
pub use payload::Payload;
pub use pool::{Batch, Pool, Ran, Reads, Wanted};
pub use serving::{Asked, serve};
pub use tensor::{Tensor, Values};
pub use worker::{Ends, Start, Started};
