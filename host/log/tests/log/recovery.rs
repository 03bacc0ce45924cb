//! Goal: opening cuts what was torn, refuses what was damaged and says where, and never takes foreign bytes for frames.
//! Method: bytes are changed behind the log's back, one case a test; the crash tests do the rest.

use wharf_log::{Log, LogError, Recovery};

use crate::setup::{FIRST_SEGMENT, PARTITION, SMALL, append, body, frames_in, open, open_large, options};
use wharf_faults::{Fate, Fault, FaultyDisk};

/// A log in one segment: an epoch frame and three frames of records.
fn four_frames() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let (mut log, _) = open_large(&disk, 1).unwrap();
    for seed in 0..3 {
        append(&mut log, 0, &[body(seed, 40), body(seed, 900)]).unwrap();
    }
    disk
}

fn damage(error: &LogError) -> Option<(&str, u64, u64)> {
    match error {
        LogError::Damaged { segment, offset, k } => Some((segment, *offset, *k)),
        _ => None,
    }
}

#[test]
fn every_flipped_bit_of_an_earlier_frame_is_found_by_reading_and_refused_by_opening() {
    let disk = four_frames();
    let (at, bytes) = frames_in(&disk.bytes(FIRST_SEGMENT))[2];
    for offset in at..at + bytes {
        let (log, _) = open_large(&disk.after_kill(), 2).unwrap();
        let bit = 1 << (offset % 8);
        let broken = disk.after_kill();
        broken.change(FIRST_SEGMENT, |bytes| bytes[offset] ^= bit);
        let error = open_large(&broken, 3).err().unwrap();
        assert_eq!(damage(&error), Some((FIRST_SEGMENT, at as u64, 3)), "byte {offset}: {error}");
        drop(log);
        let live = disk.after_kill();
        let (log, _) = open_large(&live, 4).unwrap();
        live.change(FIRST_SEGMENT, |bytes| bytes[offset] ^= bit);
        let error = log.reader().read_frame(3).unwrap_err();
        assert_eq!(damage(&error), Some((FIRST_SEGMENT, at as u64, 3)), "byte {offset}: {error}");
    }
}

#[test]
fn a_bad_last_frame_is_cut_and_its_place_is_zero_before_it_is_used_again() {
    let disk = four_frames();
    let (at, bytes) = frames_in(&disk.bytes(FIRST_SEGMENT))[3];
    for offset in at..at + bytes {
        let torn = disk.after_kill();
        torn.change(FIRST_SEGMENT, |bytes| bytes[offset] ^= 0x10);
        let (log, recovery) = open_large(&torn, 2).unwrap();
        let expected = Recovery { first_k: 1, last_k: 3, last_time_ms: 1_000, epoch: 2, torn_bytes_cut: 1_536 };
        assert_eq!(recovery, expected);
        assert_eq!(log.last_k(), 4);
        assert_eq!(log.reader().read_frame(4).unwrap().unwrap().epoch, 2);
        let after = torn.bytes(FIRST_SEGMENT);
        assert!(after[at + 512..].iter().all(|&byte| byte == 0), "byte {offset}: stale bytes behind the epoch frame");
    }
}

#[test]
fn a_whole_lost_frame_is_damage_if_a_later_one_is_there() {
    let disk = four_frames();
    let frames = frames_in(&disk.bytes(FIRST_SEGMENT));
    for lost in 0..3 {
        let broken = disk.after_kill();
        broken.change(FIRST_SEGMENT, |bytes| bytes[frames[lost].0..frames[lost + 1].0].fill(0));
        let error = open_large(&broken, 2).err().unwrap();
        assert_eq!(damage(&error), Some((FIRST_SEGMENT, frames[lost].0 as u64, lost as u64 + 1)), "{error}");
    }
}

#[test]
fn a_bad_epoch_frame_is_damage_though_the_nonce_behind_it_is_not_known() {
    let disk = four_frames();
    let (mut log, _) = open_large(&disk, 2).unwrap();
    append(&mut log, 0, &[body(1, 10)]).unwrap();
    let (at, _) = frames_in(&disk.bytes(FIRST_SEGMENT))[4];
    disk.change(FIRST_SEGMENT, |bytes| bytes[at..at + 512].fill(0));
    let error = open_large(&disk, 3).err().unwrap();
    assert_eq!(damage(&error), Some((FIRST_SEGMENT, at as u64, 5)), "{error}");
}

#[test]
fn a_mark_tells_a_fault_in_the_last_frame_of_records_from_a_torn_write() {
    let disk = four_frames();
    let (mut log, _) = open_large(&disk, 2).unwrap();
    append(&mut log, 0, &[body(1, 10)]).unwrap();
    log.append_mark(0).unwrap();
    let (at, _) = frames_in(&disk.bytes(FIRST_SEGMENT))[5];
    disk.change(FIRST_SEGMENT, |bytes| bytes[at + 100] ^= 1);
    assert_eq!(damage(&open_large(&disk, 3).err().unwrap()), Some((FIRST_SEGMENT, at as u64, 6)));
}

