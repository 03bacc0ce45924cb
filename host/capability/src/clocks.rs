//! Capability: `wasi:clocks`. The clocks are WASI's own; what they say to an attempt is recorded here.

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::{
    clocks::WasiClocksView as _,
    p2::{
        DynPollable,
        bindings::clocks::{
            monotonic_clock,
            wall_clock::{self, Datetime},
        },
    },
};
use wharf_recording::Call;

use crate::Attempt;

/// Adds it to `linker`.
pub(crate) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    type Own = HasSelf<Attempt>;
    wall_clock::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    monotonic_clock::add_to_linker::<_, Own>(linker, |attempt| attempt)
}

impl Attempt {
    fn wall(
        &mut self,
        function: &'static str,
        ask: impl FnOnce(&mut Self) -> wasmtime::Result<Datetime>,
    ) -> wasmtime::Result<Datetime> {
        let begun = self.context.tape.begin();
        let time = ask(self)?;
        let Datetime { seconds, nanoseconds } = time;
        self.context.tape.note(begun, || {
            Call::of(function).told("seconds", seconds.to_string()).told("nanoseconds", nanoseconds.to_string())
        });
        Ok(time)
    }

    fn monotonic(
        &mut self,
        function: &'static str,
        ask: impl FnOnce(&mut Self) -> wasmtime::Result<u64>,
    ) -> wasmtime::Result<u64> {
        let begun = self.context.tape.begin();
        let ns = ask(self)?;
        self.context.tape.note(begun, || Call::of(function).told("nanoseconds", ns.to_string()));
        Ok(ns)
    }
}

impl wall_clock::Host for Attempt {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        self.wall("wasi:clocks/wall-clock.now", |this| wall_clock::Host::now(&mut this.clocks()))
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        self.wall("wasi:clocks/wall-clock.resolution", |this| wall_clock::Host::resolution(&mut this.clocks()))
    }
}

/// What is waited for tells nothing: how long it took is seen by the next look at a clock.
impl monotonic_clock::Host for Attempt {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.monotonic("wasi:clocks/monotonic-clock.now", |this| monotonic_clock::Host::now(&mut this.clocks()))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.monotonic("wasi:clocks/monotonic-clock.resolution", |this| {
            monotonic_clock::Host::resolution(&mut this.clocks())
        })
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        monotonic_clock::Host::subscribe_instant(&mut self.clocks(), when)
    }

    fn subscribe_duration(&mut self, time: u64) -> wasmtime::Result<Resource<DynPollable>> {
        monotonic_clock::Host::subscribe_duration(&mut self.clocks(), time)
    }
}
