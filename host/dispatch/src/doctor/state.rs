//! The state's part of an examination: the file by its own checksums, then row by row against one that is made anew from the
//! log.
//!
//! Invariant: both are compared at the end of the log, the examined one after the frames behind its checkpoint were applied to
//! it: as the next start would see it. Where records are lost the state may hold what the log does not, so nothing is
//! compared then, and setting the file aside is not offered.

use std::{fs::File, io, ops::Bound};

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions};
use serde::Serialize;
use wharf_delivery::{DeadLetterRow, DeliveryRow, Document, History, RulesRow, Table, TableError, Tables, apply, keys};
use wharf_log::FolderDisk;
use wharf_state::{State, StateError};

use super::{
    comparing::{Compared, Side, compare},
    components::InUse,
    examine::DoctorError,
    finding::{Finding, Part, Repair, Severity},
    log::{LogExamined, Read},
    unchecked::compare_unchecked,
};
use crate::{
    limits::ROWS_PAGE,
    machine::{LOG_FOLDER, STATE_FILE},
    partition::chain,
    recover::Replay,
};

/// What a state file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StateReport {
    /// Its length, in bytes.
    pub bytes: u64,
    /// The last frame whose changes are in the file.
    pub checkpoint_k: u64,
    /// Rows that were compared with those that the log gives; absent where they could not be.
    pub rows: Option<u64>,
}

/// The state that is examined, beside the one that is made anew.
pub(super) struct StateExamined {
    /// The one in the file, unless it cannot be opened.
    found: Option<State>,
    report: Option<StateReport>,
    /// The file, where its own checksums do not hold.
    damaged: Option<File>,
    /// It holds rows and no frame.
    is_unfinished: bool,
    /// Why a record could not be applied to it; from there on none is.
    found_failed: Option<TableError>,
    anew: State,
    /// The same for the one that is made anew.
    anew_failed: Option<TableError>,
    /// How far the one that is made anew has come; absent before the first record.
    replay: Option<Replay>,
    last_k: u64,
    findings: Vec<Finding>,
}

const REBUILT: &str = "`--repair` sets it aside; the next start rebuilds it from the log";
const LOG_FIRST: &str =
    "it is not set aside as long as records are lost from the log: it may hold what the log does not";

impl StateExamined {
    /// Opens the state file of `folder` if it is there.
    pub(super) fn open(folder: &Dir, progress: &mut dyn FnMut(&str, u64)) -> Result<Self, DoctorError> {
        let (anew, _) = State::open(Box::new(scratch(folder)?)).map_err(rebuild)?;
        let mut examined = Self {
            found: None,
            report: None,
            damaged: None,
            is_unfinished: false,
            found_failed: None,
            anew,
            anew_failed: None,
            replay: None,
            last_k: 0,
            findings: Vec::new(),
        };
        let file = match folder.open(STATE_FILE) {
            Ok(file) => file.into_std(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let problem = "there is no state file".to_owned();
                examined.findings.push(
                    Finding::of_file(Severity::Harmless, Part::State, "file", STATE_FILE.to_owned(), problem)
                        .helped("the next start makes it from the log", None),
                );
                return Ok(examined);
            }
            Err(error) => return Err(error.into()),
        };
        let bytes = file.metadata()?.len();
        progress(STATE_FILE, bytes);
        match State::inspect(Box::new(file.try_clone()?)) {
            Ok((state, checkpointed)) => {
                examined.report = Some(StateReport { bytes, checkpoint_k: checkpointed.k, rows: None });
                examined.is_unfinished = checkpointed.unfinished;
                examined.found = Some(state);
            }
            Err(error) => {
                examined.damaged = matches!(error, StateError::Redb(_)).then_some(file);
                examined.unopened(&error);
            }
        }
        Ok(examined)
    }

