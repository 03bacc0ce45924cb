//! The cache's part of an examination: which compiled artifacts this folder's secret vouches for.

use std::io;

use cap_std::fs::Dir;
use wharf_runtime::{Artifact, check_cache};

use super::finding::{Finding, Part, Repair, Severity};

/// The folder of compiled artifacts, in the data folder.
const FOLDER: &str = "cache";

/// Checks all artifacts, and gives how many are as they were written.
pub(super) fn examine(folder: &Dir) -> io::Result<(u64, Vec<Finding>)> {
    if !folder.exists(FOLDER) {
        return Ok((0, Vec::new()));
    }
    let checked = check_cache(&folder.open_dir(FOLDER)?)?;
    let whole = checked.iter().filter(|(_, artifact)| *artifact == Artifact::Whole).count() as u64;
    let finding = |(name, artifact): (String, Artifact)| {
        let file = format!("{FOLDER}/{name}");
        let of = |severity, structure, problem: &str| {
            Finding::of_file(severity, Part::Cache, structure, file.clone(), problem.to_owned())
        };
        let removed = "`--repair` removes it; the component is compiled again at the next start";
        Some(match artifact {
            Artifact::Whole => return None,
            Artifact::Damaged => {
                of(Severity::Damage, "artifact", "a compiled artifact is damaged, or was made under another secret")
                    .helped(removed, Some(Repair::Remove))
            }
            Artifact::Secret => of(Severity::Damage, "secret", "the cache's secret has not the length of one").helped(
                "`--repair` removes it; a new one is made at the next start, and all is compiled again",
                Some(Repair::Remove),
            ),
            Artifact::SecretMissing => {
                of(Severity::Damage, "secret", "the cache has artifacts and no secret that vouches for them")
                    .helped("a new one is made at the next start, and all is compiled again", None)
            }
            Artifact::Leftover => {
                of(Severity::Harmless, "file", "this is no artifact: what a write left that never ended")
                    .helped("it may be removed", None)
            }
        })
    };
    Ok((whole, checked.into_iter().filter_map(finding).collect()))
}
