//! The script, broken off at each of its operations.

use wharf_faults::{Fate, Fault, FaultyDisk};

use crate::{
    check::{Before, check, log_alone, used},
    runner::{BrokenOff, Dump, Runner},
    script,
    site::Site,
};

/// How much was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Operations of the script at which it was broken off.
    pub points: u64,
    /// How many of them make something durable.
    pub syncs: u64,
    /// Ways to come back that were tried at all of them together.
    pub cases: u64,
}

/// `count` fates at the `nth` operation: nothing kept, everything kept, then torn, whole and ordered ones in turn, whose coins fall
/// otherwise at each operation.
fn fates(count: u64, nth: u64) -> Vec<Fate> {
    let fate = |n: u64| match (n, n % 3) {
        (0, _) => Fate::LoseAll,
        (1, _) => Fate::KeepAll,
        (_, 2) => Fate::Torn(nth * count + n),
        (_, 0) => Fate::Whole(nth * count + n),
        _ => Fate::InOrder(nth * count + n),
    };
    (0..count).map(fate).collect()
}

/// The script without a fault: its number of operations, and the tables after each request.
struct Reference {
    operations: u64,
    syncs: u64,
    dumps: Vec<Dump>,
}

fn reference(without: Option<Site>) -> Result<Reference, String> {
    let mut run = Runner::new(FaultyDisk::default(), without, 0, true);
    script::run(&mut run).map_err(|error| format!("without any fault: {error}"))?;
    let history = run.disk.history();
    let syncs = history.iter().filter(|operation| operation.is_sync()).count() as u64;
    if run.told.cleaned_below < 3 || run.committer().map_err(|error| error.to_string())?.archive().first_k() < 3 {
        return Err("the script trims nothing".into());
    }
    Ok(Reference { operations: history.len() as u64, syncs, dumps: run.dumps })
}

/// The first operation that may end otherwise where the syncs of a site are left out: before the first of those everything is as it is.
fn first_changed(without: Option<Site>) -> Result<u64, String> {
    if without.is_none() {
        return Ok(1);
    }
    let history = |without| {
        let mut run = Runner::new(FaultyDisk::default(), without, 0, false);
        let ended = script::run(&mut run).map_err(|error| format!("without any fault: {error}"));
        ended.map(|()| run.disk.history())
    };
    let (whole, changed) = (history(None)?, history(without)?);
    let same = whole.iter().zip(&changed).take_while(|(one, other)| format!("{one:?}") == format!("{other:?}"));
    Ok((same.count() as u64).max(1))
}

/// The script up to a fault at its `nth` operation. True when it came to its end all the same.
fn broken_off(nth: u64, fault: Fault, without: Option<Site>) -> (Runner, bool) {
    let mut run = Runner::new(FaultyDisk::default(), without, 0, false);
    run.disk.fail_at(nth, fault);
    let ended = script::run(&mut run).is_ok();
    run.end();
    (run, ended)
}

/// What may be found after `run` was broken off.
fn before(run: &Runner, reference: &Reference) -> Before {
    let may = reference.dumps.iter().skip(run.told.answered).take(2);
    Before { told: run.told.clone(), dumps: may.cloned().collect() }
}

/// The power goes, or the process is killed, at every operation; then each fate; then what came back is used and cut again.
///
/// # Errors
/// The first case in which something does not hold.
pub fn every_crash(count: u64, without: Option<Site>) -> Result<Figures, String> {
    every(Fault::Crash, count, without)
}

/// Every operation fails once; then the process is ended, or the power goes.
///
/// # Errors
/// The first case in which something does not hold.
pub fn every_error(count: u64, without: Option<Site>) -> Result<Figures, String> {
    every(Fault::Error, count, without)
}

fn every(fault: Fault, count: u64, without: Option<Site>) -> Result<Figures, String> {
    let reference = reference(without)?;
    let mut figures = Figures { points: reference.operations, syncs: reference.syncs, cases: 0 };
    for nth in first_changed(without)?..=reference.operations {
        let (run, _) = broken_off(nth, fault, without);
        let before = before(&run, &reference);
        for fate in fates(count, nth) {
            let context =
                |why: String| format!("{fault:?} at operation {nth} ({}), then {fate:?}: {why}", named(&run, nth));
            log_alone(run.disk.after_power_cut(fate), &before, &run, without).map_err(context)?;
            let cut = check(run.disk.after_power_cut(fate), &before, &run, without).map_err(context)?;
            used(cut, Fate::LoseAll, without).map_err(context)?;
            // The process alone ends: what it wrote is there, though not durable. The power goes later.
            let killed = |why: String| format!("{fault:?} at operation {nth}, killed, used, then {fate:?}: {why}");
            let again = check(run.disk.after_kill(), &before, &run, without).map_err(killed)?;
            used(again, fate, without).map_err(killed)?;
            figures.cases += 2;
        }
    }
    Ok(figures)
}

/// The power goes at every `stride`-th operation of the script, and again at every operation of the opening that follows.
///
/// # Errors
/// The first case in which something does not hold.
pub fn every_recovery(stride: u64, count: u64) -> Result<Figures, String> {
    let reference = reference(None)?;
    let mut figures = Figures { points: 0, syncs: reference.syncs, cases: 0 };
    for nth in (1..=reference.operations).step_by(usize::try_from(stride).unwrap_or(1)) {
        let (run, _) = broken_off(nth, Fault::Crash, None);
        let before = before(&run, &reference);
        figures.points += 1;
        for fate in fates(count, nth) {
            for cut in 1.. {
                let disk = run.disk.after_power_cut(fate);
                disk.fail_at(cut, Fault::Crash);
                let opened = opens(&disk, &run);
                let context = |why: String| {
                    format!("crash at operation {nth}, {fate:?}, then at operation {cut} of opening: {why}")
                };
                let after = disk.after_power_cut(Fate::Torn(nth + cut));
                let again = check(after, &before, &run, None).map_err(context)?;
                used(again, Fate::LoseAll, None).map_err(context)?;
                figures.cases += 1;
                if opened.is_ok() {
                    break;
                }
            }
        }
    }
    Ok(figures)
}

fn opens(disk: &FaultyDisk, from: &Runner) -> Result<(), BrokenOff> {
    let mut run = Runner::new(disk.clone(), None, 500, false);
    run.hands.clone_from(&from.hands);
    let opened = run.open();
    run.end();
    opened
}

/// What the operation is that a run was broken off at.
fn named(run: &Runner, nth: u64) -> String {
    let history = run.disk.history();
    let at = usize::try_from(nth).unwrap_or(usize::MAX).saturating_sub(1);
    history.get(at).map_or_else(|| "it".into(), |operation| format!("{:?} {}", operation.kind, operation.name))
}
