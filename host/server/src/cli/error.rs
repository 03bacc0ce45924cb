//! Why a command ended badly, and with which exit status.
//!
//! Invariant: a failure has a code where one of the registry fits, and says what to do next; `report.rs` tells it. A closed stdout is no
//! failure: whoever read it has enough.

use std::{error::Error, io, io::Write as _, path::PathBuf, process::ExitCode};

use http::StatusCode;
use wharf_event::{Code, EventError, ModelName, PluginName, TenantName, UnknownCode};
use wharf_oci::OciError;
use wharf_pattern::{PatternErrors, RulesError};
use wharf_schedule::TimingError;
use wharf_schema::SchemaErrors;

use super::{bench::BenchError, deploy::DeployFailure};
use crate::{client::ClientError, failure::Failure};

/// The exit statuses, which are the same for all commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// It failed.
    Failure,
    /// The command line makes no sense.
    Usage,
    /// There is no such thing.
    NotFound,
    /// It is not allowed.
    Denied,
    /// Something else is in the way.
    Conflict,
    /// It is more than allowed.
    Quota,
    /// The host is away or busy, or the time is over.
    Unavailable,
    /// The handler said retry.
    Retry,
    /// The handler said reject, or the event went to a dead-letter queue.
    DeadLetter,
    /// What was checked is not as it should be.
    CheckFailed,
}

impl Exit {
    /// The exit status that goes with an HTTP status.
    pub fn of_status(status: u16) -> Self {
        match StatusCode::from_u16(status) {
            Ok(StatusCode::NOT_FOUND) => Self::NotFound,
            Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Self::Denied,
            Ok(StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED) => Self::Conflict,
            Ok(StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS) => Self::Quota,
            Ok(StatusCode::SERVICE_UNAVAILABLE) => Self::Unavailable,
            _ => Self::Failure,
        }
    }

