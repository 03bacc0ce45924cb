//! The guests of `tests/languages`, by language: each built with the ordinary tools of its language.
//!
//! Invariant: a language whose tools cannot be had here is told in one line and left out ([`left_out`]); whatever else goes wrong is an error.
//!
//! How a language is built is in a file of its own.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use super::build::Guest;
use super::{c, cargo, go, js, python, rust_bare, steps};
use crate::left_out;

/// A language that plugins are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// Rust, with the crate `wharf` and with wit-bindgen alone.
    Rust,
    /// Python, by componentize-py.
    Python,
    /// TypeScript and JavaScript, by componentize-qjs.
    Js,
    /// Go, by its own compiler.
    Go,
    /// C, by Zig's clang.
    C,
}

/// What became of the guests of a language.
pub enum Built {
    /// They are there.
    Guests(Vec<Guest>),
    /// They cannot be built on this machine, for this reason.
    Missing(String),
}

/// The folders that a build reads and writes.
pub struct Place {
    /// This repository.
    pub repository: PathBuf,
    /// Where cargo builds; tools and caches lie there too.
    pub target: PathBuf,
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::Python, Self::Js, Self::Go, Self::C];

    /// Its name, which is that of its row.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Js => "js",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// Whether a row of the suite is of this language.
    pub fn has_row(self, row: &str) -> bool {
        row.strip_suffix("-bare").unwrap_or(row) == self.name()
    }
}

/// Builds the guests of a language.
pub fn build(lang: Lang) -> Result<Built> {
    let place = place()?;
    match lang {
        Lang::Rust => rust_bare::build(&place),
        Lang::Python => python::build(&place),
        Lang::Js => js::build(&place),
        Lang::Go => go::build(&place),
        Lang::C => c::build(&place),
    }
}

/// The folders of this repository.
fn place() -> Result<Place> {
    let repository = cargo::repository();
    let place = Place { target: cargo::workspace(&repository)?.target, repository };
    std::fs::create_dir_all(place.target.join("guests"))?;
    Ok(place)
}

/// Why the tools of a language cannot be had here, if they cannot.
pub fn missing_tools(lang: Lang, place: &Place) -> Result<Option<String>> {
    let tools = match lang {
        // A toolchain for it is a condition of all else here, so that it cannot be had is an error.
        Lang::Rust => Ok(()),
        Lang::Python => python::tools(place).map(drop),
        Lang::Js => js::tools(place).map(drop),
        Lang::Go => go::environment(place).map(drop),
        Lang::C => c::compiler(place).map(drop),
    };
    Ok(tools.err().map(|error| format!("{error:#}")))
}

/// Builds what the SDK's template makes that answers requests, where that takes moments; gives what was left out.
pub fn build_web(lang: Lang) -> Result<Vec<String>> {
    let place = place()?;
    if let Some(why) = missing_tools(lang, &place)? {
        return Ok(vec![left_out::language(lang.name(), &why)?]);
    }
    match lang {
        Lang::Go => go::build_web(&place).map(drop)?,
        Lang::C => c::build_web(&place).map(drop)?,
        _ => {}
    }
    Ok(Vec::new())
}

/// Runs the tests of an SDK that is no workspace of cargo's, by the runner of its language, and gives what was left out.
pub fn test_sdk(lang: Lang) -> Result<Vec<String>> {
    let repository = cargo::repository();
    let place = Place { target: cargo::workspace(&repository)?.target, repository };
    let missing = match lang {
        Lang::Go => go::test(&place)?,
        Lang::C => c::test(&place).map(|()| None)?,
        // Cargo runs Rust's.
        _ => None,
    };
    missing.map(|why| left_out::language(lang.name(), &why)).into_iter().collect()
}

/// Builds the guests of a language; what is missing for that is said on stderr, and then there are none.
pub fn build_or_say(lang: Lang) -> Result<Vec<Guest>> {
    said(lang.name(), build(lang)?)
}

/// Builds the probe in JavaScript by SpiderMonkey, likewise.
pub fn spidermonkey_or_say() -> Result<Vec<Guest>> {
    said("spidermonkey", js::by_other_engine(&place()?)?)
}

fn said(what: &str, built: Built) -> Result<Vec<Guest>> {
    match built {
        Built::Guests(guests) => Ok(guests),
        Built::Missing(why) => {
            steps::say(&format!("left out: {}", left_out::language(what, &why)?));
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_has_two_rows() {
        assert!(Lang::Python.has_row("python") && Lang::Python.has_row("python-bare"));
        assert!(!Lang::Python.has_row("rust") && !Lang::Rust.has_row("rust-barely"));
    }
}
