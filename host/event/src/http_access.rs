//! What a plugin may send by HTTP: methods, scheme, host, port and path, as one text such as `POST https://api.example.com/v1/*`.
//!
//! Invariant: a path that another program could read as another path (`..`, an encoded slash) is in no access but one to all paths. Which
//! addresses a host has is not decided here.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use crate::{
    grants::Covers,
    limits::{ERROR_VALUE_CHARS_MAX, GRANT_BYTES_MAX},
};

/// Behind an access that reaches addresses that are not public.
const PRIVATE: &str = " private";

/// All paths.
const EVERYWHERE: &str = "/*";

/// What stands in no path of an access.
const UNWRITTEN: [char; 4] = ['?', '#', '%', ' '];

/// Requests that a plugin may send.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpAccess {
    /// In order; none = any.
    methods: Vec<String>,
    is_tls: bool,
    host: Hosts,
    /// None = any.
    port: Option<u16>,
    /// With a `*` at the end all that begin so.
    path: String,
    private: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hosts {
    /// All of them.
    Any,
    /// Those that end so, with a dot before it.
    Under(String),
    /// One.
    One(String),
}

/// A request as a grant sees it.
#[derive(Clone, Copy, Debug)]
pub struct HttpAsked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Whether it goes by TLS.
    pub is_tls: bool,
    /// The host in lower case, without brackets.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The path, without what stands behind a question mark.
    pub path: &'a str,
}

/// A text that says no requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpAccessError {
    /// It is not built like one.
    #[error("`{0}` is no access to HTTP: it is written `POST https://api.example.com/v1/*`, with methods or without")]
    Text(String),
    /// It is too long.
    #[error("an access to HTTP has at most {GRANT_BYTES_MAX} bytes")]
    TooLong,
    /// No method.
    #[error("`{0}` is no method of HTTP: it has capital letters, and commas stand between several")]
    Method(String),
    /// No host.
    #[error(
        "`{0}` is no host: it is a name in lower case (that of a name in other letters begins with `xn--`), an address, `*.` before a name, or `*`"
    )]
    Host(String),
    /// No path.
    #[error("`{0}` is no path: it has no `..`, `?` or `%`, and a `*` only at its end")]
    Path(String),
}

fn clipped(text: &str) -> String {
    text.chars().take(ERROR_VALUE_CHARS_MAX).collect()
}

impl HttpAccess {
    /// Whether it may reach addresses that are not public, as far as the operator lets them be reached.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.private
    }

    /// What would allow this request and no other host, to be named to people. None where it cannot be written.
    #[must_use]
    pub fn of(asked: HttpAsked<'_>) -> Option<Self> {
        let HttpAsked { method, is_tls, host, port, path } = asked;
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let path = if is_plain(path) && !path.contains(UNWRITTEN) { path } else { EVERYWHERE };
        let scheme = if is_tls { "https" } else { "http" };
        format!("{method} {scheme}://{host}:{port}{path}").parse().ok()
    }

    /// Whether it allows this request.
    #[must_use]
    pub fn allows(&self, asked: HttpAsked<'_>) -> bool {
        self.is_tls == asked.is_tls
            && (self.methods.is_empty() || self.methods.iter().any(|method| method == asked.method))
            && self.port.is_none_or(|port| port == asked.port)
            && self.host.has(asked.host)
            && (self.path == EVERYWHERE || is_plain(asked.path) && path_has(&self.path, asked.path))
    }

    /// The same, for addresses that are not public too.
    #[must_use]
    pub fn private(self) -> Self {
        Self { private: true, ..self }
    }

    fn default_port(is_tls: bool) -> u16 {
        if is_tls { 443 } else { 80 }
    }
}

impl Hosts {
    fn has(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Under(end) => {
                host.strip_suffix(end.as_str()).is_some_and(|head| head.len() > 1 && head.ends_with('.'))
            }
            Self::One(one) => one == host,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Any) | (Self::One(_), Self::Under(_)) => false,
            (Self::Under(end), Self::Under(other)) => end == other || self.has(other),
            (_, Self::One(one)) => self.has(one),
        }
    }
}

