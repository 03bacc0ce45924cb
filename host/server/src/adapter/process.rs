//! What the machine says of this process, under the names that every exporter for Prometheus uses.
//!
//! Invariant: what cannot be read is left out; nothing here fails.

use std::fs;

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};
use wharf_gateway::measure::{Family, Kind, Reading};

/// Fields of `/proc/self/stat` after the process's name, which may have blanks in it: user time is the first that we read.
const STAT_USER_TIME: usize = 11;
const STAT_SYSTEM_TIME: usize = 12;
const STAT_THREADS: usize = 17;
const STAT_START: usize = 19;
const STAT_VIRTUAL_BYTES: usize = 20;
const STAT_RESIDENT_PAGES: usize = 21;

/// What there is to tell.
pub(super) fn families() -> Vec<Family> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let stat: Vec<&str> = stat.rsplit_once(") ").map_or(Vec::new(), |(_, fields)| fields.split(' ').collect());
    let field = |at: usize| stat.get(at)?.trim().parse::<u64>().ok();
    let seconds = |ticks: u64| number(ticks) / number(clock_ticks_per_second());
    let cpu = field(STAT_USER_TIME).zip(field(STAT_SYSTEM_TIME)).map(|(user, system)| seconds(user + system));
    let start = boot_time_s().zip(field(STAT_START)).map(|(boot, start)| number(boot) + seconds(start));
    let resident = field(STAT_RESIDENT_PAGES).map(|pages| pages * page_size() as u64);
    let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
    let gauge = Kind::Gauge;
    let told = [
        (Kind::Counter, "process_cpu_seconds_total", "CPU time, user and system.", cpu.map(Reading::Number)),
        (gauge, "process_start_time_seconds", "When it started, in seconds since 1970.", start.map(Reading::Number)),
        (gauge, "process_resident_memory_bytes", "Memory that is resident.", resident.map(Reading::Count)),
        (
            gauge,
            "process_virtual_memory_bytes",
            "Address space; most of it is reserved for guests and never used.",
            field(STAT_VIRTUAL_BYTES).map(Reading::Count),
        ),
        (gauge, "process_threads", "Threads.", field(STAT_THREADS).map(Reading::Count)),
        (gauge, "process_open_fds", "Open files and sockets.", files.map(Reading::Count)),
        (
            gauge,
            "process_max_fds",
            "Files and sockets that may be open.",
            getrlimit(Resource::Nofile).current.map(Reading::Count),
        ),
    ];
    let told = told.into_iter().filter_map(|(kind, name, help, reading)| Some((kind, name, help, reading?)));
    told.map(|(kind, name, help, reading)| Family::of_one(kind, name, help, reading)).collect()
}

fn boot_time_s() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[allow(clippy::cast_precision_loss, reason = "ticks and seconds are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_all_of_them() {
        let names: Vec<_> = families().iter().map(Family::name).collect();
        assert_eq!(names.len(), 7, "{names:?}");
    }
}
