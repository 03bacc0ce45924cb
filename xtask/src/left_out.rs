//! What is left out since its tools cannot be had on this machine.
//!
//! Invariant: nothing is left out without a word; and in CI, where nobody reads along, only what `WHARF_LEFT_OUT` names, with commas between.

use std::ffi::OsString;

use anyhow::{Result, ensure};

/// The variable that says so.
const NAMES: &str = "WHARF_LEFT_OUT";

/// Leaves a language out, and gives that in words. An error where it may not be.
pub fn language(name: &str, why: &str) -> Result<String> {
    let set =
        |variable: &str| std::env::var_os(variable).map(OsString::into_string).and_then(Result::ok).unwrap_or_default();
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(may_be(name, &set("CI"), &set(NAMES)), "{name}: {why}; {NAMES}={name} leaves it out");
    Ok(format!("{name} ({why})"))
}

fn may_be(name: &str, ci: &str, names: &str) -> bool {
    ci.is_empty() || names.split(',').any(|it| it.trim() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_leaves_out_what_it_was_told_to_and_everybody_else_what_is_missing() {
        assert!(may_be("python", "", ""));
        assert!(!may_be("python", "true", "") && !may_be("python", "true", "py,js"));
        assert!(may_be("python", "true", "js, python"));
    }
}
