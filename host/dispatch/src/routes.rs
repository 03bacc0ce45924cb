//! The routes of a tenant that are in force: those of the configuration file, and those that are control objects.
//!
//! Invariant: a set never changes. Of the routes that are for a path the closest one answers. Whether the plugin of a route is there, and
//! answers requests, is found out with each request: what becomes of a plugin changes no route.

use std::sync::Arc;

use bytes::Bytes;
use wharf_delivery::{ObjectName, RouteDocument};
use wharf_event::{Code, RoutePath, TenantName};

use crate::{
    limits::ROUTES_PER_TENANT_MAX,
    rules::{Origin, RuleSet, Tenant},
};

/// A route in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInForce {
    /// Which requests it is for.
    pub path: RoutePath,
    /// Who answers them.
    pub settings: RouteDocument,
    /// Where it was made.
    pub origin: Origin,
}

/// A route that cannot be put to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The document is none of a route, or its path is none.
    #[error("{0}")]
    Document(String),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file")]
    OfFile,
    /// The tenant has enough of them.
    #[error("the tenant has {ROUTES_PER_TENANT_MAX} routes already")]
    TooMany,
}

impl RouteError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) => Code::RouteInvalid,
            Self::OfFile => Code::RouteOfFile,
            Self::TooMany => Code::RoutesTooMany,
        }
    }
}

impl Tenant {
    /// Puts a route in the place of the one that has its path.
    pub(crate) fn put_route(
        &mut self,
        path: &RoutePath,
        from: &RouteDocument,
        origin: Origin,
    ) -> Result<(), RouteError> {
        if !self.routes.contains_key(path) && self.routes.size() >= ROUTES_PER_TENANT_MAX {
            return Err(RouteError::TooMany);
        }
        let route = RouteInForce { path: path.clone(), settings: from.clone(), origin };
        self.routes.insert_mut(path.clone(), Arc::new(route));
        Ok(())
    }

    /// Puts a route that is a control object, or removes it.
    pub(crate) fn change_route(&mut self, name: &ObjectName, document: Option<&Bytes>) -> Result<(), RouteError> {
        let none = |error: &dyn std::fmt::Display| RouteError::Document(error.to_string());
        let path: RoutePath = name.as_str().parse().map_err(|error| none(&error))?;
        if self.routes.get(&path).is_some_and(|route| route.origin == Origin::File) {
            return Err(RouteError::OfFile);
        }
        let Some(document) = document else {
            self.routes.remove_mut(&path);
            return Ok(());
        };
        let document: RouteDocument = serde_json::from_slice(document).map_err(|error| none(&error))?;
        self.put_route(&path, &document, Origin::Object)
    }
}

impl RuleSet {
    /// The routes of a tenant, by path.
    pub fn routes(&self, tenant: &TenantName) -> impl Iterator<Item = &Arc<RouteInForce>> {
        self.tenants.get(tenant).into_iter().flat_map(|of| of.routes.values())
    }

    /// The route of that path itself.
    #[must_use]
    pub fn route(&self, tenant: &TenantName, path: &RoutePath) -> Option<&Arc<RouteInForce>> {
        self.tenants.get(tenant)?.routes.get(path)
    }

    /// The route that a request for this path is for: the closest.
    #[must_use]
    pub fn routed(&self, tenant: &TenantName, asked: &str) -> Option<&Arc<RouteInForce>> {
        let routes = &self.tenants.get(tenant)?.routes;
        if routes.is_empty() {
            return None;
        }
        RoutePath::candidates(asked).find_map(|path| routes.get(path.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wharf_delivery::ObjectKind;

    use super::*;

    fn set_of(paths: impl IntoIterator<Item = String>) -> RuleSet {
        let route = json!({"plugin": "web", "request_bytes": 1, "answer_bytes": 1});
        let routes: serde_json::Map<_, _> = paths.into_iter().map(|path| (path, route.clone())).collect();
        let of = json!({"buses": ["default"], "plugins": {}, "rules": {}, "routes": routes});
        let document = serde_json::from_value(json!({"default_tenant": "acme", "tenants": {"acme": of}})).unwrap();
        RuleSet::new(document, &Default::default(), &Default::default()).unwrap()
    }

    fn put(set: &RuleSet, path: &str, document: Option<&str>) -> Result<RuleSet, Code> {
        let name = ObjectName::from(&path.parse::<RoutePath>().unwrap());
        let document = document.map(|document| Bytes::from(document.to_owned()));
        let objects = [(ObjectKind::Route, &name, document.as_ref())];
        set.with(&"acme".parse().unwrap(), objects).map_err(|error| error.code())
    }

    const WEB: &str = r#"{"plugin": "web", "request_bytes": 1, "answer_bytes": 1}"#;

    #[test]
    fn the_closest_route_answers() {
        let set = set_of(["/", "/a/*", "/a/b", "/a/b/c/*"].map(str::to_owned));
        let of = |asked: &str| set.routed(&"acme".parse().unwrap(), asked).map(|route| route.path.to_string());
        for (asked, route) in [
            ("/", Some("/")),
            ("/x", None),
            ("/a", Some("/a/*")),
            ("/a/", Some("/a/*")),
            ("/ab", None),
            ("/a/b", Some("/a/b")),
            ("/a/b/", Some("/a/*")),
            ("/a/b/c", Some("/a/b/c/*")),
            ("/a/b/c/d/e", Some("/a/b/c/*")),
            ("/a/*", Some("/a/*")),
        ] {
            assert_eq!(of(asked).as_deref(), route, "{asked}");
        }
        assert!(set.routed(&"other".parse().unwrap(), "/").is_none());
    }

    #[test]
    fn a_route_is_put_and_removed_and_one_of_the_file_is_not() {
        let set = set_of(["/file".to_owned()]);
        let (acme, made) = ("acme".parse().unwrap(), "/made".parse().unwrap());
        let more = put(&set, "/made", Some(WEB)).unwrap();
        assert_eq!(more.route(&acme, &made).map(|route| route.origin), Some(Origin::Object));
        assert!(put(&more, "/made", None).unwrap().route(&acme, &made).is_none());
        assert_eq!(put(&set, "/made", Some("{}")).err(), Some(Code::RouteInvalid));
        assert_eq!(put(&set, "/file", Some(WEB)).err(), Some(Code::RouteOfFile));
        assert_eq!(put(&set, "/file", None).err(), Some(Code::RouteOfFile));
    }

    #[test]
    fn there_are_as_many_as_there_may_be() {
        let full = set_of((0..ROUTES_PER_TENANT_MAX).map(|n| format!("/{n}")));
        assert_eq!(put(&full, "/more", Some(WEB)).err(), Some(Code::RoutesTooMany));
        assert_eq!(full.routes(&"acme".parse().unwrap()).count(), ROUTES_PER_TENANT_MAX);
    }
}
