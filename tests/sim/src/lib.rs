//! Histories of the host's core under virtual time, with faults, checked against a model that was written separately.
//!
//! What runs is the product's own log, delivery, state and dispatch crates, through the ports that they have: a disk in memory
//! that fails (`wharf-faults`), clocks, chance and threads that follow a seed, handlers that follow a script. What clients
//! were told, what handlers did and what archive and state say in the end is then held against [`model`], which shares no
//! code with the machine that decides and applies.
//!
//! It does not run guests, HTTP or the real disk: the end-to-end tests and `cargo xtask crash` do.

mod batch;
mod client;
mod edits;
pub mod history;
mod life;
mod model;
pub mod mutation;
mod observed;
mod oracle;
mod outside;
mod plan;
mod queue;
mod recordings;
mod redrives;
mod replays;
mod rests;
mod rng;
mod rules;
mod script;
mod sieve;
mod squeeze;
mod surroundings;
pub mod sweep;
mod tides;
mod web;

#[cfg(test)]
mod tests;
