//! A component of `wasi:http/proxy` that does what the path of a request says, so that a test can see what a host makes of it.
//!
//! Invariant: it knows nothing of Wharf: what it imports and exports is WASI's, by the bindings of others.

use std::sync::atomic::{AtomicU32, Ordering};

use wasip2::{
    cli::stderr::get_stderr,
    clocks::monotonic_clock,
    exports::http::incoming_handler::Guest,
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse,
            ResponseOutparam, Scheme,
        },
    },
    io::streams::{InputStream, OutputStream, StreamError},
};

wasip2::http::proxy::export!(Probe);

/// Bytes that are read or written at a time.
const CHUNK: u64 = 4_096;

/// Requests of this instance.
static REQUESTS: AtomicU32 = AtomicU32::new(0);

struct Probe;

impl Guest for Probe {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        let asked = request.path_with_query().unwrap_or_default();
        let (path, query) = asked.split_once('?').unwrap_or((&asked, ""));
        let number = query.split_once('=').and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        match path.rsplit('/').next().unwrap_or_default() {
            "echo" => echo(&request, &asked, out),
            "stream" => stream(&request, out),
            "requests" => answer(out, 200, &[], REQUESTS.load(Ordering::Relaxed).to_string().as_bytes()),
            "status" => answer(out, u16::try_from(number).unwrap_or(0), &[], b"as asked"),
            "large" => large(out, number),
            "slowly" => slowly(out, number),
            "short" => answer(out, 200, &[("content-length", "10")], b"five!"),
            "length" => answer(out, 200, &[("content-length", "5")], b"five!"),
            "fields" => answer(out, 200, &[("x-large", &"x".repeat(40_000))], b""),
            "sleep" => {
                sleep(number);
                answer(out, 200, &[], b"slept");
            }
            "behind" => {
                answer(out, 200, &[], b"first");
                sleep(number);
                say(b"behind its answer\n");
            }
            "trap" => trap(),
            "set-and-trap" => {
                answer(out, 200, &[], b"never seen");
                trap();
            }
            "half-and-trap" => {
                let (body, stream) = begun(out, 200, &[]);
                write(&stream, &[b'x'; 1_000]);
                // What was written is on its way by then.
                sleep(50);
                trap();
                finish(body, stream);
            }
            "spin" => loop {
                std::hint::black_box(());
            },
            "memory" => {
                let held: Vec<u8> = vec![1; usize::try_from(number).unwrap_or(usize::MAX)];
                answer(out, 200, &[], held.len().to_string().as_bytes());
            }
            "error" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("as asked".to_owned())))),
            "none" => {}
            "call" => call(query, out),
            _ => answer(out, 404, &[], b"no such probe"),
        }
    }
}

thread_local! {
    /// It is asked for once, as programs do.
    static STDERR: OutputStream = get_stderr();
}

fn say(line: &[u8]) {
    let _ = STDERR.with(|stderr| stderr.blocking_write_and_flush(line));
}

fn trap() {
    std::process::abort();
}

fn sleep(ms: u64) {
    monotonic_clock::subscribe_duration(ms * 1_000_000).block();
}

/// Answers what it was asked, as text.
fn echo(request: &IncomingRequest, asked: &str, out: ResponseOutparam) {
    let mut text = format!("{:?} {asked} {:?}\n", request.method(), request.authority().unwrap_or_default());
    for (name, value) in request.headers().entries() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    text.push('\n');
    let mut text = text.into_bytes();
    if let Err(problem) = read(request, |piece| text.extend_from_slice(piece)) {
        return answer(out, 400, &[], problem.as_bytes());
    }
    answer(out, 200, &[("content-type", "text/plain"), ("x-probe", "echo")], &text);
}

/// Gives back each piece of the body as it comes.
fn stream(request: &IncomingRequest, out: ResponseOutparam) {
    let (body, stream) = begun(out, 200, &[]);
    let _ = read(request, |piece| write(&stream, piece));
    finish(body, stream);
}

fn large(out: ResponseOutparam, bytes: u64) {
    let (body, stream) = begun(out, 200, &[]);
    let piece = vec![b'x'; usize::try_from(CHUNK).unwrap_or(0)];
    let mut left = bytes;
    while left > 0 {
        let next = usize::try_from(left.min(CHUNK)).unwrap_or(0);
        write(&stream, piece.get(..next).unwrap_or_default());
        left -= next as u64;
    }
    finish(body, stream);
}

/// A byte, a pause, and so on.
fn slowly(out: ResponseOutparam, count: u64) {
    let (body, stream) = begun(out, 200, &[]);
    for _ in 0..count {
        write(&stream, b"x");
        sleep(20);
    }
    finish(body, stream);
}

/// Asks somebody else, and says what came of it.
fn call(query: &str, out: ResponseOutparam) {
    let authority = query.split_once('=').map_or("", |(_, value)| value);
    let request = OutgoingRequest::new(Fields::new());
    let set = request.set_scheme(Some(&Scheme::Http)).and_then(|()| request.set_authority(Some(authority)));
    if set.and_then(|()| request.set_path_with_query(Some("/called"))).is_err() {
        return answer(out, 400, &[], b"no such authority");
    }
    let Ok(coming) = outgoing_handler::handle(request, None) else { return answer(out, 500, &[], b"not handled") };
    coming.subscribe().block();
    let told = match coming.get() {
        Some(Ok(Ok(answer))) => answer.status().to_string(),
        Some(Ok(Err(code))) => format!("{code:?}"),
        _ => "nothing".to_owned(),
    };
    answer(out, 200, &[], told.as_bytes());
}

fn begun(out: ResponseOutparam, status: u16, fields: &[(&str, &str)]) -> (Option<OutgoingBody>, Option<OutputStream>) {
    let headers = Fields::new();
    for (name, value) in fields {
        let _ = headers.append(name, value.as_bytes());
    }
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(status);
    let body = response.body().ok();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.as_ref().and_then(|body| body.write().ok());
    (body, stream)
}

fn answer(out: ResponseOutparam, status: u16, fields: &[(&str, &str)], bytes: &[u8]) {
    let (body, stream) = begun(out, status, fields);
    write(&stream, bytes);
    finish(body, stream);
}

fn write(stream: &Option<OutputStream>, bytes: &[u8]) {
    for piece in bytes.chunks(usize::try_from(CHUNK).unwrap_or(1)) {
        let Some(Ok(())) = stream.as_ref().map(|stream| stream.blocking_write_and_flush(piece)) else { return };
    }
}

fn finish(body: Option<OutgoingBody>, stream: Option<OutputStream>) {
    drop(stream);
    let _ = body.map(|body| OutgoingBody::finish(body, None));
}

/// Gives the body of a request on, piece by piece.
fn read(request: &IncomingRequest, mut piece: impl FnMut(&[u8])) -> Result<(), String> {
    let body: IncomingBody = request.consume().map_err(|()| "there is no body")?;
    let stream: InputStream = body.stream().map_err(|()| "there is no stream")?;
    loop {
        match stream.blocking_read(CHUNK) {
            Ok(read) => piece(&read),
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
}
