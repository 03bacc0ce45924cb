//! From `wasi:http` to plain values and back: a request that came whole, an answer that leaves whole.

use serde::Serialize;

/// Bytes of a stream at a time.
#[cfg(target_arch = "wasm32")]
const CHUNK: u64 = 4_096;

/// A request.
#[derive(Debug)]
pub struct Request {
    /// Its method, in capital letters.
    pub method: String,
    /// What it asks for, as it was sent.
    pub path_with_query: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// What it asks for without the query.
    pub fn path(&self) -> &str {
        self.path_with_query.split('?').next().unwrap_or_default()
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(status: u16, text: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: text.into() }
    }

    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, content_type: "application/json", body },
            Err(error) => Self::text(500, &format!("the answer is no JSON: {error}")),
        }
    }
}

/// The component's export; there is none where `cargo test` runs.
#[cfg(target_arch = "wasm32")]
mod export {
    use wasip2::exports::http::incoming_handler::Guest;
    use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
    use wasip2::io::streams::StreamError;

    use super::{CHUNK, Request, Response};

    struct Component;

    wasip2::http::proxy::export!(Component);

    impl Guest for Component {
        fn handle(request: IncomingRequest, out: ResponseOutparam) {
            let method = match request.method() {
                Method::Get => "GET".to_owned(),
                Method::Head => "HEAD".to_owned(),
                Method::Post => "POST".to_owned(),
                Method::Put => "PUT".to_owned(),
                Method::Delete => "DELETE".to_owned(),
                Method::Options => "OPTIONS".to_owned(),
                Method::Trace => "TRACE".to_owned(),
                Method::Patch => "PATCH".to_owned(),
                Method::Connect => "CONNECT".to_owned(),
                Method::Other(method) => method,
            };
            let path_with_query = request.path_with_query().unwrap_or_default();
            let response = match read(&request) {
                Ok(body) => crate::answer(Request { method, path_with_query, body }),
                Err(problem) => Response::text(400, &problem),
            };
            write(response, out);
        }
    }

    fn read(request: &IncomingRequest) -> Result<Vec<u8>, String> {
        let body = request.consume().map_err(|()| "the body is not there")?;
        let stream = body.stream().map_err(|()| "the body is not there")?;
        let mut read = Vec::new();
        loop {
            match stream.blocking_read(CHUNK) {
                Ok(piece) => read.extend_from_slice(&piece),
                Err(StreamError::Closed) => return Ok(read),
                Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
            }
        }
    }

    /// What cannot be written any more finds nobody who waits.
    fn write(response: Response, out: ResponseOutparam) {
        let headers = Fields::new();
        let _ = headers.append("content-type", response.content_type.as_bytes());
        let outgoing = OutgoingResponse::new(headers);
        let _ = outgoing.set_status_code(response.status);
        let body = outgoing.body();
        ResponseOutparam::set(out, Ok(outgoing));
        let Ok(body) = body else { return };
        if let Ok(stream) = body.write() {
            for piece in response.body.chunks(4_096) {
                if stream.blocking_write_and_flush(piece).is_err() {
                    break;
                }
            }
        }
        let _ = OutgoingBody::finish(body, None);
    }
}
