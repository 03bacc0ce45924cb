//! Where a request goes: the parts of a URL that say so. Invariant: a place has a scheme, a host and a port, and neither a user, a
//! password nor a fragment; a host that reads as an address is one.

use std::{fmt, net::IpAddr, str::FromStr};

use http::Uri;

use crate::limits::URL_BYTES_MAX;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    uri: Uri,
    host: String,
    port: u16,
    is_tls: bool,
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPlace {
    /// It is too long.
    #[error("a URL has at most {URL_BYTES_MAX} bytes")]
    TooLong,
    /// It is no URL.
    #[error("it is no URL")]
    Text,
    /// It is of another kind.
    #[error("a URL begins with https:// or http://")]
    Scheme,
    /// There is no host in it, or none that can be one.
    #[error("there is no host in it")]
    Host,
    /// Somebody's name or password is in it.
    #[error("no user and no password can stand in it: send a header")]
    User,
    /// Something behind `#` is in it, which is never sent.
    #[error("nothing behind `#` is sent: leave it out")]
    Fragment,
}

impl Place {
    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address that the host is, where it is none to look up.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is spoken to by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// All of it.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// What stands in the field `host` of a request.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or(self.host.as_str(), http::uri::Authority::as_str)
    }

    /// Its path and query, as a request of HTTP/1 begins with them.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
    }
}

impl FromStr for Place {
    type Err = NotPlace;

    fn from_str(text: &str) -> Result<Self, NotPlace> {
        if text.len() > URL_BYTES_MAX {
            return Err(NotPlace::TooLong);
        }
        if text.contains('#') {
            return Err(NotPlace::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_| NotPlace::Text)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NotPlace::Scheme),
        };
        let authority = uri.authority().ok_or(NotPlace::Host)?;
        if authority.as_str().contains('@') {
            return Err(NotPlace::User);
        }
        let bare = authority.host();
        let host = bare.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(bare).to_ascii_lowercase();
        if host.is_empty() || host.starts_with('.') || authority.as_str().ends_with(':') {
            return Err(NotPlace::Host);
        }
        let port = match (authority.port(), is_tls) {
            (Some(port), _) => port.as_u16(),
            (None, true) => 443,
            (None, false) => 80,
        };
        if port == 0 {
            return Err(NotPlace::Host);
        }
        Ok(Self { uri, host, port, is_tls })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_a_port_and_nobody_in_it() {
        let place = |text: &str| text.parse::<Place>().map(|it| (it.host, it.port, it.is_tls));
        let is = |host: &str, port, tls| Ok((host.to_owned(), port, tls));
        assert_eq!(place("https://Example.com/hook?a=b"), is("example.com", 443, true));
        assert_eq!(place("http://[::1]:8080/"), is("::1", 8080, false));
        assert_eq!(place("http://10.0.0.1"), is("10.0.0.1", 80, false));
        for (text, wanted) in [
            ("example.com", NotPlace::Scheme),
            ("ftp://example.com/", NotPlace::Scheme),
            ("/hook", NotPlace::Scheme),
            ("https://a b/", NotPlace::Text),
            ("https://user:word@example.com/", NotPlace::User),
            ("https://example.com/#part", NotPlace::Fragment),
            ("http://example.com:0/", NotPlace::Host),
            ("http://.example.com/", NotPlace::Host),
        ] {
            assert_eq!(place(text), Err(wanted), "{text}");
        }
        assert_eq!(place(&format!("https://example.com/{}", "a".repeat(URL_BYTES_MAX))), Err(NotPlace::TooLong));
        let it: Place = "http://[::1]:8080/a?b".parse().unwrap();
        assert_eq!((it.authority(), it.path(), it.address().is_some()), ("[::1]:8080", "/a?b", true));
    }
}
