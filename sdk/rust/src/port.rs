//! What reaches the host: the one place where a component's imports and the host in memory of native tests are told apart.
//!
//! Invariant: both have the same functions, and a component has nothing of the other. Nothing here knows what an author sees.

#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(not(target_arch = "wasm32"))]
mod memory;

#[cfg(target_arch = "wasm32")]
pub(crate) use host::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use memory::*;
