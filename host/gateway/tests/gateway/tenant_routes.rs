//! Routes are listed, shown, put and removed as the host says, and the requests of their paths go to it. The made-up host has one route in its
//! file, `/filed`; what it answers is what it was asked.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use wharf_event::{Code, RoutePath, TenantName};
use wharf_gateway::view::{RouteView, RuleOrigin};
use wharf_gateway::{Endpoints, Expected, Pieces, Problem, Put, Refusal, RouteRef, Served, TenantRoutes, Unserved};

use crate::client::{Answer, delete, get, post, put};
use crate::host::{FakeHost, paged, position, tenant_is_known};
use crate::server::Server;

fn view(route: &RoutePath, origin: RuleOrigin) -> RouteView {
    RouteView {
        route: route.clone(),
        version: (origin == RuleOrigin::Api).then(|| position(1)),
        origin,
        plugin: "web".parse().unwrap(),
        methods: Vec::new(),
        request_size: "10MiB".to_owned(),
        answer_size: "10MiB".to_owned(),
        reuse: 1,
    }
}

fn known(of: &RouteRef) -> Result<RouteView, Refusal> {
    tenant_is_known(&of.tenant)?;
    match of.route.as_str() {
        "/filed" => Ok(view(&of.route, RuleOrigin::File)),
        "/made/*" => Ok(view(&of.route, RuleOrigin::Api)),
        _ => Err(Refusal::new(Code::RouteUnknown, "the made-up host has none")),
    }
}

impl TenantRoutes for FakeHost {
    async fn tenant_routes(
        &self,
        tenant: &TenantName,
        after: Option<RoutePath>,
        limit: u32,
    ) -> Result<Vec<RouteView>, Refusal> {
        tenant_is_known(tenant)?;
        let all = vec![view(&"/filed".parse().unwrap(), RuleOrigin::File)];
        Ok(paged(all, |one| &one.route, after.as_ref(), limit))
    }

    async fn tenant_route(&self, of: RouteRef) -> Result<RouteView, Refusal> {
        known(&of)
    }

    async fn put_tenant_route(
        &self,
        of: RouteRef,
        document: Bytes,
        expected: Expected,
    ) -> Result<Put<RouteView>, Refusal> {
        tenant_is_known(&of.tenant)?;
        if of.route.as_str() == "/filed" {
            return Err(Refusal::new(Code::RouteOfFile, "it stands in the file"));
        }
        let document: Value =
            serde_json::from_slice(&document).map_err(|error| Refusal::new(Code::RouteInvalid, error.to_string()))?;
        let created = of.route.as_str() != "/made/*";
        if expected == Expected::Absent && !created {
            return Err(Refusal::new(Code::VersionConflict, "there is one"));
        }
        let plugin = document["plugin"].as_str().unwrap_or("web").parse().unwrap();
        Ok(Put { now: RouteView { plugin, ..view(&of.route, RuleOrigin::Api) }, created })
    }

    async fn remove_tenant_route(&self, of: RouteRef, _: Expected) -> Result<(), Refusal> {
        match known(&of)?.origin {
            RuleOrigin::File => Err(Refusal::new(Code::RouteOfFile, "it stands in the file")),
            RuleOrigin::Api => Ok(()),
        }
    }
}

