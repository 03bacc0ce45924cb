//! Capability: `wasi:config/store`, the plugin's own config table. It is no grant, since it holds only what its tenant wrote.

use wharf_recording::Call;

use crate::{
    Attempt, AttemptContext,
    bindings::wasi::config::store::{Error, Host},
};

impl Host for Attempt {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let begun = self.context.tape.begin();
        let value = self.context.config.get(&key).cloned();
        self.context.tape.note(begun, || {
            let call = Call::of("wasi:config/store.get").asked("key", key);
            value.iter().fold(call, |call, value| call.told("value", value.as_str()))
        });
        Ok(Ok(value))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        let AttemptContext { config, tape, .. } = &self.context;
        let begun = tape.begin();
        tape.note(begun, || {
            let all = Call::of("wasi:config/store.get-all");
            config.iter().fold(all, |call, (key, value)| call.told("key", key.as_str()).told("value", value.as_str()))
        });
        Ok(Ok(config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
