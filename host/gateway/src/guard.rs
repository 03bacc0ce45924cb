//! Refuses requests that are not addressed to this host, or that a web page sends which has no business here.
//!
//! Until there is identity, whoever reaches the port may use it, and a browser on this machine reaches it for any page. A page
//! can rebind its own name to 127.0.0.1 (then `Host` is that name) or post across origins (then `Origin` is its own). Pages of this very origin
//! are plugins', by their routes: they may ask routes, and nothing of the host's own, whose pages there are none of.
//! Invariant: a request passes only if every authority that it names is in the list, and so is its origin if it has one; where it is not for a
//! route, only if no page sent it, by its `Origin` or its `Sec-Fetch-Site` (Fetch Metadata). It does not authenticate anyone.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Request, Version, header};
use wharf_event::Code;

use crate::{endpoints::ROUTES, problem::Problem};

/// Where a browser says whose page sent a request.
const FETCHED_BY: &str = "sec-fetch-site";

/// The port that an authority without one means, since this gateway speaks plain HTTP.
const HTTP_PORT: u16 = 80;

/// The hosts, each with a port, that a request may be addressed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostList {
    port: u16,
    names: Arc<[Box<str>]>,
}

impl HostList {
    /// `localhost`, 127.0.0.0/8 and `[::1]`, at this port.
    pub fn loopback(port: u16) -> Self {
        Self::named(port, ["localhost"])
    }

    /// These names at this port, and the loopback addresses. A name is compared without regard to case.
    pub fn named<'a>(port: u16, names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { port, names: names.into_iter().map(|name| name.to_ascii_lowercase().into_boxed_str()).collect() }
    }

    /// Whether a request may be addressed to this authority, `host[:port]`.
    pub fn allows(&self, authority: &str) -> bool {
        let Some((host, port)) = split(authority) else { return false };
        port == self.port && (is_loopback(host) || self.names.iter().any(|name| host.eq_ignore_ascii_case(name)))
    }
}

/// The host and the port of an authority; none if the port is not one.
fn split(authority: &str) -> Option<(&str, u16)> {
    let end_of_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority.get(end_of_host..)?.find(':') {
        Some(colon) => authority.split_at_checked(end_of_host + colon)?,
        None => return Some((authority, HTTP_PORT)),
    };
    let digits = port.strip_prefix(':')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((host, digits.parse().ok()?))
}

fn is_loopback(host: &str) -> bool {
    let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.parse().map(IpAddr::V6),
        None => host.parse().map(IpAddr::V4),
    };
    address.is_ok_and(|address| address.is_loopback())
}

/// Lets a request through, or says why not.
pub(crate) fn check<B>(hosts: &HostList, request: &Request<B>) -> Result<(), Problem> {
    addressed(hosts, request).map_err(|reason| {
        Problem::new(Code::HostForeign, format!("{reason}; this host answers to loopback names only"))
    })?;
    let may_send = match request.uri().path().starts_with(ROUTES) {
        true => from_here(hosts, request.headers()),
        false => from_no_page(request.headers()),
    };
    may_send.map_err(|reason| Problem::new(Code::OriginForeign, format!("{reason}; such web pages are refused")))
}

fn addressed<B>(hosts: &HostList, request: &Request<B>) -> Result<(), &'static str> {
    if request.uri().authority().is_some_and(|authority| !hosts.allows(authority.as_str())) {
        return Err("the request line names another host");
    }
    let mut lines = request.headers().get_all(header::HOST).iter();
    match (lines.next(), lines.next()) {
        (None, _) if request.version() < Version::HTTP_11 => Ok(()),
        (None, _) => Err("there is no Host header"),
        (Some(_), Some(_)) => Err("there is more than one Host header"),
        (Some(host), None) if host.to_str().is_ok_and(|host| hosts.allows(host)) => Ok(()),
        (Some(_), None) => Err("the Host header names another host or port"),
    }
}

fn from_here(hosts: &HostList, headers: &HeaderMap) -> Result<(), &'static str> {
    let foreign = headers.get_all(header::ORIGIN).iter().any(|origin| {
        let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        !authority.is_some_and(|authority| hosts.allows(authority))
    });
    if foreign { Err("the Origin header names another origin") } else { Ok(()) }
}

fn from_no_page(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(header::ORIGIN) {
        return Err("the Origin header is a web page's");
    }
    // What people type or bookmark is no page's.
    let by_page = headers.get_all(FETCHED_BY).iter().any(|site| site != "none");
    if by_page { Err("the Sec-Fetch-Site header is a web page's") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::HostList;

    #[test]
    fn loopback_names_at_our_port_are_ours_and_nothing_else_is() {
        let hosts = HostList::loopback(7070);
        let ours =
            ["localhost:7070", "LocalHost:7070", "127.0.0.1:7070", "127.8.9.1:7070", "[::1]:7070", "[0::1]:7070"];
        for authority in ours {
            assert!(hosts.allows(authority), "{authority}");
        }
        let foreign = [
            "",
            ":7070",
            "localhost",
            "localhost:",
            "localhost:80",
            "localhost:+7070",
            "localhost:70700",
            "localhost:7070:7070",
            "localhost.:7070",
            "localhost.evil.example:7070",
            "evil.example:7070",
            "127.0.0.1.evil.example:7070",
            "me@localhost:7070",
            "10.0.0.1:7070",
            "0.0.0.0:7070",
            "127.1:7070",
            "2130706433:7070",
            "::1:7070",
            "[::1]",
            "[::1]x:7070",
            "[::2]:7070",
            "[::ffff:127.0.0.1]:7070",
            "[localhost]:7070",
            "[127.0.0.1]:7070",
        ];
        for authority in foreign {
            assert!(!hosts.allows(authority), "{authority}");
        }
    }

    #[test]
    fn an_authority_without_a_port_means_port_80() {
        assert!(HostList::loopback(80).allows("localhost"));
        assert!(HostList::loopback(80).allows("[::1]"));
        assert!(HostList::named(80, ["Wharf.Test"]).allows("wharf.test"));
        assert!(!HostList::named(80, ["wharf.test"]).allows("localhost"));
    }
}
