//! Sends the requests that an event has for it, and publishes what came of each, so that a test can see what leaves the host.
//!
//! Invariant: it hides nothing and gives up nothing: whatever a request is refused for, the next one is sent. An event of the type `fail` fails
//! behind its requests, so that what they did can be told from what the attempt did; one of the type `again` does so in its first attempt, and wants
//! another.

use serde::{Deserialize, Serialize};
use wasip2::http::{
    outgoing_handler::handle,
    types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, Scheme},
};
use wharf::{Context, Draft, Event, Failure, HttpError, Outcome};

/// A request to be sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    #[serde(default = "get")]
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    /// So many bytes more.
    #[serde(default)]
    bytes: usize,
    /// Milliseconds that it waits.
    timeout_ms: Option<u64>,
    /// Scheme, authority and path as they are, without anybody's URL.
    raw: Option<[String; 3]>,
    /// Its body has no end.
    #[serde(default)]
    endless: bool,
}

fn get() -> String {
    "GET".to_owned()
}

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    Status(u16, String),
    Refused(String),
}

#[wharf::handler]
fn caller(event: Event<Vec<Call>>, cx: &Context) -> Outcome {
    let mut came = Vec::new();
    for call in event.data {
        came.push(sent(cx, call));
    }
    if event.kind == "fail" {
        return Err(Failure::reject("as asked"));
    }
    if event.kind == "again" && cx.attempt() == 1 {
        return Err(Failure::retry("as asked"));
    }
    cx.publish(Draft::new("called").json(&came)?)?;
    Ok(())
}

fn sent(cx: &Context, call: Call) -> Came {
    if call.raw.is_some() || call.endless {
        return Came::Refused(raw(&call).unwrap_or_else(|problem| problem.to_owned()));
    }
    let mut request = cx.http().request(call.method, call.url);
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    if !call.body.is_empty() || call.bytes > 0 {
        request = request.body("text/plain", call.body + &"x".repeat(call.bytes));
    }
    if let Some(timeout_ms) = call.timeout_ms {
        request = request.timeout(std::time::Duration::from_millis(timeout_ms));
    }
    match request.send() {
        Ok(answer) => Came::Status(answer.status, answer.text().chars().take(1_000).collect()),
        Err(error) => Came::Refused(match error {
            HttpError::Denied => "denied".to_owned(),
            HttpError::Address => "address".to_owned(),
            HttpError::Timeout => "timeout".to_owned(),
            HttpError::Limit => "limit".to_owned(),
            other => other.to_string(),
        }),
    }
}

/// A request without any help.
fn raw(call: &Call) -> Result<String, &'static str> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Post).map_err(|()| "method")?;
    let [scheme, authority, path] = call.raw.clone().unwrap_or_default();
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Other(scheme) };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    request.set_authority(Some(&authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(&path)).map_err(|()| "path")?;
    let body = request.body().map_err(|()| "body")?;
    let coming = match handle(request, None) {
        Ok(coming) => coming,
        Err(code) => return Ok(format!("handle: {}", name(&code))),
    };
    // One whose body has no end holds it until the host has had enough.
    let held = if call.endless { Some(body) } else { finished(body) };
    coming.subscribe().block();
    let told = match coming.get() {
        Some(Ok(Ok(answer))) => answer.status().to_string(),
        Some(Ok(Err(code))) => name(&code),
        _ => "nothing".to_owned(),
    };
    drop(held);
    Ok(told)
}

/// An error without what it says besides.
fn name(code: &ErrorCode) -> String {
    format!("{code:?}").split('(').next().unwrap_or_default().to_owned()
}

fn finished(body: OutgoingBody) -> Option<OutgoingBody> {
    let _ = OutgoingBody::finish(body, None);
    None
}
