//! Accepts connections and speaks HTTP/1.1 on them, within limits.
//!
//! Invariant: a connection cannot hold more than its share: its head is bounded in bytes, lines and time, its body by the
//! routes, all bodies by [`Bodies`], the reading of its answer in time, their number by a semaphore. What is no request is answered all the same. After shutdown begins nothing new is accepted, feeds end, requests in flight finish,
//! and at the deadline what is left is dropped. No TLS and no HTTP/2: until there is identity this listens on loopback.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::bodies::Bodies;
use crate::endpoints::Peer;
use crate::gateway::{Gateway, Parts, begun};
use crate::guard::{self, HostList};
use crate::limits;
use crate::patience::Patient;
use crate::port::Host;
use crate::routes;
use crate::starting::{self, Starting};
use crate::traffic::{CutBy, Traffic};
use crate::unparsed::{self, Watched};

/// What [`serve`] may be told. The defaults are those of [`crate::limits`].
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Whom requests may be addressed to.
    pub hosts: HostList,
    /// How long the head of a request may take, idle time before it included.
    pub header_timeout: Duration,
    /// The same for a connection that comes when more than half of all are open.
    pub header_timeout_crowded: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_timeout: Duration,
    /// How long requests in flight may take once shutdown has begun.
    pub shutdown_timeout: Duration,
    /// Open connections.
    pub connections_max: usize,
    /// Feeds followed at once.
    pub feeds_max: usize,
    /// Room for bodies.
    pub bodies: Bodies,
    /// What a host that is not there yet waits for.
    pub starting: Starting,
}

impl ServeOptions {
    /// The defaults, for requests addressed to a loopback name at this port.
    pub fn loopback(port: u16) -> Self {
        Self {
            hosts: HostList::loopback(port),
            header_timeout: limits::HEADER_READ_TIMEOUT,
            header_timeout_crowded: limits::HEADER_READ_TIMEOUT_CROWDED,
            body_timeout: limits::BODY_READ_TIMEOUT,
            write_timeout: limits::WRITE_TIMEOUT,
            shutdown_timeout: limits::SHUTDOWN_TIMEOUT,
            connections_max: limits::CONNECTIONS_MAX,
            feeds_max: limits::FEEDS_MAX,
            bodies: Bodies::default(),
            starting: Starting::default(),
        }
    }
}

/// The request never arrived whole, so its connection is closed instead of answered.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request did not arrive whole")]
struct Incomplete;

/// Serves until `shutdown` completes and what was in flight has finished or was dropped. Until there is a `host`, whoever asks is told
/// that it starts.
///
/// # Errors
/// The listener is not one that can accept connections.
pub async fn serve<H: Host>(
    listener: TcpListener,
    host: impl Future<Output = H>,
    options: ServeOptions,
    shutdown: impl Future,
) -> io::Result<()> {
    listener.local_addr()?;
    let (close, closing) = watch::channel(false);
    let traffic = Arc::new(Traffic::new(options.connections_max, options.feeds_max));
    let ServeOptions { hosts, bodies, body_timeout, starting, .. } = options.clone();
    let routers = Routers { starting: starting::router(starting), open: Arc::default() };
    let (open, counted, until) = (Arc::clone(&routers.open), Arc::clone(&traffic), closing.clone());
    let opened = async move {
        let parts = Parts { host: host.await, closing: until, traffic: counted, bodies, body_timeout };
        // It is the only one who opens.
        let _ = open.set(routes::router(Gateway::new(parts)));
    };
    let room = Arc::new(Semaphore::new(options.connections_max));
    let write_timeout = options.write_timeout;
    let [protocol, crowded] = [options.header_timeout, options.header_timeout_crowded].map(protocol);
    let connections = Connections { routers, hosts, protocol, closing, traffic, write_timeout };
    let mut tasks = JoinSet::new();
    tokio::pin!(shutdown, opened);
    let mut is_open = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut shutdown => break,
            () = &mut opened, if !is_open => is_open = true,
            Some(_) = tasks.join_next() => {}
            accepted = accept(&listener, Arc::clone(&room)) => {
                let Some((stream, permit)) = accepted else { continue };
                let is_crowded = room.available_permits() < options.connections_max / 2;
                let protocol = if is_crowded { &crowded } else { &connections.protocol };
                tasks.spawn(Connections { protocol: protocol.clone(), ..connections.clone() }.run(stream, permit));
            }
        }
    }
    drop(listener);
    close.send_replace(true);
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(options.shutdown_timeout, finished).await.is_err() {
        tracing::warn!(left = tasks.len(), "requests were still in flight at the shutdown deadline and are dropped");
        tasks.shutdown().await;
    }
    Ok(())
}

