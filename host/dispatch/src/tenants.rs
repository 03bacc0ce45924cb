//! Tenants and buses that are control objects, put into a rule set or taken out of it.
//!
//! Invariant: a tenant that is being deleted is in no rule set, so nothing is accepted for it and nothing of it is shown; that it is
//! being deleted is known (`RuleSet::departed`), so nobody makes one of its name meanwhile. Nothing is read or erased here.

use std::sync::Arc;

use bytes::Bytes;
use wharf_delivery::{BusDocument, ObjectName, TenantLife, TenantObject, TenantSettings};
use wharf_event::{BusName, Code, RuleName, SchemaName, TenantName};

use crate::{
    limits::{BUSES_PER_TENANT_MAX, TENANTS_MAX, TOPICS_PER_TENANT_MAX},
    rules::{Bus, Departed, Origin, RuleSet, Tenant},
};

/// A tenant that cannot be made, or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// The document is none of a tenant.
    #[error("{0}")]
    Document(String),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file: change it there, and start the host again")]
    OfFile,
    /// One of that name is being deleted.
    #[error("it is being deleted")]
    Erasing,
    /// There are enough of them.
    #[error("the host has {TENANTS_MAX} tenants already")]
    TooMany,
}

/// A bus that cannot be made, changed, or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The document is none of a bus.
    #[error("{0}")]
    Document(String),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file: change it there, and start the host again")]
    OfFile,
    /// A rule listens on it.
    #[error("the {} `{}` listens on it", .0.told().0, .0.told().1)]
    Listener(RuleName),
    /// A rule or a schedule publishes to it.
    #[error("{0}")]
    Publisher(String),
    /// A schema is for its events.
    #[error("the schema `{0}` is for its events")]
    Schema(SchemaName),
    /// The tenant has enough of them.
    #[error("the tenant has {BUSES_PER_TENANT_MAX} event buses already")]
    TooMany,
    /// Something publishes to the topic, or it has subscriptions.
    #[error("{0}")]
    Topic(String),
    /// The tenant has enough topics.
    #[error("the tenant has {TOPICS_PER_TENANT_MAX} topics already")]
    TooManyTopics,
}

impl TenantError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) => Code::TenantInvalid,
            Self::OfFile => Code::TenantOfFile,
            Self::Erasing => Code::TenantDeleting,
            Self::TooMany => Code::TenantsTooMany,
        }
    }
}

impl BusError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) => Code::BusInvalid,
            Self::OfFile => Code::BusOfFile,
            Self::Listener(_) | Self::Publisher(_) | Self::Schema(_) => Code::BusInUse,
            Self::TooMany => Code::BusesTooMany,
            Self::Topic(_) => Code::TopicInUse,
            Self::TooManyTopics => Code::TopicsTooMany,
        }
    }
}

/// The bus that every tenant has.
fn default_bus() -> Option<BusName> {
    "default".parse().ok()
}

impl RuleSet {
    /// Makes a tenant, changes its settings, or takes it out.
    pub(crate) fn change_tenant(&mut self, name: &TenantName, document: Option<&Bytes>) -> Result<(), TenantError> {
        let Some(document) = document else {
            self.departed.remove_mut(name);
            return Ok(());
        };
        let object: TenantObject =
            serde_json::from_slice(document).map_err(|error| TenantError::Document(error.to_string()))?;
        let TenantObject { settings, since_k, resumed_ms, life } = object;
        let of_file = self.tenants.get(name).is_some_and(|tenant| tenant.origin == Origin::File);
        match life {
            TenantLife::Active if of_file => return Err(TenantError::OfFile),
            TenantLife::Active => self.admit(name, settings, (since_k, resumed_ms))?,
            TenantLife::Erasing if of_file => return Err(TenantError::Erasing),
            TenantLife::Erasing | TenantLife::Gone => {
                if let Some(tenant) = self.tenants.get_mut(name).filter(|_| of_file) {
                    Arc::make_mut(tenant).since_k = since_k;
                } else {
                    self.tenants.remove_mut(name);
                }
                let erasing = life == TenantLife::Erasing;
                self.departed.insert_mut(name.clone(), Departed { since_k, erasing });
            }
        }
        Ok(())
    }

