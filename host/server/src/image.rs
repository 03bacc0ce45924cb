//! The program's own code, as it is in memory.

use std::{fs, ops::Range, ptr};

use rustix::mm::{Advice, madvise};

/// Unmaps the program's code: what runs is mapped again as it is reached, from the file's pages, which the kernel keeps. A start runs much that is not run
/// again, and the kernel maps what lies around it as well: measured, more than half of what was resident of a host at rest was code (docs/benchmarks.md).
/// It costs less than a millisecond: call it after a start.
pub fn let_go() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    let here = (let_go as fn()) as usize;
    let Some(code) = maps.lines().filter_map(unwritten).find(|code| code.contains(&here)) else { return };
    let begin = ptr::with_exposed_provenance_mut(code.start);
    // SAFETY: these are whole pages of a file that nobody wrote to, of which the kernel reads the same bytes again.
    #[allow(unsafe_code, reason = "it is a call of the kernel about addresses")]
    let advised = unsafe { madvise(begin, code.len(), Advice::LinuxDontNeed) };
    if let Err(error) = advised {
        tracing::debug!("the program's code stays mapped: {error}");
    }
}

/// The addresses of a line of `/proc/self/maps`, where it is code of a file: no page of that is the process's own.
fn unwritten(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (from, until) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    (words.next()? == "r-xp").then_some(address(from)?..address(until)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_that_runs_is_found_and_runs_on_when_it_was_let_go() {
        assert_eq!(unwritten("7f00-7fff r-xp 00000000 fe:00 12 /a b"), Some(0x7f00..0x7fff));
        assert_eq!(unwritten("7f00-7fff rw-p 00000000 00:00 0"), None, "what was written would be lost");
        assert_eq!(unwritten(""), None);
        let here = (let_go as fn()) as usize;
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        assert!(maps.lines().filter_map(unwritten).any(|code| code.contains(&here)));
        let_go();
    }
}
