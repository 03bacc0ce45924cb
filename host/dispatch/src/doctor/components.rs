//! The components' part of an examination: each file against the digest that it is named by, and whether all are there that
//! the rule set in force names.
//!
//! Invariant: a component is no projection. The folder's copy is written from the file that `wharf.toml` names, whenever a
//! start does not find it here; nothing else can make it again.

use std::{collections::BTreeMap, io};

use cap_std::fs::Dir;
use wharf_event::Digest;

use super::finding::{Finding, Part, Repair, Severity};

/// The folder of components, in the data folder.
const FOLDER: &str = "components";

/// What names a release: `plugin triage of tenant acme`.
pub(super) type InUse = BTreeMap<Digest, String>;

/// Checks all components, and gives how many are as they should be.
pub(super) fn examine(folder: &Dir, in_use: &InUse) -> io::Result<(u64, Vec<Finding>)> {
    let mut findings = Vec::new();
    let mut whole = BTreeMap::new();
    if folder.exists(FOLDER) {
        let components = folder.open_dir(FOLDER)?;
        let mut names: Vec<_> = components.entries()?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        names.sort_unstable();
        for name in names.iter().filter_map(|name| name.to_str()) {
            let file = format!("{FOLDER}/{name}");
            let Some(digest) = named(name) else {
                findings.push(leftover(file));
                continue;
            };
            match components.read(name) {
                Ok(bytes) if Digest::of(&bytes) == digest => {
                    whole.insert(digest, ());
                }
                Ok(_) => findings.push(damaged(file, &digest, in_use, "its bytes are not those that it is named by")),
                Err(error) => {
                    findings.push(damaged(file, &digest, in_use, &format!("it cannot be read: {error}")));
                }
            }
        }
    }
    let missing = in_use.iter().filter(|(digest, _)| !whole.contains_key(digest));
    for (digest, who) in missing {
        let file = format!("{FOLDER}/{}.wasm", digest.hex());
        if findings.iter().all(|finding| finding.file != file) {
            let problem = format!("the component of {who} is not there");
            findings.push(Finding::of_file(Severity::Damage, Part::Components, "component", file, problem).helped(
                "start the host with the `wharf.toml` that names it: the component is written from there again",
                None,
            ));
        }
    }
    Ok((whole.len() as u64, findings))
}

fn named(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_suffix(".wasm")?).parse().ok()
}

fn damaged(file: String, digest: &Digest, in_use: &InUse, problem: &str) -> Finding {
    let who =
        in_use.get(digest).map_or("no rule set in force names it".to_owned(), |who| format!("it is that of {who}"));
    let problem = format!("a component is damaged: {problem}; {who}");
    Finding::of_file(Severity::Damage, Part::Components, "component", file, problem).helped(
        "`--repair` sets it aside; start the host with the `wharf.toml` that names the component, and it is written again",
        Some(Repair::SetAside),
    )
}

fn leftover(file: String) -> Finding {
    let problem = "this is no component: what a write left that never ended, or what was set aside".to_owned();
    Finding::of_file(Severity::Harmless, Part::Components, "file", file, problem).helped("it may be removed", None)
}