#[test]
fn the_last_frame_of_a_sealed_segment_is_never_a_torn_tail() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for seed in 0..6 {
        append(&mut log, 0, &[body(seed, 1_500)]).unwrap();
    }
    assert!(log.segments().len() > 1);
    let &(at, _) = frames_in(&disk.bytes(FIRST_SEGMENT)).last().unwrap();
    let k = log.segments()[0].last_k;
    disk.change(FIRST_SEGMENT, |bytes| bytes[at + 80] ^= 1);
    assert_eq!(damage(&open(&disk, 2).err().unwrap()), Some((FIRST_SEGMENT, at as u64, k)));
}

#[test]
fn frames_inside_a_torn_payload_do_not_pass_for_later_frames() {
    // A tenant sends, as a payload, sector-aligned frames of another log of the same partition, with the same nonce even,
    // and with higher numbers. Then the frame that carries them is torn.
    let other = FaultyDisk::default();
    let (mut foreign, _) = open(&other, 6).unwrap();
    for seed in 0..20 {
        append(&mut foreign, 0, &[body(seed, 500)]).unwrap();
    }
    let name = format!("{:020}.seg", foreign.segments().last().unwrap().first_k);
    let mut payload = vec![0; 512 - 96];
    payload.extend(other.bytes(&name));
    let disk = four_frames();
    let (mut log, _) = open_large(&disk, 6).unwrap();
    append(&mut log, 0, &[payload]).unwrap();
    let (at, _) = frames_in(&disk.bytes(FIRST_SEGMENT))[5];
    disk.change(FIRST_SEGMENT, |bytes| bytes[at..at + 512].fill(0));
    assert!(disk.bytes(FIRST_SEGMENT)[at..].chunks(512).any(|sector| sector.starts_with(b"WHARFFRM")));
    assert_eq!(open_large(&disk, 7).unwrap().1.last_k, 5);
}

#[test]
fn a_frame_whose_sync_failed_is_durable_once_a_later_open_counts_it() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    append(&mut log, 0, &[body(1, 10)]).unwrap();
    disk.fail_at(2, Fault::Error);
    append(&mut log, 0, &[body(2, 700)]).unwrap_err();
    let restarted = disk.after_kill();
    assert_eq!(open(&restarted, 2).unwrap().1.last_k, 3, "the page cache still has it");
    let (log, recovery) = open(&restarted.after_power_cut(Fate::LoseAll), 3).unwrap();
    assert_eq!(recovery.last_k, 4);
    assert_eq!(log.reader().read_record(3, 0).unwrap().unwrap().body, body(2, 700));
}

#[test]
fn a_frame_whose_sync_failed_at_the_end_of_a_full_segment_is_durable_before_the_next_one_is_used() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    disk.fail_at(2, Fault::Error);
    let rest = 4_096 - 512 - 512 - 96;
    append(&mut log, 0, &[body(2, rest)]).unwrap_err();
    let restarted = disk.after_kill();
    let (log, _) = open(&restarted, 2).unwrap();
    assert_eq!(log.segments().iter().map(|segment| segment.first_k).collect::<Vec<_>>(), [1, 3]);
    let (log, _) = open(&restarted.after_power_cut(Fate::LoseAll), 3).unwrap();
    assert_eq!(log.reader().read_record(2, 0).unwrap().unwrap().body, body(2, rest));
}

#[test]
fn frames_that_changed_places_are_damage() {
    let disk = four_frames();
    let frames = frames_in(&disk.bytes(FIRST_SEGMENT));
    assert_eq!(frames[1].1, frames[2].1);
    let (first, second) = (frames[1].0, frames[2].0);
    disk.change(FIRST_SEGMENT, |bytes| {
        let (before, after) = bytes.split_at_mut(second);
        before[first..].swap_with_slice(&mut after[..second - first]);
    });
    assert_eq!(damage(&open_large(&disk, 2).err().unwrap()), Some((FIRST_SEGMENT, first as u64, 2)));
}

#[test]
fn a_frame_of_an_owner_whose_epoch_frame_was_overwritten_by_another_owner_is_damage_and_not_cut() {
    let disk = four_frames();
    let (mut replaced, _) = open_large(&disk, 2).unwrap();
    let (mut owner, recovery) = open_large(&disk, 3).unwrap();
    append(&mut owner, 0, &[body(1, 10)]).unwrap();
    // The lock on the folder was broken: the replaced owner writes where the new epoch frame is.
    append(&mut replaced, 0, &[body(2, 10)]).unwrap();
    let (at, _) = frames_in(&disk.bytes(FIRST_SEGMENT))[6];
    let before = disk.bytes(FIRST_SEGMENT);
    let error = open_large(&disk, 4).err().unwrap();
    assert_eq!(damage(&error), Some((FIRST_SEGMENT, at as u64, recovery.last_k + 2)), "{error}");
    assert_eq!(disk.bytes(FIRST_SEGMENT), before);
}

