//! Components in OCI registries: found by their reference, pulled and pushed, by the Wasm OCI Artifact Layout of the CNCF.
//!
//! Invariant: what is pulled is what the manifest says, by size and digest, and never more than a component may have. Plain HTTP is spoken with
//! registries of this machine only. What a component is, this crate does not know, and a host never talks to a registry: its clients do.

#![forbid(unsafe_code)]

mod artifact;
mod credentials;
mod error;
pub mod limits;
mod reference;
mod registry;

pub use error::OciError;
pub use reference::{NoReference, Reference};
pub use registry::{Found, Interfaces, Pushed, Registry};
