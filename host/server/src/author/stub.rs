//! What a fixture says of the outside: answers to requests, and what models say, in place of anybody.
//!
//! Invariant: nobody is reached. What no stub is for fails, but for a question to a model, which is then answered by the file of answers, or where there is
//! none says what it was told. A stub answers once
//! before the next one that would fit does; the last one answers on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use wharf_event::{Code, HttpAccess, HttpAsked, RouteName};
use wharf_llm::{Ask, Part, Replay, Reply, Script, StopReason, Told, Usage};
use wharf_runtime::{
    Asking, HttpAnswer, HttpCalling, HttpFailed, HttpOut, HttpRequest, LlmAnswer, LlmCall, LlmOut, LlmSpent,
};

use super::echo::{self, Echoes};

/// What a model is called that says what a file has.
const REPLAY: &str = "replay";

/// A stub that answers nothing.
#[derive(Debug, thiserror::Error)]
pub enum StubError {
    /// It is not of the form of one.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It says neither whom it answers, or both.
    #[error("stub {0} has one of `request` (as a grant says it) and `route` (of models)")]
    Of(usize),
    /// Keys that do not go together.
    #[error(
        "stub {0}: a request is answered by `status`, `fields` and `data` or `text`, or `fails` by a code; a model says `text`"
    )]
    Keys(usize),
    /// A status or a field that HTTP has not.
    #[error("stub {0}: `{1}` cannot be in an answer of HTTP")]
    Answer(usize, String),
}

/// A stub as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    request: Option<HttpAccess>,
    route: Option<RouteName>,
    status: Option<u16>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    data: Option<Value>,
    text: Option<String>,
    fails: Option<Code>,
}

#[derive(Debug)]
enum Stub {
    Request(HttpAccess, Result<(StatusCode, HeaderMap, Bytes), Code>),
    Model(RouteName, String),
}

/// The stubs of a fixture.
#[derive(Debug, Default)]
pub struct Stubs {
    all: Vec<Stub>,
    used: Mutex<Vec<usize>>,
    /// What models say that no stub is for.
    script: Option<Arc<Script>>,
}

impl Stubs {
    /// Reads a list of them.
    ///
    /// # Errors
    /// When one of them answers nothing.
    pub fn of(list: Value) -> Result<Self, StubError> {
        let all: Vec<Written> = serde_json::from_value(list)?;
        let all = all.into_iter().enumerate().map(|(n, it)| stub(n + 1, it)).collect::<Result<_, _>>()?;
        Ok(Self { all, used: Mutex::default(), script: None })
    }

    /// The same with what models say that no stub is for.
    pub fn with(self, script: Option<Script>) -> Self {
        Self { script: script.map(Arc::new), ..self }
    }

    /// The first that fits and was not used, else the last that fits.
    fn next(&self, fits: impl Fn(&Stub) -> bool) -> Option<&Stub> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let fit = || self.all.iter().enumerate().filter(|(_, stub)| fits(stub));
        let (n, stub) = fit().find(|(n, _)| !used.contains(n)).or_else(|| fit().last())?;
        used.push(n);
        Some(stub)
    }
}

fn stub(n: usize, written: Written) -> Result<Stub, StubError> {
    let Written { request, route, status, fields, data, text, fails } = written;
    match (request, route) {
        (Some(access), None) => {
            let answers = status.is_some() || !fields.is_empty() || data.is_some() || text.is_some();
            let answer = match (fails, data, text) {
                (Some(code), None, None) if !answers => Err(code),
                (None, Some(data), None) => Ok(answer(n, status, &fields, Some("application/json"), data.to_string())?),
                (None, None, text) if answers => Ok(answer(n, status, &fields, None, text.unwrap_or_default())?),
                _ => return Err(StubError::Keys(n)),
            };
            Ok(Stub::Request(access, answer))
        }
        (None, Some(route)) => match (status, fields.is_empty(), data, text, fails) {
            (None, true, None, Some(text), None) => Ok(Stub::Model(route, text)),
            _ => Err(StubError::Keys(n)),
        },
        _ => Err(StubError::Of(n)),
    }
}

