//! HTTP out of the host, for whatever a tenant names: webhooks, and the plugins' own requests.
//!
//! Invariant: a connection is made to an address that was checked, and to no other. The check is on the address itself, behind
//! resolution, so neither a name, nor a spelling, nor a second answer of a DNS server leads around it. It follows no redirect, reads no
//! proxy variable, and keeps a bounded part of an answer. It knows no tenant but by the name that keeps connections apart.

#![forbid(unsafe_code)]

mod address;
mod connect;
mod dns;
mod egress;
mod error;
mod granted;
mod guard;
pub mod limits;
mod place;
mod pool;
mod resolve;

pub use address::{Why, refused};
pub use egress::{Answer, Egress, Outgoing, Passed, Settings, Takes};
pub use error::EgressError;
pub use granted::{Granted, NotNetwork};
pub use guard::{Guard, Held, Leave};
pub use place::{NotPlace, Place};
