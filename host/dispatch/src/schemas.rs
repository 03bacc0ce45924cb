//! The schemas of a tenant that are in force, as documents. Invariant: a set never changes, and equal sets are shared from one
//! rule set to the next, so that whoever compiles them does so once. What a schema means is not known here.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use wharf_delivery::{ObjectName, SchemaDocument, SchemaObject};
use wharf_event::{BusName, Code, SchemaName, TenantName};

use crate::{
    limits::SCHEMAS_PER_TENANT_MAX,
    rules::{Origin, RuleSet, Tenant},
};

/// A schema in force.
#[derive(Clone, Debug)]
pub struct SchemaInForce {
    /// What it says and which events it is for.
    pub document: Arc<SchemaDocument>,
    /// Where it was made.
    pub origin: Origin,
    /// The number of its version; those of the configuration file have none.
    pub number: Option<u64>,
}

/// The schemas of a tenant, by name.
pub type SchemaSet = BTreeMap<SchemaName, SchemaInForce>;

/// The schemas of a configuration.
pub(crate) fn of_file(documents: &BTreeMap<SchemaName, SchemaDocument>) -> Arc<SchemaSet> {
    let in_force = |document: &SchemaDocument| SchemaInForce {
        document: Arc::new(document.clone()),
        origin: Origin::File,
        number: None,
    };
    Arc::new(documents.iter().map(|(name, document)| (name.clone(), in_force(document))).collect())
}

/// A schema that cannot be put to use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SchemaError {
    /// The document is none of a schema.
    #[error("{0}")]
    Document(String),
    /// It is for a bus that there is not.
    #[error("there is no event bus `{0}`")]
    Bus(BusName),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file: change it there, and start the host again")]
    OfFile,
    /// Those events have a schema.
    #[error("schema `{0}` is for events of that type on that bus already")]
    Taken(SchemaName),
    /// The tenant has enough of them.
    #[error("the tenant has {SCHEMAS_PER_TENANT_MAX} schemas already")]
    TooMany,
}

impl SchemaError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) | Self::Bus(_) => Code::SchemaInvalid,
            Self::OfFile => Code::SchemaOfFile,
            Self::Taken(_) => Code::SchemaTaken,
            Self::TooMany => Code::SchemasTooMany,
        }
    }
}

impl Tenant {
    /// Puts a schema that is a control object in the place of the one that has its name, or removes it.
    pub(crate) fn change_schema(&mut self, name: &ObjectName, document: Option<&Bytes>) -> Result<(), SchemaError> {
        let none = |error: &dyn std::fmt::Display| SchemaError::Document(error.to_string());
        let name: SchemaName = name.as_str().parse().map_err(|error| none(&error))?;
        let before = self.schemas.get(&name);
        if before.is_some_and(|before| before.origin == Origin::File) {
            return Err(SchemaError::OfFile);
        }
        let Some(document) = document else {
            if before.is_some() {
                Arc::make_mut(&mut self.schemas).remove(&name);
            }
            return Ok(());
        };
        let object: SchemaObject = serde_json::from_slice(document).map_err(|error| none(&error))?;
        let SchemaObject { bus, kind, mode, mut versions } = object;
        let newest = versions.pop().ok_or_else(|| none(&"it has no version"))?;
        if !self.buses.contains_key(&bus) {
            return Err(SchemaError::Bus(bus));
        }
        let same = |document: &SchemaDocument| document.bus == bus && document.kind == kind;
        if let Some((other, _)) = self.schemas.iter().find(|(other, it)| **other != name && same(&it.document)) {
            return Err(SchemaError::Taken(other.clone()));
        }
        if before.is_none() && self.schemas.len() >= SCHEMAS_PER_TENANT_MAX {
            return Err(SchemaError::TooMany);
        }
        let document = Arc::new(SchemaDocument { bus, kind, mode, schema: newest.schema });
        let in_force = SchemaInForce { document, origin: Origin::Object, number: Some(newest.number) };
        Arc::make_mut(&mut self.schemas).insert(name, in_force);
        Ok(())
    }
}

impl RuleSet {
    /// The schemas of a tenant, if it has any.
    #[must_use]
    pub fn schemas(&self, tenant: &TenantName) -> Option<&Arc<SchemaSet>> {
        self.tenants.get(tenant).map(|tenant| &tenant.schemas).filter(|schemas| !schemas.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use serde_json::json;
    use wharf_delivery::{Document, ObjectKind, SchemaMode, TenantDocument};

    use super::*;
    use crate::{mistakes::RulesError, transform::Transforms};

    fn tenant() -> TenantName {
        "acme".parse().unwrap()
    }

    /// A set whose file has the schema `filed`.
    fn set() -> RuleSet {
        let bus: BusName = "default".parse().unwrap();
        let filed =
            SchemaDocument { bus: bus.clone(), kind: "f".to_owned(), mode: SchemaMode::Warn, schema: json!({}) };
        let schemas = BTreeMap::from([("filed".parse().unwrap(), filed)]);
        let of = TenantDocument { buses: BTreeSet::from([bus]), schemas, ..TenantDocument::default() };
        let document = Document { default_tenant: None, tenants: BTreeMap::from([(tenant(), of)]) };
        RuleSet::new(document, &HashMap::new(), &Transforms::default()).unwrap()
    }

    /// The set with a schema for events of that type, or without it.
    fn with(set: &RuleSet, name: &str, kind: Option<&str>) -> Result<RuleSet, SchemaError> {
        let document = kind.map(|kind| {
            let version = json!({"number": 3, "at_ms": 0, "schema": {"title": kind}});
            let text = json!({"bus": "default", "type": kind, "mode": "enforce", "versions": [version]}).to_string();
            Bytes::from(text)
        });
        let name = ObjectName::from(&name.parse::<SchemaName>().unwrap());
        set.with(&tenant(), [(ObjectKind::Schema, &name, document.as_ref())]).map_err(|error| match error {
            RulesError::Schema { source, .. } => source,
            other => panic!("{other}"),
        })
    }

    fn listed(set: &RuleSet) -> Vec<(String, Origin, Option<u64>)> {
        let schemas = set.schemas(&tenant()).unwrap().iter();
        schemas.map(|(name, it)| (name.to_string(), it.origin, it.number)).collect()
    }

    #[test]
    fn one_that_is_put_is_beside_those_of_the_file_and_takes_nothing_from_them() {
        let set = set();
        let filed = ("filed".to_owned(), Origin::File, None);
        let made = with(&set, "made", Some("m")).unwrap();
        assert_eq!(listed(&made), [filed.clone(), ("made".to_owned(), Origin::Object, Some(3))]);
        assert_eq!(with(&made, "made", Some("f")).err(), Some(SchemaError::Taken("filed".parse().unwrap())));
        assert_eq!(with(&made, "filed", Some("other")).err(), Some(SchemaError::OfFile));
        assert_eq!(with(&made, "filed", None).err(), Some(SchemaError::OfFile));
        assert_eq!(listed(&with(&made, "made", None).unwrap()), [filed]);
    }

    #[test]
    fn there_are_as_many_as_there_may_be() {
        let mut set = set();
        for n in 1..SCHEMAS_PER_TENANT_MAX {
            set = with(&set, &format!("s{n}"), Some(&format!("t{n}"))).unwrap();
        }
        assert_eq!(with(&set, "more", Some("more")).err(), Some(SchemaError::TooMany));
        assert!(with(&set, "s1", Some("more")).is_ok());
        assert!(with(&with(&set, "s1", None).unwrap(), "more", Some("more")).is_ok());
    }
}
