//! What the doctor finds, as people and programs are told it.
//!
//! Invariant: a finding names one structure in one file, says what is wrong in words, and what can be done. It is made here
//! and printed elsewhere.

use serde::Serialize;
use wharf_event::{Position, TenantName};

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing that is there is affected.
    Harmless,
    /// Something has to be repaired, and no data is lost.
    Damage,
    /// Data is lost from this folder.
    Loss,
}

/// Which part of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The segments.
    Log,
    /// The state file, a projection of the log.
    State,
    /// The components by their digests.
    Components,
    /// The compiled artifacts.
    Cache,
}

/// How something can be repaired. Only what is made from something else can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repair {
    /// The state file is set aside; the next start rebuilds it from the log.
    Rebuild,
    /// The file is removed; it is made again when it is needed.
    Remove,
    /// The file is set aside, so that the next start that has the right one can put it there.
    SetAside,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which part of the folder.
    pub part: Part,
    /// The structure: `frame-front`, `record-body`, a table of the state.
    pub structure: String,
    /// The file, from the data folder.
    pub file: String,
    /// Where in the file, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The first and last frame that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<(u64, u64)>,
    /// What is wrong, in words.
    pub problem: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// How it can be repaired, if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// It was.
    pub repaired: bool,
    /// The records that cannot be read because of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
    /// How many more of them there are than are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost_unlisted: u64,
}

/// A record that cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Where it stands.
    pub position: Position,
    /// What it is: `accept`, `settle`; absent where that is not known.
    pub record: Option<String>,
    /// Whose it is.
    pub tenant: Option<TenantName>,
    /// Its bytes are known to be as written although they cannot be read in place; otherwise what is said of it is a guess.
    pub proven: bool,
    /// The events that it holds.
    pub events: Vec<LostEvent>,
    /// What else it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who else in the folder speaks of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named_by: Vec<String>,
}

/// An event in a record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostEvent {
    /// Where it stands.
    pub position: Position,
    /// Its id, where that can still be told.
    pub id: Option<String>,
    /// Its type, where that can still be told.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

impl Finding {
    /// A finding about a whole file.
    pub(crate) fn of_file(severity: Severity, part: Part, structure: &str, file: String, problem: String) -> Self {
        Self {
            severity,
            part,
            structure: structure.to_owned(),
            file,
            offset: None,
            bytes: None,
            frames: None,
            problem,
            help: None,
            repair: None,
            repaired: false,
            lost: Vec::new(),
            lost_unlisted: 0,
        }
    }

    /// With what can be done.
    pub(crate) fn helped(mut self, help: impl Into<String>, repair: Option<Repair>) -> Self {
        self.help = Some(help.into());
        self.repair = repair;
        self
    }

    /// True while something is left to be done about it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.severity > Severity::Harmless && !self.repaired
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
