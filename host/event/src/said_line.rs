//! One line of what a program says on its stdout: an event that it publishes, or why it takes the event that it got for one that can never succeed.
//!
//! An event is that of the JSON format of CloudEvents, of which `type` has to be there only: what is left out is the host's to say.

use bytes::Bytes;

use crate::{
    attribute,
    error::{AttributeReason, EventError},
    event::Event,
    json::{Unsaid, members, read_event},
};

/// The only member of a line that is no event.
const REJECT: &str = "reject";

/// A line of a program's stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaidLine {
    /// An event to be published. Its id, its time and, where it did not say one, its source are not its own.
    Event(Box<Event>),
    /// The event that it got is rejected, for this reason.
    Reject(String),
}

impl SaidLine {
    /// Reads a line: `{"type": "order.charged", "data": {"cents": 990}}` or `{"reject": "it costs nothing"}`. An event that does not say
    /// its source gets this one.
    ///
    /// # Errors
    /// When it is neither.
    pub fn from_json(line: &Bytes, source: &str) -> Result<Self, EventError> {
        let members = members(line)?;
        if let [(name, reason)] = members.as_slice()
            && name == REJECT
        {
            let reason = serde_json::from_str(reason.get());
            return reason.map(Self::Reject).map_err(|_| attribute::refused(REJECT, AttributeReason::NotString));
        }
        read_event(line, members, Some(Unsaid(source))).map(|event| Self::Event(Box::new(event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &'static str) -> Result<SaidLine, EventError> {
        SaidLine::from_json(&Bytes::from_static(line.as_bytes()), "plugin/p")
    }

    #[test]
    fn an_event_says_its_type_and_what_else_it_wants() {
        let SaidLine::Event(event) = read(r#"{"type": "a.b", "data": {"n": 1}}"#).unwrap() else { panic!() };
        assert_eq!((event.kind(), event.source(), event.datacontenttype()), ("a.b", "plugin/p", None));
        assert_eq!(&event.data().unwrap().bytes()[..], br#"{"n": 1}"#);
        let SaidLine::Event(event) =
            read(r#"{"specversion": "1.0", "id": "7", "source": "s", "type": "a", "subject": "x", "n": 1}"#).unwrap()
        else {
            panic!()
        };
        assert_eq!((event.source(), event.subject(), event.extension("n").is_some()), ("s", Some("x"), true));
    }

    #[test]
    fn a_line_can_reject_and_what_is_neither_is_an_error() {
        assert_eq!(read(r#"{"reject": "no"}"#).unwrap(), SaidLine::Reject("no".to_owned()));
        assert!(matches!(read(r#"{"reject": 1}"#), Err(EventError::Attribute { .. })));
        assert_eq!(read(r#"{"data": 1}"#), Err(EventError::Missing { name: "type" }));
        assert!(matches!(read(r#"{"specversion": "0.3", "type": "a"}"#), Err(EventError::Specversion { .. })));
        assert!(matches!(read("done"), Err(EventError::Json { .. })));
    }
}
