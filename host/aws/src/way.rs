//! HTTP for whoever asks for credentials: `wharf-egress`, by the trait that AWS's crates send by.
//!
//! Invariant: what is reached is what the machine's own variables and files say, so no address is refused for not being public. It shares no
//! connection with a tenant.

use std::{sync::Arc, time::Duration};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::sync::Semaphore;
use wharf_egress::{Answer, Egress, EgressError, Granted, Outgoing, Place};

use crate::limits::{ANSWER_BYTES_MAX, LOOK_WAIT};

/// Whose connections these are: no tenant's name begins like this.
const OWNER: &str = " aws";

/// All networks, and the addresses at which AWS gives credentials, which are granted one by one only.
const EVERYWHERE: [&str; 7] =
    ["0.0.0.0/0", "::/0", "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"];

/// The way to whoever gives credentials; without the certificates of the machine there is none.
#[derive(Clone, Debug)]
pub(crate) struct Way(pub(crate) Result<Arc<Egress>, String>);

/// The same for requests that may take so long.
#[derive(Debug)]
struct Timed {
    way: Way,
    timeout: Duration,
}

impl HttpClient for Way {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let timeout = match (settings.connect_timeout(), settings.read_timeout()) {
            (Some(connect), Some(read)) => connect.saturating_add(read),
            _ => LOOK_WAIT,
        };
        SharedHttpConnector::new(Timed { way: self.clone(), timeout })
    }
}

impl HttpConnector for Timed {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (way, timeout) = (self.way.clone(), self.timeout);
        HttpConnectorFuture::new(async move {
            let egress = way.0.map_err(|error| ConnectorError::io(error.into()))?;
            let outgoing = outgoing(&request, timeout).map_err(ConnectorError::user)?;
            let answer = egress.send(outgoing).await.map_err(unsent)?;
            response(answer).map_err(ConnectorError::io)
        })
    }
}

fn outgoing(request: &HttpRequest, timeout: Duration) -> Result<Outgoing, BoxError> {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let mut value = HeaderValue::from_str(value)?;
        value.set_sensitive(true);
        headers.append(HeaderName::try_from(name)?, value);
    }
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let body = request.body().bytes().ok_or("a request without a known end is not sent")?;
    Ok(Outgoing {
        owner: OWNER.into(),
        place: Arc::new(request.uri().parse::<Place>()?),
        method: Method::from_bytes(request.method().as_bytes())?,
        headers,
        body: Bytes::copy_from_slice(body),
        granted: Granted::parse(EVERYWHERE)?,
        timeout,
        room: Arc::new(Semaphore::new(ANSWER_BYTES_MAX)),
        passed: Arc::default(),
    })
}

fn response(answer: Answer) -> Result<HttpResponse, BoxError> {
    if answer.is_cut {
        return Err(format!("an answer with more than {ANSWER_BYTES_MAX} bytes").into());
    }
    let mut response = HttpResponse::new(answer.status.as_u16().try_into()?, SdkBody::from(answer.body));
    for (name, value) in &answer.headers {
        // What is no text says nothing here.
        if let Ok(value) = value.to_str() {
            response.headers_mut().try_append(name.as_str().to_owned(), value.to_owned())?;
        }
    }
    Ok(response)
}

/// What no answer means to whoever decides whether it is tried again.
fn unsent(error: EgressError) -> ConnectorError {
    match error {
        EgressError::Timeout(_) => ConnectorError::timeout(error.into()),
        EgressError::Request(_) => ConnectorError::user(error.into()),
        EgressError::Closed | EgressError::Broken(_) => ConnectorError::io(error.into()),
        _ => ConnectorError::io(error.into()).never_connected(),
    }
}
