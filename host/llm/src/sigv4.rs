//! Requests to AWS, signed: Signature Version 4, by the crate that AWS keeps for it.
//!
//! Invariant: what is signed is what is sent: method, URL, the fields that are given, and the body. A secret key is in no error and no `Debug`.

use std::{fmt, time::SystemTime};

use aws_credential_types::Credentials as Identity;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};

/// Who signs. What it has is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Identity);

/// Why nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The text has no credentials.
    #[error(
        "credentials are written ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind them where they are for a while"
    )]
    Text,
    /// The request cannot be signed.
    #[error("the request cannot be signed: {0}")]
    Request(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.0.access_key_id()).finish_non_exhaustive()
    }
}

impl Credentials {
    /// By their parts.
    #[must_use]
    pub fn new(access_key: String, secret_key: String, token: Option<String>) -> Self {
        Self(Identity::new(access_key, secret_key, token.filter(|token| !token.is_empty()), None, "wharf"))
    }

    /// From one text, as a secret has them.
    ///
    /// # Errors
    /// When they are not there.
    pub fn parse(text: &str) -> Result<Self, Unsigned> {
        let mut parts = text.trim().splitn(3, ':').map(str::to_owned);
        match (parts.next(), parts.next()) {
            (Some(access_key), Some(secret_key)) if !access_key.is_empty() && !secret_key.is_empty() => {
                Ok(Self::new(access_key, secret_key, parts.next()))
            }
            _ => Err(Unsigned::Text),
        }
    }

    /// What nobody else should see.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        [self.0.secret_access_key()].into_iter().chain(self.0.session_token())
    }

    /// The fields that sign a request to a service of a region at that time: names in lower case, and values.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(&self, signed: &Signed<'_>, time: SystemTime) -> Result<Vec<(&'static str, String)>, Unsigned> {
        let failed = |error: &dyn fmt::Display| Unsigned::Request(error.to_string());
        let identity = self.0.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(signed.region)
            .name(signed.service)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?;
        let params = params.into();
        let request = SignableRequest::new(
            signed.method,
            signed.url,
            signed.headers.iter().copied(),
            SignableBody::Bytes(signed.body),
        );
        let request = request.map_err(|error| failed(&error))?;
        let (instructions, _) = sign(request, &params).map_err(|error| failed(&error))?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
    }
}

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The region.
    pub region: &'a str,
    /// The service, as signatures name it.
    pub service: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Its URL, encoded as it is sent.
    pub url: &'a str,
    /// Its fields that are signed, names in lower case; `host` among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body.
    pub body: &'a [u8],
}

#[cfg(test)]
mod tests;
