//! A tenant's plugins: their settings, their releases, and which of those gets which traffic.
//!
//! Invariant: the bytes of a release are handed on as they come, and never held whole. That they are those of its digest is found out
//! where they are kept.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wharf_event::{Code, Digest, PluginName};

use crate::answer;
use crate::bodies::Sent;
use crate::body::{self, Bound};
use crate::condition;
use crate::gateway::Gateway;
use crate::limits::{PLUGIN_BYTES_MAX, UPLOAD_NOTE_CHARS_MAX, UPLOAD_TIMEOUT};
use crate::object;
use crate::params::{Asked, PageQuery, Params, WholeQuery, rows};
use crate::port::{ChannelWish, Host, PluginPut, PluginRef, Refusal, ReleaseRef, UploadNote};
use crate::problem::{Failure, Problem};
use crate::steps;
use crate::view::{PluginDetail, Promotion, ReleaseState, ReleaseView, RollBack};

/// The header of an upload with signatures.
pub const SIGNATURE_HEADER: &str = "wharf-signature";

/// The query of an upload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadQuery {
    pub(crate) version: Option<String>,
    pub(crate) message: Option<String>,
}

/// `GET /v1/tenants/{tenant}/plugins`
pub(crate) async fn list<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<PageQuery<PluginName>>,
) -> Result<Response, Failure> {
    let (tenant, limit) = (params.tenant()?, rows(query.limit)?);
    Ok(answer::json(&gateway.host.plugins(&tenant, query.after, limit).await?))
}

/// `GET /v1/tenants/{tenant}/plugins/{plugin}`
pub(crate) async fn show<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    Ok(shown(&gateway.host.plugin(named(&params)?).await?))
}

/// `PUT /v1/tenants/{tenant}/plugins/{plugin}`
pub(crate) async fn put<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let of = PluginRef { tenant: params.tenant()?, plugin: params.plugin(Code::PluginInvalid)? };
    let expected = condition::of_change(&headers)?;
    let settings = sent(&headers, body, &gateway).await?;
    let path = format!("/v1/tenants/{}/plugins/{}", of.tenant, of.plugin);
    let PluginPut { plugin, created } = gateway.host.put_plugin(of, settings, expected).await?;
    Ok(object::put(&plugin, plugin.version, created, path))
}

