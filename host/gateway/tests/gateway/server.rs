//! A gateway that serves a made-up host on a port of its own until the test ends it or ends.
//!
//! Invariant: what a test changes in the options is changed for its own server only.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wharf_gateway::{ServeOptions, serve};

use crate::host::FakeHost;

pub struct Server {
    pub addr: SocketAddr,
    pub host: FakeHost,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(FakeHost::default(), |_| {}).await
    }

    pub async fn start_with(host: FakeHost, change: impl FnOnce(&mut ServeOptions)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut options = ServeOptions::loopback(addr.port());
        change(&mut options);
        let (shutdown, begun) = oneshot::channel();
        let task = tokio::spawn(serve(listener, std::future::ready(host.clone()), options, begun));
        Self { addr, host, shutdown, task }
    }

    /// Begins shutdown; the task is what `serve` returns.
    pub fn shut_down(self) -> JoinHandle<std::io::Result<()>> {
        self.shutdown.send(()).unwrap();
        self.task
    }
}
