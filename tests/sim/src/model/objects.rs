//! Judges control objects: what each was at what time, what clients were told of them, what is there in the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{Expected, ObjectFate, ObjectKind, Table, ValueRow, keys};
use wharf_event::Position;

use super::{Wrong, log::Log};
use crate::{
    life::Dump,
    observed::{ChangeTold, Seen},
};

/// What an object became, and where.
type Turns = BTreeMap<Position, Option<Bytes>>;

/// Tenant, kind and name.
type Named<'a> = (&'a str, ObjectKind, &'a str);

/// Objects by tenant, kind and name, through all their changes.
#[derive(Default)]
pub(super) struct Objects(BTreeMap<(String, ObjectKind, String), Turns>);

impl Objects {
    pub(super) fn change(
        &mut self,
        (tenant, kind, name): Named<'_>,
        at: Position,
        document: Option<&Bytes>,
        wrong: &mut Wrong,
    ) {
        let turns = self.0.entry((tenant.to_owned(), kind, name.to_owned())).or_default();
        let was = turns.last_key_value().and_then(|(_, document)| document.clone());
        wrong.unless(was.as_ref() != document, || format!("the change of {tenant} {name} at {at} changes nothing"));
        turns.insert(at, document.cloned());
    }

    /// Those that are there, with their documents.
    pub(super) fn now(&self) -> impl Iterator<Item = (&str, ObjectKind, &str, Position, &Bytes)> {
        self.0.iter().filter_map(|((tenant, kind, name), turns)| {
            let (at, document) = turns.last_key_value()?;
            Some((tenant.as_str(), *kind, name.as_str(), *at, document.as_ref()?))
        })
    }

    /// A row went with its tenant. False when there was none.
    pub(super) fn erase(&mut self, (tenant, kind, name): Named<'_>, at: Position) -> bool {
        let Some(turns) = self.0.get_mut(&(tenant.to_owned(), kind, name.to_owned())) else { return false };
        let was = turns.last_key_value().is_some_and(|(_, document)| document.is_some());
        turns.insert(at, None);
        was
    }
}

/// Every change that was answered came about where the answer says, on what it was taken to be.
pub(super) fn check(seen: &Seen, log: &Log<'_>, wrong: &mut Wrong) {
    for told in &seen.changed {
        let empty = Turns::new();
        let turns = log.objects.0.get(&(told.tenant.clone(), told.kind, told.name.clone())).unwrap_or(&empty);
        wrong.unless(is_true(told, turns), || format!("{told:?} was answered, and its turns were {turns:?}"));
    }
}

fn is_true(told: &ChangeTold, turns: &Turns) -> bool {
    let before = |at: &Position| {
        let (version, document) = turns.range(..*at).next_back()?;
        document.as_ref().map(|_| *version)
    };
    let expects = |was: Option<Position>| match told.expected {
        Expected::Any => true,
        Expected::Absent => was.is_none(),
        Expected::Present => was.is_some(),
        Expected::Version(version) => was == Some(version),
    };
    let put = |at: &Position| turns.get(at).is_some_and(|put| *put == told.document);
    match &told.fate {
        ObjectFate::Created(at) => put(at) && before(at).is_none() && expects(None),
        ObjectFate::Replaced(at) => put(at) && before(at).is_some() && expects(before(at)),
        ObjectFate::Unchanged(at) => put(at) && expects(Some(*at)),
        ObjectFate::Removed => turns.values().any(Option::is_none),
        ObjectFate::Absent => told.document.is_none() && expects(None),
    }
}

/// What is there in the end is what the log says, with its version.
pub(super) fn in_the_end(dump: &Dump, log: &Log<'_>, wrong: &mut Wrong) {
    let mut found = BTreeMap::new();
    for (key, row) in dump.get(&Table::Objects).into_iter().flatten() {
        let row = ValueRow::from_bytes(&Bytes::copy_from_slice(row));
        if let (Some((tenant, kind, name)), Ok(row)) = (keys::object_parts(key), row) {
            found.insert((tenant.to_string(), kind, name.to_owned()), (row.version, row.value));
        }
    }
    let now = log
        .objects
        .now()
        .map(|(tenant, kind, name, at, document)| ((tenant.to_owned(), kind, name.to_owned()), (at, document.clone())));
    let now: BTreeMap<_, _> = now.collect();
    wrong.unless(found == now, || format!("the control objects are {found:?} and should be {now:?}"));
}
