//! A request sent and its answer: one time bound over all of it, from the name's addresses to the last byte that is kept.
//!
//! Invariant: a request is sent once. It is sent again only where a connection that had waited turns out to be closed before any of the
//! request went out.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode, Uri, header::HOST};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rustls::{ClientConfig, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    connect::{Connection, Connector, Sender},
    error::EgressError,
    granted::Granted,
    limits::DRAINED_BYTES_MAX,
    place::Place,
    pool::{Key, Pool, Unanswered},
    resolve::Resolver,
};

/// What there is to choose.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// DNS servers that are asked in place of the system's way to find addresses; none = the system's.
    pub dns: Vec<SocketAddr>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Whose it is: connections are not shared between owners.
    pub owner: Arc<str>,
    /// Where it goes.
    pub place: Arc<Place>,
    /// Its method.
    pub method: Method,
    /// Its fields, but for those that say where it goes and how long it is.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Networks that it may reach though they are not public.
    pub granted: Granted,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Room for the answer's body, a byte a permit: what is kept takes them and gives none back. Requests that share it keep no more than that in all.
    pub room: Arc<Semaphore>,
    /// Where bytes of the bodies are counted as they go and come, whatever becomes of it.
    pub passed: Arc<Passed>,
}

/// Bytes of bodies that went and came so far.
#[derive(Debug, Default)]
pub struct Passed {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Passed {
    /// Those of the request: all of them as soon as it is on its way.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Those of the answer.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// The first bytes of its body.
    pub body: Bytes,
    /// Whether there was more.
    pub is_cut: bool,
}

/// Takes the body of an answer while it comes.
pub trait Takes: Send {
    /// Whether the body of an answer of that status is taken so. Else it is kept, as of any answer.
    fn wants(&self, status: StatusCode) -> bool;

    /// Takes its next bytes. Whoever answers `false` wants no more.
    fn take(&mut self, bytes: Bytes) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// HTTP out of the host.
#[derive(Debug)]
pub struct Egress {
    connector: Connector,
    pool: Pool,
}

impl Egress {
    /// With the certificates that the machine trusts.
    ///
    /// # Errors
    /// When those cannot be read.
    pub fn new(settings: Settings) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let tls = builder.with_safe_default_protocol_versions()?.with_platform_verifier()?.with_no_client_auth();
        Ok(Self::with_tls(settings, tls))
    }

