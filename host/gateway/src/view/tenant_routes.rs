//! Routes as JSON.

use serde::{Deserialize, Serialize};
use wharf_event::{PluginAt, Position, RoutePath};

use super::RuleOrigin;

/// A route. From `plugin` on it is what one is put as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Which requests it is for.
    pub route: RoutePath,
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that put it there; none for one of the configuration file, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Position>,
    /// Who answers.
    pub plugin: PluginAt,
    /// The methods that it takes; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// How large the body of a request may be.
    pub request_size: String,
    /// How large the body of an answer may be.
    pub answer_size: String,
    /// Requests that one instance answers.
    pub reuse: u32,
}
