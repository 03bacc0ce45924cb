//! Transition: a rule set comes into force. Its version is the k of its frame.

use bytes::Bytes;
use wharf_event::Position;

use crate::{
    RulesRow,
    rows::Row,
    tables::{Table, Tables},
};

/// The wish to put a rule set into force.
#[derive(Clone, Debug)]
pub struct ConfigureRequest {
    /// The document, canonical JSON.
    pub document: Bytes,
}

pub(crate) fn apply(document: &Bytes, position: Position, tables: &mut impl Tables) {
    put(position.k, document, tables);
}

/// Puts the rule set of a version in its place.
pub(crate) fn put(version: u64, document: &Bytes, tables: &mut impl Tables) {
    let row = RulesRow { version, document: document.clone() };
    tables.put(Table::Rules, &[], row.encode());
}
