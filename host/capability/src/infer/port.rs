//! The port behind models of a tenant: tensors for a model that was granted go in, tensors or the lack of them come back.
//!
//! Invariant: whoever stands behind it knows which version of the model answers, and keeps to the time that the call says.

use std::{pin::Pin, time::Duration};

use wharf_event::{Code, Digest, ModelName, PluginName, TenantName};
use wharf_infer::{Failed, Tensor};

/// A question of a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct InferCall {
    /// Whose it is.
    pub tenant: TenantName,
    /// Which plugin's.
    pub plugin: PluginName,
    /// What it is asked for: a delivery, or a request of a route.
    pub occasion: String,
    /// The model.
    pub model: ModelName,
    /// What goes into it.
    pub inputs: Vec<Tensor>,
    /// The trace that it belongs to, if any.
    pub trace: Option<String>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Whether it is asked for the first time: no attempt before can have asked it.
    pub is_first: bool,
}

/// What it came to, whether there was an answer or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InferSpent {
    /// The version of the model that was asked.
    pub version: Option<Digest>,
    /// How long it ran.
    pub took: Duration,
    /// How long that waited for its turn, and for the model to be ready.
    pub waited: Duration,
    /// Whether it ran elsewhere, and not on processors of the host.
    pub outside: bool,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// What the model gave.
    pub outputs: Vec<Tensor>,
    /// The version that gave it.
    pub version: Digest,
    /// What it came to.
    pub spent: InferSpent,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferFailed {
    /// It is not granted, or not there.
    #[error("{1}")]
    Denied(Code, String),
    /// A bound of the attempt.
    #[error("{0}")]
    Limit(String),
    /// It was asked.
    #[error("{0}")]
    Asked(Failed, InferSpent),
    /// Whoever runs it elsewhere cannot be asked.
    #[error("{1}")]
    Outside(Code, String, InferSpent),
}

impl InferFailed {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Denied(code, _) | Self::Outside(code, ..) => *code,
            Self::Limit(_) | Self::Asked(Failed::TooLarge(_), _) => Code::LimitInfer,
            Self::Asked(Failed::Invalid(_), _) => Code::InferInvalid,
            Self::Asked(Failed::Model(_), _) => Code::InferFailed,
            Self::Asked(Failed::Busy, _) => Code::InferBusy,
            Self::Asked(Failed::Timeout, _) => Code::InferTimeout,
            Self::Asked(Failed::Unfit(_), _) => Code::ModelUnfit,
            Self::Asked(Failed::Host(_), _) => Code::Internal,
        }
    }
}

/// What comes of a question.
pub type Inferring = Pin<Box<dyn Future<Output = Result<Inferred, InferFailed>> + Send>>;

/// Asks models of tenants.
pub trait InferOut: Send + Sync {
    /// Asks, and waits for the answer. It is given up where nobody waits any more.
    fn infer(&self, call: InferCall) -> Inferring;
}

/// Where there are no models: every question fails.
#[derive(Clone, Copy, Debug)]
pub struct NoModels;

impl InferOut for NoModels {
    fn infer(&self, call: InferCall) -> Inferring {
        let why = format!("there is no model `{}`: models are not asked here", call.model);
        Box::pin(async { Err(InferFailed::Denied(Code::ModelUnknown, why)) })
    }
}
