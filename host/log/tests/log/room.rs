//! Goal: a full disk is no fault of the log as long as no frame was in what failed; a sync that fails always is.
//! Method: tiny segments on a disk in memory that has so much room and no more.

use wharf_faults::{Fault, FaultyDisk};
use wharf_log::{Log, LogError, SegmentSizes};

use crate::setup::{append, body, options};

/// A first segment of 4 KiB, and all others of 64 KiB.
const SIZES: SegmentSizes = SegmentSizes { first_bytes: 4096, max_bytes: 65_536 };

fn disk_of(bytes: u64) -> FaultyDisk {
    let disk = FaultyDisk::default();
    disk.set_room(Some(bytes));
    disk
}

/// Lets another program use all but `bytes` of the room that is left.
fn leave(disk: &FaultyDisk, bytes: u64) {
    disk.set_room(Some(disk.allocated() + bytes));
}

fn open(disk: &FaultyDisk, nonce: u8) -> Log<FaultyDisk> {
    Log::open(disk.clone(), options(nonce, SIZES)).unwrap().0
}

/// Appends until there is no room, and gives the last frame.
fn fill(log: &mut Log<FaultyDisk>) -> u64 {
    loop {
        match append(log, 0, &[body(1, 600)]) {
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, LogError::NoRoom { .. }) && !error.is_fatal(), "{error:?}");
                return log.last_k();
            }
        }
    }
}

#[test]
fn a_log_without_room_for_the_next_segment_goes_on_when_there_is_room_and_loses_nothing() {
    let disk = disk_of(200_000);
    let mut log = open(&disk, 1);
    append(&mut log, 0, &[body(1, 600)]).unwrap();
    leave(&disk, 0);
    let full = fill(&mut log);
    assert!(!log.prepare_step().unwrap(), "there is no room to prepare anything");
    assert!(matches!(append(&mut log, 0, &[body(1, 4000)]), Err(LogError::NoRoom { .. })), "again and again");
    leave(&disk, 100_000);
    assert_eq!(append(&mut log, 0, &[body(2, 600)]).unwrap(), full + 1);
    drop(log);
    let log = open(&disk, 2);
    assert_eq!(log.last_k(), full + 2, "with the frame of the new epoch");
    let frames: Vec<_> = log.reader().frames(1).map(Result::unwrap).collect();
    assert!(frames.iter().map(|frame| frame.k).eq(1..=full + 2));
}

#[test]
fn where_there_is_room_for_a_shorter_segment_only_that_is_what_is_made() {
    let disk = disk_of(20 << 20);
    let sizes = SegmentSizes { first_bytes: 4096, max_bytes: 8 << 20 };
    let open = |nonce| Log::open(disk.clone(), options(nonce, sizes)).map(|(log, _)| log);
    let mut log = open(1).unwrap();
    // The next segment would have the length of this one, twice, were it not for so large a frame.
    leave(&disk, 3 << 20);
    let made = |log: &Log<FaultyDisk>| log.segments().last().unwrap().bytes;
    assert!(log.make_room(5 << 20).unwrap() > 2 << 20);
    append(&mut log, 0, &[body(1, 2 << 20)]).unwrap();
    assert_eq!((log.segments().len(), made(&log)), (2, 3 << 20));
    leave(&disk, 0);
    let full = fill(&mut log);
    drop(log);
    // The last segment is full, so there is no place for another epoch, and the log says so.
    assert!(matches!(open(2), Err(LogError::NoRoom { .. })));
    leave(&disk, 15 << 20);
    assert_eq!(open(3).unwrap().last_k(), full + 1);
}

#[test]
fn the_room_that_is_said_is_the_room_there_is() {
    for left in (0..40_000).step_by(1_500) {
        let disk = disk_of(500_000);
        let mut log = open(&disk, 1);
        append(&mut log, 0, &[body(1, 600)]).unwrap();
        leave(&disk, left);
        let sure = log.make_room(30_000).unwrap();
        assert!(sure < 30_000 || left >= 30_000, "{sure} of {left}");
        // The frame's own head takes some of it.
        let fits = usize::try_from(sure).unwrap().saturating_sub(300);
        append(&mut log, 0, &[body(2, fits)]).unwrap();
    }
}

#[test]
fn a_sync_that_fails_ends_the_log_even_when_it_says_that_the_disk_is_full() {
    for fault in [Fault::Full, Fault::Error] {
        let disk = disk_of(200_000);
        let mut log = open(&disk, 1);
        (0..3).for_each(|_| _ = append(&mut log, 0, &[body(1, 600)]).unwrap());
        disk.watch(move |operation| operation.is_sync().then_some(fault));
        let failed = append(&mut log, 0, &[body(1, 600)]).unwrap_err();
        assert!(failed.is_fatal(), "{failed:?}");
        disk.watch(|_| None);
        assert!(matches!(append(&mut log, 0, &[]), Err(LogError::Poisoned { .. })));
    }
}
