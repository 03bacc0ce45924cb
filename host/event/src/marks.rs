//! The attributes by which the host says what it did with an event. Invariant: they are the host's alone, so what arrives from outside, or is
//! published by a plugin, comes without them. What the host brings again, or shows, keeps them.

use std::sync::Arc;

use crate::event::Event;

/// An event of the archive that a replay brought again: the replay's name.
pub const REPLAY_ATTRIBUTE: &str = "wharfreplay";

/// An event that a dead letter got in place of its own: when it was edited last, in RFC 3339.
pub const EDITED_ATTRIBUTE: &str = "wharfedited";

/// An event that its schema does not allow, and that was taken all the same: [`SCHEMA_VIOLATED`].
pub const SCHEMA_ATTRIBUTE: &str = "wharfschema";

/// The value of [`SCHEMA_ATTRIBUTE`].
pub const SCHEMA_VIOLATED: &str = "violated";

/// Whether an attribute of this name is one of the host's marks.
#[must_use]
pub fn is_mark(name: &str) -> bool {
    [REPLAY_ATTRIBUTE, EDITED_ATTRIBUTE, SCHEMA_ATTRIBUTE].contains(&name)
}

impl Event {
    /// The event as it is without marks of a host: of another one, or made up.
    #[must_use]
    pub fn unmarked(self) -> Self {
        if !self.extensions().iter().any(|(name, _)| is_mark(name)) {
            return self;
        }
        let mut attributes = Arc::unwrap_or_clone(self.attributes);
        attributes.extensions.retain(|(name, _)| !is_mark(name));
        // Less of what obeyed the rules obeys them.
        Self::trusted(attributes, self.data)
    }
}

#[cfg(test)]
mod tests {
    use crate::EventBuilder;

    #[test]
    fn an_event_from_outside_has_no_marks_of_the_host_and_keeps_all_else() {
        let event = EventBuilder::new("a", "/s", "t").extension("tier", "gold").data(&b"1"[..]).build().unwrap();
        let forged = event.clone().with_extension("wharfreplay", "x").unwrap();
        let forged = forged.with_extension("wharfschema", "violated").unwrap();
        let forged = forged.with_extension("wharfedited", true).unwrap();
        assert_eq!((forged.unmarked(), event.clone().unmarked()), (event.clone(), event));
    }
}
