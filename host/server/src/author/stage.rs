//! Where a component is called: the runtime of a host with nothing around it.
//!
//! Invariant: a component is compiled once and called in a fresh instance each time. What it may use is what it says that it needs, and
//! what it was granted.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use wharf_delivery::{DeliveryId, LimitsDocument};
use wharf_event::{Code, Event, GrantBounds, Grants, NameError, PluginName, Position, TenantName};
use wharf_inspect::Kind;
use wharf_runtime::{
    AttemptContext, BatchInvocation, BatchItem, ComponentError, Invocation, NoModels, Prepared, Runtime, RuntimeError,
    Tape, describe,
};

use super::{ended::Ended, secrets::Secrets, seed::Seed, stub::Stubs};
use crate::compiler::Compiler;

/// The tenant of a plugin that belongs to nobody.
const TENANT: &str = "local";

/// The rule that matched where there are none.
const RULE: &str = "invoke";

/// A component cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It is none that a host runs.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The engine could not be made.
    #[error(transparent)]
    Engine(#[from] RuntimeError),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Several events for what handles one.
    #[error("it handles one event at a time, and there are {0}")]
    OneEvent(usize),
    /// An event for what answers requests.
    #[error("it answers requests of routes, and handles no events: `wharf dev` calls it")]
    Requests,
    /// No event at all.
    #[error("there is no event")]
    NoEvent,
    /// The thread that calls could not be set up.
    #[error("no task can be started")]
    Start(#[from] std::io::Error),
}

impl StageError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Component(error) => error.code(),
            Self::OneEvent(_) | Self::Requests => Code::HandlerKind,
            Self::NoEvent => Code::EventJson,
            Self::Engine(_) | Self::Name(_) | Self::Start(_) => Code::Internal,
        }
    }
}

/// A call to be made.
pub struct Call {
    /// The event, or the events of a batch.
    pub events: Vec<Event>,
    /// The values that there are.
    pub seed: Arc<Seed>,
    /// Who answers in place of those outside.
    pub stubs: Arc<Stubs>,
    /// The secrets that there are.
    pub secrets: Secrets,
    /// The plugin's config table.
    pub config: BTreeMap<String, String>,
    /// What it may use; if it says what it needs, no more than that.
    pub grants: Grants,
    /// What it may consume.
    pub limits: LimitsDocument,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// What time it is, in milliseconds since 1970.
    pub now_ms: u64,
    /// Whether the clock that the plugin reads stands still there.
    pub stands_still: bool,
}

/// A component that can be called.
pub struct Stage {
    runtime: Runtime,
    release: Prepared,
    plugin: PluginName,
    said: GrantBounds,
    tasks: tokio::runtime::Runtime,
}

impl Stage {
    /// Checks and compiles a component.
    ///
    /// # Errors
    /// When no host would run it.
    pub fn new(wasm: &[u8], plugin: PluginName) -> Result<Self, StageError> {
        let runtime = Runtime::new()?;
        runtime.compile_by(Box::new(Compiler::at_once()));
        let release = runtime.prepare(wasm)?;
        let said = describe(wasm)?.asks().of_plugin(&plugin).said;
        let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, release, plugin, said, tasks })
    }

    /// Which plugin it is.
    pub fn plugin(&self) -> &PluginName {
        &self.plugin
    }

    /// Of which world it is.
    pub fn kind(&self) -> Kind {
        match &self.release {
            Prepared::Handler(release) => release.kind(),
            Prepared::Batch(_) => Kind::Batch,
            Prepared::Transform(_) => Kind::Transform,
            Prepared::Http(_) => Kind::Http,
        }
    }

    /// What it says that it needs.
    pub fn asked(&self) -> Grants {
        self.said.said()
    }

    /// Makes a call.
    ///
    /// # Errors
    /// When there are not as many events as it takes.
    pub fn call(&self, call: Call) -> Result<Ended, StageError> {
        let Some(first) = call.events.first().cloned() else { return Err(StageError::NoEvent) };
        if call.events.len() > 1 && !matches!(self.release, Prepared::Batch(_)) {
            return Err(StageError::OneEvent(call.events.len()));
        }
        let tenant: TenantName = TENANT.parse()?;
        let context = AttemptContext {
            tenant,
            plugin: self.plugin.clone(),
            occasion: delivery(0).into(),
            event: first.clone(),
            received: first,
            config: Arc::new(call.config),
            grants: Arc::new(self.said.within(&call.grants)),
            values: Arc::clone(&call.seed) as _,
            // Nobody outside is reached, whatever is granted.
            http: Arc::clone(&call.stubs) as _,
            llm: call.stubs,
            infer: Arc::new(NoModels),
            secrets: Arc::new(call.secrets),
            time: wharf_dispatch::rfc3339(call.now_ms),
            clock_ms: call.stands_still.then_some(call.now_ms),
            tape: Tape::default(),
        };
        let Call { events, seed, limits, attempt, max_attempts, .. } = call;
        let rule = RULE.to_owned();
        self.tasks.block_on(async {
            match &self.release {
                Prepared::Handler(release) => {
                    let invocation = Invocation { context, rule, attempt, max_attempts, limits, reuse: None };
                    Ok(Ended::handled(self.runtime.invoke(release, invocation).await, &seed))
                }
                Prepared::Batch(release) => {
                    let item = |(n, event): (usize, Event)| BatchItem {
                        event,
                        delivery: delivery(u64::try_from(n).unwrap_or(u64::MAX)),
                        rule: rule.clone(),
                        attempt,
                        max_attempts,
                    };
                    let items: Vec<_> = events.into_iter().enumerate().map(item).collect();
                    let count = items.len();
                    let report = self.runtime.invoke_batch(release, BatchInvocation { context, items, limits }).await;
                    Ok(Ended::handled_batch(report, count, &seed))
                }
                Prepared::Transform(release) => {
                    Ok(Ended::transformed(self.runtime.transform(release, context, limits).await))
                }
                Prepared::Http(_) => Err(StageError::Requests),
            }
        })
    }
}

/// The delivery of the n-th event: what is published has the same ids every time.
fn delivery(n: u64) -> DeliveryId {
    DeliveryId { event: Position { k: 1 + n, i: 0 }, n: 0 }
}

/// The plugin's name by that of its file: `order_totals.wasm` is `order-totals`.
///
/// # Errors
/// When it can be no name.
pub fn plugin_name(file: &Path) -> Result<PluginName, NameError> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.to_ascii_lowercase().replace('_', "-").parse()
}