/// `DELETE /v1/tenants/{tenant}/plugins/{plugin}`
pub(crate) async fn remove<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    gateway.host.remove_plugin(named(&params)?, condition::of_change(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/tenants/{tenant}/plugins/{plugin}/promote`
pub(crate) async fn promote<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let wish: Promotion = read(&sent(&headers, body, &gateway).await?)?;
    let detail = gateway.host.change_channels(named(&params)?, ChannelWish::Promote(wish)).await?;
    Ok(shown(&detail))
}

/// `POST /v1/tenants/{tenant}/plugins/{plugin}/rollback`
pub(crate) async fn roll_back<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
    body: Sent,
) -> Result<Response, Failure> {
    let wish: RollBack = read(&sent(&headers, body, &gateway).await?)?;
    let detail = gateway.host.change_channels(named(&params)?, ChannelWish::RollBack(wish)).await?;
    Ok(shown(&detail))
}

/// `DELETE /v1/tenants/{tenant}/plugins/{plugin}/channels/{channel}`
pub(crate) async fn close<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let (of, channel) = (named(&params)?, params.channel(Code::ChannelUnknown)?);
    gateway.host.change_channels(of, ChannelWish::Close(channel)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a lifted quarantine answers.
#[derive(Serialize)]
struct Lifted {
    lifted: Vec<Digest>,
}

/// `POST /v1/tenants/{tenant}/plugins/{plugin}/lift`
pub(crate) async fn lift<H: Host>(State(gateway): State<Gateway<H>>, params: Params) -> Result<Response, Failure> {
    let lifted = gateway.host.lift_quarantine(named(&params)?).await?;
    Ok(answer::json(&Lifted { lifted }))
}

/// `GET /v1/tenants/{tenant}/plugins/{plugin}/releases`
pub(crate) async fn releases<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(WholeQuery {}): Asked<WholeQuery>,
) -> Result<Response, Failure> {
    Ok(answer::json(&gateway.host.releases(named(&params)?).await?))
}

/// `GET /v1/tenants/{tenant}/plugins/{plugin}/releases/{release}`
pub(crate) async fn release<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let of = release_of(&params)?;
    if steps::wanted(&headers) {
        return steps::follow(gateway, of).await;
    }
    Ok(answer::json(&gateway.host.release(of).await?))
}

/// `PUT /v1/tenants/{tenant}/plugins/{plugin}/releases/{release}`
pub(crate) async fn upload<H: Host>(
    State(gateway): State<Gateway<H>>,
    params: Params,
    Asked(query): Asked<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let of = release_of(&params)?;
    let (version, message) = (noted(query.version, "version")?, noted(query.message, "message")?);
    let note = UploadNote { version, message, signatures: signatures(&headers)? };
    let release = gateway.host.upload(of, note, chunks(body, gateway.body_timeout)).await?;
    let status = match release.state {
        ReleaseState::Ready | ReleaseState::NeedsGrant => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    Ok(told(status, &release))
}

/// What vouches for the release: any number of lines, each with one signature or several behind commas.
fn signatures(headers: &HeaderMap) -> Result<Vec<String>, Problem> {
    let invalid = |_| Problem::new(Code::SignatureInvalid, format!("the header `{SIGNATURE_HEADER}` is no text"));
    let mut all = Vec::new();
    for line in headers.get_all(SIGNATURE_HEADER) {
        let texts = line.to_str().map_err(invalid)?.split(',').map(str::trim);
        all.extend(texts.filter(|text| !text.is_empty()).map(ToOwned::to_owned));
    }
    Ok(all)
}

/// What a body brings, as it comes. One that brings nothing for `within`, or is not whole after [`UPLOAD_TIMEOUT`], has ended badly.
pub(crate) fn chunks(
    body: Body,
    within: Duration,
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static {
    let end = tokio::time::Instant::now() + UPLOAD_TIMEOUT;
    let next = move |body: Option<Body>| async move {
        let mut body = body?;
        loop {
            let broken = |detail: String| Refusal::new(Code::RequestMalformed, detail);
            let until = end.min(tokio::time::Instant::now() + within);
            return match tokio::time::timeout_at(until, body.frame()).await {
                Err(_) => Some((Err(broken(format!("the body did not come within {within:?} a piece"))), None)),
                Ok(None) => None,
                Ok(Some(Err(error))) => Some((Err(broken(format!("the body could not be read: {error}"))), None)),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Some((Ok(data), Some(body))),
                    // Trailers.
                    Err(_) => continue,
                },
            };
        }
    };
    Box::pin(stream::unfold(Some(body), next))
}

pub(crate) fn noted(text: Option<String>, name: &str) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.chars().count() > UPLOAD_NOTE_CHARS_MAX || text.chars().any(char::is_control) => {
            let detail =
                format!("`{name}` has at most {UPLOAD_NOTE_CHARS_MAX} characters, none of them a control character");
            Err(Problem::new(Code::QueryInvalid, detail))
        }
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

pub(crate) async fn sent<H: Host>(headers: &HeaderMap, body: Sent, gateway: &Gateway<H>) -> Result<Bytes, Failure> {
    body::must_be_json(headers)?;
    let bound = Bound { bytes: PLUGIN_BYTES_MAX, code: Code::PluginInvalid, within: gateway.body_timeout };
    Ok(body::read(headers, body, bound).await?)
}

pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Code::QueryInvalid, format!("the body is not understood: {error}")))
}

pub(crate) fn named(params: &Params) -> Result<PluginRef, Problem> {
    Ok(PluginRef { tenant: params.tenant()?, plugin: params.plugin(Code::PluginUnknown)? })
}

fn release_of(params: &Params) -> Result<ReleaseRef, Problem> {
    let of = named(params)?;
    let hex = params.text("release");
    let release: Result<Digest, _> = format!("sha256:{hex}").parse();
    let release =
        release.map_err(|error| Problem::new(Code::ReleaseUnknown, format!("`{hex}` names no release: {error}")))?;
    Ok(ReleaseRef { of, release })
}

fn told(status: StatusCode, release: &ReleaseView) -> Response {
    answer::json_as(status, "application/json", release)
}

fn shown(plugin: &PluginDetail) -> Response {
    object::shown(plugin, plugin.version)
}
