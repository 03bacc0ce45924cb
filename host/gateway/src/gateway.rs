//! What every handler of the gateway is given: the host, and what shutdown and the limits ask of it.
//!
//! Invariant: cloning it counts one reference and shares all else, since it is done for each request. It holds nothing of any request.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::bodies::Bodies;
use crate::traffic::Traffic;

/// The state behind the routes.
#[derive(Debug)]
pub(crate) struct Gateway<H>(Arc<Parts<H>>);

/// What it is of.
#[derive(Debug)]
pub(crate) struct Parts<H> {
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

impl<H> Gateway<H> {
    pub(crate) fn new(parts: Parts<H>) -> Self {
        Self(Arc::new(parts))
    }
}

impl<H> Clone for Gateway<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H> Deref for Gateway<H> {
    type Target = Parts<H>;

    fn deref(&self) -> &Parts<H> {
        &self.0
    }
}

/// Completes when shutdown has begun, or the server is gone.
pub(crate) async fn begun(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

impl<H> Parts<H> {
    /// Whether shutdown has begun.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }
}
