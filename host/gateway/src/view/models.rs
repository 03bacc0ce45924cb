//! Models of a tenant as JSON.
//!
//! Invariant: a version is named by the 64 hex digits of its file's SHA-256 in paths, and as `sha256:…` in answers.

use serde::{Deserialize, Serialize};
use wharf_event::{Digest, ModelName, Position};

use super::{CanaryDraft, HistoryView, RuleOrigin};

/// A model, as a list has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelView {
    /// Its name.
    pub model: ModelName,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The version that answers all questions but the canary's; none as long as none was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Digest>,
    /// The version on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<ModelCanaryView>,
    /// The version that is asked in the shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ModelShadowView>,
    /// Rows of one run at most, where questions are asked together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// And how long the first of them waits for others, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_wait_ms: Option<u64>,
}

/// A version that is asked in the shadow of the one that answers, and what came of that since the host started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelShadowView {
    /// Which one.
    pub version: Digest,
    /// How often it would have answered the same.
    pub same: u64,
    /// How often something else.
    pub differing: u64,
    /// How often it had no answer.
    pub failed: u64,
    /// How often it was not asked, since another question of the tenant was in the shadow.
    pub left_out: u64,
}

/// A version on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCanaryView {
    /// Which one.
    pub version: Digest,
    /// Its share of deliveries, such as `10%`.
    pub share: String,
    /// Since when, in RFC 3339.
    pub since: String,
    /// When it answers all questions by itself; none = when somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What ends it before, such as `error_rate>2%`.
    #[serde(default)]
    pub abort_on: Vec<String>,
    /// Questions of first attempts to it since it began, or since the host started.
    #[serde(default)]
    pub questions: u64,
    /// Those that it failed at.
    #[serde(default)]
    pub failures: u64,
    /// The same of the stable version.
    #[serde(default)]
    pub stable_questions: u64,
    /// Those that it failed at.
    #[serde(default)]
    pub stable_failures: u64,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDetail {
    /// What a list has of it.
    #[serde(flatten)]
    pub model: ModelView,
    /// The record that made it as it is; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// Its versions, the newest first.
    pub versions: Vec<ModelVersionView>,
    /// What happened to them, the newest last.
    pub history: Vec<HistoryView>,
}

/// A version of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelVersionView {
    /// The digest of its file.
    pub digest: Digest,
    /// Bytes of its file.
    pub bytes: u64,
    /// When it was uploaded, in RFC 3339; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What whoever uploaded it calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What whoever uploaded it says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its nodes.
    pub nodes: u32,
    /// The version of ONNX's operators that it is for.
    pub opset: u32,
    /// What made it, as it says.
    pub producer: String,
    /// What goes in, such as `x: f32[N, 3]`.
    pub inputs: Vec<String>,
    /// What comes out.
    pub outputs: Vec<String>,
    /// Why each question to it is asked alone, though the model has a `batch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<String>,
}

/// The wish to have questions to a model asked together; or each alone, where it has no `batch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelBatching {
    /// Rows of one run at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// How long the first question waits for others, in milliseconds; not at all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_wait_ms: Option<u64>,
}

/// The wish to have a version answer all questions, or those of a part of the deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPromotion {
    /// Which; else that of the canary, else the newest. Of a canary: else the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Digest>,
    /// Of a part only; a larger one than it has, where that version is on trial already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryDraft>,
    /// In the shadow only: it is asked, and nobody gets its answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Why, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The wish to go back to a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRollBack {
    /// Which; else back from a canary, else to the last other one that answered all questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Digest>,
    /// No version is asked in the shadow any more, and nothing else changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Why, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
