//! The key of a provider, put into a request: a tenant's secret, a variable of the host, or the host's own credentials for AWS.
//!
//! Invariant: the value is in the request's fields and nowhere else; an answer that repeats it comes without it.

use std::{collections::BTreeMap, env};

use wharf_aws::Source;
use wharf_dispatch::{HttpFailed, HttpRequest};
use wharf_event::{Code, SecretName, SecretUse};
use wharf_llm::{Failed, Usage};
use wharf_vault::Value;

use super::round::{Sealed, Unable};
use crate::config::{Protocol, ProviderConfig};

/// The service that has API keys too, as signatures name it.
pub(super) const BEDROCK: &str = "bedrock";

/// And that of SageMaker's runtime.
const SAGEMAKER: &str = "sagemaker";

/// What goes beside a request.
#[derive(Debug)]
pub enum Auth {
    /// Nothing more than the secrets that it has.
    Filled,
    /// A key of the host.
    Bearer(Value),
    /// It is signed.
    Sign {
        /// The region.
        region: String,
        /// The service.
        service: &'static str,
        /// By whom.
        by: Signer,
    },
}

/// Who signs.
#[derive(Debug)]
pub enum Signer {
    /// The host, by the credentials that it has there.
    Own(Source),
    /// A secret of the tenant, as it is kept: credentials, or a key that is sent as it is.
    Secret(SecretName, String),
}

/// Finds the key for a request, and puts it in if it is a secret that is sent as it is.
pub(super) fn put(
    request: &mut HttpRequest,
    provider: (&str, &ProviderConfig),
    sealed: &Sealed,
) -> Result<Auth, Unable> {
    let (name, config) = provider;
    let service = match config.kind {
        Protocol::Bedrock => Some(BEDROCK),
        Protocol::SageMaker => Some(SAGEMAKER),
        Protocol::OpenAi | Protocol::Echo | Protocol::Replay => None,
    };
    let sign = |service, by| Auth::Sign { region: config.region.clone(), service, by };
    if let Some(secret) = &config.secret {
        let found = sealed.get(secret).cloned().ok_or_else(|| {
            let why = format!("there is no secret `{secret}`: `wharf secret set {secret}` keeps one");
            Unable::coded(Code::SecretUnknown, &why)
        })?;
        if let Some(service) = service {
            return Ok(sign(service, Signer::Secret(secret.clone(), found)));
        }
        let used = used(&request.url, secret).ok_or_else(|| Unable::coded(Code::Internal, "no field for the key"))?;
        request.secrets.push((used, found));
        return Ok(Auth::Filled);
    }
    if let Some(variable) = &config.key_env {
        return variable_of(variable).map(|value| Auth::Bearer(Value::new(value.into_bytes()))).ok_or_else(|| {
            let why = format!("the variable {variable} of the host, with the key of the provider `{name}`, is not set");
            Unable::coded(Code::SecretUnknown, &why)
        });
    }
    let Some(service) = service else { return Ok(Auth::Filled) };
    Ok(sign(service, Signer::Own(config.credentials)))
}

/// The same for a request that is none of a route.
///
/// # Errors
/// When there is no key.
pub fn sign_in(
    request: &mut HttpRequest,
    provider: (&str, &ProviderConfig),
    sealed: &BTreeMap<SecretName, String>,
) -> Result<Auth, HttpFailed> {
    put(request, provider, sealed)
        .map_err(|unable| HttpFailed::new(unable.code.unwrap_or(Code::Internal), unable.why.to_string()))
}

/// A variable of the host that says something.
#[allow(
    clippy::disallowed_methods,
    reason = "a key is no configuration: it is looked up where it is used, and kept nowhere"
)]
fn variable_of(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The field that the key belongs into.
fn used(url: &str, secret: &SecretName) -> Option<SecretUse> {
    let at = url.find("://")? + 3;
    let end = url.get(at..)?.find('/').map_or(url.len(), |end| at + end);
    format!("{} authorization: Bearer {{secret:{secret}}}", url.get(..end)?).parse().ok()
}

impl Unable {
    pub(super) fn coded(code: Code, why: &str) -> Self {
        Self { code: Some(code), why: Failed::Provider(why.to_owned()), usage: Usage::default() }
    }
}