    fn unopened(&mut self, error: &StateError) {
        let of = |severity| Finding::of_file(severity, Part::State, "file", STATE_FILE.to_owned(), chain(error));
        self.findings.push(match error {
            StateError::Format { .. } if error.is_to_be_rebuilt() => {
                of(Severity::Harmless).helped("the next start sets it aside and rebuilds it from the log", None)
            }
            StateError::Format { .. } => {
                of(Severity::Damage).helped("use the program that wrote it; or `--repair` sets it aside and the next start rebuilds it from the log", Some(Repair::Rebuild))
            }
            StateError::Redb(_) => of(Severity::Damage).helped(REBUILT, Some(Repair::Rebuild)),
        });
    }

    /// Applies a record of the log to both.
    pub(super) fn apply(&mut self, read: &Read<'_>) -> Result<(), DoctorError> {
        let Read { record, position, time_ms, log_first_k } = *read;
        if self.last_k != position.k {
            // Between two frames: what has gathered may go to disk.
            if self.anew.is_checkpoint_due()
                && let Some(checkpoint) = self.anew.freeze(self.last_k)
            {
                drop(self.anew.thaw(checkpoint.write().map_err(rebuild)?));
            }
            self.last_k = position.k;
        }
        let replay = self.replay.get_or_insert_with(|| Replay::new(0, log_first_k));
        if self.anew_failed.is_none() {
            self.anew_failed = apply(record, position, time_ms, replay.history, &mut self.anew).err();
            replay.applied(record);
        }
        let checkpoint_k = self.report.map_or(0, |report| report.checkpoint_k);
        if let Some(found) = self.found.as_mut().filter(|_| position.k > checkpoint_k)
            && self.found_failed.is_none()
        {
            self.found_failed = apply(record, position, time_ms, History::Whole, found).err();
        }
        Ok(())
    }

    fn broken(&mut self, error: &TableError) {
        let (TableError::Storage { table, .. } | TableError::Row { table, .. }) = error;
        let finding = Finding::of_file(Severity::Damage, Part::State, table, STATE_FILE.to_owned(), chain(error));
        self.findings.push(finding.helped(REBUILT, Some(Repair::Rebuild)));
    }

    /// Compares the two, and gives what the state is and which components are in use. What is found is added to the log's
    /// findings, where what is lost may be named by rows.
    pub(super) fn compare(
        mut self,
        log: &mut LogExamined,
        disk: &FolderDisk,
    ) -> Result<(Option<StateReport>, InUse), DoctorError> {
        if let Some(report) = &self.report {
            log.bring_to(report.checkpoint_k);
        }
        let is_lossy = log.findings.iter().any(|finding| finding.severity == Severity::Loss);
        let is_whole = self.replay.as_ref().is_none_or(|replay| replay.history == History::Whole);
        if let Some(found) = self.found.take() {
            if is_lossy {
                // A row that cannot be read names nothing; that the state is damaged is not to be known then.
                let _ = name_by_rows(&found, log);
            } else if !is_whole {
                self.incomplete(log.first_k);
            } else if !self.is_passed_over(log.first_k) {
                self.judge(&found)?;
            }
            self.found = Some(found);
        } else if let Some(file) = self.damaged.take().filter(|_| !is_lossy && is_whole && self.anew_failed.is_none())
            && let Some(compared) = compare_unchecked(file, disk, &self.anew, log.verified.last_k)
        {
            self.differing(compared);
        }
        if is_lossy || !is_whole {
            for finding in &mut self.findings {
                finding.repair = None;
                finding.help = Some(LOG_FIRST.to_owned());
            }
        }
        let rules = self.found.as_ref().filter(|_| is_lossy || !is_whole).unwrap_or(&self.anew);
        let in_use = in_use(rules).unwrap_or_default();
        log.findings.append(&mut self.findings);
        Ok((self.report, in_use))
    }

    /// The log alone no longer gives the state.
    fn incomplete(&mut self, first_k: u64) {
        let problem = format!("the log begins at frame {first_k} and does not give the state of what came before");
        self.findings.push(Finding::of_file(Severity::Damage, Part::Log, "cleaning", LOG_FOLDER.to_owned(), problem));
    }

