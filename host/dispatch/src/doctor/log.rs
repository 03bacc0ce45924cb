//! The log's part of an examination: what verifying the segments tells, with what is lost named by position and event id.
//!
//! Invariant: every frame is looked at once, in log order, so that whatever speaks of a loss comes after it.

use wharf_delivery::{Record, RecordKind};
use wharf_event::Position;
use wharf_log::{Disk, Fault, FrameKind, RecordOut, Seen, SeenFrame, SeenRecord, Standing, Verified, verify};

use super::examine::DoctorError;
use super::{
    finding::{Finding, Part, Repair, Severity},
    losses::Losses,
};
use crate::{archive::decode, machine::LOG_FOLDER, partition::chain};

const KEEP_A_COPY: &str = "the log has no second copy here: keep a copy of the folder, check the disk, and restore a backup into a new folder";

/// A record that was read.
pub(super) struct Read<'a> {
    pub(super) record: &'a Record,
    pub(super) position: Position,
    pub(super) time_ms: u64,
    /// Where the log begins.
    pub(super) log_first_k: u64,
}

/// What is done with each record.
pub(super) type Apply<'a> = dyn FnMut(&Read<'_>) -> Result<(), DoctorError> + 'a;

/// What reading the whole log gave.
pub(super) struct LogExamined {
    pub(super) verified: Verified,
    /// Where it begins.
    pub(super) first_k: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) losses: Losses,
    /// What seems to be in the torn tail: its frame, and the finding that it belongs to.
    pub(super) torn: Option<(SeenFrame, usize)>,
}

/// Reads the whole log. `progress` is told the name and length of each segment before it is read.
/// Each record that can be read is given to `apply`, with its position and time.
pub(super) fn examine<D: Disk>(
    disk: &D,
    progress: &mut dyn FnMut(&str, u64),
    apply: &mut Apply<'_>,
) -> Result<LogExamined, DoctorError> {
    let mut applied = Ok(());
    let mut examined = LogExamined {
        verified: Verified::default(),
        first_k: 0,
        findings: Vec::new(),
        losses: Losses::default(),
        torn: None,
    };
    let verified = verify(disk, 0, &mut |seen| match seen {
        Seen::Segment { name, first_k, bytes } => {
            examined.first_k = if examined.first_k == 0 { first_k } else { examined.first_k };
            progress(&name, bytes);
        }
        Seen::Finding(finding) => examined.finding(finding),
        Seen::Frame(frame) => examined.frame(frame, &mut |read| {
            if applied.is_ok() {
                applied = apply(read);
            }
        }),
    })?;
    applied?;
    examined.verified = verified;
    Ok(examined)
}

impl LogExamined {
    /// Notes that `by` speaks of the event at `event`, if that one is lost.
    pub(super) fn refer(&mut self, event: Position, by: impl FnOnce() -> String) {
        self.losses.refer(event, by, &mut self.findings);
    }

    /// Takes note that the state has come to `checkpoint_k`: what seems to be a torn tail up to there was durable once.
    pub(super) fn bring_to(&mut self, checkpoint_k: u64) {
        let last_k = self.verified.last_k;
        if checkpoint_k <= last_k {
            return;
        }
        let problem = format!("the log ends at frame {last_k}, but the state was brought to frame {checkpoint_k}");
        match self.torn.take() {
            Some((frame, at)) => {
                if let Some(finding) = self.findings.get_mut(at) {
                    (finding.severity, finding.frames) = (Severity::Loss, Some((frame.k, checkpoint_k)));
                    finding.problem = format!("the end of the log is damaged: {problem}");
                    finding.help = Some(KEEP_A_COPY.to_owned());
                }
                for record in &frame.records {
                    self.losses.lose(&frame, record, &mut self.findings, at);
                }
                self.spare_empty(&frame, at);
            }
            None => {
                let file = LOG_FOLDER.to_owned();
                let mut finding = Finding::of_file(Severity::Loss, Part::Log, "frames-missing", file, problem);
                finding.frames = Some((last_k + 1, checkpoint_k));
                self.losses.lose_frames((last_k + 1, checkpoint_k), self.findings.len());
                self.findings.push(finding.helped(KEEP_A_COPY, None));
            }
        }
    }

