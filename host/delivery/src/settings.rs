//! What holds for a tenant as a whole, wherever the tenant was made: in the configuration file, or by the API.
//!
//! Invariant: a setting that is not said has its default, and is not written.

use std::{ops::Bound, str::FromStr};

use serde::{Deserialize, Serialize};
use wharf_event::{GrantBounds, SignaturePolicy, TenantName};

use crate::{
    DecodeError, Object, ObjectKind, ObjectName, Quotas, keys,
    limits::{TENANT_CONCURRENCY, TENANT_MEMORY_MIB, WEIGHT},
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
    /// Its share of the processors and of the places for attempts beside other tenants, where it is not the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Attempts of all its plugins at a time, where it is not the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// MiB that all its attempts at a time may use together, where it is not the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// What it may have and do.
    #[serde(skip_serializing_if = "Quotas::is_default")]
    pub quotas: Quotas,
}

impl TenantSettings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Its share beside other tenants, in proportion to theirs.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.unwrap_or(WEIGHT)
    }

    /// Attempts of all its plugins at a time.
    #[must_use]
    pub fn concurrency(&self) -> u32 {
        self.concurrency.unwrap_or(TENANT_CONCURRENCY)
    }

    /// MiB that all its attempts at a time may use together.
    #[must_use]
    pub fn memory_mib(&self) -> u32 {
        self.memory_mib.unwrap_or(TENANT_MEMORY_MIB)
    }
}

/// What becomes of deliveries to a plugin while its release is quarantined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnQuarantine {
    /// They wait, untried and uncounted, until another release has the traffic or the quarantine is lifted.
    #[default]
    Wait,
    /// They go to the dead-letter queue of their target.
    DeadLetter,
}

impl OnQuarantine {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// A text that says nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is `wait` or `dead-letter`")]
pub struct NotOnQuarantine;

impl FromStr for OnQuarantine {
    type Err = NotOnQuarantine;

    fn from_str(text: &str) -> Result<Self, NotOnQuarantine> {
        [Self::Wait, Self::DeadLetter].into_iter().find(|one| one.as_str() == text).ok_or(NotOnQuarantine)
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
    /// When it was resumed last, in milliseconds since 1970: its deliveries have not grown older while it was suspended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumed_ms: u64,
    /// Whether it is there.
    #[serde(default, skip_serializing_if = "TenantLife::is_active")]
    pub life: TenantLife,
}

impl TenantObject {
    /// Whether a tenant is being deleted, or is gone: nothing is written down for it any more.
    pub(crate) fn is_closed(tables: &impl Tables, tenant: &TenantName) -> Result<bool, TableError> {
        let own = Object::get(tables, tenant, ObjectKind::Tenant, &ObjectName::from(tenant))?;
        let own = own.map(|own| serde_json::from_slice::<Self>(&own.document)).transpose();
        let own = own.map_err(|_| damaged("document of a tenant"))?;
        Ok(own.is_some_and(|own| own.life != TenantLife::Active))
    }

    /// Every tenant that is a control object. The tables are looked at once for each tenant that has any object.
    ///
    /// # Errors
    /// When the table cannot be read, or a row is damaged.
    pub fn all(tables: &impl Tables) -> Result<Vec<(TenantName, Self)>, TableError> {
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

fn damaged(what: &'static str) -> TableError {
    TableError::Row { table: Table::Objects.name(), source: DecodeError::Invalid(what) }
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

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_is_written() {
        assert_eq!(serde_json::to_string(&TenantSettings::default()).unwrap(), "{}");
        let said = TenantSettings { weight: Some(7), ..TenantSettings::default() };
        let text = serde_json::to_string(&said).unwrap();
        assert_eq!(text, r#"{"weight":7}"#);
        assert_eq!(serde_json::from_str::<TenantSettings>(&text).unwrap(), said);
        assert_eq!((said.weight(), said.concurrency(), said.is_default()), (7, TENANT_CONCURRENCY, false));
    }
}
