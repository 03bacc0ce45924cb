//! Goal: appending numbers frames without a gap, keeps time from falling, rolls, refuses what is too large, and stops for
//! good after a failed write. Method: tiny segments on the disk in memory; the real folder once, from end to end.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use wharf_log::limits::FRAME_BYTES_MAX;
use wharf_log::{FolderDisk, FrameKind, Log, LogError, SegmentInfo, SegmentSizes, frame_bytes};

use crate::setup::{SMALL, append, body, open, open_large, options, record};
use wharf_faults::{Fault, FaultyDisk};

#[test]
fn a_real_folder_keeps_what_was_appended_over_many_opens() {
    let folder = tempfile::tempdir().unwrap();
    let disk = || FolderDisk::new(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
    let mut appended = Vec::new();
    for round in 1..=20_u8 {
        let (mut log, recovery) = Log::open(disk(), options(round, SMALL)).unwrap();
        assert_eq!(recovery.epoch, u64::from(round));
        assert_eq!(recovery.torn_bytes_cut, 0);
        for seed in 0..5 {
            let bodies = vec![body(seed, 300 * usize::from(round)), body(seed + 9, 7)];
            appended.push((append(&mut log, 0, &bodies).unwrap(), bodies));
        }
        while log.prepare_step().unwrap() {}
        log.append_mark(0).unwrap();
        for (k, bodies) in &appended {
            let frame = log.reader().read_frame(*k).unwrap().unwrap();
            assert!(frame.records.iter().map(|record| &record.body[..]).eq(bodies.iter().map(|body| &body[..])));
        }
    }
    let (mut log, _) = Log::open(disk(), options(99, SMALL)).unwrap();
    assert!(log.segments().len() > 5);
    log.trim(log.last_k()).unwrap();
    assert_eq!(log.segments().len(), 1);
    assert_eq!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "seg") })
            .count(),
        1
    );
}

#[test]
fn frames_of_all_kinds_are_numbered_without_a_gap_over_segments_and_opens() {
    let disk = FaultyDisk::default();
    let mut expected = 0;
    for round in 1..=10 {
        let (mut log, recovery) = open(&disk, round).unwrap();
        assert_eq!((recovery.last_k, recovery.epoch), (expected, u64::from(round)));
        expected += 1;
        assert_eq!(log.last_k(), expected);
        for seed in 0..6 {
            expected += 1;
            assert_eq!(append(&mut log, 0, &[body(seed, 900)]).unwrap(), expected);
        }
        expected += 1;
        assert_eq!(log.append_mark(0).unwrap(), expected);
        assert_eq!(log.epoch(), u64::from(round));
    }
    let (log, _) = open(&disk, 11).unwrap();
    let frames: Vec<_> = log.reader().frames(1).map(Result::unwrap).collect();
    assert!(frames.iter().map(|frame| frame.k).eq(1..=log.last_k()));
    let epochs: Vec<_> =
        frames.iter().filter(|frame| frame.kind == FrameKind::Epoch).map(|frame| frame.epoch).collect();
    assert_eq!(epochs, (1..=11).collect::<Vec<_>>());
    let segments = log.segments();
    assert!(segments.len() > 3);
    assert!(segments.windows(2).all(|pair| pair[0].last_k + 1 == pair[1].first_k));
}

#[test]
fn segments_double_up_to_the_largest_and_make_room_for_a_larger_frame() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for seed in 0..40 {
        append(&mut log, 0, &[body(seed, 1_500)]).unwrap();
    }
    let sizes: Vec<_> = log.segments().iter().map(|segment| segment.bytes).collect();
    assert_eq!(sizes[..4], [4_096, 8_192, 16_384, 16_384]);
    let k = append(&mut log, 0, &[body(1, 100_000)]).unwrap();
    let bytes = 512 + frame_bytes(1, 100_000).next_multiple_of(512);
    assert_eq!(log.segments().last(), Some(&SegmentInfo { first_k: k, last_k: k, bytes }));
    let next = append(&mut log, 0, &[body(2, 10)]).unwrap();
    assert_eq!(log.segments().last(), Some(&SegmentInfo { first_k: next, last_k: next, bytes: 16_384 }));
}

#[test]
fn an_append_is_one_write_and_one_sync() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open_large(&disk, 1).unwrap();
    let before = disk.operations();
    append(&mut log, 0, &[body(1, 5_000), body(2, 0)]).unwrap();
    assert_eq!(disk.operations() - before, 2);
}

