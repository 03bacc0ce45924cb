//! A request with its key: the field that says who asks, or the signature.
//!
//! Invariant: what is signed is what is sent, to the host that it is sent to. What a request carries of keys is noted, so that an answer that repeats
//! it comes without it.

use std::{
    iter,
    time::{Instant, SystemTime},
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::timeout;
use wharf_aws::{Finder, Source};
use wharf_dispatch::{HttpFailed, HttpRequest};
use wharf_egress::Place;
use wharf_event::{Code, SecretName};
use wharf_llm::{Credentials, Signed};
use wharf_vault::{Key, SealError, Sealer as _, Value};

use super::key::{Auth, BEDROCK, Signer};
use crate::filling::{Filled, fill, place};

/// What stands in the place of a key of the host's own.
const OWN: &str = "host";

/// The field in which AWS says what an error is, by its name, with a colon and more behind it.
const ERROR_KIND: &str = "x-amzn-errortype";

/// What it says of credentials that it takes no more.
const REFUSES: [&str; 4] =
    ["ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId"];

/// A request's keys.
pub struct Authorized {
    /// What it carries of them.
    pub filled: Filled,
    /// The host's own credentials, where it was signed by these.
    own: Option<Own>,
}

struct Own {
    source: Source,
    region: String,
    credentials: Credentials,
}

impl Authorized {
    /// Takes note of an answer: credentials that were refused are not used again.
    pub fn answered(&self, status: StatusCode, headers: &HeaderMap, finder: &Finder) {
        if let Some(Own { source, region, credentials }) = &self.own
            && refuses_credentials(status, headers)
        {
            finder.forget(*source, region, credentials);
        }
    }
}

fn refuses_credentials(status: StatusCode, headers: &HeaderMap) -> bool {
    let kind = headers.get(ERROR_KIND).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let name = kind.split_once(':').map_or(kind, |(name, _)| name);
    status.is_client_error() && REFUSES.contains(&name)
}

/// Puts all keys of a request in. Those that have to be found first are, in the request's time.
pub async fn authorize(
    request: &mut HttpRequest,
    auth: Auth,
    (key, finder): (Result<&Key, SealError>, &Finder),
) -> Result<Authorized, HttpFailed> {
    let mut authorized = Authorized { filled: fill(request, key.clone())?, own: None };
    let filled = &mut authorized.filled;
    let own = || OWN.parse::<SecretName>().map_err(|error| closed(OWN, &error.to_string()));
    match auth {
        Auth::Filled => {}
        Auth::Bearer(value) => bearer(request, own()?, value, filled)?,
        Auth::Sign { region, service, by } => {
            let (name, credentials) = match by {
                Signer::Own(source) => {
                    let credentials = found(request, finder, source, &region).await?;
                    authorized.own = Some(Own { source, region: region.clone(), credentials: credentials.clone() });
                    (own()?, credentials)
                }
                Signer::Secret(name, sealed) => {
                    let opened = key.and_then(|key| key.open(&place(&request.tenant, &name), &sealed));
                    let value = opened.map_err(|error| closed(name.as_str(), &error.to_string()))?;
                    let text = std::str::from_utf8(value.reveal()).unwrap_or_default();
                    // An API key of Bedrock has no colon: it is sent as it is.
                    if service == BEDROCK && !text.contains(':') {
                        bearer(request, name, value, filled)?;
                        return Ok(authorized);
                    }
                    let credentials = Credentials::parse(text);
                    let credentials = credentials.map_err(|error| closed(name.as_str(), &error.to_string()))?;
                    (name, credentials)
                }
            };
            for secret in credentials.secrets() {
                filled.keep(&name, &Value::new(secret.as_bytes().to_vec()));
            }
            signed(request, &region, service, &credentials)?;
        }
    }
    Ok(authorized)
}

/// The host's own credentials.
async fn found(
    request: &mut HttpRequest,
    finder: &Finder,
    source: Source,
    region: &str,
) -> Result<Credentials, HttpFailed> {
    let (began, unavailable) = (Instant::now(), |why| HttpFailed::new(Code::CredentialsUnavailable, why));
    let late = |_| unavailable(format!("no credentials for AWS were found ({source}) before the call's time was over"));
    let found = timeout(request.timeout, finder.find(source, region)).await.map_err(late)?;
    request.timeout = request.timeout.saturating_sub(began.elapsed());
    found.map_err(|error| unavailable(error.to_string()))
}

fn closed(name: &str, why: &str) -> HttpFailed {
    HttpFailed::new(Code::SecretClosed, format!("the key `{name}` cannot be put in: {why}"))
}

fn bearer(request: &mut HttpRequest, name: SecretName, value: Value, filled: &mut Filled) -> Result<(), HttpFailed> {
    let whole = Value::new([b"Bearer ", value.reveal()].concat());
    let text = HeaderValue::from_bytes(whole.reveal());
    let mut text = text.map_err(|_| closed(name.as_str(), "it cannot stand in a field"))?;
    text.set_sensitive(true);
    request.headers.insert(header::AUTHORIZATION, text);
    filled.keep(&name, &value);
    Ok(())
}

/// Signs a request as it leaves: its `host` is that of its URL.
#[allow(clippy::disallowed_methods, reason = "a signature says when it was made, which is no matter of the log's time")]
fn signed(request: &mut HttpRequest, region: &str, service: &str, credentials: &Credentials) -> Result<(), HttpFailed> {
    let invalid = |why: String| HttpFailed::new(Code::HttpInvalid, why);
    let place: Place = request.url.parse().map_err(|error: wharf_egress::NotPlace| invalid(error.to_string()))?;
    let kind = request.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let headers: Vec<_> =
        iter::once(("host", place.authority())).chain(kind.map(|kind| ("content-type", kind))).collect();
    let (method, url, body) = (request.method.as_str(), request.url.as_str(), &request.body[..]);
    let signed = Signed { region, service, method, url, headers: &headers, body };
    let fields = credentials.sign(&signed, SystemTime::now()).map_err(|error| invalid(error.to_string()))?;
    for (name, value) in fields {
        let mut value = HeaderValue::from_str(&value).map_err(|error| invalid(error.to_string()))?;
        value.set_sensitive(true);
        request.headers.insert(name, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_refused_by_an_error_that_says_so_and_by_no_other() {
        let refuses = |status: u16, kind: &'static str| {
            let headers = HeaderMap::from_iter([(ERROR_KIND.parse().unwrap(), HeaderValue::from_static(kind))]);
            refuses_credentials(StatusCode::from_u16(status).unwrap(), &headers)
        };
        assert!(refuses(403, "ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.coral.service/"));
        assert!(refuses(403, "UnrecognizedClientException"));
        assert!(!refuses(403, "AccessDeniedException"));
        assert!(!refuses(200, "ExpiredTokenException"));
        assert!(!refuses_credentials(StatusCode::FORBIDDEN, &HeaderMap::new()));
    }
}
