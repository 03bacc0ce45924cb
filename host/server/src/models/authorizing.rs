//! A request with its key: the field that says who asks, or the signature.
//!
//! Invariant: what is signed is what is sent, to the host that it is sent to. What a request carries of keys is noted, so that an answer that repeats
//! it comes without it.

use std::{iter, time::SystemTime};

use http::{HeaderValue, header};
use wharf_dispatch::{HttpFailed, HttpRequest};
use wharf_egress::Place;
use wharf_event::{Code, SecretName};
use wharf_llm::{Credentials, Signed};
use wharf_vault::{Key, SealError, Sealer as _, Value};

use super::key::{Auth, BEDROCK, Signer};
use crate::filling::{Filled, fill, place};

/// What stands in the place of a key of the host's own.
const OWN: &str = "host";

/// Puts all keys of a request in.
pub fn authorize(request: &mut HttpRequest, auth: Auth, key: Result<&Key, SealError>) -> Result<Filled, HttpFailed> {
    let mut filled = fill(request, key.clone())?;
    let own = || OWN.parse::<SecretName>().map_err(|error| closed(OWN, &error.to_string()));
    match auth {
        Auth::Filled => {}
        Auth::Bearer(value) => bearer(request, own()?, value, &mut filled)?,
        Auth::Sign { region, service, by } => {
            let (name, credentials) = match by {
                Signer::Own(credentials) => (own()?, credentials),
                Signer::Secret(name, sealed) => {
                    let opened = key.and_then(|key| key.open(&place(&request.tenant, &name), &sealed));
                    let value = opened.map_err(|error| closed(name.as_str(), &error.to_string()))?;
                    let text = std::str::from_utf8(value.reveal()).unwrap_or_default();
                    // An API key of Bedrock has no colon: it is sent as it is.
                    if service == BEDROCK && !text.contains(':') {
                        bearer(request, name, value, &mut filled)?;
                        return Ok(filled);
                    }
                    let credentials = Credentials::parse(text);
                    let credentials = credentials.map_err(|error| closed(name.as_str(), &error.to_string()))?;
                    (name, credentials)
                }
            };
            for secret in credentials.secrets() {
                filled.keep(name.clone(), Value::new(secret.as_bytes().to_vec()));
            }
            signed(request, &region, service, &credentials)?;
        }
    }
    Ok(filled)
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
    filled.keep(name, value);
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
