//! What plugins answer: everything beneath `/t/{tenant}`, whatever its method.
//!
//! Invariant: a small body is here before anybody is called, so that a slow sender holds up nobody; a large one is passed on as it comes, and
//! whoever takes it bounds it. What the answer breaks off with ends the connection, so that no part passes for the whole. A body that nobody
//! took is read for a while all the same, lest its sender see a reset connection in place of the refusal.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use wharf_event::Code;

use crate::gateway::Gateway;
use crate::limits::{BODY_FREE_BYTES, DRAIN_BYTES_MAX, DRAIN_PAUSE_MAX};
use crate::params::Params;
use crate::port::{Host, Pieces, Served, Unserved};
use crate::problem::{Failure, Problem};

/// What stands before the name of a tenant.
pub(crate) const ROUTES: &str = "/t/";

/// Where an answer says that a worker of its page may have more than what is beneath it.
const SERVICE_WORKER_ALLOWED: &str = "service-worker-allowed";

/// The id of a request, in its answer.
const REQUEST_ID: &str = "wharf-request-id";

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PREFIX: &str = "x-forwarded-prefix";

/// Who sent a request, as far as the socket tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The paths of tenants, beside those of the host.
pub(crate) fn router<H: Host>(router: Router<Gateway<H>>) -> Router<Gateway<H>> {
    ["/t/{tenant}", "/t/{tenant}/", "/t/{tenant}/{*path}"]
        .into_iter()
        .fold(router, |router, path| router.route(path, any(answer::<H>)))
}

async fn answer<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    request: Request,
) -> Result<Response, Failure> {
    let tenant = params.tenant()?;
    let peer = request.extensions().get::<Peer>().copied();
    let (mut head, body) = request.into_parts();
    let (prefix, target) =
        parted(&head.uri).ok_or_else(|| Problem::new(Code::RouteUnknown, "there is no such path"))?;
    let prefix =
        HeaderValue::from_str(prefix).map_err(|_| Problem::new(Code::RouteUnknown, "there is no such path"))?;
    head.headers.insert(FORWARDED_PREFIX, prefix);
    peer.into_iter().for_each(|peer| forwarded_for(&mut head.headers, peer));
    head.uri = target;
    let (body, lent) = taken(&head.headers, body, gateway.body_timeout).await?;
    match gateway.host.serve(&tenant, http::Request::from_parts(head, body)).await {
        Ok(Served { mut response, id }) => {
            // A page's worker has what is beneath the page, and nothing of other tenants.
            response.headers_mut().remove(SERVICE_WORKER_ALLOWED);
            Ok(named(response.map(Body::new), Some(id)))
        }
        Err(Unserved { refusal, allow, id }) => {
            if let Some(lent) = lent {
                lent.drain(gateway.body_timeout).await;
            }
            let mut response = named(Problem::from(refusal).into_response(), id);
            let allow = allow.and_then(|allow| HeaderValue::try_from(allow).ok());
            allow.into_iter().for_each(|allow| drop(response.headers_mut().insert(header::ALLOW, allow)));
            Ok(response)
        }
    }
}

/// What stands before a tenant's own path, and that path with the query.
fn parted(uri: &Uri) -> Option<(&str, Uri)> {
    let path = uri.path();
    let end = path.strip_prefix(ROUTES)?.find('/').map_or(path.len(), |at| at + ROUTES.len());
    let (prefix, rest) = path.split_at_checked(end)?;
    let rest = if rest.is_empty() { "/" } else { rest };
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{rest}?{query}")),
        None => PathAndQuery::try_from(rest),
    };
    Some((prefix, Uri::from(target.ok()?)))
}

fn forwarded_for(headers: &mut HeaderMap, Peer(peer): Peer) {
    let said = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let all: Vec<_> = said.map(str::to_owned).chain([peer.ip().to_string()]).collect();
    if let Ok(all) = HeaderValue::try_from(all.join(", ")) {
        headers.insert(FORWARDED_FOR, all);
    }
}

fn named(mut response: Response, id: Option<Arc<str>>) -> Response {
    let id = id.and_then(|id| HeaderValue::from_str(&id).ok());
    id.into_iter().for_each(|id| drop(response.headers_mut().insert(REQUEST_ID, id)));
    response
}

/// The body as it is passed on: a small one whole, another as it comes.
async fn taken(headers: &HeaderMap, body: Body, within: Duration) -> Result<(Pieces, Option<Lent>), Failure> {
    if body.is_end_stream() {
        return Ok((whole(Bytes::new()), None));
    }
    let told = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|bytes| bytes <= BODY_FREE_BYTES) {
        let read = tokio::time::timeout(within, body.collect()).await;
        let read = read.map_err(|_| Failure::Cut)?.map_err(|_| Failure::Cut)?;
        return Ok((whole(read.to_bytes()), None));
    }
    let lent = Lent(Arc::new(Mutex::new(body)));
    Ok((Lent(Arc::clone(&lent.0)).map_err(Into::into).boxed_unsync(), Some(lent)))
}

fn whole(bytes: Bytes) -> Pieces {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body that is lent to whoever reads it.
struct Lent(Arc<Mutex<Body>>);

impl Lent {
    /// Reads on what nobody took, as long as more comes, and for so long at most.
    async fn drain(self, within: Duration) {
        let mut rest = Limited::new(self, DRAIN_BYTES_MAX);
        let draining =
            async { while let Ok(Some(Ok(_))) = tokio::time::timeout(DRAIN_PAUSE_MAX, rest.frame()).await {} };
        // Whatever it ends with, the answer follows.
        let _ = tokio::time::timeout(within, draining).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_what_stands_behind_its_name() {
        for (uri, expected) in [
            ("/t/acme", Some(("/t/acme", "/"))),
            ("/t/acme/", Some(("/t/acme", "/"))),
            ("/t/acme?a=1", Some(("/t/acme", "/?a=1"))),
            ("/t/acme/a%2Fb//c/?x=%20", Some(("/t/acme", "/a%2Fb//c/?x=%20"))),
            ("/v1/acme", None),
        ] {
            let uri: Uri = uri.parse().unwrap();
            let parted = parted(&uri).map(|(prefix, target)| (prefix.to_owned(), target.to_string()));
            assert_eq!(parted, expected.map(|(prefix, target)| (prefix.to_owned(), target.to_owned())));
        }
    }

    #[test]
    fn who_sent_a_request_comes_behind_those_who_passed_it_on() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
        forwarded_for(&mut headers, Peer("127.0.0.1:9".parse().unwrap()));
        assert_eq!(headers[FORWARDED_FOR], "203.0.113.9, 127.0.0.1");
    }
}
