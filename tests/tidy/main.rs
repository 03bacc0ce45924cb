//! Goal: the tree stays as ARCHITECTURE.md and the style say. Method: `cargo metadata` is held against the tables of
//! ARCHITECTURE.md, and every source file is looked at as text; each check gives a sentence for each thing that is wrong, and
//! a test of its own on made-up input shows that it can fail. It does not judge taste, and does not compile anything.

#![cfg(test)]

mod dependencies;
mod errors;
mod heads;
mod map;
mod names;
mod provoked;
mod sizes;
mod sources;

/// Fails with all sentences at once.
#[track_caller]
fn assert_tidy(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} things are untidy:\n  {}\n", wrong.len(), wrong.join("\n  "));
}
