//! The documents of the registry's control objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_delivery::{BreakerDocument, LimitsDocument};
use wharf_event::{Asks, Grants};

use crate::Channels;

/// A plugin that is made while the host runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginObject {
    /// What `wasi:config` gives it.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// What it may use.
    #[serde(default)]
    pub grants: Grants,
    /// What it may consume.
    #[serde(default)]
    pub limits: LimitsDocument,
    /// When it is given a rest; never where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerDocument>,
    /// Which of its releases gets which traffic; absent as long as none was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
}

/// A release that was uploaded and found fit to run. Its name is the plugin's and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseObject {
    /// Bytes of the component.
    pub bytes: u64,
    /// When it was uploaded: frame time, in milliseconds since 1970.
    pub at_ms: u64,
    /// The version that the component or the upload gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What whoever uploaded it says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The world that it is of.
    pub world: String,
    /// The capabilities that it imports.
    pub capabilities: Vec<String>,
    /// What it asks for, in its own words: its own bucket is `default` there. (One that was recorded before this could be said asks for nothing, and has what is granted.)
    #[serde(default, skip_serializing_if = "Asks::is_nothing")]
    pub asks: Asks,
    /// The texts of the signatures that came with it. Whether one counts is found out when somebody asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
}
