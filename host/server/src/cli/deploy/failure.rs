//! A step that failed, and what is left behind by it.
//!
//! Invariant: the code is that of what failed, and it is said that what was done stays and that the same command goes on.

use std::{io, path::PathBuf};

use wharf_event::Code;
use wharf_gateway::view::ReleaseFailure;
use wharf_oci::OciError;

use super::{
    super::{error::Exit, words::counted},
    plan::Object,
};
use crate::client::ClientError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The host did not answer, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The host does not run the component.
    #[error("{}", .0.detail)]
    Unfit(ReleaseFailure),
    /// The registry does not give the component.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// The component asks for more than its plugin is granted.
    #[error("it asks for {}, which the plugin is not granted", .0.join(", "))]
    NeedsGrant(Vec<String>),
    /// Somebody else changed it.
    #[error("it was changed since the plan was made")]
    Overtaken,
    /// The component cannot be read any more.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is another one now.
    #[error("{} is no longer the component that the plan was made for", .0.display())]
    Replaced(PathBuf),
}

impl StepError {
    /// The stable code, as text since a newer host may know more of them.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Client(ClientError::Refused(reply)) => Some(&reply.code),
            Self::Client(_) | Self::Replaced(_) => None,
            Self::Unfit(failure) => Some(failure.code.as_str()),
            Self::Oci(error) => Some(error.code().as_str()),
            Self::NeedsGrant(_) => Some(Code::GrantNeeded.as_str()),
            Self::Overtaken => Some(Code::VersionConflict.as_str()),
            Self::Unreadable { .. } => Some(Code::ComponentMissing.as_str()),
        }
    }
}

/// A deployment that ended in the middle.
#[derive(Debug, thiserror::Error)]
#[error("{} {}: {error}", .object.kind.word(), .object.name)]
pub struct DeployFailure {
    /// What the step was about.
    pub object: Object,
    /// Why it failed.
    #[source]
    pub error: StepError,
    /// Steps that were done before.
    pub applied: usize,
    /// All steps.
    pub steps: usize,
}

impl DeployFailure {
    /// What to do.
    pub fn help(&self) -> String {
        let page = match self.error.code() {
            Some(code) if code.parse::<Code>().is_ok() => format!("`wharf explain {code}` says more; "),
            _ => String::new(),
        };
        if matches!(self.error, StepError::NeedsGrant(_)) {
            // It is there and waits.
            let plugin = &self.object.name;
            return format!("{page}`wharf grant approve {plugin}` grants it, then the same command goes on from there");
        }
        let done = match self.applied {
            0 => "nothing was changed".to_owned(),
            applied => format!("{} of {} were applied and stay", applied, counted(self.steps, "change", "changes")),
        };
        format!("{page}{done}: the same command goes on from there")
    }

    /// The exit status.
    pub fn exit(&self) -> Exit {
        match &self.error {
            StepError::Client(ClientError::Refused(reply)) => Exit::of_status(reply.status),
            StepError::Client(ClientError::Unreachable { .. } | ClientError::Broken(_) | ClientError::Timeout(_)) => {
                Exit::Unavailable
            }
            StepError::Unfit(_) => Exit::CheckFailed,
            StepError::Oci(error) => Exit::of_status(error.code().status()),
            StepError::Overtaken | StepError::NeedsGrant(_) => Exit::Conflict,
            StepError::Client(_) | StepError::Unreadable { .. } | StepError::Replaced(_) => Exit::Failure,
        }
    }
}
