//! One request of a guest, from its head to the answer's last byte.
//!
//! Invariant: every request that a guest made has one line of the attempt's log, and is recorded, whatever came of it. A request that was refused costs the
//! attempt nothing but that.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, uri::Scheme};
use http_body_util::{BodyExt as _, Full};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use wharf_event::{Code, Digest};
use wharf_recording::{Asked, Call as Recorded, Tape};

use super::{
    Gate, Tally,
    check::{Allowed, Denied, check, private_line},
    locked,
    port::{HttpAnswer, HttpFailed, HttpRequest},
};
use crate::{
    AttemptContext,
    bindings::wasi::logging::logging::Level,
    limits::{HTTP_BODY_CHUNK_BYTES, HTTP_OPEN_MAX},
    logging::AttemptLog,
};

/// What comes of a request; what follows an answer is nothing, since its body is whole.
type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

/// The key by which whoever gets a request twice can tell.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

impl WasiHttpHooks for Gate {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        HTTP_BODY_CHUNK_BYTES
    }

    fn is_supported_scheme(&mut self, _: &Scheme) -> bool {
        // What is none that is sent is told as all other denials are.
        true
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let tape = &self.context.tape;
        let asked = asked(tape, &request);
        match self.begin(request, options) {
            Ok(call) => Box::new(call.run(asked)),
            Err(denied) => {
                tape.close(asked, |call| refused(call, &denied.error, denied.code, &denied.reason));
                note(&self.log, &self.tally, denied.code, &denied.reason);
                Box::new(async move { Err(denied.error) })
            }
        }
    }
}

/// A request that may be sent.
struct Call {
    context: Arc<AttemptContext>,
    allowed: Allowed,
    body: WasiBody,
    request: HttpRequest,
    /// What it is made for.
    occasion: String,
    /// What the attempt may send and get in all.
    kib: u32,
    open: Open,
    held: Arc<()>,
    log: AttemptLog,
}

/// What is recorded of a request as the guest made it: what the host fills in is not there yet, and its body may be still to come.
fn asked(tape: &Tape, request: &Request<WasiBody>) -> Asked {
    tape.ask(|| {
        let call = Recorded::of("wasi:http/outgoing-handler.handle");
        let call = call.asked("method", request.method().as_str()).asked("url", request.uri().to_string());
        call.asked("fields", fields(request.headers()))
    })
}

