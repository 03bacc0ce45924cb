//! The secrets of the tenant that a plugin meets: what a file says, in place of what a host keeps.
//!
//! Invariant: what a host would not keep is a mistake, and a value is shown nowhere but where the plugin itself shows it.

use std::collections::BTreeMap;

use wharf_event::{Code, NameError, SecretName, TenantName};
use wharf_runtime::{HeldSecrets, NotHeld, Opening};
use wharf_vault::{SECRET_BYTES_MAX, Value};

/// What is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// They are no texts by name.
    #[error("secrets are `{{\"NAME\": \"VALUE\"}}`")]
    Json(#[from] serde_json::Error),
    /// It has no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is empty, or too long.
    #[error("a secret has 1 to {SECRET_BYTES_MAX} bytes, `{0}` has {1}")]
    Bytes(SecretName, usize),
}

/// Values by name.
#[derive(Debug, Default)]
pub struct Secrets(BTreeMap<SecretName, Value>);

impl Secrets {
    /// Reads `{"NAME": "VALUE"}`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(bytes: &[u8]) -> Result<Self, SecretsError> {
        Self::of(serde_json::from_slice(bytes)?)
    }

    /// The same of what was read.
    ///
    /// # Errors
    /// When one is no secret.
    pub fn of(values: BTreeMap<String, String>) -> Result<Self, SecretsError> {
        let read = |(name, value): (String, String)| {
            let name: SecretName = name.parse()?;
            match value.len() {
                1..=SECRET_BYTES_MAX => Ok((name, Value::new(value.into_bytes()))),
                bytes => Err(SecretsError::Bytes(name, bytes)),
            }
        };
        Ok(Self(values.into_iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.0.keys()
    }
}

impl HeldSecrets for Secrets {
    fn open(&self, _: &TenantName, secret: &SecretName) -> Opening {
        let found = self.0.get(secret).cloned().ok_or_else(|| {
            let reason = format!("there is no secret `{secret}` among those of this call");
            NotHeld { code: Code::SecretUnknown, reason }
        });
        Box::pin(async { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_would_keep_is_told() {
        assert_eq!(Secrets::from_json(br#"{"a": "x", "b": "y"}"#).unwrap().names().count(), 2);
        for (json, said) in [
            (r#"{"a": 1}"#.to_owned(), "secrets are `{\"NAME\": \"VALUE\"}`"),
            (r#"{"a": ""}"#.to_owned(), "`a` has 0"),
            (format!(r#"{{"a": "{}"}}"#, "x".repeat(SECRET_BYTES_MAX + 1)), "has 1 to"),
            (r#"{"A B": "x"}"#.to_owned(), "A B"),
        ] {
            let error = Secrets::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
