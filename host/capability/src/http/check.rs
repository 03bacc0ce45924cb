//! Whether a guest's request is what it says and is allowed, before anything of it leaves.
//!
//! Invariant: what was checked is what is sent. The URL is put together anew from the parts that were checked, and fields that say where a
//! request goes are the host's alone.

use http::{HeaderMap, Method, Uri, header, uri::Scheme};
use wasmtime_wasi_http::Error;
use wharf_event::{Code, Grants, HttpAccess, HttpAsked, SecretUse};

use super::port::LEADS_NOWHERE;
use crate::{AttemptContext, limits::HTTP_HEAD_BYTES_MAX};

/// A request that is not sent: what the guest is told, and what people are.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) code: Code,
    pub(super) error: Error,
    pub(super) reason: String,
}

/// A request that may be sent, but for its body.
pub(super) struct Allowed {
    pub(super) method: Method,
    /// The whole URL.
    pub(super) url: String,
    /// The same without what stands behind a question mark, to be shown.
    pub(super) shown: String,
    pub(super) headers: HeaderMap,
    /// The grant that allows it.
    pub(super) access: HttpAccess,
    /// Secrets that belong into it.
    pub(super) secrets: Vec<SecretUse>,
}

fn invalid(reason: &str) -> Denied {
    Denied { code: Code::HttpInvalid, error: Error::HttpRequestUriInvalid, reason: reason.to_owned() }
}

/// Checks the head of a request.
pub(super) fn check(
    context: &AttemptContext,
    method: Method,
    uri: &Uri,
    headers: HeaderMap,
) -> Result<Allowed, Denied> {
    let authority = uri.authority().filter(|it| !it.host().is_empty()).ok_or_else(|| invalid("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("a user or a password stands in its authority: that belongs into a field"));
    }
    // Brackets are for what has colons of its own.
    if authority.host().starts_with('[') && !authority.host().contains(':') {
        return Err(invalid("its host is none: brackets are for addresses of IPv6"));
    }
    let is_tls = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(invalid("its scheme is neither http nor https")),
    };
    let bare = authority.host();
    let host = bare.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(bare).to_ascii_lowercase();
    let port = match (authority.port(), is_tls) {
        // A sign is no digit, whatever numbers are read of.
        (Some(port), _) if port.as_str().bytes().all(|byte| byte.is_ascii_digit()) => port.as_u16(),
        (Some(_), _) => 0,
        (None, _) if authority.as_str().ends_with(':') || authority.as_str().len() != bare.len() => 0,
        (None, true) => 443,
        (None, false) => 80,
    };
    if port == 0 {
        return Err(invalid("its port is none"));
    }
    if matches!(method, Method::CONNECT | Method::TRACE) {
        let reason = format!("{method} is no request that a plugin sends");
        return Err(Denied { code: Code::HttpInvalid, error: Error::HttpRequestMethodInvalid, reason });
    }
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let asked = HttpAsked { method: method.as_str(), is_tls, host: &host, port, path };
    let scheme = if is_tls { "https" } else { "http" };
    let written = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let shown = format!("{scheme}://{written}:{port}{path}");
    let Some(access) = context.grants.may_send(asked) else {
        let line = HttpAccess::of(asked).map(|access| {
            let more = Grants { http: vec![access], ..Grants::default() };
            format!("; {}", context.grants_line(&more))
        });
        let line = if context.http.leads(&host) { line.unwrap_or_default() } else { LEADS_NOWHERE.to_owned() };
        let reason = format!("{method} {shown} is not granted{line}");
        return Err(Denied { code: Code::HttpDenied, error: Error::HttpRequestDenied, reason });
    };
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > HTTP_HEAD_BYTES_MAX {
        let reason = format!("its fields have {bytes} bytes, and may have {HTTP_HEAD_BYTES_MAX}");
        let size = u32::try_from(bytes).ok();
        return Err(Denied { code: Code::LimitHttp, error: Error::HttpRequestHeaderSectionSize(size), reason });
    }
    let secrets = context.grants.secrets.iter().filter(|used| used.is_for(asked)).cloned().collect();
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let url = format!("{shown}{query}");
    Ok(Allowed { method, url, shown, headers: passed(context, headers), access: access.clone(), secrets })
}

/// How a request to this place would be granted though its address is not public.
pub(super) fn private_line(context: &AttemptContext, method: &Method, url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else { return String::new() };
    let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else { return String::new() };
    let (is_tls, host) = (uri.scheme() == Some(&Scheme::HTTPS), host.trim_matches(['[', ']']));
    context.private_line(HttpAsked { method: method.as_str(), is_tls, host, port, path: uri.path() })
}

/// The fields that are sent: the guest's but for those that are the host's, and the trace where the guest says none.
fn passed(context: &AttemptContext, mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let trace = context.received.extension("traceparent").map(ToString::to_string);
    if let Some(trace) = trace.and_then(|trace| trace.parse().ok()) {
        headers.entry("traceparent").or_insert(trace);
    }
    headers
}