fn path_has(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

/// Whether a path is what it looks like: no part of it is `.` or `..`, however it is written, and no letter of it hides a slash.
fn is_plain(path: &str) -> bool {
    let spelled = path.to_ascii_lowercase().replace("%2e", ".");
    path.starts_with('/')
        && !path.contains(['\\', '*'])
        && !["%2f", "%5c", "%25", "%00", "//"].iter().any(|hidden| spelled.contains(hidden))
        // What stands behind a semicolon is left out by some.
        && spelled.split('/').all(|part| !matches!(part.split(';').next(), Some("." | "..")))
}

impl Covers for HttpAccess {
    fn covers(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || !other.methods.is_empty() && other.methods.iter().all(|method| self.methods.contains(method));
        let within = match (self.path.strip_suffix('*'), other.path.strip_suffix('*')) {
            (Some(prefix), other_prefix) => other_prefix.unwrap_or(&other.path).starts_with(prefix),
            (None, _) => self.path == other.path,
        };
        methods
            && within
            && self.is_tls == other.is_tls
            && self.host.covers(&other.host)
            && (self.port.is_none() || self.port == other.port)
            && self.private >= other.private
    }
}

impl FromStr for HttpAccess {
    type Err = HttpAccessError;

    fn from_str(text: &str) -> Result<Self, HttpAccessError> {
        if text.len() > GRANT_BYTES_MAX {
            return Err(HttpAccessError::TooLong);
        }
        let (rest, private) = text.strip_suffix(PRIVATE).map_or((text, false), |rest| (rest, true));
        let (methods, url) = rest.split_once(' ').map_or((None, rest), |(methods, url)| (Some(methods), url));
        let no = || HttpAccessError::Text(clipped(text));
        let (scheme, rest) = url.split_once("://").ok_or_else(no)?;
        let is_tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(no()),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, EVERYWHERE),
        };
        let (host, port) = match authority.rfind(':').filter(|at| !authority.ends_with(']') && *at > 0) {
            Some(at) => {
                let (host, port) = authority.split_at(at);
                (host, port.strip_prefix(':').unwrap_or_default())
            }
            None => (authority, ""),
        };
        let port = match port {
            "" if authority.ends_with(':') => return Err(no()),
            "" => Some(Self::default_port(is_tls)),
            "*" => None,
            port => Some(port.parse().ok().filter(|port| *port != 0).ok_or_else(no)?),
        };
        let plain = is_plain(path.strip_suffix('*').unwrap_or(path)) && !path.contains(UNWRITTEN);
        if !plain {
            return Err(HttpAccessError::Path(clipped(path)));
        }
        Ok(Self { methods: methods_of(methods)?, is_tls, host: hosts(host)?, port, path: path.to_owned(), private })
    }
}

fn methods_of(text: Option<&str>) -> Result<Vec<String>, HttpAccessError> {
    let mut methods: Vec<String> = text.into_iter().flat_map(|text| text.split(',')).map(str::to_owned).collect();
    if let Some(wrong) = methods.iter().find(|it| it.is_empty() || !it.bytes().all(|byte| byte.is_ascii_uppercase())) {
        return Err(HttpAccessError::Method(clipped(wrong)));
    }
    methods.sort();
    methods.dedup();
    Ok(methods)
}

fn hosts(text: &str) -> Result<Hosts, HttpAccessError> {
    let no = || HttpAccessError::Host(clipped(text));
    if text == "*" {
        return Ok(Hosts::Any);
    }
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| no())?;
        return Ok(Hosts::One(address.to_string()));
    }
    let (name, under) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_name = name.split('.').all(|part| !part.is_empty() && part.bytes().all(letter));
    if !is_name {
        return Err(no());
    }
    Ok(if under { Hosts::Under(name.to_owned()) } else { Hosts::One(name.to_owned()) })
}

