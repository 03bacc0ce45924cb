//! Goal: after a crash at any operation, with any fate of what was not synced, the log opens and holds
//! 1. every frame that `append` returned, with the same bytes, unless it was trimmed;
//! 2. at most one frame more, the one in flight, whole;
//! 3. frames without a gap, and an epoch above every one that was returned.
//!
//! Method: one script that opens, appends, rolls, marks, prepares, trims and opens again is cut at each of its operations;
//! then opening is cut at each of *its* operations.

use wharf_log::{FrameKind, LogError};

use crate::setup::{append, body, open};
use wharf_faults::{Fate, Fault, FaultyDisk};

const FATES: [Fate; 10] = [
    Fate::LoseAll,
    Fate::KeepAll,
    Fate::Torn(1),
    Fate::Torn(2),
    Fate::Torn(3),
    Fate::Torn(4),
    Fate::Whole(5),
    Fate::Whole(6),
    Fate::InOrder(7),
    Fate::InOrder(8),
];

/// What the script was told by the log, and what it asked for last.
#[derive(Default, Debug)]
struct Told {
    frames: Vec<(u64, Vec<Vec<u8>>)>,
    last_k: u64,
    epoch: u64,
    asked: Vec<Vec<u8>>,
    trimmed_below: u64,
}

fn script(disk: &FaultyDisk, told: &mut Told) -> Result<(), LogError> {
    for nonce in [1, 2] {
        let (mut log, recovery) = open(disk, nonce)?;
        told.epoch = recovery.epoch;
        told.last_k = log.last_k();
        for (seed, sizes) in [vec![10, 0], vec![700], vec![], vec![3_000], vec![9_000, 20], vec![440], vec![1; 30]]
            .into_iter()
            .enumerate()
        {
            told.asked = sizes.into_iter().map(|bytes| body(seed as u64 + u64::from(nonce) * 10, bytes)).collect();
            let k = append(&mut log, 2_000, &told.asked)?;
            told.frames.push((k, told.asked.clone()));
            told.last_k = k;
            while log.prepare_step()? {}
        }
        told.last_k = log.append_mark(3_000)?;
        told.trimmed_below = told.last_k - 4;
        log.trim(told.trimmed_below)?;
    }
    Ok(())
}

/// Opens, checks the three lines above (`more` frames may be there that were not returned), appends one frame, and returns
/// what is told by then.
fn check(disk: &FaultyDisk, told: &Told, more: u64, context: &str) -> Told {
    let (mut log, recovery) = open(disk, 9).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!((told.last_k..=told.last_k + more).contains(&recovery.last_k), "{context}: {recovery:?} {told:?}");
    assert!(recovery.epoch > told.epoch, "{context}");
    assert!(recovery.first_k <= told.trimmed_below.max(1), "{context}: trimmed too much");
    let frames = log.reader().frames(0).collect::<Result<Vec<_>, _>>();
    let frames = frames.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(frames.iter().map(|frame| frame.k).eq(recovery.first_k..=log.last_k()), "{context}");
    let asked = (told.last_k + 1, told.asked.clone());
    let in_flight = frames.iter().any(|frame| frame.k == asked.0 && frame.kind == FrameKind::Records);
    for (k, bodies) in told.frames.iter().chain(in_flight.then_some(&asked)).filter(|(k, _)| *k >= recovery.first_k) {
        let frame = &frames[(k - recovery.first_k) as usize];
        assert!(frame.records.iter().map(|record| &record.body[..]).eq(bodies), "{context}: frame {k}");
    }
    let appended = vec![body(77, 600)];
    let last_k = append(&mut log, 5_000, &appended).unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut frames = told.frames.clone();
    frames.push((last_k, appended));
    Told { frames, last_k, epoch: recovery.epoch, asked: Vec::new(), trimmed_below: told.trimmed_below }
}

/// Runs the script until `fault` at its `nth` operation.
fn broken_off(nth: u64, fault: Fault) -> (FaultyDisk, Told) {
    let disk = FaultyDisk::default();
    disk.fail_at(nth, fault);
    let mut told = Told::default();
    script(&disk, &mut told).unwrap_err();
    (disk, told)
}

fn operations_of_the_script() -> u64 {
    let disk = FaultyDisk::default();
    script(&disk, &mut Told::default()).unwrap();
    disk.operations()
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_returned() {
    let operations = operations_of_the_script();
    assert!(operations > 70, "the script reaches rolls, marks and trims: {operations}");
    for nth in 1..=operations {
        let (disk, told) = broken_off(nth, Fault::Crash);
        for fate in FATES {
            let after = disk.after_power_cut(fate);
            let told = check(&after, &told, 1, &format!("operation {nth}, {fate:?}"));
            check(&after.after_power_cut(Fate::LoseAll), &told, 0, &format!("operation {nth}, {fate:?}, again"));
        }
    }
}

#[test]
fn a_power_cut_while_opening_after_a_power_cut_loses_nothing_either() {
    for nth in 1..=operations_of_the_script() {
        let (disk, told) = broken_off(nth, Fault::Crash);
        for (first, second) in
            [(Fate::Torn(5), Fate::Torn(6)), (Fate::KeepAll, Fate::Torn(7)), (Fate::Torn(8), Fate::LoseAll)]
        {
            for cut in 1.. {
                let after = disk.after_power_cut(first);
                after.fail_at(cut, Fault::Crash);
                if open(&after, 4).is_ok() {
                    break;
                }
                // The frame in flight may be followed by the epoch frame of the open that was cut.
                check(&after.after_power_cut(second), &told, 2, &format!("operation {nth}, then {cut}"));
            }
        }
    }
}

#[test]
fn an_io_error_at_any_operation_loses_nothing_whatever_happens_then() {
    for nth in 1..=operations_of_the_script() {
        let (disk, told) = broken_off(nth, Fault::Error);
        for fate in FATES {
            check(&disk.after_power_cut(fate), &told, 1, &format!("operation {nth} fails, then {fate:?}"));
            // Or the process ends and another one starts on the same page cache; only then the power goes.
            let restarted = disk.after_kill();
            let told = check(&restarted, &told, 1, &format!("operation {nth} fails"));
            check(&restarted.after_power_cut(fate), &told, 0, &format!("operation {nth} fails, restart, {fate:?}"));
        }
    }
}