    /// With TLS of the caller's making.
    #[must_use]
    pub fn with_tls(settings: Settings, mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let resolver = if settings.dns.is_empty() { Resolver::system() } else { Resolver::Servers(settings.dns) };
        Self { connector: Connector { resolver, tls: Arc::new(tls) }, pool: Pool::default() }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When there is no answer, whatever the reason. An answer of any status is none.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Answer, EgressError> {
        self.within_time(outgoing, None).await
    }

    /// The same, but that a body of as many bytes as are kept is given to whoever takes it, while it comes: the answer has none then. The time is
    /// that of all of it, with what taking takes.
    ///
    /// # Errors
    /// As of any request; some of the body may have been taken.
    pub async fn send_to(&self, outgoing: Outgoing, takes: &mut dyn Takes) -> Result<Answer, EgressError> {
        self.within_time(outgoing, Some(takes)).await
    }

    async fn within_time(&self, outgoing: Outgoing, takes: Option<&mut dyn Takes>) -> Result<Answer, EgressError> {
        let wait = outgoing.timeout;
        match timeout(wait, self.exchange(outgoing, takes)).await {
            Ok(answer) => answer,
            Err(_) => Err(EgressError::Timeout(wait.as_millis())),
        }
    }

    async fn exchange(&self, outgoing: Outgoing, takes: Option<&mut dyn Takes>) -> Result<Answer, EgressError> {
        let Outgoing { owner, place, method, headers, body, granted, room, passed, .. } = outgoing;
        let key = Key::new(&owner, &place);
        let mut waited = self.pool.take(&key, &granted);
        loop {
            let is_new = waited.is_none();
            let mut connection = match waited.take() {
                Some(connection) => connection,
                None => self.connector.connect(&owner, &place, &granted).await?,
            };
            let request = request(&connection, &place, &method, &headers, &body)?;
            passed.sent.store(body.len() as u64, Ordering::Relaxed);
            let unanswered = Unanswered::new(&self.pool, &key, &connection);
            let answer = match send(&mut connection, request).await {
                Ok(answer) => answer,
                Err(Unsent::Closed) if !is_new => {
                    drop(unanswered);
                    passed.sent.store(0, Ordering::Relaxed);
                    waited = self.pool.take(&key, &granted);
                    continue;
                }
                Err(Unsent::Closed) => {
                    passed.sent.store(0, Ordering::Relaxed);
                    return Err(EgressError::Closed);
                }
                Err(Unsent::Broken(error)) => return Err(EgressError::Broken(error)),
            };
            unanswered.answered();
            let (head, body) = answer.into_parts();
            let body = Coming { body, bytes: &passed.received };
            if let Some(other) = connection.shared() {
                self.pool.put(key.clone(), other);
            }
            let Read { body, is_cut, is_whole } = match takes {
                Some(takes) if takes.wants(head.status) => taken(body, &room, takes).await?,
                _ => read(body, &room).await?,
            };
            if is_whole && matches!(connection.sender, Sender::One(_)) {
                self.pool.put(key, connection);
            }
            return Ok(Answer { status: head.status, headers: head.headers, body, is_cut });
        }
    }
}

/// Why a request came to nothing.
enum Unsent {
    /// The connection was closed before any of it went out.
    Closed,
    /// It may have gone out.
    Broken(hyper::Error),
}

async fn send(connection: &mut Connection, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Unsent> {
    let of = |error: hyper::Error, was_kept: bool| if was_kept { Unsent::Closed } else { Unsent::Broken(error) };
    match &mut connection.sender {
        Sender::One(sender) => {
            sender.ready().await.map_err(|_| Unsent::Closed)?;
            sender.try_send_request(request).await.map_err(|mut error| {
                let was_kept = error.take_message().is_some();
                of(error.into_error(), was_kept)
            })
        }
        Sender::Two(sender) => {
            sender.ready().await.map_err(|_| Unsent::Closed)?;
            sender.try_send_request(request).await.map_err(|mut error| {
                let was_kept = error.take_message().is_some();
                of(error.into_error(), was_kept)
            })
        }
    }
}

fn request(
    connection: &Connection,
    place: &Place,
    method: &Method,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Request<Full<Bytes>>, EgressError> {
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = method.clone();
    *request.headers_mut() = headers.clone();
    match connection.sender {
        Sender::One(_) => {
            *request.uri_mut() = place.path().parse::<Uri>().map_err(http::Error::from)?;
            let host = place.authority().parse().map_err(http::Error::from)?;
            request.headers_mut().insert(HOST, host);
        }
        Sender::Two(_) => {
            *request.uri_mut() = place.uri().clone();
            request.headers_mut().remove(HOST);
        }
    }
    Ok(request)
}

/// What was read of a body.
struct Read {
    body: Bytes,
    is_cut: bool,
    /// Its end was reached, so that its connection can be used again.
    is_whole: bool,
}

/// The body of an answer, counted while it comes.
struct Coming<'a> {
    body: Incoming,
    bytes: &'a AtomicU64,
}

impl Coming<'_> {
    /// The next bytes; trailers are left out.
    async fn next(&mut self) -> Result<Option<Bytes>, EgressError> {
        while let Some(frame) = self.body.frame().await {
            let Ok(data) = frame.map_err(EgressError::Broken)?.into_data() else { continue };
            self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
            return Ok(Some(data));
        }
        Ok(None)
    }
}

/// Takes room for so many bytes, or for as many as there is.
fn take(room: &Semaphore, wanted: usize) -> usize {
    loop {
        let most = wanted.min(room.available_permits()).min(u32::MAX as usize);
        // Others may have taken it since.
        if let Ok(taken) = room.try_acquire_many(u32::try_from(most).unwrap_or(u32::MAX)) {
            taken.forget();
            return most;
        }
    }
}

async fn read(mut body: Coming<'_>, room: &Semaphore) -> Result<Read, EgressError> {
    let (mut kept, mut is_cut, mut drained) = (BytesMut::new(), false, 0);
    while let Some(data) = body.next().await? {
        let most = if is_cut { 0 } else { take(room, data.len()) };
        kept.extend_from_slice(data.get(..most).unwrap_or_default());
        let more = data.len() - most;
        is_cut |= more > 0;
        drained += more;
        if drained > DRAINED_BYTES_MAX {
            return Ok(Read { body: kept.freeze(), is_cut, is_whole: false });
        }
    }
    Ok(Read { body: kept.freeze(), is_cut, is_whole: true })
}

/// Gives a body to whoever takes it.
async fn taken(mut body: Coming<'_>, room: &Semaphore, takes: &mut dyn Takes) -> Result<Read, EgressError> {
    let end = |is_cut, is_whole| Read { body: Bytes::new(), is_cut, is_whole };
    while let Some(data) = body.next().await? {
        if take(room, data.len()) < data.len() {
            return Ok(end(true, false));
        }
        if !takes.take(data).await {
            return Ok(end(false, false));
        }
    }
    Ok(end(false, true))
}