#[test]
fn a_segment_that_does_not_follow_the_owner_of_the_one_before_is_damage() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    while log.segments().len() < 2 {
        append(&mut log, 0, &[body(1, 1_500)]).unwrap();
    }
    let first_k = log.segments()[1].first_k;
    let name = format!("{first_k:020}.seg");
    // As if it had been made by someone else and not been written to yet.
    disk.change(&name, |bytes| {
        bytes[512..].fill(0);
        bytes[30] ^= 1;
        let crc = crc32c::crc32c(&bytes[..56]);
        bytes[56..60].copy_from_slice(&crc.to_le_bytes());
    });
    assert_eq!(damage(&open(&disk, 2).err().unwrap()), Some((name.as_str(), 0, first_k)));
}

#[test]
fn nothing_at_or_below_the_checkpoint_is_cut() {
    let disk = four_frames();
    let (at, _) = frames_in(&disk.bytes(FIRST_SEGMENT))[3];
    disk.change(FIRST_SEGMENT, |bytes| bytes[at + 700] ^= 1);
    let before = disk.bytes(FIRST_SEGMENT);
    let with = |checkpoint_k| Log::open(disk.clone(), wharf_log::LogOptions { checkpoint_k, ..options(2, SMALL) });
    let error = with(4).err().unwrap();
    assert!(matches!(error, LogError::BelowCheckpoint { last_k: 3, checkpoint_k: 4 }), "{error}");
    assert_eq!(disk.bytes(FIRST_SEGMENT), before);
    assert_eq!(with(3).unwrap().1.last_k, 3);
    let empty = Log::open(FaultyDisk::default(), wharf_log::LogOptions { checkpoint_k: 1, ..options(2, SMALL) });
    assert!(matches!(empty.err().unwrap(), LogError::BelowCheckpoint { last_k: 0, checkpoint_k: 1 }));
}

#[test]
fn segments_below_the_checkpoint_are_read_no_further_than_their_header() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for seed in 0..30 {
        append(&mut log, 0, &[body(seed, 1_500)]).unwrap();
    }
    let segments = log.segments();
    drop(log);
    let disk = disk.after_kill();
    let checkpoint_k = segments[2].first_k;
    let (log, _) = Log::open(disk.clone(), wharf_log::LogOptions { checkpoint_k, ..options(2, SMALL) }).unwrap();
    for (at, segment) in segments.iter().enumerate() {
        let read = disk.bytes_read(&format!("{:020}.seg", segment.first_k));
        assert_eq!(read == 512, at < 2, "segment {at}: {read} bytes");
    }
    assert_eq!(log.reader().frames(1).filter(Result::is_ok).count() as u64, log.last_k(), "and are still readable");
}

#[test]
fn a_missing_segment_is_damage() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    for seed in 0..30 {
        append(&mut log, 0, &[body(seed, 1_500)]).unwrap();
    }
    let middle = log.segments()[1];
    wharf_log::Disk::remove(&disk, &format!("{:020}.seg", middle.first_k)).unwrap();
    let error = open(&disk, 2).err().unwrap();
    assert_eq!(damage(&error).map(|(_, _, k)| k), Some(middle.first_k), "{error}");
}

#[test]
fn a_segment_header_that_is_not_ours_is_refused_by_its_name() {
    let disk = four_frames();
    for offset in 0..60 {
        let broken = disk.after_kill();
        broken.change(FIRST_SEGMENT, |bytes| bytes[offset] ^= 4);
        assert_eq!(damage(&open_large(&broken, 2).err().unwrap()), Some((FIRST_SEGMENT, 0, 1)), "byte {offset}");
    }
    let mut other = options(2, SMALL);
    other.partition = PARTITION + 1;
    let error = Log::open(disk.clone(), other).err().unwrap();
    assert!(matches!(error, LogError::Partition { found: PARTITION, .. }), "{error}");
    let newer = disk.after_kill();
    newer.change(FIRST_SEGMENT, |bytes| {
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..56]);
        bytes[56..60].copy_from_slice(&crc.to_le_bytes());
    });
    let error = open_large(&newer, 2).err().unwrap();
    assert!(matches!(error, LogError::Version { found: 2, supported: 1, .. }), "{error}");
    disk.change(FIRST_SEGMENT, |bytes| bytes.truncate(9_000));
    assert_eq!(damage(&open_large(&disk, 2).err().unwrap()), Some((FIRST_SEGMENT, 9_000, 1)));
}