    /// The exit status of a component that is none that can be deployed: what a registry has to do with it is told as everywhere.
    pub fn of_unfit(code: Code) -> Self {
        match code {
            Code::OciUnknown | Code::OciDenied | Code::OciUnavailable => Self::of_status(code.status()),
            _ => Self::CheckFailed,
        }
    }

    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Quota => 6,
            Self::Unavailable => 7,
            Self::Retry => 8,
            Self::DeadLetter => 9,
            Self::CheckFailed => 10,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.number().into()
    }
}

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The host did not answer, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The event breaks a rule; it was not sent.
    #[error("the event is not sent")]
    Event(#[from] EventError),
    /// The host has no default tenant.
    #[error("say whose events: {}", tenants_said(.0))]
    TenantUnsaid(Vec<TenantName>),
    /// The host does not list its tenants.
    #[error("the host does not list its tenants")]
    TenantsUnlisted,
    /// An option that would change an event that is sent as it is.
    #[error("`-` reads a whole event from stdin; {0} would change it")]
    WholeEvent(&'static str),
    /// The payload is no JSON.
    #[error("the payload is not JSON")]
    PayloadNotJson(#[source] serde_json::Error),
    /// The pattern is none.
    #[error("the pattern cannot be used")]
    Pattern(#[from] PatternErrors),
    /// When something is due makes no sense.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// The pattern is larger than a matcher takes.
    #[error("the pattern cannot be used")]
    Matcher(#[from] RulesError),
    /// A schema is none.
    #[error("{}: {source}", .path.display())]
    Schema {
        /// Whose file.
        path: PathBuf,
        /// What is wrong with it.
        source: SchemaErrors,
    },
    /// There is no event to make a schema of.
    #[error("the archive has no event of the type `{0}` whose payload is JSON")]
    NoExample(String),
    /// Two things are to be read from stdin.
    #[error("stdin can be read once: give one of the two as a file")]
    StdinTwice,
    /// A file or stdin cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a file where a key was to be written.
    #[error("{} is there already, and a key is never written over anything", .0.display())]
    KeyThere(PathBuf),
    /// A component cannot be read.
    #[error("component {} cannot be read", .path.display())]
    Component {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or stdin is too large.
    #[error("{} is larger than {bytes_max} bytes", .path.display())]
    InputTooLarge {
        /// Which.
        path: PathBuf,
        /// The bound.
        bytes_max: u64,
    },
    /// The host knows no such name, and one that is like it.
    #[error("{refusal}")]
    Mistyped {
        /// What the host said.
        refusal: Box<CommandError>,
        /// The name that it knows.
        meant: String,
    },
    /// No such code.
    #[error("{unknown}")]
    CodeUnknown {
        /// What was asked for.
        unknown: UnknownCode,
        /// The code that is like it.
        meant: Option<&'static str>,
    },
    /// No such rule.
    #[error("the bus has no rule `{name}`")]
    RuleUnknown {
        /// What was asked for.
        name: wharf_event::RuleName,
        /// The rule that is like it.
        meant: Option<String>,
    },
    /// No such version of a prompt.
    #[error("prompt `{prompt}` has no version {version}")]
    VersionUnknown {
        /// Of which prompt.
        prompt: wharf_event::PromptName,
        /// What was asked for.
        version: u32,
        /// Those that are kept, the newest first.
        kept: Vec<u32>,
    },
    /// There is an object where one was to be made.
    #[error("{refusal}")]
    There {
        /// What the host says.
        #[source]
        refusal: ClientError,
        /// What replacing it does.
        help: &'static str,
    },
    /// No release is meant, or several may be.
    #[error("{}", match (written.is_empty(), several) {
        (true, _) => format!("plugin `{plugin}` has no release that is ready"),
        (false, true) => format!("several releases of plugin `{plugin}` begin with `{written}`"),
        (false, false) => format!("no release of plugin `{plugin}` that is ready begins with `{written}`"),
    })]
    ReleaseMeant {
        /// Of which plugin.
        plugin: PluginName,
        /// How it was written.
        written: String,
        /// Whether several begin so.
        several: bool,
    },
    /// No version of a model, or none that could be told from others.
    #[error("{}", match several {
        true => format!("several versions of model `{model}` begin with `{written}`"),
        false => format!("no version of model `{model}` begins with `{written}`"),
    })]
    VersionMeant {
        /// Of which model.
        model: ModelName,
        /// How it was written.
        written: String,
        /// Whether several begin so.
        several: bool,
    },
    /// A value came in an encoding that it is not in.
    #[error("the value's base64 is damaged")]
    ValueDamaged,
    /// The host answered a batch of another size.
    #[error("{sent} events were sent and {answered} were answered")]
    BatchMisanswered {
        /// Events sent.
        sent: usize,
        /// Elements of the answer.
        answered: usize,
    },
    /// A deployment ended in the middle.
    #[error(transparent)]
    Deploy(Box<DeployFailure>),
    /// A registry of components is in the way.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// What was to be deployed cannot be read.
    #[error("{0}")]
    Load(Failure),
    /// The tenant that was said is not one of the file.
    #[error("{} has no tenant `{tenant}`", .path.display())]
    TenantNotInFile {
        /// Which.
        tenant: TenantName,
        /// Which file.
        path: PathBuf,
    },
    /// A bench came to nothing.
    #[error(transparent)]
    Bench(BenchError),
    /// Nobody can be asked whether a plan is to be applied.
    #[error("nothing was applied: there is no terminal to ask on")]
    NotConfirmed,
    /// Stdout is gone.
    #[error("stdout cannot be written")]
    Output(#[source] io::Error),
    /// The threads of this program could not be started.
    #[error("no task can be started")]
    Start(#[source] io::Error),
}

fn tenants_said(tenants: &[TenantName]) -> String {
    if tenants.is_empty() {
        return "the host has no tenants".to_owned();
    }
    let names: Vec<_> = tenants.iter().map(TenantName::as_str).collect();
    format!("the host has {}", names.join(", "))
}

impl CommandError {
    /// The stable code, as text since a newer host may know more of them.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Client(ClientError::Refused(reply)) | Self::There { refusal: ClientError::Refused(reply), .. } => {
                Some(&reply.code)
            }
            Self::Event(error) => Some(error.code().as_str()),
            Self::PayloadNotJson(_) => Some(Code::EventJson.as_str()),
            Self::InputTooLarge { .. } => Some(Code::EventTooLarge.as_str()),
            Self::Component { .. } => Some(Code::ComponentMissing.as_str()),
            Self::ReleaseMeant { several: false, .. } => Some(Code::ReleaseUnknown.as_str()),
            Self::VersionUnknown { .. } => Some(Code::PromptUnknown.as_str()),
            Self::VersionMeant { several: false, .. } => Some(Code::ModelVersionUnknown.as_str()),
            Self::Pattern(_) => Some(Code::PatternInvalid.as_str()),
            Self::Timing(_) => Some(Code::ScheduleInvalid.as_str()),
            Self::Schema { .. } => Some(Code::SchemaInvalid.as_str()),
            Self::Mistyped { refusal, .. } => refusal.code(),
            Self::Deploy(failure) => failure.error.code(),
            Self::Load(failure) => Some(failure.code().as_str()),
            Self::Oci(error) => Some(error.code().as_str()),
            _ => None,
        }
    }

    pub(super) fn help(&self) -> Option<String> {
        Some(match self {
            Self::Client(ClientError::Unreachable { .. }) => {
                "is the host running? start it with `wharf serve` or `wharf dev`, or name another with --url".to_owned()
            }
            Self::Client(ClientError::Broken(_) | ClientError::Timeout(_)) => {
                "is the host still running? its own log, on its stderr, says more".to_owned()
            }
            Self::Client(ClientError::Foreign { .. } | ClientError::NotUnderstood(_)) => {
                "is it a Wharf host of this version? `--url` says which one is asked".to_owned()
            }
            Self::TenantUnsaid(_) | Self::TenantsUnlisted => {
                "pass --tenant NAME, or set WHARF_TENANT or `default_tenant` in wharf.toml".to_owned()
            }
            Self::PayloadNotJson(_) => {
                "quote it for the shell, as in -d '{\"total\": 12}'; a text is -d '\"text\"', a file -d @file.json"
                    .to_owned()
            }
            Self::Mistyped { meant, .. } => format!("did you mean `{meant}`?"),
            Self::CodeUnknown { meant: Some(meant), .. } => {
                format!("did you mean `{meant}`? `wharf explain` lists all codes")
            }
            Self::CodeUnknown { meant: None, .. } => "`wharf explain` lists all codes".to_owned(),
            Self::Deploy(failure) => failure.help(),
            Self::TenantNotInFile { .. } => "without --tenant and WHARF_TENANT all tenants of the file are deployed".to_owned(),
            Self::NotConfirmed => "--yes applies the plan without asking, --dry-run only shows it".to_owned(),
            Self::Bench(BenchError::NotOurs(_)) => {
                "leave --tenant and WHARF_TENANT out, or name one that the host does not have".to_owned()
            }
            Self::ReleaseMeant { plugin, .. } => format!("`wharf plugin releases {plugin}` lists them"),
            Self::VersionMeant { model, .. } => format!("`wharf model show {model}` lists them"),
            Self::Component { .. } => "build it, or correct the path".to_owned(),
            Self::There { help, .. } => (*help).to_owned(),
            Self::RuleUnknown { meant: Some(meant), .. } => format!("did you mean `{meant}`?"),
            Self::RuleUnknown { meant: None, .. } => {
                "leave the rule out to ask all of the bus, or name another with --bus; one that is disabled is not asked"
                    .to_owned()
            }
            Self::VersionUnknown { kept, .. } => {
                let kept: Vec<_> = kept.iter().map(u32::to_string).collect();
                format!("it has: {}", kept.join(", "))
            }
            _ => match self.code()? {
                code if code.parse::<Code>().is_ok() => format!("`wharf explain {code}` says what to do"),
                _ => return None,
            },
        })
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Client(ClientError::Refused(reply)) => Exit::of_status(reply.status),
            Self::Client(ClientError::Unreachable { .. } | ClientError::Broken(_) | ClientError::Timeout(_)) => {
                Exit::Unavailable
            }
            Self::Client(ClientError::Url { .. })
            | Self::TenantUnsaid(_)
            | Self::TenantsUnlisted
            | Self::NotConfirmed
            | Self::WholeEvent(_)
            | Self::StdinTwice
            | Self::PayloadNotJson(_) => Exit::Usage,
            Self::There { .. } | Self::KeyThere(_) => Exit::Conflict,
            Self::Mistyped { refusal, .. } => refusal.exit(),
            Self::Deploy(failure) => failure.exit(),
            Self::Bench(error) => error.exit(),
            Self::Load(failure) => Exit::of_unfit(failure.code()),
            Self::Oci(error) => Exit::of_status(error.code().status()),
            Self::CodeUnknown { .. }
            | Self::NoExample(_)
            | Self::RuleUnknown { .. }
            | Self::VersionUnknown { .. }
            | Self::ReleaseMeant { .. }
            | Self::VersionMeant { .. }
            | Self::TenantNotInFile { .. } => Exit::NotFound,
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::InputTooLarge { .. } => Exit::Quota,
            Self::Event(error) => Exit::of_status(error.code().status()),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            _ => Exit::Failure,
        }
    }
}

