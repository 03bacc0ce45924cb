//! Transition: control objects of a tenant change. They are what is made while the host runs and decides what events meet:
//! rules first of all.
//!
//! An object is a document under a kind and a name; its version is the position of the record that put it there. All changes of a
//! request come about, or none. What a document means is not known here: whoever asks has compiled it.

use std::fmt;

use bytes::Bytes;
use wharf_event::{
    BusName, Digest, ModelName, PluginName, Position, PromptName, QueueName, RoutePath, RuleName, ScheduleName,
    SchemaName, TenantName, WebhookName,
};

use crate::{
    Record, ValueRow,
    codec::{DecodeError, Reader, Writer},
    keys,
    rows::Row,
    sequencer::{Answer, Decision, Refused, Sequencer},
    tables::{Table, TableError, Tables},
};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A rule of an event bus; its document is a [`crate::RuleDocument`].
    Rule = 1,
    /// A schema of payloads; its document is a [`crate::SchemaObject`].
    Schema = 2,
    /// A release of a plugin (its document is the registry's).
    Release = 3,
    /// A plugin with its channels (its document is the registry's).
    Plugin = 4,
    /// A tenant that is made while the host runs; its document is a [`crate::TenantObject`].
    Tenant = 5,
    /// An event bus; its document is a [`crate::BusDocument`].
    Bus = 6,
    /// The keys that sign the tenant's releases, all in one document, since no two may be the same (it is the registry's).
    Keys = 7,
    /// A queue: its document is a [`crate::QueueDocument`].
    Queue = 8,
    /// The secrets of the tenant, all in one document: a [`crate::SecretsObject`].
    Secrets = 9,
    /// A webhook: its document is a [`crate::WebhookObject`].
    Webhook = 10,
    /// What publishes an event at given times; its document is a [`crate::ScheduleDocument`].
    Schedule = 11,
    /// A prompt of a route to models: its document is `wharf-catalog`'s `PromptObject`.
    Prompt = 12,
    /// A route: its document is a [`crate::RouteDocument`].
    Route = 13,
    /// A model of the tenant with its versions and which of them answers (its document is the registry's).
    Model = 14,
}

impl ObjectKind {
    const ALL: [Self; 14] = [
        Self::Rule,
        Self::Schema,
        Self::Release,
        Self::Plugin,
        Self::Tenant,
        Self::Bus,
        Self::Keys,
        Self::Queue,
        Self::Secrets,
        Self::Webhook,
        Self::Schedule,
        Self::Prompt,
        Self::Route,
        Self::Model,
    ];

