//! From `wasi:http` to plain values and back: a request that came whole, an answer that leaves whole.

/// Bytes of a stream at a time.
const CHUNK: u64 = 4_096;

/// A request.
#[derive(Debug)]
pub struct Request {
    /// Its method, in capital letters.
    pub method: String,
    /// What it asks for, as it was sent.
    pub path_with_query: String,
    /// Its fields, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a field that it has once, as far as it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| value)?;
        found.next().is_none().then(|| std::str::from_utf8(value).ok())?
    }
}

/// An answer of text.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// What it says.
    pub text: String,
}

impl Response {
    /// An answer.
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// The component's export.
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
                Method::Post => "POST".to_owned(),
                Method::Other(method) => method,
                other => format!("{other:?}").to_uppercase(),
            };
            let path_with_query = request.path_with_query().unwrap_or_default();
            let fields = request.headers().entries().into_iter();
            let headers = fields.map(|(name, value)| (name.to_lowercase(), value)).collect();
            let response = match read(&request) {
                Ok(body) => crate::answer(&Request { method, path_with_query, headers, body }),
                Err(problem) => Response::new(400, problem),
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
        let _ = headers.append("content-type", b"text/plain; charset=utf-8");
        let outgoing = OutgoingResponse::new(headers);
        let _ = outgoing.set_status_code(response.status);
        let body = outgoing.body();
        ResponseOutparam::set(out, Ok(outgoing));
        let Ok(body) = body else { return };
        if let Ok(stream) = body.write() {
            for piece in response.text.as_bytes().chunks(4_096) {
                if stream.blocking_write_and_flush(piece).is_err() {
                    break;
                }
            }
        }
        let _ = OutgoingBody::finish(body, None);
    }
}
