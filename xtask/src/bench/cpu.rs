//! CPU time that another process has used so far, all of its threads together.
//!
//! It is as fine as the kernel's clock ticks, mostly 10 ms: measure over seconds.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// User and system time of the process `pid`.
pub fn used(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("{path} is not what proc(5) says"))?;
    #[allow(clippy::cast_precision_loss, reason = "ticks of one benchmark are exact in a double")]
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// Fields 14 and 15. The second is the program's name, in parentheses, and may hold anything, spaces and parentheses too.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 31 9 9 20 0 1 0 100 0 0";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("7 (wharf) S 1"), None);
    }

    #[test]
    fn this_process_has_used_some() {
        assert!(used(std::process::id()).is_ok());
        assert!(used(0).is_err());
    }
}
