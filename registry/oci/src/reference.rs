//! Names of artifacts: `oci://registry/name:tag`, or `…@sha256:…`.
//!
//! Invariant: nothing is assumed. Where other tools fill in a registry or `latest`, here it has to be said, so that a file means the same
//! to everybody.

use std::{fmt, net::IpAddr, str::FromStr};

/// What a reference begins with.
const SCHEME: &str = "oci://";

/// The name of an artifact in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(Box<oci_client::Reference>);

/// A text that is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no reference: {reason}")]
pub struct NoReference {
    text: String,
    reason: String,
}

impl Reference {
    /// Whether a text is meant to be one.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// The registry, with its port where one is said.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// Whether the registry is one of this machine, by its name.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let registry = self.registry();
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    pub(crate) fn inner(&self) -> &oci_client::Reference {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        let wrong = |reason: &str| NoReference { text: text.to_owned(), reason: reason.to_owned() };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it begins with oci://"))?;
        let (registry, path) = rest.split_once('/').ok_or_else(|| wrong("write it as oci://registry/name:tag"))?;
        if registry != "localhost" && !registry.contains(['.', ':']) {
            return Err(wrong("say which registry, as in oci://registry.example.com/name:tag"));
        }
        if !path.contains([':', '@']) {
            return Err(wrong("say which one: a tag, as in name:1.0, or a digest, as in name@sha256:..."));
        }
        let inner: oci_client::Reference =
            rest.parse().map_err(|error: oci_client::ParseError| wrong(&error.to_string()))?;
        Ok(Self(Box::new(inner)))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_its_registry_and_which_one() {
        let digest = format!("oci://ghcr.io/a/b@sha256:{}", "0".repeat(64));
        for text in ["oci://127.0.0.1:5000/triage:1", "oci://localhost/a/b:x", "oci://ghcr.io/a/b:1.0", &digest] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        for text in [
            "triage:1",
            "https://ghcr.io/a:1",
            "oci://triage:1",
            "oci://acme/triage:1",
            "oci://ghcr.io/a",
            "oci://ghcr.io/A:1",
            "oci://ghcr.io/:1",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_with_in_the_clear() {
        let is = |text: &str| text.parse::<Reference>().unwrap().is_loopback();
        assert!(is("oci://localhost:5000/a:1") && is("oci://127.0.0.1:5000/a:1") && is("oci://127.9.9.9/a:1"));
        assert!(
            !is("oci://localhost.example.com/a:1")
                && !is("oci://10.0.0.1:5000/a:1")
                && !is("oci://127.0.0.1.example.com/a:1")
        );
    }
}