    fn admit(
        &mut self,
        name: &TenantName,
        settings: TenantSettings,
        (since_k, resumed_ms): (u64, u64),
    ) -> Result<(), TenantError> {
        let settings = Arc::new(settings);
        if let Some(tenant) = self.tenants.get_mut(name) {
            let tenant = Arc::make_mut(tenant);
            (tenant.settings, tenant.resumed_ms) = (settings, resumed_ms);
            return Ok(());
        }
        if self.departed.get(name).is_some_and(|departed| departed.erasing) {
            return Err(TenantError::Erasing);
        }
        if self.tenants.size() >= TENANTS_MAX {
            return Err(TenantError::TooMany);
        }
        let mut tenant = Tenant { origin: Origin::Object, settings, since_k, resumed_ms, ..Tenant::default() };
        tenant.buses.extend(default_bus().map(|bus| (bus, Arc::new(Bus::made(Origin::Object, None)))));
        self.departed.remove_mut(name);
        self.tenants.insert_mut(name.clone(), Arc::new(tenant));
        Ok(())
    }
}

impl Tenant {
    /// Makes a bus, changes how long it keeps its events, or removes it. The bus `default` stays, as it is where nobody says anything.
    pub(crate) fn change_bus(&mut self, name: &ObjectName, document: Option<&Bytes>) -> Result<(), BusError> {
        let name: BusName = name.as_str().parse().map_err(|_| BusError::Document("its name is none".to_owned()))?;
        if name.queue().is_some() {
            return Err(BusError::Document("it is that of a queue".to_owned()));
        }
        let document = document.map(|document| serde_json::from_slice::<BusDocument>(document)).transpose();
        let document = document.map_err(|error| BusError::Document(error.to_string()))?;
        let before = self.buses.get(&name);
        if before.is_some_and(|bus| bus.origin == Origin::File) {
            return Err(BusError::OfFile);
        }
        if document.is_none() && default_bus().as_ref() != Some(&name) {
            self.unused_bus(&name)?;
            self.buses.remove(&name);
            return Ok(());
        }
        if before.is_none() {
            self.has_room_for_bus(&name)?;
        }
        let bus = self.buses.entry(name).or_insert_with(|| Arc::new(Bus::made(Origin::Object, None)));
        let bus = Arc::make_mut(bus);
        bus.retention = document.map(BusDocument::retention).unwrap_or_default();
        bus.backlog = document.and_then(|document| document.backlog);
        Ok(())
    }

    fn has_room_for_bus(&self, name: &BusName) -> Result<(), BusError> {
        let of_its_kind = self.buses.keys().filter(|bus| bus.is_plain() == name.is_plain()).count();
        match name.is_plain() {
            true if of_its_kind >= BUSES_PER_TENANT_MAX => Err(BusError::TooMany),
            false if of_its_kind >= TOPICS_PER_TENANT_MAX => Err(BusError::TooManyTopics),
            _ => Ok(()),
        }
    }

