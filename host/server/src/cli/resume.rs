//! Where a feed is followed again after its connection broke.
//!
//! Invariant: over any number of reconnections every item is new exactly once. A feed begins with the item at the position
//! that was asked for; items of a redrive, of a queue and of an edit have no position of their own and are told apart by their count.

use wharf_event::Position;
use wharf_gateway::view::FeedItem;

/// How far a feed was read.
#[derive(Debug, Default)]
pub struct Resume {
    from: Option<Position>,
    last: Option<Position>,
    unplaced_since: usize,
    to_skip: usize,
}

impl Resume {
    /// A feed that was not read yet, and is to be followed from here (none = from now).
    pub fn new(from: Option<Position>) -> Self {
        Self { from, ..Self::default() }
    }

    /// Where to follow from, now that there is a new connection to be made.
    pub fn connect(&mut self) -> Option<Position> {
        let from = self.last.or(self.from);
        // A feed that is followed from now again begins with what nobody has seen.
        self.to_skip = if from.is_some() { self.unplaced_since } else { 0 };
        from
    }

    /// Whether this item, the next one of the connection, was not there before.
    pub fn is_new(&mut self, item: &FeedItem) -> bool {
        let position = match item {
            FeedItem::Received { event } => event.position,
            FeedItem::Settled { attempt, .. } => attempt.position,
            FeedItem::Redriven { .. }
            | FeedItem::Discarded { .. }
            | FeedItem::Moved { .. }
            | FeedItem::Edited { .. } => {
                let is_new = self.to_skip == 0;
                self.to_skip = self.to_skip.saturating_sub(1);
                self.unplaced_since += usize::from(is_new);
                return is_new;
            }
        };
        if self.last.is_some_and(|last| position <= last) {
            return false;
        }
        (self.last, self.unplaced_since, self.to_skip) = (Some(position), 0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r5` is an event received at 5-0, `x` a redriven letter.
    fn item(text: &str) -> FeedItem {
        let json = match text.strip_prefix('r') {
            Some(k) => format!(
                r#"{{"received":{{"event":{{"position":"{k}-0","time":"","bus":"b","event":{{}},"deliveries":[]}}}}}}"#
            ),
            None => r#"{"redriven":{"delivery":"1-0.0","event":"1-0","rule":"r","plugin":"p","queue":"q","time":""}}"#
                .into(),
        };
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn every_item_is_new_once_over_reconnections() {
        let mut resume = Resume::new(None);
        let mut read = |items: &str| -> (Option<String>, String) {
            let from = resume.connect().map(|position| position.to_string());
            let new = items.split_whitespace().filter(|text| resume.is_new(&item(text))).collect::<Vec<_>>().join(" ");
            (from, new)
        };
        let wanted = |from: &str, new: &str| (Some(from.to_owned()), new.to_owned());
        assert_eq!(read(""), (None, String::new()));
        assert_eq!(read("x x"), (None, "x x".to_owned()));
        assert_eq!(read("x"), (None, "x".to_owned()), "from now on again");
        assert_eq!(read("r1 x r3 x x"), (None, "r1 x r3 x x".to_owned()));
        assert_eq!(read("r3 x"), wanted("3-0", ""));
        assert_eq!(read("r3 x x x r4"), wanted("3-0", "x r4"));
        assert_eq!(read("r4 x r5"), wanted("4-0", "x r5"));
    }

    #[test]
    fn a_feed_that_gave_nothing_is_followed_from_where_it_was_asked() {
        let mut resume = Resume::new(Some(Position { k: 7, i: 0 }));
        assert_eq!(
            (resume.connect(), resume.connect()),
            (Some(Position { k: 7, i: 0 }), Some(Position { k: 7, i: 0 }))
        );
    }
}
