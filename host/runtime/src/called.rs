//! What is called of a component that handles single events: its handler, or the program that it is.

use wasmtime::{Store, component::InstancePre};
use wharf_capability::{Attempt, CommandPre, EventHandler, EventHandlerPre, run_program, wharf::plugin::types};

use crate::slot::Linked;

/// A component that handles single events, linked.
pub(crate) enum Called {
    /// By the world `event-handler`.
    Handler(EventHandlerPre<Attempt>),
    /// As a program, which gets the event on stdin.
    Program(CommandPre<Attempt>),
}

impl Linked for Called {
    fn of(instance: InstancePre<Attempt>) -> wasmtime::Result<Self> {
        // What has both is a handler, as `wharf-inspect` has it.
        EventHandlerPre::new(instance.clone())
            .map(Self::Handler)
            .or_else(|_| CommandPre::new(instance).map(Self::Program))
    }
}

impl Called {
    /// Makes an instance, and calls nothing.
    pub(crate) async fn begin(&self, store: &mut Store<Attempt>) -> wasmtime::Result<()> {
        match self {
            Self::Handler(handler) => handler.instantiate_async(store).await.map(drop),
            Self::Program(program) => program.instantiate_async(store).await.map(drop),
        }
    }

    /// Gives the event to the instance that is there, or to one that is made. A program is one call from its start to its end, so it leaves none.
    pub(crate) async fn call(
        &self,
        store: &mut Store<Attempt>,
        living: &mut Option<EventHandler>,
        event: &types::Event,
        delivery: &types::Delivery,
    ) -> wasmtime::Result<Result<(), types::Failure>> {
        match self {
            Self::Handler(handler) => {
                let instance = match living {
                    Some(instance) => instance,
                    none => none.insert(handler.instantiate_async(&mut *store).await?),
                };
                instance.wharf_plugin_handler().call_handle(&mut *store, event, delivery).await
            }
            Self::Program(program) => run_program(program, store).await,
        }
    }
}
