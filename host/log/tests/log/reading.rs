//! Goal: what is read is what was appended, by frame, by record and by time, also while the writer goes on.
//! Method: property tests against a plain list of what was appended.

use proptest::collection::vec;
use proptest::prelude::*;
use wharf_log::{Frame, FrameKind, LogError, RecordIn};

use crate::setup::{FIRST_SEGMENT, append, body, frames_in, open, open_large};
use wharf_faults::FaultyDisk;

#[derive(Debug, Clone)]
struct Given {
    tenant: u64,
    kind: u16,
    key_id: u32,
    body: Vec<u8>,
}

fn given() -> impl Strategy<Value = Given> {
    let body = prop_oneof![vec(any::<u8>(), 0..40), (0..6_000_usize).prop_map(|bytes| body(bytes as u64, bytes))];
    (any::<u64>(), any::<u16>(), any::<u32>(), body).prop_map(|(tenant, kind, key_id, body)| Given {
        tenant,
        kind,
        key_id,
        body,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_and_records_read_as_they_were_appended(
        batches in vec((vec(given(), 0..5), 0..50_u64, any::<bool>()), 1..25),
    ) {
        let disk = FaultyDisk::default();
        let (mut log, _) = open(&disk, 1).unwrap();
        let mut expected = Vec::new();
        let mut time_ms = 1_000;
        for (nonce, (batch, later_ms, reopen)) in (2..).zip(&batches) {
            if *reopen {
                drop(log);
                log = open(&disk, nonce).unwrap().0;
            }
            time_ms += later_ms;
            let records: Vec<_> = batch
                .iter()
                .map(|given| RecordIn { tenant: given.tenant, kind: given.kind, key_id: given.key_id, body: &given.body })
                .collect();
            expected.push((log.append(time_ms, &records).unwrap(), time_ms, batch));
        }
        let reader = log.reader();
        let frames: Vec<_> = reader.frames(0).records_only().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(frames.len(), expected.len());
        for (frame, (k, time_ms, batch)) in frames.iter().zip(&expected) {
            prop_assert_eq!((frame.k, frame.time_ms, frame.kind), (*k, *time_ms, FrameKind::Records));
            prop_assert_eq!(frame.records.len(), batch.len());
            prop_assert_eq!(&reader.read_frame(*k).unwrap().unwrap(), frame);
            for (index, (record, given)) in (0..).zip(frame.records.iter().zip(*batch)) {
                prop_assert_eq!((record.tenant, record.kind, record.key_id), (given.tenant, given.kind, given.key_id));
                prop_assert_eq!(&record.body[..], &given.body[..]);
                prop_assert_eq!(&reader.read_record(*k, index).unwrap().unwrap(), record);
            }
            prop_assert_eq!(reader.read_record(*k, batch.len() as u32).unwrap(), None);
        }
        prop_assert_eq!(reader.read_frame(0).unwrap(), None);
        prop_assert_eq!(reader.read_frame(log.last_k() + 1).unwrap(), None);
    }

    #[test]
    fn the_first_frame_at_or_after_a_time_is_that_of_a_plain_search(
        steps in vec(0..4_u64, 1..60), asked in vec(900..1_200_u64, 1..10), trim in 0..60_u64,
    ) {
        let disk = FaultyDisk::default();
        let (mut log, _) = open(&disk, 1).unwrap();
        let mut time_ms = 1_000;
        for (seed, step) in (0..).zip(&steps) {
            time_ms += step;
            append(&mut log, time_ms, &[body(seed, 800)]).unwrap();
        }
        log.trim(trim).unwrap();
        let reader = log.reader();
        let times: Vec<_> = reader.frames(0).map(|frame| frame.unwrap()).map(|frame| (frame.k, frame.time_ms)).collect();
        for asked in asked {
            let plain = times.iter().find(|(_, time_ms)| *time_ms >= asked).map_or(log.last_k() + 1, |(k, _)| *k);
            prop_assert_eq!(reader.first_k_at_or_after(asked).unwrap(), plain);
        }
    }
}

#[test]
fn the_last_frames_are_held_in_memory_until_nothing_is_appended_or_they_are_trimmed() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    let reader = log.reader();
    let held = |ks: std::ops::RangeInclusive<u64>| -> Vec<u64> {
        let frames = ks.filter_map(|k| reader.held_frame(k));
        let same = |frame: &Frame| {
            assert_eq!(reader.read_frame(frame.k).unwrap().as_ref(), Some(frame));
            for (index, record) in (0..).zip(&frame.records) {
                assert_eq!(reader.held_record(frame.k, index).as_ref(), Some(record));
            }
            assert_eq!(reader.held_record(frame.k, frame.records.len() as u32), None);
        };
        frames.inspect(same).map(|it| it.k).collect()
    };
    for seed in 0..3 {
        append(&mut log, 0, &[body(seed, 300), body(seed, 5_000)]).unwrap();
    }
    assert_eq!(held(0..=9), [1, 2, 3, 4], "that of the open among them");
    let records = [RecordIn { tenant: 0, kind: 1, key_id: 0, body: b"not durable yet" }];
    let unsynced = log.write(0, &records).unwrap();
    assert!(held(5..=5).is_empty());
    log.finish(unsynced.sync()).unwrap();
    assert_eq!(held(5..=5), [5]);
    log.append_mark(0).unwrap();
    assert!(held(0..=9).is_empty());
    append(&mut log, 0, &[body(7, 300)]).unwrap();
    assert_eq!(held(0..=9), [7]);

    let segments = reader.segments().len();
    while reader.segments().len() < segments + 2 {
        append(&mut log, 0, &[body(8, 20_000)]).unwrap();
    }
    let last_k = log.last_k();
    assert_eq!(held(7..=last_k).len() as u64, last_k - 6, "of whatever segment");
    log.trim(last_k).unwrap();
    assert_eq!(held(0..=last_k), [last_k], "it begins the last segment");
}

#[test]
fn a_record_is_read_though_another_body_of_its_frame_is_damaged() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open_large(&disk, 1).unwrap();
    let k = append(&mut log, 0, &[body(1, 9_000), body(2, 9_000), body(3, 9_000)]).unwrap();
    let (at, _) = frames_in(&disk.bytes(FIRST_SEGMENT))[1];
    disk.change(FIRST_SEGMENT, |bytes| bytes[at + 72 + 3 * 24 + 9_000] ^= 1);
    let reader = log.reader();
    assert_eq!(reader.read_record(k, 0).unwrap().unwrap().body, body(1, 9_000));
    assert!(matches!(reader.read_record(k, 1), Err(LogError::Damaged { .. })));
    assert_eq!(reader.read_record(k, 2).unwrap().unwrap().body, body(3, 9_000));
    assert!(matches!(reader.read_frame(k), Err(LogError::Damaged { .. })));
    assert_eq!(reader.frames(1).filter(Result::is_err).count(), 1, "the iterator ends with the error");
}