/// An error with its causes, each said once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

/// Says a line to whoever watches. That nobody does is no failure.
pub fn talk(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Reply;

    fn refused(status: u16, code: &str) -> CommandError {
        let reply = Reply { status, code: code.to_owned(), detail: "d".to_owned(), retry_after_s: None };
        ClientError::Refused(reply).into()
    }

    #[test]
    fn a_refusal_ends_with_the_exit_status_of_its_http_status() {
        let cases = [
            (400, 1),
            (401, 4),
            (403, 4),
            (404, 3),
            (409, 5),
            (412, 5),
            (413, 6),
            (415, 1),
            (429, 6),
            (500, 1),
            (503, 7),
            (7, 1),
        ];
        for (status, exit) in cases {
            assert_eq!(refused(status, "x").exit().number(), exit, "{status}");
        }
    }

    #[test]
    fn help_names_the_page_of_a_code_that_has_one() {
        assert_eq!(refused(404, "bus-unknown").help().as_deref(), Some("`wharf explain bus-unknown` says what to do"));
        assert_eq!(refused(404, "of-a-newer-host").help(), None);
        assert_eq!(refused(404, "of-a-newer-host").code(), Some("of-a-newer-host"));
    }

    #[test]
    fn a_closed_stdout_is_no_failure() {
        assert_eq!(CommandError::Output(io::ErrorKind::BrokenPipe.into()).exit(), Exit::Success);
        assert_eq!(CommandError::Output(io::ErrorKind::StorageFull.into()).exit(), Exit::Failure);
    }
}
