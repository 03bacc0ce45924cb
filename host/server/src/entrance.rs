//! The socket, served from the moment at which it is bound: a host that starts says that it lives and what it waits for.
//!
//! Invariant: what needs the core is answered from [`Entrance::open`] on, and nothing is lost then: a connection from before is
//! served by the same task.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use wharf_gateway::{Bodies, ServeOptions, Starting};

use crate::adapter::HostAdapter;

/// A socket that is served.
pub struct Entrance {
    /// Where it is.
    pub address: SocketAddr,
    /// Room for the bodies of requests.
    pub bodies: Bodies,
    starting: Starting,
    opens: Option<oneshot::Sender<HostAdapter>>,
    /// Requests in flight finish once it is gone, and no more come.
    closes: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Entrance {
    /// Binds it.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}: is another host running there?"))?;
        let address = listener.local_addr()?;
        let options = ServeOptions::loopback(address.port());
        let (bodies, starting) = (options.bodies.clone(), options.starting.clone());
        let (opens, opened) = oneshot::channel();
        let (closes, closed) = oneshot::channel();
        let host = async move {
            match opened.await {
                Ok(host) => host,
                // A host that could not be built: the process ends.
                Err(_) => std::future::pending().await,
            }
        };
        let closed = async move { drop(closed.await) };
        let served = tokio::spawn(wharf_gateway::serve(listener, host, options, closed));
        Ok(Self { address, bodies, starting, opens: Some(opens), closes, served })
    }

    /// Says what the host waits for now.
    pub fn waits_for(&self, what: &'static str) {
        self.starting.waits_for(what);
    }

    /// Has this host answer.
    pub fn open(&mut self, host: HostAdapter) {
        if let Some(opens) = self.opens.take() {
            // The other end goes only with the task, whose end is looked for in `serve`.
            drop(opens.send(host));
        }
    }

    /// Serves until `shutdown`, and until requests in flight have finished.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { closes, mut served, .. } = self;
        tokio::select! {
            () = shutdown => {}
            ended = &mut served => return Ok(ended??),
        }
        drop(closes);
        Ok(served.await??)
    }
}
