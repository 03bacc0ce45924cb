//! Models of tenants that somebody else runs: Amazon SageMaker's InvokeEndpoint, asked with tensors.
//!
//! Invariant: nothing of a question leaves before the frames are durable that it follows from, and then by the same way, with the same keys, as what is
//! asked of language models. All tries of a question end in the time that it has.

use std::{
    collections::BTreeMap,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::sync::Semaphore;
use wharf_dispatch::{HttpAnswer, HttpFailed, HttpRequest, InferCall, InferFailed, InferSpent, Inferred, Leaves};
use wharf_event::{Code, Digest, SecretName};
use wharf_infer::{Description, Failed, Tensor, limits::BODY_BYTES_MAX};
use wharf_llm::{Answered, SageMaker};

use super::{Asks, OwnModel};
use crate::{
    config::EndpointConfig,
    models::{Sends, sign_in},
};

/// How often an endpoint is asked that has too much to do.
const TRIES: u32 = 2;

/// What is waited before the second time.
const WAIT: Duration = Duration::from_millis(250);

/// What the meters call an endpoint that could not be asked.
const OUTSIDE: &str = "outside";

/// Why an endpoint has no answer.
enum Unable {
    /// It was asked.
    Failed(Failed),
    /// It could not be.
    Outside(Code, String),
}

impl From<Failed> for Unable {
    fn from(why: Failed) -> Self {
        Self::Failed(why)
    }
}

/// Why one try came to nothing, and whether another may come to more.
struct Tried {
    why: Unable,
    again: bool,
}

/// A model that somebody else runs, as the models of files are known.
pub(super) fn model(of: EndpointConfig) -> OwnModel {
    let EndpointConfig { provider, endpoint, payload, .. } = &of;
    // There is no file, so a version is what the operator says of it.
    let digest = Digest::of(format!("{} {endpoint} {payload}", provider.endpoint).as_bytes());
    let producer = format!("the endpoint {endpoint} of Amazon SageMaker");
    let description = Description { inputs: Vec::new(), outputs: Vec::new(), nodes: 0, opset: 0, producer };
    OwnModel { digest, bytes: Arc::from([]), description, batch: None, endpoint: Some(Arc::new(of)) }
}

impl Asks {
    /// Asks an endpoint.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_outside(
        &self,
        (version, of): (Digest, Arc<EndpointConfig>),
        mut call: InferCall,
        (sends, leaves): (&dyn Sends, &dyn Leaves),
    ) -> Result<Inferred, InferFailed> {
        let began = Instant::now();
        let inputs = Arc::new(mem::take(&mut call.inputs));
        let asked = exchange(&of, (&call, &inputs), (sends, leaves)).await;
        let took = began.elapsed();
        let InferCall { tenant, plugin, occasion, model, .. } = call;
        let error = match &asked {
            Ok(_) => None,
            Err(Unable::Failed(why)) => Some(why.name()),
            Err(Unable::Outside(..)) => Some(OUTSIDE),
        };
        self.meters().count((&tenant, &model, &version), (took, Duration::ZERO, error), None);
        tracing::debug!(
            %tenant, %plugin, %occasion, %model, endpoint = of.endpoint, version = version.short(), took_us = took.as_micros(),
            error, "a model was asked that somebody else runs"
        );
        let spent = InferSpent { version: Some(version), took, waited: Duration::ZERO, outside: true };
        match asked {
            Ok(outputs) => Ok(Inferred { outputs, version, spent }),
            Err(Unable::Failed(why)) => Err(InferFailed::Asked(why, spent)),
            Err(Unable::Outside(code, why)) => Err(InferFailed::Outside(code, why, spent)),
        }
    }
}