    fn unused_bus(&self, name: &BusName) -> Result<(), BusError> {
        if !name.is_plain() {
            return self.unused_topic(name);
        }
        if let Some(rule) = self.rules.values().find(|rule| rule.bus == *name) {
            return Err(BusError::Listener(rule.name.clone()));
        }
        if let Some(publisher) = self.publisher(name) {
            return Err(BusError::Publisher(publisher));
        }
        match self.schemas.iter().find(|(_, schema)| schema.document.bus == *name) {
            Some((schema, _)) => Err(BusError::Schema(schema.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use wharf_delivery::{Document, ObjectKind, TenantDocument};

    use super::*;
    use crate::mistakes::RulesError;

    fn acme() -> TenantName {
        "acme".parse().unwrap()
    }

    /// The tenant `file` with the bus `filed`.
    fn set() -> RuleSet {
        let of = TenantDocument { buses: ["filed".parse().unwrap()].into(), ..TenantDocument::default() };
        let document = Document { tenants: [("file".parse().unwrap(), of)].into(), ..Document::default() };
        RuleSet::new(document, &HashMap::new(), &HashMap::new()).unwrap()
    }

    fn tenant(set: &RuleSet, name: &TenantName, document: Option<&str>) -> Result<RuleSet, RulesError> {
        let document = document.map(|text| Bytes::from(text.to_owned()));
        set.with(name, [(ObjectKind::Tenant, &ObjectName::from(name), document.as_ref())])
    }

    fn bus(set: &RuleSet, name: &str, document: Option<&str>) -> Result<RuleSet, RulesError> {
        let (name, document) = (name.parse::<BusName>().unwrap(), document.map(|text| Bytes::from(text.to_owned())));
        set.with(&acme(), [(ObjectKind::Bus, &ObjectName::from(&name), document.as_ref())])
    }

    fn code(result: Result<RuleSet, RulesError>) -> Option<Code> {
        result.map(drop).map_err(|error| error.code()).err()
    }

    #[test]
    fn a_tenant_comes_rests_and_goes_and_the_next_of_its_name_begins_behind_it() {
        let made = tenant(&set(), &acme(), Some(r#"{"since_k":0}"#)).unwrap();
        assert_eq!((made.origin(&acme()), made.since_k(&acme())), (Some(Origin::Object), 0));
        assert!(made.check_bus(&acme(), &"default".parse().unwrap()).is_ok());
        let rests = tenant(&made, &acme(), Some(r#"{"settings":{"suspended":true},"since_k":0}"#)).unwrap();
        assert!(rests.settings(&acme()).suspended && !made.settings(&acme()).suspended);
        let resumed = tenant(&rests, &acme(), Some(r#"{"since_k":0,"resumed_ms":5}"#)).unwrap();
        assert_eq!((rests.resumed_ms(&acme()), resumed.resumed_ms(&acme())), (0, 5));
        let erasing = tenant(&rests, &acme(), Some(r#"{"since_k":0,"life":"erasing"}"#)).unwrap();
        assert!(!erasing.has_tenant(&acme()) && erasing.is_departed(&acme()));
        assert_eq!(erasing.deleting(), [acme()]);
        let gone = tenant(&erasing, &acme(), Some(r#"{"since_k":7,"life":"gone"}"#)).unwrap();
        assert!(gone.is_departed(&acme()) && gone.deleting().is_empty());
        let next = tenant(&gone, &acme(), Some(r#"{"since_k":7}"#)).unwrap();
        assert_eq!((next.since_k(&acme()), next.is_departed(&acme())), (7, false));
        assert!(!tenant(&gone, &acme(), None).unwrap().is_departed(&acme()));
        // One of the file that takes the name of one who is gone begins behind it too.
        let file: TenantName = "file".parse().unwrap();
        let behind = tenant(&set(), &file, Some(r#"{"since_k":9,"life":"gone"}"#)).unwrap();
        assert_eq!((behind.since_k(&file), behind.origin(&file)), (9, Some(Origin::File)));
    }

    #[test]
    fn tenants_and_buses_that_cannot_be_are_refused_and_nothing_changes() {
        let file = "file".parse().unwrap();
        assert_eq!(code(tenant(&set(), &file, Some(r#"{"since_k":0}"#))), Some(Code::TenantOfFile));
        assert_eq!(code(tenant(&set(), &file, Some(r#"{"since_k":0,"life":"erasing"}"#))), Some(Code::TenantDeleting));
        assert_eq!(code(tenant(&set(), &acme(), Some("{"))), Some(Code::TenantInvalid));
        let erasing = tenant(&set(), &acme(), Some(r#"{"since_k":0,"life":"erasing"}"#)).unwrap();
        assert_eq!(code(tenant(&erasing, &acme(), Some(r#"{"since_k":0}"#))), Some(Code::TenantDeleting));
        let mut full = set();
        for n in 1..TENANTS_MAX {
            full.admit(&format!("t{n}").parse().unwrap(), TenantSettings::default(), (0, 0)).unwrap();
        }
        assert_eq!(code(tenant(&full, &acme(), Some(r#"{"since_k":0}"#))), Some(Code::TenantsTooMany));

        let mut made = tenant(&set(), &acme(), Some(r#"{"since_k":0}"#)).unwrap();
        for n in 1..BUSES_PER_TENANT_MAX {
            made = bus(&made, &format!("b{n}"), Some(r#"{"age_ms":1,"size_bytes":2}"#)).unwrap();
        }
        assert_eq!(made.retentions()[&(acme(), "b1".parse().unwrap())].age_ms, 1);
        assert_eq!(code(bus(&made, "more", Some(r#"{"age_ms":1,"size_bytes":2}"#))), Some(Code::BusesTooMany));
        assert_eq!(code(bus(&made, "b1", Some("{}"))), Some(Code::BusInvalid));
        let schema = r#"{"bus":"b1","type":"t","mode":"warn","versions":[{"number":1,"at_ms":0,"schema":"{}"}]}"#;
        let name = ObjectName::from(&"s".parse::<SchemaName>().unwrap());
        let document = Bytes::from_static(schema.as_bytes());
        let used = made.with(&acme(), [(ObjectKind::Schema, &name, Some(&document))]).unwrap();
        assert_eq!(code(bus(&used, "b1", None)), Some(Code::BusInUse));
        assert!(bus(&used, "b2", None).unwrap().check_bus(&acme(), &"b2".parse().unwrap()).is_err());
        let of_file = set().with(
            &"file".parse().unwrap(),
            [(ObjectKind::Bus, &ObjectName::from(&"filed".parse::<BusName>().unwrap()), None)],
        );
        assert_eq!(code(of_file), Some(Code::BusOfFile));
    }
}