/// Fields, a line each.
fn fields(of: &HeaderMap) -> Bytes {
    let line = |(name, value): (&http::HeaderName, &HeaderValue)| {
        [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat()
    };
    of.iter().map(line).collect::<Vec<_>>().concat().into()
}

/// A call that came to nothing: what the guest was told, and why.
fn refused(call: Recorded, error: &Error, code: Code, reason: &str) -> Recorded {
    call.told("error", code.as_str()).told("why", reason).told("code", format!("{error:?}"))
}

/// A call that was answered.
fn answered(call: Recorded, HttpAnswer { status, headers, body, .. }: &HttpAnswer) -> Recorded {
    call.told("status", status.as_str()).told("fields", fields(headers)).told("body", body.clone())
}

/// Counts as open while it is there, under its number.
struct Open(Arc<Mutex<Tally>>, u32);

impl Drop for Open {
    fn drop(&mut self) {
        locked(&self.0).open.remove(&self.1);
    }
}

/// The body of an answer, as long as something of it is there.
struct Held {
    body: Bytes,
    _held: Arc<()>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Says in the log and in the attempt why a request came to nothing.
pub(super) fn note(log: &AttemptLog, tally: &Mutex<Tally>, code: Code, reason: &str) {
    let met = &mut locked(tally).met;
    if !met.contains(&code) {
        met.push(code);
    }
    // A log that is full ends the attempt when the guest writes the next line.
    let _ = log.line(Level::Warn, "http", &format!("{code}: {reason}"));
}

fn spent(reason: String) -> Denied {
    Denied { code: Code::LimitHttp, error: Error::ConnectionLimitReached, reason }
}

impl Gate {
    fn begin(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Result<Call, Denied> {
        let (head, body) = request.into_parts();
        let mut allowed = check(&self.context, head.method, &head.uri, head.headers)?;
        let host = self.limits.host;
        let number = {
            let mut tally = locked(&self.tally);
            if tally.calls >= host.http_calls {
                return Err(spent(format!("an attempt may send {} requests", host.http_calls)));
            }
            if tally.open.len() >= HTTP_OPEN_MAX {
                return Err(spent(format!("{HTTP_OPEN_MAX} requests of an attempt may be under way at a time")));
            }
            if self.room.available_permits() == 0 {
                return Err(spent(format!("an attempt may send and get {} KiB by HTTP", host.http_kib)));
            }
            tally.calls += 1;
            let number = tally.calls;
            tally.open.insert(number, format!("{} {}", allowed.method, allowed.shown));
            number
        };
        let open = Open(Arc::clone(&self.tally), number);
        // An answer comes whole, so what the guest would wait for its beginning it waits for all of it.
        let wished = options.unwrap_or_default();
        let wished = wished.first_byte_timeout.map(|first| first + wished.connect_timeout.unwrap_or_default());
        // The attempt's end is not asked for here: it ends the request with it, and is then what is told of.
        let most = Duration::from_millis(host.http_ms.into());
        let request = HttpRequest {
            tenant: self.context.tenant.clone(),
            plugin: self.context.plugin.clone(),
            policy: format!("{} {} {}", self.context.tenant, self.context.plugin, allowed.access).into(),
            method: allowed.method.clone(),
            url: allowed.url.clone(),
            headers: std::mem::take(&mut allowed.headers),
            body: Bytes::new(),
            secrets: allowed.secrets.drain(..).map(|used| (used, String::new())).collect(),
            private: allowed.access.is_private(),
            timeout: wished.map_or(most, |wished| wished.min(most)),
            room: Arc::clone(&self.room),
        };
        let (context, log, held) = (Arc::clone(&self.context), self.log.clone(), Arc::clone(&self.held));
        let occasion = self.context.occasion.to_string().replace('.', "-");
        Ok(Call { context, allowed, body, request, occasion, kib: host.http_kib, open, held, log })
    }
}

impl Call {
    async fn run(self, asked: Asked) -> Sent {
        let Self { context, allowed, body, mut request, occasion, kib, open, held, log } = self;
        let Allowed { method, shown, url, access, .. } = allowed;
        let (tally, tape) = (&open.0, &context.tape);
        let fail = |asked, error, code, reason: &str| {
            tape.close(asked, |call| refused(call, &error, code, reason));
            note(&log, tally, code, &format!("{method} {shown}: {reason}"));
            Err(error)
        };
        let began = Instant::now();
        // A guest that never ends its request is ended like a server that never answers.
        request.body = match tokio::time::timeout(request.timeout, whole(body, &request.room)).await {
            Ok(Ok(body)) => body,
            Ok(Err(Unread::TooLong)) => {
                let reason =
                    format!("its body is longer than what is left of the {kib} KiB that the attempt may send and get");
                return fail(asked, Error::HttpRequestBodySize(None), Code::LimitHttp, &reason);
            }
            Ok(Err(Unread::Broken(error))) => {
                let reason = format!("its body broke off: {error}");
                return fail(asked, error, Code::HttpInvalid, &reason);
            }
            Err(_) => {
                let reason = "its body did not come to an end in time";
                return fail(asked, Error::ConnectionWriteTimeout, Code::HttpTimeout, reason);
            }
        };
        request.timeout = request.timeout.saturating_sub(began.elapsed());
        if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
            let key = locked(tally).key(&occasion, &request);
            request.headers.entry(IDEMPOTENCY_KEY).or_insert(key);
        }
        let bytes_out = request.body.len();
        locked(tally).bytes_out += bytes_out as u64;
        tape.add(&asked, |call| call.asked("body", request.body.clone()));
        match context.http.call(request).await {
            Ok(answer) => {
                tape.close(asked, |call| answered(call, &answer));
                let HttpAnswer { status, headers, body, took } = answer;
                locked(tally).came(&headers, &body);
                let (status_code, bytes_in, ms) = (status.as_u16(), body.len(), took.as_millis());
                let line = format!("{method} {shown}: {status_code} in {ms} ms, {bytes_out} bytes out, {bytes_in} in");
                let _ = log.line(Level::Info, "http", &line);
                let body = if body.is_empty() { body } else { Bytes::from_owner(Held { body, _held: held }) };
                let mut answer = Response::new(Full::new(body).map_err(Error::from).boxed_unsync());
                (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
                let after: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
                Ok((answer, after))
            }
            Err(HttpFailed { code, reason, bytes_in, may_be_granted, .. }) => {
                locked(tally).bytes_in += bytes_in;
                let is_unsaid = may_be_granted && !access.is_private();
                let line = if is_unsaid { private_line(&context, &method, &url) } else { String::new() };
                fail(asked, told(code), code, &(reason + &line))
            }
        }
    }
}

impl Tally {
    /// Counts an answer.
    fn came(&mut self, headers: &HeaderMap, body: &Bytes) {
        self.bytes_in += body.len() as u64;
        self.heads_bytes += headers.iter().map(|(name, value)| (name.as_str().len() + value.len()) as u64).sum::<u64>();
    }

    /// The same for the same request of one occasion, in every attempt; of equal ones in one attempt each has its own.
    fn key(&mut self, occasion: &str, request: &HttpRequest) -> HeaderValue {
        let head = format!("{} {}\n", request.method, request.url);
        let digest = Digest::of(&[head.as_bytes(), &request.body].concat()).hex();
        let of = format!("{occasion}-{}", digest.get(..16).unwrap_or_default());
        let equal = self.keys.entry(of.clone()).or_default();
        *equal += 1;
        HeaderValue::try_from(format!("{of}-{equal}")).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// What a guest is told for a code.
fn told(code: Code) -> Error {
    match code {
        Code::AddressDenied => Error::DestinationIpProhibited,
        Code::HttpTimeout => Error::HttpResponseTimeout,
        Code::LimitHttp => Error::HttpResponseBodySize(None),
        Code::HttpRest => Error::DestinationUnavailable,
        Code::HttpInvalid => Error::HttpRequestUriInvalid,
        Code::SecretUnknown | Code::SecretClosed => Error::ConfigurationError,
        _ => Error::ConnectionTerminated,
    }
}

/// Why a body is not there.
enum Unread {
    TooLong,
    Broken(Error),
}

/// A body to its end, which takes room for its bytes. What came of one that has none takes none.
async fn whole(mut body: WasiBody, room: &Semaphore) -> Result<Bytes, Unread> {
    let (mut read, mut held) = (BytesMut::new(), None::<SemaphorePermit<'_>>);
    while let Some(frame) = body.frame().await {
        // Trailers are not sent: few servers read them, and some take them for what they are not.
        let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
        let taken = u32::try_from(data.len()).ok().and_then(|bytes| room.try_acquire_many(bytes).ok());
        let taken = taken.ok_or(Unread::TooLong)?;
        match &mut held {
            Some(held) => held.merge(taken),
            none => *none = Some(taken),
        }
        read.extend_from_slice(&data);
    }
    held.into_iter().for_each(SemaphorePermit::forget);
    Ok(read.freeze())
}
