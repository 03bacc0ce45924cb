//! What must hold when a partition was opened again (the list at the head of this crate).

use std::collections::BTreeSet;

use wharf_delivery::{Answer, DeadLetterRow, DeliveryRow, Table, keys};
use wharf_dispatch::Archive;
use wharf_faults::{FaultyDisk, STATE_FILE};

use crate::{
    runner::{BrokenOff, Dump, Runner, Told, received},
    script::{self, accept},
    site::Site,
};

/// What is known of a partition before it is opened again.
#[derive(Clone)]
pub struct Before {
    /// What clients were told.
    pub told: Told,
    /// The tables that it may have: after the last answered request, and after the one in flight.
    pub dumps: Vec<Dump>,
}

/// Opens what is on `disk` and holds it against what is known. The run goes on from there.
pub fn check(disk: FaultyDisk, before: &Before, from: &Runner, without: Option<Site>) -> Result<Runner, String> {
    let mut run = Runner::new(disk, without, 1_000, false);
    run.hands.clone_from(&from.hands);
    run.open().map_err(|error| format!("it does not open: {error}"))?;
    let dump = run.dump().unwrap_or_default();
    if !before.dumps.contains(&dump) {
        return Err(format!("the tables are as after no request: {}", difference(&before.dumps, &dump)));
    }
    run.told = before.told.clone();
    let archive = run.committer().map_err(text)?.archive();
    archived(&archive, &mut run.told)?;
    owed(&archive, &dump)?;
    remembered(&mut run, archive.first_k())?;
    Ok(run)
}

/// Uses a partition that was opened again, cuts the power, and checks that what it acknowledged is there.
pub fn used(mut run: Runner, fate: wharf_faults::Fate, without: Option<Site>) -> Result<(), String> {
    let given: BTreeSet<_> = run.told.events.iter().map(|(position, _)| *position).collect();
    let known = run.told.events.len();
    script::tail(&mut run, 1).map_err(|error| format!("it cannot be used: {error}"))?;
    if let Some((twice, _)) = run.told.events.iter().skip(known).find(|(position, _)| given.contains(position)) {
        return Err(format!("position {twice} was given twice"));
    }
    let before = Before { told: run.told.clone(), dumps: vec![run.dump().unwrap_or_default()] };
    run.end();
    check(run.disk.after_power_cut(fate), &before, &run, without)
        .map(drop)
        .map_err(|why| format!("used and cut: {why}"))
}

/// The log that is on `disk` gives the tables alone, without the state file.
pub fn log_alone(disk: FaultyDisk, before: &Before, from: &Runner, without: Option<Site>) -> Result<(), String> {
    disk.lose(STATE_FILE);
    let mut alone = Runner::new(disk, without, 2_000, false);
    alone.hands.clone_from(&from.hands);
    alone.open().map_err(|error| format!("without its state file it does not open: {error}"))?;
    let dump = alone.dump().unwrap_or_default();
    if before.dumps.contains(&dump) {
        return Ok(());
    }
    Err(format!("the log alone gives the tables of no request: {}", difference(&before.dumps, &dump)))
}

/// Frames are without a gap, and the received events are those that were sent. One in flight that is there counts from now on.
fn archived(archive: &Archive, told: &mut Told) -> Result<(), String> {
    let (first_k, last_k) = (archive.first_k(), archive.last_k());
    if first_k > told.cleaned_below.max(1) {
        return Err(format!("the log begins at frame {first_k}, which nobody said may be"));
    }
    let mut found = Vec::new();
    for k in first_k..=last_k {
        let items = archive.frame(k).map_err(|error| format!("frame {k} cannot be read: {error}"))?;
        found.extend(items.iter().filter_map(|item| Some((item.position, received(&item.record)?.clone()))));
    }
    for (position, event) in told.events.iter().filter(|(position, _)| position.k >= first_k) {
        match found.iter().find(|(at, _)| at == position) {
            Some((_, there)) if there == event => {}
            Some(_) => return Err(format!("the event at {position} is not the one that was sent")),
            None => return Err(format!("event {} at {position} was acknowledged and is not there", event.id())),
        }
    }
    for (position, event) in found {
        if told.events.iter().any(|(at, _)| *at == position) {
            continue;
        }
        let Some(at) = told.in_flight.iter().position(|sent| *sent == event) else {
            return Err(format!("event {} at {position} was not sent now", event.id()));
        };
        told.in_flight.remove(at);
        told.events.push((position, event));
    }
    told.in_flight.clear();
    Ok(())
}

/// Everyone who is owed an event, or gave it up, can read it.
fn owed(archive: &Archive, dump: &Dump) -> Result<(), String> {
    for ((table, key), row) in dump {
        let row = match table {
            Table::Deliveries => DeliveryRow::from_bytes(row).map_err(text)?,
            Table::DeadLetters => DeadLetterRow::from_bytes(row).map_err(text)?.delivery,
            _ => continue,
        };
        let id = keys::delivery_of(key).ok_or("a delivery's key has no id")?;
        let event = archive.event(row.event_at(id));
        event.map_err(|error| format!("delivery {id} cannot read its event: {error}"))?;
    }
    Ok(())
}

/// What was acknowledged and is retained is a duplicate, at its first position.
fn remembered(run: &mut Runner, first_k: u64) -> Result<(), String> {
    let told = run.told.events.clone();
    let again = told.into_iter().filter(|(position, _)| position.k >= first_k);
    let (positions, events): (Vec<_>, Vec<_>) = again.unzip();
    let last_k = run.committer().map_err(text)?.archive().last_k();
    let request = accept(run.rules_version, events.iter().map(|event| (event.clone(), 1)).collect());
    let committed = run.committer().and_then(|committer| Ok(committer.commit(request, || None)?));
    let committed = committed.map_err(|error: BrokenOff| format!("duplicates cannot be asked about: {error}"))?;
    let answers = match committed.answers.into_iter().next() {
        Some(Ok(Answer::Accepted(answers))) => answers,
        // Before the first rule set was durable there is no event either.
        Some(Err(_)) if events.is_empty() => return Ok(()),
        other => return Err(format!("duplicates are answered with {other:?}")),
    };
    for ((answer, position), event) in answers.iter().zip(positions).zip(events) {
        match answer {
            Ok(one) if one.duplicate && one.position == position => {}
            other => return Err(format!("event {} at {position} was forgotten: {other:?}", event.id())),
        }
    }
    if run.committer().map_err(text)?.archive().last_k() != last_k {
        return Err("a duplicate made a frame".into());
    }
    Ok(())
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}

/// The rows that differ from what may be there, for people.
fn difference(may: &[Dump], is: &Dump) -> String {
    let Some(last) = may.first() else { return "nothing is known".into() };
    let missing =
        last.iter().filter(|(key, row)| is.get(*key) != Some(*row)).map(|((table, key), _)| ("expected", table, key));
    let more =
        is.iter().filter(|(key, row)| last.get(*key) != Some(*row)).map(|((table, key), _)| ("found", table, key));
    let rows = missing.chain(more).take(6);
    rows.map(|(what, table, key)| format!("{what} {} {}", table.name(), key.escape_ascii()))
        .collect::<Vec<_>>()
        .join("; ")
}