    /// Whether the next start makes the state anew whatever is in the file.
    fn is_passed_over(&mut self, first_k: u64) -> bool {
        let Some(report) = self.report else { return false };
        let checkpoint_k = report.checkpoint_k;
        let problem = if self.is_unfinished {
            "it was being rebuilt from the log when the host ended".to_owned()
        } else if checkpoint_k > 0 && checkpoint_k + 1 < first_k {
            format!("it ends at frame {checkpoint_k}, and the log begins at frame {first_k}")
        } else {
            return false;
        };
        self.findings.push(
            Finding::of_file(Severity::Harmless, Part::State, "file", STATE_FILE.to_owned(), problem)
                .helped("the next start sets it aside and rebuilds it from the log", None),
        );
        true
    }

    /// Notes the rows that differ.
    fn differing(&mut self, compared: Compared) {
        let of_row = |(table, problem): (Table, String)| {
            Finding::of_file(Severity::Damage, Part::State, table.name(), STATE_FILE.to_owned(), problem)
                .helped(REBUILT, Some(Repair::Rebuild))
        };
        self.findings.extend(compared.differences.into_iter().map(of_row));
    }

    /// Compares the two where the log is whole.
    fn judge(&mut self, found: &State) -> Result<(), DoctorError> {
        match (self.anew_failed.take(), self.found_failed.take()) {
            (Some(error @ TableError::Storage { .. }), _) => return Err(rebuild(error)),
            (Some(error), _) => {
                let problem = format!("the records of the log do not go together: {}", chain(&error));
                let finding = Finding::of_file(Severity::Damage, Part::Log, "record", LOG_FOLDER.to_owned(), problem);
                self.findings.push(finding.helped("this is a defect of Wharf: please report it", None));
            }
            (None, Some(error)) => self.broken(&error),
            (None, None) => match compare(found, &self.anew) {
                Ok(compared) => {
                    if let Some(report) = &mut self.report {
                        report.rows = Some(compared.rows);
                    }
                    self.differing(compared);
                }
                Err(Side::Anew(error)) => return Err(rebuild(error)),
                Err(Side::Found(error)) => self.broken(&error),
            },
        }
        Ok(())
    }
}

/// Names what is lost by the deliveries and dead letters that are about it.
fn name_by_rows(state: &State, log: &mut LogExamined) -> Result<(), TableError> {
    for table in [Table::Deliveries, Table::DeadLetters] {
        let mut after: Option<Bytes> = None;
        loop {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let rows = state.scan(table, &[], from, ROWS_PAGE)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for (key, row) in &rows {
                let Some(id) = keys::delivery_of(key) else { continue };
                let (owed, place) = match table {
                    Table::DeadLetters => {
                        let row = DeadLetterRow::from_bytes(row)?;
                        let to = &row.delivery.target.to;
                        (
                            format!("dead letter {id} of {} {}, {}", to.kind(), to.name(), row.code),
                            row.delivery.event_at(id),
                        )
                    }
                    _ => {
                        let row = DeliveryRow::from_bytes(row)?;
                        let to = &row.target.to;
                        (format!("delivery {id} is still owed to {} {}", to.kind(), to.name()), row.event_at(id))
                    }
                };
                log.refer(place, || owed);
            }
        }
    }
    Ok(())
}

/// The releases that the rule set in force names.
fn in_use(state: &State) -> Option<InUse> {
    let rules = RulesRow::get(state, &[]).ok()??;
    let document: Document = serde_json::from_slice(&rules.document).ok()?;
    let mut in_use = InUse::new();
    for (tenant, of) in document.tenants {
        for (plugin, of) in of.plugins {
            in_use.entry(of.release).or_insert_with(|| format!("plugin {plugin} of tenant {tenant}"));
        }
    }
    Some(in_use)
}

/// An empty file in the folder that has no name any more: it goes with the process, whatever happens.
fn scratch(folder: &Dir) -> io::Result<std::fs::File> {
    let name = format!("{STATE_FILE}.doctor-{:08x}", rand::random::<u32>());
    let file = folder.open_with(&name, OpenOptions::new().read(true).write(true).create_new(true))?.into_std();
    folder.remove_file(&name)?;
    Ok(file)
}

fn rebuild(error: impl std::error::Error + Send + Sync + 'static) -> DoctorError {
    DoctorError::Rebuild(Box::new(error))
}
