//! Where a secret goes: into one field of the requests to some hosts, or into the query of their URLs, as one text such as
//! `https://api.example.com authorization: Bearer {secret:example}` or `https://api.example.com ?key={secret:example}`.
//!
//! Invariant: the value is put in by the host, behind all that a guest sees, and only where the request goes to one of these hosts.

use std::{fmt, str::FromStr};

use crate::{
    grants::Covers,
    http_access::{HttpAccess, HttpAccessError, HttpAsked},
    limits::{ERROR_VALUE_CHARS_MAX, GRANT_BYTES_MAX},
    names::{NameError, SecretName},
};

/// What stands for the value.
const PLACE: &str = "{secret:";

/// Fields that say where a request goes, or how long it is: the host's alone.
const TAKEN: [&str; 6] = ["host", "content-length", "connection", "transfer-encoding", "upgrade", "te"];

/// What of a request has a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretPlace {
    /// A field, by its name in lower case.
    Field(String),
    /// A pair of the URL's query, by its name.
    Query(String),
}

/// A part of requests that has a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretUse {
    access: HttpAccess,
    place: SecretPlace,
    before: String,
    secret: SecretName,
    after: String,
}

/// A text that says no place of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretUseError {
    /// It is not built like one.
    #[error(
        "`{0}` says no field: it is written `https://api.example.com authorization: Bearer {{secret:NAME}}`, or `https://api.example.com ?key={{secret:NAME}}` for the query"
    )]
    Text(String),
    /// The field is none that can be set.
    #[error("`{0}` is no field that can be set")]
    Field(String),
    /// The pair of the query is none that can be set.
    #[error("`{0}` is no name of a pair of the query: it has letters, digits, `-` and `_`")]
    Query(String),
    /// The host is none.
    #[error(transparent)]
    Access(#[from] HttpAccessError),
    /// The secret has no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl SecretUse {
    /// What of a request has it.
    #[must_use]
    pub const fn place(&self) -> &SecretPlace {
        &self.place
    }

    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &SecretName {
        &self.secret
    }

    /// What stands before and behind the value.
    #[must_use]
    pub fn around(&self) -> (&str, &str) {
        (&self.before, &self.after)
    }

    /// Whether a request gets it.
    #[must_use]
    pub fn is_for(&self, asked: HttpAsked<'_>) -> bool {
        self.access.allows(asked)
    }
}

impl Covers for SecretUse {
    fn covers(&self, other: &Self) -> bool {
        let same = (&self.place, &self.before, &self.secret, &self.after)
            == (&other.place, &other.before, &other.secret, &other.after);
        same && self.access.covers(&other.access)
    }
}

impl FromStr for SecretUse {
    type Err = SecretUseError;

    fn from_str(text: &str) -> Result<Self, SecretUseError> {
        let no = || SecretUseError::Text(text.chars().take(ERROR_VALUE_CHARS_MAX).collect());
        if text.len() > GRANT_BYTES_MAX {
            return Err(HttpAccessError::TooLong.into());
        }
        let (url, rest) = text.split_once(' ').ok_or_else(no)?;
        let (place, template) = match rest.strip_prefix('?') {
            Some(pair) => pair.split_once('=').map(|(name, template)| (query(name), template)),
            None => rest.split_once(": ").map(|(name, template)| (field(name), template)),
        }
        .ok_or_else(no)?;
        let (before, rest) = template.split_once(PLACE).ok_or_else(no)?;
        let (secret, after) = rest.split_once('}').ok_or_else(no)?;
        let plain = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains(PLACE);
        if !plain(before) || !plain(after) {
            return Err(no());
        }
        let (before, after) = (before.to_owned(), after.to_owned());
        Ok(Self { place: place?, access: url.parse()?, before, secret: secret.parse()?, after })
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn field(name: &str) -> Result<SecretPlace, SecretUseError> {
    let name = name.to_ascii_lowercase();
    let is_free = is_word(&name) && !TAKEN.contains(&name.as_str());
    if is_free { Ok(SecretPlace::Field(name)) } else { Err(SecretUseError::Field(name)) }
}

fn query(name: &str) -> Result<SecretPlace, SecretUseError> {
    if is_word(name) { Ok(SecretPlace::Query(name.to_owned())) } else { Err(SecretUseError::Query(name.to_owned())) }
}

impl fmt::Display for SecretUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access, place, before, secret, after } = self;
        match place {
            SecretPlace::Field(name) => write!(f, "{access} {name}: ")?,
            SecretPlace::Query(name) => write!(f, "{access} ?{name}=")?,
        }
        write!(f, "{before}{PLACE}{secret}}}{after}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_to_its_hosts_and_no_others() {
        let used: SecretUse = "https://api.example.com Authorization: Bearer {secret:example}".parse().unwrap();
        assert_eq!(used.to_string(), "https://api.example.com authorization: Bearer {secret:example}");
        assert_eq!(
            (used.place(), used.around(), used.secret().as_str()),
            (&SecretPlace::Field("authorization".to_owned()), ("Bearer ", ""), "example")
        );
        let asks: SecretUse = "https://api.example.com/v1/* ?API_key=v1:{secret:example}".parse().unwrap();
        assert_eq!(asks.to_string(), "https://api.example.com/v1/* ?API_key=v1:{secret:example}");
        assert_eq!((asks.place(), asks.around()), (&SecretPlace::Query("API_key".to_owned()), ("v1:", "")));
        let field: SecretUse = "https://api.example.com API_key: v1:{secret:example}".parse().unwrap();
        assert!(!asks.covers(&field) && !field.covers(&asks), "a field is no query");
        let asked = |host, is_tls| HttpAsked { method: "GET", is_tls, host, port: 443, path: "/x" };
        assert!(used.is_for(asked("api.example.com", true)));
        assert!(!used.is_for(asked("example.com", true)) && !used.is_for(asked("api.example.com", false)));
        for text in [
            "",
            "https://a.example",
            "https://a.example x: y",
            "https://a.example : {secret:a}",
            "https://a.example x: {secret:}",
            "https://a.example x: {secret:a",
            "https://a.example host: {secret:a}",
            "https://a.example x y: {secret:a}",
            "a.example x: {secret:a}",
            "https://a.example x: {secret:a}{secret:b}",
            "https://a.example x: \n{secret:a}",
            "https://a.example ?={secret:a}",
            "https://a.example ?x: {secret:a}",
            "https://a.example ?x&y={secret:a}",
            "https://a.example ?x=y",
            "https://a.example ?x={secret:a}&y={secret:b}",
            "https://a.example?x={secret:a}",
        ] {
            assert!(text.parse::<SecretUse>().is_err(), "{text}");
        }
        let why = |text: &str| text.parse::<SecretUse>().unwrap_err().to_string();
        assert_eq!(why("https://a.example host: {secret:a}"), "`host` is no field that can be set");
        let pair = "`x&y` is no name of a pair of the query: it has letters, digits, `-` and `_`";
        assert_eq!(why("https://a.example ?x&y={secret:a}"), pair);
    }
}