#[test]
fn a_directory_longer_than_the_first_read_is_read_on() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    let bodies: Vec<_> = (0..1_000).map(|seed| body(seed, seed as usize % 5)).collect();
    let k = append(&mut log, 0, &bodies).unwrap();
    for index in [0, 1, 499, 999] {
        assert_eq!(log.reader().read_record(k, index).unwrap().unwrap().body, bodies[index as usize]);
    }
}

#[test]
fn readers_on_other_threads_see_whole_durable_frames_while_the_writer_rolls_and_trims() {
    let disk = FaultyDisk::default();
    let (mut log, _) = open(&disk, 1).unwrap();
    let reader = log.reader();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = reader.clone();
            scope.spawn(move || {
                while reader.last_k() < 300 {
                    let last_k = reader.last_k();
                    let frames = reader.frames(last_k.saturating_sub(20)).map(Result::unwrap);
                    let numbers: Vec<_> = frames.map(|frame| frame.k).collect();
                    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
                    let overtaken = reader.first_k() > last_k;
                    assert!(overtaken || numbers.last().is_some_and(|&k| k >= last_k));
                    assert!(reader.first_k_at_or_after(0).is_ok());
                }
            });
        }
        for seed in 0..300 {
            let k = append(&mut log, seed, &[body(seed, 1_000)]).unwrap();
            log.trim(k.saturating_sub(50)).unwrap();
        }
    });
}