fn answer(
    n: usize,
    status: Option<u16>,
    fields: &BTreeMap<String, String>,
    media: Option<&'static str>,
    body: String,
) -> Result<(StatusCode, HeaderMap, Bytes), StubError> {
    let wrong = |what: &str| StubError::Answer(n, what.to_owned());
    let status = status.unwrap_or(200);
    let status = StatusCode::from_u16(status).map_err(|_| wrong(&status.to_string()))?;
    let mut headers = HeaderMap::new();
    if let Some(media) = media {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    for (name, value) in fields {
        let key: HeaderName = name.parse().map_err(|_| wrong(name))?;
        headers.insert(key, value.parse().map_err(|_| wrong(value))?);
    }
    Ok((status, headers, Bytes::from(body)))
}

/// Whether an access is for this request.
fn fits(access: &HttpAccess, request: &HttpRequest, url: &Uri) -> bool {
    let is_tls = url.scheme_str() == Some("https");
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    access.allows(HttpAsked { method: request.method.as_str(), is_tls, host: &host, port, path: url.path() })
}

impl HttpOut for Stubs {
    fn call(&self, request: HttpRequest) -> HttpCalling {
        let url: Uri = request.url.parse().unwrap_or_default();
        let stub = self.next(|stub| matches!(stub, Stub::Request(access, _) if fits(access, &request, &url)));
        let came = match stub {
            Some(Stub::Request(_, Ok((status, headers, body)))) if request.takes_room(body.len()) => {
                let (status, headers, body) = (*status, headers.clone(), body.clone());
                Ok(HttpAnswer { status, headers, body, took: Duration::ZERO })
            }
            Some(Stub::Request(_, Ok(_))) => Err(HttpFailed::new(Code::LimitHttp, "the stub's answer is too large")),
            Some(Stub::Request(_, Err(code))) => Err(HttpFailed::new(*code, "the stub says so")),
            _ => {
                let asked = format!("nobody is reached here, and no stub is for {} {}", request.method, request.url);
                Err(HttpFailed::new(Code::HttpUnreachable, asked))
            }
        };
        Box::pin(async move { came })
    }
}

impl LlmOut for Stubs {
    fn ask(&self, call: LlmCall) -> Asking {
        let is_asked = matches!(call.ask, Ask::Converse(_));
        match self.next(|stub| matches!(stub, Stub::Model(route, _) if is_asked && *route == call.route)) {
            Some(Stub::Model(_, text)) => {
                let usage = Usage { input_tokens: 0, output_tokens: text.split_whitespace().count() as u64 };
                let content = vec![Part::Text(text.clone())];
                let told = Told::Reply(Reply { content, stop: StopReason::EndTurn, usage });
                let spent = LlmSpent { tries: 1, usage, ..LlmSpent::default() };
                Box::pin(async move { Ok(LlmAnswer { told, spent }) })
            }
            _ => match &self.script {
                Some(script) => {
                    let replay = Replay { script: Arc::clone(script), route: call.route.to_string() };
                    echo::told(&replay, REPLAY, call)
                }
                None => Echoes.ask(call),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_answers_once_and_the_last_one_on() {
        let list = json!([
            {"request": "POST https://api.example.com/v1/*", "status": 503},
            {"request": "https://api.example.com", "data": {"n": 1}},
            {"route": "triage", "text": "bug"},
        ]);
        let stubs = Stubs::of(list).unwrap();
        let url: Uri = "https://api.example.com/v1/a?b".parse().unwrap();
        let is_of = |stub: &Stub| matches!(stub, Stub::Request(access, _) if access.allows(HttpAsked { method: "POST", is_tls: true, host: "api.example.com", port: 443, path: url.path() }));
        let status = || match stubs.next(is_of) {
            Some(Stub::Request(_, Ok((status, ..)))) => status.as_u16(),
            other => panic!("{other:?}"),
        };
        assert_eq!([status(), status(), status()], [503, 200, 200]);
        assert!(stubs.next(|stub| matches!(stub, Stub::Model(route, _) if route.as_str() == "other")).is_none());
    }

    #[test]
    fn one_that_answers_nothing_is_a_mistake() {
        for (wrong, said) in [
            (json!({"status": 200}), "one of `request`"),
            (json!({"request": "https://a.test", "route": "r", "text": ""}), "one of `request`"),
            (json!({"request": "https://a.test"}), "is answered by"),
            (json!({"request": "https://a.test", "fails": "http-timeout", "status": 200}), "is answered by"),
            (json!({"request": "https://a.test", "data": 1, "text": "1"}), "is answered by"),
            (json!({"route": "r", "data": 1}), "is answered by"),
            (json!({"request": "https://a.test", "status": 20}), "`20` cannot be"),
            (json!({"request": "https://a.test", "fields": {"a b": "c"}}), "`a b` cannot be"),
            (json!({"request": "a.test", "status": 200}), "is no access to HTTP"),
            (json!({"request": "https://a.test", "fails": "nonsense"}), ""),
        ] {
            let error = Stubs::of(json!([wrong])).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
        assert!(Stubs::of(json!({})).is_err());
    }
}
