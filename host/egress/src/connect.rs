//! A connection to a place: its addresses found, each checked, one of them connected to, TLS where it is wanted.
//!
//! Invariants: the socket is connected to the very address that was checked. An address that is refused ends the attempt, even if others
//! are left: who answers with a private address among public ones means it. A connection ends soon after the last that can send by it, whatever
//! its peer takes.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::set_tcp_user_timeout;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    address::refused,
    error::EgressError,
    granted::Granted,
    limits::{ADDRESSES_TRIED_MAX, ANSWER_FIELDS_MAX, ANSWER_HEAD_BYTES_MAX, CONNECT_WAIT, END_WAIT, UNTAKEN_MS_MAX},
    place::Place,
    resolve::Resolver,
};

/// What requests are put into.
#[derive(Debug)]
pub(crate) enum Sender {
    /// HTTP/1.1: one at a time.
    One(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2: many at once.
    Two(http2::SendRequest<Full<Bytes>>),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: Sender,
    /// Who is at its other end.
    pub(crate) address: IpAddr,
    held: Arc<Held>,
}

impl Connection {
    /// Another hold of the same, where many may send by it.
    pub(crate) fn shared(&self) -> Option<Self> {
        let Sender::Two(sender) = &self.sender else { return None };
        Some(Self { sender: Sender::Two(sender.clone()), address: self.address, held: Arc::clone(&self.held) })
    }

    pub(crate) fn is_open(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => !sender.is_closed(),
            Sender::Two(sender) => !sender.is_closed(),
        }
    }
}

/// Whoever has it can send by a connection.
type Held = watch::Sender<()>;

/// Does what a connection has to do as long as somebody can send by it, and for a moment more, in which it says that it ends. By itself it would end only when its peer took all of what
/// it was sent, whoever waits for that.
#[derive(Clone, Debug)]
struct WhileHeld(watch::Receiver<()>);

impl WhileHeld {
    fn new() -> (Arc<Held>, Self) {
        let (held, holds) = watch::channel(());
        (Arc::new(held), Self(holds))
    }
}

impl<F> Executor<F> for WhileHeld
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, work: F) {
        let mut holds = self.0.clone();
        tokio::spawn(async move {
            let mut work = std::pin::pin!(work);
            tokio::select! {
                // What ends it is told to whoever sends by it.
                _ = &mut work => return,
                // Nothing is ever sent there.
                _ = holds.changed() => {}
            }
            drop(timeout(END_WAIT, work).await);
        });
    }
}

/// How connections are made.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) resolver: Resolver,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Connector {
    /// A connection to a place, for its owner.
    pub(crate) async fn connect(
        &self,
        owner: &Arc<str>,
        place: &Place,
        granted: &Granted,
    ) -> Result<Connection, EgressError> {
        let (stream, address) = self.dial(owner, place, granted).await?;
        if !place.is_tls() {
            return one(stream, address).await;
        }
        let host = place.host().to_owned();
        let failed = |source: io::Error| EgressError::Tls { host: host.clone(), source };
        let name = ServerName::try_from(host.clone()).map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map_err(failed)?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            return two(stream, address).await;
        }
        one(stream, address).await
    }

    async fn dial(
        &self,
        owner: &Arc<str>,
        place: &Place,
        granted: &Granted,
    ) -> Result<(TcpStream, IpAddr), EgressError> {
        let addresses = match place.address() {
            Some(address) => vec![address],
            None => {
                let found = self.resolver.addresses(owner, place.host(), place.port()).await;
                found.map_err(|source| EgressError::Resolve { host: place.host().to_owned(), source })?
            }
        };
        if let Some((address, why)) = addresses.iter().find_map(|it| refused(*it, granted).map(|why| (*it, why))) {
            return Err(EgressError::Refused { address, why });
        }
        let mut last = EgressError::NoAddress(place.host().to_owned());
        for address in addresses.into_iter().take(ADDRESSES_TRIED_MAX) {
            let connecting = TcpStream::connect(SocketAddr::new(address, place.port()));
            let source = match timeout(CONNECT_WAIT, connecting).await {
                Ok(Ok(stream)) => {
                    // Requests are small, and an answer is waited for.
                    let _ = stream.set_nodelay(true);
                    // What its peer does not take is let go of by the kernel too.
                    let _ = set_tcp_user_timeout(&stream, UNTAKEN_MS_MAX);
                    return Ok((stream, address));
                }
                Ok(Err(error)) => error,
                Err(_) => io::Error::from(io::ErrorKind::TimedOut),
            };
            last = EgressError::Connect { address, source };
        }
        Err(last)
    }
}

async fn one<S>(stream: S, address: IpAddr) -> Result<Connection, EgressError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(ANSWER_FIELDS_MAX).max_buf_size(ANSWER_HEAD_BYTES_MAX);
    let (held, work) = WhileHeld::new();
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(EgressError::Broken)?;
    work.execute(connection);
    Ok(Connection { sender: Sender::One(sender), address, held })
}

async fn two<S>(stream: S, address: IpAddr) -> Result<Connection, EgressError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (held, work) = WhileHeld::new();
    let mut builder = http2::Builder::new(work.clone());
    builder.max_header_list_size(u32::try_from(ANSWER_HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(EgressError::Broken)?;
    work.execute(connection);
    Ok(Connection { sender: Sender::Two(sender), address, held })
}
