//! Prompts, as JSON: their versions, and which of them is given to whom.

use serde::{Deserialize, Serialize};
use wharf_event::{PromptName, RouteName};

use super::RuleOrigin;

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptView {
    /// Its name.
    pub prompt: PromptName,
    /// The route that its stable version is of.
    pub route: RouteName,
    /// Where it was made. One of the configuration file has one version, 0, and no others.
    pub origin: RuleOrigin,
    /// The version that whoever is no canary gets.
    pub stable: u32,
    /// The version that some get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<PromptCanaryView>,
    /// The newest version.
    pub newest: u32,
    /// Its versions, the newest first; none in a list of prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<PromptVersionView>,
}

/// A version that a part of the deliveries get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptCanaryView {
    /// Which.
    pub version: u32,
    /// Its share of the deliveries, such as `10%`.
    pub share: String,
}

/// A version of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptVersionView {
    /// Its number.
    pub version: u32,
    /// When it came, in RFC 3339; absent for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The route by which models are asked with it.
    pub route: RouteName,
    /// A template of what holds for all of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A template of what the user says.
    pub user: String,
}

/// What a version of a prompt is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptDraft {
    /// The route by which models are asked with it.
    pub route: RouteName,
    /// A template of what holds for all of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A template of what the user says.
    pub user: String,
}

/// The wish to give a version to all, or to a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptPromotion {
    /// Which; else that of the canary, else the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// To a part only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<ShareDraft>,
}

/// How a version of a prompt is tried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareDraft {
    /// Its share of the deliveries, such as `10%`.
    pub share: String,
}

/// The wish to go back to a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptRollBack {
    /// Which; else back from a canary, else to the one that was stable before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}
