//! A command's way to its host: the client, and the tenant whose events it is about.
//!
//! Invariant: the tenant is the one that was said, else the host's default, else its only one; never a guess among several.

use std::fmt::Display;

use wharf_delivery::DeliveryId;
use wharf_event::{Code, TenantName};
use wharf_gateway::limits::PAGE_ROWS_MAX;
use wharf_gateway::view::{EventDetail, TenantsView};

use super::{args::Global, error::CommandError};
use crate::client::{Client, ClientError, Resource};

/// A host and a tenant of it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The host.
    pub client: Client,
    /// The tenant.
    pub tenant: TenantName,
}

impl Session {
    /// Finds the tenant, asking the host if need be.
    ///
    /// # Errors
    /// When there is none to be found.
    pub async fn open(global: &Global) -> Result<Self, CommandError> {
        let client = Client::new(&global.url)?;
        if let Some(tenant) = &global.tenant {
            return Ok(Self { client, tenant: tenant.clone() });
        }
        let tenants = match client.get::<TenantsView>(&Resource::fixed("/v1/tenants")).await {
            Ok(tenants) => tenants,
            Err(ClientError::Refused(reply)) if reply.code == Code::RouteUnknown.as_str() => {
                return Err(CommandError::TenantsUnlisted);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self { client, tenant: chosen(tenants)? })
    }

    /// What belongs to the tenant.
    pub fn own(&self) -> Resource {
        Resource::of(&self.tenant)
    }

    /// One event with all its deliveries and all their attempts, by its position or its id.
    ///
    /// # Errors
    /// When there is no such event, or no answer.
    pub async fn event(&self, event: impl Display) -> Result<EventDetail, ClientError> {
        let of = self.own().at("events").at(event);
        let mut whole: EventDetail = self.client.get(&of.clone().ask("limit", PAGE_ROWS_MAX)).await?;
        while let Some(after) = whole.next {
            let page = of.clone().ask("limit", PAGE_ROWS_MAX).ask("after", after);
            let page: EventDetail = self.client.get(&page).await?;
            whole.event.deliveries.extend(page.event.deliveries);
            whole.deliveries.extend(page.deliveries);
            whole.next = page.next;
        }
        for delivery in &mut whole.deliveries {
            let Ok(DeliveryId { n, .. }) = delivery.id.parse() else { continue };
            while let Some(before) = delivery.attempts_before.take() {
                let older = of.clone().ask("delivery", n).ask("attempts_before", before);
                let page: EventDetail = self.client.get(&older).await?;
                let Some(older) = page.deliveries.into_iter().next() else { break };
                delivery.attempts.splice(..0, older.attempts);
                delivery.attempts_before = older.attempts_before;
            }
        }
        Ok(whole)
    }
}

fn chosen(TenantsView { default, mut tenants, .. }: TenantsView) -> Result<TenantName, CommandError> {
    match (default, tenants.pop()) {
        (Some(default), _) => Ok(default),
        (None, Some(only)) if tenants.is_empty() => Ok(only),
        (None, last) => {
            tenants.extend(last);
            Err(CommandError::TenantUnsaid(tenants))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_the_default_or_the_only_one() {
        let cases = [
            (Some("a"), &["a", "b"][..], Some("a")),
            (None, &["b"], Some("b")),
            (None, &["a", "b"], None),
            (None, &[], None),
        ];
        for (default, tenants, wanted) in cases {
            let view = TenantsView {
                suspended: Vec::new(),
                deleting: Vec::new(),
                default: default.map(|name| name.parse().unwrap()),
                tenants: tenants.iter().map(|name| name.parse().unwrap()).collect(),
            };
            assert_eq!(chosen(view).ok(), wanted.map(|name| name.parse().unwrap()), "{default:?} {tenants:?}");
        }
    }
}
