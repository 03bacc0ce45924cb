//! Capability: `wasi:random`. The numbers are WASI's own; how many bytes of them an attempt may draw is counted here, and they are recorded.

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::{
    p2::bindings::random::{insecure, insecure_seed, random},
    random::WasiRandomView as _,
};
use wharf_recording::Call;

use crate::{Attempt, effects::bytes, spent::Spent};

/// The random bytes that an attempt may still draw.
#[derive(Debug)]
pub(crate) struct RandomBudget {
    kib: u32,
    left: u64,
}

impl RandomBudget {
    pub(crate) fn new(kib: u32) -> Self {
        Self { kib, left: bytes(kib) as u64 }
    }

    fn draw(&mut self, count: u64) -> Result<(), Spent> {
        self.left = self.left.checked_sub(count).ok_or(Spent::Random(self.kib))?;
        Ok(())
    }
}

/// Adds it to `linker`.
pub(crate) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    type Own = HasSelf<Attempt>;
    random::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    insecure::add_to_linker::<_, Own>(linker, |attempt| attempt)?;
    insecure_seed::add_to_linker::<_, Own>(linker, |attempt| attempt)
}

impl random::Host for Attempt {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random.draw(len)?;
        let begun = self.context.tape.begin();
        let drawn = random::Host::get_random_bytes(self.random(), len)?;
        self.context
            .tape
            .note(begun, || Call::of("wasi:random/random.get-random-bytes").told("bytes", drawn.as_slice()));
        Ok(drawn)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random.draw(8)?;
        let begun = self.context.tape.begin();
        let drawn = random::Host::get_random_u64(self.random())?;
        self.context
            .tape
            .note(begun, || Call::of("wasi:random/random.get-random-u64").told("bytes", &drawn.to_le_bytes()[..]));
        Ok(drawn)
    }
}

impl insecure::Host for Attempt {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.random.draw(len)?;
        let begun = self.context.tape.begin();
        let drawn = insecure::Host::get_insecure_random_bytes(self.random(), len)?;
        self.context
            .tape
            .note(begun, || Call::of("wasi:random/insecure.get-insecure-random-bytes").told("bytes", drawn.as_slice()));
        Ok(drawn)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random.draw(8)?;
        let begun = self.context.tape.begin();
        let drawn = insecure::Host::get_insecure_random_u64(self.random())?;
        self.context.tape.note(begun, || {
            Call::of("wasi:random/insecure.get-insecure-random-u64").told("bytes", &drawn.to_le_bytes()[..])
        });
        Ok(drawn)
    }
}

impl insecure_seed::Host for Attempt {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        let begun = self.context.tape.begin();
        let (one, other) = insecure_seed::Host::insecure_seed(self.random())?;
        self.context.tape.note(begun, || {
            let bytes = [one.to_le_bytes(), other.to_le_bytes()].concat();
            Call::of("wasi:random/insecure-seed.insecure-seed").told("bytes", bytes)
        });
        Ok((one, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_costs_nothing() {
        let mut budget = RandomBudget::new(1);
        assert_eq!(budget.draw(1 << 30), Err(Spent::Random(1)));
        assert_eq!(budget.draw(1_000), Ok(()));
        assert_eq!(budget.draw(24), Ok(()));
        assert_eq!(budget.draw(1), Err(Spent::Random(1)));
    }
}
