//! Baselines of models and how far their inputs are from them, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_event::{Digest, ModelName};

/// What the inputs of a model were like, to be held against what it is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineDraft {
    /// Rows that it was made of.
    pub rows: u64,
    /// Rows of a window; 1,000 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// A column with a larger PSI drifted; 0.2 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psi: Option<f64>,
    /// A column with a larger KS drifted; 0.2 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks: Option<f64>,
    /// The columns of each input, in the order of the tensor's last direction.
    pub inputs: BTreeMap<String, Vec<BaselineColumnDraft>>,
}

/// What a column was like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineColumnDraft {
    /// What people call it.
    pub name: String,
    /// 101 values: the least, the one that a hundredth of the rows is not above, and so on to the largest.
    pub quantiles: Vec<f64>,
}

/// A baseline, without its quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineView {
    /// Rows that it was made of.
    pub rows: u64,
    /// Rows of a window.
    pub window: u32,
    /// A column with a larger PSI drifted.
    pub psi: f64,
    /// A column with a larger KS drifted.
    pub ks: f64,
    /// The names of the columns of each input.
    pub inputs: BTreeMap<String, Vec<String>>,
}

/// How far a model's inputs are from its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftView {
    /// The model.
    pub model: ModelName,
    /// Its baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineView>,
    /// The versions that were asked since the host started.
    pub versions: Vec<VersionDriftView>,
}

/// How far what a version is asked about is from the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionDriftView {
    /// Which.
    pub version: Digest,
    /// Rows of the window that is not full yet.
    pub rows: u32,
    /// Questions that were left out, since a tensor has other columns than the baseline.
    pub unfit: u64,
    /// The last full window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<WindowView>,
}

/// A full window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowView {
    /// When it was full, in RFC 3339.
    pub at: String,
    /// Its rows.
    pub rows: u32,
    /// Whether a column drifted.
    pub drifted: bool,
    /// Its columns.
    pub columns: Vec<ColumnDriftView>,
}

/// How far a column is from the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDriftView {
    /// Of which input.
    pub input: String,
    /// Which column.
    pub column: String,
    /// Its population stability index; none where fewer than 100 values were numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psi: Option<f64>,
    /// The largest distance of both distributions (Kolmogorov and Smirnov); none likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks: Option<f64>,
    /// Values that were no numbers.
    pub missing: u32,
    /// Whether one of both is above its bound.
    pub drifted: bool,
}
