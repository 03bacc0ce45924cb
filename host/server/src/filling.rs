//! Secrets put into requests on their way out, and taken out of answers on their way in.
//!
//! Invariant: a value of a field or a query is in the clear from here to the socket and nowhere else. What an answer repeats of it does not reach the guest, whether
//! in a field or in the body, as long as it is whole and as it was, or as it may stand in a URL. The guest has no say in how the answer is encoded, or in where it is cut.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use wharf_dispatch::{HttpFailed, HttpRequest};
use wharf_event::{Code, SecretName, SecretPlace, TenantName};
use wharf_vault::{Hidden, Key, SealError, Sealer as _, Shown, Value};

mod query;

/// Secrets of a tenant.
pub const SECRETS_PER_TENANT_MAX: usize = 64;

/// What a secret is sealed for.
#[must_use]
pub fn place(tenant: &TenantName, secret: &SecretName) -> String {
    format!("{tenant}/{secret}")
}

/// Values that a request carries, by the names of their secrets.
#[derive(Default)]
pub struct Filled(Hidden);

/// Opens the secrets of a request and puts them where they belong, in the place of what the guest may have put there.
pub fn fill(request: &mut HttpRequest, key: Result<&Key, SealError>) -> Result<Filled, HttpFailed> {
    let mut filled = Filled::default();
    if request.secrets.is_empty() {
        return Ok(filled);
    }
    request.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    request.headers.remove(header::RANGE);
    let closed = |name: &SecretName, why: String| {
        HttpFailed::new(Code::SecretClosed, format!("secret `{name}` cannot be put in: {why}"))
    };
    for (used, sealed) in &request.secrets {
        let name = used.secret();
        let opened = key.clone().and_then(|key| key.open(&place(&request.tenant, name), sealed));
        let value = opened.map_err(|error| closed(name, error.to_string()))?;
        let (before, after) = used.around();
        let whole = Value::new([before.as_bytes(), value.reveal(), after.as_bytes()].concat());
        match used.place() {
            SecretPlace::Field(field) => {
                let field = HeaderName::try_from(field).map_err(|error| closed(name, error.to_string()))?;
                let mut text = HeaderValue::from_bytes(whole.reveal())
                    .map_err(|_| closed(name, "it cannot stand in a field".to_owned()))?;
                text.set_sensitive(true);
                request.headers.insert(field, text);
            }
            SecretPlace::Query(pair) => {
                request.url = query::with(&request.url, pair, &query::encoded(whole.reveal()));
                // Who repeats the URL repeats it as it was, or written anew.
                for spelled in query::spellings(value.reveal()) {
                    filled.keep(name, &Value::new(spelled.into_bytes()));
                }
            }
        }
        filled.keep(name, &value);
    }
    Ok(filled)
}

impl Filled {
    /// Notes a value that a request carries in another way, under a name for what stands in its place.
    pub fn keep(&mut self, name: &SecretName, value: &Value) {
        self.0.add(name.as_str(), value);
    }

    /// A body without the values.
    #[must_use]
    pub fn redact(&self, body: Bytes) -> Bytes {
        self.0.without(&body).map_or(body, Bytes::from)
    }

    /// Fields without the values.
    pub fn redact_fields(&self, fields: &mut HeaderMap) {
        for field in fields.values_mut() {
            if let Some(other) = self.0.without(field.as_bytes()) {
                *field = HeaderValue::from_bytes(&other).unwrap_or(HeaderValue::from_static("[secret]"));
            }
        }
    }

    /// A body that comes in pieces, without the values.
    #[must_use]
    pub fn redacting(&self) -> Redacting<'_> {
        Redacting { filled: self, held: Bytes::new() }
    }
}

/// Takes the values out of a body that comes in pieces. Only what may be the beginning of a value is held back.
pub struct Redacting<'a> {
    filled: &'a Filled,
    held: Bytes,
}

impl Redacting<'_> {
    /// What may be given on when these bytes have come.
    pub fn take(&mut self, bytes: Bytes) -> Bytes {
        let held = std::mem::take(&mut self.held);
        let mut whole = if held.is_empty() { bytes } else { [held, bytes].concat().into() };
        let Shown { bytes, held } = self.filled.0.begun(&whole);
        self.held = whole.split_off(whole.len() - held);
        bytes.map_or(whole, Bytes::from)
    }

    /// What was held back, when no more comes.
    pub fn end(self) -> Bytes {
        self.filled.redact(self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_an_answer_repeats_is_taken_out_of_it() {
        let name: SecretName = "stripe".parse().unwrap();
        let mut filled = Filled::default();
        filled.keep(&name, &Value::new(b"sk_live_123".to_vec()));
        let body = filled.redact(Bytes::from_static(b"a sk_live_123 b sk_live_123"));
        assert_eq!(&body[..], b"a [secret:stripe] b [secret:stripe]");
        assert_eq!(&filled.redact(Bytes::from_static(b"sk_live_12"))[..], b"sk_live_12");
        for step in 1..12 {
            let (mut redacting, mut all) = (filled.redacting(), Vec::new());
            for some in b"a sk_live_123 b sk_live_12 sk_sk_live_123".chunks(step) {
                all.extend_from_slice(&redacting.take(Bytes::copy_from_slice(some)));
            }
            all.extend_from_slice(&redacting.end());
            assert_eq!(all, b"a [secret:stripe] b sk_live_12 sk_[secret:stripe]", "{step}");
        }
        assert_eq!(&filled.redacting().take(Bytes::from_static(b"data: x\n\n"))[..], b"data: x\n\n");
        let mut fields = HeaderMap::from_iter([("x".parse().unwrap(), HeaderValue::from_static("is sk_live_123"))]);
        filled.redact_fields(&mut fields);
        assert_eq!(fields["x"], "is [secret:stripe]");
    }
}
