//! What is kept is found, within bounds; what is not there is told as what it is.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cap_std::ambient_authority;

use super::*;
use crate::{Call, codec::tests::recording, limits::SEGMENT_BYTES_MIN};

/// A moment long before any file of this machine was written.
const BEGAN_MS: u64 = 1_000_000;

struct Host {
    folder: tempfile::TempDir,
    now: Arc<AtomicU64>,
}

impl Host {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), now: Arc::new(AtomicU64::new(BEGAN_MS)) }
    }

    fn start(&self, policy: Policy) -> Recorder {
        let folder = Dir::open_ambient_dir(self.folder.path(), ambient_authority()).unwrap();
        let now = Arc::clone(&self.now);
        Recorder::open(folder, policy, move || now.load(Ordering::Relaxed)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn file(&self, at: &RecordingAt) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(format!("{:016x}.rec", at.segment))
    }
}

fn large() -> Recording {
    let value = vec![7; usize::try_from(SEGMENT_BYTES_MIN).unwrap() - 1_000];
    Recording { calls: vec![Call::of("f").told("value", value)], ..recording("p") }
}

fn found(recording: Recording) -> Found {
    Found::Recording(Box::new(recording))
}

#[test]
fn what_was_kept_is_found_also_after_a_restart_which_begins_another_segment() {
    let host = Host::new();
    let recorder = host.start(Policy::default());
    let [one, other] = ["p", "q"].map(|plugin| recorder.keep(&recording(plugin)).unwrap());
    assert_eq!((one.segment, other.segment, one.offset), (BEGAN_MS, BEGAN_MS, FIRST + LENGTH));
    assert_eq!(recorder.read(&other).unwrap(), found(recording("q")));
    drop(recorder);

    let recorder = host.start(Policy::default());
    let third = recorder.keep(&recording("r")).unwrap();
    assert_eq!(third.segment, BEGAN_MS + 1);
    for (at, plugin) in [(one, "p"), (other, "q"), (third, "r")] {
        assert_eq!(recorder.read(&at).unwrap(), found(recording(plugin)));
    }
}

#[test]
fn failures_are_kept_always_and_others_so_often_an_hour_and_a_plugin() {
    let host = Host::new();
    let policy = Policy { hourly: Some(2), ..Policy::default() };
    let recorder = host.start(policy);
    let tenant = "t".parse().unwrap();
    let wants = |plugin: &str, failed| recorder.wants(&tenant, &plugin.parse().unwrap(), failed);
    assert_eq!([(); 3].map(|()| wants("p", false)), [true, true, false]);
    assert!(wants("q", false) && wants("p", true));
    host.now.fetch_add(HOUR_MS, Ordering::Relaxed);
    assert!(wants("p", false));

    recorder.set(Policy { failures: false, hourly: Some(0), ..policy });
    assert!(!wants("r", true) && !wants("r", false) && !recorder.tape().is_on());
    recorder.set(policy.with_all());
    assert!((0..100).all(|_| wants("r", false)) && recorder.tape().is_on());
}

#[test]
fn the_oldest_go_where_all_take_more_than_they_may() {
    let host = Host::new();
    let bytes = SEGMENT_BYTES_MIN * 8;
    let recorder = host.start(Policy { bytes, ..Policy::default() });
    let kept: Vec<_> = (0..20)
        .map(|_| {
            let at = recorder.keep(&large()).unwrap();
            recorder.settle(WAIT_MAX);
            at
        })
        .collect();
    recorder.set(Policy { bytes, ..Policy::default() });
    assert_eq!(recorder.read(&kept[0]).unwrap(), Found::Gone);
    assert_eq!(recorder.read(&kept[19]).unwrap(), found(large()));
    let sizes = host.files().into_iter().map(|name| host.folder.path().join(name).metadata().unwrap().len());
    let (count, sum) = sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
    assert!((2..=8).contains(&count) && sum <= bytes, "{count} {sum}");
}

#[test]
fn what_is_older_than_it_may_be_goes_and_a_quiet_segment_too() {
    let host = Host::new();
    let policy = Policy::default();
    let recorder = host.start(policy);
    let old = recorder.keep(&recording("p")).unwrap();
    recorder.settle(WAIT_MAX);
    // No file of this machine was written so late.
    host.now.store(u64::MAX / 2, Ordering::Relaxed);
    recorder.set(policy);
    assert_eq!(recorder.read(&old).unwrap(), found(recording("p")), "the one that is written to stays");
    recorder.set(policy);
    assert_eq!(recorder.read(&old).unwrap(), Found::Gone);
    assert_eq!(host.files(), [""; 0]);
    let new = recorder.keep(&recording("q")).unwrap();
    assert_eq!(recorder.read(&new).unwrap(), found(recording("q")));
}

#[test]
fn what_a_crash_took_is_lost_and_no_error() {
    let host = Host::new();
    let recorder = host.start(Policy::default());
    let [whole, torn] = ["p", "q"].map(|plugin| recorder.keep(&recording(plugin)).unwrap());
    recorder.settle(WAIT_MAX);
    let file = std::fs::OpenOptions::new().write(true).open(host.file(&torn)).unwrap();
    file.set_len(torn.offset + 3).unwrap();
    assert_eq!(recorder.read(&torn).unwrap(), Found::Lost);
    assert_eq!(recorder.read(&whole).unwrap(), found(recording("p")));
    // Zeros in the place of what was not written.
    file.set_len(torn.offset + 3_000).unwrap();
    assert_eq!(recorder.read(&torn).unwrap(), Found::Lost);
    // A whole file that is not there, with an older one.
    let never = RecordingAt { segment: torn.segment + 1, ..torn };
    assert_eq!(recorder.read(&never).unwrap(), Found::Lost);
}

#[test]
fn whoever_hands_over_waits_for_nothing_where_nothing_can_be_written_and_it_goes_on_later() {
    let host = Host::new();
    let recorder = host.start(Policy::default());
    std::fs::create_dir(host.folder.path().join(format!("{BEGAN_MS:016x}.rec"))).unwrap();
    let lost = recorder.keep(&recording("p")).unwrap();
    assert!(recorder.read(&lost).is_err(), "there is a folder in its place");
    let Counted { kept, left_out, unwritten, .. } = recorder.counted();
    assert_eq!((kept, left_out, unwritten), (1, 0, 1));
    host.now.fetch_add(Policy::default().age_ms, Ordering::Relaxed);
    let later = recorder.keep(&recording("q")).unwrap();
    assert_eq!(recorder.read(&later).unwrap(), found(recording("q")));
}

#[test]
fn where_others_need_the_room_all_goes_but_what_is_written_to() {
    let host = Host::new();
    let bytes = SEGMENT_BYTES_MIN * 8;
    let recorder = host.start(Policy { bytes, ..Policy::default() });
    let kept = [(); 4].map(|()| recorder.keep(&large()).unwrap());
    recorder.spare();
    assert_eq!(kept.map(|at| recorder.read(&at).unwrap() == Found::Gone), [true, true, true, false]);
}
