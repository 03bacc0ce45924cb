//! Schemas that are control objects: put, removed, and shown as the log has them.
//!
//! Invariant: what comes into force was held against the very version that it follows: if another one came in between, it is
//! held against that. A schema of the configuration file is never changed here.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use wharf_delivery::{
    Changed, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, SchemaMode, SchemaObject, SchemaVersion,
};
use wharf_dispatch::{ChangeError, RulesError, SchemaError, rfc3339};
use wharf_event::{BusName, Code, Position, SchemaName, limits::ATTRIBUTE_BYTES_MAX};
use wharf_gateway::{
    Compatibility, Expected, Mistake, Refusal, SchemaPut, SchemaRef,
    view::{RuleOrigin, SchemaVersionView, SchemaView},
};
use wharf_schema::{Breaks, Draft, Incompatibility, Mode, Schema, compatibility};

use super::{HostAdapter, blocking, not_asked, rules::taken, unknown as unknown_place, was_read};
use crate::config::DEFAULT_BUS;

/// A schema as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    bus: Option<BusName>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    mode: SchemaMode,
    schema: Box<RawValue>,
}

/// The same, understood.
struct Wanted {
    bus: BusName,
    kind: String,
    mode: SchemaMode,
    schema: Schema,
}

impl HostAdapter {
    /// A schema that is a control object, with its version.
    pub(super) async fn schema_object(&self, of: &SchemaRef) -> Result<Option<(Position, SchemaObject)>, Refusal> {
        self.known(&of.tenant)?;
        let name = ObjectName::from(&of.schema);
        let object = self.dispatcher.read(|state| Object::get(state, &of.tenant, ObjectKind::Schema, &name)).await;
        let read = |object: Object| Some((object.version, serde_json::from_slice(&object.document).ok()?));
        was_read(object)?.map(|object| read(object).ok_or_else(damaged)).transpose()
    }

