//! What one attempt costs in its parts, for `cargo xtask bench invoke`: the host itself never calls this.
//!
//! Invariant: the store and its limits are those of every attempt.

use std::time::Duration;

use wharf_capability::{Attempt, EventHandlerPre, wharf::plugin::types};

use crate::{
    Invocation, Release, Runtime,
    called::Called,
    cpu::{CpuMeter, Metered, thread_cpu},
    invoke::to_guest,
};

/// CPU time of the parts of one attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// Making the store, with what the attempt holds.
    pub store: Duration,
    /// Making the instance.
    pub instantiate: Duration,
    /// The call.
    pub call: Duration,
    /// Giving everything back.
    pub drop: Duration,
}

impl Runtime {
    /// One attempt in its parts, on this thread.
    ///
    /// # Errors
    /// When the guest traps or refuses the event.
    pub async fn parts(&self, release: &Release, invocation: Invocation) -> wasmtime::Result<Parts> {
        let (event, delivery) = arguments(&invocation);
        let meter = CpuMeter::default();
        let code = self.code(&release.slot).await.map_err(|failure| wasmtime::Error::msg(failure.reason))?;
        let handler = handler(&code)?;
        let began = thread_cpu();
        let mut store = self.store(invocation.context, invocation.limits, meter.clone());
        let made = thread_cpu();
        let (instantiated, called) = Metered::new(
            async {
                let instance = handler.instantiate_async(&mut store).await?;
                let instantiated = thread_cpu();
                agreed(instance.wharf_plugin_handler().call_handle(&mut store, &event, &delivery).await?)?;
                Ok::<_, wasmtime::Error>((instantiated, thread_cpu()))
            },
            meter,
        )
        .await?;
        drop(store);
        let given_back = thread_cpu();
        Ok(Parts {
            store: made.saturating_sub(began),
            instantiate: instantiated.saturating_sub(made),
            call: called.saturating_sub(instantiated),
            drop: given_back.saturating_sub(called),
        })
    }

    /// CPU time of so many calls of one instance, the first of them not counted.
    ///
    /// # Errors
    /// When the guest traps or refuses the event.
    pub async fn warm(&self, release: &Release, invocation: Invocation, calls: u32) -> wasmtime::Result<Duration> {
        let (event, delivery) = arguments(&invocation);
        let meter = CpuMeter::default();
        let code = self.code(&release.slot).await.map_err(|failure| wasmtime::Error::msg(failure.reason))?;
        let handler = handler(&code)?;
        let mut store = self.store(invocation.context, invocation.limits, meter.clone());
        Metered::new(
            async {
                let instance = handler.instantiate_async(&mut store).await?;
                let handler = instance.wharf_plugin_handler();
                agreed(handler.call_handle(&mut store, &event, &delivery).await?)?;
                let began = thread_cpu();
                for _ in 0..calls {
                    agreed(handler.call_handle(&mut store, &event, &delivery).await?)?;
                }
                Ok(thread_cpu().saturating_sub(began))
            },
            meter,
        )
        .await
    }
}

/// What is measured: what a program does is none of these parts.
fn handler(code: &Called) -> wasmtime::Result<&EventHandlerPre<Attempt>> {
    match code {
        Called::Handler(handler) => Ok(handler),
        Called::Program(_) => Err(wasmtime::Error::msg("it is a program, which is not measured")),
    }
}

fn arguments(invocation: &Invocation) -> (types::Event, types::Delivery) {
    let delivery = types::Delivery {
        id: invocation.context.occasion.to_string(),
        rule: invocation.rule.clone(),
        attempt: invocation.attempt,
        max_attempts: invocation.max_attempts,
        deadline_ms: invocation.limits.wall_ms,
    };
    (to_guest(&invocation.context.event), delivery)
}

fn agreed(answer: Result<(), types::Failure>) -> wasmtime::Result<()> {
    answer.map_err(|failure| wasmtime::Error::msg(format!("the guest refuses the event: {failure:?}")))
}
