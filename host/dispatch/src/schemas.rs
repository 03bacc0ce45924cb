//! The schemas of a tenant that are in force, as documents. Invariant: a set never changes, and equal sets are shared from one
//! rule set to the next, so that whoever compiles them does so once. What a schema means is not known here.

use std::{collections::BTreeMap, sync::Arc};

use wharf_delivery::SchemaDocument;
use wharf_event::{SchemaName, TenantName};

use crate::rules::{Origin, RuleSet};

/// A schema in force.
#[derive(Clone, Debug)]
pub struct SchemaInForce {
    /// What it says and which events it is for.
    pub document: Arc<SchemaDocument>,
    /// Where it was made.
    pub origin: Origin,
}

/// The schemas of a tenant, by name.
pub type SchemaSet = BTreeMap<SchemaName, SchemaInForce>;

/// The schemas of a configuration.
pub(crate) fn of_file(documents: &BTreeMap<SchemaName, SchemaDocument>) -> Arc<SchemaSet> {
    let in_force =
        |document: &SchemaDocument| SchemaInForce { document: Arc::new(document.clone()), origin: Origin::File };
    Arc::new(documents.iter().map(|(name, document)| (name.clone(), in_force(document))).collect())
}

impl RuleSet {
    /// The schemas of a tenant, if it has any.
    #[must_use]
    pub fn schemas(&self, tenant: &TenantName) -> Option<&Arc<SchemaSet>> {
        self.tenants.get(tenant).map(|tenant| &tenant.schemas).filter(|schemas| !schemas.is_empty())
    }
}
