//! What plugins are granted, as JSON.
//!
//! Invariant: what is missing is told in words, one phrase for each grant, such as `kv orders (write)`; what is granted and wished has the
//! texts of the configuration file.

use serde::{Deserialize, Serialize};
use wharf_event::{
    BucketAccess, Digest, EventTypes, GrantBounds, Grants, HttpAccess, ModelName, PluginName, Position, RouteName,
    SecretName, SecretUse,
};

/// What a plugin is granted, and which of its releases wait for more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsDetail {
    /// Its name.
    pub plugin: PluginName,
    /// The record that made the plugin as it is; none for one of the configuration file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// What it is granted.
    pub granted: Grants,
    /// The most that the operator lets the tenant grant; a kind that is not said has no bound.
    pub ceiling: GrantBounds,
    /// Its releases that ask for more, the newest first.
    pub waiting: Vec<WaitingView>,
}

/// A release that waits for a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// Its digest.
    pub release: Digest,
    /// When it was uploaded, in RFC 3339.
    pub at: String,
    /// Its version, as whoever uploaded it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it asks for and is not granted.
    pub missing: Vec<String>,
    /// What it asks for and the stable release does not.
    pub new: Vec<String>,
}

/// The wish to grant something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approval {
    /// What this release asks for. Without it and without names: what the newest asks for that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Digest>,
    /// Event types.
    pub publish: Vec<EventTypes>,
    /// Buckets.
    pub kv: Vec<BucketAccess>,
    /// Requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpAccess>,
    /// Fields and queries with secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// Routes to models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub llm: Vec<RouteName>,
    /// Models of the tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub infer: Vec<ModelName>,
    /// Secrets that it may hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hold: Vec<SecretName>,
}
