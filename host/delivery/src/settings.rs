//! What holds for a tenant as a whole, wherever the tenant was made: in the configuration file, or by the API.
//!
//! Invariant: a setting that is not said has its default, and is not written.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use wharf_event::{GrantBounds, SignaturePolicy, TenantName};

use crate::{
    DecodeError, Object, ObjectKind, ObjectName, keys,
    tables::{Table, TableError, Tables},
};

/// What holds for a tenant as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSettings {
    /// Its events are refused, and its deliveries wait.
    #[serde(skip_serializing_if = "is_false")]
    pub suspended: bool,
    /// The most that its plugins may be granted.
    #[serde(skip_serializing_if = "GrantBounds::is_open")]
    pub ceiling: GrantBounds,
    /// What it asks of the signatures of its releases.
    #[serde(skip_serializing_if = "SignaturePolicy::is_none")]
    pub signatures: SignaturePolicy,
}

impl TenantSettings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A tenant that is made while the host runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantObject {
    /// What holds for it.
    #[serde(default, skip_serializing_if = "TenantSettings::is_default")]
    pub settings: TenantSettings,
    /// The last frame of the log before it was made. What lies before belongs to others, who may have had its name.
    pub since_k: u64,
    /// Whether it is there.
    #[serde(default, skip_serializing_if = "TenantLife::is_active")]
    pub life: TenantLife,
}

impl TenantObject {
    /// Every tenant that is a control object. The tables are looked at once for each tenant that has any object.
    ///
    /// # Errors
    /// When the table cannot be read, or a row is damaged.
    pub fn all(tables: &impl Tables) -> Result<Vec<(TenantName, Self)>, TableError> {
        let damaged = |what| TableError::Row { table: Table::Objects.name(), source: DecodeError::Invalid(what) };
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let Some((key, _)) = tables.scan(Table::Objects, &[], from, 1)?.pop() else { return Ok(all) };
            let tenant = keys::first(&key).ok_or_else(|| damaged("tenant of an object"))?;
            if let Some(own) = Object::get(tables, &tenant, ObjectKind::Tenant, &ObjectName::from(&tenant))? {
                let object = serde_json::from_slice(&own.document).map_err(|_| damaged("document of a tenant"))?;
                all.push((tenant.clone(), object));
            }
            // Behind all kinds of its objects.
            let mut last = keys::tenant(&tenant);
            last.push(u8::MAX);
            after = Some(last);
        }
    }
}

/// Whether a tenant is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantLife {
    /// It is.
    #[default]
    Active,
    /// It is being deleted: nobody meets it any more, and its rows go page by page.
    Erasing,
    /// It is gone. That it was there is known as long as the log holds events of it, so that nobody takes them for those of
    /// another tenant with its name.
    Gone,
}

impl TenantLife {
    fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}
