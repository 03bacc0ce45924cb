//! The JSON shapes of recordings: what an attempt asked the outside, and what it was told.
//!
//! Invariant: a recording that is not there is no error: an attempt need not have one, and one that was made may be lost.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wharf_event::{Digest, PluginName, Position};

/// Where the recording of an attempt was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingPlace {
    /// The segment of recordings.
    pub segment: u64,
    /// Where in it, in bytes.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u32,
    /// SHA-256 of them.
    pub digest: Digest,
}

/// What became of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingState {
    /// It is here.
    Kept,
    /// The attempt was not recorded.
    None,
    /// It was deleted, since recordings are kept for a time and up to a size.
    Gone,
    /// It is not where it was put: a crash took it before the disk had it, or the disk took nothing.
    Lost,
    /// A later release made it.
    Unreadable,
}

/// An attempt with what is recorded of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallsView {
    /// The delivery.
    pub delivery: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The record that settled it.
    pub position: Position,
    /// What became of its recording.
    pub state: RecordingState,
    /// The recording, where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingView>,
}

/// A recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordingView {
    /// Where it stands.
    pub at: RecordingPlace,
    /// The plugin that ran.
    pub plugin: PluginName,
    /// Its release.
    pub release: Digest,
    /// When it ended, in RFC 3339.
    pub ended: String,
    /// How long it ran, in microseconds.
    pub took_us: u64,
    /// How long it might have run, in milliseconds.
    pub deadline_ms: u32,
    /// What it was called with: one event, or those of a batch.
    pub items: Vec<RecordedItem>,
    /// What it asked and was told, in the order in which it was.
    pub calls: Vec<CallView>,
    /// Calls behind those, for which there was no room.
    pub calls_not_kept: u32,
}

/// An event that a handler was called with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedItem {
    /// The delivery.
    pub delivery: String,
    /// The rule that matched.
    pub rule: String,
    /// Which attempt of it this was.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// The event as the handler got it; absent where it is too large, or has a secret in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RawValue>>,
}

/// One call of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    /// The function that was called.
    pub function: String,
    /// When it began, in microseconds since the attempt did.
    pub at_us: u64,
    /// How long its answer took, in microseconds.
    pub took_us: u64,
    /// What was asked.
    pub asked: Vec<CallField>,
    /// What was told. Why there was no answer stands under `error`.
    pub told: Vec<CallField>,
}

/// One field of what was asked or told: as text, in Base64 where it is none, or its digest alone where there was no room for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallField {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// It, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// It, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// SHA-256 of it, if there is nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl CallField {
    /// A field of which all bytes are there.
    #[must_use]
    pub fn whole(name: String, bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| BASE64_STANDARD.encode(bytes));
        Self { name, bytes: bytes.len() as u64, text, base64, digest: None }
    }

    /// A field of which nothing is there but this.
    #[must_use]
    pub fn digest(name: String, bytes: u64, digest: Digest) -> Self {
        Self { name, bytes, text: None, base64: None, digest: Some(digest) }
    }
}