async fn exchange(
    of: &EndpointConfig,
    (call, inputs): (&InferCall, &Arc<Vec<Tensor>>),
    (sends, leaves): (&dyn Sends, &dyn Leaves),
) -> Result<Vec<Tensor>, Unable> {
    let began = Instant::now();
    // Texts of tensors are long: who writes and reads them holds nobody up.
    let (payload, said) = (of.payload, Arc::clone(inputs));
    let body = Bytes::from(aside(move || payload.write(&said)).await?);
    let outside = |HttpFailed { code, reason, .. }| Unable::Outside(code, reason);
    let leave = tokio::time::timeout(call.timeout.saturating_sub(began.elapsed()), leaves.leave(&call.tenant));
    let sealed = leave.await.map_err(|_| Failed::Timeout)?.map_err(outside)?;
    for last in (0..TRIES).rev().map(|left| left == 0) {
        let left = call.timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        match once(of, call, body.clone(), (sends, &sealed, left)).await {
            Ok(answer) => {
                let asked = Arc::clone(inputs);
                return Ok(aside(move || payload.read(&asked, &answer)).await?);
            }
            Err(Tried { why, again }) if last || !again || WAIT >= call.timeout.saturating_sub(began.elapsed()) => {
                return Err(why);
            }
            Err(_) => tokio::time::sleep(WAIT).await,
        }
    }
    Err(Failed::Timeout.into())
}

async fn once(
    of: &EndpointConfig,
    call: &InferCall,
    body: Bytes,
    (sends, sealed, timeout): (&dyn Sends, &BTreeMap<SecretName, String>, Duration),
) -> Result<Bytes, Tried> {
    let mut request = request(of, call, body, timeout);
    let auth = sign_in(&mut request, (of.name.as_str(), &of.provider), sealed);
    let sent = match auth {
        Ok(auth) => sends.send(request, auth).await,
        Err(failed) => Err(failed),
    };
    let answer = sent.map_err(unsent)?;
    if !answer.status.is_success() {
        return Err(refused(&answer));
    }
    Ok(answer.body)
}

/// Does what takes a while where it holds nobody up.
async fn aside<T: Send + 'static>(act: impl FnOnce() -> Result<T, Failed> + Send + 'static) -> Result<T, Failed> {
    let done = tokio::task::spawn_blocking(act).await;
    done.unwrap_or_else(|_| Err(Failed::Host("the host failed while it asked an endpoint".to_owned())))
}

fn request(of: &EndpointConfig, call: &InferCall, body: Bytes, timeout: Duration) -> HttpRequest {
    let kind = HeaderValue::from_static(of.payload.media_type());
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.clone()), (header::ACCEPT, kind)]);
    if let Some(trace) = call.trace.as_ref().and_then(|trace| trace.parse().ok()) {
        headers.insert("traceparent", trace);
    }
    HttpRequest {
        tenant: call.tenant.clone(),
        plugin: call.plugin.clone(),
        policy: format!("{} infer {}", call.tenant, of.name).into(),
        method: Method::POST,
        url: format!("{}{}", of.provider.endpoint, SageMaker::invocations(&of.endpoint)),
        headers,
        body,
        secrets: Vec::new(),
        // The operator says where it is, and which networks the host reaches.
        private: true,
        timeout,
        room: Arc::new(Semaphore::new(BODY_BYTES_MAX)),
    }
}

/// What a request that came to nothing means.
fn unsent(HttpFailed { code, reason, may_be_done, .. }: HttpFailed) -> Tried {
    let (why, again) = match code {
        Code::HttpTimeout => (Failed::Timeout.into(), false),
        // As many are under way as may be.
        Code::LimitHttp if !may_be_done => (Failed::Busy.into(), true),
        Code::LimitHttp => (Failed::TooLarge(reason).into(), false),
        // A model answers the same again, so it may be asked again.
        code => (Unable::Outside(code, reason), code == Code::HttpUnreachable),
    };
    Tried { why, again }
}

/// What an answer means that is no success.
fn refused(answer: &HttpAnswer) -> Tried {
    let answered = Answered {
        status: answer.status.as_u16(),
        retry_after: None,
        input_tokens: None,
        error: answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()),
        body: &answer.body,
    };
    let (why, again) = match SageMaker::refused(answered) {
        wharf_llm::Failed::RateLimited(_) => (Failed::Busy.into(), true),
        wharf_llm::Failed::Overloaded(why) => (Failed::Model(why).into(), true),
        wharf_llm::Failed::Timeout => (Failed::Timeout.into(), false),
        wharf_llm::Failed::Invalid(why) | wharf_llm::Failed::ContextTooLong(why) => {
            (Failed::Invalid(why).into(), false)
        }
        other => (Unable::Outside(Code::InferFailed, other.to_string()), false),
    };
    Tried { why, again }
}

#[cfg(test)]
mod tests;
