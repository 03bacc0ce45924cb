//! What every handler of the gateway is given: the host, and what shutdown and the limits ask of it.
//!
//! Invariant: cloning it is cheap and shares the host. It holds nothing of any request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::bodies::Bodies;
use crate::traffic::Traffic;

/// The state behind the routes.
#[derive(Clone, Debug)]
pub(crate) struct Gateway<H> {
    /// What is asked.
    pub(crate) host: H,
    /// Becomes true when shutdown begins.
    pub(crate) closing: watch::Receiver<bool>,
    /// What is counted, and the places for feeds.
    pub(crate) traffic: Arc<Traffic>,
    /// Room for bodies.
    pub(crate) bodies: Bodies,
    /// How long a body may take.
    pub(crate) body_timeout: Duration,
}

/// Completes when shutdown has begun, or the server is gone.
pub(crate) async fn begun(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

impl<H> Gateway<H> {
    /// Whether shutdown has begun.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }
}