    /// Puts a version of a schema into force, if it may follow the one that is.
    pub(super) async fn follow(
        &self,
        of: SchemaRef,
        document: Bytes,
        compatibility: Compatibility,
        expected: Expected,
    ) -> Result<SchemaPut, Refusal> {
        self.known(&of.tenant)?;
        let name = of.schema.clone();
        let mut wanted = blocking(move || read(&name, &document)).await?;
        loop {
            let there = self.schema_object(&of).await?;
            let held = there.as_ref().map(|(version, _)| *version);
            let on = still(expected, held)?;
            let (before, now_ms) = (there.map(|(_, object)| object), self.dispatcher.now_ms());
            let after = blocking(move || {
                let object = after(before, &wanted, compatibility, now_ms)?;
                Ok((wanted, object))
            });
            let object;
            (wanted, object) = after.await?;
            match self.change_schema(&of, Some(&object), on).await {
                Ok(fate) => {
                    let version = fate.version().ok_or_else(|| unknown(&of))?;
                    let created = matches!(fate, ObjectFate::Created(_));
                    return Ok(SchemaPut { schema: view(&of.schema, object, version)?, created });
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }

    /// Makes, changes or removes one schema.
    pub(super) async fn change_schema(
        &self,
        of: &SchemaRef,
        object: Option<&SchemaObject>,
        expected: Expected,
    ) -> Result<ObjectFate, ChangeError> {
        let document = object.map(serde_json::to_vec).transpose();
        let document = document.map_err(|error| wharf_dispatch::AskError::Failed(error.to_string()))?;
        let wish = ObjectWish {
            kind: ObjectKind::Schema,
            name: ObjectName::from(&of.schema),
            document: document.map(Into::into),
            expected: taken(expected),
        };
        let Changed { objects, .. } = self.dispatcher.change(&of.tenant, vec![wish]).await?;
        Ok(objects.into_iter().next().unwrap_or(ObjectFate::Absent))
    }
}

/// What is expected of the version that a change was made for, if that is what was expected.
fn still(expected: Expected, held: Option<Position>) -> Result<Expected, Refusal> {
    let fits = match expected {
        Expected::Any => true,
        Expected::Absent => held.is_none(),
        Expected::Present => held.is_some(),
        Expected::Version(version) => held == Some(version),
    };
    match (fits, held) {
        (true, None) => Ok(Expected::Absent),
        (true, Some(version)) => Ok(Expected::Version(version)),
        (false, None) => Err(Refusal::new(Code::VersionConflict, "there is no such schema")),
        (false, Some(version)) => Err(Refusal::new(Code::VersionConflict, format!("the schema has version {version}"))),
    }
}

fn read(name: &SchemaName, document: &[u8]) -> Result<Wanted, Refusal> {
    let sent: Sent = serde_json::from_slice(document).map_err(|error| invalid("", error.to_string()))?;
    let schema = Schema::parse(sent.schema.get()).map_err(|errors| {
        let mistake =
            |error: &wharf_schema::SchemaError| mistake(&format!("/schema{}", error.pointer), error.reason.to_string());
        Refusal::new(Code::SchemaInvalid, errors.to_string()).errors(errors.iter().map(mistake).collect())
    })?;
    let kind = sent.kind.unwrap_or_else(|| name.to_string());
    if !(1..=ATTRIBUTE_BYTES_MAX).contains(&kind.len()) {
        return Err(invalid("/type", "no event has a `type` that is empty or as long as this".to_owned()));
    }
    let bus = sent.bus.map_or_else(|| DEFAULT_BUS.parse(), Ok);
    let bus = bus.map_err(|error: wharf_event::NameError| invalid("/bus", error.to_string()))?;
    Ok(Wanted { bus, kind, mode: sent.mode, schema })
}

/// The object with this version in force.
fn after(
    before: Option<SchemaObject>,
    wanted: &Wanted,
    mode: Compatibility,
    now_ms: u64,
) -> Result<SchemaObject, Refusal> {
    let Wanted { bus, kind, mode: what_becomes, schema } = wanted;
    let mut object = SchemaObject { bus: bus.clone(), kind: kind.clone(), mode: *what_becomes, versions: Vec::new() };
    if let Some(before) = before {
        if let Some(newest) = before.newest().filter(|newest| newest.schema != *schema.json()) {
            let old = Schema::parse(&newest.schema.to_string()).map_err(|_| damaged())?;
            let found = compatibility(&old, schema, promised(mode));
            if !found.is_empty() {
                return Err(incompatible(newest.number, &found));
            }
        }
        object.versions = before.versions;
    }
    object.follow(schema.json().clone(), now_ms);
    Ok(object)
}

fn promised(compatibility: Compatibility) -> Mode {
    match compatibility {
        Compatibility::Backward => Mode::Backward,
        Compatibility::Forward => Mode::Forward,
        Compatibility::Full => Mode::Full,
        Compatibility::None => Mode::None,
    }
}

fn incompatible(number: u64, found: &[Incompatibility]) -> Refusal {
    let mistake = |it: &Incompatibility| match it.breaks {
        Breaks::Backward => mistake(&format!("/schema{}", it.pointer), format!("not backward compatible: {}", it.why)),
        // The place is one of the old schema, which was not sent.
        Breaks::Forward => {
            mistake("/schema", format!("not forward compatible: version {number} has {}: {}", it.pointer, it.why))
        }
    };
    let mistakes: Vec<_> = found.iter().map(mistake).collect();
    let told: Vec<_> = mistakes.iter().map(|it| format!("{}: {}", it.pointer, it.detail)).collect();
    let detail = format!("it cannot follow version {number}: {}", told.join("; "));
    Refusal::new(Code::SchemaIncompatible, detail).errors(mistakes)
}

/// A schema as the API shows it.
pub(super) fn view(name: &SchemaName, object: SchemaObject, version: Position) -> Result<SchemaView, Refusal> {
    let SchemaObject { bus, kind, mode, mut versions } = object;
    let newest = versions.pop().ok_or_else(damaged)?;
    Ok(SchemaView {
        schema: name.clone(),
        origin: RuleOrigin::Api,
        version: Some(version),
        number: Some(newest.number),
        bus,
        kind,
        mode: mode.to_string(),
        draft: draft(Draft::of(&newest.schema).unwrap_or_default()),
        document: Some(newest.schema),
    })
}

/// A version as the API shows it.
pub(super) fn version(version: SchemaVersion) -> SchemaVersionView {
    SchemaVersionView {
        number: version.number,
        at: rfc3339(version.at_ms),
        draft: draft(Draft::of(&version.schema).unwrap_or_default()),
        document: Some(version.schema),
    }
}

/// The name of a draft.
pub(super) fn draft(draft: Draft) -> String {
    match draft {
        Draft::Seven => "draft-07".to_owned(),
        Draft::TwentyTwenty => "2020-12".to_owned(),
    }
}

/// A schema that there is not.
pub(super) fn unknown(of: &SchemaRef) -> Refusal {
    Refusal::new(Code::SchemaUnknown, format!("tenant `{}` has no schema `{}`", of.tenant, of.schema))
}

/// A change that did not come about.
pub(super) fn not_changed(error: &ChangeError) -> Refusal {
    match error {
        ChangeError::Ask(error) => not_asked(error),
        ChangeError::Rules(RulesError::Tenant(error)) => unknown_place(error),
        ChangeError::Rules(RulesError::Schema { source: source @ SchemaError::Bus(_), .. }) => {
            invalid("/bus", source.to_string())
        }
        ChangeError::Rules(RulesError::Schema { source, .. }) => Refusal::new(source.code(), source.to_string()),
        ChangeError::Rules(error) => Refusal::new(error.code(), error.to_string()),
    }
}

fn mistake(pointer: &str, detail: String) -> Mistake {
    Mistake { pointer: pointer.to_owned(), detail }
}

fn invalid(pointer: &str, detail: String) -> Refusal {
    Refusal::new(Code::SchemaInvalid, detail.clone()).errors(vec![mistake(pointer, detail)])
}

fn damaged() -> Refusal {
    tracing::error!("a schema in the state cannot be read");
    Refusal::new(Code::Internal, "a schema in the state cannot be read")
}
