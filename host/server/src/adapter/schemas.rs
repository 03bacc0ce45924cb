//! Port: reading a tenant's schemas.

use std::sync::Arc;

use serde_json::Value;
use wharf_dispatch::{Origin, RuleSet, SchemaInForce};
use wharf_event::{Code, SchemaName, TenantName};
use wharf_gateway::{
    Refusal, Schemas,
    view::{RuleOrigin, SchemaView},
};
use wharf_schema::{Bound, Draft};

use super::{HostAdapter, checking::Ready};

impl Schemas for HostAdapter {
    async fn schemas(&self, tenant: &TenantName) -> Result<Vec<SchemaView>, Refusal> {
        self.known(tenant)?;
        let rules = self.dispatcher.rules();
        Ok(self.in_force(&rules, tenant).iter().map(|(name, it, ready)| view(name, it, ready, false)).collect())
    }

    async fn schema(&self, tenant: &TenantName, schema: &SchemaName) -> Result<SchemaView, Refusal> {
        self.known(tenant)?;
        let rules = self.dispatcher.rules();
        let found = self.in_force(&rules, tenant).into_iter().find(|(name, ..)| *name == schema);
        let unknown = || Refusal::new(Code::SchemaUnknown, format!("tenant `{tenant}` has no schema `{schema}`"));
        found.map(|(name, it, ready)| view(name, it, &ready, true)).ok_or_else(unknown)
    }

    async fn asyncapi(&self, tenant: &TenantName) -> Result<Value, Refusal> {
        self.known(tenant)?;
        let rules = self.dispatcher.rules();
        let buses = rules.document().tenants.get(tenant).map(|tenant| &tenant.buses);
        let buses: Vec<_> = buses.into_iter().flatten().map(AsRef::as_ref).collect();
        let schemas = self.in_force(&rules, tenant);
        let bound = schemas.iter().map(|(name, it, ready)| Bound {
            name: name.as_str(),
            bus: it.document.bus.as_str(),
            kind: &it.document.kind,
            schema: &ready.schema,
        });
        Ok(wharf_schema::asyncapi(tenant.as_str(), &buses, &bound.collect::<Vec<_>>()))
    }
}

impl HostAdapter {
    /// The schemas of a tenant, each with what was made of it.
    fn in_force<'a>(
        &self,
        rules: &'a RuleSet,
        tenant: &TenantName,
    ) -> Vec<(&'a SchemaName, &'a SchemaInForce, Arc<Ready>)> {
        let ready = self.checking.of(rules, tenant);
        let set = rules.schemas(tenant).into_iter().flat_map(|set| set.iter());
        let both = |(name, it): (&'a SchemaName, &'a SchemaInForce)| {
            Some((name, it, Arc::clone(ready.as_ref()?.by_name.get(name)?)))
        };
        set.filter_map(both).collect()
    }
}

fn view(name: &SchemaName, it: &SchemaInForce, ready: &Ready, whole: bool) -> SchemaView {
    SchemaView {
        schema: name.clone(),
        origin: match it.origin {
            Origin::File => RuleOrigin::File,
            Origin::Object => RuleOrigin::Api,
        },
        bus: it.document.bus.clone(),
        kind: it.document.kind.clone(),
        mode: it.document.mode.to_string(),
        draft: match ready.schema.draft() {
            Draft::Seven => "draft-07".to_owned(),
            Draft::TwentyTwenty => "2020-12".to_owned(),
        },
        document: whole.then(|| it.document.schema.clone()),
    }
}
