//! Port: a tenant's routes, read and changed.
//!
//! Invariant: a route of the configuration file is read here and never changed. One may be put before its plugin is there: until then it
//! answers `route-idle`.

use bytes::Bytes;
use wharf_delivery::{Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, RouteDocument};
use wharf_dispatch::{Origin, RouteInForce};
use wharf_event::{Code, PluginAt, Position, RoutePath, TenantName};
use wharf_gateway::{
    Expected, Put, Refusal, RouteRef, TenantRoutes,
    view::{RouteView, RuleOrigin},
};

use super::{HostAdapter, page::is_behind, rules, tenants::not_changed, was_read};
use crate::config::{read_route, size_text};

impl TenantRoutes for HostAdapter {
    async fn tenant_routes(
        &self,
        tenant: &TenantName,
        after: Option<RoutePath>,
        limit: u32,
    ) -> Result<Vec<RouteView>, Refusal> {
        self.known(tenant)?;
        let set = self.dispatcher.rules();
        let behind = set.routes(tenant).filter(|route| is_behind(&route.path, after.as_ref()));
        Ok(behind.take(limit as usize).map(|route| view(route, None)).collect())
    }

    async fn tenant_route(&self, of: RouteRef) -> Result<RouteView, Refusal> {
        self.known(&of.tenant)?;
        let name = ObjectName::from(&of.route);
        let held = self.dispatcher.read(|state| Object::get(state, &of.tenant, ObjectKind::Route, &name)).await;
        let version = was_read(held)?.map(|held| held.version);
        let set = self.dispatcher.rules();
        let route = set.route(&of.tenant, &of.route).ok_or_else(|| unknown(&of))?;
        Ok(view(route, version.filter(|_| route.origin == Origin::Object)))
    }

    async fn put_tenant_route(
        &self,
        of: RouteRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<RouteView>, Refusal> {
        self.known(&of.tenant)?;
        let settings = read_route(&document, &of.route).map_err(rules::wrong)?;
        let stored = serde_json::to_vec(&settings).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let fate = self.change_route(&of, Some(stored.into()), expected).await?;
        let created = matches!(fate, ObjectFate::Created(_));
        let route = RouteInForce { path: of.route, settings, origin: Origin::Object };
        Ok(Put { now: view(&route, fate.version()), created })
    }

    async fn remove_tenant_route(&self, of: RouteRef, expected: Expected) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        match self.change_route(&of, None, expected).await? {
            ObjectFate::Absent => Err(unknown(&of)),
            _ => Ok(()),
        }
    }
}

impl HostAdapter {
    async fn change_route(
        &self,
        of: &RouteRef,
        document: Option<Bytes>,
        expected: Expected,
    ) -> Result<ObjectFate, Refusal> {
        let (name, expected) = (ObjectName::from(&of.route), rules::taken(expected));
        let wish = ObjectWish { kind: ObjectKind::Route, name, document, expected };
        let changed = self.dispatcher.change(&of.tenant, vec![wish]).await.map_err(|error| not_changed(&error))?;
        let fate = changed.objects.into_iter().next();
        fate.ok_or_else(|| Refusal::new(Code::Internal, "nothing became of the route"))
    }
}

/// A route as the API shows it: what `wharf.toml` would have, with every default written out.
pub fn view(route: &RouteInForce, version: Option<Position>) -> RouteView {
    let RouteDocument { plugin, channel, methods, request_bytes, answer_bytes, reuse } = &route.settings;
    RouteView {
        route: route.path.clone(),
        origin: if route.origin == Origin::Object { RuleOrigin::Api } else { RuleOrigin::File },
        version,
        plugin: PluginAt { plugin: plugin.clone(), channel: channel.clone() },
        methods: methods.iter().cloned().collect(),
        request_size: size_text(*request_bytes),
        answer_size: size_text(*answer_bytes),
        reuse: *reuse,
    }
}

fn unknown(of: &RouteRef) -> Refusal {
    Refusal::new(Code::RouteUnknown, format!("tenant `{}` has no route `{}`", of.tenant, of.route))
}
