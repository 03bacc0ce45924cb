//! Who an event is owed to, as records and rows have it: the rule, the target, and its place among others.

use std::str::FromStr;

use wharf_event::{NameError, OrderingKey, RuleName, Target};

use crate::codec::{DecodeError, Reader, Writer};

/// Who an event is owed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRef {
    /// The rule that matched.
    pub rule: RuleName,
    /// Who is to have it.
    pub to: Target,
    /// What it has in common with those that it comes behind, and whether there were any when it arose; absent where it waits for none.
    pub order: Option<(OrderingKey, bool)>,
}

impl TargetRef {
    /// A target whose deliveries wait for no others.
    #[must_use]
    pub fn new(rule: RuleName, to: Target) -> Self {
        Self { rule, to, order: None }
    }

    /// Its ordering key, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&OrderingKey> {
        self.order.as_ref().map(|(key, _)| key)
    }

    /// Whether its delivery came behind others of its key.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.order.as_ref().is_some_and(|(_, is_behind)| *is_behind)
    }

    /// Bytes that it takes at most.
    #[must_use]
    pub fn room(&self) -> usize {
        10 + self.rule.as_str().len() + self.to.text_len() + self.key().map_or(0, |key| key.as_str().len())
    }

    pub(crate) fn put(&self, w: &mut Writer) {
        w.str(self.rule.as_str());
        let [before, name] = self.to.spelled();
        match &self.order {
            None => w.parts(&[before, name]),
            Some((key, is_behind)) => {
                let place = if *is_behind { BEHIND } else { FIRST };
                w.parts(&[before, name, place.encode_utf8(&mut [0; 4]), key.as_str()])
            }
        };
    }

    pub(crate) fn take(r: &mut Reader) -> Result<Self, DecodeError> {
        let (rule, Placed(to, order)) = (r.parse("rule")?, r.parse("target")?);
        Ok(Self { rule, to, order })
    }
}

/// What stands between a target and the ordering key of a delivery that is the first, or comes behind others. No name has them.
const FIRST: char = '#';
const BEHIND: char = '+';

/// A target with its place, as one text.
struct Placed(Target, Option<(OrderingKey, bool)>);

impl FromStr for Placed {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some(at) = text.find([FIRST, BEHIND]) else { return Ok(Self(text.parse()?, None)) };
        let (to, order) = text.split_at(at);
        let mut order = order.chars();
        let is_behind = order.next() == Some(BEHIND);
        Ok(Self(to.parse()?, Some((OrderingKey::of(order.as_str()), is_behind))))
    }
}