impl Endpoints for FakeHost {
    async fn serve(&self, tenant: &TenantName, request: Request<Pieces>) -> Result<Served, Unserved> {
        let id: Arc<str> = "0123".into();
        let (head, body) = request.into_parts();
        if head.uri.path() == "/refused" {
            let refusal = Refusal::new(Code::MethodNotAllowed, "not this one");
            return Err(Unserved { refusal, allow: Some("GET, PUT".to_owned()), id: Some(id) });
        }
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let prefix = head.headers.get("x-forwarded-prefix").unwrap().to_str().unwrap();
        let told = format!("{tenant} {} {} {prefix} {}", head.method, head.uri, String::from_utf8_lossy(&body));
        let body = Full::new(Bytes::from(told)).map_err(|never| match never {}).boxed_unsync();
        Ok(Served {
            response: Response::builder()
                .status(418)
                .header("x-own", "1")
                .header("service-worker-allowed", "/")
                .body(body)
                .unwrap(),
            id,
        })
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

const ALL: &str = "/v1/tenants/acme/routes";

#[tokio::test]
async fn a_route_is_put_under_its_path_and_removed() {
    let server = Server::start().await;
    let all: Vec<RouteView> = get(ALL).send(server.addr).await.json(200);
    assert_eq!((all.len(), all[0].route.as_str(), all[0].version), (1, "/filed", None));
    let made = put(format!("{ALL}/%2Fhooks%2F*"), r#"{"plugin": "hooks@next"}"#).send(server.addr).await;
    let view: RouteView = made.json(201);
    assert_eq!((view.route.as_str(), view.plugin.to_string().as_str()), ("/hooks/*", "hooks@next"));
    assert_eq!(made.header("location"), Some("/v1/tenants/acme/routes/%2Fhooks%2F*"));
    assert_eq!(made.header("etag"), Some("\"2-0\""));
    let again = put(format!("{ALL}/%2Fmade%2F*"), "{}").send(server.addr).await;
    assert_eq!(again.json::<RouteView>(200).route.as_str(), "/made/*");
    assert_eq!(delete(format!("{ALL}/%2Fmade%2F*")).send(server.addr).await.status, 204);
}

#[tokio::test]
async fn what_cannot_be_done_to_a_route_has_its_code() {
    let server = Server::start().await;
    for (request, code) in [
        (get(format!("{ALL}/%2Fnone")), Code::RouteUnknown),
        (get(format!("{ALL}/none")), Code::RouteUnknown),
        (put(format!("{ALL}/none"), "{}"), Code::RouteInvalid),
        (put(format!("{ALL}/%2Fnew"), "no"), Code::RouteInvalid),
        (put(format!("{ALL}/%2Ffiled"), "{}"), Code::RouteOfFile),
        (put(format!("{ALL}/%2Fmade%2F*"), "{}").with("if-none-match", "*"), Code::VersionConflict),
        (delete(format!("{ALL}/%2Ffiled")), Code::RouteOfFile),
        (delete(format!("{ALL}/%2Fnone")), Code::RouteUnknown),
    ] {
        request.send(server.addr).await.refused(code);
    }
}

#[tokio::test]
async fn a_request_goes_to_the_host_without_its_prefix_and_its_answer_comes_as_it_is() {
    let server = Server::start().await;
    let answer = post("/t/acme/a%2Fb/c?d=%20e", "text/plain", "hello").send(server.addr).await;
    assert_eq!(
        (answer.status, answer.header("x-own"), answer.header("wharf-request-id")),
        (418, Some("1"), Some("0123"))
    );
    assert_eq!(text(&answer), "acme POST /a%2Fb/c?d=%20e /t/acme hello");
    assert_eq!(text(&get("/t/acme").send(server.addr).await), "acme GET / /t/acme ");
    let refused = post("/t/acme/refused", "text/plain", "x".repeat(200_000)).send(server.addr).await;
    assert_eq!((refused.header("allow"), refused.header("wharf-request-id")), (Some("GET, PUT"), Some("0123")));
    refused.refused(Code::MethodNotAllowed);
    let unknown: Problem = get("/t/ACME/a").send(server.addr).await.json(404);
    assert_eq!(unknown.code, Code::TenantUnknown);
    let foreign = get("/t/acme/a").with("origin", "http://evil.example").send(server.addr).await;
    foreign.refused(Code::OriginForeign);
    // What a page of a plugin's asks of routes, its own and others.
    let own = format!("http://localhost:{}", server.addr.port());
    let of_page = get("/t/acme/a").with("origin", own).with("sec-fetch-site", "same-origin").send(server.addr).await;
    assert_eq!((of_page.status, of_page.header("service-worker-allowed")), (418, None));
}
