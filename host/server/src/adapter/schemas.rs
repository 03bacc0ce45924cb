//! Port: a tenant's schemas. How one is changed stands in `schema_object.rs`.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use wharf_delivery::ObjectFate;
use wharf_dispatch::{Origin, RuleSet, SchemaInForce};
use wharf_event::{SchemaName, TenantName};
use wharf_gateway::{
    Compatibility, Expected, Refusal, SchemaPut, SchemaRef, Schemas,
    view::{RuleOrigin, SchemaVersionView, SchemaView},
};
use wharf_schema::Bound;

use super::{HostAdapter, checking::Ready, page::is_behind, schema_object};

impl Schemas for HostAdapter {
    async fn schemas(
        &self,
        tenant: &TenantName,
        after: Option<SchemaName>,
        limit: u32,
    ) -> Result<Vec<SchemaView>, Refusal> {
        self.known(tenant)?;
        let rules = self.dispatcher.rules();
        let all = self.in_force(&rules, tenant);
        let behind = all.iter().filter(|(name, ..)| is_behind(*name, after.as_ref()));
        Ok(behind.take(limit as usize).map(|(name, it, ready)| view(name, it, ready, false)).collect())
    }

    async fn schema(&self, of: SchemaRef) -> Result<SchemaView, Refusal> {
        if let Some((version, object)) = self.schema_object(&of).await? {
            return schema_object::view(&of.schema, object, version);
        }
        let rules = self.dispatcher.rules();
        let found = self.in_force(&rules, &of.tenant).into_iter().find(|(name, ..)| **name == of.schema);
        found.map(|(name, it, ready)| view(name, it, &ready, true)).ok_or_else(|| schema_object::unknown(&of))
    }

    async fn put_schema(
        &self,
        of: SchemaRef,
        document: Bytes,
        compatibility: Compatibility,
        expected: Expected,
    ) -> Result<SchemaPut, Refusal> {
        self.follow(of, document, compatibility, expected).await
    }

    async fn remove_schema(&self, of: SchemaRef, expected: Expected) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        match self.change_schema(&of, None, expected).await.map_err(|error| schema_object::not_changed(&error))? {
            ObjectFate::Absent => Err(schema_object::unknown(&of)),
            _ => Ok(()),
        }
    }

    async fn schema_versions(&self, of: SchemaRef) -> Result<Vec<SchemaVersionView>, Refusal> {
        match self.schema_object(&of).await? {
            Some((_, object)) => Ok(object.versions.into_iter().rev().map(schema_object::version).collect()),
            None => self.schema(of).await.map(|_| Vec::new()),
        }
    }

    async fn asyncapi(&self, tenant: &TenantName) -> Result<Value, Refusal> {
        self.known(tenant)?;
        let rules = self.dispatcher.rules();
        let buses: Vec<_> = rules.buses(tenant).map(|(bus, ..)| bus.as_str()).collect();
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
        version: None,
        number: it.number,
        mode: it.document.mode.to_string(),
        draft: schema_object::draft(ready.schema.draft()),
        document: whole.then(|| it.document.schema.clone()),
    }
}
