//! The one table of routes: the router is made of it, and tests compare the OpenAPI document with it.
//!
//! Invariant: there is no route that is not in [`ROUTES`] but what plugins answer ([`crate::endpoints`]), and none of it lacks a handler (the match below is total). What
//! every route may answer because of the request's head alone is in [`PROBLEMS_OF_ALL`]. What is put is new to the host, so whatever
//! route that is, it is refused while the host takes nothing new.

mod operation;
mod paths;
mod problems;
mod table;

use axum::Router;
use wharf_event::Code;

pub use operation::Operation;
pub use problems::PROBLEMS_OF_ALL;
pub use table::ROUTES;

use crate::bodies;
use crate::endpoints;
use crate::gateway::Gateway;
use crate::port::Host;
use crate::probes;
use crate::problem::Problem;

/// The methods that routes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads (and `HEAD` with it).
    Get,
    /// Changes something, or sends a body.
    Post,
    /// Puts an object where the path says.
    Put,
    /// Removes an object.
    Delete,
}

impl Verb {
    /// The method's name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub verb: Verb,
    /// Its path, variables in braces (`{*key}` takes slashes too).
    pub path: &'static str,
    /// What it does.
    pub operation: Operation,
    /// The codes that it may answer, [`PROBLEMS_OF_ALL`] aside.
    pub problems: &'static [Code],
}

/// The router of [`ROUTES`].
pub(crate) fn router<H: Host>(gateway: Gateway<H>) -> Router {
    let bodies = axum::middleware::from_fn_with_state(gateway.bodies.clone(), bodies::hold);
    let ready = axum::middleware::from_fn_with_state(gateway.clone(), probes::must_be_ready::<H>);
    let handler = |route: &Route| match route.verb {
        Verb::Get | Verb::Delete => operation::handler::<H>(route),
        Verb::Post => operation::handler::<H>(route).route_layer(bodies.clone()),
        // Its body is never held whole.
        Verb::Put if matches!(route.operation, Operation::Upload | Operation::PutModel) => {
            operation::handler::<H>(route).route_layer(ready.clone())
        }
        Verb::Put => operation::handler::<H>(route).route_layer(bodies.clone()).route_layer(ready.clone()),
    };
    let router = ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, handler(route)));
    endpoints::router(router)
        .fallback(|| async { Problem::new(Code::RouteUnknown, "see /openapi.json for the paths of this host") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Code::MethodNotAllowed, "the Allow header names the methods of this path")
        })
        .with_state(gateway)
}
