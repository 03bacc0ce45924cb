//! The contract under another name, for tools that take every interface of WASI for their own when they are to stub it.
//!
//! Invariant: both names have one length, so the component that a tool made is only renamed back, and everything in it stays in its place.
//!
//! It is a copy in the target folder, never what authors see.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::languages::Place;
use super::steps;

/// The namespace in the contract, and what it is called meanwhile.
const NAMESPACE: &str = "wasi:";
const SPARED: &str = "wazi:";

/// Writes the renamed contract, and says where.
pub fn contract(place: &Place) -> Result<PathBuf> {
    let to = place.target.join("guests-made-of/wit");
    steps::fresh_folder(&to)?;
    copy(&place.repository.join("wit"), &to)?;
    Ok(to)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to)?;
            copy(&entry.path(), &to)?;
        } else {
            let text = fs::read_to_string(entry.path())?.replace(NAMESPACE, SPARED);
            fs::write(&to, text).with_context(|| format!("writing {}", to.display()))?;
        }
    }
    Ok(())
}

/// Gives a component the contract's own names again.
pub fn rename_back(component: &Path) -> Result<()> {
    let bytes = fs::read(component).with_context(|| format!("reading {}", component.display()))?;
    fs::write(component, renamed_back(bytes)).with_context(|| format!("writing {}", component.display()))
}

fn renamed_back(mut bytes: Vec<u8>) -> Vec<u8> {
    let found = |bytes: &[u8], from: usize| {
        let rest = bytes.get(from..)?;
        rest.windows(SPARED.len()).position(|window| window == SPARED.as_bytes()).map(|at| from + at)
    };
    let mut from = 0;
    while let Some(at) = found(&bytes, from) {
        from = at + SPARED.len();
        bytes.splice(at..from, NAMESPACE.bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_gets_its_names_back_and_nothing_else_moves() {
        let named = b"\0\x10wasi:random/random@0.2.0\0wasi:wasi: w wa was".to_vec();
        let spared = String::from_utf8(named.clone()).unwrap().replace(NAMESPACE, SPARED).into_bytes();
        assert_ne!(spared, named);
        assert_eq!(renamed_back(spared), named);
        assert_eq!(renamed_back(Vec::new()), b"");
    }
}