fn protocol(header_timeout: Duration) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(limits::HEADER_LINES_MAX)
        .max_header_size(limits::HEAD_BYTES_MAX)
        .max_buf_size(limits::READ_BUFFER_BYTES_MAX)
        .keep_alive(true);
    protocol
}

/// The next connection, once there is room for it. None if that one failed.
async fn accept(listener: &TcpListener, room: Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = room.acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection has no TCP_NODELAY");
            }
            Some((stream, permit))
        }
        Err(error) if is_of_the_connection(&error) => None,
        Err(error) => {
            tracing::warn!(%error, "no connection can be accepted");
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Whether only the connection that was to be accepted failed, so that the next may work at once.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Who answers: one router until there is a host, and another from then on.
#[derive(Clone)]
struct Routers {
    starting: Router,
    open: Arc<OnceLock<Router>>,
}

impl Routers {
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response> + use<> {
        let router = self.open.get().unwrap_or(&self.starting).clone();
        router.oneshot(request).map(|answer| answer.unwrap_or_else(|never: Infallible| match never {}))
    }
}

#[derive(Clone)]
struct Connections {
    routers: Routers,
    hosts: HostList,
    protocol: http1::Builder,
    closing: watch::Receiver<bool>,
    traffic: Arc<Traffic>,
    write_timeout: Duration,
}

impl Connections {
    /// Serves one connection to its end. The permit is its place among the open ones.
    async fn run(self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        let Self { routers, hosts, protocol, mut closing, traffic, write_timeout } = self;
        let counted = Arc::clone(&traffic);
        let peer = stream.peer_addr().ok().map(Peer);
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(peer) = peer {
                request.extensions_mut().insert(peer);
            }
            let answer = guard::check(&hosts, &request).map(|()| routers.answer(request.map(Body::new)));
            let counted = Arc::clone(&counted);
            Box::pin(async move {
                let response = match answer {
                    Ok(answer) => answer.await,
                    Err(problem) => problem.into_response(),
                };
                counted.count(response).ok_or(Incomplete)
            })
        });
        traffic.opened();
        let (stream, tail) = Watched::new(Patient::new(stream, write_timeout));
        let mut connection = protocol.serve_connection(TokioIo::new(stream), service);
        let mut closes = false;
        let served = loop {
            let serve = poll_fn(|cx| match connection.poll_without_shutdown(cx) {
                // Only a connection that ends at once has written a bare head of hyper's.
                Poll::Pending if tail.let_go() => connection.poll_without_shutdown(cx),
                polled => polled,
            });
            tokio::select! {
                served = serve => break served,
                () = begun(&mut closing), if !closes => closes = true,
            }
            Pin::new(&mut connection).graceful_shutdown();
        };
        let stream = connection.into_parts().io.into_inner();
        let problem = served.as_ref().err().and_then(unparsed::problem);
        if let Err(error) = &served {
            tracing::debug!(%error, "a connection ended early");
            cut_by(error).into_iter().for_each(|by| traffic.cut(by));
        }
        if let Some(problem) = &problem {
            traffic.answered(problem.status, Some(problem.code));
        }
        // A connection that broke is closed as it is.
        if served.is_ok() || problem.is_some() {
            match stream.end(problem.as_ref()).await {
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "a client went before its connection ended"),
            }
        }
        traffic.closed();
        drop(permit);
    }
}

/// Which patience a connection was ended by, if it was one.
fn cut_by(error: &hyper::Error) -> Option<CutBy> {
    let stalled = |source: &(dyn std::error::Error + 'static)| {
        source.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    if error.is_timeout() {
        return Some(CutBy::Head);
    }
    std::error::Error::source(error).is_some_and(stalled).then_some(CutBy::Answer)
}
