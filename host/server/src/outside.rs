//! The way out of the host: what dispatch sends goes by `wharf-egress`, on the threads that serve I/O.
//!
//! Invariant: a request reaches what its tenant names of the networks that the operator grants at that moment, and else public addresses only.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::USER_AGENT};
use tokio::runtime::Handle;
use wharf_dispatch::{NoAnswer, Outgoing as Port, OutgoingAnswer, OutgoingRequest, chain};
use wharf_egress::{Egress, EgressError, Granted, Outgoing, Settings};
use wharf_event::Code;

use crate::config::EgressConfig;

/// Who sends, where the tenant says nothing else.
const AGENT: &str = concat!("wharf/", env!("CARGO_PKG_VERSION"));

/// The way out.
pub struct Outside {
    io: Handle,
    ways: RwLock<Arc<Ways>>,
}

/// What the operator says of it, and what follows from that. Without the certificates of the machine nothing is sent.
struct Ways {
    config: EgressConfig,
    egress: Result<Egress, String>,
}

impl Ways {
    fn new(config: EgressConfig) -> Self {
        let egress = Egress::new(Settings { dns: config.dns.clone() });
        let egress = egress.map_err(|error| format!("the certificates of this machine cannot be read: {error}"));
        if let Err(error) = &egress {
            tracing::warn!("no webhook is sent: {error}");
        }
        Self { config, egress }
    }
}

impl Outside {
    /// The way out of this machine.
    pub fn new(io: Handle, config: EgressConfig) -> Arc<Self> {
        Arc::new(Self { io, ways: RwLock::new(Arc::new(Ways::new(config))) })
    }

    /// What the operator says from now on. Connections that wait for requests are closed with what was said before.
    pub fn set(&self, config: EgressConfig) {
        if self.ways().config != config {
            *self.ways.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ways::new(config));
        }
    }

    /// Networks that tenants may have reached though they are not public.
    pub fn granted(&self) -> Granted {
        self.ways().config.networks.clone()
    }

    fn ways(&self) -> Arc<Ways> {
        Arc::clone(&self.ways.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Port for Outside {
    fn send(&self, request: OutgoingRequest) -> BoxFuture<'static, Result<OutgoingAnswer, NoAnswer>> {
        let ways = self.ways();
        // Timers and sockets are those of the I/O threads.
        let sent = self.io.spawn(async move { ways.send(request).await });
        async move {
            let failed = || NoAnswer { code: Code::Internal, reason: "the host failed while it sent".to_owned() };
            sent.await.unwrap_or_else(|_| Err(failed()))
        }
        .boxed()
    }
}

impl Ways {
    async fn send(&self, request: OutgoingRequest) -> Result<OutgoingAnswer, NoAnswer> {
        let OutgoingRequest { tenant, url, headers, body, networks, timeout, keep_bytes } = request;
        // All of this was checked when it was put: what is wrong now is told all the same.
        let unusable =
            |error: &dyn std::fmt::Display| NoAnswer { code: Code::WebhookUnreachable, reason: error.to_string() };
        let place = url.parse().map(Arc::new).map_err(|error| unusable(&error))?;
        let asked = Granted::parse(networks.iter().map(String::as_str)).map_err(|error| unusable(&error))?;
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|error| unusable(&error))?;
            fields.insert(name, HeaderValue::try_from(value).map_err(|error| unusable(&error))?);
        }
        fields.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let outgoing = Outgoing {
            owner: tenant.as_str().into(),
            place,
            method: Method::POST,
            headers: fields,
            body,
            granted: asked.within(&self.config.networks),
            timeout,
            keep_bytes,
        };
        let egress = self.egress.as_ref().map_err(|error| unusable(error))?;
        let answer = egress.send(outgoing).await.map_err(|error| no_answer(&error))?;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(OutgoingAnswer {
            status: answer.status.as_u16(),
            headers: answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: answer.body,
            is_cut: answer.is_cut,
        })
    }
}

fn no_answer(error: &EgressError) -> NoAnswer {
    let code = match error {
        EgressError::Refused { .. } => Code::AddressDenied,
        EgressError::Timeout(_) => Code::WebhookTimeout,
        _ => Code::WebhookUnreachable,
    };
    NoAnswer { code, reason: chain(error) }
}