#[test]
fn a_prepared_segment_leaves_the_roll_only_its_header_to_write() {
    let disk = FaultyDisk::default();
    let sizes = SegmentSizes { first_bytes: 2 << 20, max_bytes: 4 << 20 };
    let (mut log, _) = Log::open(disk.clone(), options(1, sizes)).unwrap();
    assert!(!log.prepare_step().unwrap(), "nothing to do while the segment is less than half full");
    append(&mut log, 0, &[body(1, 3 << 19)]).unwrap();
    let mut steps = 0;
    while log.prepare_step().unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 5, "one to create it and one for each MiB");
    let before = disk.operations();
    append(&mut log, 0, &[body(1, 3 << 19)]).unwrap();
    assert_eq!(disk.operations() - before, 4 + 2, "header, sync, rename, folder sync; then the frame's two");
}

#[test]
fn time_never_falls_not_even_over_an_open() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for time_ms in [5_000, 4_000, 6_000] {
        append(&mut log, time_ms, &[body(1, 1)]).unwrap();
    }
    let (log, recovery) = open(&disk, 2).unwrap();
    assert_eq!(recovery.last_time_ms, 6_000);
    let times: Vec<_> = log.reader().frames(1).map(|frame| frame.unwrap().time_ms).collect();
    assert_eq!(times, [1_000, 5_000, 5_000, 6_000, 6_000]);
}

#[test]
fn the_largest_frame_is_taken_and_a_larger_one_refused_without_harm() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    let most = FRAME_BYTES_MAX as usize - frame_bytes(1, 0) as usize;
    let over = log.append(0, &[record(1, &vec![1; most + 1])]).unwrap_err();
    assert!(matches!(over, LogError::FrameTooLarge { bytes, max } if bytes == max + 1), "{over}");
    assert!(!over.is_fatal());
    let k = log.append(0, &[record(1, &vec![1; most])]).unwrap();
    assert_eq!(log.reader().read_record(k, 0).unwrap().unwrap().body.len(), most);
    drop(log);
    assert_eq!(open(&disk, 2).unwrap().1.last_k, k);
}

#[test]
fn after_a_failed_write_or_sync_every_call_says_why_and_nothing_is_written() {
    for nth in [1, 2] {
        let disk = FaultyDisk::default();
        let (mut log, _) = open(&disk, 1).unwrap();
        let last = append(&mut log, 0, &[body(1, 10)]).unwrap();
        disk.fail_at(nth, Fault::Error);
        let first = append(&mut log, 0, &[body(2, 10)]).unwrap_err();
        assert!(matches!(first, LogError::Io { .. }) && first.is_fatal(), "{first}");
        let operations = disk.operations();
        let later = [
            append(&mut log, 0, &[]).unwrap_err(),
            log.append_mark(0).unwrap_err(),
            log.trim(1).unwrap_err(),
            log.prepare_step().unwrap_err(),
        ];
        for error in later {
            let LogError::Poisoned { cause } = error else { panic!("{error}") };
            assert_eq!(cause.to_string(), first.to_string());
        }
        assert_eq!(disk.operations(), operations);
        assert_eq!(log.last_k(), last);
        assert!(log.reader().read_frame(last).unwrap().is_some(), "reading goes on");
        assert_eq!(log.reader().read_frame(last + 1).unwrap(), None);
    }
}

#[test]
fn trimming_removes_whole_segments_below_and_never_the_active_one() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for seed in 0..30 {
        append(&mut log, 0, &[body(seed, 1_500)]).unwrap();
    }
    let segments = log.segments();
    log.trim(segments[2].first_k - 1).unwrap();
    assert_eq!(log.segments(), segments[1..]);
    log.trim(segments[2].first_k).unwrap();
    assert_eq!(log.segments(), segments[2..]);
    assert_eq!(log.reader().first_k(), segments[2].first_k);
    assert_eq!(log.reader().read_frame(segments[2].first_k - 1).unwrap(), None);
    assert_eq!(log.reader().frames(1).next().unwrap().unwrap().k, segments[2].first_k);
    log.trim(u64::MAX).unwrap();
    assert_eq!(log.segments(), segments[segments.len() - 1..]);
    drop(log);
    let (log, recovery) = open(&disk, 2).unwrap();
    assert_eq!(recovery.first_k, segments.last().unwrap().first_k);
    assert_eq!(log.last_k(), segments.last().unwrap().last_k + 1);
}
