//! A route as the log keeps it: which plugin answers the requests of a path, and within which bounds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wharf_event::{ChannelName, PluginName};

use crate::document::{is_one, one};

/// Who answers the requests of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteDocument {
    /// The plugin that answers.
    pub plugin: PluginName,
    /// The channel whose release it is; as the plugin's channels share traffic where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// The methods that it takes, in capital letters; all where nothing is said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<String>,
    /// Bytes of the body of a request.
    pub request_bytes: u64,
    /// Bytes of the body of an answer.
    pub answer_bytes: u64,
    /// Requests that one instance answers, one after the other.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub reuse: u32,
}
