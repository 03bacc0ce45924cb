//! The tests, in a module that is named for their matter, so that `cargo test -- egress` runs them.

#![cfg(test)]

mod egress;
