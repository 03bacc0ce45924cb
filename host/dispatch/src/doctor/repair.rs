//! Repairing what is made from something else: the state from the log, artifacts from components.
//!
//! Invariant: nothing that may hold data is removed: it gets another name. The log is never written to.

use std::io;

use cap_std::fs::Dir;

use super::{
    examine::Report,
    finding::{Finding, Repair},
};
use crate::machine::STATE_FILE;

/// Repairs what can be repaired of what was found in `folder`, and says so in the report.
///
/// # Errors
/// When a file cannot be renamed or removed. What was repaired before stays so.
pub fn repair(folder: &Dir, report: &mut Report) -> io::Result<()> {
    let mut state_aside = None;
    for finding in &mut report.findings {
        let aside = format!("{}.aside-{:08x}", finding.file, rand::random::<u32>());
        match finding.repair {
            None => continue,
            Some(Repair::Rebuild) => {
                if state_aside.is_none() {
                    folder.rename(STATE_FILE, folder, &aside)?;
                }
                let aside = state_aside.get_or_insert(aside);
                done(finding, format!("it is {aside} now, which may be removed; the next start rebuilds the state"));
            }
            Some(Repair::SetAside) => {
                folder.rename(&finding.file, folder, &aside)?;
                done(
                    finding,
                    format!("it is {aside} now; start the host with the `wharf.toml` that names the component"),
                );
            }
            Some(Repair::Remove) => {
                folder.remove_file(&finding.file)?;
                done(finding, "it was removed; the next start makes it again".to_owned());
            }
        }
    }
    folder.open(".")?.sync_all()?;
    report.judge();
    Ok(())
}

fn done(finding: &mut Finding, help: String) {
    finding.repaired = true;
    finding.help = Some(help);
}
