//! Plugins, releases and channels as JSON.
//!
//! Invariant: a release is named by the 64 hex digits of its SHA-256 in paths, and as `sha256:…` in answers.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use wharf_event::{ChannelName, Code, Digest, PluginName, Position, SigningKeyName};

/// A plugin, as a list has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginView {
    /// Its name.
    pub plugin: PluginName,
    /// Where it was made.
    pub origin: super::RuleOrigin,
    /// The release of all traffic but the canary's; none as long as none was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Digest>,
    /// The release on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryView>,
}

/// A release on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryView {
    /// Which one.
    pub release: Digest,
    /// Its share of first attempts, such as `10%`.
    pub share: String,
    /// Since when, in RFC 3339.
    pub since: String,
    /// When it gets all traffic by itself; none = when somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What ends it before, such as `error_rate>2%`.
    pub abort_on: Vec<String>,
    /// First attempts of it that were settled since it began, or since the host started.
    pub attempts: u64,
    /// Those that failed.
    pub failures: u64,
    /// The same of the stable release.
    pub stable_attempts: u64,
    /// Those that failed.
    pub stable_failures: u64,
}

/// What one limit of a plugin is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LimitView {
    /// A bound.
    Number(u32),
    /// A choice, such as what becomes of deliveries in quarantine.
    Word(String),
}

impl fmt::Display for LimitView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginDetail {
    /// What a list has of it.
    #[serde(flatten)]
    pub plugin: PluginView,
    /// The record that made it as it is; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// What `wasi:config` gives it.
    pub config: BTreeMap<String, String>,
    /// What it may use.
    pub grants: GrantsView,
    /// What it may consume, by the names of the configuration file.
    pub limits: BTreeMap<String, LimitView>,
    /// When it is given a rest; never where this is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<super::BreakerView>,
    /// Where its breaker stands; none where it was not called yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_state: Option<super::BreakerStanding>,
    /// Other channels.
    pub channels: BTreeMap<String, Digest>,
    /// What happened to its channels, the newest last.
    pub history: Vec<HistoryView>,
}

/// What a plugin may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsView {
    /// Event types that it may publish.
    pub publish: Vec<String>,
    /// Buckets that it may open.
    pub kv: Vec<String>,
    /// Requests that it may send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<String>,
    /// Fields of them that the host puts a secret into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Routes by which it may ask models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub llm: Vec<String>,
    /// Models of its tenant that it may ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub infer: Vec<String>,
    /// Secrets of its tenant that it may hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hold: Vec<String>,
}

/// One change of a plugin's channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// When, in RFC 3339.
    pub at: String,
    /// What was done: `promoted`, `canary-started`, `canary-widened`, `canary-ended`, `channel-closed`, `rolled-back`.
    pub action: String,
    /// The release that it was about.
    pub release: Digest,
    /// The channel that it was about, if that is one of the plugin's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// The canary's share, where it was about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// The release that had all traffic before a roll back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// Whose word it was: `request`, `judgement`, `quarantine`.
    pub cause: String,
    /// Why, in words.
    pub reason: String,
}

/// How far a release has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseState {
    /// Its bytes are here.
    Uploaded,
    /// It is looked at without running it.
    Inspecting,
    /// It waits for its turn to be compiled, or is compiled.
    Compiling,
    /// One instance of it is made within the limits of its plugin.
    Probing,
    /// It asks for more than its plugin is granted.
    NeedsGrant,
    /// It can be promoted.
    Ready,
    /// It is not fit to run. Its bytes are not kept.
    Failed,
}

impl ReleaseState {
    /// Whether it stays like that by itself.
    #[must_use]
    pub const fn is_at_rest(self) -> bool {
        matches!(self, Self::NeedsGrant | Self::Ready | Self::Failed)
    }
}

/// A release of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseView {
    /// Its digest.
    pub release: Digest,
    /// How far it has come.
    pub state: ReleaseState,
    /// Bytes of the component.
    pub bytes: u64,
    /// When it was uploaded, in RFC 3339.
    pub at: String,
    /// Its version, as whoever uploaded it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What whoever uploaded it said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The world that it is of, once it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What it asks for, in words, such as `publish order.*`.
    pub asks: Vec<String>,
    /// What of that its plugin is not granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What of that the stable release does not ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<String>,
    /// The tenant's key that vouches for it; none where it is not signed, or by none that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<SigningKeyName>,
    /// Why it is not fit to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ReleaseFailure>,
}

/// Why a release is not fit to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseFailure {
    /// The stable code.
    pub code: Code,
    /// One sentence.
    pub detail: String,
}

/// The wish to give a release all traffic, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// Which release.
    pub release: Digest,
    /// Only of this channel, which is made if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// Only this part of it. The release that is on trial gets so much more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryDraft>,
    /// Why, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a release is tried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryDraft {
    /// Its share of first attempts, such as `10%`.
    pub share: String,
    /// How long until it gets all traffic by itself, such as `10m`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What ends it before, such as `error_rate>2%,p99>2x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_on: Option<String>,
}

/// The wish to go back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollBack {
    /// Only of this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// To which release; without it to the last one that had all traffic, or back from a canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
    /// Why, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
