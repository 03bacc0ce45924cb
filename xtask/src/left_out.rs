//! What is left out since its tools cannot be had on this machine.
//!
//! Invariant: nothing is left out without a word; and where `WHARF_LEFT_OUT` is set, only what it names, with commas between.

use std::ffi::OsString;

use anyhow::{Result, ensure};

/// The variable that says so.
const NAMES: &str = "WHARF_LEFT_OUT";

/// Leaves a language out, and gives that in words. An error where it may not be.
pub fn language(name: &str, why: &str) -> Result<String> {
    let names = std::env::var_os(NAMES).map(OsString::into_string).and_then(Result::ok);
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(may_be(name, names.as_deref()), "{name}: {why}; {NAMES}={name} leaves it out");
    Ok(format!("{name} ({why})"))
}

fn may_be(name: &str, names: Option<&str>) -> bool {
    names.is_none_or(|names| names.split(',').any(|it| it.trim() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_left_out_unless_somebody_said_what_may_be() {
        assert!(may_be("python", None));
        assert!(!may_be("python", Some("")) && !may_be("python", Some("py,js")));
        assert!(may_be("python", Some("js, python")));
    }
}