impl fmt::Display for HttpAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { methods, is_tls, host, port, path, private } = self;
        if !methods.is_empty() {
            write!(f, "{} ", methods.join(","))?;
        }
        f.write_str(if *is_tls { "https://" } else { "http://" })?;
        match host {
            Hosts::Any => f.write_str("*")?,
            Hosts::Under(name) => write!(f, "*.{name}")?,
            Hosts::One(address) if address.contains(':') => write!(f, "[{address}]")?,
            Hosts::One(name) => f.write_str(name)?,
        }
        match port {
            None => f.write_str(":*")?,
            Some(port) if *port != Self::default_port(*is_tls) => write!(f, ":{port}")?,
            Some(_) => {}
        }
        if path != EVERYWHERE {
            f.write_str(path)?;
        }
        f.write_str(if *private { PRIVATE } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(text: &str) -> HttpAccess {
        text.parse().unwrap()
    }

    #[test]
    fn an_egress_grant_has_one_text() {
        for (text, canonical) in [
            ("https://api.example.com", "https://api.example.com"),
            ("https://api.example.com:443/*", "https://api.example.com"),
            ("POST,GET https://api.example.com/v1/*", "GET,POST https://api.example.com/v1/*"),
            ("http://*.example.com:*/", "http://*.example.com:*/"),
            ("http://[::1]:8080/a private", "http://[::1]:8080/a private"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("https://*", "https://*"),
        ] {
            assert_eq!(access(text).to_string(), canonical);
            assert_eq!(access(canonical).to_string(), canonical);
        }
        for text in [
            "",
            "api.example.com",
            "ftp://a",
            "https://",
            "https://A.b",
            "https://ä.example",
            "https://a b",
            "https://a:0",
            "https://a:",
            "https://a:99999",
            "https://u@a",
            "https://*a.b",
            "https://a.*.b",
            "https://.a",
            "https://a..b",
            "post https://a",
            "POST, https://a",
            "https://a/../b",
            "https://a/%2e",
            "https://a/x?y",
            "https://a/*/b",
            "https://a//b",
            "https://[::1",
            "https://[127.0.0.1]",
            "private",
            "https://a  private",
        ] {
            assert!(text.parse::<HttpAccess>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_egress_grant_allows_what_it_says_and_nothing_beside() {
        let allows = |grant: &str, method, url: &str| {
            let (scheme, rest) = url.split_once("://").unwrap();
            let (authority, path) = rest.split_at(rest.find('/').unwrap());
            let (host, port) = authority.split_once(':').unwrap();
            let is_tls = scheme == "https";
            access(grant).allows(HttpAsked { method, is_tls, host, port: port.parse().unwrap(), path })
        };
        let v1 = "POST https://api.example.com/v1/*";
        assert!(allows(v1, "POST", "https://api.example.com:443/v1/charges"));
        for (method, url) in [
            ("GET", "https://api.example.com:443/v1/charges"),
            ("post", "https://api.example.com:443/v1/charges"),
            ("POST", "http://api.example.com:443/v1/charges"),
            ("POST", "https://api.example.com:8443/v1/charges"),
            ("POST", "https://api.example.com.evil.example:443/v1/charges"),
            ("POST", "https://api.example.com.:443/v1/charges"),
            ("POST", "https://x.api.example.com:443/v1/charges"),
            ("POST", "https://api.example.com:443/v2/charges"),
            ("POST", "https://api.example.com:443/v1/../v2"),
            ("POST", "https://api.example.com:443/v1/%2e%2E/v2"),
            ("POST", "https://api.example.com:443/v1/.%2e/v2"),
            ("POST", "https://api.example.com:443/v1/..;/v2"),
            ("POST", "https://api.example.com:443/v1/x%2f..%2fv2"),
            ("POST", "https://api.example.com:443/v1/%252e%252e/v2"),
            ("POST", "https://api.example.com:443/v1/..\\v2"),
            ("POST", "https://api.example.com:443//v1/charges"),
        ] {
            assert!(!allows(v1, method, url), "{method} {url}");
        }
        assert!(allows("https://*.example.com:*", "PUT", "https://a.b.example.com:7/x/../y"));
        assert!(!allows("https://*.example.com", "GET", "https://example.com:443/"));
        assert!(!allows("https://*.example.com", "GET", "https://.example.com:443/"));
        assert!(!allows("https://*.example.com", "GET", "https://badexample.com:443/"));
    }

    #[test]
    fn an_egress_grant_covers_what_is_within() {
        for (large, small) in [
            ("https://*", "POST https://a.example/x"),
            ("https://*.a.example:*", "https://*.b.a.example:7/x/*"),
            ("GET,POST https://a.example/x*", "GET https://a.example/x/y"),
            ("http://a.example private", "http://a.example"),
        ] {
            assert!(access(large).covers(&access(small)), "{large} {small}");
            assert!(!access(small).covers(&access(large)), "{small} {large}");
        }
        assert!(!access("GET https://a.example").covers(&access("https://a.example")));
        assert!(!access("https://a.example").covers(&access("http://a.example")));
        let asked = HttpAsked { method: "GET", is_tls: false, host: "::1", port: 8080, path: "/a/../b" };
        assert_eq!(HttpAccess::of(asked).unwrap().to_string(), "GET http://[::1]:8080");
        assert_eq!(
            HttpAccess::of(HttpAsked { path: "/a%31", ..asked }).unwrap().to_string(),
            "GET http://[::1]:8080",
            "what cannot be written is within all paths"
        );
    }
}