    fn finding(&mut self, found: wharf_log::Finding) {
        let severity = if found.fault.is_harmless() { Severity::Harmless } else { Severity::Damage };
        let file = format!("{LOG_FOLDER}/{}", found.segment);
        let structure = found.fault.structure();
        let mut finding = Finding::of_file(severity, Part::Log, structure, file, found.fault.to_string());
        (finding.offset, finding.bytes, finding.frames) = (Some(found.offset), Some(found.bytes), found.frames);
        match found.fault {
            Fault::FrameFront | Fault::FramesMissing => {
                // Which records were in it may be told by what is left of it; until then it counts as lost.
                finding.severity = Severity::Loss;
                if let Some(frames) = found.frames {
                    self.losses.lose_frames(frames, self.findings.len());
                }
            }
            Fault::FramePadding | Fault::SegmentZeros | Fault::Unused => {
                finding.help = Some("nothing is lost; a disk that changes bits should be checked".to_owned());
            }
            _ => {}
        }
        if finding.severity > Severity::Harmless {
            finding.help = Some(KEEP_A_COPY.to_owned());
        }
        self.findings.push(finding);
    }

    fn frame(&mut self, frame: SeenFrame, each: &mut dyn FnMut(&Read<'_>)) {
        match frame.standing {
            Standing::Counts => self.counts(&frame, each),
            Standing::Damaged => {
                let Some(at) = self.findings.len().checked_sub(1) else { return };
                for record in &frame.records {
                    self.losses.lose(&frame, record, &mut self.findings, at);
                }
                self.spare_empty(&frame, at);
            }
            Standing::Torn => self.torn = self.findings.len().checked_sub(1).map(|at| (frame, at)),
        }
    }

    /// A damaged frame that carries nothing by its kind costs nothing.
    fn spare_empty(&mut self, frame: &SeenFrame, at: usize) {
        let empty = frame.records.is_empty() && matches!(frame.kind, Some(FrameKind::Epoch | FrameKind::Mark));
        if let Some(finding) = self.findings.get_mut(at)
            && empty
            && finding.frames == Some((frame.k, frame.k))
        {
            finding.severity = Severity::Damage;
            finding.problem.push_str("; it carries no record, so no data is lost");
        }
    }

    fn counts(&mut self, frame: &SeenFrame, each: &mut dyn FnMut(&Read<'_>)) {
        for record in &frame.records {
            if record.holds {
                self.record(frame, record, each);
                continue;
            }
            let is_it = |finding: &Finding| {
                finding.structure == Fault::RecordBody { index: 0, bit: None }.structure()
                    && finding.frames == Some((frame.k, frame.k))
                    && finding.lost.is_empty()
            };
            // Bodies are told in their order, right before their frame.
            let at = self.findings.iter().rposition(|finding| !is_it(finding)).map_or(0, |before| before + 1);
            self.losses.lose(frame, record, &mut self.findings, at);
        }
    }

    fn record(&mut self, frame: &SeenFrame, record: &SeenRecord, each: &mut dyn FnMut(&Read<'_>)) {
        let position = Position { k: frame.k, i: record.index << 8 };
        let SeenRecord { tenant, kind, key_id, ref body, .. } = *record;
        let out = RecordOut { tenant, kind, key_id, time_ms: frame.time_ms, body: body.clone() };
        match decode(&out) {
            Ok(read) => {
                self.losses.know(read.tenant());
                self.losses.refer_from(&read, position, &mut self.findings);
                each(&Read { record: &read, position, time_ms: frame.time_ms, log_first_k: self.first_k });
            }
            Err(error) => {
                let known = RecordKind::from_u16(kind).is_some();
                let problem =
                    format!("record {position} of kind {kind} is whole and cannot be read: {}", chain(&error));
                let file = format!("{LOG_FOLDER}/{}", frame.segment);
                let mut finding = Finding::of_file(Severity::Damage, Part::Log, "record", file, problem);
                (finding.offset, finding.frames) = (Some(frame.offset), Some((frame.k, frame.k)));
                let help = if known { "this is a defect of Wharf: please report it" } else { NEWER };
                self.findings.push(finding.helped(help, None::<Repair>));
            }
        }
    }
}

const NEWER: &str = "a later version of Wharf wrote it: use that version or a later one";
