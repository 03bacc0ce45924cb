//! EventBridge's names for what an event has here: patterns and input paths that were written for it use them. Invariant: this
//! is the one list. An attribute of such a name that an event has itself wins; that is decided where a name is looked up.

/// EventBridge's names, and what they are here. `id`, `source` and `time` are the same, `account` and `region` are extension
/// attributes of these names.
const ENVELOPE: [(&str, &str); 3] = [("detail-type", "type"), ("detail", "data"), ("resources", "subject")];

/// The name that something has here, for EventBridge's name of it.
#[must_use]
pub fn named_here(name: &str) -> Option<&'static str> {
    ENVELOPE.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours)
}