    /// The number that it has in records and keys; never 0.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Schema => "schema",
            Self::Release => "release",
            Self::Plugin => "plugin",
            Self::Tenant => "tenant",
            Self::Bus => "bus",
            Self::Keys => "keys",
            Self::Queue => "queue",
            Self::Secrets => "secrets",
            Self::Webhook => "webhook",
            Self::Schedule => "schedule",
            Self::Prompt => "prompt",
            Self::Route => "route",
            Self::Model => "model",
        }
    }

    /// The kind of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// The name of an object among those of its tenant and kind: a name that was checked as such.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&RuleName> for ObjectName {
    fn from(name: &RuleName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&TenantName> for ObjectName {
    fn from(name: &TenantName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&BusName> for ObjectName {
    fn from(name: &BusName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&QueueName> for ObjectName {
    fn from(name: &QueueName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&ScheduleName> for ObjectName {
    fn from(name: &ScheduleName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&SchemaName> for ObjectName {
    fn from(name: &SchemaName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&PromptName> for ObjectName {
    fn from(name: &PromptName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&RoutePath> for ObjectName {
    fn from(path: &RoutePath) -> Self {
        Self(path.as_str().to_owned())
    }
}

impl From<&WebhookName> for ObjectName {
    fn from(name: &WebhookName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&ModelName> for ObjectName {
    fn from(name: &ModelName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<&PluginName> for ObjectName {
    fn from(name: &PluginName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl ObjectName {
    /// The name of a plugin's release: `PLUGIN/` and the 64 digits of its digest.
    #[must_use]
    pub fn of_release(plugin: &PluginName, release: &Digest) -> Self {
        Self(format!("{plugin}/{}", release.hex()))
    }

    /// Plugin and digest of a release's name.
    #[must_use]
    pub fn release(&self) -> Option<(PluginName, Digest)> {
        let (plugin, hex) = self.0.split_once('/')?;
        Some((plugin.parse().ok()?, format!("sha256:{hex}").parse().ok()?))
    }

    /// The digest in a release's name.
    #[must_use]
    pub fn release_in(name: &str) -> Option<Digest> {
        let (_, hex) = name.split_once('/')?;
        format!("sha256:{hex}").parse().ok()
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What whoever asks takes an object to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// It does not matter.
    #[default]
    Any,
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// It has this version.
    Version(Position),
}

impl Expected {
    fn holds(self, found: Option<Position>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Version(version) => found == Some(version),
        }
    }
}

/// A wish about one object.
#[derive(Clone, Debug)]
pub struct ObjectWish {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: ObjectName,
    /// What it is to be from now on; absent = removed.
    pub document: Option<Bytes>,
    /// What it is taken to be now.
    pub expected: Expected,
}

/// The wish to change objects, each named once: at most [`crate::limits::CHANGES_MAX`].
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    /// Whose they are.
    pub tenant: TenantName,
    /// The wishes.
    pub wishes: Vec<ObjectWish>,
}

/// One change, as it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChange {
    /// The kind.
    pub kind: ObjectKind,
    /// The name.
    pub name: ObjectName,
    /// The document from now on; absent = removed.
    pub document: Option<Bytes>,
}

/// What came of a [`ChangeRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The version that the tenant's rules have now: the k of the changes' frame, or that from before when nothing changed.
    pub rules_version: u64,
    /// What became of each object, in the order of the wishes.
    pub objects: Vec<ObjectFate>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectFate {
    /// It is new, of this version.
    Created(Position),
    /// It is another one, of this version.
    Replaced(Position),
    /// It was so before, since this version.
    Unchanged(Position),
    /// It is gone.
    Removed,
    /// There was none to remove.
    Absent,
}

impl ObjectFate {
    /// The version that it has now; none where it is not there.
    #[must_use]
    pub fn version(self) -> Option<Position> {
        match self {
            Self::Created(at) | Self::Replaced(at) | Self::Unchanged(at) => Some(at),
            Self::Removed | Self::Absent => None,
        }
    }
}

pub(crate) fn decide<T: Tables>(
    sequencer: &mut Sequencer,
    request: ChangeRequest,
    base: Position,
    tables: &T,
) -> Result<Result<Decision, Refused>, TableError> {
    let ChangeRequest { tenant, wishes } = request;
    let (mut changes, mut objects) = (Vec::new(), Vec::with_capacity(wishes.len()));
    for ObjectWish { kind, name, document, expected } in wishes {
        let found = ValueRow::held(tables, Table::Objects, &keys::object(&tenant, kind, &name))?;
        let version = found.as_ref().map(|row| row.version);
        if !expected.holds(version) {
            return Ok(Err(Refused::ObjectChanged { kind, name, version }));
        }
        let fate = match (&found, &document) {
            (None, None) => ObjectFate::Absent,
            (None, Some(_)) => ObjectFate::Created(base),
            (Some(row), Some(document)) if row.value == *document => ObjectFate::Unchanged(row.version),
            (Some(_), Some(_)) => ObjectFate::Replaced(base),
            (Some(_), None) => ObjectFate::Removed,
        };
        if !matches!(fate, ObjectFate::Absent | ObjectFate::Unchanged(_)) {
            changes.push(ObjectChange { kind, name, document });
        }
        objects.push(fate);
    }
    let mut rules_version = sequencer.rules_version(&tenant);
    let mut records = Vec::new();
    if !changes.is_empty() {
        rules_version = base.k;
        sequencer.rules.change(&tenant, base.k);
        records.push(Record::Change { tenant, changes });
    }
    let answer = Answer::Changed(Changed { rules_version, objects });
    Ok(Ok(Decision { records, answer }))
}

pub(crate) fn apply(tenant: &TenantName, changes: &[ObjectChange], position: Position, tables: &mut impl Tables) {
    for ObjectChange { kind, name, document } in changes {
        let key = keys::object(tenant, *kind, name);
        match document {
            Some(document) => {
                let row = ValueRow { version: position, value: document.clone(), place: None };
                tables.put(Table::Objects, &key, row.encode());
            }
            None => tables.remove(Table::Objects, &key),
        }
    }
}

pub(crate) fn put(changes: &[ObjectChange], w: &mut Writer) {
    w.count(changes.len());
    for ObjectChange { kind, name, document } in changes {
        w.u8(kind.number()).str(name.as_str());
        match document {
            Some(document) => w.u8(1).bytes(document),
            None => w.u8(0),
        };
    }
}

pub(crate) fn take(r: &mut Reader) -> Result<ObjectChange, DecodeError> {
    let kind = ObjectKind::from_number(r.u8("kind of object")?).ok_or(DecodeError::Invalid("kind of object"))?;
    let name = ObjectName(r.str("name of an object")?);
    let document = if r.u8("has document")? == 1 { Some(r.bytes("document")?) } else { None };
    Ok(ObjectChange { kind, name, document })
}

/// An object as it is in the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: ObjectName,
    /// The record that put it.
    pub version: Position,
    /// Its document.
    pub document: Bytes,
}

impl Object {
    /// The object of that name.
    ///
    /// # Errors
    /// When the table cannot be read or the row is damaged.
    pub fn get(
        tables: &impl Tables,
        tenant: &TenantName,
        kind: ObjectKind,
        name: &ObjectName,
    ) -> Result<Option<Self>, TableError> {
        let row = ValueRow::held(tables, Table::Objects, &keys::object(tenant, kind, name))?;
        Ok(row.map(|row| Self { name: name.clone(), version: row.version, document: row.value }))
    }

    /// A page of the tenant's objects of that kind, by name, those behind `after` only.
    ///
    /// # Errors
    /// When the table cannot be read or a row is damaged.
    pub fn page(
        tables: &impl Tables,
        tenant: &TenantName,
        kind: ObjectKind,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> Result<Vec<Self>, TableError> {
        let (prefix, after) = (keys::objects(tenant, kind), after.map(|name| keys::object(tenant, kind, name)));
        let from = after.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let rows = tables.scan(Table::Objects, &prefix, from, limit)?;
        let damaged = |what| TableError::Row { table: Table::Objects.name(), source: DecodeError::Invalid(what) };
        let object = |(key, row): &(Bytes, Bytes)| {
            let name = key.get(prefix.len()..).and_then(|name| std::str::from_utf8(name).ok());
            let name = ObjectName(name.ok_or_else(|| damaged("name of an object"))?.to_owned());
            let row = ValueRow::decode_of(Table::Objects, row)?;
            Ok(Self { name, version: row.version, document: row.value })
        };
        rows.iter().map(object).collect()
    }
}
