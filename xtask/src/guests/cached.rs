//! Guests that are dear to build: they are built again only where something that they are made of is another.
//!
//! Invariant: a component that is left alone was made of the same bytes, by tools of the same version.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use super::build::Guest;
use super::languages::Place;
use super::steps;

/// What tools leave beside sources, and no guest is made of.
const LEFT_BY_TOOLS: [&str; 4] = ["__pycache__", "node_modules", "target", ".pytest_cache"];

/// Makes `guests/<name>.wasm` by `make`, which is given where to write, unless the one of these inputs and this version is there.
pub fn guest(
    place: &Place,
    name: &str,
    inputs: &[PathBuf],
    version: &str,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<Guest> {
    let path = place.target.join("guests").join(format!("{name}.wasm"));
    let stamps = place.target.join("guests-made-of");
    let stamp = stamps.join(name);
    let made_of = digest(inputs, version)?;
    if !path.is_file() || fs::read_to_string(&stamp).is_ok_and(|last| last != made_of) || !stamp.is_file() {
        steps::say(&format!("{name} ..."));
        fs::create_dir_all(&stamps).with_context(|| format!("making {}", stamps.display()))?;
        let half = stamps.join(format!("{name}.wasm"));
        make(&half).with_context(|| format!("building {name}"))?;
        fs::rename(&half, &path).with_context(|| format!("making {}", path.display()))?;
        fs::write(&stamp, made_of).with_context(|| format!("writing {}", stamp.display()))?;
    }
    Ok(Guest { name: name.to_owned(), path })
}

/// A digest of files and folders, by their names and bytes, and of a version.
fn digest(inputs: &[PathBuf], version: &str) -> Result<String> {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(version.as_bytes());
    let mut files = Vec::new();
    for input in inputs {
        collect(input, &mut files)?;
    }
    files.sort();
    for file in files {
        add(file.as_os_str().as_encoded_bytes());
        add(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        let entry = entry?;
        if !LEFT_BY_TOOLS.iter().any(|left| entry.file_name() == *left) {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_guest_is_made_again_when_a_file_or_the_version_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { repository: folder.path().to_owned(), target: folder.path().join("target") };
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("__pycache__")).unwrap();
        fs::create_dir_all(place.target.join("guests")).unwrap();
        let times = Cell::new(0);
        let mut made = Vec::new();
        for (text, left, version) in
            [("a", "", "1"), ("a", "x", "1"), ("b", "x", "1"), ("b", "x", "2"), ("b", "", "2"), ("a", "", "1")]
        {
            fs::write(source.join("a.py"), text).unwrap();
            fs::write(source.join("__pycache__/a.pyc"), left).unwrap();
            let make = |to: &Path| {
                times.set(times.get() + 1);
                Ok(fs::write(to, text)?)
            };
            let guest = guest(&place, "one", std::slice::from_ref(&source), version, make).unwrap();
            assert_eq!(fs::read_to_string(&guest.path).unwrap(), text);
            made.push(times.get());
        }
        assert_eq!(made, [1, 1, 2, 3, 3, 4]);
    }

    #[test]
    fn a_build_that_fails_leaves_the_last_component() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { repository: folder.path().to_owned(), target: folder.path().to_owned() };
        fs::create_dir_all(folder.path().join("guests")).unwrap();
        guest(&place, "one", &[], "1", |to| Ok(fs::write(to, "good")?)).unwrap();
        let error = guest(&place, "one", &[], "2", |_| anyhow::bail!("no")).unwrap_err();
        assert_eq!(format!("{error:#}"), "building one: no");
        assert_eq!(fs::read_to_string(folder.path().join("guests/one.wasm")).unwrap(), "good");
    }
}
