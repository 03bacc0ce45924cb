//! Tenants and buses that a file names and a host has not.
//!
//! Invariant: this is the one place that says what becomes of them.

use wharf_event::{BusName, Code, TenantName};

use super::plan::{Kind, Object, Trouble};

/// The host has no such tenant.
pub fn no_tenant(tenant: &TenantName) -> Trouble {
    Trouble {
        object: Object { tenant: tenant.clone(), kind: Kind::Tenant, name: tenant.to_string() },
        code: Code::TenantUnknown,
        message: format!("the host has no tenant `{tenant}`"),
        help: format!("add a table `tenants.{tenant}` to the host's own configuration"),
    }
}

/// The tenant has no such bus.
pub fn no_bus(tenant: &TenantName, bus: &BusName) -> Trouble {
    Trouble {
        object: Object { tenant: tenant.clone(), kind: Kind::Bus, name: bus.to_string() },
        code: Code::BusUnknown,
        message: format!("the host has no event bus `{bus}` of the tenant `{tenant}`"),
        help: format!("add a table `tenants.{tenant}.buses.{bus}` to the host's own configuration"),
    }
}
