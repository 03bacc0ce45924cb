//! The path and the query of a request.
//!
//! Invariant: whatever a name or a key holds, it stays one segment or one value: every byte that is not unreserved by RFC
//! 3986 is percent-encoded. It does not know which routes there are.

use std::fmt::{self, Display, Write as _};

use wharf_event::TenantName;

/// Where a request goes, below the address of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    text: String,
    asked: bool,
}

impl Resource {
    /// A path that is written out, such as `/v1/tenants`.
    pub fn fixed(path: &'static str) -> Self {
        Self { text: path.to_owned(), asked: false }
    }

    /// What belongs to a tenant.
    pub fn of(tenant: &TenantName) -> Self {
        Self::fixed("/v1/tenants").at(tenant)
    }

    /// One segment further down. It comes before all [`ask`](Self::ask)s.
    #[must_use]
    pub fn at(mut self, segment: impl Display) -> Self {
        self.text.push('/');
        encode(&mut self.text, &segment.to_string());
        self
    }

    /// A parameter of the query.
    #[must_use]
    pub fn ask(mut self, name: &'static str, value: impl Display) -> Self {
        self.text.push(if self.asked { '&' } else { '?' });
        self.text.push_str(name);
        self.text.push('=');
        encode(&mut self.text, &value.to_string());
        self.asked = true;
        self
    }

    /// A parameter of the query, if there is a value for it.
    #[must_use]
    pub fn ask_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.ask(name, value),
            None => self,
        }
    }
}

impl Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_and_a_value_one_value() {
        let acme = "acme".parse().unwrap();
        let resource = Resource::of(&acme).at("kv").at("a/b ?#%é").ask("after", "x&y=+").ask_some("limit", Some(5));
        assert_eq!(resource.to_string(), "/v1/tenants/acme/kv/a%2Fb%20%3F%23%25%C3%A9?after=x%26y%3D%2B&limit=5");
        let none: Option<u32> = None;
        assert_eq!(Resource::of(&acme).ask_some("limit", none).to_string(), "/v1/tenants/acme");
    }
}
