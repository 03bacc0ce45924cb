//! What a number was measured on.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// The machine, as far as it explains a number.
#[derive(Serialize)]
pub struct Machine {
    /// Cores that may be used.
    cores: usize,
    /// The processor's name.
    processor: String,
    /// Memory in GiB.
    memory_gib: u64,
    /// The kernel's version.
    kernel: String,
    /// What kind of file system the data is on.
    file_system: String,
    /// Whether the machine has swap.
    swap: bool,
}

impl Machine {
    /// This machine; data will be in `folder`.
    pub fn here(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mounts = read("/proc/mounts");
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown").to_owned(),
            memory_gib: field(&read("/proc/meminfo"), "MemTotal").and_then(kib).unwrap_or(0).div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&mounts, folder).unwrap_or("unknown").to_owned(),
            swap: read("/proc/swaps").lines().count() > 1,
        }
    }

    /// In one line.
    pub fn line(&self) -> String {
        let Self { cores, processor, memory_gib, kernel, file_system, swap } = self;
        let swap = if *swap { "swap" } else { "no swap" };
        format!("{cores} cores ({processor}), {memory_gib} GiB, {swap}, {file_system}, Linux {kernel}")
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim()))
}

/// The number of `123 kB`.
fn kib(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The type of the file system whose mount point is the longest that `folder` lies under; the last of two at one point.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: An EPYC\nMemTotal:       24578408 kB\n";
        assert_eq!(field(text, "model name"), Some("An EPYC"));
        assert_eq!(field(text, "MemTotal").and_then(kib), Some(24_578_408));
        assert_eq!(field(text, "nothing"), None);
    }

    #[test]
    fn the_nearest_mount_point_says_the_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tm xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/work")), Some("ext4"));
        assert_eq!(file_system("", Path::new("/work")), None);
    }
}
